"""GBNF, the grammar notation of llama.cpp, as a tree.

Knows: rules, literals, character classes, groups, alternatives and repetitions, as llama.cpp's grammars/README.md
describes them, and on which line a file stops being that.
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
    """One character out of inclusive code-point ranges, or out of all others."""

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

MOST = 2000  # repetitions that llama.cpp counts up to

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
_SIGNS = {"n": "\n", "t": "\t", "r": "\r"}
_COUNTS: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}


def read(text: str) -> dict[str, Node]:
    """The rules of a grammar by name, as its text has them."""
    return _Reader(text).rules()


@dataclass(frozen=True, slots=True)
class _Token:
    """fresh: whether it is the first on its line."""

    kind: str
    text: str
    line: int
    fresh: bool


class _Reader:
    """Recursive descent over the tokens of a grammar file.

    Outside a group a rule ends with its line, unless the line ends with ::= or |.
    """

    def __init__(self, text: str) -> None:
        self.tokens = list(_tokens(text))
        self.at = self.depth = 0
        self.joined = -1  # the token that may stand on a new line, since one of ::= and | is before it

    def rules(self) -> dict[str, Node]:
        rules: dict[str, Node] = {}
        while (token := self.tokens[self.at]).kind != "end":
            if token.kind != "define" or not (token.fresh or self.at == 0) or self.at == self.joined:
                raise self._error("expected a rule (name ::= …) on a line of its own")
            self._step(joined=True)
            rules[token.text.removesuffix("::=").strip()] = self._choice()
        return rules

    def _step(self, *, joined: bool = False) -> None:
        self.at += 1
        if joined:
            self.joined = self.at

    def _next(self) -> tuple[str, str]:
        """(kind, text) of the next token, if it belongs to this rule."""
        token = self.tokens[self.at]
        if token.fresh and self.depth == 0 and self.at != self.joined:
            return "newline", ""
        return token.kind, token.text

    def _error(self, expected: str) -> GrammarError:
        token = self.tokens[self.at]
        found = "the end" if token.kind == "end" else repr(token.text)
        return GrammarError(f"line {token.line}: {expected}, found {found}")

    def _choice(self) -> Node:
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
            part = Series(tuple(Chars(((code, code),)) for code, _ in _signs(text, line)))
        elif kind == "class":
            part = _class(text, line)
        elif (kind, text) == ("sign", "."):
            part = Chars((), negated=True)
        elif (kind, text) == ("sign", "("):
            part = self._group()
        else:
            return None
        self._step()
        return self._counted(part)

    def _group(self) -> Node:
        self.depth += 1
        self._step()
        part = self._choice()
        if self._next() != ("sign", ")"):
            raise self._error("a group is not closed: expected )")
        self.depth -= 1
        return part

    def _counted(self, part: Node) -> Node:
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
    place = 0
    while True:
        found = _TOKEN.match(text, place)
        if found is None or found.lastgroup is None:
            line = text.count("\n", 0, place) + 1
            raise GrammarError(f"line {line}: not GBNF: {text[place : place + 30].strip()!r}")
        kind, start = found.lastgroup, found.start(found.lastgroup)
        yield _Token(kind, found[kind], text.count("\n", 0, start) + 1, "\n" in text[place:start])
        if kind == "end":
            return
        place = found.end()


def _signs(text: str, line: int) -> Iterator[tuple[int, bool]]:
    """Code points of a literal's or class's inside, and whether each was escaped."""
    for found in _ESCAPE.finditer(text):
        number = found[1] or found[2] or found[3]
        if found[6] or (number and int(number, 16) > 0x10FFFF):
            raise GrammarError(f"line {line}: an escape that GBNF does not have: {text!r}")
        if number:
            yield int(number, 16), True
        elif found[4]:
            yield ord(_SIGNS.get(found[4], found[4])), True
        else:
            yield ord(found[5]), False


def _class(text: str, line: int) -> Chars:
    negated = text.startswith("^")
    if text in ("", "^"):
        raise GrammarError(f"line {line}: a character class without characters: [{text}]")
    signs = list(_signs(text.removeprefix("^"), line))
    ranges: list[tuple[int, int]] = []
    while signs:
        low = high = signs.pop(0)[0]
        if len(signs) > 1 and signs[0] == (ord("-"), False):
            high = signs[1][0]
            del signs[:2]
        ranges.append((low, high))
    return Chars(tuple(ranges), negated)
