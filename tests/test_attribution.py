"""A chain of runs that differ in one thing: worked by hand, and refused where two differ in more."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judgements import WHO, benchmark, compared, random_benchmark, random_verdicts, run, verdicts

from edge_judge.analysis.attribution import Attribution, attribute, chain, runs_of
from edge_judge.analysis.compare import Flips
from edge_judge.errors import RunError
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.records import Benchmark, Figure, Identity, Noise, Run, Verdict
from edge_judge.report.attribution import attribution_json, attribution_table

TOY = benchmark("a", "b", "tie", "a")
ASKED = replace(WHO, grammar="rubric")
FREE, AT_ONCE, RUBRIC = (replace(WHO, scheme="f16", grammar=name) for name in ("none", "pairwise", "rubric"))
STEPS = chain(ASKED)
DECODING = {"none": "greedy, 256 tokens"}


def made(identity: Identity, judged: Sequence[Verdict], **settings: object) -> Run:
    """A run whose settings follow from what it is, as those of a real one do."""
    prompt = {"none": "pairwise"}.get(identity.grammar, identity.grammar)
    deciding = {
        "benchmark_sha256": "0" * 64,
        "prompt": prompt,
        "prompt_sha256": f"of {prompt}",
        "grammar_sha256": f"of {identity.grammar}",
        "decoding": DECODING.get(identity.grammar, "probabilities"),
        **({"criteria": ["brevity"]} if prompt == "rubric" else {}),
    }
    return replace(run(judged, identity.scheme, **(deciding | settings)), identity=identity)


RUNS = {
    FREE: made(FREE, verdicts(("a", None), (None, None), ("tie", "a"), ("a", "a"))),
    AT_ONCE: made(AT_ONCE, verdicts(("a", "a"), ("b", "a"), ("tie", "tie"), ("a", "a"))),
    RUBRIC: made(RUBRIC, verdicts(("a", "a"), ("b", "a"), ("tie", "tie"), ("a", "b"))),
    ASKED: made(ASKED, verdicts(("a", "a"), ("b", "b"), ("tie", "a"), ("tie", "b"))),
}


def attributed(judged: Benchmark, runs: Mapping[Identity, Run]) -> tuple[Attribution, ...]:
    return attribute(STEPS, {identity: RecordedRun(kept, judged) for identity, kept in runs.items()})


def test_the_chain_leads_from_free_form_to_the_run_that_is_asked_about() -> None:
    assert [step.name for step in STEPS] == ["grammar", "protocol", "scheme"]
    assert runs_of(STEPS) == (FREE, AT_ONCE, RUBRIC, ASKED)


@pytest.mark.parametrize(
    ("scheme", "grammar", "names"),
    [
        ("q4_k_m", "pairwise", ["grammar", "scheme"]),
        ("f16", "rubric", ["grammar", "protocol"]),
        ("f16", "pairwise", ["grammar"]),
        ("q4_k_m", "none", ["scheme"]),
    ],
)
def test_a_step_that_changes_nothing_is_left_out(scheme: str, grammar: str, names: list[str]) -> None:
    assert [step.name for step in chain(replace(WHO, scheme=scheme, grammar=grammar))] == names


def test_of_the_beginning_itself_nothing_can_be_attributed() -> None:
    with pytest.raises(RunError, match="is the starting point") as caught:
        chain(FREE)
    assert caught.value.hint


def test_a_chain_worked_by_hand() -> None:
    grammar, protocol, scheme = (one.comparison for one in attributed(TOY, RUNS))
    assert grammar and protocol and scheme
    assert (grammar.baseline.accuracy.k, grammar.run.accuracy.k, grammar.run.accuracy.n) == (4, 7, 8)
    assert (grammar.baseline.format_errors.k, grammar.run.format_errors.k) == (3, 0)
    assert grammar.flips == Flips(0, 3, 1)
    assert (protocol.flips, scheme.flips) == (Flips(1, 0, 0), Flips(2, 1, 0))
    gains = [one.gain.value for one in attributed(TOY, RUNS)]
    assert gains == pytest.approx([37.5, -12.5, -12.5])


def test_a_gain_is_the_drop_turned_around_with_its_interval() -> None:
    for one in attributed(TOY, RUNS):
        assert one.comparison is not None
        drop, gain = one.comparison.drop, one.gain
        assert (gain.value, gain.low, gain.high) == (-drop.value, -drop.high, -drop.low)  # type: ignore[operator]
        assert gain.low <= gain.value <= gain.high  # type: ignore[operator]


def test_the_last_step_is_what_compare_says_of_the_two_schemes() -> None:
    assert attributed(TOY, RUNS)[-1].comparison == compared(TOY, RUNS[ASKED], RUNS[RUBRIC])


@given(st.integers(0, 1000))
def test_over_the_same_pairs_the_steps_add_up_to_the_whole_way(seed: int) -> None:
    toys = random_benchmark(seed, 12)
    runs = {one: made(one, random_verdicts(seed + place, toys)) for place, one in enumerate(runs_of(STEPS))}
    found = [one.comparison for one in attributed(toys, runs)]
    first, last = found[0], found[-1]
    assert first and last and first.baseline.accuracy.value is not None and last.run.accuracy.value is not None
    whole = 100 * (last.run.accuracy.value - first.baseline.accuracy.value)
    assert sum(one.gain.value or 0 for one in attributed(toys, runs)) == pytest.approx(whole, abs=1e-9)


def test_a_step_without_one_of_its_runs_is_undefined_and_the_others_are_not() -> None:
    found = attributed(TOY, {one: RUNS[one] for one in (FREE, AT_ONCE, ASKED)})
    assert [one.comparison is None for one in found] == [False, True, True]
    assert found[1].gain == Figure(None)


@pytest.mark.parametrize(
    ("spoilt", "settings", "words"),
    [
        (AT_ONCE, {"prompt_sha256": "another"}, "differ in more than the grammar: settings.prompt_sha256"),
        (AT_ONCE, {"gguf_sha256": "another"}, "differ in more than the grammar: settings.gguf_sha256"),
        (RUBRIC, {"gguf_sha256": "another"}, "differ in more than the protocol: settings.gguf_sha256"),
        (RUBRIC, {"ties": False}, "differ in more than the protocol: settings.ties"),
        (ASKED, {"criteria": ["wit"]}, "differ in more than the weights: settings.criteria"),
        (ASKED, {"decoding": "by lot"}, "differ in more than the weights: settings.decoding"),
        (ASKED, {"llama_cpp": "0.1"}, "differ in more than the weights: settings.llama_cpp"),
        (ASKED, {"benchmark_sha256": "9" * 64}, "judged a different version of toy"),
    ],
)
def test_two_runs_that_differ_in_more_than_their_step_are_refused_by_name(
    spoilt: Identity, settings: dict[str, object], words: str
) -> None:
    with pytest.raises(RunError, match=words):
        attributed(TOY, RUNS | {spoilt: made(spoilt, RUNS[spoilt].verdicts, **settings)})


def test_the_table_has_a_row_for_every_step_also_for_one_that_cannot_be_computed() -> None:
    found = attributed(TOY, {one: RUNS[one] for one in (FREE, AT_ONCE, ASKED)})
    noise = {FREE: Noise(2, 16, 1, None, None), AT_ONCE: Noise(1, 8, 0, 0.25, 0.1), RUBRIC: None, ASKED: None}
    said = attribution_table(found, noise)
    rows = [line.split() for line in said.splitlines()]
    assert ["grammar", "50.0", "→", "87.5"] == next(row for row in rows if row[:1] == ["grammar"])[:4]
    assert ["protocol", "-", "-", "-", "-"] in rows
    assert ["f16/none", "2", "1", "of", "16", "-"] in rows
    assert ["f16/pairwise", "1", "0", "of", "8", "0.2500"] in rows
    assert ["q4_k_m/rubric", "-", "-", "-"] in rows
    assert max(map(len, said.splitlines())) <= 80


def test_as_json_what_is_missing_is_null_and_named() -> None:
    found = attributed(TOY, {one: RUNS[one] for one in (FREE, AT_ONCE, ASKED)})
    said = json.loads(json.dumps(attribution_json(found, {FREE: Noise(1, 8, 0, None, None)}, {RUBRIC: "do this"})))
    assert (said["model"], said["scheme"], said["grammar"]) == ("pocket", "q4_k_m", "rubric")
    first, second, _ = said["steps"]
    assert (first["step"], first["change"]["value"], first["before"]["format_errors"]["k"]) == ("grammar", 37.5, 3)
    assert first["after"]["grammar"] == "pairwise" and first["flips"]["wrong_to_right"] == 3
    assert second["change"]["value"] is second["flips"] is second["after"]["accuracy"]["value"] is None
    assert said["missing"] == [{"scheme": "f16", "grammar": "rubric", "command": "do this"}]
    assert said["noise"][0]["noise"]["verdicts"] == 8
