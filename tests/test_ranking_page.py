"""The page of a ranking: what stands on it is what was computed, each text is there once, and none of it can run."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Edge, fails
from pages import HOSTILE, Parts
from ranking_pages import made_up, outputs, ranked
from systems import answered, write_outputs

from edge_judge.analysis.ranking.games import Game, games
from edge_judge.analysis.ranking.labels import HumanVerdict, correct
from edge_judge.analysis.ranking.pairs import AnswerPair
from edge_judge.analysis.ranking.stopping import decide
from edge_judge.analysis.ranking.suggest import to_label
from edge_judge.analysis.ranking.two_judges import two_judges
from edge_judge.records import Figure
from edge_judge.report.formatting import DASH, interval, percent, unbroken
from edge_judge.report.page.ranking_document import build
from edge_judge.report.page.ranking_drawing import NARROW, WIDE, Line, Rates
from edge_judge.report.page.ranking_pairs import ranking_pairs
from edge_judge.report.ranking import rankings_json
from edge_judge.report.ranking_headline import headline
from edge_judge.report.ranking_notes import about_votes, comparison
from edge_judge.workflows.options import OutputsOptions, RankSettings
from edge_judge.workflows.rank import rank


def figures(page: str) -> Any:
    return Parts(page).json("figures")


def pairs(page: str) -> Any:
    return Parts(page).json("pairs-data")


def names(votes: Any) -> set[str]:
    return set(votes.systems)


def test_every_system_stands_on_the_page_with_its_figures() -> None:
    votes = made_up()
    one = ranked(votes)
    page = build([one], outputs=outputs(votes))
    [told] = figures(page)["rankings"]
    for standing, row in zip(one.standings, told["leaderboard"]["rows"], strict=True):
        assert row[0] == standing.system and standing.win_rate is not None
        shown = interval(standing.win_rate.soft, percent)
        assert shown in row and "".join(standing.rating.groups) in row
        assert page.count(f">{shown}</text>") == 2  # in the wide and in the narrow drawing
    assert told["headline"] == headline(one) and headline(one) in page.partition("<script")[0]
    assert set(map(unbroken, about_votes(one))) <= set(told["notes"])


def test_the_matrix_has_the_win_rate_of_each_row_over_each_column() -> None:
    one = ranked(made_up())
    [told] = figures(build([one]))["rankings"]
    apart = {frozenset((pair.better, pair.worse)) for pair in one.ranking.differences if pair.decided}
    for row, cells in zip(told["systems"], told["matrix"], strict=True):
        for column, cell in zip(told["systems"], cells, strict=True):
            if row == column:
                assert cell is None
                continue
            rate = one.matrix[row, column].soft
            assert rate.value is not None and cell["share"] == pytest.approx(100 * rate.value, abs=0.01)
            assert dict(cell["told"])["win rate"] == f"{interval(rate, percent)} %"
            assert cell["decided"] is (frozenset((row, column)) in apart)


def test_each_text_is_there_once_however_many_pairs_it_is_in() -> None:
    votes = made_up(questions=5)
    texts = outputs(votes)
    page = build([ranked(votes)], outputs=texts)
    for text in [*texts.answers.values(), *(task.question for task in texts.tasks)]:
        assert page.count(json.dumps(text)) == 1
    assert len(pairs(page)["met"]) == 3 * 6 * 5


def test_the_pairs_have_every_vote_with_its_probabilities() -> None:
    votes = made_up(questions=8, errors=0.1)
    found: Any = ranking_pairs([ranked(votes)], outputs(votes))
    seen = []
    codes = {"a": "first", "b": "second", "t": "tie", "-": None}
    for place in range(len(found["met"]) // 3):
        task, first, second = found["met"][3 * place : 3 * place + 3]
        for order in ("ab", "ba"):
            side = found["judges"][0][order]
            pair = found["tasks"][task][0], found["systems"][first], found["systems"][second]
            seen.append((*pair, order, codes[side["v"][place]], *side["p"][3 * place : 3 * place + 3]))
    columns = ["question", "first", "second", "order", "verdict", "p_first", "p_second", "p_tie"]
    given = [
        (*row[:5], *(None if row[4] is None else round(p, 4) for p in row[5:]))
        for row in votes.frame[columns].itertuples(index=False, name=None)
    ]
    assert sorted(map(repr, seen)) == sorted(map(repr, given))


def test_equal_answers_that_nobody_was_asked_about_are_no_verdict_of_the_judge() -> None:
    rows = [
        Game("q0", "ada", "bert", "ab", "tie", 0.0, 0.0, 1.0, 5, 5, asked=False),
        Game("q1", "ada", "bert", "ab", "first", 0.9, 0.1, 0.0, 5, 7),
        Game("q1", "ada", "bert", "ba", None, length_first=5, length_second=7),
    ]
    votes = games(rows)
    found: Any = ranking_pairs([ranked(votes)], outputs(votes))
    assert found["judges"] == [{
        "ab": {"v": "=a", "p": [None, None, None, 0.9, 0.1, 0.0]}, "ba": {"v": " -", "p": None},
    }]  # fmt: skip


def test_a_label_is_seen_from_the_earlier_of_the_two_systems_whichever_it_names_first() -> None:
    votes = made_up(questions=3, errors=0)
    pair = to_label(votes)[0]
    turned = AnswerPair(pair.question, pair.second, pair.first)
    for label in (HumanVerdict(pair, "second"), HumanVerdict(turned, "first")):
        found: Any = ranking_pairs([replace(ranked(votes), labels=(label,))], outputs(votes))
        said = dict(zip(zip(*[iter(found["met"])] * 3, strict=True), found["labels"], strict=True))
        places = tuple(found["systems"].index(name) for name in (pair.first, pair.second))
        task = [task[0] for task in found["tasks"]].index(pair.question)
        assert said.pop((task, *sorted(places))) == ("b" if places[0] < places[1] else "a")
        assert set(said.values()) == {" "}
    assert ranking_pairs([ranked(votes)], outputs(votes))["labels"] is None  # type: ignore[call-overload, index]


def test_hostile_names_and_texts_come_back_as_they_were_and_end_no_script() -> None:
    name = HOSTILE.replace("\ud800", "")
    votes = games(
        replace(row, first=name) if row.first == "ada" else row
        for row in (Game(*row) for row in made_up(questions=6).frame.itertuples(index=False, name=None))
    )
    page = build([ranked(votes, scheme=name)], outputs=outputs(votes, said=HOSTILE))
    found = Parts(page)
    assert [attributes.get("type") for attributes, _ in found.scripts] == ["application/json"] * 2 + [None]
    content = found.json("pairs-data")
    assert name in content["systems"] and name in found.json("figures")["rankings"][0]["systems"]
    assert all(HOSTILE in text for task in content["tasks"] for text in (task[1], *task[3]))
    assert "alert(1)</" not in page
    assert found.policy.startswith("default-src 'none';")
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", page)
    assert "innerHTML" not in page and "insertAdjacentHTML" not in page and "document.write" not in page
    page.encode()  # half a character could not be written


def test_each_judge_has_its_ranking_and_what_changes_with_it_is_said() -> None:
    votes, others = made_up(seed=3), made_up(seed=4)
    rankings = [ranked(votes), ranked(others, "q2_k")]
    compared = two_judges(votes, others)
    told = figures(build(rankings, [compared]))
    assert [one["short"] for one in told["rankings"]] == ["pocket f16", "pocket q2_k"]
    [said] = told["compared"]
    assert said["sentence"] == unbroken(comparison(compared, *rankings))
    assert {row[0] for row in said["shifts"]["rows"]} == names(votes)


def test_labels_bring_the_corrected_rates_in_the_order_of_the_ranking() -> None:
    votes = made_up()
    labels = [HumanVerdict(pair, "first" if place % 3 else "tie") for place, pair in enumerate(to_label(votes)[:80])]
    one = replace(ranked(votes), correction=correct(votes, labels))
    [told] = figures(build([one]))["rankings"]
    assert [row[0] for row in told["corrected"]["rows"]] == told["systems"]
    rates = {rate.first: rate for rate in one.correction.systems if one.correction}
    for row in told["corrected"]["rows"]:
        assert interval(rates[row[0]].new, percent) in row
    assert any("80 labels" in line for line in told["labels"])
    assert figures(build([ranked(votes)]))["rankings"][0]["corrected"] is None


def test_without_texts_there_are_figures_and_no_pairs() -> None:
    page = build([ranked(made_up())])
    assert pairs(page) is None and "Rank the files of outputs" in page
    assert figures(page)["rankings"][0]["leaderboard"]["rows"]


def test_a_baseline_has_no_win_rate_and_missing_answers_are_named() -> None:
    one = ranked(made_up(), against="bert", missing={"cleo": 7})
    [told] = figures(build([one]))["rankings"]
    assert told["matrix"] is None
    [row] = [row for row in told["leaderboard"]["rows"] if row[0] == "bert"]
    assert DASH in row
    assert "cleo: 7 of 60 answers are missing; it is compared where it answered" in told["notes"]


@pytest.mark.parametrize(
    ("strengths", "against", "said"),
    [
        ((3.0, 0.0, -3.0), None, "ada beats both other systems"),
        ((3.0, -3.0), None, "ada beats bert"),
        ((0.0, 0.0), None, " is not told apart from "),
        ((0.0, 0.0, 0.0), None, "No two of the 3 systems can be told apart"),
        ((3.0, 0.0, -3.0), "bert", "ada beats bert; cleo loses to bert"),
        ((2.0, 0.0, 4.0), "bert", "cleo and ada beat bert"),
    ],
)
def test_the_answer_is_one_sentence(strengths: tuple[float, ...], against: str | None, said: str) -> None:
    found = headline(ranked(made_up(strengths, 80, errors=0), against=against))
    assert found == said or (said.startswith(" ") and said in found)


def test_who_shares_the_lead_is_named() -> None:
    votes = made_up((2.0, 1.95, -2.0), 40, errors=0)
    leader, second, _ = (standing.system for standing in ranked(votes).standings)
    assert headline(ranked(votes)) == f"{leader} leads, but is not told apart from {second}"


def test_where_judging_could_stop_the_sentence_says_what_holds_wherever_it_did() -> None:
    votes = made_up((2.0, -2.0), 80, errors=0)
    questions = list(dict.fromkeys(votes.frame["question"]))
    one = ranked(votes, decided=decide(votes, questions))
    assert headline(one) == "ada beats bert"
    few = votes.of(votes.frame["question"].isin(questions[:3]).to_numpy())
    open_ = ranked(few, decided=decide(few, questions))
    assert headline(open_) == "ada is not told apart from bert"
    [told] = figures(build([open_]))["rankings"]
    assert "group" not in told["leaderboard"]["headings"]
    within = ranked(made_up((0.0, 0.0), 400, errors=0, seed=1))
    same = within.games
    near = decide(same, list(dict.fromkeys(same.frame["question"])), margin=0.2)
    assert " is within the margin of " in headline(replace(within, decided=near))


@pytest.mark.parametrize("across", [WIDE, NARROW])
def test_a_drawing_holds_any_rates_and_names(across: int) -> None:
    lines = (
        Line(0, "<script>" * 20, Figure(1.0, 0.97, 1.0), "abcdefgh"),
        Line(1, "b", Figure(0.5), "b", 0.2),
        Line(2, "c", None),
        Line(3, "d", Figure(None)),
        Line(4, "e", Figure(0.0, 0.0, 0.02)),
    )
    drawn = Rates(lines, "wins").drawing(across)
    assert "<script" not in drawn and drawn.count('class="point"') == 3 and drawn.count('class="judge"') == 1
    for part in re.findall(r'(?:cx|x1|x2|x)="(-?[\d.]+)"', drawn):
        assert 0 <= float(part) <= across
    assert ">baseline</text>" in drawn and f">{DASH}</text>" in drawn


def test_the_workflow_writes_the_page_whole_with_the_texts_it_ranked(
    models: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EDGE_JUDGE_MODELS", str(models))
    monkeypatch.chdir(tmp_path)
    paths = write_outputs(tmp_path / "outputs", answered(4))
    found = rank(OutputsOptions(tuple(paths)), settings=RankSettings(page=Path("page.html")))
    page = (tmp_path / "page.html").read_text("utf-8")
    assert found.page is not None and found.page.bytes == len(page.encode())
    assert found.outputs is not None and len(pairs(page)["tasks"]) == 4
    assert not list(tmp_path.glob(".page*"))
    folder = tmp_path / "results" / "rank" / "outputs" / "pocket" / "f16" / "pairwise"
    again = rank(OutputsOptions((folder,)), settings=RankSettings(page=Path("again.html")))
    read = (tmp_path / "again.html").read_text("utf-8")
    assert again.outputs is None and pairs(read) is None
    assert figures(read)["rankings"][0]["leaderboard"] == figures(page)["rankings"][0]["leaderboard"]


def test_the_command_line_says_where_the_page_is_and_prints_the_same(edge: Edge, tmp_path: Path) -> None:
    files = write_outputs(tmp_path / "outputs", answered(3))
    done = edge("rank", *files, "--page", "ranking.html", "--json")
    assert done.returncode == 0 and "ranking.html: " in done.stderr and "open it in a browser" in done.stderr
    read = rank(OutputsOptions((tmp_path / "results/rank/outputs/pocket/f16/pairwise",)))
    assert json.loads(done.stdout) == json.loads(json.dumps(rankings_json(read.rankings)))
    assert figures((tmp_path / "ranking.html").read_text("utf-8"))["rankings"][0]["name"] == "outputs"


def test_a_page_that_could_not_be_written_is_refused_before_anything_is_judged(edge: Edge, tmp_path: Path) -> None:
    files = write_outputs(tmp_path / "outputs", answered(3))
    fails(edge("rank", *files, "--page", "nowhere/ranking.html"), 2, "nowhere: no such folder")
    assert not (tmp_path / "results").exists()
