"""What a worker shows before it is given work: that it has the same file, the same engine, and computes alike.

Knows: what is compared, and how far two machines may differ. Does not know: how it travels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from edge_judge.engine.interface import Engine
from edge_judge.inference import Distribution, Reading
from edge_judge.records import Batching, Cache
from edge_judge.version import __version__

TOLERANCE = 0.05  # how far a probability of the canary may differ: rounding moved none by more than 0.01 here
_CANARY = (
    "Which answer is better? Reply with A or B.\n\nA: The sky is blue.\nB: The sky is a fish.",
    "Reply with A or B, whichever comes later in the alphabet.",
    "Say A.",
)
_READING: Reading[str] = Reading({"A": "a", "B": "b"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """The judge that is needed. bytes: of its file; cache: the type of the numbers in the key-value cache."""

    model: str
    scheme: str
    sha256: str
    bytes: int
    chat: str | None
    cache: Cache


@dataclass(frozen=True, slots=True)
class Proof:
    """What a machine has. machine: its name; sha256: of its file, computed; versions: what decides an outcome; prompts:
    a hash of the canary's tokens; canary: its probabilities.
    """

    machine: str
    sha256: str
    versions: Mapping[str, str]
    prompts: str
    canary: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A worker cannot do what is wanted."""

    reason: str
    hint: str | None = None


def prove(engine: Engine, machine: str, sha256: str) -> Proof:
    """What this machine has. Loads the model."""
    prompts = [engine.encode(text) for text in _CANARY]
    tokens = hashlib.sha256(repr([prompt.tokens for prompt in prompts]).encode()).hexdigest()
    work = engine.probabilities(prompts, _READING, lambda _: True, Batching())
    answers = dict(work.answers(lambda footprint, batching: None, lambda tokens: None))
    read = [answer for index in range(len(prompts)) if isinstance(answer := answers[index], Distribution)]
    canary = tuple(answer.p["a"] for answer in read)
    return Proof(machine, sha256, {**engine.versions, "edge_judge": __version__}, tokens, canary)


def difference(proof: Proof, own: Proof) -> str | None:
    """Why a machine cannot work for this one; None if it can."""
    if proof.sha256 != own.sha256:
        return f"its file has sha256 {proof.sha256[:12]}…, expected {own.sha256[:12]}…"
    for name, version in own.versions.items():
        if proof.versions.get(name) != version:
            return f"it has {name} {proof.versions.get(name)}, expected {version}"
    if proof.prompts != own.prompts:
        return "it tokenizes the same prompts differently"
    gap = max((abs(theirs - ours) for theirs, ours in zip(proof.canary, own.canary, strict=False)), default=1.0)
    if len(proof.canary) != len(own.canary) or not gap <= TOLERANCE:
        return f"its probabilities differ by {gap:.3f}, more than the {TOLERANCE} that rounding explains"
    return None
