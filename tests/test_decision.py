"""Recorded verdicts to a decision: counted by hand, stopped in time, in step with the full data, refused in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from judgements import benchmark, compared, random_benchmark, random_verdicts, run, verdicts

from edge_judge import __version__, benchmarks
from edge_judge.analysis import decision, sampling
from edge_judge.analysis.decision import Decision, decide_scheme
from edge_judge.analysis.paired_losses import CLAIMS, Claim, Difference, Part, differences
from edge_judge.errors import RunError, UsageError
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.records import MIRROR, ORDERS, Benchmark, Label, Run, Verdict
from edge_judge.runs import folder as run_folder

POCKET = benchmarks.load("pocket")
RECORDED = Path(__file__).parent.parent / "results" / __version__ / "pocket" / "pocket"
LADDER = ("q8_0", "q6_k", "q4_k_m", "q3_k_m", "q2_k")


def both_runs(judged: Benchmark, ours: Run, theirs: Run) -> Part:
    return Part(RecordedRun(ours, judged), RecordedRun(theirs, judged))


def recorded(scheme: str, claim: Claim, margin: float, max_pairs: int | None = None) -> Decision:
    ours, theirs = (run_folder.read_run(RECORDED / name / "pairwise") for name in (scheme, "f16"))
    return decide_scheme([both_runs(POCKET, ours, theirs)], margin, claim=claim, max_pairs=max_pairs)


def sure(label: Label, p: float, judged: Benchmark) -> list[Verdict]:
    """A verdict for `label` with probability p on every pair and order, the rest on the other answer."""
    other: Label = "b" if label == "a" else "a"
    return [Verdict(pair.id, o, label, {label: p, other: 1 - p}) for pair in judged.pairs for o in ORDERS]


def part(judged: Benchmark, ours: list[Verdict], theirs: list[Verdict]) -> Part:
    return both_runs(judged, run(ours, order="both"), run(theirs, "f16", order="both", size=9_000_000))


ALL_A = benchmark(*["a"] * 1000)


def test_differences_worked_by_hand() -> None:
    judged = benchmark("a", ("a", "b", "b", "b"), "tie", (), "b")
    before = verdicts(("a", "a"), ("b", "b"), ("tie", "a"), ("a", "a"), ("b", "b"))
    after = verdicts(("a", None), ("b", "a"), ("tie", "tie"), ("b", "b"), ("b", "b"))[:-1]
    found = differences(part(judged, after, before))
    assert found == {  # nobody judged pair 3, and of pair 4 one order is missing
        "0": Difference(0.5, None, 2),
        "1": Difference((0.75 + 0.75) / 2 - (0.75 + 0.25) / 2, None, 2),
        "2": Difference(-0.5, None, 2),
    }


def test_differences_by_probabilities_worked_by_hand() -> None:
    judged = benchmark(("a", "b"), "tie")
    before = [Verdict("0", "ab", "a", {"a": 0.7, "b": 0.2, "tie": 0.1}), Verdict("1", "ab", "a", {"a": 0.9, "b": 0.1})]
    after = [Verdict("0", "ab", "a", {"a": 0.5, "b": 0.1, "tie": 0.4}), Verdict("1", "ab", "a", {"a": 0.6, "tie": 0.4})]
    found = differences(both_runs(judged, run(after), run(before, "f16")))
    assert found["0"].by_probabilities == pytest.approx((0.2 + 0.1) / 2)
    assert found["1"].by_probabilities == pytest.approx(-0.4)
    assert {name: one.verdicts for name, one in found.items()} == {"0": 1, "1": 1}


def test_a_run_in_one_order_is_held_to_the_baselines_verdicts_in_that_order() -> None:
    judged = benchmark("a", "b")
    one = run([v for v in verdicts(("b", None), ("b", None)) if v.order == "ab"], order="given")
    both = run(verdicts(("a", "b"), ("b", "a")), "f16", order="both")
    found = differences(both_runs(judged, one, both))
    assert [(d.by_verdicts, d.verdicts) for d in found.values()] == [(1.0, 1), (0.0, 1)]


@pytest.mark.parametrize("votes", [1, 3])
def test_over_all_pairs_the_drop_is_the_one_that_compare_finds(votes: int) -> None:
    judged = random_benchmark(1, 120, votes=votes)
    ours, theirs = run(random_verdicts(1, judged)), run(random_verdicts(2, judged), "f16")
    found = decide_scheme([both_runs(judged, ours, theirs)], 2, claim="verdicts")
    assert found.full.by_verdicts == pytest.approx(compared(judged, ours, theirs).drop.value)


def test_pairs_count_by_their_votes_also_where_these_differ_in_number() -> None:
    labels: list[tuple[Label, ...]] = [("a",), ("a", "a", "b"), ("b", "b"), ("tie", "a", "a", "a")] * 10
    judged = benchmark(*labels)
    ours, theirs = run(random_verdicts(4, judged)), run(random_verdicts(3, judged), "f16")
    expected = compared(judged, ours, theirs).drop.value
    assert expected is not None and expected > 0
    found = decide_scheme(
        [both_runs(judged, ours, theirs)], expected, claim="verdicts"
    )  # not told apart before the last pair
    assert found.pairs == 40 and found.outcome == found.full.outcome == "within"
    assert (found.by_verdicts.value, found.full.by_verdicts) == pytest.approx((expected, expected))


def test_no_loss_is_decided_on_a_fifth_of_the_pairs() -> None:
    same = sure("a", 0.9, ALL_A)
    found = decide_scheme([part(ALL_A, same, same)], 2)
    assert found.outcome == "within" and 150 < found.pairs < 210
    assert found.verdicts == 2 * found.pairs and found.verdicts_total == 2000 and found.pairs_total == 1000
    assert found.claimed == found.by_probabilities and found.claimed.value == 0
    assert found.claimed.high is not None and found.claimed.high <= 2
    assert (found.full.outcome, found.full.pairs, found.more) == ("within", 1000, None)


def test_a_loss_of_probability_that_changes_no_verdict_is_told_by_the_claim_only() -> None:
    ours, theirs = sure("a", 0.6, ALL_A), sure("a", 0.9, ALL_A)
    by_p = decide_scheme([part(ALL_A, ours, theirs)], 2, claim="probabilities")
    by_verdicts = decide_scheme([part(ALL_A, ours, theirs)], 2, claim="verdicts")
    assert (by_p.outcome, by_verdicts.outcome) == ("worse", "within")
    assert by_p.by_probabilities.value == pytest.approx(30) and by_p.by_verdicts.value == 0
    assert by_p.pairs < by_verdicts.pairs
    assert by_verdicts.claimed == by_verdicts.by_verdicts


def test_a_growing_run_is_decided_block_by_block_as_the_whole_run_is() -> None:
    judged = random_benchmark(1, 400, ties=False)
    label = {pair.id: pair.labels[0] for pair in judged.pairs}
    theirs = [Verdict(i, o, v, {v: 0.9, MIRROR[v]: 0.1}) for i, v in label.items() for o in ORDERS]
    ours = [replace(v, p={label[v.id]: 0.88, MIRROR[label[v.id]]: 0.12}) for v in theirs]
    whole = decide_scheme([part(judged, ours, theirs)], 4, seed=3)
    blocks = sampling.order([judged], 3)
    done: set[str] = set()
    for number in range(len(blocks) + 1):
        now = decide_scheme([part(judged, [v for v in ours if v.id in done], theirs)], 4, seed=3)
        if now.outcome != "undecided":
            break
        assert now.blocks == number and now.pairs == len(done)
        assert now.more is None if not done else 0 < (now.more or 0) <= 400 - len(done)
        done |= {unit.id for unit in blocks[now.blocks]}
    assert whole.outcome == now.outcome == "within"
    assert (now.blocks, now.by_probabilities, now.by_verdicts) == (
        whole.blocks, whole.by_probabilities, whole.by_verdicts,
    )  # fmt: skip
    assert now.full.outcome is None and now.full.pairs == len(done) < 400


def test_nothing_judged_yet_is_undecided_and_has_no_figure() -> None:
    found = decide_scheme([part(ALL_A, [], sure("a", 0.9, ALL_A))], 2)
    assert (found.outcome, found.blocks, found.pairs, found.more) == ("undecided", 0, 0, None)
    assert found.by_probabilities.value is None and found.by_verdicts.value is None
    assert found.full == decision.Judged(None, None, 0, None)


def test_a_budget_is_not_exceeded() -> None:
    same = sure("a", 0.9, ALL_A)
    found = decide_scheme([part(ALL_A, same, same)], 2, max_pairs=100)
    assert (found.outcome, found.blocks) == ("undecided", 3) and 93 <= found.pairs <= 96
    assert found.more is not None and 50 < found.more < 150
    assert decide_scheme([part(ALL_A, same, same)], 2, max_pairs=5).pairs == 0


def test_several_benchmarks_are_decided_as_one() -> None:
    first, second = benchmark(*["a"] * 300), benchmark(*["b"] * 300, name="other")
    ours = [run(sure("a", 0.9, first)), run(sure("b", 0.9, second))]
    theirs = [run(sure("a", 0.9, first), "f16"), run(sure("b", 0.9, second), "f16")]
    ours[1], theirs[1] = (replace(r, identity=replace(r.identity, benchmark="other")) for r in (ours[1], theirs[1]))
    found = decide_scheme([both_runs(first, ours[0], theirs[0]), both_runs(second, ours[1], theirs[1])], 2)
    assert found.benchmarks == ("toy", "other") and found.pairs_total == 600 and found.outcome == "within"


@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("scheme", LADDER)
def test_on_the_recorded_ladder_the_answer_is_that_of_the_full_data(scheme: str, claim: Claim) -> None:
    found = recorded(scheme, claim, 2)
    assert found.outcome == found.full.outcome == "within"
    assert found.pairs < found.pairs_total == found.full.pairs == 600
    value = found.full.by_probabilities if claim == "probabilities" else found.full.by_verdicts
    assert value is not None and found.claimed.low is not None and found.claimed.high is not None
    assert found.claimed.low <= value <= found.claimed.high


@pytest.mark.parametrize("margin", [0.25, 0.5, 1])
def test_at_finer_margins_too(margin: float) -> None:
    outcomes = {scheme: recorded(scheme, "probabilities", margin) for scheme in LADDER}
    for found in outcomes.values():
        assert found.outcome == found.full.outcome
    assert outcomes["q2_k"].outcome == ("within" if margin == 1 else "worse")


def test_verdicts_without_probabilities_can_only_be_claimed_as_given() -> None:
    judged = random_benchmark(1, 60)
    bare = [replace(v, p=None) for v in random_verdicts(1, judged)]
    with pytest.raises(RunError, match="without probabilities") as caught:
        decide_scheme([part(judged, bare, bare)], 2)
    assert caught.value.hint
    found = decide_scheme([part(judged, bare, bare)], 2, claim="verdicts")
    assert found.by_probabilities.value is None and found.by_verdicts.value == 0


@pytest.mark.parametrize("margin", [-1.0, float("nan"), float("inf")])
def test_a_margin_that_is_none_is_refused(margin: float) -> None:
    with pytest.raises(UsageError):
        decide_scheme([part(ALL_A, [], [])], margin)


def test_what_is_not_one_question_is_refused() -> None:
    same = sure("a", 0.9, ALL_A)
    with pytest.raises(UsageError):
        decide_scheme([], 2)
    with pytest.raises(UsageError):
        decide_scheme([part(ALL_A, same, same)], 2, max_pairs=0)
    other = replace(ALL_A, name="other")
    with pytest.raises(RunError, match="toy"):
        decide_scheme([part(other, same, same)], 2)
    q2_k: Run = run(same, "q2_k")
    on_other = [replace(r, identity=replace(r.identity, benchmark="other")) for r in (run(same), run(same, "f16"))]
    with pytest.raises(RunError, match="several files"):
        decide_scheme([both_runs(ALL_A, q2_k, run(same, "f16")), both_runs(other, *on_other)], 2)
    with pytest.raises(RunError, match="prompt_sha256"):
        decide_scheme([both_runs(ALL_A, run(same), run(same, "f16", prompt_sha256="2" * 64))], 2)
