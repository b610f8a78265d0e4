"""The README can be followed: every command that it names runs, with real files where it says FILE, MODEL or RUN."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
from adapters import pocket_adapter
from checkpoints import llama_config, make_checkpoint
from conftest import Edge
from hubserver import COMMIT, Shelf, lock_text, serving
from newcomer_files import benchmarks, ggufs, outputs, recorded_protocols
from training_data import pair_rows, write_lines

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
COMMANDS = (
    "attribute|cascade|choose|compare|confidence|data|demo|doctor|eval|imatrix|judge|jury|lock|models|pack|quantize"
    "|rank|report|slices|speed|table|train|worker"
)
SPAN = re.compile(rf"`((?:edge-judge )?(?:{COMMANDS}) [^`]+|edge-judge (?:{COMMANDS}))`")
LINE = re.compile(r"^    (?:\$ )?(edge-judge .+?)(?:  +#.*)?$", re.MULTILINE)
RUNS = [f"results/pocket/pocket/{scheme}/pairwise" for scheme in ("q2_k", "q8_0", "q4_k_m")]
SHORT = "--scheme q2_k --limit 3 --threads 1"


@dataclass(frozen=True)
class As:
    """lines: what is typed for a command of the README, `edge-judge` left out, one after another; words: in what the
    last prints; needs: a module that may be missing.
    """

    lines: tuple[str, ...]
    words: str = ""
    needs: str = "click"


def typed(*lines: str, words: str = "", needs: str = "click") -> As:
    return As(lines, words, needs)


RUN = {
    "edge-judge quantize qwen1.5-14b q4_k_m": typed("quantize qwen1.5-14b q4_k_m", words="qwen1.5-14b-q4_k_m.gguf"),
    "edge-judge eval --grammar pairwise": typed(f"eval --grammar pairwise {SHORT} --results mine", words="position"),
    "edge-judge demo": typed("demo --results mine", words="can be trusted"),
    "edge-judge models": typed("models", words="Known models"),
    "edge-judge data list": typed("data list", words="Benchmarks"),
    "edge-judge data": typed("data list", "data verify pocket", "data check pairs.jsonl", words="format"),
    "edge-judge doctor": typed("doctor", words="Checks"),
    "edge-judge speed": typed("speed --scheme q2_k --seconds 0.1", words="pocket"),
    "edge-judge quantize MODEL SCHEME": typed("quantize pocket q2_k", words="pocket-q2_k.gguf"),
    "edge-judge imatrix MODEL": typed("imatrix pocket --limit 2 --out i.gguf", words="i.gguf"),
    "quantize --imatrix": typed(
        "imatrix pocket --limit 2 --out i.gguf", "quantize pocket iq2_xs+mine --imatrix i.gguf", words="iq2_xs+mine"
    ),
    "edge-judge train MODEL --data FILE": typed(
        "train pocket --data labelled.jsonl --out tuned --epochs 1 --rank 2 --device cpu", words="tuned", needs="peft"
    ),
    "edge-judge judge --question … --a … --b …": typed(
        "judge --question 'Name a fruit.' --a plum --b saw", words="both orders"
    ),
    "edge-judge compare [RUN…]": typed("compare " + " ".join(RUNS), "compare", words="can be trusted"),
    "edge-judge choose --margin 2": typed("choose --margin 2 --scheme q4_k_m --results mine", words="can be trusted"),
    "edge-judge table [RUN…]": typed("table " + " ".join(RUNS), "table", words="Judges by benchmarks"),
    "edge-judge rank OUTPUTS…": typed("rank one.jsonl two.jsonl three.jsonl --results mine", words="win rate"),
    "edge-judge report": typed("report", words="report.html"),
    "report --chart": typed("report --chart judges.svg", words="report.html"),
    "edge-judge attribute": typed("attribute", words="noise floor"),
    "edge-judge slices [RUN…]": typed(f"slices {RUNS[0]}", words="category"),
    "edge-judge confidence [RUN…]": typed("confidence", f"confidence {RUNS[0]} --abstain 5", words="answered"),
    "edge-judge cascade SMALL LARGE": typed(f"cascade {RUNS[0]} {RUNS[1]}", words="passed on"),
    "edge-judge jury RUN RUN…": typed("jury " + " ".join(RUNS), words="majority"),
    "edge-judge pack export|import|show": typed(
        f"pack export {RUNS[0]} -o run.ejpack", "pack import run.ejpack --results mine", "pack show run.ejpack",
        words="pocket",
    ),
    "edge-judge lock": typed("lock", "lock --check", words="as pinned"),
    "quantize MODEL q4_k_m+mine --adapter FOLDER": typed(
        "quantize pocket q4_k_m+mine --adapter lora", words="pocket-q4_k_m+mine.gguf"
    ),
    "eval --adapter FILE": typed(
        "quantize pocket --adapter lora --adapter-only --out lora.gguf", "eval --adapter lora.gguf --limit 3"
        " --results mine", words="f16+lora",
    ),
    "edge-judge eval --gguf FILE": typed("eval --gguf Some-Judge-Q8_0.gguf --limit 3", words="some-judge-1b q8_0"),
    "edge-judge eval --benchmark pairs.jsonl": typed("eval --benchmark pairs.jsonl --results mine", words="labelled"),
}  # fmt: skip
SEVERAL_MACHINES = {"edge-judge worker tcp://…", "eval --cluster tcp://…"}
# what tests/test_endpoint.py and tests/test_completion.py run
ELSEWHERE = {"eval --engine URL", 'eval "$(_EDGE_JUDGE_COMPLETE=bash_source edge-judge)"'}


def named() -> set[str]:
    """The commands in the README's text and in its listings."""
    return {found.replace(r"\|", "|") for found in [*SPAN.findall(README), *LINE.findall(README)]}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A hub on this machine, which has a small checkpoint."""
    model = make_checkpoint(tmp_path_factory.mktemp("hub") / "tiny", llama_config(num_hidden_layers=1))
    with serving(Shelf({("some/tiny", COMMIT): model})) as url:
        yield url


@pytest.fixture
def desk(tmp_path: Path, hub: str, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> Path:
    """A folder with everything that is needed; models that are not pocket are named by a models.lock of its own."""
    for put in (recorded_protocols, benchmarks, outputs, ggufs):
        put(tmp_path)
    write_lines(tmp_path / "labelled.jsonl", pair_rows(12))
    pocket_adapter(tmp_path / "lora")
    (tmp_path / "models.lock").write_text(lock_text("qwen1.5-14b", "model.safetensors"), "utf-8")
    return tmp_path


def test_each_command_that_the_readme_names_is_run_below() -> None:
    assert named() - SEVERAL_MACHINES - ELSEWHERE == set(RUN)


@pytest.mark.parametrize("command", RUN)
def test_a_command_of_the_readme_runs(command: str, desk: Path, edge: Edge, hub: str, tmp_path: Path) -> None:
    if not find_spec(RUN[command].needs):
        pytest.skip(f"{RUN[command].needs} is not installed: pip install '.[train]'")
    own = {"HF_ENDPOINT": hub, "HF_HOME": str(tmp_path / "hf"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    if "qwen1.5-14b" in command or command.endswith("lock"):
        own["EDGE_JUDGE_LOCK"] = str(desk / "models.lock")
    for line in RUN[command].lines:
        done = edge(*shlex.split(line), **own)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    assert RUN[command].words in done.stdout + done.stderr


def test_a_worker_judges_for_an_eval_on_several_machines(
    environment: dict[str, str], edge: Edge, tmp_path: Path
) -> None:
    pytest.importorskip("distributed", reason="several machines need distributed: pip install '.[cluster]'")
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    assert edge("quantize", "pocket", "q2_k").returncode == 0
    command = [sys.executable, "-m", "edge_judge", "worker", address, "--insecure"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as worker:
        try:
            done = edge("eval", "--cluster", address, "--insecure", *shlex.split(SHORT), "--json")
        finally:
            worker.terminate()
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["verdicts"] == 6


def test_each_target_of_make_that_the_readme_names_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    asked = set(re.findall(r"(?:^    |`|\" )make ([a-z-]+)", README, re.MULTILINE))
    assert {"demo", "test", "setup", "bench"} <= asked <= targets
