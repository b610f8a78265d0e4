"""Files of strangers: whatever is in them, the answer is a value or one short line, soon and in little memory."""

from __future__ import annotations

import json
import math
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_judge import errors, foreign_json
from edge_judge.engine.chat import chat_format
from edge_judge.errors import EdgeJudgeError, GrammarError, ModelError
from edge_judge.protocols import gbnf_matcher
from quantize import errors as quantize_errors
from quantize import json_file
from quantize.errors import ConfigError, QuantizeError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside, max_size=3),
    max_leaves=8,
)


def seconds(call, *expected):
    """What a call that must fail takes of a processor."""
    begun = process_time()
    with pytest.raises(expected):
        call()
    return process_time() - begun


@given(JSON)
def test_json_that_others_wrote_is_read_as_python_reads_it(value):
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        with pytest.raises(ValueError):
            foreign_json.parse(json.dumps(value))
        assert foreign_json.parse(json.dumps(value), surrogates=True) == value
        return
    assert foreign_json.parse(text) == foreign_json.parse(text.encode()) == value


@given(st.text('[]{}",:\\a1', max_size=60))
def test_what_is_no_json_is_an_error_and_never_more_lenient_than_python(text):
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(ValueError):
            foreign_json.parse(text)
    else:
        assert foreign_json.parse(text) == expected


def nested(levels):
    return "[" * levels + "]" * levels


@pytest.mark.parametrize(
    "read", [foreign_json.parse, lambda text: json_file.parse_object(text.encode(), "x", ConfigError)]
)
def test_json_may_be_as_deep_as_any_real_file_and_no_deeper(read):
    assert read('{"a":' + nested(63) + "}")  # 64 levels
    for text in ('{"a":' + nested(64) + "}", '{"a":' * 500_000, "[" * 3_000_000, nested(100_000)):
        assert seconds(lambda text=text: read(text), ValueError, ConfigError) < 10


def test_brackets_inside_of_texts_are_no_depth():
    value = {"a": "[" * 1000 + '"{\\', "b": ["[]]"] * 100}
    assert foreign_json.parse(json.dumps(value)) == value
    assert json_file.parse_object(json.dumps(value).encode(), "x", ConfigError) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[NaN]", "NaN is no number"),
        ("[-Infinity]", "-Infinity is no number"),
        ("9" * 5000, "too many digits"),
        ('"\\ud800"', "half a surrogate pair"),
        (b"\xff", "utf-8"),
        ("[1]  ", "longer than 4"),
    ],
)
def test_what_no_file_of_ours_has_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        foreign_json.parse(text, most=4 if text == "[1]  " else 10_000)


def test_files_of_numbers_may_say_that_one_is_missing():
    assert math.isnan(foreign_json.parse("NaN", nan=True))


@pytest.mark.parametrize("kind", [EdgeJudgeError, QuantizeError])
@given(text=st.text(max_size=3000))
def test_a_message_is_one_short_line_that_no_terminal_obeys(kind, text):
    error = kind(f"x.json: {text}", text)
    for shown in (str(error), error.hint or ""):
        assert len(shown) <= errors.MOST_SHOWN and shown.isprintable() and "\n" not in shown


def test_a_message_keeps_its_words_and_the_end_of_what_was_expected():
    assert str(EdgeJudgeError("one\n  two: é \x1b[31m\u202e\ud800", "do\tthis")) == "one two: é \\x1b[31m\\u202e\\ud800"
    long = str(EdgeJudgeError(f"'a' is {'x' * 10_000_000}, expected a number"))
    assert long.startswith("'a' is xxx") and long.endswith("xxx, expected a number") and " … " in long
    assert EdgeJudgeError("plain").hint is None


def test_both_packages_shorten_messages_alike():
    for text in ("", "a b", "\x1b" * 300, "x" * 501, "é " * 900, "\ud800"):
        assert errors.shown(text) == quantize_errors.shown(text)


SHOWN = "{{ messages[0].content }}"


@pytest.mark.parametrize(
    "template",
    [
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}" + SHOWN,
        "{% set n = namespace(x='ab') %}{% for i in range(90) %}{% set n.x = n.x ~ n.x %}{% endfor %}" + SHOWN,
        "{% set n = namespace(x=[1]) %}{% for i in range(90) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}" + SHOWN,
        "{% for i in range(99999) %}{{ 'x' * 100000 }}{% endfor %}" + SHOWN,
        "{{ 'a' * 10 ** 10 }}" + SHOWN,
        "{{ 'a' | center(10 ** 10) }}" + SHOWN,
        "{{ '%10000000000d' % 1 }}" + SHOWN,
    ],
)
def test_a_chat_template_that_never_ends_or_asks_for_all_memory_ends_alone(template):
    with pytest.raises(ModelError, match="cannot be rendered"):
        chat_format(template, bos="<s>", eos="</s>")


def test_a_chat_template_is_rendered_once_however_often_it_is_asked_for(monkeypatch):
    import subprocess

    template = SHOWN + "{# rendered once #}"
    first = chat_format(template, bos="<s>", eos="</s>")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("another process"))
    assert chat_format(template, bos="<s>", eos="</s>") == first


CHAIN = "root ::= x0\n" + "".join(f"x{n} ::= x{n + 1} x{n + 1}\n" for n in range(60))


@pytest.mark.parametrize(
    "text",
    [
        "root ::= " + "(" * 10_000,
        "root ::= " + "(" * 40 + '"a"' + ")" * 40,
        'root ::= "' + "a" * 60_000 + '"',
        "root ::= " + '"a' * 20_000,
        'root ::= "\\x41\\q"',
    ],
)
def test_a_grammar_that_is_larger_or_deeper_than_any_is_refused_at_once(text):
    assert seconds(lambda: gbnf_matcher.parse(text), GrammarError) < 5


@pytest.mark.parametrize(
    "text",
    [
        CHAIN + 'x60 ::= "a"',
        'root ::= (((("a"{2000}){2000}){2000}){2000}){2000}',
        "root ::= " + " | ".join(['"a"{2000}'] * 2000),
        "root ::= x0\n" + "".join(f"x{n} ::= x{n + 1}\n" for n in range(2000)) + 'x2000 ::= "a"\n',
    ],
)
def test_texts_that_are_too_many_or_too_long_are_not_listed(text):
    rules = gbnf_matcher.parse(text)
    begun = process_time()
    assert gbnf_matcher.texts(rules) is None
    assert process_time() - begun < 10


def test_many_ways_to_write_nothing_take_no_time():
    assert gbnf_matcher.texts(gbnf_matcher.parse(CHAIN + 'x60 ::= ""')) == [""]
    assert gbnf_matcher.texts(gbnf_matcher.parse('root ::= "" ' * 1 + '((""{2000}){2000}){2000}')) == [""]


def test_a_text_that_can_be_read_in_too_many_ways_is_an_error():
    rules = gbnf_matcher.parse('root ::= (("a"?){2000} "b"?){2000}')
    assert seconds(lambda: gbnf_matcher.matches(rules, "a" * 50), GrammarError) < 20
