"""A few human labels beside a judge: the formula by a plain loop, intervals that cover, labels that are saved."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from edge_judge.analysis.ranking.games import Game, Games, Winner, games
from edge_judge.analysis.ranking.labels import SCORES, HumanVerdict, correct
from edge_judge.analysis.ranking.pairs import AnswerPair
from edge_judge.analysis.ranking.prediction_powered import (
    WEIGHTS,
    corrected_scores,
    narrowest,
    new_questions,
    prediction_powered,
)
from edge_judge.analysis.ranking.suggest import in_order, to_label
from edge_judge.errors import DataError
from edge_judge.metrics.bounded_mean import mean_interval
from edge_judge.metrics.intervals import wilson
from edge_judge.records import Figure

Numbers = NDArray[np.float64]


def population(chance: np.random.Generator, rate: float, right: float, pairs: int = 400) -> tuple[Numbers, Numbers]:
    """What people say of each pair, and a judge that is right so often."""
    people = (chance.random(pairs) < rate).astype(float)
    judge = np.where(chance.random(pairs) < right, people, 1 - people)
    return people, judge


def sampled(chance: np.random.Generator, people: Numbers, count: int) -> Numbers:
    """The labels of so many pairs, nan on all others."""
    truth = np.full(len(people), np.nan)
    chosen = chance.permutation(len(people))[:count]
    truth[chosen] = people[chosen]
    return truth


def by_the_paper(judge: Numbers, truth: Numbers, weight: float) -> float:
    """PPI++'s estimate of a mean for a given weight, pair by pair: the labelled ones and the others."""
    labelled = [place for place, one in enumerate(truth) if not np.isnan(one)]
    others = [place for place, one in enumerate(truth) if np.isnan(one)]
    of_others = sum(judge[place] for place in others) / len(others)
    off = sum(truth[place] - weight * judge[place] for place in labelled) / len(labelled)
    return float(weight * of_others + off)


@pytest.mark.parametrize("labels", [30, 150])
def test_the_mean_of_what_labelled_pairs_count_is_the_papers_estimate_for_the_others(labels: int) -> None:
    chance = np.random.default_rng(labels)
    people, judge = population(chance, 0.4, 0.8)
    truth = sampled(chance, people, labels)
    scores = corrected_scores(judge, truth, np.arange(400))
    assert len(set(scores.weights.tolist())) > 1
    for weight in set(scores.weights.tolist()):
        y, f = truth[np.isfinite(truth)], judge[np.isfinite(truth)]
        ours = np.mean(y - weight * (f - judge[np.isnan(truth)].mean()))
        assert ours == pytest.approx(by_the_paper(judge, truth, weight))
        own = scores.weights == weight
        assert scores.values[own] == pytest.approx((y - weight * (f - judge[np.isnan(truth)].mean()))[own])


def test_the_estimate_for_all_pairs_is_the_papers_with_the_judges_mean_over_all() -> None:
    """One weight for all: y less w times how far the judge's mean on the labelled pairs lies from that on all."""
    chance = np.random.default_rng(1)
    people, judge = population(chance, 0.4, 0.8)
    truth = sampled(chance, people, 100)
    scores = corrected_scores(judge, truth, np.arange(400))
    weight, labelled = 0.7, np.isfinite(truth)
    x = truth[labelled] - weight * (judge[labelled] - judge[~labelled].mean())
    fixed = replace(scores, values=x)
    assert fixed.value == pytest.approx(people[labelled].mean() - weight * (judge[labelled].mean() - judge.mean()))


def test_the_weight_of_many_labels_is_the_one_that_makes_the_variance_least() -> None:
    """Covariance over variance, PPI++'s power tuning, to the nearest of those tried."""
    chance = np.random.default_rng(2)
    people, judge = population(chance, 0.5, 0.8, 20_000)
    off = judge - judge.mean()
    tuned = np.cov(people, judge, bias=True)[0, 1] / judge.var()
    assert narrowest(people, off, (float(off.min()), float(off.max()))) == pytest.approx(tuned, abs=1 / (WEIGHTS - 1))


def test_a_judge_of_no_use_has_hardly_a_weight_and_a_perfect_one_nearly_all() -> None:
    chance = np.random.default_rng(3)
    people, _ = population(chance, 0.5, 1.0)
    truth, questions = sampled(chance, people, 100), np.arange(400)
    useless = prediction_powered(chance.random(400), truth, questions)
    opposite = prediction_powered(1 - people, truth, questions)
    perfect = prediction_powered(people.copy(), truth, questions)
    alone = prediction_powered(people, truth, questions, judged=False)
    assert useless.weights.mean() < 0.3 and perfect.weights.mean() > 0.9
    assert not opposite.weights.any() and not alone.weights.any()
    assert (opposite.low, opposite.high) == (alone.low, alone.high)
    assert perfect.high - perfect.low < (alone.high - alone.low) / 2


def test_the_weight_of_a_pair_does_not_depend_on_its_own_question() -> None:
    chance = np.random.default_rng(4)
    people, judge = population(chance, 0.5, 0.75, 100)
    questions = np.arange(100) // 2
    truth = sampled(chance, people, 40)
    before = corrected_scores(judge, truth, questions)
    labelled = np.flatnonzero(np.isfinite(truth))
    for question in np.unique(questions[labelled])[:6]:
        changed = np.where(questions == question, 1 - truth, truth)
        after = corrected_scores(judge, changed, questions)
        own = questions[labelled] == question
        assert (after.weights[own] == before.weights[own]).all()


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1), st.booleans()), min_size=1, max_size=30),
    st.integers(1, 4),
)
def test_the_interval_has_the_estimate_and_with_all_labelled_it_is_the_mean(
    rows: list[tuple[float, float, bool]], each: int
) -> None:
    people, judge = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    questions = np.arange(len(rows)) // each
    truth = np.where([row[2] for row in rows], people, np.nan)
    truth[0] = people[0]
    found = prediction_powered(judge, truth, questions)
    assert found.low <= found.value <= found.high
    whole = prediction_powered(judge, people, questions)
    alone = prediction_powered(judge, people, questions, judged=False)
    assert alone.low == alone.high == pytest.approx(people.mean())
    assert whole.low == whole.high == whole.value == alone.value


def covered(rate: float, labels: int, right: float, trials: int) -> tuple[float, float]:
    """The share of trials in which the interval has the truth, and how many times as many labels its width is worth."""
    chance = np.random.default_rng([labels, int(100 * rate)])
    hits, widths = [], []
    for _ in range(trials):
        people, judge = population(chance, rate, right)
        truth = sampled(chance, people, labels)
        found = prediction_powered(judge, truth, np.arange(400))
        alone = prediction_powered(judge, truth, np.arange(400), judged=False)
        hits.append(found.low - 1e-9 <= people.mean() <= found.high + 1e-9)
        widths.append([found.high - found.low, alone.high - alone.low])
    ours, without = np.mean(widths, axis=0)
    return float(np.mean(hits)), float((without / ours) ** 2)


@pytest.mark.parametrize("rate", [0.02, 0.5, 0.98])
@pytest.mark.parametrize("labels", [30, 80])
def test_the_interval_covers_also_near_0_and_1_and_labels_are_saved_in_between(rate: float, labels: int) -> None:
    """A fast version of benchmarks/ranking_labels.py, whose seed is fixed."""
    share, saved = covered(rate, labels, 0.85, 50)
    assert share >= 0.94
    assert saved > 1.25 if rate == 0.5 else saved > 0.85


def test_whole_questions_are_the_clusters() -> None:
    """Labels that come five to a question say as much as one of each question, not as five."""
    chance = np.random.default_rng(8)
    few = (chance.random(40) < 0.5).astype(float)
    people = np.concatenate([np.repeat(few, 5), np.full(1800, np.nan)])
    together = prediction_powered(np.full(2000, 0.5), people, np.arange(2000) // 5)
    apart = prediction_powered(np.full(2000, 0.5), people, np.arange(2000))
    assert together.high - together.low > 1.8 * (apart.high - apart.low)
    low, high = mean_interval(few, np.ones(40, np.int64), (0.0, 1.0))
    assert together.high - together.low == pytest.approx(sqrt(0.9) * (high - low), rel=1e-6)


def test_the_interval_for_new_questions_is_wilsons_where_all_pairs_are_labelled_and_wider_with_fewer() -> None:
    low, high = wilson(0.6, 100)
    certain = new_questions(Figure(0.6, 0.6, 0.6), 100)
    assert (certain.low, certain.high) == (pytest.approx(low), pytest.approx(high))
    doubtful = new_questions(Figure(0.6, 0.5, 0.65), 100)
    assert doubtful.low is not None and doubtful.high is not None
    assert doubtful.low < min(0.5, low) and doubtful.high > max(0.65, high)


def judged(pairs: int = 60, seed: int = 0) -> Games:
    """Three systems on so many questions; x is better than y, and y than z. The last question has equal answers."""
    chance = np.random.default_rng(seed)
    rows = []
    for number in range(pairs):
        for first, second, rate in (("x", "y", 0.7), ("x", "z", 0.9), ("y", "z", 0.7)):
            better: Winner = "first" if chance.random() < rate else "second"
            for order in ("ab", "ba"):
                right = chance.random() < 0.85
                said: Winner = better if right else "second" if better == "first" else "first"
                asked = number < pairs - 1
                winner: Winner = said if asked else "tie"
                rows.append(Game(f"q{number}", first, second, order, winner, asked=asked))  # type: ignore[arg-type]
    return games(rows, ("x", "y", "z"))


def labels_on(found: Games, count: int, winner: Winner = "first") -> list[HumanVerdict]:
    return [HumanVerdict(pair, winner) for pair in in_order(to_label(found))[:count]]


def test_each_system_and_each_pair_with_enough_labels_has_a_figure() -> None:
    found = judged()
    result = correct(found, labels_on(found, 60))
    assert [one.first for one in result.systems] == ["x", "y", "z"] and result.labels == 60
    assert {(one.first, one.second) for one in result.pairs} == {("x", "y"), ("x", "z"), ("y", "z")}
    x, _, z = result.systems
    assert x.own.value is not None and z.own.value is not None and x.own.low is not None
    assert x.own.low < x.own.value and x.own.value > 0.9 and z.own.value < 0.1
    assert x.pairs == 120 and x.questions == 60 and x.new.low is not None and x.new.low <= x.own.low
    assert x.judge.value is not None and x.judge.low is None
    assert [one.labels for one in correct(found, labels_on(found, 6)).pairs] == []


def test_the_two_systems_of_a_pair_have_rates_that_sum_to_one() -> None:
    found = judged()
    only = found.of(((found.frame["first"] == "x") & (found.frame["second"] == "y")).to_numpy())
    result = correct(Games(("x", "y"), only.frame), labels_on(only, 25, "second"))
    x, y = result.systems
    assert x.own.value is not None and y.own.value is not None and y.own.high is not None
    assert x.own.value + y.own.value == pytest.approx(1)
    assert x.own.low == pytest.approx(1 - y.own.high, abs=1e-9)
    assert result.pairs[0].own == x.own


def test_equal_answers_are_ties_that_no_person_needs_to_see() -> None:
    """With all other pairs labelled the rate is certain, and counts them as ties."""
    rows = [Game(f"q{number}", "x", "y", "ab", "second", asked=number < 15) for number in range(20)]
    rows = [row if row.asked else Game(row.question, "x", "y", "ab", "tie", asked=False) for row in rows]
    found = games(rows)
    said = [HumanVerdict(AnswerPair(f"q{number}", "x", "y"), "first") for number in range(20)]
    x, _ = correct(found, said).systems
    assert (x.own.low, x.own.value, x.own.high) == (0.875, 0.875, 0.875)
    assert (x.labels, x.pairs, x.saved) == (15, 20, None)
    assert correct(found, said[15:]).systems[0].own.value is None


def test_the_judges_accuracy_is_that_of_its_votes_on_the_labelled_pairs_and_none_is_wrong() -> None:
    rows = [
        *(Game(f"q{number}", "x", "y", "ab", "first") for number in range(10)),
        *(Game(f"q{number}", "x", "y", "ba", "tie" if number else None) for number in range(10)),
    ]
    said = [HumanVerdict(AnswerPair(f"q{number}", "x", "y"), "first" if number < 3 else "tie") for number in range(6)]
    accuracy = correct(games(rows), said).accuracy
    assert (accuracy.k, accuracy.n) == (3 + 3, 12)
    assert accuracy.low is not None and accuracy.low < 0.5


def test_labels_may_name_the_systems_the_other_way_round() -> None:
    found = judged()
    said = labels_on(found, 40)
    turned = [HumanVerdict(AnswerPair(one.pair.question, one.pair.second, one.pair.first), "second") for one in said]
    assert correct(found, turned) == correct(found, said)
    assert correct(found, [*said, *turned]) == correct(found, said)


def test_labels_that_contradict_each_other_or_are_on_other_pairs_are_told() -> None:
    found = judged()
    said = labels_on(found, 5)
    with pytest.raises(DataError, match="contradict") as told:
        correct(found, [*said, HumanVerdict(said[0].pair, "tie")])
    assert said[0].pair.question in str(told.value)
    strange = [HumanVerdict(AnswerPair(f"p{number}", "x", "y"), "tie") for number in range(3)]
    with pytest.raises(DataError, match="'p0', and 2 more, which was not judged"):
        correct(found, [*said, *strange])
    with pytest.raises(ValueError, match="no pair"):
        prediction_powered(np.full(3, 0.5), np.full(3, np.nan), np.arange(3))


def test_without_labels_there_is_no_corrected_figure() -> None:
    result = correct(judged(), [])
    assert {one.own for one in result.systems} == {Figure(None)} and result.pairs == ()
    assert result.accuracy == Figure(None) and set(SCORES.values()) == {0.0, 0.5, 1.0}


@pytest.mark.parametrize(
    ("rate", "labels", "pairs"), [(0.02, 30, 300), (0.5, 80, 300), (0.98, 200, 300), (0.5, 30, 40)]
)
def test_intervals_from_labels_alone_cover_exactly_as_often_as_they_say(rate: float, labels: int, pairs: int) -> None:
    """Summed over everything that can be drawn: so many pairs won of all, so many of the labelled ones."""
    counts, won = np.arange(labels + 1), np.arange(pairs + 1)
    found = []
    for count in counts:
        people = np.where(np.arange(pairs) < labels, (np.arange(pairs) < count).astype(float), np.nan)
        found.append(prediction_powered(np.full(pairs, 0.5), people, np.arange(pairs), judged=False))
    inside = np.array([(one.low - 1e-9 <= won / pairs) & (won / pairs <= one.high + 1e-9) for one in found])
    covered = (stats.hypergeom.pmf(counts[:, None], pairs, won, labels) * inside).sum(axis=0)
    assert (stats.binom.pmf(won, pairs, rate) * covered).sum() >= 0.94
    new = [new_questions(Figure(one.value, one.low, one.high), pairs) for one in found]
    inside_new = [one.low is not None and one.high is not None and one.low <= rate <= one.high for one in new]
    assert (stats.binom.pmf(counts, labels, rate) * inside_new).sum() >= 0.94
