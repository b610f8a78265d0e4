"""Layers on a device: the same verdicts as on the CPU, in the memory that was told, and one clear error where not.

The device is what llama.cpp finds here, or llama.cpp's RPC server on the CPU; without either these tests are skipped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from conftest import Edge
from offloading import offloading_device, rpc_server

from edge_judge.analysis.subset import subset
from edge_judge.benchmarks import load
from edge_judge.engine import LocalEngine, Model, llama, placing
from edge_judge.judging import noise
from edge_judge.judging.judge import judge
from edge_judge.protocols import grammar
from edge_judge.protocols.protocol import Protocol, Question
from edge_judge.records import ORDERS, Limits, Offloaded, Placement, ProgressListener, Verdict, WorkEstimate

PAIRS = 12
LAYERS = 5  # of the pocket judge: four and the output
LARGEST = 0.02  # how far a probability may move: about what the CPU's own batches move it by


@pytest.fixture(scope="module")
def device() -> Iterator[str]:
    with offloading_device() as name:
        yield name


@pytest.fixture
def gguf(device: str, edge: Edge, models: Path) -> Path:
    edge("quantize", "pocket", "q8_0")
    return models / "pocket" / "pocket-q8_0.gguf"


class Told(ProgressListener):
    def __init__(self) -> None:
        self.offloaded: Offloaded | None = None

    def estimate(self, name: str, estimate: WorkEstimate) -> None:
        self.offloaded = estimate.offloaded


def judged(gguf: Path, placement: Placement) -> tuple[list[Verdict], Offloaded | None, noise.Noise]:
    """Verdicts, what was offloaded for them, and what other batches change."""
    told, part = Told(), subset(load("pocket"), PAIRS)
    protocol = Protocol(grammar.load("pairwise"), ORDERS)
    questions = [Question(pair, order) for pair in part.pairs for order in protocol.orders]
    with closing(LocalEngine(gguf, threads=1, limits=Limits(placement=placement))) as engine:
        verdicts = list(judge(engine, protocol, questions, listener=told))
        floor = noise.repeat(part, engine, protocol, verdicts, 1 if placement.gpu_layers == 0 else 0)
    return verdicts, told.offloaded, floor


@pytest.mark.parametrize("cache_on", ["device", "host"])
@pytest.mark.parametrize("layers", [0, 3, "all"])
def test_verdicts_flip_no_more_than_between_batches_and_memory_is_as_told(
    gguf: Path, device: str, layers: int, cache_on: str
) -> None:
    on_cpu, nothing, floor = judged(gguf, Placement(0))
    verdicts, offloaded, _ = judged(gguf, Placement(layers, (device,), cache_on=cache_on))
    moved = noise.compare(on_cpu, verdicts, 1)
    assert nothing is None and moved.verdicts == 2 * PAIRS
    assert moved.flips <= floor.flips and (moved.largest or 0) <= LARGEST
    if layers == 0:
        assert offloaded is None and moved.largest == 0  # not a bit changes
        return
    assert offloaded is not None and offloaded.layers == (LAYERS if layers == "all" else layers)
    if cache_on == "device":
        assert offloaded.used == pytest.approx(offloaded.estimated, rel=0.1)
    assert offloaded.used <= 1.1 * offloaded.estimated  # the simulation puts a host cache's work on devices
    assert offloaded.used <= offloaded.available


@pytest.mark.parametrize("layers", [3, "all"])
def test_the_memory_told_is_what_a_servers_process_grows_by(edge: Edge, models: Path, layers: int) -> None:
    edge("quantize", "pocket", "q8_0")
    with rpc_server() as (address, process):
        placement = Placement(layers, (address,))
        placed = placing.place(models / "pocket" / "pocket-q8_0.gguf", Limits(placement=placement))
        size = placing.context_of(32_768)  # large beside what the server needs for itself
        told, before = placed.check(size, "f16"), psutil.Process(process).memory_info().vms
        with Model(placed.path, placed=placed) as model, closing(llama.Context(model.loaded, size, "f16")):
            grown = psutil.Process(process).memory_info().vms - before
    assert told == pytest.approx(grown, rel=0.1)


def judge_on(edge: Edge, device: str, *options: str):
    return edge("judge", "--scheme", "q8_0", "--question", "x", "--a", "y", "--b", "z", "--device", device, *options)


@pytest.mark.parametrize(
    "options",
    [
        ("--gpu-layers", "all"), ("--gpu-layers", "999"), ("--gpu-layers", "1"), ("--gpu-layers", "0"),
        ("--split", "none"), ("--split", "row"), ("--cache-on", "host"), ("--cache-on", "host", "--cache", "q8_0"),
        ("--cache", "q8_0"), ("--gpu-memory", "1"), ("--gpu-layers", "all", "--gpu-memory", "1"),
        ("--gpu-layers", "2", "--gpu-memory", "8MB"), ("--gpu-memory", "70MB"), ("--max-memory", "60MB"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_every_setting_ends_in_a_verdict_or_in_one_clear_error(
    gguf: Path, edge: Edge, device: str, options: tuple[str, ...]
) -> None:
    done = judge_on(edge, device, *options)
    assert done.returncode in (0, 1, 2) and "Traceback" not in done.stderr
    assert ("both orders" in done.stdout) != ("error: " in done.stderr and "hint: " in done.stderr)


def test_a_card_that_is_too_small_names_the_most_layers_that_fit_and_they_do(
    gguf: Path, edge: Edge, device: str
) -> None:
    whole = judge_on(edge, device, "--gpu-layers", "all", "--gpu-memory", "1")
    needed = 1e6 * int(re.search(r"need ([\d,]+) MB", whole.stderr)[1].replace(",", ""))
    for share in (0.9, 0.8, 0.6):
        limit = ("--gpu-memory", int(share * needed))
        refused = judge_on(edge, device, "--gpu-layers", "all", *limit)
        assert refused.returncode == 1
        named = re.search(r"--gpu-layers (\d+) fits", refused.stderr)
        assert named or "no layer fits" in refused.stderr
        if named:
            assert int(named[1]) < LAYERS
            assert judge_on(edge, device, "--gpu-layers", named[1], *limit).returncode == 0


def test_a_run_goes_on_with_other_layers_and_is_refused_without_the_device(
    gguf: Path, edge: Edge, device: str, tmp_path: Path
) -> None:
    run = ("eval", "--scheme", "q8_0", "--device", device)
    assert edge(*run, "--limit", "2", "--gpu-layers", "all").returncode == 0
    assert edge(*run, "--limit", "4", "--gpu-layers", "3").returncode == 0
    refused = edge("eval", "--scheme", "q8_0", "--limit", "6", "--gpu-layers", "0")
    assert refused.returncode == 1 and "backend was " in refused.stderr
    (file,) = (tmp_path / "results").glob("*/*/*/*/run.json")
    content = json.loads(file.read_text("utf-8"))
    assert content["settings"]["backend"] and content["offloaded"]["layers"] == 3
