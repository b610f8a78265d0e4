"""How much a run would have to do, counted without doing it.

Knows: questions, prompts, what an engine plans. Does not know: seconds, benchmarks' names.
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
    """Work in tokens. tokens: read, every shared beginning once; tokens_alone: had every prompt been read by itself;
    prompts: distinct ones; each: tokens that a judge may write after each, 0 where nothing is written; shortened:
    questions with an answer that was shortened to fit.
    """

    verdicts: int
    prompts: int
    tokens: int
    tokens_alone: int
    each: int
    shortened: int


def load(engine: Engine, protocol: Protocol, pairs: Sequence[Pair]) -> Load:
    """What a run over these pairs has to do, counted as the run itself would plan it.

    Answers that do not fit the model's context are counted as `--truncate answers` would shorten them. Raises
    ModelError where a prompt does not fit however short they are, or should have come with the model and did not.
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
