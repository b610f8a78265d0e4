"""Twelve kinds of judge give the marks the probabilities that their checkpoints give them.

The oracle is plain arithmetic in torch, in 64 bits, over the tokens of the checkpoint's own tokenizer: of the whole
rendered prompt, then of every other token of the vocabulary that goes on with a mark.
"""

from dataclasses import dataclass

import pytest
from checkpoints import quantized
from judge_oracle import Oracle, probabilities, torch_logits
from judges import FAMILIES

from edge_judge.engine import LocalEngine
from edge_judge.engine.spelling import candidates_after
from edge_judge.inference import Distribution, Reading
from edge_judge.records import Batching

pytest.importorskip("torch", reason="the reference arithmetic needs torch")
pytest.importorskip("sentencepiece", reason="trains and checks with sentencepiece")

VERDICTS = {"[[A]]": "a", "[[B]]": "b", "[[C]]": "tie"}
CONTENTS = (
    "Which answer is better?\n\n### Answer A\nOslo\n\n### Answer B\nBergen\n\n### Verdict",
    "Is it 12345 or 3.14? We'll see.\n",
    "答案一 [[x]] naïve 👩‍👧 e\u0301\r\n\tpeople",
    "A",
)
# The judge evaluates two tokens more for spellings other than a mark's own. With random weights every way of writing
# ChatGLM3's two blanks before a mark is as likely as its own, and there are more of them than of any other judge's.
APART = {"chatglm3": 3e-3}


@dataclass(frozen=True)
class Compared:
    """After one content: what the judge reads, what the checkpoint gives, and what it gives without the spellings that
    the judge says it leaves out.
    """

    read: Distribution[str]
    expected: tuple[dict[str, float], float]
    expected_of_read: tuple[dict[str, float], float]


def compared(family, folder):
    """The judge and the checkpoint, after each content."""
    family.write(folder, weights=True, seed=3)
    oracle, logits = Oracle(family, folder), torch_logits(family, folder, seed=3)
    engine = LocalEngine(quantized(folder, "f32", folder / "judge.gguf").path, chat=family.chat, threads=1)
    prompts = [engine.encode(content) for content in CONTENTS]
    work = engine.probabilities(prompts, Reading(VERDICTS), lambda _: True, Batching())
    found = dict(work.answers(lambda *_: None, lambda _: None))
    chat, tokenizer = engine.model.prompts, engine.model.tokenizer
    for index, content in enumerate(CONTENTS):
        unread = candidates_after(tokenizer, chat.end(content), chat.lead, VERDICTS).unread
        expected = [probabilities(oracle, logits, content, VERDICTS, without) for without in ((), unread)]
        yield Compared(found[index], *expected)
    engine.close()


def difference(read, expected):
    return max(abs(read.p[verdict] - expected[0][verdict]) for verdict in VERDICTS.values())


def largest_differences(family, folder):
    """The largest difference of a probability from the checkpoint's: with all spellings, with those that are read."""
    found = list(compared(family, folder))
    return (
        max(difference(one.read, one.expected) for one in found),
        max(difference(one.read, one.expected_of_read) for one in found),
    )


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("name", FAMILIES)
def test_a_verdict_has_the_probability_that_the_checkpoint_gives_it(name, tmp_path):
    for one in compared(FAMILIES[name], tmp_path / "checkpoint"):
        assert difference(one.read, one.expected_of_read) < 1e-5
        assert one.read.mass == pytest.approx(one.expected_of_read[1], rel=1e-4)
        assert difference(one.read, one.expected) < APART.get(name, 1e-3)
        missing = one.expected[1] - one.expected_of_read[1]
        assert -1e-12 < missing <= one.read.unread


@pytest.mark.parametrize("name", FAMILIES)
def test_as_the_engine_computes_by_default_it_is_nearly_the_same(name, tmp_path):
    for one in compared(FAMILIES[name], tmp_path / "checkpoint"):
        assert difference(one.read, one.expected_of_read) < 1e-3
