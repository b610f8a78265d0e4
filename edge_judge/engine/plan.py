"""An order of work in which no token is evaluated twice.

Sorted sequences form a prefix tree. It is traversed depth first, and every token of the tree is evaluated exactly once.
The traversal is cut into windows that fit one decode call. A token that several sequences of a window share is one
cell. From one window to the next, the cache keeps the tokens of the last sequence evaluated: the *trunk*.

Attention is computed in tiles of neighbouring cells, and a tile with one relevant cell costs as much as a full one. So
the cells of a sequence should be neighbours: those that become the trunk come first in a window, and a window ends with
the end of a sequence where it can.
Knows: tokens as integers. Does not know: models, prompts, verdicts.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, chain

from edge_judge.inference import Tokens

TILE = 64  # tokens and cells in a tile of llama.cpp's attention: GGML_FA_TILE_Q, GGML_FA_TILE_KV
PER_REPEAT = 200  # least tokens of a block for each token that the next block evaluates again


@dataclass(frozen=True, slots=True)
class Query:
    """A sequence to evaluate. reads: the next token's probabilities are read after so many of its last tokens.

    The sequence is a prompt and a continuation. Many queries continue one prompt, which is kept once for all of them.
    """

    prompt: Tokens
    continuation: Tokens = ()
    reads: int = 1

    @property
    def tokens(self) -> Tokens:
        """The whole sequence, a copy."""
        return self.prompt + self.continuation

    @property
    def size(self) -> int:
        return len(self.prompt) + len(self.continuation)

    @property
    def positions(self) -> range:
        """The positions in the sequence after which probabilities are read."""
        return range(self.size - self.reads, self.size)


@dataclass(frozen=True, slots=True)
class Member:
    """A sequence in a window. keep: how many of its tokens come from the trunk and are not evaluated."""

    query: int
    keep: int


@dataclass(frozen=True, slots=True)
class Read:
    """Probabilities to read. cell: index in the window; query and read: index of the query, and of the read in it."""

    cell: int
    query: int
    read: int


@dataclass(slots=True)
class Window:
    """One decode call. cells: (token, position, the members that share it), with ascending positions along a path.

    trunk: how many tokens of the old trunk are kept. The last member's path, which comes first, becomes the new trunk.
    """

    trunk: int
    members: list[Member] = field(default_factory=list)
    cells: list[tuple[int, int, list[int]]] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Plan:
    """Sorted queries with distinct sequences. The first shared[i] tokens of distinct[i] are evaluated with an earlier
    sequence.

    reads: (position, query, read) of every read, one after another, as `reads_of` gives them. A benchmark has many
    thousands. ends: how many numbers in `reads` belong to each sequence or an earlier one. first_query: the index of
    each distinct query; queries: the indices of all queries.
    """

    distinct: tuple[Query, ...]
    shared: tuple[int, ...]
    first_query: tuple[int, ...]
    queries: tuple[int, ...]
    reads: array[int]
    ends: tuple[int, ...]
    tokens_alone: int  # if every query were evaluated by itself

    @property
    def tokens(self) -> int:
        """Tokens to evaluate: the size of the prefix tree, which is the minimum."""
        return sum(query.size for query in self.distinct) - sum(self.shared)

    @property
    def longest(self) -> int:
        return max((query.size for query in self.distinct), default=0)

    @property
    def sequences(self) -> Iterator[Tokens]:
        """The distinct sequences in order, each copied when it is its turn."""
        return (query.tokens for query in self.distinct)

    def reads_of(self, place: int) -> dict[int, list[tuple[int, int]]]:
        """The positions of a sequence whose tokens are evaluated with it and read → the (query, read) pairs that need
        their probabilities.
        """
        found: dict[int, list[tuple[int, int]]] = {}
        numbers = iter(self.reads[self.ends[place - 1] if place else 0 : self.ends[place]])
        for position, query, read in zip(numbers, numbers, numbers, strict=True):
            found.setdefault(position, []).append((query, read))
        return found

    def tree(self, places: Sequence[int]) -> int:
        """Tokens in the prefix tree of the sequences at some places, in ascending order."""
        size = 0
        for before, place in zip([-1, *places], places, strict=False):
            common = min(self.shared[before + 1 : place + 1]) if before >= 0 else 0
            size += self.distinct[place].size - common
        return size


def common_prefix(left: Sequence[int], right: Sequence[int]) -> int:
    """How many leading tokens are equal."""
    length = min(len(left), len(right))
    if left[:length] == right[:length]:
        return length
    return next(position for position in range(length) if left[position] != right[position])


def blocks(queries: Sequence[Query], tokens: int, per_repeat: int | None = None) -> list[Plan]:
    """All queries in sorted order, in plans of at least `tokens` tokens each (0: in one plan).

    A block begins with an empty cache, so it does not depend on earlier blocks. A run that was interrupted resumes at a
    block and gives the same bits as one that was not. The cost is that the prefix which two neighbouring blocks share
    is evaluated twice. A block is extended until it has `per_repeat` tokens for each token of that prefix; None for
    PER_REPEAT.
    """
    least = PER_REPEAT if per_repeat is None else per_repeat
    order = in_order(queries)
    starts, filled = [0], 0
    before: Tokens = ()
    for place, index in enumerate(order):
        sequence = queries[index].tokens
        common = common_prefix(before, sequence)
        if tokens and filled >= max(tokens, least * common):
            starts.append(place)
            filled = common
        filled += len(sequence) - common
        before = sequence
    ends = [*starts[1:], len(order)]
    return [make(queries, order[start:end]) for start, end in zip(starts, ends, strict=True) if start < end]


def in_order(queries: Sequence[Query]) -> list[int]:
    """The indices of queries, sorted by their sequences; of equal sequences the first comes first.

    Prompts are sorted first: prompts that differ somewhere decide the order of whatever continues them. Only those that
    begin with another prompt are copied with their continuations, to be sorted together with that prompt's.
    """
    by_prompt: dict[Tokens, list[int]] = {}
    for index, query in enumerate(queries):
        by_prompt.setdefault(query.prompt, []).append(index)
    groups: list[tuple[Tokens, list[int]]] = []  # a prompt, and the queries whose prompts begin with it
    for prompt in sorted(by_prompt):
        if not groups or prompt[: len(groups[-1][0])] != groups[-1][0]:
            groups.append((prompt, []))
        groups[-1][1].extend(by_prompt[prompt])
    return [index for _, group in groups for index in sorted(group, key=lambda index: (queries[index].tokens, index))]


def make(queries: Sequence[Query], order: Sequence[int]) -> Plan:
    """The plan of the queries at the indices `order`, which are sorted. Equal sequences are evaluated once."""
    shared: list[int] = []
    first_query: list[int] = []
    before: Tokens = ()
    reads: list[list[int]] = []
    path: list[int] = []  # for each position, the sequence that evaluates it
    for index in order:
        tokens = queries[index].tokens
        if not shared or before != tokens:
            common = common_prefix(before, tokens)
            path[common:] = [len(shared)] * (len(tokens) - common)
            shared.append(common)
            first_query.append(index)
            reads.append([])
            before = tokens
        for read, position in enumerate(queries[index].positions):
            reads[path[position]] += position, index, read
    alone = sum(queries[index].size for index in order)
    distinct = tuple(queries[index] for index in first_query)
    numbers, ends = array("q", chain.from_iterable(reads)), tuple(accumulate(map(len, reads)))
    return Plan(distinct, tuple(shared), tuple(first_query), tuple(order), numbers, ends, alone)


def windows(plan: Plan, cells: int, members: int) -> Iterator[Window]:
    """The whole plan in windows of at most `cells` tokens and `members` sequences."""
    traversal = Traversal(plan)
    while not traversal.finished:
        yield traversal.take(cells, members)


class Traversal:
    """Goes through a plan, window by window. A sequence that does not fit is cut and continues in the next window."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.next = 0  # the first sequence that is not yet complete in the cache
        self._cached = 0  # how many of its tokens are in the cache, its own or shared with the sequence before
        self._trunk = 0  # tokens of the sequence evaluated last

    @property
    def finished(self) -> bool:
        return self.next == len(self._plan.distinct)

    def take(self, cells: int, members: int) -> Window:
        """The next window, of at most `cells` tokens (at least 1) and `members` sequences (at least 1)."""
        plan, window, path, trunk = self._plan, Window(trunk=0), _Path(), self._trunk
        cells = self._size(cells)
        while not self.finished and len(window.members) < members and len(window.cells) < cells:
            tokens = plan.distinct[self.next].tokens
            path.join(window, plan.first_query[self.next], self._cached, trunk)
            room = min(len(tokens) - self._cached, cells - len(window.cells))
            path.extend(window, plan, self.next, tokens, range(self._cached, self._cached + room))
            self._trunk = self._cached = self._cached + room
            if self._cached == len(tokens):
                self.next += 1
                self._cached = 0 if self.finished else plan.shared[self.next]
        return _trunk_first(window)

    def _size(self, cells: int) -> int:
        """Tokens for the next window, at most `cells`: complete sequences if they fill half of it. Otherwise the
        complete sequences and the next one are divided into equal parts.
        """
        plan, whole, cached = self._plan, 0, self._cached
        for place in range(self.next, len(plan.distinct)):
            rest = plan.distinct[place].size - (plan.shared[place] if whole else cached)
            if whole + rest > cells:
                break
            whole += rest
        else:
            return whole
        if 2 * whole < cells:
            parts = -(-(whole + rest) // cells)
            return min(cells, _in_tiles(-(-(whole + rest) // parts)))
        # The next sequence's beginning fills the last tile if it will be next to the cells that it shares.
        return min(cells, _in_tiles(whole)) if cached <= plan.shared[place] else whole


def _in_tiles(tokens: int) -> int:
    """A number of tokens, rounded up to whole tiles."""
    return -(-tokens // TILE) * TILE


def _trunk_first(window: Window) -> Window:
    """The same window with the last member's path before all others."""
    last = len(window.members) - 1
    order = sorted(range(len(window.cells)), key=lambda cell: last not in window.cells[cell][2])
    moved = {old: new for new, old in enumerate(order)}
    cells = [window.cells[old] for old in order]
    return replace(window, cells=cells, reads=[replace(read, cell=moved[read.cell]) for read in window.reads])


class _Path:
    """The cells of the current member's path in a window, from position `start` on."""

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

    def extend(self, window: Window, plan: Plan, sequence: int, tokens: Tokens, positions: range) -> None:
        member, reads = len(window.members) - 1, plan.reads_of(sequence)
        for position in positions:
            cell = len(window.cells)
            window.cells.append((tokens[position], position, [member]))
            self.cells.append(cell)
            for query, read in reads.get(position, ()):
                window.reads.append(Read(cell, query, read))
