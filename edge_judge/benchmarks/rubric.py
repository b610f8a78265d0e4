"""A rubric: the criteria that answers are judged by, as a JSONL, CSV or parquet file with the column `criterion`.

Each criterion is one sentence, in one line, and occurs once; space around it does not count. Other columns are
ignored. Without a file, the three plain criteria that ship in edge_judge/protocols/prompts/rubric.csv are used.
A row: {"criterion": "It is correct."}

Knows: this column. Does not know: how criteria are shown to a judge, nor what they do to its verdicts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from edge_judge.benchmarks import custom
from edge_judge.benchmarks.rows import File, FileRow
from edge_judge.errors import DataError
from edge_judge.protocols.prompts import FOLDER

COLUMN = "criterion"
EXAMPLE = 'a rubric has rows like {"criterion": "It is correct."}'
SHIPPED = FOLDER / "rubric.csv"
_SHIPPED_SOURCE = "edge_judge/protocols/prompts/rubric.csv"  # a run says the same wherever the package is installed


@dataclass(frozen=True, slots=True)
class Rubric:
    """Criteria with a name. sha256: of the file they were read from."""

    name: str
    criteria: tuple[str, ...]
    sha256: str
    source: str


def load(path: Path | None = None) -> Rubric:
    """The rubric in a file, or the one that ships."""
    if path is None:
        return replace(read(File.open(SHIPPED)), source=_SHIPPED_SOURCE)
    with custom.hinting(f"check the path; a rubric is a file named {' or '.join(custom.FORMATS)}"):
        file = File.open(path)
    return read(file)


def read(file: File) -> Rubric:
    """The rubric that a file holds, its criteria in the file's order."""
    with custom.hinting(EXAMPLE):
        criteria = _criteria(file)
    return Rubric(custom.name_of(file.path), criteria, file.sha256, str(file.path))


def _criteria(file: File) -> tuple[str, ...]:
    places: dict[str, str] = {}

    def criterion(_: int, row: FileRow) -> str:
        text = _criterion(row)
        if text in places:
            raise DataError(
                f"{row.place}: this criterion occurs twice, first at {places[text]}", "leave one of the two out"
            )
        places[text] = row.place
        return text

    criteria = tuple(custom.each(file, (COLUMN,), criterion))
    if not criteria:
        raise DataError(f"{file.path}: no criteria in it")
    return criteria


def _criterion(row: FileRow) -> str:
    text = row.text(COLUMN).strip()
    if not text:
        raise DataError(f"{row.place}: column '{COLUMN}' is blank, expected a sentence", "fill it in or delete the row")
    if len(text.splitlines()) > 1:  # all that may pass for the end of a line, not only "\n"
        raise DataError(
            f"{row.place}: column '{COLUMN}' has several lines, expected one",
            "criteria are shown to the judge as a list, one a line: join the lines, or give each a row of its own",
        )
    return text
