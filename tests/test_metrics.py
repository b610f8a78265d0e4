"""Figures: by hand where few, against scikit-learn where many, and by what must not matter to them."""

from __future__ import annotations

import math
import random
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judgements import (
    WHO,
    benchmark,
    mirrored,
    mirrored_verdict,
    random_benchmark,
    random_verdicts,
    verdicts,
)
from sklearn.metrics import accuracy_score, brier_score_loss, cohen_kappa_score, f1_score

from edge_judge.errors import DataError, RunError
from edge_judge.metrics import baselines, near_chance, score
from edge_judge.records import LABELS, Benchmark, Figure, Pair, Verdict

HAND = benchmark("a", "a", "b", "tie", "b")
JUDGED = verdicts(("a", "a"), ("a", "b"), ("b", None), ("tie", "tie"), ("a", "a"))
STRICT = (
    "accuracy agreement consistency position_bias tie_rate format_errors debiased_accuracy "
    "macro_f1 kappa brier ece mean_mass"
).split()


def strict(judged: Benchmark, given: list[Verdict]) -> dict[str, Figure]:
    return dict(score(judged, given, WHO).strict)


def test_ten_verdicts_worked_by_hand() -> None:
    figures = strict(HAND, JUDGED)
    counted = {name: (figures[name].k, figures[name].n) for name in STRICT if figures[name].n}
    assert counted == {
        "accuracy": (6, 10),  # 2 + 1 + 1 + 2 + 0
        "agreement": (2, 5),  # the first pair and the tie
        "consistency": (3, 5),  # those and the last, which is wrong both times
        "tie_rate": (2, 10),
        "format_errors": (1, 10),
    }
    # shown first won: pair 0 ab, pair 1 both, pair 4 ab; shown second: pair 0 ba, pair 2 ab, pair 4 ba
    assert figures["position_bias"].value == pytest.approx((4 - 3) / 10)
    assert [figures[name].value for name in ("debiased_accuracy", "brier", "ece", "mean_mass")] == [None] * 4


def test_a_score_says_whose_it_is_and_what_it_covers() -> None:
    result = score(HAND, JUDGED[:7], WHO)
    assert (result.benchmark, result.model, result.scheme, result.grammar) == (
        "toy",
        "pocket",
        "q4_k_m",
        "pairwise",
    )
    assert (result.pairs, result.verdicts) == (4, 7)
    assert list(result.strict) == STRICT


@pytest.mark.parametrize(("ties", "votes"), [(True, 1), (False, 1), (True, 3)])
def test_figures_are_those_of_scikit_learn(ties: bool, votes: int) -> None:
    judged = random_benchmark(2, 150, ties=ties, votes=votes, groups=40)
    given = random_verdicts(3, judged)
    figures, labels = strict(judged, given), {pair.id: pair.labels for pair in judged.pairs}
    trials = [(vote, verdict) for verdict in given for vote in labels[verdict.id]]
    true, said = [vote for vote, _ in trials], [verdict.verdict or "none" for _, verdict in trials]
    assert figures["accuracy"].value == pytest.approx(accuracy_score(true, said))
    legal = sorted(set(true))
    assert figures["macro_f1"].value == pytest.approx(f1_score(true, said, labels=legal, average="macro"))
    assert figures["kappa"].value == pytest.approx(cohen_kappa_score(true, said))
    known = [(vote, verdict.p) for vote, verdict in trials if verdict.p]
    chances = [[p[label] for label in legal] for _, p in known]
    if len(legal) == 3:
        expected = brier_score_loss([vote for vote, _ in known], chances, labels=legal, scale_by_half=False)
        assert figures["brier"].value == pytest.approx(expected)


def test_every_interval_holds_its_value_and_has_width() -> None:
    for seed in range(5):
        judged = random_benchmark(seed, 30, votes=2, groups=7)
        for name, figure in strict(judged, random_verdicts(seed, judged)).items():
            assert figure.value is not None and figure.low is not None and figure.high is not None, name
            assert figure.low <= figure.value <= figure.high, name
            assert figure.low < figure.high, name


def test_a_perfect_judge_is_not_certain() -> None:
    judged = benchmark(*LABELS * 10)
    right = [
        Verdict(p.id, o, p.labels[0], {p.labels[0]: 1.0}, mass=1.0)
        for p in judged.pairs
        for o in ("ab", "ba")
    ]
    for name, figure in strict(judged, right).items():
        best = {"position_bias": 0.0, "tie_rate": 1 / 3, "format_errors": 0.0, "brier": 0.0, "ece": 0.0}
        assert figure.value == pytest.approx(best.get(name, 1.0)), name
        assert figure.high - figure.low > 0.01, name  # type: ignore[operator]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), pairs=st.integers(1, 25), votes=st.integers(1, 3), ties=st.booleans())
def test_swapping_a_and_b_everywhere_changes_no_strict_figure(
    seed: int, pairs: int, votes: int, ties: bool
) -> None:
    judged = random_benchmark(seed, pairs, ties=ties, votes=votes, groups=5)
    given = random_verdicts(seed, judged)
    before = strict(judged, given)
    for same_paper in (True, False):
        swapped = [mirrored_verdict(verdict, same_paper=same_paper) for verdict in given]
        after = strict(mirrored(judged), swapped)
        for name, figure in before.items():
            # the same sheets: the judge favours the same place; verdicts mirrored on them: the other
            sign = -1 if name == "position_bias" and not same_paper else 1
            if figure.value is None:
                assert after[name].value is None
            else:
                assert after[name].value == pytest.approx(sign * figure.value, abs=1e-12), name
                if sign == 1:
                    assert (after[name].low, after[name].high) == pytest.approx((figure.low, figure.high)), (
                        name
                    )


@given(st.lists(st.sampled_from(["a", "b", "tie"]), min_size=1, max_size=20))
def test_a_judge_that_never_answers_is_always_wrong_and_always_malformed(labels: list[str]) -> None:
    figures = strict(benchmark(*labels), verdicts(*[(None, None)] * len(labels)))  # type: ignore[arg-type]
    assert (figures["accuracy"].value, figures["format_errors"].value) == (0.0, 1.0)
    assert (figures["consistency"].value, figures["agreement"].value, figures["tie_rate"].value) == (
        0.0,
        0.0,
        0.0,
    )
    assert figures["accuracy"].high > 0 and figures["format_errors"].low < 1  # type: ignore[operator]


def test_the_order_in_which_verdicts_were_reached_does_not_matter() -> None:
    judged = random_benchmark(4, 40, groups=9)
    given = random_verdicts(4, judged)
    shuffled = random.Random(0).sample(given, len(given))
    assert score(judged, given, WHO) == score(judged, shuffled, WHO)


def test_one_order_alone_says_nothing_of_agreement_consistency_or_position() -> None:
    given = [verdict for verdict in JUDGED if verdict.order == "ab"]
    figures = strict(HAND, given)
    assert [figures[name] for name in ("agreement", "consistency", "position_bias")] == [Figure(None)] * 3
    assert (figures["accuracy"].k, figures["accuracy"].n) == (4, 5)


def test_pairs_nobody_judged_count_for_consistency_and_not_for_accuracy() -> None:
    figures = strict(benchmark("a", (), ()), verdicts(("a", "a"), ("b", "b"), ("a", None)))
    assert (figures["accuracy"].k, figures["accuracy"].n) == (2, 2)
    assert (figures["consistency"].k, figures["consistency"].n) == (2, 3)
    assert (figures["format_errors"].k, figures["format_errors"].n) == (1, 6)


def test_without_labels_or_verdicts_figures_are_undefined_and_not_zero() -> None:
    unlabelled = strict(benchmark((), ()), verdicts(("a", "a"), ("b", "b")))
    assert [unlabelled[name] for name in ("accuracy", "agreement", "macro_f1", "kappa")] == [Figure(None)] * 4
    assert set(strict(benchmark("a"), []).values()) == {Figure(None)}


def test_every_vote_on_a_pair_is_scored() -> None:
    figures = strict(benchmark(("a", "a", "b", "tie")), verdicts(("a", "b")))
    assert (figures["accuracy"].k, figures["accuracy"].n) == (3, 8)
    assert (figures["agreement"].k, figures["agreement"].n) == (0, 4)


def test_always_naming_the_first_answer_is_a_position_bias_of_one() -> None:
    figures = strict(benchmark("a", "b", "a"), verdicts(("a", "b"), ("a", "b"), ("a", "b")))
    assert (figures["position_bias"].value, figures["consistency"].value) == (1.0, 0.0)
    assert figures["accuracy"].value == 0.5


def test_the_mean_of_both_orders_undoes_a_position_bias() -> None:
    judged = benchmark("a", "b", ties=False)
    leaning = [
        ("0", "ab", 0.9),
        ("0", "ba", 0.4),
        ("1", "ab", 0.6),
        ("1", "ba", 0.1),
    ]  # p of a, each +0.25 if first
    given = [
        Verdict(pair, order, "a" if p > 0.5 else "b", {"a": p, "b": 1 - p})  # type: ignore[arg-type]
        for pair, order, p in leaning
    ]
    figures = strict(judged, given)
    assert (figures["accuracy"].value, figures["debiased_accuracy"].value) == (0.5, 1.0)


def test_probabilities_that_cancel_are_a_tie() -> None:
    even = [Verdict("0", "ab", "a", {"a": 0.75, "b": 0.25}), Verdict("0", "ba", "b", {"a": 0.25, "b": 0.75})]
    assert strict(benchmark("tie"), even)["debiased_accuracy"].value == 1.0
    assert strict(benchmark("a", ties=False), even)["debiased_accuracy"].value == 0.0


def test_the_interval_of_a_small_calibration_error_reaches_to_both_sides_of_it() -> None:
    chance = random.Random(1)
    judged = benchmark(*["a" if chance.random() < 0.55 + place % 9 / 20 else "b" for place in range(900)])
    sure = [0.55 + place % 9 / 20 for place in range(900)]  # right as often as it says
    given = [Verdict(str(place), "ab", "a", {"a": p, "b": 1 - p}) for place, p in enumerate(sure)]
    figure = strict(judged, given)["ece"]
    assert figure.value is not None and figure.low is not None and figure.high is not None
    assert figure.value < 0.05
    assert min(figure.value - figure.low, figure.high - figure.value) > 0.25 * (figure.high - figure.low)


def test_calibration_error_by_hand() -> None:
    judged = benchmark("a", "a", "a", "b", ties=False)
    given = [Verdict(str(i), "ab", "a", {"a": p, "b": 1 - p}) for i, p in enumerate((0.72, 0.78, 1.0, 0.95))]
    # bin 0.7-0.8: confidence 1.5, right 2; bin 0.9-1.0: confidence 1.95, right 1
    assert strict(judged, given)["ece"].value == pytest.approx((0.5 + 0.95) / 4)


def test_the_paper_profile_takes_a_missing_verdict_for_a_tie_in_the_given_order() -> None:
    given = verdicts((None, "a"), ("a", None), ("b", "b"))
    paper = score(benchmark("tie", "a", "a"), given, WHO).paper
    assert list(paper) == ["accuracy"]
    assert (paper["accuracy"].k, paper["accuracy"].n) == (2, 3)


def test_the_paper_profile_of_auto_j_is_agreement_over_all_items() -> None:
    judged = benchmark("tie", "a", "a", "b", name="auto-j")
    paper = score(judged, verdicts((None, "tie"), ("a", "a"), ("a", "b"), ("a", "a")), WHO).paper
    assert list(paper) == ["agreement"]
    assert (paper["agreement"].k, paper["agreement"].n) == (2, 4)


def test_baselines_are_what_judges_that_do_not_read_get() -> None:
    pairs = (
        Pair("0", "q", "long answer", "short", ("a",)),
        Pair("1", "q", "long answer", "short", ("b",)),
        Pair("2", "q", "same", "long", ("tie",)),
    )
    found = baselines(Benchmark("toy", pairs, "", True, ""))
    assert (found["always_first"].k, found["always_first"].n) == (2, 6)
    assert (found["longest"].k, found["longest"].n) == (4, 6)
    assert found["random"] == Figure(1 / 3)
    assert baselines(Benchmark("toy", pairs[:2], "", False, ""))["random"] == Figure(0.5)
    assert set(baselines(benchmark((), ())).values()) == {Figure(None)}


def test_a_judge_is_near_chance_unless_its_whole_interval_lies_above_the_best_baseline() -> None:
    without_model = {"always_first": Figure(0.4), "random": Figure(1 / 3), "longest": Figure(None)}
    assert near_chance(Figure(0.45, 0.39, 0.5), without_model)
    assert not near_chance(Figure(0.45, 0.41, 0.5), without_model)
    assert not near_chance(Figure(None), without_model)


def test_verdicts_that_do_not_belong_are_refused() -> None:
    with pytest.raises(RunError, match="'7', which the benchmark does not have"):
        score(HAND, [Verdict("7", "ab", "a")], WHO)
    with pytest.raises(RunError, match="two verdicts on pair '0' in the order ab"):
        score(HAND, [Verdict("0", "ab", "a"), Verdict("0", "ab", "b")], WHO)
    twins = Benchmark("toy", HAND.pairs[:1] * 2, "", True, "")
    with pytest.raises(DataError, match="two pairs have the same id"):
        score(twins, [], WHO)


def test_figures_are_plain_numbers() -> None:
    for figure in strict(HAND, JUDGED).values():
        for number in (figure.value, figure.low, figure.high):
            assert number is None or (type(number) is float and math.isfinite(number))
        assert type(figure.k) in (int, type(None))


def test_fourteen_thousand_verdicts_score_in_about_a_second() -> None:
    judged = random_benchmark(1, 7000)
    given = random_verdicts(1, judged)
    start = time.process_time()
    score(judged, given, WHO)
    assert time.process_time() - start < 2.5  # 0.3 s on an idle core


def test_importing_the_room_loads_no_numbers() -> None:
    code = (
        "import sys, edge_judge.report; "
        "print(sorted({'numpy', 'scipy', 'pandas', 'rich'} & {name.split('.')[0] for name in sys.modules}))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )
