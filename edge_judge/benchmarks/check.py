"""What a file of one's own holds, as the readers understand it: a benchmark counted column by column, or a rubric.

Knows: how to tell a benchmark from a rubric by its columns, what to count, and what looks like a mistake
although it can be read.
Does not know: the readers' rules (custom.py, rubric.py), nor how the counts are shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_judge.benchmarks import custom, rubric
from edge_judge.benchmarks.rows import File
from edge_judge.benchmarks.rubric import Rubric
from edge_judge.errors import DataError
from edge_judge.records import LABELS, Label, Pair

_KINDS = f"a benchmark has the columns {', '.join(custom.REQUIRED)}; a rubric has {rubric.COLUMN}"


@dataclass(frozen=True, slots=True)
class Found:
    """How often something occurs. first: the id of the first pair where it does."""

    count: int
    first: str | None


@dataclass(frozen=True, slots=True)
class Longest:
    """The longest text of its kind. id: of the pair it stands in."""

    characters: int
    id: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What a benchmark's file holds.

    columns: how many rows give each known column a value, None where no row has the column. ignored: the other
    columns. ties: whether a tie is a legal verdict. duplicates: pairs with the question and answers of an
    earlier one.
    """

    name: str
    format: str
    pairs: int
    columns: Mapping[str, int | None]
    ignored: tuple[str, ...]
    labels: Mapping[Label, int]
    ties: bool
    clusters: int
    longest_question: Longest
    longest_answer: Longest
    identical_answers: Found
    duplicates: Found
    empty_answers: Found


def look(path: Path, published: frozenset[str] = frozenset()) -> Contents | Rubric:
    """What a file holds. published: names that a benchmark of one's own cannot have."""
    if str(path) in published and not path.exists():
        raise DataError(f"{path}: no such file", f"for the published benchmark: edge-judge data verify {path}")
    with custom.hinting(f"check the path; expected a file named {' or '.join(custom.FORMATS)}"):
        file = File.open(path)
    with custom.hinting(custom.EXAMPLE):
        if _is_rubric(file):
            return rubric.read(file)
        name = custom.name_of(path, published)
        return _contents(file, name, tuple(custom.read(file, name)))


def remarks(contents: Contents) -> Iterator[str]:
    """What can be read but looks like a mistake."""
    unlabelled = contents.pairs - sum(contents.labels.values())
    if unlabelled == contents.pairs:
        yield "no labels: a run can say how consistent a judge is, not how often it is right"
    elif unlabelled:
        yield f"pairs without a label: {unlabelled} of {contents.pairs}"
    for what, found in (
        ("pairs with identical answers", contents.identical_answers),
        ("pairs that repeat an earlier one", contents.duplicates),
        ("empty answers", contents.empty_answers),
    ):
        if found.count:
            yield f"{what}: {found.count}, first {found.first}"


def _is_rubric(file: File) -> bool:
    first = next(custom.rows_of(file), None)
    if first is None:
        raise DataError(f"{file.path}: no rows in it", _KINDS)
    columns = {name.strip().lower() for name in first.values}
    # A benchmark may well note a criterion beside each pair: the column alone does not make a rubric.
    if rubric.COLUMN in columns and not columns.issuperset(custom.REQUIRED):
        return True
    if columns.isdisjoint(custom.REQUIRED):
        found = ", ".join(first.values) or "none"
        raise DataError(f"{first.place}: neither a benchmark nor a rubric, its columns: {found}", _KINDS)
    return False


def _contents(file: File, name: str, pairs: tuple[Pair, ...]) -> Contents:
    columns, ignored = _columns(file)
    labels = Counter(label for pair in pairs for label in pair.labels)
    answers = [(pair.id, answer) for pair in pairs for answer in (pair.a, pair.b)]
    return Contents(
        name=name,
        format=file.path.suffix.lower().removeprefix("."),
        pairs=len(pairs),
        columns=columns,
        ignored=ignored,
        labels={label: labels[label] for label in LABELS},
        ties=custom.has_ties(pairs),
        clusters=len({pair.cluster for pair in pairs}),
        longest_question=_longest((pair.id, pair.question) for pair in pairs),
        longest_answer=_longest(answers),
        identical_answers=_found(pair.id for pair in pairs if pair.a == pair.b),
        duplicates=_found(_repeated(pairs)),
        empty_answers=_found(id for id, answer in answers if not answer.strip()),
    )


def _columns(file: File) -> tuple[dict[str, int | None], tuple[str, ...]]:
    given: Counter[str] = Counter()
    seen: dict[str, None] = {}  # in the file's order
    for row in custom.rows_of(file):
        seen.update(dict.fromkeys(row.values))
        given.update(column for column in custom.COLUMNS if custom.given(row, column) is not None)
    known = {column: given[column] if column in seen else None for column in custom.COLUMNS}
    return known, tuple(column for column in seen if column not in known)


def _longest(texts: Iterable[tuple[str, str]]) -> Longest:
    id, text = max(texts, key=lambda one: len(one[1]))
    return Longest(len(text), id)


def _found(ids: Iterable[str]) -> Found:
    listed = list(ids)
    return Found(len(listed), listed[0] if listed else None)


def _repeated(pairs: Iterable[Pair]) -> Iterator[str]:
    seen: set[tuple[str, str, str]] = set()
    for pair in pairs:
        content = (pair.question, pair.a, pair.b)
        if content in seen:
            yield pair.id
        seen.add(content)
