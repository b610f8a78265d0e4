"""How many threads a call should have: found by trying, while the work goes on.

All threads of a call wait for the slowest at every step of the model. So the best number is not the number of cores: it
is smaller where other programs run, where some cores are slow, or where the model is tiny, and it changes. Reading
(many tokens a call) and writing (few) are tuned apart. Results are the same bits for every number of threads: see
`llama.Context.decode`.

A trial is a sandwich: a call with the other number between two with the present one, so that what changes meanwhile
hits both. One that is clearly slower ends at once. It takes three that are faster to switch. Trials are made

    starved    when the threads got less processor time than they could use: fewer are tried
    idle       when a processor had nothing to do: more are tried
    changed    when calls have become faster or slower than they were: any neighbour is tried again
    otherwise  now and then, half as often after each trial that found nothing, so that they cost a percent or so

Knows: numbers of tokens, seconds, processor seconds. Does not know: llama.cpp, models, clocks.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from statistics import median
from typing import Literal, TypeAlias

MANY = 32  # tokens of a call from which on it counts as reading
ALIKE = 1.2  # calls are compared if one has at most so many times the tokens of the other
WORSE, BETTER = 1.15, 0.97  # times per token, beside the neighbours': give the trial up, switch
SANDWICHES = 3
STARVED = 0.75  # share of the processor time that the threads could use
IDLE = 0.7  # processors
CHANGED = 1.3  # times as slow or as fast as when last decided
RECENT = 8  # calls that tell whether something changed
PATIENCE = 25  # calls before the first trial without a reason, and twice as many after each that found nothing
LONGEST = 400  # and no more than so many


Reason: TypeAlias = Literal["starved", "idle"] | None


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was made. cpu: processor seconds that its threads used together; idle: that nobody used."""

    threads: int
    tokens: int
    seconds: float
    cpu: float
    idle: float = 0.0

    @property
    def time(self) -> float:
        """Seconds a token."""
        return self.seconds / self.tokens

    def is_like(self, other: Call) -> bool:
        few, many = sorted((self.tokens, other.tokens))
        return many <= few * ALIKE


class ThreadTuner:
    """Chooses the number of threads of each call. start: the first choice; most: no more than that; fixed: always."""

    def __init__(self, start: int, most: int, *, fixed: bool = False) -> None:
        self._reading, self._writing = _Search(min(start, most), most), _Search(min(start, most), most)
        self._fixed = fixed

    def count(self, tokens: int) -> int:
        """Threads for a call of so many tokens."""
        search = self._search(tokens)
        return search.present if self._fixed else search.next

    def add(self, call: Call) -> None:
        """A call that had as many threads as `count` said."""
        if not self._fixed and call.tokens and call.seconds > 0:
            self._search(call.tokens).add(call)

    @property
    def reading(self) -> int:
        """The number found for calls of many tokens."""
        return self._reading.present

    @property
    def writing(self) -> int:
        """And for those of few."""
        return self._writing.present

    def _search(self, tokens: int) -> _Search:
        return self._reading if tokens >= MANY else self._writing


@dataclass(slots=True)
class _Search:
    """The search among the numbers from 1 to `most`. present: the number found so far."""

    present: int
    most: int
    _rival: int | None = None
    _trial: list[Call] = field(default_factory=list)  # present, rival, present, rival, … present
    _recent: deque[Call] = field(default_factory=lambda: deque(maxlen=RECENT))
    _decided: float | None = None  # seconds a token when last decided
    _waited: int = 0  # calls since the last trial
    _patience: int = PATIENCE
    _known: Reason = None  # the last one
    _beaten: set[int] = field(default_factory=set)  # numbers that were slower since something changed

    @property
    def next(self) -> int:
        return self._rival if self._rival is not None and len(self._trial) % 2 else self.present

    def add(self, call: Call) -> None:
        if self._rival is not None:
            self._try(call)
            return
        if self._recent and not call.is_like(self._recent[-1]):
            self._recent.clear()
            self._decided = None
        self._recent.append(call)
        self._waited += 1
        if len(self._recent) == RECENT:
            self._consider()

    def _consider(self) -> None:
        """Begin a trial if there is a reason."""
        time, reason = median(call.time for call in self._recent), self._reason()
        changed = self._decided is not None and not 1 / CHANGED < time / self._decided < CHANGED
        self._decided = time if changed else self._decided or time
        if changed or reason != self._known:
            self._known, self._patience = reason, PATIENCE
            self._beaten.clear()
        rivals = self._possible(self._neighbours() if changed else self._wanted(reason))
        if not rivals and self._waited >= self._patience:
            if not self._possible(self._neighbours()):
                self._beaten.clear()
            rivals = self._possible(self._neighbours())
            self._waited = 0
        if rivals:
            self._rival, self._waited = rivals[0], 0
            self._trial.clear()

    def _reason(self) -> Reason:
        seconds = sum(call.seconds for call in self._recent)
        if sum(call.cpu for call in self._recent) < STARVED * seconds * self.present:
            return "starved"
        return "idle" if sum(call.idle for call in self._recent) > IDLE * seconds else None

    def _wanted(self, reason: Reason) -> list[int]:
        match reason:
            case "starved":
                return [self._fewer()]
            case "idle":
                return [2 * self.present, self.present + 1]
            case _:
                return []

    def _fewer(self) -> int:
        return max(1, self.present // 2)

    def _neighbours(self) -> list[int]:
        """Fewer and more, the near ones last."""
        return [self._fewer(), 2 * self.present, self.present - 1, self.present + 1]

    def _possible(self, counts: list[int]) -> list[int]:
        return [count for count in counts if 1 <= count <= self.most and count not in {self.present, *self._beaten}]

    def _try(self, call: Call) -> None:
        if self._trial and not call.is_like(self._trial[0]):  # the work is another now: begin again
            self._trial.clear()
        if call.threads != self.next:
            return
        self._trial.append(call)
        if len(self._trial) % 2 == 0 or len(self._trial) < 3:
            return
        times = [call.time for call in self._trial]
        ratios = [2 * times[i] / (times[i - 1] + times[i + 1]) for i in range(1, len(times), 2)]
        if ratios[-1] > WORSE:
            self._end(switch=False)
        elif len(ratios) == SANDWICHES:
            self._end(switch=median(ratios) < BETTER)

    def _end(self, *, switch: bool) -> None:
        rival = self._rival or self.present
        self._beaten.add(self.present if switch else rival)
        self._rival = None
        self._recent.clear()
        self._decided = None if switch else self._decided
        self._patience = PATIENCE if switch else min(2 * self._patience, LONGEST)
        if switch:
            self.present = rival
        self._trial.clear()
