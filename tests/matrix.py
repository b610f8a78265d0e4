"""The tests on every supported Python and machine that can be had or imitated here: `make test-matrix`.

    python3 tests/matrix.py                                   every row
    python3 tests/matrix.py py312 lowest                      some
    python3 tests/matrix.py py312 -- tests/test_records.py    with arguments for pytest

Each row has its virtual environment in .matrix/, kept for the next time, and its output in .matrix/ROW.log.

Knows: pip, pytest, pyproject.toml. Does not know: what the tests are about. Needs the standard library alone.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".matrix"
WHEELS = FOLDER / "wheels"  # llama.cpp is compiled once: its wheel is for every Python, but pip's cache is not
SETUP = ROOT / ".venv" / "bin" / "python"  # `make setup` has most likely compiled it
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
DEFAULT = PYTHONS[0]
LOCALE = re.compile(r"LANG|LANGUAGE|LC_.*|PYTHONUTF8|PYTHONIOENCODING|PYTHONCOERCECLOCALE")
LOWER_BOUND = re.compile(r"([\w.-]+)(?:\[[^\]]*\])?>=([\w.]+)")


@dataclass(frozen=True, eq=False)
class Row:
    """One run of the tests. locale: None for the one at hand."""

    name: str
    about: str
    python: str = DEFAULT
    lowest: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    locale: Mapping[str, str] | None = None
    background: bool = False
    busy: int = 0

    @property
    def environment(self) -> str:
        return f"py{self.python.replace('.', '')}{'-lowest' if self.lowest else ''}"


ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
ROWS = (
    *(Row(f"py{one.replace('.', '')}", f"Python {one}, newest dependencies", one) for one in PYTHONS),
    Row("lowest", f"Python {DEFAULT}, lowest dependencies", lowest=True),
    *(
        Row(one.lower(), f"OPENBLAS_CORETYPE={one}", variables={"OPENBLAS_CORETYPE": one})
        for one in ("Haswell", "SkylakeX")
    ),
    Row("lang-c", "LANG=C", locale={"LANG": "C"}),
    Row("ascii", "LC_ALL=C, and Python not in UTF-8 mode", locale=ASCII),
    Row("background", "a background job: SIGINT ignored", background=True),
    Row("busy", "two busy processes beside", busy=2),
)


class NotRun(Exception):
    """Why a row was not run."""


@dataclass(frozen=True)
class Outcome:
    passed: int
    failed: int
    skipped: int
    minutes: float


def main() -> int:
    at = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    given, arguments = sys.argv[1:at], sys.argv[at + 1 :]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of: {', '.join(row.name for row in ROWS)}")
    named = parser.parse_args(given).rows
    known = {row.name: row for row in ROWS}
    if unknown := [name for name in named if name not in known]:
        parser.error(f"unknown row {unknown[0]!r}; the rows are {', '.join(known)}")
    WHEELS.mkdir(parents=True, exist_ok=True)
    outcomes: dict[Row, Outcome | NotRun] = {}
    try:
        for row in [known[name] for name in named] or ROWS:
            print(f"{row.name}: {row.about}", flush=True)
            outcomes[row] = run(row, arguments)
    except KeyboardInterrupt:
        print("interrupted")
    print(table(outcomes))
    return int(any(isinstance(one, Outcome) and one.failed for one in outcomes.values()))


def run(row: Row, arguments: Sequence[str]) -> Outcome | NotRun:
    try:
        python = installed(row)
        with ExitStack() as stack:
            stack.enter_context(busy(row.busy))
            return tested(row, python, arguments)
    except NotRun as why:
        return why


# ---- environments -----------------------------------------------------------------------------------------


def installed(row: Row) -> Path:
    """The Python of the row's environment, made where it is not there or pyproject.toml asks for something else."""
    home = FOLDER / row.environment
    python, made_for = home / "bin" / "python", home / "made-for.txt"
    asked = "\n".join([*requirements(), *(lowest() if row.lowest else [])])
    if made_for.is_file() and made_for.read_text("utf-8") == asked:
        return python
    base = interpreter(row.python)
    shutil.rmtree(home, ignore_errors=True)
    with (FOLDER / f"{row.environment}.install.log").open("w", encoding="utf-8") as log:
        _do([base, "-m", "venv", home], log)
        _do([python, "-m", "pip", "install", "--quiet", "--upgrade", "pip"], log)
        (home / "lowest.txt").write_text("\n".join(lowest()), encoding="utf-8")
        bounds: list[str | Path] = ["--constraint", home / "lowest.txt"] if row.lowest else []
        bounds += ["--find-links", WHEELS]
        builder = SETUP if SETUP.exists() else python
        _do([builder, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", WHEELS, *bounds, compiled()], log)
        _do([python, "-m", "pip", "install", *bounds, "--editable", f"{ROOT}[test]"], log)
    made_for.write_text(asked, encoding="utf-8")
    return python


def _do(command: Sequence[str | Path], log: IO[str]) -> None:
    if subprocess.run([*map(str, command)], cwd=ROOT, stdout=log, stderr=subprocess.STDOUT).returncode:
        raise NotRun(f"cannot be installed: see {Path(log.name).relative_to(ROOT)}")


def interpreter(version: str) -> Path:
    """A Python of that version, on the PATH or of pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    there = shutil.which(f"python{version}")
    for path in [*([Path(there)] if there else []), *sorted(pyenv.glob(f"{version}.*/bin/python"))]:
        ask = [str(path), "-c", "import sys; print(*sys.version_info[:2], sep='.')"]
        said = subprocess.run(ask, capture_output=True, text=True, cwd=ROOT)
        if said.stdout.strip() == version:  # pyenv's shims are there for every version, and fail for most
            return path
    raise NotRun(f"there is no Python {version} here")


def requirements() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return [*project["dependencies"], *project["optional-dependencies"]["test"]]


def compiled() -> str:
    return next(requirement for requirement in requirements() if requirement.startswith("llama-cpp-python"))


def lowest() -> list[str]:
    """The lower bound of each requirement as the one version that is allowed."""
    bounds = [LOWER_BOUND.match(requirement.replace(" ", "")) for requirement in requirements()]
    return [f"{bound[1]}=={bound[2]}" for bound in bounds if bound]


# ---- the tests --------------------------------------------------------------------------------------------


def tested(row: Row, python: Path, arguments: Sequence[str]) -> Outcome | NotRun:
    report, start = FOLDER / f"{row.name}.xml", time.monotonic()
    report.unlink(missing_ok=True)
    command = [str(python), "-m", "pytest", "-m", "not slow", "-p", "no:cacheprovider", f"--junitxml={report}"]
    with (FOLDER / f"{row.name}.log").open("w", encoding="utf-8") as log:
        subprocess.run(
            [*command, *arguments], cwd=ROOT, env=variables(row), stdin=subprocess.DEVNULL, stdout=log,
            stderr=subprocess.STDOUT, preexec_fn=ignore_interrupts if row.background else None,
        )  # fmt: skip
    if not report.is_file():
        return NotRun(f"pytest ended early: see .matrix/{row.name}.log")
    suite = next(ElementTree.parse(report).getroot().iter("testsuite"))
    tests, failures, errors, skipped = (int(suite.get(one, 0)) for one in ("tests", "failures", "errors", "skipped"))
    failed = failures + errors
    return Outcome(tests - failed - skipped, failed, skipped, (time.monotonic() - start) / 60)


def variables(row: Row) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    if row.locale is not None:
        kept = {key: value for key, value in kept.items() if not LOCALE.fullmatch(key)} | dict(row.locale)
    return kept | dict(row.variables)


def ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that do nothing and want a core each."""
    started = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


# ---- what is told -----------------------------------------------------------------------------------------


def table(outcomes: Mapping[Row, Outcome | NotRun]) -> str:
    lines = [("row", "what", "passed", "failed", "skipped", "minutes")]
    for row, outcome in outcomes.items():
        if isinstance(outcome, Outcome):
            counts = (outcome.passed, outcome.failed, outcome.skipped)
            lines.append((row.name, row.about, *map(str, counts), f"{outcome.minutes:.1f}"))  # type: ignore[arg-type]
        else:
            lines.append((row.name, row.about, f"not run: {outcome}", "", "", ""))
    wide = [max(len(line[place]) for line in lines) for place in range(2)]
    shown = [
        f"{name:{wide[0]}}  {about:{wide[1]}}  {passed:>6}  {failed:>6}  {skipped:>7}  {minutes:>7}".rstrip()
        for name, about, passed, failed, skipped, minutes in lines
    ]
    return "\n".join([*shown, "", f"Without: {', '.join(missing(outcomes)) or 'nothing'}."])


def missing(outcomes: Mapping[Row, Outcome | NotRun]) -> list[str]:
    """What some tests need and were skipped without."""
    ran = sorted({row.environment for row, outcome in outcomes.items() if isinstance(outcome, Outcome)})
    has_torch = [bool([*(FOLDER / one).glob("lib/python*/site-packages/torch")]) for one in ran]
    here = {
        "torch": bool(has_torch) and all(has_torch),
        "chromium": shutil.which("chromium") is not None,
        "the published files (EDGE_JUDGE_DATA or ../shared)": bool(os.environ.get("EDGE_JUDGE_DATA"))
        or (ROOT.parent / "shared").is_dir(),
    }
    return [name for name, there in here.items() if not there]


if __name__ == "__main__":
    sys.exit(main())
