"""Spellings: the probability of a text is the sum over all token sequences that spell it, as far as they are read."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_judge.engine import spelling
from edge_judge.engine.spelling import spelled

PIECES = [b"a", b"b", b"ab", b"ba", b"aa", b"bb", b"aba"]
TOKEN = {piece: token for token, piece in enumerate(PIECES)}
MANY = settings(max_examples=80, deadline=None)


def greedy(text):
    """The text's own tokens: the longest piece each time."""
    tokens = []
    while text:
        piece = max((one for one in PIECES if text.startswith(one)), key=len)
        tokens.append(TOKEN[piece])
        text = text[len(piece) :]
    return tuple(tokens)


def chances(seed, begun):
    draw = random.Random(f"{seed} {begun}")
    weights = [draw.random() ** 4 + 1e-6 for _ in PIECES]
    return [weight / sum(weights) for weight in weights]


def chance(seed, tokens):
    return math.prod(chances(seed, tokens[:at])[token] for at, token in enumerate(tokens))


def read(candidates, seed):
    """What an engine reads for candidates."""
    log_p = {
        (continuation[:at], token): math.log(chances(seed, continuation[:at])[token])
        for place, continuation in enumerate(candidates.continuations)
        for at in range(len(continuation) + 1)
        for token in candidates.tokens_at(place, at)
    }
    assert len(log_p) == candidates.size
    return candidates.probabilities(log_p)


def brute_force(texts, seed):
    """Every token sequence of the vocabulary, counted for the text that it has spelled when that is decided."""
    share = dict.fromkeys(texts.values(), 0.0)

    def follow(path, text):
        counted = 0.0
        for token, piece in enumerate(PIECES):
            longer, step = text + piece, (*path, token)
            rivals = {outcome for other, outcome in texts.items() if other.startswith(longer)}
            if not rivals:
                continue
            p = chance(seed, step)
            if len(rivals) == 1:
                share[rivals.pop()] += p
                counted += p
                continue
            deeper = follow(step, longer)
            if longer in texts:
                share[texts[longer]] += p - deeper
                counted += p
            else:
                counted += deeper
        return counted

    return share, follow((), b"")


TEXTS = st.dictionaries(
    st.text("ab", min_size=1, max_size=5).map(str.encode), st.sampled_from(["a", "b", "tie"]), min_size=1, max_size=4
)


@MANY
@given(TEXTS, st.integers(0, 10**6))
def test_with_every_spelling_read_the_shares_are_those_of_all_token_sequences(texts, seed):
    own = [(greedy(text), outcome) for text, outcome in texts.items()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spelling, "FURTHER", 99)
        candidates = spelled(own, PIECES.__getitem__, TOKEN.get)
    found, (share, mass) = read(candidates, seed), brute_force(texts, seed)
    assert not candidates.unread and found.unread == 0
    assert found.mass == pytest.approx(mass)
    assert found.p == pytest.approx({outcome: value / mass for outcome, value in share.items()}, abs=1e-9)
    assert 0 <= found.respelled < 1


@MANY
@given(TEXTS, st.integers(0, 10**6))
def test_what_is_not_read_is_bounded_and_costs_at_most_a_few_tokens_more(texts, seed):
    own = [(greedy(text), outcome) for text, outcome in texts.items()]
    candidates = spelled(own, PIECES.__getitem__, TOKEN.get)
    found, (share, mass) = read(candidates, seed), brute_force(texts, seed)
    missing = mass - found.mass
    assert -1e-9 < missing <= found.unread + 1e-9
    for outcome, value in share.items():
        assert abs(found.p[outcome] * found.mass - value) <= found.unread + 1e-9
    evaluated = {one[:at] for one in candidates.continuations for at in range(1, len(one) + 1)}
    needed = {tokens[:at] for tokens, _ in own for at in range(1, len(tokens))}
    assert len(evaluated - needed) <= spelling.FURTHER


def test_of_two_texts_that_differ_at_the_end_only_what_is_undecided_is_evaluated():
    texts = [(greedy(b"abaa"), "a"), (greedy(b"abab"), "b")]
    candidates = spelled(texts, PIECES.__getitem__, TOKEN.get)
    assert (TOKEN[b"aba"],) in candidates.continuations  # the own tokens up to where they differ
    assert candidates.paths[TOKEN[b"aba"], TOKEN[b"a"]] == "a"
    assert candidates.paths[TOKEN[b"aba"], TOKEN[b"b"]] == "b"


def test_a_second_spelling_is_added_and_its_share_told():
    texts = [(greedy(b"bba"), "a"), (greedy(b"bbb"), "b")]
    candidates = spelled(texts, PIECES.__getitem__, TOKEN.get)
    two, one = (TOKEN[b"bb"],), (TOKEN[b"b"], TOKEN[b"b"])
    log_p = {}
    for place, continuation in enumerate(candidates.continuations):
        for at in range(len(continuation) + 1):
            for token in candidates.tokens_at(place, at):
                log_p[continuation[:at], token] = math.log(1e-9)
    log_p[(), TOKEN[b"bb"]], log_p[two, TOKEN[b"a"]] = math.log(0.6), math.log(1.0)
    log_p[(), TOKEN[b"b"]], log_p[one[:1], TOKEN[b"b"]], log_p[one, TOKEN[b"a"]] = math.log(0.2), 0.0, 0.0
    found = candidates.probabilities(log_p)
    assert found.p["a"] == pytest.approx(1, abs=1e-6)
    assert found.mass == pytest.approx(0.8, abs=1e-6)
    assert found.respelled == pytest.approx(0.25, abs=1e-6)


def test_a_token_that_no_text_of_the_tokenizer_has_is_not_looked_for():
    candidates = spelled([((TOKEN[b"a"],), "a"), ((TOKEN[b"b"],), "b")], PIECES.__getitem__, lambda _: None)
    assert candidates.paths == {(TOKEN[b"a"],): "a", (TOKEN[b"b"],): "b"}
    assert candidates.continuations == ((),) and not candidates.unread
