"""The language of a GBNF grammar, without a model.

Knows: whether a text belongs to the language, and all of its texts where there are finitely many.
Does not know: verdicts, tokens, files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import TypeAlias

from edge_judge.errors import GrammarError
from edge_judge.protocols.gbnf_parser import Alternatives, Chars, Node, Repeat, Rule, Series, read

__all__ = ["Node", "Reader", "matches", "parse", "texts"]

MAX_DEPTH = 300  # of rules in one another
MAX_STACK = 700  # of what is still to be read, whose parts Python compares one inside the other
MAX_STACKS = 10_000  # ways in which the text so far can be read
MAX_LENGTH = 10_000  # characters of one of finitely many texts
MAX_WORK = 5_000_000  # characters that are put together to list them


def parse(text: str) -> Mapping[str, Node]:
    """The rules of a grammar by name. Raises GrammarError for text that llama.cpp would reject."""
    rules = read(text)
    if "root" not in rules:
        raise GrammarError("the grammar has no rule named root", "begin it with: root ::= …")
    used = {part.name for node in rules.values() for part in _nodes(node) if isinstance(part, Rule)}
    if missing := used - set(rules):
        raise GrammarError(f"the grammar uses rules it does not define: {', '.join(sorted(missing))}")
    _check_recursion(rules)
    return rules


def matches(rules: Mapping[str, Node], text: str, start: str = "root") -> bool:
    """Whether the whole text belongs to the language of a rule."""
    reader = Reader(rules, start)
    return reader.take(text) == len(text) and reader.whole


class Reader:
    """Reads a text of one rule from left to right, a piece at a time."""

    def __init__(self, rules: Mapping[str, Node], start: str = "root") -> None:
        self._rules = rules
        self._stacks = _expand(rules, {_pushed(rules[start], None)})

    @property
    def whole(self) -> bool:
        """Whether the text read so far is complete: a text of the language."""
        return None in self._stacks

    def copy(self) -> Reader:
        """A reader that has read the same text."""
        other = Reader.__new__(Reader)
        other._rules, other._stacks = self._rules, self._stacks
        return other

    def take(self, text: str) -> int:
        """Read a piece. Returns how many of its characters could be read; the rest is not part of the text."""
        for count, character in enumerate(text):
            rests = {stack[1] for stack in self._stacks if stack and _admits(stack[0], character)}
            if not rests:
                return count
            self._stacks = _expand(self._rules, rests)
        return len(text)


def texts(rules: Mapping[str, Node], start: str = "root", limit: int = 1000) -> list[str] | None:
    """Every text of a rule's language, shortest first; None if there are more than `limit`, or too long ones."""
    try:
        language = _Languages(rules, limit).of(Rule(start), ())
    except _TooManyError:
        return None
    return sorted(language, key=lambda text: (len(text), text))


class _TooManyError(Exception):
    pass


class _Languages:
    """The texts of nodes. Raises _TooManyError where a node has more than `limit`, or they take too long to list: no
    part of a language has more texts than the language.
    """

    def __init__(self, rules: Mapping[str, Node], limit: int) -> None:
        self._rules, self._limit = rules, limit
        self._known: dict[str, set[str]] = {}
        self._left = MAX_WORK

    def of(self, node: Node, within: tuple[str, ...]) -> set[str]:
        """Every text of a node inside the rules `within`."""
        match node:
            case Chars(ranges, negated):
                if negated or sum(high - low + 1 for low, high in ranges) > self._limit:
                    raise _TooManyError
                return {chr(code) for low, high in ranges for code in range(low, high + 1)}
            case Rule(name):
                if name in within or len(within) > MAX_DEPTH:
                    raise _TooManyError
                if name not in self._known:
                    self._known[name] = self.of(self._rules[name], (*within, name))
                return self._known[name]
            case Alternatives(options):
                return self._union(*(self.of(option, within) for option in options))
            case Series(parts):
                return self._joined([self.of(part, within) for part in parts])
            case Repeat():
                return self._repeated(node, within)

    def _repeated(self, node: Repeat, within: tuple[str, ...]) -> set[str]:
        if node.most is None:
            raise _TooManyError
        part = self.of(node.part, within) if node.most else set[str]()
        language, repeated = set[str](), {""}
        for count in range(node.most + 1):
            before, repeated = repeated, self._concatenations(repeated, part) if count else repeated
            language = self._union(language, repeated) if count >= node.least else language
            if count and repeated == before:  # and so it is however often
                return self._union(language, repeated)
        return language

    def _joined(self, languages: Sequence[set[str]]) -> set[str]:
        """The concatenations of all; by halves, because a literal has as many parts as characters."""
        if len(languages) < 2:
            return languages[0] if languages else {""}
        half = len(languages) // 2
        return self._concatenations(self._joined(languages[:half]), self._joined(languages[half:]))

    def _concatenations(self, heads: set[str], tails: set[str]) -> set[str]:
        if max(map(len, heads), default=0) + max(map(len, tails), default=0) > MAX_LENGTH:
            raise _TooManyError
        return self._union(*({head + tail for tail in tails} for head in heads))

    def _union(self, *sets: set[str]) -> set[str]:
        union = set[str]()
        for texts in sets:
            union |= texts
            self._left -= sum(map(len, texts)) + len(texts) + 1
            if len(union) > self._limit or self._left < 0:
                raise _TooManyError
        return union


# The nodes still to read, the next one first, and how many there are.
_Stack: TypeAlias = "tuple[Node, _Stack, int] | None"


def _expand(rules: Mapping[str, Node], stacks: set[_Stack]) -> set[_Stack]:
    """Equivalent stacks, each of which is empty or begins with a character."""
    expanded, visited, pending = set[_Stack](), set[_Stack](), list(stacks)
    while pending:
        stack = pending.pop()
        if stack in visited:
            continue
        visited.add(stack)
        if stack is None or isinstance(stack[0], Chars):
            expanded.add(stack)
        else:
            pending += _expand_once(rules, stack[0], stack[1])
        if len(visited) > MAX_STACKS:
            raise GrammarError("the grammar is too ambiguous: a text can be read in too many ways")
    return expanded


def _pushed(node: Node, rest: _Stack) -> _Stack:
    depth = rest[2] + 1 if rest else 1
    if depth > MAX_STACK:
        raise GrammarError(f"the grammar nests its rules deeper than {MAX_STACK} levels")
    return (node, rest, depth)


def _expand_once(rules: Mapping[str, Node], node: Node, rest: _Stack) -> list[_Stack]:
    match node:
        case Rule(name):
            return [_pushed(rules[name], rest)]
        case Alternatives(options):
            return [_pushed(option, rest) for option in options]
        case Series(parts):
            if len(parts) < 2:
                return [_pushed(parts[0], rest)] if parts else [rest]
            return [_pushed(parts[0], _pushed(Series(parts[1:]), rest))]
        case Repeat(part, least, most):
            remaining = Repeat(part, max(least - 1, 0), most and most - 1)
            return ([] if least else [rest]) + ([] if most == 0 else [_pushed(part, _pushed(remaining, rest))])
        case Chars():
            return [_pushed(node, rest)]


def _admits(node: Node, character: str) -> bool:
    return isinstance(node, Chars) and node.admits(character)


def _check_recursion(rules: Mapping[str, Node]) -> None:
    """Raise GrammarError for rules whose expansion would never end: a rule that can begin with itself, or an unbounded
    repetition of a part that can be empty. llama.cpp rejects them too, the latter only in simple forms.
    """
    empty = _empty_rules(rules)
    first = {name: set(_beginnings(node, empty)) for name, node in rules.items()}
    try:
        TopologicalSorter(first).prepare()
    except CycleError as error:
        name = next(name for name in rules if name in error.args[1])
        raise GrammarError(f"the rule {name} is left-recursive", "use a repetition instead: * or +") from None
    for name, node in rules.items():
        for part in _nodes(node):
            if isinstance(part, Repeat) and part.most is None and _can_be_empty(part.part, empty):
                raise GrammarError(f"the rule {name} has an unbounded repetition of a part that can be empty")


def _empty_rules(rules: Mapping[str, Node]) -> set[str]:
    """The rules that can be empty."""
    users: dict[str, set[str]] = {name: set() for name in rules}
    for name, node in rules.items():
        for part in _nodes(node):
            if isinstance(part, Rule):
                users[part.name].add(name)
    empty, pending = set[str](), list(rules)
    while pending:
        name = pending.pop()
        if name not in empty and _can_be_empty(rules[name], empty):
            empty.add(name)
            pending += users[name]
    return empty


def _can_be_empty(node: Node, empty: set[str]) -> bool:
    match node:
        case Chars():
            return False
        case Rule(name):
            return name in empty
        case Alternatives(options):
            return any(_can_be_empty(option, empty) for option in options)
        case Series(parts):
            return all(_can_be_empty(part, empty) for part in parts)
        case Repeat(part, least):
            return least == 0 or _can_be_empty(part, empty)


def _beginnings(node: Node, empty: set[str]) -> Iterator[str]:
    """The rules that can stand at the beginning of a node."""
    match node:
        case Rule(name):
            yield name
        case Alternatives(options):
            for option in options:
                yield from _beginnings(option, empty)
        case Series(parts):
            for part in parts:
                yield from _beginnings(part, empty)
                if not _can_be_empty(part, empty):
                    return
        case Repeat(part):
            yield from _beginnings(part, empty)


def _nodes(node: Node) -> Iterator[Node]:
    """A node and all nodes inside it."""
    yield node
    match node:
        case Series(parts) | Alternatives(parts):
            for part in parts:
                yield from _nodes(part)
        case Repeat(part):
            yield from _nodes(part)
