"""Judging from a record: a run can be judged again without its model, through the same seam as any engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge_judge import __version__, benchmarks
from edge_judge.benchmarks import rubric
from edge_judge.engine import RecordedEngine
from edge_judge.errors import DataError, ModelError
from edge_judge.judging.judge import judge
from edge_judge.judging.replay import replay
from edge_judge.protocols import grammar
from edge_judge.protocols.protocol import Protocol, Question
from edge_judge.records import Verdict
from edge_judge.runs import folder as run_folder

RUNS = Path(__file__).parent.parent / "results" / __version__ / "pocket" / "pocket" / "q4_k_m"
BENCHMARK = benchmarks.load("pocket")
PAIRS = {pair.id: pair for pair in BENCHMARK.pairs}


def protocol(name: str) -> Protocol:
    criteria = rubric.load().criteria if name == "rubric" else ()
    return Protocol(grammar.load(name), ties=BENCHMARK.ties, criteria=criteria)


def recorded(name: str) -> tuple[Verdict, ...]:
    return run_folder.read_run(RUNS / name).verdicts


@pytest.mark.parametrize("name", ["none", "pairwise", "pairwise-cot", "pairwise-json", "reference", "rubric"])
def test_a_recorded_run_judged_again_from_its_record_gives_the_same_verdicts(name: str) -> None:
    verdicts = recorded(name)
    engine = replay(BENCHMARK, protocol(name), verdicts)
    questions = [Question(PAIRS[verdict.id], verdict.order) for verdict in verdicts]
    again = {(verdict.id, verdict.order): verdict for verdict in judge(engine, protocol(name), questions)}
    assert again == {(verdict.id, verdict.order): verdict for verdict in verdicts}


def test_a_prompt_that_is_not_in_the_record_has_no_answer() -> None:
    with pytest.raises(ModelError, match="no Distribution is recorded for the prompt"):
        list(judge(RecordedEngine({}), protocol("pairwise"), [Question(BENCHMARK.pairs[0], "ab")]))


def test_verdicts_that_do_not_keep_what_was_answered_cannot_be_judged_again() -> None:
    with pytest.raises(DataError, match="pointwise cannot be replayed"):
        replay(BENCHMARK, protocol("pointwise"), recorded("pointwise"))
    truncated = replace(recorded("pairwise")[0], truncated=True)
    with pytest.raises(DataError, match="its answers were shortened"):
        replay(BENCHMARK, protocol("pairwise"), [truncated])
    with pytest.raises(DataError, match="no probabilities are recorded"):
        replay(BENCHMARK, protocol("pairwise"), [replace(recorded("pairwise")[0], p=None)])
