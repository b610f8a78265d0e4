"""The page in a browser: drawn, filtered, read, and closed to whatever its texts may hold."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from conftest import Edge, Opens
from judgements import random_benchmark, random_verdicts, run
from pages import large, report

from edge_judge import benchmarks
from edge_judge.records import Run
from edge_judge.report.page.document import build
from edge_judge.runs import folder as run_folder

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser: pip install '.[test]'")
HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
RECORDED = Path(__file__).parent.parent / "results" / "0.1.0" / "pocket" / "pocket"
BOXES = "all => all.map((one) => one.getBBox()).map(({ x, y, width, height }) => ({ x, y, width, height }))"
LADDER = ("f16", "q8_0", "q6_k", "q4_k_m", "q3_k_m", "q2_k")


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the recorded ladder."""
    runs = [run_folder.read_run(RECORDED / scheme / "pairwise") for scheme in LADDER]
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(build(report(benchmarks.load("pocket"), *runs)), encoding="utf-8")
    return path


def written(tmp_path: Path, *arguments: Any) -> Path:
    path = tmp_path / "report.html"
    path.write_text(build(report(*arguments)), encoding="utf-8")
    return path


def count(page: Any) -> int:
    return int(page.inner_text("#count").split()[0].replace(",", ""))


def test_every_chart_and_table_is_drawn(opens: Opens, page_file: Path) -> None:
    page = opens(page_file)
    for chart, marks in (("by-size", 6), ("by-speed", 6), ("bias", 6), ("calibration", 2), ("risk", 5)):
        assert page.locator(f"#{chart} svg:visible .point").count() >= marks, chart
    assert page.locator("#calibration path.line").count() == page.locator("#risk path.line").count() == 6
    assert page.locator("#flips tbody tr").count() == page.locator("#behaviour tbody tr").count() == 6
    assert page.locator("#judges tbody tr").count() == 6
    assert "can be trusted in place of f16" in page.inner_text("h1")


def test_pointing_or_tapping_or_tabbing_to_a_point_tells_all(opens: Opens, page_file: Path) -> None:
    page = opens(page_file)
    page.locator("#by-size .point:visible").first.locator(".reach").hover()
    assert page.is_visible("#tip") and "99.7 [99.0, 99.9] %" in page.inner_text("#tip")
    page.keyboard.press("Escape")
    assert page.is_hidden("#tip")
    page.locator("#by-speed .point:visible").first.focus()
    assert page.is_visible("#tip") and "verdicts a minute" in page.inner_text("#tip")


def test_a_scheme_is_put_in_colour_by_its_chip_and_by_its_point(opens: Opens, page_file: Path) -> None:
    page = opens(page_file)
    page.check("#schemes input >> nth=2", force=True)
    assert page.inner_text("#flips tr.on th") == page.inner_text("#behaviour tr.on th") == "q6_k"
    page.locator("#by-size svg:visible [aria-label^='q8_0']").click(force=True)
    assert page.inner_text("#flips tr.on th") == "q8_0"
    assert page.locator("#schemes input:checked").get_attribute("value") == "1"
    names = ("#tip", "#by-size svg:visible [aria-label^='q8_0']")
    tip, point = (page.locator(name).bounding_box() for name in names)
    assert point["x"] < tip["x"] < point["x"] + point["width"] + 20  # beside the point
    page.locator("#bias [aria-label^='f16']").press("Enter")
    assert page.inner_text("#flips tr.on th") == "f16"


def test_the_chosen_scheme_lies_on_top_in_colour_and_keeps_the_focus(opens: Opens, page_file: Path) -> None:
    page = opens(page_file)
    mark = page.locator("#by-size svg:visible [aria-label^='q6_k']")
    mark.press("Enter")
    for chart in ("by-size", "by-speed"):
        assert page.locator(f"#{chart} svg:visible .point").last.get_attribute("aria-label").startswith("q6_k")
        assert page.locator(f"#{chart} svg:visible .point.on").count() == 1
        assert page.locator(f"#{chart} svg:visible .name.on").inner_html() == "q6_k"
    assert mark.evaluate("(one) => one === document.activeElement")


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
def test_a_screen_shows_one_size_of_each_drawing_in_which_names_do_not_overlap(
    opens: Opens, page_file: Path, width: int
) -> None:
    page = opens(page_file, width)
    for place in range(len(LADDER)):
        page.check(f"#schemes input >> nth={place}", force=True)
        for chart in ("by-size", "by-speed"):
            assert page.locator(f"#{chart} svg:visible").count() == 1
            names = page.locator(f"#{chart} svg:visible .name").evaluate_all(BOXES)
            assert len(names) == len(LADDER)
            assert not [pair for pair in combinations(names, 2) if overlap(*pair)], chart


def overlap(one: dict[str, float], other: dict[str, float]) -> bool:
    return all(
        one[start] < other[start] + other[size] and other[start] < one[start] + one[size]
        for start, size in (("x", "width"), ("y", "height"))
    )


def test_without_a_script_the_fullest_ladder_is_there_to_see(browser: Any, edge: Edge, tmp_path: Path) -> None:
    assert edge("report", "--results", RECORDED.parent.parent).returncode == 0
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((tmp_path / "report.html").as_uri())
    for chart in ("by-size", "by-speed"):
        titles = page.locator(f"#{chart} svg:visible .point title").all_text_contents()
        assert [title.partition(":")[0] for title in titles] == list(LADDER)
    context.close()


def flipped(base: Run, other: Run) -> set[str]:
    said = {(one.id, one.order): one.verdict for one in base.verdicts}
    return {one.id for one in other.verdicts if said[one.id, one.order] != one.verdict}


def test_the_filters_find_what_the_runs_say(opens: Opens, page_file: Path) -> None:
    page = opens(page_file)
    base, last = (run_folder.read_run(RECORDED / scheme / "pairwise") for scheme in ("f16", "q2_k"))
    labels = {pair.id: pair.labels[0] for pair in benchmarks.load("pocket").pairs}
    assert count(page) == 600 and page.locator(".pair").count() == 10
    page.click("#more")
    assert page.locator(".pair").count() == 20
    page.select_option("#f-scheme", "q2_k")
    page.select_option("#f-kind", "flipped")
    assert count(page) == len(flipped(base, last)) > 0
    page.select_option("#f-kind", "wrong")
    assert count(page) == len({one.id for one in last.verdicts if one.verdict != labels[one.id]})
    page.select_option("#f-kind", "all")
    page.select_option("#f-mass", "0.1")
    low = {one.id for one in last.verdicts if one.mass is not None and one.mass < 0.1}
    assert count(page) == len(low) > 0
    page.select_option("#f-mass", "")
    page.select_option("#f-kind", "none")
    assert count(page) == 0 and page.is_hidden("#more")


def test_the_search_finds_a_pair_by_its_words(opens: Opens, page_file: Path) -> None:
    page = opens(page_file)
    pair = benchmarks.load("pocket").pairs[17]
    page.fill("#f-text", pair.id.upper())
    sync_api.expect(page.locator(".pair")).to_have_count(1)
    card = page.locator(".pair")
    assert card.locator("h3").inner_text() == pair.id
    assert [text.inner_text() for text in card.locator(".answer .text").all()] == [pair.a, pair.b]
    assert card.locator("tbody tr").count() == 6


def test_every_judge_and_protocol_can_be_chosen_also_one_without_probabilities(
    opens: Opens, edge: Edge, tmp_path: Path
) -> None:
    assert edge("report", "--results", RECORDED.parent.parent).returncode == 0
    page = opens(tmp_path / "report.html")
    values = page.locator("#setting option").evaluate_all("all => all.map((one) => one.value)")
    assert len(values) == 7
    for value in values:
        page.select_option("#setting", value)
        name = page.locator("#setting option:checked").inner_text().split(" (")[0]
        assert page.locator("#f-setting option:checked").inner_text() == name
        assert page.locator("#by-size svg:visible .point").count() >= 2
        drawn = 0 if name.endswith("none") else 1
        assert page.locator("#calibration svg").count() == page.locator("#risk svg").count() == drawn
        assert page.inner_text("#risk").startswith("–") is (drawn == 0)
    page.select_option("#f-setting", "all")
    assert page.locator(".pair").first.locator("tbody tr").count() == 18


def test_hostile_text_is_shown_and_does_not_run(opens: Opens, tmp_path: Path) -> None:
    judged = random_benchmark(1, 3)
    judged = replace(judged, pairs=tuple(replace(p, question=HOSTILE, a=HOSTILE, b=HOSTILE) for p in judged.pairs))
    said = [replace(one, text=HOSTILE) for one in random_verdicts(2, judged)]
    page = opens(written(tmp_path, judged, run(said, "f16"), run(said)))
    assert page.title() == "edge-judge report"
    assert page.locator(".question").first.inner_text() == HOSTILE
    assert page.locator("img").count() == 0
    assert page.evaluate("document.scripts.length") == 3


def test_a_script_that_came_in_by_another_way_is_stopped_by_the_policy(browser: Any, page_file: Path) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(page_file.as_uri())
    page.evaluate(
        "() => { const node = document.createElement('script'); node.text = \"document.title = 'owned'\";"
        " document.body.append(node); }"
    )
    assert page.title() == "edge-judge report"
    context.close()


@pytest.mark.parametrize("width", [360, 768, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_any_screen_in_light_and_dark(opens: Opens, page_file: Path, width: int, scheme: str) -> None:
    page = opens(page_file, width, scheme)
    page.select_option("#f-kind", "flipped")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    red, green, blue = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (red + green + blue > 600) is (scheme == "light")


def test_every_control_has_a_name(opens: Opens, page_file: Path) -> None:
    page = opens(page_file)
    nameless = page.evaluate(
        "[...document.querySelectorAll('select, input, button')]"
        ".filter((one) => !(one.labels?.length || one.textContent.trim() || one.ariaLabel)).map((one) => one.id)"
    )
    assert nameless == []


def test_14000_verdicts_are_all_there_and_few_are_drawn(opens: Opens, tmp_path: Path) -> None:
    """The page stays light because it draws ten pairs at a time: a pair takes about ten elements, of 3500 pairs. How
    long it takes to open is measured by `make bench-page`; here only the half minute that playwright waits counts.
    """
    judged, runs = large()
    page = opens(written(tmp_path, judged, *runs))
    assert sum(len(one.verdicts) for one in runs) == 14_000 and count(page) == 3500
    assert page.locator(".pair").count() == 10
    assert page.evaluate("document.querySelectorAll('*').length") < 3000
