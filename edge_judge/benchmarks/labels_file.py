"""A CSV in which a person labels pairs with any spreadsheet, and its reading back.

    id        letters that name the pair and its two texts; the systems cannot be told from them
    question  the question
    A, B      the two answers, which of them is A by chance
    verdict   empty; the person writes A, B or tie

UTF-8 with a byte order mark and CRLF, as Excel wants it. A spreadsheet takes a cell that begins with = + - @, a tab or
a carriage return for a formula, so such a cell gets an apostrophe before it (OWASP, CSV Injection). Line breaks stay
as they are. Excel shows 32,767 characters of a cell.

Read back are the columns `id` and `verdict` alone, so what a spreadsheet does to texts does no harm. The values may
also have semicolons or tabs between them, as spreadsheets save them in many countries.

Knows: this file. Does not know: which pairs should be labelled, what labels are for.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from io import StringIO

from edge_judge.analysis.ranking.games import Winner
from edge_judge.analysis.ranking.labels import TURNED, HumanVerdict
from edge_judge.analysis.ranking.pairs import AnswerPair
from edge_judge.benchmarks.rows import File, FileRow, csv_rows
from edge_judge.errors import DataError

COLUMNS = ("id", "question", "A", "B", "verdict")
WORDS: dict[str, Winner] = {"a": "first", "b": "second", "tie": "tie"}
CELL = 32_767  # characters that Excel shows
LETTERS = "bcdfghjkmnpqrstv"  # no digits, which a spreadsheet could take for a number, and no vowels, so no words
LENGTH = 12  # of an id: 48 bits
FORMULA = ("=", "+", "-", "@", "\t", "\r")
SEPARATORS = (",", ";", "\t")


@dataclass(frozen=True, slots=True)
class PairTexts:
    """A pair of answers with its texts. first, second: the answers of the pair's systems."""

    pair: AnswerPair
    question: str
    first: str
    second: str

    @property
    def id(self) -> str:
        """Of these texts by these systems: other answers under the same names have another."""
        return "".join(LETTERS[byte % 16] + LETTERS[byte // 16] for byte in self._digest()[: LENGTH // 2])

    @property
    def turned(self) -> bool:
        """Whether the answer of `second` is shown as A, by chance."""
        return self._digest()[-1] % 2 == 1

    def _digest(self) -> bytes:
        names = (self.pair.question, self.pair.first, self.pair.second)
        parts = [sha256(text.encode(errors="surrogatepass")).digest() for text in (*names, self.first, self.second)]
        return sha256(b"".join(parts)).digest()


def labels_csv(pairs: Sequence[PairTexts]) -> str:
    """The file to fill in, a row a pair in the order given. It begins with a byte order mark; write it as UTF-8."""
    text = StringIO()
    rows = csv.writer(text, lineterminator="\r\n")
    rows.writerow(COLUMNS)
    for pair in pairs:
        a, b = (pair.second, pair.first) if pair.turned else (pair.first, pair.second)
        rows.writerow([pair.id, *(_harmless(cell) for cell in (pair.question, a, b)), ""])
    return "\ufeff" + text.getvalue()


def too_long(pairs: Iterable[PairTexts]) -> tuple[PairTexts, ...]:
    """The pairs with a text that Excel would not show to its end."""
    return tuple(one for one in pairs if max(map(len, (one.question, one.first, one.second))) >= CELL)


def read_labels(file: File, pairs: Iterable[PairTexts]) -> tuple[HumanVerdict, ...]:
    """What a person said of the pairs; rows without a verdict are left out.

    pairs: all that could be in the file. Raises DataError for another id, another word than A, B or tie, and a pair
    with two verdicts that contradict each other; the same verdict twice counts once.
    """
    known = {pair.id: pair for pair in pairs}
    found: dict[str, tuple[Winner, str]] = {}
    for row in csv_rows(file, _separator(file)):
        said = row.text("verdict").strip().lower()
        if not said:
            continue
        pair, winner = _known(row, known), _winner(row, said)
        before, place = found.setdefault(pair.id, (winner, row.place))
        if before != winner:
            message = f"{row.place}: pair '{pair.id}' has another verdict than at {place}"
            raise DataError(message, "keep one of the two")
    return tuple(_verdict(known[name], winner) for name, (winner, _) in found.items())


def _verdict(pair: PairTexts, winner: Winner) -> HumanVerdict:
    return HumanVerdict(pair.pair, TURNED[winner] if pair.turned else winner)


def _known(row: FileRow, known: dict[str, PairTexts]) -> PairTexts:
    name = row.text("id").strip()
    pair = known.get(name)
    if pair is None:
        message = f"{row.place}: id '{name}' is no pair of these outputs"
        raise DataError(message, "label the pairs of the same files, with the same answers, that are ranked")
    return pair


def _winner(row: FileRow, said: str) -> Winner:
    winner = WORDS.get(said)
    if winner is None:
        raise row.wrong("verdict", row.text("verdict"), "A, B or tie, or nothing")
    return winner


def _separator(file: File) -> str:
    """What is most frequent in the header, whose names hold none."""
    header = file.text().split("\n", 1)[0]
    return max(SEPARATORS, key=header.count)


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text
