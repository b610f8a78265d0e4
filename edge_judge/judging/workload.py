"""The work of a run, counted without doing it.

Knows: questions, prompts, an engine's plan. Does not know: seconds, names of benchmarks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edge_judge.engine import Engine
from edge_judge.judging.judge import prepare
from edge_judge.protocols.protocol import Protocol, Question
from edge_judge.records import Pair


@dataclass(frozen=True, slots=True)
class Load:
    """The work of a run. prompts: distinct ones; tokens: to read, with shared beginnings counted once; tokens_alone:
    the same with every prompt counted in full; each: tokens that a judge may write after each prompt, 0 if it writes
    nothing; shortened: questions with an answer that is shortened to fit.
    """

    verdicts: int
    prompts: int
    tokens: int
    tokens_alone: int
    each: int
    shortened: int


def load(engine: Engine, protocol: Protocol, pairs: Sequence[Pair]) -> Load:
    """The work of a run over these pairs, as the run itself would plan it.

    Answers that do not fit the model's context are counted as `--truncate answers` would shorten them. Raises
    ModelError if a prompt does not fit even so, or if the model lacks the prompt that should come with it.
    """
    questions = [Question(pair, order) for pair in pairs for order in protocol.orders]
    job = prepare(engine, replace(protocol, truncate=True), questions)
    work = job.work()
    return Load(
        verdicts=len(questions),
        prompts=work.prompts,
        tokens=work.tokens,
        tokens_alone=work.tokens_alone,
        each=protocol.limit,
        shortened=len({prompt.question for prompt in job.prompts if prompt.truncated}),
    )
