"""Cascades: by hand, at their two ends, and recommended only where they are shown to keep enough."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judgements import benchmark, compared, mirrored, mirrored_verdict, random_benchmark, random_verdicts, run, verdicts
from scipy import stats

from edge_judge.analysis.cascade import ABOVE, Cascade, Unit, cascade
from edge_judge.analysis.selective import DELTA, selective_predictions
from edge_judge.errors import RunError
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.records import Benchmark, Figure, Identity, Label, Measured, Run, Verdict

SEEDS = st.integers(0, 10_000)
HAND = benchmark("a", "a", "a", "a")


def sure(place: int, label: Label, p: float) -> Verdict:
    other: Label = "b" if label == "a" else "a"
    return Verdict(str(place), "ab", label, {label: p, other: (1 - p) * 0.75, "tie": (1 - p) * 0.25})


SMALL = run([sure(0, "a", 0.9), sure(1, "b", 0.5), sure(2, "b", 0.6), sure(3, "a", 0.7)], "q2_k", size=1_000_000)
LARGE = run([Verdict(str(place), "ab", label) for place, label in enumerate("aaab")], "f16")  # type: ignore[arg-type]


def timed(of: Run, seconds: float, machine: str = "a machine") -> Run:
    return replace(of, measured=Measured(seconds, 1, 1, len(of.verdicts), 1, machine))


def tried(judged: Benchmark, small: Run, large: Run, *, keep: float = 0.99, unit: Unit = "time") -> Cascade:
    return cascade(RecordedRun(small, judged), RecordedRun(large, judged), keep=keep, unit=unit)


def told(found: Cascade) -> list[tuple[float, float, int | None]]:
    return [(point.threshold, point.passed, point.accuracy.k) for point in found.points]


def interval(figure: Figure) -> tuple[float | None, ...]:
    return figure.value, figure.low, figure.high


def random_runs(seed: int) -> tuple[Benchmark, Run, Run]:
    judged = random_benchmark(seed, 24, votes=2, groups=9)
    return judged, run(random_verdicts(seed, judged), "q2_k"), run(random_verdicts(seed + 1, judged), "f16")


def test_a_cascade_worked_by_hand() -> None:
    found = tried(HAND, SMALL, LARGE, unit="bytes")
    assert told(found) == [(0.0, 0.0, 2), (0.6, 0.25, 3), (0.7, 0.5, 4), (0.9, 0.75, 3), (ABOVE, 1.0, 3)]
    assert [point.cost for point in found.points] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.25])
    assert [point.kept for point in found.points] == pytest.approx([2 / 3, 1, 4 / 3, 1, 1])
    assert (found.pairs, found.verdicts, found.trials, found.alone.k) == (4, 4, 4, 3)
    assert found.least == found.points[1]


def test_the_least_point_keeps_what_was_asked_and_no_cheaper_one_does() -> None:
    for keep, threshold in ((0.5, 0.0), (2 / 3, 0.0), (0.67, 0.6), (1.0, 0.6)):
        found = tried(HAND, SMALL, LARGE, keep=keep)
        assert found.least is not None and found.least.threshold == threshold


def test_a_cascade_may_need_to_pass_everything_on() -> None:
    wrong = run([sure(0, "b", 0.9), sure(1, "b", 0.9)], "q2_k")
    right = run([Verdict("0", "ab", "a"), Verdict("1", "ab", "a")], "f16")
    found = tried(benchmark("a", "a"), wrong, right)
    assert found.least is not None and found.least.threshold == ABOVE
    assert (found.choice, found.wanted) == (None, None)


def test_what_is_never_right_has_no_accuracy_to_keep() -> None:
    never = run([Verdict(str(place), "ab", None) for place in range(4)], "f16")
    found = tried(HAND, SMALL, never)
    assert (found.least, found.choice, found.points[0].kept, found.alone.value) == (None, None, None, 0.0)


@given(SEEDS)
def test_at_0_it_is_the_small_run_and_above_1_the_large_one(seed: int) -> None:
    judged, small, large = random_runs(seed)
    found = tried(judged, small, large)
    beside = compared(judged, small, large)
    assert found.points[0].accuracy.k == beside.run.accuracy.k
    assert found.points[-1].accuracy.k == beside.baseline.accuracy.k
    assert found.steps[0].accuracy == beside.run.accuracy
    assert found.steps[-1].accuracy == beside.baseline.accuracy == found.alone
    passed = [point.passed for point in found.points]
    assert passed == sorted(set(passed)) and (passed[0], passed[-1]) == (0, 1)


@given(SEEDS)
def test_every_point_is_what_judging_so_would_have_given(seed: int) -> None:
    judged, small, large = random_runs(seed)
    said = selective_predictions(RecordedRun(small, judged))
    sureness = {
        judged.pairs[place].id: c for place, c in zip(said.pair.tolist(), said.confidence.tolist(), strict=True)
    }
    for point in tried(judged, small, large).points[::5]:
        mixed = [
            theirs if sureness[ours.id] < point.threshold else ours
            for ours, theirs in zip(small.verdicts, large.verdicts, strict=True)
        ]
        assert compared(judged, run(mixed), large).run.accuracy.k == point.accuracy.k


@given(SEEDS, st.booleans())
def test_swapping_a_and_b_changes_nothing(seed: int, same_paper: bool) -> None:
    judged, *both = random_runs(seed)
    turned = [
        replace(one, verdicts=tuple(mirrored_verdict(verdict, same_paper=same_paper) for verdict in one.verdicts))
        for one in both
    ]
    before, after = tried(judged, *both), tried(mirrored(judged, same_paper=same_paper), *turned)
    assert (after.points, after.least, after.alone.k) == (before.points, before.least, before.alone.k)
    for there, here in zip(after.steps, before.steps, strict=True):  # sums in another order: the last digit may differ
        assert interval(there.accuracy) == pytest.approx(interval(here.accuracy))
    assert (after.choice is None, after.wanted) == (before.choice is None, before.wanted)


def steady(pairs: int, lost: list[int]) -> tuple[Benchmark, Run, Run]:
    """A large judge that is always right, a small one that is less and less sure, and wrong on these; no costs."""
    judged = benchmark(*["a"] * pairs)
    small = [sure(place, "b" if place in lost else "a", 0.99 - place / (3 * pairs)) for place in range(pairs)]
    return (
        judged,
        replace(run(small, "q2_k"), measured=None),
        run([Verdict(str(place), "ab", "a") for place in range(pairs)], "f16"),
    )


@pytest.mark.parametrize(("pairs", "lost", "keep"), [(400, [399], 0.99), (400, [], 0.99), (200, [40, 150, 199], 0.95)])
def test_what_is_recommended_is_the_last_of_a_plain_loop(pairs: int, lost: list[int], keep: float) -> None:
    """Each pair is a cluster; a loss is as likely as the binomial distribution says."""
    kept = None
    for share in range(1, 101):
        left = -(-pairs * share // 100)  # to the small judge
        losses = sum(place < left for place in lost)
        if stats.binom.cdf(losses, pairs, 1 - keep) > DELTA:
            break
        kept = left
    found = tried(*steady(pairs, lost), keep=keep)
    assert kept is not None and found.choice is not None and found.wanted is None
    assert found.choice.point.passed == pytest.approx(1 - kept / pairs)
    assert found.choice.point.kept is not None and found.choice.point.kept >= keep
    assert found.choice.drop.value == pytest.approx(100 * (1 - found.choice.point.kept))


def test_too_few_pairs_recommend_nothing_and_the_number_that_would_is_told() -> None:
    found = tried(*steady(100, []), keep=0.99)
    assert found.choice is None and found.least is not None
    # without a loss in sight it takes as many pairs as make 0.99^n at most 5 %
    assert found.wanted == pytest.approx(math.log(DELTA) / math.log(0.99), rel=0.02)
    assert tried(*steady(found.wanted, []), keep=0.99).choice is not None
    judged, small, large = steady(100, [])
    equally_dear = tried(judged, timed(small, 1.0), timed(large, 1.0), keep=0.99)
    assert (equally_dear.choice, equally_dear.wanted) == (None, None)  # what saves nothing is not worth the pairs
    everywhere = tried(*steady(100, list(range(100))), keep=0.99)
    assert (everywhere.choice, everywhere.wanted) == (None, None)


def test_no_pair_with_a_label_is_refused() -> None:
    with pytest.raises(RunError, match="no pair with a human label was judged by both judges") as caught:
        tried(benchmark((), (), (), ()), SMALL, LARGE)
    assert caught.value.hint


def test_time_is_seconds_for_each_verdict_whatever_the_runs_length() -> None:
    more = run([*LARGE.verdicts, Verdict("0", "ba", "a")], "f16")
    found = tried(HAND, timed(SMALL, 4.0), timed(more, 20.0))
    assert (found.cost.small, found.cost.large, found.cost.ratio) == (1.0, 4.0, 0.25)
    assert (found.verdicts, found.points[-1].cost) == (4, 1.25)


@pytest.mark.parametrize(
    ("small", "large", "why"),
    [
        (timed(SMALL, 4.0), replace(LARGE, measured=None), "not measured in one of the runs"),
        (timed(SMALL, 0.0), timed(LARGE, 4.0), "not measured in one of the runs"),
        (timed(SMALL, 4.0), timed(LARGE, 4.0, "another"), "different machines"),
    ],
)
def test_a_time_that_cannot_be_compared_is_no_cost(small: Run, large: Run, why: str) -> None:
    found = tried(HAND, small, large)
    assert found.cost.ratio is None and why in str(found.cost.unknown)
    assert {point.cost for point in (*found.points, *found.steps)} == {None}
    assert found.least is not None  # what is passed on least is cheapest, whatever it costs


def test_bytes_say_nothing_of_another_protocols_work() -> None:
    reasoning = replace(LARGE, identity=replace(LARGE.identity, grammar="pairwise-cot"))
    assert "protocols" in str(tried(HAND, SMALL, reasoning, unit="bytes").cost.unknown)
    assert tried(HAND, SMALL, reasoning, unit="time").cost.ratio == 1


def test_the_share_of_verdicts_passed_on_is_what_costs() -> None:
    """The unsure pair was judged in both orders, the sure one in one: two verdicts of three are asked for again."""
    ours = run([sure(0, "a", 0.5), replace(sure(0, "a", 0.5), order="ba"), sure(1, "a", 0.9)], "q2_k")
    found = tried(benchmark("a", "a"), ours, run(list(ours.verdicts), "f16"))
    assert (found.points[1].passed, found.points[1].cost) == (0.5, pytest.approx(1 + 2 / 3))


def test_only_common_verdicts_count_and_none_common_is_refused() -> None:
    found = tried(HAND, run(SMALL.verdicts[:3], "q2_k"), run(LARGE.verdicts[1:], "f16"))
    assert (found.pairs, found.verdicts) == (2, 2)
    with pytest.raises(RunError, match="no pair and order in common") as caught:
        tried(HAND, run(SMALL.verdicts[:2], "q2_k"), run(LARGE.verdicts[2:], "f16"))
    assert caught.value.hint


def test_the_large_run_needs_no_probabilities_but_the_small_one_does() -> None:
    with pytest.raises(RunError, match="have no probability"):
        tried(HAND, LARGE, SMALL)


def test_runs_on_other_benchmarks_are_refused() -> None:
    elsewhere = replace(LARGE, identity=Identity("elsewhere", "pocket", "f16", "pairwise"))
    with pytest.raises(RunError, match="elsewhere/pocket/f16/pairwise is not a run on toy"):
        tried(HAND, SMALL, elsewhere)


def test_a_missing_verdict_is_passed_on_first() -> None:
    ours = run(verdicts((None, "a"), ("a", "a")), "q2_k").verdicts
    given_ = [replace(verdict, p={"a": 0.4, "b": 0.3, "tie": 0.3} if verdict.verdict else None) for verdict in ours]
    found = tried(benchmark("a", "a"), run(given_, "q2_k"), run(verdicts(("a", "a"), ("a", "b")), "f16"))
    assert told(found) == [(0.0, 0.0, 3), (0.4, 0.5, 4), (ABOVE, 1.0, 3)]
