"""SVG elements as text.

Knows: what must be escaped, and which characters no XML file can hold.
Does not know: what is drawn.
"""

from __future__ import annotations

import re
from html import escape
from typing import TypeAlias

Attribute: TypeAlias = str | int | float

NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def element(name: str, attributes: dict[str, Attribute], *children: str) -> str:
    """One element around children that are markup already: elements, or text from `text`."""
    written = "".join(f' {key}="{_attribute(value)}"' for key, value in attributes.items())
    return f"<{name}{written}>{''.join(children)}</{name}>" if children else f"<{name}{written}/>"


def text(content: str) -> str:
    """Any text as markup; a character that XML does not allow becomes the replacement character."""
    return escape(NOT_XML.sub("\N{REPLACEMENT CHARACTER}", content))


def number(value: float) -> str:
    """A coordinate to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")


def _attribute(value: Attribute) -> str:
    return text(value) if isinstance(value, str) else number(value)
