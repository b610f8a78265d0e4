"""A jury -> tables for a person and a plain dict for a program.

Knows: how jurors are told apart. Does not know: where figures come from; it prints nothing and opens no file.
"""

from __future__ import annotations

from dataclasses import asdict

from edge_judge.analysis.jury import Jury
from edge_judge.records import Identity
from edge_judge.report.formatting import interval, notes, percent, points, render, signed_number, table, value
from edge_judge.report.selective import short_names


def jury_json(jury: Jury) -> dict[str, object]:
    """A jury: `gain` in points, everything else as shares and coefficients."""
    return asdict(jury)


def jury_table(jury: Jury, *, width: int = 80, color: bool = False) -> str:
    """Jurors and juries by accuracy, then how far each two jurors agree."""
    identities = [juror.identity for juror in jury.jurors]
    names = dict(zip(identities, short_names(identities), strict=True))
    alone = [
        [names[juror.identity], interval(juror.accuracy, percent), "", value(juror.format_errors, percent)]
        for juror in jury.jurors
    ]
    together = [[way.name, interval(way.accuracy, percent), interval(way.gain, points), ""] for way in jury.together]
    headers = ["juror, jury", "accuracy %\n[95 % interval]", "points above\nthe best juror", "format\nerrors %"]
    twos = [
        [f"{names[two.first]}, {names[two.second]}", interval(two.agreement, percent), interval(two.kappa, _kappa)]
        for two in jury.twos
    ]
    agreeing = ["jurors", "same verdict %\n[95 % interval]", "Cohen's kappa\n[95 % interval]"]
    title = f"{jury.jurors[0].identity.benchmark}, judged by {len(jury.jurors)} jurors"
    tables = [table(title, headers, alone + together, frozenset({1})), table("", agreeing, twos)]
    return render([*tables, notes(*_about_jury(jury, names))], width, color)


def _about_jury(jury: Jury, names: dict[Identity, str]) -> list[str]:
    lines = [
        f"{jury.pairs:,} pairs, {jury.verdicts:,} verdicts of each juror, {jury.trials:,} comparisons with human labels"
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
