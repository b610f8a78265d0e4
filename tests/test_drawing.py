"""The drawing of accuracy: what it says is what was measured, where it says it, and that names can be read."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from judgements import benchmark, run, verdicts
from pages import report

from edge_judge import benchmarks
from edge_judge.records import Figure
from edge_judge.report.page import axes
from edge_judge.report.page.charts import BY_SIZE, BY_SPEED, Chart, Ladder, Point, Rule, fullest, ladders
from edge_judge.report.page.drawing import LARGE, RADIUS, SMALL, drawing
from edge_judge.report.page.labels import Label, Mark, Rectangle, fitted, labels, width
from edge_judge.report.page.svg import NOT_XML, element, text
from edge_judge.runs import folder as run_folder

RECORDED = Path(__file__).parent.parent / "results" / "0.1.0" / "pocket" / "pocket"
LADDER = ("f16", "q8_0", "q6_k", "q4_k_m", "q3_k_m", "q2_k")


@pytest.fixture(scope="module")
def recorded() -> Ladder:
    runs = [run_folder.read_run(RECORDED / scheme / "pairwise") for scheme in LADDER]
    [ladder] = ladders(report(benchmarks.load("pocket"), *runs))
    return ladder


def drawn(ladder: Ladder, chart: Chart = BY_SIZE, across: int = LARGE) -> ElementTree.Element:
    return ElementTree.fromstring(f"<svg>{drawing(ladder, chart, across)}</svg>")


def classed(parts: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [part for part in parts.iter() if part.get("class") == name]


def circle(mark: ElementTree.Element) -> tuple[float, float]:
    [shown] = [part for part in mark.iter("circle") if part.get("class") is None]
    return float(shown.get("cx", "")), float(shown.get("cy", ""))


def ladder(*accuracies: float, sizes: tuple[int, ...] = (), rules: tuple[Rule, ...] = ()) -> Ladder:
    """Schemes named s0, s1 and so on, with intervals of ten points."""
    sizes = sizes or tuple(range(len(accuracies) * 1_000_000, 0, -1_000_000))
    points = [
        Point(place, f"s{place}", Figure(right, right - 0.05, right + 0.05), size, 100.0 + place)
        for place, (right, size) in enumerate(zip(accuracies, sizes, strict=True))
    ]
    return Ladder(("toy", "pocket", "pairwise"), len(points), tuple(points), rules)


@pytest.mark.parametrize("chart", [BY_SIZE, BY_SPEED])
def test_each_scheme_is_a_mark_that_says_its_accuracy(recorded: Ladder, chart: Chart) -> None:
    titles = [title.text for title in drawn(recorded, chart).iter("title")]
    assert len(titles) == len(LADDER)
    for scheme, title, point in zip(LADDER, titles, recorded.points, strict=True):
        right = point.accuracy
        assert right.value is not None and right.low is not None and right.high is not None
        assert title == f"{scheme}: {100 * right.value:.1f} [{100 * right.low:.1f}, {100 * right.high:.1f}] %"


def test_a_better_scheme_stands_higher_and_a_larger_one_further_right() -> None:
    parts = drawn(ladder(0.9, 0.5, 0.7))
    places = [circle(mark) for mark in classed(parts, "point")]
    assert [mark.get("data-run") for mark in classed(parts, "point")] == ["0", "1", "2"]
    assert places[0][1] < places[2][1] < places[1][1] and places[0][0] > places[1][0] > places[2][0]
    middle = (places[0][1] + places[1][1]) / 2
    assert places[2][1] == pytest.approx(middle, abs=0.11)  # accuracy has a linear axis


def test_an_interval_is_drawn_where_there_is_one() -> None:
    with_one = ladder(0.5, 0.7)
    first = replace(with_one.points[0], accuracy=Figure(0.5, None, None))
    marks = classed(drawn(replace(with_one, points=(first, with_one.points[1]))), "point")
    assert [len(list(mark.iter("line"))) for mark in marks] == [0, 1]
    [line] = marks[1].iter("line")
    assert float(line.get("y2", "")) < circle(marks[1])[1] < float(line.get("y1", ""))


def test_the_baseline_and_what_may_be_lost_are_lines_across(recorded: Ladder) -> None:
    parts = drawn(recorded)
    [rule] = classed(parts, "rule")
    at_baseline, below = (float(y) for y in re.findall(r"M[\d.]+,([\d.]+)H", rule.get("d", "")))
    assert at_baseline == circle(classed(parts, "point")[0])[1] < below
    assert "2 points below f16" in [part.text for part in classed(parts, "axis")]
    assert "below" not in drawing(replace(recorded, rules=()), BY_SIZE, LARGE)


def test_no_line_is_drawn_below_zero() -> None:
    judged, said = benchmark("a", "b"), verdicts(("b", "b"), ("a", "a"))
    [none_right] = ladders(report(judged, run(said, "f16"), run(said)))
    assert none_right.rules == (Rule(0.0),)


@pytest.mark.parametrize("across", [LARGE, SMALL])
@pytest.mark.parametrize("chart", [BY_SIZE, BY_SPEED])
def test_names_hide_no_name_and_no_mark_and_stay_in_the_drawing(recorded: Ladder, chart: Chart, across: int) -> None:
    parts = drawn(recorded, chart, across)
    names = [shown(part) for part in classed(parts, "name")]
    caption = [shown(part) for part in classed(parts, "axis") if "below" in (part.text or "")]
    assert [name.name for name in names] == list(LADDER)
    assert not [pair for pair in combinations((*names, *caption), 2) if pair[0].area.overlap(pair[1].area)]
    for x, y in map(circle, classed(parts, "point")):
        mark = Rectangle(x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS)
        assert not any(name.area.overlap(mark) for name in names)
    assert all(0 <= name.area.left and name.area.right <= across for name in names)


def shown(part: ElementTree.Element) -> Label:
    anchor = part.get("text-anchor", "start")
    return Label(float(part.get("x", "")), float(part.get("y", "")), part.text or "", anchor)  # type: ignore[arg-type]


def test_a_name_is_not_set_right_above_or_below_another_mark() -> None:
    left, right = Mark(200, 100, 140, "first"), Mark(222, 90, 140, "second")
    for name in labels([right, left], Rectangle(52, 13, 528, 256)):
        other = left if name.name == "second" else right
        assert not any(name.area.overlap(end) for end in other.ends)


def test_many_schemes_of_about_one_size_still_have_names_that_can_be_read() -> None:
    crowd = [Mark(200 + 12 * place, 100 + place, 140 + place, f"q{place}_k") for place in range(12)]
    placed = labels(crowd, Rectangle(52, 13, 528, 256))
    assert not [pair for pair in combinations(placed, 2) if pair[0].area.overlap(pair[1].area)]


def test_a_long_name_is_cut_to_its_room_and_told_in_full() -> None:
    long = ladder(0.5, 0.7)
    first = replace(long.points[0], scheme="x" * 500)
    parts = drawn(replace(long, points=(first, long.points[1])))
    name = classed(parts, "name")[0].text or ""
    assert name.endswith("…") and width(name) <= 160
    assert ("x" * 500) in [(title.text or "").partition(":")[0] for title in parts.iter("title")]
    assert fitted("short", 100) == "short" and width("判断") > width("ab")


def test_a_run_without_a_size_or_a_time_has_no_place_in_that_chart() -> None:
    known = ladder(0.5, 0.7)
    missing = replace(known.points[0], bytes=0, speed=None)
    part = replace(known, points=(missing, known.points[1]))
    assert [point.scheme for point, _ in BY_SIZE.points(part)] == ["s1"]
    assert [point.scheme for point, _ in BY_SPEED.points(part)] == ["s1"]
    assert len(classed(drawn(part, BY_SPEED), "point")) == 1


def test_schemes_that_do_not_differ_are_drawn_too() -> None:
    same = drawn(ladder(0.5, 0.5, sizes=(7_000_000, 7_000_000)))
    assert len({circle(mark) for mark in classed(same, "point")}) == 1
    only = replace(ladder(0.0), points=(Point(0, "f16", Figure(0.0, None, None), 5, 3.0),))
    assert len(classed(drawn(only), "point")) == len(classed(drawn(only, BY_SPEED), "point")) == 1


def test_the_fullest_ladder_is_seen_first_and_each_setting_has_one() -> None:
    judged = benchmark("a", "b")
    said = verdicts(("a", "a"), ("b", "b"))
    runs = [run(said, "f16"), run(said, "q8_0"), run(said, "q2_k")]
    runs[0] = replace(runs[0], identity=replace(runs[0].identity, grammar="none"))
    every_ladder = ladders(report(judged, *runs, compared=False))
    assert [one.setting[2] for one in every_ladder] == ["none", "pairwise"] and fullest(every_ladder) == 1
    assert fullest(every_ladder[:1]) == 0


@given(st.floats(1e-6, 1e12), st.floats(1.0, 1e6), st.integers(3, 8))
@example(2.0, 1.0, 3)
@example(1.0, 14.9, 8)
@example(1.5, 1.0000000000000002, 3)
def test_round_numbers_are_written_inside_an_axis_in_their_order(low: float, ratio: float, most: int) -> None:
    for axis in (axes.log_axis([low, low * ratio], 0, 100), axes.linear_axis([low, low * ratio], 0, 100)):
        ticks = axis.ticks(most)
        places = [axis.place(value) for value in ticks]
        assert 1 <= len(ticks) <= 2 * most and places == sorted(set(places))
        assert all(-1e-6 <= place <= 100 + 1e-6 for place in places)
        assert 0 < axis.place(low) <= axis.place(low * ratio) < 100


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_an_axis_of_shares_holds_them_and_ends_at_0_and_100(shares: list[float]) -> None:
    axis = axes.share_axis(shares, 0, 100)
    assert 0 <= axis.low < axis.high <= 100
    assert all(-1e-6 <= axis.place(100 * share) <= 100 + 1e-6 for share in shares)
    assert axis.ticks(5)


@given(st.text(alphabet=st.characters(categories=None)))
def test_any_text_stands_in_an_element_and_an_attribute_as_it_was(content: str) -> None:
    made = ElementTree.fromstring(element("text", {"class": content}, text(content)))
    kept = NOT_XML.sub("\N{REPLACEMENT CHARACTER}", content)
    assert (made.text or "") == re.sub("\r\n?", "\n", kept)  # XML has one kind of line break
    assert made.get("class") == re.sub("[\t\n]", " ", re.sub("\r\n?", "\n", kept))
