"""Sizes, counts, signs and times as text: three digits, never an exponent, and the order of the numbers."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge_judge.quantities import UNITS, counted, megabytes, parameters, short_time, signed, signed_number, size

MINUS = "\N{MINUS SIGN}"
SCALE = {"B": 1, **{unit: 1000**power for power, unit in enumerate(UNITS, start=1)}}
BYTES = st.integers(0, 10**18)
EDGES = (0, 1, 999, 1000, 9_994, 9_995, 99_949, 99_950, 999_499, 999_500, 999_999, 10**9 - 1, 10**12 - 1)


def read(text: str) -> float:
    number, unit = text.split()
    return float(number.replace(",", "")) * SCALE[unit]


@given(BYTES)
@example(999_500)
@example(9_995)
def test_a_size_can_be_read_back_to_three_digits_and_has_no_exponent(count: int) -> None:
    text = size(count)
    assert re.fullmatch(r"\d{1,3} B|(\d\.\d\d|\d\d\.\d|\d{3}) [kMGT]B|(\d\.\d\d|\d\d\.\d|\d{3}|1,000) PB", text)
    assert abs(read(text) - count) <= 0.0051 * count


@given(BYTES, BYTES)
def test_a_larger_file_never_looks_smaller(one: int, other: int) -> None:
    small, large = sorted((one, other))
    assert read(size(small)) <= read(size(large))


def test_sizes_at_the_edges_of_their_units() -> None:
    assert [size(count) for count in EDGES] == [
        "0 B", "1 B", "999 B", "1.00 kB", "9.99 kB", "10.0 kB", "99.9 kB", "100 kB", "999 kB", "1.00 MB", "1.00 MB",
        "1.00 GB", "1.00 TB",
    ]  # fmt: skip
    assert megabytes(6_020_400_000) == "6,020 MB"


@given(st.integers(0, 10**14))
def test_parameters_have_three_digits_and_no_exponent(count: int) -> None:
    assert re.fullmatch(r"\d{1,3}|(\d\.\d\d|\d\d\.\d|\d{3})[KMBT]", parameters(count))


@given(st.floats(1e-6, 900))
def test_a_short_time_can_be_read_back_and_has_no_exponent(seconds: float) -> None:
    number, unit = short_time(seconds).split()
    assert re.fullmatch(r"\d+(\.\d+)?", number)
    told = float(number) / (1000 if unit == "ms" else 1)
    assert abs(told - seconds) <= max(0.0051 * seconds, 0.0000051)


@given(st.integers(0, 10**9))
def test_only_one_is_singular(number: int) -> None:
    text, noun = counted(number, "pair").split()
    assert int(text.replace(",", "")) == number and (noun == "pair") == (number == 1)


def test_a_plural_may_be_named_and_a_noun_may_have_words_before_it() -> None:
    assert counted(2, "entry", "entries") == "2 entries"
    assert [counted(points, "point") for points in (1.0, 0.5, 2.0)] == ["1 point", "0.5 points", "2 points"]
    assert counted(1, "more pair") == "1 more pair" and counted(1392, "more pair") == "1,392 more pairs"


@given(st.floats(-1e6, 1e6))
def test_a_difference_has_its_sign_unless_it_is_nothing(number: float) -> None:
    text = signed(number)
    assert "-" not in text and "e" not in text
    assert (text[0] in f"+{MINUS}") == (float(text.replace(MINUS, "-")) != 0)
    assert abs(float(text.replace(MINUS, "-")) - number) <= 0.0500001


@pytest.mark.parametrize(
    ("number", "form", "text"),
    [(-0.7, ".1f", f"{MINUS}0.7"), (0.8, ".1f", "0.8"), (-0.04, "+.1f", "0.0"), (-1234.5, ",.0f", f"{MINUS}1,234")],
)
def test_a_number_below_zero_has_a_real_minus(number: float, form: str, text: str) -> None:
    assert signed_number(number, form) == text
