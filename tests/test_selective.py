"""Confidence: the curve counted by hand and by brute force, thresholds by a plain loop with scipy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from judgements import benchmark, mirrored, mirrored_verdict, random_benchmark, random_verdicts, run, scored
from scipy import stats

from edge_judge.analysis.selective import (
    DELTA,
    GRID,
    STARTS,
    abstain,
    coverage_points,
    risk_coverage,
    selective_predictions,
)
from edge_judge.errors import RunError
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.records import Benchmark, Label, Run, Verdict

SEEDS = st.integers(0, 10_000)


def recorded(judged: Benchmark, made: Run) -> RecordedRun:
    return RecordedRun(made, judged)


def sure(place: int, label: Label, p: float, order: str = "ab") -> Verdict:
    """A verdict with probability p; the rest is split among the other labels, unevenly."""
    others = [other for other in ("a", "b", "tie") if other != label]
    spread = {label: p, others[0]: (1 - p) * 0.6, others[1]: (1 - p) * 0.4}
    return Verdict(str(place), order, label, spread)  # type: ignore[arg-type]


def graded(pairs: int, *, groups: int = 0) -> tuple[Benchmark, list[Verdict]]:
    """Pairs on which a judge is sure by falling degrees, and wrong on every third of the less sure half."""
    named = [f"group {place % groups}" for place in range(pairs)] if groups else ()
    judged = benchmark(*["a"] * pairs, groups=named)
    wrong = [place > pairs // 2 and place % 3 == 0 for place in range(pairs)]
    return judged, [sure(place, "b" if wrong[place] else "a", 0.99 - place / (2 * pairs)) for place in range(pairs)]


def test_a_curve_worked_by_hand() -> None:
    judged = benchmark("a", "a", "a", "a")
    given_ = run([sure(0, "a", 0.9), sure(1, "b", 0.8), sure(2, "a", 0.8), sure(3, "b", 0.6)])
    found = risk_coverage(recorded(judged, given_))
    assert found.threshold == (0.9, 0.8, 0.6)
    assert found.coverage == (0.25, 0.75, 1.0)
    assert found.risk == pytest.approx((0.0, 1 / 3, 0.5))
    assert found.aurc == pytest.approx((0 + 1 / 3 + 1 / 3 + 1 / 2) / 4)


def test_a_pair_judged_in_both_orders_is_answered_by_the_mean_of_its_probabilities() -> None:
    both = [sure(0, "a", 0.9), sure(0, "b", 0.6, "ba")]  # a: (0.9 + 0.24) / 2, b: (0.06 + 0.6) / 2
    said = selective_predictions(recorded(benchmark("a"), run(both)))
    assert said.confidence.tolist() == pytest.approx([0.57])
    assert said.right.tolist() == [True]


def test_equal_means_are_a_tie_whose_own_probability_is_its_confidence() -> None:
    p: dict[Label, float] = {"a": 0.75, "b": 0.125, "tie": 0.125}
    turned: dict[Label, float] = {"a": 0.125, "b": 0.75, "tie": 0.125}
    both = run([Verdict("0", "ab", "a", p), Verdict("0", "ba", "b", turned)])
    said = selective_predictions(recorded(benchmark("tie"), both))
    assert (said.confidence.tolist(), said.right.tolist()) == ([0.125], [True])


def test_a_verdict_in_one_order_stands_as_it_was_given() -> None:
    once = run([Verdict("0", "ba", "b", {"a": 0.5, "b": 0.3, "tie": 0.2})])
    said = selective_predictions(recorded(benchmark("b"), once))
    assert (said.confidence.tolist(), said.right.tolist()) == ([0.3], [True])


def test_a_missing_verdict_is_the_least_sure_and_wrong() -> None:
    judged = benchmark("a", "a")
    found = risk_coverage(recorded(judged, run([sure(0, "a", 0.4), sure(1, "a", 0.9), Verdict("1", "ba", None)])))
    assert (found.threshold, found.coverage, found.risk) == ((0.4, 0.0), (0.5, 1.0), (0.0, 0.5))


def test_pairs_that_nobody_judged_are_left_out_and_every_vote_counts() -> None:
    judged = benchmark(("a", "a", "b"), (), "b")
    found = risk_coverage(recorded(judged, run([sure(0, "a", 0.7), sure(1, "a", 0.9), sure(2, "b", 0.8)])))
    assert (found.threshold, found.coverage) == ((0.8, 0.7), (0.5, 1.0))
    assert found.risk == (0.0, 0.25)


def test_without_a_pair_there_is_no_area() -> None:
    found = risk_coverage(recorded(benchmark(()), run([sure(0, "a", 0.7)])))
    assert (found.threshold, found.coverage, found.risk, found.aurc) == ((), (), (), None)
    assert coverage_points(recorded(benchmark(()), run([sure(0, "a", 0.7)]))) == ()


@given(SEEDS, st.integers(1, 3))
def test_the_area_is_the_mean_risk_among_those_at_least_as_sure(seed: int, votes: int) -> None:
    judged = random_benchmark(seed, 12, votes=votes)
    given_ = run([Verdict("0", "ab", "a", {"a": 1.0}), *random_verdicts(seed, judged, missing=0.2)[2:]])
    said, found = selective_predictions(recorded(judged, given_)), risk_coverage(recorded(judged, given_))
    risks = [1 - said.right[(said.confidence >= sureness)[said.place]].mean() for sureness in said.confidence]
    assert found.aurc == pytest.approx(np.mean(risks))


@given(SEEDS)
def test_coverage_rises_as_the_threshold_falls_and_ends_at_everything(seed: int) -> None:
    judged = random_benchmark(seed, 20, ties=seed % 2 == 0)
    found = risk_coverage(recorded(judged, run(random_verdicts(seed, judged, missing=0))))
    assert list(found.threshold) == sorted(set(found.threshold), reverse=True)
    assert list(found.coverage) == sorted(set(found.coverage)) and found.coverage[-1] == 1
    debiased = scored(judged, random_verdicts(seed, judged, missing=0), run([]).identity).strict["debiased_accuracy"]
    assert debiased.value is not None and found.risk[-1] == pytest.approx(1 - debiased.value)


@given(SEEDS, st.booleans())
def test_swapping_a_and_b_changes_nothing(seed: int, same_paper: bool) -> None:
    judged = random_benchmark(seed, 20, groups=8)
    given_ = random_verdicts(seed, judged)
    turned = run([mirrored_verdict(verdict, same_paper=same_paper) for verdict in given_])
    swapped = mirrored(judged, same_paper=same_paper)
    assert risk_coverage(recorded(swapped, turned)) == risk_coverage(recorded(judged, run(given_)))
    before, after = abstain(recorded(judged, run(given_)), 0.7), abstain(recorded(swapped, turned), 0.7)
    assert (after.threshold, after.effect.accuracy.k) == (before.threshold, before.effect.accuracy.k)
    assert after.best == pytest.approx(before.best)


def test_a_curve_is_read_at_the_wished_coverage_or_just_above() -> None:
    judged = benchmark(*["a"] * 10)
    found = coverage_points(recorded(judged, run([sure(place, "a", 0.9 if place < 6 else 0.5) for place in range(10)])))
    assert [(step.wished, step.threshold, step.coverage) for step in found] == [
        (1.0, 0.5, 1.0), (0.9, 0.5, 1.0), (0.8, 0.5, 1.0), (0.7, 0.5, 1.0), (0.5, 0.9, 0.6),
    ]  # fmt: skip
    assert (found[-1].risk.k, found[-1].risk.n) == (0, 6)


def test_a_threshold_holds_here_and_what_it_does_is_counted_on_all_pairs() -> None:
    judged, given_ = graded(800)
    found = abstain(recorded(judged, run(given_)), 0.05)
    said = selective_predictions(recorded(judged, run(given_)))
    assert found.threshold is not None
    answered = said.confidence >= found.threshold
    assert (found.effect.coverage.k, found.effect.coverage.n) == (answered.sum(), 800)
    assert found.effect.risk.k == (~said.right[answered]).sum()
    assert 0.4 < answered.mean() < 0.8
    assert found.effect.risk.value < 0.05 < 1 - found.effect.unfiltered.value  # type: ignore[operator]


def sequence_by_hand(said: list[bool], risk: float) -> int | None:
    """How many of the surest pairs are answered, each a cluster of its own: by scipy's binomial distribution."""
    level, answered = 0.0, None
    for share in range(1, GRID + 1):
        n = -(-len(said) * share // GRID)
        level += DELTA / STARTS if share in (5, 10, 15, 20) else 0
        if level and stats.binom.cdf(said[:n].count(False), n, risk) <= level:
            answered = n
        else:
            level = 0.0
    return answered


@given(SEEDS, st.sampled_from([40, 100, 300]), st.sampled_from([0.05, 0.1, 0.2, 0.4]))
def test_the_sequence_is_that_of_a_plain_loop_where_nothing_is_clustered(seed: int, pairs: int, risk: float) -> None:
    chance = np.random.default_rng(seed)
    right = (chance.random(pairs) > chance.choice([0.0, 0.02, 0.1]) + 0.3 * (np.arange(pairs) / pairs) ** 3).tolist()
    given_ = [sure(place, "a" if right[place] else "b", 0.99 - place / (2 * pairs)) for place in range(pairs)]
    found = abstain(recorded(benchmark(*["a"] * pairs), run(given_)), risk)
    assert (found.effect.coverage.k or None) == sequence_by_hand(right, risk)


@given(SEEDS)
def test_from_the_least_risk_on_some_threshold_is_shown_and_below_none(seed: int) -> None:
    judged = random_benchmark(seed, 60, groups=20 if seed % 2 else 0)
    made = recorded(judged, run(random_verdicts(seed, judged, missing=0)))
    best = abstain(made, 0.5).best
    assert best > 0.9999 or abstain(made, best + 1e-6).threshold is not None
    assert abstain(made, best - 1e-6).threshold is None


def test_pairs_of_one_cluster_show_less_than_as_many_apart() -> None:
    apart, together = (graded(200, groups=groups) for groups in (0, 20))
    assert (
        abstain(recorded(apart[0], run(apart[1])), 0.1).best
        < abstain(recorded(together[0], run(together[1])), 0.1).best
    )


def test_where_no_threshold_can_be_shown_nothing_is_answered_and_the_pairs_it_takes_are_told() -> None:
    judged, given_ = graded(20)
    found = abstain(recorded(judged, run(given_)), 0.01)
    assert found.threshold is None and found.best > 0.01
    assert (found.effect.coverage.k, found.effect.accuracy.value) == (0, None)
    assert found.wanted is not None and found.wanted > 20
    enough, more = graded(found.wanted + 20)
    assert abstain(recorded(enough, run(more)), 0.01).threshold is not None
    hopeless = [replace(verdict, verdict="b", p={"b": 1.0}) for verdict in given_]
    assert abstain(recorded(judged, run(hopeless)), 0.5).wanted is None


def test_the_wrong_are_never_answered_more_often_than_promised() -> None:
    """A judge whose confidence says nothing and whose risk is 0.1, asked for less: every choice is wrong."""
    chance = np.random.default_rng(7)
    chosen = 0
    for _ in range(200):
        judged = benchmark(*["a"] * 200)
        said = [sure(place, "b" if chance.random() < 0.1 else "a", 0.5 + chance.random() / 2) for place in range(200)]
        chosen += abstain(recorded(judged, run(said)), 0.0999).threshold is not None
    assert chosen <= 10


def test_a_run_without_probabilities_is_refused() -> None:
    for judged in ([Verdict("0", "ab", "a"), sure(1, "a", 0.9)], [Verdict("0", "ab", None)]):
        with pytest.raises(RunError, match=r"toy/pocket/q4_k_m/pairwise: 1 of \d verdicts have no probab") as caught:
            risk_coverage(recorded(benchmark("a", "a"), run(judged)))
        assert caught.value.hint


def test_a_run_on_another_benchmark_is_refused() -> None:
    with pytest.raises(RunError, match="is not a run on elsewhere"):
        risk_coverage(recorded(benchmark("a", name="elsewhere"), run([sure(0, "a", 0.9)])))


def test_one_cluster_shows_nothing_and_no_pair_is_refused() -> None:
    single = benchmark("a", "a", groups=["one", "one"])
    found = abstain(recorded(single, run([sure(0, "a", 0.9), sure(1, "a", 0.8)])), 0.1)
    assert (found.threshold, found.best, found.wanted) == (None, 1.0, None)
    with pytest.raises(RunError, match="no pair with a human label") as caught:
        abstain(recorded(benchmark(()), run([sure(0, "a", 0.9)])), 0.1)
    assert caught.value.hint
