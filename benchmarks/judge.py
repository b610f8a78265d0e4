"""The speed of edge-judge against llama-cpp-python and llama-server on the same GGUF, and against llama.cpp's limit.

    python benchmarks/judge.py                                      everything, three rounds: hours
    python benchmarks/judge.py --work llmbar-natural --repeats 1    one workload once
    python benchmarks/judge.py --limit 2                            a trial of every side; saved in .bench/limited

    judge_work.py    what is judged          judge_build.py   llama.cpp's programs, the model
    judge_sides.py   who judges              judge_small.py   what is timed alone
    judge_table.py   ratios and the page     judge_profile.py, by itself: where our time goes

After every round all times are saved in results/speed/<workload>.json; results/speed/README.md shows all of them.
Needs the published benchmark files (EDGE_JUDGE_DATA), and for the first run the network, a C++ compiler and cmake.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import judge_build
import judge_small
import judge_work
from judge_build import FOLDER, ROOT, Programs
from judge_table import FOUR, LONG, ONE, OURS, PYTHON, UBATCH, Rate, Report, Run, markdown, save

from edge_judge import __version__
from edge_judge.engine import physical_cores
from quantize.digest import sha256

SMALL = "small"
BENCH = "llama-bench"
SIDES = (PYTHON, ONE, FOUR, OURS, BENCH)
RESULTS = ROOT / "results" / "speed"
REPEATS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", action="append", choices=[*judge_work.WORKS, SMALL], help="only this one; repeatable")
    parser.add_argument("--side", action="append", choices=SIDES, help="only this side; repeatable")
    parser.add_argument("--repeats", type=int, default=REPEATS, help=f"rounds (default: {REPEATS})")
    parser.add_argument("--limit", type=int, help="only the first LIMIT pairs; then nothing is written to results/")
    options = parser.parse_args()
    judge_work.check_shared()
    programs, gguf = judge_build.programs(), judge_build.model(judge_work.VOCABULARY)
    folder = FOLDER / "limited" if options.limit else RESULTS
    for name in options.work or [*judge_work.USUAL, SMALL]:
        report = Report(name, "", datetime.now(UTC).strftime("%Y-%m-%d"), machine(gguf))
        rounds = small(report) if name == SMALL else compared(report, programs, gguf, options)
        for report in rounds:
            save(report, folder)
        print(markdown([report]))


def machine(gguf: Path) -> dict[str, Any]:
    """The machine and the software that were timed."""
    return {
        "processor": _processor(),
        "cores": physical_cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        "edge-judge": f"{__version__} at {_commit()}",
        "llama-cpp-python": version("llama-cpp-python"),
        "GGUF": f"{gguf.name} ({sha256(gguf)[:12]})",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() or "an unknown commit"


def small(report: Report) -> Iterator[Report]:
    yield replace(report, about="timed plainly", figures=judge_small.figures())


def compared(report: Report, programs: Programs, gguf: Path, options: argparse.Namespace) -> Iterator[Report]:
    """The report after each round. Each round starts with another side, so that a drift of the machine affects all.

    The servers take part where the workload has a target against them.
    """
    repeats, limit = options.repeats, options.limit
    work = judge_work.load(report.name, limit)
    answers = {side: len(work.questions_for_others) for side in (PYTHON, ONE, FOUR)} | {OURS: len(work.questions)}
    report = replace(report, about=work.about, wanted=work.wanted, answers=answers)
    sides = options.side or [side for side in SIDES if side not in (ONE, FOUR) or "server" in work.wanted]
    for number in range(repeats):
        start = number % len(sides)
        for side in sides[start:] + sides[:start]:
            load = round(os.getloadavg()[0], 2)
            if side == BENCH:
                report = replace(report, rates=(*report.rates, *rates(programs.bench, gguf, number, load)))
                continue
            run = Run(side, number, load, **measured(side, work.name, gguf, limit))
            print(f"{work.name}, round {number + 1} of {repeats}: {side} {run.seconds:.1f} s", file=sys.stderr)
            report = replace(report, runs=(*report.runs, run))
        yield report


def measured(side: str, work: str, gguf: Path, limit: int | None) -> dict[str, Any]:
    """The measurements of one side's run, in its own process; those that a `Run` keeps."""
    command = [sys.executable, str(ROOT / "benchmarks" / "judge_sides.py"), side, "--work", work, "--gguf", str(gguf)]
    if limit:
        command += ["--limit", str(limit)]
    found = json.loads(_output(command).splitlines()[-1])
    return {field.name: found[field.name] for field in fields(Run) if field.name in found}


def rates(bench: Path, gguf: Path, number: int, load: float) -> Iterator[Rate]:
    """llama-bench's prompt rates, with the number of threads that all sides have."""
    sizes = f"{UBATCH},{LONG}"
    command = [str(bench), "-m", str(gguf), "-p", sizes, "-n", "0", "-t", str(physical_cores())]
    for test in json.loads(_output([*command, "-r", "3", "-o", "json"])):
        yield Rate(number, load, test["n_prompt"], tuple(test["samples_ts"]))


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"error: {' '.join(command[:4])} failed\n{done.stderr[-1500:]}")
    return done.stdout


if __name__ == "__main__":
    main()
