"""Ratings, ranks and groups: against plain counts, and honest where nothing can be told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from votes import NAMES, made_up

from edge_judge.analysis.ranking.games import Game, Games, games, vote_arrays
from edge_judge.analysis.ranking.letters import letters
from edge_judge.analysis.ranking.ratings import MIDDLE, rank, rank_chances
from edge_judge.analysis.ranking.resampling import QuestionResamples
from edge_judge.analysis.ranking.totals import question_totals
from edge_judge.analysis.ranking.win_rates import win_rates
from edge_judge.errors import DataError, UsageError
from edge_judge.metrics.sign_flip import sign_flip


def test_a_difference_of_400_points_is_odds_of_ten_to_one() -> None:
    votes = [("first", 100)] * 10 + [("second", 100)]
    rows = [Game(f"q{n}", "ada", "bert", "ab", verdict) for verdict, times in votes for n in range(times)]
    ranking = rank(games(rows), prior=0)
    assert [rating.system for rating in ranking.ratings] == ["ada", "bert"]
    assert ranking.differences[0].points.value == pytest.approx(400)
    assert [rating.rating.value for rating in ranking.ratings] == pytest.approx([1200, 800])


def test_the_mean_of_all_or_the_baseline_is_at_1000() -> None:
    votes = made_up([0.9, 0.2, -0.3, -0.8], 40, 2)
    ranking = rank(votes)
    assert np.mean([rating.rating.value for rating in ranking.ratings]) == pytest.approx(MIDDLE)
    anchored = rank(votes, baseline="cleo")
    assert anchored.rating("cleo").rating == replace(anchored.rating("cleo").rating, value=MIDDLE, low=None, high=None)
    assert [rating.system for rating in anchored.ratings] == [rating.system for rating in ranking.ratings]
    assert anchored.differences == ranking.differences


def test_with_all_pairs_the_ratings_are_in_the_order_of_the_win_rates() -> None:
    for soft in (True, False):
        votes = made_up([0.3, 0.25, 0.1, 0.0, -0.2], 25, 3, soft=True)
        rates = {rate.system: (rate.soft if soft else rate.hard).value for rate in win_rates(votes)}
        ranked = [rating.system for rating in rank(votes, soft=soft).ratings]
        assert ranked == sorted(rates, key=lambda system: -(rates[system] or 0))


def test_a_rating_lies_in_its_interval_and_ranks_are_a_distribution() -> None:
    ranking = rank(made_up([0.9, 0.2, -0.3, -0.8], 40, 2, errors=0.1))
    for rating in ranking.ratings:
        assert rating.rating.low < rating.rating.value < rating.rating.high
        assert sum(rating.ranks) == pytest.approx(1)
    assert np.sum([rating.ranks for rating in ranking.ratings], axis=0) == pytest.approx(np.ones(4))


def test_the_same_votes_give_the_same_ranking_whatever_their_order() -> None:
    votes = made_up([0.5, 0.0, -0.5], 30, 4, soft=True)
    again = rank(votes)
    assert again.ratings == rank(votes).ratings
    mixed = Games(votes.systems, votes.frame.sample(frac=1, random_state=1, ignore_index=True))  # questions too
    for one, other in zip(again.ratings, rank(mixed.of(np.ones(len(mixed), bool))).ratings, strict=True):
        assert one.system == other.system
        assert (one.rating.low, one.rating.value) == pytest.approx((other.rating.low, other.rating.value), abs=1e-8)


def test_resamples_hold_all_votes_of_a_question_or_none() -> None:
    votes = made_up([0.5, 0.0, -0.5], 20, 5)
    totals = question_totals(vote_arrays(votes), 3, soft=False)
    drawn = QuestionResamples(20).totals(totals.votes)
    assert (drawn == drawn[:, :1]).all()  # every question has as many votes on each pair, so every resample has too
    assert (drawn % 2 == 0).all()


def test_copies_of_every_vote_make_an_interval_no_narrower() -> None:
    votes = made_up([0.5, 0.0, -0.5], 40, 6)
    copied = Games(votes.systems, votes.frame.loc[np.repeat(votes.frame.index, 4)].reset_index(drop=True))
    once, more = (rank(some, prior=0).rating("ada").rating for some in (votes, copied))
    assert (more.low, more.high) == pytest.approx((once.low, once.high), abs=1e-6)


def test_a_system_that_never_lost_has_no_upper_end() -> None:
    votes = made_up([0.0, 0.2, -0.2], 30, 7)
    never = ["ada"] * 2
    rows = [Game(f"q{n}", *pair, order, "first") for n in range(30) for pair in (("ada", "bert"), ("ada", "cleo"))
            for order in ("ab", "ba")]  # fmt: skip
    frame = votes.frame[~votes.frame["first"].isin(never)]
    others = [Game(*row) for row in frame.itertuples(index=False)]
    ranking = rank(games([*rows, *others], votes.systems))
    best = ranking.ratings[0]
    assert best.system == "ada" and best.unbounded == "above"
    assert best.rating.high is None and best.rating.low is not None and best.rating.value < 4000
    assert [rating.unbounded for rating in ranking.ratings[1:]] == ["below", "below"]
    assert all(pair.decided for pair in ranking.differences if pair.better == "ada")


def test_a_system_without_a_valid_vote_has_no_rating() -> None:
    votes = made_up([0.5, 0.0], 10, 8)
    rows = [Game(*row) for row in votes.frame.itertuples(index=False)]
    rows += [Game("q1", "ada", "zoe", "ab", None)]
    ranking = rank(games(rows))
    assert ranking.ratings[-1].system == "zoe"
    assert ranking.ratings[-1].rating.value is None and ranking.ratings[-1].groups == ()
    assert len(ranking.differences) == 1


def test_systems_that_no_vote_connects_are_not_ranked_together() -> None:
    rows = [Game("q", "ada", "bert", "ab", "first"), Game("q", "cleo", "dora", "ab", "tie")]
    with pytest.raises(DataError, match="no vote connects ada, bert with cleo, dora"):
        rank(games(rows))
    with pytest.raises(DataError, match="no valid verdict"):
        rank(games([Game("q", "ada", "bert", "ab", None)]))
    with pytest.raises(UsageError, match="no system is named 'zoe'"):
        rank(games(rows[:1]), baseline="zoe")
    with pytest.raises(UsageError, match="the baseline 'cleo' has no valid verdict"):
        rank(games(rows[:1], NAMES[:3]), baseline="cleo")


def test_equal_answers_everywhere_put_all_systems_in_one_group() -> None:
    rows = [
        Game(f"q{n}", first, second, order, "tie", asked=False)
        for n in range(20)
        for first, second in (("ada", "bert"), ("ada", "cleo"), ("bert", "cleo"))
        for order in ("ab", "ba")
    ]
    ranking = rank(games(rows))
    assert [rating.groups for rating in ranking.ratings] == [("a",)] * 3
    assert [rating.rating.value for rating in ranking.ratings] == pytest.approx([1000] * 3)
    assert [rating.ranks for rating in ranking.ratings] == [pytest.approx([1 / 3] * 3)] * 3
    assert [pair.p for pair in ranking.differences] == [1.0] * 3


@pytest.mark.parametrize("questions", [1, 4, 9, 12])
def test_two_systems_on_few_questions_are_told_apart_by_the_exact_sign_flip_test(questions: int) -> None:
    votes = made_up([0.9, -0.9], questions, 9, tie=0.8)
    arrays = vote_arrays(votes)
    gains = np.array([1, -1, 0])[np.argmax(arrays.outcome, axis=1)]
    (pair,) = rank(votes).differences
    assert pair.p == pytest.approx(sign_flip(gains, arrays.question), abs=1e-9)


def test_with_many_questions_the_test_comes_near_the_exact_one() -> None:
    votes = made_up([0.15, -0.15], 300, 10, tie=0.8)
    arrays = vote_arrays(votes)
    gains = np.array([1, -1, 0])[np.argmax(arrays.outcome, axis=1)]
    (pair,) = rank(votes).differences
    assert pair.p == pytest.approx(sign_flip(gains, arrays.question), rel=0.2)


def test_four_questions_cannot_tell_systems_apart_however_clear_they_are() -> None:
    rows = [Game(f"q{n}", "ada", "bert", order, "first") for n in range(4) for order in ("ab", "ba")]
    (pair,) = rank(games(rows)).differences
    assert pair.p == 2 / 2**4 and not pair.decided


@st.composite
def differences(draw: st.DrawFn) -> tuple[list[int], set[tuple[int, int]]]:
    """Places in any order, and which of them are apart."""
    ranked = draw(st.permutations(range(draw(st.integers(1, 7)))))
    pairs = [(a, b) for a in sorted(ranked) for b in sorted(ranked) if a < b]
    return ranked, draw(st.sets(st.sampled_from(pairs))) if pairs else set()


@given(differences())
def test_two_systems_share_a_letter_if_and_only_if_they_are_not_apart(
    drawn: tuple[list[int], set[tuple[int, int]]],
) -> None:
    ranked, apart = drawn
    shown = letters(ranked, sorted(apart))
    for first in ranked:
        for second in ranked:
            shared = set(shown[first]) & set(shown[second])
            assert bool(shared) == ((min(first, second), max(first, second)) not in apart)
    members = {
        letter: {place for place in ranked if letter in shown[place]} for place in ranked for letter in shown[place]
    }
    assert not any(one < other for one in members.values() for other in members.values())
    assert "a" in shown[ranked[0]]


def test_letters_go_on_after_z() -> None:
    ranked = list(range(30))
    apart = [(a, b) for a in ranked for b in ranked if a < b]
    assert [letters(ranked, apart)[place][0] for place in (0, 25, 26, 29)] == ["a", "z", "aa", "ad"]


@given(st.lists(st.lists(st.integers(0, 3), min_size=3, max_size=3), min_size=1, max_size=8))
def test_rank_chances_are_those_of_a_plain_count(draws: list[list[int]]) -> None:
    chances = np.zeros((3, 3))
    for row in draws:
        for system in range(3):
            above, same = sum(one > row[system] for one in row), row.count(row[system])
            chances[system, above : above + same] += 1 / same / len(draws)
    assert rank_chances(np.array(draws, float)) == pytest.approx(chances)
