"""Figures: by hand where few, against scikit-learn where many, and by what must not matter to them."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from dataclasses import replace
from itertools import product
from statistics import fmean

import pytest
from effort import steps
from hypothesis import given, settings
from hypothesis import strategies as st
from judgements import (
    WHO,
    benchmark,
    known,
    mirrored,
    mirrored_verdict,
    random_benchmark,
    random_verdicts,
    run,
    scored,
    verdicts,
)

from edge_judge import benchmarks
from edge_judge.errors import DataError, RunError
from edge_judge.metrics.calibration import reliability
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.metrics.scoring import DEPARTURES, attainable, baselines, human_agreement, near_chance
from edge_judge.records import LABELS, ORDERS, Benchmark, Figure, Label, Pair, Verdict

HAND = benchmark("a", "a", "b", "tie", "b")
JUDGED = verdicts(("a", "a"), ("a", "b"), ("b", None), ("tie", "tie"), ("a", "a"))
STRICT = (
    "accuracy agreement consistency position_bias tie_rate format_errors debiased_accuracy "
    "macro_f1 kappa brier ece mean_mass truncated"
).split()


def strict(judged: Benchmark, given: list[Verdict]) -> dict[str, Figure]:
    return dict(scored(judged, given, WHO).strict)


def test_ten_verdicts_worked_by_hand() -> None:
    figures = strict(HAND, JUDGED)
    counted = {name: (figures[name].k, figures[name].n) for name in STRICT if figures[name].n}
    assert counted == {
        "accuracy": (6, 10),  # 2 + 1 + 1 + 2 + 0
        "agreement": (2, 5),  # the first pair and the tie
        "consistency": (3, 5),  # those and the last, which is wrong both times
        "tie_rate": (2, 10),
        "format_errors": (1, 10),
        "truncated": (0, 10),
    }
    # shown first won: pair 0 ab, pair 1 both, pair 4 ab; shown second: pair 0 ba, pair 2 ab, pair 4 ba
    assert figures["position_bias"].value == pytest.approx((4 - 3) / 10)
    assert [figures[name].value for name in ("debiased_accuracy", "brier", "ece", "mean_mass")] == [None] * 4


def test_a_score_says_whose_it_is_and_what_it_covers() -> None:
    result = scored(HAND, JUDGED[:7], WHO)
    assert (result.benchmark, result.model, result.scheme, result.grammar) == (
        "toy",
        "pocket",
        "q4_k_m",
        "pairwise",
    )
    assert (result.pairs, result.verdicts) == (4, 7)
    assert list(result.strict) == STRICT


KNOWN = pytest.mark.parametrize("name", benchmarks.names())


def trials(judged: Benchmark, given: list[Verdict]) -> list[tuple[Label, Verdict]]:
    """Every verdict with every vote on its pair."""
    labels = {pair.id: pair.labels for pair in judged.pairs}
    return [(vote, verdict) for verdict in given for vote in labels[verdict.id]]


@KNOWN
def test_figures_are_those_of_scikit_learn(name: str) -> None:
    theirs = pytest.importorskip("sklearn.metrics", reason="compares with scikit-learn: pip install '.[test]'")
    judged = known(name)
    given = random_verdicts(3, judged)
    figures, met = strict(judged, given), trials(judged, given)
    true, said = [vote for vote, _ in met], [verdict.verdict or "none" for _, verdict in met]
    assert figures["accuracy"].value == pytest.approx(theirs.accuracy_score(true, said))
    legal = sorted(set(true))
    assert figures["macro_f1"].value == pytest.approx(theirs.f1_score(true, said, labels=legal, average="macro"))
    assert figures["kappa"].value == pytest.approx(theirs.cohen_kappa_score(true, said))
    held = [(vote, verdict.p) for vote, verdict in met if verdict.p]
    chances = [[p[label] for label in legal] for _, p in held]
    if legal == ["a", "b"]:  # of two classes scikit-learn takes the probability of the second, and refuses both
        chances = [p[1] for p in chances]  # type: ignore[misc]
    true = [vote for vote, _ in held]
    expected = theirs.brier_score_loss(true, chances, labels=legal, pos_label=legal[-1], scale_by_half=False)
    assert figures["brier"].value == pytest.approx(expected)


@KNOWN
def test_figures_about_both_orders_are_those_counted_pair_by_pair(name: str) -> None:
    judged = known(name)
    given = random_verdicts(4, judged)
    figures, said = strict(judged, given), {(verdict.id, verdict.order): verdict for verdict in given}
    both = [(pair, said[pair.id, "ab"].verdict, said[pair.id, "ba"].verdict) for pair in judged.pairs]
    steady = [forward is not None and forward == backward for _, forward, backward in both]
    assert (figures["consistency"].k, figures["consistency"].n) == (sum(steady), len(both))
    right = [vote == forward == backward for pair, forward, backward in both for vote in pair.labels]
    assert (figures["agreement"].k, figures["agreement"].n) == (sum(right), len(right))
    first = sum((forward == "a") + (backward == "b") for _, forward, backward in both)
    second = sum((forward == "b") + (backward == "a") for _, forward, backward in both)
    assert figures["position_bias"].value == pytest.approx((first - second) / len(given))
    for figure, counted in (
        ("tie_rate", [verdict.verdict == "tie" for verdict in given]),
        ("format_errors", [verdict.verdict is None for verdict in given]),
        ("truncated", [verdict.truncated for verdict in given]),
    ):
        assert (figures[figure].k, figures[figure].n) == (sum(counted), len(given))


@KNOWN
def test_the_calibration_error_is_the_one_counted_bin_by_bin(name: str) -> None:
    judged = known(name)
    given = random_verdicts(5, judged)
    bins: dict[int, list[float]] = {}
    for vote, verdict in trials(judged, given):
        if verdict.verdict and verdict.p:
            sure = verdict.p[verdict.verdict]
            bins.setdefault(min(9, int(10 * sure)), []).append(sure - (vote == verdict.verdict))
    n = sum(map(len, bins.values()))
    expected = sum(len(gaps) / n * abs(fmean(gaps)) for gaps in bins.values())
    recorded = run(given)
    recorded = replace(recorded, identity=replace(recorded.identity, benchmark=name))
    curve = reliability(RecordedRun(recorded, judged))
    assert sum((one.right.n or 0) / n * abs(one.confidence - (one.right.value or 0)) for one in curve) == pytest.approx(
        expected
    )
    figure = strict(judged, given)["ece"]
    assert 0 <= figure.low <= figure.value <= expected <= figure.high + 1e-12  # type: ignore[operator]


@KNOWN
def test_the_paper_figure_is_the_one_counted_vote_by_vote(name: str) -> None:
    judged = known(name)
    given = random_verdicts(6, judged)
    said = {(verdict.id, verdict.order): verdict.verdict or "tie" for verdict in given}
    if name == "auto-j":
        right = [pair.labels[0] == said[pair.id, "ab"] == said[pair.id, "ba"] for pair in judged.pairs]
    else:
        right = [
            vote == said[pair.id, order]
            for pair in judged.pairs
            for vote, order in zip(pair.labels, pair.given or ("ab",) * len(pair.labels), strict=True)
        ]
    ((figure, counted),) = scored(judged, given, WHO).paper.items()
    assert figure == ("agreement" if name == "auto-j" else "accuracy")
    assert (counted.k, counted.n) == (sum(right), sum(len(pair.labels) for pair in judged.pairs))


@KNOWN
def test_a_run_without_a_single_verdict_is_all_wrong_and_all_malformed(name: str) -> None:
    judged = known(name)
    figures = strict(judged, [Verdict(pair.id, order, None) for pair in judged.pairs for order in ORDERS])
    assert (figures["accuracy"].value, figures["format_errors"].value) == (0.0, 1.0)
    for figure in ("agreement", "consistency", "tie_rate", "position_bias", "macro_f1"):
        assert figures[figure].value == 0.0, figure


def test_garbage_agrees_with_auto_j_as_often_as_its_labels_tie_where_the_paper_is_followed() -> None:
    judged = known("auto-j")
    garbage = [Verdict(pair.id, order, None) for pair in judged.pairs for order in ORDERS]
    figure = scored(judged, garbage, WHO).paper["agreement"]
    assert (figure.k, figure.n) == (373, 1392)


def test_every_interval_holds_its_value_and_has_width() -> None:
    for seed in range(5):
        judged = random_benchmark(seed, 30, votes=2, groups=7)
        for name, figure in strict(judged, random_verdicts(seed, judged)).items():
            assert figure.value is not None and figure.low is not None and figure.high is not None, name
            assert figure.low <= figure.value <= figure.high, name
            assert figure.low < figure.high, name


def test_a_perfect_judge_is_not_certain() -> None:
    judged = benchmark(*LABELS * 10)
    right = [Verdict(p.id, o, p.labels[0], {p.labels[0]: 1.0}, mass=1.0) for p in judged.pairs for o in ("ab", "ba")]
    best = dict.fromkeys(("position_bias", "format_errors", "brier", "ece", "truncated"), 0.0)
    best["tie_rate"] = 1 / 3
    for name, figure in strict(judged, right).items():
        assert figure.value == pytest.approx(best.get(name, 1.0)), name
        assert figure.high - figure.low > 0.01, name  # type: ignore[operator]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), pairs=st.integers(1, 25), votes=st.integers(1, 3), ties=st.booleans())
def test_swapping_a_and_b_everywhere_changes_no_strict_figure(seed: int, pairs: int, votes: int, ties: bool) -> None:
    judged = random_benchmark(seed, pairs, ties=ties, votes=votes, groups=5, given=True)
    given = random_verdicts(seed, judged)
    before = strict(judged, given)
    for same_paper in (True, False):
        swapped = [mirrored_verdict(verdict, same_paper=same_paper) for verdict in given]
        after = strict(mirrored(judged, same_paper=same_paper), swapped)
        for name, figure in before.items():
            # the same sheets: the judge favours the same place; verdicts mirrored on them: the other
            sign = -1 if name == "position_bias" and not same_paper else 1
            if figure.value is None:
                assert after[name].value is None
            else:
                assert after[name].value == pytest.approx(sign * figure.value, abs=1e-12), name
                if sign == 1:
                    assert (after[name].low, after[name].high) == pytest.approx((figure.low, figure.high)), name


@KNOWN
@pytest.mark.parametrize("same_paper", [True, False])
def test_the_name_of_an_answer_does_not_matter_to_any_benchmark(name: str, same_paper: bool) -> None:
    judged = known(name)
    given = random_verdicts(7, judged)
    swapped = [mirrored_verdict(verdict, same_paper=same_paper) for verdict in given]
    before, after = scored(judged, given, WHO), scored(mirrored(judged, same_paper=same_paper), swapped, WHO)
    assert (after.baselines, after.human_agreement) == (before.baselines, before.human_agreement)
    assert after.paper == before.paper
    for figure in set(STRICT) - {"position_bias"}:
        assert after.strict[figure].value == pytest.approx(before.strict[figure].value), figure


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
    assert scored(judged, given, WHO) == scored(judged, shuffled, WHO)


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


def test_a_judge_that_is_right_as_often_as_it_says_may_have_no_calibration_error() -> None:
    chance = random.Random(1)
    judged = benchmark(*["a" if chance.random() < 0.55 + place % 9 / 20 else "b" for place in range(900)])
    sure = [0.55 + place % 9 / 20 for place in range(900)]  # right as often as it says
    given = [Verdict(str(place), "ab", "a", {"a": p, "b": 1 - p}) for place, p in enumerate(sure)]
    figure = strict(judged, given)["ece"]
    assert figure.value is not None and figure.low is not None and figure.high is not None
    assert figure.low == 0
    assert figure.value < 0.02 < figure.high < 0.06


def test_four_verdicts_cannot_tell_a_calibration_error_from_chance() -> None:
    judged = benchmark("a", "a", "a", "b", ties=False)
    given = [Verdict(str(i), "ab", "a", {"a": p, "b": 1 - p}) for i, p in enumerate((0.72, 0.78, 1.0, 0.95))]
    # bin 0.7-0.8: confidence 1.5, right 2; bin 0.9-1.0: confidence 1.95, right 1
    figure = strict(judged, given)["ece"]
    assert (figure.value, figure.low) == (0.0, 0.0)
    assert figure.high > (0.5 + 0.95) / 4  # type: ignore[operator]


def test_a_large_calibration_error_loses_what_chance_adds_and_nothing_more() -> None:
    chance = random.Random(4)
    judged = benchmark(*["a" if chance.random() < 0.6 else "b" for _ in range(1500)], ties=False)
    given = [Verdict(str(i), "ab", "a", {"a": 0.95, "b": 0.05}) for i in range(1500)]
    right = fmean(pair.labels[0] == "a" for pair in judged.pairs)
    figure = strict(judged, given)["ece"]
    assert figure.value == pytest.approx(0.95 - right, abs=1e-3)  # one bin, so chance adds nothing
    half = 1.96 * (right * (1 - right) / 1500) ** 0.5
    assert (figure.low, figure.high) == pytest.approx((0.95 - right - half, 0.95 - right + half), abs=3e-3)


def test_the_calibration_error_is_about_the_verdict_that_was_given() -> None:
    torn = [Verdict("0", "ab", "tie", {"a": 0.45, "b": 0.35, "tie": 0.2}), Verdict("0", "ba", None, {"a": 1.0})]
    assert strict(benchmark("tie"), torn)["ece"].value == pytest.approx(0.8)


def test_verdicts_on_shortened_answers_are_counted_whatever_they_say() -> None:
    given = [replace(verdict, truncated=verdict.order == "ba") for verdict in JUDGED]
    assert (strict(HAND, given)["truncated"].k, strict(HAND, given)["truncated"].n) == (5, 10)


def test_the_paper_profile_takes_a_missing_verdict_for_a_tie_in_the_given_order() -> None:
    given = verdicts((None, "a"), ("a", None), ("b", "b"))
    paper = scored(benchmark("tie", "a", "a"), given, WHO).paper
    assert list(paper) == ["accuracy"]
    assert (paper["accuracy"].k, paper["accuracy"].n) == (2, 3)


def test_the_paper_profile_of_auto_j_is_agreement_over_all_items() -> None:
    judged = benchmark("tie", "a", "a", "b", name="auto-j")
    paper = scored(judged, verdicts((None, "tie"), ("a", "a"), ("a", "b"), ("a", "a")), WHO).paper
    assert list(paper) == ["agreement"]
    assert (paper["agreement"].k, paper["agreement"].n) == (2, 4)


def test_the_paper_profile_holds_a_vote_to_the_verdict_in_the_order_it_saw() -> None:
    pair = Pair("0", "q", "x", "y", ("a", "b", "a"), given=("ab", "ba", "ba"))
    judged = Benchmark("mt-bench", (pair,), "", True, "")
    given = verdicts(("a", "b"))
    assert scored(judged, given, WHO).paper["accuracy"].k == 2  # "a" seen as ab, "b" seen as ba
    alone = scored(judged, given[:1], WHO).paper["accuracy"]
    assert (alone.k, alone.n) == (1, 1)  # the two votes in the other order have no verdict to be held to
    assert scored(judged, given[:1], WHO).strict["accuracy"].n == 3


def test_a_reader_that_forgets_the_order_of_a_vote_is_found_out() -> None:
    torn = Pair("0", "q", "x", "y", ("a", "b"), given=("ba",))
    with pytest.raises(DataError, match="pair '0': 2 votes, 1 orders"):
        scored(Benchmark("toy", (torn,), "", True, ""), verdicts(("a", "a")), WHO)


def test_how_far_the_labels_can_depart_from_the_published_ones_is_said_in_numbers() -> None:
    assert f"{49 / 3 / 999:.1%}".replace("%", " %") in DEPARTURES["pandalm"]
    assert f"{49 / 999:.1%}".replace("%", " %") in DEPARTURES["pandalm"]


def test_the_human_agreement_is_how_often_a_vote_is_with_the_majority_of_the_others() -> None:
    three = human_agreement(benchmark(("a", "a", "b")))
    assert (three.k, three.n) == (0, 1)  # only the b has others of one mind: for each a they are split
    four = human_agreement(benchmark(("a", "a", "a", "b"), ("tie", "tie")))
    assert (four.k, four.n) == (5, 6)
    assert human_agreement(benchmark("a", (), ("b",))) == Figure(None)


def test_of_two_votes_a_pair_the_human_agreement_is_the_one_in_fleiss_kappa() -> None:
    rater = pytest.importorskip("statsmodels.stats.inter_rater", reason="pip install '.[test]'")
    judged = random_benchmark(7, 200, votes=2)
    counts = [[pair.labels.count(label) for label in LABELS] for pair in judged.pairs]
    expected = sum((sum(column) / 400) ** 2 for column in zip(*counts, strict=True))
    agreement = human_agreement(judged).value
    assert agreement is not None
    assert rater.fleiss_kappa(counts) == pytest.approx((agreement - expected) / (1 - expected))


def test_the_human_agreement_knows_the_clusters() -> None:
    votes = [("a", "a") if place % 2 else ("a", "b") for place in range(40)]
    apart = human_agreement(benchmark(*votes))
    of_a_kind = human_agreement(benchmark(*votes, groups=[f"{place % 2} {place // 10}" for place in range(40)]))
    assert apart.value == of_a_kind.value == 0.5
    assert of_a_kind.high - of_a_kind.low > apart.high - apart.low  # type: ignore[operator]


def test_a_score_carries_what_people_and_what_judges_that_do_not_read_get_on_the_same_pairs() -> None:
    judged = benchmark(("a", "a"), ("b", "tie"), "b")
    result = scored(judged, verdicts(("a", "b"), ("b", "b"))[:3], WHO)
    cut = replace(judged, pairs=judged.pairs[:2])
    assert (result.baselines, result.human_agreement) == (baselines(cut), human_agreement(cut))
    forward = scored(judged, [Verdict("0", "ab", "a")], WHO)
    assert forward.baselines == baselines(replace(judged, pairs=judged.pairs[:1]), ["ab"])


def test_no_judge_agrees_with_more_votes_than_is_attainable_and_one_does() -> None:
    """Every judge there is, tried on three pairs: the most right verdicts of any is what is said to be attainable."""
    votes: list[tuple[Label, ...]] = [("a", "a", "b"), ("tie", "tie", "b", "b", "tie"), ("b",)]
    for ties, legal in ((True, LABELS), (False, LABELS[:2])):
        judged = benchmark(*votes, ties=ties)
        tried = [
            sum(said == vote for said, pair in zip(judge, votes, strict=True) for vote in pair)
            for judge in product(legal, repeat=3)
        ]
        found = attainable(judged)
        assert (found.k, found.n) == (max(tried), 9)
    assert attainable(benchmark("a", (), ("b",))) == Figure(None)


def test_a_perfect_judge_reaches_what_is_attainable_and_beats_human_agreement() -> None:
    judged = random_benchmark(3, 40, votes=3)
    best = [max(LABELS, key=pair.labels.count) for pair in judged.pairs]
    accuracy = scored(judged, verdicts(*[(label, label) for label in best]), WHO).strict["accuracy"]
    assert accuracy.value == attainable(judged).value > human_agreement(judged).value  # type: ignore[operator]


def test_votes_beside_a_label_tell_how_people_agree_and_decide_no_accuracy() -> None:
    voted = benchmark(("a", "a", "b"), ("b", "b", "b"))
    held = replace(voted, pairs=tuple(replace(p, labels=(p.labels[0],), votes=p.labels) for p in voted.pairs))
    assert (human_agreement(held), attainable(held)) == (human_agreement(voted), attainable(voted))
    assert scored(held, verdicts(("a", "a"), ("b", "b")), WHO).strict["accuracy"].value == 1


@KNOWN
def test_only_mt_bench_and_pandalm_have_people_to_compare_people_with(name: str) -> None:
    people = {"mt-bench", "pandalm"}
    assert (human_agreement(known(name)).value is not None) == (name in people)
    assert (attainable(known(name)).value is not None) == (name in people)


def test_over_one_order_always_the_first_and_always_the_second_differ() -> None:
    judged = benchmark("a", "a", "b", "tie")
    forward, both = baselines(judged, ["ab"]), baselines(judged)
    assert [forward[name].value for name in ("always_first", "always_second")] == [0.5, 0.25]
    assert both["always_first"] == both["always_second"]
    assert both["always_first"].value == 0.375
    backward = baselines(judged, ["ba"])
    assert backward["always_first"] == forward["always_second"]


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
    with pytest.raises(RunError, match="'7', which is not in the benchmark"):
        scored(HAND, [Verdict("7", "ab", "a")], WHO)
    with pytest.raises(RunError, match="two verdicts on pair '0' in the order ab"):
        scored(HAND, [Verdict("0", "ab", "a"), Verdict("0", "ab", "b")], WHO)
    twins = Benchmark("toy", HAND.pairs[:1] * 2, "", True, "")
    with pytest.raises(DataError, match="two pairs have the same id"):
        scored(twins, [], WHO)


def test_figures_are_plain_numbers() -> None:
    for figure in strict(HAND, JUDGED).values():
        for number in (figure.value, figure.low, figure.high):
            assert number is None or (type(number) is float and math.isfinite(number))
        assert type(figure.k) in (int, type(None))


def test_twice_as_many_verdicts_take_no_more_than_twice_the_steps() -> None:
    """Work that grew with the square of the verdicts would take nearly four times as many."""

    def taken(pairs: int) -> int:
        judged = random_benchmark(1, pairs)
        given = random_verdicts(1, judged)
        return steps(lambda: scored(judged, given, WHO))

    taken(10)  # what is imported and compiled once
    assert taken(400) < 2 * taken(200)


def test_importing_the_room_loads_no_numbers() -> None:
    code = (
        "import sys, edge_judge.report; "
        "print(sorted({'numpy', 'scipy', 'pandas', 'rich'} & {name.split('.')[0] for name in sys.modules}))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True).stdout == "[]\n"
    )


@pytest.mark.parametrize("p", [{"a": 0.7, "b": 0.2}, {"a": 0.9}, {}])
def test_a_partly_missing_probability_is_undefined_and_not_zero(p: dict[str, float]) -> None:
    figures = strict(benchmark("a"), [Verdict("0", "ab", "a", p), Verdict("0", "ba", "a", p)])  # type: ignore[arg-type]
    assert [figures[name].value for name in ("brier", "ece", "debiased_accuracy")] == [None] * 3


def test_a_label_that_is_not_legal_needs_no_probability() -> None:
    figures = strict(benchmark("a", ties=False), [Verdict("0", "ab", "a", {"a": 0.75, "b": 0.25})])
    assert figures["brier"].value == pytest.approx(2 * 0.25**2)
