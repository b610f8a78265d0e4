"""An evaluator that is large enough for its plans, and small enough for the memory it may take.

Knows: what plans ask of a cache, which cuts of the work there are. Does not know: how a cut is evaluated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager

from edge_judge.engine.batching import Batching, smaller
from edge_judge.engine.evaluator import Evaluator, Size
from edge_judge.engine.footprint import BESIDE, GRAIN, Footprint, cell_bytes, work_bytes
from edge_judge.engine.model import Model
from edge_judge.engine.plan import Plan
from edge_judge.errors import MemoryLimitError
from edge_judge.records import Limits

SURE = 0.98  # of the memory allowed, so much is planned for: not every byte can be foreseen


@contextmanager
def reading(
    model: Model, plans: Sequence[Plan], reads: int, batching: Batching = Batching(), limits: Limits = Limits()
) -> Iterator[Evaluator]:
    """An evaluator with room for these plans, whose queries have at most `reads` reads each."""
    longest = max((plan.longest for plan in plans), default=0)

    def size(cut: Batching) -> Size:
        outputs = max((_outputs(plan, cut.members) for plan in plans), default=0)
        return Size(longest + cut.cells, cut.members + 1, max(outputs, reads))

    with closing(_within(limits, model, batching, size)) as evaluator:
        yield evaluator


@contextmanager
def writing(
    model: Model, plans: Sequence[Plan], reserve: int, batching: Batching = Batching(), limits: Limits = Limits()
) -> Iterator[Evaluator]:
    """An evaluator with room to let the prompts of these plans be continued with `reserve` tokens each."""

    def size(cut: Batching) -> Size:
        cells = max((_side_by_side(plan, cut.slots) for plan in plans), default=0) + cut.slots * reserve
        return Size(cells, cut.slots + 1, cut.slots)

    with closing(_within(limits, model, batching, size)) as evaluator:
        yield evaluator


def _within(limits: Limits, model: Model, batching: Batching, size: Callable[[Batching], Size]) -> Evaluator:
    """An evaluator cut as asked, or the first smaller cut that the memory allows.

    Raises MemoryShortError where even the smallest does not fit, with what it would take.
    """
    if limits.memory is None:
        return Evaluator(model, batching, limits.cache, size(batching))
    one, needed = cell_bytes(model, limits.cache), 0
    for cut in smaller(batching):
        wanted = size(cut)
        work = work_bytes(model, cut.micro, wanted.cells, max(wanted.outputs, wanted.sequences))
        cache = -(-wanted.cells // GRAIN) * GRAIN * one
        needed = Footprint(model.process + BESIDE, model.weights, cache, work).total
        if needed > SURE * limits.memory:
            continue
        made = Evaluator(model, cut, limits.cache, wanted)
        if made.footprint.total <= limits.memory:
            return made
        needed = made.footprint.total
        made.close()
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
