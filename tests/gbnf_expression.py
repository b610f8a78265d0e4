"""A GBNF grammar as a regular expression: the bridge over which tests hold Outlines and llama.cpp to one language."""

from collections.abc import Mapping

from edge_judge.errors import GrammarError
from edge_judge.protocols.gbnf_parser import Alternatives, Chars, Node, Repeat, Rule, Series

LONGEST = 1 << 16  # characters of one rule's expression; rules that use each other twice double it each time

_META = frozenset("\\.+*?()|[]{}^$#&-~")  # what Rust's and Python's expressions both take a backslash before
_SURROGATES = range(0xD800, 0xE000)  # code points that no UTF-8 text has
_ANY, _NONE = r"[\x00-\U0010ffff]", r"[^\x00-\U0010ffff]"
_COUNTS = {(0, None): "*", (1, None): "+", (0, 1): "?"}


def expression(rules: Mapping[str, Node], start: str = "root") -> str | None:
    """The regular expression of a rule, as Rust (hence Outlines) and Python read it alike.

    None where a rule it uses refers to itself: that takes more than an expression can say.
    """
    try:
        return _written(rules, Rule(start), {})
    except _RecursiveError:
        return None


class _RecursiveError(Exception):
    pass


def _written(rules: Mapping[str, Node], node: Node, done: dict[str, str | None]) -> str:
    """The expression of a node; `done` has those of whole rules, None for the ones that are being written."""
    match node:
        case Chars():
            return _one_of(node)
        case Rule(name):
            return _rule(rules, name, done)
        case Alternatives(options):
            return f"(?:{'|'.join(_written(rules, option, done) for option in options)})"
        case Series(parts):
            return "".join(_written(rules, part, done) for part in parts)
        case Repeat(part, least, most):
            one = _written(rules, part, done)
            count = _COUNTS.get((least, most)) or f"{{{least},{'' if most is None else most}}}"
            return (one if isinstance(part, Chars | Alternatives) else f"(?:{one})") + count


def _rule(rules: Mapping[str, Node], name: str, done: dict[str, str | None]) -> str:
    if name not in done:
        done[name] = None
        done[name] = _written(rules, rules[name], done)
    written = done[name]
    if written is None:
        raise _RecursiveError
    if len(written) > LONGEST:
        raise GrammarError(f"the rule {name} is longer than {LONGEST} characters as a regular expression")
    return written


def _one_of(chars: Chars) -> str:
    """The expression of one character. What is empty once surrogates are left out, is written in full: no dialect
    has an empty class.
    """
    ranges = [(_past(low), _before(high)) for low, high in chars.ranges]
    inside = "".join(
        _sign(low) if low == high else f"{_sign(low)}-{_sign(high)}" for low, high in ranges if low <= high
    )
    if not inside:
        return _ANY if chars.negated else _NONE
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1] and not chars.negated:
        return inside
    return f"[{'^' if chars.negated else ''}{inside}]"


def _past(low: int) -> int:
    return _SURROGATES.stop if low in _SURROGATES else low


def _before(high: int) -> int:
    return _SURROGATES.start - 1 if high in _SURROGATES else high


def _sign(code: int) -> str:
    """A character that stands for itself, inside a class and outside."""
    if 0x20 <= code < 0x7F:
        return "\\" * (chr(code) in _META) + chr(code)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
