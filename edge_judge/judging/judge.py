"""Pairs to verdicts: an engine is asked, its answers are grouped by question, the kind of protocol reads them.

Knows: protocols, what an engine offers, the order that answers were shown in. Does not know: how an engine works, how
a kind reads, files of results, figures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from edge_judge.engine import Engine, Work, engine_for
from edge_judge.inference import Footprint, GuidedWriting, Reading
from edge_judge.judging.prompting import Prompt, make_prompts
from edge_judge.protocols.kinds import ShownVerdict
from edge_judge.protocols.marks import would_quote
from edge_judge.protocols.protocol import Protocol, Question
from edge_judge.records import (
    LABELS,
    Batching,
    Judge,
    Label,
    Limits,
    Pair,
    Progress,
    ProgressListener,
    Verdict,
    WorkEstimate,
    to_pair_order,
)

Wanted = Callable[[Question], bool]


@dataclass(frozen=True, slots=True)
class JudgingJob:
    """Questions, and the prompts they take."""

    engine: Engine
    protocol: Protocol
    questions: Sequence[Question]
    prompts: Sequence[Prompt]

    def work(self, wanted: Wanted = lambda _: True, batching: Batching = Batching()) -> Work[Any]:
        """What the engine has to do for the questions that are wanted."""
        engine, request = self.engine, self.protocol.request
        encoded = [prompt.encoded for prompt in self.prompts]

        def needed(index: int) -> bool:
            return wanted(self.questions[self.prompts[index].question])

        def copied(index: int, written: str) -> bool:
            return would_quote(written, mark, self.prompts[index].texts)

        if isinstance(request, Reading):
            return engine.probabilities(encoded, request, needed, batching)
        mark = request.mark if isinstance(request, GuidedWriting) else ""
        return engine.write(encoded, request, copied, needed, batching)

    def verdict(self, answers: Sequence[Any], prompt: Prompt) -> Verdict:
        """The verdict from an engine's answers to all prompts of a question, of which this is one."""
        question = self.questions[prompt.question]
        shown = self.protocol.grammar.kind.read(answers, self.protocol.labels, prompt.texts)
        return _in_pair_order(question, shown, prompt.truncated)


def prepare(engine: Engine, protocol: Protocol, questions: Sequence[Question]) -> JudgingJob:
    """Raises ModelError, before anything is evaluated, when prompts do not fit the model's context."""
    return JudgingJob(engine, protocol, questions, make_prompts(engine, protocol, questions))


def judge(
    engine: Engine,
    protocol: Protocol,
    questions: Sequence[Question],
    wanted: Wanted = lambda _: True,
    listener: ProgressListener = ProgressListener(),
    batching: Batching = Batching(),
    name: str = "",
) -> Generator[Verdict, None, None]:
    """A verdict on each question, as it is reached. The work is done in blocks that come out the same whatever ran
    before them; a block in which no question is `wanted` is left out, the verdicts of all others are given again.

    name: of the benchmark, for the listener. Raises ModelError, before anything is evaluated, when prompts do not fit
    the model's context, and MemoryLimitError when the work does not fit the limits of the engine.
    """
    job = prepare(engine, protocol, questions)
    watched = WatchedWork(listener, name, sum(map(wanted, questions)), protocol.limit)
    return _verdicts(job, wanted, batching, watched)


def judge_pair(
    pair: Pair, judge_: Judge, protocol: Protocol, *, threads: int | None = None, limits: Limits = Limits()
) -> list[Verdict]:
    """One pair, now: a verdict for each order, kept nowhere."""
    questions = [Question(pair, order) for order in protocol.orders]
    with closing(engine_for(judge_, threads=threads, limits=limits)) as engine:
        verdicts = list(judge(engine, protocol, questions))
    return sorted(verdicts, key=lambda verdict: protocol.orders.index(verdict.order))


def debiased(verdicts: Sequence[Verdict]) -> dict[Label, float]:
    """The mean of the probabilities over the orders: what position alone would decide cancels out."""
    known = [verdict.p for verdict in verdicts if verdict.p is not None]
    return {label: sum(p[label] for p in known) / len(known) for label in known[0]}


def _verdicts(
    job: JudgingJob, wanted: Wanted, batching: Batching, watched: WatchedWork
) -> Generator[Verdict, None, None]:
    work = job.work(wanted, batching)
    watched.plan(work)
    parts = 2 if job.protocol.one_by_one else 1
    waiting: dict[int, dict[int, Any]] = {}  # question -> part -> answer, until all parts are there
    with closing(work.answers(watched.started, watched.evaluated)) as answers:
        for index, answer in answers:
            prompt = job.prompts[index]
            known = waiting.setdefault(prompt.question, {})
            known[prompt.part] = answer
            if len(known) == parts:
                ordered = [part for _, part in sorted(waiting.pop(prompt.question).items())]
                watched.verdicts += wanted(job.questions[prompt.question])
                yield job.verdict(ordered, prompt)


class WatchedWork:
    """Tells a listener of work that goes on. verdicts: the wanted ones that are reached; each: tokens that may be
    written after each prompt.
    """

    def __init__(self, listener: ProgressListener, name: str, wanted: int, each: int) -> None:
        self._listener, self._name, self._wanted, self._each = listener, name, wanted, each
        self._begun = self._started = time.monotonic()
        self._planned = self._alone = self._tokens = self.verdicts = 0

    def plan(self, work: Work[Any]) -> None:
        self._planned, self._alone = work.tokens, work.tokens_alone

    def started(self, footprint: Footprint, batching: Batching) -> None:
        self._started = time.monotonic()
        takes, cache = footprint.total, footprint.cache
        self._listener.estimate(
            self._name,
            WorkEstimate(self._wanted, self._planned, self._alone, self._each, takes, cache, batching),
        )

    def evaluated(self, tokens: int) -> None:
        self._tokens += tokens
        now = time.monotonic()
        total = max(self._planned, self._tokens)  # what is written cannot be planned, so verdicts foresee it
        share = self.verdicts / max(1, self._wanted) if self._each else self._tokens / total
        left = (now - self._started) * (1 / share - 1) if share else None
        self._listener.progress(Progress(self.verdicts, self._wanted, self._tokens, total, now - self._begun, left))


def _in_pair_order(question: Question, shown: ShownVerdict, truncated: bool) -> Verdict:
    """A verdict on the answers in the order shown as one on the pair."""
    order, verdict, p, text = question.order, None, None, shown.text
    if shown.verdict is not None:
        verdict = to_pair_order(order, shown.verdict)
    if shown.p is not None:
        undone = {to_pair_order(order, label): value for label, value in shown.p.items()}
        p = {label: undone[label] for label in LABELS if label in undone}
    if shown.scores is not None:
        a, b = shown.scores if order == "ab" else shown.scores[::-1]
        text = f"a {a:.2f}, b {b:.2f}"
    return Verdict(*question.key, verdict, p, text, shown.mass, truncated)
