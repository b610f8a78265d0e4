"""Commands are killed at random moments and started again, and must end as undisturbed ones do.

`make kills` kills each command 200 times with SIGKILL; --times, --only and --seed ask for less, --json keeps the table,
and with --add counts these kills to the ones that are in it.

A command runs in a fork of this process, which has loaded the libraries, so that no kill is spent on their import. How
long an undisturbed one takes is measured first, and moments are drawn from all of that time. After each kill every file
must be whole, and what was complete before still be there; the next start goes on from there. After some kills one run
is let through, and its files must be those of the undisturbed run: no more, no fewer, the same content.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import reliability_record
from kill_jobs import JOBS, Job, environment, prepare

CHAIN = 4  # kills before a run is let through
TMP = "tmp"  # for temporary files: in the folder, not compared
Snapshot = Mapping[str, object]


@dataclass
class Row:
    """A line of the table. rounds: runs that were let through in the end; seconds: of an undisturbed run; moments: of
    the kills, as shares of that time; temporary: files that kills left in the system's folder for temporary files;
    problems: what was wrong after a kill.
    """

    name: str
    kills: int = 0
    rounds: int = 0
    seconds: float = 0.0
    moments: list[float] = field(default_factory=list)
    temporary: int = 0
    problems: list[str] = field(default_factory=list)
    skipped: str = ""


def start(arguments: Sequence[str], folder: Path) -> int:
    """A command in a fork of this process, in its folder. Its process id."""
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        os.setsid()
        os.chdir(folder)
        log = os.open(folder.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(log, stream)
        (folder / TMP).mkdir(exist_ok=True)
        tempfile.tempdir = str(folder / TMP)
        from edge_judge.cli import main

        main(args=list(arguments))
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def finished(child: int) -> int:
    """The exit code of a command, which is let through."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed(child: int, seconds: float) -> int | None:
    """The exit code of a command that ended in that time; None for one that was killed after it."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(min(left, 0.002))
    os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    with contextlib.suppress(ProcessLookupError):  # what it had started
        os.killpg(child, signal.SIGKILL)
    return None if os.WIFSIGNALED(status) else os.waitstatus_to_exitcode(status)


def snapshot(folder: Path) -> dict[str, object]:
    """What each file says, without what differs from run to run."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() or not any(path.iterdir()))
    return {
        str(path.relative_to(folder)): content(path) if path.is_file() else "an empty folder"
        for path in files
        if path.relative_to(folder).parts[0] != TMP and path.name != ".files.json"  # what is known of files may be lost
    }


def content(path: Path) -> object:
    """What a file says, without costs. Raises ValueError for half a file."""
    data = path.read_bytes()
    if path.name == "verdicts.jsonl":
        return sorted(verdicts(path))
    if path.name in ("run.json", "training.json"):
        known = json.loads(data)
        result = {name: value for name, value in known.get("result", {}).items() if name not in ("curve", "best")}
        return {name: value for name, value in known.items() if name not in ("measured", "result")} | {"of": result}
    if path.name == "curve.jsonl":
        return [{**json.loads(line), "seconds": 0} for line in data.splitlines()]
    return "drawn" if path.name == "curve.html" else data


def verdicts(path: Path) -> list[tuple[str, str, str]]:
    """Id, order and verdict of each whole line. Raises ValueError for one that is there twice."""
    whole = path.read_bytes().rpartition(b"\n")[0]
    rows = [json.loads(line) for line in whole.splitlines()]
    if len({(row["id"], row["order"]) for row in rows}) < len(rows):
        raise ValueError("a verdict is there twice")
    return [(row["id"], row["order"], str(row["verdict"])) for row in rows]


def damage(job: Job, folder: Path, before: Snapshot, after: Snapshot) -> Iterator[str]:
    """What is wrong after a kill. before, after: undisturbed, at the beginning and at the end."""
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if not path.is_file() or name.startswith(TMP) or any(part.startswith(".") for part in Path(name).parts):
            continue
        try:
            now = content(path)
        except ValueError as error:
            yield f"{name}: {error}"
            continue
        if path.name not in GROWING and now not in (before.get(name), after.get(name)):
            yield f"{name}: neither the old file nor the new one"
    with contextlib.chdir(folder):
        yield from job.lost()


GROWING = ("verdicts.jsonl", "run.json", "training.json", "curve.jsonl", "curve.html", "meetings.jsonl")


def reached(folder: Path) -> int:
    """How many verdicts there are, in a run and in one that was begun anew."""
    return sum(len(verdicts(path)) for path in folder.rglob("verdicts.jsonl"))


def kills(job: Job, place: Path, times: int, draw: random.Random) -> Row:
    """So many kills of one command."""
    row, given = Row(job.name), place / "given"
    job.prepare(given)
    whole = place / "whole"
    row.seconds = float("inf")
    for _ in range(2):  # the first one fills caches
        shutil.rmtree(whole, ignore_errors=True)
        shutil.copytree(given, whole)
        begun = time.monotonic()
        code = finished(start(job.first, whole))
        row.seconds = min(row.seconds, round(time.monotonic() - begun, 3))
        if code not in job.codes:
            row.skipped = (place / "whole.log").read_text(encoding="utf-8").strip()[-300:] or f"exit code {code}"
            return row
    before, after = snapshot(given), snapshot(whole)
    while row.kills < times:
        folder = place / "killed"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(given, folder)
        one_round(job, folder, (before, after), min(CHAIN, times - row.kills), draw, row)
        row.temporary += sum(1 for _ in (folder / TMP).iterdir())
        row.rounds += 1
        if len(row.problems) >= 20:
            break
    return row


def one_round(
    job: Job, folder: Path, undisturbed: tuple[Snapshot, Snapshot], most: int, draw: random.Random, row: Row
) -> None:
    """Kills of one command, and its end."""
    code, arguments, had = None, job.first, reached(folder)
    for _ in range(most):
        moment = draw.uniform(0, row.seconds)
        code = killed(start(arguments, folder), moment)
        if code is not None:
            break
        row.kills += 1
        row.moments.append(round(moment / row.seconds, 3))
        row.problems += [f"kill {row.kills}: {text}" for text in damage(job, folder, *undisturbed)]
        have = reached(folder)
        if have < had and not job.replaces:
            row.problems.append(f"kill {row.kills}: {had - have} verdicts are lost")
        had, arguments = have, job.again(folder)
    if code is None:
        code = finished(start(arguments, folder))
    if code not in job.codes:
        said = folder.with_suffix(".log").read_text(encoding="utf-8").strip()[-300:]
        row.problems.append(f"after kill {row.kills}: exit code {code}: {said}")
        return
    now, wanted = snapshot(folder), undisturbed[1]
    row.problems += [f"after kill {row.kills}: {name} is left over" for name in sorted(now.keys() - wanted.keys())]
    row.problems += [f"after kill {row.kills}: {name} is missing" for name in sorted(wanted.keys() - now.keys())]
    differing = sorted(name for name in now.keys() & wanted.keys() if now[name] != wanted[name])
    row.problems += [f"after kill {row.kills}: {name} differs" for name in differing]


def table(rows: Sequence[Row]) -> str:
    """The rows as text."""
    lines = [f"{'command':24} {'kills':>6} {'rounds':>6} {'seconds':>8} {'problems':>8}  moments, by quarters"]
    for row in rows:
        quarters = [sum(4 * moment // 1 == quarter for moment in row.moments) for quarter in range(4)]
        spread = f"not run: {row.skipped}" if row.skipped else " ".join(map(str, quarters))
        lines.append(f"{row.name:24} {row.kills:6} {row.rounds:6} {row.seconds:8.2f} {len(row.problems):8}  {spread}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=200, help="kills of each command")
    parser.add_argument("--only", action="append", metavar="NAME", help="commands whose names begin with these words")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the table")
    parser.add_argument("--add", action="store_true", help="count these kills to those in the table that is kept")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the servers end with it
    jobs = [job for job in JOBS if not asked.only or any(f"{job.name} ".startswith(f"{name} ") for name in asked.only)]
    kept = Kept(asked.json, asked.add)
    with tempfile.TemporaryDirectory() as name, environment(Path(name)):
        prepare(Path(name), sorted({module for job in jobs for module in job.needs}))
        for job in jobs:
            place = Path(name) / job.name.replace(" ", "-")
            place.mkdir()
            row = kills(job, place, asked.times, random.Random(f"{asked.seed} {job.name} {kept.kills(job.name)}"))
            shutil.rmtree(place)
            print(table([row]).splitlines()[-1], *row.problems, sep="\n  ", flush=True)
            kept.add(row, asked.seed)
    print("", table(list(kept.rows.values())), sep="\n")
    if any(row.problems for row in kept.rows.values()):
        raise SystemExit(1)


class Kept:
    """The table, and the file that it is kept in after each of its lines."""

    def __init__(self, file: Path | None, adds: bool) -> None:
        self._file, self._began = file, time.monotonic()
        before = reliability_record.read(file) if file and adds else None
        self.rows = {row.name: row for row in (Row(**fields) for fields in (before.rows if before else ()))}
        self._seconds = before.seconds if before else 0.0

    def kills(self, name: str) -> int:
        """How many there are already: the next ones are others."""
        return self.rows[name].kills if name in self.rows else 0

    def add(self, row: Row, seed: int) -> None:
        self.rows[row.name] = together(self.rows[row.name], row) if row.name in self.rows else row
        if self._file:
            rows, seconds = self.rows.values(), round(self._seconds + time.monotonic() - self._began, 1)
            reliability_record.write(self._file, "kills", rows, seed=seed, seconds=seconds)


def together(before: Row, row: Row) -> Row:
    """The kills of two lines as those of one."""
    return Row(
        row.name,
        before.kills + row.kills,
        before.rounds + row.rounds,
        row.seconds,
        before.moments + row.moments,
        before.temporary + row.temporary,
        before.problems + row.problems,
        row.skipped,
    )


if __name__ == "__main__":
    main()
