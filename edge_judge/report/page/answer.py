"""The runs on the page -> the sentence on top: which scheme of a judge can be trusted, by all that was recorded.

Knows: which runs make one ladder. It is decided by the probabilities of verdicts where every verdict has them, else
by the verdicts as given.
Does not know: how a decision is reached (`decision`), its words (`sentence`).
"""

from __future__ import annotations

from collections.abc import Sequence

from edge_judge.analysis.decision import decide_scheme
from edge_judge.analysis.paired_losses import CLAIMS, Part
from edge_judge.errors import DataError, RunError
from edge_judge.report.page.data import Entry, Setting
from edge_judge.report.sentence import sentence


def alone(entries: Sequence[Entry], margin: float) -> dict[Setting, str]:
    """The sentence on each benchmark, judge and protocol that has one: not where nothing was compared with a baseline,
    or nobody judged the pairs.
    """
    ladders: dict[Setting, dict[str, list[Part]]] = {}
    for entry in entries:
        if (part := _part(entry, entries)) is not None:
            ladders.setdefault(entry.setting, {}).setdefault(entry.identity.scheme, []).append(part)
    found = {setting: _said(list(ladder.values()), margin) for setting, ladder in ladders.items()}
    return {setting: said for setting, said in found.items() if said is not None}


def together(entries: Sequence[Entry], margin: float) -> dict[tuple[str, str], str]:
    """The sentence on all benchmarks of a judge and protocol as one, where there are several and all its schemes judged
    each.
    """
    ladders: dict[tuple[str, str], dict[str, list[Part]]] = {}
    for entry in entries:
        if (part := _part(entry, entries)) is not None:
            judge = (entry.identity.model, entry.identity.grammar)
            ladders.setdefault(judge, {}).setdefault(entry.identity.scheme, []).append(part)
    found = {judge: _said(list(ladder.values()), margin) for judge, ladder in ladders.items() if _even(ladder)}
    return {judge: said for judge, said in found.items() if said is not None}


def _part(entry: Entry, entries: Sequence[Entry]) -> Part | None:
    """The run beside its baseline; None where it has none, or is it."""
    if entry.baseline is None or entries[entry.baseline] is entry:
        return None
    return Part(entry.run, entries[entry.baseline].run)


def _even(ladder: dict[str, list[Part]]) -> bool:
    on = [{part.benchmark.name for part in parts} for parts in ladder.values()]
    return len(on[0]) > 1 and all(names == on[0] for names in on)


def _said(schemes: Sequence[Sequence[Part]], margin: float) -> str | None:
    for claim in CLAIMS:
        try:
            return sentence([decide_scheme(parts, margin, claim=claim) for parts in schemes])
        except (RunError, DataError):  # no probabilities, or no label at all: then there is less to say, or nothing
            continue
    return None
