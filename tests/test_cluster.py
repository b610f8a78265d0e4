"""Several machines judge as one does: the blocks of one run, done by workers that proved themselves."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from chaos import RUN, Cluster, Counts, chaos, outcome
from conftest import Edge, fails

from edge_judge.engine import LocalEngine, plan
from edge_judge.engine.cluster import blocks as cluster_blocks
from edge_judge.engine.cluster import pool
from edge_judge.engine.cluster.bench import Bench
from edge_judge.engine.cluster.blocks import BlockMaker
from edge_judge.engine.cluster.engine import ClusterEngine
from edge_judge.engine.cluster.pool import Address, Event
from edge_judge.engine.cluster.proof import Wanted
from edge_judge.errors import ModelError, UsageError
from edge_judge.judging.judge import judge
from edge_judge.judging.noise import repeat
from edge_judge.protocols import grammar
from edge_judge.protocols.protocol import Protocol, Question
from edge_judge.records import Benchmark, Judge, ProgressListener, Verdict
from edge_judge.workflows.choose import choose
from edge_judge.workflows.cluster import Finder
from edge_judge.workflows.data import load_benchmarks
from edge_judge.workflows.judges import find_judge
from edge_judge.workflows.options import (
    BenchmarkOptions,
    ChooseSettings,
    ClusterOptions,
    JudgeOptions,
    LadderOptions,
    WorkerSettings,
)

PAIRS = 120
DASK = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="Dask distributed is not here: pip install '.[cluster]'"
)


@pytest.fixture(scope="module")
def pocket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGE_JUDGE_MODELS", str(tmp_path_factory.mktemp("models")))
        yield find_judge(JudgeOptions())


@pytest.fixture(scope="module")
def pairs() -> Benchmark:
    (whole,) = load_benchmarks(BenchmarkOptions(), ProgressListener())
    return replace(whole, pairs=whole.pairs[:: len(whole.pairs) // PAIRS][:PAIRS])


class Notes(ProgressListener):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


@dataclass
class Room:
    """Workers in this process, each of which answers when it is looked at. gone: who left; dead: who stays and never
    answers; faults: what a worker's answers to `prove` or `work` become.
    """

    benches: dict[str, Bench]
    gone: set[str] = field(default_factory=set)
    dead: set[str] = field(default_factory=set)
    leave_after: dict[str, int] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    command: str = "edge-judge worker here"

    def __post_init__(self) -> None:
        self._waiting: deque[tuple[int, str, str, bytes]] = deque()
        self._ids = 0

    def workers(self) -> frozenset[str]:
        return frozenset(self.benches.keys() - self.gone)

    def ask(self, worker: str, method: str, content: bytes) -> int:
        self._ids += 1
        self._waiting.append((self._ids, worker, method, content))
        return self._ids

    def next(self, seconds: float) -> Event | None:
        while self._waiting:
            request, worker, method, content = self._waiting.popleft()
            if method == "work" and worker in self.leave_after:
                self.leave_after[worker] -= 1
                if self.leave_after[worker] < 0:
                    self.gone.add(worker)
            if worker in self.gone | self.dead:
                continue
            if method == "tell":
                self.told.append(worker)
            return Event(request, getattr(self.benches[worker], method)(content))
        return None

    def drop(self, request: int) -> None:
        self._waiting = deque(waiting for waiting in self._waiting if waiting[0] != request)

    def close(self) -> None:
        for bench in self.benches.values():
            bench.close()


def bench_of(judge_: Judge, name: str, kind: type[Bench] = Bench) -> Bench:
    def find(wanted: Wanted) -> tuple[Path, str]:
        assert judge_.gguf is not None and judge_.sha256 == wanted.sha256
        return judge_.gguf, wanted.sha256

    return kind(name, find, threads=1)


def judged(engine: Any, pairs: Benchmark, name: str = "pairwise") -> dict[tuple[str, str], Verdict]:
    protocol = Protocol(grammar.load(name), written=12 if name == "pairwise-cot" else None)
    questions = [Question(pair, order) for pair in pairs.pairs for order in protocol.orders]
    verdicts = list(judge(engine, protocol, questions))
    assert len(verdicts) == len(questions)
    return {(verdict.id, verdict.order): verdict for verdict in verdicts}


class SmallBlocks(LocalEngine):
    """This machine alone, with blocks cut where a cluster cuts them."""

    def _blocks(self, queries: Any) -> Any:
        return plan.blocks(queries, cluster_blocks.BLOCK, cluster_blocks.PER_REPEAT)


@cache
def alone(judge_: Judge, pairs: Benchmark, name: str = "pairwise") -> dict[tuple[str, str], Verdict]:
    assert judge_.gguf is not None
    with closing(SmallBlocks(judge_.gguf, threads=1)) as engine:
        return judged(engine, pairs, name)


def without_machine(verdicts: dict[tuple[str, str], Verdict]) -> dict[tuple[str, str], Verdict]:
    return {key: replace(verdict, machine=None) for key, verdict in verdicts.items()}


def together(judge_: Judge, room: Room, pairs: Benchmark, name: str = "pairwise") -> dict[tuple[str, str], Verdict]:
    with closing(ClusterEngine(judge_, room)) as engine:
        return judged(engine, pairs, name)


def crew(judge_: Judge, *names: str) -> Room:
    return Room({name: bench_of(judge_, name) for name in names})


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_any_number_of_workers_gives_the_bits_of_one_process(pocket: Judge, pairs: Benchmark, workers: int) -> None:
    names = [f"m{n}" for n in range(workers)]
    verdicts = together(pocket, crew(pocket, *names), pairs)
    assert without_machine(verdicts) == alone(pocket, pairs)
    assert {verdict.machine for verdict in verdicts.values()} <= set(names)


@pytest.mark.parametrize("name", ["pairwise-cot", "pointwise", "none"])
def test_writing_and_ratings_come_out_the_same_too(pocket: Judge, pairs: Benchmark, name: str) -> None:
    some = replace(pairs, pairs=pairs.pairs[:12])
    assert without_machine(together(pocket, crew(pocket, "m1", "m2"), some, name)) == alone(pocket, some, name)


def test_blocks_of_this_size_move_a_probability_by_less_than_the_noise_of_another_division(
    pocket: Judge, pairs: Benchmark
) -> None:
    assert pocket.gguf is not None
    with closing(LocalEngine(pocket.gguf, threads=1)) as engine:
        usual = judged(engine, pairs)
    small = alone(pocket, pairs)
    assert {key: verdict.verdict for key, verdict in usual.items()} == {k: v.verdict for k, v in small.items()}
    gaps = [abs(usual[key].p[label] - small[key].p[label]) for key in usual for label in usual[key].p]  # type: ignore
    assert max(gaps) < 0.01


def test_workers_that_leave_or_fall_silent_cost_no_verdict_and_change_none(pocket: Judge, pairs: Benchmark) -> None:
    room = crew(pocket, "m1", "m2", "m3")
    room.leave_after = {"m1": 0, "m3": 0}
    verdicts = together(pocket, room, pairs)
    assert room.gone == {"m1", "m3"}
    assert without_machine(verdicts) == alone(pocket, pairs)


class Another(Bench):
    """Changes what it shows or gives: `fault` says how."""

    fault = ""

    def _proof(self, wanted: Wanted) -> Any:
        proof = super()._proof(wanted)
        faults = {
            "hash": {"sha256": "0" * 64},
            "engine": {"versions": {**proof.versions, "llama_cpp": "0"}},
            "tokens": {"prompts": "0" * 64},
            "weights": {"canary": tuple(p / 2 for p in proof.canary)},
        }
        return replace(proof, **faults.get(self.fault, {}))

    def _done(self, assignment: Any) -> Any:
        done = super()._done(assignment)
        first = done[0]
        index, answer = first.answers[0]
        faults = {
            "sum": ((index, replace(answer, p=dict.fromkeys(answer.p, 0.9))), *first.answers[1:]),
            "range": ((index, replace(answer, p=dict.fromkeys(answer.p, 2.0))), *first.answers[1:]),
            "nan": ((index, replace(answer, mass=float("nan"))), *first.answers[1:]),
            "fewer": first.answers[1:],
            "twice": (first.answers[0], *first.answers),
            "another": ((10**6, answer), *first.answers[1:]),
        }
        return (replace(first, answers=faults.get(self.fault, first.answers)), *done[1:])


@pytest.mark.parametrize(
    "fault", ["hash", "engine", "tokens", "weights", "sum", "range", "nan", "fewer", "twice", "another"]
)
def test_a_worker_that_is_not_what_it_says_is_named_once_and_judges_nothing(
    pocket: Judge, pairs: Benchmark, fault: str
) -> None:
    liar = type("Liar", (Another,), {"fault": fault})
    room = Room({"bad": bench_of(pocket, "bad", liar), "good": bench_of(pocket, "good")})
    notes = Notes()
    with closing(ClusterEngine(pocket, room, listener=notes)) as engine:
        verdicts = judged(engine, pairs)
    assert {verdict.machine for verdict in verdicts.values()} == {"good"}
    assert without_machine(verdicts) == alone(pocket, pairs)
    assert sum("bad gets no work" in note for note in notes.said) == 1, notes.said
    assert room.told == ["bad"]


def test_a_worker_without_the_file_is_left_out_with_the_command_that_makes_it(pocket: Judge, pairs: Benchmark) -> None:
    def nowhere(wanted: Wanted) -> tuple[Path, str]:
        raise ModelError("it is not on this machine", "there: edge-judge quantize it q4_k_m")

    notes = Notes()
    room = Room({"bare": Bench("bare", nowhere), "good": bench_of(pocket, "good")})
    with closing(ClusterEngine(pocket, room, listener=notes)) as engine:
        assert {verdict.machine for verdict in judged(engine, pairs).values()} == {"good"}
    assert any("edge-judge quantize it q4_k_m" in note for note in notes.said)


def test_repeats_go_to_other_machines_so_the_noise_floor_holds_what_lies_between_them(
    pocket: Judge, pairs: Benchmark
) -> None:
    protocol = Protocol(grammar.load("pairwise"))
    with closing(ClusterEngine(pocket, crew(pocket, "m1", "m2"))) as engine:
        first = judged(engine, pairs)
        before = {block: set(machines) for block, machines in engine.evaluated_by.items()}
        floor = repeat(pairs, engine, protocol, list(first.values()), 1)
        moved = [block for block, machines in engine.evaluated_by.items() if machines != before[block]]
    assert floor.verdicts == len(first)
    assert len(moved) >= len(before) / 2


def test_the_coordinator_loads_no_weights_and_makes_the_same_prompts(pocket: Judge) -> None:
    assert pocket.gguf is not None
    with closing(BlockMaker(pocket.gguf)) as maker, closing(LocalEngine(pocket.gguf, threads=1)) as engine:
        assert maker.context == engine.context
        assert maker.encode("Is 'a' better?") == engine.encode("Is 'a' better?")
        assert maker.model.weights < engine.model.weights / 2


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (Address("localhost:8786"), "is not the address of a cluster"),
        (Address("tcp://10.0.0.1"), "is not the address of a cluster"),
        (Address("tcp://10.0.0.1:8786"), "open to everybody"),
        (Address("tls://10.0.0.1:8786"), "three files of TLS"),
        (Address("tls://10.0.0.1:8786", ca=Path("ca.pem")), "TLS needs three files"),
    ],
)
def test_an_address_that_is_none_or_open_to_everybody_is_refused(address: Address, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        address.check()


def test_an_address_on_this_machine_behind_tls_or_knowingly_open_is_taken() -> None:
    files = dict.fromkeys(("ca", "cert", "key"), Path("pem"))
    for address in (
        Address("tcp://127.0.0.1:1"), Address("tcp://10.0.0.1:1", insecure=True), Address("tls://10.0.0.1:1", **files),
    ):  # fmt: skip
        address.check()


def test_options_of_a_cluster_without_one_are_refused(edge: Edge) -> None:
    fails(edge("eval", "--limit", 1, "--insecure"), 2, "do nothing without --cluster")


@DASK
def test_the_command_line_judges_with_two_workers_and_a_killed_one_costs_nothing(
    environment: dict[str, str], tmp_path: Path, edge: Edge
) -> None:
    cluster = Cluster(tmp_path, environment, seconds=0.3)
    try:
        cluster.work("m1")
        cluster.work("m2")
        cluster.work("liar", fault="hash")
        coordinator = cluster.coordinate("--limit", "120")
        while not (tmp_path / "results" / RUN / "verdicts.jsonl").exists():
            time.sleep(0.1)
        cluster.workers["m2"].kill()
        assert coordinator.wait(timeout=300) == 0, cluster.said("coordinator")
        assert "liar gets no work: its file has sha256 0000" in cluster.said("coordinator")
    finally:
        cluster.close()
    run = tmp_path / "results" / RUN
    lines = [json.loads(line) for line in (run / "verdicts.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(lines) == len({(line["id"], line["order"]) for line in lines}) == 240
    assert {line["machine"] for line in lines} <= {"m1", "m2"}
    assert json.loads((run / "run.json").read_text(encoding="utf-8"))["machines"]["m1"]["tasks"] > 0
    again = edge("eval", "--limit", 120, "--results", "results", "--json")
    assert again.returncode == 0 and json.loads(again.stdout)[0]["verdicts"] == 240


@DASK
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates, and is not here")
def test_behind_tls_only_holders_of_a_certificate_judge(environment: dict[str, str], tmp_path: Path) -> None:
    for name in ("ours", "theirs"):
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=judges"]
        files = ["-keyout", f"{name}.key", "-out", f"{name}.pem"]
        subprocess.run([*command, *files], cwd=tmp_path, check=True, capture_output=True)
    ours, theirs = (
        ["--tls-ca", f"{name}.pem", "--tls-cert", f"{name}.pem", "--tls-key", f"{name}.key"]
        for name in ("ours", "theirs")
    )
    cluster = Cluster(tmp_path, environment)
    cluster.url = cluster.url.replace("tcp://", "tls://")
    try:
        coordinator = cluster.coordinate("--limit", "20", *ours)
        cluster.work("stranger", *theirs)
        while f"{cluster.url}: " not in cluster.said("stranger"):  # it was turned away
            time.sleep(0.2)
        assert coordinator.poll() is None
        cluster.work("friend", *ours)
        assert coordinator.wait(timeout=300) == 0, cluster.said("coordinator")
    finally:
        cluster.close()
    assert "friend joined" in cluster.said("coordinator") and "stranger" not in cluster.said("coordinator")
    assert "Traceback" not in cluster.said("stranger") + cluster.said("friend")


@DASK
@pytest.mark.slow
def test_thirty_killed_or_suspended_workers_and_ten_killed_coordinators_change_no_score(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", environment)
    assert chaos(tmp_path, Counts(30, 10), seed=1, seconds=1.0, limit=600, tell=False) >= 1
    assert len(outcome(tmp_path / "results")[1]) == 1200


@pytest.mark.parametrize("greeting", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
@pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="pip install '.[cluster]'")
def test_another_program_at_the_address_is_an_error_and_no_endless_wait(
    greeting: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "ANSWERS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = Address(f"tcp://127.0.0.1:{server.getsockname()[1]}")

        def greet() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.sendall(greeting)
                        connection.recv(1)  # until the other side leaves

        threading.Thread(target=greet, daemon=True).start()
        with pytest.raises(ModelError, match="the program at this address is not a Dask scheduler"):
            pool.DaskPool(address)


def test_choose_decides_the_same_on_a_cluster_whose_machines_go_from_one_scheme_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_JUDGE_MODELS", str(tmp_path / "models"))
    benches = {name: Bench(name, Finder(WorkerSettings(), ProgressListener()).find, threads=1) for name in ("m0", "m1")}
    room, notes = Room(benches), Notes()
    monkeypatch.setattr(pool, "DaskPool", lambda address: room)
    ladder = LadderOptions(schemes=("q8_0", "q2_k"), threads=1)
    chosen = [
        choose(ladder, settings=ChooseSettings(tmp_path / name, max_pairs=32), listener=notes, cluster=cluster)
        for name, cluster in (("alone", ClusterOptions()), ("together", ClusterOptions("tcp://127.0.0.1:1")))
    ]
    changes = [
        [(one.run.scheme, one.outcome, part.by_verdicts, part.pairs) for one in found.decisions for part in one.parts]
        for found in chosen
    ]
    assert changes[0] == changes[1]
    folder = tmp_path / "together" / "pocket" / "pocket" / "q8_0" / "pairwise"
    run = json.loads((folder / "run.json").read_text("utf-8"))
    assert sum(share["tasks"] for share in run["machines"].values()) > 1
    assert notes.said.count("m0 joined") == notes.said.count("m1 joined") == 1
