"""The four figures that `eval` ends with, on how many pairs a row rests, and what is advised next."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from judgements import WHO, benchmark, compared, random_benchmark, random_verdicts, run, scored, verdicts

from edge_judge.errors import RunError
from edge_judge.records import Benchmark, Identity, ProgressListener, Score
from edge_judge.report.formatting import difference_of_shares, interval, percent
from edge_judge.report.ladder import ladder_table
from edge_judge.report.scores import ScoreRow, scores_table
from edge_judge.report.summary import summary_table
from edge_judge.workflows import recorded
from edge_judge.workflows.next_step import next_step
from edge_judge.workflows.options import (
    BenchmarkOptions,
    EvaluateSettings,
    JudgeOptions,
    ProtocolOptions,
    RunsOptions,
)


def row(name: str, scheme: str = "q4_k_m", pairs: int = 200, labelled: int | None = None) -> ScoreRow:
    made = random_benchmark(1, pairs)
    judged = Benchmark(name, made.pairs, made.sha256, made.ties, made.source)
    identity = Identity(name, "qwen1.5-14b", scheme, "pairwise")
    return ScoreRow(scored(judged, random_verdicts(2, judged), identity), 12345.6, labelled=labelled)


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize(
    "rows",
    [
        [row("pandalm")],
        [row("pandalm", scheme) for scheme in ("f16", "q8_0", "q4_k_m")],
        [
            row(name, scheme, pairs, 7)
            for scheme in ("f16", "q4_k_m")
            for name, pairs in (("llmbar-neighbor", 134), ("x", 9))
        ],
    ],
    ids=["one", "schemes", "schemes and benchmarks"],
)
def test_four_figures_fit_the_width_and_none_is_cut(rows: list[ScoreRow], width: int) -> None:
    text = summary_table(rows, width=width)
    assert max(map(len, text.splitlines())) <= width and "…" not in text
    flat = " ".join(text.split())
    for each in rows:
        figures = {"accuracy": percent, "format_errors": percent, "position_bias": difference_of_shares}
        for name, shown in figures.items():
            value, _, ends = interval(each.score.strict[name], shown).partition(" ")
            assert value in flat and ends in flat
    assert "12,346" in flat and text.endswith("all figures: --verbose\n")


def test_runs_on_one_benchmark_are_one_table_and_on_several_a_table_for_each_judge() -> None:
    schemes = summary_table([row("pandalm", scheme) for scheme in ("f16", "q8_0")], width=120)
    assert schemes.startswith("pandalm: 200 pairs, 400 verdicts, with --grammar pairwise\n")
    assert schemes.count("accuracy %") == 1 and "qwen1.5-14b f16" in schemes and "qwen1.5-14b q8_0" in schemes
    several = summary_table([row("pandalm"), row("auto-j"), row("pandalm", "f16"), row("auto-j", "f16")], width=120)
    assert several.count("accuracy %") == 2 and "qwen1.5-14b f16: 200 pairs" in several


def test_consistency_stands_where_nobody_labelled_a_pair() -> None:
    judged = benchmark((), (), ())
    text = summary_table([ScoreRow(scored(judged, verdicts(("a", "a"), ("a", "b"), ("b", "b")), WHO), 5.0, labelled=0)])
    assert "consistent %" in text and "66.7" in text and "labelled" not in text
    assert "consistent" not in summary_table([row("pandalm")])


def test_a_column_says_how_many_pairs_are_labelled_where_only_some_are() -> None:
    for table in (summary_table, scores_table):
        assert "labelled" not in table([row("toy", labelled=200), row("other", labelled=200)], width=120)
        text = table([row("toy", labelled=200), row("other", labelled=61)], width=120)
        assert "labelled" in text
        assert "61" in next(line for line in text.splitlines() if line.startswith("other")).split()


@pytest.mark.parametrize("width", [80, 120])
def test_a_ladder_has_a_column_of_pairs_where_its_rows_rest_on_different_numbers(width: int) -> None:
    judged = random_benchmark(1, 300)
    base = run(random_verdicts(1, judged), "f16", size=10**9)
    whole, half = run(random_verdicts(2, judged), "q8_0"), run(random_verdicts(3, judged)[:300], "q2_k")
    same = ladder_table([compared(judged, one, base) for one in (base, whole)], width=width)
    other = ladder_table([compared(judged, one, base) for one in (base, whole, half)], width=width)
    assert "pairs" not in same.partition("without a model")[0] and "pairs" in other.partition("without a model")[0]
    lines = [line.split() for line in other.partition("without a model")[0].splitlines()]
    counted = {line[0]: line for line in lines if line and line[0] in ("q8_0", "q2_k")}
    assert "300" in counted["q8_0"] and "150" in counted["q2_k"]
    some = replace(
        judged, pairs=tuple(replace(p, labels=p.labels if n % 2 else ()) for n, p in enumerate(judged.pairs))
    )
    assert "labelled" in ladder_table([compared(some, one, base) for one in (base, whole)], width=width)


# ---- what next --------------------------------------------------------------------------------------------


def complete(results: Path, *schemes: str, model: str = "pocket") -> Score:
    """Empty files of complete runs; the figures of the last."""
    for scheme in schemes:
        folder = results / "toy" / model / scheme / "pairwise"
        folder.mkdir(parents=True)
        (folder / "score.json").touch()
    return scored(benchmark("a"), verdicts(("a", "a")), Identity("toy", model, schemes[-1], "pairwise"))


@pytest.fixture(autouse=True)
def nothing_built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EDGE_JUDGE_MODELS", str(tmp_path / "models"))
    monkeypatch.chdir(tmp_path)


def test_a_baseline_comes_next_then_a_smaller_scheme_then_a_comparison(tmp_path: Path) -> None:
    results = Path("results")
    alone = next_step(JudgeOptions(scheme="q2_k"), [complete(results, "q2_k")])
    assert alone == "edge-judge eval --scheme f16"
    assert next_step(JudgeOptions(scheme="q2_k"), [complete(results, "f16")]) == "edge-judge compare"
    other = Path("my results")
    settings = EvaluateSettings(other, limit=50, order="given")
    pairs, protocol = BenchmarkOptions(("my pairs.csv",)), ProtocolOptions("pairwise")
    asked = next_step(JudgeOptions(), [complete(other, "f16")], pairs, protocol, settings)
    assert asked == (
        "edge-judge eval --scheme q4_k_m --benchmark 'my pairs.csv' --grammar pairwise --order given --limit 50 "
        "--results 'my results'"
    )
    wide = next_step(JudgeOptions(), [complete(Path("wide"), "q8_0", "q2_k")], settings=EvaluateSettings(Path("wide")))
    assert wide == "edge-judge compare --results wide --baseline q8_0"


def test_what_is_not_built_is_quantized_first_at_a_width_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    from edge_judge.workflows import fitting_scheme

    score = complete(Path("results"), "q4_k_m", model="llama-3-8b")
    for memory, scheme in {10**12: "f16", 12 * 10**9: "q8_0"}.items():
        monkeypatch.setattr(fitting_scheme, "machine_memory", lambda memory=memory: memory)
        assert next_step(JudgeOptions("llama-3-8b", "q4_k_m"), [score]) == f"edge-judge quantize llama-3-8b {scheme}"


def test_a_file_of_ones_own_and_an_endpoint_are_reported_where_they_are_alone() -> None:
    score = complete(Path("results"), "gguf", model="mine")
    for judge in (JudgeOptions(gguf=Path("mine.gguf")), JudgeOptions(engine="http://localhost:1/v1")):
        assert next_step(judge, [score]) == "edge-judge report"


def test_where_no_run_is_the_hint_says_where_those_of_the_demo_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    demo = tmp_path / "the demo"
    monkeypatch.setattr(recorded, "demo_folder", lambda: demo)

    def hint() -> str | None:
        with pytest.raises(RunError, match="no complete run there") as raised:
            recorded.require_runs(RunsOptions(results=Path("nothing")), recorded.RunReader(), ProgressListener())
        return raised.value.hint

    assert hint() == "edge-judge eval makes one"
    complete(demo, "f16")
    assert hint() == f"edge-judge eval makes one; the demo's runs: --results '{demo}'"
