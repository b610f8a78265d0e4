"""Whether a run takes the memory that is stated before it, and stays within the memory that it is allowed.

    python benchmarks/memory.py                the embedded judge under three protocols: about five minutes

Each run is its own process; its peak is the operating system's. Exits with 1 where the stated figure is more than a
tenth off, or a run took more than allowed. This is no test: cores, libraries and page sizes change the figures.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GRAMMARS = ("pairwise", "pointwise", "pairwise-cot")
PAIRS = 200
TOLERANCE = 0.1
STATED = re.compile(r"about ([\d.]+) (kB|MB|GB) of memory")
LEAST = re.compile(r"at least ([\d,]+) MB")
UNITS = {"kB": 1e3, "MB": 1e6, "GB": 1e9}


@dataclass(frozen=True, slots=True)
class Row:
    """A run, in bytes. allowed: None where there was no limit."""

    grammar: str
    allowed: int | None
    stated: float
    peak: int

    @property
    def holds(self) -> bool:
        return abs(self.stated / self.peak - 1) <= TOLERANCE and (self.allowed is None or self.peak <= self.allowed)

    def __str__(self) -> str:
        allowed = f"{self.allowed / 1e6:8.1f}" if self.allowed else "       –"
        ends = "" if self.holds else "   does not hold"
        figures = f"{self.stated / 1e6:8.1f}{self.peak / 1e6:8.1f}{self.stated / self.peak:8.2f}"
        return f"{self.grammar:14}{allowed}{figures}{ends}"


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="edge-judge-") as folder:
        home = Path(folder)
        evaluate(home, "--limit", "1")  # builds the judge, which takes memory too
        print("MB            allowed  stated    peak   ratio")
        rows = [row for grammar in GRAMMARS for row in measured(home, grammar)]
    return int(not all(row.holds for row in rows))


def measured(home: Path, grammar: str) -> list[Row]:
    """Without a limit, then with one between the least that the run needs and what it took."""
    options = ("--grammar", grammar, "--limit", str(PAIRS))
    unlimited = row(home, grammar, None, *options)
    refusal = LEAST.search(evaluate(home, *options, "--max-memory", f"{0.8 * unlimited.stated:.0f}", "--fresh"))
    least = float(refusal[1].replace(",", "")) * 1e6 if refusal else 0.9 * unlimited.stated
    allowed = int((least + unlimited.stated) / 2)
    return [unlimited, row(home, grammar, allowed, *options, "--max-memory", str(allowed))]


def row(home: Path, grammar: str, allowed: int | None, *options: str) -> Row:
    stated = STATED.search(evaluate(home, *options, "--fresh"))
    run = json.loads((home / "results/pocket/pocket/f16" / grammar / "run.json").read_text("utf-8"))
    assert stated is not None
    measurement = Row(grammar, allowed, float(stated[1]) * UNITS[stated[2]], run["measured"]["peak_rss"])
    print(measurement, flush=True)
    return measurement


def evaluate(home: Path, *options: str) -> str:
    """The stderr of `edge-judge eval`."""
    command = [sys.executable, "-m", "edge_judge", "eval", *options, "--results", str(home / "results")]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8").stderr


if __name__ == "__main__":
    sys.exit(main())
