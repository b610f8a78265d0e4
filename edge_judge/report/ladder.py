"""Runs against their baseline -> the ladder, in every form.

Knows: the ladder's columns, in every format, and how it reads at 80 and at 120 columns.
Does not know: where comparisons come from; it prints nothing and opens no file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby

from edge_judge.analysis.compare import Comparison, RunSummary
from edge_judge.analysis.ladders import LadderDecision
from edge_judge.metrics.scoring import near_chance
from edge_judge.records import Figure, Identity
from edge_judge.report.columns import (
    INTERVAL_LINE,
    Column,
    Value,
    all_values,
    figure_values,
    terminal_table,
    whole_table,
)
from edge_judge.report.decision import not_looked_at
from edge_judge.report.formatting import (
    UNDEFINED,
    Form,
    Part,
    Sentence,
    Table,
    count,
    divergence,
    interval,
    natural_width,
    notes,
    percent,
    points,
    probability,
    size,
    value,
)
from edge_judge.report.forms import Sheet, sheet, written
from edge_judge.report.scores import BASELINES, NEAR_CHANCE, STRICT, always, people_note
from edge_judge.report.sentence import sentence


@dataclass(frozen=True, slots=True)
class Rung:
    """A row of the ladder: a run. near_chance: of its accuracy. baseline: the run it is compared with, which may be
    itself. comparison: with that, None where there is none. pairs: that the row rests on, labelled: those of them that
    people labelled.
    """

    run: RunSummary
    near_chance: bool
    baseline: Identity | None = None
    comparison: Comparison | None = None
    pairs: int | None = None
    labelled: int | None = None

    @property
    def is_baseline(self) -> bool:
        return self.baseline == self.run.identity

    @property
    def drop(self) -> Figure | None:
        return None if self.comparison is None else self.comparison.drop

    @property
    def kld(self) -> Figure | None:
        return None if self.comparison is None else self.comparison.kld


def compared(text: Callable[[Comparison], str], baseline: str = "") -> Callable[[Rung], str]:
    """A cell's text that is made of the comparison; baseline: what stands in the baseline's row."""

    def cell(rung: Rung) -> str:
        if rung.is_baseline:
            return baseline
        return UNDEFINED if rung.comparison is None else text(rung.comparison)

    return cell


def _of_comparison(read: Callable[[Comparison], Value]) -> Callable[[Rung], Value]:
    return lambda rung: None if rung.comparison is None else read(rung.comparison)


def _flips(separator: str) -> Callable[[Rung], str]:
    return compared(lambda lost: separator.join(str(flips) for flips in asdict(lost.flips).values()))


def _whole(number: int | None) -> str:
    return UNDEFINED if number is None else f"{number:,}"


def _detectable(lost: Comparison) -> str:
    """The smallest loss that would have been significant, where none was."""
    return UNDEFINED if lost.is_seen or lost.smallest_loss is None else points(lost.smallest_loss)


SIZE: Column[Rung] = Column("size", lambda rung: size(rung.run.bytes), {"size_bytes": lambda rung: rung.run.bytes})

# The ladder's columns: a new one is added to one of these, heading, cell and CSV fields together.
QUALITY: tuple[Column[Rung], ...] = (
    Column("scheme", lambda rung: rung.run.identity.scheme, {"scheme": lambda rung: rung.run.identity.scheme}),
    SIZE,
    Column(
        "accuracy %" + INTERVAL_LINE,
        lambda rung: interval(rung.run.accuracy, percent) + "\nnear chance" * rung.near_chance,
        {
            **figure_values("accuracy", "share", lambda rung: rung.run.accuracy),
            "near_chance": lambda rung: rung.near_chance,
        },
        bold=True,
    ),
    Column(
        "drop, points" + INTERVAL_LINE,
        compared(lambda lost: interval(lost.drop, points), "baseline"),
        figure_values("drop", "points", lambda rung: rung.drop),
    ),
    Column(
        "flips",
        _flips("/"),
        {
            "right_to_wrong": _of_comparison(lambda lost: lost.flips.right_to_wrong),
            "wrong_to_right": _of_comparison(lambda lost: lost.flips.wrong_to_right),
            "wrong_to_wrong": _of_comparison(lambda lost: lost.flips.wrong_to_wrong),
        },
        page_text=_flips(" / "),
    ),
    Column("p", compared(lambda lost: probability(lost.p)), {"p": _of_comparison(lambda lost: lost.p)}),
    Column(
        "p by\nHolm",
        compared(lambda lost: probability(lost.p_holm)),
        {"p_holm": _of_comparison(lambda lost: lost.p_holm)},
    ),
    Column(
        "MDE",
        compared(_detectable),
        {"smallest_loss_points": _of_comparison(lambda lost: lost.smallest_loss)},
    ),
)
COST: tuple[Column[Rung], ...] = (  # in a table of its own where the terminal is narrow
    Column(
        "KLD",
        compared(lambda lost: value(lost.kld, divergence)),
        figure_values("kld", "nats", lambda rung: rung.kld),
        page_text=compared(lambda lost: interval(lost.kld, divergence)),
    ),
    Column(
        "verdicts compared",
        compared(lambda lost: f"{lost.verdicts:,}"),
        {"verdicts_compared": _of_comparison(lambda lost: lost.verdicts)},
        in_terminal=False,
    ),
    Column(
        "verdicts\nper minute",
        lambda rung: count(rung.run.verdicts_per_minute),
        {"verdicts_per_minute": lambda rung: rung.run.verdicts_per_minute},
        page_heading="verdicts a minute",
    ),
    Column("peak\nRSS", lambda rung: size(rung.run.peak_rss), {"peak_rss_bytes": lambda rung: rung.run.peak_rss}),
)

PAIRS: Column[Rung] = Column("pairs", lambda rung: _whole(rung.pairs), {"pairs": lambda rung: rung.pairs})
LABELLED: Column[Rung] = Column(
    "labelled", lambda rung: _whole(rung.labelled), {"labelled": lambda rung: rung.labelled}
)


LEGEND = (
    "p: exact sign-flip test of the loss per cluster of pairs; p by Holm: adjusted for all schemes of the ladder",
    "MDE: minimum detectable effect, the smallest true drop, in points, that this many pairs show (p ≤ 0.05)"
    " with a power of 80 %; - where the drop is significant",
)


def columns() -> tuple[Column[Rung], ...]:
    """All columns of the ladder."""
    return QUALITY + COST


def ladder_table(
    comparisons: Sequence[Comparison],
    ladders: Sequence[LadderDecision] = (),
    *,
    form: Form = "table",
    width: int = 80,
    color: bool = False,
) -> str:
    """Runs against their baseline as `compare` and `demo` show them: one ladder for each benchmark, and below it what
    was decided; at the end, what was decided on several benchmarks together.

    The baseline comes first. A run compared with itself is the baseline's row and gets no second one. CSV has a line
    for each row, beginning with what the ladder's title says. width: columns of a terminal; where they are too few,
    what a run costs stands in a table of its own; color: False gives plain text without any escape code.
    """
    parts: list[Part] = []
    for ladder in _ladders(comparisons):
        parts += [*_tables(_title(ladder), _rungs(ladder), form, width), notes(*_below_ladder(ladder))]
        parts += [_answer(one) for one in ladders if one.is_alone_on(ladder[0].run.identity)]
    parts += [_answer(one, f"{one.model} with --grammar {one.grammar}: ") for one in ladders if len(one.benchmarks) > 1]
    weak = any(_is_weak(lost, side) for lost in comparisons for side in (lost.run, lost.baseline))
    parts.append(
        notes(
            f"accuracy, drop, flips: {STRICT}",
            "drop: points of accuracy lost, with its 95 % interval",
            *LEGEND,
            *(
                ["what can be trusted: decided as in `edge-judge choose`, on all pairs that were judged"]
                * bool(ladders)
            ),
            "flips: right to wrong / wrong to right / wrong to another wrong",
            "KLD: mean divergence of the verdict's probabilities from the baseline's, in nats",
            *([NEAR_CHANCE] * weak),
        )
    )
    return written(parts, [_sheet(comparisons)], form=form, width=width, color=color)


def _answer(ladder: LadderDecision, of: str = "") -> Sentence:
    """The sentence, and which schemes it does not speak of."""
    text = [of + sentence(ladder.decisions)]
    if ladder.unseen:
        text.append(not_looked_at(ladder.unseen))
    return Sentence("\n".join(text))


def _sheet(comparisons: Sequence[Comparison]) -> Sheet:
    fields: dict[str, Callable[[Rung], Value]] = {
        "benchmark": lambda rung: rung.run.identity.benchmark,
        "model": lambda rung: rung.run.identity.model,
        "grammar": lambda rung: rung.run.identity.grammar,
        "baseline": lambda rung: None if rung.baseline is None else rung.baseline.scheme,
        **all_values((PAIRS, LABELLED, *columns())),
    }
    return sheet("runs", fields, [rung for ladder in _ladders(comparisons) for rung in _rungs(ladder)])


def _ladders(comparisons: Sequence[Comparison]) -> list[list[Comparison]]:
    return [list(group) for _, group in groupby(comparisons, key=_setting)]


def _rungs(comparisons: Sequence[Comparison]) -> list[Rung]:
    """The baseline, then the runs that are not the baseline themselves."""
    base = comparisons[0].baseline
    others = [comparison for comparison in comparisons if comparison.run.identity != base.identity]
    widest = comparisons[0]
    first = Rung(base, _is_weak(widest, base), base.identity, pairs=widest.pairs, labelled=widest.labelled)
    return [first, *(_rung(other) for other in others)]


def _rung(lost: Comparison) -> Rung:
    weak = _is_weak(lost, lost.run)
    return Rung(lost.run, weak, lost.baseline.identity, lost, pairs=lost.pairs, labelled=lost.labelled)


def _numbers_of_pairs(rungs: Sequence[Rung]) -> tuple[Column[Rung], ...]:
    """On how many pairs a row rests, where that is not the same for all rows, or not for all figures."""
    differ = len({rung.pairs for rung in rungs}) > 1
    some = any(rung.labelled and rung.pairs and rung.labelled < rung.pairs for rung in rungs)
    return (PAIRS,) * differ + (LABELLED,) * some


def _tables(title: str, rungs: Sequence[Rung], form: Form, width: int) -> list[Table]:
    """One table where the width allows it, else what a run costs, its size too, in a table of its own."""
    numbers = _numbers_of_pairs(rungs)
    scheme, *others = columns()
    if form != "table":
        return [whole_table(title, (scheme, *numbers, *others), rungs)]
    whole = terminal_table(title, (scheme, *numbers, *others), rungs)
    if natural_width(whole) <= width:
        return [whole]
    figures = tuple(column for column in others if column in QUALITY and column is not SIZE)
    quality = terminal_table(title, (scheme, *numbers, *figures), rungs)
    if natural_width(quality) > width:
        quality = terminal_table(title, (scheme, *figures), rungs)
        return [quality, terminal_table("", (scheme, SIZE, *numbers, *COST), rungs)]
    return [quality, terminal_table("", (scheme, SIZE, *COST), rungs)]


def _is_weak(comparison: Comparison, side: RunSummary) -> bool:
    return near_chance(side.accuracy, comparison.baselines)


def _below_ladder(comparisons: Sequence[Comparison]) -> list[str]:
    """What is right without a model, and how far people agree, over the most pairs that any rung was judged on."""
    most = max(comparisons, key=lambda comparison: comparison.pairs)
    shown = {"always the first": always(most.baselines)}
    shown |= {name.replace("\n", " "): value(most.baselines.get(key), percent) for key, name in BASELINES.items()}
    lines = [f"without a model, %: {', '.join(f'{name} {figure}' for name, figure in shown.items())}"]
    if most.attainable.value is not None:
        lines.append(people_note(most.run.identity.benchmark, most.human_agreement, most.attainable))
    return lines


def _title(ladder: Sequence[Comparison]) -> str:
    identity = ladder[0].baseline.identity
    return f"{identity.benchmark}, judged by {identity.model} with --grammar {identity.grammar}"


def _setting(comparison: Comparison) -> tuple[str, str, str, str]:
    identity = comparison.run.identity
    return identity.benchmark, identity.model, identity.grammar, comparison.baseline.identity.scheme
