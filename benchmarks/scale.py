"""How long 9 judges × 8 benchmarks × 6 schemes take on 1, 8 and 1,000 machines, and where more machines stop helping.

    python benchmarks/scale.py             reads results/speed and results/scale/blocks.json; two minutes
    python benchmarks/scale.py --measure   writes blocks.json first: needs ../shared and the model of `make bench`

Writes results/scale/README.md.

The dispatcher of a cluster (edge_judge/engine/cluster/dispatch.py) gives real blocks to simulated machines on a clock
of its own. Measured: sizes of blocks, a rate, bytes on the network. Assumed, each in one line below: how rates go with
parameters and scheme, how machines differ, how many are slow or lost, networks, prices.
"""

from __future__ import annotations

import heapq
import json
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from edge_judge.engine.cluster.dispatch import Dispatcher, Task  # noqa: E402
from edge_judge.report.formatting import duration  # noqa: E402

FOLDER = ROOT / "results" / "scale"
BLOCKS = FOLDER / "blocks.json"
NAMES = ("auto-j", "pandalm", *(f"llmbar-{name}" for name in ("natural", "neighbor", "gptinst", "gptout", "manual")))
SCHEMES = ("f16", "q8_0", "q6_k", "q4_k_m", "q3_k_m", "q2_k")
MACHINES = (1, 8, 54, 1000)

BYTES = 1.29  # on the network for each token that is evaluated, both ways: measured by benchmarks/cluster.py

# Assumptions
REFERENCE = 308_283_392  # parameters of the measured shape without embeddings; a rate is inverse to these
OF_7B = REFERENCE / 6_476_618_752  # of qwen1.5-7b
MT_BENCH = 1_400_000  # tokens, in blocks as Auto-J's: 3,628 verdicts at 388 tokens, as in results/speed/mt-bench-like
TREE = 12_175  # tokens of that work, from results/speed/README.md
OF_F16 = 202 / 300  # the rate of f16 as a share of that of every other scheme, as at the 0.5B shape
SPREAD = (0.5, 2.0)  # machines are between half and twice as fast as the measured one, evenly in the logarithm
SLOW, SLOWER = 0.05, 4.0  # this share of machines is so many times slower still
LOST = 0.05  # this share of machines vanishes for good, at any moment of a run
DOWN, SOURCE = 100e6 / 8, 1e9 / 8  # bytes a second: into one machine, and out of where the files lie
DISK = 500e6  # bytes a second: loading a file that a machine has
DELAY = 0.05  # seconds: a task and its answer on the network, which the second waiting task hides
PRICE = 0.10  # dollars for an hour of a machine, judging or waiting


@dataclass(frozen=True, slots=True)
class Measured:
    """rate: tokens a second of the measured shape; blocks: their sizes, by benchmark; bytes: sent, for each token."""

    rate: float
    blocks: Mapping[str, Sequence[int]]
    bytes: float


@dataclass(frozen=True, slots=True)
class File:
    """A judge in a scheme: what a worker needs. parameters: without embeddings."""

    parameters: int
    scheme: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """seconds: from start to end; busy: machine-seconds of evaluation that counted; held: machine-seconds in all."""

    seconds: float
    busy: float
    held: float


def main() -> int:
    if sys.argv[1:] == ["--measure"]:
        measure()
    measured, files = read(), judges()
    rows = [row(measured, files, machines) for machines in MACHINES]
    text = [
        "# 432 runs on many machines: a simulation",
        "",
        "9 judges × 8 benchmarks × 6 schemes, verdict only, both orders. Measured: sizes of blocks, bytes sent, and",
        f"{measured.rate:,.0f} tokens a second at the 0.5B shape on two cores, so {measured.rate * OF_7B:,.0f}",
        "at 7B. Made by `make scale`; what is assumed stands at the top of benchmarks/scale.py.",
        "",
        "| machines | in clusters of | time | efficiency | files sent | prompts and answers | cost |",
        "|---|---|---|---|---|---|---|",
        *rows,
        "",
        "## One run, by number of machines",
        "",
        "PandaLM and Auto-J, the measured shape, machines alike and none lost; efficiency is of evaluation alone.",
        "",
        "| machines | PandaLM | efficiency | Auto-J | efficiency |",
        "|---|---|---|---|---|",
        *(one_run(measured, machines) for machines in (1, 2, 4, 8, 16, 32, 64, 128, 256)),
    ]
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "README.md").write_text("\n".join(text) + "\n", encoding="utf-8")
    print("\n".join(text))
    return 0


def read() -> Measured:
    blocks: dict[str, Sequence[int]] = json.loads(BLOCKS.read_text(encoding="utf-8"))["blocks"]
    like = blocks["auto-j"]
    mt_bench = [like[place % len(like)] for place in range(MT_BENCH * len(like) // sum(like))]
    return Measured(measured_rate(), {**blocks, "mt-bench": mt_bench}, BYTES)


def measure() -> None:
    """Write the sizes of the blocks of every benchmark that is here, both orders, by the vocabulary of Qwen2."""
    import judge_build
    import judge_work

    from edge_judge.engine.cluster.blocks import BlockMaker, reading_blocks
    from edge_judge.judging.judge import prepare
    from edge_judge.protocols import grammar
    from edge_judge.protocols.protocol import Protocol, Question
    from edge_judge.records import ORDERS
    from edge_judge.workflows.data import load_benchmarks
    from edge_judge.workflows.options import BenchmarkOptions

    judge_work.check_shared()
    maker = BlockMaker(judge_build.model(judge_work.VOCABULARY))
    sizes = {}
    for benchmark in load_benchmarks(BenchmarkOptions(NAMES, judge_work.DATA)):
        protocol = Protocol(grammar.load("pairwise"), ties=benchmark.ties)
        job = prepare(maker, protocol, [Question(pair, order) for pair in benchmark.pairs for order in ORDERS])
        sizes[benchmark.name] = [block.tokens for block in reading_blocks(job.work())]
    FOLDER.mkdir(parents=True, exist_ok=True)
    BLOCKS.write_text(json.dumps({"vocabulary": judge_work.VOCABULARY.stem, "blocks": sizes}) + "\n", encoding="utf-8")


def measured_rate() -> float:
    """Tokens a second that edge-judge evaluated of PandaLM's prompts: the median of its recorded runs."""
    content = json.loads((ROOT / "results" / "speed" / "pandalm.json").read_text(encoding="utf-8"))
    seconds = [run["seconds"] for run in content["runs"] if run["side"] == "edge-judge"]
    return TREE / median(seconds)


def judges() -> list[File]:
    """The 54 files, with the sizes that quantizing would give them."""
    from edge_judge.workflows.model_files import model_config
    from quantize import architectures, lock, schemes

    models = [model for model in lock.read().models if model.local is None][:9]
    files = []
    for config in map(model_config, models):
        shape = architectures.blueprint(config)
        vocabulary = config.integer("padded_vocab_size", "vocab_size")
        computed = shape.parameters - 2 * vocabulary * config.integer("hidden_size")
        files += [File(computed, scheme, schemes.file_bytes(shape, scheme)) for scheme in SCHEMES]
    return files


def row(measured: Measured, files: Sequence[File], machines: int) -> str:
    """All runs, with the machines divided evenly into clusters, one for each file where there are enough."""
    clusters = min(machines // 8 or 1, len(files))
    outcomes, sent = [], 0.0
    ends = [0.0] * clusters  # the largest files first, each to the cluster that is free first
    for number, file in enumerate(sorted(files, key=lambda file: -file.bytes * file.parameters)):
        place = ends.index(min(ends))
        crew = machines // clusters + (place < machines % clusters)
        rest = machines - crew if clusters == len(files) else 0
        begin = fetch_seconds(file, crew, rest, files) if crew > 1 else file.bytes / DISK
        outcome = evaluated(measured, file, crew, number)
        ends[place] += begin + outcome.seconds
        outcomes.append(outcome)
        sent += file.bytes * crew if crew > 1 else 0
    total, busy = max(ends), sum(outcome.busy for outcome in outcomes)
    tokens = sum(map(sum, measured.blocks.values())) * len(files)
    network = f"{tokens * measured.bytes / 1e9:.2f} GB" if machines > 1 else "–"
    files_sent = f"{sent / 1e12:.2f} TB" if sent else "–"
    cost = total / 3600 * machines * PRICE
    return (
        f"| {machines:,} | {machines // clusters} | {duration(total)} | {busy / (total * machines):.2f} | {files_sent} "
        f"| {network} | ${cost:,.0f} |"
    )


def fetch_seconds(file: File, crew: int, rest: int, files: Sequence[File]) -> float:
    """Until every machine of a crew has loaded its file, while `rest` machines fetch the others from the same place,
    each with its even share until it has its own.
    """
    others = rest * sum(min(other.bytes, file.bytes) for other in files) / len(files)
    return max(file.bytes / DOWN, (file.bytes * crew + others) / SOURCE) + file.bytes / DISK


def evaluated(measured: Measured, file: File, crew: int, seed: int) -> Outcome:
    """All benchmarks under one file, one run after another."""
    draw = random.Random(seed)
    rates = [machine_rate(measured, file, draw) for _ in range(crew)]
    if crew == 1:
        rates = [measured.rate * speed_of(file)]  # the measured machine itself
    lost = [crew > 1 and draw.random() < LOST for _ in rates]
    outcomes = []
    for name, blocks in measured.blocks.items():
        alone = sum(blocks) / sum(rates)
        ends = [draw.uniform(0, alone * len(measured.blocks)) if gone else float("inf") for gone in lost]
        lost_here = [end if gone and draw.random() < 1 / len(measured.blocks) else float("inf")
                     for end, gone in zip(ends, lost, strict=True)]  # fmt: skip
        if len(lost_here) == sum(end < float("inf") for end in lost_here):
            lost_here[0] = float("inf")
        outcomes.append(simulated(blocks, rates, lost_here))
        assert name
    return Outcome(*(sum(getattr(o, part) for o in outcomes) for part in ("seconds", "busy", "held")))


def machine_rate(measured: Measured, file: File, draw: random.Random) -> float:
    low, high = SPREAD
    spread = low * (high / low) ** draw.random()
    return measured.rate * speed_of(file) * spread / (SLOWER if draw.random() < SLOW else 1)


def speed_of(file: File) -> float:
    return REFERENCE / file.parameters * (OF_F16 if file.scheme == "f16" else 1.0)


def simulated(blocks: Sequence[int], rates: Sequence[float], lost: Sequence[float]) -> Outcome:
    """One run: the dispatcher itself, on machines of these rates, each of which vanishes at a time."""
    dispatcher, now = Dispatcher(blocks), 0.0
    names = [f"m{number}" for number in range(len(rates))]
    rate, end = dict(zip(names, rates, strict=True)), dict(zip(names, lost, strict=True))
    free = dict.fromkeys(names, 0.0)
    running: list[tuple[float, int, Task]] = []
    busy = 0.0
    for name in names:
        dispatcher.join(name)
    while not dispatcher.finished:
        for name in names:
            if name in dispatcher.workers and now >= end[name]:
                dispatcher.leave(name)
            while name in dispatcher.workers and (task := dispatcher.give(name, now)):
                free[name] = max(free[name], now + DELAY) + task.size / rate[name]
                if free[name] < end[name]:
                    heapq.heappush(running, (free[name], task.id, task))
        if running and running[0][0] <= now + 1.0:
            now, _, task = heapq.heappop(running)
            new = dispatcher.done(task, task.size / rate[task.worker])
            busy += sum(blocks[block] for block in new) / rate[task.worker]
        else:
            now += 1.0
    return Outcome(now, busy, now * len(rates))


def one_run(measured: Measured, machines: int) -> str:
    cells = []
    for name in ("pandalm", "auto-j"):
        blocks = measured.blocks[name]
        outcome = simulated(blocks, [measured.rate] * machines, [float("inf")] * machines)
        cells += [duration(outcome.seconds), f"{sum(blocks) / measured.rate / outcome.seconds / machines:.2f}"]
    return f"| {machines} | {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
