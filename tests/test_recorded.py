"""The runs that are committed under results/, and what the README and docs/ say of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from conftest import Edge
from figures import same

from edge_judge import __version__, benchmarks
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.runs import folder as run_folder
from edge_judge.runs.folder import score_json

ROOT = Path(__file__).parent.parent
RECORDED = ROOT / "results" / __version__
README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
LADDER = ("f16", "q8_0", "q6_k", "q4_k_m", "q3_k_m", "q2_k")
RUNS = run_folder.find_runs(RECORDED)


def test_the_ladder_of_this_version_is_recorded() -> None:
    schemes = {path.parent.name for path in RUNS if path.name == "pairwise"}
    assert schemes == set(LADDER)


@pytest.mark.parametrize("path", RUNS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_a_recorded_score_follows_from_the_recorded_verdicts(path: Path) -> None:
    run = run_folder.read_run(path)
    benchmark = benchmarks.load(run.identity.benchmark)
    judged = {verdict.id for verdict in run.verdicts}
    assert run.settings["benchmark_sha256"] == benchmark.sha256
    assert judged <= {pair.id for pair in benchmark.pairs}
    score = score_json(RecordedRun(run, benchmark).score)
    recorded = json.loads((path / "score.json").read_text("utf-8"))
    assert same(json.loads(json.dumps(score)), recorded)


def test_the_readme_shows_the_recorded_ladder_as_compare_prints_it(edge: Edge) -> None:
    paths = [RECORDED / "pocket" / "pocket" / scheme / "pairwise" for scheme in LADDER]
    printed = edge("compare", *paths, COLUMNS="110").stdout
    for line in printed.splitlines()[: len(LADDER) + 4]:
        assert f"    {line}".rstrip() in README, line


def percent(figure: dict[str, float | None]) -> str:
    return "-" if figure["value"] is None else f"{100 * figure['value']:.1f}"


def with_interval(figure: dict[str, float]) -> str:
    return " ".join((percent(figure), f"[{100 * figure['low']:.1f}, {100 * figure['high']:.1f}]"))


PROTOCOLS = sorted(path.name for path in RUNS if path.parent.name == "f16")


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_recorded_protocol_is_on_the_results_page_with_its_figures(name: str) -> None:
    wide, narrow = (RECORDED / "pocket" / "pocket" / scheme / name for scheme in ("f16", "q4_k_m"))
    score, other = (json.loads((path / "score.json").read_text("utf-8"))["strict"] for path in (wide, narrow))
    measured = run_folder.read_run(wide).measured
    assert measured is not None and measured.verdicts_per_minute is not None
    cells = [
        f"`{name}`",
        with_interval(score["accuracy"]),
        with_interval(other["accuracy"]),
        *(percent(score[figure]) for figure in ("debiased_accuracy", "consistency", "ece")),
        f"{measured.tokens / measured.verdicts:.1f}",
        f"{measured.verdicts_per_minute:,.0f}",
    ]
    assert f"| {' | '.join(cells)} |" in RESULTS
    if name != "none":
        assert score["format_errors"]["k"] == other["format_errors"]["k"] == 0


def test_the_first_thirty_lines_of_the_readme_say_what_it_is_and_show_it() -> None:
    top = "\n".join(README.splitlines()[:30])
    for word in ("quantize qwen1.5-14b q4_k_m", "eval --grammar pairwise", "edge-judge demo", "q2_k"):
        assert word in top
    assert max(map(len, README.splitlines())) <= 130
    assert len(README.splitlines()) <= 200


def test_the_readme_names_every_command(edge: Edge) -> None:
    listed = re.findall(r"^  ([a-z]+)  +\S", edge("--help").stdout, re.MULTILINE)
    assert listed and all(f"`edge-judge {command}" in README for command in listed)
