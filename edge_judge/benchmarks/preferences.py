"""Preferences that others reached: a file of votes on systems' answers, in place of a judge.

    votes        a row a vote: `system_a`, `system_b`, `question` (its id or its text), `verdict`: a, b or tie, or empty
                 where there is no valid one; optionally `order` (ab: the answer of system_a was shown first)
    alpaca-eval  AlpacaEval's annotations.json: `instruction`, `generator_1`, `generator_2`, `preference` from 1 (the
                 first is better) to 2 (the second is), 0 or 1.5 for a tie, null for none; `output_1`, `output_2`

A preference between 1 and 2 is a probability: 1.8 says that the second is better with 0.8. Several votes on one pair,
of several people say, all count.
JSONL, JSON lists, CSV and parquet. Source: tatsu-lab/alpaca_eval src/alpaca_eval/metrics/winrate.py.
Knows: these columns. Does not know: judges, figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import nan
from pathlib import Path

from edge_judge.analysis.ranking.games import Game, Games, Winner, games
from edge_judge.benchmarks.custom import optional_value
from edge_judge.benchmarks.output_formats import rows_of
from edge_judge.benchmarks.rows import FileRow
from edge_judge.errors import DataError
from edge_judge.records import Order

EXAMPLE = 'a row of votes is like {"system_a": "old", "system_b": "new", "question": "q7", "verdict": "b"}'
_WINNERS: dict[str, Winner] = {"a": "first", "b": "second", "tie": "tie"}


def load_preferences(paths: Iterable[Path]) -> Games:
    """The votes in some files, the systems in the order of their names.

    Raises DataError for a file that is none, and for a vote that cannot be.
    """
    votes = [vote for path in paths for vote in _votes(path)]
    systems = sorted({name for vote in votes for name in (vote.first, vote.second)})
    return games(votes, systems)


def _votes(path: Path) -> Iterator[Game]:
    for row in rows_of(path, EXAMPLE)[1]:
        vote = _alpaca_eval(row) if "preference" in row.values else _vote(row)
        if vote.first == vote.second:
            raise DataError(f"{row.place}: system '{vote.first}' is compared with itself", EXAMPLE)
        yield vote


def _vote(row: FileRow) -> Game:
    verdict = optional_value(row, "verdict")
    if verdict is not None and (not isinstance(verdict, str) or verdict not in _WINNERS):
        raise row.wrong("verdict", verdict, f"one of {', '.join(_WINNERS)}")
    order = optional_value(row, "order") or "ab"
    if order not in ("ab", "ba"):
        raise row.wrong("order", order, "ab or ba")
    turn: Order = "ab" if order == "ab" else "ba"
    winner = None if verdict is None else _WINNERS[str(verdict)]
    return Game(_named(row, "question"), _named(row, "system_a"), _named(row, "system_b"), turn, winner)


def _alpaca_eval(row: FileRow) -> Game:
    """Which answer the annotator saw first was drawn at random and is not in the file."""
    first, second = _named(row, "generator_1"), _named(row, "generator_2")
    lengths = (len(row.text("output_1")), len(row.text("output_2")))
    question, preference = row.question("instruction"), _preference(row)
    if preference is None:
        return Game(question, first, second, "ab", None, nan, nan, nan, *lengths)
    tie = preference == 1.5
    winner: Winner = "tie" if tie else "first" if preference < 1.5 else "second"
    p = (0.0, 0.0, 1.0) if tie else (2 - preference, preference - 1, 0.0)
    return Game(question, first, second, "ab", winner, *p, *lengths)


def _preference(row: FileRow) -> float | None:
    value = row.value("preference")
    if value is None or value == "":
        return None
    try:
        number = float(str(value)) if not isinstance(value, bool) else nan
    except ValueError:
        number = nan
    if number == 0:
        return 1.5
    if not 1 <= number <= 2:
        if number != number and str(value).lower() == "nan":
            return None
        raise row.wrong("preference", value, "a number from 1 to 2, or 0 for a tie")
    return number


def _named(row: FileRow, column: str) -> str:
    value = row.value(column)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not row.text(column).strip():
        raise row.wrong(column, value, "a name")
    return row.text(column).strip()
