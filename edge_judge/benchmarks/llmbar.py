"""LLMBar: one answer follows the instruction, the other does not; one natural and four adversarial sets.

Source: github.com/princeton-nlp/LLMBar at 900616bff90b6c6c8e1681f7d079250637c55992,
Dataset/LLMBar/{Natural,Adversarial/Neighbor,Adversarial/GPTInst,Adversarial/GPTOut,Adversarial/Manual}/
dataset.json.
Licence: MIT.
Rows, one label each, no ties (first better + second better): natural 100 (42 + 58), neighbor 134 (75 + 59),
gptinst 92 (45 + 47), gptout 47 (22 + 25), manual 46 (22 + 24). No instruction occurs twice in a set.
A row: {"input": "Name a fruit.", "output_1": "Plum.", "output_2": "Fruits are healthy.", "label": 1};
1 first, 2 second.

The five sets are one suite: a set is the category of its pairs, and `edge-judge slices` puts them side by side.
Does not know: where the files are, or how verdicts on them are scored.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from edge_judge.benchmarks.rows import File, json_items
from edge_judge.benchmarks.source import Source
from edge_judge.records import Label, Pair

_LABELS: dict[str, Label] = {"1": "a", "2": "b"}


SUITE = "llmbar"


def read(file: File, name: str) -> Iterator[Pair]:
    for number, row in enumerate(json_items(file), start=1):
        yield Pair(
            id=f"{name}/{number:03d}",
            question=row.question("input"),
            a=row.text("output_1"),
            b=row.text("output_2"),
            labels=(row.label("label", _LABELS),),
            category=name.removeprefix(f"{SUITE}-"),
        )


def _source(folder: str, rows: int, sha256: str) -> Source:
    set_name = folder.split("/")[-1].lower()
    name = f"{SUITE}-{set_name}"
    return Source(
        name=name,
        host="github",
        repo="princeton-nlp/LLMBar",
        revision="900616bff90b6c6c8e1681f7d079250637c55992",
        file=f"Dataset/LLMBar/{folder}/dataset.json",
        path=f"llmbar/{set_name}/dataset.json",
        sha256=sha256,
        licence="MIT",
        rows=rows,
        ties=False,
        read=partial(read, name=name),
        suite=SUITE,
    )


SOURCES = (
    _source("Natural", 100, "f7127b7aa78104cb8e03a2b1b3ac0077e95b125714dd441a8ee63666145a3375"),
    _source("Adversarial/Neighbor", 134, "6712c7eda6342602e0bc7c06c282fa95e2110d4e741a284026a62d937f9780a0"),
    _source("Adversarial/GPTInst", 92, "1002425f73c2cf54b6e6de99bce3f6c60fa2a17d13194772e37d7481c1351d42"),
    _source("Adversarial/GPTOut", 47, "1ff56e520d7607750a9866a3be0f5b850392ca4477a1f69d80f32bd3e310f561"),
    _source("Adversarial/Manual", 46, "0d9598769a39cdbbd265778c37e49939d41d5f76dcfb17bd75dcfa07516d3837"),
)
