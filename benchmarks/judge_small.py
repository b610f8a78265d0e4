"""What is timed alone, against a fixed target: the embedded judge on its own benchmark, and the time to start.

Knows: the installed command line. Does not know: other tools.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from judge_build import FOLDER, ROOT
from judge_table import Figure

TIMES = 5
PATIENCE = 60  # seconds for a first verdict


def figures() -> tuple[Figure, ...]:
    """Each measured TIMES times. The embedded judge is built before the first."""
    with tempfile.TemporaryDirectory() as place:
        _run_eval(Path(place) / "first", "--limit", "1")
        rates, waits = [], []
        for number in range(TIMES):
            rates.append(_verdicts_per_second(Path(place) / f"all{number}"))
            waits.append(_first_verdict(Path(place) / f"one{number}"))
        helps = [_wall("--help") for _ in range(TIMES)]
    return (
        Figure("embedded judge, its whole benchmark, loading included", "verdicts/s", tuple(rates), 100, at_least=True),
        Figure("`edge-judge eval`, from its start to the first verdict on disk", "s", tuple(waits), 1.5),
        Figure("`edge-judge --help`", "s", tuple(helps), 0.25),
    )


def _command(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).parent / "edge-judge"), *arguments]


def _environment() -> dict[str, str]:
    """The environment in which the embedded judge is built here, not in the user's folder."""
    return {**os.environ, "EDGE_JUDGE_MODELS": str(FOLDER / "models"), "NO_COLOR": "1"}


def _eval(results: Path, *more: str) -> list[str]:
    return _command("eval", "--grammar", "pairwise", "--results", str(results), *more)


def _run_eval(results: Path, *more: str) -> None:
    _run(_eval(results, *more))


def _verdicts_per_second(results: Path) -> float:
    """As the run records it, from before the model is loaded to the last verdict."""
    _run_eval(results)
    measured = json.loads(next(results.rglob("run.json")).read_text("utf-8"))["measured"]
    return float(measured["verdicts"] / measured["wall_seconds"])


def _first_verdict(results: Path) -> float:
    """Seconds until the first verdict is on disk, for a run of one pair: what a user waits on top of the judging."""
    start = time.perf_counter()
    child = subprocess.Popen(
        _eval(results, "--limit", "1"), cwd=ROOT, env=_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    waited = 0.0
    while child.poll() is None and waited < PATIENCE:
        waited = time.perf_counter() - start
        if any(path.stat().st_size for path in results.rglob("verdicts.jsonl")):
            break
        time.sleep(0.002)
    _, stderr = child.communicate()
    if child.returncode:
        raise SystemExit(f"error: {stderr.decode(errors='replace')[-500:]}")
    return waited


def _wall(*arguments: str) -> float:
    start = time.perf_counter()
    _run(_command(*arguments))
    return time.perf_counter() - start


def _run(command: list[str]) -> None:
    done = subprocess.run(command, cwd=ROOT, env=_environment(), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"error: {' '.join(command[:2])} failed: {done.stderr[-500:]}")
