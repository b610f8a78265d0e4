"""A judge at an endpoint: runs that lose and double nothing whatever the server does, errors that say what it did."""

import json
from contextlib import contextmanager
from dataclasses import replace
from itertools import cycle, islice

import pytest
from chatserver import FAULTS, Desk, best, serving, shares
from conftest import fails

import edge_judge as ej
from edge_judge import benchmarks
from edge_judge.analysis.subset import subset
from edge_judge.engine.endpoint import KEY, Address, Endpoint, Patience
from edge_judge.engine.remote import UNENCRYPTED, RemoteEngine
from edge_judge.engine.window import START
from edge_judge.errors import ModelError, RunError, UsageError
from edge_judge.judging.prompting import prompt_texts
from edge_judge.protocols import grammar
from edge_judge.protocols.protocol import Protocol, Question
from edge_judge.records import Judge, ProgressListener
from edge_judge.runs.folder import RunFolder
from edge_judge.runs.identity import run_identity, run_settings
from edge_judge.runs.session import Session

PAIRWISE = Protocol(grammar.load("pairwise"))
PART = subset(benchmarks.load("pocket"), 150)
ENDLESS = Patience(attempts=1000, first=0.001, longest=0.01, timeout=0.3)
BRIEF = Patience(attempts=3, first=0.001, longest=0.01, timeout=30)


def engine_at(url, patience=BRIEF, key=None, model=None):
    return RemoteEngine(Endpoint(Address.of(url), key, patience), model)


@contextmanager
def opened(engine, folder, protocol=PAIRWISE):
    judge = Judge("judge-1", "unknown", None, None, engine.endpoint.address.base)
    deciding = run_settings(PART, judge, protocol, engine=engine)
    with (
        Session(judge, engine=engine) as session,
        RunFolder.open(folder, run_identity(PART, judge, protocol), deciding, fresh=False) as run,
    ):
        yield session, run


def judged(engine, folder, part=PART, protocol=PAIRWISE, listener=ProgressListener()):
    """The lines of a run's file, in an order of their own."""
    with opened(engine, folder, protocol) as (session, run):
        session.evaluate(part, protocol, run, listener)
        return sorted((run.path / "verdicts.jsonl").read_text("utf-8").splitlines())


def messages(part=PART, protocol=PAIRWISE):
    """By question, what is sent."""
    questions = [Question(pair, order) for pair in part.pairs for order in protocol.orders]
    return {question.key: prompt_texts(protocol, question)[0] for question in questions}


def test_verdicts_are_those_of_the_likeliest_tokens_with_what_lies_outside_them_as_a_bound(tmp_path):
    with serving(Desk()) as url:
        lines = judged(engine_at(url), tmp_path)
    sent = messages()
    assert len(lines) == len(sent)
    for verdict in map(json.loads, lines):
        a, b, c = shares(sent[verdict["id"], verdict["order"]])
        first, second = (a, b) if verdict["order"] == "ab" else (b, a)
        assert verdict["p"] == pytest.approx({"a": first / 0.9, "b": second / 0.9, "tie": c / 0.9})
        assert verdict["mass"] == pytest.approx(0.95 * 0.9)


def test_two_hundred_faults_lose_nothing_and_double_nothing(tmp_path):
    calm, stormy = Desk(), Desk(faults=list(islice(cycle(FAULTS), 200)))
    with serving(calm) as url:
        undisturbed = judged(engine_at(url), tmp_path / "calm")
    with serving(stormy) as url:
        disturbed = judged(engine := engine_at(url, ENDLESS), tmp_path / "stormy")
    assert stormy.done == 200 and stormy.faults == [] and engine.endpoint.repeated >= 200
    assert disturbed == undisturbed
    assert len({(line["id"], line["order"]) for line in map(json.loads, disturbed)}) == len(disturbed) == 300


def test_no_message_is_asked_again_that_was_answered(tmp_path):
    with serving(desk := Desk()) as url:
        judged(engine_at(url), tmp_path)
        assert set(desk.answered.values()) == {1} | {desk.answered["Reply with the letter A."]}
        assert judged(engine_at(url), tmp_path) and {desk.answered[text] for text in messages().values()} == {1}


def test_a_run_that_is_stopped_asks_only_what_was_in_flight_again(tmp_path):
    class Stop(ProgressListener):
        def progress(self, progress):
            if progress.verdicts >= 100:
                raise KeyboardInterrupt

    with serving(desk := Desk()) as url:
        with pytest.raises(KeyboardInterrupt):
            judged(engine_at(url), tmp_path, listener=Stop())
        lines = judged(engine_at(url), tmp_path)
        asked = [desk.answered[text] for text in messages().values()]
    assert len(lines) == 300 and max(asked) <= 2
    with serving(Desk()) as url:
        whole = judged(engine_at(url), tmp_path / "whole")
    assert lines == whole


def test_a_run_is_not_continued_with_another_model_or_another_server(tmp_path):
    first = subset(PART, 5)
    with serving(desk := Desk()) as url:
        judged(engine_at(url), tmp_path, first)
        desk.models = ("judge-2",)
        with pytest.raises(RunError, match="endpoint_model: recorded `judge-1`, now `judge-2`"):
            judged(engine_at(url), tmp_path, first)
        desk.models, desk.listed = ("judge-1",), 0
        with pytest.raises(RunError, match="endpoint_reading: recorded `the 20 likeliest tokens`, now `text`"):
            judged(engine_at(url), tmp_path, first)


@pytest.mark.parametrize("schema", [True, False])
def test_without_likeliest_tokens_a_verdict_is_a_text_and_has_no_probabilities(schema, tmp_path):
    with serving(Desk(listed=0, schema=schema)) as url:
        lines = judged(engine_at(url), tmp_path)
    sent = messages()
    for verdict in map(json.loads, lines):
        mark = best(sent[verdict["id"], verdict["order"]])
        letter = {"[[A]]": "ab", "[[B]]": "ba", "[[C]]": ("tie", "tie")}[mark]
        assert verdict["verdict"] == letter[0 if verdict["order"] == "ab" else 1]
        assert verdict["text"] == mark and verdict["p"] is None and verdict["mass"] is None


@pytest.mark.parametrize("listed", [0, 20])
def test_a_text_that_is_no_verdict_is_counted_as_none(listed, tmp_path):
    with serving(Desk(listed=listed, prefix=" The answer is ")) as url:
        lines = judged(engine_at(url), tmp_path, subset(PART, 5))
    assert len(lines) == 10 and all(json.loads(line)["verdict"] is None for line in lines)


def test_free_writing_counts_its_last_mark(tmp_path):
    free = Protocol(grammar.load("none"))
    with serving(Desk(prefix="I think ")) as url:
        lines = judged(engine_at(url), tmp_path, subset(PART, 5), free)
    assert {json.loads(line)["text"][:8] for line in lines} == {"I think "}
    assert all(json.loads(line)["verdict"] is not None for line in lines)


def test_reasons_are_read_with_the_probabilities_of_their_endings(tmp_path):
    reasoned = Protocol(grammar.load("pairwise-cot"))
    with serving(Desk()) as url:
        lines = judged(engine_at(url), tmp_path, subset(PART, 5), reasoned)
    sent = messages(subset(PART, 5), reasoned)
    for verdict in map(json.loads, lines):
        assert verdict["text"] == best(sent[verdict["id"], verdict["order"]])
        assert verdict["mass"] == pytest.approx(0.9) and sum(verdict["p"].values()) == pytest.approx(1)


def test_a_server_is_asked_for_as_many_likeliest_tokens_as_it_allows():
    with serving(desk := Desk(listed=5)) as url:
        assert engine_at(url).server.listed == 5
    assert [body.get("top_logprobs") for body in desk.bodies] == [None, 20, 5, None]


def test_one_of_several_models_must_be_named():
    with serving(Desk(models=("small", "large"))) as url:
        with pytest.raises(UsageError, match="serves small, large") as raised:
            engine_at(url).server  # noqa: B018
        assert raised.value.hint == "--model names one"
        assert engine_at(url, model="large").server.model == "large"


@pytest.mark.parametrize(
    ("always", "words"),
    [
        ((400, "application/json", '{"error": {"message": "too long\\u001b[2J"}}'), r"answered 400: too long\?\[2J$"),
        ((404, "text/html", "<html>nothing here</html>"), "answered 404: a web page$"),
        ((200, "text/html; charset=utf-8", "<html>welcome</html>"), "answered 200 with a web page$"),
        ((302, "text/plain", ""), "answered 302: it sends requests elsewhere$"),
        ((500, "application/json", "{}"), "no answer in 3 attempts, at last it answered 500$"),
        ((429, "application/json", "{}"), "no answer in 3 attempts, at last it answered 429$"),
        ((200, "application/json", '{"choices": []}'), "at last its answer could not be read$"),
        ((200, "application/json", "[" * 100_000), "at last its answer could not be read$"),
    ],
)
def test_what_a_server_refuses_is_one_clear_error(always, words):
    with serving(Desk(always=always)) as url, pytest.raises(ModelError, match=words) as raised:
        engine_at(url).server  # noqa: B018
    assert str(raised.value).startswith(url.removeprefix("http://").removesuffix("/v1"))


def test_a_server_that_never_answered_is_given_up_soon_with_a_word_about_its_address():
    with serving(Desk()) as url:
        pass
    with pytest.raises(ModelError, match="no answer in 3 attempts, at last no connection") as raised:
        engine_at(url, ENDLESS).server  # noqa: B018
    assert "check the address of --engine" in raised.value.hint


def test_a_server_that_went_away_is_named_after_all_attempts_with_how_to_go_on(tmp_path):
    with serving(Desk()) as url:
        engine = engine_at(url, replace(BRIEF, attempts=5))
        engine.server  # noqa: B018
    with pytest.raises(ModelError, match="no answer in 5 attempts, at last no connection") as raised:
        judged(engine, tmp_path)
    assert "run the same command again" in raised.value.hint


def test_a_server_that_asks_to_wait_for_an_hour_is_not_waited_for():
    with (
        serving(Desk(always=(429, "application/json", "{}"), after="3600")) as url,
        pytest.raises(ModelError, match="it answered 429 and asked to wait 3,600 s"),
    ):
        engine_at(url).server  # noqa: B018


def test_fewer_are_in_flight_where_the_server_has_too_much_to_do(tmp_path):
    with serving(Desk(faults=["429"] * 40)) as url:
        engine = engine_at(url, ENDLESS)
        judged(engine, tmp_path, subset(PART, 20))
    assert engine.endpoint.window.size < START


def test_equal_prompts_are_asked_once(tmp_path):
    twice = Protocol(grammar.load("pairwise"), orders=("ab",))
    pairs = tuple(ej.Pair(name, "Name a fruit.", "Pear.", "Stone.", ("a",)) for name in "xyz")
    part = ej.Benchmark(PART.name, pairs, PART.sha256, True, "")
    with serving(desk := Desk()) as url:
        assert len(judged(engine_at(url), tmp_path, part, twice)) == 3
    assert sum(desk.answered[text] for text in messages(part, twice).values()) == 3  # the same text thrice, asked once


# ---- keys and addresses -----------------------------------------------------------------------------------

SECRET = "sk-very-secret-4711"


def test_the_key_is_sent_and_stands_nowhere_else(edge, tmp_path):
    with serving(desk := Desk(key=SECRET)) as url:
        done = edge("eval", "--engine", url, "--limit", 3, "--price", "2,10", "--json", **{KEY: SECRET})
        assert done.returncode == 0, done.stderr
        assert desk.headers[-1]["Authorization"] == f"Bearer {SECRET}"
        kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        assert SECRET not in done.stdout + done.stderr and SECRET.encode() not in kept
        other = edge("eval", "--engine", url, "--limit", 3, **{KEY: "sk-another-one"})
    fails(other, 1, "answered 401: Incorrect API key provided: …?[2J", KEY)
    assert "sk-another-one" not in other.stderr
    assert SECRET not in repr(Endpoint(Address.of(url), SECRET))


def test_what_a_run_costs_is_told_and_added_up(edge, tmp_path):
    with serving(Desk()) as url:
        done = edge("eval", "--engine", url, "--limit", 3, "--price", "2,10")
        assert "6 requests" in done.stderr and "; cost 0." in done.stderr
        edge("eval", "--engine", url, "--limit", 5, "--price", "2,10")
    usage = json.loads((tmp_path / "results/pocket/judge-1/unknown/pairwise/run.json").read_text("utf-8"))["usage"]
    assert usage["most_unread"] == pytest.approx(0.01, abs=1e-6)  # what Desk lists at the first place leaves out
    assert usage["requests"] == 10 and usage["written_tokens"] == 30
    assert usage["cost"] == pytest.approx((2 * usage["prompt_tokens"] + 10 * 30) / 1e6, abs=1e-6)


@pytest.mark.parametrize(
    "url",
    ["http://me:pass4711@host/v1", "https://host/v1?key=pass4711", "ftp://host", "host:80", "http://", "https://[x"],
)
def test_an_address_with_a_secret_in_it_is_refused_without_repeating_it(url):
    with pytest.raises(UsageError) as raised:
        Address.of(url)
    assert "pass4711" not in f"{raised.value} {raised.value.hint}" and raised.value.__cause__ is None


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://localhost:8080", "http://localhost:8080/v1"),
        ("http://localhost:8080/v1/", "http://localhost:8080/v1"),
        ("https://API.example.com/v1/chat/completions", "https://api.example.com/v1"),
        ("https://example.com/openai/v1", "https://example.com/openai/v1"),
        ("http://[::1]:8080/v1", "http://[::1]:8080/v1"),
    ],
)
def test_an_address_is_one_however_it_is_written(url, base):
    assert Address.of(url).base == base


def test_a_key_never_goes_unencrypted_over_a_public_network():
    for private in ("http://localhost:1/v1", "http://127.0.0.1/v1", "http://192.168.1.5/v1", "https://example.com"):
        Endpoint(Address.of(private), SECRET)
    with pytest.raises(UsageError, match="would go unencrypted to example.com") as raised:
        Endpoint(Address.of("http://example.com/v1"), SECRET)
    assert SECRET not in str(raised.value)
    with pytest.raises(UsageError, match="without spaces") as raised:
        Endpoint(Address.of("https://example.com/v1"), f"{SECRET}\n")
    assert SECRET not in str(raised.value)


class Noted(ProgressListener):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def test_texts_that_go_to_another_machine_without_tls_are_noted_by_eval_and_judge(monkeypatch, tmp_path):
    with serving(Desk()) as url:
        here, away = Noted(), Noted()
        ej.judge("Name a fruit.", "plum", "saw", judge=ej.JudgeOptions(engine=url), listener=here)
        monkeypatch.setattr("edge_judge.engine.address.is_here", lambda host: False)
        ej.judge("Name a fruit.", "plum", "saw", judge=ej.JudgeOptions(engine=url), listener=away)
        judged(engine_at(url), tmp_path, subset(PART, 2), listener=away)
    assert here.notes == [] and [UNENCRYPTED in note for note in away.notes] == [True, True]


def test_what_means_a_file_or_this_machine_is_refused_with_an_engine(edge):
    fails(edge("eval", "--engine", "http://localhost:1", "--threads", 2), 2, "--threads does nothing with --engine")
    fails(edge("eval", "--engine", "http://localhost:1", "--cache", "q8_0"), 2, "--cache does nothing with --engine")
    fails(edge("eval", "--price", "1,2"), 2, "--price does nothing without --engine")
    fails(edge("eval", "--engine", "http://localhost:1", "--price", "1"), 2, "--price 1: not two prices")


# ---- a run like any other ---------------------------------------------------------------------------------


def test_a_run_at_an_endpoint_is_a_baseline_and_a_run_like_any_other(edge, tmp_path):
    remote, local = "results/pocket/judge-1/unknown/pairwise", "results/pocket/pocket/q8_0/pairwise"
    with serving(Desk()) as url:
        assert edge("eval", "--engine", url, "--limit", 60).returncode == 0
        one = edge("judge", "--engine", url, "--question", "Name a fruit.", "--a", "Pear.", "--b", "Stone.", "--json")
        assert json.loads(one.stdout)["model"] == "judge-1"
    assert edge("eval", "--scheme", "q8_0", "--limit", 60).returncode == 0
    lost = edge("compare", local, "--baseline", remote)
    assert lost.returncode == 0, lost.stderr
    assert json.loads(edge("compare", remote, "--baseline", local, "--json").stdout)[0]["bytes"] == 0
    chosen = edge("choose", "--scheme", "q8_0", "--baseline", remote, "--max-pairs", 40)
    assert chosen.returncode == 4, chosen.stderr
    packed = edge("pack", "export", remote, "-o", "remote.ejpack")
    assert packed.returncode == 0, packed.stderr
    assert edge("compare", local, "--baseline", "remote.ejpack").returncode == 0
    imported = edge("pack", "import", "remote.ejpack", "--results", "elsewhere")
    assert imported.returncode == 0, imported.stderr
    shown = edge("pack", "show", "remote.ejpack")
    assert shown.returncode == 0 and "4.13" not in shown.stdout
    for command in (
        ("jury", remote, local),
        ("table", remote, local),
        ("slices", remote),
        ("slices", local, "--baseline", remote),
        ("confidence", remote),
        ("report",),
    ):
        done = edge(*command)
        assert done.returncode == 0, (command, done.stderr)
    assert "0 kB" not in lost.stdout + edge("table", remote).stdout
