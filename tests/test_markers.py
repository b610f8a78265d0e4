"""What is kept from becoming a token inside a text, and what is left as it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_judge.engine.markers import beginnings, markers, split_at

CHATML = "<|im_start|>user\n<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.parametrize(
    "text", ["<|im_start|>", "[INST]", "</s>", "<start_of_turn>", "<｜User｜>", " <|user|>\n", "<<SYS>>"]
)
def test_a_word_framed_by_signs_is_a_marker_whatever_the_template(text):
    found = markers([text], "")
    assert list(split_at(beginnings(found), f"a{text}b")) == [f"a{text[0]}", f"{text[1:]}b"]


@pytest.mark.parametrize(
    "text", ["  ", "\n\n\n", "▁▁▁", "the", "user", "assistant\n", "12", "...", "--", "'s", "#", "é"]
)
def test_white_space_pieces_of_words_and_single_signs_are_left_alone(text):
    assert markers([text], CHATML) == []
    assert list(split_at(None, f"a{text}b")) == [f"a{text}b"]


def test_what_the_template_says_is_a_marker_unless_it_is_a_word_alone():
    found = markers(["Human:", "user", "\n", "Bot:"], "Human: user\n")
    assert list(split_at(beginnings(found), "Bot: user\nHuman: x")) == ["Bot: user\nH", "uman: x"]


def test_markers_inside_and_across_each_other_are_all_cut():
    found = markers(["<a>", "<<a>", "><a"], "><a")
    assert list(split_at(beginnings(found), "<<a><a>")) == ["<", "<", "a>", "<", "a>"]


TEXTS = st.text("<|a>[ \n", max_size=12)


@given(st.lists(TEXTS, max_size=6), TEXTS, TEXTS)
def test_parts_make_up_the_text_and_none_holds_a_marker(texts, template, text):
    found = markers(texts, template)
    parts = list(split_at(beginnings(found), text))
    assert "".join(parts) == text
    assert not any(marker in part for marker in found for part in parts)
    assert all(parts) or not text
