"""The figure of the simulation: error rates and pairs needed, side by side, as SVG.

Knows: the rows of simulation.json, altair. Does not know: how they were simulated. Needs altair and vl-convert-python.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import altair as alt

Row = Mapping[str, Any]

CURVES: dict[str, Callable[[Row], float]] = {
    "McNemar's design, one verdict a pair": lambda row: row["mcnemar"],
    "a quarter of it": lambda row: row["mcnemar"] / 4,
    "the fixed design with both orders of each pair": lambda row: row["both_orders"],
    "sequential, by verdicts": lambda row: row["verdicts"],
    "sequential, by probabilities": lambda row: row["probabilities"],
}


def draw(errors: Sequence[Row], needed: Sequence[Row], margin: float, path: Path) -> None:
    """Write the figure. errors, needed: rows for one number of pairs; margin: in points."""
    both = alt.hconcat(_errors(errors, margin), _needed(needed, margin), spacing=40).resolve_scale(color="independent")
    both.configure_view(stroke=None).configure_axis(grid=False).properties(background="white").save(path)


def _colored(field: str) -> Any:
    legend = alt.Legend(orient="bottom", direction="vertical", labelLimit=300)
    return alt.Color(f"{field}:N", title=None, sort=None, legend=legend)


def _errors(rows: Sequence[Row], margin: float) -> Any:
    percent = [{**row, **{key: 100 * row[key] for key in ("rate", "low", "high")}} for row in rows]
    base = alt.Chart(alt.Data(values=percent)).encode(
        y=alt.Y("population:N", title=None, sort=None, axis=alt.Axis(labelLimit=220)),
        yOffset=alt.YOffset("rule:N", sort=None),
        color=_colored("rule"),
    )
    points = base.mark_circle(size=50, opacity=1).encode(x=alt.X("rate:Q", title="% of orders, with 95 % intervals"))
    lines = base.mark_rule().encode(x=alt.X("low:Q", scale=alt.Scale(domain=[0, 6])), x2="high:Q")
    limit = alt.Chart(alt.Data(values=[{"x": 5}])).mark_rule(strokeDash=[4, 3], color="#b00").encode(x="x:Q")
    title = [f"Wrongly called within {margin:g} points", f"{rows[0]['pairs']:,} pairs; wanted: at most 5 %"]
    return alt.layer(lines, points, limit).properties(title=title, width=300, height=260)


def _needed(rows: Sequence[Row], margin: float) -> Any:
    points = [
        {"flips": 100 * row["flips"], "kind": name, "pairs": pairs(row)}
        for row in rows
        for name, pairs in CURVES.items()
    ]
    ticks = alt.Axis(values=[100 * row["flips"] for row in rows])
    base = alt.Chart(alt.Data(values=points)).encode(
        x=alt.X("flips:Q", title="% of verdicts that become right or wrong", axis=ticks),
        y=alt.Y("pairs:Q", title="pairs, median"),
        color=_colored("kind"),
    )
    title = [f"Pairs until no loss is known to be within {margin:g} points", f"of {rows[0]['pairs']:,} pairs"]
    return alt.layer(base.mark_line(), base.mark_circle(size=50, opacity=1)).properties(
        title=title, width=380, height=260
    )
