"""PandaLM's test set: answers of small models to 170 instructions, each pair judged by three annotators.

Source: github.com/WeOpenML/PandaLM at 3871806e72b4832f815ecafd24d3503c73403f48, data/testset-v1.json.
Licence: Apache-2.0.
Rows: 999, one label each, the annotators' majority: 105 tie, 422 first, 472 second; 879 are unanimous, the
other 120 have two of three, and all have a majority. Verdicts are scored against the majority; the three votes are kept
beside it, to tell how far people agree.
A row: {"idx": 0, "motivation_app": "Maps", "cmp_key": "model-x_model-y", "instruction": "Name the capital.",
        "input": "Norway", "response1": "Oslo", "response2": "Bergen",
        "annotator1": 1, "annotator2": 1, "annotator3": 0}; 0 tie, 1 first, 2 second; `input` is often empty,
in one row `instruction` is.

Pairs that share an instruction and its input are one cluster. `cmp_key` names the two models that answered, the first
one first; no name of a model has an underscore.

The published full-precision figures use other labels: if annotators 1 and 3 agree against 2 (49 items),
UnlimitedJudge@f7d6167d src/build_dataset.py takes a random annotator's label. Here it is the majority's. The
draw is not published. On average it misses the majority in a third of these items (16.3 labels, 1.6 points of
accuracy), and no figure can differ by more than all of them (49 of 999, 4.9 points).
Does not know: where the file is, or how verdicts on it are scored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from edge_judge.benchmarks.rows import File, FileRow, json_items
from edge_judge.benchmarks.source import Source
from edge_judge.errors import DataError
from edge_judge.records import Label, Pair

_LABELS: dict[str, Label] = {"0": "tie", "1": "a", "2": "b"}
_ANNOTATORS = ("annotator1", "annotator2", "annotator3")


def read(file: File) -> Iterator[Pair]:
    for row in json_items(file):
        question = _question(row)
        yield Pair(
            id=f"pandalm/{row.integer('idx'):04d}",
            question=question,
            a=_response(row, "response1"),
            b=_response(row, "response2"),
            labels=(majority(row),),
            group=question,
            votes=votes(row),
            authors=_authors(row),
        )


def votes(row: FileRow) -> tuple[Label, ...]:
    """What each of the three annotators said."""
    return tuple(row.label(annotator, _LABELS) for annotator in _ANNOTATORS)


def majority(row: FileRow) -> Label:
    """The label that at least two of the three annotators gave."""
    label, count = Counter(votes(row)).most_common(1)[0]
    if count < 2:
        raise DataError(f"{row.place}: the three annotators disagree, expected a majority")
    return label


def _authors(row: FileRow) -> tuple[str, str]:
    key = row.text("cmp_key")
    first, _, second = key.partition("_")
    if not first or not second or "_" in second:
        raise row.wrong("cmp_key", key, "two models joined by an underscore")
    return first, second


def _question(row: FileRow) -> str:
    # Most rows have both columns, some have no input, and one has only an input.
    parts = [part for part in (row.text("instruction"), row.text("input")) if part.strip()]
    if not parts:
        raise DataError(f"{row.place}: columns 'instruction' and 'input' are both empty, expected a question")
    return "\n\n".join(parts)


def _response(row: FileRow, column: str) -> str:
    # Six responses, all to one instruction (is this statement correct?), are the JSON value true, not text:
    # some step before publication took the answer "True" for a Boolean. Other models answer the same item with
    # "True.", and judges whose prompts are filled by Python's formatting see "True". So "True" is both the likeliest
    # original and what published judges were shown; "true" is neither.
    value = row.value(column)
    return str(value) if isinstance(value, bool) else row.text(column)


SOURCE = Source(
    name="pandalm",
    host="github",
    repo="WeOpenML/PandaLM",
    revision="3871806e72b4832f815ecafd24d3503c73403f48",
    file="data/testset-v1.json",
    path="pandalm/testset-v1.json",
    sha256="cc154f9067c7382d7ea86f8f246511a5e1ac87e1fddd845c5938d789505b07a4",
    licence="Apache-2.0",
    rows=999,
    ties=True,
    read=read,
)
