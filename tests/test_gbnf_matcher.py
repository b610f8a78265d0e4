"""GBNF: what llama.cpp takes as a grammar and as a text of it is what we take, and errors say where they are."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llama_grammar import grammars

from edge_judge.errors import GrammarError
from edge_judge.protocols import gbnf_matcher, grammar

FEW = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    with grammars(tmp_path_factory.mktemp("grammar")) as found:
        yield found


def piece(children):
    """The text of a part of a grammar; `x` and `y` are rules that every grammar here has."""
    counts = st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "{0,3}", "{ 1 , }"])
    return st.one_of(
        children.map(lambda inner: f"({inner})"),
        st.tuples(children, counts).map(lambda both: f"({both[0]}){both[1]}"),
        st.lists(children, max_size=3).map(" ".join),
        st.lists(children, min_size=1, max_size=3).map(" | ".join).map(lambda inner: f"({inner}\n)"),
    )


LEAVES = ['"a"', '"ab"', '"é"', '""', "[ab]", "[^a]", "[a-c]", "."]
LEAVES += [r'"\n"', r"[\]b-]", r"[a\-c]", "x", "y", r'"\u00e9"']
GRAMMARS = st.recursive(st.sampled_from(LEAVES), piece, max_leaves=6).map(
    lambda body: f'root ::= ({body}) # a comment\nx ::=\n  "b" | # and another\n  "ba" y\ny ::= "a" x | "c"\n'
)


def same(theirs, text, candidates):
    """Our verdict on each text is llama.cpp's. A grammar that only we refuse is no difference: it is loud."""
    try:
        rules = gbnf_matcher.parse(text)
    except GrammarError:
        return
    with theirs.opened(text) as engine:
        assert engine.ok, text
        for candidate in candidates:
            assert gbnf_matcher.matches(rules, candidate) == engine.matches(candidate), (text, candidate)


@pytest.mark.parametrize("name", grammar.names())
def test_every_accept_and_reject_line_is_what_llama_cpp_says_too(theirs, name):
    shape = grammar.load(name)
    assert shape.accepts
    with theirs.opened(shape.text) as engine:
        for expected, lines in ((True, shape.accepts), (False, shape.rejects)):
            for line in lines:
                assert (gbnf_matcher.matches(shape.rules, line), engine.matches(line)) == (expected, expected), line


@FEW
@given(st.data())
@pytest.mark.parametrize("name", grammar.names())
def test_texts_near_the_accepted_lines_are_judged_as_llama_cpp_judges_them(theirs, name, data):
    shape = grammar.load(name)
    line = data.draw(st.sampled_from([*shape.accepts, *shape.rejects]))
    start = data.draw(st.integers(0, len(line)))
    end = data.draw(st.integers(start, len(line)))
    added = data.draw(st.text(st.sampled_from("[]ABCDabc \n\té😀"), max_size=3))
    same(theirs, shape.text, [line[:start] + added + line[end:], added])


@FEW
@given(GRAMMARS, st.lists(st.text(st.sampled_from("abcé\n-]"), max_size=6), max_size=8))
def test_any_grammar_we_take_means_to_us_what_it_means_to_llama_cpp(theirs, text, candidates):
    same(theirs, text, candidates)


@FEW
@given(GRAMMARS)
def test_every_enumerated_text_belongs_to_the_language_and_none_is_named_twice(theirs, text):
    try:
        rules = gbnf_matcher.parse(text)
    except GrammarError:
        return
    listed = gbnf_matcher.texts(rules, limit=60)
    if listed is not None:
        assert listed == sorted(set(listed), key=lambda one: (len(one), one))
        assert all(gbnf_matcher.matches(rules, one) for one in listed)
        same(theirs, text, listed)


def test_a_finite_language_is_enumerated_in_full_shortest_first():
    rules = gbnf_matcher.parse('root ::= x{1,2} tail?\nx ::= "a" | [bc]\ntail ::= "!" ')
    heads = [*"abc", *(left + right for left in "abc" for right in "abc")]
    assert gbnf_matcher.texts(rules) == sorted([*heads, *(head + "!" for head in heads)], key=lambda t: (len(t), t))


@pytest.mark.parametrize("body", ['"a"*', "[^a]", ".", '"a" root | "b"', "[a-z]{3}"])
def test_a_language_too_large_to_enumerate_is_said_to_be_so(body):
    assert gbnf_matcher.texts(gbnf_matcher.parse(f"root ::= {body}")) is None


def test_many_ways_to_write_the_same_few_texts_take_no_time():
    assert gbnf_matcher.texts(gbnf_matcher.parse('root ::= ("a" | "a" | ""){60}')) == [
        "a" * count for count in range(61)
    ]


def test_long_literals_and_long_texts_are_no_deeper_than_short_ones():
    long = "a" * 5000
    assert gbnf_matcher.texts(gbnf_matcher.parse(f'root ::= "{long}"')) == [long]
    rules = gbnf_matcher.parse('root ::= [a-z] root | "" | "(" root ")"')
    assert gbnf_matcher.matches(rules, long)
    assert gbnf_matcher.matches(rules, "(" * 300 + ")" * 300)
    assert not gbnf_matcher.matches(rules, long + "!")


@pytest.mark.parametrize(
    "text",
    [
        'root ::= root "a" | "b"',
        'root ::= x\nx ::= "a"? x "b" | "c"',
        'root ::= "z" | x\nx ::= y "a"\ny ::= "" x',
        'root ::= x y | "b"\nx ::= "" | "a"\ny ::= x root',
    ],
)
def test_left_recursion_is_refused_wherever_it_hides_as_llama_cpp_refuses_it(theirs, text):
    with pytest.raises(GrammarError, match="left-recursive"):
        gbnf_matcher.parse(text)
    with theirs.opened(text) as engine:
        assert not engine.ok


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ('root ::= "a"\n | "b"', 2, "expected a rule .* found '|'"),
        ('root ::= "a"\n\n  "b"', 3, "expected a rule .* found 'b'"),
        ('root ::= "a" b ::= "c"', 1, "expected a rule"),
        ('root ::= "a" |\nb ::= "c"', 2, "expected a rule"),
        ('root ::= ("a" |\n "b"\n', 3, r"expected \), found the end"),
        ('root ::= "a"\nx ::= "b', 2, "not GBNF"),
        ("root ::= x\nx ::= [a", 2, "not GBNF"),
        ('# said\nroot ::= "\\q"', 2, "escape"),
        ('root ::= "\\x4"', 1, "escape"),
        ('root ::= "a"{3000}', 1, "at most 2000"),
        ('\n\nroot_x ::= "a"', 3, "not GBNF"),
    ],
)
def test_what_llama_cpp_does_not_take_as_a_grammar_is_an_error_with_its_line(theirs, text, line, found):
    with pytest.raises(GrammarError, match=f"line {line}: .*{found}"):
        gbnf_matcher.parse(text)
    with theirs.opened(text) as engine:
        assert not engine.ok


def test_counts_that_run_backwards_and_empty_classes_are_errors():
    for text in ('root ::= "a"{3,1}', "root ::= []", "root ::= [^]"):
        with pytest.raises(GrammarError, match="line 1"):
            gbnf_matcher.parse(text)


@pytest.mark.parametrize("body", ['""*', '("a"?)+', "x{2,}", "(x x | [b])*"])
def test_what_can_be_empty_is_not_repeated_without_end(body):
    with pytest.raises(GrammarError, match="the rule root has an unbounded repetition of a part that can be empty"):
        gbnf_matcher.parse(f'root ::= "z" {body}\nx ::= "a"?')


def test_a_missing_root_and_missing_rules_are_named():
    with pytest.raises(GrammarError, match="no rule named root"):
        gbnf_matcher.parse('other ::= "a"')
    with pytest.raises(GrammarError, match="does not define: one, two"):
        gbnf_matcher.parse('root ::= two one "a" root')
