"""Judging beside other programs: the number of threads that is found, fixed numbers, and llama-server.

    python benchmarks/busy.py                       0, 2 and 4 busy processes; ten minutes; results/speed/busy.json
    python benchmarks/busy.py --busy 4 --limit 4    fewer pairs; nothing is written

The first pairs of PandaLM, both orders. Each round begins with another side. *spinning*: as many threads as cores,
which spin while they wait, as OpenMP has it by default and as edge-judge had it until 0.1.0. All runs of ours must give
the same probabilities to the last bit.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import judge_build
import judge_work
from judge import RESULTS, machine
from judge_table import ONE, OURS

from edge_judge.engine import physical_cores

ROOT = Path(__file__).resolve().parent.parent
CORES = physical_cores()
TUNED, SPINNING = "found", f"{CORES} threads, spinning"
SPINS = {"GOMP_SPINCOUNT": "300000"}  # libgomp's own number where nothing is set
SIDES: dict[str, tuple[str, list[str], dict[str, str]]] = {
    TUNED: (OURS, [], {}),
    "1 thread": (OURS, ["--threads", "1"], {}),
    f"{CORES} threads": (OURS, ["--threads", str(CORES)], {}),
    SPINNING: (OURS, ["--threads", str(CORES)], SPINS),
    ONE: (ONE, [], {}),
}
WORK, LIMIT, ROUNDS = "pandalm", 8, 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--busy", type=int, action="append", help="so many processes beside; repeatable")
    parser.add_argument("--limit", type=int, default=LIMIT, help=f"pairs (default: {LIMIT})")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--side", action="append", choices=SIDES, help="only this one; repeatable")
    options = parser.parse_args()
    judge_work.check_shared()
    judge_build.program("llama-server")
    gguf = judge_build.model(judge_work.VOCABULARY)
    sides = options.side or list(SIDES)
    found = {number: runs(number, gguf, sides, options.limit, options.rounds) for number in options.busy or (0, 2, 4)}
    print(table(found, sides))
    if not (options.busy or options.side) and options.limit == LIMIT:
        content = {"date": datetime.now(UTC).strftime("%Y-%m-%d"), "machine": machine(gguf), "pairs": LIMIT}
        (RESULTS / "busy.json").write_text(json.dumps({**content, "busy": found}, indent=1) + "\n", encoding="utf-8")


def runs(busy: int, gguf: Path, sides: list[str], limit: int, rounds: int) -> dict[str, list[dict[str, Any]]]:
    """The measurements of each side beside so many busy processes."""
    found: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    with beside(busy):
        for number in range(rounds):
            start = number % len(sides)
            for side in sides[start:] + sides[:start]:
                found[side].append(measured(side, gguf, limit))
                seconds = found[side][-1]["seconds"]
                print(f"{busy} busy, round {number + 1} of {rounds}: {side} {seconds:.1f} s", file=sys.stderr)
    digests = {run["digest"] for side in sides for run in found[side] if run["digest"]}
    if len(digests) > 1:
        raise SystemExit(f"error: probabilities differ with the number of threads: {found}")
    return found


@contextmanager
def beside(busy: int) -> Iterator[None]:
    """While so many processes do nothing but take time."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(busy)]
    try:
        yield
    finally:
        for process in others:
            process.kill()


def measured(side: str, gguf: Path, limit: int) -> dict[str, Any]:
    name, options, environment = SIDES[side]
    command = [sys.executable, str(ROOT / "benchmarks" / "judge_sides.py"), name, "--work", WORK, "--gguf", str(gguf)]
    command += ["--limit", str(limit), *options]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
    if done.returncode:
        raise SystemExit(f"error: {side} failed\n{done.stderr[-1500:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def table(found: dict[int, dict[str, list[dict[str, Any]]]], sides: list[str]) -> str:
    """Median seconds, and how many times as long as with the number of threads that is found."""
    lines = [f"| busy beside | {' | '.join(sides)} |", "|---" * (1 + len(sides)) + "|"]
    for busy, by_side in found.items():
        seconds = {side: median(run["seconds"] for run in by_side[side]) for side in sides}
        cells = [f"{seconds[side]:.1f} s, {seconds[side] / seconds[sides[0]]:.2f} ×" for side in sides]
        lines.append(f"| {busy} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
