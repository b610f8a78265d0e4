"""The page of a training's curve."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from edge_judge.records import CurvePoint
from edge_judge.report import training_curve

CURVE = [
    CurvePoint(0, None, 1.5, 10, 40, 1.0),
    CurvePoint(5, 0.9, 0.75, 24, 40, 9.0),
    CurvePoint(10, 0.4, 0.8, 30, 40, 17.0),
]


def test_the_page_says_what_the_best_measurement_is_and_needs_nothing_else() -> None:
    page = training_curve.build(CURVE, 20, "a <judge>")
    assert "Lowest validation loss: 0.7500 after step 5 of 20, with 24 of 40 verdicts correct." in page
    assert "a &lt;judge&gt;" in page and "<judge>" not in page
    assert not re.search(r"https?://|<script|<link|@import", page)
    HTMLParser().feed(page)


def test_each_line_has_a_dot_for_each_measurement_that_it_has() -> None:
    page = training_curve.build(CURVE, 20, "judge")
    losses, right = re.findall(r"<svg.*?</svg>", page)
    assert losses.count("<circle") == 3 + 2 and right.count("<circle") == 3
    heights = [float(y) for y in re.findall(r'<circle class="dot" cx="[\d.]+" cy="([\d.]+)"', right)]
    assert heights == sorted(heights, reverse=True)


def test_a_single_measurement_has_a_page_as_well() -> None:
    assert training_curve.build(CURVE[:1], 20, "judge").count("<svg") == 2
