"""The names of answers in reasons that others wrote: "Response 1" becomes {a}, which any prompt can fill.

Knows: how published judges name the answers. Does not know: files, prompts.
"""

from __future__ import annotations

import re

_NAME = re.compile(r"\bresponse\s?([12])\b", re.IGNORECASE)


def with_placeholders(text: str) -> str:
    """The text with {a} and {b} where it names an answer "Response 1" or "Response 2"."""
    return _NAME.sub(lambda match: "{a}" if match[1] == "1" else "{b}", text)
