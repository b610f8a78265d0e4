"""Decisions about the schemes of a ladder -> the one sentence that says which file to take.

"Can be trusted" is said of new pairs alone; "agrees" of the benchmarks' own pairs. Every statement is about verdicts as
given. Changes are signed as a reader expects: negative where accuracy was lost.

Knows: plain English for one model's decisions. Does not know: how they came about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from edge_judge.analysis.decision import Decision, OnBenchmark, SchemeFile
from edge_judge.errors import UsageError
from edge_judge.quantities import counted, signed
from edge_judge.records import Figure
from edge_judge.report.formatting import UNDEFINED, size

UNKNOWN = "unknown"  # the scheme of weights that nobody here has seen
CERTAIN = 1e-6  # points: an interval as narrow as this is the value itself


def sentence(decisions: Sequence[Decision]) -> str:
    """One sentence about all schemes of one model against one baseline, the smallest that can be trusted first.

    Raises UsageError where there is nothing to say, or the decisions are not about one question.
    """
    if not decisions:
        raise UsageError("no scheme was compared with its baseline", "name a scheme that is smaller than the baseline")
    if len({(d.baseline, d.benchmarks, d.margin) for d in decisions}) > 1:
        raise UsageError("these decisions answer different questions", "write one sentence for each")
    decisions = [_named(decision) for decision in decisions]
    by_size = sorted(decisions, key=lambda decision: decision.run.bytes)
    trusted = [one for one in by_size if one.trusted == "within" and one.outcome != "worse"]
    rest = [one for one in by_size if one not in trusted]
    agreeing, worse, undecided = (
        [one for one in rest if one.outcome == outcome] for outcome in ("within", "worse", "undecided")
    )
    clauses = [_trusted(trusted) if trusted else _none(decisions[0], agreeing)]
    clauses += [_agreeing(agreeing)] if agreeing else []
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


def _named(decision: Decision) -> Decision:
    """With the models' names before their schemes, where these are two models."""
    sides = decision.run, decision.baseline
    if decision.run.model == decision.baseline.model:
        return decision
    names = [side.model if side.scheme == UNKNOWN else f"{side.model} {side.scheme}" for side in sides]
    run, baseline = (replace(side, scheme=name) for side, name in zip(sides, names, strict=True))
    return replace(decision, run=run, baseline=baseline)


def _trusted(trusted: Sequence[Decision]) -> str:
    best, *others = trusted
    where = f"{_margin(best)} on new pairs like those of {_listed(best.benchmarks)}"
    text = (
        f"{_file(best.run)} can be trusted in place of {_file(best.baseline)} {where}: change in accuracy "
        f"{_changes(best, _new)} points there, {_changes(best, _own)} on {_pairs(best)}, {_used(best)}"
        f"{_disagreement(best)}"
    )
    return f"{text}; {_names(others)} can too" if others else text


def _none(first: Decision, agreeing: Sequence[Decision]) -> str:
    baseline, where = _file(first.baseline), _listed(first.benchmarks)
    if agreeing:
        return f"no scheme is shown to be as good as {baseline} {_margin(first)} on new pairs like those of {where}"
    return f"no scheme is shown to agree with {baseline} {_margin(first)} on {where}"


def _agreeing(agreeing: Sequence[Decision]) -> str:
    """Those that agree on the benchmarks' own pairs, and why no more is said."""
    best, *others = agreeing
    text = (
        f"{_file(best.run)} agrees with {best.baseline.scheme} on {_pairs(best)}: change in accuracy "
        f"{_changes(best, _own)} points, {_used(best)}{_disagreement(best)}"
    )
    if others:
        text += f"; {_names(others)} {'agrees' if len(others) == 1 else 'agree'} too"
    return f"{text}; {_reason(agreeing)}"


def _reason(agreeing: Sequence[Decision]) -> str:
    """Why nothing is said of new pairs, and what it would take."""
    asked = next((one for one in reversed(agreeing) if one.claims_new), None)  # the widest, which ended the sequence
    if asked is None:
        return "no claim about new pairs, because a wider scheme was not shown to agree on them"
    if asked.trusted == "worse":
        return f"on new pairs like these {asked.run.scheme} does not agree: {_changes(asked, _new)}"
    text = f"on new pairs like these {asked.run.scheme} is undecided: {_changes(asked, _new)}"
    needed = [
        f"about {counted(_round(part.needed), 'pair')}{f' of {part.benchmark}' if len(asked.parts) > 1 else ''}"
        for part in asked.parts
        if part.needed is not None
    ]
    return f"{text}, {_listed(needed)} would decide" if needed else text


def _round(count: int) -> int:
    """To two digits."""
    return int(float(f"{count:.2g}"))


def _worse(decision: Decision) -> str:
    losses = f"{_changes(decision, _own)}, {counted(decision.verdicts, 'verdict')}{_disagreement(decision)}"
    return f"{_file(decision.run)} does not agree: {losses}"


def _undecided(decision: Decision) -> str:
    file = _file(decision.run)
    if not decision.verdicts:
        return f"{file} is undecided: not judged yet"
    text = f"{file} is undecided after {counted(decision.verdicts, 'verdict')}: {_changes(decision, _own)}"
    text += _disagreement(decision)
    more = sum(part.more or 0 for part in decision.parts)
    return f"{text}, about {counted(more, 'more pair')} would decide" if more else text


def _disagreement(decision: Decision) -> str:
    """Said where verdicts and their probabilities lie on different sides of the margin."""
    apart = [part for part in decision.parts if _apart(part, decision.margin)]
    told = [
        f"{f'{part.benchmark} ' if len(decision.parts) > 1 else ''}{change(part.by_probabilities)}" for part in apart
    ]
    return f" (in expected accuracy: {', '.join(told)})" if told else ""


def _apart(part: OnBenchmark, margin: float) -> bool:
    given, probable = part.by_verdicts.value, part.by_probabilities.value
    return given is not None and probable is not None and (given <= margin) != (probable <= margin)


def _own(part: OnBenchmark) -> Figure:
    return part.by_verdicts


def _new(part: OnBenchmark) -> Figure:
    return part.new_pairs


def _changes(decision: Decision, figure: Callable[[OnBenchmark], Figure]) -> str:
    """On each benchmark, with the pooled value of the own pairs where there are several."""
    if len(decision.parts) == 1:
        return change(figure(decision.parts[0]))
    told = [f"{part.benchmark} {change(figure(part))}" for part in decision.parts]
    if figure is _own and decision.pooled is not None:
        told.append(f"pooled {signed(-decision.pooled)}")
    return ", ".join(told)


def _margin(decision: Decision) -> str:
    return f"within {counted(decision.margin, 'point')}"


def _pairs(decision: Decision) -> str:
    return f"the {counted(decision.pairs_total, 'pair')} of {_listed(decision.benchmarks)}"


def _used(decision: Decision) -> str:
    used, total = decision.verdicts, decision.verdicts_total
    return f"{f'all {used:,}' if used == total else f'{used:,} of {total:,}'} verdicts used"


def _file(side: SchemeFile) -> str:
    return f"{side.scheme} ({size(side.bytes)})" if side.bytes else side.scheme


def _names(decisions: Sequence[Decision]) -> str:
    return _listed([decision.run.scheme for decision in decisions])


def _listed(names: Sequence[str]) -> str:
    """a, b and c"""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
