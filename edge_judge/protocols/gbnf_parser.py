"""Parses GBNF, the grammar notation of llama.cpp, into a tree.

Knows: rules, literals, character classes, groups, alternatives and repetitions, as llama.cpp's grammars/README.md
describes them, and the line of a mistake.
Does not know: what a tree matches.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from edge_judge.errors import GrammarError


@dataclass(frozen=True, slots=True)
class Chars:
    """One character within inclusive ranges of code points; negated: outside of them."""

    ranges: tuple[tuple[int, int], ...]
    negated: bool = False

    def admits(self, character: str) -> bool:
        code = ord(character)
        return any(low <= code <= high for low, high in self.ranges) != self.negated


@dataclass(frozen=True, slots=True)
class Rule:
    name: str


@dataclass(frozen=True, slots=True)
class Series:
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Alternatives:
    options: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    part: Node
    least: int
    most: int | None  # None: any number


Node: TypeAlias = Chars | Rule | Series | Alternatives | Repeat

MOST = 2000  # llama.cpp's limit for a count of repetitions
MAX_CHARACTERS = 50_000  # of a file; the longest of ours has 2,000
MAX_DEPTH = 32  # of groups in one another

_TOKEN = re.compile(
    r"""\s*(?:\#[^\n]*\s*)*(?:
        (?P<define>[a-zA-Z0-9-]+[ \t]*::=) | (?P<name>[a-zA-Z0-9-]+)
      | "(?P<literal>(?:\\.|[^"\\])*)" | \[(?P<class>\^?(?:\\.|[^\]\\])*)\]
      | \{\s*(?P<bounds>\d+\s*(?:,\s*\d*\s*)?)\} | (?P<sign>[.()|*+?]) | (?P<end>\Z))""",
    re.VERBOSE,
)
_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([nrt\"\[\]\\-]))|([^\\])|(.)", re.DOTALL
)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}
_COUNTS: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}


def read(text: str) -> dict[str, Node]:
    """The rules of a grammar by name. Raises GrammarError for text that is not GBNF, or is larger than any grammar."""
    if len(text) > MAX_CHARACTERS:
        raise GrammarError(f"it has {len(text):,} characters, expected at most {MAX_CHARACTERS:,}")
    return _Reader(text).rules()


@dataclass(frozen=True, slots=True)
class _Token:
    """first: whether it is the first on its line."""

    kind: str
    text: str
    line: int
    first: bool


class _Reader:
    """Recursive descent over the tokens of a grammar file.

    Outside a group a rule ends with its line, unless the line ends with ::= or |.
    """

    def __init__(self, text: str) -> None:
        self.tokens = list(_tokens(text))
        self.at = self.depth = 0
        self.joined = -1  # index of a token that may be on a new line, because ::= or | is before it

    def rules(self) -> dict[str, Node]:
        rules: dict[str, Node] = {}
        while (token := self.tokens[self.at]).kind != "end":
            if token.kind != "define" or not (token.first or self.at == 0) or self.at == self.joined:
                raise self._error("expected a rule (name ::= …) on a line of its own")
            self._step(joined=True)
            rules[token.text.removesuffix("::=").strip()] = self._alternatives()
        return rules

    def _step(self, *, joined: bool = False) -> None:
        self.at += 1
        if joined:
            self.joined = self.at

    def _next(self) -> tuple[str, str]:
        """(kind, text) of the next token; a newline if that token belongs to the next rule."""
        token = self.tokens[self.at]
        if token.first and self.depth == 0 and self.at != self.joined:
            return "newline", ""
        return token.kind, token.text

    def _error(self, expected: str) -> GrammarError:
        token = self.tokens[self.at]
        actual = "the end" if token.kind == "end" else repr(token.text)
        return GrammarError(f"line {token.line}: {expected}, found {actual}")

    def _alternatives(self) -> Node:
        options = [self._series()]
        while self._next() == ("sign", "|"):
            self._step(joined=True)
            options.append(self._series())
        return options[0] if len(options) == 1 else Alternatives(tuple(options))

    def _series(self) -> Node:
        parts: list[Node] = []
        while (part := self._part()) is not None:
            parts.append(part)
        return Series(tuple(parts))

    def _part(self) -> Node | None:
        kind, text = self._next()
        line = self.tokens[self.at].line
        part: Node
        if kind == "name":
            part = Rule(text)
        elif kind == "literal":
            part = Series(tuple(Chars(((code, code),)) for code, _ in _code_points(text, line)))
        elif kind == "class":
            part = _class(text, line)
        elif (kind, text) == ("sign", "."):
            part = Chars((), negated=True)
        elif (kind, text) == ("sign", "("):
            part = self._group()
        else:
            return None
        self._step()
        return self._repeated(part)

    def _group(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self._error(f"groups are nested deeper than {MAX_DEPTH} levels")
        self._step()
        part = self._alternatives()
        if self._next() != ("sign", ")"):
            raise self._error("a group is not closed: expected )")
        self.depth -= 1
        return part

    def _repeated(self, part: Node) -> Node:
        kind, text = self._next()
        if kind == "sign" and text in _COUNTS:
            least, most = _COUNTS[text]
        elif kind == "bounds":
            low, comma, high = (piece.strip() for piece in text.partition(","))
            least, most = int(low), (int(high) if high else None) if comma else int(low)
        else:
            return part
        if max(least, most or 0) > MOST or (most is not None and most < least):
            raise self._error(f"expected a count {{least,most}} of at most {MOST}")
        self._step()
        return Repeat(part, least, most)


def _tokens(text: str) -> Iterator[_Token]:
    place, line = 0, 1
    while True:
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            raise GrammarError(f"line {line}: not GBNF: {text[place : place + 30].strip()!r}")
        kind, start = match.lastgroup, match.start(match.lastgroup)
        first = line + text.count("\n", place, start)
        yield _Token(kind, match[kind], first, first > line)
        line = first + text.count("\n", start, match.end())
        if kind == "end":
            return
        place = match.end()


def _code_points(text: str, line: int) -> Iterator[tuple[int, bool]]:
    """The code points of a literal or a class, and whether each was escaped."""
    for match in _ESCAPE.finditer(text):
        number = match[1] or match[2] or match[3]
        if match[6] or (number and int(number, 16) > 0x10FFFF):
            raise GrammarError(f"line {line}: GBNF does not have this escape: {text!r}")
        if number:
            yield int(number, 16), True
        elif match[4]:
            yield ord(_ESCAPED.get(match[4], match[4])), True
        else:
            yield ord(match[5]), False


def _class(text: str, line: int) -> Chars:
    negated = text.startswith("^")
    if text in ("", "^"):
        raise GrammarError(f"line {line}: a character class without characters: [{text}]")
    points = list(_code_points(text.removeprefix("^"), line))
    ranges: list[tuple[int, int]] = []
    at = 0
    while at < len(points):
        low = high = points[at][0]
        at += 1
        if at + 1 < len(points) and points[at] == (ord("-"), False):
            high = points[at + 1][0]
            at += 2
        ranges.append((low, high))
    return Chars(tuple(ranges), negated)
