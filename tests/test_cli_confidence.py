"""confidence, cascade and jury on recorded runs: what a person reads, what a program gets, what is refused."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Edge, fails
from judgements import benchmark, random_benchmark, random_verdicts, run

from edge_judge.analysis.cascade import ABOVE, cascade
from edge_judge.analysis.jury import jury
from edge_judge.analysis.selective import abstain, coverage_points, risk_coverage
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.records import Benchmark, Identity, Run, Verdict
from edge_judge.report.cascade import cascade_table
from edge_judge.report.formatting import interval, percent
from edge_judge.report.jury import jury_table
from edge_judge.report.selective import Confident, confidence_table, short_names, threshold

POCKET = Path(__file__).parent.parent / "results/0.1.0/pocket/pocket"
SMALL, LARGE, FREE = POCKET / "q2_k/pairwise", POCKET / "q8_0/pairwise", POCKET / "f16/none"


def confident(judged: Benchmark, given: Run, risk: float | None = None) -> Confident:
    (one,) = with_benchmark(judged, [given])
    asked = None if risk is None else abstain(one, risk)
    return Confident(given.identity, risk_coverage(one), coverage_points(one), asked)


def with_benchmark(judged: Benchmark, made: Sequence[Run]) -> list[RecordedRun]:
    return [RecordedRun(one, judged) for one in made]


def runs(count: int, model: str = "a-model-with-a-name-that-goes-on-7b") -> tuple[Benchmark, list[Run]]:
    judged = random_benchmark(1, 200)
    made = [run(random_verdicts(seed, judged), f"iq3_xxs-{seed}") for seed in range(count)]
    named = [replace(one, identity=replace(one.identity, model=f"{model}-{seed}")) for seed, one in enumerate(made)]
    return judged, named


def recorded(path: Path) -> dict[str, Any]:
    """What the run's own score says of its strict accuracy."""
    found: dict[str, Any] = json.loads((path / "score.json").read_text("utf-8"))["strict"]["accuracy"]
    return found


def slowed(path: Path, to: Path, seconds: float) -> Path:
    """A copy of a run that took so long."""
    shutil.copytree(path, to)
    told = json.loads((to / "run.json").read_text("utf-8"))
    (to / "run.json").write_text(json.dumps({**told, "measured": {**told["measured"], "wall_seconds": seconds}}))
    return to


def test_the_ends_of_a_recorded_cascade_are_the_runs_own_scores(edge: Edge) -> None:
    done = edge("cascade", SMALL, LARGE, "--cost", "bytes", "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert found["steps"][0]["accuracy"] == recorded(SMALL)
    assert found["steps"][-1]["accuracy"] == found["alone"] == recorded(LARGE)
    assert found["cost"]["ratio"] == pytest.approx(1_663_840 / 4_134_176)
    assert found["least"]["kept"] >= 0.99 and found["least"]["cost"] < 0.5
    assert found["choice"] is None and found["wanted"] > 600  # too few pairs for 99 %
    enough = json.loads(edge("cascade", SMALL, LARGE, "--cost", "bytes", "--keep", "97", "--json").stdout)
    assert enough["choice"]["point"]["kept"] >= 0.97 and enough["wanted"] is None
    assert found["small"]["scheme"] == "q2_k" and found["large"]["scheme"] == "q8_0"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (3.0, "at 0.30 of its time, which is under half"),
        (8.0, "at 0.80 of its time; no threshold keeps 97 % at under half"),
        (20.0, "at 2.00 of its time: nothing is saved, q8_0 alone is cheaper"),
    ],
)
def test_a_cascade_says_in_a_sentence_whether_it_saves(edge: Edge, tmp_path: Path, seconds: float, said: str) -> None:
    small, large = slowed(SMALL, tmp_path / "small", seconds), slowed(LARGE, tmp_path / "large", 10.0)
    text = flat(edge("cascade", small, large, "--keep", "97").stdout)
    assert "in hindsight, q2_k alone keeps 99." in text and said in text
    recommended = "q8_0 alone, which costs less" if seconds > 10 else "q2_k alone, which is shown to keep at least 97 %"
    assert f"Recommended: {recommended}" in text


def flat(text: str) -> str:
    return " ".join(text.split())


def test_a_curve_for_each_run_that_has_one(edge: Edge) -> None:
    done = edge("confidence", "--results", POCKET.parent.parent, "--json")
    found = json.loads(done.stdout)
    assert {one["grammar"] for one in found} >= {"pairwise", "pairwise-json"} and done.returncode == 0
    assert "none" not in {one["grammar"] for one in found}
    assert done.stderr.count("left out") == 2 and "927 of 1,200 verdicts have no probability" in done.stderr
    assert all(one["curve"]["coverage"][-1] == 1 and one["aurc"] is not None for one in map(flattened, found))
    assert "abstention" not in found[0]


def flattened(one: dict[str, object]) -> dict[str, object]:
    return {**one, **one["curve"]}  # type: ignore[dict-item]


def test_abstaining_is_shown_with_what_it_does_here_and_the_least_that_could_be_asked_for(edge: Edge) -> None:
    text = edge("confidence", SMALL, POCKET / "f16/pairwise-json", "--abstain", "3.2").stdout
    assert "at most 3.2 % are wrong" in flat(text) and "on new pairs like these" in flat(text)
    found = json.loads(edge("confidence", SMALL, "--abstain", "5", "--json").stdout)[0]["abstention"]
    assert found["wished"] == 0.05 and found["effect"]["coverage"]["n"] == 600
    assert (found["threshold"] is None) == (found["best"] > 0.05) == (found["wanted"] is not None)


def test_jurors_of_other_schemes_and_protocols_sit_together(edge: Edge) -> None:
    done = edge("jury", SMALL, LARGE, POCKET / "f16/pairwise-json", "--json")
    found = json.loads(done.stdout)
    assert [one["name"] for one in found["together"]] == ["majority", "mean probability"]
    assert len(found["twos"]) == 3 and 0.9 < found["fleiss"]["value"] < 1
    text = edge("jury", SMALL, LARGE, POCKET / "f16/pairwise-json").stdout
    assert "q2_k pairwise, f16 pairwise-json" in text and "best juror: q8_0 pairwise" in text


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        (["confidence", FREE], 1, ["no probability", "hint: use a grammar"]),
        (["confidence", "elsewhere"], 1, ["elsewhere"]),
        (["confidence", "--results", "empty"], 1, ["no complete run with probabilities"]),
        (["confidence", SMALL, "--abstain", "nan"], 2, ["--abstain is not a number"]),
        (["confidence", SMALL, "--abstain", "0"], 2, ["not in the range"]),
        (["cascade", SMALL], 2, ["LARGE"]),
        (["cascade", SMALL, SMALL], 2, ["named twice"]),
        (["cascade", FREE, SMALL], 1, ["no probability"]),
        (["cascade", SMALL, LARGE, "--keep", "101"], 2, ["not in the range"]),
        (["cascade", SMALL, LARGE, "--cost", "money"], 2, ["money"]),
        (["jury", SMALL], 2, ["a jury needs at least two runs"]),
        (["jury"], 2, ["RUNS"]),
        (["jury", SMALL, SMALL], 2, ["named twice"]),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_line(edge: Edge, said: list[object], code: int, words: list[str]) -> None:
    fails(edge(*said), code, *words)


def test_runs_on_two_benchmarks_are_refused_by_name(edge: Edge, tmp_path: Path) -> None:
    shutil.copytree(SMALL, tmp_path / "other")
    settings = json.loads((tmp_path / "other/run.json").read_text("utf-8"))
    (tmp_path / "other/run.json").write_text(json.dumps({**settings, "benchmark": "mine"}))
    fails(edge("jury", SMALL, tmp_path / "other"), 1, "the runs are on pocket and mine")


def test_a_benchmark_that_has_changed_since_is_refused(edge: Edge, tmp_path: Path) -> None:
    shutil.copytree(LARGE, tmp_path / "other")
    settings = json.loads((tmp_path / "other/run.json").read_text("utf-8"))
    settings["settings"]["benchmark_sha256"] = "0" * 64
    (tmp_path / "other/run.json").write_text(json.dumps(settings))
    fails(edge("cascade", SMALL, tmp_path / "other"), 1, "differs from the one that was judged")


@pytest.mark.parametrize("command", ["confidence", "cascade", "jury"])
def test_help_ends_with_an_example(edge: Edge, command: str) -> None:
    assert f"edge-judge {command} " in edge(command, "--help").stdout.rpartition("\n  Example")[2]


@pytest.mark.parametrize("width", [80, 120])
def test_tables_fit_their_width_and_cut_no_figure(width: int) -> None:
    judged, made = runs(3)
    shown = [confident(judged, one, 0.3) for one in made]
    together = with_benchmark(judged, made)
    for text, unlimited in (
        (confidence_table(shown, width=width), confidence_table(shown, width=400)),
        (confidence_table(shown[:1], width=width), confidence_table(shown[:1], width=400)),
        (cascade_table(cascade(*together[:2]), width=width), cascade_table(cascade(*together[:2]), width=400)),
        (jury_table(jury(together), width=width), jury_table(jury(together), width=400)),
    ):
        assert max(map(len, text.splitlines())) <= width
        figures = [word for word in unlimited.split() if word[0].isdigit() and "." in word]
        assert figures and set(figures) <= set(text.split())


def test_what_is_undefined_is_a_dash_or_said_in_words() -> None:
    judged = benchmark((), ())
    given = run([Verdict("0", "ab", "a", {"a": 0.9, "b": 0.1}), Verdict("1", "ab", "a", {"a": 0.9, "b": 0.1})])
    text = confidence_table([confident(judged, given), confident(judged, replace(given, identity=other()))])
    assert "0.0" not in text and " -" in text
    labelled = benchmark("a", "a")
    never = run([replace(verdict, verdict=None) for verdict in given.verdicts], "f16")
    told = cascade_table(cascade(*with_benchmark(labelled, [given, replace(never, measured=None)])))
    assert "f16 is never right here" in told and "Nothing is recommended" in told and "cost unknown" in told


def other() -> Identity:
    return Identity("toy", "pocket", "f16", "pairwise")


def test_none_of_the_thresholds_holding_is_said_with_the_least_that_could_be_asked_for() -> None:
    judged, made = runs(1)
    asked = confident(judged, made[0], 0.01)
    assert asked.abstention is not None
    text = confidence_table([asked])
    assert "none" in text and f"{math.ceil(1000 * asked.abstention.best) / 10:.1f}" in text
    assert "more pairs like these would not show one" in flat(text)  # its verdicts are drawn at random
    counted = replace(asked, abstention=replace(asked.abstention, wanted=1234))
    assert "about 1,234 pairs like these would show one" in flat(confidence_table([counted]))
    second = replace(asked, abstention=replace(asked.abstention, wanted=99), identity=other())
    assert "about 99 to 1,234 pairs like these" in flat(confidence_table([counted, second]))


def test_what_is_recommended_is_shown_to_keep_enough_and_says_what_it_loses_here() -> None:
    judged, made = runs(2)
    found = cascade(*with_benchmark(judged, made), keep=0.5)
    assert found.choice is not None
    found = replace(found, choice=replace(found.choice, point=replace(found.choice.point, cost=None)))
    text = flat(cascade_table(found))
    assert found.choice is not None and "which is shown to keep at least 50 % on new pairs like these" in text
    assert f"{interval(found.choice.point.accuracy, percent)} % here" in text
    dear = replace(found.choice, point=replace(found.choice.point, cost=1.0))
    assert "which costs less than a cascade that is shown to keep 50 %" in flat(
        cascade_table(replace(found, choice=dear))
    )
    for wanted, said in ((1234, "about 1,234 pairs like these would show one"), (None, "would not show one")):
        none = replace(found, choice=None, wanted=wanted)
        assert f"{said}." in flat(cascade_table(none)) and "No threshold is shown to keep 50 %" in flat(
            cascade_table(none)
        )


def test_judges_are_named_by_what_tells_them_apart() -> None:
    first = Identity("toy", "pocket", "q2_k", "pairwise")
    assert short_names([first, replace(first, scheme="f16")]) == ["q2_k", "f16"]
    assert short_names([first, replace(first, grammar="none", scheme="f16")]) == ["q2_k pairwise", "f16 none"]
    assert short_names([first]) == ["pocket q2_k pairwise"]


def test_a_threshold_below_1_is_never_shown_as_1() -> None:
    assert [threshold(number) for number in (0.5, 0.99996, 1.0, ABOVE, None)] == [
        "0.5000",
        "0.99996",
        "1",
        "any",
        "none",
    ]
