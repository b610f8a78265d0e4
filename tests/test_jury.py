"""Juries: verdicts combined by hand, agreement against scikit-learn and against the definition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from judgements import benchmark, compared, mirrored, mirrored_verdict, random_benchmark, random_verdicts, run, verdicts

from edge_judge.analysis.jury import Jury, fleiss, jury, majority, mean_probability
from edge_judge.errors import RunError
from edge_judge.metrics.alignment import NONE, TIE, A, B, align
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.metrics.trials import aligned_verdicts
from edge_judge.records import Benchmark, Label, Run, Verdict
from edge_judge.report.jury import jury_table

SEEDS = st.integers(0, 10_000)


def jurors(seed: int, judged: Benchmark, count: int = 3) -> list[Run]:
    return [run(random_verdicts(seed + place, judged), f"q{place}") for place in range(count)]


def seated(judged: Benchmark, runs: Sequence[Run]) -> Jury:
    return jury([RecordedRun(one, judged) for one in runs])


@pytest.mark.parametrize(
    ("said", "ties", "no_ties"),
    [
        ([A, A, B], A, A),
        ([A, B, B, NONE], B, B),
        ([A, B], TIE, B),  # by the mean probability, of which b has more
        ([A, A, B, B, TIE], TIE, B),
        ([A, NONE, NONE], A, A),
        ([NONE, NONE], NONE, NONE),
        ([TIE, TIE, A], TIE, TIE),
    ],
)
def test_the_verdict_given_most_often(said: list[int], ties: int, no_ties: int) -> None:
    p = np.array([[0.2, 0.3, 0.5]])
    opinions = np.array(said)[:, None]
    assert majority(opinions, p, ties=True).tolist() == [ties]
    assert majority(opinions, p, ties=False).tolist() == [no_ties]


def test_a_label_nobody_gave_is_not_the_majoritys_however_probable() -> None:
    assert majority(np.array([[A], [B]]), np.array([[0.3, 0.2, 0.5]]), ties=False).tolist() == [A]


def test_a_jury_worked_by_hand() -> None:
    judged = benchmark("a", "b", "tie")
    p: list[dict[Label, float]] = [{"a": 0.6, "b": 0.4}, {"a": 0.1, "b": 0.9}, {"a": 0.6, "b": 0.4}]
    runs = [
        run([Verdict("0", "ab", "a", p[0]), Verdict("1", "ab", "a", p[0]), Verdict("2", "ab", "a", p[0])], "q2_k"),
        run([Verdict("0", "ab", "b", p[1]), Verdict("1", "ab", "b", p[1]), Verdict("2", "ab", "b", p[1])], "q3_k_m"),
        run([Verdict("0", "ab", "a", p[2]), Verdict("1", "ab", "a", p[2]), Verdict("2", "ab", None)], "f16"),
    ]
    found = seated(judged, runs)
    assert (found.pairs, found.verdicts, found.trials, found.best) == (3, 3, 3, 0)
    assert [one.accuracy.k for one in found.jurors] == [1, 1, 1]
    assert [one.format_errors.k for one in found.jurors] == [0, 0, 1]
    # majority: a, a, and of one a and one b a tie; mean probability: b (0.57), b, b (0.65)
    assert [(one.name, one.accuracy.k) for one in found.together] == [("majority", 2), ("mean probability", 1)]
    assert found.together[0].gain.value == pytest.approx(100 / 3)
    assert [(two.first.scheme, two.second.scheme, two.agreement.k) for two in found.twos] == [
        ("q2_k", "q3_k_m", 0), ("q2_k", "f16", 2), ("q3_k_m", "f16", 0),
    ]  # fmt: skip


def test_without_probabilities_there_is_a_majority_only() -> None:
    found = seated(benchmark("a"), [run(verdicts(("a", "b")), "q2_k"), run(verdicts(("a", "a")), "f16")])
    by_count, by_p = found.together
    assert by_count.accuracy.k == 1  # in the order ba, of an a and a b, a tie
    assert (by_p.accuracy.value, by_p.gain.value) == (None, None)


def test_two_that_differ_where_ties_are_illegal_and_nobody_has_probabilities_are_undecided_and_not_wrong() -> None:
    judged = benchmark("a", "a", "b", ties=False)
    said = (("a", "a"), ("a", "b"), ("a", "a")), (("b", "b"), ("a", "a"), ("a", "a"))
    found = seated(judged, [run(verdicts(*one), name) for one, name in zip(said, ("q2_k", "f16"), strict=True)])
    by_count = found.together[0]
    assert (by_count.undecided.k, by_count.undecided.n) == (3, 6)
    assert (by_count.accuracy.k, by_count.accuracy.n) == (1, 3)  # where both say a: right once of three times
    assert by_count.gain.value == 0
    assert "majority: no verdict in 50.0 % of verdicts" in " ".join(jury_table(found).split())


def test_equal_probabilities_where_ties_are_illegal_are_undecided_too() -> None:
    judged = benchmark("a", ties=False)
    p: list[dict[Label, float]] = [{"a": 0.75, "b": 0.25}, {"a": 0.25, "b": 0.75}]
    runs = [run([Verdict("0", "ab", max(q, key=q.__getitem__), q)], name) for q, name in zip(p, "xy", strict=True)]
    assert [way.undecided.k for way in seated(judged, runs).together] == [1, 1]
    assert seated(replace(judged, ties=True), runs).together[0].undecided.k == 0


@given(SEEDS, st.integers(2, 5))
def test_an_undecided_jury_is_one_whose_votes_and_probabilities_are_even(seed: int, count: int) -> None:
    judged = random_benchmark(seed, 12, ties=False)
    runs = [
        replace(one, verdicts=tuple(replace(v, p=None) for v in one.verdicts)) for one in jurors(seed, judged, count)
    ]
    given_ = [[v.verdict for v in row] for row in zip(*(one.verdicts for one in runs), strict=True)]
    even = sum(row.count("a") == row.count("b") > 0 for row in given_)
    assert seated(judged, runs).together[0].undecided.k == even


def test_a_juror_without_a_verdict_has_no_say_in_the_mean() -> None:
    judged = benchmark("a")
    sure: dict[Label, float] = {"a": 0.8, "b": 0.1, "tie": 0.1}
    unread: dict[Label, float] = {"a": 0.0, "b": 1.0, "tie": 0.0}
    said = [Verdict("0", "ab", "a", sure), Verdict("0", "ab", None, unread)]
    tables = [aligned_verdicts(align(judged, [verdict])) for verdict in said]
    assert mean_probability(tables).tolist() == [[0.8, 0.1, 0.1]]
    assert np.isnan(mean_probability(tables[1:])).all()


@given(SEEDS, st.booleans())
def test_jurors_are_as_right_as_alone_and_agree_as_scikit_learn_says(seed: int, ties: bool) -> None:
    theirs = pytest.importorskip("sklearn.metrics", reason="compares with scikit-learn: pip install '.[test]'")
    judged = random_benchmark(seed, 20, ties=ties, votes=2, groups=7)
    runs = jurors(seed, judged)
    found = seated(judged, runs)
    for juror, alone in zip(found.jurors, runs, strict=True):
        assert juror.accuracy == compared(judged, alone, runs[0]).run.accuracy
    best = max(juror.accuracy.k or 0 for juror in found.jurors)
    assert found.best is not None and found.jurors[found.best].accuracy.k == best
    codes = [align(judged, alone.verdicts).verdict for alone in runs]
    assert found.twos[1].kappa.value == pytest.approx(theirs.cohen_kappa_score(codes[0], codes[2]))
    assert found.twos[1].agreement.value == pytest.approx(np.mean((codes[0] == codes[2]) & (codes[0] != NONE)))


@given(st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=2, max_size=9))
def test_fleiss_kappa_is_its_definition(rows: list[list[int]]) -> None:
    """Two jurors and two rows drawn at random: how often they agree, against how often any two opinions do."""
    agree = np.mean([[row[i] == row[j] for i in range(4) for j in range(4) if i != j] for row in rows])
    every = [said for row in rows for said in row]
    chance = np.mean([one == other for one in every for other in every])
    found = fleiss(np.array(rows).T, np.arange(len(rows)))
    if chance == 1:
        assert found.value is None
    else:
        assert found.value == pytest.approx((agree - chance) / (1 - chance))


def test_fleiss_kappa_worked_by_hand() -> None:
    """Three jurors say a a a, b b b, a a b and a b b: 2 of 3 pairs agree on average, 1/2 by chance."""
    found = fleiss(np.array([[A, B, A, A], [A, B, A, B], [A, B, B, B]]), np.arange(4))
    assert found.value == pytest.approx((2 / 3 - 1 / 2) / (1 / 2))
    assert found.low < found.value < found.high  # type: ignore[operator]


def test_who_say_one_thing_everywhere_have_no_kappa() -> None:
    found = seated(benchmark("a", "a"), [run(verdicts(("a", "a"), ("a", "a")), name) for name in ("q2_k", "f16")])
    assert (found.twos[0].agreement.value, found.twos[0].kappa.value, found.fleiss.value) == (1, None, None)


@given(SEEDS, st.booleans())
def test_swapping_a_and_b_changes_no_rate(seed: int, same_paper: bool) -> None:
    judged = random_benchmark(seed, 12, ties=seed % 2 == 0)
    runs = jurors(seed, judged)
    turned = [
        replace(one, verdicts=tuple(mirrored_verdict(verdict, same_paper=same_paper) for verdict in one.verdicts))
        for one in runs
    ]
    before, after = seated(judged, runs), seated(mirrored(judged, same_paper=same_paper), turned)
    assert [one.accuracy.k for one in after.jurors] == [one.accuracy.k for one in before.jurors]
    assert [one.accuracy.k for one in after.together] == [one.accuracy.k for one in before.together]
    assert [two.kappa.value for two in after.twos] == pytest.approx([two.kappa.value for two in before.twos])
    assert after.fleiss.value == pytest.approx(before.fleiss.value)


def test_the_order_of_the_jurors_changes_no_jury() -> None:
    judged = random_benchmark(5, 40)
    runs = jurors(5, judged)
    assert seated(judged, runs[::-1]).together == seated(judged, runs).together


def test_a_pair_nobody_judged_counts_in_agreement_only() -> None:
    found = seated(benchmark((), "a"), [run(verdicts(("a", "a"), ("a", "a")), name) for name in ("q2_k", "f16")])
    assert (found.verdicts, found.trials, found.twos[0].agreement.n) == (4, 2, 4)
    nothing = seated(benchmark(()), [run(verdicts(("a", "b")), name) for name in ("q2_k", "f16")])
    assert (nothing.best, nothing.trials, nothing.together[0].gain.value) == (None, 0, None)


def test_one_juror_or_none_in_common_is_refused() -> None:
    one = run(verdicts(("a", "a")))
    with pytest.raises(RunError, match="a jury needs at least two runs"):
        seated(benchmark("a"), [one])
    with pytest.raises(RunError, match="no pair and order in common"):
        seated(benchmark("a"), [run(one.verdicts[:1]), run(one.verdicts[1:], "f16")])
