"""A grammar as an expression means what it meant before, and the index of it holds a text to it by any tokens."""

import re

import numpy as np
import pytest
from gbnf_expression import expression as expression_of
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_judge.engine import json_guide
from edge_judge.errors import GrammarError
from edge_judge.protocols import gbnf_matcher

BYTES = [bytes([byte]) for byte in range(256)]
END = 256  # the token after the bytes, which ends a text


def index(expression, *further):
    """An index over the bytes, an end token and further pieces."""
    return json_guide.Index(expression, [*BYTES, b"", *further], END)


def of(body):
    return expression_of(gbnf_matcher.parse(f"root ::= {body}"))


def holds(index, tokens):
    """Whether an index leads through these tokens to a whole text."""
    guide = index.guide()
    for token in tokens:
        if not guide.allows(token):
            return False
        guide.accept(token)
    return guide.finished


def legal(guide, size=257):
    return set(np.flatnonzero(np.isfinite(guide.allowed(np.zeros(size, np.float32)))).tolist())


def part(children):
    counts = st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "{0,3}", "{2,}", "{0}"])
    return st.one_of(
        st.tuples(children, counts).map(lambda both: f"({both[0]}){both[1]}"),
        st.lists(children, max_size=3).map(" ".join).map(lambda inner: f"({inner})"),
        st.lists(children, min_size=1, max_size=3).map(" | ".join).map(lambda inner: f"({inner})"),
    )


LEAVES = ['"a"', '"ab"', '"é"', '""', "[ab]", "[^a]", "[a-c]", ".", "x", "y", r"[\]\[^-]", r'"\\"', r"[^\x00-\x1Fé]"]
BODIES = st.recursive(st.sampled_from(LEAVES), part, max_leaves=6)
TEXTS = st.lists(st.text(st.sampled_from("abcé日😀\n\\-]"), max_size=6), max_size=8)


@settings(max_examples=200, deadline=None)
@given(BODIES, TEXTS)
def test_an_expression_admits_what_the_grammar_admits(body, texts):
    try:
        rules = gbnf_matcher.parse(f'root ::= {body}\nx ::= y "b" | "b"\ny ::= [^b]{{1,2}}')
    except GrammarError:
        return
    expression = expression_of(rules)
    held = index(expression)
    for text in texts:
        expected = gbnf_matcher.matches(rules, text)
        assert bool(re.fullmatch(expression, text)) == expected, (expression, text)
        assert holds(held, text.encode()) == expected, (expression, text)


def test_a_schema_is_written_without_spaces_and_its_order_kept():
    properties = '{"b": {"type": "integer"}, "a": {"enum": ["x", "y"]}}'
    schema = f'{{"type": "object", "properties": {properties}, "required": ["b", "a"]}}'
    held = index(json_guide.schema_expression(schema))
    assert holds(held, b'{"b":-12,"a":"y"}')
    for text in (b'{"b": 1,"a":"y"}', b'{"a":"y","b":1}', b'{"b":01,"a":"y"}', b'{"b":1,"a":"z"}'):
        assert not holds(held, text)


@pytest.mark.parametrize("schema", ["", "{", "[]", '{"type": "verdict"}', '{"not": {}}', '{"$ref": "#/nowhere"}'])
def test_what_is_no_schema_or_has_no_expression_is_an_error_in_one_line(schema):
    with pytest.raises(GrammarError, match="Outlines cannot turn the schema into a regular expression: .") as caught:
        json_guide.schema_expression(schema)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("expression", ["(", r"\bword", "[^\\x00-\\U0010ffff]"])
def test_an_expression_that_outlines_does_not_take_is_an_error(expression):
    with pytest.raises(GrammarError, match="Outlines: "):
        index(expression)


def test_a_text_that_begins_another_does_not_end_it():
    held = index(of('[1-9] | "10" | "1000"'))
    assert [text for text in (b"1", b"10", b"100", b"1000", b"9") if holds(held, text)] == [b"1", b"10", b"1000", b"9"]


def test_a_character_may_be_cut_into_tokens_anywhere():
    held = index(of(r"[^\x00]*"), "日".encode()[:2], "日".encode()[2:] + "é".encode()[:1])
    assert holds(held, [257, 258, "é".encode()[1]])
    assert not holds(held, [257])
    assert not holds(held, [258])


def test_the_empty_text_can_be_a_whole_one():
    guide = index(of('"a"?')).guide()
    assert guide.finished and guide.allows(END)
    guide.accept(ord("a"))
    assert guide.finished and legal(guide) == {END}


def test_the_end_token_is_legal_where_the_text_is_whole_and_adds_nothing():
    guide = index(of('"a" "b"?')).guide()
    assert legal(guide) == {ord("a")} and not guide.finished
    guide.accept(ord("a"))
    assert legal(guide) == {ord("b"), END} and guide.finished
    guide.accept(END)
    assert guide.finished


def test_tokens_of_the_same_bytes_are_all_legal_and_those_of_none_never():
    pieces = [b"a", b"", b"a", b"\xff", b"ab", b"\x00", b""]
    guide = json_guide.Index(of(r"[^b]*"), pieces, 6).guide()
    assert legal(guide, 7) == {0, 2, 5, 6}
    assert [token for token in range(7) if guide.allows(token)] == [0, 2, 5, 6]


@pytest.mark.parametrize("size", [*range(1, 5), *range(29, 36), *range(61, 68)])
def test_no_token_is_forgotten_at_the_end_of_the_vocabulary(size):
    for end in range(size + 1):  # at the size itself: a vocabulary without one
        pieces = [b"" if token in (end, size // 2) else b"a" for token in range(size)]
        expected = {token for token in range(size) if pieces[token]}
        if expected:
            guide = json_guide.Index("a*", pieces, end).guide()
            assert legal(guide, size) == expected | ({end} - {size})


def test_a_token_that_is_not_allowed_is_refused_and_changes_nothing():
    guide = index("ab").guide()
    for token in (ord("b"), END):
        with pytest.raises(GrammarError, match=f"does not allow the token {token} here"):
            guide.accept(token)
    guide.accept(ord("a"))
    guide.accept(ord("b"))
    assert guide.finished


def test_guides_of_one_index_do_not_disturb_each_other():
    held = index("ab|cd")
    one, other = held.guide(), held.guide()
    one.accept(ord("a"))
    other.accept(ord("c"))
    assert legal(one) == {ord("b")} and legal(other) == {ord("d")}


def test_a_vocabulary_that_leads_into_a_dead_end_is_refused_with_what_it_lacks():
    with pytest.raises(GrammarError, match=r'regex \'ab\?c\'.*"c"'):
        json_guide.Index("ab?c", [b"a", b"b", b""], 2)


@given(
    st.lists(st.floats(-50, 50, width=32) | st.just(-np.inf), min_size=257, max_size=257),
    st.sampled_from(["", "b", "bc"]),
)
def test_what_is_not_allowed_is_masked_and_all_else_stays(values, begun):
    guide = index("b?c?[x-z]*|q").guide()
    for byte in begun.encode():
        guide.accept(byte)
    logits = np.array(values, np.float32)
    allowed = legal(guide)
    masked = guide.allowed(logits)
    assert all(masked[token] == (logits[token] if token in allowed else -np.inf) for token in range(257))
