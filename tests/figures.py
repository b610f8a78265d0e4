"""Whether figures that two machines computed are the same.

A figure is kept to twelve digits. Libraries of another version, or on another processor, may differ in the last bits of
what is rounded so, and then the twelfth digit by one.
Knows: nested JSON. Does not know: what a figure means.
"""

from __future__ import annotations

import math
from typing import Any

RELATIVE = 1e-11  # as records.Figure says


def same(first: Any, second: Any) -> bool:
    """Whether two JSON values have the same shape, texts and counts, and numbers within the tolerance."""
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, float) and isinstance(second, float):
        return math.isclose(first, second, rel_tol=RELATIVE)
    return type(first) is type(second) and bool(first == second)
