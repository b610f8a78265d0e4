"""The pocket benchmark: 600 pairs of answers to small checkable instructions, embedded in the package.

Source: edge_judge/pocket/tasks.py, seeded; written to edge_judge/pocket/pairs.jsonl by
`python -m edge_judge.pocket.make_pairs`, which also writes the hash that it is checked against.
Licence: Apache-2.0, as edge-judge.
Rows: 600, one label each, in the columns of a custom benchmark (custom.py). None of its questions is in the
splits that the pocket judge was trained and tuned on. Pairs that share a question are one cluster.
A row: {"id": "pocket/copy-0001", "question": "Repeat these words: dog hat", "a": "dog hat", "b": "hat dog",
        "label": "a", "group": "Repeat these words: dog hat"}; the id names the family of the task,
which is the pair's category.

Does not know: how the pairs were made, or how verdicts on them are scored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from edge_judge.benchmarks import custom
from edge_judge.benchmarks.rows import File
from edge_judge.benchmarks.source import Source
from edge_judge.pocket import PAIRS
from edge_judge.pocket.pairs_pin import SHA256
from edge_judge.records import Pair


def read(file: File) -> Iterator[Pair]:
    for pair in custom.read(file, "pocket"):
        yield replace(pair, category=pair.id.removeprefix("pocket/").rpartition("-")[0])


SOURCE = Source(
    name="pocket",
    host="package",
    repo="edge-judge",
    revision="this version",
    file="edge_judge/pocket/pairs.jsonl",
    path=PAIRS.name,
    sha256=SHA256,
    licence="Apache-2.0",
    rows=600,
    ties=True,
    read=read,
)
