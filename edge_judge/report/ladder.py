"""Runs against a baseline -> the ladder for a person, and plain dicts for a program.

Knows: how a ladder reads well at 80 and at 120 columns.
Does not know: where comparisons come from; it prints nothing and opens no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING

from edge_judge.analysis.compare import Comparison, RunSummary
from edge_judge.metrics.scoring import near_chance
from edge_judge.report.formatting import (
    count,
    divergence,
    interval,
    notes,
    percent,
    points,
    probability,
    render,
    size,
    table,
    value,
)
from edge_judge.report.scores import BASELINES, NEAR_CHANCE, STRICT, always, ceiling_told

if TYPE_CHECKING:
    from rich.console import RenderableType

WIDE = 106  # columns from which the ladder fits into one table


def comparison_json(comparison: Comparison) -> dict[str, object]:
    """A comparison as `compare --json` prints it; `drop` in points, `kld` in nats, `peak_rss` in bytes."""
    run = comparison.run
    return {
        **asdict(run.identity),
        "baseline": _baseline_json(comparison.baseline),
        "pairs": comparison.pairs,
        "verdicts": comparison.verdicts,
        "trials": comparison.trials,
        "accuracy": asdict(run.accuracy),
        "drop": asdict(comparison.drop),
        "mcnemar_p": comparison.mcnemar_p,
        "flips": asdict(comparison.flips),
        "kld": asdict(comparison.kld),
        "baselines": {name: asdict(figure) for name, figure in comparison.baselines.items()},
        "human_ceiling": asdict(comparison.human_ceiling),
        "bytes": run.bytes,
        "verdicts_per_minute": run.verdicts_per_minute,
        "peak_rss": run.peak_rss,
    }


def ladder_table(comparisons: Sequence[Comparison], *, width: int = 80, color: bool = False) -> str:
    """Runs against their baseline as `compare` and `demo` show them: one ladder for each benchmark.

    The baseline comes first. A run compared with itself is the baseline's row and gets no second one. width:
    columns; below 106 what a run costs stands in a table of its own; color: False gives plain text without
    any escape code.
    """
    parts: list[RenderableType] = []
    for _, group in groupby(comparisons, key=_setting):
        ladder = list(group)
        parts += [*_ladder(ladder, width), notes(*_beside_ladder(ladder))]
    weak = any(_is_weak(one, side) for one in comparisons for side in (one.run, one.baseline))
    parts.append(
        notes(
            f"accuracy, drop, flips: {STRICT}",
            "drop: points of accuracy lost, with its 95 % interval; p: exact McNemar test",
            "flips: right to wrong / wrong to right / wrong to another wrong",
            "KLD: mean divergence of the verdict's probabilities from the baseline's, in nats",
            *([NEAR_CHANCE] * weak),
        )
    )
    return render(parts, width, color)


def _ladder(comparisons: Sequence[Comparison], width: int) -> list[RenderableType]:
    base = comparisons[0].baseline
    rungs = [rung for rung in comparisons if rung.run.identity != base.identity]
    identity = base.identity
    title = f"{identity.benchmark}, judged by {identity.model} with --grammar {identity.grammar}"
    quality = [[base.identity.scheme, size(base.bytes), _accuracy(comparisons[0], base), *["baseline", "", ""]]]
    cost = [["", *_cost(base)]]
    for rung in rungs:
        flips, run = rung.flips, rung.run
        changes = f"{flips.right_to_wrong}/{flips.wrong_to_right}/{flips.wrong_to_wrong}"
        lost, p = interval(rung.drop, points), probability(rung.mcnemar_p)
        quality.append([run.identity.scheme, size(run.bytes), _accuracy(rung, run), lost, changes, p])
        cost.append([value(rung.kld, divergence), *_cost(run)])
    about_quality = [
        "scheme",
        "size",
        "accuracy %\n[95 % interval]",
        "drop, points\n[95 % interval]",
        "flips",
        "p",
    ]
    about_cost = ["KLD", "verdicts\nper minute", "peak\nRSS"]
    if width >= WIDE:
        both = [left + right for left, right in zip(quality, cost, strict=True)]
        return [table(title, about_quality + about_cost, both, frozenset({2}))]
    schemes = [[line[0], *rest] for line, rest in zip(quality, cost, strict=True)]
    return [table(title, about_quality, quality, frozenset({2})), table("", ["scheme", *about_cost], schemes)]


def _accuracy(comparison: Comparison, side: RunSummary) -> str:
    return interval(side.accuracy, percent) + ("\nnear chance" if _is_weak(comparison, side) else "")


def _is_weak(comparison: Comparison, side: RunSummary) -> bool:
    return near_chance(side.accuracy, comparison.baselines)


def _beside_ladder(comparisons: Sequence[Comparison]) -> list[str]:
    """What is right without a model, and how far people agree, over the most pairs that any rung was judged on."""
    most = max(comparisons, key=lambda comparison: comparison.pairs)
    shown = {"always the first": always(most.baselines)}
    shown |= {name.replace("\n", " "): value(most.baselines.get(key), percent) for key, name in BASELINES.items()}
    told = [f"without a model, %: {', '.join(f'{name} {figure}' for name, figure in shown.items())}"]
    if most.human_ceiling.value is not None:
        told.append(ceiling_told(most.run.identity.benchmark, most.human_ceiling))
    return told


def _cost(side: RunSummary) -> list[str]:
    return [count(side.verdicts_per_minute), size(side.peak_rss)]


def _setting(comparison: Comparison) -> tuple[str, str, str, str]:
    identity = comparison.run.identity
    return identity.benchmark, identity.model, identity.grammar, comparison.baseline.identity.scheme


def _baseline_json(side: RunSummary) -> dict[str, object]:
    return {
        **asdict(side.identity),
        "accuracy": asdict(side.accuracy),
        "bytes": side.bytes,
        "verdicts_per_minute": side.verdicts_per_minute,
        "peak_rss": side.peak_rss,
    }
