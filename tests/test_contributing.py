"""CONTRIBUTING.md's recipes, followed word by word in a copy of the project: so many files, and the thing works."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from checkpoints import llama_config, make_checkpoint

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
RECIPE = re.compile(r"^## How to (add [^:\n]+): (\d) files?\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"^`([\w./-]+)`:\n\n```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RECIPES = {title: (int(count), body) for title, count, body in RECIPE.findall(TEXT)}
PARTS = ("edge_judge", "quantize", "grammars", "models.lock", "results/published.csv")


class Copy:
    """A copy of the project that can be changed and run."""

    def __init__(self, root: Path, environment: dict[str, str]) -> None:
        self.root = root
        self._environment = {**environment, "PYTHONPATH": str(root), "EDGE_JUDGE_DATA": str(root / "data")}
        for part in PARTS:
            source, target = ROOT / part, root / part
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)

    def follow(self, title: str) -> set[str]:
        """Write what a recipe says, and return the files that it touches."""
        touched = set()
        for name, language, content in FILE.findall(RECIPES[title][1]):
            path = self.root / name
            if language == "diff":
                path.write_text(changed(path.read_text(encoding="utf-8"), content), encoding="utf-8")
            else:
                assert not path.exists(), f"{name} is there already"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content, encoding="utf-8")
            touched.add(name)
        return touched

    def run(self, *arguments: object) -> str:
        return self.python("-m", "edge_judge", *arguments)

    def python(self, *arguments: object) -> str:
        command = [sys.executable, *map(str, arguments)]
        done = subprocess.run(command, cwd=self.root, env=self._environment, capture_output=True, encoding="utf-8")
        assert done.returncode == 0, done.stderr
        return done.stdout


def changed(text: str, diff: str) -> str:
    """A text with the lines of a diff that begin with - replaced by those with + that follow them."""
    for old, new in re.findall(r"((?:^-[^\n]*\n)+)((?:^\+[^\n]*\n)*)", diff, re.MULTILINE):
        before, after = (re.sub(r"^[-+]", "", lines, flags=re.MULTILINE) for lines in (old, new))
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    return text


@pytest.fixture
def copy(tmp_path: Path, environment: dict[str, str]) -> Copy:
    return Copy(tmp_path / "project", environment)


MOST = {  # files that each recipe may take
    "add a benchmark": 2,
    "add a protocol of a known kind": 1,
    "add a model family": 1,
    "add a column of the compare table": 1,
    "add a command": 2,
    "add an engine": 1,
}


def test_each_recipe_takes_as_few_files_as_it_says() -> None:
    assert set(RECIPES) == set(MOST)
    for title, (count, body) in RECIPES.items():
        assert len({name for name, _, _ in FILE.findall(body)}) == count <= MOST[title], title


def test_a_benchmark_is_added_and_judged(copy: Copy) -> None:
    copy.follow("add a benchmark")
    rows = [("Name a fruit.", "Plum.", "Stone.", 1), ("Name another fruit.", "Brick.", "Pear.", 2)]
    lines = [json.dumps(dict(zip(("ask", "first", "second", "better"), row, strict=True))) for row in rows]
    (copy.root / "data" / "fruits").mkdir(parents=True)
    (copy.root / "data" / "fruits" / "fruits.jsonl").write_bytes("".join(f"{line}\n" for line in lines).encode())
    assert "fruits" in copy.run("data", "list")
    (score,) = json.loads(copy.run("eval", "--benchmark", "fruits", "--scheme", "q4_k_m", "--json"))
    assert (score["benchmark"], score["pairs"], score["verdicts"]) == ("fruits", 2, 4)


def test_a_protocol_is_added_and_judges(copy: Copy) -> None:
    copy.follow("add a protocol of a known kind")
    (score,) = json.loads(copy.run("eval", "--grammar", "letter", "--scheme", "q4_k_m", "--limit", "3", "--json"))
    assert score["grammar"] == "letter" and score["strict"]["format_errors"]["k"] == 0


def test_a_model_family_is_added_and_quantized(copy: Copy, tmp_path: Path) -> None:
    config = llama_config(architectures=["HouseForCausalLM"], model_type="house")
    checkpoint = make_checkpoint(tmp_path / "house", config)
    copy.follow("add a model family")
    printed = copy.run("quantize", checkpoint, "q8_0", "--out", tmp_path / "house.gguf")
    assert printed.strip() == str(tmp_path / "house.gguf") and (tmp_path / "house.gguf").read_bytes()[:4] == b"GGUF"


def test_a_column_is_added_and_stands_in_the_terminal_and_on_the_page(copy: Copy) -> None:
    copy.follow("add a column of the compare table")
    for scheme in ("f16", "q4_k_m"):
        copy.run("eval", "--scheme", scheme, "--limit", 3)
    assert "errors %" in copy.run("compare")
    page = copy.root / copy.run("report").strip()
    assert '"format errors %"' in page.read_text(encoding="utf-8")


def test_a_command_is_added_and_listed_and_runs(copy: Copy) -> None:
    copy.follow("add a command")
    assert copy.run("labels", "--csv").splitlines()[0] == "benchmark,a_votes,b_votes,tie_votes"
    assert r"pocket & " in copy.run("labels", "--latex")
    (counts,) = json.loads(copy.run("labels", "--json"))
    assert counts["benchmark"] == "pocket" and sum(counts["votes"].values()) == 600
    begin = copy.run("--help").split("\nBegin:\n")[1].split("\n\n")[0]
    assert "labels      Count the votes" in begin
    assert "edge-judge labels" in copy.run("labels", "--help").split("\n  Examples:")[1]


JUDGED = """
from pathlib import Path

from edge_judge import benchmarks
from edge_judge.engine.eager import EagerEngine
from edge_judge.protocols import grammar
from edge_judge.protocols.protocol import Protocol
from edge_judge.records import Judge
from edge_judge.runs.folder import RunFolder
from edge_judge.runs.identity import run_identity, run_settings
from edge_judge.runs.session import Session

judge, benchmark = Judge("eager", "none", None, None, "no weights"), benchmarks.load("pocket")
protocol = Protocol(grammar.load("pairwise"), ties=False)
with Session(judge, engine=EagerEngine()) as session:
    settings = run_settings(benchmark, judge, protocol, session.limits, session.engine)
    with RunFolder.open(Path("results"), run_identity(benchmark, judge, protocol), settings, fresh=False) as folder:
        verdicts, _ = session.evaluate(benchmark, protocol, folder)
print(len(verdicts), {(verdict.order, verdict.verdict) for verdict in verdicts} == {("ab", "a"), ("ba", "b")})
"""


def test_an_engine_is_added_and_judges(copy: Copy) -> None:
    copy.follow("add an engine")
    assert copy.python("-c", JUDGED).split() == ["1200", "True"]
