"""edge-judge imatrix, as a person or a script uses it: what it reads, what it notes, how it goes on after a kill."""

from __future__ import annotations

import json
import os
import random
import signal
from pathlib import Path

import pytest
from conftest import Edge, fails
from halting import halted
from oracle import gguf_tensors, gguf_values

import edge_judge
from edge_judge import benchmarks
from edge_judge.analysis.subset import subset
from edge_judge.benchmarks.fingerprint import fingerprint
from edge_judge.cli import main
from edge_judge.engine.importance import ImportanceMeter
from edge_judge.errors import UsageError
from edge_judge.inference import Tokens
from edge_judge.judging.prompting import make_prompts
from edge_judge.records import Progress, ProgressListener
from edge_judge.workflows import imatrix as workflow
from edge_judge.workflows.evaluate import evaluate
from edge_judge.workflows.options import (
    BenchmarkOptions,
    EvaluateSettings,
    ImatrixSettings,
    JudgeOptions,
    ProtocolOptions,
)
from quantize import pairs_seen

OUT = "pocket.imatrix.gguf"
STATE = f".{OUT}.state"


def halt_at(reached: int) -> None:
    """edge-judge in a process that says so and waits once that many texts are measured."""
    plain, count = ImportanceMeter.add, 0

    def add(self: ImportanceMeter, tokens: Tokens) -> None:
        nonlocal count
        if count == reached:
            print("halted", flush=True)
            signal.pause()
        plain(self, tokens)
        count += 1

    ImportanceMeter.add = add  # type: ignore[method-assign]
    workflow.SAVED = 0.0
    main()


@pytest.fixture
def here(models: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """This process works in an empty folder, with the models of the tests."""
    monkeypatch.setenv("EDGE_JUDGE_MODELS", str(models))
    monkeypatch.chdir(tmp_path)


def test_it_writes_a_file_that_quantize_takes_and_says_how(edge: Edge, models: Path, tmp_path: Path) -> None:
    done = edge("imatrix", "pocket", "--limit", 4)
    path = models / "pocket" / "pocket-judge.imatrix.gguf"
    assert done.returncode == 0 and done.stdout == f"{path}\n", done.stderr
    assert f"next: edge-judge quantize pocket iq2_xs+judge --imatrix {path}" in done.stderr
    assert len(gguf_tensors(path)) == 2 * 28
    assert not list(path.parent.glob(".*state"))
    made = edge("quantize", "pocket", "iq2_xs+judge", "--imatrix", path)
    assert made.returncode == 0, made.stderr
    values = gguf_values(Path(made.stdout.strip()))
    assert (values["quantize.imatrix.entries_count"], values["quantize.imatrix.chunks_count"]) == (28, 8)
    evaluated = ("eval", "--scheme", "iq2_xs+judge", "--limit", 5)
    fails(edge(*evaluated), 1, "was made with 4 of its 600 pairs", "--unseen")
    done = edge(*evaluated, "--unseen", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)[0]["verdicts"] == 10, done.stderr


@pytest.mark.usefixtures("here")
def test_the_file_notes_what_was_read_and_which_pairs_were_in_it(tmp_path: Path) -> None:
    made = edge_judge.imatrix(JudgeOptions("pocket"), settings=ImatrixSettings(tmp_path / OUT, limit=5))
    part = subset(benchmarks.load("pocket"), 5)
    assert (made.tensors, made.chunks, made.datasets, made.pairs) == (28, 10, ("pocket",), 5)
    assert pairs_seen.of_file(made.path) == {fingerprint(pair) for pair in part.pairs}
    values = gguf_values(made.path)
    assert values["general.type"] == "imatrix" and values["imatrix.datasets"] == ["pocket"]
    assert values["imatrix.chunk_count"] == 10 and values["imatrix.chunk_size"] == round(made.tokens / 10)
    assert values["edge_judge.imatrix.source"] == "pairwise" and values["edge_judge.imatrix.tokens"] == made.tokens


@pytest.mark.usefixtures("here")
def test_prompts_are_those_that_eval_has_evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judged, read = [], []

    def keep(*arguments: object) -> object:
        prompts = make_prompts(*arguments)  # type: ignore[arg-type]
        judged.extend(prompt.encoded.tokens for prompt in prompts)
        return prompts

    monkeypatch.setattr("edge_judge.judging.judge.make_prompts", keep)
    evaluate(settings=EvaluateSettings(tmp_path / "results", limit=6))
    monkeypatch.setattr(ImportanceMeter, "add", lambda _, tokens: read.append(tokens))
    with pytest.raises(edge_judge.EdgeJudgeError, match="nothing was measured"):
        edge_judge.imatrix(JudgeOptions("pocket"), settings=ImatrixSettings(tmp_path / OUT, limit=6))
    assert read == judged and len(read) == 12


def test_a_file_of_ones_own_in_another_protocol_is_read_in_full(edge: Edge, tmp_path: Path) -> None:
    rows = [f'{{"question": "What is {i}?", "a": "{i}.", "b": "No."}}' for i in range(5)]
    (tmp_path / "mine.jsonl").write_text("\n".join(rows), "utf-8")
    done = edge("imatrix", "pocket", "--benchmark", "mine.jsonl", "--grammar", "pairwise-cot", "--out", OUT)
    assert done.returncode == 0, done.stderr
    values = gguf_values(tmp_path / OUT)
    assert values["imatrix.datasets"] == ["mine"] and values["imatrix.chunk_count"] == 10
    assert values["edge_judge.imatrix.source"] == "pairwise-cot" and len(pairs_seen.of_file(tmp_path / OUT)) == 5


def test_a_text_is_read_in_chunks_and_notes_no_pairs(edge: Edge, tmp_path: Path) -> None:
    (tmp_path / "some text.txt").write_text("Which of the two answers is the better one? " * 60, "utf-8")
    done = edge("imatrix", "pocket", "--text", "some text.txt", "--chunk", 64, "--limit", 3, "--out", OUT)
    assert done.returncode == 0, done.stderr
    values = gguf_values(tmp_path / OUT)
    assert values["imatrix.datasets"] == ["some text.txt"] and "edge_judge.pairs_seen" not in values
    assert (values["imatrix.chunk_count"], values["imatrix.chunk_size"]) == (3, 64)
    assert "+text --imatrix" in done.stderr


# ---- interrupted ------------------------------------------------------------------------------------------


def test_killed_at_random_moments_it_ends_with_the_same_file(
    edge: Edge, environment: dict[str, str], tmp_path: Path
) -> None:
    assert edge("imatrix", "pocket", "--limit", 12, "--out", OUT).returncode == 0
    expected = (tmp_path / OUT).read_bytes()
    (tmp_path / OUT).unlink()
    left, rng = 24, random.Random(0)
    for _ in range(3):
        more = rng.randint(1, 4)
        command = ("imatrix", "pocket", "--limit", "12", "--out", OUT)
        with halted(environment, tmp_path, __name__, more, *command) as process:
            process.kill()
        left -= more
        assert (tmp_path / STATE).exists() and not (tmp_path / OUT).exists()
    done = edge("imatrix", "pocket", "--limit", 12, "--out", OUT)
    assert done.returncode == 0 and f"resuming after {24 - left} of them" in done.stderr
    assert (tmp_path / OUT).read_bytes() == expected
    assert [path.name for path in tmp_path.iterdir()] == [OUT]


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_leaves_what_was_measured_and_says_how_to_go_on(environment: dict[str, str], tmp_path: Path) -> None:
    with halted(environment, tmp_path, __name__, 3, "imatrix", "pocket", "--limit", "4", "--out", OUT) as process:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    assert process.returncode == 130 and "Traceback" not in said
    assert "error: interrupted" in said and "run the same command again to resume" in said
    assert (tmp_path / STATE).exists() and not (tmp_path / OUT).exists()


@pytest.mark.usefixtures("here", "interruptible")
def test_an_interrupt_saves_what_was_measured_since_the_last_save(tmp_path: Path) -> None:
    class Interrupting(ProgressListener):
        def __init__(self) -> None:
            self.notes: list[str] = []

        def note(self, text: str) -> None:
            self.notes.append(text)

        def progress(self, progress: Progress) -> None:
            assert progress.unit == "prompts" and progress.verdicts_total == 8
            if progress.verdicts == 3:
                raise KeyboardInterrupt

    settings = ImatrixSettings(tmp_path / OUT, limit=4)
    with pytest.raises(KeyboardInterrupt):
        edge_judge.imatrix(JudgeOptions("pocket"), settings=settings, listener=Interrupting())
    listener = Interrupting()
    edge_judge.imatrix(JudgeOptions("pocket"), settings=settings, listener=listener)
    assert "resuming after 3 of them" in listener.notes


def test_what_was_begun_with_other_texts_is_not_mixed_with_these(
    edge: Edge, environment: dict[str, str], tmp_path: Path
) -> None:
    with halted(environment, tmp_path, __name__, 2, "imatrix", "pocket", "--limit", "4", "--out", OUT) as process:
        process.kill()
    fails(edge("imatrix", "pocket", "--limit", 5, "--out", OUT), 1, STATE, "texts_sha256", "--fresh")
    (tmp_path / STATE).write_bytes((tmp_path / STATE).read_bytes()[:-200])
    fails(edge("imatrix", "pocket", "--limit", 4, "--out", OUT), 1, STATE, "--fresh")
    done = edge("imatrix", "pocket", "--limit", 4, "--out", OUT, "--fresh")
    assert done.returncode == 0 and "goes on" not in done.stderr


# ---- mistakes ---------------------------------------------------------------------------------------------


def test_a_command_that_names_no_model_or_no_chunk_is_wrong_usage(edge: Edge) -> None:
    fails(edge("imatrix"), 2, "no model given")
    fails(edge("imatrix", "pocket", "--chunk", 8), 2, "--chunk")


@pytest.mark.usefixtures("here")
def test_what_does_not_go_together_is_wrong_usage(tmp_path: Path) -> None:
    text, gguf = tmp_path / "text.txt", tmp_path / "x.gguf"
    text.write_text("Short.", "utf-8")
    read_text, judge = ImatrixSettings(text=text), JudgeOptions("pocket")
    cases: list[tuple[str, dict[str, object]]] = [
        ("--text", {"benchmarks": BenchmarkOptions("pocket"), "settings": read_text}),
        ("--text", {"protocol": ProtocolOptions("pairwise"), "settings": read_text}),
        ("--gguf", {"judge": JudgeOptions("pocket", gguf=gguf)}),
        ("endpoint", {"judge": JudgeOptions(engine="http://localhost:1/v1")}),
        ("--chunk 20000: .* 16384", {"settings": ImatrixSettings(text=text, chunk=20_000)}),
        ("not a regular file", {"settings": ImatrixSettings(out=tmp_path)}),
        ("unknown benchmark 'pockt'", {"benchmarks": BenchmarkOptions("pockt")}),
    ]
    for said, options in cases:
        with pytest.raises(UsageError, match=said):
            edge_judge.imatrix(**{"judge": judge, **options})  # type: ignore[arg-type]


@pytest.mark.usefixtures("here")
def test_what_cannot_be_measured_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("Short.", "utf-8")
    (tmp_path / "latin.txt").write_bytes("für".encode("latin-1"))
    cases: list[tuple[str, dict[str, object]]] = [
        ("short.txt: .* a chunk has 512", {"settings": ImatrixSettings(OUT, "short.txt")}),
        ("latin.txt: not UTF-8, at byte 1", {"settings": ImatrixSettings(OUT, "latin.txt")}),
        ("not built", {"judge": JudgeOptions("qwen1.5-7b")}),
        ("memory", {"limits": edge_judge.Limits(memory=1_000_000)}),
    ]
    for said, options in cases:
        given = {"judge": JudgeOptions("pocket"), "settings": ImatrixSettings(OUT), **options}
        with pytest.raises(edge_judge.EdgeJudgeError, match=said):
            edge_judge.imatrix(**given)  # type: ignore[arg-type]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latin.txt", "short.txt"]
