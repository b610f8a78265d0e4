"""A run: a benchmark put to a judge, verdict by verdict, resumable at any moment.

Knows: how a prompt is made of a pair, and how verdicts are read from probabilities or from what the judge wrote.
Does not know: how figures are computed or shown, where a GGUF comes from.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edge_judge import __version__, grammar, plan, prompts
from edge_judge.ballot import Ballot, ballot
from edge_judge.engine import CELLS, Evaluator, Model, Written, log_probabilities
from edge_judge.errors import DataError, ModelError, RunError
from edge_judge.grammar import Grammar
from edge_judge.plan import Plan, Query, Tokens
from edge_judge.records import (
    MIRROR,
    Benchmark,
    Identity,
    Judge,
    Label,
    Measured,
    Order,
    Pair,
    Progress,
    Verdict,
    undo,
)
from edge_judge.store import RunFolder

BLOCK = 8 * CELLS  # tokens after which the cache is emptied: where an interrupted run is taken up
LIMIT = 256  # tokens a judge may write without a grammar


@dataclass(frozen=True, slots=True)
class Protocol:
    """How pairs are judged. ties: whether a tie may be given; limit: tokens written at most without a grammar."""

    grammar: Grammar
    orders: tuple[Order, ...] = ("ab", "ba")
    ties: bool = True
    limit: int = LIMIT

    @property
    def labels(self) -> tuple[Label, ...]:
        return tuple(label for label in self.grammar.marks if self.ties or label != "tie")


@dataclass(frozen=True, slots=True)
class Question:
    """A pair in one order."""

    pair: Pair
    order: Order


Report = Callable[[Progress], None]


def identity(benchmark: Benchmark, judge: Judge, protocol: Protocol) -> Identity:
    return Identity(benchmark.name, judge.model, judge.scheme, protocol.grammar.name)


def settings(benchmark: Benchmark, judge: Judge, protocol: Protocol) -> dict[str, Any]:
    """Everything that decides the outcome, as run.json keeps it."""
    import llama_cpp

    return {
        "gguf_sha256": judge.sha256,
        "lock": judge.lock,
        "benchmark_source": benchmark.source,
        "benchmark_sha256": benchmark.sha256,
        "prompt": protocol.grammar.prompt,
        "prompt_sha256": prompts.sha256(protocol.grammar.prompt),
        "grammar_sha256": protocol.grammar.sha256,
        "order": "both" if len(protocol.orders) == 2 else "given",
        "ties": protocol.ties,
        "decoding": f"greedy, {protocol.limit} tokens" if protocol.grammar.free else "probabilities",
        "seed": None,  # nothing is drawn
        "llama_cpp": llama_cpp.__version__,
        "edge_judge": __version__,
    }


def evaluate(
    benchmark: Benchmark,
    judge: Judge,
    protocol: Protocol,
    run: RunFolder,
    report: Report,
    *,
    threads: int | None = None,
) -> tuple[list[Verdict], Measured]:
    """Every verdict on the benchmark's pairs, those found in the run's folder and those reached now; and the cost.

    Raises DataError for an empty benchmark, ModelError when prompts do not fit the model's context.
    """
    if not benchmark.pairs:
        raise DataError(f"benchmark {benchmark.name}: no pairs to judge", "a pair has question, a and b")
    questions = [Question(pair, order) for pair in benchmark.pairs for order in protocol.orders]
    wanted = {(question.pair.id, question.order) for question in questions}
    known = {(verdict.id, verdict.order): verdict for verdict in run.verdicts()}
    before = run.measured()
    if wanted <= known.keys() and before is not None:
        return [known[key] for key in sorted(wanted)], before
    run.reopen()
    start, work = time.monotonic(), _Work(questions, known, before)

    def done(tokens: int) -> None:
        work.tokens += tokens
        report(work.progress(start))

    with Model(judge.gguf, threads=threads) as model:
        for verdict in _judged(model, protocol, questions, work, done):
            key = (verdict.id, verdict.order)
            if key not in known:
                run.append(verdict)
                known[key] = verdict
    return [known[key] for key in sorted(wanted)], work.measured(start)


def decide(pair: Pair, judge: Judge, protocol: Protocol, *, threads: int | None = None) -> list[Verdict]:
    """One pair, now: a verdict for each order, kept nowhere."""
    questions = [Question(pair, order) for order in protocol.orders]
    with Model(judge.gguf, threads=threads) as model:
        found = list(_judged(model, protocol, questions, _Work(questions, {}, None), lambda _: None))
    return sorted(found, key=lambda verdict: protocol.orders.index(verdict.order))


def debiased(verdicts: Sequence[Verdict]) -> dict[Label, float]:
    """The mean of the probabilities over the orders: what position alone would decide cancels out."""
    known = [verdict.p for verdict in verdicts if verdict.p is not None]
    return {label: sum(p[label] for p in known) / len(known) for label in known[0]}


class _Work:
    """What is done and what it cost, resumed runs added up."""

    def __init__(
        self,
        questions: Sequence[Question],
        known: Mapping[tuple[str, Order], Verdict],
        before: Measured | None,
    ) -> None:
        self.known, self.before = known, before
        self.total = len(questions)
        self.already = len(known)
        self.tokens = self.tokens_total = self.tokens_alone = 0

    def progress(self, start: float) -> Progress:
        return Progress(
            len(self.known),
            self.total,
            self.tokens,
            max(self.tokens_total, self.tokens),
            time.monotonic() - start,
        )

    def measured(self, start: float) -> Measured:
        here = Measured(
            wall_seconds=round(time.monotonic() - start, 3),
            tokens=self.tokens,
            tokens_total=self.tokens_alone,
            verdicts=len(self.known) - self.already,
            peak_rss=peak_rss(),
            machine=f"{platform.machine()}, {os.cpu_count()} cores",
        )
        if self.before is None:
            return here
        return replace(
            here,
            wall_seconds=round(here.wall_seconds + self.before.wall_seconds, 3),
            tokens=here.tokens + self.before.tokens,
            tokens_total=here.tokens_total + self.before.tokens_total,
            verdicts=here.verdicts + self.before.verdicts,
            peak_rss=max(here.peak_rss, self.before.peak_rss),
        )


def _judged(
    model: Model, protocol: Protocol, questions: Sequence[Question], work: _Work, done: Callable[[int], None]
) -> Iterator[Verdict]:
    asked = [model.prompt(_content(question, protocol)) for question in questions]
    _check_room(model, asked, protocol)
    judged = _written if protocol.grammar.free else _counted
    yield from judged(model, protocol, questions, asked, work, done)


def _content(question: Question, protocol: Protocol) -> str:
    first, second = question.pair.shown(question.order)
    return prompts.fill(protocol.grammar.prompt, question.pair.question, first, second, ties=protocol.ties)


def _check_room(model: Model, asked: Sequence[Tokens], protocol: Protocol) -> None:
    spare = protocol.limit if protocol.grammar.free else 16
    too_long = sum(len(tokens) + spare > model.trained_context for tokens in asked)
    if too_long:
        raise ModelError(
            f"{too_long} of {len(asked)} prompts do not fit the model's context of {model.trained_context} tokens "
            f"(longest: {max(map(len, asked))})",
            "judge a benchmark with shorter texts, or use a model with a longer context",
        )


# ---- verdicts from probabilities --------------------------------------------------------------------------


def _counted(
    model: Model,
    protocol: Protocol,
    questions: Sequence[Question],
    asked: Sequence[Tokens],
    work: _Work,
    done: Callable[[int], None],
) -> Iterator[Verdict]:
    """Verdicts under a grammar with finitely many texts: nothing is written, every probability is read."""
    paths = _ballot(model, protocol)
    queries = [query for prompt in asked for query in paths.queries(prompt)]
    plans = _todo(plan.blocks(queries, BLOCK), questions, work, len(paths.stems))

    reads = max(len(stem) for stem in paths.stems) + 1
    found: dict[int, dict[tuple[Tokens, int], float]] = {}  # a question's stems can lie in two blocks
    with model.reading(plans, reads) as evaluator:
        for part in plans:
            yield from _count_part(evaluator, part, paths, questions, found, done)


def _ballot(model: Model, protocol: Protocol) -> Ballot:
    verdicts = protocol.grammar.verdicts
    if verdicts is None:
        raise RunError(
            f"the grammar {protocol.grammar.name} admits too many texts to count",
            "use one with a finite language",
        )
    return ballot(
        [
            (model.tokens(text, control=False), label)
            for text, label in verdicts.items()
            if label in protocol.labels
        ]
    )


def _count_part(
    evaluator: Evaluator,
    part: Plan,
    paths: Ballot,
    questions: Sequence[Question],
    found: dict[int, dict[tuple[Tokens, int], float]],
    done: Callable[[int], None],
) -> Iterator[Verdict]:
    for query, read, logits in evaluator.read(part, done):
        index, stem = divmod(query, len(paths.stems))
        tokens, so_far = paths.wanted(stem, read), paths.stems[stem][:read]
        values = log_probabilities(logits, tokens)
        log_p = found.setdefault(index, {})
        log_p |= {(so_far, token): value for token, value in zip(tokens, values, strict=True)}
        if len(log_p) == paths.size:
            yield _verdict(questions[index], *paths.count(found.pop(index)))


def _verdict(question: Question, shown: Mapping[Label, float], mass: float) -> Verdict:
    best = max(shown, key=lambda label: shown[label])
    p = {undo(question.order, label): value for label, value in shown.items()}
    ordered = {label: p[label] for label in MIRROR if label in p}
    return Verdict(question.pair.id, question.order, undo(question.order, best), ordered, None, mass)


def _todo(plans: list[Plan], questions: Sequence[Question], work: _Work, stems: int) -> list[Plan]:
    """The blocks in which a verdict is missing. Whole blocks, so that their outcome never depends on a restart."""

    def missing(query: int) -> bool:
        question = questions[query // stems]
        return (question.pair.id, question.order) not in work.known

    todo = [part for part in plans if any(missing(query) for query in part.queries)]
    work.tokens_total = sum(part.tokens for part in todo)
    work.tokens_alone = sum(part.tokens_alone for part in todo)
    return todo


# ---- verdicts from what the judge writes ------------------------------------------------------------------


def _written(
    model: Model,
    protocol: Protocol,
    questions: Sequence[Question],
    asked: Sequence[Tokens],
    work: _Work,
    done: Callable[[int], None],
) -> Iterator[Verdict]:
    """Verdicts of a judge that writes freely: the last mark it did not quote, or none."""
    queries = [Query(tokens, (len(tokens) - 1,)) for tokens in asked]
    plans = _todo(plan.blocks(queries, BLOCK), questions, work, 1)

    with model.writing(plans, protocol.limit) as evaluator:
        for part in plans:
            for written in evaluator.write(part, protocol.limit, done):
                yield _parsed(questions[written.query], protocol, written)


def _parsed(question: Question, protocol: Protocol, written: Written) -> Verdict:
    texts = (question.pair.question, question.pair.a, question.pair.b)
    shown = grammar.verdict(protocol.grammar, written.text, texts)
    legal = shown if shown in protocol.labels else None
    verdict = undo(question.order, legal) if legal else None
    return Verdict(question.pair.id, question.order, verdict, None, written.text, None)


def peak_rss() -> int:
    """Bytes of memory this process has had at most."""
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
