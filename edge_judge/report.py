"""Figures -> tables for a person and plain dicts for a program.

Knows: how figures read well at 80 and at 120 columns.
Does not know: where figures come from; it prints nothing and opens no file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from edge_judge.compare import Comparison, Side
from edge_judge.layout import (
    UNDEFINED,
    count,
    divergence,
    interval,
    notes,
    percent,
    points,
    probability,
    render,
    share,
    signed_number,
    size,
    table,
    value,
)
from edge_judge.metrics import DEPARTURES, near_chance
from edge_judge.published import PublishedComparison
from edge_judge.records import Figure, Score

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edge_judge.noise import Noise

BASELINES = {"longest": "longest\nanswer", "random": "random"}  # beside always naming the same place
STRICT = "profile strict, a missing verdict is wrong"
WIDE = 106  # columns from which the ladder fits into one table


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One run as `eval` shows it; noise: what repeats of it changed, where it was repeated."""

    score: Score
    verdicts_per_minute: float | None = None
    published: PublishedComparison | None = None
    noise: Noise | None = None


def score_json(score: Score) -> dict[str, object]:
    """A run's score.json: exactly the fields of `Score`, every figure with value, low, high, k and n.

    `human_ceiling` is there only where the benchmark has several votes on a pair.
    """
    ceiling = {} if score.human_ceiling.value is None else {"human_ceiling": asdict(score.human_ceiling)}
    return {
        "benchmark": score.benchmark,
        "model": score.model,
        "scheme": score.scheme,
        "grammar": score.grammar,
        "pairs": score.pairs,
        "verdicts": score.verdicts,
        "strict": {name: asdict(figure) for name, figure in score.strict.items()},
        "paper": {name: asdict(figure) for name, figure in score.paper.items()},
        "baselines": {name: asdict(figure) for name, figure in score.baselines.items()},
        **ceiling,
    }


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
        "bytes": run.bytes,
        "verdicts_per_minute": run.verdicts_per_minute,
        "peak_rss": run.peak_rss,
    }


def published_json(comparison: PublishedComparison) -> dict[str, object]:
    """One published figure beside ours: `ours` as shares, `published` in percent, `difference` in points."""
    return {
        "benchmark": comparison.benchmark,
        "model": comparison.row.model,
        "precision": comparison.row.precision,
        "source": comparison.row.source,
        "figure": comparison.figure,
        "ours": asdict(comparison.ours),
        "published": comparison.published,
        "difference": comparison.difference,
        "outside": comparison.outside,
    }


def scores_table(rows: Sequence[ScoreRow], *, width: int = 80, color: bool = False) -> str:
    """Runs as `eval` shows them: how right, how steady and, where there is one, the published figure.

    width: columns; color: False gives plain text without any escape code.
    """
    parts: list[RenderableType] = []
    for judge, group in groupby(rows, key=lambda row: _judge(row.score)):
        section = list(group)
        parts += [_accuracies(section, judge), _behaviour(section)]
        if any(_is_beside(row) for row in section):
            parts.append(_beside_published(section))
        if explained := [line for row in section for line in _remarks(row)]:
            parts.append(notes(*explained))
    parts.append(notes(*_profiles(rows)))
    if any(near_chance(row.score.strict["accuracy"], row.score.baselines) for row in rows):
        parts.append(notes("near chance: the interval reaches down to the best baseline without a model"))
    return render(parts, width, color)


def ladder_table(comparisons: Sequence[Comparison], *, width: int = 80, color: bool = False) -> str:
    """Runs against their baseline as `compare` and `demo` show them: one ladder for each benchmark.

    The baseline comes first. A run compared with itself is the baseline's row and gets no second one. width:
    columns; below 106 what a run costs stands in a table of its own; color: False gives plain text without
    any escape code.
    """
    parts: list[RenderableType] = []
    for _, group in groupby(comparisons, key=_setting):
        parts += _ladder(list(group), width)
    parts.append(
        notes(
            f"accuracy, drop, flips: {STRICT}",
            "drop: points of accuracy lost, with its 95 % interval; p: exact McNemar test",
            "flips: right to wrong / wrong to right / wrong to another wrong",
            "KLD: mean divergence of the verdict's probabilities from the baseline's, in nats",
        )
    )
    return render(parts, width, color)


def _accuracies(rows: Sequence[ScoreRow], title: str) -> RenderableType:
    lines = []
    for row in rows:
        figure = row.score.strict["accuracy"]
        weak = near_chance(figure, row.score.baselines)
        lines.append(
            [
                row.score.benchmark,
                f"{row.score.pairs:,}",
                f"{row.score.verdicts:,}",
                interval(figure, percent) + ("\nnear chance" if weak else ""),
                _always(row.score.baselines),
                *(value(row.score.baselines.get(name), percent) for name in BASELINES),
            ]
        )
    always = "always\n1st/2nd" if any("/" in line[4] for line in lines) else "always\nfirst"
    headers = ["benchmark", "pairs", "verdicts", "accuracy %\n[95 % interval]", always, *BASELINES.values()]
    return table(title, headers, lines, frozenset({3}))


def _always(baselines: Mapping[str, Figure]) -> str:
    """What naming always the first answer gets, and always the second where that is something else."""
    names = ("always_first", "always_second")
    return "/".join(dict.fromkeys(value(baselines.get(name), percent) for name in names))


def _profiles(rows: Sequence[ScoreRow]) -> list[str]:
    """Under which profile the figures were made."""
    beside = any(_is_beside(row) for row in rows)
    return [f"figures: {STRICT}", *(["as published: profile paper, made as the published figures were"] * beside)]


def _remarks(row: ScoreRow) -> list[str]:
    """What must be known to read the row's figures, a line each."""
    name, ceiling, cut = row.score.benchmark, row.score.human_ceiling, row.score.strict["truncated"]
    lines = []
    if ceiling.value is not None:
        lines.append(f"{name}: a human vote agrees with the majority of the others in {interval(ceiling, percent)} %")
    if cut.k:
        lines.append(f"{name}: {cut.k:,} of {cut.n:,} verdicts on shortened answers")
    if _is_beside(row) and name in DEPARTURES:
        lines.append(f"{name}: {DEPARTURES[name]}")
    if row.noise:
        lines.append(f"{name}: {_noise_floor(row.noise)}")
    return lines


def _noise_floor(noise: Noise) -> str:
    apart = "" if noise.largest is None else f", a probability by {divergence(noise.largest)} at most"
    times = "once more" if noise.repeats == 1 else f"{noise.repeats} times more"
    return f"judged {times} in other batches, {noise.flips:,} of {noise.verdicts:,} verdicts changed{apart}"


def _is_beside(row: ScoreRow) -> bool:
    return row.published is not None and row.published.published is not None


def _behaviour(rows: Sequence[ScoreRow]) -> RenderableType:
    lines = [
        [
            row.score.benchmark,
            value(row.score.strict["format_errors"], percent),
            value(row.score.strict["consistency"], percent),
            value(row.score.strict["position_bias"], share),
            value(row.score.strict["tie_rate"], percent),
            count(row.verdicts_per_minute),
        ]
        for row in rows
    ]
    headers = ["format\nerrors %", "consistent\n%", "position\nbias", "ties\n%", "verdicts\nper minute"]
    return table("", ["benchmark", *headers], lines)


def _beside_published(rows: Sequence[ScoreRow]) -> RenderableType:
    """The `paper` profile's figure, which is made as the published ones were."""
    lines = []
    for row in rows:
        if row.published is None or row.published.published is None:
            continue
        found = row.published
        apart = UNDEFINED if found.difference is None else signed_number(found.difference, "+.1f")
        verdict = {None: UNDEFINED, True: "outside", False: "inside"}[found.outside]
        ours = interval(found.ours, percent)
        lines.append([row.score.benchmark, found.figure, ours, f"{found.published:.1f}", apart, verdict])
    headers = ["as published", "ours %\n[95 % interval]", "published\n%", "points\napart", "our\ninterval"]
    return table("", ["benchmark", *headers], lines)


def _ladder(comparisons: Sequence[Comparison], width: int) -> list[RenderableType]:
    base = comparisons[0].baseline
    rungs = [rung for rung in comparisons if rung.run.identity != base.identity]
    identity = base.identity
    title = f"{identity.benchmark}, judged by {identity.model} with --grammar {identity.grammar}"
    quality = [
        [base.identity.scheme, size(base.bytes), interval(base.accuracy, percent), *["baseline", "", ""]]
    ]
    cost = [["", *_cost(base)]]
    for rung in rungs:
        flips, run = rung.flips, rung.run
        changes = f"{flips.right_to_wrong}/{flips.wrong_to_right}/{flips.wrong_to_wrong}"
        lost, p = interval(rung.drop, points), probability(rung.mcnemar_p)
        accuracy = interval(run.accuracy, percent)
        quality.append([run.identity.scheme, size(run.bytes), accuracy, lost, changes, p])
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


def _cost(side: Side) -> list[str]:
    return [count(side.verdicts_per_minute), size(side.peak_rss)]


def _setting(comparison: Comparison) -> tuple[str, str, str, str]:
    identity = comparison.run.identity
    return identity.benchmark, identity.model, identity.grammar, comparison.baseline.identity.scheme


def _baseline_json(side: Side) -> dict[str, object]:
    return {
        **asdict(side.identity),
        "accuracy": asdict(side.accuracy),
        "bytes": side.bytes,
        "verdicts_per_minute": side.verdicts_per_minute,
        "peak_rss": side.peak_rss,
    }


def _judge(score: Score) -> str:
    return f"{score.model} {score.scheme} with --grammar {score.grammar}"
