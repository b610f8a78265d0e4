"""A jury -> tables for a person and a plain dict for a program.

Knows: how jurors are told apart. Does not know: where figures come from; it prints nothing and opens no file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from edge_judge.analysis.jury import JurorPair, Jury
from edge_judge.quantities import counted
from edge_judge.records import Figure, Identity
from edge_judge.report.columns import Value, figure_values
from edge_judge.report.formatting import Form, Part, difference, interval, notes, percent, signed_number, table, value
from edge_judge.report.forms import Sheet, sheet, written
from edge_judge.report.selective import short_names


def jury_json(jury: Jury) -> dict[str, object]:
    """A jury: `gain` in points, everything else as shares and coefficients."""
    return asdict(jury)


def jury_table(jury: Jury, *, form: Form = "table", width: int = 80, color: bool = False) -> str:
    """Jurors and juries by accuracy, then how far each two jurors agree; so many sheets in CSV."""
    identities = [juror.identity for juror in jury.jurors]
    names = dict(zip(identities, short_names(identities), strict=True))
    alone = [
        [names[juror.identity], interval(juror.accuracy, percent), "", value(juror.format_errors, percent)]
        for juror in jury.jurors
    ]
    together = [
        [way.name, interval(way.accuracy, percent), interval(way.gain, difference), ""] for way in jury.together
    ]
    headers = ["juror, jury", "accuracy %\n[95 % interval]", "points above\nthe best juror", "format\nerrors %"]
    twos = [
        [f"{names[two.first]}, {names[two.second]}", interval(two.agreement, percent), interval(two.kappa, _kappa)]
        for two in jury.twos
    ]
    agreeing = ["jurors", "same verdict %\n[95 % interval]", "Cohen's kappa\n[95 % interval]"]
    title = f"{jury.jurors[0].identity.benchmark}, judged by {counted(len(jury.jurors), 'juror')}"
    tables = [table(title, headers, alone + together, frozenset({1})), table("", agreeing, twos)]
    parts: list[Part] = [*tables, notes(*_about_jury(jury, names))]
    return written(parts, _sheets(jury, names), form=form, width=width, color=color)


@dataclass(frozen=True, slots=True)
class _Member:
    """A line of the CSV: a juror, or a jury."""

    name: str
    kind: str
    accuracy: Figure
    gain: Figure | None = None
    format_errors: Figure | None = None
    undecided: Figure | None = None


def _sheets(jury: Jury, names: Mapping[Identity, str]) -> list[Sheet]:
    members = [
        *(_Member(names[one.identity], "juror", one.accuracy, None, one.format_errors) for one in jury.jurors),
        *(_Member(way.name, "jury", way.accuracy, way.gain, None, way.undecided) for way in jury.together),
    ]
    fields: dict[str, Callable[[_Member], Value]] = {
        "name": lambda row: row.name,
        "kind": lambda row: row.kind,
        **figure_values("accuracy", "share", lambda row: row.accuracy),
        **figure_values("gain", "points", lambda row: row.gain),
        **figure_values("format_errors", "share", lambda row: row.format_errors),
        **figure_values("undecided", "share", lambda row: row.undecided),
    }
    twos: dict[str, Callable[[JurorPair], Value]] = {
        "name": lambda two: names[two.first],
        "other": lambda two: names[two.second],
        **figure_values("same_verdict", "share", lambda two: two.agreement),
        **figure_values("kappa", "coefficient", lambda two: two.kappa),
    }
    return [sheet("accuracy", fields, members), sheet("agreement", twos, jury.twos)]


def _about_jury(jury: Jury, names: dict[Identity, str]) -> list[str]:
    lines = [
        f"{counted(jury.pairs, 'pair')}, {counted(jury.verdicts, 'verdict')} of each juror, "
        f"{counted(jury.trials, 'comparison')} with human labels"
    ]
    if jury.best is not None:
        lines.append(f"best juror: {names[jury.jurors[jury.best].identity]}, on these same verdicts")
    for way in jury.together:
        if way.undecided.k:
            share = percent(way.undecided.value or 0.0)
            even = f"no verdict in {share} % of verdicts, where votes are even and no tie is legal"
            lines.append(f"{way.name}: {even}; they count as neither right nor wrong, also for its gain")
    if jury.together[-1].undecided.value is None and jury.trials:
        lines.append("mean probability: not available, because a juror has no probabilities")
    lines.append(f"all jurors: Fleiss' kappa {interval(jury.fleiss, _kappa)}")
    return lines


def _kappa(kappa: float) -> str:
    return signed_number(kappa, ".3f")
