"""The comparison's arithmetic and its page, and the workload that is made up: no clock runs here."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import fields, replace
from pathlib import Path

import pytest
from conftest import Edge
from published import needs

sys.path.append(str(Path(__file__).resolve().parent.parent / "benchmarks"))
import judge_profile as profile
import judge_sides as sides
import judge_table as table
import judge_work as work
from judge_table import FOUR, ONE, OURS, PYTHON, Figure, Rate, Ratio, Report, Run

from edge_judge import benchmarks
from edge_judge.engine import plan
from edge_judge.engine.plan import Query
from edge_judge.protocols import grammar
from edge_judge.protocols.protocol import Protocol, Question
from edge_judge.records import ORDERS

BENCHMARKS = Path(work.__file__).parent
WANTED = {"python": 2.0, "server": 1.5, "limit": 0.95}


def report(**times: list[float]) -> Report:
    """Rounds of seconds for each side: python, one, four, ours."""
    sides = {"python": PYTHON, "one": ONE, "four": FOUR, "ours": OURS}
    runs = tuple(
        Run(sides[name], number, 0.1, seconds, evaluated=1010, written=0, least=1000, beyond=200_000_000)
        for name, each in times.items()
        for number, seconds in enumerate(each)
    )
    rounds = len(times["ours"])
    rates = tuple(Rate(number, 0.1, size, (90.0, 100.0, 110.0)) for number in range(rounds) for size in (512, 2048))
    answers = dict.fromkeys(sides.values(), 20)
    return Report("toy", "two questions", "2026-01-01", {"cores": 2}, WANTED, answers, runs, rates)


THREE = report(python=[30.0, 24.0, 40.0], one=[20.0, 22.0, 18.0], four=[30.0, 10.0, 21.0], ours=[10.0, 12.0, 11.0])


def test_a_ratio_is_one_of_medians_with_its_extremes_over_the_rounds():
    assert table.ratios(THREE)["python"] == Ratio(30 / 11, 2.0, 40 / 11)


def test_the_best_server_is_the_one_that_is_faster_in_the_median():
    assert table.best_server(THREE) == ONE
    assert table.best_server(replace(THREE, runs=tuple(run for run in THREE.runs if run.side != ONE))) == FOUR


def test_the_limit_is_the_prefix_tree_at_the_prompt_rate_of_the_same_round():
    assert table.limit(THREE) == {0: 10.0, 1: 10.0, 2: 10.0}
    assert table.ratios(THREE)["limit"] == Ratio(10 / 11, 10 / 12, 1.0)


def test_what_was_written_is_no_part_of_the_prompts_that_were_evaluated_twice():
    runs = tuple(replace(run, evaluated=1510, written=500) for run in THREE.runs)
    writing = replace(THREE, runs=runs)
    assert table.overhead(THREE) == table.overhead(writing) == 1.01
    assert table.ratios(writing)["limit"] is None


def test_a_side_that_did_not_run_has_no_ratio():
    alone = report(ours=[1.0])
    assert table.ratios(alone)["python"] is None and table.ratios(alone)["server"] is None
    assert "| toy | — | — | — | 1.00 s, 20 verdicts |" in table.markdown([alone])


def test_the_page_says_what_is_missed():
    text = table.markdown([THREE])
    assert "| toy | 2.73 [2.00, 3.64], wanted ≥ 2 | 1.82 [1.64, 2.00], wanted ≥ 1.5 | 0.91 [0.83, 1.00]" in text
    assert text.count("**missed**") == 1
    assert "| toy | 1,000 | 1.0100, wanted ≤ 1.01 |" in text


def test_a_plain_figure_is_held_to_its_bound_in_its_own_direction():
    fast = Figure("speed", "verdicts/s", (90.0, 120.0, 130.0), 100, at_least=True)
    slow = Figure("wait", "s", (0.2, 0.3, 0.4), 0.25)
    assert fast.met and not slow.met
    text = table.markdown([Report("small", "timed plainly", "2026-01-01", {}, figures=(fast, slow))])
    assert "| speed | 120 verdicts/s [90, 130] | ≥ 100 verdicts/s |" in text
    assert "| wait | 0.30 s [0.20, 0.40] | ≤ 0.25 s: **missed** |" in text


def test_every_time_is_kept_and_read_back(tmp_path):
    with_figure = replace(THREE, name="other", figures=(Figure("wait", "s", (1.0, 2.0), 3.0),))
    (tmp_path / "busy.json").write_text('{"pairs": 8}', "utf-8")  # another benchmark's
    for kept in (THREE, with_figure):
        table.save(kept, tmp_path)
        assert table.read(tmp_path / f"{kept.name}.json") == kept
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "**toy**" in page and "**other**" in page and "| wait | 1.50 s [1.00, 2.00] |" in page


def test_a_run_keeps_measurements_by_the_names_that_each_side_gives_them():
    kept = {field.name for field in fields(Run)} - {"side", "round", "load"}
    assert kept <= {field.name for field in fields(sides.Measurement)}


def test_without_the_published_files_there_is_one_message(monkeypatch, tmp_path):
    monkeypatch.setattr(work, "DATA", tmp_path / "nowhere")
    with pytest.raises(SystemExit, match=r"error: .*nowhere.* is missing.*\nhint: EDGE_JUDGE_DATA"):
        work.check_shared()


@needs("auto-j/testdata_pairwise.jsonl")
class TestLikeMTBench:
    def test_every_row_goes_through_the_real_reader(self):
        rows = list(work.mtbench_rows())
        pairs = work.read_rows(rows)
        assert len(pairs) == work.QUESTIONS * 15 * 2
        assert sum(len(pair.labels) for pair in pairs) == len(rows) == 1680
        assert Counter(len(pair.labels) for pair in pairs) == {1: 720, 2: 480}
        assert any("ba" in pair.given for pair in pairs)

    def test_others_judge_every_vote_and_we_every_pair(self):
        whole = work.load("mt-bench-like")
        assert len(whole.questions) == 3 * 15 * 2 * 2
        assert len(whole.questions_for_others) == 3 * 21 * 2 * 2
        keys = {frozenset((q.pair.question, *q.pair.shown(q.order))) for q in whole.questions}
        assert {frozenset((q.pair.question, *q.pair.shown(q.order))) for q in whole.questions_for_others} == keys


@needs("pandalm/testset-v1.json")
def test_neighbours_share_their_instruction():
    instructions = [question.pair.question for question in work.load("pandalm").questions]
    assert instructions == sorted(instructions) and len(set(instructions)) < len(instructions) / 2


@pytest.mark.parametrize("program", ["judge.py", "judge_profile.py", "judge_sides.py", "quantize.py"])
def test_a_benchmark_can_be_run_by_hand_and_says_how(program: str) -> None:
    done = subprocess.run([sys.executable, BENCHMARKS / program, "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("usage:"), done.stderr


def test_every_side_that_answers_is_one_that_can_be_asked_for() -> None:
    assert set(sides.SIDES) == {PYTHON, ONE, FOUR, OURS}


def test_our_side_evaluates_the_prefix_tree_once(edge: Edge, models: Path) -> None:
    assert edge("quantize", "pocket", "q8_0").returncode == 0
    pairs = benchmarks.load("pocket").pairs[:5]
    questions = tuple(Question(pair, order) for pair in pairs for order in ORDERS)
    toy = work.Work("toy", "five pairs", Protocol(grammar.load("pairwise"), ties=True), questions, questions, {})
    measurement = sides.SIDES[OURS](toy, models / "pocket" / "pocket-q8_0.gguf")
    assert measurement.evaluated == measurement.least > 0 and measurement.written == 0


@needs("llmbar/natural/dataset.json")
def test_where_no_tie_is_legal_the_others_grammar_has_none():
    assert work.load("llmbar-natural").gbnf == 'root ::= "[[A]]" | "[[B]]"'


def test_a_prompt_of_512_tokens_is_36_tiles_of_attention_and_28_masked_ones():
    (part,) = plan.blocks([Query(tuple(range(512)))], 0)
    assert list(profile.call_parts(part, 512, 512)) == [profile.CallParts(1, 1, 512, 1, 36, 28)]


def test_siblings_attend_to_what_they_share_and_not_to_each_other():
    shared = tuple(range(64))
    queries = [Query(shared + (100 + place,) * 64) for place in range(2)]
    (part,) = plan.blocks(queries, 0)
    assert list(profile.call_parts(part, 256, 512)) == [profile.CallParts(1, 1, 192, 2, 5, 7)]
    first, second = profile.call_parts(part, 128, 512)
    assert (first.tiles, first.masked, second.tiles, second.masked) == (3, 5, 2, 2)
