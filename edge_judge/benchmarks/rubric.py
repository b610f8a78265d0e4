"""A rubric: the criteria that answers are judged by, as a JSONL, CSV or parquet file with the column `criterion`.

Each criterion is one sentence on one line and occurs once. Space around it is ignored, and so are other columns. The
default is the three plain criteria in edge_judge/protocols/prompts/rubric.csv.
A row: {"criterion": "It is correct."}

Knows: this column. Does not know: how criteria are shown to a judge, or how they change its verdicts.
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
_SHIPPED_SOURCE = "edge_judge/protocols/prompts/rubric.csv"  # the same wherever the package is installed


@dataclass(frozen=True, slots=True)
class Rubric:
    """Criteria with a name. sha256: of their file."""

    name: str
    criteria: tuple[str, ...]
    sha256: str
    source: str


def load(path: Path | None = None) -> Rubric:
    """The rubric in a file, by default the shipped one. Raises DataError if the file is missing or broken."""
    if path is None:
        return replace(read(File.open(SHIPPED)), source=_SHIPPED_SOURCE)
    with custom.hinting(f"check the path; a rubric is a file that ends in {', '.join(custom.FORMATS)}"):
        file = File.open(path)
    return read(file)


def read(file: File) -> Rubric:
    """The rubric in a file, with its criteria in the file's order. Raises DataError if the file is broken."""
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

    criteria = tuple(custom.convert_rows(file, (COLUMN,), criterion))
    if not criteria:
        raise DataError(f"{file.path}: no criteria in it")
    return criteria


def _criterion(row: FileRow) -> str:
    text = row.text(COLUMN).strip()
    if not text:
        raise DataError(f"{row.place}: column '{COLUMN}' is blank, expected a sentence", "fill it in or delete the row")
    if len(text.splitlines()) > 1:  # at any line break, not only "\n"
        raise DataError(
            f"{row.place}: column '{COLUMN}' has several lines, expected one",
            "the judge is shown one criterion a line: join the lines, or give each its own row",
        )
    return text
