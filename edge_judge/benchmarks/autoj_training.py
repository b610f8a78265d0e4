"""Auto-J's pairwise training file: real users' queries with two answers each, judged by GPT-4 with its reasons.

Source: github.com/GAIR-NLP/auto-j at 2ae17a3965d933232e9cd50302aa0f176249c83b,
data/training/pairwise_traindata.jsonl.
Licence: the repository states none, so the file is downloaded by the user, never distributed.
Rows: 3,436, one label each.
A row: {"usrmsg": "You are … [BEGIN DATA]\\n***\\n[Query]: Greet me.\\n***\\n[Response 1]: Hello.\\n***\\n[Response 2]:
No.\\n***\\n[END DATA]\\n\\nHere are …", "target_output": "1. Response 1 greets. …\\n2. So, the final decision is
Response 1", "gt_label": 0, "pred_label": 0, "scenario": "chitchat"}; 0 first, 1 second, 2 tie. The repository's README
spells the first field `usermsg`, the file `usrmsg`.

Query and answers are cut from the message by its markers, each of which must be there once. The reasons are the target
without its final decision. Where that decision is not the label, the reasons argue for another verdict and are left
out. "neither Response 1 nor Response 2" is a tie.
Does not know: where the file is, how a judge learns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from edge_judge.benchmarks.custom import convert_rows
from edge_judge.benchmarks.naming import with_placeholders
from edge_judge.benchmarks.rows import File, FileRow
from edge_judge.errors import DataError
from edge_judge.records import Label, Pair, TrainingPair

MESSAGE = "usrmsg"
MARKERS = ("[BEGIN DATA]", "[Query]:", "[Response 1]:", "[Response 2]:", "[END DATA]")
RULE = "***"  # on a line of its own between the parts
_LABELS: dict[str, Label] = {"0": "a", "1": "b", "2": "tie"}
_DECISIONS: dict[str, Label] = {
    "response 1": "a", "response 2": "b", "tie": "tie", "neither response 1 nor response 2": "tie",
}  # fmt: skip
_DECISION = re.compile(
    r"(?:\bso,?\s+)?\bthe\s+final\s+decision\s+is\s+"
    r"(neither\s+response\s+1\s+nor\s+response\s+2|response\s+1|response\s+2|tie)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(?:^|\n)\s*\d+\.\s*$")  # of the list item that held nothing but the decision


def read(file: File, name: str) -> Iterator[TrainingPair]:
    """The pairs of the file. name: of the file, for their ids. Raises DataError, with the line, for a broken row."""
    return convert_rows(file, (), lambda number, row: _pair(row, f"{name}/{number:04d}"))


def _pair(row: FileRow, id: str) -> TrainingPair:
    question, first, second = _parts(row)
    label = row.label("gt_label", _LABELS)
    reasons, decision = _reasons(row)
    scenario = row.text("scenario") if "scenario" in row.values else ""
    pair = Pair(id, question, first, second, (label,), group=question, category=scenario)
    return TrainingPair(pair, with_placeholders(reasons) if reasons and decision == label else None)


def _parts(row: FileRow) -> tuple[str, str, str]:
    """Query and both answers."""
    message = row.text(MESSAGE)
    for marker in MARKERS:
        if (count := message.count(marker)) != 1:
            raise DataError(
                f"{row.place}: '{marker}' occurs {count} times in column '{MESSAGE}', expected once",
                "is this Auto-J's pairwise_traindata.jsonl?",
            )
    places = [message.index(marker) for marker in MARKERS]
    if places != sorted(places):
        raise DataError(f"{row.place}: column '{MESSAGE}' has its markers in another order than {', '.join(MARKERS)}")
    ends = [place + len(marker) for place, marker in zip(places, MARKERS, strict=True)]
    parts = [message[start:end] for start, end in zip(ends[1:-1], places[2:], strict=True)]
    question, first, second = (part.strip().removesuffix(RULE).strip() for part in parts)
    if not question:
        raise DataError(f"{row.place}: the query in column '{MESSAGE}' is empty, expected a question")
    return question, first, second


def _reasons(row: FileRow) -> tuple[str, Label]:
    """The target without its final decision, and that decision."""
    target = row.text("target_output")
    decisions = list(_DECISION.finditer(target))
    if not decisions:
        raise DataError(
            f"{row.place}: column 'target_output' has no 'final decision is Response 1, Response 2 or Tie'",
            "the row is truncated, or this is another file",
        )
    last = decisions[-1]
    reasons = _NUMBER.sub("", target[: last.start()])
    return reasons.strip(), _DECISIONS[" ".join(last[1].lower().split())]
