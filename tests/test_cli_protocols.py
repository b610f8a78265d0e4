"""Protocols on the command line: each is one option away, and options that do not go together are refused."""

import json

import pytest
from checkpoints import make_checkpoint, qwen2_config
from conftest import fails

from edge_judge.protocols import grammar
from edge_judge.workflows.protocol import default_grammar
from quantize import build

OWN = [name for name in grammar.names() if not grammar.load(name).trained_in]


def scored(edge, *arguments):
    done = edge("eval", "--limit", 4, "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)[0]


@pytest.mark.parametrize("name", OWN)
def test_every_protocol_judges_the_embedded_benchmark_and_a_grammar_leaves_no_format_error(edge, name):
    score = scored(edge, "--grammar", name)
    assert (score["grammar"], score["pairs"], score["verdicts"]) == (name, 4, 8)
    if name != "none":
        assert score["strict"]["format_errors"]["k"] == 0
        assert score["strict"]["brier"]["value"] is not None


@pytest.mark.parametrize("name", ["autoj", "pandalm"])
def test_a_trained_in_protocol_says_when_no_prompt_came_with_the_model(edge, name, tmp_path):
    fails(edge("eval", "--grammar", name), 1, "the file has no trained-in judging prompt", "pairwise")
    assert not (tmp_path / "results").exists()


def test_models_that_were_trained_on_a_format_judge_in_it_by_default():
    assert {name: default_grammar(name) for name in ("autoj-13b", "pandalm-7b", "qwen1.5-7b", "mine")} == {
        "autoj-13b": "autoj", "pandalm-7b": "pandalm", "qwen1.5-7b": "pairwise", "mine": "pairwise",
    }  # fmt: skip


def test_a_rubric_of_ones_own_decides_the_run_and_another_one_is_another_run(edge, tmp_path):
    for name, words in (("one.jsonl", "It is short."), ("two.jsonl", "It is polite.")):
        (tmp_path / name).write_text(json.dumps({"criterion": words}) + "\n")
    scored(edge, "--grammar", "rubric", "--rubric", "one.jsonl")
    fails(edge("eval", "--limit", 4, "--grammar", "rubric", "--rubric", "two.jsonl"), 1, "criteria: recorded")


def test_a_pair_is_rated_one_answer_at_a_time_whatever_the_order(edge):
    done = edge("judge", "--grammar", "pointwise", "--question", "Repeat: dog", "--a", "dog", "--b", "cat", "--json")
    orders = json.loads(done.stdout)["orders"]
    assert orders[0]["verdict"] == orders[1]["verdict"] and orders[0]["p"] == pytest.approx(orders[1]["p"])


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--rubric", "r.csv"), 2, ("--rubric does nothing under --grammar pairwise", "--grammar rubric")),
        (("--reasoning", 9), 2, ("--reasoning does nothing under --grammar pairwise", "pairwise-cot")),
        (("--grammar", "rubric", "--rubric", "bad.csv"), 1, ("no column 'criterion'",)),
        (("--chat-template", "nosuch"), 2, ("no chat template 'nosuch'", "chatml, llama-2, plain")),
        (("--grammar", "reference", "--benchmark", "own.jsonl"), 1, ("has no reference answers", "reference")),
        (("--repeat", 0), 2, ("--repeat",)),
    ],
)
def test_options_that_do_not_go_together_are_one_clear_error(edge, tmp_path, arguments, code, words):
    (tmp_path / "r.csv").write_text("criterion\nIt is short.\n")
    (tmp_path / "bad.csv").write_text("rule\nIt is short.\n")
    (tmp_path / "own.jsonl").write_text('{"question": "q", "a": "x", "b": "y"}\n')
    fails(edge("eval", "--limit", 2, *arguments), code, *words)
    assert not (tmp_path / "results").exists()


def test_some_missing_references_are_told_and_the_rest_is_judged(edge, tmp_path):
    rows = [{"question": "q", "a": "x", "b": "y", "reference": "x"}, {"question": "p", "a": "x", "b": "y"}]
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = edge("eval", "--grammar", "reference", "--benchmark", "own.jsonl", "--json")
    assert done.returncode == 0 and "1 of 2 pairs have no reference answer" in done.stderr
    assert json.loads(done.stdout)[0]["verdicts"] == 4


def test_prompts_that_do_not_fit_are_refused_or_shortened_and_counted(edge, tmp_path):
    config = qwen2_config(num_hidden_layers=1, intermediate_size=256, vocab_size=304, max_position_embeddings=2048)
    make_checkpoint(tmp_path / "model", config, seed=3)
    gguf = build.quantize(
        build.FolderSource(tmp_path / "model", "tiny"), "f16", build.BuildOptions(tmp_path / "tiny.gguf", threads=1)
    ).path
    rows = [{"question": "q", "a": "dog " * 900, "b": "cat"}, {"question": "q", "a": "dog", "b": "cat"}]
    (tmp_path / "long.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked = ("--gguf", gguf, "--benchmark", "long.jsonl")
    words = "2 of 4 prompts do not fit the model's context of 2048 tokens"
    fails(edge("eval", *asked), 1, words, "--truncate answers")
    assert not (tmp_path / "results").exists()
    score = scored(edge, *asked, "--truncate", "answers")
    assert (score["strict"]["truncated"]["k"], score["strict"]["truncated"]["n"]) == (2, 4)
    table = edge("eval", *asked, "--truncate", "answers").stdout
    assert "2 of 4 verdicts on shortened answers" in table


def test_a_repeated_run_tells_its_noise_floor_and_keeps_it(edge, tmp_path):
    score = scored(edge, "--repeat", 2)
    assert (score["noise"]["repeats"], score["noise"]["verdicts"]) == (1, 8)
    assert 0 <= score["noise"]["mean"] <= score["noise"]["largest"] < 0.05
    kept = json.loads((tmp_path / "results/pocket/pocket/f16/pairwise/run.json").read_text("utf-8"))
    assert kept["noise"] == score["noise"]
    assert "once more in different batches" in edge("eval", "--limit", 4, "--repeat", 2).stdout.replace("\n", " ")
