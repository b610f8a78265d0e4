"""Two answers rated by themselves: the verdict and its probabilities, against a double loop over all scores."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_judge.protocols.kinds import pointwise
from edge_judge.records import LABELS, MIRROR

STRICT = ("a", "b")


def distribution(weights):
    return {score: weight / sum(weights) for score, weight in enumerate(weights, 1)}


RATED = st.lists(st.floats(1e-6, 1), min_size=10, max_size=10).map(distribution)


def sure(score):
    return {other: float(other == score) for other in range(1, 11)}


def test_the_expected_score_is_the_mean_weighted_by_probability():
    assert pointwise.expected({1: 0.25, 3: 0.5, 10: 0.25}) == pytest.approx(4.25)
    assert pointwise.expected(sure(10)) == 10


def test_two_sure_scores_give_a_sure_verdict():
    assert pointwise.verdict_from_scores(sure(7), sure(4), LABELS) == ("a", {"a": 1, "b": 0, "tie": 0})
    assert pointwise.verdict_from_scores(sure(4), sure(7), STRICT) == ("b", {"a": 0, "b": 1})
    assert pointwise.verdict_from_scores(sure(5), sure(5), LABELS) == ("tie", {"a": 0, "b": 0, "tie": 1})


def test_answers_rated_alike_in_everything_are_a_tie_even_where_none_is_legal():
    assert pointwise.verdict_from_scores(sure(5), sure(5), STRICT) == ("tie", {"a": 0.5, "b": 0.5})


def test_equal_expected_scores_without_ties_are_decided_by_who_is_more_often_ahead():
    first, second = {1: 0.25, 5: 0.75}, {4: 1.0}  # both expect 4; the first is ahead in three draws of four
    assert pointwise.expected(first) == pointwise.expected(second)
    assert pointwise.verdict_from_scores(first, second, STRICT) == ("a", {"a": 0.75, "b": 0.25})
    assert pointwise.verdict_from_scores(second, first, STRICT) == ("b", {"a": 0.25, "b": 0.75})
    assert pointwise.verdict_from_scores(first, second, LABELS)[0] == "tie"


def test_probabilities_are_those_of_two_scores_drawn_independently():
    first, second = {1: 0.5, 2: 0.3, 3: 0.2}, {1: 0.1, 2: 0.6, 3: 0.3}
    verdict, p = pointwise.verdict_from_scores(first, second, LABELS)
    assert p == pytest.approx({"a": 0.17, "b": 0.54, "tie": 0.29})  # a: .3×.1 + .2×.7; b: .5×.9 + .3×.3
    assert verdict == "b"  # 1.7 against 2.2
    assert pointwise.verdict_from_scores(first, second, STRICT) == ("b", pytest.approx({"a": 0.315, "b": 0.685}))


@pytest.mark.parametrize(("share", "verdict"), [(0.4999, "tie"), (0.5, "a"), (0.51, "a"), (0.0, "tie"), (1.0, "a")])
def test_expected_scores_less_than_half_a_point_apart_are_a_tie(share, verdict):
    first, second = {5: 1 - share, 6: share}, {5: 1.0, 6: 0.0}
    assert pointwise.verdict_from_scores(first, second, LABELS)[0] == verdict
    assert pointwise.verdict_from_scores(second, first, LABELS)[0] == MIRROR[verdict]
    assert pointwise.verdict_from_scores(first, second, STRICT)[0] == ("a" if share else "tie")


def test_the_verdict_goes_by_expected_scores_even_where_the_other_is_more_often_ahead():
    first, second = {1: 0.4, 6: 0.6}, {5: 0.6, 10: 0.4}
    verdict, p = pointwise.verdict_from_scores({4: 0.6, 10: 0.4}, {5: 1.0}, LABELS)
    assert (verdict, p["b"]) == ("a", pytest.approx(0.6))
    assert pointwise.verdict_from_scores(first, second, LABELS)[0] == "b"


@given(RATED, RATED)
def test_the_probabilities_are_those_of_a_double_loop_and_sum_to_one(first, second):
    counted = {"a": 0.0, "b": 0.0, "tie": 0.0}
    for one, p in first.items():
        for other, q in second.items():
            counted["a" if one > other else "b" if other > one else "tie"] += p * q
    for labels in (LABELS, STRICT):
        _, p = pointwise.verdict_from_scores(first, second, labels)
        halves = {label: counted[label] + counted["tie"] / 2 for label in STRICT}
        assert p == pytest.approx(counted if "tie" in labels else halves, abs=1e-12)
        assert tuple(p) == labels
        assert math.fsum(p.values()) == pytest.approx(1)
        assert min(p.values()) >= 0


@given(RATED, RATED, st.sampled_from([LABELS, STRICT]))
def test_to_swap_the_answers_is_to_swap_the_verdicts(first, second, labels):
    verdict, p = pointwise.verdict_from_scores(first, second, labels)
    swapped, mirrored = pointwise.verdict_from_scores(second, first, labels)
    assert swapped == MIRROR[verdict]
    assert mirrored == pytest.approx({label: p[MIRROR[label]] for label in labels}, abs=1e-12)


@given(RATED, st.sampled_from([LABELS, STRICT]))
def test_an_answer_is_never_better_than_itself(rated, labels):
    verdict, p = pointwise.verdict_from_scores(rated, dict(rated), labels)
    assert verdict == "tie"
    assert p["a"] == pytest.approx(p["b"], abs=1e-12)
