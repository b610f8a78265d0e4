"""The order of work in which no token is evaluated twice.

Sequences are sorted, so that each hangs on the one before it as far as they agree: together they are the prefix
tree of all sequences, walked depth first, and every token of the tree is evaluated exactly once. The walk is cut
into windows that fit one decode call; a token that several sequences of a window share stands in it once.
The tokens kept from one window to the next are those of the last sequence evaluated, the *trunk*.

What attends to what is computed in tiles of neighbouring cells, and a tile with one cell that counts costs as much as
a full one. So a sequence should lie in one piece: a window's first cells are those that become the trunk, and where it
can a window ends with a sequence.

Knows: tokens as integers. Does not know: models, prompts, verdicts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from edge_judge.inference import Tokens

TILE = 64  # tokens that llama.cpp's attention holds at once against as many cells: GGML_FA_TILE_Q, GGML_FA_TILE_KV
PER_REPEAT = 200  # a block has at least so many tokens for each one that the next block evaluates again


@dataclass(frozen=True, slots=True)
class Query:
    """A sequence to evaluate, and the positions after which the next token's probabilities are wanted."""

    tokens: Tokens
    reads: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Member:
    """A sequence in a window. keep: how many of its tokens it takes from the trunk instead of evaluating them."""

    query: int
    keep: int


@dataclass(frozen=True, slots=True)
class Read:
    """cell: index in the window; query and read: whose probabilities these are, and the which of them."""

    cell: int
    query: int
    read: int


@dataclass(slots=True)
class Window:
    """One decode call: cells are (token, position, the members that share it); along a path positions ascend.

    trunk: how many tokens of the old trunk stay; the last member's path, which comes first, becomes the new one.
    """

    trunk: int
    members: list[Member] = field(default_factory=list)
    cells: list[tuple[int, int, list[int]]] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Plan:
    """Sorted distinct sequences; shared[i] tokens of sequences[i] are evaluated by an earlier one.

    reads: (sequence, position) of a token as first evaluated → the (query, read) pairs that want its probabilities.
    first_query: the query that each sequence stands for; queries: all of them.
    """

    sequences: tuple[Tokens, ...]
    shared: tuple[int, ...]
    first_query: tuple[int, ...]
    queries: tuple[int, ...]
    reads: dict[tuple[int, int], list[tuple[int, int]]]
    tokens_alone: int  # had every query been evaluated by itself

    @property
    def tokens(self) -> int:
        """Tokens to evaluate: the size of the prefix tree, which is the least possible."""
        return sum(map(len, self.sequences)) - sum(self.shared)

    @property
    def longest(self) -> int:
        return max(map(len, self.sequences), default=0)

    def tree(self, places: Sequence[int]) -> int:
        """Tokens in the prefix tree of some of the sequences, named by their places in ascending order."""
        size = 0
        for before, place in zip([-1, *places], places, strict=False):
            common = min(self.shared[before + 1 : place + 1]) if before >= 0 else 0
            size += len(self.sequences[place]) - common
        return size


def common_prefix(left: Sequence[int], right: Sequence[int]) -> int:
    """How many leading tokens agree."""
    length = min(len(left), len(right))
    if left[:length] == right[:length]:
        return length
    return next(at for at in range(length) if left[at] != right[at])


def blocks(queries: Sequence[Query], tokens: int) -> list[Plan]:
    """Plans of `tokens` tokens or more each (0: one plan), which together are all queries in sorted order.

    Each begins with an empty cache, so that it comes out the same whatever ran before it: an interrupted run is
    taken up at a block and ends bit for bit as one that was never interrupted. The price is the prefix that
    two neighbouring blocks share, evaluated twice: a block goes on until that is little beside its own tokens.
    """
    order = sorted(range(len(queries)), key=lambda index: queries[index].tokens)
    starts, filled = [0], 0
    for place, index in enumerate(order):
        before = queries[order[place - 1]].tokens if place else ()
        again = common_prefix(before, queries[index].tokens)
        if tokens and filled >= max(tokens, PER_REPEAT * again):
            starts.append(place)
            filled = again
        filled += len(queries[index].tokens) - again
    ends = [*starts[1:], len(order)]
    return [make(queries, order[start:end]) for start, end in zip(starts, ends, strict=True) if start < end]


def make(queries: Sequence[Query], order: Sequence[int]) -> Plan:
    """The plan of the queries at the indices `order`, which sort them; equal sequences are evaluated once."""
    sequences: list[Tokens] = []
    shared: list[int] = []
    first_query: list[int] = []
    reads: dict[tuple[int, int], list[tuple[int, int]]] = {}
    path: list[int] = []  # for each position, the sequence that evaluates it
    for index in order:
        tokens = queries[index].tokens
        if not sequences or sequences[-1] != tokens:
            common = common_prefix(sequences[-1], tokens) if sequences else 0
            path[common:] = [len(sequences)] * (len(tokens) - common)
            sequences.append(tokens)
            shared.append(common)
            first_query.append(index)
        for which, position in enumerate(queries[index].reads):
            reads.setdefault((path[position], position), []).append((index, which))
    alone = sum(len(queries[index].tokens) for index in order)
    return Plan(tuple(sequences), tuple(shared), tuple(first_query), tuple(order), reads, alone)


def windows(plan: Plan, cells: int, members: int) -> Iterator[Window]:
    """The plan's whole walk in windows of at most `cells` tokens and `members` sequences."""
    walk = Traversal(plan)
    while not walk.finished:
        yield walk.take(cells, members)


class Traversal:
    """A way through a plan, window by window. A sequence that does not fit is cut, and goes on in the next one."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.next = 0  # the first sequence that is not yet whole in the cache
        self._at = 0  # how many of its tokens are, from itself or from the one before it
        self._trunk = 0  # tokens of the sequence evaluated last

    @property
    def finished(self) -> bool:
        return self.next == len(self._plan.sequences)

    def take(self, cells: int, members: int) -> Window:
        """The next window, of at most `cells` tokens (at least 1) and `members` sequences (at least 1)."""
        plan, window, path, trunk = self._plan, Window(trunk=0), _Path(), self._trunk
        cells = self._size(cells)
        while not self.finished and len(window.members) < members and len(window.cells) < cells:
            tokens = plan.sequences[self.next]
            path.join(window, plan.first_query[self.next], self._at, trunk)
            room = min(len(tokens) - self._at, cells - len(window.cells))
            path.extend(window, plan, self.next, range(self._at, self._at + room))
            self._trunk = self._at = self._at + room
            if self._at == len(tokens):
                self.next += 1
                self._at = 0 if self.finished else plan.shared[self.next]
        return _trunk_first(window)

    def _size(self, cells: int) -> int:
        """Tokens for the next window, of at most `cells`: whole sequences if they fill half of it, else an equal part
        of these and the one that does not fit.
        """
        plan, whole, begun = self._plan, 0, self._at
        for place in range(self.next, len(plan.sequences)):
            rest = len(plan.sequences[place]) - (plan.shared[place] if whole else begun)
            if whole + rest > cells:
                break
            whole += rest
        else:
            return whole
        if 2 * whole < cells:
            parts = -(-(whole + rest) // cells)
            return min(cells, _in_tiles(-(-(whole + rest) // parts)))
        # The last tile is filled with the next sequence's beginning where that will lie beside what it shares.
        return min(cells, _in_tiles(whole)) if begun <= plan.shared[place] else whole


def _in_tiles(tokens: int) -> int:
    """So many tokens, rounded up to whole tiles."""
    return -(-tokens // TILE) * TILE


def _trunk_first(window: Window) -> Window:
    """The same window with the last member's path before all others."""
    last = len(window.members) - 1
    order = sorted(range(len(window.cells)), key=lambda cell: last not in window.cells[cell][2])
    moved = {old: new for new, old in enumerate(order)}
    cells = [window.cells[old] for old in order]
    return replace(window, cells=cells, reads=[replace(read, cell=moved[read.cell]) for read in window.reads])


class _Path:
    """The cells of a window that the current member's path goes through, from position `start` on."""

    def __init__(self) -> None:
        self.start = 0
        self.cells: list[int] = []

    def join(self, window: Window, query: int, shared: int, trunk: int) -> None:
        """Add a member that shares its first `shared` tokens with the path so far."""
        before = window.members[-1].keep if window.members else trunk
        keep = min(before, shared)
        window.members.append(Member(query, keep))
        window.trunk = keep
        if shared <= self.start or not self.cells:
            self.start, self.cells = shared, []
        else:
            del self.cells[shared - self.start :]
        for cell in self.cells:
            window.cells[cell][2].append(len(window.members) - 1)

    def extend(self, window: Window, plan: Plan, sequence: int, positions: range) -> None:
        tokens, member = plan.sequences[sequence], len(window.members) - 1
        for position in positions:
            cell = len(window.cells)
            window.cells.append((tokens[position], position, [member]))
            self.cells.append(cell)
            for query, read in plan.reads.get((sequence, position), ()):
                window.reads.append(Read(cell, query, read))
