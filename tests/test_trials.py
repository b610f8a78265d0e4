"""A recorded run as data frames: a row for each verdict, a row for each vote, worked by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from judgements import WHO, benchmark, random_benchmark, random_verdicts, run, scored, verdicts

from edge_judge.analysis.cascade import cascade
from edge_judge.analysis.compare import compare, in_common, paper_drop
from edge_judge.analysis.jury import jury
from edge_judge.errors import RunError
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.metrics.trials import TRIAL, VERDICT
from edge_judge.metrics.verdict_frame import verdict_frame
from edge_judge.records import Benchmark, Order, Pair, Run, Verdict

HALF = "\ud800"  # half a character, as JSON may name it


def toy() -> RecordedRun:
    """Pair "x" has three votes, the second of which saw the order ba, pair "y" none, pair "z" one."""
    seen: tuple[Order, ...] = ("ab", "ba", "ab")
    pairs = (
        Pair("x", "", "", "", ("a", "a", "tie"), "group", given=seen),
        Pair("y", "", "", ""),
        Pair("z", "", "", "", ("b",), "group"),
    )
    given = [
        Verdict("z", "ab", None),
        Verdict("x", "ba", "b", {"b": 0.75, "a": 0.25}, mass=0.5, truncated=True),
        Verdict("y", "ba", "tie", {"a": 0.0, "b": 0.0, "tie": 1.0}),
        Verdict("x", "ab", "a"),
    ]
    return RecordedRun(run(given), Benchmark("toy", pairs, "", True, ""))


def on(name: str, given: list[Verdict]) -> Run:
    """A run on a benchmark of that name."""
    return replace(run(given), identity=replace(WHO, benchmark=name))


def test_a_verdict_is_a_row_in_the_order_of_the_benchmark() -> None:
    frame = toy().verdicts
    assert frame[VERDICT].values.tolist() == [["x", 0], ["x", 1], ["y", 1], ["z", 0]]
    assert frame["pair"].tolist() == [0, 0, 1, 2]
    assert frame["verdict"].tolist() == [0, 1, 2, 3]
    assert frame["cluster"].tolist() == [0, 0, 1, 0]
    assert frame["truncated"].tolist() == [False, True, False, False]
    assert frame.loc[1, ["p_a", "p_b", "p_tie", "mass"]].tolist() == [0.25, 0.75, 0.0, 0.5]
    assert frame["p_tie"].isna().tolist() == frame["p_a"].isna().tolist() == [True, False, False, True]
    assert frame["mass"].isna().tolist() == [True, False, True, True]


def test_a_trial_is_a_row_for_each_verdict_and_vote_and_a_pair_without_votes_has_none() -> None:
    frame = toy().trials
    assert frame[TRIAL].values.tolist() == [
        ["x", 0, 0], ["x", 0, 1], ["x", 0, 2], ["x", 1, 0], ["x", 1, 1], ["x", 1, 2], ["z", 0, 0],
    ]  # fmt: skip
    assert frame["label"].tolist() == [0, 0, 2, 0, 0, 2, 1]
    assert frame["verdict"].tolist() == [0, 0, 0, 1, 1, 1, 3]
    assert frame["right"].tolist() == [True, True, False, False, False, False, False]
    assert frame["in_order"].tolist() == [True, False, True, False, True, False, True]
    assert frame["in_paper"].tolist() == frame["in_order"].tolist()  # accuracy in the order that each vote saw
    assert frame["paper_right"].tolist() == [True, False, False, False, False, False, False]


def test_where_the_paper_counts_agreement_a_trial_is_a_vote_on_a_pair_judged_in_both_orders() -> None:
    judged = benchmark("a", ("b", "tie"), "a", name="auto-j")
    frame = RecordedRun(on("auto-j", verdicts(("a", "a"), ("tie", None), ("a", "a"))[:5]), judged).trials
    counted = frame[frame["in_paper"]]
    assert counted[TRIAL].values.tolist() == [["0", 0, 0], ["1", 0, 0], ["1", 0, 1]]
    assert counted["paper_right"].tolist() == [True, False, True]  # a missing verdict is a tie there


@pytest.mark.parametrize("votes", [1, 3])
def test_accuracy_is_the_mean_of_right_and_the_papers_figure_that_of_paper_right(votes: int) -> None:
    judged = random_benchmark(3, 40, votes=votes, given=True)
    kept = RecordedRun(run(random_verdicts(3, judged)[:70]), judged)
    trials = kept.trials
    assert kept.score == scored(judged, kept.run.verdicts)
    assert kept.score.strict["accuracy"].value == pytest.approx(trials["right"].mean())
    assert kept.score.strict["accuracy"].n == len(trials)
    assert kept.score.paper["accuracy"].value == pytest.approx(trials.loc[trials["in_paper"], "paper_right"].mean())


def test_frames_of_a_run_without_a_verdict_have_their_columns() -> None:
    full, empty = toy(), RecordedRun(run([]), toy().benchmark)
    assert len(empty.verdicts) == len(empty.trials) == 0
    assert empty.verdicts.dtypes.to_dict() == full.verdicts.dtypes.to_dict()
    assert empty.trials.dtypes.to_dict() == full.trials.dtypes.to_dict()


def test_runs_are_cut_to_the_pairs_and_orders_they_share_row_by_row_with_clusters_from_0() -> None:
    judged = benchmark("a", "b", "tie", groups=["one", "two", "three"])
    first = RecordedRun(run(verdicts(("a", "a"), ("b", "a"), ("tie", "b"))[1:]), judged)
    second = RecordedRun(run(verdicts(("a", "b"), ("b", "b"), ("a", "a"))[:1:-1], "f16"), judged)
    ours, theirs = in_common([first, second])
    assert ours[VERDICT].values.tolist() == theirs[VERDICT].values.tolist() == [["1", 0], ["1", 1], ["2", 0], ["2", 1]]
    assert ours["cluster"].tolist() == theirs["cluster"].tolist() == [0, 0, 1, 1]
    assert ours["verdict"].tolist() == [1, 0, 2, 1] and theirs["verdict"].tolist() == [1, 1, 0, 0]


def test_runs_on_several_benchmarks_are_not_cut_to_anything() -> None:
    other = RecordedRun(on("elsewhere", verdicts(("a", "a"))), benchmark("a", name="elsewhere"))
    with pytest.raises(RunError, match="elsewhere/pocket/q4_k_m/pairwise is not a run on toy"):
        in_common([toy(), other])


def test_a_pair_may_be_called_by_half_a_character() -> None:
    pairs = tuple(Pair(name, "", "", "", ("a",)) for name in (HALF, "1", "2", "3"))
    judged = Benchmark("toy", pairs, "", True, "")
    given = [Verdict(pair.id, "ab", "a", {"a": 0.9, "b": 0.1}, text=HALF) for pair in pairs]
    one, other = (RecordedRun(run(given, scheme), judged) for scheme in ("q4_k_m", "f16"))
    assert compare(one, other).verdicts == 4 and paper_drop(one, other).value == 0
    assert jury([one, other]).verdicts == cascade(one, other).verdicts == 4
    assert verdict_frame(given)["id"].tolist()[0] == verdict_frame(given)["text"].tolist()[0] == HALF


def test_verdicts_are_a_frame_without_a_benchmark_too() -> None:
    given = [Verdict("1", "ba", None, text="well", mass=0.5), Verdict("1", "ab", "b", {"a": 0.25, "b": 0.75})]
    frame = verdict_frame(given)
    assert frame["order"].tolist() == ["ba", "ab"] and list(frame["order"].cat.categories) == ["ab", "ba"]
    assert frame["verdict"].isna().tolist() == [True, False] and frame["verdict"].tolist()[1] == "b"
    assert frame["p_b"].tolist()[1] == 0.75 and math.isnan(frame["p_tie"].tolist()[1])  # no tie is legal there
    assert frame["text"].tolist() == ["well", None]
    assert frame.dtypes.to_dict() == verdict_frame([]).dtypes.to_dict()
    assert isinstance(frame, pd.DataFrame) and frame["mass"].dtype == np.float64
