"""Candidates: probabilities of verdicts, against every possible continuation of a small random model."""

import itertools
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_judge.engine.spelling import spelled
from edge_judge.inference import Distribution

VOCABULARY = range(4)
MANY = settings(max_examples=80, deadline=None)
TEXTS = st.dictionaries(
    st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=3).map(tuple),
    st.sampled_from(["a", "b", "tie"]),
    min_size=1,
    max_size=6,
)


def candidates(texts):
    """The candidates of texts in a vocabulary in which every text has one spelling: a token is a byte."""
    return spelled(texts, lambda token: bytes([token]), lambda _: None)


class Toy:
    """A model with a distribution of its own after every beginning."""

    def __init__(self, seed):
        self.seed = seed

    def chances(self, begun):
        draw = random.Random(f"{self.seed} {begun}")
        weights = [draw.random() ** 4 + 1e-6 for _ in VOCABULARY]
        return [weight / sum(weights) for weight in weights]

    def chance(self, tokens):
        return math.prod(self.chances(tokens[:at])[token] for at, token in enumerate(tokens))

    def asked(self, paths):
        """What the engine reads for candidates: the log-probabilities after each token of a continuation."""
        return {
            (continuation[:read], token): math.log(self.chances(continuation[:read])[token])
            for which, continuation in enumerate(paths.continuations)
            for read in range(len(continuation) + 1)
            for token in paths.tokens_at(which, read)
        }


def deciding(text, texts):
    """The shortest beginning of a text from which every legal continuation gives the same verdict."""
    for length in range(1, len(text)):
        rivals = {label for other, label in texts.items() if other[:length] == text[:length]}
        if len(rivals) == 1:
            return text[:length]
    return text


def brute_force(toy, texts):
    """Every continuation of full length counts for the longest deciding beginning it has."""
    decided = {deciding(text, texts): label for text, label in texts.items()}
    share = dict.fromkeys(texts.values(), 0.0)
    depth = max(map(len, decided))
    for tokens in itertools.product(VOCABULARY, repeat=depth):
        held = [tokens[:length] for length in range(depth, 0, -1) if tokens[:length] in decided]
        if held:
            share[decided[held[0]]] += toy.chance(tokens)
    mass = sum(share.values())
    return {label: value / mass for label, value in share.items()}, mass


@MANY
@given(TEXTS, st.integers(0, 10**6))
def test_shares_and_mass_are_those_of_all_continuations_counted_one_by_one(texts, seed):
    toy = Toy(seed)
    paths = candidates(list(texts.items()))
    distribution = paths.probabilities(toy.asked(paths))
    p, mass = distribution.p, distribution.mass
    expected, expected_mass = brute_force(toy, texts)
    assert mass == pytest.approx(expected_mass, rel=1e-9)
    assert mass <= 1 + 1e-12
    assert p == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert math.fsum(p.values()) == pytest.approx(1)


@MANY
@given(TEXTS)
def test_the_continuations_offer_every_wanted_probability_and_none_repeats_another(texts):
    paths = candidates(list(texts.items()))
    asked = Toy(0).asked(paths)
    assert len(asked) == paths.size
    assert all((path[:at], token) in asked for path in paths.paths for at, token in enumerate(path))
    for one, other in itertools.permutations(paths.continuations, 2):
        assert other[: len(one)] != one


@MANY
@given(TEXTS, st.lists(st.integers(0, 9), min_size=1, max_size=4).map(tuple))
def test_each_continuation_is_a_query_read_from_the_prompts_last_token_on(texts, prompt):
    paths = candidates(list(texts.items()))
    for continuation, query in zip(paths.continuations, paths.queries(prompt), strict=True):
        assert query.tokens == prompt + continuation
        assert query.positions == range(len(prompt) - 1, len(query.tokens))


def test_a_verdict_that_begins_another_has_only_what_does_not_go_on():
    one, nought = 1, 0
    paths = candidates([((one,), "a"), ((one, nought), "b"), ((3, 2), "tie")])
    log_p = {
        ((), one): math.log(0.6),
        ((one,), nought): math.log(0.25),
        ((), 3): math.log(0.2),
    }
    distribution = paths.probabilities(log_p)
    p, mass = distribution.p, distribution.mass
    assert mass == pytest.approx(0.8)
    assert p == pytest.approx({"a": 0.45 / 0.8, "b": 0.15 / 0.8, "tie": 0.2 / 0.8})


def test_marks_that_differ_in_one_token_need_one_evaluation():
    paths = candidates([((8, 1, 9), "a"), ((8, 2, 9), "b"), ((8, 3, 9), "tie")])
    assert paths.continuations == ((8,),)
    assert paths.paths == {(8, 1): "a", (8, 2): "b", (8, 3): "tie"}
    assert paths.tokens_at(0, 0) == [8]
    assert paths.tokens_at(0, 1) == [1, 2, 3]


def test_verdicts_of_one_token_need_nothing_after_the_prompt():
    paths = candidates([((1,), "a"), ((2,), "b")])
    assert paths.continuations == ((),)
    assert [query.tokens for query in paths.queries((5, 6))] == [(5, 6)]


def test_verdicts_far_below_what_a_float_can_hold_are_still_told_apart():
    paths = candidates([((1,), "a"), ((2,), "b")])
    distribution = paths.probabilities({((), 1): -2000.0, ((), 2): -2000.0 - math.log(3)})
    assert distribution.p == pytest.approx({"a": 0.75, "b": 0.25})
    assert distribution.mass == 0.0


def test_impossible_verdicts_are_equally_likely_and_have_no_mass():
    paths = candidates([((1,), "a"), ((2,), "b")])
    assert paths.probabilities({((), 1): -math.inf, ((), 2): -math.inf}) == Distribution({"a": 0.5, "b": 0.5}, 0.0)
