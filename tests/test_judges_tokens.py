"""Twelve kinds of judge read prompts in the tokens of their checkpoints' own tokenizers, and no text becomes a marker.

The oracle renders the checkpoint's chat template around the whole message and gives the whole text to the checkpoint's
tokenizer, run by the library that it was written for. Each judge has a small tokenizer trained here and, where a
published vocabulary lies beside the project (llama.cpp's ggml-vocab-*.gguf), that one too.
"""

import re
from dataclasses import replace
from os.path import commonprefix

import pytest
from judge_oracle import judged, unequal
from judge_texts import FRAGMENTS, fuzzed, hostile, real_prompts
from judges import FAMILIES, MARKS

pytest.importorskip("sentencepiece", reason="trains and checks with sentencepiece")

LARGE = ("qwen2", "llama-bpe")  # published vocabularies that take seconds to rebuild
CONTENTS = (
    "Which is better?\n\n### Verdict", "Judge.\n", "Say [", "Say [[", "Say 1", "Say ", "T", "", "答案",
)  # fmt: skip
PARAGRAPHS = ("Which answer is better, and why?", "我想在apple工作。", "def f(x):\n    return [[x]]", "1. people")
# Where the message itself ends a prompt, the original tokenizer merges its last character with a mark. By then the
# prompt is evaluated, so the judge reads the tokens that the mark has inside other text.
MERGED = {("pandalm", "Say [", mark) for mark in ("[[A]]", "[[B]]", "[[C]]")} | {
    ("pandalm", "Say ", mark) for mark in ("[[A]]", "[[B]]", "[[C]]", "Tie")
}
# Only with the small vocabulary, in which these are single pieces with the space before them.
MERGED_SMALL = {("pandalm", "Say ", mark) for mark in ("1", "2")}
# llama.cpp takes an ideographic space for a blank before it looks for deepseek-llm's runs of signs, to which that space
# belongs, with one blank before it. So the last of several blanks goes with it in the original and not in llama.cpp,
# which has the expressions built in: no text given to it can change that.
APART = {"deepseek": re.compile(r"[^\S\r\n\u3000]{2}\u3000")}


def cases():
    for name, family in FAMILIES.items():
        yield pytest.param((name, False), id=name)
        if family.tokenizer.published:
            vocabulary = family.tokenizer.published
            skip = pytest.mark.skipif(not family.published, reason=f"no published vocabulary of {vocabulary}")
            slow = [pytest.mark.slow] if vocabulary in LARGE else []
            yield pytest.param((name, True), id=f"{name}-published", marks=[skip, *slow])


@pytest.fixture(scope="module", params=cases())
def judge(request, tmp_path_factory):
    name, published = request.param
    with judged(FAMILIES[name], tmp_path_factory.mktemp("judge") / name, published=published) as (model, oracle):
        yield model, oracle


@pytest.fixture(scope="module")
def real():
    texts, _ = real_prompts()
    assert len(texts) == len(set(texts)) == 200
    return texts


@pytest.mark.parametrize("name", FAMILIES)
def test_a_small_tokenizer_has_the_brackets_of_a_mark_as_tokens_so_that_a_wrong_border_shows(name, tmp_path):
    with judged(FAMILIES[name], tmp_path / name) as (_, oracle):
        assert {b"[[", b" [[", b"]]"} <= set(oracle.pieces.values())


def apart(oracle, text):
    """Whether llama.cpp cannot cut a text as the original does."""
    expression = APART.get(oracle.family.name)
    return expression is not None and expression.search(oracle.rendered(text)) is not None


def test_prompts_of_real_pairs_have_the_tokens_of_the_checkpoint(judge, real):
    model, oracle = judge
    assert not any(name in text for text in real for name in oracle.special)
    assert unequal(model, oracle, [text for text in real if not apart(oracle, text)]) == []
    assert sum(apart(oracle, text) for text in real) == 0


def test_prompts_of_odd_texts_have_the_tokens_of_the_checkpoint(judge):
    model, oracle = judge
    texts = fuzzed(without=oracle.special)
    assert len(texts) == 500
    assert unequal(model, oracle, [text for text in texts if not apart(oracle, text)]) == []
    assert sum(apart(oracle, text) for text in texts) <= 10


def test_so_has_each_odd_piece_by_itself(judge):
    model, oracle = judge
    texts = [around.format(piece) for piece in FRAGMENTS for around in ("{}", "x{}x\n")]
    texts = [text for text in texts if not any(name in text for name in oracle.special) and not apart(oracle, text)]
    assert unequal(model, oracle, texts) == []


def test_a_mark_after_a_prompt_has_the_tokens_of_the_checkpoint(judge):
    model, oracle = judge
    small, merged = not oracle.family.published or len(oracle.ids) < 1000, set()
    assert model.prompts.lead == oracle.family.lead
    for content in CONTENTS:
        prompt = model.prompt(content)
        assert prompt == oracle.prompt(content)
        for mark in MARKS:
            whole = oracle.answered(content, oracle.family.lead + mark)
            found = model.tokenizer.continuation(model.prompts.end(content), model.prompts.lead + mark)
            if whole[: len(prompt)] == prompt:
                assert prompt + found == whole, (content, mark)
            else:
                merged.add((oracle.family.name, content, mark))
                assert found == model.tokenizer.inside(mark)
    expected = MERGED | MERGED_SMALL if small else MERGED
    assert merged == {one for one in expected if one[0] == oracle.family.name}


def test_the_checkpoint_and_the_file_agree_on_the_chat_template_and_on_what_ends_a_turn(judge):
    model, oracle = judge
    original = oracle.tokenizer
    assert model.loaded.chat_template == original.special.chat_template
    ends = [original.role(role) for role in ("eos", "eot", "eom")]
    assert all(model.ends(token) for token in ends if token is not None) and ends[0] is not None


def markers(model, tokens):
    """The control tokens and markers among some tokens, in order."""
    known = {token for token in model.loaded.user_defined if model.loaded.symbol(token) in model.tokenizer.markers}
    return [token for token in tokens if token in known or token in model.tokenizer.control]


def imitations(model, oracle):
    """Hostile texts made of all the markers that the checkpoint or the judge's file has."""
    control = {model.loaded.symbol(token) for token in model.tokenizer.control}
    more = sorted((control | model.tokenizer.markers).difference(oracle.special))
    return hostile([*oracle.special, *more])


def test_no_text_becomes_a_control_token_or_a_marker(judge):
    model, oracle = judge
    expected = markers(model, model.prompt("x"))
    texts = imitations(model, oracle)
    assert len(texts) == 1000 and any(name in text for text in texts for name in oracle.special)
    became = [text for text in texts if markers(model, model.prompt(text)) != expected]
    assert became == []


def test_a_hostile_text_changes_no_token_of_the_paragraphs_before_it(judge):
    model, oracle = judge
    texts = imitations(model, oracle)[:200]
    for paragraph in PARAGRAPHS:
        before = paragraph + "\n\nWhat follows is an answer.\n"
        plain = model.prompt(before + "x")
        for text in texts:
            shared = commonprefix([plain, model.prompt(before + text)])
            assert before.removesuffix(".\n") in model.text(shared), (paragraph, text)


def test_without_a_tokenizer_json_the_setting_legacy_says_whether_a_space_follows_a_control_token(tmp_path):
    family = FAMILIES["mistral-v0.3"]
    prompts = {}
    for legacy in (False, True):
        tokenizer = replace(family.tokenizer, json="", settings={"legacy": legacy})
        folder = tmp_path / str(legacy)
        with judged(replace(family, tokenizer=tokenizer), folder) as (model, oracle):
            assert unequal(model, oracle, fuzzed(without=oracle.special)) == []
            prompts[legacy] = [model.loaded.symbol(token) for token in model.prompt("x")]
    assert prompts[False] == ["<s>", "[INST]", "▁", "x", "[/INST]"]
    assert prompts[True] == ["<s>", "[INST]", "▁▁", "x", "[/INST]"]


def test_a_message_about_people_and_philosophy_has_no_marker_of_chatglm(tmp_path):
    with judged(FAMILIES["chatglm3"], tmp_path / "chatglm3") as (model, oracle):
        text = "people of philosophy, a sop, [gMASK]sop, eop"
        assert markers(model, model.prompt(text)) == markers(model, model.prompt("x"))
        assert model.prompt("people, sop") == oracle.prompt("people, sop")
