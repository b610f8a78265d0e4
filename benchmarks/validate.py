"""Do the statements hold? Simulations of every promise, a table of what was promised and found: `make validate`.

    python benchmarks/validate.py                  all promises, minutes
    python benchmarks/validate.py intervals        those of one file of benchmarks/promises/
    python benchmarks/validate.py --runs 200       fewer runs, wider intervals
    python benchmarks/validate.py --json FILE      what was found, for a program

Exit code 1 if a promise does not hold. The seed of a promise is its place in the list, so every run finds the same.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from promises.promise import Found, Promise, keep

FOLDER = Path(__file__).resolve().parent / "promises"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in ("__init__", "promise"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="FILE", help=f"of: {', '.join(NAMES)}")
    parser.add_argument("--runs", type=int, help="runs of each promise, instead of its own number")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in NAMES]:
        parser.error(f"unknown file {unknown[0]!r}; there are {', '.join(NAMES)}")
    found: list[Found] = []
    print("| statement | tried on | promised | found | holds |\n|---|---|---|---|---|")
    for name in options.names or NAMES:
        promises: list[Promise] = import_module(f"promises.{name}").PROMISES
        for place, promise in enumerate(promises):
            start = time.monotonic()
            one = keep(replace(promise, runs=options.runs or promise.runs), seed=place)
            found.append(one)
            print(row(one), flush=True)
            print(f"{name}: {time.monotonic() - start:.1f} s", file=sys.stderr)
    if options.json:
        options.json.write_text(json.dumps([record(one) for one in found], indent=1) + "\n", encoding="utf-8")
    return int(not all(one.holds for one in found))


def row(found: Found) -> str:
    """A line of the table."""
    low, high = found.interval
    promise = found.promise
    return (
        f"| {promise.statement} | {promise.design} | ≤ {promise.promised:.1%} | "
        f"{found.share:.1%} [{low:.1%}, {high:.1%}] | {'yes' if found.holds else '**no**'} |"
    )


def record(found: Found) -> dict[str, object]:
    promise = found.promise
    low, high = found.interval
    return {
        "statement": promise.statement, "design": promise.design, "promised": promise.promised,
        "runs": promise.runs, "broken": found.broken, "low": low, "high": high,
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
