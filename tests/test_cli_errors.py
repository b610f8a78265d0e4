"""What a wrong input, a full or odd place and Ctrl-C end with: one line, a true hint, the right code, no traceback."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from edge_judge.benchmarks import load
from edge_judge.cli import main
from edge_judge.engine import throughput
from edge_judge.files import write_whole
from edge_judge.records import Progress, ProgressListener
from edge_judge.workflows.speed import _Steps
from quantize import build_folder
from quantize.atomic import replace_text
from quantize.errors import PackError

ROOT = Path(__file__).parent.parent
RECORDED = str(ROOT / "results" / "0.1.0")
JUDGE = ("judge", "--question", "q", "--a", "x", "--b", "y")
Ends = Callable[..., "tuple[int, str]"]


@pytest.fixture
def ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ends:
    """The exit code of a command in a folder of odd files, and what it says on stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGE_JUDGE_MODELS", str(tmp_path / "models"))
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "empty.csv").touch()
    for name in ("binary.jsonl", "binary.csv", "binary.gguf"):
        (tmp_path / name).write_bytes(bytes(range(128, 256)) * 20)
    (tmp_path / "latin.csv").write_bytes("question,a,b\nWas heißt es?,x,y\n".encode("latin-1"))
    (tmp_path / "deep.jsonl").write_text("[" * 200_000 + "\n")
    (tmp_path / "one.jsonl").write_text('{"question": "Q", "system": "m", "output": "x"}\n')

    def run(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as end:
            main(list(arguments), prog_name="edge-judge")
        shown = capsys.readouterr()
        assert shown.out == ""
        return int(str(end.value.code)), shown.err

    return run


WRONG: list[tuple[tuple[str, ...], int, str]] = [
    ((*JUDGE, "--max-memory", "6"), 2, "hint: did you mean 6GB?"),
    ((*JUDGE, "--max-memory", "9" * 400), 2, "not a size of memory"),
    ((*JUDGE, "--max-memory", "nan"), 2, "not a size of memory"),
    ((*JUDGE, "--gguf", "folder"), 2, "is a directory"),
    ((*JUDGE, "--gguf", "missing.gguf"), 2, "does not exist"),
    ((*JUDGE, "--engine", "nonsense"), 2, "http://localhost:8080/v1"),
    ((*JUDGE, "--threads", "0"), 2, "--threads"),
    ((*JUDGE, "--gpu-layers", "-3"), 2, "use auto, all, or a number"),
    ((*JUDGE, "--chat-template", "folder"), 2, "no chat template 'folder'"),
    ((*JUDGE, "--model", "../../etc"), 2, "hint: known models: "),
    ((*JUDGE, "--scheme", "q4 k"), 2, "hint: did you mean q4_k"),
    ((*JUDGE, "--grammar", "pair"), 2, "unknown grammar 'pair'"),
    ((*JUDGE, "--adapter", "missing=3"), 2, "no such file"),
    ((*JUDGE, "--grammar", "rubric", "--rubric", "binary.csv"), 1, "not UTF-8"),
    ((*JUDGE, "--grammar", "rubric", "--rubric", "empty.csv"), 1, "no criteria"),
    (("eval", "--benchmark", "latin.csv"), 1, "latin.csv:2: not UTF-8"),
    (("eval", "--benchmark", "binary.jsonl"), 1, "not UTF-8"),
    (("eval", "--benchmark", "empty.jsonl"), 1, "no pairs in it"),
    (("eval", "--benchmark", "empty.csv"), 1, "no pairs in it"),
    (("eval", "--benchmark", "deep.jsonl"), 1, "nested deeper than 64 levels"),
    (("eval", "--benchmark", "folder"), 1, "a folder, expected a file"),
    (("eval", "--benchmark", "pandalmm"), 2, "pandalm"),
    (("eval", "--results", "one.jsonl"), 2, "is a file"),
    (("eval", "--limit", "0"), 2, "--limit"),
    (("eval", "--scheme", ""), 2, "--scheme is empty"),
    (("eval", "--grammar", ""), 2, "--grammar is empty"),
    (("eval", "--model", ""), 2, "--model is empty"),
    (("eval", "--benchmark", ""), 2, "--benchmark is empty"),
    (("eval", "--adapter", ""), 2, "--adapter is empty"),
    (("rank", "one.jsonl", "--scheme", "q8_0", "--scheme", ""), 2, "--scheme is empty"),
    ((*JUDGE, "--chat-template", ""), 2, "--chat-template is empty"),
    ((*JUDGE, "--engine", ""), 2, "--engine is empty"),
    (("attribute", "--grammar", ""), 2, "--grammar is empty"),
    (("choose", "--baseline", ""), 2, "--baseline is empty"),
    (("speed", "--grammar", ""), 2, "unknown grammar ''"),
    (("compare", "--baseline", "", "--results", RECORDED), 2, "baseline"),
    (("eval", "--head"), 2, "--head does nothing without --limit"),
    (("eval", "--price", "1,2"), 2, "--price does nothing without --engine"),
    (("eval", "--cluster", "nonsense"), 2, "not the address of a cluster"),
    (("compare", "missing"), 1, "no run in this folder"),
    (("compare", "--results", "folder"), 1, "no complete run in this folder"),
    (("compare", "--max-drop", "nan"), 2, "--max-drop is not a number"),
    (("compare", "--gate", "bound"), 2, "--gate does nothing without --max-drop"),
    (("jury", "folder"), 2, "at least two runs"),
    (("cascade", "folder", "folder"), 2, "the same run is named twice"),
    (("confidence", "--abstain", "nan"), 2, "--abstain is not a number"),
    (("report", "--results", RECORDED, "--out", "missing/page.html"), 1, "missing/page.html: No such file"),
    (("report", "--results", RECORDED, "--chart", "chart.pdf"), 2, "unknown kind of chart"),
    (("choose", "--budget", "nan"), 2, "not a time"),
    (("choose", "--max-pairs", "0"), 2, "--max-pairs"),
    (("pack", "show", "binary.jsonl"), 1, "not an edge-judge pack"),
    (("pack", "import", "empty.jsonl"), 1, "not an edge-judge pack"),
    (("quantize", "pocket"), 2, "no scheme given"),
    (("quantize", "folder", "q4_k_m"), 1, "expected the folder of a Hugging Face checkpoint"),
    (("quantize", "pocket", "q4_k_m+x", "--adapter", "folder"), 1, "expected the folder of a LoRA adapter"),
    (("quantize", "pocket", "q4_k_m", "--imatrix", "binary.gguf"), 1, "importance matrix"),
    (("imatrix",), 2, "no model given"),
    (("rank", "one.jsonl"), 1, "only one system"),
    (("rank", "binary.jsonl"), 1, "not UTF-8"),
    (("rank", "one.jsonl", "--games", "x"), 2, "not a number of games"),
    (("data", "pull", "pandalmm"), 2, "pandalm"),
    (("data", "check", "missing.csv"), 1, "no such file"),
    (("speed", "--seconds", "nan"), 2, "--seconds is not a number"),
    (("speed", "--shape", "qwen1.5-7b"), 2, "--shape needs a scheme"),
    (("worker", "nonsense"), 2, "not the address of a cluster"),
    (("comapre",), 2, "did you mean compare?"),
]


@pytest.mark.parametrize(("arguments", "code", "words"), WRONG, ids=[" ".join(one[0])[:60] for one in WRONG])
def test_a_wrong_input_is_one_line_a_hint_and_a_code(
    ends: Ends, arguments: tuple[str, ...], code: int, words: str
) -> None:
    ended, said = ends(*arguments)
    lines = [line for line in said.splitlines() if not line.startswith("not downloaded: ")]
    assert (ended, [line.partition(":")[0] for line in lines]) == (code, ["error", "hint"]), said
    assert words in said


@pytest.mark.parametrize(
    ("variables", "arguments", "words", "hint"),
    [
        ({"EDGE_JUDGE_LOCK": "nope"}, JUDGE, "cannot read nope: No such file", "EDGE_JUDGE_LOCK names it"),
        ({"EDGE_JUDGE_LOCK": "folder"}, ("models",), "cannot read folder: Is a directory", "EDGE_JUDGE_LOCK names it"),
        ({"EDGE_JUDGE_LOCK": "latin.csv"}, ("lock",), "latin.csv is not valid TOML", "EDGE_JUDGE_LOCK names it"),
        ({"EDGE_JUDGE_DATA": "one.jsonl"}, ("data", "list"), "EDGE_JUDGE_DATA is one.jsonl: a file", "name its folder"),
        ({"EDGE_JUDGE_DATA": "one.jsonl"}, ("data", "verify"), "EDGE_JUDGE_DATA is one.jsonl: a file", "its folder"),
        ({"EDGE_JUDGE_DATA": "one.jsonl"}, ("data", "pull", "pandalm"), "EDGE_JUDGE_DATA is one.jsonl", "folder"),
        ({"EDGE_JUDGE_DATA": "one.jsonl"}, ("eval", "-b", "all"), "EDGE_JUDGE_DATA is one.jsonl: a file", "its folder"),
        ({"EDGE_JUDGE_DATA": "one.jsonl"}, ("eval", "-b", "pandalm"), "EDGE_JUDGE_DATA is one.jsonl", "its folder"),
    ],
)
def test_a_variable_that_names_no_such_file_or_folder_is_told_by_its_name(
    ends: Ends,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    arguments: tuple[str, ...],
    words: str,
    hint: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    ended, said = ends(*arguments)
    error, hinted = said.splitlines()
    assert ended == 1 and error.startswith("error: ") and words in error and hint in hinted.removeprefix("hint: "), said


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="makes a pipe with a name")
@pytest.mark.parametrize(
    "arguments",
    [
        ("report", "--results", RECORDED, "--out", "pipe"),
        ("report", "--results", RECORDED, "--chart", "pipe.svg"),
        ("rank", "one.jsonl", "--page", "pipe"),
        ("pack", "export", f"{RECORDED}/pocket/pocket/f16/pairwise", "--output", "pipe"),
        ("speed", "--shape", "qwen1.5-7b", "--scheme", "q4_0", "--keep", "pipe"),
    ],
)
def test_a_file_does_not_replace_a_pipe_or_a_device(ends: Ends, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    for name in ("pipe", "pipe.svg"):
        os.mkfifo(tmp_path / name)
    code, said = ends(*arguments)
    assert code == 2 and "not a regular file; refusing to overwrite" in said
    assert (tmp_path / "pipe").is_fifo() and (tmp_path / "pipe.svg").is_fifo()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="makes a pipe with a name")
def test_nothing_that_is_written_whole_replaces_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Exception, match="not a regular file"):
        write_whole(tmp_path / "pipe", b"x")
    with pytest.raises(OSError, match="not a regular file"):
        replace_text(tmp_path / "pipe", "x")
    assert (tmp_path / "pipe").is_fifo() and list(tmp_path.iterdir()) == [tmp_path / "pipe"]


def test_a_value_longer_than_csv_allows_by_default_is_read(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text(f"question,a,b,label\nRepeat: dog,dog,{'x' * 200_000},a\n", encoding="utf-8")
    (pair,) = load(path).pairs
    assert len(pair.b) == 200_000


# ---- Ctrl-C -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "module", ["edge_judge.cli", "click", "edge_judge.cli.commands.models", "edge_judge.workflows"]
)
def test_ctrl_c_while_code_is_imported_is_an_interrupt_and_no_traceback(module: str, tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "class Interrupts:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}: raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupts())\n"
        "sys.argv = ['edge-judge', 'models', '--gpu-memory', '8GB']\n"
        "from edge_judge.__main__ import run\n"
        "run()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "error: interrupted\n")


def test_the_installed_command_begins_where_an_interrupt_is_caught() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"] == {"edge-judge": "edge_judge.__main__:run"}


@pytest.mark.parametrize(
    ("command", "function", "hint"),
    [
        (("eval",), "evaluate.evaluate", "run the same command again to resume\n"),
        (("eval", "--fresh"), "evaluate.evaluate", "run the same command again to resume, without --fresh\n"),
        (("choose",), "choose.choose", "run the same command again to resume\n"),
        (("imatrix", "pocket"), "imatrix.imatrix", "run the same command again to resume\n"),
        (("rank", "one.jsonl"), "rank.rank", "run the same command again to resume\n"),
        (("demo",), "demo.demo", None),
        (("report",), "report.report", None),
        (("compare",), "compare.compare", None),
        (("table",), "table.table", None),
        (JUDGE, "judge_pair.judge", None),
        (("speed",), "speed.speed", None),
    ],
)
def test_only_a_command_that_resumes_says_so_when_it_is_stopped(
    ends: Ends, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], function: str, hint: str | None
) -> None:
    module, _, name = function.partition(".")
    workflow = import_module(f"edge_judge.workflows.{module}")
    assert hasattr(workflow, name)

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(workflow, name, stopped)
    expected = "" if hint is None else f"hint: nothing is lost: {hint}"
    assert ends(*command) == (130, f"error: interrupted\n{expected}")


# ---- names in errors --------------------------------------------------------------------------------------


def test_an_error_names_the_file_that_was_meant_and_not_a_temporary_one(tmp_path: Path) -> None:
    target = tmp_path / "missing" / "page.html"
    for write in (lambda: write_whole(target, b"x"), lambda: replace_text(target, "x")):
        with pytest.raises(FileNotFoundError) as caught:
            write()
        assert (caught.value.filename, caught.value.errno) == (str(target), errno.ENOENT)


@pytest.mark.parametrize("resumable", [True, False])
def test_an_error_of_a_build_names_the_file_that_is_built(tmp_path: Path, resumable: bool) -> None:
    out = tmp_path / "judge.gguf"
    with pytest.raises(PackError) as caught, build_folder.opened(out, resumable=resumable) as folder:
        raise PackError(f"cannot write {folder.unfinished}: no room")
    assert str(caught.value) == f"cannot write {out}: no room"


# ---- speed ------------------------------------------------------------------------------------------------


class SlowMachine:
    """Reads ten tokens a second."""

    model = None

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read: list[int] = []
        monkeypatch.setattr(throughput, "_reading_plan", lambda _, count: count)
        monkeypatch.setattr(throughput, "_reading_seconds", self._seconds)

    def _seconds(self, _: object, count: int) -> float:
        self.read.append(count)
        return count / 10


@pytest.mark.parametrize(("duration", "read"), [(0.1, [32]), (4.0, [256, 256]), (30.0, [256, 256, 256, 256])])
def test_a_short_measurement_is_short_on_a_slow_machine_too(
    monkeypatch: pytest.MonkeyPatch, duration: float, read: list[int]
) -> None:
    slow = SlowMachine(monkeypatch)
    assert throughput._prompt_rate(slow, duration) == pytest.approx(10)  # type: ignore[arg-type]
    assert slow.read == read


def test_a_measurement_reports_its_steps() -> None:
    class Seen(ProgressListener):
        def __init__(self) -> None:
            self.steps: list[Progress] = []

        def progress(self, progress: Progress) -> None:
            self.steps.append(progress)

    seen = Seen()
    steps = _Steps(seen, 3)
    for _ in range(3):
        steps.done()
    assert [(one.verdicts, one.verdicts_total, one.unit) for one in seen.steps] == [(n, 3, "steps") for n in (1, 2, 3)]
    assert [one.left is None for one in seen.steps] == [True, False, True]
