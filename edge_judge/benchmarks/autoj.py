"""Auto-J's pairwise test set: two answers to a real user's query, 58 scenarios with 24 pairs each.

Source: github.com/GAIR-NLP/auto-j at 2ae17a3965d933232e9cd50302aa0f176249c83b,
data/test/testdata_pairwise.jsonl.
Licence: the repository states none, so the file is downloaded or named by the user, never distributed.
Rows: 1392, one label each: 520 first better, 499 second better, 373 tie.
A row: {"scenario": "planning", "label": 0, "prompt": "Plan a rainy day in Oslo.",
        "response 1": " Begin in the library…", "response 2": " It rains."}; 0 first, 1 second, 2 tie.

The 1392 pairs have 1182 distinct prompts; pairs that share a prompt are one cluster, which is always of one scenario.
The scenario is the pair's category. Answers keep their leading space, as published.
Does not know: where the file is, or how verdicts on it are scored.
"""

from __future__ import annotations

from collections.abc import Iterator

from edge_judge.benchmarks.rows import File, json_lines
from edge_judge.benchmarks.source import Source
from edge_judge.records import Label, Pair

_LABELS: dict[str, Label] = {"0": "a", "1": "b", "2": "tie"}


def read(file: File) -> Iterator[Pair]:
    for number, row in enumerate(json_lines(file), start=1):
        question = row.question("prompt")
        yield Pair(
            id=f"auto-j/{number:04d}",
            question=question,
            a=row.text("response 1"),
            b=row.text("response 2"),
            labels=(row.label("label", _LABELS),),
            group=question,
            category=row.text("scenario"),
        )


SOURCE = Source(
    name="auto-j",
    host="github",
    repo="GAIR-NLP/auto-j",
    revision="2ae17a3965d933232e9cd50302aa0f176249c83b",
    file="data/test/testdata_pairwise.jsonl",
    path="auto-j/testdata_pairwise.jsonl",
    sha256="56f32fad71d9b6b33bc4d51794c324981e26355bcbf3ce4908d7f8ddcc61f80e",
    licence="none stated",
    rows=1392,
    ties=True,
    read=read,
)
