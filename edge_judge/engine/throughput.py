"""How fast this machine runs a model, and how long work takes at those rates.

The measurement uses the evaluator and the windows of a real run. Its texts are random tokens, because the time to
evaluate a token does not depend on which one it is.
Knows: tokens to read and to write, seconds, bytes. Does not know: questions, benchmarks, files.
"""

from __future__ import annotations

import random
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from edge_judge.engine import memory, plan
from edge_judge.engine.evaluator import COMPANY, Evaluator, NextTokens
from edge_judge.engine.fitting import evaluator_for_reading, evaluator_for_writing
from edge_judge.engine.llama import Logits
from edge_judge.engine.model import Model
from edge_judge.engine.plan import Plan, Query
from edge_judge.inference import Tokens
from edge_judge.records import Batching, Offloaded

PROMPT = 512  # tokens of a prompt to read; about what a pair of answers takes
PREFIX = 128  # tokens of a prompt to write after
LEAST = 256  # least tokens to read: fewer are read more slowly than in a run
STEPS = (4, 64)  # tokens that each sequence writes, at least and at most
REPEATS = 3
SECONDS = 4.0  # how long one measurement should take; a shorter one has a share of PREFIX, LEAST and the least STEPS
SHORTEST = 32  # tokens to read, and
SHORTEST_PREFIX = 16  # tokens to write after, however short a measurement should be
PATIENCE = 8  # nothing is repeated once a measurement has taken this many times as long as it should
PARTS = 4  # of a measurement: the first token, reading, writing alone, writing together


@dataclass(frozen=True, slots=True)
class Rates:
    """Tokens per second. prompt: read, in whole prompts; alone: written by one sequence; together: written by `slots`
    sequences side by side, in total. load_seconds: until the first token was evaluated.

    Bytes. peak_rss: with the pages of the model's file; cache: of `cache_cells` tokens; work: of the compute buffer.
    The last two are those of a run whose prompts have PROMPT tokens. threads: found for reading. offloaded: what is on
    GPUs then.
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
    writing_threads: int
    offloaded: Offloaded | None = None


class Rough(Model):
    """A model with a made-up vocabulary, for counting only: every four characters are a token, about as in English."""

    CHARACTERS = 4

    def tokens(self, text: str, *, control: bool) -> Tokens:
        cuts = range(0, len(text), self.CHARACTERS)
        return tuple(zlib.crc32(text[start : start + self.CHARACTERS].encode(errors="replace")) for start in cuts)

    def prompt(self, content: str) -> Tokens:
        chat = self.chat
        return self.tokens(chat.before + content + chat.after, control=True)


# ---- estimates --------------------------------------------------------------------------------------------


def seconds(rates: Rates, tokens: int, prompts: int, each: int) -> float:
    """Seconds to read `tokens` and to write `each` tokens after every prompt:

        load + tokens / prompt + max(prompts × each / together, each / alone)

    The last term: full slots write at the rate `together`, but no answer takes less time than one that is written
    alone. This is an upper bound if a judge may stop earlier. It is a lower bound for prompts so long that the cache
    holds fewer than all slots, and for attention over thousands of tokens.
    """
    write = max(prompts * each / rates.together, each / rates.alone)
    return rates.load_seconds + tokens / rates.prompt + write


# ---- measurements -----------------------------------------------------------------------------------------


def measure(
    model: Model,
    load_seconds: float,
    duration: float = SECONDS,
    batching: Batching = Batching(),
    done: Callable[[], None] = lambda: None,
) -> Rates:
    """Measure a loaded model. load_seconds: how long loading it took. duration: how many seconds each of reading,
    writing alone and writing together should take; a slow machine takes longer for the least number of tokens. done is
    called after each of the PARTS.
    """
    with evaluator_for_reading(model, [_reading_plan(model, 1)], 1, batching) as evaluator:
        first_token = _reading_seconds(evaluator, _reading_plan(model, 1))
    done()
    with evaluator_for_reading(model, [_reading_plan(model, PROMPT)], 1, batching) as evaluator:
        prompt, footprint, cells = _prompt_rate(evaluator, duration), evaluator.footprint, evaluator.capacity + COMPANY
    done()
    alone = _write_rate(model, 1, duration, batching)
    done()
    together = _write_rate(model, batching.slots, duration, batching)
    done()
    return Rates(
        prompt=prompt,
        alone=alone,
        together=together,
        slots=batching.slots,
        load_seconds=load_seconds + first_token,
        peak_rss=memory.peak(),
        cache=footprint.cache,
        cache_cells=cells,
        work=footprint.work,
        threads=model.threads.reading,
        writing_threads=model.threads.writing,
        offloaded=footprint.offloaded,
    )


def _prompt_rate(evaluator: Evaluator, duration: float) -> float:
    """Tokens read per second: the median of a few measurements, in whole prompts if the machine is fast enough."""
    least = _share(LEAST, duration, SHORTEST)
    first = _reading_seconds(evaluator, _reading_plan(evaluator.model, least))
    if first >= PATIENCE * duration:
        return least / first
    count = max(least, int(least / first * duration / REPEATS))
    count -= count % PROMPT if count > PROMPT else 0
    prompts = _reading_plan(evaluator.model, count)
    times: list[float] = []
    while len(times) < REPEATS and first + sum(times) < PATIENCE * duration:
        times.append(_reading_seconds(evaluator, prompts))
    return count / median(times)


def _share(number: int, duration: float, least: int) -> int:
    """What a measurement of `duration` seconds has of a number that is meant for one of SECONDS."""
    return max(least, min(number, round(number * duration / SECONDS)))


def _reading_seconds(evaluator: Evaluator, prompts: Plan) -> float:
    start = time.monotonic()
    for _ in evaluator.read(prompts, lambda _: None):
        pass
    return time.monotonic() - start


def _reading_plan(model: Model, count: int) -> Plan:
    """`count` random tokens, in prompts of PROMPT tokens that share nothing."""
    drawn = random.Random(0).choices(range(model.vocabulary), k=count)
    texts = [tuple(drawn[start : start + PROMPT]) for start in range(0, count, PROMPT)]
    (prompts,) = plan.blocks([Query(tokens) for tokens in texts], 0)
    return prompts


def _write_rate(model: Model, count: int, duration: float, batching: Batching) -> float:
    """Tokens written per second by `count` sequences side by side, in total, from the median time of a step."""
    length = _share(PREFIX, duration, SHORTEST_PREFIX)
    prefix = tuple(random.Random(0).choices(range(model.vocabulary), k=length))
    texts = [(*prefix, last) for last in range(count)]
    (prompts,) = plan.blocks([Query(tokens) for tokens in texts], 0)
    most = STEPS[1]
    least = _share(STEPS[0], duration, 1)
    with evaluator_for_writing(model, [prompts], most, batching) as evaluator:
        step_seconds = median(_steps(evaluator, prompts, least))
        if least * step_seconds >= PATIENCE * duration:
            return count / step_seconds
        steps = min(max(least, int(duration / step_seconds)), most)
        return count / median(_steps(evaluator, prompts, steps))


def _steps(evaluator: Evaluator, prompts: Plan, count: int) -> list[float]:
    """The seconds of each of `count` steps, in which every sequence writes a token."""
    times: list[float] = []
    work = evaluator.write(prompts, lambda _: FixedLengthWriter(count), count, lambda _: times.append(time.monotonic()))
    for _ in work:
        pass
    return [after - before for before, after in pairwise(times[-count - 1 :])]  # earlier calls evaluate the prompts


class FixedLengthWriter:
    """Writes the likeliest token each time, `count` times."""

    def __init__(self, count: int) -> None:
        self._left = count

    def next(self, logits: Logits) -> NextTokens | None:
        self._left -= 1
        return NextTokens((int(logits.argmax()),)) if self._left >= 0 else None
