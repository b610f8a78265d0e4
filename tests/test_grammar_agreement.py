"""Three readers of every grammar file agree over real vocabularies: llama.cpp's engine, our parser, Outlines' index.

The vocabularies lie beside the project (llama.cpp's ggml-vocab-*.gguf); without them only single bytes are tokens.
"""

import codecs
import ctypes
import random
import re
from pathlib import Path

import llama_cpp.llama_cpp as llama
import numpy as np
import pytest
from gbnf_expression import expression as expression_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llama_grammar import Grammars, LlamaGrammar, write_vocabulary

from edge_judge.engine import json_guide
from edge_judge.engine.spelling import spelled
from edge_judge.protocols import gbnf_matcher, grammar

VOCABS = Path(__file__).resolve().parents[2] / "shared" / "vocabs"
PUBLISHED = ("deepseek-llm", "llama-bpe", "llama-spm", "qwen2")
NAMES = grammar.names()
CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])  # llama_token_data
SIGNS = '[]"\\{}\n0123456789ABCabtie ,:.é°日😀'

CALM = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


class Engine(LlamaGrammar):
    """A language as llama.cpp understands it, over any vocabulary."""

    def holds(self, tokens, end):
        llama.llama_sampler_reset(self._sampler)
        return all(map(self.takes, tokens)) and self._admits(end)

    def takes(self, token):
        """Whether a token is allowed; if so, the text goes on with it. Any other would abort the process."""
        if admitted := self._admits(token):
            llama.llama_sampler_accept(self._sampler, token)
        return admitted

    def restart(self):
        llama.llama_sampler_reset(self._sampler)

    def allowed(self, count):
        """Whether each of the first tokens is allowed."""
        candidates = np.zeros(count, CANDIDATE)
        candidates["id"] = np.arange(count)
        pointer = candidates.ctypes.data_as(ctypes.POINTER(llama.llama_token_data))
        array = llama.llama_token_data_array(pointer, count, -1, False)
        llama.llama_sampler_apply(self._sampler, ctypes.byref(array))
        allowed = np.zeros(count, bool)
        allowed[candidates["id"]] = np.isfinite(candidates["logit"])
        return allowed


def left_over(raw):
    """The bytes of a character that has only begun; None where the bytes cannot be the beginning of a text."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(raw)
    except UnicodeDecodeError:
        return None
    return decoder.getstate()[0]


class Vocabulary(Grammars):
    """A GGUF's vocabulary, and what was made over it so far. whole, begun: the tokens that are text, up to the end of
    a character and into the midst of one; none that ends a text, and none that cannot be UTF-8.
    """

    def __init__(self, path):
        super().__init__(path)
        self.size = llama.llama_vocab_n_tokens(self._vocabulary)
        self.end = llama.llama_vocab_eos(self._vocabulary)
        self.pieces = [self._piece(token) for token in range(self.size)]
        ends = [llama.llama_vocab_is_eog(self._vocabulary, token) for token in range(self.size)]
        over = [None if end or not piece else left_over(piece) for piece, end in zip(self.pieces, ends, strict=True)]
        self.whole = np.array([rest == b"" for rest in over])
        self.begun = np.array([bool(rest) for rest in over])
        self._by_piece = {piece: token for token, piece in enumerate(self.pieces) if not ends[token]}
        self._engines, self._indexes = {}, {}

    def close(self):
        for engine in self._engines.values():
            engine.close()
        super().close()

    def _piece(self, token):
        buffer = ctypes.create_string_buffer(512)
        size = llama.llama_token_to_piece(self._vocabulary, token, buffer, len(buffer), 0, False)
        return buffer.raw[:size]

    def _tokenized(self, text):
        raw = text.encode()
        buffer = (ctypes.c_int32 * (len(raw) + 8))()
        count = llama.llama_tokenize(self._vocabulary, raw, len(raw), buffer, len(buffer), False, False)
        return list(buffer[:count])

    def tokens(self, text):
        """The tokenizer's own tokens of a text that goes on another: SentencePiece puts a space before a first one."""
        lead = self._tokenized("\n") if llama.llama_vocab_type(self._vocabulary) == llama.LLAMA_VOCAB_TYPE_SPM else []
        tokens = self._tokenized("\n" + text)[len(lead) :] if lead else self._tokenized(text)
        assert b"".join(self.pieces[token] for token in tokens) == text.encode(), text
        return tokens

    def cut(self, text, chance):
        """Some tokens of a text, cut where `chance` has it, inside characters too."""
        raw, tokens = text.encode(), []
        while raw:
            fitting = [size for size in range(1, 12) if raw[:size] in self._by_piece and size <= len(raw)]
            size = chance.choice(fitting)
            tokens.append(self._by_piece[raw[:size]])
            raw = raw[size:]
        return tokens

    def engine(self, shape):
        if shape.name not in self._engines:
            self._engines[shape.name] = Engine(self._vocabulary, shape.text)
            assert self._engines[shape.name].ok
        return self._engines[shape.name]

    def index(self, expression):
        if expression not in self._indexes:
            self._indexes[expression] = json_guide.Index(expression, self.pieces, self.end)
        return self._indexes[expression]


@pytest.fixture(scope="module", params=["bytes", *PUBLISHED])
def vocabulary(request, tmp_path_factory):
    path = VOCABS / f"ggml-vocab-{request.param}.gguf"
    if request.param == "bytes":
        path = write_vocabulary(tmp_path_factory.mktemp("bytes") / "bytes.gguf")
    elif not path.is_file():
        pytest.skip(f"no published vocabulary at {path}")
    vocabulary = Vocabulary(path)
    yield vocabulary
    vocabulary.close()


def follows(guide, tokens):
    """Whether a guide allows each of these tokens after those before."""
    for token in tokens:
        if not guide.allows(token):
            return False
        guide.accept(token)
    return True


def said(vocabulary, shape, text, chance):
    """What each reader says of a text, by the tokenizer's own tokens and by others."""
    said = {"parser": gbnf_matcher.matches(shape.rules, text)}
    expression = expression_of(shape.rules)
    for cut, tokens in (("own", vocabulary.tokens(text)), ("other", vocabulary.cut(text, chance))):
        said[f"llama.cpp, {cut} tokens"] = vocabulary.engine(shape).holds(tokens, vocabulary.end)
        if expression is not None:
            guide = vocabulary.index(expression).guide()
            said[f"Outlines, {cut} tokens"] = follows(guide, tokens) and guide.finished
    return said


def near(lines):
    """Texts that some changes make of some lines."""

    @st.composite
    def text(draw):
        text = draw(st.sampled_from(lines))
        for _ in range(draw(st.integers(1, 4))):
            start = draw(st.integers(0, len(text)))
            end = draw(st.integers(start, min(len(text), start + 6)))
            added = draw(st.text(st.sampled_from(SIGNS), max_size=2))
            kept, cut = text[:start], text[start:end]
            text = draw(st.sampled_from([kept + added + cut, kept + added, kept + cut + added + cut])) + text[end:]
        return text

    return text()


@pytest.mark.parametrize("name", NAMES)
def test_every_reader_takes_each_accepted_line_and_no_rejected_one(vocabulary, name):
    shape = grammar.load(name)
    for expected, lines in ((True, shape.accepts), (False, shape.rejects)):
        for line in lines:
            found = said(vocabulary, shape, line, random.Random(line))
            assert found == dict.fromkeys(found, expected), line


@pytest.mark.parametrize("name", NAMES)
def test_every_reader_says_the_same_of_texts_near_the_lines(vocabulary, name):
    shape = grammar.load(name)

    @settings(CALM, max_examples=200 if vocabulary.size < 1000 else 40)
    @given(near([*shape.accepts, *shape.rejects]), st.randoms(use_true_random=False))
    def agree(text, chance):
        found = said(vocabulary, shape, text, chance)
        assert len(set(found.values())) == 1, (text, found)

    agree()


@pytest.mark.parametrize("name", NAMES)
def test_outlines_and_llama_cpp_allow_the_same_tokens_of_the_whole_vocabulary(vocabulary, name):
    """Save where a character has only begun: llama.cpp refuses one if a class like [^°] excludes anything that it might
    become, and takes bytes that are no UTF-8 for any character. Outlines knows what may follow.
    """
    shape = grammar.load(name)
    expression = expression_of(shape.rules)
    assert expression is not None  # a shape that is not regular needs a test of its own
    engine, guide = vocabulary.engine(shape), vocabulary.index(expression).guide()
    engine.restart()
    for token in vocabulary.tokens(max(filter(str.isascii, shape.accepts), key=len))[:12]:
        ours = np.isfinite(guide.allowed(np.zeros(vocabulary.size, np.float32)))
        theirs = engine.allowed(vocabulary.size)
        assert ours[vocabulary.end] == theirs[vocabulary.end] == guide.finished
        wrong = (ours != theirs) & vocabulary.whole | (theirs & ~ours) & vocabulary.begun
        assert [vocabulary.pieces[one] for one in np.flatnonzero(wrong)] == []
        assert engine.takes(token) and follows(guide, [token])


@pytest.mark.parametrize("name", [name for name in NAMES if gbnf_matcher.texts(grammar.load(name).rules) is not None])
def test_the_index_admits_every_step_of_every_path_of_a_ballot(vocabulary, name):
    shape = grammar.load(name)
    legal = gbnf_matcher.texts(shape.rules) or []
    index = vocabulary.index(expression_of(shape.rules))
    texts = [(tuple(vocabulary.tokens(text)), text) for text in legal]
    for path in spelled(texts, vocabulary.pieces.__getitem__, lambda _: None).paths:
        assert follows(index.guide(), path), path
    for tokens, text in texts:
        guide = index.guide()
        assert follows(guide, tokens) and guide.finished, text


BYTES = [bytes([byte]) for byte in range(256)]
TYPED = [name for name in NAMES if "\n# schema: " in grammar.load(name).text]


def both(name):
    """The expression of a grammar's rules and that of its schema."""
    shape = grammar.load(name)
    schema = re.search("^# schema: (.*)$", shape.text, re.MULTILINE)
    return expression_of(shape.rules), json_guide.schema_expression(schema[1])


def automaton(expression):
    """(first state, transitions, final states) over single bytes."""
    index = json_guide.Index(expression, [*BYTES, b""], 256)
    first = index.core.get_next_state(index.core.get_initial_state(), index.first)
    return first, index.core.get_transitions(), index.core.get_final_states()


@pytest.mark.parametrize("name", TYPED)
def test_the_rules_and_the_schema_of_a_grammar_are_one_language(name):
    """By walking both automata at once: wherever any text leads, the same bytes may follow, and it is whole in both or
    in neither. What is left after that is nothing in which the two could differ.
    """
    (first, rules, whole), (other_first, schema, other_whole) = map(automaton, both(name))
    seen, todo = {(first, other_first)}, [(first, other_first)]
    while todo:
        here, there = todo.pop()
        assert (here in whole) == (there in other_whole)
        assert rules[here].keys() == schema[there].keys()
        new = {(state, schema[there][byte]) for byte, state in rules[here].items()} - seen
        seen |= new
        todo += new
    assert any(state in whole for state, _ in seen)


@CALM
@given(st.data())
@pytest.mark.parametrize("name", TYPED)
def test_the_schema_takes_the_texts_that_the_rules_take(name, data):
    shape = grammar.load(name)
    text = data.draw(near([*shape.accepts, *shape.rejects]))
    rules, schema = (bool(re.fullmatch(expression, text)) for expression in both(name))
    assert rules == schema == gbnf_matcher.matches(shape.rules, text)
    for expected, lines in ((True, shape.accepts), (False, shape.rejects)):
        assert all(bool(re.fullmatch(both(name)[1], line)) == expected for line in lines)
