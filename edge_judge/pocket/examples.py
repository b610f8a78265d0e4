"""Examples to learn from: the prompt and the reply of a pair as tokens, with the positions that are learned.

Knows: the prompts of the product, the replies under each protocol, how examples make a batch.
Does not know: networks, losses, files.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from random import Random

import torch
from tokenizers import Tokenizer
from torch import Tensor

from edge_judge.pocket.tasks import Answer, TaskPair, pairs
from edge_judge.pocket.tokenizer import START, STOP
from edge_judge.protocols import prompts

BATCH, POOL = 96, 16  # pairs of a batch; batches drawn at once and sorted by length, to need little padding
VERDICTS = {"a": "A", "b": "B", "tie": "C"}
FREE_FAMILIES, FREE_SHARE = ("arithmetic", "larger", "opposite"), 0.7
FREE_REPLIES = {"a": "Answer A is better.", "b": "Answer B is better.", "tie": "Both answers are equal."}
PLACEHOLDER = "\x00"
PROTOCOLS = {  # the share of each in training
    "pairwise": 0.36, "pairwise-cot": 0.16, "pairwise-json": 0.12, "pointwise": 0.14, "rubric": 0.11, "reference": 0.11,
}  # fmt: skip
CRITERIA = tuple((prompts.FOLDER / "rubric.csv").read_text("utf-8").splitlines()[1:])
GOOD, BAD = "9", "2"  # the scores of a right and a wrong answer


@dataclass(frozen=True, slots=True)
class Example:
    """A pair as tokens. The lists have positions in `ids`: before tokens that are learned, and at ends of answers."""

    ids: list[int]
    letters: list[int]  # before the decisive tokens of the reply; none in a free-form reply
    reply: tuple[int, int]
    cores: list[int]  # before the tokens of right answers
    words: list[tuple[int, bool]]  # inside an answer, and whether it is right so far
    ends: tuple[tuple[int, bool], ...]  # at the end of each answer, and whether it is right

    def first_answer(self) -> Example:
        """The example up to the end of answer A, where nothing is compared yet."""
        end = self.ends[0][0]
        cores = [position for position in self.cores if position < end]
        words = [word for word in self.words if word[0] < end]
        return Example(self.ids[: end + 1], [], (0, 0), cores, words, self.ends[:1])


@dataclass(frozen=True, slots=True)
class Batch:
    prefix: Tensor
    ids: Tensor
    examples: list[Example]


@dataclass(frozen=True, slots=True)
class Setting:
    """What all examples of a batch share: it decides the text before the question."""

    protocol: str
    ties: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply to learn. decisive: the [start, end) ranges of its text that give the verdict."""

    text: str
    decisive: tuple[tuple[int, int], ...]


def reply_to(pair: TaskPair, protocol: str, free: bool, shown: Answer) -> Reply:
    """The reply to a pair; under `pointwise`, to the answer shown."""
    if free:
        return Reply(FREE_REPLIES[pair.label], ())
    if protocol == "pointwise":
        return _marked("<", GOOD if shown.right else BAD, ">")
    letter = VERDICTS[pair.label]
    thoughts = [" correct" if answer.right else " not correct" for answer in (pair.a, pair.b)]
    reasons = ("A is", "<", thoughts[0], ">", ". B is", "<", thoughts[1], ">", ".")
    if protocol == "pairwise-cot":
        return _marked(*reasons, " [[", "<", letter, ">", "]]")
    if protocol == "pairwise-json":
        return _marked('{"reason":"', *reasons, '","verdict":"', "<", letter if letter != "C" else "tie", ">", '"}')
    return _marked("[[", "<", letter, ">", "]]")


def _marked(*parts: str) -> Reply:
    """A reply in parts. Those between "<" and ">" are decisive."""
    text, decisive = "", []
    for before, part in zip(("", *parts), parts, strict=False):
        if part not in "<>":
            if before == "<":
                decisive.append((len(text), len(text) + len(part)))
            text += part
    return Reply(text, tuple(decisive))


class ExampleMaker:
    """Makes batches of pairs. All pairs of a batch have the same prefix: a protocol, with or without ties."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self._prefixes: dict[Setting, list[int]] = {}

    def _prompt(self, setting: Setting, question: str, a: str, b: str, reference: str) -> tuple[str, str]:
        """The prompt in its chat format, split where the question begins."""
        content = prompts.fill(
            setting.protocol, PLACEHOLDER, a, b, ties=setting.ties, reference=reference, criteria=CRITERIA
        )
        head, tail = content.split(PLACEHOLDER)
        return f"{START}user\n{head}", f"{question}{tail}{STOP}\n{START}assistant\n"

    def prefix(self, setting: Setting) -> list[int]:
        if setting not in self._prefixes:
            head = self._prompt(setting, "", "", "", "x")[0]
            self._prefixes[setting] = self.tokenizer.encode(head).ids
        return self._prefixes[setting]

    def example(self, pair: TaskPair, setting: Setting, free: bool = False, second: bool = False) -> Example:
        """A pair as an example. free: with a reply in free form; second: under `pointwise`, on the second answer."""
        single = setting.protocol == "pointwise"
        answers = ((pair.b if second else pair.a),) if single else (pair.a, pair.b)
        headings = ("### Answer\n",) if single else ("### Answer A\n", "### Answer B\n")
        _, tail = self._prompt(setting, pair.question, answers[0].text, answers[-1].text, pair.reference)
        reply = reply_to(pair, setting.protocol, free, answers[0])
        prompt, replied = self.tokenizer.encode(tail), self.tokenizer.encode(reply.text + STOP)
        token_ends = [end for _, end in prompt.offsets]
        cores, words, ends = [], [], []
        for heading, answer in zip(headings, answers, strict=True):
            place = tail.index(heading) + len(heading)
            low, high = place + answer.core[0], place + answer.core[1]
            core = range(bisect_right(token_ends, low), bisect_left(token_ends, high) + 1)
            if answer.right:
                cores += [position - 1 for position in core]
            words += [(position, token_ends[position] - low <= answer.slip) for position in core]
            ends.append((bisect_right(token_ends, place + len(answer.text)), answer.right))  # at the end of its line
        length = len(prompt.ids)
        decisive = [
            length - 1 + position
            for position, (start, end) in enumerate(replied.offsets)
            if any(start < high and end > low for low, high in reply.decisive)
        ]
        reply_range = (length - 1, length + len(replied.ids) - 1)
        return Example(prompt.ids + replied.ids, decisive, reply_range, cores, words, tuple(ends))

    def batches(self, seed: int, single: Callable[[], bool]) -> Iterator[Batch]:
        """Endless batches: of first answers while `single()` holds, then of whole pairs."""
        rng, stream = Random(seed), pairs(seed, "train")
        names, weights = list(PROTOCOLS), list(PROTOCOLS.values())
        while True:
            setting = Setting(rng.choices(names, weights)[0], rng.random() < 0.8)
            drawn = (pair for pair in stream if setting.ties or pair.label != "tie")
            pool = []
            for pair in islice(drawn, BATCH * POOL):
                free = setting.protocol == "pairwise" and pair.family in FREE_FAMILIES and rng.random() < FREE_SHARE
                pool.append(self.example(pair, setting, free, rng.random() < 0.5))
            pool.sort(key=lambda example: len(example.ids))
            starts = list(range(0, len(pool), BATCH))
            rng.shuffle(starts)
            for start in starts:
                examples = pool[start : start + BATCH]
                yield self.batch([example.first_answer() for example in examples] if single() else examples, setting)

    def batch(self, examples: list[Example], setting: Setting) -> Batch:
        # Few different lengths: the bf16 kernels are compiled for each new shape.
        longest = -(-max(len(example.ids) for example in examples) // 16) * 16
        ids = torch.tensor([example.ids + [0] * (longest - len(example.ids)) for example in examples])
        return Batch(torch.tensor(self.prefix(setting)), ids, examples)
