"""Recorded verdicts as an engine, to judge the same pairs again without a model.

Knows: the prompts of a question, and which parts of an engine's answer a verdict keeps. Does not know: models, files of
results.
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
    """An engine that gives the answers from which these verdicts were made.

    trained: the prompt that comes with the model. Raises DataError for verdicts that do not keep these answers:
    verdicts from two scores, and verdicts on answers that were shortened.
    """
    if protocol.one_by_one:
        raise DataError(
            f"verdicts under {protocol.grammar.name} cannot be replayed from a recorded run",
            "a verdict keeps the result of two scores, not the probabilities of each",
        )
    pairs = {pair.id: pair for pair in benchmark.pairs}
    answers = {}
    for verdict in verdicts:
        if verdict.truncated:
            raise DataError(f"verdict {verdict.id}: its answers were shortened, and how was not recorded")
        (prompt,) = prompt_texts(protocol, Question(pairs[verdict.id], verdict.order), trained)
        answers[prompt] = _answer(protocol, verdict)
    return RecordedEngine(answers, trained_prompt=trained)


def _answer(protocol: Protocol, verdict: Verdict) -> Distribution[Label] | Written[Label]:
    """The engine's answer, in the order shown."""
    p = {to_pair_order(verdict.order, label): value for label, value in (verdict.p or {}).items()}
    distribution = Distribution(p, verdict.mass) if p and verdict.mass is not None else None
    if isinstance(protocol.request, Writing) or (distribution is None and verdict.text is not None):
        return Written(verdict.text or "", distribution)
    if distribution is None:
        raise DataError(f"verdict {verdict.id}: no probabilities are recorded")
    return distribution
