"""The page of a ranking: it shows what the terminal shows, runs nothing, and no text of others opens an element."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from edge_judge.analysis.ranking.games import Game, games
from edge_judge.analysis.ranking.pairs import AnswerPair
from edge_judge.analysis.ranking.reading import PairToRead, to_read
from edge_judge.analysis.ranking.standings import RankedSystems, stand
from edge_judge.report.page.ranking import ReadablePair, build
from edge_judge.report.ranking import leaderboard_columns, leaderboard_rows

HOSTILE = "</table><script>alert(1)</script>\"'&\x00\u2028"


class Page(HTMLParser):
    """The texts and the elements of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def ranked(best: str = "best") -> RankedSystems:
    """Of 20 questions `best` wins most and `worst` none; "b" and "c" are even, and one verdict hangs on the order."""
    rows = []
    for number in range(20):
        question = f"q{number:02d}"
        for order in ("ab", "ba"):
            rows.append(Game(question, best, "worst", order, "first" if number else "second"))
            rows.append(Game(question, "b", "worst", order, "first"))
            rows.append(
                Game(question, "b", "c", order, "first" if (number + (order == "ba" and number == 7)) % 2 else "second")
            )
            rows.append(Game(question, best, "c", order, "first"))
    return stand(games(rows), name="toy")


def test_the_page_shows_the_leaderboard_of_the_terminal() -> None:
    one = ranked()
    page = Page(build([one]))
    for row in leaderboard_rows(one):
        for column in leaderboard_columns(one):
            shown = column.on_page(row)
            assert (shown if shown != "-" else "–") in page.text
    assert page.elements.count("svg") == len(one.standings) == 4
    assert "script" not in page.elements


def test_hostile_names_and_texts_open_no_element_and_only_the_pages_style_counts() -> None:
    pair = PairToRead(AnswerPair(HOSTILE, HOSTILE, "worst"), "upset", 0.75)
    plain = Page(
        build(
            [ranked()], (), [ReadablePair(PairToRead(AnswerPair("q", "best", "worst"), "upset", 0.75), "Q", "A", "B")]
        )
    )
    built = build([ranked(HOSTILE)], (), [ReadablePair(pair, HOSTILE, HOSTILE, "")])
    page = Page(built)
    assert page.elements == plain.elements
    assert "alert(1)" in page.text and "<script" not in built
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', built)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "http" not in built.replace("http-equiv", "")


def test_pairs_to_read_are_upsets_and_verdicts_that_hang_on_the_order() -> None:
    one = ranked()
    found = to_read(one.games, [standing.system for standing in one.standings])
    assert len({read.pair for read in found}) == len(found)
    upsets = {read.pair for read in found if read.reason == "upset"}
    assert AnswerPair("q00", "best", "worst") in upsets
    assert {read.pair for read in found if read.reason == "orders disagree"} == {AnswerPair("q07", "b", "c")}
