"""Pairs to verdicts: how a verdict is read from a model.

Where the legal texts are few nothing is written: the probability of each verdict, or of each score, is read. A judge
that reasons first writes its reasons, and its verdict is read after them. Without a grammar it writes what it likes,
and the last mark that it did not quote counts.
Knows: protocols, plans, the engine. Does not know: files of results, figures.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass

from edge_judge import engine
from edge_judge.engine import Batching, Footprint, Limits, Model, plan
from edge_judge.engine.plan import Plan, Query, Tokens
from edge_judge.errors import GrammarError
from edge_judge.judging import candidates as candidate_texts
from edge_judge.judging import free_form, pointwise, reasoning
from edge_judge.judging.candidates import Answer, Candidates, candidates
from edge_judge.judging.prompting import Prompt, forced_tokens, make_prompts
from edge_judge.protocols import grammar
from edge_judge.protocols.protocol import Protocol, Question
from edge_judge.records import LABELS, Judge, Label, Pair, Verdict, to_pair_order

BLOCK = 16_384  # tokens, or more, after which the cache is emptied: where an interrupted run is taken up


@dataclass(frozen=True, slots=True)
class Watch:
    """Who follows the work: begin(plans) once, before any token; takes(footprint) and cut(batching) once the memory
    is there; done(tokens) after each decode call.
    """

    begin: Callable[[Sequence[Plan]], None] = lambda _: None
    takes: Callable[[Footprint], None] = lambda _: None
    done: Callable[[int], None] = lambda _: None
    cut: Callable[[Batching], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class JudgingJob:
    """A run's questions, the prompts they take, and the blocks that are to be done."""

    model: Model
    protocol: Protocol
    questions: Sequence[Question]
    asked: Sequence[Prompt]
    batching: Batching
    limits: Limits
    watch: Watch


def judge(
    model: Model,
    protocol: Protocol,
    questions: Sequence[Question],
    wanted: Callable[[Question], bool] = lambda _: True,
    watch: Watch = Watch(),
    batching: Batching = Batching(),
    limits: Limits = Limits(),
) -> Generator[Verdict, None, None]:
    """A verdict on each question, as it is reached. The work is done in blocks that come out the same whatever ran
    before them; a block in which no question is `wanted` is left out, the verdicts of all others are given again.

    Raises ModelError, before anything is evaluated, when prompts do not fit the model's context, and
    MemoryShortError when the work does not fit the means.
    """
    work = JudgingJob(model, protocol, questions, make_prompts(model, protocol, questions), batching, limits, watch)
    if protocol.limit:
        return _written_verdicts(work, wanted)
    return _pointwise_verdicts(work, wanted) if protocol.one_by_one else _pairwise_verdicts(work, wanted)


def judge_pair(
    pair: Pair, judge_: Judge, protocol: Protocol, *, threads: int | None = None, limits: Limits = Limits()
) -> list[Verdict]:
    """One pair, now: a verdict for each order, kept nowhere."""
    questions = [Question(pair, order) for order in protocol.orders]
    with Model(judge_.gguf, threads=threads, chat=judge_.chat, allowed=limits.memory) as model:
        found = list(judge(model, protocol, questions, limits=limits))
    return sorted(found, key=lambda verdict: protocol.orders.index(verdict.order))


def debiased(verdicts: Sequence[Verdict]) -> dict[Label, float]:
    """The mean of the probabilities over the orders: what position alone would decide cancels out."""
    known = [verdict.p for verdict in verdicts if verdict.p is not None]
    return {label: sum(p[label] for p in known) / len(known) for label in known[0]}


def plans(model: Model, protocol: Protocol, asked: Sequence[Prompt]) -> list[Plan]:
    """The blocks in which a run evaluates these prompts. What a judge will write is not in them."""
    if protocol.limit:
        return _plan_prompts(model, protocol, asked)
    if protocol.one_by_one:
        return _plan_candidates(_ballot(model, protocol.grammar.scores or {}), asked)
    return _plan_candidates(_ballot(model, _legal(protocol)), asked)


def _plan_prompts(model: Model, protocol: Protocol, asked: Sequence[Prompt]) -> list[Plan]:
    """Prompts that a judge goes on from."""
    reasoned = protocol.grammar.reasoned
    opening = model.tokens(reasoned.opening, control=False) if reasoned else ()
    texts = [sheet.tokens + opening for sheet in asked]
    return plan.blocks([Query(tokens, (len(tokens) - 1,)) for tokens in texts], BLOCK)


def _plan_candidates(paths: Candidates[Answer], asked: Sequence[Prompt]) -> list[Plan]:
    """Prompts with the stems of a ballot that hang on each."""
    return plan.blocks([query for sheet in asked for query in paths.queries(sheet.tokens)], BLOCK)


def _ballot(model: Model, legal: Mapping[str, Answer]) -> Candidates[Answer]:
    return candidates([(model.tokens(text, control=False), choice) for text, choice in legal.items()])


def _legal(protocol: Protocol) -> dict[str, Label]:
    """The texts of a grammar whose texts are verdicts, and what each gives."""
    verdicts = protocol.grammar.verdicts
    if verdicts is None:
        raise GrammarError(f"the grammar {protocol.grammar.name} has no verdicts to count")
    return {text: label for text, label in verdicts.items() if label in protocol.labels}


def _blocks_to_do(
    work: JudgingJob, plans: list[Plan], wanted: Callable[[Question], bool], stems: int = 1
) -> list[Plan]:
    """The blocks with a wanted question. Whole blocks, so that their outcome never depends on a restart."""
    asked, questions = work.asked, work.questions
    todo = [part for part in plans if any(wanted(questions[asked[query // stems].question]) for query in part.queries)]
    work.watch.begin(todo)
    return todo


# ---- read from probabilities ------------------------------------------------------------------------------


def _pairwise_verdicts(work: JudgingJob, wanted: Callable[[Question], bool]) -> Generator[Verdict, None, None]:
    """Verdicts under a grammar whose texts are verdicts."""
    legal = _legal(work.protocol)
    for sheet, p, mass in _read_probabilities(work, legal, wanted):
        yield _verdict(work, sheet, p, mass)


def _pointwise_verdicts(work: JudgingJob, wanted: Callable[[Question], bool]) -> Generator[Verdict, None, None]:
    """Verdicts under a grammar whose texts are scores, from those of both answers."""
    waiting: dict[int, tuple[Prompt, dict[int, float], float]] = {}
    for sheet, p, mass in _read_probabilities(work, work.protocol.grammar.scores or {}, wanted):
        if sheet.question not in waiting:
            waiting[sheet.question] = sheet, p, mass
            continue
        other, q, more = waiting.pop(sheet.question)
        first, second = (p, q) if sheet.part < other.part else (q, p)
        shown, chances = pointwise.verdict_from_scores(first, second, work.protocol.labels)
        question = work.questions[sheet.question]
        rated = {
            to_pair_order(question.order, "a"): pointwise.expected(first),
            to_pair_order(question.order, "b"): pointwise.expected(second),
        }
        verdict = to_pair_order(question.order, shown)
        text = f"a {rated['a']:.2f}, b {rated['b']:.2f}"
        yield Verdict(
            *question.key, verdict, _in_pair_order(question, chances), text, (mass + more) / 2, sheet.truncated
        )


def _read_probabilities(
    work: JudgingJob, legal: Mapping[str, Answer], wanted: Callable[[Question], bool]
) -> Iterator[tuple[Prompt, dict[Answer, float], float]]:
    """Each prompt with the probability of each choice, summing to 1, and the mass on all of them."""
    paths = _ballot(work.model, legal)
    stems = len(paths.stems)
    plans = _blocks_to_do(work, _plan_candidates(paths, work.asked), wanted, stems)
    reads = max(len(stem) for stem in paths.stems) + 1
    found: dict[int, dict[tuple[Tokens, int], float]] = {}  # a prompt's stems can lie in two blocks
    with engine.reading(work.model, plans, reads, work.batching, work.limits) as evaluator:
        work.watch.cut(evaluator.batching)
        work.watch.takes(evaluator.footprint)
        for part in plans:
            for query, read, logits in evaluator.read(part, work.watch.done):
                index, stem = divmod(query, stems)
                log_p = found.setdefault(index, {})
                log_p |= candidate_texts.read_logits(paths, stem, read, logits)
                if len(log_p) == paths.size:
                    yield work.asked[index], *paths.count(found.pop(index))


def _verdict(
    work: JudgingJob, sheet: Prompt, shown: Mapping[Label, float], mass: float, text: str | None = None
) -> Verdict:
    """The likeliest verdict, from the probabilities in the order shown."""
    question = work.questions[sheet.question]
    best = max(shown, key=lambda label: shown[label])
    return Verdict(
        *question.key, to_pair_order(question.order, best), _in_pair_order(question, shown), text, mass, sheet.truncated
    )


def _in_pair_order(question: Question, shown: Mapping[Label, float]) -> dict[Label, float]:
    p = {to_pair_order(question.order, label): value for label, value in shown.items()}
    return {label: p[label] for label in LABELS if label in p}


# ---- read from what the judge writes ----------------------------------------------------------------------


def _written_verdicts(work: JudgingJob, wanted: Callable[[Question], bool]) -> Generator[Verdict, None, None]:
    """Verdicts of a judge that writes: reasons first, or whatever it likes."""
    reasoned = work.protocol.grammar.reasoned
    plans = _blocks_to_do(work, _plan_prompts(work.model, work.protocol, work.asked), wanted)
    author: Callable[[int], free_form.FreeFormWriter | reasoning.ReasoningWriter] = (
        _reasoning(work) if reasoned else _free(work)
    )
    reserve = work.protocol.limit + forced_tokens(work.model, work.protocol)
    with engine.writing(work.model, plans, reserve, work.batching, work.limits) as evaluator:
        work.watch.cut(evaluator.batching)
        work.watch.takes(evaluator.footprint)
        for part in plans:
            for query, written in evaluator.write(part, author, reserve, work.watch.done):
                yield _parsed(work, work.asked[query], written)


def _reasoning(work: JudgingJob) -> Callable[[int], reasoning.ReasoningWriter]:
    desk = reasoning.reasoning_setup(work.model, work.protocol.grammar, work.protocol.limit, work.protocol.labels)
    return lambda query: reasoning.ReasoningWriter(desk, work.asked[query].texts)


def _free(work: JudgingJob) -> Callable[[int], free_form.FreeFormWriter]:
    return lambda _: free_form.FreeFormWriter(work.model, work.protocol.limit)


def _parsed(work: JudgingJob, sheet: Prompt, written: free_form.FreeFormWriter | reasoning.ReasoningWriter) -> Verdict:
    """The verdict of what was written. It counts only if the whole text has the grammar's shape."""
    question, shape = work.questions[sheet.question], work.protocol.grammar
    shown = grammar.verdict(shape, written.text, sheet.texts)
    if shown not in work.protocol.labels:
        return Verdict(*question.key, None, None, written.text, None, sheet.truncated)
    if isinstance(written, reasoning.ReasoningWriter):
        return _verdict(work, sheet, written.p, written.mass, written.text)
    return Verdict(*question.key, to_pair_order(question.order, shown), None, written.text, None, sheet.truncated)
