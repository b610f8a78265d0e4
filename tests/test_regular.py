"""A grammar as an expression means what it meant before, and the index of it holds a text to it by any tokens."""

import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_judge import gbnf, regular
from edge_judge.errors import GrammarError

BYTES = [bytes([byte]) for byte in range(256)]
END = 256  # the token after the bytes, which ends a text


def index(expression, *further):
    """An index over the bytes, an end token and further pieces."""
    return regular.Index(expression, [*BYTES, b"", *further], END)


def of(body):
    return regular.expression(gbnf.parse(f"root ::= {body}"))


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
        rules = gbnf.parse(f'root ::= {body}\nx ::= y "b" | "b"\ny ::= [^b]{{1,2}}')
    except GrammarError:
        return
    expression = regular.expression(rules)
    held = index(expression)
    for text in texts:
        expected = gbnf.matches(rules, text)
        assert bool(re.fullmatch(expression, text)) == expected, (expression, text)
        assert holds(held, text.encode()) == expected, (expression, text)


@pytest.mark.parametrize(
    ("body", "expression"),
    [
        ('"[[" ("A" | "B") "]]"', r"\[\[(?:A|B)\]\]"),
        ('("a" | "b")* [c]?', "(?:a|b)*c?"),
        ('"a{2}.b*"{2,}', r"(?:a\{2\}\.b\*){2,}"),
        (r"[^\x00]* [\"\\]?", r'[^\x00]*["\\]?'),
        (r'"é日" [😀-😎] "\n"', r"\xe9\u65e5[\U0001f600-\U0001f60e]\x0a"),
        (".", r"[\x00-\U0010ffff]"),
        (r"[a\-z-] [&~#<]", r"[a\-z\-][\&\~\#<]"),
    ],
)
def test_an_expression_is_as_one_would_write_it(body, expression):
    assert of(body) == expression


def test_half_a_surrogate_pair_is_no_character():
    assert of(r"[a\uD800-\uDBFF] | [\uD000-\uDFFF]") == r"(?:[a]|[\ud000-\ud7ff])"
    assert of(r"[\uDC00-\uE00F]") == r"[\ue000-\ue00f]"
    for body, whole in (
        (r'"a" | [\uD800-\uDBFF] "b"', True),
        (r"[^\uD800-\uDFFF]", True),
        (r'"" | [^\x00-\U0010FFFF]', False),
    ):
        assert holds(index(of(body)), b"a") == whole


def test_only_a_rule_that_refers_to_itself_has_no_expression():
    rules = gbnf.parse('root ::= "(" inner ")"\ninner ::= root | "a"\nplain ::= "a" twice twice\ntwice ::= "b"')
    assert regular.expression(rules) is None
    assert regular.expression(rules, "inner") is None
    assert regular.expression(rules, "plain") == "abb"


def test_rules_that_double_each_other_are_refused_before_they_fill_the_memory():
    doubled = "".join(f"x{level} ::= x{level + 1} x{level + 1}\n" for level in range(40))
    with pytest.raises(GrammarError, match="is longer than 65536 characters"):
        regular.expression(gbnf.parse(f'root ::= x0\n{doubled}x40 ::= "a"'))


def test_a_schema_is_written_without_spaces_and_its_order_kept():
    properties = '{"b": {"type": "integer"}, "a": {"enum": ["x", "y"]}}'
    schema = f'{{"type": "object", "properties": {properties}, "required": ["b", "a"]}}'
    held = index(regular.schema_expression(schema))
    assert holds(held, b'{"b":-12,"a":"y"}')
    for text in (b'{"b": 1,"a":"y"}', b'{"a":"y","b":1}', b'{"b":01,"a":"y"}', b'{"b":1,"a":"z"}'):
        assert not holds(held, text)


@pytest.mark.parametrize("schema", ["", "{", "[]", '{"type": "verdict"}', '{"not": {}}', '{"$ref": "#/nowhere"}'])
def test_what_is_no_schema_or_has_no_expression_is_an_error_in_one_line(schema):
    with pytest.raises(GrammarError, match="Outlines makes no expression of the schema: .") as caught:
        regular.schema_expression(schema)
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
    guide = regular.Index(of(r"[^b]*"), pieces, 6).guide()
    assert legal(guide, 7) == {0, 2, 5, 6}
    assert [token for token in range(7) if guide.allows(token)] == [0, 2, 5, 6]


@pytest.mark.parametrize("size", [*range(1, 5), *range(29, 36), *range(61, 68)])
def test_no_token_is_forgotten_at_the_end_of_the_vocabulary(size):
    for end in range(size + 1):  # at the size itself: a vocabulary without one
        pieces = [b"" if token in (end, size // 2) else b"a" for token in range(size)]
        expected = {token for token in range(size) if pieces[token]}
        if expected:
            guide = regular.Index("a*", pieces, end).guide()
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
        regular.Index("ab?c", [b"a", b"b", b""], 2)


@given(
    st.lists(st.floats(-50, 50, width=32) | st.just(-np.inf), min_size=257, max_size=257),
    st.sampled_from(["", "b", "bc"]),
)
def test_the_best_token_is_the_likeliest_of_the_allowed_ones(values, begun):
    guide = index("b?c?[x-z]*|q").guide()
    for byte in begun.encode():
        guide.accept(byte)
    logits = np.array(values, np.float32)
    best, allowed = guide.best(logits), legal(guide)
    assert best == max(sorted(allowed), key=lambda token: logits[token])
    masked = guide.allowed(logits)
    assert all(masked[token] == (logits[token] if token in allowed else -np.inf) for token in range(257))


def test_an_expression_of_a_grammar_needs_no_outlines():
    program = "import sys, edge_judge.regular; print([name for name in sys.modules if name.startswith('outlines')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
