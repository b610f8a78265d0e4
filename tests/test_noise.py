"""Repeats: what moved when the same questions were judged once more, and that nothing moves without a reason."""

from contextlib import closing

import pytest
from checkpoints import make_checkpoint, qwen2_config

from edge_judge.engine import LocalEngine
from edge_judge.errors import MemoryLimitError
from edge_judge.judging import judge as judging
from edge_judge.judging import noise
from edge_judge.protocols import grammar
from edge_judge.protocols.protocol import Protocol, Question
from edge_judge.records import ORDERS, Batching, Benchmark, Limits, Noise, Pair, ProgressListener, Verdict
from quantize import build

CONFIG = qwen2_config(num_hidden_layers=1, intermediate_size=256, vocab_size=304, max_position_embeddings=2048)
PAIRS = tuple(Pair(str(n), f"Say {n}.", f"{n}", f"I'm sure it's {n + 1}") for n in range(4))
FEW = Benchmark("few", PAIRS, "", True, "")
QUESTIONS = [Question(pair, order) for pair in PAIRS for order in ORDERS]


def said(id_, order, verdict, *p):
    return Verdict(id_, order, verdict, dict(zip(("a", "b", "tie"), p, strict=True)) if p else None)


def test_a_repeat_counts_flips_and_how_far_probabilities_moved():
    first = [said("1", "ab", "a", 0.6, 0.3, 0.1), said("1", "ba", "b", 0.4, 0.5, 0.1)]
    again = [said("1", "ba", "a", 0.5, 0.4, 0.1), said("1", "ab", "a", 0.6, 0.28, 0.12)]
    found = noise.compare(first, again, 1)
    assert (found.repeats, found.verdicts, found.flips) == (1, 2, 1)
    assert found.largest == pytest.approx(0.1)
    assert found.mean == pytest.approx((0.1 + 0.1 + 0 + 0 + 0.02 + 0.02) / 6)


def test_every_repeat_is_held_against_the_first_verdicts():
    first = [said("1", "ab", "a", 1, 0, 0)]
    again = [said("1", "ab", "a", 1, 0, 0), said("1", "ab", "b", 0, 1, 0), said("1", "ab", "b", 0, 1, 0)]
    assert noise.compare(first, again, 3) == Noise(3, 3, 2, 1, pytest.approx(4 / 9))


def test_verdicts_without_probabilities_can_flip_but_not_move():
    first = [said("1", "ab", None), said("2", "ab", "a"), said("3", "ab", "b", 0.2, 0.7, 0.1)]
    again = [said("1", "ab", "a"), said("2", "ab", "a"), said("3", "ab", None)]
    assert noise.compare(first, again, 1) == Noise(1, 3, 2, None, None)


def test_what_was_not_judged_before_is_not_compared():
    first = [said("1", "ab", "a"), said("9", "ab", "b")]
    assert noise.compare(first, [said("1", "ba", "b"), said("2", "ab", "b")], 1) == Noise(1, 0, 0, None, None)
    assert noise.compare([], [], 0) == Noise(0, 0, 0, None, None)


@pytest.fixture(scope="module")
def gguf(tmp_path_factory):
    folder = tmp_path_factory.mktemp("noise")
    make_checkpoint(folder / "model", CONFIG, seed=3)
    return build.quantize(
        build.FolderSource(folder / "model", "tiny"), "f16", build.BuildOptions(folder / "tiny.gguf", threads=1)
    ).path


class Keeping(ProgressListener):
    """Keeps the progress that it hears of."""

    def __init__(self):
        self.seen = []

    def progress(self, progress):
        self.seen.append(progress)


def repeated(gguf, protocol, times):
    with closing(LocalEngine(gguf, threads=1)) as engine:
        first = list(judging.judge(engine, protocol, QUESTIONS))
        kept = Keeping()
        return noise.repeat(FEW, engine, protocol, first, times, kept), kept.seen


@pytest.mark.parametrize("name", ["pairwise", "pairwise-cot", "pointwise", "none"])
def test_with_the_same_batching_nothing_flips_and_nothing_moves(gguf, monkeypatch, name):
    monkeypatch.setattr(noise, "BATCHINGS", (Batching(),))
    protocol = Protocol(grammar.load(name), written=None if name in ("pairwise", "pointwise") else 6)
    found, _ = repeated(gguf, protocol, 2)
    still = None if name == "none" else 0.0
    assert found == Noise(2, 2 * len(QUESTIONS), 0, still, still)


def test_each_repeat_is_batched_another_way_and_tells_how_far_it_is(gguf):
    found, seen = repeated(gguf, Protocol(grammar.load("pairwise")), len(noise.BATCHINGS) + 1)
    assert found.repeats == 4 and found.verdicts == 4 * len(QUESTIONS)
    assert 0 <= found.mean <= found.largest < 0.05
    assert {progress.verdicts_total for progress in seen} == {len(QUESTIONS)}
    ends = [progress for progress in seen if progress.tokens == progress.tokens_total]
    assert [progress.verdicts for progress in ends] == [len(QUESTIONS)] * 4
    assert all(progress.tokens <= progress.tokens_total for progress in seen)


def test_repeats_are_held_to_the_memory_that_is_allowed(gguf):
    with closing(LocalEngine(gguf, threads=1)) as whole:
        engine = LocalEngine.of(whole.model, Limits(memory=1000))
        with pytest.raises(MemoryLimitError):
            noise.repeat(FEW, engine, Protocol(grammar.load("pairwise")), [], 1)


def test_every_batching_differs_from_the_usual_one_and_from_the_others():
    assert len({Batching(), *noise.BATCHINGS}) == len(noise.BATCHINGS) + 1
