"""Pairs to verdicts: how a prompt is made of a pair, and how a verdict is read from a model.

Under a grammar with finitely many texts nothing is written: the probability of each legal verdict is read. Without
one the judge writes what it likes, and the last mark that it did not quote counts.
Knows: protocols, plans, the engine. Does not know: files of results, figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from edge_judge import grammar, plan, prompts
from edge_judge.ballot import Ballot, ballot
from edge_judge.engine import CELLS, Evaluator, Model, Written, log_probabilities
from edge_judge.errors import GrammarError, ModelError
from edge_judge.grammar import Grammar
from edge_judge.plan import Plan, Query, Tokens
from edge_judge.records import MIRROR, Judge, Label, Order, Pair, Verdict, undo

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

    @property
    def key(self) -> tuple[str, Order]:
        return self.pair.id, self.order


@dataclass(frozen=True, slots=True)
class Watch:
    """Who follows the work: begin(plans) once, before any token; done(tokens) after each decode call."""

    begin: Callable[[Sequence[Plan]], None] = lambda _: None
    done: Callable[[int], None] = lambda _: None


def judge(
    model: Model,
    protocol: Protocol,
    questions: Sequence[Question],
    wanted: Callable[[Question], bool] = lambda _: True,
    watch: Watch = Watch(),
) -> Iterator[Verdict]:
    """A verdict on each question, as it is reached. The work is done in blocks that come out the same whatever ran
    before them; a block in which no question is `wanted` is left out, the verdicts of all others are given again.

    Raises ModelError, before anything is evaluated, when prompts do not fit the model's context.
    """
    asked = [model.prompt(_content(question, protocol)) for question in questions]
    _check_room(model, asked, protocol)
    reader = _written if protocol.grammar.free else _counted
    return reader(model, protocol, questions, asked, wanted, watch)


def decide(pair: Pair, judge_: Judge, protocol: Protocol, *, threads: int | None = None) -> list[Verdict]:
    """One pair, now: a verdict for each order, kept nowhere."""
    questions = [Question(pair, order) for order in protocol.orders]
    with Model(judge_.gguf, threads=threads) as model:
        found = list(judge(model, protocol, questions))
    return sorted(found, key=lambda verdict: protocol.orders.index(verdict.order))


def debiased(verdicts: Sequence[Verdict]) -> dict[Label, float]:
    """The mean of the probabilities over the orders: what position alone would decide cancels out."""
    known = [verdict.p for verdict in verdicts if verdict.p is not None]
    return {label: sum(p[label] for p in known) / len(known) for label in known[0]}


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
    wanted: Callable[[Question], bool],
    watch: Watch,
) -> Iterator[Verdict]:
    """Verdicts under a grammar with finitely many texts: nothing is written, every probability is read."""
    paths = _ballot(model, protocol)
    queries = [query for prompt in asked for query in paths.queries(prompt)]
    stems = len(paths.stems)
    plans = _todo(plan.blocks(queries, BLOCK), lambda query: wanted(questions[query // stems]), watch)
    reads = max(len(stem) for stem in paths.stems) + 1
    found: dict[int, dict[tuple[Tokens, int], float]] = {}  # a question's stems can lie in two blocks
    with model.reading(plans, reads) as evaluator:
        for part in plans:
            yield from _count_part(evaluator, part, paths, questions, found, watch.done)


def _ballot(model: Model, protocol: Protocol) -> Ballot:
    verdicts = protocol.grammar.verdicts
    if verdicts is None:
        raise GrammarError(
            f"the grammar {protocol.grammar.name} admits too many texts to count",
            "use one with a finite language",
        )
    return ballot(
        [(model.tokens(text, control=False), label) for text, label in verdicts.items() if label in protocol.labels]
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


def _todo(plans: list[Plan], wanted: Callable[[int], bool], watch: Watch) -> list[Plan]:
    """The blocks with a wanted query. Whole blocks, so that their outcome never depends on a restart."""
    todo = [part for part in plans if any(wanted(query) for query in part.queries)]
    watch.begin(todo)
    return todo


# ---- verdicts from what the judge writes ------------------------------------------------------------------


def _written(
    model: Model,
    protocol: Protocol,
    questions: Sequence[Question],
    asked: Sequence[Tokens],
    wanted: Callable[[Question], bool],
    watch: Watch,
) -> Iterator[Verdict]:
    """Verdicts of a judge that writes freely: the last mark it did not quote, or none."""
    queries = [Query(tokens, (len(tokens) - 1,)) for tokens in asked]
    plans = _todo(plan.blocks(queries, BLOCK), lambda query: wanted(questions[query]), watch)
    with model.writing(plans, protocol.limit) as evaluator:
        for part in plans:
            for written in evaluator.write(part, protocol.limit, watch.done):
                yield _parsed(questions[written.query], protocol, written)


def _parsed(question: Question, protocol: Protocol, written: Written) -> Verdict:
    texts = (question.pair.question, question.pair.a, question.pair.b)
    shown = grammar.verdict(protocol.grammar, written.text, texts)
    legal = shown if shown in protocol.labels else None
    verdict = undo(question.order, legal) if legal else None
    return Verdict(question.pair.id, question.order, verdict, None, written.text, None)
