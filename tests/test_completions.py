"""What the likeliest tokens tell of the probabilities of texts: never more than they do."""

import json
import math
import random
from functools import cache
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_grammar import grammars

from edge_judge.engine.completions import Step, completion, distribution, ending_distribution, grammar_of
from edge_judge.engine.endpoint import Unreadable
from edge_judge.engine.window import MOST, ROUND, START, Window

TOKENS = (b"[", b"[[", b"A", b"B", b"[[A", b"]]", b"1", b"10", b"0", b"00", b" ", b"x", b"")
LANGUAGES = (
    {b"[[A]]": "a", b"[[B]]": "b"},
    {b"1": 1, b"10": 10, b"A": 0},
    {b"1": 1, b"10": 10, b"100": 100, b"1000": 1000},
    {b"1": 1, b"100": 100, b"101": 101},
    {b"A": "a", b"B": "b"},
)


def model(seed):
    """The probabilities of the tokens after a text, drawn for each text by itself."""

    @cache
    def after(text):
        drawn = random.Random(f"{seed} {text!r}")
        weights = [drawn.random() ** 3 for _ in TOKENS]
        return tuple((token, weight / sum(weights)) for token, weight in zip(TOKENS, weights, strict=True))

    return after


def written(after, listed, places):
    """The likeliest tokens at each place of a greedy answer."""
    steps, text = [], b""
    for _ in range(places):
        ranked = sorted(after(text), key=lambda entry: -entry[1])
        token, p = ranked[0]
        steps.append(Step(token, p, tuple(ranked[:listed])))
        if not token:
            break
        text = (text + token).lstrip()
    return steps


def exact(after, texts):
    """The probability of each outcome over all token paths."""
    found = dict.fromkeys(texts.values(), 0.0)

    def walk(text, reached, whole):
        if reached < 1e-12:
            return
        for token, p in after(text):
            longer = (text + token).lstrip()
            outcomes = {outcome for other, outcome in texts.items() if other.startswith(longer)}
            if not token or not outcomes:
                continue
            outcome = next(iter(outcomes)) if len(outcomes) == 1 else texts.get(longer)
            if outcome is not None:
                found[outcome] += reached * p
                if whole is not None:
                    found[whole] -= reached * p
            if len(outcomes) > 1:
                walk(longer, reached * p, texts.get(longer, whole))

    walk(b"", 1.0, None)
    return found


@given(st.integers(), st.sampled_from(LANGUAGES), st.integers(1, len(TOKENS)), st.integers(1, 8))
def test_what_is_not_read_is_never_more_than_the_bound_says(seed, texts, listed, places):
    after = model(seed)
    read = distribution(written(after, listed, places), texts)
    whole = exact(after, texts)
    if read is None:
        return
    assert math.isclose(math.fsum(read.p.values()), 1.0) and read.p.keys() == whole.keys()
    assert 0 <= read.mass <= 1 and 0 <= read.unread <= 1 and 0 <= read.respelled <= 1
    for outcome, p in whole.items():
        assert abs(read.p[outcome] * read.mass - p) <= read.unread + 1e-9


@given(st.integers(), st.sampled_from(LANGUAGES))
def test_with_all_tokens_listed_only_other_spellings_are_unread(seed, texts):
    after = model(seed)
    read = distribution(written(after, len(TOKENS), 20), texts)
    if read is not None and read.unread == 0:
        for outcome, p in exact(after, texts).items():
            assert read.p[outcome] * read.mass == pytest.approx(p)


def test_nothing_legal_among_those_listed_is_no_distribution():
    steps = [Step(b"The", 0.7, ((b"The", 0.7), (b"I", 0.2)))]
    assert distribution(steps, LANGUAGES[0]) is None
    assert distribution([], LANGUAGES[0]) is None


def test_a_token_that_a_grammar_forced_counts_though_it_is_not_among_the_likeliest():
    steps = [Step(b"[[", 0.01, ((b"The", 0.9),)), Step(b"A", 0.5, ((b"A", 0.5), (b"B", 0.25)))]
    read = distribution(steps, LANGUAGES[0])
    assert read.p == pytest.approx({"a": 2 / 3, "b": 1 / 3}) and read.mass == pytest.approx(0.0075)
    assert read.unread == pytest.approx(0.09 + 0.01 * 0.25)


def test_an_ending_is_read_where_it_is_decided_also_in_a_token_that_begins_in_the_reasons():
    endings = {"[[A]]": "a", "[[B]]": "b"}
    reasons = Step(b"So", 0.2, ((b"So", 0.2),))
    apart = [reasons, Step(b"[[", 0.3, ((b"[[", 0.3),)), Step(b"A", 0.6, ((b"A", 0.6), (b"B", 0.2)))]
    assert ending_distribution(apart, 2, endings).mass == pytest.approx(0.8)
    across = [Step(b"So", 0.2, ((b"So", 0.2),)), Step(b".[[A", 0.5, ((b".[[A", 0.5), (b".[[B", 0.1)))]
    assert ending_distribution(across, 3, endings).p == pytest.approx({"a": 5 / 6, "b": 1 / 6})


NAMES = ("choices", "message", "content", "logprobs", "top_logprobs", "token", "logprob", "bytes", "usage", "text")
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inside: st.lists(inside) | st.dictionaries(st.sampled_from(NAMES), inside),
)
ALMOST = st.fixed_dictionaries(
    {"choices": st.lists(st.fixed_dictionaries({"message": ANYTHING, "logprobs": ANYTHING}))},
    optional={"usage": ANYTHING},
)


@given(ANYTHING | ALMOST)
def test_any_answer_is_read_or_unreadable(answer):
    try:
        completion(json.loads(json.dumps(answer)))
    except Unreadable:
        pass


def test_a_grammar_of_texts_admits_them_and_nothing_else(tmp_path):
    texts = ['"verdict":"A"}', "[[B]]", "Größe\\"]
    with grammars(tmp_path) as made, made.opened(grammar_of(texts)) as language:
        for text in texts:
            assert language.matches(text) and language.matches(f" {text}")
            assert not language.matches(text[:-1]) and not language.matches(f"{text}x")


# ---- how many are in flight -------------------------------------------------------------------------------


def answers(window, clock, rate, number):
    """Answers at a rate that is a function of how many are in flight. Returns how many were, at each."""
    sizes = []
    for _ in range(number):
        clock += 1 / rate(window.size)
        window.answered(clock)
        sizes.append(window.size)
    return sizes


def test_more_are_in_flight_as_long_as_that_brings_more_answers():
    window = Window()
    answers(window, 0.0, lambda size: 10 * size, 5000)
    assert window.size == MOST
    window = Window()
    sizes = answers(window, 0.0, lambda size: 10 * min(size, 9), 5000)
    assert median(sizes) in range(9, 17)  # 9 are as good as more, which is tried now and then


def test_a_server_with_too_much_to_do_halves_them_once_a_round():
    window = Window()
    for _ in range(START // 2 + 1):  # one after another, of those that were in flight together
        window.failed(overload=True)
    assert window.size == START // 2
    for _ in range(100):
        window.failed(overload=False)
    assert window.size == START // 2
    for _ in range(100):
        window.failed(overload=True)
    assert window.size == 1
    answers(window, 0.0, lambda size: size, 40 * ROUND)
    assert window.size > 1
