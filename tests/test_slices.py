"""Slices: categories, length, authors and traits, held to pandas by hand and to plain loops."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
from judgements import benchmark, known, random_benchmark, random_verdicts, run

from edge_judge.analysis.compare import compare
from edge_judge.analysis.slices import Slices, family, slices
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.records import Benchmark, Identity, Label, Pair, Verdict

SIGN = {"a": 1, "b": -1, "tie": 0}


def sliced_pairs(seed: int = 3, pairs: int = 240) -> Benchmark:
    """Random labels in clusters, with three categories, lengths and authors."""
    made = random_benchmark(seed, pairs, groups=80)
    chance = np.random.default_rng(seed)
    authors = [("x", "y"), ("y", "z"), ("z", "x")]
    rows = [
        replace(
            pair,
            a="a" * int(chance.integers(1, 9)),
            b="b" * int(chance.integers(1, 9)),
            category=("rhymes", "sums", "plans")[int(chance.integers(3))],
            authors=authors[int(chance.integers(3))],
        )
        for pair in made.pairs
    ]
    return replace(made, pairs=tuple(rows))


def both(judged: Benchmark, seed: int = 3) -> tuple[RecordedRun, RecordedRun]:
    ours = RecordedRun(run(random_verdicts(seed, judged), "q4_k_m"), judged)
    return ours, RecordedRun(run(random_verdicts(seed + 1, judged), "f16"), judged)


def in_slices(judged: Benchmark, seed: int = 3) -> Slices:
    return slices([both(judged, seed)], judged.name)


def by_hand(judged: Benchmark, ours: RecordedRun, theirs: RecordedRun) -> pd.DataFrame:
    """A row for each verdict and vote, without any of the code under test."""
    was = {(verdict.id, verdict.order): verdict for verdict in theirs.run.verdicts}
    pairs = {pair.id: pair for pair in judged.pairs}
    rows = []
    for verdict in ours.run.verdicts:
        pair, before = pairs[verdict.id], was[verdict.id, verdict.order]
        for vote in pair.labels:
            longer = int(np.sign(len(pair.a) - len(pair.b))) * SIGN[vote]
            row = {
                "id": pair.id, "category": pair.category, "cluster": pair.cluster, "authors": pair.authors,
                "right": verdict.verdict == vote, "was": before.verdict == vote, "longer": longer, "vote": vote,
                "verdict": verdict, "before": before,
            }  # fmt: skip
            rows.append(row)
    return pd.DataFrame(rows)


def test_each_category_has_the_figures_of_a_group_by() -> None:
    judged = sliced_pairs()
    found, rows = in_slices(judged), by_hand(judged, *both(judged))
    assert [one.name for one in found.categories] == ["plans", "rhymes", "sums"]
    for one in found.categories:
        group = rows[rows["category"] == one.name]
        assert one.accuracy.value == pytest.approx(group["right"].mean())
        assert one.drop.value == pytest.approx(100 * (group["was"].mean() - group["right"].mean()))
        assert (one.pairs, one.clusters) == (group["id"].nunique(), group["cluster"].nunique())
    assert found.worst == max(found.categories, key=lambda one: one.drop.value or 0.0)


def test_all_pairs_together_are_what_compare_says_where_no_author_is_known() -> None:
    made = sliced_pairs()
    judged = replace(made, pairs=tuple(replace(pair, authors=None) for pair in made.pairs))
    found, told = in_slices(judged), compare(*both(judged))
    assert (found.whole.accuracy, found.whole.drop) == (told.run.accuracy, told.drop)
    assert not found.two_way and found.authors == ()


def test_intervals_are_wider_where_the_answering_systems_are_clusters_too() -> None:
    judged = sliced_pairs()
    wide, narrow = in_slices(judged), compare(*both(judged))
    assert wide.two_way and wide.whole.drop.value == narrow.drop.value
    assert wide.whole.drop.low is not None and narrow.drop.low is not None
    assert wide.whole.drop.low < narrow.drop.low


def test_a_category_of_fewer_than_ten_clusters_is_not_tested_and_costs_the_others_nothing() -> None:
    labels: list[Label] = ["a"] * 40
    made = benchmark(*labels)
    pairs = tuple(replace(pair, category="few" if place < 9 else "many") for place, pair in enumerate(made.pairs))
    judged = replace(made, pairs=pairs)
    wrong = [Verdict(pair.id, "ab", "b" if place % 2 else "a") for place, pair in enumerate(pairs)]
    right = [Verdict(pair.id, "ab", "a") for pair in pairs]
    found = slices([(RecordedRun(run(wrong), judged), RecordedRun(run(right, "f16"), judged))], "toy")
    few, many = found.categories
    assert few.is_small and few.p is None and few.adjusted_p is None and few.drop.value is not None
    assert many.p == many.adjusted_p == pytest.approx(2 * 0.5**16)
    assert found.worst == many


def test_without_a_baseline_nothing_is_lost_and_nothing_is_tested() -> None:
    judged = sliced_pairs()
    found = slices([(both(judged)[0], None)], "toy")
    assert found.baseline is None and found.worst is None
    assert all(one.drop.value is None and one.p is None for one in (found.whole, *found.categories))
    assert found.traits.position_bias.change.value is None and found.length is not None


def test_the_gap_by_length_is_the_difference_of_two_accuracies() -> None:
    judged = sliced_pairs()
    found, rows = in_slices(judged).length, by_hand(judged, *both(judged))
    means = rows[rows["longer"] != 0].groupby("longer")[["right", "was"]].mean()
    assert found is not None
    assert found.favoured.accuracy.value == pytest.approx(means.loc[1, "right"])
    assert found.other.accuracy.value == pytest.approx(means.loc[-1, "right"])
    gap, was = (100 * (means.loc[1, name] - means.loc[-1, name]) for name in ("right", "was"))
    assert (found.gap.value, found.was.value) == (pytest.approx(gap), pytest.approx(was))
    assert found.change.value == pytest.approx(gap - was)


def test_a_judge_that_takes_the_longer_answer_has_a_gap_of_a_hundred_points() -> None:
    labels: tuple[Label, ...] = ("a", "b") * 20
    pairs = tuple(Pair(str(place), "?", "long", "s", (label,)) for place, label in enumerate(labels))
    judged = Benchmark("toy", pairs, "0" * 64, False, "made by hand")
    found = slices([(RecordedRun(run([Verdict(pair.id, "ab", "a") for pair in pairs]), judged), None)], "toy").length
    assert found is not None and found.gap.value == 100
    assert found.gap.low is not None and 60 < found.gap.low < 100


def test_an_author_is_preferred_as_far_as_the_judge_is_more_often_right_on_its_side() -> None:
    judged = sliced_pairs()
    found, rows = in_slices(judged), by_hand(judged, *both(judged))
    assert [one.author for one in found.authors] == ["x", "y", "z"]
    for one in found.authors:
        mine = rows[rows["authors"].map(lambda pair, name=one.author: name in pair)]
        side = mine["authors"].map(lambda pair, name=one.author: "ab"[pair.index(name)])
        won, lost = mine[mine["vote"] == side], mine[(mine["vote"] != side) & (mine["vote"] != "tie")]
        assert one.parity.gap.value == pytest.approx(100 * (won["right"].mean() - lost["right"].mean()))
        valid = mine["verdict"].map(lambda verdict: verdict.verdict is not None)
        said = mine["verdict"].map(lambda verdict: verdict.verdict)[valid]
        wins = np.where(said == side[valid], 1.0, np.where(said == "tie", 0.5, 0.0)).mean()
        assert one.judge.value == pytest.approx(wins)
        assert one.parity.p is not None and one.adjusted_p is not None and one.adjusted_p >= one.parity.p


@pytest.mark.parametrize(
    ("judge", "author", "same"),
    [("Llama2-13b", "llama-7b", True), ("qwen1.5-14b", "Qwen-7B", True), ("gpt-4", "cerebras-gpt-6.7B", False)],
)
def test_a_family_is_the_letters_that_a_name_begins_with(judge: str, author: str, same: bool) -> None:
    assert (family(judge) == family(author)) is same


def test_traits_are_plain_means_and_their_change_is_paired() -> None:
    judged = sliced_pairs()
    found, rows = in_slices(judged).traits, by_hand(judged, *both(judged))
    ours, theirs = ({(v.id, v.order): v for v in one.run.verdicts} for one in both(judged))
    hidden = [1 - (ours[key].mass or 0.0) for key in ours]
    assert found.hidden_mass.value.value == pytest.approx(np.mean(hidden))
    assert found.hidden_mass.change.value == pytest.approx(
        np.mean(hidden) - np.mean([1 - (v.mass or 0.0) for v in theirs.values()])
    )
    first = {("ab", "a"): 1, ("ba", "b"): 1, ("ab", "b"): -1, ("ba", "a"): -1}
    bias = [np.mean([first.get((v.order, str(v.verdict)), 0) for v in one.values()]) for one in (ours, theirs)]
    assert found.position_bias.change.value == pytest.approx(bias[0] - bias[1])
    used = rows[rows["verdict"].map(lambda v: v.p is not None) & rows["before"].map(lambda v: v.p is not None)]
    over = [
        (used[name].map(lambda v: v.p[v.verdict]) - used[right]).mean()
        for name, right in (("verdict", "right"), ("before", "was"))
    ]
    assert found.overconfidence.value.value == pytest.approx(over[0])
    assert found.overconfidence.change.value == pytest.approx(over[0] - over[1])
    brier = [
        sum((v.p[label] - (label == vote)) ** 2 for label in ("a", "b", "tie"))
        for v, vote in zip(used["verdict"], used["vote"], strict=True)
    ]
    assert found.brier.value.value == pytest.approx(np.mean(brier))


def test_the_sets_of_a_suite_are_categories_of_one_judge() -> None:
    parts = []
    for name in ("toy-one", "toy-two"):
        made = benchmark(*(["a"] * 12), name=name)
        judged = replace(made, pairs=tuple(replace(pair, category=name[4:]) for pair in made.pairs))
        given = run([Verdict(pair.id, "ab", "a" if name == "toy-one" else "b") for pair in judged.pairs])
        parts.append((RecordedRun(replace(given, identity=Identity(name, "pocket", "f16", "pairwise")), judged), None))
    found = slices(parts, "toy")
    assert [(one.name, one.accuracy.value, one.pairs) for one in found.categories] == [
        ("one", 1.0, 12),
        ("two", 0.0, 12),
    ]
    assert (found.whole.pairs, found.whole.clusters, found.identity.benchmark) == (24, 24, "toy")


@pytest.mark.parametrize("name", ["pandalm", "mt-bench", "auto-j"])
def test_published_benchmarks_are_sliced_as_their_files_say(name: str) -> None:
    judged = known(name)
    given = [
        replace(run(random_verdicts(seed, judged), scheme), identity=Identity(name, "pocket", scheme, "pairwise"))
        for seed, scheme in enumerate(("q4_k_m", "f16"))
    ]
    found = slices([(RecordedRun(given[0], judged), RecordedRun(given[1], judged))], name)
    expected = {"pandalm": (0, 5), "mt-bench": (0, 3), "auto-j": (58, 0)}[name]
    assert (len(found.categories), len(found.authors)) == expected
    assert found.two_way is (expected[1] > 0)


def test_verdicts_in_any_sequence_give_the_same_slices() -> None:
    judged = sliced_pairs()
    ours, theirs = both(judged)
    turned = RecordedRun(replace(ours.run, verdicts=tuple(reversed(ours.run.verdicts))), judged)
    assert slices([(turned, theirs)], "toy") == slices([(ours, theirs)], "toy")


def test_every_part_names_every_pair_once() -> None:
    judged = sliced_pairs()
    found = in_slices(judged)
    assert sum(one.pairs for one in found.categories) == found.whole.pairs == len(judged.pairs)
    assert found.verdicts == len(list(product(judged.pairs, "12")))
