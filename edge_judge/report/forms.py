"""The forms of a command's tables: for a terminal, CSV, Markdown and LaTeX.

A command's result is made into parts once: tables, sentences, notes. A terminal, Markdown and LaTeX show these. CSV has
sheets instead: the same figures as plain numbers, the ends of an interval in fields of their own.

Knows: how each form writes a heading, a cell and what is missing. Does not know: which tables there are.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO

from edge_judge.quantities import MINUS
from edge_judge.report.columns import Column, Row, Value, all_values
from edge_judge.report.formatting import DASH, NO_BREAK, Form, Notes, Part, Sentence, Table, render
from edge_judge.report.printable import printable

FORMULA = ("=", "+", "-", "@", "\t")  # what a spreadsheet takes for the beginning of a formula
LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", MINUS: "$-$", DASH: "--", NO_BREAK: "~", "×": r"$\times$",
    "≤": r"$\le$", "≥": r"$\ge$", "→": r"$\to$", "±": r"$\pm$", "√": r"$\surd$", "·": r"$\cdot$", "…": r"\ldots{}",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table for a program. fields: the header, names that end in the unit; lines: a value for each field; name: what
    tells it from the other sheets of a command.
    """

    name: str
    fields: tuple[str, ...]
    lines: tuple[tuple[Value, ...], ...]


def sheet(name: str, fields: Mapping[str, Callable[[Row], Value]], rows: Iterable[Row]) -> Sheet:
    """A line for each row."""
    return Sheet(name, tuple(fields), tuple(tuple(read(row) for read in fields.values()) for row in rows))


def column_sheet(name: str, columns: Iterable[Column[Row]], rows: Iterable[Row]) -> Sheet:
    """A line for each row, with the fields of all columns."""
    return sheet(name, all_values(columns), rows)


def written(
    parts: Sequence[Part], sheets: Sequence[Sheet], *, form: Form = "table", width: int = 80, color: bool = False
) -> str:
    """The result in this form, ending in a line break. width, color: of a terminal."""
    if form == "csv":
        return csv_text(sheets)
    if form == "table":
        return render(parts, width, color)
    return "\n".join(map(_in_markdown if form == "markdown" else _in_latex, parts))


# ---- CSV -------------------------------------------------------------------------------------------------


def csv_text(sheets: Sequence[Sheet]) -> str:
    """One table: several sheets stand below each other with the fields of all, told apart by the first, `table`.

    What is missing is empty. A text that a spreadsheet would compute begins with an apostrophe.
    """
    first = ["table"] if len(sheets) > 1 else []
    fields = list(dict.fromkeys([*first, *(name for one in sheets for name in one.fields)]))
    text = StringIO()
    lines = csv.DictWriter(text, fields, restval="", lineterminator="\n")
    lines.writeheader()
    for one in sheets:
        for values in one.lines:
            named = dict(zip(one.fields, map(_in_csv, values), strict=True))
            lines.writerow({**({"table": one.name} if first else {}), **named})
    return text.getvalue()


def _in_csv(value: Value) -> Value:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return value
    text = value.replace("\r", "\n")  # which Python 3.11 puts no quotes around
    return f"'{text}" if text.startswith(FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


# ---- Markdown --------------------------------------------------------------------------------------------


def _in_markdown(part: Part) -> str:
    """A table as GitHub shows one, below its title; notes as a list."""
    if isinstance(part, Notes):
        return "".join(f"- {escaped(line)}\n" for line in part.lines)
    if isinstance(part, Sentence):
        return "".join(f"{escaped(line)}\n" for line in part.text.splitlines())
    rule = ["---" if place < part.words else "---:" for place in range(len(part.headings))]
    headings = [escaped(heading) for heading in _headings(part)]
    rows = [["<br>".join(map(escaped, cell.split("\n"))) for cell in row] for row in part.rows]
    title = f"**{escaped(part.title)}**\n\n" if part.title else ""
    return title + "".join(f"| {' | '.join(line)} |\n" for line in [headings, rule, *rows])


def escaped(text: str) -> str:
    """Text that GitHub shows as it is: a name may hold any character, and a pipe would begin a cell."""
    text = re.sub(r"([\\|*~`&<>\[\]])", r"\\\1", " ".join(printable(text).split()))
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\_", text)  # inside a word it is only a character


# ---- LaTeX -----------------------------------------------------------------------------------------------


def _in_latex(part: Part) -> str:
    """A table of the package booktabs; what is said about it as comments, to be taken into the text by hand."""
    if isinstance(part, Table):
        return "\n".join(_latex_lines(part)) + "\n"
    lines = part.lines if isinstance(part, Notes) else part.text.splitlines()
    return "".join(f"% {' '.join(printable(line).split())}\n" for line in lines)


def _latex_lines(part: Table) -> Iterator[str]:
    yield r"\begin{table}"
    yield r"\centering"
    if part.title:
        yield rf"\caption{{{in_latex(part.title)}}}"
    words = min(part.words, len(part.headings))
    yield rf"\begin{{tabular}}{{{'l' * words}{'r' * (len(part.headings) - words)}}}"
    yield r"\toprule"
    yield _latex_line([in_latex(heading) for heading in _headings(part)])
    yield r"\midrule"
    for row in part.rows:
        yield _latex_line([_latex_cell(cell, "l" if place < words else "r") for place, cell in enumerate(row)])
    yield r"\bottomrule"
    yield r"\end{tabular}"
    yield r"\end{table}"


def _latex_line(cells: Sequence[str]) -> str:
    return rf"{' & '.join(cells)} \\"


def _latex_cell(cell: str, side: str) -> str:
    lines = [r"\quad " * line.startswith(" ") + in_latex(line) for line in cell.split("\n")]
    if len(lines) == 1:
        return lines[0]
    return rf"\shortstack[{side}]{{" + r" \\ ".join(lines) + "}"


def in_latex(text: str) -> str:
    """Text that LaTeX sets as it is. After a line break a bracket or an asterisk would be an argument of that."""
    plain = "".join(LATEX.get(sign, sign if sign.isprintable() else " ") for sign in text.strip())
    return f"{{{plain[0]}}}{plain[1:]}" if plain.startswith(("[", "*")) else plain


def _headings(part: Table) -> list[str]:
    """The headings in one line each; a word that was divided is whole again."""
    return [" ".join(heading.replace("-\n", "").split()) for heading in part.headings]
