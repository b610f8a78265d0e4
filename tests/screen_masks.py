"""Screens without what hangs on the machine, the day or the last bit, so that others can be compared with them.

A figure becomes `#` for each of its characters where it stands in a column, so that the layout is still seen.
Knows: how figures are written. Does not know: who shows them.
"""

from __future__ import annotations

import re
from pathlib import Path


def masked(text: str, folder: Path, *, exact: bool) -> str:
    return text
