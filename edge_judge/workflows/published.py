"""Where the published full-precision figures lie: inside the installed package, or under results/ of a checkout.

Knows: that file. Does not know: which figure belongs beside which run (metrics/published.py).
"""

from __future__ import annotations

from pathlib import Path

from edge_judge.metrics import published
from edge_judge.metrics.published import Published

FILE = "published.csv"
PACKAGE = Path(__file__).parent.parent


def read_published() -> tuple[Published, ...]:
    """Every published row."""
    inside = PACKAGE / FILE
    return published.read_published(inside if inside.exists() else PACKAGE.parent / "results" / FILE)
