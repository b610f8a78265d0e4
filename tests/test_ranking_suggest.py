"""Which pairs to label next: a random order that is the same every time, and whose beginning is a random sample."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_judge.analysis.ranking.games import Game, games
from edge_judge.analysis.ranking.pairs import AnswerPair, pair_scores
from edge_judge.analysis.ranking.suggest import in_order, skipped, suggest, to_label
from edge_judge.errors import UsageError

PAIRS = [AnswerPair(f"q{number}", *names) for number in range(20) for names in combinations("xyz", 2)]


@given(st.permutations(PAIRS), st.integers(0, 60), st.integers(1, 70), st.integers(0, 5))
def test_day_by_day_the_labels_are_the_beginning_of_one_order(
    pairs: list[AnswerPair], first: int, then: int, seed: int
) -> None:
    order = in_order(PAIRS, seed)
    before = order[:first]
    assert suggest(pairs, before, then, seed) == tuple(order[first : first + then])
    assert skipped(pairs, before, seed) == 0


def test_another_seed_is_another_order_of_the_same_pairs() -> None:
    assert in_order(PAIRS, 1) != in_order(PAIRS, 2)
    assert sorted(in_order(PAIRS, 1)) == sorted(in_order(PAIRS, 2)) == sorted(PAIRS)


def test_every_pair_is_as_often_among_the_first_as_any_other() -> None:
    """Of 60 pairs 15 are drawn, with 2,000 seeds: 500 times each, give or take five standard deviations of 19."""
    times = Counter(pair for seed in range(2000) for pair in in_order(PAIRS, seed)[:15])
    assert set(times) == set(PAIRS)
    assert 400 < min(times.values()) and max(times.values()) < 600


def test_systems_may_be_named_the_other_way_round() -> None:
    turned = [AnswerPair(pair.question, pair.second, pair.first) for pair in PAIRS]
    assert [(one.question, {one.first, one.second}) for one in in_order(turned)] == [
        (one.question, {one.first, one.second}) for one in in_order(PAIRS)
    ]
    assert suggest(PAIRS, in_order(turned)[:50], 20) == tuple(in_order(PAIRS)[50:])


def test_pairs_that_are_added_later_come_first_where_their_place_is_early() -> None:
    old = [pair for pair in PAIRS if pair.second != "z"]
    labelled = in_order(old)[:10]
    last = in_order(PAIRS).index(labelled[-1])
    missing = [pair for pair in in_order(PAIRS)[:last] if pair not in labelled]
    assert missing and skipped(PAIRS, labelled) == len(missing)
    assert list(suggest(PAIRS, labelled, len(missing))) == missing
    assert skipped(PAIRS, [*labelled, *missing]) == 0


def test_pairs_that_were_passed_over_are_counted() -> None:
    order = in_order(PAIRS)
    assert skipped(PAIRS, [order[0], order[3], order[4]]) == 2
    assert skipped(PAIRS, []) == 0


def test_equal_answers_are_not_to_label_and_each_pair_stands_once() -> None:
    rows = [
        Game("q1", "x", "y", "ab", "first", p_first=0.7, p_second=0.2, p_tie=0.1),
        Game("q2", "x", "y", "ab", "tie", asked=False),
        Game("q1", "x", "y", "ba", None),
        Game("q1", "z", "y", "ab", "first"),
        Game("q1", "x", "y", "ba", "tie"),
        Game("q3", "x", "y", "ab", None),
    ]
    found = games(rows, ("x", "y", "z"))
    assert to_label(found) == (AnswerPair("q1", "x", "y"), AnswerPair("q1", "y", "z"), AnswerPair("q3", "x", "y"))
    scores = pair_scores(found)
    assert scores.pairs[1] == AnswerPair("q2", "x", "y")
    assert scores.vote_pair.tolist() == [0, 1, 0, 2, 0, 3]
    assert scores.score.tolist() == pytest.approx([(0.75 + 0.5) / 2, 0.5, 0.0, float("nan")], nan_ok=True)
    assert pair_scores(found, soft=False).score[0] == pytest.approx(0.75)
    assert len(pair_scores(games([], ("x", "y"))).pairs) == 0


def test_one_pair_at_least_has_to_be_asked_for() -> None:
    with pytest.raises(UsageError, match="0 pairs"):
        suggest(PAIRS, [], 0)
    assert suggest(PAIRS, PAIRS, 3) == ()
