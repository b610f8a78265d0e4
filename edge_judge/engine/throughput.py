"""How fast this machine runs a model, and how long work would take at those rates.

Measured by the evaluator that judges, in the windows that a run has. The texts are random tokens: how fast a token is
evaluated does not depend on which it is.
Knows: prompts and writing in tokens, seconds, bytes. Does not know: questions, benchmarks' names, files, who asks.
"""

from __future__ import annotations

import random
import time
import zlib
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from edge_judge.engine import memory, plan
from edge_judge.engine.evaluator import Evaluator, NextTokens
from edge_judge.engine.fitting import evaluator_for_reading, evaluator_for_writing
from edge_judge.engine.llama import Logits
from edge_judge.engine.model import Model
from edge_judge.engine.plan import Plan, Query
from edge_judge.inference import Tokens
from edge_judge.records import Batching

PROMPT = 512  # tokens of a prompt that is read; about what a pair of answers takes
BEGUN = 128  # tokens of a prompt that is gone on from
LEAST = 256  # tokens that are read at least: fewer would be slower than a run is
STEPS = (4, 64)  # tokens that each sequence writes, at least and at most
REPEATS = 3
SECONDS = 4.0  # what one measurement is to last


@dataclass(frozen=True, slots=True)
class Rates:
    """Tokens per second: prompt, read in whole prompts; alone, written by one sequence; together, written by `slots`
    sequences side by side, all of them counted. load_seconds: until the first token was evaluated.

    Bytes: peak_rss, pages of the model's file included; cache, of `cache_cells` tokens, and work, what llama.cpp
    computes in, both as a run has them whose prompts are of PROMPT tokens.
    """

    prompt: float
    alone: float
    together: float
    slots: int
    load_seconds: float
    peak_rss: int
    cache: int
    cache_cells: int
    work: int
    threads: int


class Rough(Model):
    """A model whose vocabulary is made up: its texts are cut every four characters, about as a real one cuts English.

    For counting only; the tokens are numbers that stand for those characters.
    """

    CHARACTERS = 4

    def tokens(self, text: str, *, control: bool) -> Tokens:
        cuts = range(0, len(text), self.CHARACTERS)
        return tuple(zlib.crc32(text[start : start + self.CHARACTERS].encode(errors="replace")) for start in cuts)


# ---- how long ---------------------------------------------------------------------------------------------


def seconds(rates: Rates, tokens: int, prompts: int, each: int) -> float:
    """How long it takes to read `tokens` and to write `each` tokens after every prompt:

        load + tokens / prompt + max(prompts × each / together, each / alone)

    The last term: full slots write at the rate of all together, but no answer is done sooner than one by itself. An
    upper bound where a judge may stop earlier; a lower one for prompts so long that the cache holds fewer than all
    slots, and for attention over thousands of tokens.
    """
    write = max(prompts * each / rates.together, each / rates.alone)
    return rates.load_seconds + tokens / rates.prompt + write


# ---- measured ---------------------------------------------------------------------------------------------


def measure(model: Model, opened: float, lasting: float = SECONDS, batching: Batching = Batching()) -> Rates:
    """Measure a loaded model. opened: the seconds that loading it took; lasting: those that reading, writing alone and
    writing together are to take each, as far as the least number of tokens can be evaluated in them.
    """
    with evaluator_for_reading(model, [_to_read(model, 1)], 1, batching) as evaluator:
        first = _reading_takes(evaluator, _to_read(model, 1))
    with evaluator_for_reading(model, [_to_read(model, PROMPT)], 1, batching) as evaluator:
        prompt, takes, cells = _prompt_rate(evaluator, lasting), evaluator.footprint, evaluator.capacity
    alone, together = (_write_rate(model, count, lasting, batching) for count in (1, batching.slots))
    return Rates(
        prompt=prompt,
        alone=alone,
        together=together,
        slots=batching.slots,
        load_seconds=opened + first,
        peak_rss=memory.peak(),
        cache=takes.cache,
        cache_cells=cells,
        work=takes.work,
        threads=model.threads,
    )


def _prompt_rate(evaluator: Evaluator, lasting: float) -> float:
    """Tokens read per second: the median of a few times, in whole prompts where the machine is fast enough."""
    pace = LEAST / _reading_takes(evaluator, _to_read(evaluator.model, LEAST))
    count = max(LEAST, int(pace * lasting / REPEATS))
    count -= count % PROMPT if count > PROMPT else 0
    part = _to_read(evaluator.model, count)
    return median(count / _reading_takes(evaluator, part) for _ in range(REPEATS))


def _reading_takes(evaluator: Evaluator, part: Plan) -> float:
    start = time.monotonic()
    for _ in evaluator.read(part, lambda _: None):
        pass
    return time.monotonic() - start


def _to_read(model: Model, count: int) -> Plan:
    """So many random tokens, in prompts of PROMPT that share nothing."""
    drawn = random.Random(0).choices(range(model.vocabulary), k=count)
    texts = [tuple(drawn[start : start + PROMPT]) for start in range(0, count, PROMPT)]
    (part,) = plan.blocks([Query(tokens, (len(tokens) - 1,)) for tokens in texts], 0)
    return part


def _write_rate(model: Model, count: int, lasting: float, batching: Batching) -> float:
    """Tokens written per second by `count` sequences side by side, all counted: from the median of their steps."""
    begun = tuple(random.Random(0).choices(range(model.vocabulary), k=BEGUN))
    texts = [(*begun, last) for last in range(count)]
    (part,) = plan.blocks([Query(tokens, (BEGUN,)) for tokens in texts], 0)
    least, most = STEPS
    with evaluator_for_writing(model, [part], most, batching) as evaluator:
        pace = median(_steps(evaluator, part, least))
        steps = min(max(least, int(lasting / pace)), most)
        return count / median(_steps(evaluator, part, steps))


def _steps(evaluator: Evaluator, part: Plan, count: int) -> list[float]:
    """The seconds that each of `count` steps takes in which every sequence writes a token."""
    marks: list[float] = []
    for _ in evaluator.write(part, lambda _: FixedLengthWriter(count), count, lambda _: marks.append(time.monotonic())):
        pass
    return [after - before for before, after in pairwise(marks[-count - 1 :])]  # prompts are evaluated before


class FixedLengthWriter:
    """Writes whatever is likeliest, so many tokens."""

    def __init__(self, count: int) -> None:
        self._left = count

    def next(self, logits: Logits) -> NextTokens | None:
        self._left -= 1
        return NextTokens((int(logits.argmax()),)) if self._left >= 0 else None
