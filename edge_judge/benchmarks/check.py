"""What a user's file holds, as the readers understand it: a benchmark, counted by column, or a rubric.

Knows: how to distinguish a benchmark from a rubric by its columns, what to count, and what looks like a mistake
although it can be read.
Does not know: the rules of the readers (custom.py, rubric.py), or how the counts are shown.
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
class Occurrences:
    """How often something occurs. first: the id of the first pair where it occurs."""

    count: int
    first: str | None


@dataclass(frozen=True, slots=True)
class Longest:
    """The longest text of its kind. id: of its pair."""

    characters: int
    id: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What the file of a benchmark holds.

    columns: how many rows have a value in each known column, None if no row has the column. ignored: the other
    columns. ties: whether a tie is a legal verdict. duplicates: pairs with the question and answers of an
    earlier pair.
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
    identical_answers: Occurrences
    duplicates: Occurrences
    empty_answers: Occurrences


def look(path: Path, published: frozenset[str] = frozenset()) -> Contents | Rubric:
    """What a file holds. published: names that a user's benchmark cannot have. Raises DataError if it is broken."""
    if str(path) in published and not path.exists():
        raise DataError(f"{path}: no such file", f"for the published benchmark: edge-judge data verify {path}")
    with custom.hinting(f"check the path; expected a file that ends in {', '.join(custom.FORMATS)}"):
        file = File.open(path)
    with custom.hinting(custom.EXAMPLE):
        if _is_rubric(file):
            return rubric.read(file)
        name = custom.name_of(path, published)
        return _contents(file, name, tuple(custom.read(file, name)))


def remarks(contents: Contents) -> Iterator[str]:
    """Remarks on what can be read but looks like a mistake."""
    unlabelled = contents.pairs - sum(contents.labels.values())
    if unlabelled == contents.pairs:
        yield "no labels: a run can measure consistency, but not accuracy"
    elif unlabelled:
        yield f"pairs without a label: {unlabelled} of {contents.pairs}"
    for name, occurrences in (
        ("pairs with identical answers", contents.identical_answers),
        ("pairs that repeat an earlier one", contents.duplicates),
        ("empty answers", contents.empty_answers),
    ):
        if occurrences.count:
            yield f"{name}: {occurrences.count}, first {occurrences.first}"


def _is_rubric(file: File) -> bool:
    first = next(custom.rows_of(file), None)
    if first is None:
        raise DataError(f"{file.path}: no rows in it", _KINDS)
    columns = {name.strip().lower() for name in first.values}
    # A benchmark may have a column of criteria too, so this column alone does not make a rubric.
    if rubric.COLUMN in columns and not columns.issuperset(custom.REQUIRED):
        return True
    if columns.isdisjoint(custom.REQUIRED):
        listed = ", ".join(first.values) or "none"
        raise DataError(f"{first.place}: neither a benchmark nor a rubric, its columns: {listed}", _KINDS)
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
        identical_answers=_occurrences(pair.id for pair in pairs if pair.a == pair.b),
        duplicates=_occurrences(_duplicates(pairs)),
        empty_answers=_occurrences(id for id, answer in answers if not answer.strip()),
    )


def _columns(file: File) -> tuple[dict[str, int | None], tuple[str, ...]]:
    """How many rows have a value in each known column, and the other columns."""
    values: Counter[str] = Counter()
    columns: dict[str, None] = {}  # in the file's order
    for row in custom.rows_of(file):
        columns.update(dict.fromkeys(row.values))
        values.update(column for column in custom.COLUMNS if custom.optional_value(row, column) is not None)
    counts = {column: values[column] if column in columns else None for column in custom.COLUMNS}
    return counts, tuple(column for column in columns if column not in counts)


def _longest(texts: Iterable[tuple[str, str]]) -> Longest:
    id, text = max(texts, key=lambda id_and_text: len(id_and_text[1]))
    return Longest(len(text), id)


def _occurrences(ids: Iterable[str]) -> Occurrences:
    all_ids = list(ids)
    return Occurrences(len(all_ids), all_ids[0] if all_ids else None)


def _duplicates(pairs: Iterable[Pair]) -> Iterator[str]:
    earlier: set[tuple[str, str, str]] = set()
    for pair in pairs:
        content = (pair.question, pair.a, pair.b)
        if content in earlier:
            yield pair.id
        earlier.add(content)
