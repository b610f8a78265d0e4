"""What a newcomer sees: some fifty visits to edge-judge, in terminals and through pipes, each with its whole screen.

The screens are committed, `data/screens/VISIT.txt`, so that a review shows every change of words and of layout.
What hangs on the machine is masked, see `screen_masks.py`. To write them anew, after looking at the difference:

    python tests/newcomer.py --record [CHAPTER…]

Visits of one chapter share a folder and follow one another. All share one home, in which `demo` ran once.
Knows: what is typed where. Does not know: what should be seen.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import unified_diff
from pathlib import Path

from newcomer_files import benchmarks, checkpoint, ggufs, outputs, recorded_protocols, recorded_runs
from screen_masks import masked
from terminal_screen import shown

SCREENS = Path(__file__).with_name("data") / "screens"
EDGE = (sys.executable, "-c", "import sys; sys.argv[0] = 'edge-judge'; from edge_judge.__main__ import run; run()")
PIPE = 0  # columns of what is no terminal
KEPT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
RUNS = "results/pocket/pocket"


@dataclass(frozen=True, slots=True)
class Visit:
    """line: what is typed after `edge-judge`. columns: of the terminal, or PIPE. interrupt: Ctrl-C comes as soon as the
    screen shows this. exact: nothing is masked but the folder, since no figure is measured.
    """

    name: str
    line: str
    columns: int = 80
    variables: Mapping[str, str] = field(default_factory=dict)
    interrupt: str | None = None
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Chapter:
    """files: what puts files into the folder. fresh: in a home where nothing ever ran."""

    name: str
    visits: tuple[Visit, ...]
    files: tuple[Callable[[Path], None], ...] = ()
    fresh: bool = False


def helped(*commands: str) -> tuple[Visit, ...]:
    return tuple(Visit(f"help-{name.replace(' ', '-')}", f"{name} --help", exact=True) for name in commands)


DEMO = Visit("demo", "demo", 120)
CHAPTERS = (
    Chapter(
        "nothing-yet",
        (
            Visit("no-arguments", "", exact=True),
            Visit("help", "--help", exact=True),
            Visit("help-narrow", "eval --help", 60, exact=True),
            Visit("unknown-command", "evaluate", exact=True),
            Visit("unknown-option", "eval --schema q4_k_m", exact=True),
            Visit("missing-argument", "quantize pocket", exact=True),
            Visit("unknown-scheme", "quantize pocket q4km", exact=True),
            Visit("models", "models"),
            Visit("models-wide", "models", 120),
            Visit("data-list", "data list"),
            Visit("eval-not-built", "eval --model qwen1.5-7b --scheme q4_k_m", exact=True),
            Visit("eval-not-downloaded", "eval --benchmark pandalm", exact=True),
            Visit("choose-nothing-built", "choose --model qwen1.5-7b", exact=True),
            Visit("compare-nothing", "compare", exact=True),
            Visit("report-nothing", "report", exact=True),
            Visit("table-nothing", "table", 120),
            Visit("lock", "lock"),
            Visit("doctor", "doctor"),
            Visit("worker-no-address", "worker", exact=True),
            Visit("completion", "", PIPE, {"_EDGE_JUDGE_COMPLETE": "bash_source"}, exact=True),
        ),
        fresh=True,
    ),
    Chapter(
        "help",
        helped(
            "data", "demo", "doctor", "models", "speed", "eval", "imatrix", "judge", "quantize", "train", "worker",
            "choose", "compare", "rank", "report", "table", "attribute", "cascade", "confidence", "jury", "slices",
            "lock", "pack", "pack export", "pack import", "pack show", "data check", "data pull", "data verify",
        ),
    ),
    Chapter(
        "after-the-demo",
        (
            Visit("compare-after-demo", "compare", exact=True),
            Visit("models-after-demo", "models"),
            Visit("report-after-demo", "report", exact=True),
        ),
    ),
    Chapter(
        "first-evaluations",
        (
            Visit("eval-interrupted", "eval --fresh", interrupt="/1200 verdicts"),
            Visit("eval-resumed", "eval", 120),
            Visit("eval-again", "eval"),
            Visit("eval-verbose", "eval --verbose", 120),
            Visit("eval-piped", "eval --scheme q4_k_m", PIPE),
            Visit("eval-quiet", "eval --scheme q8_0 --quiet"),
            Visit("eval-other-settings", "eval --order given", exact=True),
            Visit("attribute-nothing", "attribute", exact=True),
        ),
    ),
    Chapter(
        "recorded",
        (
            Visit("compare", "compare", 120, exact=True),
            Visit("compare-80", "compare", exact=True),
            Visit("compare-no-color", "compare --baseline q8_0", 80, {"NO_COLOR": "1"}, exact=True),
            Visit("compare-max-drop", "compare --max-drop 0.5", PIPE, exact=True),
            Visit("report", "report"),
            Visit("table", "table", exact=True),
            Visit("table-csv", f"table {RUNS}/q2_k/pairwise --csv", PIPE, exact=True),
            Visit("slices", f"slices {RUNS}/q2_k/pairwise", exact=True),
            Visit("confidence", "confidence --abstain 5", exact=True),
            Visit("cascade", f"cascade {RUNS}/q2_k/pairwise {RUNS}/q8_0/pairwise", exact=True),
            Visit("jury", f"jury {RUNS}/q2_k/pairwise {RUNS}/q3_k_m/pairwise {RUNS}/q4_k_m/pairwise", exact=True),
            Visit("pack-export", f"pack export {RUNS}/f16/pairwise"),
            Visit("pack-show", "pack show pocket-pocket-f16-pairwise.ejpack"),
            Visit("pack-import", "pack import pocket-pocket-f16-pairwise.ejpack --results elsewhere", exact=True),
            Visit("pack-wrong", "pack show report.html", exact=True),
        ),
        (recorded_runs,),
    ),
    Chapter("protocols", (Visit("attribute", "attribute", exact=True),), (recorded_protocols,)),
    Chapter(
        "choosing",
        (
            Visit("judge", "judge --question 'Repeat: dog cat' --a 'dog cat' --b 'cat dog'"),
            Visit("judge-free", "judge --question 'Repeat: dog cat' --a 'dog cat' --b 'cat dog' --grammar none"),
            Visit("choose", "choose"),
            Visit("choose-one", "choose --scheme q4_k_m --max-pairs 100", 120),
            Visit("speed", "speed --seconds 0.1 --grammar pairwise"),
            Visit("eval-dumb", "eval --limit 12", 80, {"TERM": "dumb"}),
            Visit("eval-narrow", "eval --limit 12 --fresh", 60),
        ),
    ),
    Chapter(
        "own-files",
        (
            Visit("quantize-folder", "quantize my-model q4_k_m"),
            Visit("quantize-again", "quantize my-model q4_k_m"),
            Visit("eval-own-model", "eval --model my-model --scheme q4_k_m --limit 12"),
            Visit("imatrix", "imatrix pocket --limit 5 --threads 1"),
            Visit("data-check", "data check pairs.jsonl"),
            Visit("eval-own-pairs", "eval --benchmark pairs.jsonl"),
            Visit("eval-wrong-pairs", "eval --benchmark wrong.jsonl", exact=True),
            Visit("eval-missing-pairs", "eval --benchmark nowhere.jsonl", exact=True),
        ),
        (checkpoint, benchmarks),
    ),
    Chapter(
        "downloaded",
        (
            Visit("eval-downloaded", "eval --gguf Some-Judge-Q8_0.gguf --limit 12"),
            Visit("models-add", "models --add Some-Judge-Q8_0.gguf"),
            Visit("eval-truncated", "eval --gguf truncated.gguf", exact=True),
            Visit("eval-web-page", "eval --gguf page.gguf", exact=True),
            Visit("eval-pointer", "eval --gguf pointer.gguf", exact=True),
        ),
        (ggufs,),
    ),
    Chapter(
        "systems",
        (
            Visit("rank", "rank one.jsonl two.jsonl three.jsonl", 120),
            Visit("rank-80", "rank one.jsonl two.jsonl three.jsonl"),
            Visit("rank-one-file", "rank one.jsonl", exact=True),
            Visit("rank-other-questions", "rank one.jsonl other.jsonl", exact=True),
        ),
        (outputs,),
    ),
)


@contextmanager
def home() -> Iterator[Path]:
    """A folder whose path is equally long everywhere, so that lines break at the same places."""
    folder = Path(tempfile.mkdtemp(prefix="v", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


class Newcomer:
    """A person with a home, which begins empty, and who runs `demo` when a chapter first needs its runs."""

    def __init__(self, root: Path) -> None:
        self.root, self.home = root, root / "home"
        self._demo: str | None = None

    def demo(self) -> str:
        """The screen of the demo, run once."""
        if self._demo is None:
            self._demo = self._screen(DEMO, self._folder("demo"), self.home)
        return self._demo

    def read(self, chapter: Chapter) -> Iterator[tuple[Visit, str]]:
        """Each visit's screen, masked."""
        home = self.root / "empty" if chapter.fresh else self.home
        folder = self._folder(chapter.name.replace(" ", "-"))
        if not chapter.fresh:
            self.demo()
        for put in chapter.files:
            put(folder)
        for visit in chapter.visits:
            yield visit, self._screen(visit, folder, home)

    def _folder(self, name: str) -> Path:
        folder = self.root / name
        folder.mkdir()
        return folder

    def _screen(self, visit: Visit, folder: Path, home: Path) -> str:
        """What was typed, what is seen, and the exit status."""
        home.mkdir(exist_ok=True)
        command = [*EDGE, *shlex.split(visit.line)]
        environment = {name: os.environ[name] for name in KEPT if name in os.environ}
        environment |= {"HOME": str(home), "LANG": "C.UTF-8", "HF_ENDPOINT": "http://127.0.0.1:9", **visit.variables}
        if visit.columns == PIPE:
            done = subprocess.run(
                command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8"
            )
            code, seen = done.returncode, f"--- stdout\n{done.stdout}--- stderr\n{done.stderr}"
        else:
            screen = shown(
                command,
                environment,
                columns=visit.columns,
                rows=50,
                folder=folder,
                interrupt=visit.interrupt,
                term=visit.variables.get("TERM", "xterm-256color"),
            )
            code, seen = screen.code, screen.text
        where = f"{visit.columns} columns" if visit.columns else "pipes"
        before = "".join(f"{name}={value} " for name, value in visit.variables.items())
        seen = masked(seen, self.root, exact=visit.exact)
        return f"# {where}\n$ {before}edge-judge {visit.line}".rstrip() + f"\n{seen.rstrip()}\n# exit {code}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Visit edge-judge as a newcomer, and compare the screens.")
    parser.add_argument("--record", action="store_true", help="write the screens instead of comparing them")
    parser.add_argument("chapters", nargs="*", help="only these chapters")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells have it ignored in background jobs
    SCREENS.mkdir(exist_ok=True)
    changed = 0
    with home() as root:
        newcomer = Newcomer(root)
        for chapter in CHAPTERS:
            if options.chapters and chapter.name not in options.chapters:
                continue
            for visit, screen in newcomer.read(chapter):
                changed += _differs(visit.name, screen)
                if options.record:
                    (SCREENS / f"{visit.name}.txt").write_text(screen, "utf-8")
    sys.exit(bool(changed) and not options.record)


def _differs(name: str, screen: str) -> bool:
    """Whether the screen is not as it was recorded; the difference is printed."""
    path = SCREENS / f"{name}.txt"
    before = path.read_text("utf-8") if path.exists() else ""
    print(*unified_diff(before.splitlines(True), screen.splitlines(True), f"{name} recorded", f"{name} seen"), sep="")
    return screen != before


if __name__ == "__main__":
    main()
