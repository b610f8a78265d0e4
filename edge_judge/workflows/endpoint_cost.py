"""What an endpoint has answered for a run: requests, tokens, how much stayed unread and, with prices, money.

Knows: what the server counted, what run.json keeps of earlier parts of a run. Does not know: what was asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from edge_judge.errors import RunError
from edge_judge.quantities import counted
from edge_judge.records import ProgressListener
from edge_judge.runs.folder import RunFolder, noted
from edge_judge.runs.format import ANEW, is_number

if TYPE_CHECKING:
    from edge_judge.engine.remote import RemoteEngine

USAGE = "usage"  # in run.json, beside what was measured
MILLION = 1_000_000
SHOWN = 0.001  # least share of a probability that a person should know of


@dataclass(frozen=True, slots=True)
class Cost:
    """requests: answered; repeated: attempts that failed and were made again; tokens as the server counts them, cached:
    those of the prompts that it had computed before; most_unread: of a verdict's probability, at most, on tokens that
    the server did not list; cost: by the price, None without one.
    """

    requests: int = 0
    repeated: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    written_tokens: int = 0
    most_unread: float = 0.0
    cost: float | None = None

    def __str__(self) -> str:
        again = f" ({self.repeated:,} failed attempts were repeated)" if self.repeated else ""
        cached = f" ({self.cached_tokens:,} of them cached)" if self.cached_tokens else ""
        money = f"; cost {self.cost:,.4g}" if self.cost is not None else ""
        tokens = f"{counted(self.prompt_tokens, 'prompt token')}{cached}, {self.written_tokens:,} generated"
        share = f"; up to {100 * self.most_unread:.1f} % of a verdict's probability unread"
        unread = share if self.most_unread >= SHOWN else ""
        return f"{self.requests:,} requests{again}, {tokens}{unread}{money}"


@contextmanager
def counting(
    engine: RemoteEngine | None, folder: RunFolder, price: tuple[float, float] | None, listener: ProgressListener
) -> Iterator[None]:
    """While a part of a run is judged: afterwards run.json has the cost of the whole run, and a note tells it, also
    where the work was interrupted. engine: None where no endpoint judges; then nothing happens.
    """
    if engine is None:
        yield
        return
    earlier, before = _noted(folder), _state(engine)
    engine.most_unread = 0.0
    try:
        yield
    finally:
        requests, repeated, *rest = (now - then for now, then in zip(_state(engine), before, strict=True))
        if requests or repeated:
            prompt, cached, written = rest
            here = Cost(requests, repeated, prompt, cached, written, round(engine.most_unread, 6))
            total = _total(earlier, here, price)
            folder.add(USAGE, asdict(total))
            listener.note(f"{folder.identity.benchmark}: {total}")


def _state(engine: RemoteEngine) -> tuple[int, ...]:
    usage = engine.usage
    return usage.requests, engine.endpoint.repeated, usage.prompt, usage.cached, usage.written


def _total(earlier: Cost, here: Cost, price: tuple[float, float] | None) -> Cost:
    """The cost of a run so far. Without a price for all of it there is none."""
    cost = None
    if price is not None and (earlier.cost is not None or not earlier.requests):
        money = (here.prompt_tokens * price[0] + here.written_tokens * price[1]) / MILLION
        cost = round((earlier.cost or 0.0) + money, 6)
    return Cost(
        earlier.requests + here.requests,
        earlier.repeated + here.repeated,
        earlier.prompt_tokens + here.prompt_tokens,
        earlier.cached_tokens + here.cached_tokens,
        earlier.written_tokens + here.written_tokens,
        max(earlier.most_unread, here.most_unread),
        cost,
    )


def _noted(folder: RunFolder) -> Cost:
    """What was counted for earlier parts of the run."""
    note = noted(folder.path, USAGE) or {}
    try:
        earlier = Cost(**note)
    except TypeError:
        earlier = None
    numbers = asdict(earlier) if earlier else {"": None}
    if not all(is_number(value) or (name == "cost" and value is None) for name, value in numbers.items()):
        raise RunError(f"{folder.path / 'run.json'}: {USAGE}: expected numbers", ANEW)
    return earlier or Cost()
