"""The formats in which people keep what systems answered; a file's format is recognized by the columns of its rows.

    rows         a row an output: `output`, `question` or `id` (or both), optionally `system` and `reference`
    alpaca-eval  AlpacaEval's model_outputs.json: `instruction`, `output`, `generator`
    mt-bench     FastChat's and Arena-Hard 0.1's answers: `question_id`, `model_id`, `choices[0].turns`
    arena-hard   Arena-Hard 2.0's answers: `uid`, `model`, `messages`
    lm-eval      lm-evaluation-harness --log_samples: `doc_id`, `doc`, `arguments`, `resps`

mt-bench and arena-hard keep the questions in a file of their own (`question_id` and `turns`, or `uid` and `prompt`);
`id` and `question` without `output` are one too. Sources: lm-sys/FastChat fastchat/llm_judge, lmarena/arena-hard-auto
gen_answer.py, EleutherAI/lm-evaluation-harness lm_eval/loggers/evaluation_tracker.py, tatsu-lab/alpaca_eval.

A conversation of several turns is one question and one answer, with headings; all of it is judged at once.
Knows: what a row of each format says. Does not know: how rows of several files go together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from edge_judge.benchmarks.custom import FORMATS as FILES
from edge_judge.benchmarks.custom import optional_value
from edge_judge.benchmarks.rows import File, FileRow, json_items
from edge_judge.errors import DataError, UsageError, nearest

EXAMPLE = 'a row of outputs is like {"question": "Greet me.", "system": "mine", "output": "Hello."}'
_READERS: Mapping[str, Callable[[File], Iterator[FileRow]]] = {**FILES, ".json": json_items}
_QUESTION_COLUMNS = ("question", "prompt", "instruction", "problem")  # in lm-eval's `doc`, what was asked
_CHOICE_COLUMNS = ("choices", "options", "endings")  # a question with these is whole only in the prompt
_SAMPLES = re.compile(r"samples_(.+)_\d{4}-\d{2}-\d{2}T.*")
_TURNS = ("First", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth")


@dataclass(frozen=True, slots=True)
class OutputRow:
    """What a row says; None where it does not say it. output: None for a question alone, or a missing answer.

    id: of the question; place: file and line.
    """

    place: str
    id: str | None
    question: str | None
    system: str | None
    output: str | None
    reference: str | None = None


def read(path: Path, named: str | None = None) -> tuple[File, list[OutputRow]]:
    """The rows of a file. named: its format, None to recognize it.

    Raises UsageError for the name of no format, DataError for a file that cannot be read as one.
    """
    if named is not None and named not in FORMATS:
        raise UsageError(f"unknown format '{named}'", nearest(named, FORMATS))
    file, rows = rows_of(path, EXAMPLE)
    convert = _questions(rows[0]) or FORMATS[named or _recognized(rows[0])]
    return file, [convert(row, path) for row in rows]


def rows_of(path: Path, example: str) -> tuple[File, list[FileRow]]:
    """The rows of a file, at least one. example: the hint where there are none. Raises DataError."""
    file = File.open(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path}: unknown format, expected a file that ends in {', '.join(_READERS)}", example)
    rows = list(reader(file))
    if not rows:
        raise DataError(f"{path}: no rows in it", example)
    return file, rows


def _recognized(row: FileRow) -> str:
    """The format of a row, by its columns."""
    columns = row.values.keys()
    for name, needed in _COLUMNS.items():
        if needed <= columns:
            return name
    found = ", ".join(columns) or "none"
    raise DataError(f"{row.place}: unknown format of outputs, with the columns {found}", EXAMPLE)


def _questions(row: FileRow) -> Callable[[FileRow, Path], OutputRow] | None:
    """How the rows of a file of questions are read; None where the row is none."""
    columns = row.values.keys()
    if {"question_id", "turns"} <= columns and "choices" not in columns:
        return _turns_of_question
    if {"uid", "prompt"} <= columns and "messages" not in columns:
        return lambda row, path: OutputRow(row.place, _name(row, "uid"), row.question("prompt"), None, None)
    if {"id", "question"} <= columns and not columns & {"output", "resps", "choices", "messages"}:
        return lambda row, path: replace(_row(FileRow(row.place, {**row.values, "output": None}), path), system=None)
    return None


def _row(row: FileRow, path: Path) -> OutputRow:
    question = None if optional_value(row, "question") is None else row.question("question")
    name = None if optional_value(row, "id") is None else _name(row, "id")
    if question is None and name is None:
        raise DataError(f"{row.place}: neither 'question' nor 'id', expected one of them", EXAMPLE)
    output = None if row.value("output") is None else row.text("output")
    system = path.stem if optional_value(row, "system") is None else _name(row, "system")
    reference = None if optional_value(row, "reference") is None else row.text("reference")
    return OutputRow(row.place, name, question, system, output, reference)


def _alpaca_eval(row: FileRow, path: Path) -> OutputRow:
    output = None if row.value("output") is None else row.text("output")
    system = path.stem if optional_value(row, "generator") is None else _name(row, "generator")
    return OutputRow(row.place, None, row.question("instruction"), system, output)


def _mt_bench(row: FileRow, path: Path) -> OutputRow:
    choices = row.value("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise row.wrong("choices", choices, "a list of answers with turns")
    turns = _texts(FileRow(f"{row.place}, choices", choices[0]), "turns")
    output = None if any(turn is None for turn in turns) else _conversation([turn or "" for turn in turns])
    return OutputRow(row.place, _name(row, "question_id"), None, _model(row, "model_id", path), output)


def _turns_of_question(row: FileRow, path: Path) -> OutputRow:
    turns = [turn or "" for turn in _texts(row, "turns")]
    question = _conversation(turns)
    if not question.strip():
        raise row.wrong("turns", "", "a question")
    return OutputRow(row.place, _name(row, "question_id"), question, None, None)


def _arena_hard(row: FileRow, path: Path) -> OutputRow:
    messages = row.value("messages")
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise row.wrong("messages", messages, "a list of messages")
    parts = [FileRow(f"{row.place}, messages", message) for message in messages]
    asked = [_content(part) for part in parts if part.values.get("role") == "user"]
    answered = [_content(part) for part in parts if part.values.get("role") == "assistant"]
    question = _conversation([text or "" for text in asked]) if asked else None
    whole = answered and all(text is not None for text in answered)
    output = _conversation([text or "" for text in answered]) if whole else None
    return OutputRow(row.place, _name(row, "uid"), question, _model(row, "model", path), output)


def _lm_eval(row: FileRow, path: Path) -> OutputRow:
    """The text as it was written, before filters; the folder of a file has the model's name."""
    samples = _SAMPLES.fullmatch(path.stem)
    task, system = (samples[1], path.resolve().parent.name) if samples else (path.stem, path.stem)
    responses = row.value("resps")
    first = responses[0] if isinstance(responses, list) and responses else responses
    output = first[0] if isinstance(first, list) and first else first
    if isinstance(output, (list, float)):
        raise DataError(
            f"{row.place}: log-likelihoods, expected a generated answer",
            "log the samples of a task of output_type generate_until",
        )
    text = None if output is None else FileRow(row.place, {"resps": output}).text("resps")
    return OutputRow(row.place, f"{task}/{_name(row, 'doc_id')}", _asked(row), system, text)


def _asked(row: FileRow) -> str:
    """The question of a logged sample: of its document, or else the whole prompt. A prompt in a chat format differs
    between systems, a document does not.
    """
    doc = row.value("doc")
    if isinstance(doc, dict) and not any(name in doc for name in _CHOICE_COLUMNS):
        for name in _QUESTION_COLUMNS:
            if isinstance(doc.get(name), str) and doc[name].strip():
                return FileRow(f"{row.place}, doc", doc).question(name)
    prompt = row.value("arguments")
    while isinstance(prompt, (dict, list)) and prompt:
        prompt = next(iter(prompt.values())) if isinstance(prompt, dict) else prompt[0]
    return FileRow(row.place, {"arguments": prompt}).question("arguments")


def _texts(row: FileRow, column: str) -> list[str | None]:
    """The texts of turns, each a string or an object with `content`."""
    turns = row.value(column)
    if not isinstance(turns, list) or not turns:
        raise row.wrong(column, turns, "a list of turns")
    parts = [turn if isinstance(turn, dict) else {"content": turn} for turn in turns]
    return [_content(FileRow(f"{row.place}, {column}", part)) for part in parts]


def _content(row: FileRow) -> str | None:
    """The text of a turn or a message; Arena-Hard 2.0 keeps it as {"answer": …}."""
    value = row.value("content")
    if isinstance(value, dict):
        return _content(FileRow(row.place, {"content": value.get("answer")}))
    return None if value is None else row.text("content")


def _conversation(turns: list[str]) -> str:
    if len(turns) == 1:
        return turns[0]
    names = [*_TURNS, *(f"{number}th" for number in range(len(_TURNS) + 1, len(turns) + 1))]
    return "\n\n".join(f"[{name} turn]\n{turn}" for name, turn in zip(names, turns, strict=False))


def _model(row: FileRow, column: str, path: Path) -> str:
    return path.stem if optional_value(row, column) is None else _name(row, column)


def _name(row: FileRow, column: str) -> str:
    """A name, which may be a number."""
    value = row.value(column)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    text = row.text(column).strip()
    if not text:
        raise row.wrong(column, value, "a name")
    return text


FORMATS: dict[str, Callable[[FileRow, Path], OutputRow]] = {
    "rows": _row,
    "alpaca-eval": _alpaca_eval,
    "mt-bench": _mt_bench,
    "arena-hard": _arena_hard,
    "lm-eval": _lm_eval,
}
_COLUMNS = {  # by which a format is recognized, the most particular first
    "lm-eval": {"doc_id", "resps"},
    "mt-bench": {"question_id", "choices"},
    "arena-hard": {"uid", "messages"},
    "alpaca-eval": {"instruction", "output"},
    "rows": {"output"},
}
