"""Workers and the coordinator are killed and suspended at random, and the score must be the undisturbed one's.

`make chaos` does it with 30 disturbances of workers and 10 kills of the coordinator, in as many runs as that takes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
RUN = Path("pocket/pocket/f16/pairwise")
LONGEST = 240.0  # seconds of one run, disturbed


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


@dataclass
class Cluster:
    """Processes of one cluster on this machine. seconds: that each block takes longer."""

    folder: Path
    environment: Mapping[str, str]
    seconds: float = 0.0
    url: str = ""
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    coordinator: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.url = f"tcp://127.0.0.1:{free_port()}"

    def work(self, name: str, *options: str, fault: str = "none") -> None:
        script = [str(ROOT / "tests" / "slow_worker.py"), str(self.seconds), fault, self.url]
        self.workers[name] = self._start(script + ["--name", name, "--threads", "1", *options], name)

    def coordinate(self, *options: str) -> subprocess.Popen[bytes]:
        arguments = ["-m", "edge_judge", "eval", "--cluster", self.url, "--results", str(self.folder / "results")]
        self.coordinator = self._start([*arguments, *options], "coordinator")
        return self.coordinator

    def said(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(encoding="utf-8")

    def close(self) -> None:
        for process in [*self.workers.values(), *([self.coordinator] if self.coordinator else [])]:
            process.kill()  # also one that is suspended
            process.wait()

    def _start(self, arguments: list[str], name: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            environment, command = {**self.environment, "PYTHONPATH": str(ROOT)}, [sys.executable, *arguments]
            return subprocess.Popen(command, cwd=self.folder, env=environment, stdout=log, stderr=log)


@dataclass
class Counts:
    """What is still to be done to workers and to coordinators."""

    workers: int
    coordinators: int


def disturbed_run(cluster: Cluster, counts: Counts, draw: random.Random, names: list[str], *options: str) -> None:
    """One run to its end, disturbed until the counts are used up. Raises TimeoutError if it does not end."""
    suspended: dict[str, float] = {}  # until when
    coordinator, end = cluster.coordinate(*options), time.monotonic() + LONGEST
    place = RUN / ".new" if "--fresh" in options else RUN  # beside the complete run that it will replace
    verdicts, reached = cluster.folder / "results" / place / "verdicts.jsonl", 0
    while coordinator.poll() is None:
        time.sleep(draw.uniform(0.3, 1.0))
        now = time.monotonic()
        if now > end:
            raise TimeoutError(cluster.said("coordinator"))
        for name in [name for name, until in suspended.items() if now > until]:
            cluster.workers[name].send_signal(signal.SIGCONT)
            del suspended[name]
        if _size(verdicts) <= reached:
            continue  # this coordinator has no verdict of its own yet
        kind, name = draw.choice(["kill", "suspend", "coordinator"]), draw.choice(names)
        if kind == "coordinator" and counts.coordinators:
            counts.coordinators -= 1
            coordinator.kill()
            coordinator.wait()
            reached = _size(verdicts)
            coordinator = cluster.coordinate(*(option for option in options if option != "--fresh"))
        elif kind == "kill" and counts.workers:
            counts.workers -= 1
            suspended.pop(name, None)
            cluster.workers[name].kill()
            cluster.workers[name].wait()
            cluster.work(name)
        elif kind == "suspend" and counts.workers and name not in suspended:
            counts.workers -= 1
            cluster.workers[name].send_signal(signal.SIGSTOP)
            suspended[name] = now + draw.uniform(0.5, 12)
    if coordinator.returncode != 0:
        raise RuntimeError(cluster.said("coordinator"))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def outcome(folder: Path) -> tuple[bytes, list[tuple[str, str]]]:
    """The score of a run, and the (id, order) of each of its verdicts."""
    lines = (folder / RUN / "verdicts.jsonl").read_text(encoding="utf-8").splitlines()
    verdicts = [json.loads(line) for line in lines]
    return (folder / RUN / "score.json").read_bytes(), sorted((v["id"], v["order"]) for v in verdicts)


def chaos(folder: Path, counts: Counts, seed: int, seconds: float, limit: int, tell: bool = True) -> int:
    """Disturbed runs until the counts are used up. Returns how many. Raises AssertionError where one differs."""
    draw, names, runs = random.Random(seed), ["m1", "m2", "m3"], 0
    cluster = Cluster(folder, {**os.environ, "OMP_NUM_THREADS": "1"}, seconds)
    try:
        for name in names:
            cluster.work(name)
        disturbed_run(cluster, Counts(0, 0), draw, names, "--limit", str(limit))
        undisturbed = outcome(folder / "results")
        assert len(undisturbed[1]) == len(set(undisturbed[1])) == 2 * limit
        while counts.workers or counts.coordinators:
            begun = time.monotonic()
            disturbed_run(cluster, counts, draw, names, "--limit", str(limit), "--fresh")
            runs += 1
            assert outcome(folder / "results") == undisturbed
            if tell:
                print(f"run {runs}: the same score in {time.monotonic() - begun:.0f} s; left: {counts}", flush=True)
    finally:
        cluster.close()
    return runs


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=30)
    parser.add_argument("--coordinators", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=1.0, help="that each block takes longer")
    parser.add_argument("--limit", type=int, default=600)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        chaos(Path(place), Counts(asked.workers, asked.coordinators), asked.seed, asked.seconds, asked.limit)
