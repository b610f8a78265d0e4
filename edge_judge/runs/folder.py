"""A run's folder: results/<benchmark>/<model>/<scheme>/<grammar>/. The one file that touches it.

    run.json         what decides the outcome, and what was measured; written first, completed last
    verdicts.jsonl   one line per verdict, flushed as it is reached
    score.json       the figures; its presence means that the run is complete
    .new/            the run that --fresh began, until it is complete and replaces the one here

A complete run stays until the one that replaces it is complete. The next command without --fresh goes on with the new
one, if that was begun under the same settings; otherwise with the old one.
Knows: how to lose nothing: a torn last line is dropped, everything else survives a kill at any moment.
Does not know: models, benchmarks, statistics.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import IO, Any, ClassVar, Self

from edge_judge.errors import RunError, naming
from edge_judge.files import write_whole
from edge_judge.records import Identity, Measured, Run, Score, Verdict
from edge_judge.runs import replacing
from edge_judge.runs.alone import alone
from edge_judge.runs.format import ANEW, FORMAT, format_of, is_number, read_run_json, read_verdict, verdict_line
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
        with naming(path), _alone(path):
            run = cls(path, identity, settings)
            run._begin(fresh)
            try:
                yield run
            except BaseException:  # Ctrl-C too
                run._forget_if_nothing_was_reached()
                raise
            finally:
                run.close()
                replacing.settle(path, cls.FILES)
                if not _is_begun(path / replacing.NEW):
                    replacing.discard(path)

    def _begin(self, fresh: bool) -> None:
        home, new = self.path, self.path / replacing.NEW
        replacing.remove_abandoned(home, self.FILES)
        replacing.settle(home, self.FILES)
        if fresh or not (new / "run.json").exists():
            replacing.discard(home)
        if fresh and any((home / name).exists() for name in self.FILES):
            new.mkdir()
            self.path = new
        elif new.is_dir() and self._goes_on(new):
            self.path = new
        elif not _is_begun(new):
            replacing.discard(home)
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
                f"--fresh starts it over, --results DIR puts it elsewhere{named}",
            )
        _cut_torn_line(self.path / "verdicts.jsonl")

    def _goes_on(self, new: Path) -> bool:
        """Whether it is the run that was begun anew that goes on now."""
        begun = read_run_json(new / "run.json")
        return not differences(begun["settings"], self.settings)

    def verdicts(self, after: int = 0) -> list[Verdict]:
        """The verdicts reached so far, but for the first `after`. A torn last line is none; any other broken line is an
        error.
        """
        lines = self._whole_lines()[after:]
        if not lines:
            return []
        file, version = self._file("verdicts.jsonl"), format_of(self._content())
        return [read_verdict(file, number, line, version) for number, line in enumerate(lines, after + 1)]

    def count(self) -> int:
        """How many verdicts are reached, without a look at them."""
        return len(self._whole_lines())

    def _whole_lines(self) -> list[bytes]:
        file = self._file("verdicts.jsonl")
        if not file.exists():
            return []
        with naming(file):
            content = file.read_bytes()
        return content[: content.rfind(b"\n") + 1].splitlines()

    def append(self, verdict: Verdict) -> None:
        if self._lines is None:
            self._lines = (self.path / "verdicts.jsonl").open("a", encoding="utf-8", newline="\n")
        self._lines.write(f"{verdict_line(verdict)}\n")
        self._lines.flush()

    def close(self) -> None:
        if self._lines is not None:
            self._lines.close()
            self._lines = None

    def _forget_if_nothing_was_reached(self) -> None:
        """A run that ends before its first verdict (its model cannot be loaded, say) leaves what was there before."""
        if not any((self.path / name).exists() for name in ("verdicts.jsonl", self.FIGURES)):
            (self.path / "run.json").unlink(missing_ok=True)

    def measured(self) -> Measured | None:
        content = self._content().get("measured")
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
        self.complete_with(score)

    def complete_with(self, score: Mapping[str, Any]) -> None:
        """The figures, where run.json is whole already."""
        self.close()
        with (self.path / "verdicts.jsonl").open("ab") as lines:
            os.fsync(lines.fileno())  # a power cut must not leave the figures without the verdicts
        write_json(self.path / self.FIGURES, score)

    def add(self, name: str, content: Mapping[str, Any]) -> None:
        """Note something more in run.json about a run, which decides nothing."""
        self._extend({name: dict(content)})

    def _extend(self, content: Mapping[str, Any]) -> None:
        write_json(self.path / "run.json", {**self._content(), **content})

    def _content(self) -> dict[str, Any]:
        path = self._file("run.json")
        return read_run_json(path) if path.exists() else {}

    def _file(self, name: str) -> Path:
        return replacing.find_file(self.path, name, self.FIGURES)


def folder(results: Path, identity: Identity) -> Path:
    names = (identity.benchmark, identity.model, identity.scheme, identity.grammar)
    return results.joinpath(*map(folder_name, names))


def sibling(path: Path, scheme: str) -> Path:
    """Where the run lies that differs from the run in this folder by its scheme alone, complete or not."""
    return path.parent.parent / folder_name(scheme) / path.name


def is_complete(path: Path) -> bool:
    """Whether there is a complete run in this folder."""
    return replacing.is_complete(path, RunFolder.FIGURES)


def read_run(path: Path) -> Run:
    """A complete run from its folder. Raises RunError for a folder that is none, or is not complete."""
    return replacing.read_together(path, RunFolder.FIGURES, lambda: _run(path))


def _run(path: Path) -> Run:
    file = replacing.find_file(path, "run.json", "score.json")
    if not file.exists():
        raise RunError(f"{path}: no run in this folder (no run.json)", "edge-judge eval makes one")
    content = read_run_json(file)
    if not is_complete(path):
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

    Raises RunError where another run is there, unless `fresh`: it is then replaced, once the new one is whole.
    """
    path = folder(results, run.identity)
    with naming(path), _alone(path):
        replacing.remove_abandoned(path, RunFolder.FILES)
        replacing.settle(path, RunFolder.FILES)
        if not fresh:
            if _is_there(path, run, note):
                return path
            _refuse_another(path, run)
        replacing.discard(path)
        try:
            _write_run(path / replacing.NEW, run, score, note)
        except BaseException as error:
            replacing.discard(path)
            if isinstance(error, OSError):  # it names a folder of which the user knows nothing
                raise OSError(error.errno, error.strerror, str(path)) from error
            raise
        replacing.settle(path, RunFolder.FILES)
    return path


def _is_there(path: Path, run: Run, note: tuple[str, Mapping[str, Any]]) -> bool:
    """Whether this very run was put here before, perhaps by a process that could not say so any more."""
    return is_complete(path) and noted(path, note[0]) == note[1] and read_run(path).verdicts == run.verdicts


def _write_run(path: Path, run: Run, score: Mapping[str, Any], note: tuple[str, Mapping[str, Any]]) -> None:
    """The files of a whole run. Before run.json is there, which says where it is from, nobody takes it for a run."""
    path.mkdir()
    made = RunFolder(path, run.identity, run.settings)
    for verdict in run.verdicts:
        made.append(verdict)
    made.close()
    write_json(
        path / "run.json",
        {
            "format": FORMAT,
            **asdict(run.identity),
            "settings": dict(run.settings),
            "gguf_bytes": run.bytes,
            **({"measured": asdict(run.measured)} if run.measured else {}),
            note[0]: dict(note[1]),
        },
    )
    made.complete_with(score)


def noted(path: Path, name: str, figures: str = RunFolder.FIGURES) -> Mapping[str, Any] | None:
    """What `add` noted about the run in this folder; None where it noted nothing of that name."""

    def read() -> object:
        file = replacing.find_file(path, "run.json", figures)
        return read_run_json(file).get(name) if file.exists() else None

    note = replacing.read_together(path, figures, read)
    return note if isinstance(note, dict) else None


def run_that_goes_on(path: Path) -> Path:
    """Where the last verdicts lie: in this folder, or in that of a run which was begun anew and is not complete."""
    new = path / replacing.NEW
    return new if _is_begun(new) else path


def find_runs(results: Path) -> list[Path]:
    """The folders of all complete runs below `results`, sorted."""
    new = {path.parent.parent for path in results.glob(f"*/*/*/*/{replacing.NEW}/score.json")}
    return sorted(new | {path.parent for path in results.glob("*/*/*/*/score.json")})


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Whole or not at all, see `write_whole`."""
    write_whole(path, f"{json.dumps(content, indent=2, ensure_ascii=False)}\n".encode())


def _alone(path: Path) -> AbstractContextManager[None]:
    return alone(path, "writing this run", "wait for it, or use --results")


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


def _cut_torn_line(file: Path) -> None:
    """Remove what a kill in mid-write left: the next verdict begins a line of its own."""
    with naming(file):
        content = file.read_bytes() if file.exists() else b""
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with naming(file), file.open("r+b") as lines:
            lines.truncate(whole)


def _is_begun(folder: Path) -> bool:
    return all((folder / name).exists() for name in BEGUN)


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
