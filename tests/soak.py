"""The pocket judge judges every benchmark that is here, in one process, and nothing may pile up: `make soak`.

All benchmarks are judged by one call for each protocol, as `eval --benchmark all` with several --scheme does overnight:
a model stays loaded over all benchmarks, and is replaced by the next scheme's. When a run is complete, this looks at
the process: its memory once garbage is collected, open handles, threads, child processes, temporary files. In the end
each scheme must take no more than 5 % more memory than after its first benchmark, and nothing else may be more. Every
pair must have exactly one verdict in each order in its run's folder. Exit code 1 where anything is wrong.

No pair of the real benchmarks is too long for the pocket judge. So a few pairs of made-up ones are judged last, whose
answers are made shorter (`--truncate answers`) and counted.
Knows: a process from outside, the files of a run. Does not know: how anything is judged.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import psutil
import reliability_record

import edge_judge as ej
from edge_judge import benchmarks
from edge_judge.records import ORDERS, Benchmark, Identity, ProgressListener
from edge_judge.runs.folder import RunFolder
from edge_judge.runs.folder import folder as run_folder
from edge_judge.workflows.options import POCKET

PROTOCOLS = ("pairwise", "pairwise-cot")
SCHEMES = ("f16", "q8_0", "q4_k_m")
LONG, LONG_PAIRS, LONG_WORDS = "too-long", 2, 16_384  # a word has a token or more, and the context 16,384 tokens
GROWTH = 5.0  # percent of memory, after the last benchmark against after the first
COUNTED = {
    "handles": "open handles", "threads": "threads", "children": "child processes", "temporary": "temporary files"
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class State:
    """What a process holds. memory: bytes; handles: open files, pipes and sockets; temporary: files and folders."""

    memory: int
    handles: int
    threads: int
    children: int
    temporary: int


NOWHERE = State(0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Row:
    """A run, and the process after it. in_file: pairs of the benchmark; truncated, undecided: verdicts on shortened
    answers, and answers without a verdict; wrong: what is not accounted for; skipped: why there was no run.
    """

    benchmark: str
    protocol: str = ""
    scheme: str = ""
    in_file: int = 0
    pairs: int = 0
    verdicts: int = 0
    truncated: int = 0
    undecided: int = 0
    seconds: float = 0.0
    memory: int = 0
    handles: int = 0
    threads: int = 0
    children: int = 0
    temporary: int = 0
    wrong: tuple[str, ...] = ()
    skipped: str = ""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--benchmarks", nargs="+", help=f"names or files (default: all that are known, and {LONG})")
    parser.add_argument("--protocols", nargs="+", default=PROTOCOLS)
    parser.add_argument("--schemes", nargs="+", default=SCHEMES)
    parser.add_argument("--limit", type=int, help="pairs of each benchmark (default: all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the table")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        here, missing = found(asked.benchmarks or benchmarks.names())
        if not here:
            raise SystemExit("error: none of the benchmarks is here\nhint: edge-judge data pull downloads them")
        if not asked.benchmarks:
            here |= found([str(too_long(here, Path(name)))])[0]
        rows: list[Row] = []

        def keep(row: Row) -> None:
            rows.append(row)
            print(".", end="", file=sys.stderr, flush=True)
            record(asked.json, [*rows, *missing], asked.limit)

        soaked(here, asked.protocols, asked.schemes, asked.limit, Path(name), keep)
        rows += missing
    wrong = problems(rows)
    print(file=sys.stderr)  # after the dots
    print(table(rows), *(f"problem: {problem}" for problem in wrong), sep="\n")
    for scheme, percent in growth(rows).items():
        print(f"{scheme}: {percent:+.1f} % memory at the end, against after the first benchmark")
    record(asked.json, rows, asked.limit)
    return int(bool(wrong))


def record(file: Path | None, rows: Sequence[Row], limit: int | None) -> None:
    """Keep the table, also while the soak goes on: it may be ended."""
    if file is not None:
        told = {"limit": limit, "growth": growth(rows), "problems": problems(rows)}
        reliability_record.write(file, "soak", rows, **told)


def found(names: Sequence[str]) -> tuple[dict[str, Benchmark], list[Row]]:
    """The benchmarks that are here, by what they were called, and a row for each of the others."""
    here, missing = {}, []
    for name in names:
        try:
            here[name] = benchmarks.load(name)
        except ej.EdgeJudgeError as error:
            missing.append(Row(name, skipped=str(error).partition(": ")[0]))
    return here, missing


def too_long(here: Mapping[str, Benchmark], folder: Path) -> Path:
    """A benchmark of pairs that do not fit the pocket judge's context: the words of real answers in random order."""
    words = [word for benchmark in here.values() for pair in benchmark.pairs for word in pair.a.split()]
    chance, path = random.Random(0), folder / f"{LONG}.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number in range(LONG_PAIRS):
            a, b = (" ".join(chance.choices(words, k=LONG_WORDS)) for _ in ORDERS)
            file.write(json.dumps({"question": f"Which text is better? {number}", "a": a, "b": b, "label": "a"}) + "\n")
    return path


def soaked(
    here: dict[str, Benchmark],
    protocols: Sequence[str],
    schemes: Sequence[str],
    limit: int | None,
    place: Path,
    keep: Callable[[Row], None],
) -> None:
    """All runs. place: an empty folder; keep: is given each run's row once it is complete, or could not be."""
    results, temporary = place / "results", place / "tmp"
    temporary.mkdir()
    tempfile.tempdir = os.environ["TMPDIR"] = str(temporary)
    os.environ.setdefault("EDGE_JUDGE_MODELS", str(place / "models"))
    judges, settings = [ej.JudgeOptions(scheme=scheme) for scheme in schemes], ej.EvaluateSettings(results, limit=limit)
    runs = {
        Identity(benchmark.name, POCKET, scheme, protocol): benchmark
        for protocol, scheme, benchmark in product(protocols, schemes, here.values())
    }
    with watching(lambda run, after: keep(accounted(results, runs.pop(run), run, limit, after))):
        for protocol in protocols:
            asked, failed = ej.ProtocolOptions(protocol, truncate="answers"), "the run is not complete"
            try:
                ej.evaluate(judges, ej.BenchmarkOptions(tuple(here)), asked, settings=settings, listener=Notes())
            except ej.EdgeJudgeError as error:
                failed = str(error)
            for run in [run for run in runs if run.grammar == protocol]:
                row = accounted(results, runs.pop(run), run, limit, NOWHERE)
                keep(replace(row, skipped=failed, wrong=(failed, *row.wrong)))


@contextmanager
def watching(each: Callable[[Identity, State], None]) -> Iterator[None]:
    """Each run that is complete, and this process then: the run's figures are made, its model is still loaded.

    Before the first figures are made, 3 MB of numpy's and scipy's code are not in memory yet; this is no growth.
    """
    complete = RunFolder.complete

    def watched(run: RunFolder, *measured: Any) -> None:
        complete(run, *measured)
        each(run.identity, state())

    RunFolder.complete = watched  # type: ignore[method-assign]
    try:
        yield
    finally:
        RunFolder.complete = complete  # type: ignore[method-assign]


class Notes(ProgressListener):
    """Tells what the product notes."""

    def note(self, text: str) -> None:
        print(f"\n{text}", file=sys.stderr)


def state() -> State:
    """This process now, without what is only waiting to be freed."""
    gc.collect()
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):  # glibc keeps what was freed
        libc.malloc_trim(0)
    process = psutil.Process()
    return State(
        process.memory_info().rss,
        process.num_handles() if sys.platform == "win32" else process.num_fds(),
        process.num_threads(),
        len(process.children(recursive=True)),
        sum(1 for _ in Path(tempfile.gettempdir()).rglob("*")),
    )


def accounted(results: Path, benchmark: Benchmark, run: Identity, limit: int | None, after: State) -> Row:
    """A run as its folder tells it, against the benchmark's own file."""
    folder, reached, truncated, undecided = run_folder(results, run), Counter[tuple[str, str]](), 0, 0
    if (verdicts := folder / "verdicts.jsonl").exists():
        with verdicts.open(encoding="utf-8") as lines:
            for verdict in map(json.loads, lines):  # one at a time: what is held here is taken for the product's
                reached[verdict["id"], verdict["order"]] += 1
                truncated += bool(verdict.get("truncated"))
                undecided += verdict["verdict"] is None
    known = (folder / "run.json").read_text("utf-8") if (folder / "run.json").exists() else "{}"
    pairs = min(limit or len(benchmark.pairs), len(benchmark.pairs))
    return Row(
        benchmark.name,
        run.grammar,
        run.scheme,
        in_file=len(benchmark.pairs),
        pairs=pairs,
        verdicts=reached.total(),
        truncated=truncated,
        undecided=undecided,
        seconds=json.loads(known).get("measured", {}).get("wall_seconds", 0.0),
        **asdict(after),
        wrong=tuple(unaccounted(reached, {pair.id for pair in benchmark.pairs}, pairs)),
    )


def unaccounted(reached: Counter[tuple[str, str]], ids: set[str], pairs: int) -> Iterator[str]:
    """What is wrong with a run's verdicts, by pair and order. ids: of the benchmark; pairs: that were asked for."""
    judged = {pair for pair, _ in reached}
    counts = {
        "verdicts that are there twice": sum(reached.values()) - len(reached),
        "pairs that are not in the benchmark": len(judged - ids),
        "verdicts that are missing": len(ORDERS) * pairs - len(reached),
        "pairs with one order alone": sum((pair, order) not in reached for pair in judged for order in ORDERS),
    }
    yield from (f"{what}: {count}" for what, count in counts.items() if count)


def problems(rows: Sequence[Row]) -> list[str]:
    """What is wrong with a soak: verdicts that are not accounted for, and what has piled up."""
    wrong = [f"{row.benchmark}, {row.scheme}, {row.protocol}: {what}" for row in rows for what in row.wrong]
    for scheme, (first, last) in ends(rows).items():
        for name, words in COUNTED.items():
            if (more := getattr(last, name) - getattr(first, name)) > 0:
                wrong.append(f"{scheme}: {words}: {more} more at the end than after the first benchmark")
    grown = (f"{scheme}: {percent:.1f} % more memory" for scheme, percent in growth(rows).items() if percent > GROWTH)
    return [*wrong, *grown]


def growth(rows: Sequence[Row]) -> dict[str, float]:
    """For each scheme, how many percent more memory the process takes after its last benchmark than after its first."""
    return {scheme: round(100 * (last.memory / first.memory - 1), 2) for scheme, (first, last) in ends(rows).items()}


def ends(rows: Sequence[Row]) -> dict[str, tuple[Row, Row]]:
    """The first and the last run of each scheme: the same weights are loaded then."""
    by_scheme: dict[str, list[Row]] = {}
    for row in rows:
        if not row.skipped:
            by_scheme.setdefault(row.scheme, []).append(row)
    return {scheme: (those[0], those[-1]) for scheme, those in by_scheme.items()}


def table(rows: Sequence[Row]) -> str:
    """The rows as text."""
    lines = [
        f"{'benchmark':18}{'protocol':14}{'scheme':8}{'pairs':>6}{'of':>6}{'verdicts':>10}{'shortened':>10}{'none':>6}"
        f"{'seconds':>9}{'MB':>8}{'handles':>8}{'threads':>8}{'children':>9}{'temporary':>10}"
    ]
    for row in rows:
        if row.skipped:
            lines.append(f"{row.benchmark:18}not run: {row.skipped}")
            continue
        lines.append(
            f"{row.benchmark:18}{row.protocol:14}{row.scheme:8}{row.pairs:6}{row.in_file:6}{row.verdicts:10}"
            f"{row.truncated:10}{row.undecided:6}{row.seconds:9.1f}{row.memory / 1e6:8.1f}{row.handles:8}"
            f"{row.threads:8}{row.children:9}{row.temporary:10}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
