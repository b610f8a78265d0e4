"""Whether another judge ranks alike: Kendall's tau is scipy's, and what changes is counted and said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from votes import made_up

from edge_judge.analysis.ranking.games import Game, Games, games
from edge_judge.analysis.ranking.ratings import rank
from edge_judge.analysis.ranking.two_judges import kendall_tau, two_judges
from edge_judge.errors import DataError
from edge_judge.report.ranking_notes import same_order

ROW = st.lists(st.integers(0, 5), min_size=2, max_size=8)


@given(ROW.flatmap(lambda one: st.tuples(st.just(one), st.permutations(one))))
def test_tau_is_that_of_scipy(drawn: tuple[list[int], list[int]]) -> None:
    first, second = (np.array(values, float) for values in drawn)
    ours = kendall_tau(first[None], second[None])[0]
    if len(set(drawn[0])) == 1:
        assert np.isnan(ours)
    else:
        assert ours == pytest.approx(stats.kendalltau(first, second).statistic)


def test_a_judge_compared_with_itself_changes_nothing() -> None:
    votes = made_up([0.8, 0.3, -0.2, -0.9], 60, 1)
    result = two_judges(votes, votes)
    assert (result.tau.value, result.tau.low, result.tau.high) == (1, 1, 1)
    assert result.decided == result.kept > 0 and result.left_out == 0
    assert not (result.reversed or result.undecided or result.gained)
    assert all(shift.points.value == 0 for shift in result.shifts)
    assert same_order(result, "f16", "q4_k_m") == (
        f"q4_k_m decides all {result.kept} pairs of systems that f16 decides, in the same order; "
        "Kendall's tau of the ratings is 1.00 [1.00, 1.00]."
    )


def test_two_judges_of_one_mind_may_always_rank_alike_however_near_the_systems_are() -> None:
    """Between nearly equal systems chance decides, so tau is below 1; that it is 1 in truth is never excluded."""
    strengths = [0.3, 0.2, 0.1, 0.0, -0.1, -0.2]
    found = [two_judges(made_up(strengths, 25, 2 * n), made_up(strengths, 25, 2 * n + 1)).tau for n in range(100, 112)]
    assert min(tau.value for tau in found) < 0.6
    assert all(tau.high == 1 and tau.low < tau.value for tau in found)


def test_systems_in_another_order_and_votes_in_another_order_are_the_same_votes() -> None:
    votes = made_up([0.8, 0.3, -0.2], 30, 2, soft=True)
    other = votes.reordered(votes.systems[::-1])
    mixed = Games(other.systems, other.frame.sample(frac=1, random_state=1).reset_index(drop=True))
    result = two_judges(votes, mixed)
    assert result.tau.value == 1 and result.votes == len(votes)
    assert max(abs(shift.points.value) for shift in result.shifts) < 1e-6


def test_a_judge_of_the_opposite_opinion_reverses_every_decided_pair() -> None:
    votes = made_up([1.2, 0.0, -1.2], 80, 3)
    opposite = votes.frame.assign(
        verdict=votes.frame["verdict"].map({"first": "second", "second": "first", "tie": "tie"})
    )
    result = two_judges(votes, Games(votes.systems, opposite.astype({"verdict": object})))
    assert result.tau.value == -1
    assert len(result.reversed) == result.decided == 3 and result.kept == 0
    assert "decides 0 alike, leaves 0 undecided and reverses 3 (" in same_order(result, "f16", "q2_k")
    best = result.shifts[0]
    assert best.points.high < 0 if best.system == "ada" else best.points.low > 0


def test_a_judge_of_ties_leaves_undecided_what_the_other_decides_and_the_other_way_round() -> None:
    votes = made_up([1.2, 0.0, -1.2], 80, 4)
    ties = Games(votes.systems, votes.frame.assign(verdict="tie").astype({"verdict": object}))
    lost, gained = two_judges(votes, ties), two_judges(ties, votes)
    assert len(lost.undecided) == 3 and lost.tau.value is None
    assert same_order(lost, "f16", "q2_k").startswith(
        "of the 3 pairs of systems that f16 decides, q2_k decides 0 alike, leaves 3 ("
    )
    assert len(gained.gained) == 3 and gained.decided == 0
    assert same_order(gained, "f16", "q2_k").startswith(
        "f16 decides no pair of systems, so q2_k cannot reverse one, and it decides 3 more"
    )


def test_only_votes_that_both_were_asked_for_are_compared() -> None:
    votes = made_up([0.8, 0.0, -0.8], 30, 5)
    half = votes.of((votes.frame["order"] == "ab").to_numpy())
    result = two_judges(votes, half)
    assert result.votes == len(half) and result.left_out == len(votes) - len(half)
    assert result.first.ratings == rank(half).ratings == result.second.ratings


def test_shifts_have_intervals_of_paired_resamples() -> None:
    """Two judges that share their luck differ by less than two judges that do not."""
    votes = made_up([0.8, 0.0, -0.8], 60, 6)
    rows = [Game(*row) for row in votes.frame.itertuples(index=False)]
    turned = [replace(row, verdict="tie") if n % 10 == 0 else row for n, row in enumerate(rows)]
    paired = two_judges(votes, games(turned, votes.systems)).shifts
    apart = two_judges(votes, made_up([0.8, 0.0, -0.8], 60, 7)).shifts
    widths = [np.mean([shift.points.high - shift.points.low for shift in shifts]) for shifts in (paired, apart)]
    assert widths[0] < 0.6 * widths[1]


def test_judges_of_other_systems_or_without_a_common_vote_are_refused() -> None:
    two, three = made_up([0.5, 0.0], 5, 1), made_up([0.5, 0.0, 0.0], 5, 1)
    with pytest.raises(DataError, match="only one of them judged cleo"):
        two_judges(two, three)
    sides = [two.of((two.frame["order"] == order).to_numpy()) for order in ("ab", "ba")]
    with pytest.raises(DataError, match="no pair of answers was judged by both in the same order"):
        two_judges(*sides)
