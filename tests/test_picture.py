"""The chart as a file: one picture of all ladders, well formed whatever the names are, in the size that it says."""

from __future__ import annotations

import re
import struct
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from judgements import benchmark, run, verdicts
from pages import report

from edge_judge import benchmarks
from edge_judge.errors import DataError, UsageError
from edge_judge.records import Identity
from edge_judge.report.page.data import Report
from edge_judge.report.page.document import build
from edge_judge.report.page.drawing import HEIGHT, LARGE
from edge_judge.report.page.picture import SCALE, picture
from edge_judge.runs import folder as run_folder

RECORDED = Path(__file__).parent.parent / "results" / "0.1.0" / "pocket" / "pocket"
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</text></title></svg><script>alert(1)</script><!-- & \" ' ]]> \x00 \u2028 \ud800 {{SCRIPT}}"


@pytest.fixture(scope="module")
def recorded() -> Report:
    """Two ladders: three schemes judged pairwise, one in free form, which comes first among the runs."""
    recorded_runs = [("q4_k_m", "none"), ("f16", "pairwise"), ("q4_k_m", "pairwise"), ("q2_k", "pairwise")]
    runs = [run_folder.read_run(RECORDED / scheme / grammar) for scheme, grammar in recorded_runs]
    return report(benchmarks.load("pocket"), *runs, compared=False)


def classed(parts: ElementTree.Element, name: str) -> list[str]:
    return [part.text or "" for part in parts.iter() if part.get("class") == name]


def test_the_svg_is_one_well_formed_file_with_a_panel_for_each_ladder_the_fullest_first(recorded: Report) -> None:
    drawn = picture(recorded, "svg")
    parts = ElementTree.fromstring(drawn)
    assert parts.tag == f"{SVG}svg"
    assert classed(parts, "heading") == ["pocket: pocket, pairwise", "pocket: pocket, none"]
    assert classed(parts, "name") == ["f16", "q4_k_m", "q2_k", "q4_k_m"]
    titles = [title.text or "" for title in parts.iter(f"{SVG}title")][1:]
    assert [title.partition(":")[0] for title in titles] == classed(parts, "name")
    assert all(title.endswith("] %") for title in titles)
    assert b"var(" not in drawn and drawn.count(b"http") == 1


def test_the_drawing_of_the_page_and_of_the_file_are_one(recorded: Report) -> None:
    marks = re.findall(r'<g class="point".*?</g>', picture(recorded, "svg").decode())
    page = build(recorded)
    assert len(marks) == 4 and all(mark in page for mark in marks)


def test_hostile_names_are_shown_and_end_nothing() -> None:
    judged = replace(benchmark("a", "b"), name=HOSTILE)
    said = verdicts(("a", "a"), ("b", "a"))
    names = Identity(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
    made = report(judged, replace(run(said), identity=names), compared=False)
    parts = ElementTree.fromstring(picture(made, "svg"))
    assert {part.tag.removeprefix(SVG) for part in parts.iter()} <= {
        "svg", "style", "rect", "g", "text", "path", "line", "circle", "title",
    }  # fmt: skip
    shown = HOSTILE.replace("\x00", "\ufffd").replace("\ud800", "\ufffd")
    assert f"{shown}: 75.0 [" in (list(parts.iter(f"{SVG}title"))[1].text or "")
    page = build(made)
    assert "<script>alert" not in page
    page.encode()


def test_a_png_has_twice_the_pixels_that_the_svg_says(recorded: Report) -> None:
    pytest.importorskip("vl_convert", reason="a PNG needs it: pip install '.[chart]'")
    parts = ElementTree.fromstring(picture(recorded, "svg"))
    made = picture(recorded, "png")
    assert made.startswith(b"\x89PNG\r\n\x1a\n")
    across, down = (int(parts.get(name, "")) for name in ("width", "height"))
    assert struct.unpack(">II", made[16:24]) == (SCALE * across, SCALE * down)
    assert across > 2 * LARGE and HEIGHT < down < 2 * HEIGHT  # two panels, side by side


def test_without_the_extra_a_png_is_refused_in_one_line(recorded: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(UsageError, match="a chart as PNG needs vl-convert-python") as refused:
        picture(recorded, "png")
    assert "pip install 'edge-judge[chart]'" in str(refused.value.hint)
    assert picture(recorded, "svg").startswith(b"<svg")


def test_runs_that_nobody_labelled_are_left_out_and_alone_are_refused() -> None:
    said = verdicts(("a", "a"))
    unlabelled = report(benchmark(()), run(said, "f16"), compared=False)
    with pytest.raises(DataError, match="no run has an accuracy"):
        picture(unlabelled, "svg")
    elsewhere = replace(run(said, "q8_0"), identity=Identity("other", "pocket", "q8_0", "pairwise"))
    other = report(replace(benchmark("a"), name="other"), elsewhere, compared=False)
    both = replace(unlabelled, entries=(*unlabelled.entries, *other.entries))
    parts = ElementTree.fromstring(picture(both, "svg"))
    assert classed(parts, "heading") == ["other: pocket, pairwise"] and classed(parts, "name") == ["q8_0"]
