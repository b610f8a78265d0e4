"""Decisions about the schemes of a ladder -> the one sentence that says which file to take.

Changes are signed as a reader expects: negative where accuracy was lost. The claimed estimate comes first, the other
follows in brackets.

Knows: plain English for one model's decisions. Does not know: how they came about.
"""

from __future__ import annotations

from collections.abc import Sequence

from edge_judge.analysis.decision import Decision, SchemeFile
from edge_judge.analysis.paired_losses import Claim
from edge_judge.errors import UsageError
from edge_judge.records import Figure
from edge_judge.report.formatting import UNDEFINED, signed_number, size

CERTAIN = 1e-6  # points: an interval as narrow as this is the value itself
CLAIMED: dict[Claim, str] = {
    "probabilities": "by the probabilities of its verdicts",
    "verdicts": "by its verdicts as given",
}


def sentence(decisions: Sequence[Decision]) -> str:
    """One sentence about all schemes of one model against one baseline, the smallest that agrees first.

    Raises UsageError where there is nothing to say, or the decisions are not about one question.
    """
    if not decisions:
        raise UsageError("no scheme was compared with its baseline", "name one that is smaller than the baseline")
    if len({(d.baseline, d.benchmarks, d.margin, d.claim) for d in decisions}) > 1:
        raise UsageError("these decisions answer different questions", "say one sentence for each")
    by_size = sorted(decisions, key=lambda decision: decision.run.bytes)
    agreeing, worse, undecided = (
        [decision for decision in by_size if decision.outcome == outcome]
        for outcome in ("within", "worse", "undecided")
    )
    clauses = [_verdict(agreeing, decisions[0])]
    clauses += [_worse(decision) for decision in reversed(worse)]
    clauses += [_undecided(decision) for decision in reversed(undecided)]
    return "; ".join(clauses) + "."


def change(figure: Figure) -> str:
    """Points of accuracy gained (+) or lost (−), from a figure of points lost, with its interval.

    Where every pair was judged there is nothing left to be unsure of, and no interval.
    """
    if figure.value is None:
        return UNDEFINED
    if figure.low is None or figure.high is None or figure.high - figure.low < CERTAIN:
        return signed(-figure.value)
    return f"{signed(-figure.value)} [{signed(-figure.high)}, {signed(-figure.low)}]"


def signed(points: float) -> str:
    return signed_number(points, "+.1f")


def _verdict(agreeing: Sequence[Decision], first: Decision) -> str:
    points = "point" if first.margin == 1 else "points"
    where = f"within {first.margin:g} {points} on {_listed(first.benchmarks)}"
    baseline, claim = _file(first.baseline), CLAIMED[first.claim]
    if not agreeing:
        return f"no scheme is shown to agree with {baseline} {where}, {claim}"
    best, *others = agreeing
    whole = best.verdicts == best.verdicts_total
    used = f"all {best.verdicts:,}" if whole else f"{best.verdicts:,} of {best.verdicts_total:,}"
    losses = f"{change(best.claimed)} points, {used} verdicts used{_other(best)}"
    text = f"{_file(best.run)} agrees with {baseline} {where}, {claim}: {losses}"
    if others:
        text += f"; so {'does' if len(others) == 1 else 'do'} {_listed([other.run.scheme for other in others])}"
    return text


def _worse(decision: Decision) -> str:
    losses = f"{change(decision.claimed)}, {decision.verdicts:,} verdicts{_other(decision)}"
    return f"{_file(decision.run)} does not: {losses}"


def _undecided(decision: Decision) -> str:
    file = _file(decision.run)
    if not decision.verdicts:
        return f"{file} is undecided: nothing of it was judged yet"
    text = f"{file} is undecided after {decision.verdicts:,} verdicts: {change(decision.claimed)}{_other(decision)}"
    if decision.more is None:
        return text
    return f"{text}, about {decision.more:,} more {'pair' if decision.more == 1 else 'pairs'} would tell"


def _other(decision: Decision) -> str:
    """The estimate that is not claimed."""
    other = decision.of(decision.other_claim)
    name = "by their probabilities" if decision.claim == "verdicts" else "by the verdicts as given"
    return "" if other.value is None else f" ({name} {change(other)})"


def _file(side: SchemeFile) -> str:
    return f"{side.scheme} ({size(side.bytes)})"


def _listed(names: Sequence[str]) -> str:
    """a, b and c"""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
