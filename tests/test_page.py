"""The page: what stands on it is what was measured, and text on it cannot run."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judgements import benchmark, random_benchmark, random_verdicts, run, scored, verdicts
from pages import HOSTILE, Parts, entries, report

from edge_judge.analysis.ladders import decide_ladders
from edge_judge.analysis.leaderboard import build as leaderboard
from edge_judge.analysis.paired_losses import Part
from edge_judge.analysis.slices import slices
from edge_judge.benchmarks import load
from edge_judge.metrics import recorded
from edge_judge.metrics.alignment import align
from edge_judge.metrics.calibration import reliability
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.records import Pair, Verdict
from edge_judge.report.formatting import DASH
from edge_judge.report.page.charts import ladders
from edge_judge.report.page.closed import embedded
from edge_judge.report.page.data import Report, figures, headline
from edge_judge.report.page.document import build
from edge_judge.report.page.pairs import human, pairs, wrong
from edge_judge.report.page.slices import slice_tables
from edge_judge.report.slices import slices_table


def hostile() -> Any:
    name = HOSTILE.replace("\ud800", "")  # a name is written to files, which cannot hold half a character
    pair = Pair(name, HOSTILE, HOSTILE, HOSTILE, ("a",), reference=HOSTILE)
    judged = replace(benchmark("a"), pairs=(pair,), name="toy")
    said = [Verdict(name, order, "a", {"a": 1.0}, text=HOSTILE, mass=1.0) for order in ("ab", "ba")]
    return report(judged, run(said, "f16"), run(said))


def test_a_page_of_many_runs_aligns_each_run_once(monkeypatch: pytest.MonkeyPatch) -> None:
    judged, aligned = random_benchmark(1, 20), []
    monkeypatch.setattr(recorded, "align", lambda *given: aligned.append(given) or align(*given))
    runs = [run(random_verdicts(seed, judged), f"q{seed}") for seed in range(5)]
    build(report(judged, *runs))
    assert sorted(verdicts[0].id for _, verdicts in aligned) == ["0"] * 5
    assert {id(verdicts) for _, verdicts in aligned} == {id(one.verdicts) for one in runs}


def test_hostile_text_comes_back_as_it_was_and_opens_no_element() -> None:
    page = build(hostile())
    found = Parts(page)
    assert [attributes.get("type") for attributes, _ in found.scripts] == ["application/json"] * 2 + [None]
    [shown] = found.json("pairs-data")["sets"][0]["pairs"]
    assert shown[1:] == [*[HOSTILE] * 3, "A", HOSTILE]
    assert "alert(1)</" not in page
    page.encode()  # half a character could not be written


@given(st.text(alphabet=st.characters(categories=None)))
def test_any_text_survives_being_embedded_and_holds_nothing_that_html_reads(text: str) -> None:
    made = embedded({"text": text})
    assert json.loads(made) == {"text": text}
    assert not set("<>&\u2028\u2029") & set(made)
    made.encode()


def test_the_policy_lets_only_the_pages_own_script_and_style_run_and_fetches_nothing() -> None:
    page = build(hostile())
    found = Parts(page)
    [style] = re.findall("<style>(.*?)</style>", page, re.DOTALL)
    for name, text in (("script-src", found.scripts[-1][1]), ("style-src", style)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{name} 'sha256-{digest}';" in found.policy
    assert found.policy.startswith("default-src 'none';")
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", page)
    assert "innerHTML" not in page and "insertAdjacentHTML" not in page and "document.write" not in page


def test_the_figures_on_the_page_are_those_of_the_metrics() -> None:
    judged = random_benchmark(3, 60, votes=2)
    base, other = random_verdicts(1, judged), random_verdicts(2, judged)
    made = report(judged, run(base, "f16"), run(other))
    told: Any = figures(made)["runs"]
    [ladder] = ladders(made)
    for point, shown, said in zip(ladder.points, told, (base, other), strict=True):
        strict = scored(judged, said, made.entries[0].identity).strict
        right, bias = strict["accuracy"], strict["position_bias"]
        assert point.accuracy == right and point.shares == (right.value, right.low, right.high)
        assert shown["bias"] == pytest.approx([100 * end for end in (bias.value, bias.low, bias.high)], abs=1e-4)
        assert ["right", f"{right.k:,} of {right.n:,}"] in shown["told"]
    lost = made.entries[1].comparison
    assert lost is not None and told[1]["ladder"][4] == (
        f"{lost.flips.right_to_wrong} / {lost.flips.wrong_to_right} / {lost.flips.wrong_to_wrong}"
    )
    assert told[0]["ladder"][3] == "baseline"
    right_of_f16 = ladder.points[0].accuracy.value
    assert [rule.share for rule in ladder.rules] == pytest.approx([right_of_f16, right_of_f16 - 0.02])


def test_what_is_undefined_is_a_dash_and_never_a_zero() -> None:
    judged = benchmark((), ())
    said = [Verdict("0", "ab", "a"), Verdict("1", "ab", "b")]
    made = report(judged, replace(run(said, "f16"), measured=None), compared=False)
    told: Any = figures(made)
    [shown] = told["runs"]
    assert (shown["bias"], shown["risk"], shown["bins"]) == (None, None, [])
    assert ladders(made)[0].points == () and ladders(made)[0].rules == ()
    assert shown["within"] is False
    assert shown["ladder"][2:] == [DASH] * 10
    assert dict(shown["told"])["accuracy"] == DASH
    assert told["settings"][0]["sentences"] == []
    assert headline(made) == "1 recorded run on toy"
    assert build(made).count("– no pair here has a human label") == 2


def test_without_a_measured_time_accuracy_is_shown_against_size_alone() -> None:
    made = report(benchmark("a", "b"), replace(run(verdicts(("a", "a"), ("b", "a")), "f16"), measured=None))
    page = build(made)
    assert page.count("– no time was measured") == 1 and page.count("f16: 75.0 [") == 2  # on a wide and a narrow screen


def test_a_run_in_one_order_without_probabilities_still_makes_a_page() -> None:
    judged = benchmark("a", "b", "tie")
    said = [Verdict(str(place), "ab", label) for place, label in enumerate(("a", None, "tie"))]
    made = report(judged, run(said, "f16"), run(said))
    shown: Any = pairs(made.entries)
    assert shown["runs"][0]["ba"] is None
    assert shown["runs"][0]["ab"] == {
        "v": "a-t", "p": None, "mass": None, "wrong": [1], "flipped": [], "cut": [], "text": {}
    }  # fmt: skip
    told: Any = figures(made)["settings"]
    assert "change in accuracy" in told[0]["sentences"][0]
    build(made)


def test_a_pair_tells_verdict_probabilities_flips_and_what_the_judge_wrote() -> None:
    judged = benchmark("a", "b", ties=False)
    base = [Verdict("0", "ab", "a", {"a": 0.75, "b": 0.25}, mass=0.12345), *verdicts(("a", "a"), ("b", "b"))[1:]]
    said = [Verdict("0", "ab", "b", {"a": 0.25, "b": 0.75}, text="B wins", mass=1e-9, truncated=True), *base[1:]]
    shown: Any = pairs(report(judged, run(base, "f16"), run(said)).entries)
    side = shown["runs"][1]["ab"]
    assert side["v"] == "bb" and side["p"] == [0.25, 0.75, None, None, None, None]
    assert (side["wrong"], side["flipped"], side["cut"], side["text"]) == ([0], [0], [0], {"0": "B wins"})
    assert side["mass"] == [1e-9, None] and shown["runs"][0]["ab"]["mass"] == [0.123, None]
    assert shown["runs"][1]["ba"]["flipped"] == []


@pytest.mark.parametrize(
    ("votes", "said", "expected"),
    [
        (("a",), "a", False), (("a",), "b", True), (("a",), None, True), ((), None, False), ((), "a", False),
        (("a", "b"), "a", False), (("a", "b"), "tie", True), (("a", "a", "b"), "b", True),
    ],
)  # fmt: skip
def test_a_verdict_is_wrong_where_fewer_than_half_of_the_votes_say_so(votes: Any, said: Any, expected: bool) -> None:
    assert wrong(Pair("0", "", "", "", votes), Verdict("0", "ab", said)) is expected


def test_votes_are_counted_and_no_label_is_a_dash() -> None:
    assert human(Pair("0", "", "", "", ("b", "a", "b"))) == "A 1 · B 2"
    assert human(Pair("0", "", "", "", ("tie",))) == "tie" and human(Pair("0", "", "", "")) == DASH


def test_the_sentence_names_the_smallest_scheme_that_can_be_trusted() -> None:
    judged = benchmark(*["a", "b"] * 400)
    sure = [Verdict(one.id, one.order, one.verdict, {"a": 1.0} if one.verdict == "a" else {"b": 1.0})
            for one in verdicts(*[("a", "a"), ("b", "b")] * 400)]  # fmt: skip
    made = report(judged, run(sure, "f16", size=8_000_000), run(sure, "q8_0"), run(sure, "q2_k", size=1_000_000))
    told: Any = figures(made)["settings"]
    [said] = told[0]["sentences"]
    assert said.startswith("q2_k (1.00 MB) can be trusted in place of f16 (8.00 MB) within 2 points on new pairs like")


def test_a_judge_on_several_benchmarks_has_a_sentence_on_all_of_them_and_one_on_each() -> None:
    found = []
    for name in ("one", "two"):
        judged = benchmark(*["a", "b"] * 400, name=name)
        said = verdicts(*[("a", "a"), ("b", "b")] * 400)
        runs = [run(said, "f16"), run(said, "q2_k", size=1_000_000)]
        runs = [replace(one, identity=replace(one.identity, benchmark=name)) for one in runs]
        held = entries(judged, runs)
        found += [replace(entry, baseline=2 * (name == "two")) for entry in held]
    ladders = decide_ladders([Part(entry.run, found[entry.baseline].run) for entry in found], 2)
    made = Report(tuple(found), leaderboard([entry.run for entry in found], []), 2, "f16", tuple(ladders))
    told: Any = figures(made)["settings"]
    for name, setting in zip(("one", "two"), told, strict=True):
        on_both, on_one = setting["sentences"]
        assert "within 2 points on new pairs like those of one and two" in on_both and "pooled" in on_both
        assert f"new pairs like those of {name}: " in on_one


def test_a_run_is_shown_by_category_and_length_as_the_terminal_shows_it() -> None:
    judged = replace(load("pocket"), name="toy")
    base, other = random_verdicts(1, judged), random_verdicts(2, judged)
    sides = [RecordedRun(run(said, scheme), judged) for said, scheme in ((base, "f16"), (other, "q4_k_m"))]
    found = slices([(sides[1], sides[0])], "pocket")
    by_category, by_length = slice_tables(found)
    assert by_category["headings"] == ["category", "pairs", "accuracy %", "drop, points", "p", "adjusted p"]
    shown = slices_table([found], width=200)
    for row in (*by_category["rows"], *by_length["rows"]):
        assert re.search(r"\s+".join(re.escape(text) for text in row if text not in ("", DASH)), shown)
    assert by_category["about"][0] in " ".join(shown.split())
    alone = slice_tables(slices([(sides[0], None)], "pocket"))
    assert [len(table["headings"]) for table in alone] == [3, 3]


def test_a_benchmark_without_categories_and_lengths_that_differ_has_no_slices() -> None:
    judged = benchmark("a", "b", "a")
    side = RecordedRun(run(verdicts(("a", "a"), ("b", "b"), ("a", "b"))), judged)
    equal = tuple(replace(pair, a="same length", b="length same") for pair in judged.pairs)
    assert slice_tables(slices([(replace(side, benchmark=replace(judged, pairs=equal)), None)], "toy")) == []
    assert slice_tables(None) == []


def test_how_many_pairs_were_judged_is_told_where_runs_differ() -> None:
    judged = benchmark("a", "b", "a")
    said = verdicts(("a", "a"), ("b", "b"), ("a", "a"))
    told: Any = figures(report(judged, run(said, "f16"), run(said[:2])))["settings"]
    assert told[0]["pairs"] == "1 to 3 of 3 pairs"


def test_a_judge_near_chance_is_marked() -> None:
    judged = benchmark("a", "b", "a")
    told: Any = figures(report(judged, run(verdicts(("a", "b"), ("a", "b"), ("b", "a")), "f16")))["runs"]
    assert told[0]["ladder"][2].endswith(", near chance")


@given(st.integers(0, 10**6), st.integers(1, 40), st.booleans())
def test_the_calibration_error_is_at_most_the_gaps_of_the_curve(seed: int, size: int, ties: bool) -> None:
    judged = random_benchmark(seed, size, ties=ties, votes=1 + seed % 3)
    said = random_verdicts(seed, judged)
    bins = reliability(RecordedRun(run(said), judged))
    ece = scored(judged, said, report(judged, run(said, "f16")).entries[0].identity).strict["ece"].value
    total = sum(one.right.n or 0 for one in bins)
    if ece is None:
        assert bins == ()
    else:
        gaps = sum((one.right.n or 0) * abs(one.confidence - (one.right.value or 0)) for one in bins)
        assert ece <= gaps / total + 1e-12  # without what chance adds


def test_the_reliability_curve_is_scikit_learns() -> None:
    theirs = pytest.importorskip("sklearn.calibration", reason="compares with scikit-learn: pip install '.[test]'")
    judged = random_benchmark(5, 500)
    said = random_verdicts(6, judged, missing=0)
    labels = {pair.id: pair.labels[0] for pair in judged.pairs}
    sure = [one.p[one.verdict] for one in said]  # type: ignore[index]
    right = [one.verdict == labels[one.id] for one in said]
    share, confidence = theirs.calibration_curve(right, sure, n_bins=10)
    bins = reliability(RecordedRun(run(said), judged))
    assert [one.right.value for one in bins] == pytest.approx(list(share))
    assert [one.confidence for one in bins] == pytest.approx(list(confidence))
