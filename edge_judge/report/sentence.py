"""Decisions about the schemes of a ladder -> the one sentence that says which file to take.

Changes are signed as a reader expects: negative where accuracy was lost. Which estimate is claimed is said first,
and the other stands behind it in brackets: neither takes the other's place unsaid.

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


def _verdict(agreeing: Sequence[Decision], any_one: Decision) -> str:
    where = f"within {any_one.margin:g} {_points(any_one.margin)} on {_listed(any_one.benchmarks)}"
    baseline, claim = _file(any_one.baseline), CLAIMED[any_one.claim]
    if not agreeing:
        return f"no scheme is shown to agree with {baseline} {where}, {claim}"
    best, *others = agreeing
    found = f"{_file(best.run)} agrees with {baseline} {where}, {claim}: {_found(best)}"
    if others:
        found += f"; so {'does' if len(others) == 1 else 'do'} {_listed([other.run.scheme for other in others])}"
    return found


def _found(decision: Decision) -> str:
    whole = decision.verdicts == decision.verdicts_total
    used = f"all {decision.verdicts:,}" if whole else f"{decision.verdicts:,} of {decision.verdicts_total:,}"
    return f"{change(decision.claimed)} points, {used} verdicts used{_beside(decision)}"


def _worse(decision: Decision) -> str:
    used = f"{decision.verdicts:,} verdicts"
    return f"{_file(decision.run)} does not: {change(decision.claimed)}, {used}{_beside(decision)}"


def _undecided(decision: Decision) -> str:
    file = _file(decision.run)
    if not decision.verdicts:
        return f"{file} is undecided: nothing of it was judged yet"
    found = f"{file} is undecided after {decision.verdicts:,} verdicts: {change(decision.claimed)}{_beside(decision)}"
    if decision.more is None:
        return found
    return f"{found}, about {decision.more:,} more {'pair' if decision.more == 1 else 'pairs'} would tell"


def _beside(decision: Decision) -> str:
    """The estimate that is not claimed."""
    if decision.claim == "verdicts":
        other, name = decision.by_probabilities, "by their probabilities"
    else:
        other, name = decision.by_verdicts, "by the verdicts as given"
    return "" if other.value is None else f" ({name} {change(other)})"


def _file(side: SchemeFile) -> str:
    return f"{side.scheme} ({size(side.bytes)})"


def _points(margin: float) -> str:
    return "point" if margin == 1 else "points"


def _listed(names: Sequence[str]) -> str:
    """a, b and c"""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
