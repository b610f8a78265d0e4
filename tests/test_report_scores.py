"""What a person and a program get to see."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest
from judgements import WHO, benchmark, compared, random_benchmark, random_verdicts, run, scored, verdicts

from edge_judge.analysis.compare import Comparison, adjusted
from edge_judge.metrics.published import Published, against_published
from edge_judge.records import Benchmark, Figure, Identity, Pair, Verdict
from edge_judge.report.comparison import comparison_json
from edge_judge.report.formatting import (
    count,
    difference,
    difference_of_shares,
    divergence,
    interval,
    kappa,
    percent,
    points,
    probability,
    size,
    value,
)
from edge_judge.report.ladder import ladder_table
from edge_judge.report.scores import ScoreRow, published_json, scores_table
from edge_judge.runs.folder import score_json

FIGURE = {"value", "low", "high", "k", "n"}
HAND = benchmark("a", "b")
LONG = "a-benchmark-of-ones-own-with-a-name-that-goes-on"


def judge(name: str, *, right: bool) -> ScoreRow:
    """A run on 1,500 pairs that is right always or about as often as chance."""
    made = random_benchmark(1, 1500)
    judged = Benchmark(name, made.pairs, made.sha256, made.ties, made.source)
    given = random_verdicts(2, judged)
    if right:
        given = [Verdict(p.id, order, p.labels[0]) for p in judged.pairs for order in ("ab", "ba")]
    result = scored(judged, given, Identity(name, "qwen1.5-14b", "q4_k_m", "pairwise"))
    row = Published("qwen1.5-14b", "full", "user", {name: 70.57}, "")
    return ScoreRow(result, 12345.6, against_published(result, row))


def ladder(schemes: tuple[str, ...] = ("f16", "q8_0", "iq3_xxs")) -> list[Comparison]:
    judged = random_benchmark(1, 300)
    base = run(random_verdicts(1, judged), "f16", size=28_340_000_000)
    runs = [run(random_verdicts(seed + 1, judged), scheme) for seed, scheme in enumerate(schemes)]
    return [compared(judged, rung, base) for rung in runs]


def figures_in(text: str) -> list[str]:
    return [word for word in text.split() if any(letter.isdigit() for letter in word)]


@pytest.mark.parametrize("width", [80, 120])
def test_tables_fit_their_width_and_cut_no_figure(width: int) -> None:
    rows = [judge("llmbar-neighbor", right=False), judge(LONG, right=True)]
    for text, unlimited in (
        (scores_table(rows, width=width), scores_table(rows, width=400)),
        (ladder_table(ladder(), width=width), ladder_table(ladder(), width=400)),
    ):
        assert max(map(len, text.splitlines())) <= width
        assert "…" not in text and "\x1b" not in text
        assert {word for word in figures_in(unlimited) if word not in LONG} <= set(figures_in(text))


def test_where_there_is_too_little_room_a_name_is_folded_and_a_figure_is_not() -> None:
    row = judge(LONG, right=False)
    for width in (80, 66):
        assert interval(row.score.strict["accuracy"], percent) in scores_table([row], width=width)


def test_a_row_of_scores_holds_accuracy_baselines_and_behaviour() -> None:
    judged = Benchmark(
        "toy",
        tuple(Pair(str(i), "q", "long answer", "short", ("a" if i % 4 else "b",)) for i in range(40)),
        "",
        False,
        "",
    )
    given = verdicts(*[("a", "a") if i % 4 else ("a", "b") for i in range(40)])
    text = scores_table([ScoreRow(scored(judged, given, WHO), 7.25)])
    assert text.splitlines()[0] == "pocket q4_k_m with --grammar pairwise"
    line = next(line for line in text.splitlines() if line.startswith("toy"))
    assert line.split()[:4] == ["toy", "40", "80", "87.5"]
    assert line.split()[-3:] == ["50.0", "75.0", "50.0"]
    behaviour = text.split("\n\n")[1].splitlines()[-1]
    assert behaviour.split() == ["toy", "0.0", "75.0", "+25.0", "0.0", "7.2"]
    assert "published" not in text


def test_a_judge_no_better_than_a_baseline_is_called_near_chance_in_words() -> None:
    assert scores_table([judge("toy", right=False)]).count("near chance") == 2  # in the row, and what it means
    assert "near chance" not in scores_table([judge("toy", right=True)])


def test_the_profile_is_named_wherever_a_figure_stands() -> None:
    alone = scores_table([ScoreRow(judge("toy", right=True).score)])
    assert "figures: profile strict" in alone and "profile paper" not in alone
    assert "accuracy, drop, flips: profile strict" in ladder_table(ladder())
    both = scores_table([judge("pandalm", right=True)])
    assert "figures: profile strict" in both and "as published: profile paper" in both


def test_a_published_figure_stands_in_a_table_of_its_own() -> None:
    text = scores_table([judge("pandalm", right=True)])
    line = text.split("\n\n")[2].splitlines()[-1]
    assert line.split()[:3] == ["pandalm", "accuracy", "100.0"]
    assert line.split()[-3:] == ["70.6", "+29.4", "outside"]


def test_pandalms_published_figure_comes_with_what_its_labels_differ_in() -> None:
    assert "pandalm: the published figures take a random annotator's label" in scores_table(
        [judge("pandalm", right=True)], width=120
    )
    assert "random annotator" not in scores_table([judge("llmbar-natural", right=True)], width=120)
    row = judge("pandalm", right=True)
    assert "random annotator" not in scores_table([ScoreRow(row.score)])


def test_over_one_order_both_places_to_name_have_a_figure() -> None:
    judged = benchmark(*["a"] * 30, *["b"] * 10)
    text = scores_table([ScoreRow(scored(judged, [Verdict(pair.id, "ab", "a") for pair in judged.pairs], WHO))])
    assert "1st/2nd" in text and "75.0/25.0" in text
    text = scores_table([ScoreRow(scored(judged, verdicts(*[("a", "b")] * 40), WHO))])
    assert "1st/2nd" not in text and "50.0/" not in text


def test_how_far_people_agree_is_said_where_several_voted() -> None:
    voted = scored(benchmark(*[("a", "a")] * 30), verdicts(*[("a", "a")] * 30), WHO)
    told = f"toy: a human vote agrees with the majority of the others in {interval(voted.human_agreement, percent)} %"
    assert told in scores_table([ScoreRow(voted)], width=120)
    alone = scored(benchmark(*["a"] * 30), verdicts(*[("a", "a")] * 30), WHO)
    assert "human vote" not in scores_table([ScoreRow(alone)])
    assert "; the best possible judge agrees with 100.0 % of the votes" in scores_table([ScoreRow(voted)], width=200)
    for name in ("human_agreement", "attainable"):
        assert score_json(voted)[name] == asdict(getattr(voted, name))
        assert name not in score_json(alone)


def test_where_verdicts_are_held_to_a_majority_it_is_said_that_all_can_be_right() -> None:
    made = replace(benchmark(*[("a", "a", "b")] * 5), name="pandalm")
    told = scores_table(
        [ScoreRow(scored(made, verdicts(*[("a", "a")] * 5), replace(WHO, benchmark="pandalm")))], width=250
    )
    assert "agrees with 66.7 % of the votes, and with all majority labels, which are used here" in told


def test_verdicts_on_shortened_answers_are_never_silent() -> None:
    given = verdicts(("a", "a"), ("b", None))
    shortened = [replace(verdict, truncated=verdict.verdict is None) for verdict in given]
    assert "toy: 1 of 4 verdicts on shortened answers" in scores_table([ScoreRow(scored(HAND, shortened, WHO))])
    assert "shortened" not in scores_table([ScoreRow(scored(HAND, given, WHO))])


@pytest.mark.parametrize("width", range(40, 121))
def test_no_note_breaks_an_interval_or_tears_it_from_its_figure(width: int) -> None:
    voted = scored(benchmark(*[("a", "a", "b")] * 30, ("b", "b")), verdicts(*[("a", "a")] * 31), WHO)
    text = scores_table([ScoreRow(voted)], width=width)
    assert f"{interval(voted.human_agreement, percent)} %" in text
    assert max(map(len, text.split("toy: a human")[1].splitlines())) <= width


def test_agreement_debiasing_and_what_lies_beyond_accuracy_have_tables_with_intervals() -> None:
    judged = random_benchmark(1, 40)
    found = scored(judged, random_verdicts(2, judged), WHO)
    for width in (80, 120):
        text = scores_table([ScoreRow(found)], width=width)
        both, beyond = (next(part for part in text.split("\n\n") if name in part) for name in ("both o", "beyond a"))
        for name in ("agreement", "debiased_accuracy"):
            figure = found.strict[name]
            assert interval(figure, percent) in both and f" {figure.k}/{figure.n}" in both
        assert interval(found.strict["kappa"], kappa) in beyond
        assert all(interval(found.strict[name], percent) in beyond for name in ("ece", "macro_f1"))


def test_a_ladder_marks_rungs_near_chance_and_tells_what_needs_no_model() -> None:
    judged = random_benchmark(1, 300, votes=3)
    perfect = [Verdict(p.id, order, p.labels[0]) for p in judged.pairs for order in ("ab", "ba")]
    base, poor = run(perfect, "f16"), run(random_verdicts(2, judged), "q2_k")
    found = [compared(judged, base, base), compared(judged, poor, base)]
    alone = scored(judged, poor.verdicts, WHO)
    assert (found[1].baselines, found[1].human_agreement) == (alone.baselines, alone.human_agreement)
    for width in (80, 120):
        text = ladder_table(found, width=width)
        assert text.count("near chance") == 2  # in the row of q2_k, and what it means
        assert "without a model, %: always the first" in text
        assert f"{interval(alone.human_agreement, percent)} %" in text
    assert "near chance" not in ladder_table(found[:1]) and "human vote" not in ladder_table(ladder())


def test_every_judge_has_a_section_of_its_own() -> None:
    first = judge("toy", right=True)
    other = ScoreRow(scored(benchmark("a"), verdicts(("a", "a")), WHO))
    titles = [line for line in scores_table([first, other]).splitlines() if "--grammar" in line]
    assert titles == ["qwen1.5-14b q4_k_m with --grammar pairwise", "pocket q4_k_m with --grammar pairwise"]


def test_undefined_figures_are_dashes_and_not_zeros() -> None:
    judged = benchmark((), ())
    row = ScoreRow(scored(judged, [], WHO))
    *tables, told = scores_table([row]).strip().split("\n\n")
    assert figures_in(told) == []
    for block in tables:
        cells = block.splitlines()[-1].split()
        assert set(cells[1:]) <= {"-", "0"}  # no pairs, no verdicts, nothing else


def test_the_ladder_begins_with_the_baseline_and_names_it_once() -> None:
    text = ladder_table(ladder(), width=120)
    rungs = [line.split() for line in text.split("\n\n")[0].splitlines()[4:]]
    assert [rung[0] for rung in rungs if rung != ["near", "chance"]] == ["f16", "q8_0", "iq3_xxs"]
    assert text.splitlines()[0] == "toy, judged by pocket with --grammar pairwise"
    assert "28.3 GB" in text and "baseline" in text


def test_a_narrow_ladder_loses_no_column() -> None:
    narrow, wide = ladder_table(ladder(), width=80), ladder_table(ladder(), width=120)
    for header in ("size", "accuracy %", "drop, points", "flips", "KLD", "per minute", "RSS"):
        assert header in narrow and header in wide


def test_color_is_only_color() -> None:
    plain, colored = (ladder_table(ladder(), color=color) for color in (False, True))
    assert "\x1b[" in colored and "\x1b" not in plain


def test_a_name_in_brackets_is_not_taken_for_markup() -> None:
    identity = Identity("[bold]mine[/bold]", "pocket", "f16", "pairwise")
    assert "[bold]mine[/bold]" in scores_table([ScoreRow(scored(HAND, [], identity))])


def test_a_score_for_a_program_has_the_agreed_keys() -> None:
    content = score_json(scored(HAND, verdicts(("a", "a"), ("b", None)), WHO))
    assert list(content) == [
        "benchmark",
        "model",
        "scheme",
        "grammar",
        "pairs",
        "verdicts",
        "strict",
        "paper",
        "baselines",
    ]
    parsed = json.loads(json.dumps(content, allow_nan=False))
    assert all(
        set(figure) == FIGURE for profile in ("strict", "paper", "baselines") for figure in parsed[profile].values()
    )
    assert (parsed["strict"]["accuracy"]["k"], parsed["strict"]["accuracy"]["n"]) == (3, 4)
    assert parsed["strict"]["brier"]["value"] is None


def test_a_comparison_for_a_program_has_the_agreed_keys() -> None:
    content = json.loads(json.dumps(comparison_json(ladder()[2]), allow_nan=False))
    assert (content["benchmark"], content["scheme"], content["baseline"]["scheme"]) == (
        "toy",
        "iq3_xxs",
        "f16",
    )
    assert set(content["drop"]) == set(content["kld"]) == FIGURE
    assert set(content["flips"]) == {"right_to_wrong", "wrong_to_right", "wrong_to_wrong"}
    assert (content["bytes"], content["verdicts_per_minute"], content["peak_rss"]) == (4e6, 600.0, 5e7)
    assert 0 <= content["p"] <= 1
    assert {"p_holm", "smallest_loss"} <= set(content)


def test_a_p_of_1_stands_beside_the_drop_that_could_have_been_detected() -> None:
    for width in (80, 120):
        text = ladder_table(adjusted(ladder()), width=width)
        assert "Holm" in text and "MDE" in text
        for lost in ladder():
            if not lost.is_seen and lost.run.identity != lost.baseline.identity and lost.smallest_loss is not None:
                assert points(lost.smallest_loss) in text


def test_a_published_comparison_for_a_program() -> None:
    found = judge("pandalm", right=True).published
    assert found is not None
    content = json.loads(json.dumps(published_json(found), allow_nan=False))
    assert (content["published"], content["outside"], content["source"]) == (70.57, True, "user")


def test_numbers_as_they_are_shown() -> None:
    assert interval(Figure(0.8635, 0.8, 0.9), percent) == "86.4 [80.0, 90.0]"
    assert interval(Figure(1 / 3), percent) == "33.3"
    assert value(None, percent) == value(Figure(None), percent) == "-"
    minus = "\N{MINUS SIGN}"
    assert [points(number) for number in (-1.26, -0.01, 3.0)] == [f"{minus}1.3", "0.0", "3.0"]
    assert [difference(number) for number in (1.26, -0.5, -0.01)] == ["+1.3", f"{minus}0.5", "0.0"]
    assert [difference_of_shares(number) for number in (0.123, -0.5, -0.0001)] == ["+12.3", f"{minus}50.0", "0.0"]
    assert [divergence(nats) for nats in (0.0, 0.00001, 0.0123)] == ["0.0000", "<0.0001", "0.0123"]
    assert [probability(p) for p in (None, 0.0001, 0.0412, 1.0)] == ["-", "<0.001", "0.041", "1.000"]
    assert [count(number) for number in (None, 1234.5, 3.21)] == ["-", "1,234", "3.2"]
    assert [size(number) for number in (None, 4_110_000, 28_340_000_000, 900)] == [
        "-",
        "4.11 MB",
        "28.3 GB",
        "900 B",
    ]
