"""An evaluator with room for its plans that fits in the memory allowed.

Knows: how large a cache plans need, and how the work can be divided into smaller calls. Does not know: how a call is
evaluated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing

from edge_judge.engine.batching import smaller
from edge_judge.engine.evaluator import COMPANY, Evaluator, Size
from edge_judge.engine.footprint import OVERHEAD, cell_bytes, rounded_up, work_bytes
from edge_judge.engine.model import Model
from edge_judge.engine.plan import Plan
from edge_judge.errors import MemoryLimitError
from edge_judge.inference import Footprint
from edge_judge.records import Batching, Limits

PLANNED = 0.98  # share of the memory allowed that is planned for: not every byte can be predicted


def evaluator_for_reading(
    model: Model, plans: Sequence[Plan], reads: int, batching: Batching = Batching(), limits: Limits = Limits()
) -> closing[Evaluator]:
    """An evaluator, closed at the end of the `with`, for these plans, whose queries have at most `reads` reads each.

    Raises ModelError or MemoryLimitError if none can be made.
    """
    longest = max((plan.longest for plan in plans), default=0)

    def size_for(batching: Batching) -> Size:
        outputs = max((_outputs(plan, batching.members) for plan in plans), default=0)
        return Size(longest + batching.cells, batching.members + 1, max(outputs, reads))

    return closing(_within(limits, model, batching, size_for))


def evaluator_for_writing(
    model: Model, plans: Sequence[Plan], reserve: int, batching: Batching = Batching(), limits: Limits = Limits()
) -> closing[Evaluator]:
    """The same for writing up to `reserve` tokens after each prompt of these plans.

    Raises ModelError or MemoryLimitError if none can be made.
    """

    def size_for(batching: Batching) -> Size:
        cells = max((_side_by_side(plan, batching.slots) for plan in plans), default=0) + batching.slots * reserve
        return Size(cells, batching.slots + 1, batching.slots)

    return closing(_within(limits, model, batching, size_for))


def _within(limits: Limits, model: Model, batching: Batching, size_for: Callable[[Batching], Size]) -> Evaluator:
    """An evaluator with the given batching, or with the first smaller one that fits in the memory.

    Raises MemoryLimitError, with the bytes that the smallest one needs, where none fits.
    """
    if limits.memory is None:
        return Evaluator(model, batching, limits.cache, size_for(batching))
    needed = 0
    for candidate in smaller(batching):
        size = size_for(candidate)
        needed = _estimate(model, candidate, limits, size).total
        if needed > PLANNED * limits.memory:
            continue
        evaluator = Evaluator(model, candidate, limits.cache, size)
        if evaluator.footprint.total <= limits.memory:
            return evaluator
        needed = evaluator.footprint.total
        evaluator.close()
    raise MemoryLimitError(limits.memory, int(needed / PLANNED), model.weights)


def _estimate(model: Model, batching: Batching, limits: Limits, size: Size) -> Footprint:
    """About what an evaluator of this size takes."""
    cache = int(rounded_up(size.cells + COMPANY) * cell_bytes(model.loaded, limits.cache) * model.host_cache)
    work = work_bytes(model.loaded, batching.micro, size.cells, max(size.outputs, size.sequences + COMPANY))
    return Footprint(model.process + OVERHEAD, model.weights, cache, work)


def _side_by_side(plan: Plan, slots: int) -> int:
    """The most cells that the prompts of `slots` neighbouring sequences take."""
    places = range(len(plan.distinct))
    return max(plan.tree(places[start : start + slots]) for start in range(max(1, len(places) - slots + 1)))


def _outputs(plan: Plan, members: int) -> int:
    """The most reads that a window has. Beyond the outputs of its context, llama.cpp aborts the process."""
    counts = [len(plan.reads_of(place)) for place in range(len(plan.distinct))]
    return max((sum(counts[start : start + members]) for start in range(len(counts))), default=0)
