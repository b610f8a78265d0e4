"""Position bias, consistency, near-ties and cycles are those of plain loops."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations, permutations
from statistics import mean

import numpy as np
import pytest
from hypothesis import given
from votes import FEW, NAMES, any_votes, made_up

from edge_judge.analysis.ranking.games import Game, Games, games, soft_scores
from edge_judge.analysis.ranking.quality import both_orders, quality


def cycle(*winners: str, question: str = "q", order: str = "ab") -> list[Game]:
    """Each of these beats the next one, and the last the first."""
    return [
        Game(question, one, other, order, "first")
        for one, other in zip(winners, (*winners[1:], winners[0]), strict=True)
    ]


def plain_cycles(means: dict[frozenset[str], tuple[str, float]]) -> tuple[int, int]:
    """Cycles and decided triples, by hand. means: of each pair, a system and what it won."""
    winner = {}
    for pair, (system, share) in means.items():
        if abs(share - 0.5) > 1e-12:
            (other,) = pair - {system}
            winner[pair] = system if share > 0.5 else other
    names = sorted({name for pair in means for name in pair})
    triples = [
        three for three in combinations(names, 3) if all(frozenset(two) in winner for two in combinations(three, 2))
    ]
    cycles = sum(
        any(
            all(winner[frozenset((a, b))] == a for a, b in zip(turn, (*turn[1:], turn[0]), strict=True))
            for turn in permutations(three)
        )
        for three in triples
    )
    return cycles, len(triples)


def means_of(votes: Games, keys: list[str]) -> dict[tuple[str, ...], dict[frozenset[str], tuple[str, float]]]:
    shares = defaultdict(list)
    for row, score in zip(votes.frame.itertuples(index=False), soft_scores(votes), strict=True):
        if not np.isnan(score):
            shares[tuple(getattr(row, key) for key in keys), row.first, row.second].append(score)
    result: dict = defaultdict(dict)
    for (key, first, second), scores in shares.items():
        result[key][frozenset((first, second))] = (first, mean(scores))
    return result


@FEW
@given(any_votes())
def test_cycles_are_those_of_a_plain_loop(rows: list[Game]) -> None:
    votes = games(rows, NAMES[:4])
    figures = quality(votes)
    for figure, keys in ((figures.cycles, []), (figures.question_cycles, ["question"])):
        counts = [plain_cycles(means) for means in means_of(votes, keys).values()]
        k, n = (sum(part) for part in zip(*counts, strict=True)) if counts else (0, 0)
        assert figure.n == n
        assert figure.value == (pytest.approx(k / n) if n else None)


def test_a_cycle_is_found_and_a_ranking_is_none() -> None:
    around = quality(games(cycle("ada", "bert", "cleo")))
    assert (around.cycles.k, around.cycles.n) == (1, 1)
    straight = [Game("q", "ada", "bert", "ab", "first"), Game("q", "bert", "cleo", "ab", "first")]
    open_ended = quality(games([*straight, Game("q", "ada", "cleo", "ab", "first")]))
    assert (open_ended.cycles.k, open_ended.cycles.n) == (0, 1)
    tied = quality(games([*straight, Game("q", "ada", "cleo", "ab", "tie")]))
    assert tied.cycles.value is None and tied.cycles.n == 0


def test_cycles_of_single_questions_may_vanish_over_all() -> None:
    rows = [*cycle("ada", "bert", "cleo", question="q1"), *cycle("cleo", "bert", "ada", question="q2")]
    rows += [Game("q3", "ada", "bert", "ab", "first"), Game("q3", "bert", "cleo", "ab", "first")]
    rows += [Game("q3", "ada", "cleo", "ab", "first")]
    figures = quality(games(rows))
    assert (figures.question_cycles.k, figures.question_cycles.n) == (2, 3)
    assert (figures.cycles.k, figures.cycles.n) == (0, 1)


def test_a_judge_that_always_names_the_first_answer_is_fully_biased_and_never_consistent() -> None:
    rows = [
        Game(f"q{n}", "ada", "bert", order, "first" if order == "ab" else "second")
        for n in range(10)
        for order in ("ab", "ba")
    ]
    figures = quality(games(rows))
    assert (figures.position_bias.value, figures.consistency.value, figures.near_ties.value) == (1, 0, 1)


def test_votes_in_one_order_say_nothing_of_bias_or_consistency() -> None:
    figures = quality(games([Game(f"q{n}", "ada", "bert", "ab", "first") for n in range(5)]))
    assert figures.position_bias.value is None and figures.consistency.value is None
    assert figures.format_errors.value == 0


def test_two_equal_answers_count_in_no_share() -> None:
    rows = [Game("q", "ada", "bert", order, "tie", asked=False) for order in ("ab", "ba")]
    rows += [Game("r", "ada", "bert", order, "first") for order in ("ab", "ba")]
    figures = quality(games(rows))
    assert (figures.ties.k, figures.ties.n) == (0, 2)
    assert (figures.consistency.k, figures.consistency.n) == (1, 1)
    assert (figures.near_ties.k, figures.near_ties.n) == (0, 1)


def test_near_ties_are_told_by_probability() -> None:
    rows = [
        Game("q", "ada", "bert", "ab", "first", 0.52, 0.48, 0.0),
        Game("r", "ada", "bert", "ab", "first", 0.9, 0.1, 0.0),
    ]
    assert (quality(games(rows)).near_ties.k, quality(games(rows)).near_ties.n) == (1, 2)


def test_a_missing_verdict_is_a_format_error_and_not_consistent() -> None:
    rows = [Game("q", "ada", "bert", "ab", None), Game("q", "ada", "bert", "ba", None)]
    figures = quality(games(rows))
    assert (figures.format_errors.k, figures.format_errors.n) == (2, 2)
    assert (figures.consistency.k, figures.consistency.n) == (0, 1)
    assert figures.ties.value is None


@FEW
@given(any_votes())
def test_votes_are_matched_with_those_of_the_other_order_one_by_one(rows: list[Game]) -> None:
    votes = games(rows, NAMES[:4])
    forward, backward = both_orders(votes)
    keys = ["question", "first", "second"]
    assert votes.frame[keys].iloc[forward].values.tolist() == votes.frame[keys].iloc[backward].values.tolist()
    assert set(votes.frame["order"].iloc[forward]) <= {"ab"} and set(votes.frame["order"].iloc[backward]) <= {"ba"}
    counts = (
        votes.frame.groupby([*keys, "order"]).size().unstack(fill_value=0).reindex(columns=["ab", "ba"], fill_value=0)
    )
    assert len(forward) == len(set(forward)) == len(set(backward)) == int(counts.min(axis=1).sum())


def test_made_up_bias_is_seen() -> None:
    low, high = (quality(made_up([0.2, 0.0, -0.2], 60, 3, bias=bias)).position_bias for bias in (0.0, 1.5))
    assert low.low < 0 < low.high and high.low > 0.2
