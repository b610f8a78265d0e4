"""1, 2 and 4 workers in network namespaces of this machine: how much faster several are, and what the network carries.

    sudo .venv/bin/python benchmarks/cluster.py pairs.jsonl   a benchmark of at least a hundred blocks; needs `ip netns`

Each block takes SECONDS longer than it computes, so that the cores of this machine do not decide the outcome. Every
worker has a network interface of its own. Ends with 1 where a score differs. This is no test: times are of a machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOST, BRIDGE = "10.77.0.1", "edgejudge0"
URL = f"tcp://{HOST}:8786"
WORKERS = (1, 2, 4)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark")
    parser.add_argument("--seconds", type=float, default=2.0, help="that each block takes longer")
    parser.add_argument("--limit", default="300")
    asked = parser.parse_args()
    scores, times = set(), {}
    try:
        network(max(WORKERS))
        for count in WORKERS:
            with tempfile.TemporaryDirectory() as folder:
                times[count], score = run(Path(folder), count, asked)
                scores.add(score)
            efficiency = times[WORKERS[0]] / times[count] / count
            print(f"{count} workers: {times[count]:.1f} s, efficiency {efficiency:.2f}", flush=True)
    finally:
        remove(max(WORKERS))
    print("the same score" if len(scores) == 1 else "scores differ")
    return int(len(scores) != 1)


def run(folder: Path, count: int, asked: argparse.Namespace) -> tuple[float, bytes]:
    """Seconds from the first verdict's task to the last verdict, and the score."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    workers = [
        subprocess.Popen(
            ["ip", "netns", "exec", f"ej{n}", sys.executable, str(ROOT / "tests" / "slow_worker.py"),
             str(asked.seconds), "none", URL, "--name", f"m{n}", "--threads", "1", "--insecure"],
            env=environment, stderr=subprocess.DEVNULL,
        )
        for n in range(count)
    ]  # fmt: skip
    try:
        command = [
            sys.executable, "-m", "edge_judge", "eval", "--benchmark", asked.benchmark, "--limit", asked.limit,
            "--cluster", URL, "--insecure", "--results", str(folder),
        ]  # fmt: skip
        time.sleep(5)  # they start
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    (path,) = folder.glob("*/*/*/*/run.json")
    content = json.loads(path.read_text(encoding="utf-8"))
    machines = content["machines"]
    tokens, sent = (sum(machine[name] for machine in machines.values()) for name in ("tokens", "bytes"))
    print(f"  {tokens:,} tokens, {sent:,} bytes, tasks {[machine['tasks'] for machine in machines.values()]}")
    return content["measured"]["wall_seconds"], (path.parent / "score.json").read_bytes()


def network(count: int) -> None:
    ip("link", "add", BRIDGE, "type", "bridge")
    ip("addr", "add", f"{HOST}/24", "dev", BRIDGE)
    ip("link", "set", BRIDGE, "up")
    for n in range(count):
        ip("netns", "add", f"ej{n}")
        ip("link", "add", f"ejv{n}", "type", "veth", "peer", "name", "eth0", "netns", f"ej{n}")
        ip("link", "set", f"ejv{n}", "master", BRIDGE, "up")
        ip("-n", f"ej{n}", "addr", "add", f"10.77.0.{n + 10}/24", "dev", "eth0")
        ip("-n", f"ej{n}", "link", "set", "eth0", "up")
        ip("-n", f"ej{n}", "link", "set", "lo", "up")


def remove(count: int) -> None:
    for n in range(count):
        subprocess.run(["ip", "netns", "del", f"ej{n}"], check=False, capture_output=True)
    subprocess.run(["ip", "link", "del", BRIDGE], check=False, capture_output=True)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


if __name__ == "__main__":
    sys.exit(main())
