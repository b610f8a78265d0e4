"""How many requests may be in flight: as many as bring more answers a second, and fewer where the server has too much.

It doubles on trial and stays so only where answers came faster. Where the server says that it has too much to do,
or takes too long, it halves, once for each round of answers.

Knows: when answers came. Does not know: requests, connections.
"""

from __future__ import annotations

START = 8
MOST = 64
GAIN = 1.05  # times as many answers a second, or a trial has failed
REST = 8  # rounds without a trial, after one that failed
ROUND = 12  # answers of a round, at least


class Window:
    """size: how many requests may be in flight."""

    def __init__(self) -> None:
        self.size = START
        self._answers = 0
        self._begun: float | None = None  # when the round did
        self._rate = 0.0  # answers a second, before the last trial
        self._before = 0  # the size before a trial that is going on
        self._rest = 0
        self._since_halved = START

    def answered(self, now: float) -> None:
        """Called with the time of each answer, in seconds."""
        self._since_halved += 1
        if self._begun is None:
            self._begun = now
            return
        self._answers += 1
        if self._answers >= max(ROUND, 2 * self.size) and now > self._begun:
            self._end_round(self._answers / (now - self._begun))
            self._answers, self._begun = 0, now

    def failed(self, *, overload: bool) -> None:
        """Called for each attempt that failed. overload: because the server has too much to do."""
        self._since_halved += 1
        if overload and self._since_halved > self.size:
            self.size = max(1, self.size // 2)
            self._since_halved, self._before, self._rest = 0, 0, REST
            self._answers, self._begun = 0, None

    def _end_round(self, rate: float) -> None:
        tried, self._before = self._before, 0
        if tried and rate < GAIN * self._rate:
            self.size, self._rest = tried, REST
        elif self._rest:
            self._rest, self._rate = self._rest - 1, rate
        elif self.size < MOST:
            self._before, self._rate = self.size, rate
            self.size = min(MOST, 2 * self.size)
