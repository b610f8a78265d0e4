"""Feeds every parser with changed inputs until the time is up: `make fuzz MINUTES=10`, or `HOURS=8`.

Each parser runs in a process of its own, guided by the lines that an input reaches where atheris is installed (Linux,
Python 3.11 to 3.13), blindly elsewhere. It must raise no error but the project's own, with a message of one short line,
and take at most 5 seconds of a processor and 500 MB beyond the input. The tests that Hypothesis draws inputs for have a
part of the time too (fuzz_hypothesis.py). What fails is told at the end, and the exit code is then 1. `--json` writes
the table to a file after each target, so that a campaign that is stopped has what it has found; with `--add` these
inputs count to those that are in it.

Knows: processes, limits, the table. Does not know: any parser, what its files look like.
"""

from __future__ import annotations

import argparse
import base64
import faulthandler
import hashlib
import importlib.util
import json
import re
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

from fuzz_mutators import mutated_bytes
from fuzz_targets import ROOT, TARGETS, bombs_of
from reliability_record import read, write

SECONDS, MEGABYTES, MESSAGE = 5, 500, 500
CLOCK = 180  # seconds after which an input that has not come back is a hang, however busy the machine is
MOST_KEPT = 20  # failures of a target
HYPOTHESIS = "hypothesis"
OURS = re.compile(r".*/(?=(?:edge_judge|quantize)/)")
LONGEST = 1 << 16  # bytes of a changed input
TOLD = 256  # inputs after which their number is told


@dataclass
class Row:
    """What became of a target. inputs: without those that ended a process; edges: of the code that inputs reached, None
    where nobody counts them.
    """

    target: str
    inputs: int = 0
    seconds: float = 0.0
    edges: int | None = None
    failures: list[str] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0, help="for all targets together (default: 5)")
    parser.add_argument("--hours", type=float, help="the same in hours")
    parser.add_argument("--json", type=Path, help="write the table there too")
    drawn = Random().randrange(1, 1 << 31)
    parser.add_argument("--add", action="store_true", help="keep what the table has, and add to it")
    parser.add_argument("--seed", type=int, default=drawn, help="of the changes (default: drawn)")
    parser.add_argument("--blind", action="store_true", help="let nothing guide the changes, even where atheris is")
    parser.add_argument("--tests", nargs="*", default=[], help="test files for Hypothesis (default: all)")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("targets", nargs="*", help=f"of: {', '.join((*TARGETS, HYPOTHESIS))} (default: all)")
    given = parser.parse_args()
    blind = given.blind or importlib.util.find_spec("atheris") is None
    if given.child is not None:
        return child(given.targets[0], given.minutes * 60, given.child, given.seed, blind)
    names = given.targets or [*TARGETS, HYPOTHESIS]
    if unknown := [name for name in names if name not in (*TARGETS, HYPOTHESIS)]:
        parser.error(f"no target {unknown[0]!r}")
    minutes = given.minutes if given.hours is None else given.hours * 60
    share, rows, kept = minutes * 60 / len(names), list[Row](), earlier(given.json) if given.add else {}
    for name in names:
        row = hypothesis(share, given.tests) if name == HYPOTHESIS else fuzzed(name, share, given.seed, blind)
        rows.append(row)
        kept[name] = together(kept[name], row) if name in kept else row
        print(table([row])[1], file=sys.stderr, flush=True)
        if given.json is not None:
            seconds = round(sum(row.seconds for row in kept.values()), 1)
            write(given.json, "fuzz", map(recorded, kept.values()), seed=given.seed, seconds=seconds, guided=not blind)
    print("\n".join(table(rows)))
    return int(any(row.failures for row in rows))


def earlier(file: Path | None) -> dict[str, Row]:
    """What the table in a file has, by target."""
    before = read(file) if file is not None else None
    rows = before.rows if before is not None else ()
    of = (Row(one["target"], one["inputs"], one["seconds"], edges(one["coverage"]), one["failures"]) for one in rows)
    return {row.target: row for row in of}


def edges(coverage: object) -> int | None:
    return coverage if isinstance(coverage, int) else None


def together(before: Row, now: Row) -> Row:
    """Two campaigns with one target: the second begins again, so of the edges the larger number counts."""
    known = [row.edges for row in (before, now) if row.edges is not None]
    failures = [*before.failures, *now.failures]
    return Row(now.target, before.inputs + now.inputs, before.seconds + now.seconds, max(known, default=None), failures)


def recorded(row: Row) -> dict[str, object]:
    """A row as the file has it. coverage: edges of the project's own code, "-" where nobody counts them."""
    coverage = "-" if row.edges is None else row.edges
    return {
        "target": row.target,
        "inputs": row.inputs,
        "seconds": round(row.seconds, 1),
        "coverage": coverage,
        "failures": row.failures,
    }


def table(rows: Sequence[Row]) -> list[str]:
    lines = [f"{'target':24}{'inputs':>12}{'seconds':>9}{'edges':>8}{'failures':>10}"]
    for row in rows:
        edges = "–" if row.edges is None else f"{row.edges:,}"
        lines.append(f"{row.target:24}{row.inputs:>12,}{row.seconds:>9,.0f}{edges:>8}{len(row.failures):>10}")
    return [*lines, *(f"\n{row.target}: {failure}" for row in rows for failure in row.failures)]


def fuzzed(name: str, seconds: float, seed: int, blind: bool) -> Row:
    """Feed a target; in a new process where an input has ended one."""
    row, begun, failures = Row(name), time.monotonic(), {}
    with TemporaryDirectory(prefix="fuzz-") as place:
        folder = Path(place)
        for part in ("corpus", "ended", "work"):
            (folder / part).mkdir()
        while (left := seconds - (time.monotonic() - begun)) > 1 and len(failures) < MOST_KEPT:
            minutes, plain = left / 60, blind
            if not (folder / "fed-once").exists():  # nothing that guides makes these inputs slower
                minutes, plain = (minutes if blind else 0.0), True
            options = ["--minutes", str(minutes), "--seed", str(seed), *(["--blind"] if plain else [])]
            program = [sys.executable, __file__, *options, "--child", place, name]
            seed += 1  # another process begins otherwise
            done = subprocess.run(program, capture_output=True, text=True, errors="replace", cwd=ROOT)
            said = done.stderr + done.stdout
            counted = [int(number) for number in re.findall(r"(?:^#|number_of_executed_units: *)(\d+)", said, re.M)]
            row.inputs += max(counted, default=0)
            row.edges = max((int(edges) for edges in re.findall(r"cov: (\d+)", said)), default=row.edges)
            for file in sorted((folder / "ended").glob("*.json")):
                failures[file.name] = json.loads(file.read_text("utf-8"))
            if done.returncode and not ended_by_an_input(folder, failures, said):
                failures["fuzzer"] = {"what": "the fuzzer itself failed", "where": said[-3000:], "input": "-"}
                break  # the other targets have their time all the same
    row.seconds = time.monotonic() - begun
    row.failures = [f"{one['what']}\n    {one['where']}\n    input: {one['input']}" for one in failures.values()]
    return row


def ended_by_an_input(folder: Path, failures: dict[str, Any], said: str) -> bool:
    """Whether an input hung or took the process with it; it is then a failure, and begins no other process."""
    found = [file for file in (folder / "ended").iterdir() if file.name.startswith(("timeout-", "crash-", "oom-"))]
    for file in found:
        data = file.read_bytes()
        what = "a hang" if file.name.startswith("timeout") or "Timeout (" in said else "the process ended"
        failures[str(len(failures))] = {"what": what, "where": innermost(said), "input": shown(data)}
        for copy in (folder / "corpus").iterdir():
            if copy.read_bytes() == data:
                copy.unlink()
        file.unlink()
    return bool(found)


def innermost(said: str) -> str:
    """Where a process was when it was ended, by the stack that it has left."""
    frames = re.findall(r'File "[^"]*/((?:edge_judge|quantize)/[^"]+)", line (\d+) in (\w+)', said)
    return " < ".join(f"{file}:{line} {name}" for file, line, name in frames[:3]) or " ".join(said[-300:].split())


def hypothesis(seconds: float, tests: Sequence[str]) -> Row:
    program = [sys.executable, str(Path(__file__).with_name("fuzz_hypothesis.py")), "--minutes", str(seconds / 60)]
    begun = time.monotonic()
    done = subprocess.run([*program, *tests], capture_output=True, text=True, cwd=ROOT)
    counts = re.search(r"^\d+ tests, ([\d,]+) examples in .* rounds, (\d+) failed$", done.stdout, re.M)
    if counts is None:
        raise SystemExit(f"{HYPOTHESIS}: not run\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    inputs = int(counts[1].replace(",", ""))
    failures = [done.stdout[counts.end() :].strip()] if int(counts[2]) else []
    return Row(HYPOTHESIS, inputs, time.monotonic() - begun, None, failures)


# ---- in the process that is fed ------------------------------------------------------------------------------------


def child(name: str, seconds: float, folder: Path, seed: int, blind: bool) -> int:
    """Feed a target until the time is up."""
    fed, target = Fed(folder / "ended"), TARGETS[name]
    work = Path(mkdtemp(dir=folder / "work"))
    if blind:
        run, seeds = target.setup(work)
        check = fed.checking(run)
        feed_once([*seeds, *bombs_of(name)], check, folder)
        blindly(check, seeds, name, seconds, Random(seed), folder)
        return 0
    import atheris

    with atheris.instrument_imports(include=["edge_judge", "quantize"]):
        run, seeds = target.setup(work)
    check = fed.checking(run)
    for data in seeds:
        (folder / "corpus" / hashlib.sha1(data).hexdigest()).write_bytes(data)

    def changed(data: bytes, most: int, number: int) -> bytes:
        rng = Random(number)
        made = target.mutate(data, rng) if rng.random() < 0.6 else atheris.Mutate(data, most)
        return bytes(made[:most])

    options = [f"-max_total_time={max(1, int(seconds))}", f"-timeout={CLOCK}", f"-max_len={LONGEST}", "-rss_limit_mb=0"]
    options += ["-print_final_stats=1", "-len_control=0", f"-seed={seed}"]
    options += [f"-artifact_prefix={folder / 'ended'}/", str(folder / "corpus")]
    atheris.Setup([sys.argv[0], *options], check, custom_mutator=changed)
    atheris.Fuzz()
    return 0


def feed_once(inputs: Sequence[bytes], check: Callable[[bytes], None], folder: Path) -> None:
    """Feed what is to be fed once, however often this process is begun again."""
    begun, done = folder / "feeding-once", folder / "fed-once"
    for number, data in enumerate(inputs):
        if begun.exists() and number < int(begun.read_text("utf-8")):
            continue
        begun.write_text(str(number + 1), "utf-8")
        guarded(data, check, folder)
    done.touch()


def guarded(data: bytes, check: Callable[[bytes], None], folder: Path) -> None:
    """Feed an input that stays in a file if it ends this process, or hangs."""
    current = folder / "ended" / "crash-once"
    current.write_bytes(data)
    faulthandler.dump_traceback_later(CLOCK, exit=True)
    check(data)
    faulthandler.cancel_dump_traceback_later()
    current.unlink()


def blindly(
    check: Callable[[bytes], None], seeds: Sequence[bytes], name: str, seconds: float, rng: Random, folder: Path
) -> None:
    """Change seeds without knowing what an input reaches."""
    count, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        data = rng.choice(seeds)
        for _ in range(rng.choice((1, 1, 2, 4))):
            data = (TARGETS[name].mutate if rng.random() < 0.7 else mutated_bytes)(data, rng)
        guarded(data[:LONGEST], check, folder)
        count += 1
        if count % TOLD == 0:
            print(f"#{count}", file=sys.stderr)
    print(f"#{count}", file=sys.stderr)


class Fed:
    """Judges what an input did. folder: where failures go, one file for each place in the code."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._peak = peak()

    def checking(self, run: Callable[[bytes], object]) -> Callable[[bytes], None]:
        from edge_judge.errors import EdgeJudgeError
        from quantize.errors import QuantizeError

        def check(data: bytes) -> None:
            begun = time.process_time()
            try:
                run(data)
            except (EdgeJudgeError, QuantizeError) as error:
                self._check_message(error, data)
            except Exception as error:
                self._tell(f"{type(error).__name__}: {shown(str(error))}", place(error), data)
            took, now = time.process_time() - begun, peak()
            if took > SECONDS:
                self._tell(f"{took:.0f} seconds", "time", data)
            if now - self._peak > (MEGABYTES << 20) + 4 * len(data):
                self._tell(f"{(now - self._peak) >> 20} MB", "memory", data)
            self._peak = max(now, self._peak)

        return check

    def _check_message(self, error: Any, data: bytes) -> None:
        for text in (str(error), error.hint or ""):
            if len(text) > MESSAGE or not text.isprintable():
                self._tell(f"a message of {len(text)} characters: {shown(text)}", place(error), data)

    def _tell(self, what: str, where: str, data: bytes) -> None:
        """Keep the smallest input of each failure."""
        key = hashlib.sha1(f"{what.split(':')[0]} {where}".encode()).hexdigest()[:12]
        file = self._folder / f"{key}.json"
        if file.exists() and json.loads(file.read_text("utf-8"))["bytes"] <= len(data):
            return
        content = {"what": what, "where": where, "bytes": len(data), "input": shown(data)}
        file.write_text(json.dumps(content), encoding="utf-8")


def place(error: BaseException) -> str:
    """The innermost lines of the project that an error came through."""
    frames = [one for one in traceback.extract_tb(error.__traceback__) if OURS.search(one.filename)]
    named = [f"{OURS.sub('', one.filename)}:{one.lineno} {one.name}" for one in frames[-3:]]
    return " < ".join(reversed(named)) or "outside of the project"


def shown(data: bytes | str) -> str:
    """An input as Python writes it; its beginning if it is long, and all of it for `base64 -d` if that fits."""
    if len(data) <= 400:
        return repr(data)
    text = data.encode(errors="replace") if isinstance(data, str) else data
    whole = f", base64: {base64.b64encode(text).decode()}" if len(text) < 3000 and isinstance(data, bytes) else ""
    return f"{data[:200]!r}… ({len(data):,} long{whole})"


def peak() -> int:
    """The most memory that this process has taken, in bytes; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most << 10


if __name__ == "__main__":
    sys.exit(main())
