"""The main job on the embedded judge, offline: six schemes, its benchmark with each, one comparison.

Knows: the ladder. Does not know: how any of it is done.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen

from edge_judge.analysis.paired_losses import Part
from edge_judge.errors import RunError
from edge_judge.quantities import counted
from edge_judge.records import Identity, ProgressListener
from edge_judge.report.formatting import size
from edge_judge.runs import folder as run_folder
from edge_judge.workflows.compare import ComparedRuns, compared
from edge_judge.workflows.options import MARGIN, POCKET
from edge_judge.workflows.recorded import RunReader, demo_folder

LADDER = ("f16", "q8_0", "q6_k", "q4_k_m", "q3_k_m", "q2_k")


def demo(results: Path | str | None = None, listener: ProgressListener = ProgressListener()) -> ComparedRuns:
    """Quantize the embedded judge to six schemes, judge its benchmark anew with each, and compare with f16.

    results: where the runs are kept, None for `demo_folder()`.
    """
    folder, reader = Path(results or demo_folder()), RunReader()
    runs = []
    for scheme in LADDER:
        _evaluate(scheme, folder, listener)
        run = reader.read(run_folder.folder(folder, Identity(POCKET, POCKET, scheme, "pairwise")))
        listener.note(f"{scheme:7} {size(run.run.bytes):>8}, {counted(len(run.run.verdicts), 'verdict')}")
        runs.append(run)
    return compared([Part(run, runs[0]) for run in runs], MARGIN)


def _evaluate(scheme: str, results: Path, listener: ProgressListener) -> None:
    """`edge-judge eval` in a process of its own: its peak of memory is that of one run. What it notes is passed on."""
    options = ["--scheme", scheme, "--results", str(results), "--fresh", "--json"]  # with which nothing is advised next
    command = [sys.executable, "-m", "edge_judge", "eval", *options]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}  # pipes have another encoding on Windows
    with Popen(command, env=environment, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE) as process:
        talk = process.communicate()[1].decode("utf-8", "replace")
    errors: dict[str, str] = {}
    for line in talk.splitlines():
        kind, _, text = line.partition(": ")
        if kind in ("error", "hint"):
            errors[kind] = text
        else:
            listener.note(line)
    if process.returncode:
        raise RunError(errors.get("error", f"edge-judge eval ended with {process.returncode}"), errors.get("hint"))
