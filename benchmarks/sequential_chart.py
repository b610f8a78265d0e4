"""The figure of the simulation: pairs needed, for the benchmark's own pairs and for new ones, as SVG.

Knows: the rows of simulation.json, altair. Does not know: how they were simulated. Needs altair and vl-convert-python.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import altair as alt

Row = Mapping[str, Any]

CURVES: dict[str, Callable[[Row], float]] = {
    "fixed design, power 0.8": lambda row: max(row["fixed"], row["least"]),
    "least that any test needs": lambda row: row["least"],
    "ours, median": lambda row: row["median"],
    "ours, nine of ten": lambda row: row["ninetieth"],
    "version 0.1.0, median": lambda row: row["before"],
}


def draw(rows: Sequence[Row], margin: float, path: Path) -> None:
    """Write the figure. rows: for one number of pairs; margin: in points."""
    sides = [_needed([row for row in rows if row["population"] == new], margin, new) for new in (False, True)]
    both = alt.hconcat(*sides, spacing=40)
    both.configure_view(stroke=None).configure_axis(grid=False).properties(background="white").save(path)


def _needed(rows: Sequence[Row], margin: float, new: bool) -> Any:
    points = [
        {"flips": 100 * row["flips"], "kind": name, "pairs": pairs(row)}
        for row in rows
        for name, pairs in CURVES.items()
    ]
    ticks = alt.Axis(values=[100 * row["flips"] for row in rows])
    legend = alt.Legend(orient="bottom", direction="vertical", labelLimit=300)
    base = alt.Chart(alt.Data(values=points)).encode(
        x=alt.X("flips:Q", title="% of verdicts that become right or wrong", axis=ticks),
        y=alt.Y("pairs:Q", title="pairs", scale=alt.Scale(domain=[0, rows[0]["pairs"]])),
        color=alt.Color("kind:N", title=None, sort=None, legend=legend),
    )
    what = "on new pairs" if new else f"on all {rows[0]['pairs']:,} pairs"
    title = [f"Pairs until no loss {what}", f"is known to be within {margin:g} points"]
    return alt.layer(base.mark_line(), base.mark_circle(size=50, opacity=1)).properties(
        title=title, width=340, height=260
    )
