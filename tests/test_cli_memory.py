"""How much memory a run takes: told before it, held to, and what is said where it is not enough.

The process says it has a size of its own (fixed_size.py), so that every figure told here is the same on any machine.
Whether they are those of real processes is measured by `make bench-memory`.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from conftest import Edge, fails

from edge_judge.cli import options, terminal
from edge_judge.cli.terminal import _Forecast
from edge_judge.errors import UsageError
from edge_judge.records import Batching, Progress, WorkEstimate
from edge_judge.runs import folder as run_folder

RUN = Path("results/pocket/pocket/f16/pairwise")
UNITS = {"kB": 1e3, "MB": 1e6, "GB": 1e9}


@pytest.fixture
def edge(environment: dict[str, str], tmp_path: Path) -> Edge:
    """Run edge-judge in an empty folder, in a process of a fixed size."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(Path(__file__).with_name("fixed_size.py")), *map(str, arguments)]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8", timeout=600
        )

    return run


OPTION = click.Option(["--max-memory"])
CONTEXT = click.Context(click.Command("eval"))


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("6GB", 6_000_000_000),
        ("500MB", 500_000_000),
        ("6GiB", 6 * 2**30),
        ("1.5 gb", 1_500_000_000),
        ("2G", 2_000_000_000),
        ("64mib", 67_108_864),
        ("123456789", 123_456_789),
        ("123456789 B", 123_456_789),
    ],
)
def test_a_size_is_read_as_it_is_written(text: str, size: int) -> None:
    assert options.memory(CONTEXT, OPTION, text) == size


@pytest.mark.parametrize("text", ["", "much", "6XB", "-6GB", "0", "0.1", "6 G B", "1e9", "6GB!"])
def test_what_is_no_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="--max-memory .*: not a size of memory") as refused:
        options.memory(CONTEXT, OPTION, text)
    assert "6GB" in str(refused.value.hint)


def test_no_size_is_no_limit() -> None:
    assert options.memory(CONTEXT, OPTION, None) is None


def told(stderr: str) -> float:
    """Bytes of memory that the line before the run tells."""
    found = re.search(r"about ([\d.]+) (kB|MB|GB) of memory", stderr)
    assert found, stderr
    return float(found[1]) * UNITS[found[2]]


def kept(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / "run.json").read_text("utf-8"))
    return found


def least(edge: Edge, *given: object) -> float:
    """Bytes that a command says it needs at least."""
    short = edge("eval", *given, "--max-memory", "70MB", "--results", "short")
    found = re.search(r"at least ([\d,]+) MB", short.stderr)
    assert found, short.stderr
    return float(found[1].replace(",", "")) * 1e6


def between(edge: Edge, *given: object) -> int:
    """Bytes that are fewer than a command takes of itself, but enough for it."""
    edge("eval", "--limit", 1, "--results", "built")  # builds the judge, which takes memory of its own
    usual = told(edge("eval", *given, "--results", "usual").stderr)
    return int((least(edge, *given) + usual) / 2)


@pytest.mark.parametrize("grammar", ["pairwise", "pairwise-cot"])
def test_a_run_is_planned_within_the_memory_it_is_allowed_and_says_how_it_was_batched(
    edge: Edge, tmp_path: Path, grammar: str
) -> None:
    asked = ("--grammar", grammar, "--limit", 60)
    allowed = between(edge, *asked)
    held = edge("eval", *asked, "--max-memory", allowed, "--results", "held")
    assert held.returncode == 0, held.stderr
    free_run, held_run = (tmp_path / name / "pocket/pocket/f16" / grammar for name in ("usual", "held"))
    assert told(held.stderr) <= allowed and "in smaller batches" in held.stderr
    assert kept(held_run)["batching"] and "batching" not in kept(free_run)
    assert kept(held_run)["settings"] == kept(free_run)["settings"]
    free, cut = (
        {(one.id, one.order): one for one in run_folder.read_run(run).verdicts} for run in (free_run, held_run)
    )
    same = [key for key in free if free[key].text == cut[key].text]
    assert free.keys() == cut.keys() and len(same) > 0.9 * len(free) == 0.9 * 120  # rounding may tip a word
    assert all(cut[key].p == pytest.approx(free[key].p, abs=0.01) for key in same)


def test_memory_that_is_enough_changes_nothing(edge: Edge, tmp_path: Path) -> None:
    edge("eval", "--limit", 20)
    edge("eval", "--limit", 20, "--max-memory", "6GB", "--results", "ample")
    ample = tmp_path / "ample" / RUN.relative_to("results")
    assert "batching" not in kept(ample)
    assert (ample / "verdicts.jsonl").read_bytes() == (tmp_path / RUN / "verdicts.jsonl").read_bytes()


@pytest.mark.parametrize("before", [None, "cut"])
def test_a_run_in_less_memory_goes_on_as_it_was_begun_bit_for_bit(
    edge: Edge, tmp_path: Path, before: str | None
) -> None:
    allowed = between(edge)
    whole = edge("eval", "--max-memory", allowed, "--results", "whole")
    assert whole.returncode == 0, whole.stderr
    begun = tmp_path / "whole" / RUN.relative_to("results")
    again = tmp_path / RUN
    shutil.copytree(begun, again)
    lines = (begun / "verdicts.jsonl").read_bytes().splitlines(keepends=True)
    (again / "verdicts.jsonl").write_bytes(b"".join(lines[:100]))
    (again / "score.json").unlink()
    if before:  # as runs of format 1 had it
        record = kept(again)
        assert record.pop("format") == 2
        (again / "run.json").write_text(json.dumps({**record, before: record.pop("batching")}))
    done = edge("eval")  # without a limit
    assert done.returncode == 0, done.stderr
    assert sorted((again / "verdicts.jsonl").read_bytes().splitlines()) == sorted(b"".join(lines).splitlines())


def test_a_run_that_does_not_fit_as_it_was_begun_is_not_ended_otherwise(edge: Edge, tmp_path: Path) -> None:
    allowed = between(edge)
    edge("eval", "--limit", 20)
    fails(edge("eval", "--max-memory", allowed), 1, "that it was started with", "--fresh")
    assert len((tmp_path / RUN / "verdicts.jsonl").read_bytes().splitlines()) == 40


def test_a_batching_that_was_edited_is_refused(edge: Edge, tmp_path: Path) -> None:
    edge("eval", "--limit", 2)
    for batching in ({"cells": 0}, {"cells": 1, "width": 2}, {"cells": 10**9, "micro": 1, "members": 1, "slots": 1}):
        (tmp_path / RUN / "run.json").write_text(json.dumps({**kept(tmp_path / RUN), "batching": batching}))
        fails(edge("eval", "--limit", 4), 1, "batching: not a way to divide the work")


def test_a_judge_that_does_not_fit_is_refused_with_the_scheme_that_would(edge: Edge, tmp_path: Path) -> None:
    edge("eval", "--limit", 1, "--results", "built")
    allowed = f"{least(edge, '--limit', 20) - 4e6:.0f}"
    short = edge("eval", "--limit", 20, "--max-memory", allowed)
    fails(short, 1, "MB are allowed", "would fit", "--max-memory")
    assert not (tmp_path / RUN).exists()  # nothing half-written
    named = re.findall(r"hint: (\w+) would fit", short.stderr)[0]
    edge("quantize", "pocket", named)
    assert edge("eval", "--limit", 20, "--scheme", named, "--max-memory", allowed).returncode == 0


def test_a_file_larger_than_the_memory_is_refused_before_it_is_loaded(edge: Edge) -> None:
    edge("eval", "--limit", 1)
    fails(edge("eval", "--limit", 2, "--max-memory", "30MB"), 1, "needs more than", "30 MB are allowed", "no scheme")
    fails(edge("judge", "--question", "q", "--a", "a", "--b", "b", "--max-memory", "30MB"), 1, "no scheme")


def test_a_file_of_ones_own_is_told_the_scheme_by_proportion(edge: Edge, environment: dict[str, str]) -> None:
    edge("eval", "--limit", 1)
    (gguf,) = Path(environment["EDGE_JUDGE_MODELS"]).rglob("*f16.gguf")
    allowed = f"{least(edge, '--gguf', gguf, '--limit', 5) - 4e6:.0f}"
    fails(edge("eval", "--gguf", gguf, "--limit", 5, "--max-memory", allowed), 1, "would fit")


def test_a_smaller_cache_takes_less_and_is_another_run(edge: Edge, tmp_path: Path) -> None:
    usual = edge("eval", "--limit", 20)
    small = edge("eval", "--limit", 20, "--cache", "q8_0", "--results", "small")
    assert small.returncode == 0, small.stderr
    assert told(small.stderr) < told(usual.stderr)
    folder = tmp_path / "small" / RUN.relative_to("results")
    settings = kept(folder)["settings"]
    assert isinstance(settings, dict) and settings["cache"] == "q8_0"
    fails(edge("eval", "--limit", 20, "--cache", "q8_0"), 1, "cache: recorded nothing, now `q8_0`")


def test_what_is_ahead_is_said_in_a_line() -> None:
    read = WorkEstimate(1200, 41_160, 214_800, 0, 98_000_000)
    assert terminal.estimate_line("pocket", read) == (
        "pocket: 1,200 verdicts, 41,160 tokens to evaluate (214,800 without prefix sharing), about 98.0 MB of memory"
    )
    written = WorkEstimate(2, 10, 20, 96, 2_000_000_000, batching=Batching(cells=64))
    assert terminal.estimate_line("x", written).endswith(
        "up to 96 generated after each prompt, about 2.00 GB of memory, in smaller batches than usual"
    )


def test_a_run_that_is_over_soon_is_not_forecast_and_a_long_one_is_once(capsys: pytest.CaptureFixture[str]) -> None:
    soon, late = _Forecast("x"), _Forecast("y")
    for left in (None, 3.0, 500.0):
        soon.progress(Progress(0, 1, 1, 2, 1.0, left))
    for left in (None, 500.0, 400.0):
        late.progress(Progress(0, 1, 1, 2, 1.0, left))
    assert capsys.readouterr().err == "y: about 8 min left\n"
