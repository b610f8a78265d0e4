"""The families of tasks: small instructions with checkable answers.

Each task has its right answers, near misses, and the right answer to a neighbouring instruction (the idea of LLMBar's
adversarial sets: Zeng et al., arXiv 2310.07641). A family makes a task from a random generator.
Does not know: pairs, splits, prompts, tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import takewhile
from random import Random

from edge_judge.pocket.lexicon import (
    ADJECTIVES,
    KIND_OF,
    KINDS,
    NOUNS,
    NUMBER_WORDS,
    OPPOSITE_OF,
    PLURAL,
    POSITIONS,
)


@dataclass(frozen=True, slots=True)
class Task:
    """One instruction with bare answers: at least one in `rights`, at least two distinct ones in `wrongs`.

    paddable: False if words around the answer would make it wrong. right_length: how many leading characters of a bare
    answer are right; by default those that the right answer also begins with.
    """

    question: str
    rights: tuple[str, ...]
    wrongs: tuple[str, ...]
    paddable: bool = True
    right_length: Callable[[str], int] | None = None


def _words(rng: Random, low: int = 3, high: int = 5) -> list[str]:
    return rng.sample(NOUNS, rng.randint(low, high))


def _other(rng: Random, taken: list[str] | tuple[str, ...]) -> str:
    return rng.choice([word for word in NOUNS if word not in taken])


def _leading(core: str, most: int, fits: Callable[[str], bool]) -> int:
    """How many characters the leading words that fit take, at most `most` words."""
    good = list(takewhile(fits, core.split()[:most]))
    return len(" ".join(good))


def _near_misses(rng: Random, words: list[str], neighbours: list[str]) -> tuple[str, ...]:
    """Lists with one mistake, and the answers to neighbouring instructions; never `words` itself."""
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
    ask = rng.choice(("Write these words in reverse order", "Say this list backwards", "Turn this list around"))
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
    ask = rng.choice(("What is {} {} {}?", "Work out {} {} {}.", "Compute {} {} {}.", "How much is {} {} {}?"))
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
    ask = rng.choice(("Which word does not belong", "Find the odd one out", "Which word is different from the others"))
    return Task(f"{ask}: {' '.join(words)}", (stranger,), (*rng.sample(members, 2), kind))


def _list_of(rng: Random) -> Task:
    kind, count = rng.choice(list(KINDS)), rng.randint(2, 4)
    ask = rng.choice(("Name {} {}.", "List {} {}.", "Give me {} {}.")).format(NUMBER_WORDS[count], PLURAL[kind])
    members = rng.sample(KINDS[kind], count + 1)
    stranger = rng.choice([word for word in NOUNS if KIND_OF[word] != kind])
    right, other_right = members[:count], rng.sample(members, count)
    mixed = rng.sample([*right[1:], stranger], count)
    short, long = right[:-1], members
    wrongs = (" ".join(mixed), " ".join(short), " ".join(long))
    rights = tuple(dict.fromkeys((" ".join(right), " ".join(other_right))))
    return Task(ask, rights, wrongs, right_length=lambda core: _leading(core, count, KINDS[kind].__contains__))


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
    count, noun = rng.randint(1, 4), rng.choice(NOUNS)
    noun_form = "word" if count == 1 else "words"
    ask = rng.choice(("Describe a {} in exactly {} {}.", "Use exactly {1} {2} to describe a {0}."))
    lengths = [length for length in range(1, 7) if length != count]
    rights = tuple(" ".join(rng.sample(ADJECTIVES, count)) for _ in range(2))
    wrongs = tuple(" ".join(rng.sample(ADJECTIVES, length)) for length in rng.sample(lengths, 3))
    question = ask.format(noun, NUMBER_WORDS[count], noun_form)
    return Task(question, rights, wrongs, False, lambda core: _leading(core, count, lambda _: True))


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
