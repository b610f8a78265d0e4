"""The files that a newcomer brings along: recorded runs, a checkpoint, pairs, systems' answers, others' GGUF files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from gguf_elsewhere import copied

import edge_judge

POCKET = Path(edge_judge.__file__).parent / "pocket"
ANONYMOUS = {"general.name": "Some Judge 1B"}
RECORDED = POCKET.parent.parent / "results" / "0.1.0" / "pocket" / "pocket"
OURS = ("edge_judge.", "general.name", "general.size_label")
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 4130000\n"


def recorded_runs(folder: Path) -> None:
    """`results`: the runs of --grammar pairwise that are in the repository, whose figures are the same everywhere."""
    for run in RECORDED.glob("*/pairwise"):
        shutil.copytree(run, folder / "results" / "pocket" / "pocket" / run.parent.name / run.name)


def recorded_protocols(folder: Path) -> None:
    """`results`: all these runs, of other grammars too."""
    shutil.copytree(RECORDED, folder / "results" / "pocket" / "pocket")


def checkpoint(folder: Path) -> None:
    """`my-model`: a folder as it is downloaded from the Hub."""
    shutil.copytree(POCKET / "checkpoint", folder / "my-model")


def benchmarks(folder: Path) -> None:
    """`pairs.jsonl`: twelve pairs, every third without a label. `wrong.jsonl`: its second line lacks an answer."""
    rows = [json.loads(line) for line in (POCKET / "pairs.jsonl").read_text("utf-8").splitlines()[:12]]
    chosen = [{key: row[key] for key in ("question", "a", "b", "label")} for row in rows]
    for row in chosen[::3]:
        del row["label"]
    _write(folder / "pairs.jsonl", chosen)
    broken = [chosen[0], {"question": "Name a fruit.", "a": "plum"}]
    _write(folder / "wrong.jsonl", broken)


def outputs(folder: Path) -> None:
    """`one`, `two` and `three.jsonl`: three systems' answers to forty questions. `other.jsonl`: to another question."""
    rows = [json.loads(line) for line in (POCKET / "pairs.jsonl").read_text("utf-8").splitlines()]
    questions = list({row["question"]: row for row in rows}.values())[:40]
    for system, every in (("one", 2), ("two", 3), ("three", 5)):
        answers = [row["a"] if number % every else row["b"] for number, row in enumerate(questions)]
        asked = [row["question"] for row in questions]
        _write(folder / f"{system}.jsonl", [{"question": q, "output": o} for q, o in zip(asked, answers, strict=True)])
    _write(folder / "other.jsonl", [{"question": "Who are you?", "output": "A judge."}])


def ggufs(folder: Path) -> None:
    """A judge that others quantized, and three files that are none: cut off, a web page, a Git LFS pointer."""
    from edge_judge import QuantizeSettings, quantize

    built = quantize("pocket", "q8_0", QuantizeSettings(out=folder / "built.gguf")).path
    whole = copied(built, folder / "Some-Judge-Q8_0.gguf", ANONYMOUS, OURS)
    built.unlink()
    (folder / "truncated.gguf").write_bytes(whole.read_bytes()[:1_000_000])
    (folder / "page.gguf").write_text("<!DOCTYPE html>\n<html><title>404</title></html>\n", "utf-8")
    (folder / "pointer.gguf").write_text(POINTER, "utf-8")


def _write(path: Path, rows: Sequence[object]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
