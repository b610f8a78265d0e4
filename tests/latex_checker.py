"""A small reader of what `--latex` prints: environments, braces and cells, as LaTeX would count them."""

from __future__ import annotations

import re


def tables(text: str) -> list[list[list[str]]]:
    """The rows of each tabular as lists of cells. Fails an assertion where LaTeX would stop, or shift a column."""
    lines = [line for line in text.splitlines() if not line.startswith("%")]
    body = "\n".join(lines)
    assert _balanced(body)
    opened: list[str] = []
    for step, name in re.findall(r"\\(begin|end)\{(\w+)\}", body):
        if step == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert opened == []
    found = re.findall(r"\\begin\{tabular\}\{([lr]+)\}\n(.*?)\\end\{tabular\}", body, re.DOTALL)
    assert len(found) == body.count(r"\begin{tabular}")
    return [_rows(columns, inside) for columns, inside in found]


def _rows(columns: str, inside: str) -> list[list[str]]:
    rows = []
    for line in inside.strip().splitlines():
        if line in (r"\toprule", r"\midrule", r"\bottomrule"):
            continue
        assert line.endswith(r" \\"), line
        cells = _cells(line.removesuffix(r" \\"))
        assert len(cells) == len(columns), line
        assert not cells[0].startswith(("[", "*")), "an argument of the line break before it"
        rows.append(cells)
    return rows


def _cells(line: str) -> list[str]:
    """Divided at & outside of braces."""
    depth, cells, escaped = 0, [""], False
    for sign in line:
        if not escaped and sign in "{}":
            depth += 1 if sign == "{" else -1
        if sign == "&" and not escaped and depth == 0:
            cells.append("")
            continue
        escaped = sign == "\\" and not escaped
        cells[-1] += sign
    return [cell.strip() for cell in cells]


def _balanced(text: str) -> bool:
    """Every brace closed, every formula ended in its line, no special sign outside of its use."""
    depth = 0
    for line in text.splitlines():
        bare = re.sub(r"\\(\\|[#$%&_{}]|[A-Za-z]+)", "", line)
        depth += bare.count("{") - bare.count("}")
        if depth < 0 or bare.count("$") % 2 or set("#%_^\\") & set(bare):
            return False
    return depth == 0
