"""Hand-made, random and published benchmarks with verdicts on them, for the tests of what comes after judging."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
from published import FOLDER

from edge_judge import benchmarks
from edge_judge.analysis.compare import Comparison, compare
from edge_judge.benchmarks import mtbench
from edge_judge.benchmarks.rows import File
from edge_judge.metrics.alignment import align
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.metrics.scoring import score
from edge_judge.records import (
    LABELS,
    MIRROR,
    ORDERS,
    Benchmark,
    Identity,
    Label,
    Measured,
    Order,
    Pair,
    Run,
    Score,
    Verdict,
)
from edge_judge.settings import WEIGHTS, Change

WHO = Identity("toy", "pocket", "q4_k_m", "pairwise")
TURNED: dict[Order, Order] = {"ab": "ba", "ba": "ab"}


def benchmark(
    *labels: Label | tuple[Label, ...], ties: bool = True, groups: Sequence[str] = (), name: str = "toy"
) -> Benchmark:
    """One pair for each label (or tuple of votes), with ids "0", "1", ..."""
    pairs = []
    for place, label in enumerate(labels):
        votes = (label,) if isinstance(label, str) else label
        group = groups[place] if groups else ""
        pairs.append(Pair(str(place), "question", "an answer", "another answer", votes, group))
    return Benchmark(name, tuple(pairs), "0" * 64, ties, "made by hand")


def verdicts(*judged: tuple[Label | None, Label | None]) -> list[Verdict]:
    """The verdicts on pairs "0", "1", ...: (in the order ab, in the order ba), in the pair's own terms."""
    return [
        Verdict(str(place), order, verdict)
        for place, both in enumerate(judged)
        for order, verdict in zip(ORDERS, both, strict=True)
    ]


def random_benchmark(
    seed: int, pairs: int, *, ties: bool = True, votes: int = 1, groups: int = 0, given: bool = False
) -> Benchmark:
    """given: whether each vote saw the answers in an order of its own."""
    chance = random.Random(seed)
    legal = LABELS if ties else LABELS[:2]
    labels = [tuple(chance.choice(legal) for _ in range(votes)) for _ in range(pairs)]
    named = [f"group {chance.randrange(groups)}" for _ in range(pairs)] if groups else ()
    made = benchmark(*labels, ties=ties, groups=named)
    if not given:
        return made
    orders = [tuple(chance.choice(ORDERS) for _ in range(votes)) for _ in range(pairs)]
    return replace(made, pairs=tuple(replace(pair, given=seen) for pair, seen in zip(made.pairs, orders, strict=True)))


def known(name: str) -> Benchmark:
    """A benchmark known by name; MT-Bench, which is not at hand, as made-up rows of its schema."""
    if name == "mt-bench":
        rows = json.dumps(list(_votes(random.Random(8))))
        pairs = tuple(mtbench.read(File(Path("x.json"), rows.encode())))
        return Benchmark(name, pairs, "0" * 64, True, "made up")
    source = benchmarks.find(name)
    if source.host != "package" and not (FOLDER / source.path).is_file():
        pytest.skip(f"{source.path} is not in {FOLDER}: name its folder in EDGE_JUDGE_DATA")
    return benchmarks.load(name, FOLDER)


def _votes(chance: random.Random) -> Iterator[dict[str, object]]:
    """Up to four votes, each in an order of its own, on both turns of three models' answers to 20 questions."""
    for question, turn, models in (
        (question, turn, models) for question in range(20) for turn in (1, 2) for models in combinations("xyz", 2)
    ):
        for vote in range(chance.randrange(5)):
            first, second = chance.sample(models, 2)
            yield {
                "question_id": question,
                "model_a": first,
                "model_b": second,
                "winner": chance.choice(["model_a", "model_b", "tie"]),
                "judge": f"expert_{vote}",
                "turn": turn,
                "conversation_a": _conversation(question, first),
                "conversation_b": _conversation(question, second),
            }


def _conversation(question: int, model: str) -> list[dict[str, str]]:
    said = [f"Question {question}?", f"{model} says {question}.", "And then?", f"{model * question}."]
    return [{"role": role, "content": text} for role, text in zip(["user", "assistant"] * 2, said, strict=True)]


def random_verdicts(seed: int, judged: Benchmark, *, missing: float = 0.1) -> list[Verdict]:
    """Both orders of every pair, with probabilities and masses where there is a verdict."""
    chance = random.Random(seed)
    result = []
    for pair in judged.pairs:
        for order in ORDERS:
            if chance.random() < missing:
                result.append(Verdict(pair.id, order, None, mass=0.1))
                continue
            weights = {label: chance.random() for label in (LABELS if judged.ties else LABELS[:2])}
            p = {label: weight / sum(weights.values()) for label, weight in weights.items()}
            said = max(p, key=p.__getitem__)
            cut = chance.random() < 0.2
            result.append(Verdict(pair.id, order, said, p, mass=chance.random(), truncated=cut))
    return result


def mirrored(judged: Benchmark, *, same_paper: bool) -> Benchmark:
    """A and B swapped in every pair and every vote; same_paper: what a vote saw stays, so its order is the other."""
    return replace(judged, pairs=tuple(_mirrored_pair(pair, same_paper) for pair in judged.pairs))


def _mirrored_pair(pair: Pair, same_paper: bool) -> Pair:
    labels, given = tuple(MIRROR[label] for label in pair.labels), pair.given
    if same_paper:
        given = tuple(TURNED[order] for order in given or ORDERS[:1] * len(labels))
    votes = tuple(MIRROR[vote] for vote in pair.votes)
    return replace(pair, a=pair.b, b=pair.a, labels=labels, given=given, votes=votes)


def mirrored_verdict(verdict: Verdict, *, same_paper: bool) -> Verdict:
    """The verdict after A and B were renamed; same_paper: what was shown stays, so the order is the other."""
    p = None if verdict.p is None else {MIRROR[label]: value for label, value in verdict.p.items()}
    order = TURNED[verdict.order] if same_paper else verdict.order
    said = None if verdict.verdict is None else MIRROR[verdict.verdict]
    return replace(verdict, order=order, verdict=said, p=p)


def run(judged: Sequence[Verdict], scheme: str = "q4_k_m", *, size: int = 4_000_000, **settings: object) -> Run:
    """A run on the toy benchmark that took a minute."""
    identity = Identity("toy", "pocket", scheme, "pairwise")
    deciding = {"gguf_sha256": f"of {scheme}", "prompt_sha256": "1" * 64, "seed": None, **settings}
    measured = Measured(60.0, 1, 1, len(judged), 50_000_000, "a machine")
    return Run(identity, deciding, measured, tuple(judged), size)


def scored(judged: Benchmark, given: Iterable[Verdict], who: Identity = WHO) -> Score:
    """The figures of these verdicts."""
    return score(align(judged, given), who)


def compared(judged: Benchmark, ours: Run, baseline: Run, change: Change = WEIGHTS) -> Comparison:
    """Two runs on one benchmark, compared."""
    return compare(RecordedRun(ours, judged), RecordedRun(baseline, judged), change)
