"""Whether the memory told before a run is what it takes, and whether a run stays within what it is allowed.

    python benchmarks/memory.py                the embedded judge under three protocols: about five minutes

Each run is a process of its own; its peak is the operating system's. Exit 1 where the figure told is more than a
tenth off, or a run took more than it was allowed. Numbers of cores, libraries and page sizes move it: no test.
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
TENTH = 0.1
TOLD = re.compile(r"about ([\d.]+) (kB|MB|GB) of memory")
LEAST = re.compile(r"at least ([\d,]+) MB")
UNITS = {"kB": 1e3, "MB": 1e6, "GB": 1e9}


@dataclass(frozen=True, slots=True)
class Row:
    """A run, in bytes. allowed: None where nothing was said."""

    grammar: str
    allowed: int | None
    told: float
    peak: int

    @property
    def holds(self) -> bool:
        return abs(self.told / self.peak - 1) <= TENTH and (self.allowed is None or self.peak <= self.allowed)

    def __str__(self) -> str:
        allowed = f"{self.allowed / 1e6:8.1f}" if self.allowed else "       –"
        ends = "" if self.holds else "   does not hold"
        figures = f"{self.told / 1e6:8.1f}{self.peak / 1e6:8.1f}{self.told / self.peak:8.2f}"
        return f"{self.grammar:14}{allowed}{figures}{ends}"


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="edge-judge-") as folder:
        home = Path(folder)
        evaluate(home, "--limit", "1")  # builds the judge, which takes memory of its own
        print("MB            allowed    told    peak   ratio")
        rows = [row for grammar in GRAMMARS for row in measured(home, grammar)]
    return int(not all(row.holds for row in rows))


def measured(home: Path, grammar: str) -> list[Row]:
    """Without a limit, then with one that lies between the least that the run needs and what it took."""
    asked = ("--grammar", grammar, "--limit", str(PAIRS))
    free = row(home, grammar, None, *asked)
    short = LEAST.search(evaluate(home, *asked, "--max-memory", f"{0.8 * free.told:.0f}", "--fresh"))
    allowed = int((float(short[1].replace(",", "")) * 1e6 + free.told) / 2) if short else int(0.95 * free.told)
    return [free, row(home, grammar, allowed, *asked, "--max-memory", str(allowed))]


def row(home: Path, grammar: str, allowed: int | None, *asked: str) -> Row:
    said = TOLD.search(evaluate(home, *asked, "--fresh"))
    kept = json.loads((home / "results/pocket/pocket/f16" / grammar / "run.json").read_text("utf-8"))
    assert said is not None
    found = Row(grammar, allowed, float(said[1]) * UNITS[said[2]], kept["measured"]["peak_rss"])
    print(found, flush=True)
    return found


def evaluate(home: Path, *asked: str) -> str:
    """What `edge-judge eval` says on stderr."""
    command = [sys.executable, "-m", "edge_judge", "eval", *asked, "--results", str(home / "results")]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8").stderr


if __name__ == "__main__":
    sys.exit(main())
