"""GBNF, the grammar notation of llama.cpp, read and matched without a model.

Knows: rules, literals, character classes, groups, alternatives and repetitions, as llama.cpp's grammars/README.md
describes them; whether a text belongs to the language, and all of its texts where there are finitely many.
Does not know: verdicts, tokens, files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
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
class Choice:
    options: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    part: Node
    least: int
    most: int | None  # None: any number


Node: TypeAlias = Chars | Rule | Series | Choice | Repeat

_TOKEN = re.compile(
    r"""\s*(?:\#[^\n]*\s*)*(?:
        (?P<define>[a-zA-Z0-9-]+\s*::=) | (?P<name>[a-zA-Z0-9-]+)
      | "(?P<literal>(?:\\.|[^"\\])*)" | \[(?P<class>\^?(?:\\.|[^\]\\])*)\]
      | \{(?P<bounds>\d+(?:,\d*)?)\} | (?P<sign>[.()|*+?]) | (?P<end>\Z))""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))|(.)", re.DOTALL)
_SIGNS = {"n": "\n", "t": "\t", "r": "\r"}
_COUNTS: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}


def parse(text: str) -> Mapping[str, Node]:
    """The rules of a grammar by name. Raises GrammarError for what is not GBNF, or has no root."""
    rules = _Reader(text).rules()
    if "root" not in rules:
        raise GrammarError("the grammar has no rule named root", "begin it with: root ::= …")
    missing = {name for node in rules.values() for name in _names(node)} - set(rules)
    if missing:
        raise GrammarError(f"the grammar uses rules it does not define: {', '.join(sorted(missing))}")
    return rules


def matches(rules: Mapping[str, Node], text: str) -> bool:
    """Whether the whole text belongs to the language of `root`."""
    return len(text) in _Matcher(rules, text).ends(rules["root"], 0)


def texts(rules: Mapping[str, Node], limit: int = 1000) -> list[str] | None:
    """Every text of the language, shortest first; None where there are more than `limit`."""
    found: dict[str, None] = {}
    try:
        for text in _texts(rules, rules["root"], limit, 0):
            found[text] = None
            if len(found) > limit:
                return None
    except _TooManyError:
        return None
    return sorted(found, key=lambda text: (len(text), text))


class _TooManyError(Exception):
    pass


def _texts(rules: Mapping[str, Node], node: Node, limit: int, depth: int) -> Iterator[str]:
    if depth > 100:  # a rule that contains itself
        raise _TooManyError
    match node:
        case Chars(ranges, negated):
            if negated or sum(high - low + 1 for low, high in ranges) > limit:
                raise _TooManyError
            yield from (chr(code) for low, high in ranges for code in range(low, high + 1))
        case Rule(name):
            yield from _texts(rules, rules[name], limit, depth + 1)
        case Choice(options):
            for option in options:
                yield from _texts(rules, option, limit, depth + 1)
        case Repeat(part, least, most):
            if most is None:
                raise _TooManyError
            for count in range(least, most + 1):
                yield from _texts(rules, Series((part,) * count), limit, depth + 1)
        case Series(parts):
            if not parts:
                yield ""
                return
            for head in _texts(rules, parts[0], limit, depth + 1):
                for tail in _texts(rules, Series(parts[1:]), limit, depth + 1):
                    yield head + tail


class _Matcher:
    """Where a node can end when it begins at a place: sets of places, remembered."""

    def __init__(self, rules: Mapping[str, Node], text: str) -> None:
        self.rules, self.text = rules, text
        self.known: dict[tuple[str, int], frozenset[int]] = {}
        self.open: set[tuple[str, int]] = set()

    def ends(self, node: Node, start: int) -> frozenset[int]:
        match node:
            case Chars():
                fits = start < len(self.text) and node.admits(self.text[start])
                return frozenset((start + 1,)) if fits else frozenset()
            case Rule(name):
                return self._rule(name, start)
            case Choice(options):
                return frozenset().union(*(self.ends(option, start) for option in options))
            case Series(parts):
                places = frozenset((start,))
                for part in parts:
                    places = self._after(part, places)
                return places
            case Repeat(part, least, most):
                return self._repeated(part, least, most, start)

    def _after(self, part: Node, places: frozenset[int]) -> frozenset[int]:
        return frozenset().union(*(self.ends(part, place) for place in places)) if places else places

    def _rule(self, name: str, start: int) -> frozenset[int]:
        key = (name, start)
        if key in self.known:
            return self.known[key]
        if key in self.open:
            raise GrammarError(
                f"the rule {name} begins with itself", "llama.cpp refuses left recursion as well"
            )
        self.open.add(key)
        self.known[key] = self.ends(self.rules[name], start)
        self.open.discard(key)
        return self.known[key]

    def _repeated(self, part: Node, least: int, most: int | None, start: int) -> frozenset[int]:
        reached, places, count = set[int](), frozenset((start,)), 0
        while places:
            if count >= least:
                fresh = places - reached
                reached |= fresh
                places = fresh
            if count == most:
                break
            places, count = self._after(part, places), count + 1
        return frozenset(reached)


def _names(node: Node) -> Iterator[str]:
    match node:
        case Rule(name):
            yield name
        case Series(parts) | Choice(parts):
            for part in parts:
                yield from _names(part)
        case Repeat(part):
            yield from _names(part)


class _Reader:
    """Recursive descent over the tokens of a grammar file."""

    def __init__(self, text: str) -> None:
        self.tokens = list(self._tokens(text))
        self.at = 0

    def _tokens(self, text: str) -> Iterator[tuple[str, str]]:
        place = 0
        while True:
            found = _TOKEN.match(text, place)
            if found is None or found.lastgroup is None:
                line = text.count("\n", 0, place) + 1
                raise GrammarError(f"line {line}: not GBNF: {text[place : place + 30].strip()!r}")
            yield found.lastgroup, found[found.lastgroup]
            if found.lastgroup == "end":
                return
            place = found.end()

    def rules(self) -> dict[str, Node]:
        rules: dict[str, Node] = {}
        while self.tokens[self.at][0] != "end":
            kind, text = self.tokens[self.at]
            if kind != "define":
                raise GrammarError(f"expected a rule (name ::= …), found {text!r}")
            self.at += 1
            rules[text.removesuffix("::=").strip()] = self._choice()
        return rules

    def _choice(self) -> Node:
        options = [self._series()]
        while self.tokens[self.at] == ("sign", "|"):
            self.at += 1
            options.append(self._series())
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def _series(self) -> Node:
        parts: list[Node] = []
        while (part := self._part()) is not None:
            parts.append(part)
        return Series(tuple(parts))

    def _part(self) -> Node | None:
        kind, text = self.tokens[self.at]
        part: Node
        if kind == "name":
            part = Rule(text)
        elif kind == "literal":
            part = Series(tuple(Chars(((code, code),)) for code in _codes(text)))
        elif kind == "class":
            part = _class(text)
        elif (kind, text) == ("sign", "."):
            part = Chars((), negated=True)
        elif (kind, text) == ("sign", "("):
            self.at += 1
            part = self._choice()
            if self.tokens[self.at] != ("sign", ")"):
                raise GrammarError("a group is not closed: expected )")
        else:
            return None
        self.at += 1
        return self._counted(part)

    def _counted(self, part: Node) -> Node:
        kind, text = self.tokens[self.at]
        if kind == "sign" and text in _COUNTS:
            least, most = _COUNTS[text]
        elif kind == "bounds":
            low, comma, high = text.partition(",")
            least, most = int(low), (int(high) if high else None) if comma else int(low)
        else:
            return part
        self.at += 1
        return Repeat(part, least, most)


def _codes(text: str) -> list[int]:
    return [code for code, _ in _signs(text)]


def _signs(text: str) -> Iterator[tuple[int, bool]]:
    """Code points of a literal's or class's inside, and whether each was escaped."""
    for found in _ESCAPE.finditer(text):
        number = found[1] or found[2] or found[3]
        if number:
            yield int(number, 16), True
        elif found[4]:
            yield ord(_SIGNS.get(found[4], found[4])), True
        else:
            yield ord(found[5]), False


def _class(text: str) -> Chars:
    negated = text.startswith("^")
    signs = list(_signs(text.removeprefix("^")))
    ranges: list[tuple[int, int]] = []
    while signs:
        low = high = signs.pop(0)[0]
        if len(signs) > 1 and signs[0] == (ord("-"), False):
            high = signs[1][0]
            del signs[:2]
        ranges.append((low, high))
    return Chars(tuple(ranges), negated)
