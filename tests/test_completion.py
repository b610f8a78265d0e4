"""What a shell completes: asked as bash, zsh and fish ask, with the words of the line in the environment."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete
from conftest import Edge
from test_library import commands

from edge_judge import benchmarks
from edge_judge.cli import main
from edge_judge.protocols import grammar
from quantize import lock, schemes

VARIABLE = "_EDGE_JUDGE_COMPLETE"
RECORDED = Path(__file__).parent.parent / "results" / "0.1.0"


def completed(monkeypatch: pytest.MonkeyPatch, line: str, shell: type[ShellComplete] = BashComplete) -> list[str]:
    """The values and kinds that a shell is given for a line, whose last word is completed."""
    words = line.split(" ")
    monkeypatch.setenv("COMP_WORDS", line if shell is not FishComplete else " ".join(words[:-1]))
    monkeypatch.setenv("COMP_CWORD", words[-1] if shell is FishComplete else str(len(words) - 1))
    complete = shell(main, {}, "edge-judge", VARIABLE)
    return [item.value or item.type for item in complete.get_completions(*complete.get_completion_args())]


@pytest.fixture(autouse=True)
def nothing_built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EDGE_JUDGE_MODELS", str(tmp_path / "models"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("shell", [BashComplete, ZshComplete, FishComplete])
def test_each_shell_completes_models_schemes_benchmarks_and_grammars(
    monkeypatch: pytest.MonkeyPatch, shell: type[ShellComplete]
) -> None:
    known = [model.name for model in lock.read().models]
    assert completed(monkeypatch, "edge-judge eval --model ", shell) == known
    assert completed(monkeypatch, "edge-judge eval -m qwen", shell) == [n for n in known if n.startswith("qwen")]
    assert completed(monkeypatch, "edge-judge quantize pocket q4", shell) == ["q4_k_m", "q4_k_s", "q4_1", "q4_0"]
    assert completed(monkeypatch, "edge-judge choose -b ", shell) == [*benchmarks.names(), "all"]
    assert completed(monkeypatch, "edge-judge judge -g pair", shell) == [
        name for name in grammar.names() if name.startswith("pair")
    ]
    assert completed(monkeypatch, "edge-judge ch", shell) == ["choose"]


def test_a_scheme_is_one_that_is_built_of_the_model_that_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lock.record_built(tmp_path / "models", lock.BuiltFile("llama-3-8b", "q4_k_m+mine", "x.gguf", "0" * 64, 1))
    assert completed(monkeypatch, "edge-judge choose -m llama-3-8b --scheme ") == ["q4_k_m+mine"]
    assert completed(monkeypatch, "edge-judge eval -m llama-3-8b -s ") == ["q4_k_m+mine"]
    assert set(completed(monkeypatch, "edge-judge eval -s ")) == {*schemes.SCHEMES, "q4_k_m+mine"}
    lock.record_built(tmp_path / "models", lock.BuiltFile("mine", "q8_0", "y.gguf", "0" * 64, 1))
    assert completed(monkeypatch, "edge-judge eval -m mi") == ["mine"]


def test_runs_are_completed_below_the_results_that_are_named_and_else_a_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(RECORDED / "pocket", tmp_path / "results" / "pocket")
    runs = sorted(str(path.parent.relative_to(tmp_path)) for path in tmp_path.glob("results/*/*/*/*/score.json"))
    for command, begun in {"compare": "results/pocket/pocket/q", "cascade": "results/pocket/pocket/f16/p"}.items():
        expected = [run for run in runs if run.startswith(begun)]
        assert len(expected) > 1 and completed(monkeypatch, f"edge-judge {command} {begun}") == expected
    assert completed(monkeypatch, "edge-judge compare elsewhere/") == ["elsewhere/"]
    assert completed(monkeypatch, "edge-judge compare --baseline q8") == ["q8_0"]


def test_a_broken_record_of_built_files_completes_nothing_and_says_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "models").mkdir()
    for broken in ("built = [", "built = 1", "built = [1]", "a = " + "[" * 100_000, "a." * 500_000):
        (tmp_path / "models" / "models.lock").write_text(broken, encoding="utf-8")
        assert completed(monkeypatch, "edge-judge eval -m poc") == ["pocket"]
    for broken in ("models = 1", "models = [1]", "a = " + "[" * 100_000):
        (tmp_path / "own.lock").write_text(broken, encoding="utf-8")
        monkeypatch.setenv("EDGE_JUDGE_LOCK", str(tmp_path / "own.lock"))
        assert completed(monkeypatch, "edge-judge eval -m poc") == []


def test_completing_loads_nothing_heavy(environment: dict[str, str]) -> None:
    heavy = ("llama_cpp", "numpy", "pandas", "rich", "jinja2", "tokenizers")
    for line in ("edge-judge eval -s q4", "edge-judge eval -b ", "edge-judge choose -g ", "edge-judge compare x"):
        program = (
            "import atexit, sys; from edge_judge.cli import main; "
            f"atexit.register(lambda: print([name for name in {heavy} if name in sys.modules])); "
            "main(prog_name='edge-judge')"
        )
        asked = {VARIABLE: "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
        done = subprocess.run(
            [sys.executable, "-c", program], env={**environment, **asked}, capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines()[-1] == "[]", line
        assert len(done.stdout.splitlines()) > 1, line


def test_the_script_that_a_shell_runs_names_the_command(edge: Edge) -> None:
    for shell in ("bash", "zsh", "fish"):
        program = "from edge_judge.cli import main; main(prog_name='edge-judge')"
        done = subprocess.run(
            [sys.executable, "-c", program], env={VARIABLE: f"{shell}_source", "PATH": "/usr/bin:/bin"},
            capture_output=True, text=True,
        )  # fmt: skip
        if shell == "bash" and shutil.which("bash") is None:
            continue
        assert f"{VARIABLE}={shell}_complete" in done.stdout


LETTERS = {
    "-m": "--model", "-s": "--scheme", "-b": "--benchmark", "-g": "--grammar", "-n": "--limit", "-q": "--quiet",
    "-v": "--verbose", "-o": "--out",
}  # fmt: skip


def test_a_letter_means_the_same_in_every_command_and_every_common_option_has_it() -> None:
    for command in commands():
        for option in command.get_params(click.Context(command)):
            short = [name for name in option.opts if len(name) == 2 and name not in ("-h", "--")]
            long = [name for name in option.opts if name.startswith("--")]
            for letter in short:
                assert LETTERS[letter] in long or (letter, long) == ("-o", ["--output"]), command.name
            for letter, name in LETTERS.items():
                assert name not in long or letter in short, (command.name, name)


def test_every_command_has_quiet_and_an_option_under_one_heading_only() -> None:
    from edge_judge.cli.command import SECTIONS

    placed = [name for names in SECTIONS.values() for name in names]
    assert len(placed) == len(set(placed))
    known = {param.name for command in commands() for param in command.get_params(click.Context(command))}
    assert set(placed) - known <= {"help"}
    for command in commands():
        assert "--quiet" in [name for param in command.get_params(click.Context(command)) for name in param.opts]


def test_help_groups_many_options_by_what_they_are_for(edge: Edge) -> None:
    for command, headings in {
        "eval": ["Judge", "Prompt and grammar", "Benchmark", "Memory, threads and GPU", "Several machines", "Output"],
        "choose": ["Judge", "Benchmark", "Decision", "Output"],
        "rank": ["Judge", "Output"],
    }.items():
        lines = edge(command, "--help").stdout.splitlines()
        assert [heading for heading in headings if f"{heading}:" not in lines] == [], command
    few = edge("cascade", "--help").stdout
    assert "Options:" in few.splitlines() and "\n  SMALL  " not in few
    assert not any(re.match(r" +\S*\.\.\.", line) for line in edge("rank", "--help").stdout.splitlines())
