"""What a newcomer sees: some fifty visits to edge-judge, in terminals and through pipes, each with its whole screen.

The screens are committed, `data/screens/VISIT.txt`, so that a review shows every change of words and of layout.
What hangs on the machine is masked, see `screen_masks.py`. To write them anew, after looking at the difference:

    python tests/newcomer.py --record [CHAPTER…]

Visits of one chapter share a folder and follow one another. Most chapters have a home of their own; in that of the
others `demo` ran once.
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
from screen_masks import Mask, masked
from terminal_screen import shown

SCREENS = Path(__file__).with_name("data") / "screens"
EDGE = (sys.executable, "-c", "import sys; sys.argv[0] = 'edge-judge'; from edge_judge.__main__ import run; run()")
PIPE = 0  # columns of what is no terminal
KEPT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
RUNS = "results/pocket/pocket"


@dataclass(frozen=True, slots=True)
class Visit:
    """line: what is typed after `edge-judge`. columns: of the terminal, or PIPE. interrupt: Ctrl-C comes as soon as the
    screen shows this. mask: what differs between machines, see `masked`.
    """

    name: str
    line: str
    columns: int = 80
    variables: Mapping[str, str] = field(default_factory=dict)
    interrupt: str | None = None
    mask: Mask = "figures"


@dataclass(frozen=True, slots=True)
class Chapter:
    """files: what puts files into the folder. fresh: in a home where `demo` never ran."""

    name: str
    visits: tuple[Visit, ...]
    files: tuple[Callable[[Path], None], ...] = ()
    fresh: bool = False


def helped(*commands: str) -> tuple[Visit, ...]:
    return tuple(Visit(f"help-{name.replace(' ', '-')}", f"{name} --help", mask="none") for name in commands)


DEMO = Visit("demo", "demo", 120)
CHAPTERS = (
    Chapter(
        "nothing-yet",
        (
            Visit("no-arguments", "", mask="none"),
            Visit("help", "--help", mask="none"),
            Visit("help-narrow", "eval --help", 60, mask="none"),
            Visit("unknown-command", "evaluate", mask="none"),
            Visit("unknown-option", "eval --schema q4_k_m", mask="none"),
            Visit("missing-argument", "quantize pocket", mask="none"),
            Visit("unknown-scheme", "quantize pocket q4km", mask="none"),
            Visit("models", "models", mask="machine"),
            Visit("models-wide", "models", 120, mask="machine"),
            Visit("data-list", "data list", mask="none"),
            Visit("eval-not-built", "eval --model qwen1.5-7b --scheme q4_k_m", mask="none"),
            Visit("eval-not-downloaded", "eval --benchmark pandalm", mask="none"),
            Visit("choose-nothing-built", "choose --model qwen1.5-7b", mask="none"),
            Visit("compare-nothing", "compare", mask="none"),
            Visit("report-nothing", "report", mask="none"),
            Visit("table-nothing", "table", 120, mask="none"),
            Visit("lock", "lock", mask="none"),
            Visit("doctor", "doctor", mask="rows"),
            Visit("worker-no-address", "worker", mask="none"),
            Visit("completion", "", PIPE, {"_EDGE_JUDGE_COMPLETE": "bash_source"}, mask="none"),
        ),
        fresh=True,
    ),
    Chapter(
        "help",
        helped(
            "data",
            "demo",
            "doctor",
            "models",
            "speed",
            "eval",
            "imatrix",
            "judge",
            "quantize",
            "train",
            "worker",
            "choose",
            "compare",
            "rank",
            "report",
            "table",
            "attribute",
            "cascade",
            "confidence",
            "jury",
            "slices",
            "lock",
            "pack",
            "pack export",
            "pack import",
            "pack show",
            "data check",
            "data pull",
            "data verify",
        ),
        fresh=True,
    ),
    Chapter(
        "after-the-demo",
        (
            DEMO,
            Visit("compare-after-demo", "compare", mask="none"),
            Visit("models-after-demo", "models", mask="machine"),
            Visit("report-after-demo", "report", mask="none"),
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
            Visit("eval-other-settings", "eval --order given", mask="none"),
            Visit("attribute-nothing", "attribute", mask="none"),
        ),
        fresh=True,
    ),
    Chapter(
        "recorded",
        (
            Visit("compare", "compare", 120, mask="none"),
            Visit("compare-80", "compare", mask="none"),
            Visit("compare-no-color", "compare --baseline q8_0", 80, {"NO_COLOR": "1"}, mask="none"),
            Visit("compare-max-drop", "compare --max-drop 0.5", PIPE, mask="none"),
            Visit("report", "report"),
            Visit("table", "table", mask="none"),
            Visit("table-csv", f"table {RUNS}/q2_k/pairwise --csv", PIPE),
            Visit("slices", f"slices {RUNS}/q2_k/pairwise", mask="none"),
            Visit("confidence", "confidence --abstain 5", mask="none"),
            Visit("cascade", f"cascade {RUNS}/q2_k/pairwise {RUNS}/q8_0/pairwise", mask="none"),
            Visit("jury", f"jury {RUNS}/q2_k/pairwise {RUNS}/q3_k_m/pairwise {RUNS}/q4_k_m/pairwise", mask="none"),
            Visit("pack-export", f"pack export {RUNS}/f16/pairwise"),
            Visit("pack-show", "pack show pocket-pocket-f16-pairwise.ejpack"),
            Visit("pack-import", "pack import pocket-pocket-f16-pairwise.ejpack --results elsewhere", mask="none"),
            Visit("pack-wrong", "pack show report.html", mask="none"),
        ),
        (recorded_runs,),
        fresh=True,
    ),
    Chapter("protocols", (Visit("attribute", "attribute", mask="none"),), (recorded_protocols,), fresh=True),
    Chapter(
        "choosing",
        (
            Visit("judge", "judge --question 'Repeat: dog cat' --a 'dog cat' --b 'cat dog'"),
            Visit("judge-free", "judge --question 'Repeat: dog cat' --a 'dog cat' --b 'cat dog' --grammar none"),
            Visit("choose", "choose --scheme q8_0 --scheme q4_k_m"),
            Visit("choose-one", "choose --scheme q4_k_m --max-pairs 100", 120),
            Visit("eval-dumb", "eval --limit 12", 80, {"TERM": "dumb"}),
            Visit("eval-narrow", "eval --limit 12 --fresh", 60),
        ),
        fresh=True,
    ),
    Chapter(
        "own-files",
        (
            Visit("quantize-folder", "quantize my-model q4_k_m"),
            Visit("quantize-again", "quantize my-model q4_k_m"),
            Visit("eval-own-model", "eval --model my-model --scheme q4_k_m --limit 12"),
            Visit("imatrix", "imatrix pocket --limit 5 --threads 1"),
            Visit("data-check", "data check pairs.jsonl", mask="none"),
            Visit("eval-own-pairs", "eval --benchmark pairs.jsonl"),
            Visit("eval-wrong-pairs", "eval --benchmark wrong.jsonl", mask="none"),
            Visit("eval-missing-pairs", "eval --benchmark nowhere.jsonl", mask="none"),
        ),
        (checkpoint, benchmarks),
        fresh=True,
    ),
    Chapter(
        "downloaded",
        (
            Visit("eval-downloaded", "eval --gguf Some-Judge-Q8_0.gguf --limit 12"),
            Visit("models-add", "models --add Some-Judge-Q8_0.gguf"),
            Visit("eval-truncated", "eval --gguf truncated.gguf", mask="none"),
            Visit("eval-web-page", "eval --gguf page.gguf", mask="none"),
            Visit("eval-pointer", "eval --gguf pointer.gguf", mask="none"),
        ),
        (ggufs,),
        fresh=True,
    ),
    Chapter(
        "systems",
        (
            Visit("rank", "rank one.jsonl two.jsonl three.jsonl", 120),
            Visit("rank-80", "rank one.jsonl two.jsonl three.jsonl"),
            Visit("rank-one-file", "rank one.jsonl", mask="none"),
            Visit("rank-other-questions", "rank one.jsonl other.jsonl", mask="none"),
        ),
        (outputs,),
        fresh=True,
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
        home, folder = self.root / f"{chapter.name}-home", self._folder(chapter.name)
        if not chapter.fresh:
            home = self.home
            self.demo()
        for put in chapter.files:
            put(folder)
        for visit in chapter.visits:
            yield visit, self.demo() if visit is DEMO else self._screen(visit, folder, home)

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
                seconds=900,
                folder=folder,
                interrupt=visit.interrupt,
                term=visit.variables.get("TERM", "xterm-256color"),
            )
            code, seen = screen.code, screen.text
        where = f"{visit.columns} columns" if visit.columns else "pipes"
        before = "".join(f"{name}={value} " for name, value in visit.variables.items())
        ended = "#" if visit.mask == "rows" else code
        seen = masked(seen, self.root, visit.mask)
        return f"# {where}\n$ {before}edge-judge {visit.line}".rstrip() + f"\n{seen.rstrip()}\n# exit {ended}\n"


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
