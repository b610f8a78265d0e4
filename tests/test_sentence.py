"""The one sentence: the cheapest file that agrees first, every number signed and claimed by its name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_judge.analysis.decision import Decision, Judged, SchemeFile
from edge_judge.analysis.sequential_test import Outcome
from edge_judge.errors import UsageError
from edge_judge.records import Figure
from edge_judge.report.sentence import change, sentence

FULL = Judged(0.1, 0.2, 600, "within")


def decision(scheme: str, size: int, outcome: Outcome, lost: tuple[float, float, float], used: int) -> Decision:
    return Decision(
        run=SchemeFile("pocket", scheme, size),
        baseline=SchemeFile("pocket", "f16", 7_720_000),
        benchmarks=("pocket",),
        margin=2,
        claim="probabilities",
        outcome=outcome,
        by_probabilities=Figure(*lost),
        by_verdicts=Figure(0.25, -1.5, 1.75),
        blocks=3,
        pairs=used // 2,
        pairs_total=600,
        verdicts=used,
        verdicts_total=1200,
        more=80 if outcome == "undecided" else None,
        full=FULL,
    )


Q8 = decision("q8_0", 4_120_000, "within", (0.0, -1.75, 1.75), 380)
Q4 = decision("q4_k_m", 2_460_000, "within", (0.1, -0.7, 0.9), 412)
Q3 = decision("q3_k_m", 2_070_000, "undecided", (1.2, -0.4, 3.0), 300)
Q2 = decision("q2_k", 1_660_000, "worse", (2.9, 2.1, 4.0), 200)


def test_the_whole_ladder_in_one_sentence() -> None:
    assert sentence([Q8, Q4, Q3, Q2]) == (
        "q4_k_m (2.46 MB) agrees with f16 (7.72 MB) within 2 points on pocket, by the probabilities of its verdicts: "
        "−0.1 [−0.9, +0.7] points, 412 of 1,200 verdicts used (by the verdicts as given −0.2 [−1.8, +1.5]); "
        "so does q8_0; q2_k (1.66 MB) does not: −2.9 [−4.0, −2.1], 200 verdicts "
        "(by the verdicts as given −0.2 [−1.8, +1.5]); q3_k_m (2.07 MB) is undecided after 300 verdicts: "
        "−1.2 [−3.0, +0.4] (by the verdicts as given −0.2 [−1.8, +1.5]), about 80 more pairs would tell."
    )


def test_the_order_in_which_schemes_are_given_does_not_matter() -> None:
    assert sentence([Q2, Q3, Q4, Q8]) == sentence([Q8, Q4, Q3, Q2])


def test_the_claim_by_verdicts_is_named_and_the_probabilities_stand_beside_it() -> None:
    told = sentence([replace(Q4, claim="verdicts")])
    assert ", by its verdicts as given: −0.2 [−1.8, +1.5] points," in told
    assert "(by their probabilities −0.1 [−0.9, +0.7])." in told


def test_where_there_are_no_probabilities_none_are_told() -> None:
    told = sentence([replace(Q4, claim="verdicts", by_probabilities=Figure(None))])
    assert told.endswith("412 of 1,200 verdicts used.")


def test_where_no_scheme_agrees_it_says_so() -> None:
    told = sentence([Q2, Q3])
    assert told.startswith(
        "no scheme is shown to agree with f16 (7.72 MB) within 2 points on pocket, "
        "by the probabilities of its verdicts; q2_k (1.66 MB) does not: −2.9"
    )


def test_a_scheme_of_which_nothing_was_judged_has_no_figure() -> None:
    none = replace(Q3, by_probabilities=Figure(None), by_verdicts=Figure(None), verdicts=0, pairs=0, more=None)
    assert sentence([Q4, none]).endswith("; q3_k_m (2.07 MB) is undecided: nothing of it was judged yet.")


def test_where_every_pair_was_judged_there_is_no_interval() -> None:
    exact = {"by_probabilities": Figure(0.3, 0.3, 0.3), "by_verdicts": Figure(0.0, 0.0, 0.0)}
    whole = replace(Q4, verdicts=1200, pairs=600, **exact)
    assert "verdicts: −0.3 points, all 1,200 verdicts used (by the verdicts as given 0.0)." in sentence([whole])


def test_several_benchmarks_schemes_and_one_point_read_as_english() -> None:
    q6 = replace(Q8, run=SchemeFile("pocket", "q6_k", 3_200_000))
    three = [replace(one, margin=1, benchmarks=("pandalm", "auto-j", "mine")) for one in (Q4, Q8, q6)]
    told = sentence(
        [*three, replace(three[0], outcome="undecided", more=1, run=SchemeFile("pocket", "q2_k", 1_000_000))]
    )
    assert "within 1 point on pandalm, auto-j and mine" in told
    assert "; so do q6_k and q8_0;" in told
    assert told.endswith("about 1 more pair would tell.")


def test_a_gain_has_a_plus_and_nothing_has_no_sign() -> None:
    assert change(Figure(-1.25, -3.0, 0.0)) == "+1.2 [0.0, +3.0]"
    assert change(Figure(2.0)) == "−2.0"
    assert change(Figure(None)) == "-"


def test_decisions_on_different_questions_make_no_sentence() -> None:
    with pytest.raises(UsageError, match="different questions"):
        sentence([Q4, replace(Q2, margin=1)])
    with pytest.raises(UsageError, match="no scheme"):
        sentence([])
