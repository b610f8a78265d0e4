"""Every call on a file fails in turn, in one run of each command: one clear error, and the next run ends right.

`make faults` counts the calls of a run, then repeats it with one of them failing (an error of the disk, a full disk, a
short write), or all from one on (a disk that is full or read-only from then on), and then once more without a fault.
It prints a table, and every finding; it ends with 1 where there are findings. --json FILE keeps the table; with --add
the lines of other commands stay in it.
"""

from __future__ import annotations

import argparse
import errno
import hashlib
import json
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import reliability_record
from fault_commands import COMMANDS, TEMPORARY, Command, environment, hosts, plain
from fault_process import NONE, Ended, Fault, NoShimError, Warm

MOST = 300  # characters of an error
TEMPORARY_NAME = re.compile(
    r"\.part\b|\.put-|\.building|\.pull-|\.before|/\.lock|\.json\.\d+|\.html\.\d+|\.before|/\.[\w.-]+\.\d+\b"
)
WRITES_BYTES = ("write", "pwrite", "writev")
TIMED = ("curve.jsonl", "curve.html", "training.json", ".lock", "refs", ".metadata", "CACHEDIR.TAG")  # differ each time


@dataclass(frozen=True)
class Kind:
    """A kind of fault. kinds, error, lasting: as of `Fault`; names: the calls that it can happen to, () for all."""

    name: str
    kinds: str
    error: int
    lasting: bool = False
    names: tuple[str, ...] = ()


KINDS = (
    Kind("error", "rwd", errno.EIO),
    Kind("full", "w", errno.ENOSPC),
    Kind("short", "w", 0, names=WRITES_BYTES),
    Kind("stays full", "w", errno.ENOSPC, lasting=True),
    Kind("read-only", "wd", errno.EROFS, lasting=True),
    Kind("quota", "w", errno.EDQUOT, names=("close", "fclose", "write")),
)


@dataclass
class Row:
    """What was seen of one command and one kind of fault. calls: that a run makes; findings: what was wrong; seconds:
    that it took, with the run that counts the calls where this is its first kind.
    """

    command: str
    kind: str
    calls: int
    tried: int = 0
    told: int = 0  # ended with one clear error
    unhurt: int = 0  # ended as without the fault
    left: int = 0  # something was left behind until the next run, or after it
    findings: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Place:
    """The folder that a command runs in, and a copy of how it was before."""

    here: Path
    before: Path
    hosted: Mapping[str, str]
    warm: Warm

    def run(self, command: Command, fault: Fault = NONE) -> Ended:
        (self.here / TEMPORARY).mkdir(exist_ok=True)
        return self.warm.run(command.arguments, self.here, environment(self.here, self.hosted), fault)

    def prepare(self, command: Command) -> None:
        def plainly(*arguments: str) -> None:
            done = self.warm.run(arguments, self.here, environment(self.here, self.hosted))
            if done.code:
                raise RuntimeError(done.stderr)

        shutil.rmtree(self.here, ignore_errors=True)
        (self.here / TEMPORARY).mkdir(parents=True)
        command.prepare(self.here, plainly)
        shutil.rmtree(self.before, ignore_errors=True)
        shutil.copytree(self.here, self.before)

    def reset(self) -> None:
        shutil.rmtree(self.here)
        shutil.copytree(self.before, self.here)


@contextmanager
def opened(modules: Sequence[str] = ()) -> Iterator[Place]:
    """A place on this machine. modules: that commands import, besides those that all need. Raises NoShimError where
    faults cannot be made.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        with hosts(folder) as hosted, Warm(folder, hosted, modules) as warm:
            yield Place(folder / "here", folder / "before", hosted, warm)


# ---- the state of a folder ---------------------------------------------------------------------------------


def state(folder: Path) -> dict[str, str]:
    """What each file holds, by its path, without what differs from one time to the next, and temporary files."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in TIMED)
    kept = [path for path in paths if "refs" not in path.parts and path.relative_to(folder).parts[0] != TEMPORARY]
    return {str(path.relative_to(folder)): content(path) for path in kept}


def content(path: Path) -> str:
    data = path.read_bytes()
    try:
        if path.name == "verdicts.jsonl":
            verdicts = [json.loads(line) for line in data.splitlines()]
            return repr(sorted((v["id"], v["order"], v["verdict"]) for v in verdicts))
        if path.suffix == ".json":
            return json.dumps(plain(data.decode()), sort_keys=True)
    except ValueError as error:
        return f"broken: {error}"
    return hashlib.sha256(data).hexdigest()


KNOWN = ".files.json"  # hashes that are known, which a run may write at any time and loses without harm


def is_hidden(name: str) -> bool:
    """Whether no user looks at this file: it is the hub's own, or has a temporary name."""
    return any(part.startswith(".") for part in Path(name).parts) or name.startswith("hub/")


def halves(found: Mapping[str, str], before: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """Files with a final name and neither their old content, nor the new, nor a part of a run that goes on."""
    wrong = []
    for name, value in found.items():
        if is_hidden(name) or value in (before.get(name), wanted.get(name)) or name.endswith("verdicts.jsonl"):
            continue
        if name.endswith(".json") and not value.startswith("broken"):
            continue
        wrong.append(f"{name} is neither old nor new")
    return wrong


# ---- what a command says -----------------------------------------------------------------------------------


def complaints(ended: Ended, names: Sequence[str]) -> list[str]:
    """What is wrong with how a disturbed command ended. names: of files, one of which its error should name."""
    if ended.code is None:
        return ["it did not end"]
    if ended.code < 0:
        return [f"signal {-ended.code}: {ended.stderr[-200:]!r}"]
    lines = ended.stderr.strip().splitlines()
    said = [line for line in lines if line.startswith("error: ")]
    wrong = []
    if "Traceback" in ended.stderr or "Exception ignored" in ended.stderr:
        wrong.append(f"traceback: {_last(ended.stderr)}")
    if ended.code == 0:
        return [*wrong, *(f"error and exit code 0: {line}" for line in said)]
    if ended.code != 1:
        wrong.append(f"exit code {ended.code}")
    if len(said) != 1:
        return [*wrong, f"{len(said)} error lines: {lines[-3:]}"] if not wrong else wrong
    if not lines[-1].startswith(("error: ", "hint: ")) or sum(line.startswith("hint: ") for line in lines) > 1:
        wrong.append(f"more than an error and a hint: {lines[-3:]}")
    if len(said[0]) > MOST:
        wrong.append(f"an error of {len(said[0])} characters: {said[0]}")
    if TEMPORARY_NAME.search(said[0]):
        wrong.append(f"a temporary name: {said[0]}")
    if not any(name in said[0] for name in names):
        wrong.append(f"names no file: {said[0]}")
    return wrong


def _last(text: str) -> str:
    """The end of a traceback: where it came from, and what."""
    lines = text.strip().splitlines()
    ours = [line.strip() for line in lines if 'File "' in line and ("edge_judge" in line or "quantize" in line)]
    return f"{lines[-1]} <- {ours[-1] if ours else ''}"


# ---- one fault ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Undisturbed:
    """A command without a fault: the calls it makes, the state before and after, the names of files in either."""

    calls: tuple[str, ...]
    before: Mapping[str, str]
    after: Mapping[str, str]
    names: tuple[str, ...]


def undisturbed(place: Place, command: Command) -> Undisturbed:
    place.prepare(command)
    before = state(place.here)
    ended = place.run(command)
    if ended.code:
        raise RuntimeError(f"{command.name}: {ended.stderr}")
    after = state(place.here)
    files = {Path(name) for name in (*before, *after) if not is_hidden(name)}
    names = {part for file in files for part in (file.name, *map(str, file.parents))} - {"."}
    return Undisturbed(ended.calls, before, after, (*names, str(place.here), "llama.cpp", "some/tiny"))


def disturb(place: Place, command: Command, whole: Undisturbed, fault: Fault, row: Row) -> None:
    """One fault, and then the command without it."""
    place.reset()
    ended = place.run(command, fault)
    found = state(place.here)
    wrong = complaints(ended, whole.names) + halves(found, whole.before, whole.after)
    row.tried += 1
    if ended.code == 0:
        missing = [name for name in whole.after if found.get(name) != whole.after[name]]
        wrong += [f"it said nothing, and {name} differs" for name in missing[:1] if not is_hidden(name)]
    for name in command.kept:
        kept = {found[place] for place in (name, beside(name)) if place in found}
        if not kept & {whole.before.get(name), whole.after.get(name)}:
            wrong.append(f"{name} is lost")
    row.told += ended.code == 1 and not wrong
    row.unhurt += ended.code == 0 and not wrong
    complete = all(found.get(name) == value for name, value in whole.after.items())
    again = ended if complete and not set(found) - set(whole.after) else place.run(command)
    found = state(place.here)
    if again.code and not complete:  # some commands refuse to do again what is done
        wrong.append(f"run again: {again.stderr.strip().splitlines()[-2:]}")
    differing = [name for name in whole.after if found.get(name) != whole.after[name] and not is_hidden(name)]
    wrong += [f"run again: {name} differs" for name in differing[:1]]
    left = sorted(name for name in set(found) - set(whole.after) if Path(name).name != KNOWN)
    row.left += bool(left)
    where = next((call for call in ended.calls if call.startswith(f"{fault.at} ")), "?").replace(str(place.here), "")
    row.findings += [f"{where}: {problem}" for problem in wrong]
    if left:
        row.findings.append(f"{where}: left over: {', '.join(left)}")


def beside(name: str) -> str:
    """Where a complete new file lies that could not take the old one's place; it is read from there."""
    return str(Path(name).parent / ".new" / Path(name).name)


def numbers(calls: Sequence[str], kind: Kind, sample: int) -> list[int]:
    """Which calls of this kind are to fail, an evenly spread sample of them. Of equal ones in a row only the first two
    and the last are taken: a vocabulary is read in thousands of pieces.
    """
    counted = [call.split(" ", 3)[1:] for call in calls if call.split(" ", 3)[1] in kind.kinds]
    able = []
    for at, call in enumerate(counted, 1):
        within = counted[at : at + 1] == [call] == counted[at - 2 : at - 1] == counted[at - 3 : at - 2]
        if not within and (not kind.names or call[1] in kind.names):
            able.append(at)
    if sample and len(able) > sample:
        able = [able[place * len(able) // sample] for place in range(sample)]
    return able


def faults(place: Place, command: Command, kinds: Sequence[Kind], sample: int) -> Iterator[Row]:
    whole = undisturbed(place, command)
    for kind in kinds:
        row = Row(command.name, kind.name, sum(call.split(" ", 2)[1] in kind.kinds for call in whole.calls))
        for at in numbers(whole.calls, kind, sample):
            disturb(place, command, whole, Fault(kind.kinds, at, kind.error, kind.lasting), row)
        yield row


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=0, help="most calls to fail of each command and kind; 0: all")
    parser.add_argument("--only", action="append", help="a command of this name; repeatable")
    parser.add_argument("--kind", action="append", choices=[kind.name for kind in KINDS])
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the table")
    parser.add_argument("--add", action="store_true", help="keep what the table has of commands that are not run now")
    asked = parser.parse_args()
    kinds = [kind for kind in KINDS if not asked.kind or kind.name in asked.kind]
    commands = [command for command in COMMANDS if not asked.only or command.name in asked.only]
    kept = Kept(asked.json, asked.add, asked.sample)
    try:
        with opened(sorted({module for command in commands for module in command.needs})) as place:
            print(
                f"{'command':28}{'fault':12}{'calls':>6}{'tried':>6}{'told':>6}{'unhurt':>7}{'left':>6}{'findings':>9}"
            )
            for command in commands:
                if missing := [module for module in command.needs if find_spec(module) is None]:
                    print(f"{command.name:28}not run: needs {' and '.join(missing)}")
                    continue
                for row in faults(place, command, kinds, asked.sample):
                    kept.add(row)
                    counts = f"{row.calls:6}{row.tried:6}{row.told:6}{row.unhurt:7}{row.left:6}{len(row.findings):9}"
                    print(f"{row.command:28}{row.kind:12}{counts}", *row.findings, sep="\n    ", flush=True)
    except NoShimError as error:
        print(f"not run: {error}")
        return 0
    return int(any(row.findings for row in kept.rows.values()))


class Kept:
    """The table, and the file that it is kept in after each of its lines."""

    def __init__(self, file: Path | None, adds: bool, sample: int) -> None:
        self._file, self._sample, self._began = file, sample, time.monotonic()
        before = reliability_record.read(file) if file and adds else None
        rows = (Row(**fields) for fields in (before.rows if before else ()))
        self.rows = {(row.command, row.kind): row for row in rows}
        self._seconds = before.seconds if before else 0.0

    def add(self, row: Row) -> None:
        """Keep a line that is just complete, in place of an earlier one of the same command and kind."""
        now = time.monotonic()
        row.seconds, self._began = round(now - self._began, 1), now
        replaced = self.rows.get((row.command, row.kind))
        self._seconds = round(self._seconds + row.seconds - (replaced.seconds if replaced else 0.0), 1)
        self.rows[row.command, row.kind] = row
        if self._file:
            reliability_record.write(
                self._file, "faults", self.rows.values(), seconds=self._seconds, sample=self._sample
            )


if __name__ == "__main__":
    sys.exit(main())
