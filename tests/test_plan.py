"""The plan: every token once, every read once, and each sequence sees exactly its own tokens.

`Cache` does to a set of (sequence id, position) what the engine has llama.cpp do, so that a wrong share or a wrong
removal shows as a wrong history.
"""

import tracemalloc
from itertools import cycle, pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge_judge.engine import plan as planning
from edge_judge.engine.plan import Query, common_prefix

TRUNK = 0
MANY = settings(max_examples=120, deadline=None)


@st.composite
def queries(draw):
    """Token sequences that often share beginnings, equal or continue one another; with several reads at their ends."""
    stock = draw(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=9), min_size=1, max_size=3))
    found = []
    for _ in range(draw(st.integers(1, 14))):
        stem = draw(st.sampled_from(stock))
        cut = draw(st.integers(0, len(stem)))
        tokens = tuple(stem[:cut] + draw(st.lists(st.integers(0, 2), max_size=6))) or (0,)
        end, reads = draw(st.integers(0, len(tokens))), draw(st.integers(1, min(3, len(tokens))))
        found.append(Query(tokens[:end], tokens[end:], reads))
    return found


def tree_size(sequences):
    """The number of nodes of the prefix tree, the root left out."""
    return len({tokens[:length] for tokens in sequences for length in range(1, len(tokens) + 1)})


def whole_plan(found):
    return planning.make(found, planning.in_order(found))


class Cache:
    """Sequence id -> {position: token}, as llama.cpp's unified cache holds it."""

    def __init__(self):
        self.held = {}

    def remove(self, sequence, start):
        kept = {at: token for at, token in self.held.get(sequence, {}).items() if at < start}
        self.held[sequence] = kept

    def copy(self, source, target, end):
        into = self.held.setdefault(target, {})
        assert len(self.held.get(source, {})) >= end
        for at, token in self.held.get(source, {}).items():
            if at < end:
                assert at not in into
                into[at] = token

    def evaluate(self, window, slots):
        """One window, in the engine's order: the history that each cell sees, by each sequence that shares it."""
        for slot, member in zip(slots, window.members, strict=True):
            self.remove(slot, 0)
            self.copy(TRUNK, slot, member.keep)
        self.remove(TRUNK, window.trunk)
        last = len(window.members) - 1
        for token, position, sharing in window.cells:
            for sequence in [slots[member] for member in sharing] + [TRUNK] * (last in sharing):
                into = self.held.setdefault(sequence, {})
                assert sorted(into) == list(range(position)), "a token is evaluated right after its past"
                into[position] = token

    def path(self, sequence):
        held = self.held[sequence]
        assert sorted(held) == list(range(len(held)))
        return tuple(held[at] for at in range(len(held)))


def check_walk(found, plan, sizes):
    """Replay a plan's walk, in windows of these (cells, members) in turn, and hold every promise against it."""
    cache, seen, evaluated, walk = Cache(), [], 0, planning.Traversal(plan)
    place = {query: index for index, query in enumerate(plan.first_query)}
    for cells, members in cycle(sizes):
        if walk.finished:
            break
        window = walk.take(cells, members)
        assert 0 < len(window.members) <= members
        assert 0 < len(window.cells) <= cells
        evaluated += len(window.cells)
        places = [place[member.query] for member in window.members]
        assert places == sorted(set(places))
        slots = range(1, len(window.members) + 1)
        cache.evaluate(window, slots)
        for read in window.reads:
            query = found[read.query]
            position = query.positions[read.read]
            _, at, sharing = window.cells[read.cell]
            assert at == position
            for member in sharing:
                assert cache.path(slots[member])[: at + 1] == query.tokens[: at + 1]
            seen.append((read.query, read.read))
        for at, slot in zip(places, slots, strict=True):
            path = cache.path(slot)
            assert path == plan.distinct[at].tokens[: len(path)], "a member holds its own tokens and no others"
            assert at == places[-1] or path == plan.distinct[at].tokens, "only the last member may be cut"
        assert cache.path(TRUNK) == cache.path(slots[-1])
        for slot in slots:
            cache.remove(slot, 0)
    assert evaluated == plan.tokens
    wanted = [(index, read) for index in plan.queries for read in range(found[index].reads)]
    assert sorted(seen) == sorted(wanted)


@MANY
@given(queries(), st.lists(st.tuples(st.integers(1, 12), st.integers(1, 5)), min_size=1, max_size=4))
@example([Query((1,)), Query((1, 2), (), 2), Query((1,), (2,))], [(1, 1)])
def test_every_sequence_sees_its_own_tokens_and_every_read_is_answered_once(found, sizes):
    check_walk(found, whole_plan(found), sizes)


@MANY
@given(queries())
def test_queries_are_in_the_order_of_their_whole_sequences_wherever_a_prompt_ends(found):
    assert planning.in_order(found) == sorted(range(len(found)), key=lambda index: found[index].tokens)


def test_a_prompt_is_kept_once_however_many_continuations_are_read():
    prompts = [tuple(range(place, place + 5000)) for place in range(20)]
    found = [Query(prompt, (token,)) for prompt in prompts for token in range(50)]
    copied = 8 * sum(query.size for query in found)  # bytes, if each query had a tuple of its own
    tracemalloc.start()
    try:
        parts = planning.blocks(found, 0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(len(part.queries) for part in parts) == 1000
    assert peak < copied / 5


@MANY
@given(queries())
def test_a_plan_evaluates_as_many_tokens_as_the_prefix_tree_has(found):
    plan = whole_plan(found)
    assert plan.tokens == tree_size([query.tokens for query in found])
    assert plan.tokens_alone == sum(len(query.tokens) for query in found)
    assert plan.longest == max(len(query.tokens) for query in found)
    assert len(set(plan.sequences)) == len(plan.distinct) == len(plan.first_query)


@MANY
@given(queries(), st.integers(1, 30), st.integers(1, 9), st.integers(1, 4))
def test_blocks_hold_every_query_once_in_sorted_order_and_each_can_be_walked_alone(found, size, cells, members):
    parts = planning.blocks(found, size)
    order = [index for part in parts for index in part.queries]
    assert sorted(order) == list(range(len(found)))
    assert [found[index].tokens for index in order] == sorted(query.tokens for query in found)
    for part in parts:
        assert part.tokens == tree_size([found[index].tokens for index in part.queries])
        check_walk(found, part, [(cells, members)])


@MANY
@given(queries())
def test_without_a_size_there_is_one_block_and_the_same_queries_give_the_same_blocks(found):
    assert [sorted(part.queries) for part in planning.blocks(found, 0)] == [list(range(len(found)))]
    assert planning.blocks(found, 7) == planning.blocks(list(found), 7)


def test_nothing_to_do_is_no_block_and_no_window():
    assert planning.blocks([], 100) == []
    empty = planning.make([], [])
    assert (empty.tokens, empty.longest, list(planning.windows(empty, 4, 4))) == (0, 0, [])


def test_a_block_ends_once_it_is_full():
    found = [Query((index, 1, 2, 3)) for index in range(6)]
    assert [part.tokens for part in planning.blocks(found, 8)] == [8, 8, 8]


def test_a_block_goes_on_until_what_the_next_one_repeats_is_little():
    found = [Query((9, index, 1, 2, 3)) for index in range(120)]
    assert [part.tokens for part in planning.blocks(found, 8)] == [201, 201, 81]


@MANY
@given(queries(), st.integers(1, 30))
def test_little_is_evaluated_twice_at_the_border_of_two_blocks(found, size):
    parts = planning.blocks(found, size)
    again = [
        planning.common_prefix(left.distinct[-1].tokens, right.distinct[0].tokens) for left, right in pairwise(parts)
    ]
    assert sum(part.tokens for part in parts) == whole_plan(found).tokens + sum(again)
    for part, repeated in zip(parts, again, strict=False):
        assert part.tokens >= max(size, planning.PER_REPEAT * repeated)


def test_a_shared_beginning_stands_in_a_window_once_with_all_its_members():
    found = [Query((7, 7, 1)), Query((7, 7, 2)), Query((7, 9))]
    (window,) = planning.windows(whole_plan(found), 100, 100)
    assert sorted(window.cells) == [(1, 2, [0]), (2, 2, [1]), (7, 0, [0, 1, 2]), (7, 1, [0, 1]), (9, 1, [2])]


def test_what_stays_for_the_next_window_is_evaluated_first_so_that_it_lies_in_one_piece():
    found = [Query((7, 7, 1)), Query((7, 7, 2)), Query((7, 9))]
    (window,) = planning.windows(whole_plan(found), 100, 100)
    assert window.cells == [(7, 0, [0, 1, 2]), (9, 1, [2]), (7, 1, [0, 1]), (1, 2, [0]), (2, 2, [1])]
    assert [(window.cells[read.cell][0], read.query) for read in window.reads] == [(1, 0), (2, 1), (9, 2)]


def sizes(cells):
    """Of the windows of four sequences of six tokens that share nothing."""
    found = [Query((place, *range(5))) for place in range(4)]
    return [len(window.cells) for window in planning.windows(whole_plan(found), cells, 9)]


def test_a_window_ends_with_a_sequence_and_a_long_sequence_is_cut_evenly(monkeypatch):
    monkeypatch.setattr(planning, "TILE", 1)
    assert [sizes(cells) for cells in (100, 16, 12, 10, 6)] == [[24], [12, 12], [12, 12], [6] * 4, [6] * 4]
    assert [sizes(cells) for cells in (5, 4, 2, 1)] == [[3] * 8, [3] * 8, [2] * 12, [1] * 24]


def test_the_last_tile_of_a_window_is_filled_where_that_leaves_the_next_sequence_in_one_piece(monkeypatch):
    monkeypatch.setattr(planning, "TILE", 4)
    assert sizes(11) == [8, 10, 6]


@MANY
@given(st.lists(st.integers(0, 1), max_size=6), st.lists(st.integers(0, 1), max_size=6))
def test_a_common_prefix_is_as_long_as_it_can_be(left, right):
    length = common_prefix(tuple(left), tuple(right))
    assert left[:length] == right[:length]
    assert length == min(len(left), len(right)) or left[length] != right[length]
