"""The one sentence: the cheapest file that can be trusted first, every number signed, and said of what it is true."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_judge.analysis.decision import Decision, Judged, OnBenchmark, SchemeFile
from edge_judge.analysis.sequential_test import Outcome
from edge_judge.errors import UsageError
from edge_judge.records import Figure
from edge_judge.report.decision import choice_json, choice_table
from edge_judge.report.sentence import change, sentence

Lost = tuple[float, float, float]


def part(own: Outcome, new: Outcome, lost: Lost, on_new: Lost, used: int, name: str = "pocket") -> OnBenchmark:
    return OnBenchmark(
        benchmark=name,
        own=own,
        new=new,
        by_verdicts=Figure(*lost),
        new_pairs=Figure(*on_new),
        by_probabilities=Figure(0.25, -1.5, 1.75),
        blocks=3,
        pairs=used // 2,
        pairs_total=600,
        questions=used // 3,
        questions_total=400,
        verdicts=used,
        verdicts_total=1200,
        settled=own != "undecided",
        more=80 if own == "undecided" else None,
        needed=1234 if new == "undecided" else None,
        full=Judged(0.1, 0.2, 600, "within"),
    )


def decision(scheme: str, size: int, *parts: OnBenchmark, claims_new: bool = True) -> Decision:
    pooled = 0.5 if len(parts) > 1 else None
    baseline = SchemeFile("pocket", "f16", 7_720_000)
    return Decision(SchemeFile("pocket", scheme, size), baseline, 2, claims_new, parts, pooled)


Q8 = decision("q8_0", 4_120_000, part("within", "within", (0.0, -1.25, 1.25), (0.0, -1.75, 1.75), 380))
Q4 = decision("q4_k_m", 2_460_000, part("within", "within", (0.1, -0.7, 0.9), (0.2, -1.5, 1.8), 412))
OWN = decision("q4_k_s", 2_300_000, part("within", "undecided", (0.1, -0.7, 0.9), (0.4, -1.5, 2.5), 1200))
Q3 = decision("q3_k_m", 2_070_000, part("undecided", "undecided", (1.2, -0.4, 3.0), (1.2, -1.4, 4.0), 300))
Q2 = decision("q2_k", 1_660_000, part("worse", "worse", (2.9, 2.1, 4.0), (2.9, 2.1, 4.0), 200))


def test_the_whole_ladder_in_one_sentence() -> None:
    assert sentence([Q8, Q4, OWN, replace(Q3, claims_new=False), replace(Q2, claims_new=False)]) == (
        "q4_k_m (2.46 MB) can be trusted in place of f16 (7.72 MB) within 2 points on new pairs like those of pocket: "
        "change in accuracy −0.2 [−1.8, +1.5] points there, −0.1 [−0.9, +0.7] on the 600 pairs of pocket, "
        "412 of 1,200 verdicts used; q8_0 can too; "
        "q4_k_s (2.30 MB) agrees with f16 on the 600 pairs of pocket: change in accuracy −0.1 [−0.9, +0.7] "
        "points, all 1,200 verdicts used; on new pairs like these q4_k_s is undecided: −0.4 [−2.5, +1.5], "
        "about 1,200 pairs would decide; q2_k (1.66 MB) does not agree: −2.9 [−4.0, −2.1], 200 verdicts "
        "(in expected accuracy: −0.2 [−1.8, +1.5]); "
        "q3_k_m (2.07 MB) is undecided after 300 verdicts: −1.2 [−3.0, +0.4], about 80 more pairs would decide."
    )


def test_the_order_in_which_schemes_are_given_does_not_matter() -> None:
    assert sentence([Q2, Q3, OWN, Q4, Q8]) == sentence([Q8, Q4, OWN, Q3, Q2])


def test_nothing_is_said_of_new_pairs_where_a_wider_scheme_failed() -> None:
    closed = replace(Q4, claims_new=False)
    told = sentence([OWN, closed])
    assert told.startswith("no scheme is shown to be as good as f16 (7.72 MB) within 2 points on new pairs like those")
    assert "q4_k_s (2.30 MB) agrees" in told and "; q4_k_m agrees too; on new pairs like these q4_k_s is" in told
    assert "no claim about new pairs, because a wider scheme was not shown to agree on them" in sentence([closed])


def test_a_scheme_that_is_worse_on_new_pairs_only_is_told_as_that() -> None:
    sample = decision("q4_k_s", 2_300_000, part("within", "worse", (1.9, 1.9, 1.9), (3.4, 2.1, 5.0), 1200))
    assert "on new pairs like these q4_k_s does not agree: −3.4 [−5.0, −2.1]." in sentence([sample])


def test_probabilities_that_say_otherwise_are_told_and_others_are_not() -> None:
    apart = replace(Q4.parts[0], by_probabilities=Figure(4.7, 3.5, 5.9))
    assert "(in expected accuracy: −4.7 [−5.9, −3.5])" in sentence([replace(Q4, parts=(apart,))])
    assert "probabilities" not in sentence([Q4])
    assert "probabilities" not in sentence([replace(Q4, parts=(replace(apart, by_probabilities=Figure(None)),))])


def test_every_benchmark_has_its_figures_and_the_pooled_one_its_name() -> None:
    other = part("within", "within", (0.8, 0.1, 1.5), (0.9, -0.1, 1.9), 800, "auto-j")
    both = replace(Q4, parts=(*Q4.parts, other), pooled=0.5)
    assert sentence([both]) == (
        "q4_k_m (2.46 MB) can be trusted in place of f16 (7.72 MB) within 2 points on new pairs like those of pocket "
        "and auto-j: change in accuracy pocket −0.2 [−1.8, +1.5], auto-j −0.9 [−1.9, +0.1] points there, "
        "pocket −0.1 [−0.9, +0.7], auto-j −0.8 [−1.5, −0.1], pooled −0.5 on the 1,200 pairs of pocket and auto-j, "
        "1,212 of 2,400 verdicts used."
    )
    for width in (80, 100, 120):
        shown = choice_table([both], [], width=width)
        assert max(map(len, shown.splitlines())) <= width and "…" not in shown
        assert [line.split()[-1] for line in shown.splitlines() if line.split()[:1] == ["pooled"]] == ["−0.5"]


def test_a_scheme_that_fails_on_one_benchmark_fails() -> None:
    other = part("worse", "worse", (12.0, 9.0, 15.0), (12.0, 9.0, 15.0), 100, "auto-j")
    both = replace(Q4, parts=(*Q4.parts, other), pooled=1.0)
    assert (both.outcome, both.trusted) == ("worse", "worse")
    assert "q4_k_m (2.46 MB) does not agree: pocket −0.1 [−0.9, +0.7], auto-j −12.0" in sentence([both])


def test_where_no_scheme_agrees_it_says_so() -> None:
    assert sentence([Q2, Q3]).startswith(
        "no scheme is shown to agree with f16 (7.72 MB) within 2 points on pocket; q2_k (1.66 MB) does not agree: −2.9"
    )


def test_a_scheme_of_which_nothing_was_judged_has_no_figure() -> None:
    none = Figure(None)
    empty = replace(Q3.parts[0], by_verdicts=none, new_pairs=none, by_probabilities=none, verdicts=0, pairs=0)
    told = sentence([Q4, replace(Q3, parts=(replace(empty, more=None, needed=None),))])
    assert told.endswith("; q3_k_m (2.07 MB) is undecided: not judged yet.")


def test_where_every_pair_was_judged_the_own_pairs_have_no_interval() -> None:
    whole = part("within", "within", (0.3, 0.3, 0.3), (0.3, -0.9, 1.5), 1200)
    told = sentence([replace(Q4, parts=(whole,))])
    assert "−0.3 [−1.5, +0.9] points there, −0.3 on the 600 pairs of pocket, all 1,200 verdicts used." in told


def test_one_point_and_one_pair_read_as_english() -> None:
    told = sentence([replace(Q3, margin=1, parts=(replace(Q3.parts[0], more=1),))])
    assert "within 1 point on pocket;" in told and told.endswith("about 1 more pair would decide.")


def test_a_gain_has_a_plus_and_nothing_has_no_sign() -> None:
    assert change(Figure(-1.25, -3.0, 0.0)) == "+1.2 [0.0, +3.0]"
    assert change(Figure(2.0)) == "−2.0"
    assert change(Figure(None)) == "-"


def test_a_baseline_that_is_another_model_is_named_as_one_and_what_is_not_known_of_it_is_left_out() -> None:
    far = SchemeFile("gpt-x", "unknown", 0)
    told = sentence([replace(Q4, baseline=far), replace(Q2, baseline=far, claims_new=False)])
    assert told.startswith("pocket q4_k_m (2.46 MB) can be trusted in place of gpt-x within 2 points")
    assert "pocket q2_k (1.66 MB) does not agree" in told


def test_decisions_on_different_questions_make_no_sentence() -> None:
    with pytest.raises(UsageError, match="different questions"):
        sentence([Q4, replace(Q2, margin=1)])
    with pytest.raises(UsageError, match="no scheme"):
        sentence([])


def test_other_seeds_that_were_tried_are_told_to_a_person_and_to_a_program() -> None:
    assert choice_json([Q4], [], [3, 7])["other_seeds_tried"] == [3, 7]
    assert "also decided with seeds 3, 7" in choice_table([Q4], [], [3, 7], width=120)
    assert "also decided with seed 3" in choice_table([Q4], [], [3], width=120)
    assert "also decided" not in choice_table([Q4], [], width=120)


def test_a_program_is_told_both_outcomes_and_those_of_each_benchmark() -> None:
    [told] = choice_json([OWN], [])["decisions"]  # type: ignore[misc]
    assert (told["outcome"], told["trusted"], told["pairs"]) == ("within", "undecided", 600)
    assert (told["parts"][0]["own"], told["parts"][0]["new"]) == ("within", "undecided")


@pytest.mark.parametrize("benchmarks", [("pocket",), ("llmbar-natural", "llmbar-neighbor")])
def test_a_long_name_stands_in_one_piece_and_other_columns_make_room(benchmarks: tuple[str, ...]) -> None:
    names = ["iq2_xs+judge", "iq3_xxs+imatrix"]
    parts = [part("within", "undecided", (0.1, -10.7, 10.9), (0.4, -11.5, 12.5), 1200, name) for name in benchmarks]
    rows = [decision(name, 1_660_000, *parts) for name in names]
    for width in (80, 120):
        table, _, below = choice_table(rows, [], width=width).partition("change: points")
        assert all(name in below for name in benchmarks) and "[−10.9, +10.7]" in below
        assert [name for name in (*names, *benchmarks) if name not in table] == []
        assert max(map(len, table.splitlines())) <= width
        assert "−0.4 [−12.5, +11.5]" in table
