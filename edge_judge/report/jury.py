"""A jury -> tables for a person and a plain dict for a program.

Knows: how jurors are told apart. Does not know: where figures come from; it prints nothing and opens no file.
"""

from __future__ import annotations

from dataclasses import asdict

from edge_judge.analysis.jury import Jury
from edge_judge.records import Identity
from edge_judge.report.formatting import interval, notes, percent, points, render, signed_number, table, value
from edge_judge.report.selective import called


def jury_json(found: Jury) -> dict[str, object]:
    """A jury: `gain` in points, everything else as shares and coefficients."""
    return asdict(found)


def jury_table(found: Jury, *, width: int = 80, color: bool = False) -> str:
    """Jurors and juries by accuracy, then how far each two jurors agree."""
    names = dict(
        zip([one.identity for one in found.jurors], called([one.identity for one in found.jurors]), strict=True)
    )
    alone = [
        [names[one.identity], interval(one.accuracy, percent), "", value(one.format_errors, percent)]
        for one in found.jurors
    ]
    together = [[one.name, interval(one.accuracy, percent), interval(one.gain, points), ""] for one in found.together]
    headers = ["juror, jury", "accuracy %\n[95 % interval]", "points gained on\nthe best juror", "format\nerrors %"]
    twos = [
        [
            f"{names[two.first]}, {names[two.second]}",
            interval(two.agreement, percent),
            interval(two.kappa, _coefficient),
        ]
        for two in found.twos
    ]
    agreeing = ["jurors", "same verdict %\n[95 % interval]", "Cohen's kappa\n[95 % interval]"]
    title = f"{found.jurors[0].identity.benchmark}, judged by {len(found.jurors)} jurors"
    return render(
        [
            table(title, headers, alone + together, frozenset({1})),
            table("", agreeing, twos),
            notes(*_about_jury(found, names)),
        ],
        width,
        color,
    )


def _about_jury(found: Jury, names: dict[Identity, str]) -> list[str]:
    lines = [
        f"{found.pairs:,} pairs, {found.verdicts:,} verdicts of each juror, {found.trials:,} times held to a human vote"
    ]
    if found.best is not None:
        lines.append(f"best juror: {names[found.jurors[found.best].identity]}, on these same verdicts")
    if any(one.accuracy.value is None for one in found.together) and found.trials:
        lines.append("mean probability: a juror has no probabilities, so there is none")
    lines.append(f"all jurors: Fleiss' kappa {interval(found.fleiss, _coefficient)}")
    return lines


def _coefficient(kappa: float) -> str:
    return signed_number(kappa, ".3f")
