"""Systems' outputs: files of what several systems answered to the same questions.

A question is known by its id, or by its text where a file names no ids. A file may hold several systems, or one that
then has the file's name, or its folder's where files have the same name. What a system did not answer is missing: it is
counted, and never a win or a loss.

Knows: how rows of several files go together, and what outputs can be ranked. Does not know: formats, judges.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import combinations
from pathlib import Path

from edge_judge.benchmarks.custom import hinting, name_of
from edge_judge.benchmarks.output_formats import EXAMPLE, OutputRow, read
from edge_judge.errors import DataError, UsageError
from edge_judge.records import Outputs, Task

RANK_HINT = "name files of at least two systems' outputs to the same questions"


def load_outputs(paths: Sequence[Path], named: str | None = None) -> Outputs:
    """The outputs in some files. named: their format, None to recognize each file's.

    Raises UsageError where no file is named, DataError for files that are broken or hold nothing to rank: one system
    alone, a system that answered a question twice, questions that no two systems answered, or the same answers
    everywhere.
    """
    if not paths:
        raise UsageError("no outputs to rank", RANK_HINT)
    distinct = list(dict.fromkeys(paths))
    stems = Counter(path.stem for path in distinct)
    collected = _Collected()
    collected.take(
        _named_by_folder(row, path) if stems[path.stem] > 1 else row
        for path in distinct
        for row in read(path, named)[1]
    )
    return _checked(collected.outputs(), paths)


def _named_by_folder(row: OutputRow, path: Path) -> OutputRow:
    """The row of a file that has its name in common with another: its folder tells the systems apart."""
    return replace(row, system=path.resolve().parent.name) if row.system == path.stem else row


def name_of_outputs(paths: Sequence[Path]) -> str:
    """A name for the ranking of some files: the file's, or that of the folder which all of them are in."""
    if len(paths) == 1:
        return name_of(paths[0])
    parents = {path.resolve().parent for path in paths}
    common = next(iter(parents)) if len(parents) == 1 else _common(parents)
    return name_of(Path(common.name or "outputs"))


def _common(folders: set[Path]) -> Path:
    first, *others = (folder.parts for folder in sorted(folders))
    shared = []
    for place, part in enumerate(first):
        if any(len(other) <= place or other[place] != part for other in others):
            break
        shared.append(part)
    return Path(*shared)


@dataclass(slots=True)
class _Collected:
    """Rows as they come together. texts: of questions, by id; places: where each was found."""

    texts: dict[str, str] = field(default_factory=dict)
    references: dict[str, str] = field(default_factory=dict)
    answers: dict[tuple[str, str], str] = field(default_factory=dict)
    places: dict[tuple[str, str] | str, str] = field(default_factory=dict)
    systems: set[str] = field(default_factory=set)

    def take(self, rows: Iterable[OutputRow]) -> None:
        every = list(rows)
        for row in every:
            if row.id is not None:
                self._question(row, row.id)
        ids: dict[str, set[str]] = {}
        for name, text in self.texts.items():
            ids.setdefault(text, set()).add(name)
        for row in every:
            self._answer(row, row.id if row.id is not None else self._id(row, ids.get(row.question or "", set())))

    def _id(self, row: OutputRow, known: set[str]) -> str:
        """The id of a question that its row does not name."""
        if len(known) > 1:
            raise DataError(
                f"{row.place}: the question has no id, and several have this text: {', '.join(sorted(known)[:3])}",
                "give the row the column 'id'",
            )
        return next(iter(known)) if known else _id_of_text(row.question or "")

    def _question(self, row: OutputRow, name: str) -> None:
        if row.question is not None and self.texts.setdefault(name, row.question) != row.question:
            raise DataError(
                f"{row.place}: question '{name}' has another text than at {self.places[name]}",
                "use different ids for different questions",
            )
        if row.question is not None:
            self.places.setdefault(name, row.place)

    def _answer(self, row: OutputRow, name: str) -> None:
        if row.question is not None:
            self.texts.setdefault(name, row.question)
        self.places.setdefault(name, row.place)
        if row.reference is not None:
            self.references.setdefault(name, row.reference)
        if row.system is None:
            return
        self.systems.add(row.system)
        if row.output is None:
            return
        key = (name, row.system)
        if self.answers.setdefault(key, row.output) != row.output:
            raise DataError(
                f"{row.place}: system '{row.system}' answers question '{name}' twice, with another answer at "
                f"{self.places[key]}",
                "keep one answer to a question, or give the systems different names in the column 'system'",
            )
        self.places.setdefault(key, row.place)

    def outputs(self) -> Outputs:
        answered = {name for name, _ in self.answers}
        for name in answered:
            if name not in self.texts:
                raise DataError(
                    f"{self.places[name]}: the text of question '{name}' is missing",
                    "name the file of the questions too, with 'id' and 'question' (question.jsonl of MT-Bench and "
                    "Arena-Hard is one)",
                )
        asked = sorted(self.texts)
        tasks = tuple(Task(name, self.texts[name], self.references.get(name)) for name in asked)
        systems = tuple(sorted(self.systems))
        return Outputs(systems, tasks, dict(sorted(self.answers.items())), _hash(systems, tasks, self.answers))


def _checked(outputs: Outputs, paths: Sequence[Path]) -> Outputs:
    """The outputs, if they can be ranked."""
    names = ", ".join(map(str, paths[:3])) + (", …" if len(paths) > 3 else "")
    with hinting(EXAMPLE):
        if not outputs.answers:
            raise DataError(f"{names}: no answers in it")
    if len(outputs.systems) == 1:
        raise DataError(f"{names}: only one system, '{outputs.systems[0]}'", RANK_HINT)
    answered = {name: {task for task, system in outputs.answers if system == name} for name in outputs.systems}
    for name, tasks in answered.items():
        if not tasks:
            raise DataError(f"system '{name}' has no answers: all its outputs are missing", "leave it out")
        others = [other for other in outputs.systems if other != name]
        if not any(tasks & answered[other] for other in others):
            raise DataError(
                f"system '{name}' shares no question with {_listed(others)}: "
                f"{len(tasks):,} of {len(outputs.tasks):,} questions were answered by it alone",
                "rank systems that answered the same questions; questions are matched by id, else by text",
            )
    if not any(_differ(outputs, first, second) for first, second in combinations(outputs.systems, 2)):
        raise DataError(f"{names}: all systems give the same answers everywhere", RANK_HINT)
    return outputs


def _differ(outputs: Outputs, first: str, second: str) -> bool:
    """Whether two systems answer a question that both answered in different words."""
    answers = outputs.answers
    both = ((answers.get((task.id, first)), answers.get((task.id, second))) for task in outputs.tasks)
    return any(one is not None and other is not None and one != other for one, other in both)


def _listed(names: Sequence[str]) -> str:
    return f"'{names[0]}'" if len(names) == 1 else f"any of the {len(names)} others"


def _id_of_text(question: str) -> str:
    return sha256(question.encode(errors="surrogatepass")).hexdigest()[:10]


def _hash(systems: Sequence[str], tasks: Sequence[Task], answers: dict[tuple[str, str], str]) -> str:
    asked = [[task.id, task.question, task.reference] for task in tasks]
    given = sorted([name, system, text] for (name, system), text in answers.items())
    return sha256(json.dumps([list(systems), asked, given], ensure_ascii=False).encode()).hexdigest()
