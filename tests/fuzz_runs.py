"""What `make fuzz` feeds to what reads runs back: their folders, packs, rankings, trainings, other machines' answers.

Knows: parsers, examples of their files. Does not know: how inputs are made, what counts as a failure.
"""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import fields
from pathlib import Path
from typing import Any

import fuzz_containers as containers
import fuzz_mutators as mutators
from fuzz_target import DEEP, Run, dumped, lines, target


@target("run.json", mutators.mutated_json)
def run_json(folder: Path) -> tuple[Run, list[bytes]]:
    from edge_judge.runs import folder as runs

    said = lines(*VERDICTS)
    content: dict[str, Any] = {
        "format": 2, "benchmark": "toy", "model": "m", "scheme": "s", "grammar": "g", "settings": {"lock": {"a": 1}},
        "gguf_bytes": 5, "batching": {"cells": 8},
        "measured": {
            "wall_seconds": 1.0, "tokens": 5, "tokens_total": 9, "verdicts": 2, "peak_rss": 5, "machine": "x, 2 cores",
        },
    }  # fmt: skip
    write_run(folder, b"{}", said)
    seeds = [dumped(content), dumped({**content, "format": 1, "cut": {"cells": 8}})]
    return lambda data: read_and_score(folder, runs, data, said), seeds


@target("verdicts.jsonl", mutators.mutated_lines, *(piece + b"\n" for piece in DEEP), b"\n" * 1_000_000)
def verdicts_jsonl(folder: Path) -> tuple[Run, list[bytes]]:
    from edge_judge.runs import folder as runs

    content = {"format": 2, "benchmark": "toy", "model": "m", "scheme": "s", "grammar": "g", "settings": {}}
    run = dumped({**content, "gguf_bytes": 5})
    return lambda data: read_and_score(folder, runs, run, data), [lines(*VERDICTS), lines(VERDICTS[0])]


VERDICTS: tuple[dict[str, Any], ...] = (
    {"id": "0", "order": "ab", "verdict": "a", "p": {"a": 0.75, "b": 0.25}, "text": "[[A]]", "mass": 0.5},
    {"id": "0", "order": "ba", "verdict": None, "p": None, "text": None, "mass": None, "truncated": True},
    {"id": "1", "order": "ab", "verdict": "tie", "p": None, "text": "é", "mass": 1, "respelled": 0.1, "machine": "m"},
    {"id": "1", "order": "ba", "verdict": "b", "p": {"b": 1.0}, "text": "", "mass": 1},
)


def write_run(folder: Path, run: bytes, verdicts: bytes) -> None:
    (folder / "run.json").write_bytes(run)
    (folder / "verdicts.jsonl").write_bytes(verdicts)
    (folder / "score.json").write_bytes(b"{}")


def read_and_score(folder: Path, runs: Any, run: bytes, verdicts: bytes) -> None:
    from judgements import benchmark

    from edge_judge.metrics.recorded import RecordedRun
    from edge_judge.settings import differences, same_conditions

    write_run(folder, run, verdicts)
    read = runs.read_run(folder)
    differences(read.settings, {})
    same_conditions(read, read)
    if zlib.crc32(run + verdicts) % 16 == 0:  # it takes a hundred times as long as reading
        runs.score_json(RecordedRun(read, benchmark("a", "b", "tie")).score)


SYSTEMS = ("a", "b", "c")


def write_ranking(folder: Path) -> tuple[bytes, bytes]:
    """A whole ranking of three systems on three questions, two of which gave equal answers once. Returns ranking.json
    and meetings.jsonl.
    """
    from itertools import combinations

    met = [
        {"id": f"{question}/{first}{second}", "question": str(question), "first": first, "second": second,
         "swapped": question % 2 == 0, "same": (question, first, second) == (1, "a", "b"), "length_first": 3,
         "length_second": 4 + question}
        for question in range(3)
        for first, second in combinations(SYSTEMS, 2)
    ]  # fmt: skip
    verdicts = [
        {"id": meeting["id"], "order": order, "verdict": "ab"[place % 2], "p": {"a": 0.75, "b": 0.25}, "text": None,
         "mass": 1.0}
        for place, meeting in enumerate(met)
        for order in ("ab", "ba")
    ]  # fmt: skip
    run = {"format": 2, "benchmark": "rank", "model": "m", "scheme": "s", "grammar": "g", "settings": {}}
    write_run(folder, dumped(run), lines(*verdicts))
    figures = dumped({"systems": SYSTEMS, "missing": dict.fromkeys(SYSTEMS, 0), "questions": 3, "against": None})
    (folder / "ranking.json").write_bytes(figures)
    (folder / "meetings.jsonl").write_bytes(lines(*met))
    return figures, lines(*met)


def ranking_reader(folder: Path) -> Run:
    """As `rank FOLDER` does; the figures, which take a hundred times as long, of some inputs alone."""
    from edge_judge.report.ranking import rankings_json, rankings_table
    from edge_judge.runs import rankings
    from edge_judge.workflows.combined_judges import recorded_rankings
    from edge_judge.workflows.options import RankSettings

    def read(data: bytes) -> None:
        rankings.read_ranking(folder)
        if zlib.crc32(data) % 64 == 0:
            ranked = recorded_rankings([folder], RankSettings())
            dumped(rankings_json(ranked))
            rankings_table(ranked)

    return read


@target("ranking.json", mutators.mutated_json)
def ranking_json(folder: Path) -> tuple[Run, list[bytes]]:
    (figures, _), rank = write_ranking(folder), ranking_reader(folder)
    against = dumped({**json.loads(figures), "against": "b"})

    def read(data: bytes) -> None:
        (folder / "ranking.json").write_bytes(data)
        rank(data)

    return read, [figures, against]


@target("meetings.jsonl", mutators.mutated_lines)
def meetings_jsonl(folder: Path) -> tuple[Run, list[bytes]]:
    (_, met), rank = write_ranking(folder), ranking_reader(folder)

    def read(data: bytes) -> None:
        (folder / "meetings.jsonl").write_bytes(data)
        rank(data)

    return read, [met, met.split(b"\n")[0] + b"\n"]


@target("pack", containers.mutated_pack, b"EJPACK\r\n" + bytes(42), b"EJPACK\r\n\0\2" + b"\xff" * 1_000_000)
def pack(folder: Path) -> tuple[Run, list[bytes]]:
    from test_packs import BODY, HEADER, MADE, TOY, framed

    from edge_judge.runs import packs

    bomb = framed(dumped({**HEADER, "pairs": 1_000_000, "verdicts": 2_000_000}), zlib.compress(bytes(30_000_000)))

    def run(data: bytes) -> None:
        packs.unpack(packs.read(data), TOY)

    return run, [MADE, framed(dumped({**HEADER, "measured": None}), BODY), *([bomb] if len(bomb) < 60_000 else [])]


@target("holder", mutators.mutated_json)
def holder_note(folder: Path) -> tuple[Run, list[bytes]]:
    """Who works in a folder."""
    from edge_judge.runs import holder
    from edge_judge.workflows import known_files

    os.environ["EDGE_JUDGE_MODELS"] = str(folder)
    known = folder / known_files.NAME
    (folder / "x.gguf").write_bytes(b"GGUF")

    def run(data: bytes) -> None:
        (folder / holder.NAME).write_bytes(data)
        holder.holder(folder)
        known.write_bytes(data)
        known_files.was_opened("0", "1")
        if zlib.crc32(data) % 8 == 0:  # it waits for the disk
            known_files.sha256([folder / "x.gguf"])

    hashes = {"hashes": {str((folder / "x.gguf").resolve()): {"state": [[4, 1]], "sha256": "0"}}, "opened": {"0": "1"}}
    return run, [dumped({"pid": 5, "command": "edge-judge eval", "since": "2026-01-02T03:04:05+00:00"}), dumped(hashes)]


@target("training.json", mutators.mutated_json)
def training_json(folder: Path) -> tuple[Run, list[bytes]]:
    from edge_judge.settings import differences
    from edge_judge.training.folder import SETTINGS, TrainingFolder

    settings = {"model": "m", "lock": {"a": 1}, "recipe": {"rate": 0.1, "epochs": 2}, "data": ["x"]}

    def run(data: bytes) -> None:
        folder.mkdir(exist_ok=True)  # a training that was not begun leaves none
        (folder / SETTINGS).write_bytes(data)
        content = TrainingFolder(folder).content() or {}
        differences(content["settings"], settings)
        if zlib.crc32(data) % 8 == 0:  # it waits for the disk
            with TrainingFolder.opened(folder, settings, fresh=False):
                pass

    result = {"best": {"step": 1, "loss": 0.5}, "steps": 3, "planned": 4, "curve": [{"step": 1, "loss": 0.5}]}
    return run, [dumped({"settings": settings}), dumped({"settings": settings, "result": result})]


@target("training-state", containers.mutated_zip, b"PK\x03\x04" + bytes(1_000_000))
def training_state(folder: Path) -> tuple[Run, list[bytes]]:
    """What an interrupted training goes on from, with its curve."""
    import torch

    from edge_judge.records import CurvePoint
    from edge_judge.training import state as states

    parameters = {"a": torch.nn.Parameter(torch.ones(2, 3))}
    optimizer = torch.optim.AdamW(parameters.values())
    parameters["a"].grad = torch.ones(2, 3)
    optimizer.step()
    point = CurvePoint(**{field.name: 1 for field in fields(CurvePoint)})
    best = {"a": torch.ones(2, 3)}
    seed = states.packed(states.State(1, [point], best, 1, 2.0, 0.5, 7), parameters, optimizer)

    def run(data: bytes) -> None:
        try:
            state = states.unpacked(data, parameters, optimizer)
        except ValueError:  # of which the training makes its own error
            return
        assert state.lowest <= float("inf")

    return run, [seed]


@target("shared-folder", mutators.mutated_json)
def shared_folder(folder: Path) -> tuple[Run, list[bytes]]:
    """The answers that another machine has put into the folder."""
    from edge_judge.engine.cluster.blocks import Block, Job
    from edge_judge.engine.plan import Query, blocks
    from edge_judge.engine.shared_folder import BlockFiles
    from edge_judge.inference import Distribution, GuidedWriting, Reading, Written
    from edge_judge.records import Batching

    block, files = Block(tuple(blocks([Query((1,)), Query((2,))], 0)), {}, {}), BlockFiles(folder, "here")
    texts = {"[[A]]": "a", "[[B]]": "b"}
    reading = Job("r", Reading(texts), Batching())
    rule = GuidedWriting(9, "", "", "root", None, lambda: None, texts, ("a", "b"), "")  # type: ignore
    guided = Job("g", rule, Batching(), lambda *_: False)
    answer = Distribution({"a": 0.75, "b": 0.25}, 0.9)
    seeds = []
    for answers in ([(0, answer), (1, answer)], [(0, Written("x", answer)), (1, Written("y"))]):
        files.write("seed", block, answers)
        seeds.append((folder / "seed.json").read_bytes())
        (folder / "seed.json").unlink()

    def run(data: bytes) -> None:
        for job in (reading, guided):
            (folder / "x.json").write_bytes(data)
            files.read("x", job, block)

    return run, seeds
