"""Names as names of folders, the same on every system.

Windows reserves some names (CON, NUL …), forbids some signs, and drops dots and spaces at the end. A run that is made
on one system must be found on another, so the rule holds everywhere.
Source: learn.microsoft.com, "Naming Files, Paths, and Namespaces".
Knows: what a folder may be called. Does not know: what the names stand for, which folders there are.
"""

from __future__ import annotations

import re

FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
ENDING = re.compile(r"[. ]+$")
RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3])(?= *(\.|$))", re.IGNORECASE)


def folder_name(name: str) -> str:
    """The name itself where every system allows it; else the nearest one: `CON` becomes `CON_`, `a:b` becomes `a-b`.

    Two names may become the same, so what lies in a folder says its name itself.
    """
    plain = FORBIDDEN.sub("-", name)
    plain = ENDING.sub(lambda end: "-" * len(end[0]), plain)
    return RESERVED.sub(lambda match: f"{match[0]}_", plain, count=1) if RESERVED.match(plain) else plain or "_"
