"""A run's folder: results/<benchmark>/<model>/<scheme>/<grammar>/. The one file that touches it.

    run.json         what decides the outcome, and what was measured; written first, completed last
    verdicts.jsonl   one line per verdict, flushed as it is reached
    score.json       the figures; its presence means that the run is complete
    .before/         the run that a new one replaces, until that has a verdict

Knows: how to lose nothing: a torn last line is dropped, everything else survives a kill at any moment.
Does not know: models, benchmarks, statistics.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import IO, Any, ClassVar, Self

from filelock import FileLock, Timeout

from edge_judge.errors import RunError, UsageError
from edge_judge.records import Identity, Measured, Run, Score, Verdict
from edge_judge.runs import backup
from edge_judge.runs.format import ANEW, FORMAT, format_of, is_number, read_run_json, read_verdict, verdict_line
from edge_judge.runs.holder import forget_holder, holder, write_holder
from edge_judge.runs.names import folder_name
from edge_judge.settings import differences

BEGUN = ("run.json", "verdicts.jsonl")  # where both are, a verdict was reached


class RunFolder:
    """One run on disk. Open it with `RunFolder.open`, which refuses a run begun under other settings.

    FILES: what belongs to a run, the file that makes the others count first; FIGURES: the one that is written last.
    """

    FIGURES: ClassVar[str] = "score.json"
    FILES: ClassVar[tuple[str, ...]] = ("run.json", "verdicts.jsonl", "score.json")

    def __init__(self, path: Path, identity: Identity, settings: Mapping[str, Any]) -> None:
        self.path, self.identity, self.settings = path, identity, settings
        self._lines: IO[str] | None = None

    @classmethod
    @contextmanager
    def open(cls, results: Path, identity: Identity, settings: Mapping[str, Any], *, fresh: bool) -> Iterator[Self]:
        """Begin or resume a run, alone: another process that opens the same folder is refused."""
        path = folder(results, identity)
        with _alone(path):
            run = cls(path, identity, settings)
            run._begin(fresh)
            try:
                yield run
            except BaseException:  # Ctrl-C too
                run._forget_if_nothing_was_reached()
                raise
            finally:
                run.close()

    def _begin(self, fresh: bool) -> None:
        if not all((self.path / name).exists() for name in BEGUN):
            backup.restore(self.path, self.FILES)  # a kill came before the first verdict of a run that was begun anew
        backup.discard(self.path)
        if fresh:
            backup.move_aside(self.path, self.FILES)
        content = _run_json(self.path)
        if content is None:  # what else is here belongs to no run
            for name in self.FILES:
                (self.path / name).unlink(missing_ok=True)
            begun = {"format": FORMAT, **asdict(self.identity), "settings": dict(self.settings)}
            write_json(self.path / "run.json", begun)
            return
        _refuse_another_name(self.path, content, self.identity)
        differing = differences(content["settings"], self.settings)
        if differing:
            named = _other_file(content["settings"], self.settings)
            raise RunError(
                f"{self.path} holds a run under other settings: {'; '.join(differing)}",
                f"--fresh begins it anew, --results DIR puts it elsewhere{named}",
            )

    def verdicts(self) -> list[Verdict]:
        """The verdicts reached so far. A torn last line is cut off the file; any other broken line is an error."""
        file = self.path / "verdicts.jsonl"
        if not file.exists():
            return []
        whole, tail = file.read_bytes(), b""
        if not whole.endswith(b"\n"):
            whole, _, tail = whole.rpartition(b"\n")
            whole += b"\n" if whole else b""
        if tail:
            with file.open("r+b") as lines:
                lines.truncate(len(whole))
        version = format_of(_run_json(self.path) or {})
        return [read_verdict(file, number, line, version) for number, line in enumerate(whole.splitlines(), 1)]

    def append(self, verdict: Verdict) -> None:
        first = self._lines is None
        if self._lines is None:
            self._lines = (self.path / "verdicts.jsonl").open("a", encoding="utf-8", newline="\n")
        self._lines.write(f"{verdict_line(verdict)}\n")
        self._lines.flush()
        if first:
            backup.discard(self.path)

    def close(self) -> None:
        if self._lines is not None:
            self._lines.close()
            self._lines = None

    def _forget_if_nothing_was_reached(self) -> None:
        """A run that ends before its first verdict (its model cannot be loaded, say) leaves what was there before."""
        if not any((self.path / name).exists() for name in ("verdicts.jsonl", self.FIGURES)):
            (self.path / "run.json").unlink(missing_ok=True)
            backup.restore(self.path, self.FILES)

    def measured(self) -> Measured | None:
        content = (_run_json(self.path) or {}).get("measured")
        try:
            measured = Measured(**content) if content else None
        except TypeError as error:
            raise RunError(f"{self.path / 'run.json'}: measured: {error}", ANEW) from error
        if measured and not all(is_number(value) for name, value in asdict(measured).items() if name != "machine"):
            raise RunError(f"{self.path / 'run.json'}: measured: expected numbers", ANEW)
        return measured

    def reopen(self) -> None:
        """More verdicts are to come: the run is not complete any more."""
        (self.path / self.FIGURES).unlink(missing_ok=True)

    def complete(self, measured: Measured, size: int, score: Mapping[str, Any]) -> None:
        """What was measured, then the figures: from here on the run is complete."""
        self._extend({"gguf_bytes": size, "measured": asdict(measured)})
        write_json(self.path / self.FIGURES, score)

    def add(self, name: str, content: Mapping[str, Any]) -> None:
        """Note something more in run.json about a run, which decides nothing."""
        self._extend({name: dict(content)})

    def _extend(self, content: Mapping[str, Any]) -> None:
        write_json(self.path / "run.json", {**(_run_json(self.path) or {}), **content})


def folder(results: Path, identity: Identity) -> Path:
    names = (identity.benchmark, identity.model, identity.scheme, identity.grammar)
    return results.joinpath(*map(folder_name, names))


def sibling(path: Path, scheme: str) -> Path:
    """Where the run lies that differs from the run in this folder by its scheme alone, complete or not."""
    return path.parent.parent / folder_name(scheme) / path.name


def is_complete(path: Path) -> bool:
    """Whether there is a complete run in this folder."""
    return (path / "score.json").exists()


def read_run(path: Path) -> Run:
    """A complete run from its folder. Raises RunError for a folder that is none, or is not complete."""
    content = _run_json(path)
    if content is None:
        raise RunError(f"{path}: no run in this folder (no run.json)", "edge-judge eval makes one")
    if not (path / "score.json").exists():
        raise RunError(f"{path}: the run is not complete", "the same edge-judge eval command resumes it")
    names = [field.name for field in fields(Identity)]
    if missing := [name for name in (*names, "gguf_bytes") if name not in content]:
        raise RunError(f"{path / 'run.json'}: no {' and no '.join(missing)}", ANEW)
    if not all(isinstance(content[name], str) for name in names) or not is_number(content["gguf_bytes"]):
        raise RunError(f"{path / 'run.json'}: expected {', '.join(names)} as text and gguf_bytes as a number", ANEW)
    identity = Identity(*(content[name] for name in names))
    run = RunFolder(path, identity, content["settings"])
    return Run(identity, run.settings, run.measured(), tuple(run.verdicts()), content["gguf_bytes"])


def put_run(
    results: Path, run: Run, score: Mapping[str, Any], note: tuple[str, Mapping[str, Any]], *, fresh: bool
) -> Path:
    """Make the folder of a complete run that was reached elsewhere, whole or not at all. note: as of `add`.

    Raises RunError where a run is there already, unless `fresh`: it is then replaced, once the new one is whole.
    """
    path = folder(results, run.identity)
    with _alone(path):
        if not fresh:
            _refuse_another(path, run)
        with backup.temporary_folder(path) as temporary:
            made = RunFolder(temporary, run.identity, run.settings)
            made._begin(fresh=True)
            for verdict in run.verdicts:
                made.append(verdict)
            made.close()
            measured = {"measured": asdict(run.measured)} if run.measured else {}
            made._extend({"gguf_bytes": run.bytes, **measured, note[0]: dict(note[1])})
            write_json(made.path / "score.json", score)
            for name in reversed(RunFolder.FILES):  # a kill from here on leaves no run that is half of each
                (path / name).unlink(missing_ok=True)
            for name in RunFolder.FILES:
                (made.path / name).replace(path / name)
    return path


def noted(path: Path, name: str) -> Mapping[str, Any] | None:
    """What `add` noted about the run in this folder; None where it noted nothing of that name."""
    note = (_run_json(path) or {}).get(name)
    return note if isinstance(note, dict) else None


def find_runs(results: Path) -> list[Path]:
    """The folders of all complete runs below `results`, sorted."""
    return sorted(path.parent for path in results.glob("*/*/*/*/score.json"))


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Whole or not at all, see `write_whole`."""
    write_whole(path, f"{json.dumps(content, indent=2, ensure_ascii=False)}\n".encode())


def write_whole(path: Path, content: bytes) -> None:
    """Whole or not at all: a temporary file, synced, then renamed. An OSError names `path`, not the temporary file.

    Raises UsageError for something that is no file.
    """
    if path.exists() and not path.is_file():  # a rename would put the file in the place of a device or a pipe
        raise UsageError(f"{path}: not a regular file; refusing to overwrite", "use another name")
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """The folder of a run, made if it is not there, locked; it is removed again if nothing was put there."""
    made = [parent for parent in (path, *path.parents) if not parent.exists()]
    path.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path / ".lock")
    try:
        lock.acquire(timeout=0)
    except PermissionError as error:  # it names the lock, of which the user knows nothing
        raise OSError(error.errno, error.strerror, str(path)) from error
    except Timeout as error:
        raise RunError(
            f"{path}: {holder(path)} is writing this run", "wait for it, or use --results"
        ) from error
    write_holder(path)
    try:
        yield
    finally:
        forget_holder(path)
        with suppress(PermissionError):  # Windows removes no file that is open; filelock does it there, on release
            (path / ".lock").unlink(missing_ok=True)  # while it is held: later it may be another's
        lock.release()
        _remove_empty(made)


def _other_file(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """What else helps where a file from elsewhere has the name and scheme of another one."""
    renamed = "; with --gguf, --model or --scheme names this file otherwise"
    return renamed if old.get("gguf_sha256") != new.get("gguf_sha256") else ""


def _refuse_another(path: Path, run: Run) -> None:
    content = _run_json(path)
    if content is None:
        return
    _refuse_another_name(path, content, run.identity)
    if differing := differences(content["settings"], run.settings):
        why = f"holds a run under other settings: {'; '.join(differing)}"
    elif (path / "verdicts.jsonl").exists():
        why = "holds a run with verdicts already"
    else:
        return
    raise RunError(f"{path} {why}", "--fresh replaces it, --results DIR puts the new one elsewhere")


def _refuse_another_name(path: Path, content: Mapping[str, Any], identity: Identity) -> None:
    """Raises RunError where the run in this folder has another name, as of a model whose name differs by case alone."""
    for name, value in asdict(identity).items():
        if content.get(name, value) != value:
            raise RunError(
                f"{path} holds a run of the {name} '{content[name]}', which has the same folder as '{value}'",
                "rename one of them, or use --results DIR; --fresh replaces that run",
            )


def _run_json(folder: Path) -> dict[str, Any] | None:
    path = folder / "run.json"
    return read_run_json(path) if path.exists() else None


def _remove_empty(folders: Iterable[Path]) -> None:
    """Those of the folders, innermost first, that hold nothing."""
    for path in folders:
        try:
            path.rmdir()
        except OSError:  # not empty, and so are those around it
            return


def score_json(score: Score) -> dict[str, object]:
    """A run's score.json: exactly the fields of `Score`, every figure with value, low, high, k and n.

    `human_agreement` and `attainable` are there only where they are defined: the benchmark has several votes on a pair.
    Until 0.1 the first was called `human_ceiling`, and nothing reads it back.
    """
    content = asdict(score)
    for name in ("human_agreement", "attainable"):
        if content[name]["value"] is None:
            del content[name]
    return content
