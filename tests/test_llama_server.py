"""The same file judged here and by llama-server, built from the same source of llama.cpp: the same verdicts."""

import json

import pytest
from llama_server import llama_server, serving

import edge_judge as ej
from edge_judge.engine.endpoint import Address, Endpoint
from edge_judge.engine.remote import RemoteEngine
from edge_judge.errors import ModelError
from edge_judge.workflows import build

pytestmark = pytest.mark.slow

PLAIN = ("--flash-attn", "off", "--cache-type-k", "f32", "--cache-type-v", "f32")  # as `exact` computes here
NEAR = 0.01  # probabilities


@pytest.fixture(scope="module")
def gguf(tmp_path_factory):
    llama_server()
    return build.quantize(
        "pocket", "q8_0", ej.QuantizeSettings(out=tmp_path_factory.mktemp("gguf") / "pocket.gguf")
    ).path


@pytest.fixture(scope="module")
def url(gguf):
    with serving(gguf, *PLAIN) as address:
        yield address


def judged(results, judge, grammar, limit):
    """The verdicts of a run, by pair and order."""
    settings = ej.EvaluateSettings(results=results, limit=limit)
    (row,) = ej.evaluate(judge, protocol=ej.ProtocolOptions(grammar=grammar), settings=settings)
    (lines,) = results.glob("*/*/*/*/verdicts.jsonl")
    assert row.score.verdicts == 2 * limit
    return {(line["id"], line["order"]): line for line in map(json.loads, lines.read_text("utf-8").splitlines())}


@pytest.mark.parametrize(
    ("grammar", "limit"),
    [("pairwise", 200), ("pointwise", 40), ("pairwise-cot", 40), ("pairwise-json", 40), ("none", 20)],
)
def test_llama_server_reaches_the_verdicts_that_are_reached_here(grammar, limit, gguf, url, tmp_path, exact):
    here = judged(tmp_path / "here", ej.JudgeOptions(gguf=gguf), grammar, limit)
    there = judged(tmp_path / "there", ej.JudgeOptions(engine=url), grammar, limit)
    assert here.keys() == there.keys()
    flips = [key for key in here if here[key]["verdict"] != there[key]["verdict"]]
    both = [key for key in here if here[key]["p"] and there[key]["p"] and here[key]["text"] == there[key]["text"]]
    gaps = [abs(here[key]["p"][label] - there[key]["p"][label]) for key in both for label in here[key]["p"]]
    print(
        f"{grammar}: {len(here)} verdicts, {len(flips)} flips, {len(both)} with p, largest gap {max(gaps, default=0)}"
    )
    assert len(flips) <= 0.02 * len(here)
    assert max(gaps, default=0.0) <= NEAR
    if grammar != "none":
        assert len(both) >= 0.9 * len(here)


def test_reasons_that_are_cut_off_are_ended_as_they_are_here(gguf, url, tmp_path, exact):
    runs = {}
    for name, judge in (("here", ej.JudgeOptions(gguf=gguf)), ("there", ej.JudgeOptions(engine=url))):
        protocol = ej.ProtocolOptions(grammar="pairwise-cot", reasoning=3)
        settings = ej.EvaluateSettings(results=tmp_path / name, limit=20)
        (row,) = ej.evaluate(judge, protocol=protocol, settings=settings)
        assert row.score.strict["format_errors"].value == 0
        (lines,) = (tmp_path / name).glob("*/*/*/*/verdicts.jsonl")
        runs[name] = {(v["id"], v["order"]): v for v in map(json.loads, lines.read_text("utf-8").splitlines())}
    same = [key for key, verdict in runs["here"].items() if verdict["text"] == runs["there"][key]["text"]]
    assert len(same) >= 36
    for key in same:
        assert runs["there"][key]["p"] == pytest.approx(runs["here"][key]["p"], abs=NEAR)


def test_a_prompt_that_does_not_fit_its_context_is_refused_or_shortened_as_here(url, tmp_path):
    pairs = tmp_path / "long.csv"
    pairs.write_text(f"question,a,b\nSay it.,{'word ' * 5000},word\n", "utf-8")
    benchmark, judge = ej.BenchmarkOptions((str(pairs),)), ej.JudgeOptions(engine=url)
    settings = ej.EvaluateSettings(results=tmp_path)
    with pytest.raises(ModelError, match="do not fit the model's context of 4096 tokens"):
        ej.evaluate(judge, benchmark, settings=settings)
    ej.evaluate(judge, benchmark, ej.ProtocolOptions(truncate="answers"), settings=settings)
    (lines,) = tmp_path.glob("*/*/*/*/verdicts.jsonl")
    assert all(json.loads(line)["truncated"] for line in lines.read_text("utf-8").splitlines())


def test_it_is_known_for_what_it_is(url):
    server = RemoteEngine(Endpoint(Address.of(url))).server
    assert (server.kind, server.name, server.context) == ("llama.cpp", "pocket.gguf", 4096)
