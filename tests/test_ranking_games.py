"""The votes of a ranking: one way round, checked, and never a tie where there is no verdict."""

from __future__ import annotations

from dataclasses import replace
from math import isnan, nan

import numpy as np
import pytest
from hypothesis import given
from votes import FEW, NAMES, any_votes

from edge_judge.analysis.ranking.games import Game, games, hard_scores, soft_scores, vote_arrays
from edge_judge.errors import DataError

VOTE = Game("q", "ada", "bert", "ab", "first", 0.6, 0.3, 0.1, 120, 80)


def test_a_vote_is_turned_so_that_the_system_named_first_comes_first() -> None:
    turned = games([VOTE], ["bert", "ada"]).frame.iloc[0].to_dict()
    assert turned == {
        "question": "q",
        "first": "bert",
        "second": "ada",
        "order": "ba",
        "verdict": "second",
        "p_first": 0.3,
        "p_second": 0.6,
        "p_tie": 0.1,
        "length_first": 80,
        "length_second": 120,
        "asked": True,
    }


def test_turning_twice_changes_nothing() -> None:
    votes = games([VOTE, replace(VOTE, verdict=None), replace(VOTE, verdict="tie", order="ba")], ["ada", "bert"])
    again = votes.reordered(["bert", "ada"]).reordered(["ada", "bert"])
    assert again.systems == votes.systems
    assert again.frame.equals(votes.frame)


def test_a_vote_without_a_verdict_has_no_score_and_one_without_probabilities_a_hard_one() -> None:
    rows = [VOTE, replace(VOTE, verdict=None), replace(VOTE, verdict="tie", p_first=nan, p_second=nan, p_tie=nan)]
    votes = games(rows)
    assert soft_scores(votes)[[0, 2]].tolist() == [pytest.approx(0.65), 0.5]
    assert hard_scores(votes)[[0, 2]].tolist() == [1.0, 0.5]
    assert isnan(soft_scores(votes)[1]) and isnan(hard_scores(votes)[1])


def test_a_system_may_have_no_votes_and_there_may_be_none_at_all() -> None:
    votes = games([], ["ada", "bert"])
    assert votes.systems == ("ada", "bert") and len(votes) == 0
    assert vote_arrays(votes).soft.shape == (0, 3)


@pytest.mark.parametrize(
    "wrong, said",
    [
        (replace(VOTE, second="ada"), "system 'ada' is compared with itself"),
        (replace(VOTE, second="zoe"), "unknown system 'zoe', expected one of ada, bert"),
        (replace(VOTE, order="first"), "order 'first', expected one of ab, ba"),
        (replace(VOTE, verdict="a"), "verdict 'a', expected one of first, second, tie"),
        (replace(VOTE, p_first=0.9), "probabilities 0.9, 0.3, 0.1, expected three that sum to 1"),
        (replace(VOTE, p_tie=nan), "probabilities 0.6, 0.3, nan"),
    ],
)
def test_a_vote_that_cannot_be_is_refused_with_its_place(wrong: Game, said: str) -> None:
    with pytest.raises(DataError) as error:
        games([VOTE, wrong], ["ada", "bert"])
    assert str(error.value).startswith("vote 2, on question 'q': " + said)


@FEW
@given(any_votes())
def test_what_a_vote_gives_its_two_systems_is_one_vote(rows: list[Game]) -> None:
    votes = games(rows, NAMES)
    mirrored = games(rows, NAMES[::-1])
    arrays = vote_arrays(votes)
    for scores in (soft_scores, hard_scores):
        assert np.isnan(scores(votes)).tolist() == (~arrays.valid).tolist()
        assert np.allclose((scores(votes) + scores(mirrored))[arrays.valid], 1)
    assert (arrays.first < arrays.second).all()
    assert np.allclose(arrays.soft[arrays.valid].sum(axis=1), 1)
