"""Figures -> tables for a person and plain dicts for a program.

Knows: how figures read well at 80 and at 120 columns.
Does not know: where figures come from; it prints nothing and opens no file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby

from edge_judge.metrics.published import PublishedComparison
from edge_judge.metrics.scoring import AGAINST_MAJORITY, DEPARTURES, near_chance
from edge_judge.quantities import counted
from edge_judge.records import Figure, Noise, Score
from edge_judge.report.columns import Value, at, figure_values
from edge_judge.report.formatting import (
    UNDEFINED,
    Form,
    Part,
    Table,
    count,
    difference,
    difference_of_shares,
    divergence,
    interval,
    kappa,
    notes,
    percent,
    table,
    value,
)
from edge_judge.report.forms import Sheet, sheet, written

BASELINES = {"longest": "longest\nanswer", "random": "random"}  # beside always naming the same place
STRICT_FIGURES = (  # in CSV; the keys of `Score.strict`
    "accuracy", "agreement", "consistency", "position_bias", "tie_rate", "format_errors", "debiased_accuracy", "ece",
    "kappa", "macro_f1", "brier", "mean_mass", "truncated",
)  # fmt: skip
UNITS = {"kappa": "coefficient", "brier": "squared"}
STRICT = "profile strict, a missing verdict counts as wrong"
NEAR_CHANCE = "near chance: the accuracy's interval reaches down to the best baseline without a model"


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One run as `eval` shows it; noise: what repeats of it changed, where it was repeated. pairs_seen: how many of its
    pairs the judge's file was made with. labelled: how many have a human label, None where that was not counted.
    """

    score: Score
    verdicts_per_minute: float | None = None
    published: PublishedComparison | None = None
    noise: Noise | None = None
    pairs_seen: int = 0
    labelled: int | None = None


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


def scores_table(rows: Sequence[ScoreRow], *, form: Form = "table", width: int = 80, color: bool = False) -> str:
    """Runs as `eval` shows them: how right, how steady and, where there is one, the published figure.

    CSV has a line for each run. width: columns; color: False gives plain text without any escape code.
    """
    parts: list[Part] = []
    for judge, group in groupby(rows, key=lambda row: _judge(row.score)):
        section = list(group)
        parts += [_accuracies(section, judge), _behaviour(section)]
        if any(_has_published(row) for row in section):
            parts.append(_against_published(section))
        parts += [_both_orders(section), _beyond_accuracy(section)]
        if explained := [line for row in section for line in _remarks(row)]:
            parts.append(notes(*explained))
    parts.append(notes(*_profiles(rows)))
    if any(near_chance(row.score.strict["accuracy"], row.score.baselines) for row in rows):
        parts.append(notes(NEAR_CHANCE))
    return written(parts, [_sheet(rows)], form=form, width=width, color=color)


def _sheet(rows: Sequence[ScoreRow]) -> Sheet:
    """A line for each run: every figure of the profile strict, then the one that is made as the published ones were."""
    fields: dict[str, Callable[[ScoreRow], Value]] = {
        **{name: at(f"score.{name}") for name in ("benchmark", "model", "scheme", "grammar", "pairs", "verdicts")},
        **{
            field: read
            for name in STRICT_FIGURES
            for field, read in figure_values(name, UNITS.get(name, "share"), _strict(name)).items()
        },
        **{f"{name}_{part}": _count(name, part) for name in ("agreement", "debiased_accuracy") for part in ("k", "n")},
        **{f"{name}_share": _baseline(name) for name in ("always_first", "always_second", *BASELINES)},
        "verdicts_per_minute": at("verdicts_per_minute"),
        "pairs_seen": at("pairs_seen"),
        "published_figure": at("published.figure"),
        **figure_values("as_published", "share", at("published.ours")),
        "published_percent": at("published.published"),
        "from_published_points": at("published.difference"),
    }
    return sheet("runs", fields, rows)


def _count(name: str, part: str) -> Callable[[ScoreRow], Value]:
    read = at(part)
    return lambda row: read(row.score.strict.get(name))


def _baseline(name: str) -> Callable[[ScoreRow], Value]:
    read = at("value")
    return lambda row: read(row.score.baselines.get(name))


def _strict(name: str) -> Callable[[ScoreRow], Figure | None]:
    return lambda row: row.score.strict.get(name)


def _accuracies(rows: Sequence[ScoreRow], title: str) -> Table:
    lines, labelled = [], some_labelled(rows)
    for row in rows:
        figure = row.score.strict["accuracy"]
        weak = near_chance(figure, row.score.baselines)
        lines.append(
            [
                row.score.benchmark,
                f"{row.score.pairs:,}",
                *([labelled_cell(row)] * labelled),
                f"{row.score.verdicts:,}",
                interval(figure, percent) + ("\nnear chance" if weak else ""),
                always(row.score.baselines),
                *(value(row.score.baselines.get(name), percent) for name in BASELINES),
            ]
        )
    named = "always\n1st/2nd" if any("/" in line[4 + labelled] for line in lines) else "always\nfirst"
    pairs = ["pairs", *(["labelled"] * labelled)]
    headers = ["benchmark", *pairs, "verdicts", "accuracy %\n[95 % interval]", named, *BASELINES.values()]
    return table(title, headers, lines, frozenset({3 + labelled}))


def some_labelled(rows: Sequence[ScoreRow]) -> bool:
    """Whether a run's accuracy rests on fewer pairs than it has: only some have a label."""
    return any(row.labelled is not None and 0 < row.labelled < row.score.pairs for row in rows)


def labelled_cell(row: ScoreRow) -> str:
    return UNDEFINED if row.labelled is None else f"{row.labelled:,}"


def always(baselines: Mapping[str, Figure]) -> str:
    """What naming always the first answer gets, and always the second where that is something else."""
    figures = (baselines.get(name) for name in ("always_first", "always_second"))
    return "/".join(dict.fromkeys(value(figure, percent) for figure in figures))


def _profiles(rows: Sequence[ScoreRow]) -> list[str]:
    """Under which profile the figures were made."""
    lines = [
        f"figures: {STRICT}",
        "always first, longest answer, random: the accuracy of these rules, without a model",
        "agreement: right in both orders; debiased: the verdict from the mean of both orders' probabilities",
        "ECE: expected calibration error, the gap between confidence and accuracy",
        "kappa: agreement with human labels beyond chance (Cohen's)",
    ]
    if any(_has_published(row) for row in rows):
        lines.append("as published: profile paper, scored as the published figures were")
    return lines


def _remarks(row: ScoreRow) -> list[str]:
    """What must be known to read the row's figures, a line each."""
    name = row.score.benchmark
    lines = []
    if row.score.attainable.value is not None:
        lines.append(people_note(name, row.score.human_agreement, row.score.attainable))
    if _has_published(row) and name in DEPARTURES:
        lines.append(f"{name}: {DEPARTURES[name]}")
    return lines + cautions(row)


def cautions(row: ScoreRow) -> list[str]:
    """What makes a run less than it seems, a line each: seen pairs, shortened answers, noise."""
    name, cut = row.score.benchmark, row.score.strict["truncated"]
    lines = []
    if row.pairs_seen:
        lines.append(f"{name}: not a fair test: the judge's file was made with {row.pairs_seen:,} of these pairs")
    if cut.k:
        lines.append(f"{name}: {cut.k:,} of {cut.n:,} verdicts on shortened answers")
    if row.noise:
        lines.append(f"{name}: {_noise_floor(row.noise)}")
    return lines


def _noise_floor(noise: Noise) -> str:
    apart = "" if noise.largest is None else f", a probability by {divergence(noise.largest)} at most"
    times = "once more" if noise.repeats == 1 else f"{noise.repeats} times more"
    changed = f"{noise.flips:,} of {counted(noise.verdicts, 'verdict')} changed"
    return f"judged {times} in different batches, {changed}{apart}"


def _has_published(row: ScoreRow) -> bool:
    return row.published is not None and row.published.published is not None


def people_note(benchmark: str, agreement: Figure, attainable: Figure) -> str:
    """How far people agree on a benchmark, and the most that a judge can agree with them, as a note."""
    most = f"the best possible judge agrees with {value(attainable, percent)} % of the votes"
    if benchmark in AGAINST_MAJORITY:
        most += ", and with all majority labels, which are used here"
    if agreement.value is None:
        return f"{benchmark}: {most}"
    return (
        f"{benchmark}: a human vote agrees with the majority of the others in {interval(agreement, percent)} %; {most}"
    )


def _behaviour(rows: Sequence[ScoreRow]) -> Table:
    lines = [
        [
            row.score.benchmark,
            value(row.score.strict["format_errors"], percent),
            value(row.score.strict["consistency"], percent),
            value(row.score.strict["position_bias"], difference_of_shares),
            value(row.score.strict["tie_rate"], percent),
            count(row.verdicts_per_minute),
        ]
        for row in rows
    ]
    headers = ["format\nerrors %", "consistent\n%", "position\nbias, points", "ties\n%", "verdicts\nper minute"]
    return table("", ["benchmark", *headers], lines)


def _both_orders(rows: Sequence[ScoreRow]) -> Table:
    lines = [
        [row.score.benchmark, *_with_counts(row, "agreement"), *_with_counts(row, "debiased_accuracy")] for row in rows
    ]
    headers = ["agreement %\n[95 % interval]", "k/n", "debiased %\n[95 % interval]", "k/n"]
    return table("", ["both orders", *headers], lines)


def _with_counts(row: ScoreRow, name: str) -> tuple[str, str]:
    figure = row.score.strict[name]
    return interval(figure, percent), UNDEFINED if figure.n is None else f"{figure.k}/{figure.n}"


def _beyond_accuracy(rows: Sequence[ScoreRow]) -> Table:
    lines = [
        [
            row.score.benchmark,
            interval(row.score.strict["ece"], percent),
            interval(row.score.strict["kappa"], kappa),
            interval(row.score.strict["macro_f1"], percent),
        ]
        for row in rows
    ]
    headers = [f"{name}\n[95 % interval]" for name in ("ECE, points", "kappa", "macro-F1, %")]
    return table("", ["beyond accuracy", *headers], lines)


def _against_published(rows: Sequence[ScoreRow]) -> Table:
    """The `paper` profile's figure, which is made as the published ones were."""
    lines = []
    for row in rows:
        against = row.published
        if against is None or against.published is None:
            continue
        apart = UNDEFINED if against.difference is None else difference(against.difference)
        verdict = {None: UNDEFINED, True: "outside", False: "inside"}[against.outside]
        ours = interval(against.ours, percent)
        lines.append([row.score.benchmark, against.figure, ours, f"{against.published:.1f}", apart, verdict])
    headers = ["as published", "ours %\n[95 % interval]", "published\n%", "points\napart", "our\ninterval"]
    return table("", ["benchmark", *headers], lines)


def _judge(score: Score) -> str:
    return f"{score.model} {score.scheme} with --grammar {score.grammar}"
