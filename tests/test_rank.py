"""Ranking systems: the whole way from files of outputs to figures, by the embedded judge, and what a folder keeps."""

from __future__ import annotations

import csv
import json
import re
import shlex
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from conftest import Edge, fails
from halting import halted
from pages import Parts
from systems import QUALITY, answered, write_outputs

from edge_judge.analysis.ranking.standings import RankedSystems
from edge_judge.analysis.ranking.stopping import walk
from edge_judge.errors import DataError, RunError, UsageError
from edge_judge.records import ProgressListener
from edge_judge.report.ranking import rankings_table
from edge_judge.report.ranking_notes import statement
from edge_judge.runs.folder import find_runs
from edge_judge.runs.rankings import read_ranking
from edge_judge.workflows import ranking_runs
from edge_judge.workflows.options import LabelOptions, OutputsOptions, ProtocolOptions, RankSettings
from edge_judge.workflows.rank import rank

BEST_FIRST = ["ninety", "seventy-five", "sixty"]


class Notes(ProgressListener):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def here(models: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("EDGE_JUDGE_MODELS", str(models))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def paths(here: Path) -> list[Path]:
    """The files of three systems, 12 questions each."""
    return write_outputs(here / "outputs", answered(12))


def ranked(paths: list[Path], listener: ProgressListener | None = None, **settings: object) -> RankedSystems:
    listener = listener or ProgressListener()
    (one,) = rank(OutputsOptions(tuple(paths)), settings=RankSettings(**settings), listener=listener).rankings  # type: ignore[arg-type]
    return one


def folder(here: Path) -> Path:
    return here / "results" / "rank" / "outputs" / "pocket" / "f16" / "pairwise"


def verdicts(here: Path) -> list[str]:
    return (folder(here) / "verdicts.jsonl").read_text("utf-8").splitlines()


def figures(one: RankedSystems) -> list[object]:
    return [one.standings, one.matrix, one.quality, one.questions, one.unasked]


def test_systems_of_known_quality_are_ranked_rightly_at_every_scheme(here: Path) -> None:
    paths = write_outputs(here / "outputs", answered(100))
    rankings = rank(OutputsOptions(tuple(paths)), settings=RankSettings(schemes=("f16", "q4_k_m"))).rankings
    assert [one.identity.scheme for one in rankings if one.identity] == ["f16", "q4_k_m"]
    for one in rankings:
        assert [standing.system for standing in one.standings] == BEST_FIRST
        wins = {pair: rate.soft.value for pair, rate in one.matrix.items()}
        assert wins["ninety", "sixty"] > 0.6 and wins["ninety", "sixty"] + wins["sixty", "ninety"] == pytest.approx(1)
        decided = {(pair.better, pair.worse) for pair in one.ranking.differences if pair.decided}
        assert ("ninety", "sixty") in decided


def test_a_ranking_is_no_run_on_a_benchmark(here: Path, paths: list[Path]) -> None:
    ranked(paths)
    assert sorted(path.name for path in folder(here).iterdir()) == [
        "meetings.jsonl", "ranking.json", "run.json", "verdicts.jsonl",
    ]  # fmt: skip
    assert find_runs(here / "results") == []


def test_what_was_interrupted_goes_on_and_is_the_same(here: Path, paths: list[Path]) -> None:
    whole, lines = ranked(paths), verdicts(here)
    (folder(here) / "ranking.json").unlink()
    (folder(here) / "meetings.jsonl").unlink()
    (folder(here) / "verdicts.jsonl").write_text("\n".join(lines[:5]) + "\n" + lines[5][:20], "utf-8")
    with pytest.raises(RunError, match="not complete"):
        read_ranking(folder(here))
    again = ranked(paths)
    assert sorted(verdicts(here)) == sorted(lines)
    assert figures(again) == figures(whole)


def test_a_ranking_that_was_killed_ends_as_an_undisturbed_one(
    edge: Edge, environment: dict[str, str], tmp_path: Path
) -> None:
    names = [path.name for path in write_outputs(tmp_path, answered(12))]
    place = Path("rank", tmp_path.name, "pocket", "f16", "pairwise")
    assert edge("rank", *names, "--results", "whole").returncode == 0
    with halted(environment, tmp_path, "test_cli_eval", 7, "rank", *names, "--results", "killed") as process:
        process.kill()
    kept, whole = tmp_path / "killed" / place, tmp_path / "whole" / place
    assert (kept / "verdicts.jsonl").read_bytes().count(b"\n") == 7 and not (kept / "ranking.json").exists()
    assert edge("rank", *names, "--results", "killed").returncode == 0
    for name in ("ranking.json", "meetings.jsonl"):
        assert (kept / name).read_bytes() == (whole / name).read_bytes()
    lines = [sorted((run / "verdicts.jsonl").read_text("utf-8").splitlines()) for run in (kept, whole)]
    assert lines[0] == lines[1]


def test_the_same_command_again_judges_nothing(here: Path, paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    before, lines = ranked(paths), verdicts(here)
    monkeypatch.setattr("edge_judge.runs.session.judge", None)
    assert figures(ranked(paths)) == figures(before) and verdicts(here) == lines


def test_a_changed_answer_and_a_new_system_cost_only_their_own_pairs(here: Path, paths: list[Path]) -> None:
    ranked(paths)
    before = {json.loads(line)["id"] for line in verdicts(here)}
    rows = [json.loads(line) for line in paths[0].read_text("utf-8").splitlines()]
    rows[3]["output"] = "something else"
    paths[0].write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    ranked(paths)
    changed = {json.loads(line)["id"] for line in verdicts(here)}
    assert changed > before and {name.partition("/")[0] for name in changed - before} == {rows[3]["id"]}
    rows = [row | {"output": f"{row['output']}?"} for row in rows]
    (here / "outputs" / "new.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    one = ranked([*paths, here / "outputs" / "new.jsonl"])
    assert len(one.standings) == 4
    assert {json.loads(line)["id"] for line in verdicts(here)} > changed


def test_another_protocol_has_a_folder_of_its_own_and_other_settings_are_refused(here: Path, paths: list[Path]) -> None:
    ranked(paths)
    rank(OutputsOptions(tuple(paths)), protocol=ProtocolOptions("pointwise"))
    assert (folder(here).parent / "pointwise" / "ranking.json").exists()
    with pytest.raises(RunError, match="order: recorded `both`, now `given`"):
        ranked(paths, order="given")
    assert {json.loads(line)["order"] for line in verdicts(here)} == {"ab", "ba"}
    ranked(paths, order="given", fresh=True)
    assert {json.loads(line)["order"] for line in verdicts(here)} == {"ab"}


def test_a_recorded_ranking_is_read_without_the_outputs_or_the_judge(
    here: Path, paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ranked(paths)
    for path in paths:
        path.unlink()
    monkeypatch.setenv("EDGE_JUDGE_MODELS", str(here / "none"))
    (again,) = rank(OutputsOptions((folder(here),))).rankings
    assert figures(again) == figures(whole) and again.identity == whole.identity
    with pytest.raises(UsageError, match="do not go with files"):
        rank(OutputsOptions((folder(here), paths[0])))
    with pytest.raises(RunError, match="no ranking in this folder"):
        rank(OutputsOptions((here,)))


@pytest.mark.parametrize(
    ("name", "spoil", "message"),
    [
        ("ranking.json", lambda text: "{", "not JSON"),
        ("ranking.json", lambda text: "{}", "not a ranking"),
        ("ranking.json", lambda text: text.replace('"systems": [', '"systems": [5, '), "not a ranking: systems is"),
        ("ranking.json", lambda text: re.sub(r'"questions": \d+', '"questions": []', text, count=1), "questions is"),
        ("ranking.json", lambda text: text.replace('"against": null', '"against": "x"', 1), "against is 'x'"),
        ("ranking.json", lambda text: '{"systems": [""], "missing": {}, "questions": 85}', r"systems is \[''\]"),
        ("ranking.json", lambda text: '{"systems": ["x"], "missing": {}, "questions": 1}', "against is not there"),
        ("ranking.json", lambda text: text.replace('"missing": {', '"missing": {"x": -1, ', 1), "missing is"),
        ("run.json", lambda text: text.replace('"model": "pocket"', '"model": ["pocket"]', 1), "model is"),
        ("meetings.jsonl", lambda text: re.sub(r'(length_first": )\d+', rf"\g<1>{2**63}", text), "length_first"),
        ("meetings.jsonl", lambda text: re.sub(r'(length_second": )\d+', r"\g<1>-1", text), "length_second"),
        ("meetings.jsonl", lambda text: "{}\n", r"meetings\.jsonl:1: not a meeting"),
        ("meetings.jsonl", lambda text: text.replace("false", "0", 1), "not a meeting: s"),
        ("verdicts.jsonl", lambda text: "", "no verdict on it"),
    ],
)
def test_a_damaged_ranking_is_an_error(here: Path, paths: list[Path], name: str, spoil, message: str) -> None:  # type: ignore[no-untyped-def]
    ranked(paths)
    file = folder(here) / name
    file.write_text(spoil(file.read_text("utf-8")), "utf-8")
    with pytest.raises((RunError, DataError), match=message):
        rank(OutputsOptions((folder(here),)))


def test_half_of_the_answers_are_named_and_are_no_loss(here: Path) -> None:
    rows = answered(40)
    paths = write_outputs(here / "outputs", rows)
    kept = paths[2].read_text("utf-8").splitlines()[::2]
    paths[2].write_text("\n".join(kept) + "\n", "utf-8")
    listener = Notes()
    one = ranked(paths, listener)
    system = paths[2].stem
    (note,) = listener.notes
    assert note.startswith(f"{system}: 20 of 40 answers are missing (q002, q004, q006, …)")
    standing = next(standing for standing in one.standings if standing.system == system)
    assert standing.missing == 20
    frame = one.games.frame
    assert not set(frame[(frame["second"] == system) | (frame["first"] == system)]["question"]) & {"q002", "q004"}
    only = write_outputs(here / "even", [replace(row) for row in rows[::2]])
    alone = ranked(only)
    assert one.matrix["ninety", "sixty"].soft.value == pytest.approx(alone.matrix["ninety", "sixty"].soft.value)


def test_against_a_baseline_the_others_do_not_meet(here: Path, paths: list[Path]) -> None:
    one = ranked(paths, against="sixty")
    assert set(one.matrix) == {
        ("ninety", "sixty"),
        ("sixty", "ninety"),
        ("seventy-five", "sixty"),
        ("sixty", "seventy-five"),
    }
    baseline = next(standing for standing in one.standings if standing.system == "sixty")
    assert baseline.win_rate is None and baseline.rating.rating.value == 1000


def test_a_sample_of_games_is_judged_and_a_larger_one_goes_on(here: Path, paths: list[Path]) -> None:
    ranked(paths, games=12)
    before = verdicts(here)
    assert len((folder(here) / "meetings.jsonl").read_text("utf-8").splitlines()) == 12
    ranked(paths, games=24)
    assert verdicts(here)[: len(before)] == before


def test_too_many_verdicts_are_not_begun_unless_they_are_asked_for(
    here: Path, paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking_runs, "MOST", 10)
    with pytest.raises(UsageError, match=r"all pairs of 3 systems on \d+ questions are \d+ verdicts, about") as caught:
        ranked(paths)
    assert "--games 5" in str(caught.value.hint) and not (here / "results").exists()
    assert ranked(paths, games="all").questions == 12


def test_votes_of_others_are_ranked_without_a_judge(here: Path) -> None:
    rows = [
        {"system_a": "x", "system_b": "y", "question": str(number), "verdict": "a" if number % 3 else "b"}
        for number in range(30)
    ]
    Path("votes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    (one,) = rank(OutputsOptions(preferences="votes.jsonl")).rankings
    assert one.identity is None and one.name == "votes"
    assert one.matrix["x", "y"].hard.value == pytest.approx(2 / 3)
    with pytest.raises(UsageError, match="--preferences does not go with outputs"):
        rank(OutputsOptions((Path("votes.jsonl"),), preferences="votes.jsonl"))


# ---- stopping ---------------------------------------------------------------------------------------------


def test_judging_stops_when_it_is_decided_and_a_later_command_goes_on(here: Path) -> None:
    files = tuple(write_outputs(here / "outputs", answered(160, {"poor": 0.1, "good": 0.95})))
    (one,) = rank(OutputsOptions(files), settings=RankSettings(stop=True)).rankings
    assert one.decided is not None
    (pair,) = one.decided.pairs
    assert (pair.first, pair.second, pair.new.outcome) == ("good", "poor", "first")
    assert pair.questions < pair.questions_total == one.questions == 160
    order = [name for block in walk(f"q{number:03d}" for number in range(1, 161)) for name in block]
    assert set(one.games.frame["question"]) == set(order[: pair.questions])
    stopped = verdicts(here)
    assert statement(pair).startswith("good beats poor (") and f"{pair.new.questions} of 160 questions)" in statement(
        pair
    )
    (whole,) = rank(OutputsOptions(files)).rankings
    assert whole.decided is None and verdicts(here)[: len(stopped)] == stopped and len(verdicts(here)) > len(stopped)
    (again,) = rank(OutputsOptions(files), settings=RankSettings(stop=True)).rankings
    assert again.decided == one.decided


def test_a_pair_that_is_decided_is_judged_no_further_while_others_are(here: Path) -> None:
    files = tuple(write_outputs(here / "outputs", answered(96, {"poor": 0.05, "good": 0.9, "fine": 0.9})))
    (one,) = rank(OutputsOptions(files), settings=RankSettings(stop=True)).rankings
    frame = one.games.frame
    judged = frame.groupby(["first", "second"])["question"].nunique()
    assert judged["fine", "good"] == 96 and judged["fine", "poor"] < 96


def test_a_margin_and_a_budget_stop_too(here: Path) -> None:
    files = tuple(write_outputs(here / "outputs", answered(64, {"one": 0.7, "other": 0.7})))
    (one,) = rank(OutputsOptions(files), settings=RankSettings(margin=40)).rankings
    assert one.decided is not None and one.decided.pairs[0].new.outcome == "equal"
    (one,) = rank(OutputsOptions(files), settings=RankSettings(budget=1e-9, fresh=True)).rankings
    assert one.decided is not None and one.decided.pairs[0].questions == 16
    with pytest.raises(UsageError, match="--games does not go with --stop"):
        rank(OutputsOptions(files), settings=RankSettings(stop=True, games=10))


# ---- labels -----------------------------------------------------------------------------------------------


def test_suggested_pairs_that_a_person_labels_correct_the_judge(here: Path) -> None:
    rows = answered(60)
    files = tuple(write_outputs(here / "outputs", rows))
    by_question = {row.question: row for row in rows}
    made = rank(OutputsOptions(files), labels=LabelOptions(suggest=20)).suggested
    assert made is not None and made.pairs == 20
    with made.path.open(encoding="utf-8-sig", newline="") as file:
        pairs = list(csv.DictReader(file))
    filled = [pair | {"verdict": by_question[pair["question"]].label(pair["A"], pair["B"])} for pair in pairs]
    with pytest.raises(UsageError, match=r"to-label\.csv exists, and may hold a person's labels"):
        rank(OutputsOptions(files), labels=LabelOptions(suggest=20))
    with made.path.open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, filled[0].keys(), delimiter=";")
        out.writeheader()
        out.writerows(filled)
    labels = LabelOptions(made.path, suggest=5, out=here / "more.csv")
    found = rank(OutputsOptions(files), labels=labels, settings=RankSettings(page=here / "page.html"))
    (one,) = found.rankings
    told = Parts((here / "page.html").read_text("utf-8")).json("pairs-data")["labels"]
    assert len(told.replace(" ", "")) == 20 and len(told) == len(one.matrix) // 2 * 60
    assert one.correction is not None and one.correction.labels == 20
    assert (one.correction.accuracy.value or 0) > 0.9
    assert found.suggested is not None and found.suggested.pairs == 5
    more = (here / "more.csv").read_text("utf-8-sig")
    assert not any(pair["id"] in more for pair in pairs)


def test_labels_for_pairs_that_are_not_there_are_an_error(here: Path, paths: list[Path]) -> None:
    Path("labels.csv").write_text("id,verdict\nbcdf,A\n", "utf-8")
    with pytest.raises(DataError, match=r"labels\.csv:2: id 'bcdf' is no pair of these outputs"):
        rank(OutputsOptions(tuple(paths)), labels=LabelOptions(Path("labels.csv")))
    with pytest.raises(UsageError, match="--labels and --suggest need the answers"):
        rank(OutputsOptions((folder(here),)), labels=LabelOptions(Path("labels.csv")))


# ---- another judge ----------------------------------------------------------------------------------------


def test_whether_a_cheaper_judge_would_have_said_the_same_is_said_from_outputs_and_from_recorded_rankings(
    here: Path,
) -> None:
    files = tuple(write_outputs(here / "outputs", answered(60)))
    found = rank(OutputsOptions(files), settings=RankSettings(schemes=("f16", "q2_k")))
    (compared,) = found.compared
    assert compared.votes == len(found.rankings[0].games) and compared.left_out == 0
    recorded = [folder(here).parent.parent / scheme / "pairwise" for scheme in ("f16", "q2_k")]
    (again,) = rank(OutputsOptions(tuple(recorded))).compared
    assert (again.tau, again.shifts, again.kept) == (compared.tau, compared.shifts, compared.kept)
    shown = rankings_table(found.rankings, found.compared)
    assert "Kendall's tau" in shown and "pocket q2_k" in shown


# ---- the command ------------------------------------------------------------------------------------------


def test_every_form_of_output_says_the_same(edge: Edge, tmp_path: Path) -> None:
    write_outputs(tmp_path / "outputs", answered(12))
    files = [f"outputs/{name}.jsonl" for name in QUALITY]
    shown = edge("rank", *files, COLUMNS="80")
    assert shown.returncode == 0, shown.stderr
    assert max(map(len, shown.stdout.splitlines())) <= 80
    assert "outputs: 3 systems, 12 questions, judged by pocket f16 with --grammar pairwise" in " ".join(
        shown.stdout.split()
    )
    (found,) = json.loads(edge("rank", *files, "--json").stdout)["rankings"]
    rows = list(csv.DictReader(StringIO(edge("rank", *files, "--csv").stdout)))
    markdown = edge("rank", *files, "--markdown").stdout
    best_first = [standing["system"] for standing in found["standings"]]
    assert [row["system"] for row in rows] == best_first
    for standing, row in zip(found["standings"], rows, strict=True):
        assert float(row["win_rate_share"]) == standing["win_rate"]["value"]
        assert f"| {standing['system']} |" in markdown and standing["system"] in shown.stdout
    assert found == json.loads((tmp_path / "results/rank/outputs/pocket/f16/pairwise/ranking.json").read_text("utf-8"))


def test_wrong_options_and_wrong_input_are_errors_of_one_line(edge: Edge, tmp_path: Path) -> None:
    one, *_ = write_outputs(tmp_path / "outputs", answered(3))
    fails(edge("rank"), 2, "no outputs to rank")
    fails(edge("rank", one), 1, "only one system, 'sixty'")
    fails(edge("rank", "outputs/sixty.jsonl", "outputs/ninety.jsonl", "--against", "ninty"), 2, "did you mean ninety")
    fails(edge("rank", one, "--games", "few"), 2, "--games few: not a number of games")
    fails(edge("rank", one, "--format", "alpaca"), 2, "alpaca-eval")
    assert not (tmp_path / "results").exists()


def test_the_ten_lines_of_the_docs_lead_from_files_to_a_decision(edge: Edge, tmp_path: Path) -> None:
    rows = answered(12, {"old": 0.5, "new": 0.7, "tuned": 0.9})
    paths = write_outputs(tmp_path / "outputs", rows)
    by_question = {row.question: row for row in rows}
    text = (Path(__file__).parent.parent / "docs" / "ranking.md").read_text("utf-8")
    lines = text.split("```sh\n")[1].split("```")[0].splitlines()
    assert len(lines) <= 10
    commands = [shlex.split(line.split(" > ")[0], comments=True) for line in lines if line.startswith("edge-judge")]
    for _, *arguments in commands:
        named = [part for word in arguments for part in (map(str, paths) if "*" in word else [word])]
        done = edge(*named)
        assert done.returncode == 0, done.stderr
        assert "12 questions" in done.stdout or "--csv" in named
        if "--suggest" in named:
            with (tmp_path / "to-label.csv").open(encoding="utf-8-sig", newline="") as file:
                pairs = list(csv.DictReader(file))
            said = [f"{pair['id']},{by_question[pair['question']].label(pair['A'], pair['B'])}" for pair in pairs]
            (tmp_path / "to-label.csv").write_text("\n".join(["id,verdict", *said]) + "\n", "utf-8")
