"""Recorded verdicts as an engine: to judge again what was judged once, without a model.

Knows: which prompts a question takes, and what an engine answered where a verdict keeps it. Does not know: models,
files of results.
"""

from __future__ import annotations

from collections.abc import Sequence

from edge_judge.engine import RecordedEngine
from edge_judge.errors import DataError
from edge_judge.inference import Distribution, Writing, Written
from edge_judge.judging.prompting import prompt_texts
from edge_judge.protocols.protocol import Protocol, Question
from edge_judge.records import Benchmark, Label, Verdict, to_pair_order


def replay(
    benchmark: Benchmark, protocol: Protocol, verdicts: Sequence[Verdict], trained: str | None = None
) -> RecordedEngine:
    """An engine that answers the prompts of these verdicts as it was answered when they were reached.

    trained: the prompt that came with the model. Raises DataError for verdicts that do not keep what was answered:
    those of two scores, and those on answers that were shortened.
    """
    if protocol.one_by_one:
        raise DataError(
            f"verdicts under {protocol.grammar.name} cannot be judged again from a record",
            "a verdict keeps what two scores came to, not the probabilities of each",
        )
    pairs = {pair.id: pair for pair in benchmark.pairs}
    answers = {}
    for verdict in verdicts:
        if verdict.truncated:
            raise DataError(f"verdict {verdict.id}: its answers were shortened, and how is not recorded")
        (prompt,) = prompt_texts(protocol, Question(pairs[verdict.id], verdict.order), trained)
        answers[prompt] = _answer(protocol, verdict)
    return RecordedEngine(answers, trained_prompt=trained)


def _answer(protocol: Protocol, verdict: Verdict) -> Distribution[Label] | Written[Label]:
    """What the engine answered, in the order shown."""
    p = {to_pair_order(verdict.order, label): value for label, value in (verdict.p or {}).items()}
    distribution = Distribution(p, verdict.mass) if p and verdict.mass is not None else None
    if isinstance(protocol.request, Writing):
        return Written(verdict.text or "", distribution)
    if distribution is None:
        raise DataError(f"verdict {verdict.id}: no probabilities are recorded")
    return distribution
