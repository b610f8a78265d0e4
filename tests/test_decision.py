"""Recorded verdicts to a decision: counted by hand, stopped in time, in step with the full data, for new pairs as well
as for those at hand, on every benchmark by itself, refused in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from judgements import benchmark, compared, random_benchmark, random_verdicts, run, verdicts

from edge_judge import __version__, benchmarks
from edge_judge.analysis import decision, sampling
from edge_judge.analysis.decision import Decision, allowed, decide_ladder, decide_scheme
from edge_judge.analysis.paired_losses import Difference, Part, differences
from edge_judge.errors import RunError, UsageError
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.records import ORDERS, Benchmark, Label, Run, Verdict
from edge_judge.runs import folder as run_folder

POCKET = benchmarks.load("pocket")
RECORDED = Path(__file__).parent.parent / "results" / __version__ / "pocket" / "pocket"
LADDER = ("q8_0", "q6_k", "q4_k_m", "q3_k_m", "q2_k")


def both_runs(judged: Benchmark, ours: Run, theirs: Run) -> Part:
    return Part(RecordedRun(ours, judged), RecordedRun(theirs, judged))


def recorded(scheme: str, margin: float, *, stop: bool = True) -> Decision:
    ours, theirs = (run_folder.read_run(RECORDED / name / "pairwise") for name in (scheme, "f16"))
    return decide_scheme([both_runs(POCKET, ours, theirs)], margin, stop=stop)


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


def flipped(judged: Benchmark, lost: int, *, scheme: str = "q4_k_m", size: int = 4_000_000) -> Part:
    """A baseline that is always right, and a scheme that is wrong in both orders of the first so many pairs."""
    right = {pair.id: pair.labels[0] for pair in judged.pairs}
    theirs = [Verdict(name, order, label, {label: 1.0}) for name, label in right.items() for order in ORDERS]
    wrong = {pair.id for pair in judged.pairs[:lost]}
    ours = [replace(v, verdict="tie", p={"tie": 1.0}) if v.id in wrong else v for v in theirs]
    runs = [run(ours, scheme, order="both", size=size), run(theirs, "f16", order="both", size=9_000_000)]
    named = [replace(one, identity=replace(one.identity, benchmark=judged.name)) for one in runs]
    return both_runs(judged, *named)


@pytest.mark.parametrize("votes", [1, 3])
def test_over_all_pairs_the_drop_is_the_one_that_compare_finds(votes: int) -> None:
    judged = random_benchmark(1, 120, votes=votes)
    ours, theirs = run(random_verdicts(1, judged)), run(random_verdicts(2, judged), "f16")
    found = decide_scheme([both_runs(judged, ours, theirs)], 2)
    assert found.parts[0].full.by_verdicts == pytest.approx(compared(judged, ours, theirs).drop.value)


def test_pairs_count_by_their_votes_also_where_these_differ_in_number() -> None:
    labels: list[tuple[Label, ...]] = [("a",), ("a", "a", "b"), ("b", "b"), ("tie", "a", "a", "a")] * 10
    judged = benchmark(*labels)
    ours, theirs = run(random_verdicts(4, judged)), run(random_verdicts(3, judged), "f16")
    expected = compared(judged, ours, theirs).drop.value
    assert expected is not None and expected > 0
    [found] = decide_scheme([both_runs(judged, ours, theirs)], expected).parts  # not told apart before the last pair
    assert found.pairs == 40 and found.own == found.full.outcome == "within"
    assert (found.by_verdicts.value, found.full.by_verdicts) == pytest.approx((expected, expected))


def test_no_loss_is_decided_on_a_quarter_of_the_pairs() -> None:
    same = sure("a", 0.9, ALL_A)
    found = decide_scheme([part(ALL_A, same, same)], 2)
    assert (found.outcome, found.trusted) == ("within", "within") and 150 < found.pairs < 250
    assert found.verdicts == 2 * found.pairs and found.verdicts_total == 2000 and found.pairs_total == 1000
    [one] = found.parts
    assert one.by_verdicts.value == one.new_pairs.value == 0 and one.settled
    assert one.by_verdicts.high is not None and one.new_pairs.high is not None
    assert one.by_verdicts.high < one.new_pairs.high <= 2
    assert (one.full.outcome, one.full.pairs, one.more, one.needed) == ("within", 1000, None, None)
    own_only = decide_scheme([part(ALL_A, same, same)], 2, claims_new=False)
    assert own_only.trusted is None and own_only.outcome == "within" and own_only.pairs <= found.pairs


def test_a_loss_of_probability_that_changes_no_verdict_decides_nothing() -> None:
    found = decide_scheme([part(ALL_A, sure("a", 0.6, ALL_A), sure("a", 0.9, ALL_A))], 2)
    assert found.outcome == found.trusted == "within"
    assert found.parts[0].by_probabilities.value == pytest.approx(30)
    low = found.parts[0].by_probabilities.low
    assert low is not None and low > 2


def test_a_growing_run_is_decided_block_by_block_as_the_whole_run_is() -> None:
    judged = benchmark(*["a", "b"] * 250)
    everything = flipped(judged, 4)
    whole = decide_scheme([everything], 4, seed=3)
    blocks = sampling.walk(judged, 3)
    done: set[str] = set()
    for number in range(len(blocks) + 1):
        ours = replace(everything.run.run, verdicts=tuple(v for v in everything.run.run.verdicts if v.id in done))
        now = decide_scheme([both_runs(judged, ours, everything.baseline.run)], 4, seed=3)
        [one] = now.parts
        if one.settled:
            break
        assert one.blocks == number and one.pairs == len(done)
        assert one.more is None if one.own != "undecided" or not done else 0 < (one.more or 0) <= 500 - len(done)
        done |= {unit.id for unit in blocks[one.blocks]}
    assert whole.outcome == now.outcome == whole.trusted == now.trusted == "within"
    assert replace(one, full=whole.parts[0].full) == whole.parts[0]
    assert one.full.outcome is None and one.full.pairs == len(done) < 500


def test_nothing_judged_yet_is_undecided_and_has_no_figure() -> None:
    found = decide_scheme([part(ALL_A, [], sure("a", 0.9, ALL_A))], 2)
    assert (found.outcome, found.trusted, found.pairs) == ("undecided", "undecided", 0)
    [one] = found.parts
    assert (one.blocks, one.more, one.needed, one.settled) == (0, None, None, False)
    assert one.by_probabilities.value is one.by_verdicts.value is one.new_pairs.value is None
    assert one.full == decision.Judged(None, None, 0, None)


def test_a_budget_is_not_exceeded_and_benchmarks_take_turns() -> None:
    same = sure("a", 0.9, ALL_A)
    [found] = decide_scheme([part(ALL_A, same, same)], 2, max_pairs=100).parts
    assert (found.own, found.blocks) == ("undecided", 6) and 93 <= found.pairs <= 96
    assert found.more is not None and 50 < found.more < 150
    assert found.needed is not None and 150 < found.needed < 300
    assert decide_scheme([part(ALL_A, same, same)], 2, max_pairs=5).pairs == 0
    blocks = [sampling.walk(ALL_A, 0), sampling.walk(benchmark(*["a"] * 80, name="small"), 0)]
    assert allowed(blocks, 100) == [4, 3] and allowed(blocks, None) == [63, 8] and allowed(blocks, 10_000) == [63, 8]


def test_a_benchmark_that_loses_does_not_hide_behind_a_larger_one() -> None:
    large, small = benchmark(*["a"] * 900), benchmark(*["b"] * 150, name="other")
    found = decide_scheme([flipped(large, 0), flipped(small, 18)], 3, stop=False)
    assert found.benchmarks == ("toy", "other") and found.pairs_total == 1050
    assert found.pooled == pytest.approx(100 * 18 / 1050)  # by votes as one, within the margin
    assert [one.own for one in found.parts] == ["within", "worse"] and found.outcome == "worse"
    assert found.parts[0].new == "within" and found.trusted != "within"
    assert decide_scheme([flipped(large, 0), flipped(small, 0)], 3, stop=False).outcome == "within"


def test_a_question_speaks_once_with_the_mean_of_its_pairs_seen_until_then() -> None:
    """Against a plain loop over the walk; and once all is seen, no question has been left out."""
    judged = benchmark(*["a"] * 60, groups=[f"question {place % 20}" for place in range(60)])
    held = flipped(judged, 7)
    speakers = {unit.id for unit in sampling.speakers(judged, 5)}
    cluster = {pair.id: pair.cluster for pair in judged.pairs}
    assert len(speakers) == len({cluster[name] for name in speakers}) == 20
    seen: dict[str, list[float]] = {}
    said = []
    for unit in [unit for block in sampling.walk(judged, 5) for unit in block]:
        seen.setdefault(cluster[unit.id], []).append(float(int(unit.id) < 7))
        if unit.id in speakers:
            said.append(sum(seen[cluster[unit.id]]) / len(seen[cluster[unit.id]]))
    [found] = decide_scheme([held], 2, seed=5, stop=False).parts
    assert (found.questions, found.questions_total) == (20, 20)
    assert found.new_pairs.value == pytest.approx(100 * sum(said) / 20)
    assert found.by_verdicts.value == pytest.approx(100 * 7 / 60)


def test_a_small_benchmark_is_known_whole_and_tells_little_of_new_pairs() -> None:
    judged = benchmark(*["a"] * 100)
    [found] = decide_scheme([flipped(judged, 0)], 2).parts
    assert found.own == "within" and found.new == "undecided"
    assert found.settled and found.pairs < 100  # were all judged, it still could not be shown of new ones
    assert found.needed is not None and 184 < found.needed < 260
    assert found.new_pairs.high is not None and found.new_pairs.high > 2


@pytest.mark.parametrize("scheme", LADDER)
def test_on_the_recorded_ladder_the_answer_is_that_of_the_full_data(scheme: str) -> None:
    found, whole = recorded(scheme, 2), recorded(scheme, 2, stop=False)
    assert found.outcome == found.trusted == whole.outcome == whole.trusted == "within"
    [one], [full] = found.parts, whole.parts
    assert one.pairs < one.pairs_total == one.full.pairs == full.pairs == 600
    value = one.full.by_verdicts
    assert value is not None and one.by_verdicts.low is not None and one.by_verdicts.high is not None
    assert one.by_verdicts.low <= value <= one.by_verdicts.high
    assert full.by_verdicts.low == pytest.approx(value, abs=1e-5) == full.by_verdicts.high
    assert full.new_pairs.high is not None and full.new_pairs.high > value + 0.5


@pytest.mark.parametrize("margin", [0.25, 0.5, 1])
def test_at_finer_margins_too(margin: float) -> None:
    outcomes = {scheme: recorded(scheme, margin) for scheme in LADDER}
    for found in outcomes.values():
        assert found.outcome == found.parts[0].full.outcome
    assert outcomes["q2_k"].outcome == ("within" if margin == 1 else "worse")


def test_a_ladder_says_nothing_of_new_pairs_after_a_scheme_that_is_not_shown_to_agree_on_them() -> None:
    judged = benchmark(*["a"] * 400)
    wide, middle, small = (
        flipped(judged, lost, scheme=scheme, size=size)
        for scheme, lost, size in (("q8_0", 0, 9), ("q4_k_m", 6, 5), ("q2_k", 0, 2))
    )
    found, unseen = decide_ladder([[small], [wide], [middle]], 2)
    assert [one.run.scheme for one in found] == ["q8_0", "q4_k_m", "q2_k"] and unseen == []
    assert [one.outcome for one in found] == ["within"] * 3
    assert [one.trusted for one in found] == ["within", "undecided", None]


def test_a_ladder_that_stops_early_ends_at_the_first_scheme_that_is_worse() -> None:
    judged = benchmark(*["a"] * 400)
    schemes = [
        [flipped(judged, lost, scheme=name, size=size)] for name, lost, size in (("q8_0", 60, 9), ("q2_k", 0, 2))
    ]
    found, unseen = decide_ladder(schemes, 2, stop=True)
    assert [one.outcome for one in found] == ["worse"] and unseen == ["q2_k"]
    whole, unseen = decide_ladder(schemes, 2)  # all are judged: what they show of themselves is certain
    assert [one.outcome for one in whole] == ["worse", "within"] and unseen == []
    assert [one.trusted for one in whole] == ["worse", None]


def test_verdicts_without_probabilities_are_decided_alike() -> None:
    judged = random_benchmark(1, 60)
    bare = [replace(v, p=None) for v in random_verdicts(1, judged)]
    [found] = decide_scheme([part(judged, bare, bare)], 2).parts
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
