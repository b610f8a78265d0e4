"""Juries and cascades as the judge of a ranking: their votes are those of `analysis.jury` and of the judges they pass
pairs to, on made-up votes and by the embedded judge.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from math import nan
from pathlib import Path

import numpy as np
import pytest
from conftest import Edge
from halting import halt_after, halted
from hypothesis import given
from hypothesis import strategies as st
from systems import answered, write_outputs
from votes import FEW, NAMES, made_up

from edge_judge.analysis.cascade import ABOVE
from edge_judge.analysis.jury import vote
from edge_judge.analysis.ranking.combined import CascadeJudge, JuryJudge, TokensRead, cascade_votes, jury_votes, unsure
from edge_judge.analysis.ranking.games import WINNERS, Game, Games, games
from edge_judge.analysis.ranking.standings import RankedSystems, stand
from edge_judge.errors import DataError, RunError, UsageError
from edge_judge.metrics.alignment import align
from edge_judge.metrics.trials import aligned_verdicts
from edge_judge.records import LABELS, Benchmark, Identity, Order, Pair, Verdict
from edge_judge.report.formatting import Form
from edge_judge.report.page.ranking_document import build
from edge_judge.report.ranking import rankings_json, rankings_table
from edge_judge.runs.folder import RunFolder
from edge_judge.runs.rankings import read_judged
from edge_judge.workflows.options import LabelOptions, OutputsOptions, RankSettings
from edge_judge.workflows.rank import rank

SMALL, LARGE = Identity("made-up", "pocket", "q2_k", "pairwise"), Identity("made-up", "pocket", "f16", "pairwise")
SHARES = [(0.6, 0.3, 0.1), (0.1, 0.8, 0.1), (0.0, 0.25, 0.75), (0.5, 0.5, 0.0), (1.0, 0.0, 0.0)]
SURE = 0.995  # the embedded judge at q2_k is less sure than this on some of the pairs below


def figures(one: RankedSystems) -> list[object]:
    return [one.standings, one.matrix, one.quality, one.questions, one.unasked]


def same_figures(one: RankedSystems, other: RankedSystems) -> bool:
    """But for the last bit of a mean of equal numbers."""

    def rates(ranked: RankedSystems) -> list[float]:
        matrix = [float(one.value or 0) for rate in ranked.matrix.values() for one in (rate.soft, rate.hard)]
        return matrix + [float(standing.rating.rating.value or 0) for standing in ranked.standings]

    names = [[standing.system for standing in ranked.standings] for ranked in (one, other)]
    groups = [[standing.rating.groups for standing in ranked.standings] for ranked in (one, other)]
    return names[0] == names[1] and groups[0] == groups[1] and rates(one) == pytest.approx(rates(other))


def with_likeliest(votes: Games) -> Games:
    """The votes with the likeliest verdict as the one given, as a judge gives it; `made_up` draws it."""
    p = votes.frame[["p_first", "p_second", "p_tie"]].fillna(0).to_numpy()
    likeliest = np.array(WINNERS, object)[p.argmax(axis=1)]
    return Games(votes.systems, votes.frame.assign(verdict=votes.frame["verdict"].where(p.sum(axis=1) == 0, likeliest)))


# ---- votes --------------------------------------------------------------------------------------------------


def test_three_equal_judges_rank_as_one() -> None:
    votes = with_likeliest(made_up([1.0, 0.2, 0.0, -1.0], 40, 3, soft=True, errors=0.05))
    together, way = jury_votes([votes, votes, votes])
    assert way == "mean probability"
    assert same_figures(stand(together), stand(votes))
    verdicts_only = made_up([1.0, 0.2, 0.0, -1.0], 40, 3, errors=0.05)
    together, way = jury_votes([verdicts_only] * 3)
    assert way == "majority"
    assert figures(stand(together)) == figures(stand(verdicts_only))


VOTES = st.lists(
    st.lists(st.tuples(st.sampled_from([*WINNERS, None]), st.sampled_from(SHARES)), min_size=6, max_size=6),
    min_size=2,
    max_size=4,
)


@FEW
@given(VOTES, st.booleans())
def test_a_jury_votes_as_that_of_recorded_runs_does(drawn: list[list[tuple]], soft: bool) -> None:
    """The same votes as verdicts on a benchmark, put through `align` as every run is."""
    orders: list[Order] = ["ab", "ba"]
    keys = [(place, order) for place in range(3) for order in orders]
    benchmark = Benchmark("made-up", tuple(Pair(str(place), "?", "a", "b") for place in range(3)), "", True, "")
    label = dict(zip(WINNERS, LABELS, strict=True))
    members, tables = [], []
    for votes in drawn:
        rows, verdicts = [], []
        for (place, order), (winner, p) in zip(keys, votes, strict=True):
            given_p = p if soft and winner else (nan, nan, nan)
            rows.append(Game(str(place), "x", "y", order, winner, *given_p))
            known = dict(zip(LABELS, p, strict=True)) if soft and winner else None
            verdicts.append(Verdict(str(place), order, None if winner is None else label[winner], known))
        members.append(games(rows, ["x", "y"]))
        tables.append(aligned_verdicts(align(benchmark, verdicts)))
    voted = vote(tables, ties=True)
    together, way = jury_votes(members)
    expected = voted.majority if voted.mean is None else voted.mean
    assert way == ("majority" if voted.mean is None else "mean probability")
    winners = dict(enumerate(WINNERS))
    assert together.frame["verdict"].tolist() == [winners.get(code) for code in expected.tolist()]
    if way == "mean probability":
        shown = together.frame[["p_first", "p_second", "p_tie"]].to_numpy()
        valid = together.frame["verdict"].notna().to_numpy()
        np.testing.assert_allclose(shown[valid], voted.p[valid])


def test_a_member_without_a_valid_verdict_has_no_vote_and_nobody_is_no_verdict() -> None:
    one = games([Game("q", "x", "y", "ab", None), Game("r", "x", "y", "ab", None)])
    other = games([Game("q", "x", "y", "ab", "second"), Game("r", "x", "y", "ab", None)])
    together, way = jury_votes([one, other])
    assert way == "majority" and together.frame["verdict"].tolist() == ["second", None]


def test_two_equal_answers_stay_a_tie_that_nobody_was_asked_about() -> None:
    same = Game("s", "x", "y", "ab", "tie", 0, 0, 1, asked=False)
    one = games([Game("q", "x", "y", "ab", "first"), same])
    other = games([Game("q", "x", "y", "ab", "second"), same])
    together, way = jury_votes([one, other])
    assert way == "majority"  # the probabilities of the tie were nobody's
    assert together.frame["verdict"].tolist() == ["tie", "tie"]
    assert together.frame["asked"].tolist() == [True, False]


def noisy(chance: np.random.Generator, right: float, truth: Sequence[int], questions: int) -> Games:
    """A judge that is right so often, each time by itself, on systems of which the earlier is better."""
    rows = []
    for question in range(questions):
        for i, j in zip(*np.triu_indices(len(truth), 1), strict=True):
            for order in ("ab", "ba"):
                better = "first" if truth[i] < truth[j] else "second"
                other = "second" if better == "first" else "first"
                rows.append(
                    Game(f"q{question}", NAMES[i], NAMES[j], order, better if chance.random() < right else other)
                )
    return games(rows, NAMES[: len(truth)])


def test_a_jury_of_judges_that_err_independently_is_closer_to_the_truth_than_each() -> None:
    """By Condorcet: five that are right in 70 % are right in 83.7 % together, far ahead of each."""
    chance = np.random.default_rng(16)
    members = [noisy(chance, 0.7, [0, 1, 2, 3], 100) for _ in range(5)]
    together, _ = jury_votes(members)
    right = [(one.frame["verdict"] == "first").mean() for one in (together, *members)]
    assert right[0] > max(right[1:]) + 0.08
    truth = 0.837
    assert right[0] == pytest.approx(truth, abs=0.05)


def test_judges_of_other_pairs_are_no_jury() -> None:
    votes = made_up([1.0, 0.0, -1.0], 10, 1)
    with pytest.raises(DataError, match="did not judge the same pairs: 6 votes of the first"):
        jury_votes([votes, votes.of((votes.frame["question"] != "q3").to_numpy())])
    with pytest.raises(DataError, match="did not judge the same pairs: 0 votes of the first.*, 6 of the other's"):
        jury_votes([votes.of((votes.frame["question"] != "q3").to_numpy()), votes])
    with pytest.raises(DataError, match="only one of them judged cleo"):
        jury_votes([votes, made_up([1.0, 0.0], 10, 1)])


def test_members_may_name_the_systems_in_another_order() -> None:
    votes = with_likeliest(made_up([1.0, 0.0, -1.0], 10, 1, soft=True))
    together, _ = jury_votes([votes, votes.reordered(["cleo", "ada", "bert"])])
    assert together.frame["verdict"].tolist() == votes.frame["verdict"].tolist()


def test_a_cascade_is_the_small_judge_at_threshold_0_and_the_large_one_above_1() -> None:
    small, large = (made_up([1.0, 0.2, -0.5], 30, seed, soft=True, errors=0.05) for seed in (1, 2))
    assert unsure(small, 0.0, SMALL) == frozenset()
    assert figures(stand(cascade_votes(small, large, frozenset()))) == figures(stand(small))
    everything = unsure(small, ABOVE, SMALL)
    assert len(everything) == 30 * 3
    lengths = small.frame[["length_first", "length_second"]]
    expected = Games(large.systems, large.frame.assign(**{name: lengths[name] for name in lengths}))
    assert figures(stand(cascade_votes(small, large, everything))) == figures(stand(expected))


def test_a_pair_is_passed_on_in_both_orders_by_the_mean_of_its_probabilities() -> None:
    rows = [
        Game("sure", "x", "y", "ab", "first", 0.9, 0.1, 0.0), Game("sure", "x", "y", "ba", "first", 0.8, 0.2, 0.0),
        Game("torn", "x", "y", "ab", "first", 0.9, 0.1, 0.0), Game("torn", "x", "y", "ba", "second", 0.2, 0.8, 0.0),
        Game("none", "x", "y", "ab", "first", 1.0, 0.0, 0.0), Game("none", "x", "y", "ba", None),
        Game("once", "x", "y", "ab", "second", 0.2, 0.8, 0.0),
    ]  # fmt: skip
    small = games(rows)
    assert {met.question for met in unsure(small, 0.8, SMALL)} == {"torn", "none"}
    assert {met.question for met in unsure(small, 0.85, SMALL)} == {"torn", "none", "once"}
    large = games([replace(row, verdict="tie", p_first=0, p_second=0, p_tie=1) for row in rows])
    together = cascade_votes(small, large, unsure(small, 0.8, SMALL))
    assert together.frame["verdict"].tolist() == ["first", "first", "tie", "tie", "tie", "tie", "second"]
    with pytest.raises(DataError, match="did not judge the same pairs"):
        cascade_votes(small, large.of((large.frame["order"] == "ab").to_numpy()), unsure(small, 0.8, SMALL))


def test_a_small_judge_without_probabilities_passes_nothing_on() -> None:
    with pytest.raises(RunError, match="so their confidence is unknown"):
        unsure(made_up([1.0, 0.0], 5, 1), 0.9, SMALL)


# ---- what is shown ------------------------------------------------------------------------------------------


def flat(text: str) -> str:
    """On one line: a title is folded at the table's width."""
    return " ".join(text.replace("\\_", "_").split())


def test_every_form_says_what_kind_of_judge_it_is() -> None:
    votes = made_up([1.0, 0.0, -1.0], 20, 1, soft=True)
    other = replace(LARGE, model="big")
    jury = stand(votes, name="made-up", combined=JuryJudge((SMALL, LARGE, other), "mean probability"))
    cascade = stand(votes, name="made-up", combined=CascadeJudge(SMALL, LARGE, 0.9, 3, 60, TokensRead(250, 1000)))
    forms: tuple[Form, ...] = ("csv", "markdown", "table")
    for form in (rankings_table([jury], form=form, width=200) for form in forms):
        assert "a jury of pocket q2_k, pocket f16 and big f16 with --grammar pairwise" in flat(form)
    assert "the mean of the judges' probabilities on each pair and order" in rankings_table([jury], width=200)
    text = flat(rankings_table([cascade], width=200))
    assert "judged by a cascade of pocket q2_k and, below 0.9, f16 with --grammar pairwise" in text
    assert "3 of 60 pairs (5.0 %) went to pocket f16, which read 250 tokens instead of 1,000: 75.0 % saved" in text
    found = rankings_json([jury, cascade])["rankings"]
    assert [one["combined"]["kind"] for one in found] == ["jury", "cascade"]  # type: ignore[index]
    assert found[1]["combined"]["threshold"] == 0.9 and found[0]["judge"] is None  # type: ignore[index]
    page = build([cascade, stand(votes, SMALL)])
    assert "a cascade of pocket q2_k and, below 0.9, f16" in page and "3 of 60 pairs" in page


def test_members_with_other_protocols_are_named_by_them() -> None:
    jury = JuryJudge((SMALL, replace(SMALL, grammar="pointwise")), "majority")
    text = flat(rankings_table([stand(made_up([1.0, 0.0], 5, 1), name="x", combined=jury)], width=200))
    assert "a jury of pocket q2_k pairwise and q2_k pointwise" in text
    assert "the verdict of the most" in text


# ---- the embedded judge -------------------------------------------------------------------------------------


@pytest.fixture
def here(models: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("EDGE_JUDGE_MODELS", str(models))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def outputs(here: Path) -> OutputsOptions:
    return OutputsOptions(tuple(write_outputs(here / "outputs", answered(40))))


def folder(here: Path, scheme: str) -> Path:
    return here / "results" / "rank" / "outputs" / "pocket" / scheme / "pairwise"


def lines(here: Path, scheme: str) -> list[str]:
    return (folder(here, scheme) / "verdicts.jsonl").read_text("utf-8").splitlines()


CASCADE = RankSettings(schemes=("q2_k", "f16"), cascade=SURE)


def test_a_jury_is_one_more_ranking_and_is_read_again_from_the_members_folders(
    here: Path, outputs: OutputsOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = rank(outputs, settings=RankSettings(schemes=("q2_k", "q4_k_m", "f16"), jury=True))
    jury, *members = found.rankings
    assert isinstance(jury.combined, JuryJudge) and jury.identity is None
    assert [who.scheme for who in jury.combined.members] == ["q2_k", "q4_k_m", "f16"]
    assert [one.identity and one.identity.scheme for one in members] == ["q2_k", "q4_k_m", "f16"]
    assert len(found.compared) == 3
    means = sum(one.games.frame["p_first"] for one in members) / 3
    np.testing.assert_allclose(jury.games.frame["p_first"], means)
    monkeypatch.setenv("EDGE_JUDGE_MODELS", str(here / "none"))
    folders = OutputsOptions(tuple(folder(here, scheme) for scheme in ("q2_k", "q4_k_m", "f16")))
    again = rank(folders, settings=RankSettings(jury=True)).rankings
    assert figures(again[0]) == figures(jury) and again[0].combined == jury.combined and len(again) == 4


def test_the_large_judge_of_a_cascade_judges_only_what_is_passed_on(here: Path, outputs: OutputsOptions) -> None:
    found = rank(outputs, settings=CASCADE, labels=LabelOptions(suggest=5))
    cascade, small = found.rankings
    judge = cascade.combined
    assert isinstance(judge, CascadeJudge) and judge.tokens is not None
    assert 0 < judge.passed < judge.pairs
    assert (len(lines(here, "f16")), len(lines(here, "q2_k"))) == (2 * judge.passed, 2 * judge.pairs)
    assert len(unsure(small.games, SURE, SMALL)) >= judge.passed  # two meetings of the same texts are one pair
    measured = [json.loads((folder(here, scheme) / "run.json").read_text("utf-8")) for scheme in ("f16", "q2_k")]
    assert [one["measured"]["tokens"] for one in measured] == [judge.tokens.passed, judge.tokens.everything]
    assert not (folder(here, "f16") / "ranking.json").exists()  # of a part of the pairs, so it ranks nobody
    assert found.suggested is not None and found.suggested.pairs == 5
    whole = rank(outputs, settings=RankSettings(schemes=("f16",))).rankings[0]
    theirs = cascade_votes(small.games, whole.games, unsure(small.games, SURE, SMALL))
    np.testing.assert_allclose(cascade.games.frame["p_first"], theirs.frame["p_first"], atol=1e-2)  # other calls round
    assert cascade.games.frame["verdict"].tolist() == theirs.frame["verdict"].tolist()
    folders = OutputsOptions((folder(here, "q2_k"), folder(here, "f16")))
    again = rank(folders, settings=RankSettings(cascade=SURE)).rankings
    assert figures(again[0]) == figures(cascade) and again[0].combined == judge
    assert [one.identity and one.identity.scheme for one in again] == [None, "q2_k", "f16"]


def test_a_cascade_again_judges_nothing_and_loads_nothing(
    here: Path, outputs: OutputsOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = rank(outputs, settings=CASCADE).rankings
    monkeypatch.setattr("edge_judge.runs.session.judge", None)
    monkeypatch.setattr("edge_judge.workflows.ranking_runs.load", None)
    after = rank(outputs, settings=CASCADE).rankings
    assert figures(after[0]) == figures(before[0]) and after[0].combined == before[0].combined
    lower = rank(outputs, settings=replace(CASCADE, cascade=0.0)).rankings
    assert figures(lower[0]) == figures(before[1])


def test_a_cascade_of_recorded_rankings_needs_verdicts_on_what_is_passed_on(
    here: Path, outputs: OutputsOptions
) -> None:
    rank(outputs, settings=replace(CASCADE, cascade=0.95))
    folders = OutputsOptions((folder(here, "q2_k"), folder(here, "f16")))
    with pytest.raises(RunError, match=r"no verdict on \d+ of the \d+ pairs that are passed on"):
        rank(folders, settings=RankSettings(cascade=SURE))
    with pytest.raises(RunError, match="the ranking is not complete"):
        rank(folders, settings=RankSettings(jury=True))


def test_with_a_baseline_and_a_sample_of_games(here: Path, outputs: OutputsOptions) -> None:
    settings = RankSettings(schemes=("q2_k", "f16"), against="sixty", games=60)
    for chosen in (replace(settings, jury=True), replace(settings, cascade=SURE)):
        one = rank(outputs, settings=chosen).rankings[0]
        assert one.against == "sixty" and {"sixty"} & {*one.matrix} == set()
        assert len(one.games.frame.drop_duplicates(["question", "first", "second"])) == 60


def halt_at(reached: int) -> None:
    """Once the small judge's ranking is complete, the large judge's first verdicts are kept, and then it waits."""
    halt_after(RunFolder, "append", reached, lambda run, _: run.identity.scheme == "f16")


def test_a_cascade_that_is_killed_between_its_judges_ends_as_an_undisturbed_one(
    edge: Edge, environment: dict[str, str], tmp_path: Path
) -> None:
    names = [path.name for path in write_outputs(tmp_path, answered(40))]
    command = ["rank", *names, "--scheme", "q2_k", "--scheme", "f16", "--cascade", str(SURE), "--json", "--results"]
    whole = edge(*command, "whole")
    assert whole.returncode == 0
    with halted(environment, tmp_path, "test_ranking_jury", 3, *command, "killed") as process:
        process.kill()
    place = Path("rank", tmp_path.name, "pocket")
    large = tmp_path / "killed" / place / "f16" / "pairwise"
    assert (large / "verdicts.jsonl").read_bytes().count(b"\n") == 3
    assert (tmp_path / "killed" / place / "q2_k" / "pairwise" / "ranking.json").exists()
    resumed = edge(*command, "killed")
    assert resumed.returncode == 0 and json.loads(resumed.stdout) == json.loads(whole.stdout)
    kept = [sorted(read_judged(tmp_path / name / place / "f16" / "pairwise").verdicts, key=str)
            for name in ("whole", "killed")]  # fmt: skip
    assert kept[0] == kept[1]


# ---- wrong input --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (RankSettings(jury=True), "--jury needs two judges or more"),
        (RankSettings(schemes=("q2_k",), jury=True), "--jury needs two judges or more"),
        (RankSettings(cascade=0.9), "--cascade needs two judges, the small one first; there is 1"),
        (RankSettings(schemes=("q2_k", "q4_k_m", "f16"), cascade=0.9), "there are 3"),
        (replace(CASCADE, cascade=95.0), "--cascade 95: not a confidence"),
        (replace(CASCADE, cascade=-0.1), "--cascade -0.1: not a confidence"),
        (replace(CASCADE, cascade=nan), "--cascade nan: not a confidence"),
        (replace(CASCADE, jury=True), "--jury does not go with --cascade"),
        (replace(CASCADE, stop=True), "--stop, --margin and --budget do not go with --jury or --cascade"),
        (RankSettings(schemes=("f16", "F16"), jury=True), "outputs/pocket/f16/pairwise is named twice"),
    ],
)
def test_judges_that_do_not_go_together(here: Path, settings: RankSettings, message: str) -> None:
    outputs = OutputsOptions(tuple(write_outputs(here / "outputs", answered(4))))
    with pytest.raises(UsageError, match=message):
        rank(outputs, settings=settings)


def test_a_large_judge_that_is_not_here_is_told_before_the_small_one_judges(
    here: Path, outputs: OutputsOptions
) -> None:
    with pytest.raises(Exception, match="nosuch"):
        rank(outputs, settings=RankSettings(models=("pocket", "nosuch"), cascade=0.9))
    assert not (here / "results").exists()


def test_recorded_rankings_of_other_texts_are_no_jury(here: Path, outputs: OutputsOptions) -> None:
    rank(outputs, settings=RankSettings(schemes=("q2_k",)))
    file = outputs.paths[0]
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    rows[0]["output"] = "changed"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    rank(outputs, settings=RankSettings(schemes=("f16",)))
    folders = OutputsOptions((folder(here, "q2_k"), folder(here, "f16")))
    with pytest.raises(RunError, match=r"judged other pairs than .*: \d are in one alone"):
        rank(folders, settings=RankSettings(jury=True))
    with pytest.raises(UsageError, match="--jury and --cascade do nothing with --preferences"):
        rank(OutputsOptions(preferences=(file,)), settings=RankSettings(jury=True))
