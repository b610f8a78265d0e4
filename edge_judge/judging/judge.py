"""Pairs to verdicts: an engine answers the prompts, and the kind of protocol reads the answers to each question.

Knows: protocols, what an engine offers, the order in which answers are shown. Does not know: how an engine works, how
a kind reads, files of results, figures.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from edge_judge import worktime
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
from edge_judge.worktime import Pace

Wanted = Callable[[Question], bool]

NOTEWORTHY = 0.001  # least share of a verdict's probability on a second spelling that is kept


@dataclass(frozen=True, slots=True)
class JudgingJob:
    """Questions and their prompts."""

    engine: Engine
    protocol: Protocol
    questions: Sequence[Question]
    prompts: Sequence[Prompt]

    def work(self, wanted: Wanted = lambda _: True, batching: Batching = Batching()) -> Work[Any]:
        """The engine's work for the questions that are wanted."""
        engine, request = self.engine, self.protocol.request
        encoded = [prompt.encoded for prompt in self.prompts]

        def needed(index: int) -> bool:
            return wanted(self.questions[self.prompts[index].question])

        if isinstance(request, Reading):
            return engine.probabilities(encoded, request, needed, batching)
        mark = request.mark if isinstance(request, GuidedWriting) else ""
        copied = Quotes(mark, tuple(prompt.texts for prompt in self.prompts))
        return engine.write(encoded, request, copied, needed, batching)

    def verdict(self, answers: Sequence[Any], prompt: Prompt) -> Verdict:
        """The verdict, from an engine's answers to all prompts of a question. prompt: any one of them."""
        question = self.questions[prompt.question]
        shown = self.protocol.grammar.kind.read(answers, self.protocol.labels, prompt.texts)
        machines = sorted({answer.machine for answer in answers if answer.machine})
        return _in_pair_order(question, shown, prompt.truncated, ", ".join(machines) or None)


@dataclass(frozen=True, slots=True)
class Quotes:
    """Whether a verdict right after a text would quote the prompt at an index. It may be sent to another machine."""

    mark: str
    texts: tuple[tuple[str, ...], ...]

    def __call__(self, index: int, written: str) -> bool:
        return would_quote(written, self.mark, self.texts[index])


def prepare(engine: Engine, protocol: Protocol, questions: Sequence[Question]) -> JudgingJob:
    """The job for these questions. Raises ModelError, before anything is evaluated, if prompts do not fit the model's
    context.
    """
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
    """Yields a verdict on each question. The work is done in blocks, none of which depends on an earlier one. A block
    without a wanted question is skipped; of the other blocks all verdicts are yielded.

    name: of the benchmark, for the listener. Raises ModelError, before anything is evaluated, if prompts do not fit the
    model's context, and MemoryLimitError if the work does not fit the limits of the engine.
    """
    job = prepare(engine, protocol, questions)
    reporter = ProgressReporter(listener, name, sum(map(wanted, questions)), protocol.limit)
    return _verdicts(job, wanted, batching, reporter)


def judge_pair(
    pair: Pair,
    judge_: Judge,
    protocol: Protocol,
    *,
    threads: int | None = None,
    limits: Limits = Limits(),
    engine: Engine | None = None,
) -> list[Verdict]:
    """Judge one pair: a verdict for each order of the protocol. Nothing is stored. engine: the one to ask, if not the
    one that runs the judge's file.
    """
    questions = [Question(pair, order) for order in protocol.orders]
    with closing(engine or engine_for(judge_, threads=threads, limits=limits)) as asked:
        verdicts = list(judge(asked, protocol, questions))
    return sorted(verdicts, key=lambda verdict: protocol.orders.index(verdict.order))


def debiased(verdicts: Sequence[Verdict]) -> dict[Label, float]:
    """The mean of the probabilities over the orders, in which a bias for a position cancels out."""
    distributions = [verdict.p for verdict in verdicts if verdict.p is not None]
    return {label: sum(p[label] for p in distributions) / len(distributions) for label in distributions[0]}


def _verdicts(
    job: JudgingJob, wanted: Wanted, batching: Batching, reporter: ProgressReporter
) -> Generator[Verdict, None, None]:
    work = job.work(wanted, batching)
    reporter.plan(work)
    parts = 2 if job.protocol.one_by_one else 1
    incomplete: dict[int, dict[int, Any]] = {}  # question -> part -> answer
    with closing(work.answers(reporter.started, reporter.evaluated)) as answers:
        for index, answer in answers:
            prompt = job.prompts[index]
            answer_parts = incomplete.setdefault(prompt.question, {})
            answer_parts[prompt.part] = answer
            if len(answer_parts) == parts:
                ordered = [part for _, part in sorted(incomplete.pop(prompt.question).items())]
                reporter.verdicts += wanted(job.questions[prompt.question])
                yield job.verdict(ordered, prompt)
    reporter.tell_gap()


class ProgressReporter:
    """Reports progress to a listener. verdicts: how many wanted ones are done; each: tokens that may be written after
    each prompt.
    """

    def __init__(self, listener: ProgressListener, name: str, wanted: int, each: int) -> None:
        self._listener, self._name, self._wanted, self._each = listener, name, wanted, each
        self._clock = worktime.clock()
        self._created = self._clock.seconds()
        self._pace, self._gaps = Pace(self._created), self._clock.gaps()
        self._planned = self._alone = self._tokens = self.verdicts = 0

    def plan(self, work: Work[Any]) -> None:
        self._planned, self._alone = work.tokens, work.tokens_alone

    def started(self, footprint: Footprint, batching: Batching) -> None:
        self._pace = Pace(self._clock.seconds())
        memory, cache, offloaded = footprint.total, footprint.cache, footprint.offloaded
        self._listener.estimate(
            self._name,
            WorkEstimate(self._wanted, self._planned, self._alone, self._each, memory, cache, batching, offloaded),
        )

    def evaluated(self, tokens: int) -> None:
        self._tokens += tokens
        now = self._clock.seconds()
        self.tell_gap()
        total = max(self._planned, self._tokens)  # written tokens are not planned, so the share is one of verdicts then
        share = self.verdicts / max(1, self._wanted) if self._each else self._tokens / total
        left = self._pace.left(now, share)
        self._listener.progress(Progress(self.verdicts, self._wanted, self._tokens, total, now - self._created, left))

    def tell_gap(self) -> None:
        """Say it where nobody was at work since it was last asked."""
        gaps, self._gaps = self._clock.gaps().since(self._gaps), self._clock.gaps()
        if gaps.times:
            self._listener.stood_still(self._name, gaps.seconds)


def _in_pair_order(question: Question, shown: ShownVerdict, truncated: bool, machine: str | None) -> Verdict:
    """The verdict on the pair, from the verdict on its answers in the order shown."""
    order, verdict, p, text = question.order, None, None, shown.text
    if shown.verdict is not None:
        verdict = to_pair_order(order, shown.verdict)
    if shown.p is not None:
        in_pair_order = {to_pair_order(order, label): value for label, value in shown.p.items()}
        p = {label: in_pair_order[label] for label in LABELS if label in in_pair_order}
    if shown.scores is not None:
        a, b = shown.scores if order == "ab" else shown.scores[::-1]
        text = f"a {a:.2f}, b {b:.2f}"
    respelled = round(shown.respelled, 4) if shown.respelled >= NOTEWORTHY else None
    return Verdict(*question.key, verdict, p, text, shown.mass, truncated, respelled, machine)
