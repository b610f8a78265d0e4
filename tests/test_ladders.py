"""One decision for `compare`, `choose` and the page: on each benchmark, and on several together."""

from __future__ import annotations

import json
from dataclasses import replace

from judgements import benchmark, run, verdicts

from edge_judge.analysis.decision import decide_ladder
from edge_judge.analysis.ladders import decide_ladders
from edge_judge.analysis.paired_losses import Part
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.report.comparison import comparisons_json
from edge_judge.report.ladder import ladder_table
from edge_judge.workflows.compare import compared

RIGHT = verdicts(*[("a", "a"), ("b", "b")] * 400)
WRONG = verdicts(*[("a", "a"), ("a", "a")] * 400)  # half of the pairs lost
SIZES = {"f16": 8_000_000, "q8_0": 4_000_000, "q2_k": 1_000_000}


def part(scheme: str, said=RIGHT, name: str = "one", labels=("a", "b") * 400) -> Part:
    judged = benchmark(*labels, name=name)
    sides = []
    for one, of in ((scheme, said), ("f16", RIGHT)):
        made = run(of, one, size=SIZES[one])
        who = replace(made.identity, benchmark=name)
        sides.append(RecordedRun(replace(made, identity=who), judged))
    return Part(*sides)


def test_a_ladder_is_decided_on_each_benchmark_and_then_on_both_as_decide_ladder_does() -> None:
    parts = [part(scheme, name=name) for name in ("one", "two") for scheme in ("q2_k", "q8_0", "f16")]
    found = decide_ladders(parts, 2)
    assert [one.benchmarks for one in found] == [("one",), ("two",), ("one", "two")]
    assert [one.run.scheme for one in found[0].decisions] == ["q8_0", "q2_k"]  # without the baseline
    assert list(found[0].decisions) == decide_ladder([[parts[0]], [parts[1]]], 2)[0]
    assert {one.trusted for ladder in found for one in ladder.decisions} == {"within"}


def test_a_scheme_that_loses_on_one_of_two_benchmarks_does_not_pass_on_both() -> None:
    found = decide_ladders([part("q2_k"), part("q2_k", WRONG, "two")], 2)
    assert [one.decisions[0].outcome for one in found] == ["within", "worse", "worse"]


def test_benchmarks_are_put_together_only_if_every_scheme_judged_each() -> None:
    uneven = decide_ladders([part("q2_k"), part("q8_0"), part("q8_0", name="two")], 2)
    assert [one.benchmarks for one in uneven] == [("one",), ("two",)]


def test_there_is_no_decision_without_labels_or_with_two_runs_of_one_scheme() -> None:
    unlabelled = part("q2_k", labels=((),) * 800)
    assert decide_ladders([unlabelled], 2) == []
    assert decide_ladders([part("q2_k"), part("q2_k", WRONG)], 2) == []
    assert decide_ladders([part("f16")], 2) == []  # it is its own baseline


def test_compare_says_below_each_ladder_what_can_be_trusted_and_at_the_end_what_on_all() -> None:
    parts = [part(scheme, name=name) for name in ("one", "two") for scheme in ("f16", "q2_k")]
    found = compared(parts, 2)
    text = " ".join(ladder_table(found.comparisons, found.ladders, width=80).split())
    first, second, both = (
        text.index(f"q2_k (1.00 MB) can be trusted in place of f16 (8.00 MB) within 2 points on new pairs like {those}")
        for those in ("those of one:", "those of two:", "those of one and two:")
    )
    assert first < text.index("two, judged by") < second < both


def test_a_program_reads_the_decision_with_each_run_and_none_with_the_baseline() -> None:
    found = compared([part(scheme, WRONG if scheme == "q2_k" else RIGHT) for scheme in ("f16", "q8_0", "q2_k")], 2)
    told = json.loads(json.dumps(comparisons_json(found.comparisons, found.ladders), allow_nan=False))
    assert [(one["scheme"], one["decision"] and one["decision"]["outcome"]) for one in told] == [
        ("f16", None), ("q8_0", "within"), ("q2_k", "worse"),
    ]  # fmt: skip
    assert told[1]["decision"]["trusted"] == "within" and told[1]["decision"]["margin"] == 2
