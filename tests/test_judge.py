"""Judging: a verdict on every question, the same however the work is cut, in the pair's own terms."""

import math
from contextlib import closing
from dataclasses import replace

import pytest
from checkpoints import make_checkpoint, qwen2_config

from edge_judge.engine import LocalEngine, local, plan
from edge_judge.errors import ModelError
from edge_judge.judging import judge as judging
from edge_judge.judging.judge import judge
from edge_judge.protocols import grammar
from edge_judge.protocols.protocol import Protocol, Question
from edge_judge.records import MIRROR, ORDERS, Judge, Pair, ProgressListener
from quantize import build

CONFIG = qwen2_config(num_hidden_layers=1, intermediate_size=256, vocab_size=304, max_position_embeddings=2048)
PAIRS = [Pair(str(n), f"Say {n}.", f"{n}", f"I'm sure it's {n + 1}") for n in range(7)]
QUESTIONS = [Question(pair, order) for pair in PAIRS for order in ORDERS]
PAIRWISE = Protocol(grammar.load("pairwise"))
FORKED = Protocol(
    grammar.read(
        "forked",
        "# kind: pairwise\n# prompt: pairwise\n# verdict a: A\n# verdict b: B\n# verdict tie: C\n"
        'root ::= ("x" | "[" | "=") ("A" | "B" | "C")',
    )
)  # its texts part twice, so that each prompt is continued in three ways


@pytest.fixture(scope="module")
def gguf(tmp_path_factory):
    folder = tmp_path_factory.mktemp("judging")
    make_checkpoint(folder / "model", CONFIG, seed=3)
    return build.quantize(
        build.FolderSource(folder / "model", "tiny"), "f16", build.BuildOptions(folder / "tiny.gguf", threads=1)
    ).path


@pytest.fixture(scope="module")
def engine(gguf):
    with closing(LocalEngine(gguf, threads=1)) as opened:
        yield opened


class Counted(ProgressListener):
    """Keeps how many tokens were evaluated."""

    tokens = 0

    def progress(self, progress):
        self.tokens = progress.tokens


def judged(engine, protocol, questions=QUESTIONS, **more):
    """(id, order) -> its verdict; each comes once."""
    found = list(judge(engine, protocol, questions, **more))
    by_key = {(verdict.id, verdict.order): verdict for verdict in found}
    assert len(by_key) == len(found)
    return by_key


@pytest.mark.parametrize("protocol", [PAIRWISE, FORKED, replace(PAIRWISE, ties=False)])
@pytest.mark.parametrize("block", [0, 1, 300])
def test_every_question_gets_one_verdict_the_likeliest_however_the_work_is_cut(engine, monkeypatch, protocol, block):
    monkeypatch.setattr(local, "BLOCK", block)
    monkeypatch.setattr(plan, "PER_REPEAT", 1)
    found = judged(engine, protocol)
    assert found.keys() == {question.key for question in QUESTIONS}
    for question in QUESTIONS:
        verdict = found[question.key]
        assert set(verdict.p) == set(protocol.labels)
        assert math.fsum(verdict.p.values()) == pytest.approx(1)
        assert verdict.p[verdict.verdict] == max(verdict.p.values())
        assert 0 < verdict.mass < 1
        (alone,) = judged(engine, protocol, [question]).values()
        assert verdict.p == pytest.approx(alone.p, rel=0.02)
        assert verdict.mass == pytest.approx(alone.mass, rel=0.02)


def test_probabilities_are_told_of_the_pair_whichever_answer_stood_first(engine):
    swapped = [Question(replace(one.pair, a=one.pair.b, b=one.pair.a), "ab") for one in QUESTIONS if one.order == "ba"]
    found, mirrored = judged(engine, PAIRWISE), judged(engine, PAIRWISE, swapped)
    for pair in PAIRS:
        one, other = found[pair.id, "ba"], mirrored[pair.id, "ab"]
        assert one.p == pytest.approx({MIRROR[label]: p for label, p in other.p.items()}, rel=0.02)


@pytest.mark.parametrize("protocol", [PAIRWISE, FORKED, Protocol(grammar.load("none"), written=5)])
def test_the_blocks_that_are_done_again_give_the_same_verdicts_bit_for_bit(engine, monkeypatch, protocol):
    monkeypatch.setattr(local, "BLOCK", 400)
    monkeypatch.setattr(plan, "PER_REPEAT", 1)
    whole = judged(engine, protocol)
    missing = {("3", "ba"), ("6", "ab")}
    counted = Counted(), Counted()
    judged(engine, protocol, listener=counted[0])
    again = judged(engine, protocol, wanted=lambda one: one.key in missing, listener=counted[1])
    assert missing <= again.keys()
    assert all(again[key] == whole[key] for key in again)
    assert 0 < counted[1].tokens < counted[0].tokens


def test_a_free_judge_gives_its_text_and_only_a_verdict_that_is_in_it(engine):
    found = judged(engine, Protocol(grammar.load("none"), written=6))
    assert found.keys() == {question.key for question in QUESTIONS}
    for verdict in found.values():
        assert verdict.p is None
        assert (verdict.verdict is None) == ("[[" not in verdict.text)


def test_prompts_too_long_for_the_model_are_refused_before_any_work(engine):
    long = Question(replace(PAIRS[0], a="word " * 3000), "ab")
    with pytest.raises(ModelError, match="1 of 2 prompts do not fit the model's context of 2048 tokens"):
        judge(engine, PAIRWISE, [QUESTIONS[0], long])


def test_one_pair_is_decided_in_both_orders_and_their_mean_takes_position_out(gguf):
    verdicts = judging.judge_pair(PAIRS[2], Judge("tiny", "f16", gguf, "", ""), PAIRWISE, threads=1)
    assert [verdict.order for verdict in verdicts] == list(ORDERS)
    mean = judging.debiased(verdicts)
    assert mean == pytest.approx({label: (verdicts[0].p[label] + verdicts[1].p[label]) / 2 for label in MIRROR})
