"""slices on recorded runs: what a person reads at two widths, what a program gets, what is refused."""

from __future__ import annotations

import csv
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Edge, fails
from judgements import benchmark, known, random_verdicts, run
from published import FOLDER, needs

from edge_judge.analysis.slices import slices
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.records import Identity, Verdict
from edge_judge.report.slices import slices_json, slices_table
from edge_judge.runs.folder import put_run

POCKET = Path(__file__).parent.parent / "results/0.1.0/pocket/pocket"
SMALL, FREE = POCKET / "q2_k/pairwise", POCKET / "f16/none"


@pytest.mark.parametrize("width", [80, 120])
def test_a_person_reads_the_worst_category_first_and_what_chance_has_to_do_with_it(edge: Edge, width: int) -> None:
    done = edge("slices", SMALL, COLUMNS=str(width))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= width
    assert lines[0] == "pocket, judged by pocket q2_k with --grammar pairwise, against f16"
    assert [line.split()[0] for line in lines[4:6]] == ["all", "arithmetic"]
    assert (
        " ".join(done.stdout.split()).count(
            "worst of 15 categories: arithmetic, 5.8 points lost; adjusted for all of them p is 0.125 "
            "and chance alone may explain it"
        )
        == 1
    )
    assert "list            26" in done.stdout and "too few" in done.stdout


def test_a_program_gets_the_same_figures_as_json_and_as_csv(edge: Edge) -> None:
    (told,) = json.loads(edge("slices", SMALL, "--json").stdout)
    rows = list(csv.DictReader(io.StringIO(edge("slices", SMALL, "--csv").stdout)))
    assert (told["scheme"], told["baseline"]["scheme"], told["worst"]) == ("q2_k", "f16", "arithmetic")
    by_key = {(row["kind"], row["name"], row["figure"]): row for row in rows}
    for one in told["categories"]:
        row = by_key["category", one["name"], "drop"]
        assert float(row["value"]) == one["drop"]["value"]
        assert row["adjusted_p"] == ("" if one["adjusted_p"] is None else str(one["adjusted_p"]))
    assert float(by_key["trait", "hidden_mass", "change"]["value"]) == told["traits"]["hidden_mass"]["change"]["value"]
    assert float(by_key["length", "longer", "gap"]["value"]) == told["length"]["gap"]["value"]
    assert {row["baseline"] for row in rows} == {"f16"}


def test_a_baseline_stands_alone_and_shows_where_it_is_useless(edge: Edge) -> None:
    done = edge("slices", FREE)
    assert (done.returncode, done.stderr) == (0, "")
    assert "drop" not in done.stdout and "against" not in done.stdout
    assert "\n\n\n" not in done.stdout
    (told,) = json.loads(edge("slices", FREE, "--json").stdout)
    assert told["baseline"] is None and told["worst"] is None
    assert min(told["categories"], key=lambda one: one["accuracy"]["value"])["name"] == "larger"


def test_a_run_without_a_baseline_is_shown_with_a_note_unless_one_was_named(edge: Edge, tmp_path: Path) -> None:
    alone = tmp_path / "results/pocket/pocket/q2_k/pairwise"
    shutil.copytree(SMALL, alone)
    done = edge("slices", alone)
    assert done.returncode == 0 and "no baseline" in done.stderr and "drop" not in done.stdout
    fails(edge("slices", alone, "--baseline", "q8_0"), 1, "no q8_0 run of pocket on pocket")
    named = edge("slices", alone, "--baseline", POCKET / "f16/pairwise", "--json")
    assert json.loads(named.stdout)[0]["baseline"]["scheme"] == "f16"


@needs("llmbar/manual/dataset.json")
def test_runs_on_the_sets_of_llmbar_are_one_table_with_a_set_a_row(edge: Edge, tmp_path: Path) -> None:
    for name in ("llmbar-manual", "llmbar-gptout"):
        judged = known(name)
        for seed, scheme in enumerate(("q4_k_m", "f16")):
            given = run(random_verdicts(seed, judged), scheme, benchmark_sha256=judged.sha256)
            made = replace(given, identity=Identity(name, "pocket", scheme, "pairwise"))
            put_run(tmp_path / "results", made, {}, ("made", {}), fresh=False)
    done = edge("slices", "--json", EDGE_JUDGE_DATA=str(FOLDER))
    assert done.returncode == 0, done.stderr
    told = {one["scheme"]: one for one in json.loads(done.stdout)}
    assert {one["benchmark"] for one in told.values()} == {"llmbar"}
    assert [(one["name"], one["pairs"]) for one in told["q4_k_m"]["categories"]] == [("gptout", 47), ("manual", 46)]
    assert (told["q4_k_m"]["baseline"]["scheme"], told["f16"]["baseline"]) == ("f16", None)


def test_two_forms_at_once_are_refused(edge: Edge) -> None:
    fails(edge("slices", SMALL, "--json", "--csv"), 2, "--json and --csv do not go together")


@pytest.mark.parametrize("width", [80, 120])
def test_authors_are_shown_with_what_people_say_of_them(width: int) -> None:
    judged = known("mt-bench")
    runs = [
        RecordedRun(
            replace(
                run(random_verdicts(seed, judged), scheme), identity=Identity("mt-bench", "x-7b", scheme, "pairwise")
            ),
            judged,
        )
        for seed, scheme in enumerate(("q4_k_m", "f16"))
    ]
    found = slices([(runs[0], runs[1])], "mt-bench")
    text = slices_table([found], width=width)
    assert max(map(len, text.splitlines())) <= width
    assert "x (own)" in text and "wins %,\n" not in text and "preference, points" in text
    assert "new pairs of answering systems" in " ".join(text.split())
    assert {one["author"] for one in slices_json(found)["authors"]} == {"x", "y", "z"}  # type: ignore[attr-defined]
    assert slices_table([found], form="csv").count("\nmt-bench,x-7b,q4_k_m,pairwise,f16,author,x,") == 5


def test_pairs_nobody_judged_are_shown_without_a_figure() -> None:
    made = benchmark("a", "b")
    judged = replace(made, pairs=tuple(replace(pair, labels=()) for pair in made.pairs))
    given = [
        RecordedRun(run([Verdict(pair.id, "ab", "a") for pair in judged.pairs], name), judged)
        for name in ("q8_0", "f16")
    ]
    text = slices_table([slices([(given[0], given[1])], "toy")])
    assert "all" in text and "worst" not in text
