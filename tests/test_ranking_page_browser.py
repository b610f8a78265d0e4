"""The page of a ranking in a browser: shown, filtered, read, and closed to whatever its texts may hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import votes
from conftest import Opens
from ranking_pages import made_up, outputs, ranked

from edge_judge.analysis.ranking.games import Games
from edge_judge.analysis.ranking.labels import TURNED, HumanVerdict, correct
from edge_judge.analysis.ranking.pairs import AnswerPair
from edge_judge.analysis.ranking.standings import RankedSystems
from edge_judge.analysis.ranking.suggest import in_order, to_label
from edge_judge.analysis.ranking.two_judges import two_judges
from edge_judge.records import Outputs
from edge_judge.report.page.ranking_document import build

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser: pip install '.[test]'")
HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
ONE, OTHER = made_up(seed=3, errors=0.05), made_up(seed=4, errors=0.05)


def written(folder: Path, rankings: Sequence[RankedSystems], texts: Outputs | None, **given: Any) -> Path:
    path = folder / "ranking.html"
    path.write_text(build(rankings, outputs=texts, **given), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of two judges on four systems and 60 questions."""
    rankings = [ranked(ONE), ranked(OTHER, "q2_k")]
    return written(tmp_path_factory.mktemp("page"), rankings, outputs(ONE), compared=[two_judges(ONE, OTHER)])


def count(page: Any) -> int:
    return int(page.inner_text("#count").split()[0].replace(",", ""))


def outcomes(games: Games, system: str, opponent: str | None = None) -> Counter[str]:
    """How often each outcome is seen by the system, counted from the votes one by one."""
    found: Counter[str] = Counter()
    for (_, first, second), rows in games.frame.groupby(["question", "first", "second"]):
        if system not in (first, second) or (opponent and opponent not in (first, second)):
            continue
        said = {"none" if one is None else one for one in rows["verdict"]}
        if "none" in said:
            found["none"] += 1
        elif len(said) > 1:
            found["split"] += 1
        elif said == {"tie"}:
            found["tie"] += 1
        else:
            found["won" if said == {"first" if system == first else "second"} else "lost"] += 1
    return found


def test_the_leaderboard_and_the_matrix_are_shown(opens: Opens, page_file: Path) -> None:
    page = opens(page_file)
    best_first = [standing.system for standing in ranked(ONE).standings]
    assert page.locator("#leaderboard tbody th").all_inner_texts() == best_first
    assert page.locator(".rates svg:visible .point").count() == 4
    assert page.locator("#matrix .rate").count() == 12
    assert page.inner_text("h1").startswith(best_first[0])
    assert page.locator("#votes li").count() >= 2
    assert page.is_hidden("#corrected-part") and page.is_visible("#compared p")


def test_each_judge_can_be_chosen(opens: Opens, page_file: Path) -> None:
    page = opens(page_file)
    before = page.inner_text("#leaderboard")
    page.select_option("#ranking", "1")
    assert page.inner_text("#leaderboard") != before
    assert page.locator("#leaderboard tbody th").all_inner_texts() == [one.system for one in ranked(OTHER).standings]
    assert page.locator(".drawing:visible").get_attribute("data-ranking") == "1"
    page.select_option("#f-system", "ada")
    page.select_option("#f-kind", "won")
    assert count(page) == outcomes(OTHER, "ada")["won"]


def test_the_filters_find_what_the_votes_say(opens: Opens, page_file: Path) -> None:
    page = opens(page_file)
    assert count(page) == 6 * 60 and page.locator(".pair").count() == 20
    page.click("#more")
    assert page.locator(".pair").count() == 40
    assert "lost" not in page.locator("#f-kind option").evaluate_all("all => all.map((one) => one.value)")
    page.select_option("#f-system", "cleo")
    for opponent in (None, "bert"):
        page.select_option("#f-opponent", opponent or "")
        expected = outcomes(ONE, "cleo", opponent)
        for kind in ("won", "lost", "tie", "split", "none"):
            page.select_option("#f-kind", kind)
            assert count(page) == expected[kind], (opponent, kind)
        page.select_option("#f-kind", "all")
        assert count(page) == sum(expected.values())
    assert expected["won"] and expected["lost"] and expected["split"]
    page.select_option("#f-kind", "lost")
    assert set(page.locator(".human").all_inner_texts()) == {"bert won"}


def test_pairs_that_the_lower_ranked_system_won_are_found(opens: Opens, page_file: Path) -> None:
    page = opens(page_file)
    best_first = [standing.system for standing in ranked(ONE).standings]
    lower = [(low, high) for place, high in enumerate(best_first) for low in best_first[place + 1 :]]
    page.select_option("#f-kind", "upset")
    assert count(page) == sum(outcomes(ONE, *pair)["won"] for pair in lower) > 0
    page.select_option("#f-system", best_first[0])
    assert count(page) == outcomes(ONE, best_first[0])["lost"]


def test_pairs_on_which_the_judges_disagree_are_found(opens: Opens, page_file: Path) -> None:
    page = opens(page_file)
    page.select_option("#f-system", "ada")
    page.select_option("#f-opponent", "bert")
    page.select_option("#f-kind", "judges")
    keys = ["question", "first", "second"]
    said = []
    for games in (ONE, OTHER):
        of_two = games.frame[(games.frame["first"] == "ada") & (games.frame["second"] == "bert")]
        verdicts = {key: set(rows["verdict"]) for key, rows in of_two.groupby(keys)}
        said.append({key: "none" if None in all_ else tuple(all_) for key, all_ in verdicts.items()})
    alike = {key for key in said[0] if said[0][key] == said[1][key] or (len(said[0][key]) == len(said[1][key]) == 2)}
    assert count(page) == 60 - len(alike) > 0


def labelled_by_a_person(count: int = 40) -> tuple[HumanVerdict, ...]:
    """Some of the pairs, half of them with the systems the other way round."""
    pairs = in_order(to_label(ONE))[:count]
    said = [HumanVerdict(pair, ("first", "second", "tie")[place % 3]) for place, pair in enumerate(pairs)]
    return tuple(_turned(one) if place % 2 else one for place, one in enumerate(said))


def _turned(label: HumanVerdict) -> HumanVerdict:
    pair = label.pair
    return HumanVerdict(AnswerPair(pair.question, pair.second, pair.first), TURNED[label.winner])


def orders_alike(games: Games, label: HumanVerdict) -> tuple[int, int]:
    """In how many orders the judge says what the person says, and in how many it was asked."""
    pair, winner = label.pair, label.winner
    if games.systems.index(pair.first) > games.systems.index(pair.second):
        pair, winner = AnswerPair(pair.question, pair.second, pair.first), TURNED[winner]
    met = games.frame.groupby(["question", "first", "second"])
    verdicts = met.get_group((pair.question, pair.first, pair.second))["verdict"]
    return sum(verdict == winner for verdict in verdicts), len(verdicts)


def test_a_persons_labels_stand_beside_the_judges_verdicts(opens: Opens, tmp_path: Path) -> None:
    labels = labelled_by_a_person()
    rankings = [
        replace(ranked(games, scheme), correction=correct(games, labels), labels=labels)
        for games, scheme in ((ONE, "f16"), (OTHER, "q2_k"))
    ]
    page = opens(written(tmp_path, rankings, outputs(ONE)))
    page.locator("#to-labelled button").last.press("Enter")
    assert count(page) == len(labels) and page.locator(".pair .human:has-text('person:')").count() == 20
    for place, games in enumerate((ONE, OTHER)):
        page.select_option("#ranking", str(place))
        alike = Counter(orders_alike(games, label) for label in labels)
        assert set(alike) == {(0, 2), (1, 2), (2, 2)}
        page.locator("#to-labelled button").first.press("Enter")
        assert count(page) == alike[0, 2] + alike[1, 2]
        page.click("#more") if page.is_visible("#more") else None
        marks = Counter(page.locator(".human .mark").all_inner_texts())
        assert marks == {"they disagree": alike[0, 2], "they disagree in one order": alike[1, 2]}
    label = labels[1]
    page.select_option("#f-kind", "labelled")
    page.select_option("#f-system", label.pair.second)
    page.select_option("#f-opponent", label.pair.first)
    page.fill("#f-text", outputs(ONE).answers[label.pair.question, label.pair.first])
    sync_api.expect(page.locator(".pair")).to_have_count(1)
    winner = {"first": f"{label.pair.first} won", "second": f"{label.pair.second} won", "tie": "tie"}[label.winner]
    assert f"person: {winner}" in page.locator(".human").inner_text()


def test_without_labels_nothing_is_said_of_a_person(opens: Opens, page_file: Path) -> None:
    page = opens(page_file)
    assert page.is_hidden("#to-labelled") and "person" not in page.inner_text("#pairs")
    kinds = page.locator("#f-kind option").evaluate_all("all => all.map((one) => one.value)")
    assert "labelled" not in kinds and "differ" not in kinds


def test_a_card_has_both_texts_and_each_orders_verdict(opens: Opens, page_file: Path) -> None:
    page, texts = opens(page_file), outputs(ONE)
    page.select_option("#f-system", "dora")
    page.select_option("#f-opponent", "ada")
    page.fill("#f-text", texts.answers["q1", "dora"].upper())
    sync_api.expect(page.locator(".pair")).to_have_count(1)
    card = page.locator(".pair")
    assert card.locator("h3").inner_text() == "q1"
    assert card.locator("h4").all_inner_texts() == ["dora", "ada"]
    shown = [text.inner_text() for text in card.locator(".answer .text").all()]
    assert shown == [texts.answers["q1", "dora"], texts.answers["q1", "ada"]]
    assert card.locator("summary").inner_text() == "reference answer"
    frame = ONE.frame[(ONE.frame["question"] == "q1") & (ONE.frame["first"] == "ada") & (ONE.frame["second"] == "dora")]
    cells = card.locator("tbody tr").first.locator("td")
    for place, order in enumerate(("ba", "ab")):  # dora, who is the second, is shown first in "ba"
        [vote] = frame[frame["order"] == order].to_dict("records")
        text = cells.nth(place).inner_text()
        named = {"first": "ada", "second": "dora", "tie": "tie", None: "no valid verdict"}[vote["verdict"]]
        assert text.startswith(named)
        if vote["verdict"] is not None:
            shares = dict(part.rsplit(" ", 1) for part in text.splitlines()[1].split(" · "))
            for name, share in (("dora", "p_second"), ("ada", "p_first"), ("tie", "p_tie")):
                assert float(shares[name]) == pytest.approx(100 * vote[share], abs=0.11)


def test_a_cell_of_the_matrix_tells_its_interval_and_leads_to_its_pairs(opens: Opens, page_file: Path) -> None:
    page = opens(page_file)
    one = ranked(ONE)
    first, second = (standing.system for standing in one.standings[:2])
    cell = page.locator("#matrix .rate").first
    cell.focus()
    assert page.is_visible("#tip") and f"{first} over {second}" in page.inner_text("#tip")
    assert "[" in page.inner_text("#tip")
    page.keyboard.press("ArrowDown")  # over the empty cell of a system and itself
    third = one.standings[2].system
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith(f"{third} over {second}")
    page.keyboard.press("Enter")
    assert (page.input_value("#f-system"), page.input_value("#f-opponent")) == (third, second)
    assert count(page) == 60
    page.locator(".rates svg:visible .point").first.press("Enter")
    assert (page.input_value("#f-system"), page.input_value("#f-opponent")) == (first, "")


def test_without_texts_it_says_so(opens: Opens, tmp_path: Path) -> None:
    page = opens(written(tmp_path, [ranked(ONE)], None))
    assert page.is_visible("#textless") and page.is_hidden("#filters") and page.is_hidden("#judges")
    page.locator("#matrix .rate").first.click()
    assert page.locator(".pair").count() == 0


def test_hostile_text_is_shown_and_does_not_run(opens: Opens, tmp_path: Path) -> None:
    page = opens(written(tmp_path, [ranked(ONE, HOSTILE)], outputs(ONE, said=HOSTILE)))
    assert page.title() == "edge-judge ranking"
    assert HOSTILE in page.locator(".question").first.inner_text()
    assert page.locator("img").count() == 0 and page.evaluate("document.scripts.length") == 3


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (400, "dark"), (768, "light"), (1200, "dark")])
def test_it_fits_any_screen_in_light_and_dark(opens: Opens, page_file: Path, width: int, scheme: str) -> None:
    page = opens(page_file, width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".rates .drawing:visible svg:visible").count() == 1
    red, green, blue = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (red + green + blue > 600) is (scheme == "light")
    nameless = page.evaluate(
        "[...document.querySelectorAll('select, input, button')]"
        ".filter((one) => !(one.labels?.length || one.textContent.trim() || one.ariaLabel)).map((one) => one.id)"
    )
    assert nameless == []


def test_eight_systems_on_805_questions_are_all_there_and_few_are_drawn(opens: Opens, tmp_path: Path) -> None:
    """The figures are those of a few questions: what is large here are the texts and the pairs."""
    names = votes.NAMES
    few = votes.made_up([1.0, 0.7, 0.4, 0.1, -0.1, -0.4, -0.7, -1.0], 40, 5, soft=True)
    many = Games(names, _repeated(few, 805))
    page = opens(written(tmp_path, [replace(ranked(few), games=many)], outputs(many, 150)))
    assert count(page) == 805 * len(list(combinations(names, 2)))
    assert page.locator(".pair").count() == 20
    assert page.evaluate("document.querySelectorAll('*').length") < 3000
    page.fill("#f-text", "q804:")
    sync_api.expect(page.locator("#count")).to_have_text("28 of 22,540 pairs")


def _repeated(games: Games, questions: int) -> pd.DataFrame:
    """The votes again and again, on more questions."""
    size = games.frame["question"].nunique()
    parts = []
    for start in range(0, questions, size):
        part = games.frame.copy()
        part["question"] = [f"q{int(name[1:]) + start}" for name in part["question"]]
        parts.append(part[[int(name[1:]) < questions for name in part["question"]]])
    return pd.concat(parts, ignore_index=True)
