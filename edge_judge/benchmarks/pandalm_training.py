"""PandaLM's training file: instructions of Alpaca with two small models' answers each, judged by GPT-3.5.

Source: named in the README of github.com/WeOpenML/PandaLM at 3871806e72b4832f815ecafd24d3503c73403f48, which links the
file and shows its format; the repository itself does not hold it.
Licence: none stated for this file, so it is downloaded by the user, never distributed.
Rows: about 300,000 (the README's figure), one label each.
A row: {"inputs": {"instruction": "Greet me.", "input": "", "response1": "Hello.", "response2": "No."},
"outputs": {"evaluation_result": "1", "evaluation_reason": "Response 1 greets.", "reference_response": "Hi."}}; the
result is 1, 2 or Tie. The file is a JSON list, or a row a line.
Does not know: where the file is, how a judge learns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edge_judge.benchmarks.naming import with_placeholders
from edge_judge.benchmarks.rows import File, FileRow, json_items, json_lines
from edge_judge.errors import DataError
from edge_judge.records import Label, Pair, TrainingPair

_LABELS: dict[str, Label] = {"1": "a", "2": "b", "Tie": "tie"}


def read(file: File, name: str) -> Iterator[TrainingPair]:
    """The pairs of the file. name: of the file, for their ids. Raises DataError, with the line or the item."""
    is_list = file.content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
    rows = json_items(file) if is_list else json_lines(file)
    for number, row in enumerate(rows, start=1):
        yield _pair(row, f"{name}/{number:06d}")


def _pair(row: FileRow, id: str) -> TrainingPair:
    asked, judged = _part(row, "inputs"), _part(row, "outputs")
    parts = [asked.text(column) for column in ("instruction", "input") if column in asked.values]
    question = "\n\n".join(part for part in parts if part.strip())
    if not question:
        raise DataError(f"{row.place}: 'instruction' and 'input' are both empty, expected a question")
    pair = Pair(
        id,
        question,
        asked.text("response1"),
        asked.text("response2"),
        (judged.label("evaluation_result", _LABELS),),
        group=question,
        reference=_optional(judged, "reference_response"),
    )
    reasons = _optional(judged, "evaluation_reason")
    return TrainingPair(pair, with_placeholders(reasons) if reasons else None)


def _part(row: FileRow, column: str) -> FileRow:
    value = row.value(column)
    if not isinstance(value, Mapping):
        raise row.wrong(column, value, "an object")
    return FileRow(f"{row.place}, {column}", value)


def _optional(row: FileRow, column: str) -> str | None:
    return row.text(column).strip() or None if column in row.values else None
