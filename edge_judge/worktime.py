"""Seconds of work: time in which the machine slept, or this process was stopped, is left out.

A thread looks at the clock once a second. Where it comes much later, and this process computed next to nothing in
between, nobody was at work: a lid was closed, or somebody pressed Ctrl-Z. A slow call or a slow server is no such gap,
since the thread looks on meanwhile; neither is a call that keeps all other threads waiting, since that computes.
Whether the monotonic clock goes on while a machine sleeps depends on the system, so a gap is seen by two clocks: that
one, and one that certainly goes on.

Knows: clocks. Does not know: what the work is, who is told.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

PERIOD = 1.0  # seconds between two looks
LATE = 10.0  # seconds after which a look is late: a busy machine delays one by less
COMPUTED = 0.1  # of a gap: who computed for longer was at work

Clock = Callable[[], float]


def calendar() -> float:
    """Seconds that go on while the machine sleeps: on Linux CLOCK_BOOTTIME, on macOS CLOCK_MONOTONIC (which is not
    Python's monotonic clock there); on Windows every such clock goes on. The time of day is none: it is corrected.
    """
    if sys.platform != "win32":
        for name in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"):
            if (number := getattr(time, name, None)) is not None:
                return time.clock_gettime(number)
    return time.monotonic()


@dataclass(frozen=True, slots=True)
class Gaps:
    """What was left out so far: how often, and seconds altogether."""

    times: int = 0
    seconds: float = 0.0

    def since(self, earlier: Gaps) -> Gaps:
        """What was left out after an earlier look."""
        return Gaps(self.times - earlier.times, self.seconds - earlier.seconds)


class WorkClock:
    """Seconds of work since it was made. monotonic, calendar, computed: clocks in seconds, the last that of the
    processor; late: seconds without a look that may be a gap.
    """

    def __init__(
        self,
        monotonic: Clock = time.monotonic,
        calendar: Clock = calendar,
        computed: Clock = time.process_time,
        late: float = LATE,
    ) -> None:
        self._clocks = (monotonic, calendar, computed)
        self._late = late
        self._last = self._read()
        self._worked = 0.0
        self._gaps = Gaps()
        self._lock = threading.Lock()

    def seconds(self) -> float:
        """Seconds of work until now."""
        with self._lock:
            self._look()
            return self._worked

    def gaps(self) -> Gaps:
        """What was left out until now."""
        with self._lock:
            self._look()
            return self._gaps

    def keep_looking(self, period: float = PERIOD) -> None:
        """Look once in each period, in a thread that ends with the process."""
        pause = threading.Event()

        def look() -> None:
            while not pause.wait(period):
                self.seconds()

        threading.Thread(target=look, name="work clock", daemon=True).start()

    def _read(self) -> tuple[float, float, float]:
        monotonic, calendar, computed = self._clocks
        return monotonic(), calendar(), computed()

    def _look(self) -> None:
        now = self._read()
        passed, on_calendar, computed = (new - old for new, old in zip(now, self._last, strict=True))
        self._last = now
        gap = max(passed, on_calendar)
        if gap > self._late and computed < COMPUTED * gap:
            self._gaps = Gaps(self._gaps.times + 1, self._gaps.seconds + gap)
        else:
            self._worked += passed


_clock: WorkClock | None = None
_making = threading.Lock()


def clock() -> WorkClock:
    """The clock of this process, which is looked at from its first use on."""
    global _clock
    with _making:
        if _clock is None:
            _clock = WorkClock()
            _clock.keep_looking()
        return _clock


class Budget:
    """Seconds of work that may be spent from now on; None without a limit."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._clock = clock()
        self._began = self._clock.seconds()
        self._step = 0.0

    @property
    def spent(self) -> bool:
        """Whether another step that takes as long as the last one would be too much."""
        return self._seconds is not None and self._clock.seconds() - self._began + self._step > self._seconds

    @contextmanager
    def step(self) -> Iterator[None]:
        """While a step is worked on, after which the budget may be spent."""
        began = self._clock.seconds()
        yield
        self._step = self._clock.seconds() - began


class Pace:
    """How long the rest of some work takes, at its pace of late: a machine that has become hot works more slowly.

    What was done HALF a time ago counts half. Work that comes in bursts, such as texts that are written side by side,
    counts from burst to burst. now: seconds of work at its beginning.
    """

    HALF = 180.0  # seconds of work

    def __init__(self, now: float) -> None:
        self._began = now
        self._done = self._share = self._seconds = 0.0

    def left(self, now: float, share: float) -> float | None:
        """Seconds. share: of all work that is done, in [0, 1]; None before anything was."""
        passed, more = now - self._began, share - self._share
        if more > 0:
            kept = 0.5 ** min(1.0, passed / self.HALF)
            self._seconds, self._done = self._seconds * kept + passed, self._done * kept + more
            self._began, self._share, passed = now, share, 0.0
        return (self._seconds + passed) / self._done * (1 - share) if self._done else None
