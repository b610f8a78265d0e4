"""edge-judge demo: the main job on the embedded judge, offline."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import click

from edge_judge.cli import options, terminal
from edge_judge.records import Identity

LADDER = ("f16", "q8_0", "q6_k", "q4_k_m", "q3_k_m", "q2_k")


@click.command(epilog=options.example("edge-judge demo", "edge-judge demo --results ./mine"))
@click.option("--results", type=options.FOLDER, help="Keep the runs here.  [default: the cache]")
@options.as_json
def demo(results: Path | None, as_json: bool) -> None:
    """Quantize the embedded judge to six schemes, judge its benchmark with each, and compare.

    Needs no network and no download. The runs are judged anew each time.
    """
    from edge_judge import benchmarks
    from edge_judge.analysis.compare import compare
    from edge_judge.metrics.recorded import RecordedRun
    from edge_judge.report.ladder import comparison_json, ladder_table
    from edge_judge.runs import folder as run_folder

    start = time.monotonic()
    benchmark, kept = benchmarks.load("pocket"), results or _cache()
    runs = []
    for scheme in LADDER:
        _judge(scheme, kept)
        run = run_folder.read_run(run_folder.folder(kept, Identity("pocket", "pocket", scheme, "pairwise")))
        runs.append(RecordedRun(run, benchmark))
        terminal.note(f"{scheme:7} {terminal.size(run.bytes):>8}, {len(run.verdicts)} verdicts")
    comparisons = [compare(run, runs[0]) for run in runs]
    if as_json:
        click.echo(json.dumps([comparison_json(one) for one in comparisons], indent=2))
        return
    click.echo(ladder_table(comparisons, width=terminal.width(), color=terminal.color()))
    terminal.note(f"{time.monotonic() - start:.0f} s; the runs are in {kept}")


def _judge(scheme: str, results: Path) -> None:
    """`edge-judge eval` in a process of its own: its peak of memory is that of one run."""
    command = [sys.executable, "-m", "edge_judge", "eval", "--scheme", scheme, "--results", str(results), "--fresh"]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)  # it has said why


def _cache() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("edge-judge") / "demo"
