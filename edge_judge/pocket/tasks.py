"""Seeded tasks with checkable answers, and pairs of answers to judge.

Sixteen families of small instructions. Each task knows its right answers, its near misses and the right answer
to a neighbouring instruction (the trick of LLMBar's adversarial sets: Zeng et al., arXiv 2310.07641). A pair
shows two answers; the wrong one is often the longer or better-dressed one, and one pair in five is a tie.

Questions are dealt to the splits `train`, `valid` and `bench` by a hash of their text, so no instruction of the
benchmark, and hence no instruction-answer pair, can occur in training, whatever the seeds.
Does not know: prompts, tokens, models.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from os.path import commonprefix
from random import Random

from edge_judge.pocket.lexicon import (
    ADJECTIVES,
    DRESS,
    KIND_OF,
    KINDS,
    NOUNS,
    NUMBER_WORDS,
    OPPOSITE_OF,
    PLURAL,
    POSITIONS,
)

BENCH_SEED, BENCH_PAIRS = 20_000, 600


@dataclass(frozen=True, slots=True)
class Task:
    """One instruction; `rights` and `wrongs` hold at least one and two distinct bare answers.

    agrees: how many leading characters of a bare answer are still right; without it, those that the one right
    answer has too.
    """

    question: str
    rights: tuple[str, ...]
    wrongs: tuple[str, ...]
    dressable: bool = True  # False where words around the answer would make it wrong
    agrees: Callable[[str], int] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as shown; `core` is the [start, end) range of its bare answer in `text`.

    slip: how many characters of the core are right before it goes wrong.
    """

    text: str
    right: bool
    core: tuple[int, int]
    slip: int


@dataclass(frozen=True, slots=True)
class TaskPair:
    """reference: a bare right answer."""

    family: str
    question: str
    a: Answer
    b: Answer
    reference: str

    @property
    def label(self) -> str:
        """ "a", "b" or "tie": decided by which answers are right, by nothing else."""
        if self.a.right == self.b.right:
            return "tie"
        return "a" if self.a.right else "b"


def split_of(question: str) -> str:
    """The split a question belongs to: 80 % train, 10 % valid, 10 % bench, by its SHA-256."""
    place = int.from_bytes(hashlib.sha256(question.encode()).digest()[:4], "big") % 10
    return {0: "bench", 1: "valid"}.get(place, "train")


def pairs(seed: int, split: str) -> Iterator[TaskPair]:
    """Endless pairs of one split; the same seed gives the same pairs."""
    rng = Random(seed)
    names = list(FAMILIES)
    while True:
        family = rng.choice(names)
        task = FAMILIES[family](rng)
        if split_of(task.question) == split:
            yield _pair(rng, family, task)


def benchmark() -> list[TaskPair]:
    """The 600 pairs of the benchmark `pocket`, no two alike."""
    found: dict[tuple[str, str, str], TaskPair] = {}
    for pair in pairs(BENCH_SEED, "bench"):
        found.setdefault((pair.question, pair.a.text, pair.b.text), pair)
        if len(found) == BENCH_PAIRS:
            return list(found.values())
    raise AssertionError("pairs() is endless")


def _pair(rng: Random, family: str, task: Task) -> TaskPair:
    case = rng.random()
    if case < 0.1 and (len(task.rights) > 1 or task.dressable):
        both = (_right(rng, task, task.rights[0]), _right(rng, task, task.rights[-1]))
    elif case < 0.2:
        first, second = rng.sample(task.wrongs, 2)
        both = (_wrong(rng, task, first), _wrong(rng, task, second))
    else:
        both = (_right(rng, task, rng.choice(task.rights)), _wrong(rng, task, rng.choice(task.wrongs)))
    if (
        both[0].text == both[1].text
    ):  # two bare right answers: dress one, so that there is something to compare
        both = (_shown(task, task.rights[0], True, rng.choice(DRESS)), both[1])
    a, b = both if rng.random() < 0.5 else both[::-1]
    return TaskPair(family, task.question, a, b, task.rights[0])


def _right(rng: Random, task: Task, core: str) -> Answer:
    dress = rng.choice(DRESS) if task.dressable and rng.random() < 0.25 else ("", "")
    return _shown(task, core, True, dress)


def _wrong(rng: Random, task: Task, core: str) -> Answer:
    return _shown(task, core, False, rng.choice(DRESS) if rng.random() < 0.5 else ("", ""))


def _shown(task: Task, core: str, right: bool, dress: tuple[str, str]) -> Answer:
    before, after = dress
    slip = task.agrees(core) if task.agrees else len(commonprefix([core, task.rights[0]]))
    return Answer(before + core + after, right, (len(before), len(before) + len(core)), slip)


# ---- the families: each returns one task ------------------------------------------------------------------


def _words(rng: Random, low: int = 3, high: int = 5) -> list[str]:
    return rng.sample(NOUNS, rng.randint(low, high))


def _other(rng: Random, taken: list[str] | tuple[str, ...]) -> str:
    return rng.choice([word for word in NOUNS if word not in taken])


def _leading(core: str, most: int, fits: Callable[[str], bool]) -> int:
    """How many characters the leading words take that fit, at most so many words."""
    good = list(takewhile(fits, core.split()[:most]))
    return len(" ".join(good))


def _near_misses(rng: Random, words: list[str], neighbours: list[str]) -> tuple[str, ...]:
    """Lists one slip away from `words`, and the answers to neighbouring instructions; never `words` itself."""
    at, swap = rng.randrange(len(words)), rng.randrange(len(words) - 1)
    replaced = words[:at] + [_other(rng, words)] + words[at + 1 :]
    swapped = words[:swap] + [words[swap + 1], words[swap]] + words[swap + 2 :]
    missing = words[:at] + words[at + 1 :]
    slips = [" ".join(slip) for slip in (replaced, swapped, missing)]
    return tuple(dict.fromkeys(slip for slip in [*slips, *neighbours] if slip != " ".join(words)))


def _copy(rng: Random) -> Task:
    words = _words(rng)
    ask = rng.choice(("Repeat these words", "Copy this list without changes", "Write down exactly"))
    return Task(
        f"{ask}: {' '.join(words)}",
        (" ".join(words),),
        _near_misses(rng, words, [" ".join(words[::-1]), " ".join(words).upper()]),
    )


def _reverse(rng: Random) -> Task:
    words = _words(rng)
    ask = rng.choice(
        ("Write these words in reverse order", "Say this list backwards", "Turn this list around")
    )
    wrongs = _near_misses(rng, words[::-1], [" ".join(words)])
    return Task(f"{ask}: {' '.join(words)}", (" ".join(words[::-1]),), wrongs)


def _capitals(rng: Random) -> Task:
    words = _words(rng, 2, 4)
    ask = rng.choice(("Write in capital letters", "Change to upper case"))
    loud = [word.upper() for word in words]
    at = rng.randrange(len(words))
    half = loud[:at] + [words[at]] + loud[at + 1 :]
    changed = loud[:at] + [_other(rng, words).upper()] + loud[at + 1 :]
    wrongs = (" ".join(half), " ".join(changed), " ".join(words))
    return Task(f"{ask}: {' '.join(words)}", (" ".join(loud),), wrongs)


def _sort(rng: Random) -> Task:
    numbers = [str(number) for number in rng.sample(range(1, 10), rng.randint(3, 5))]
    up = rng.random() < 0.5
    right = sorted(numbers, reverse=not up)
    ask = "Sort these numbers from small to large" if up else "Sort these numbers from large to small"
    at = rng.randrange(len(right) - 1)
    swapped = right[:at] + [right[at + 1], right[at]] + right[at + 2 :]
    missing = right[:at] + right[at + 1 :]
    candidates = [swapped, missing, right[::-1], numbers]
    wrongs = tuple(dict.fromkeys(" ".join(slip) for slip in candidates if slip != right))
    return Task(f"{ask}: {' '.join(numbers)}", (" ".join(right),), wrongs)


def _numbers_off(rng: Random, right: int, low: int, high: int) -> tuple[str, ...]:
    off = [number for number in range(max(low, right - 3), min(high, right + 3) + 1) if number != right]
    return tuple(str(number) for number in rng.sample(off, 3))


def _count(rng: Random) -> Task:
    words = _words(rng, 2, 7)
    ask = rng.choice(("How many words are in this list", "Count these words", "Give the length of this list"))
    wrongs = (*_numbers_off(rng, len(words), 1, 9), " ".join(words))
    return Task(f"{ask}: {' '.join(words)}", (str(len(words)),), wrongs)


def _occurrences(rng: Random) -> Task:
    word, times = rng.choice(NOUNS), rng.randint(1, 4)
    others = [_other(rng, (word,)) for _ in range(rng.randint(1, 3))]
    words = rng.sample([word] * times + others, times + len(others))
    ask = f"How many times does {word} occur here: {' '.join(words)}"
    return Task(ask, (str(times),), (*_numbers_off(rng, times, 1, 7), word))


def _arithmetic(rng: Random) -> Task:
    left, right = rng.randint(1, 9), rng.randint(1, 9)
    plus = rng.random() < 0.5
    if not plus:
        left, right = max(left, right), min(left, right)
    result, neighbour = (left + right, abs(left - right)) if plus else (left - right, left + right)
    word = "plus" if plus else "minus"
    ask = rng.choice(
        ("What is {} {} {}?", "Work out {} {} {}.", "Compute {} {} {}.", "How much is {} {} {}?")
    )
    wrongs = dict.fromkeys([*_numbers_off(rng, result, 0, 18), str(neighbour)])
    wrongs.pop(str(result), None)
    return Task(ask.format(left, word, right), (str(result),), tuple(wrongs))


def _larger(rng: Random) -> Task:
    first, second = rng.sample(range(1, 100), 2)
    large = rng.random() < 0.5
    right = max(first, second) if large else min(first, second)
    other = first + second - right
    ask = f"Which number is {'larger' if large else 'smaller'}, {first} or {second}?"
    third = rng.choice([number for number in range(1, 100) if number not in (first, second)])
    return Task(ask, (str(right),), (str(other), str(third)))


def _opposite(rng: Random) -> Task:
    word = rng.choice(ADJECTIVES)
    ask = rng.choice(
        (
            f"What is the opposite of {word}?",
            f"Name the opposite of {word}.",
            f"Which word means the reverse of {word}?",
        )
    )
    right = OPPOSITE_OF[word]
    off = rng.sample([other for other in ADJECTIVES if other not in (word, right)], 2)
    return Task(ask, (right,), (*off, word))


def _kind(rng: Random) -> Task:
    word = rng.choice(NOUNS)
    ask = rng.choice(
        (
            f"What kind of thing is this: {word}",
            f"To which group does {word} belong?",
            f"Classify the word {word}.",
        )
    )
    right = KIND_OF[word]
    off = rng.sample([kind for kind in KINDS if kind != right], 2)
    same = rng.choice([other for other in KINDS[right] if other != word])
    return Task(ask, (right,), (*off, same))


def _odd_one(rng: Random) -> Task:
    kind, stranger_kind = rng.sample(list(KINDS), 2)
    members, stranger = rng.sample(KINDS[kind], 3), rng.choice(KINDS[stranger_kind])
    words = rng.sample([*members, stranger], 4)
    ask = rng.choice(
        ("Which word does not belong", "Find the odd one out", "Which word is different from the others")
    )
    return Task(f"{ask}: {' '.join(words)}", (stranger,), (*rng.sample(members, 2), kind))


def _list_of(rng: Random) -> Task:
    kind, wanted = rng.choice(list(KINDS)), rng.randint(2, 4)
    ask = rng.choice(("Name {} {}.", "List {} {}.", "Give me {} {}.")).format(
        NUMBER_WORDS[wanted], PLURAL[kind]
    )
    members = rng.sample(KINDS[kind], wanted + 1)
    stranger = rng.choice([word for word in NOUNS if KIND_OF[word] != kind])
    right, again = members[:wanted], rng.sample(members, wanted)
    mixed = rng.sample([*right[1:], stranger], wanted)
    short, long = right[:-1], members
    wrongs = (" ".join(mixed), " ".join(short), " ".join(long))
    rights = tuple(dict.fromkeys((" ".join(right), " ".join(again))))
    return Task(ask, rights, wrongs, agrees=lambda core: _leading(core, wanted, KINDS[kind].__contains__))


def _pick(rng: Random) -> Task:
    words = _words(rng, 4, 5)
    at = rng.randrange(4)
    place = "last" if at == 3 else POSITIONS[at]
    right = words[-1] if at == 3 else words[at]
    ask = rng.choice((f"What is the {place} word of this list", f"Give only the {place} word"))
    off = [word for word in words if word != right]
    return Task(f"{ask}: {' '.join(words)}", (right,), (*rng.sample(off, 2), " ".join(words)))


def _leave_out(rng: Random) -> Task:
    words = _words(rng, 3, 5)
    gone = rng.choice(words)
    left = [word for word in words if word != gone]
    ask = rng.choice((f"Leave out {gone}", f"Remove the word {gone}"))
    wrongs = _near_misses(rng, left, [" ".join(words), gone])
    return Task(f"{ask}: {' '.join(words)}", (" ".join(left),), wrongs)


def _replace(rng: Random) -> Task:
    words = _words(rng, 3, 4)
    old, new = rng.choice(words), _other(rng, words)
    changed = [new if word == old else word for word in words]
    wrongs = _near_misses(rng, changed, [" ".join(words), " ".join(reversed(changed))])
    return Task(f"Replace {old} with {new}: {' '.join(words)}", (" ".join(changed),), wrongs)


def _limit(rng: Random) -> Task:
    wanted, noun = rng.randint(1, 4), rng.choice(NOUNS)
    noun_form = "word" if wanted == 1 else "words"
    ask = rng.choice(("Describe a {} in exactly {} {}.", "Use exactly {1} {2} to describe a {0}."))
    lengths = [length for length in range(1, 7) if length != wanted]
    rights = tuple(" ".join(rng.sample(ADJECTIVES, wanted)) for _ in range(2))
    wrongs = tuple(" ".join(rng.sample(ADJECTIVES, length)) for length in rng.sample(lengths, 3))
    question = ask.format(noun, NUMBER_WORDS[wanted], noun_form)
    return Task(question, rights, wrongs, False, lambda core: _leading(core, wanted, lambda _: True))


FAMILIES: dict[str, Callable[[Random], Task]] = {
    "copy": _copy,
    "reverse": _reverse,
    "capitals": _capitals,
    "sort": _sort,
    "count": _count,
    "occurrences": _occurrences,
    "arithmetic": _arithmetic,
    "larger": _larger,
    "opposite": _opposite,
    "kind": _kind,
    "odd-one": _odd_one,
    "list": _list_of,
    "pick": _pick,
    "leave-out": _leave_out,
    "replace": _replace,
    "limit": _limit,
}
