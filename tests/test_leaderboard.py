"""The table of judges by benchmarks: which figure stands in which cell, and how each format writes it."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from judgements import benchmark, random_benchmark, random_verdicts, verdicts

from edge_judge.analysis.compare import compare
from edge_judge.analysis.leaderboard import Cell, Leaderboard, LeaderboardRow, build
from edge_judge.errors import UsageError
from edge_judge.metrics.published import Published, read_published
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.records import Benchmark, Identity, Label, Run, Verdict
from edge_judge.report.formatting import interval, percent
from edge_judge.report.leaderboard import judges_json, judges_table

PUBLISHED = read_published(Path(__file__).parent.parent / "results" / "published.csv")
EIGHT = (
    "auto-j",
    "pandalm",
    "llmbar-natural",
    "llmbar-neighbor",
    "llmbar-gptinst",
    "llmbar-gptout",
    "llmbar-manual",
    "mt-bench",
)
NAMES = ("benchmark", "model", "scheme", "grammar")


def scored(
    judged: Benchmark,
    given: list[Verdict],
    model: str = "llama-3-8b",
    scheme: str = "q4_k_m",
    grammar: str = "pairwise",
    *,
    size: int = 4_000_000,
    pairs: int | None = None,
    **settings: object,
) -> RecordedRun:
    """A run with its figures; pairs: of the whole benchmark, where the run judged fewer."""
    identity = Identity(judged.name, model, scheme, grammar)
    kept = Run(identity, {"gguf_sha256": scheme, **settings}, None, tuple(given), size)
    unjudged = [replace(judged.pairs[0], id=f"unjudged {place}") for place in range((pairs or 0) - len(judged.pairs))]
    return RecordedRun(kept, replace(judged, pairs=(*judged.pairs, *unjudged)))


def right(times: int, of: int, name: str = "llmbar-natural") -> tuple[Benchmark, list[Verdict]]:
    """So many right verdicts of so many in the order given, and every one wrong in the other."""
    said: list[tuple[Label | None, Label | None]] = [("a" if place < times else "b", "b") for place in range(of)]
    return benchmark(*["a"] * of, ties=False, name=name), verdicts(*said)


def row(table: Leaderboard, model: str, scheme: str | None = None, grammar: str | None = None) -> LeaderboardRow:
    """The first row of that judge (and scheme and grammar)."""
    wanted = (model, scheme, grammar if grammar or scheme is None else "pairwise")
    return next(one for one in table.rows if (one.model, one.scheme, one.grammar) == wanted)


def cell(table: Leaderboard, name: str, *who: str) -> Cell:
    return next(one for one in row(table, *who).cells if one.benchmark == name)


def several() -> Leaderboard:
    """Two schemes and a second grammar of a published judge, an own judge, an own benchmark, a part of a benchmark."""
    named = replace(random_benchmark(3, 40), name="mine|of *my* own")
    autoj = replace(random_benchmark(4, 60), name="auto-j")
    return build(
        [
            scored(*right(71, 100), scheme="f16", size=16_000_000),
            scored(*right(60, 100)),
            scored(*right(30, 50), grammar="none", pairs=100),
            scored(autoj, random_verdicts(5, autoj), model="autoj-13b"),
            scored(*right(5, 9, "pandalm"), model="pandalm-7b", scheme="q8_0"),
            scored(named, random_verdicts(6, named), model="a_judge_of_ones_own"),
            scored(benchmark((), name="mt-bench"), verdicts(("a", "b")), model="a_judge_of_ones_own"),
        ],
        PUBLISHED,
    )


# ---- cells ------------------------------------------------------------------------------------------------


def test_without_any_run_it_is_the_published_table() -> None:
    table = build([], PUBLISHED)
    assert table.benchmarks == EIGHT
    assert len(table.rows) == len(PUBLISHED)
    for published in PUBLISHED:
        [found] = [one for one in table.rows if one.published == published]
        assert {one.benchmark: one.published for one in found.cells if one.published is not None} == published.figures
        assert all(one.ours.value is None and one.from_published is None for one in found.cells)


def test_judges_keep_the_published_order_then_come_ours_by_name() -> None:
    own = [scored(*right(5, 9), model=model) for model in ("pocket", "another", "deepseek-7b")]
    models = list(dict.fromkeys(one.model for one in build(own, PUBLISHED).rows))
    assert models == [*dict.fromkeys(one.model for one in PUBLISHED), "another", "pocket"]
    assert models.index("gpt-4-0613") == 9


def test_a_cell_holds_our_paper_figure_and_how_far_the_published_one_is() -> None:
    found = cell(build([scored(*right(60, 100))], PUBLISHED), "llmbar-natural", "llama-3-8b", "q4_k_m")
    assert (found.figure, found.ours.value, found.ours.k, found.ours.n) == ("accuracy", 0.6, 60, 100)
    assert found.ours.low is not None and found.ours.high is not None and found.ours.low < 0.6 < found.ours.high
    assert (found.published, found.precision, found.source) == (71.0, "full", "user")
    assert found.from_published == pytest.approx(-11)
    assert found.outside is True  # the interval ends at 69.1
    closer = cell(build([scored(*right(65, 100))], PUBLISHED), "llmbar-natural", "llama-3-8b", "q4_k_m")
    assert closer.outside is False


def test_the_difference_from_f16_is_of_the_same_figure_over_what_both_judged() -> None:
    wide = scored(*right(71, 100), scheme="f16")
    table = build([wide, scored(*right(60, 100)), scored(*right(30, 50), scheme="q2_k", pairs=100)], PUBLISHED)
    differences = [
        cell(table, "llmbar-natural", "llama-3-8b", scheme).from_f16.value for scheme in ("f16", "q4_k_m", "q2_k")
    ]
    assert differences == [None, pytest.approx(-11), pytest.approx(-40)]  # of the first 50, f16 has all 50 right


@pytest.mark.parametrize("name", ["auto-j", "mt-bench", "pandalm"])
def test_under_paper_the_difference_from_f16_is_the_paired_one_of_the_papers_figure(name: str) -> None:
    judged = replace(random_benchmark(1, 60, votes=3, given=True), name=name)
    ours, wide = scored(judged, random_verdicts(1, judged)), scored(judged, random_verdicts(2, judged), scheme="f16")
    found = cell(build([ours, wide], PUBLISHED), name, "llama-3-8b", "q4_k_m")
    [(figure, mine)], [(_, theirs)] = ours.score.paper.items(), wide.score.paper.items()
    assert found.figure == figure and mine.value is not None and theirs.value is not None
    assert found.from_f16.value == pytest.approx(100 * (mine.value - theirs.value))
    assert found.from_f16.low is not None and found.from_f16.high is not None
    assert found.from_f16.low < found.from_f16.value < found.from_f16.high


def test_two_runs_that_agree_in_nearly_everything_differ_far_less_than_their_accuracies_are_known() -> None:
    found = cell(
        build([scored(*right(70, 100)), scored(*right(71, 100), scheme="f16")], PUBLISHED),
        *("llmbar-natural", "llama-3-8b", "q4_k_m"),
    )
    assert (found.ours.low, found.ours.high) == (pytest.approx(0.604, abs=0.001), pytest.approx(0.781, abs=0.001))
    # by hand: 1 lost and 0 won of 100, one of each added, so 2/102 and 1/102: 1/102 -+ 1.96 sqrt((3/102 - 1/102^2)/102)
    assert found.from_f16.low == pytest.approx(-4.303, abs=0.001) and found.from_f16.value == pytest.approx(-1)
    assert found.from_f16.high == pytest.approx(2.342, abs=0.001)


def test_under_strict_the_difference_from_f16_is_the_paired_one_turned_round() -> None:
    judged = replace(random_benchmark(1, 60), name="auto-j")
    ours, wide = scored(judged, random_verdicts(1, judged)), scored(judged, random_verdicts(2, judged), scheme="f16")
    drop = compare(ours, wide).drop
    assert drop.value is not None and drop.low is not None and drop.high is not None
    found = cell(build([ours, wide], PUBLISHED, "strict"), "auto-j", "llama-3-8b", "q4_k_m")
    assert (found.from_f16.value, found.from_f16.low, found.from_f16.high) == (-drop.value, -drop.high, -drop.low)
    assert (found.figure, found.ours) == ("accuracy", ours.score.strict["accuracy"])


def test_under_strict_nothing_is_laid_beside_a_published_figure_but_it_is_still_there() -> None:
    found = cell(build([scored(*right(60, 100))], PUBLISHED, "strict"), "llmbar-natural", "llama-3-8b", "q4_k_m")
    assert (found.published, found.from_published, found.outside) == (71.0, None, None)
    assert found.ours.value == 0.3  # of both orders


def test_an_f16_run_that_is_not_shown_is_still_the_baseline() -> None:
    wide = scored(*right(71, 100), scheme="f16")
    table = build([scored(*right(60, 100))], PUBLISHED, baselines=[wide])
    assert cell(table, "llmbar-natural", "llama-3-8b", "q4_k_m").from_f16.value == pytest.approx(-11)
    assert "f16" not in {one.scheme for one in table.rows}


def test_an_f16_run_of_another_grammar_judge_or_benchmark_is_no_baseline() -> None:
    others = [
        scored(*right(71, 100), scheme="f16", grammar="none"),
        scored(*right(71, 100), scheme="f16", model="qwen1.5-7b"),
        scored(*right(71, 100, "mt-bench"), scheme="f16"),
    ]
    table = build([scored(*right(60, 100)), *others], PUBLISHED)
    assert cell(table, "llmbar-natural", "llama-3-8b", "q4_k_m").from_f16.value is None
    assert table.remarks == ()


def test_an_f16_run_under_other_settings_is_no_baseline_and_that_is_said() -> None:
    table = build([scored(*right(60, 100), seed=1), scored(*right(71, 100), scheme="f16", seed=2)], PUBLISHED)
    found = cell(table, "llmbar-natural", "llama-3-8b", "q4_k_m")
    assert found.from_f16.value is None and found.ours.value == 0.6
    [remark] = table.remarks
    assert "no difference from f16" in remark and "settings.seed is 1 and 2" in remark


def test_a_judge_published_twice_keeps_both_rows_and_a_run_is_laid_beside_the_first_with_a_figure() -> None:
    table = several()
    assert [
        (one.published.source if one.published else None, one.scheme) for one in table.rows if one.model == "autoj-13b"
    ] == [("user", None), ("paper", None), (None, "q4_k_m")]
    mine, theirs = cell(table, "auto-j", "autoj-13b", "q4_k_m"), cell(table, "pandalm", "pandalm-7b", "q8_0")
    assert (mine.source, mine.published, mine.figure) == ("user", 59.99, "agreement")
    assert (theirs.source, theirs.published) == ("paper", 67.57)  # the user's row is empty


def test_a_line_for_every_scheme_and_grammar_the_largest_file_first() -> None:
    own = [(one.scheme, one.grammar) for one in several().rows if one.model == "llama-3-8b" and one.scheme]
    assert own == [("q4_k_m", "none"), ("f16", "pairwise"), ("q4_k_m", "pairwise")]


def test_what_was_run_beside_the_published_benchmarks_has_columns_of_its_own() -> None:
    assert several().benchmarks == (*EIGHT, "mine|of *my* own")
    assert all(len(one.cells) == 9 for one in several().rows)


def test_a_figure_that_is_undefined_is_no_number() -> None:
    found = cell(several(), "mt-bench", "a_judge_of_ones_own", "q4_k_m")
    assert (found.figure, found.ours.value, found.from_published, found.outside) == ("accuracy", None, None, None)


def test_two_runs_for_one_cell_are_refused() -> None:
    with pytest.raises(UsageError, match="2 runs of llama-3-8b q4_k_m on llmbar-natural") as caught:
        build([scored(*right(60, 100)), scored(*right(61, 100))], PUBLISHED)
    assert caught.value.hint


# ---- for a person -----------------------------------------------------------------------------------------


def lines_of(text: str, label: str) -> list[list[str]]:
    return [line.split()[len(label.split()) :] for line in text.splitlines() if line.strip().startswith(label)]


def test_a_judge_never_run_stays_with_its_published_figures_and_dashes() -> None:
    text = judges_table(build([], PUBLISHED), width=120)
    lines = text.splitlines()
    place = next(place for place, line in enumerate(lines) if line.startswith("qwen1.5-14b"))
    assert lines[place].split()[1:] == ["48.64", "70.57", "72.00", "23.13", "25.00", "51.06", "32.61", "43.99"]
    assert lines[place + 1].split() == ["not", "run", *["-"] * 8]
    assert text.count("not run  ") == 9  # the ceiling is nobody's to run
    assert lines_of(text, "gpt-4-0613 (paper)")[0][:2] == ["56.30", "78.68"]


def test_a_run_stands_below_its_judge_with_both_differences_and_the_mark() -> None:
    text = judges_table(several(), width=120)
    lines = [line.rstrip() for line in text.splitlines()]
    place = next(place for place, line in enumerate(lines) if line.startswith("llama-3-8b"))
    below = [line.split() for line in lines[place + 1 : place + 8]]
    natural = [line[-7] for line in below]
    assert [line[0] for line in below] == ["q4_k_m", "from", "f16", "from", "q4_k_m", "from", "from"]
    assert natural == ["!~60.00", "−11.00", "!71.00", "0.00", "!60.00", "−11.00", "*−11.00"]
    marks = ("!: near chance", "*: the published figure lies outside our 95 % interval", "~: on the part")
    for told in ("profile paper", *marks):
        assert told in text


def test_what_there_is_nothing_of_is_not_explained() -> None:
    text = judges_table(build([], PUBLISHED), width=120)
    for untold in ("from f16", "from published", "*:", "~:", "!", "human vote", "agreement", "random annotator"):
        assert untold not in text
    assert "pandalm: the published figures take" in judges_table(several())


def test_under_strict_it_says_that_nothing_is_to_be_laid_beside_published_figures() -> None:
    text = judges_table(build([scored(*right(60, 100))], PUBLISHED, "strict"), width=120)
    assert "profile strict" in text and "from published" not in text and "*" not in text
    assert lines_of(text, "llama-3-8b")[0][2] == "71.00"


@pytest.mark.parametrize("width", [60, 80, 92, 120])
def test_no_line_is_longer_than_the_width_and_no_figure_is_cut(width: int) -> None:
    narrow, unlimited = judges_table(several(), width=width), judges_table(several(), width=400)
    assert max(map(len, narrow.splitlines())) <= width
    assert "…" not in narrow and "\x1b" not in narrow
    figures = re.compile(r"[*~!]*[+−]?\d+\.\d\d\b")
    assert sorted(figures.findall(narrow)) == sorted(figures.findall(unlimited))


def test_a_long_name_of_a_judge_or_benchmark_is_folded() -> None:
    long = "a-name-that-goes-on-and-on-for-longer-than-any-terminal-would-like-to-show"
    text = judges_table(build([scored(*right(5, 9, long), model=long)], PUBLISHED), width=80)
    assert max(map(len, text.splitlines())) <= 80
    assert "55.56" in text and "…" not in text


def test_color_is_only_color() -> None:
    assert "\x1b[" in judges_table(several(), color=True)


def test_how_far_people_agree_is_said_once_for_a_benchmark_over_the_most_pairs() -> None:
    whole, part = (replace(benchmark(*[("a", "a", "b")] * size), name="mt-bench") for size in (40, 10))
    runs = [
        scored(judged, verdicts(*[("a", "a")] * size), scheme=scheme, pairs=40)
        for judged, size, scheme in ((whole, 40, "f16"), (part, 10, "q4_k_m"))
    ]
    text = judges_table(build(runs, PUBLISHED), width=120)
    ceiling = runs[0].score.human_agreement
    assert text.count("a human vote agrees") == 1
    assert f"mt-bench: a human vote agrees with the majority of the others in {interval(ceiling, percent)} %" in text


# ---- for a program ----------------------------------------------------------------------------------------


def test_json_has_everything_and_null_for_what_is_undefined() -> None:
    rows = json.loads(json.dumps(judges_json(several()), allow_nan=False))
    assert {one["profile"] for one in rows} == {"paper"}
    mine = next(one for one in rows if one["model"] == "llama-3-8b" and one["grammar"] == "none")
    natural = next(one for one in mine["cells"] if one["benchmark"] == "llmbar-natural")
    assert set(natural["ours"]) == {"value", "low", "high", "k", "n"}
    assert (natural["ours"]["k"], natural["pairs"], natural["pairs_total"]) == (30, 50, 100)
    assert natural["from_f16"]["value"] is None  # no f16 run of that grammar
    assert next(one for one in mine["cells"] if one["benchmark"] == "pandalm")["ours"]["value"] is None
    ceiling = next(one for one in rows if one["model"] == "gpt-4-0613")
    assert (ceiling["scheme"], ceiling["precision"], ceiling["source"]) == (None, "api", "paper")
    assert ceiling["cells"][0]["published"] == 56.3


@pytest.mark.parametrize("profile", ["paper", "strict"])
def test_csv_read_back_holds_the_numbers_of_the_json(profile: str) -> None:
    table = replace(several(), profile=profile)
    lines = list(csv.DictReader(StringIO(judges_table(table, form="csv"))))
    rows = judges_json(table)
    assert len(lines) == len(rows) * 9
    cells = [(row, one) for row in rows for one in row["cells"]]  # type: ignore[attr-defined]
    for found, (whose, expected) in zip(lines, cells, strict=True):
        for name in ("model", "scheme", "grammar", "profile"):
            assert (found[name] or None) == whose[name]
        for name in ("benchmark", "figure", "precision", "source"):
            assert (found[name] or None) == expected[name]
        for name, key in (("share", "value"), ("share_low", "low"), ("share_high", "high"), ("k", "k"), ("n", "n")):
            assert number(found[name]) == expected["ours"][key]
        for name, end in (("from_f16", "value"), ("from_f16_low", "low"), ("from_f16_high", "high")):
            assert number(found[f"{name}_points"]) == expected["from_f16"][end]
        assert number(found["human_agreement_share"]) == expected["human_agreement"]["value"]
        assert number(found["attainable_share"]) == expected["attainable"]["value"]
        assert number(found["published_percent"]) == expected["published"]
        assert number(found["from_published_points"]) == expected["from_published"]
        for name in ("pairs", "pairs_total"):
            assert number(found[name]) == expected[name]
        for name in ("outside", "near_chance"):
            assert {"": None, "true": True, "false": False}[found[name]] is expected[name]


def number(text: str) -> float | None:
    return float(text) if text else None


def test_csv_of_nothing_run_holds_no_zero() -> None:
    lines = list(csv.DictReader(StringIO(judges_table(build([], PUBLISHED), form="csv"))))
    empty = ("share", "k", "n", "near_chance", "human_agreement_share", "from_f16_points", "from_published_points")
    assert {line[name] for line in lines for name in empty} == {""}


def test_markdown_has_as_many_cells_in_every_line() -> None:
    text = judges_table(several(), form="markdown")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    counts = {len(re.findall(r"(?<!\\)\|", line)) - 1 for line in lines}
    assert counts == {2 + 9}
    assert set(lines[1].replace("|", " ").split()) == {"---", "---:"}
    assert r"mine\|of \*my\* own" in lines[0]


def test_markdown_shows_intervals_and_escapes_its_marks() -> None:
    text = judges_table(several(), form="markdown")
    line = next(line for line in text.splitlines() if line.startswith("| llama-3-8b | q4_k_m pairwise"))
    assert r"!60.00 \[50.20, 69.06\]<br>−11.00 \[−17.39, −4.18\] from f16<br>\*−11.00 from published" in line
    assert "| qwen1.5-7b | not run | - |" in text
    assert re.search(r"(?<!\\)\*", text.removeprefix("**Judges by benchmarks, percent**")) is None


def test_a_published_table_of_ones_own_is_taken_as_it_is() -> None:
    mine = Published("pocket", "f32", "me", {"toy": 50.0}, "")
    table = build([scored(*right(9, 9, "toy"), model="pocket")], [mine])
    assert table.benchmarks == ("toy",)
    assert (cell(table, "toy", "pocket", "q4_k_m").source, len(table.rows)) == ("me", 2)
    assert "pocket (me)" in judges_table(table)
