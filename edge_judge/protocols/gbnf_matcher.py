"""The language of a GBNF grammar, without a model.

Knows: whether a text belongs to the language, and all of its texts where there are finitely many.
Does not know: verdicts, tokens, files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from edge_judge.errors import GrammarError
from edge_judge.protocols.gbnf_parser import Alternatives, Chars, Node, Repeat, Rule, Series, read

__all__ = ["Node", "Reader", "matches", "parse", "texts"]


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
        self._stacks = _expand(rules, {(rules[start], None)})

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
    """Every text of a rule's language, shortest first; None if there are more than `limit`."""
    try:
        language = _language(rules, Rule(start), limit, ())
    except _TooManyError:
        return None
    return sorted(language, key=lambda text: (len(text), text))


class _TooManyError(Exception):
    pass


def _language(rules: Mapping[str, Node], node: Node, limit: int, within: tuple[str, ...]) -> set[str]:
    """Every text of a node inside the rules `within`. No part of a language has more texts than the language."""
    match node:
        case Chars(ranges, negated):
            if negated or sum(high - low + 1 for low, high in ranges) > limit:
                raise _TooManyError
            return {chr(code) for low, high in ranges for code in range(low, high + 1)}
        case Rule(name):
            if name in within:
                raise _TooManyError
            return _language(rules, rules[name], limit, (*within, name))
        case Alternatives(options):
            return _union(limit, *(_language(rules, option, limit, within) for option in options))
        case Series(parts):
            language = {""}
            for part in parts:
                language = _concatenations(language, _language(rules, part, limit, within), limit)
            return language
        case Repeat(part, least, most):
            if most is None:
                raise _TooManyError
            part_language = _language(rules, part, limit, within) if most else set[str]()
            language, repeated = set(), {""}
            for count in range(most + 1):
                repeated = _concatenations(repeated, part_language, limit) if count else repeated
                language = _union(limit, language, repeated) if count >= least else language
            return language


def _concatenations(heads: set[str], tails: set[str], limit: int) -> set[str]:
    return _union(limit, *({head + tail for tail in tails} for head in heads))


def _union(limit: int, *sets: set[str]) -> set[str]:
    """The union of sets. Raises _TooManyError if it has more than `limit` texts."""
    union = set[str]()
    for texts in sets:
        union |= texts
        if len(union) > limit:
            raise _TooManyError
    return union


_Stack: TypeAlias = "tuple[Node, _Stack] | None"  # the nodes still to read, the next one first


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
            pending += _expand_once(rules, *stack)
    return expanded


def _expand_once(rules: Mapping[str, Node], node: Node, rest: _Stack) -> list[_Stack]:
    match node:
        case Rule(name):
            return [(rules[name], rest)]
        case Alternatives(options):
            return [(option, rest) for option in options]
        case Series(parts):
            for part in reversed(parts):
                rest = (part, rest)
            return [rest]
        case Repeat(part, least, most):
            remaining = Repeat(part, max(least - 1, 0), most and most - 1)
            return ([] if least else [rest]) + ([] if most == 0 else [(part, (remaining, rest))])
        case Chars():
            return [(node, rest)]


def _admits(node: Node, character: str) -> bool:
    return isinstance(node, Chars) and node.admits(character)


def _check_recursion(rules: Mapping[str, Node]) -> None:
    """Raise GrammarError for rules whose expansion would never end: a rule that can begin with itself, or an unbounded
    repetition of a part that can be empty. llama.cpp rejects them too, the latter only in simple forms.
    """
    empty: set[str] = set()
    while more := {name for name, node in rules.items() if _can_be_empty(node, empty)} - empty:
        empty |= more
    first = {name: set(_beginnings(node, empty)) for name, node in rules.items()}
    for name in rules:
        reached, pending = set[str](), first[name]
        while pending:
            reached |= pending
            pending = {next_rule for rule in pending for next_rule in first[rule]} - reached
        if name in reached:
            raise GrammarError(f"the rule {name} is left-recursive", "use a repetition instead: * or +")
        for part in _nodes(rules[name]):
            if isinstance(part, Repeat) and part.most is None and _can_be_empty(part.part, empty):
                raise GrammarError(f"the rule {name} has an unbounded repetition of a part that can be empty")


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
