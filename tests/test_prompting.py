"""Prompts that do not fit: refused with a count, or the longer answer loses its middle, alike in both orders."""

import re
from contextlib import closing
from dataclasses import replace

import pytest
from checkpoints import make_checkpoint, qwen2_config
from hypothesis import given
from hypothesis import strategies as st

from edge_judge.engine import LocalEngine, local
from edge_judge.errors import ModelError
from edge_judge.judging import prompting
from edge_judge.judging.judge import judge
from edge_judge.protocols import grammar
from edge_judge.protocols.protocol import Protocol, Question
from edge_judge.records import ORDERS, Pair, ProgressListener
from quantize import build
from quantize.metadata import Provenance

CONTEXT = 1500
CONFIG = qwen2_config(num_hidden_layers=1, intermediate_size=256, vocab_size=304, max_position_embeddings=CONTEXT)
NAMES = ["pairwise", "pointwise", "pairwise-cot", "none", "rubric", "reference", "pairwise-json"]
MARK = re.compile(r"\n\[… (\d+) characters left out …\]\n")
LONG = "".join(f"{n} is it. " for n in range(400))
FITS = Pair("fits", "Say so.", "so", "no")
WIDE = Pair("wide", "Say it.", "it", LONG)
BOTH = Pair("both", "Say it.", LONG[:2000], LONG)
ENDLESS = Pair("endless", "Say it. " * 500, "it", LONG)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prompts")
    make_checkpoint(folder / "model", CONFIG, seed=3)
    path = build.quantize(
        build.FolderSource(folder / "model", "tiny"), "f16", build.BuildOptions(folder / "tiny.gguf", threads=1)
    ).path
    with closing(LocalEngine(path, threads=1)) as opened:
        yield opened


def asking(name, *, truncate=True):
    shape = grammar.load(name)
    return Protocol(shape, written=8 if shape.kind.writes else None, criteria=("Short.",), truncate=truncate)


class Told(ProgressListener):
    """Keeps the progress that it hears of."""

    def __init__(self, done):
        self._done = done

    def progress(self, progress):
        self._done.append(progress)


def made(engine, protocol, *pairs):
    """pair's id -> its prompts in both orders."""
    questions = [Question(pair, order) for pair in pairs for order in ORDERS]
    found = prompting.make_prompts(engine, protocol, questions)
    assert [prompt.question for prompt in found] == sorted(prompt.question for prompt in found)
    return {pair.id: [one for one in found if questions[one.question].pair is pair] for pair in pairs}


def room(protocol):
    return CONTEXT - protocol.limit - local.SPARE


@pytest.mark.parametrize("name", NAMES)
def test_prompts_that_do_not_fit_are_refused_with_a_count_before_anything_is_evaluated(engine, name):
    questions = [Question(pair, order) for pair in (FITS, WIDE, BOTH) for order in ORDERS]
    done = []
    count, total = (6, 12) if name == "pointwise" else (4, 6)
    with pytest.raises(ModelError, match=f"^{count} of {total} prompts do not fit .* of {CONTEXT} tokens") as caught:
        judge(engine, asking(name, truncate=False), questions, listener=Told(done))
    assert done == []
    assert "--truncate answers" in caught.value.hint


@pytest.mark.parametrize("name", NAMES)
def test_a_question_too_long_by_itself_is_refused_even_so(engine, name):
    questions = [Question(pair, order) for pair in (FITS, WIDE, ENDLESS) for order in ORDERS]
    done = []
    with pytest.raises(ModelError, match=f"^{4 if name == 'pointwise' else 2} of ") as caught:
        judge(engine, asking(name), questions, listener=Told(done))
    assert done == []
    longest = int(re.search(r"longest: (\d+)", str(caught.value))[1])
    assert longest > room(asking(name))
    assert "--truncate" not in caught.value.hint and "leave these pairs out" in caught.value.hint


def test_a_bound_that_leaves_no_room_for_any_prompt_is_what_is_to_be_changed(engine):
    protocol = replace(asking("pairwise-cot", truncate=False), written=CONTEXT)
    with pytest.raises(ModelError, match="^2 of 2 prompts do not fit ") as caught:
        made(engine, protocol, FITS)
    assert "--reasoning" in caught.value.hint and "--truncate" not in caught.value.hint


@pytest.mark.parametrize("name", NAMES)
def test_the_longer_answer_loses_its_middle_and_the_rest_stays(engine, name):
    protocol = asking(name)
    found = made(engine, protocol, FITS, WIDE, BOTH)
    for prompt in found["wide"]:
        question, *answers = prompt.texts
        first, second = answers if prompt.question % 2 == 0 else answers[::-1]
        assert (question, first) == (WIDE.question, "it")
        (left_out,) = MARK.findall(second)
        beginning, _, end = MARK.split(second)
        assert LONG.startswith(beginning) and LONG.endswith(end)
        assert len(beginning) - len(end) in (0, 1)
        assert len(beginning) + len(end) + int(left_out) == len(LONG)
        assert prompt.encoded.size <= room(protocol)
    longest = max(prompt.encoded.size for prompt in found["wide"])
    assert longest > room(protocol) - 20  # no more is lost than must be


@pytest.mark.parametrize("name", NAMES)
def test_both_orders_show_the_same_shortened_answers(engine, name):
    found = made(engine, asking(name), WIDE, BOTH)
    for pair in (WIDE, BOTH):
        ab, ba = (next(one.texts[1:] for one in found[pair.id] if one.question % 2 == order) for order in (0, 1))
        assert ab == ba[::-1]
    a, b = found["both"][0].texts[1:]
    kept = [len("".join(MARK.split(text)[::2])) for text in (a, b)]
    assert kept[0] == min(len(BOTH.a), kept[1])  # cut down to one length, if both are cut


@pytest.mark.parametrize("name", NAMES)
def test_pairs_that_fit_are_as_they_would_be_among_themselves(engine, name):
    among, by_itself = made(engine, asking(name), WIDE, FITS, BOTH), made(engine, asking(name, truncate=False), FITS)
    assert [prompt.encoded for prompt in among["fits"]] == [prompt.encoded for prompt in by_itself["fits"]]
    assert all(prompt.texts[1:] in (("so", "no"), ("no", "so")) for prompt in among["fits"])


@pytest.mark.parametrize("name", NAMES)
def test_a_verdict_tells_whether_an_answer_of_its_pair_was_shortened(engine, name):
    questions = [Question(pair, order) for pair in (FITS, WIDE, BOTH) for order in ORDERS]
    found = {(verdict.id, verdict.order): verdict.truncated for verdict in judge(engine, asking(name), questions)}
    assert found == {question.key: question.pair is not FITS for question in questions}


def test_pairs_of_one_name_are_each_shortened_for_themselves(engine):
    other = replace(WIDE, b=LONG[::-1])
    questions = [Question(WIDE, "ab"), Question(other, "ab")]
    first, second = prompting.make_prompts(engine, asking("pairwise"), questions)
    assert first.texts[2].startswith(LONG[:50]) and second.texts[2].startswith(LONG[::-1][:50])


def test_a_pair_of_which_only_one_order_does_not_fit_is_shortened_in_both(tmp_path):
    shape = grammar.load("pandalm")
    field = {meant: f"{{{name}}}" for name, meant in shape.fields.items()}
    prompt = f"{field['question']}\nFirst: {field['a']}\nSecond:\n{field['b']}\n\n"
    make_checkpoint(tmp_path / "model", CONFIG, seed=3)
    built = build.quantize(
        build.FolderSource(tmp_path / "model", "it", Provenance(prompt=prompt)),
        "f16",
        build.BuildOptions(tmp_path / "it.gguf", threads=1),
    )
    with closing(LocalEngine(built.path, threads=1)) as loaded:
        pair = Pair("near", "Say it.", LONG, "the lazy dog")  # " the" is one token, "\nthe" is more
        sizes = [one.encoded.size for one in made_freely(loaded, pair)]
        assert sizes[0] != sizes[1]
        loaded.model.trained_context = min(sizes) + local.SPARE
        found = prompting.make_prompts(
            loaded, Protocol(shape, truncate=True), [Question(pair, order) for order in ORDERS]
        )
        assert [one.truncated for one in found] == [True, True]
        assert found[0].texts[1:] == found[1].texts[:0:-1]
        loaded.model.trained_context = max(sizes) + local.SPARE
        found = prompting.make_prompts(
            loaded, Protocol(shape, truncate=True), [Question(pair, order) for order in ORDERS]
        )
        assert [one.truncated for one in found] == [False, False]


def made_freely(engine, pair):
    """The prompts of a pair in both orders, as if there were room for everything."""
    engine.model.trained_context = 10**6
    questions = [Question(pair, order) for order in ORDERS]
    return prompting.make_prompts(engine, Protocol(grammar.load("pandalm")), questions)


@given(st.text(st.sampled_from("ab\n…日 "), max_size=300), st.integers(0, 200))
def test_a_shortened_text_is_its_beginning_its_end_and_a_mark_of_what_is_missing(text, characters):
    shown = prompting._without_middle(text, characters)
    assert len(shown) <= len(text)
    if len(text) <= characters + len(prompting.LEFT_OUT):
        assert shown == text
        return
    mark = prompting.LEFT_OUT.format(len(text) - characters)
    assert len(shown) == characters + len(mark)
    head = -(-characters // 2)
    assert shown == text[:head] + mark + text[len(text) - (characters - head) :]
