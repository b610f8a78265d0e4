"""Two runs: what the one lost, counted by hand, against scipy, and refused where it would mean nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from judgements import benchmark, compared, random_benchmark, random_verdicts, run, verdicts
from scipy import stats

from edge_judge.analysis.compare import Flips, adjusted, compare, exceeds
from edge_judge.errors import RunError
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.metrics.trials import TRIAL
from edge_judge.records import Identity, Run, Verdict
from edge_judge.settings import Change

HAND = benchmark("a", "b", "tie", "a")
BEFORE = run(verdicts(("a", "a"), ("b", "a"), ("tie", "tie"), ("b", None)), "f16", size=9_000_000)
AFTER = run(verdicts(("a", "b"), ("b", "b"), ("a", None), ("b", "b")))


def test_a_comparison_worked_by_hand() -> None:
    found = compared(HAND, AFTER, BEFORE)
    assert (found.pairs, found.verdicts, found.trials) == (4, 8, 8)
    assert (found.baseline.accuracy.k, found.run.accuracy.k) == (5, 3)
    assert found.flips == Flips(right_to_wrong=3, wrong_to_right=1, wrong_to_wrong=1)
    assert found.drop.value == pytest.approx(25.0)
    assert found.drop.low < 25 < found.drop.high  # type: ignore[operator]
    assert found.p == pytest.approx(6 / 8)  # the pairs lost 1, -1, 2 and 0: 6 of 8 choices of signs reach 2
    assert (found.run.bytes, found.baseline.bytes) == (4_000_000, 9_000_000)
    assert (found.run.verdicts_per_minute, found.run.peak_rss) == (8.0, 50_000_000)
    assert found.kld.value is None  # neither has probabilities


def test_the_p_of_runs_is_scipys_permutation_test_of_the_clusters_sums() -> None:
    judged = random_benchmark(4, 24, votes=2, groups=8)
    ours, theirs = (RecordedRun(run(random_verdicts(seed, judged), f"q{seed}_0"), judged) for seed in (4, 8))
    found = compare(ours, theirs)
    both = ours.trials.merge(theirs.trials, on=TRIAL)
    lost = both["right_y"].astype(int) - both["right_x"].astype(int)
    sums = lost.groupby(both["cluster_x"]).sum().to_numpy()
    oracle = stats.permutation_test((sums,), np.sum, permutation_type="samples", n_resamples=np.inf)
    assert found.p == pytest.approx(oracle.pvalue, rel=1e-9)


def test_a_ladders_p_are_adjusted_together_and_the_baseline_is_no_test() -> None:
    judged = random_benchmark(1, 60)
    names = ("f16", "q8_0", "q4_k_m", "q2_k")
    runs = [run(random_verdicts(seed, judged), name) for seed, name in enumerate(names)]
    losses = adjusted([compared(judged, one, runs[0]) for one in runs])
    assert losses[0].p_holm is None
    smallest = min(lost.p for lost in losses[1:])  # type: ignore[type-var]
    assert min(lost.p_holm for lost in losses[1:]) == pytest.approx(min(1.0, 3 * smallest))  # type: ignore[type-var,operator]
    assert all(lost.p_holm >= lost.p for lost in losses[1:])  # type: ignore[operator]


def test_where_no_loss_is_seen_the_smallest_that_could_have_been_is_told() -> None:
    judged = random_benchmark(1, 600)
    same = random_verdicts(1, judged)
    found = compared(judged, run(same), run(same, "f16"))
    assert not found.is_seen
    assert found.smallest_loss == pytest.approx(1.32)  # of 600 pairs 7.9, of which 6 show a loss


def test_the_drop_is_the_difference_of_the_accuracies() -> None:
    judged = random_benchmark(1, 80, votes=2, groups=20)
    found = compared(judged, run(random_verdicts(1, judged)), run(random_verdicts(2, judged), "f16"))
    assert found.run.accuracy.value is not None and found.baseline.accuracy.value is not None
    assert found.drop.value == pytest.approx(100 * (found.baseline.accuracy.value - found.run.accuracy.value))
    assert found.drop.value == pytest.approx(
        100 * (found.flips.right_to_wrong - found.flips.wrong_to_right) / found.trials
    )


def test_a_run_that_says_the_same_everywhere_is_not_proved_equal() -> None:
    judged = random_benchmark(1, 50)
    same = random_verdicts(1, judged)
    found = compared(judged, run(same), run(same, "f16"))
    assert (found.drop.value, found.p, found.flips) == (0.0, 1.0, Flips(0, 0, 0))
    assert found.drop.low == pytest.approx(-found.drop.high)  # type: ignore[operator]
    assert found.drop.high > 4  # type: ignore[operator]
    assert found.kld.value == 0.0 and found.kld.high is None


def test_the_divergence_is_of_the_baselines_probabilities_from_the_runs() -> None:
    before = [Verdict("0", "ab", "a", {"a": 0.5, "b": 0.5}), Verdict("1", "ab", "a", {"a": 1.0, "b": 0.0})]
    after = [Verdict("0", "ab", "a", {"a": 0.75, "b": 0.25}), Verdict("1", "ab", "a", {"a": 0.9, "b": 0.1})]
    found = compared(benchmark("a", "b"), run(after), run(before, "f16"))
    first = 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)
    assert found.kld.value == pytest.approx((first + math.log(1 / 0.9)) / 2)


def test_a_probability_written_as_zero_leaves_the_divergence_finite() -> None:
    before, after = [Verdict("0", "ab", "a", {"a": p, "b": 1 - p}) for p in (0.5, 1.0)]
    found = compared(benchmark("a"), run([after]), run([before], "f16"))
    assert found.kld.value is not None and 5 < found.kld.value < 15


def test_verdicts_are_paired_by_pair_and_order_however_they_are_sorted() -> None:
    judged = random_benchmark(1, 30)
    before, after = run(random_verdicts(1, judged), "f16"), random_verdicts(2, judged)
    assert compared(judged, run(after[::-1]), before) == compared(judged, run(after), before)


def test_only_verdicts_that_both_runs_have_are_paired() -> None:
    found = compared(HAND, run(AFTER.verdicts[:3]), BEFORE)
    assert (found.pairs, found.verdicts) == (2, 3)
    assert (found.baseline.accuracy.k, found.baseline.accuracy.n) == (3, 3)


def test_runs_that_differ_in_weights_or_in_how_much_was_asked_are_compared() -> None:
    compared(
        HAND,
        run(AFTER.verdicts, order="given", lock={"gguf": "x"}),
        run(BEFORE.verdicts, "f16", order="both"),
    )


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"prompt_sha256": "2" * 64}, "settings.prompt_sha256"),
        ({"seed": 7}, "settings.seed is 7 and None"),
        ({"versions": {"llama_cpp": "0.3"}}, "settings.versions.llama_cpp is '0.3' and None"),
    ],
)
def test_runs_that_differ_in_more_than_the_weights_are_refused_by_name(settings: dict[str, object], told: str) -> None:
    with pytest.raises(RunError, match="toy/pocket/q4_k_m/pairwise and toy/pocket/f16/pairwise differ") as caught:
        compared(HAND, run(AFTER.verdicts, **settings), BEFORE)  # type: ignore[arg-type]
    assert told in str(caught.value)
    assert caught.value.hint


def test_runs_of_other_grammars_or_benchmarks_are_refused() -> None:
    other = Identity("toy", "pocket", "q4_k_m", "none")
    with pytest.raises(RunError, match="grammar is 'none' and 'pairwise'"):
        compared(HAND, Run(other, AFTER.settings, None, AFTER.verdicts, 1), BEFORE)
    with pytest.raises(RunError, match="is not a run on elsewhere"):
        compared(benchmark("a", name="elsewhere"), AFTER, BEFORE)


def test_runs_without_a_common_verdict_are_refused() -> None:
    with pytest.raises(RunError, match="no pair and order in common"):
        compared(HAND, run(AFTER.verdicts[:1]), run(BEFORE.verdicts[1:], "f16"))


def test_without_labels_there_is_no_drop_but_there_is_a_divergence() -> None:
    judged = benchmark((), ())
    before, after = random_verdicts(1, judged, missing=0), random_verdicts(2, judged, missing=0)
    found = compared(judged, run(after), run(before, "f16"))
    assert (found.drop.value, found.p, found.trials) == (None, None, 0)
    assert found.kld.value is not None
    assert not exceeds(found, -100)


def test_what_was_not_measured_is_undefined() -> None:
    found = compared(HAND, Run(AFTER.identity, AFTER.settings, None, AFTER.verdicts, 1), BEFORE)
    assert (found.run.verdicts_per_minute, found.run.peak_rss) == (None, None)


def test_a_drop_exceeds_a_limit_by_its_point_estimate() -> None:
    found = compared(HAND, AFTER, BEFORE)
    assert exceeds(found, 24.9)
    assert not exceeds(found, 25.0)


def test_by_the_bound_a_limit_is_held_against_the_upper_end_of_the_interval() -> None:
    found = compared(HAND, AFTER, BEFORE)
    assert found.drop.high is not None and found.drop.high > 25.0
    assert exceeds(found, found.drop.high - 0.01, "bound") and not exceeds(found, found.drop.high, "bound")
    assert not exceeds(compared(HAND, BEFORE, BEFORE), 0.0, "bound")  # the baseline loses nothing against itself


def test_runs_may_differ_in_another_one_thing_and_then_in_nothing_else() -> None:
    wording = Change("the prompt", frozenset({"prompt_sha256"}))
    asked, before = (run(AFTER.verdicts, "f16", prompt_sha256=sha256) for sha256 in ("2" * 64, "1" * 64))
    assert compared(HAND, asked, before, wording).drop.value == 0
    with pytest.raises(RunError, match="differ in more than the prompt: scheme is 'q4_k_m' and 'f16'"):
        compared(HAND, run(AFTER.verdicts, prompt_sha256="2" * 64), before, wording)
    with pytest.raises(RunError, match="settings.gguf_sha256"):
        compared(HAND, run(AFTER.verdicts, "f16", gguf_sha256="another"), before, wording)


def test_missing_verdicts_are_counted_as_format_errors_of_either_side() -> None:
    found = compared(HAND, AFTER, BEFORE)
    assert [(side.format_errors.k, side.format_errors.n) for side in (found.run, found.baseline)] == [(1, 8), (1, 8)]
