"""An evaluator that is large enough for its plans, and small enough for the memory it may take.

Knows: what plans ask of a cache, and into which smaller calls the work can be divided. Does not know: how a call is
evaluated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager

from edge_judge.engine.batching import smaller
from edge_judge.engine.evaluator import Evaluator, Size
from edge_judge.engine.footprint import OVERHEAD, cell_bytes, rounded_up, work_bytes
from edge_judge.engine.model import Model
from edge_judge.engine.plan import Plan
from edge_judge.errors import MemoryLimitError
from edge_judge.inference import Footprint
from edge_judge.records import Batching, Limits

SURE = 0.98  # of the memory allowed, so much is planned for: not every byte can be foreseen


@contextmanager
def evaluator_for_reading(
    model: Model, plans: Sequence[Plan], reads: int, batching: Batching = Batching(), limits: Limits = Limits()
) -> Iterator[Evaluator]:
    """An evaluator with room for these plans, whose queries have at most `reads` reads each."""
    longest = max((plan.longest for plan in plans), default=0)

    def size(tried: Batching) -> Size:
        outputs = max((_outputs(plan, tried.members) for plan in plans), default=0)
        return Size(longest + tried.cells, tried.members + 1, max(outputs, reads))

    with closing(_within(limits, model, batching, size)) as evaluator:
        yield evaluator


@contextmanager
def evaluator_for_writing(
    model: Model, plans: Sequence[Plan], reserve: int, batching: Batching = Batching(), limits: Limits = Limits()
) -> Iterator[Evaluator]:
    """An evaluator with room to let the prompts of these plans be continued with `reserve` tokens each."""

    def size(tried: Batching) -> Size:
        cells = max((_side_by_side(plan, tried.slots) for plan in plans), default=0) + tried.slots * reserve
        return Size(cells, tried.slots + 1, tried.slots)

    with closing(_within(limits, model, batching, size)) as evaluator:
        yield evaluator


def _within(limits: Limits, model: Model, batching: Batching, size: Callable[[Batching], Size]) -> Evaluator:
    """An evaluator whose calls are as large as asked, or the first smaller one that the memory allows.

    Raises MemoryLimitError where even the smallest does not fit, with what it would take.
    """
    if limits.memory is None:
        return Evaluator(model, batching, limits.cache, size(batching))
    cell, needed = cell_bytes(model, limits.cache), 0
    for tried in smaller(batching):
        wanted = size(tried)
        work = work_bytes(model, tried.micro, wanted.cells, max(wanted.outputs, wanted.sequences))
        cache = rounded_up(wanted.cells) * cell
        needed = Footprint(model.process + OVERHEAD, model.weights, cache, work).total
        if needed > SURE * limits.memory:
            continue
        evaluator = Evaluator(model, tried, limits.cache, wanted)
        if evaluator.footprint.total <= limits.memory:
            return evaluator
        needed = evaluator.footprint.total
        evaluator.close()
    raise MemoryLimitError(limits.memory, int(needed / SURE), model.weights)


def _side_by_side(plan: Plan, slots: int) -> int:
    """Cells for the prompts of any so many sequences that follow one another."""
    places = range(len(plan.sequences))
    return max(plan.tree(places[start : start + slots]) for start in range(max(1, len(places) - slots + 1)))


def _outputs(plan: Plan, members: int) -> int:
    """The most tokens of a window whose probabilities are wanted. llama.cpp aborts the process beyond its limit."""
    wanted = Counter(sequence for sequence, _ in plan.reads)
    counts = [wanted[index] for index in range(len(plan.sequences))]
    return max((sum(counts[start : start + members]) for start in range(len(counts))), default=0)
