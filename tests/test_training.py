"""What a judge learns from a pair: the prompt that eval asks, the reply, both orders; how pairs are kept back, and the
order of steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_judge.engine import LocalEngine, Model
from edge_judge.errors import DataError, ModelError, UsageError
from edge_judge.judging.judge import prepare
from edge_judge.pocket import CHECKPOINT
from edge_judge.protocols import grammar as grammars
from edge_judge.protocols.protocol import Protocol, Question
from edge_judge.records import ORDERS, Label, Pair, TrainingPair, to_pair_order
from edge_judge.training import replies
from edge_judge.training.batches import Batches, LearnedText, grouped
from edge_judge.training.examples import Example, ExampleMaker
from edge_judge.training.recipe import Recipe
from edge_judge.training.split import split
from quantize import vocabulary_file
from quantize.source import FolderSource

QUESTION = "Repeat these words: dog cat"
GRAMMARS = ("pairwise", "pairwise-cot", "pairwise-json", "none", "reference", "rubric")


def pair(label: Label = "a", reasons: str | None = "{a} is right, {b} is [not].", **fields: str) -> TrainingPair:
    texts = {"id": "1", "question": QUESTION, "a": "dog cat", "b": "cat dog"} | fields
    return TrainingPair(Pair(**texts, labels=(label,)), reasons)


def protocol(name: str, **options: object) -> Protocol:
    return Protocol(grammars.load(name), **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    out = tmp_path_factory.mktemp("vocabulary") / "pocket.gguf"
    vocabulary_file.write(FolderSource(CHECKPOINT, "pocket"), out.parent, out)
    with Model(out, vocab_only=True) as model:
        yield model


# ---- replies ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", ["a", "b", "tie"])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", GRAMMARS)
def test_every_reply_is_a_legal_text_of_the_grammar_that_gives_the_label(name: str, order: str, label: Label) -> None:
    asked = protocol(name)
    text = replies.reply(asked, pair(label), Question(pair(label).pair, order))  # type: ignore[arg-type]
    assert text is not None
    assert grammars.verdict(asked.grammar, text) == to_pair_order(order, label)  # type: ignore[arg-type]


def test_reasons_name_the_answers_as_the_prompt_does_in_either_order() -> None:
    asked, learned = protocol("pairwise-cot"), pair("a", "{a} is right, {b} is [not].")
    given_, swapped = (replies.reply(asked, learned, Question(learned.pair, order)) for order in ORDERS)
    assert given_ == "Answer A is right, Answer B is (not).\nVerdict: [[A]]"
    assert swapped == "Answer B is right, Answer A is (not).\nVerdict: [[B]]"
    as_autoj = replies.reply(protocol("autoj"), learned, Question(learned.pair, "ba"))
    assert as_autoj == "Response 2 is right, Response 1 is [not].\nSo, the final decision is Response 2"


def test_reasons_that_name_no_answer_are_learned_in_the_given_order_alone() -> None:
    asked, learned = protocol("pairwise-cot"), pair("a", "The first is better.")
    assert replies.reply(asked, learned, Question(learned.pair, "ab")) is not None
    assert replies.reply(asked, learned, Question(learned.pair, "ba")) is None
    assert replies.reply(asked, pair("a", None), Question(learned.pair, "ab")) is None


@given(st.text(max_size=60), st.sampled_from(["pairwise-cot", "pairwise-json"]))
def test_any_reasons_make_a_legal_reply_or_none(reasons: str, name: str) -> None:
    asked, learned = protocol(name), pair("b", reasons)
    text = replies.reply(asked, learned, Question(learned.pair, "ab"))
    assert text is None or grammars.verdict(asked.grammar, text) == "b"
    assert text is not None or "\0" in reasons or name == "pairwise-json"


def test_a_protocol_that_rates_answers_one_by_one_is_refused() -> None:
    with pytest.raises(UsageError, match="--grammar pointwise rates each answer by itself"):
        replies.check(protocol("pointwise"))


# ---- examples ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GRAMMARS)
def test_the_prompt_is_the_one_that_eval_asks_and_the_reply_ends_the_turn(vocabulary: Model, name: str) -> None:
    asked, learned = protocol(name, criteria=("It is short.",)), pair("b", reference="dog cat")
    made = ExampleMaker(vocabulary, asked).make([learned])
    questions = [Question(learned.pair, order) for order in ORDERS]
    evaluated = prepare(LocalEngine.of(vocabulary), asked, questions).prompts
    assert [example.prompt for example in made.examples] == [prompt.encoded for prompt in evaluated]
    assert [example.label for example in made.examples] == ["b", "a"]
    for example, question in zip(made.examples, questions, strict=True):
        assert vocabulary.ends(example.reply[-1])
        assert vocabulary.text(example.reply[:-1]) == replies.reply(asked, learned, question)


def test_a_prompt_has_a_second_form_without_reference_only_where_it_shows_one(vocabulary: Model) -> None:
    with_one, without = pair(reference="dog cat"), pair()
    (example, _) = ExampleMaker(vocabulary, protocol("reference")).make([with_one]).examples
    bare = ExampleMaker(vocabulary, protocol("reference")).make([without]).examples[0]
    assert example.bare == bare.prompt.tokens != example.prompt.tokens and bare.bare is None
    assert ExampleMaker(vocabulary, protocol("pairwise")).make([with_one]).examples[0].bare is None


def test_what_cannot_be_learned_is_counted_and_nothing_left_is_an_error(vocabulary: Model) -> None:
    maker = ExampleMaker(vocabulary, protocol("pairwise-cot"), longest=500)
    made = maker.make([pair(), pair(reasons=None), pair(reasons="x"), pair(a="dog " * 600)])
    assert (len(made.examples), made.without_reasons, made.too_long) == (3, 3, 2)
    lengthy = ExampleMaker(vocabulary, protocol("pairwise-cot", written=4)).make([pair()])
    assert (len(lengthy.examples), lengthy.lengthy) == (2, 2)
    with pytest.raises(DataError, match="all 2 examples have no reasons"):
        maker.make([pair(reasons=None)])
    with pytest.raises(DataError, match="all 2 examples are longer than 500 tokens"):
        maker.make([pair(a="dog " * 600)])


def test_long_answers_are_shortened_as_eval_shortens_them(vocabulary: Model) -> None:
    asked, long = protocol("pairwise", truncate=True), pair(a="dog cat " * 600)
    made = ExampleMaker(vocabulary, asked, longest=500).make([long])
    assert made.too_long == 0 and all(example.size <= 500 for example in made.examples)


def test_a_model_without_the_prompt_that_a_trained_in_protocol_asks_with_is_refused(vocabulary: Model) -> None:
    with pytest.raises(ModelError, match="the file has no trained-in judging prompt"):
        ExampleMaker(vocabulary, protocol("autoj"))


def test_a_vocabulary_file_gives_the_tokens_of_the_models_own_file(vocabulary: Model, models: Path) -> None:
    from checkpoints import quantized

    built = quantized(CHECKPOINT, "q8_0", models / "whole.gguf", name="pocket").path
    with Model(built, vocab_only=True) as whole:
        assert whole.prompt(QUESTION) == vocabulary.prompt(QUESTION)
        assert whole.trained_context == vocabulary.trained_context == 16384


# ---- the split --------------------------------------------------------------------------------------------

NAMES = st.sampled_from("pqrst")


@given(st.lists(st.tuples(NAMES, NAMES), min_size=1, max_size=30), st.floats(0.01, 0.9), st.integers(0, 5))
def test_no_question_and_no_group_is_both_learned_and_measured(
    rows: list[tuple[str, str]], share: float, seed: int
) -> None:
    pairs = [
        TrainingPair(Pair(str(number), question, "x", "y", ("a",), group=f"g{group}"))
        for number, (question, group) in enumerate(rows)
    ]
    try:
        parts = split(pairs, share, seed)
    except DataError:
        return
    assert sorted([*parts.learned, *parts.validation], key=pairs.index) == pairs
    assert parts.learned and parts.validation
    for name in ("question", "group"):
        learned = {getattr(one.pair, name) for one in parts.learned}
        assert not learned & {getattr(one.pair, name) for one in parts.validation}
    assert parts == split(pairs, share, seed)


def test_the_share_that_is_kept_back_is_about_the_share_asked_for() -> None:
    pairs = [TrainingPair(Pair(str(number), f"q{number}", "x", "y", ("a",))) for number in range(200)]
    assert len(split(pairs, 0.1, 0).validation) == 20
    assert split(pairs, 0.1, 0) != split(pairs, 0.1, 1)
    with pytest.raises(DataError, match="3 pairs, all of one question or group"):
        split([pair(), pair(), pair()], 0.1, 0)


# ---- the order of steps -----------------------------------------------------------------------------------


def example(size: int, *, bare: bool = False) -> Example:
    from edge_judge.inference import EncodedPrompt

    tokens = tuple(range(1, size + 1))
    return Example(EncodedPrompt("", size, tokens), tokens[1:] if bare else None, (7, 8), "a")


def test_every_epoch_has_every_example_once_in_another_order_which_a_step_alone_decides() -> None:
    examples = [example(size) for size in Random(1).sample(range(2, 99), 23)]
    recipe = Recipe(batch=5, at_once=2, epochs=2, seed=4)
    batches = Batches(examples, recipe)
    assert (batches.per_epoch, batches.steps) == (5, 10)
    steps = [sorted(text.tokens for group in batches.at(step) for text in group) for step in range(10)]
    whole = sorted(example.prompt.tokens + example.reply for example in examples)
    assert sorted(sum(steps[:5], [])) == sorted(sum(steps[5:], [])) == whole
    assert steps[:5] != steps[5:]
    later = Batches(examples, recipe)
    assert sorted(text.tokens for group in later.at(7) for text in group) == steps[7]
    assert Batches(examples, replace(recipe, seed=5)).at(0) != batches.at(0)


def test_a_group_has_texts_of_similar_lengths_and_learns_the_reply_alone() -> None:
    batches = Batches([example(size) for size in (9, 3, 30, 4)], Recipe(batch=4, at_once=2, epochs=1))
    assert [[len(text.tokens) for text in group] for group in batches.at(0)] == [[5, 6], [11, 32]]
    assert {text.learned for group in batches.at(0) for text in group} == {2}
    assert grouped([LearnedText((1, 2, 3), 1)], 4) == [[LearnedText((1, 2, 3), 1)]]


def test_references_are_dropped_about_as_often_as_asked_and_anew_in_each_epoch() -> None:
    recipe = Recipe(batch=400, epochs=2, reference_drop=0.3)
    batches = Batches([example(10, bare=True) for _ in range(400)], recipe)
    dropped = [sum(len(text.tokens) == 11 for group in batches.at(epoch) for text in group) for epoch in (0, 1)]
    assert all(80 <= count <= 160 for count in dropped)
    kept = Batches([example(10, bare=True) for _ in range(400)], replace(recipe, reference_drop=0.0))
    assert {len(text.tokens) for group in kept.at(0) for text in group} == {12}


@pytest.mark.parametrize("wrong", [{"rank": 0}, {"rate": 0.0}, {"rate": float("nan")}, {"dropout": 1.0},
                                   {"validation": 0.0}, {"patience": -1}])  # fmt: skip
def test_a_recipe_out_of_range_is_refused_by_the_name_of_the_setting(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(wrong))} is"):
        Recipe(**wrong)  # type: ignore[arg-type]
