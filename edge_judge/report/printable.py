"""Text of unknown origin as a terminal may show it.

A name, an id or a server's message may hold what a terminal obeys (escape sequences), what turns a line around (marks
of bidirectional text) or what no encoding has (half a character). Each of these is shown as Python writes it: `\\x1b`.
Source of the marks: Unicode Standard Annex 9, and Unicode Technical Report 36, section 2.
Knows: which characters are not shown as they are. Does not know: where a text comes from, or stands.
"""

from __future__ import annotations

import re

_NOT_SHOWN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters; a line break and a tab are none here
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # direction
    "\u200b\u2028\u2029\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # not seen, or a line break
    "\ud800-\udfff]"  # halves of characters
)


def printable(text: str) -> str:
    """The text with its line breaks and tabs, and with everything else that is not shown as an escape."""
    return _NOT_SHOWN.sub(lambda match: ascii(match[0])[1:-1], text)


def on_one_line(text: str) -> str:
    """The same in one line: a line break and a tab are escapes too."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")
