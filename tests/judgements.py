"""Hand-made and random benchmarks with verdicts on them, for the tests of what comes after judging."""

from __future__ import annotations

import random
from collections.abc import Sequence

from edge_judge.records import (
    LABELS,
    MIRROR,
    ORDERS,
    Benchmark,
    Identity,
    Label,
    Measured,
    Pair,
    Run,
    Verdict,
)

WHO = Identity("toy", "pocket", "q4_k_m", "pairwise")


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
    seed: int, pairs: int, *, ties: bool = True, votes: int = 1, groups: int = 0
) -> Benchmark:
    chance = random.Random(seed)
    legal = LABELS if ties else LABELS[:2]
    labels = [tuple(chance.choice(legal) for _ in range(votes)) for _ in range(pairs)]
    named = [f"group {chance.randrange(groups)}" for _ in range(pairs)] if groups else ()
    return benchmark(*labels, ties=ties, groups=named)


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
            result.append(Verdict(pair.id, order, said, p, mass=chance.random()))
    return result


def mirrored(judged: Benchmark) -> Benchmark:
    """A and B swapped in every pair and every vote."""
    pairs = tuple(
        Pair(
            pair.id, pair.question, pair.b, pair.a, tuple(MIRROR[label] for label in pair.labels), pair.group
        )
        for pair in judged.pairs
    )
    return Benchmark(judged.name, pairs, judged.sha256, judged.ties, judged.source)


def mirrored_verdict(verdict: Verdict, *, same_paper: bool) -> Verdict:
    """The verdict after A and B were renamed; same_paper: what was shown stays, so the order is the other."""
    p = None if verdict.p is None else {MIRROR[label]: value for label, value in verdict.p.items()}
    order = {"ab": "ba", "ba": "ab"}[verdict.order] if same_paper else verdict.order
    said = None if verdict.verdict is None else MIRROR[verdict.verdict]
    return Verdict(verdict.id, order, said, p, verdict.text, verdict.mass)  # type: ignore[arg-type]


def run(
    judged: Sequence[Verdict], scheme: str = "q4_k_m", *, size: int = 4_000_000, **settings: object
) -> Run:
    """A run on the toy benchmark that took a minute."""
    identity = Identity("toy", "pocket", scheme, "pairwise")
    deciding = {"gguf_sha256": f"of {scheme}", "prompt_sha256": "1" * 64, "seed": None, **settings}
    measured = Measured(60.0, 1, 1, len(judged), 50_000_000, "a machine")
    return Run(identity, deciding, measured, tuple(judged), size)
