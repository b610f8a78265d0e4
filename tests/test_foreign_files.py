"""Files of strangers: whatever is in them, the answer is a value or one short line, soon and in little memory."""

from __future__ import annotations

import io
import json
import math
from time import process_time

import numpy as np
import pytest
from checkpoints import llama_config
from hypothesis import given
from hypothesis import strategies as st

from edge_judge import errors, foreign_json
from edge_judge.benchmarks.rows import File, csv_rows
from edge_judge.engine.chat import chat_format
from edge_judge.engine.completions import completion
from edge_judge.engine.endpoint import Address, Endpoint
from edge_judge.engine.importance import Sums
from edge_judge.engine.normalizer import Normalizer
from edge_judge.engine.server import find_server
from edge_judge.errors import DataError, EdgeJudgeError, GrammarError, ModelError, RunError, UsageError
from edge_judge.protocols import gbnf_matcher, grammar
from edge_judge.runs import holder
from edge_judge.runs.format import read_run_json, read_verdict
from edge_judge.runs.rankings import read_ranking
from edge_judge.workflows.imatrix_state import ImatrixState
from quantize import architectures, checkpoint, config, json_file, lock
from quantize import errors as quantize_errors
from quantize.errors import CheckpointError, ConfigError, LockError, QuantizeError

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


@pytest.mark.parametrize(
    "read", [foreign_json.parse, lambda text: json_file.parse_object(text.encode(), "x", ConfigError)]
)
def test_json_of_more_objects_than_any_file_has_takes_no_memory(read):
    for empty in ("{}", "[]"):
        text = f'{{"a":[{empty}{f",{empty}" * 10_000_000}]}}'
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


def test_a_chat_template_s_process_knows_no_secret(monkeypatch):
    import os
    import subprocess

    given, run = [], subprocess.run
    monkeypatch.setenv("HF_TOKEN", "hf_marker4711")
    monkeypatch.setattr(subprocess, "run", lambda *a, **more: (given.append(more["env"]), run(*a, **more))[1])
    chat_format(SHOWN + "{# nobody has asked for this one #}", bos="<s>", eos="</s>")
    (environment,) = given
    assert "hf_marker4711" in os.environ.values() and "hf_marker4711" not in environment.values()


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


# ---- found by `make fuzz` or by hand ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_size": 2**31 - 1, "num_attention_heads": 1, "num_key_value_heads": 1},
        {"intermediate_size": 2**31 - 1},
        {"vocab_size": 1 << 24, "hidden_size": 1 << 20, "intermediate_size": 1 << 20, "num_hidden_layers": 512},
        {"head_dim": 2**31 - 2},
        {"num_hidden_layers": 10**9},
        {"rms_norm_eps": float("nan")},
        {"rope_theta": 10**400},
        {"architectures": [["LlamaForCausalLM"] * 100_000]},
        {"rope_scaling": {"rope_type": "\x1b[31m" * 10_000}},
    ],
)
def test_a_config_of_a_model_that_cannot_be_is_an_error(tmp_path, changes):
    (tmp_path / "config.json").write_text(json.dumps(llama_config(**changes)))
    with pytest.raises(ConfigError):
        architectures.blueprint(config.read(tmp_path))


@pytest.mark.parametrize("name", ["é" * 150, "a\0b", "x" * 201, "..", "a/b", "a\\b"])
def test_an_index_that_names_no_file_is_an_error(tmp_path, name):
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"x": name}}))
    with pytest.raises(CheckpointError):
        checkpoint.open_folder(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "[[built]]\nfile = 1\nfile = 2\n",
        "[models.a]\n[models.a]\n",
        "a.b = 1\na = 2\n",
        "a = " + "[" * 100_000,
        "a." * 100_000 + "b = 1",
        "x = 1\n" * 1_000_000,
    ],
)
def test_a_lock_that_is_no_toml_is_an_error(tmp_path, text):
    (tmp_path / "models.lock").write_text(text)
    with pytest.raises(LockError):
        lock.read_built(tmp_path)


def test_a_header_of_a_million_columns_is_read_at_once(tmp_path):
    with pytest.raises(DataError, match="column '' occurs twice"):
        list(csv_rows(File(tmp_path / "x.csv", b"a," + b"," * 1_000_000)))


def test_a_meeting_that_is_no_utf_8_is_an_error_with_its_line(tmp_path):
    identity = {"benchmark": "rank", "model": "m", "scheme": "s", "grammar": "g"}
    (tmp_path / "run.json").write_text(json.dumps({**identity, "format": 2, "settings": {}}))
    (tmp_path / "ranking.json").write_text('{"systems": [], "missing": {}, "questions": 0, "against": null}')
    (tmp_path / "meetings.jsonl").write_bytes(b"\n\xff\n")
    with pytest.raises(RunError, match="meetings.jsonl:2: not a meeting"):
        read_ranking(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 1_000_000,
        b'{"settings": {}, "format": ' + b"9" * 5_000 + b"}",
        b'{"settings": {}, "x": "' + b"x" * 5_000_000 + b'"}',
        b'{"settings": {"a": NaN}}',
        b"\xff",
    ],
)
def test_a_run_json_that_no_run_here_wrote_is_an_error(tmp_path, content):
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(RunError):
        read_run_json(tmp_path / "run.json")


@pytest.mark.parametrize("mass", ["1e999", "-1e999", "NaN", "9" * 400, '"1"', "true", "[1]"])
def test_a_verdict_with_a_number_that_is_none_is_an_error(tmp_path, mass):
    line = f'{{"id": "0", "order": "ab", "verdict": "a", "p": null, "text": null, "mass": {mass}}}'
    with pytest.raises(RunError, match=r"x.jsonl:7: not a verdict"):
        read_verdict(tmp_path / "x.jsonl", 7, line.encode(), 2)


def test_half_a_character_in_a_servers_answer_becomes_the_replacement_character():
    said = completion({"choices": [{"text": "yes \ud83d"}]})
    assert said.text == "yes \ufffd"
    assert completion({"choices": [{"text": "\ud83e\udd99 é"}]}).text == "🦙 é"


@pytest.mark.parametrize("recorded", ["{", '{"a": ' + "[" * 100_000, '{"normalizers": [1]}', '{"normalizers": 1}'])
def test_a_normalizer_that_cannot_be_read_has_a_name_for_messages(recorded):
    assert Normalizer(recorded).name == "unreadable"
    with pytest.raises(ModelError, match="cannot be read"):
        Normalizer(recorded)("text")


@pytest.mark.parametrize(
    "line", ["# bridge: {", "# bridge: 1", '# bridge: "\\ud800"', "# reasoning: ²", "# reasoning: " + "9" * 5_000]
)
def test_a_comment_of_a_grammar_that_is_no_value_is_an_error(line):
    marks = "# kind: reasoned\n# prompt: pairwise-cot\n# verdict a: A\n# verdict b: B\n"
    rules = 'root ::= reasoning verdict\nreasoning ::= [a-z]*\nverdict ::= "A" | "B"\n'
    with pytest.raises(GrammarError, match="expected a (JSON string|number of tokens)"):
        grammar.read("x", f"{marks}{line}\n# reasoning: 5\n{rules}")


@pytest.mark.parametrize("models", ['{"data": NaN}', '{"data": [{"id": "\\ud800"}]}', '{"data": [1, {"id": 1}]}'])
def test_a_servers_list_of_models_that_names_none_is_an_error(models):
    httpx2 = pytest.importorskip("httpx2")

    class Fed(Endpoint):
        def _client(self):
            answer = httpx2.MockTransport(lambda request: httpx2.Response(200, content=models.encode()))
            return httpx2.AsyncClient(transport=answer)

    with pytest.raises(UsageError, match="does not list its models"):
        find_server(Fed(Address.of("http://localhost:1/v1")), None)


@pytest.mark.parametrize(
    "note", ['{"pid": 1e999, "command": "x", "since": "2026-01-02"}', '{"pid": [], "since": 1}', "[" * 100_000, "", "5"]
)
def test_a_note_of_who_works_in_a_folder_that_cannot_be_read_names_nobody(tmp_path, note):
    (tmp_path / holder.NAME).write_text(note)
    assert holder.holder(tmp_path) == "another edge-judge process"


TALL = np.frombuffer('{"model": "?"}'.encode("utf-32-le").replace(b"?\0\0\0", b"\0\0\x11\0"), "<U14").reshape(())


def test_the_state_of_a_measurement_that_is_none_is_an_error(tmp_path):
    state = ImatrixState(tmp_path / "x.gguf", {"model": "m"})
    state.save(2, {"a": Sums(np.ones((1, 8)), np.ones(1, np.int64))})
    whole = state.path.read_bytes()
    assert state.load()[0] == 2
    single, other = io.BytesIO(), io.BytesIO()
    np.save(single, np.ones(3))
    about = {"identity": np.array('{"model": "m"}'), "done": np.array(1)}
    np.savez(other, **about, **{"a:squares": np.ones(3), "a:counts": np.ones(3)})
    changed = (b"", whole[:-40], whole.replace(b"descr", b"d(((("), b"PK\x03\x04")
    for identity in (np.array("[]"), np.array('"m"'), np.frombuffer(b"\xff" * 8, "<U2")[0:1].reshape(()), TALL):
        again = io.BytesIO()
        np.savez(again, **{**about, "identity": identity})
        changed += (again.getvalue(),)
    directory = whole.rindex(b"PK\x01\x02")
    changed += (whole[: directory + 42] + b"\xff\xff\xff\xff" + whole[directory + 46 :],)  # a place before the file
    for broken in (*changed, single.getvalue(), other.getvalue()):
        state.path.write_bytes(broken)
        with pytest.raises(RunError, match="not the state of an interrupted measurement"):
            state.load()
