"""Win rates are those of a plain loop, and their intervals hold where all votes agree and where all are ties."""

from __future__ import annotations

from math import isnan, sqrt
from statistics import mean, stdev

import numpy as np
import pytest
from hypothesis import given
from votes import FEW, NAMES, any_votes, made_up

from edge_judge.analysis.ranking.games import Game, Games, games
from edge_judge.analysis.ranking.win_rates import pair_win_rates, share_interval, win_rates
from edge_judge.errors import UsageError
from edge_judge.metrics.intervals import wilson


def won(row: Game, system: str, soft: bool) -> float | None:
    """What the vote gave the system, by hand."""
    if row.verdict is None:
        return None
    p = {"first": row.p_first, "second": row.p_second, "tie": row.p_tie}
    if not soft or isnan(p["tie"]):
        p = {winner: float(winner == row.verdict) for winner in p}
    side = "first" if row.first == system else "second"
    return p[side] + p["tie"] / 2


def by_hand(rows: list[Game], system: str, opponent: str, soft: bool) -> float | None:
    scores = [won(row, system, soft) for row in rows if {row.first, row.second} == {system, opponent}]
    valid = [score for score in scores if score is not None]
    return mean(valid) if valid else None


@FEW
@given(any_votes())
def test_a_win_rate_is_that_of_a_plain_loop(rows: list[Game]) -> None:
    votes = games(rows, NAMES[:4])
    for rate in pair_win_rates(votes):
        between = [row for row in rows if {row.first, row.second} == {rate.system, rate.opponent}]
        assert rate.votes == sum(row.verdict is not None for row in between)
        assert rate.format_errors == len(between) - rate.votes
        for figure, soft in ((rate.soft, True), (rate.hard, False)):
            assert figure.value == pytest.approx(by_hand(rows, rate.system, rate.opponent, soft))
    for rate in win_rates(votes):
        shares = [by_hand(rows, rate.system, other, True) for other in votes.systems if other != rate.system]
        known = [share for share in shares if share is not None]
        assert rate.soft.value == pytest.approx(mean(known) if known else None)


@FEW
@given(any_votes())
def test_an_interval_holds_its_value_and_that_of_the_opponent_is_its_mirror(rows: list[Game]) -> None:
    rates = {(rate.system, rate.opponent): rate for rate in pair_win_rates(games(rows, NAMES[:4]))}
    for (system, opponent), rate in rates.items():
        other = rates[opponent, system].soft
        if rate.soft.value is None:
            assert other.value is None
            continue
        assert 0 <= rate.soft.low <= rate.soft.value <= rate.soft.high <= 1
        assert rate.soft.low < rate.soft.high
        ends = (rate.soft.low, rate.soft.value, rate.soft.high)
        assert ends == pytest.approx((1 - other.high, 1 - other.value, 1 - other.low), abs=1e-9)


def test_against_a_baseline_it_is_the_win_rate_of_the_pair() -> None:
    votes = made_up([0.8, 0.0, -0.8], 30, 1)
    pairs = {(rate.system, rate.opponent): rate for rate in pair_win_rates(votes)}
    assert win_rates(votes, "cleo") == (pairs["ada", "cleo"], pairs["bert", "cleo"])


def test_a_baseline_that_is_no_system_is_refused() -> None:
    with pytest.raises(UsageError, match="no system is named 'adda'") as error:
        win_rates(made_up([0.0, 0.0], 3, 1), "adda")
    assert error.value.hint == "did you mean ada?"


def test_with_one_vote_a_question_the_error_is_the_usual_one() -> None:
    scores = [1.0, 0.5, 0.25, 0.0, 1.0, 0.75]
    rows = [Game(f"q{n}", "ada", "bert", "ab", "tie", p, 1 - p, 0.0) for n, p in enumerate(scores)]
    (rate,) = win_rates(games(rows), "bert")
    assert rate.error == pytest.approx(stdev(scores) / sqrt(len(scores)))


def test_copies_of_a_vote_on_the_same_question_make_nothing_surer() -> None:
    votes = made_up([0.5, 0.0], 40, 3)
    copied = Games(votes.systems, votes.frame.loc[np.repeat(votes.frame.index, 3)].reset_index(drop=True))
    once, thrice = (win_rates(some, "bert")[0].soft for some in (votes, copied))
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))


def test_a_system_that_always_wins_has_wilsons_interval_of_its_questions() -> None:
    rows = [Game(f"q{n}", "ada", "bert", order, "first") for n in range(400) for order in ("ab", "ba")]
    (rate,) = win_rates(games(rows), "bert")
    assert rate.hard.high == 1
    assert rate.hard.low == pytest.approx(wilson(1.0, 400)[0], abs=1e-3)


def test_ties_alone_and_one_question_alone_are_not_certain() -> None:
    assert share_interval(0.5, np.zeros(100)) == pytest.approx((0.4815, 0.5185), abs=1e-4)
    assert share_interval(0.7, np.zeros(1)) == (0.0, 1.0)


@pytest.mark.parametrize("share", [0.03, 0.5, 0.97])
def test_intervals_cover_at_the_ends_as_in_the_middle(share: float) -> None:
    chance = np.random.default_rng(4)
    questions, covered, trials = 60, 0, 1500
    luck = chance.beta(share, 1 - share, (trials, questions))
    scores = chance.binomial(2, luck) / 2
    for row in scores:
        low, high = share_interval(float(row.mean()), (row - row.mean()) / questions)
        covered += low <= share <= high
    assert 0.93 <= covered / trials <= 0.98
