"""Writes the pocket benchmark: `pairs.jsonl` from tasks.py, and `pairs_pin.py` with its hash.

    python -m edge_judge.pocket.make_pairs            write both
    python -m edge_judge.pocket.make_pairs --check    write nothing; fail if either is out of date

Knows: the columns of a benchmark file. Does not know: how a pair is made, or who judges it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

from edge_judge.pocket import PAIRS, tasks

PIN = PAIRS.with_name("pairs_pin.py")


def lines() -> str:
    """The benchmark as JSON lines, in the columns of a custom benchmark; an id names its family."""
    rows = [
        {
            "id": f"pocket/{pair.family}-{number:04d}",
            "question": pair.question,
            "a": pair.a.text,
            "b": pair.b.text,
            "label": pair.label,
            "reference": pair.reference,
            "group": pair.question,
        }
        for number, pair in enumerate(tasks.benchmark(), start=1)
    ]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def pin(text: str) -> str:
    """The module that pins the hash of the benchmark's text."""
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    docstring = '"""Hash of pairs.jsonl, which is checked before it is read. Written by make_pairs.py."""'
    return f'{docstring}\n\nSHA256 = "{sha256}"\n'


def outdated() -> list[Path]:
    """The files that are missing or differ from what would be written now."""
    text = lines()
    contents = {PAIRS: text, PIN: pin(text)}
    return [path for path, content in contents.items() if not path.is_file() or path.read_bytes() != content.encode()]


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the pocket benchmark.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is out of date")
    if parser.parse_args().check:
        stale = outdated()
        if stale:
            raise SystemExit(f"not what tasks.py makes: {', '.join(path.name for path in stale)}")
        return
    text = lines()
    PAIRS.write_bytes(text.encode())
    PIN.write_bytes(pin(text).encode())


if __name__ == "__main__":
    main()
