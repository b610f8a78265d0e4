"""The runs on the page -> the sentence on top: which scheme of a judge can be trusted, by all that was recorded.

Knows: which runs make one ladder. All their pairs are used, as they are there.
Does not know: how a decision is reached (`decision`), its words (`sentence`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from edge_judge.analysis.decision import decide_ladder
from edge_judge.analysis.paired_losses import Part
from edge_judge.errors import DataError, RunError
from edge_judge.report.page.data import Entry, Setting
from edge_judge.report.sentence import sentence

Key = TypeVar("Key")


def alone(entries: Sequence[Entry], margin: float) -> dict[Setting, str]:
    """The sentence on each benchmark, judge and protocol that has one: not where nothing was compared with a baseline,
    or nobody judged the pairs.
    """
    return _sentences(_ladders(entries, lambda entry: entry.setting), margin)


def together(entries: Sequence[Entry], margin: float) -> dict[tuple[str, str], str]:
    """The sentence on all benchmarks of a judge and protocol, where there are several and all its schemes judged each.
    A scheme has to agree on every one.
    """
    ladders = _ladders(entries, lambda entry: (entry.identity.model, entry.identity.grammar))
    return _sentences({judge: ladder for judge, ladder in ladders.items() if _even(ladder)}, margin)


def _ladders(entries: Sequence[Entry], key: Callable[[Entry], Key]) -> dict[Key, dict[str, list[Part]]]:
    """By key and scheme, each run with its baseline, without runs that have none or are one."""
    ladders: dict[Key, dict[str, list[Part]]] = {}
    for entry in entries:
        if entry.baseline is not None and entries[entry.baseline] is not entry:
            part = Part(entry.run, entries[entry.baseline].run)
            ladders.setdefault(key(entry), {}).setdefault(entry.identity.scheme, []).append(part)
    return ladders


def _even(ladder: dict[str, list[Part]]) -> bool:
    """Whether there are several benchmarks, and all schemes judged each."""
    benchmarks = [{part.benchmark.name for part in parts} for parts in ladder.values()]
    return len(benchmarks[0]) > 1 and all(names == benchmarks[0] for names in benchmarks)


def _sentences(ladders: Mapping[Key, dict[str, list[Part]]], margin: float) -> dict[Key, str]:
    sentences = {key: _sentence(list(ladder.values()), margin) for key, ladder in ladders.items()}
    return {key: text for key, text in sentences.items() if text is not None}


def _sentence(schemes: Sequence[Sequence[Part]], margin: float) -> str | None:
    try:
        decisions, _ = decide_ladder(schemes, margin)
    except (RunError, DataError):  # no label at all, or not the runs of one question: there is nothing to say
        return None
    return sentence(decisions)
