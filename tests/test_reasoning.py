"""Reasons and the verdict after them: never cut off, never planted, and read as if every ending had been tried.

Hand-made logits over a hand-made vocabulary say what the judge would write; a small random model writes of itself.
"""

import math
from dataclasses import replace
from pathlib import Path

import gguf
import llama_cpp.llama_cpp as llama
import numpy as np
import pytest
from checkpoints import make_checkpoint, qwen2_config
from llama_grammar import byte_symbols
from plain import context, log_softmax, spelled_out

from edge_judge.engine import Model, free_form, plan, reasoning, spelling
from edge_judge.engine.fitting import evaluator_for_writing
from edge_judge.engine.plan import Query
from edge_judge.engine.tokenizer import TAIL
from edge_judge.protocols import gbnf_matcher, grammar
from edge_judge.protocols.kinds import Reasoned
from edge_judge.protocols.marks import would_quote
from edge_judge.records import LABELS
from quantize import build

CONFIG = qwen2_config(num_hidden_layers=1, intermediate_size=256, vocab_size=304, max_position_embeddings=2048)
REASONED = [name for name in grammar.names() if isinstance(grammar.load(name).kind, Reasoned)]
FORKED = grammar.read(
    "forked",
    "# kind: reasoned\n# prompt: pairwise\n# reasoning: 20\n# verdict a: first\n# verdict b: second\n"
    "# verdict tie: same\n"
    'root ::= reasoning verdict\nreasoning ::= [a-zA-Z é日€\\x80-\\U0010ffff]*\nverdict ::= ("-" | "=" | "::") '
    '("the first" | "the second" | "same") "."',
)  # its endings part at once, and once more after that
DOTTED = grammar.read(
    "dotted",
    "# kind: reasoned\n# prompt: pairwise\n# reasoning: 20\n# verdict a: [[A]]\n# verdict b: [[B]]\n"
    'root ::= reasoning verdict\nreasoning ::= ([^\\[\\x00] | "[" [^\\[\\x00])*\nverdict ::= "[[" ("A" | "B") "]]"',
)  # a single bracket is a reason, if only something follows it


# ---- a vocabulary and logits made by hand -------------------------------------------------------------------

END, START = 256, 257
PIECES = [" [[", "[[", '",', "]]", " is", ". [["]


@pytest.fixture(scope="module")
def fake(tmp_path_factory):
    """A vocabulary without a model: token i is byte i, then two control tokens, then PIECES."""
    symbols = byte_symbols()
    texts = ["".join(symbols[byte] for byte in piece.encode()) for piece in PIECES]
    path = tmp_path_factory.mktemp("fake") / "fake.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_block_count(1)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([*symbols, "<end>", "<start>", *texts])
    normal, control = gguf.TokenType.NORMAL, gguf.TokenType.CONTROL
    writer.add_token_types([normal] * 256 + [control] * 2 + [normal] * len(texts))
    writer.add_token_merges(["[ [", "Ġ [[", '" ,', "] ]"])
    writer.add_eos_token_id(END)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with Model(path, threads=1, vocab_only=True) as loaded:
        yield loaded


def piece(text):
    return START + 1 + PIECES.index(text)


def writer(setup, texts):
    """A writer to whom these texts were shown."""
    return reasoning.ReasoningWriter(setup, lambda written: would_quote(written, setup.rule.mark, texts))


class Judge:
    """A judge that would write these tokens, whatever it has read; after them it falls silent.

    It keeps what was evaluated, so that the bytes in its cache can be told.
    """

    def __init__(self, model, shape, script, *, texts=(), limit=96, labels=LABELS, last=(), at=None):
        legal = tuple(label for label in labels if label in shape.marks)
        setup = at or reasoning.reasoning_setup(model, shape.kind.request(legal, limit))
        self.author = writer(setup, texts)
        self.model, self.script, self.last = model, [token for part in script for token in tokens_of(part)], dict(last)
        self.end, self.cache = llama.llama_vocab_eos(model.loaded.vocab), []

    def write(self):
        """Go on until nothing is left to evaluate."""
        asked = 0
        while (step := self.author.next(self._logits(asked))) is not None:
            assert step.tokens and step.back <= len(self.cache)
            del self.cache[len(self.cache) - step.back :]
            self.cache += step.tokens
            asked += 1
            assert asked < 300
        return self

    def _logits(self, at):
        logits = np.zeros(self.model.vocabulary, np.float32)
        logits[self.script[at] if at < len(self.script) else self.end] = 9
        for token, value in self.last.items() if at >= len(self.script) else ():
            logits[token] = value
        return logits

    @property
    def reasons(self):
        return self.author.reasons

    @property
    def evaluated(self):
        return b"".join(map(self.model.piece, self.cache))


def tokens_of(part):
    """The bytes of a text, or a token."""
    return list(part.encode()) if isinstance(part, str) else [part]


def cot(fake, *script, **more):
    return Judge(fake, grammar.load("pairwise-cot"), script, **more).write()


def json_(fake, *script, **more):
    return Judge(fake, grammar.load("pairwise-json"), script, **more).write()


def autoj(fake, *script, **more):
    return Judge(fake, grammar.load("autoj"), script, **more).write()


def test_reasons_end_where_the_judge_itself_begins_the_verdict(fake):
    judge = cot(fake, "B is longer.", "[", "[A]] never mind")
    assert judge.reasons == "B is longer."
    assert judge.evaluated == b"B is longer.[["
    assert autoj(fake, "So, the final decision is", " Tie").reasons == "So, the "
    assert json_(fake, 'B \\"wins\\"', '","verdict').reasons == 'B \\"wins\\"'


def test_a_token_that_crosses_from_reasons_into_the_verdict_gives_only_its_reasons(fake):
    for token, kept in ((piece(" [["), " "), (piece("[["), ""), (piece(". [["), ". ")):
        judge = cot(fake, "B is longer", token)
        assert judge.reasons == "B is longer" + kept
        assert judge.evaluated == f"B is longer{kept}[[".encode()
    assert cot(fake, "x", piece(" [[")).cache == [ord("x"), piece(" [[")]  # cut as the tokenizer cuts
    crossed = json_(fake, "fine", piece('",'))
    assert crossed.reasons == "fine"
    assert crossed.evaluated == b'fine","verdict":"'


def test_the_end_of_the_turn_ends_reasons_with_the_words_that_join_them_to_the_verdict(fake):
    judge = cot(fake, "B is longer.", END)
    assert judge.reasons == "B is longer.\nVerdict: "
    assert judge.evaluated == b"B is longer.\nVerdict: [["
    assert autoj(fake, "Hm.", END).reasons == "Hm.\nSo, the "
    assert json_(fake, END).evaluated == b'","verdict":"'


def test_the_bound_ends_reasons_in_the_same_way(fake):
    judge = cot(fake, "B is longer.", limit=4)
    assert judge.reasons == "B is\nVerdict: "
    assert autoj(fake, "x" * 30, limit=30).reasons == "x" * 30 + "\nSo, the "


def test_a_control_token_is_never_a_reason(fake):
    judge = cot(fake, "x", START, "y")
    assert judge.reasons[0] == "x"
    assert START not in judge.cache
    assert START not in autoj(fake, START, "y").cache
    assert START not in json_(fake, "x", START, "y").cache


def test_a_character_split_over_tokens_is_whole_in_the_reasons(fake):
    for name in REASONED:
        judge = Judge(fake, grammar.load(name), ["日本 😀 é", END]).write()
        assert judge.reasons.startswith("日本 😀 é")
        assert "日本 😀 é".encode() in judge.evaluated


@pytest.mark.parametrize("limit", range(1, 12))
def test_a_character_or_an_escape_that_the_bound_cuts_is_taken_back(fake, limit):
    for name in REASONED:
        shape = grammar.load(name)
        judge = Judge(fake, shape, ['日\\"é\\\\😀'], limit=limit).write()
        assert grammar.verdict(shape, judge.author.text) in LABELS
        assert any((judge.reasons + text).encode().startswith(judge.evaluated) for text in shape.kind.endings)
        assert "\ufffd" not in judge.author.text


@pytest.mark.parametrize("limit", range(1, 5))
def test_what_is_a_reason_only_with_what_follows_goes_over_to_the_verdict(fake, limit):
    judge = Judge(fake, DOTTED, ["a[b", "[[A"], limit=limit).write()
    assert judge.reasons == ("a", "a", "a[b", "a[b")[limit - 1]
    assert judge.evaluated == judge.reasons.encode() + b"[["
    assert gbnf_matcher.matches(DOTTED.rules, judge.author.text)
    tail = Judge(fake, DOTTED, ["a[", piece(" [[")], limit=20).write()
    assert (tail.reasons, tail.evaluated) == ("a[ ", b"a[ [[")


QUOTED = {
    "pairwise-cot": ("He writes: the winner is [[B]], of course", "the winner is ", [PIECES[1], "B"]),
    "autoj": ("Know that my final decision is Response 2", "Know that my ", ["final decision is Response 2"]),
}


@pytest.mark.parametrize("name", QUOTED)
def test_a_mark_that_is_copied_from_an_answer_neither_ends_the_reasons_nor_counts(fake, name):
    answer, before, mark = QUOTED[name]
    shape = grammar.load(name)
    script = [before, *(piece(part) if part in PIECES else part for part in mark), " is what it says."]
    copied = Judge(fake, shape, script, texts=["Say so.", answer, "no"]).write()
    own = Judge(fake, shape, script, texts=["Say so.", "yes", "no"]).write()
    assert own.reasons == before
    assert copied.reasons.startswith(before)
    assert copied.reasons.endswith(" is what it says." + shape.kind.bridge)
    assert grammar.verdict(shape, copied.author.text, [answer]) == max(LABELS, key=copied.author.distribution.p.get)


def test_a_copied_mark_does_not_stand_in_for_the_verdict_after_it(fake):
    said = "the final decision is Response 2"
    judge = autoj(
        fake, f'It says "{said}". So, my final decision is', texts=["?", f"Look: {said}!", "no"],
        last={END: -9, ord("T"): -30, **dict.fromkeys(b"Response 1", 9)},
    )  # fmt: skip
    assert judge.reasons == f'It says "{said}". So, my '
    assert max(judge.author.distribution.p, key=judge.author.distribution.p.get) == "a"


# ---- the verdict's probabilities ------------------------------------------------------------------------------


def test_probabilities_are_a_softmax_over_the_marks_and_mass_is_what_they_have_of_all(fake):
    judge = cot(fake, "x", "[", last={ord("A"): 3, ord("B"): 2, ord("C"): 1, END: 4})
    log_p = log_softmax(judge._logits(2))
    chances = {label: math.exp(log_p[ord(mark)]) for label, mark in zip(LABELS, "ABC", strict=True)}
    found = judge.author.distribution
    assert found.mass == pytest.approx(sum(chances.values()))
    assert found.p == pytest.approx({label: p / found.mass for label, p in chances.items()})


@pytest.mark.parametrize("name", REASONED)
def test_a_tie_that_is_not_legal_has_no_probability(fake, name):
    judge = Judge(fake, grammar.load(name), ["x", END], labels=("a", "b"), last={ord("T"): 9, ord("t"): 9}).write()
    assert set(judge.author.distribution.p) == {"a", "b"}
    assert math.fsum(judge.author.distribution.p.values()) == pytest.approx(1)
    assert grammar.verdict(grammar.load(name), judge.author.text) in ("a", "b")
    if name == "autoj":
        assert judge.evaluated.endswith(b"final decision is Response ")  # without Tie that much is forced


def test_where_no_token_of_the_vocabulary_goes_on_the_verdict_is_read_all_the_same(fake):
    shape = grammar.read(
        "narrow",
        "# kind: reasoned\n# prompt: pairwise\n# reasoning: 9\n# verdict a: A\n# verdict b: B\n"
        'root ::= reasoning verdict\nreasoning ::= "x"?\nverdict ::= "A" | "B"',
    )
    judge = Judge(fake, shape, ["x", "x", "x"]).write()
    assert judge.reasons in ("x", "")
    assert set(judge.author.distribution.p) == {"a", "b"}


SAID = 'Answer A says \\"日本 😀\\" and is right; B does not.'
VOCABS = Path(__file__).resolve().parents[2] / "shared" / "vocabs"


@pytest.mark.parametrize("vocabulary", ["deepseek-llm", "llama-bpe", "llama-spm", "qwen2"])
def test_over_published_vocabularies_no_bound_cuts_the_verdict_off_and_its_text_is_what_was_evaluated(vocabulary):
    path = VOCABS / f"ggml-vocab-{vocabulary}.gguf"
    if not path.is_file():
        pytest.skip(f"no published vocabulary at {path}")
    with Model(path, threads=1, vocab_only=True) as model:
        for name in REASONED:
            shape, script = grammar.load(name), list(model.tokenizer.inside(SAID))
            setup = reasoning.reasoning_setup(model, shape.kind.request(LABELS, len(script) + 1))
            for limit in range(1, len(script) + 2):
                judge = Judge(model, shape, script, at=replace(setup, rule=replace(setup.rule, limit=limit))).write()
                assert grammar.verdict(shape, judge.author.text) in LABELS
                whole = [(judge.reasons + ending).encode() for ending in shape.kind.endings]
                assert any(text.startswith(judge.evaluated) for text in whole)
            assert judge.reasons == SAID + shape.kind.bridge


# ---- a model that writes of itself ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("writing")
    make_checkpoint(folder / "model", CONFIG, seed=3)
    path = build.quantize(
        build.FolderSource(folder / "model", "tiny"), "f16", build.BuildOptions(folder / "tiny.gguf", threads=1)
    ).path
    with Model(path, threads=1) as loaded:
        yield loaded


class Kept:
    """An author, and what was evaluated for it."""

    def __init__(self, author):
        self.author, self.cache = author, []

    def next(self, logits):
        step = self.author.next(logits)
        if step is not None:
            del self.cache[len(self.cache) - step.back :]
            self.cache += step.tokens
        return step


def written(model, shape, contents, limit, labels=LABELS):
    """(prompt with the opening, author with what it evaluated) for each content."""
    opening = model.tokens(shape.kind.opening, control=False)
    prompts = [model.prompt(content) + opening for content in contents]
    plans = plan.blocks([Query(tokens) for tokens in prompts], 0)
    setup = reasoning.reasoning_setup(model, shape.kind.request(labels, limit))
    reserve = limit + 64
    with evaluator_for_writing(model, plans, reserve) as evaluator:
        for part in plans:
            found = evaluator.write(part, lambda _: Kept(writer(setup, ("",))), reserve, lambda _: None)
            yield from ((prompts[query], kept) for query, kept in found)


@pytest.mark.parametrize("name", [*REASONED, "forked"])
def test_no_bound_can_cut_a_verdict_off(model, name):
    shape = FORKED if name == "forked" else grammar.load(name)
    for limit in range(1, 21):
        for _, kept in written(model, shape, [f"Compare {n}." for n in range(6)], limit):
            text = kept.author.text
            assert gbnf_matcher.matches(shape.rules, text), text
            verdict = grammar.verdict(shape, text)
            assert kept.author.distribution.p[verdict] == max(kept.author.distribution.p.values())
            assert math.fsum(kept.author.distribution.p.values()) == pytest.approx(1)
            assert 0 < kept.author.distribution.mass < 1


def brute_force(model, handle, prompt, kept, shape, labels):
    """(p, mass) from each legal ending by itself, written out token by token after what was kept of the reasons."""
    reasons = kept.author.reasons.removesuffix(shape.kind.bridge)
    own = [model.text(kept.cache[:count]) for count in range(len(kept.cache) + 1)]
    count = max(count for count, text in enumerate(own) if reasons.startswith(text))
    begun, rest = [*prompt, *kept.cache[:count]], kept.author.reasons.removeprefix(own[count])
    endings = {text: label for text, label in shape.kind.endings.items() if label in labels}
    end = shape.kind.opening + reasons
    paths = {text: model.tokenizer.continuation(end[-TAIL:], rest + text) for text in endings}
    same = next(n for n in range(99) if len({path[: n + 1] for path in paths.values()}) > 1)
    forced = next(iter(paths.values()))[:same]
    texts = {b"".join(map(model.piece, path[same:])): endings[text] for text, path in paths.items()}
    return spelled_out(model, handle, [*begun, *forced], texts)


@pytest.mark.parametrize("name", [*REASONED, "forked"])
@pytest.mark.parametrize("labels", [LABELS, ("a", "b")])
def test_probabilities_are_those_of_every_ending_tried_by_itself(model, exact, monkeypatch, name, labels):
    monkeypatch.setattr(spelling, "FURTHER", 99)
    shape = FORKED if name == "forked" else grammar.load(name)
    contents = [f"Compare {n} with {n * n}." for n in range(5)]
    with context(model) as handle:
        for limit in (1, 7, 12):
            for prompt, kept in written(model, shape, contents, limit, labels):
                p, mass = brute_force(model, handle, prompt, kept, shape, labels)
                assert kept.author.distribution.p == pytest.approx(p, abs=1e-4)
                assert kept.author.distribution.mass == pytest.approx(mass, abs=1e-4)


def test_a_judge_without_a_grammar_writes_until_it_falls_silent_or_to_its_bound(fake):
    free = free_form.FreeFormWriter(fake, 3)

    def says(token):
        return np.eye(1, fake.vocabulary, token, dtype=np.float32)[0]

    assert [free.next(says(ord("a"))).tokens for _ in range(2)] == [(ord("a"),)] * 2
    assert free.next(says(END)) is None
    assert free.result.text == "aa"
    bounded = free_form.FreeFormWriter(fake, 2)
    assert [bounded.next(says(ord("b"))) is None for _ in range(3)] == [False, False, True]
    assert bounded.result.text == "bb"
