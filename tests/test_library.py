"""The library: every public name is there when it is asked for, nothing loads before, the README's example runs."""

from __future__ import annotations

import ast
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import edge_judge
from edge_judge.cli import main
from edge_judge.records import BuildProgress, ProgressListener, WorkEstimate
from edge_judge.workflows.options import JudgeOptions

ROOT = Path(__file__).parent.parent
MOST = 12  # parameters of a command


def commands(group: click.Group = main) -> Iterator[click.Command]:
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command)
        else:
            yield command


def test_every_public_name_is_there_and_is_listed() -> None:
    assert len(edge_judge.__all__) == len(set(edge_judge.__all__))
    for name in edge_judge.__all__:
        assert getattr(edge_judge, name) is not None, name
    assert set(edge_judge.__all__) <= set(dir(edge_judge))
    with pytest.raises(AttributeError, match="has no attribute 'evalute'"):
        _ = edge_judge.evalute  # type: ignore[attr-defined]


def test_every_public_name_is_imported_once_for_type_checkers() -> None:
    tree = ast.parse((ROOT / "edge_judge" / "__init__.py").read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    assert len(imports) == len(block.body)
    imported = [alias.name for node in imports for alias in node.names]
    assert sorted([*imported, "__version__"]) == sorted(edge_judge.__all__)


def test_every_command_has_its_function_in_the_library() -> None:
    functions = {name for name in edge_judge.__all__ if inspect.isfunction(getattr(edge_judge, name))}
    others = {"eval": "evaluate", "lock": "lock_sources", "pack": "export_pack", "data": "list_benchmarks"}
    names = main.list_commands(click.Context(main))
    assert {others.get(name, name) for name in names} <= functions


@pytest.mark.parametrize("first", ["edge_judge.report.formatting", "edge_judge.workflows.report"])
def test_report_is_the_function_whatever_was_imported_before(first: str) -> None:
    program = f"import importlib, edge_judge; importlib.import_module('{first}'); print(callable(edge_judge.report))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", cwd=ROOT)
    assert done.stdout.strip() == "True", done.stderr


def test_no_command_has_more_than_a_dozen_parameters() -> None:
    for command in commands():
        assert command.callback is not None
        assert len(inspect.signature(command.callback).parameters) <= MOST, command.name


def test_no_function_of_the_library_has_more_than_a_dozen_parameters() -> None:
    for name in edge_judge.__all__:
        function = getattr(edge_judge, name)
        if inspect.isfunction(function):
            assert len(inspect.signature(function).parameters) <= MOST, name


class Recording(ProgressListener):
    """Keeps the names of what it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def begin(self, title: str) -> None:
        self.heard.append(title)

    def end(self) -> None:
        self.heard.append("end")

    def estimate(self, name: str, estimate: WorkEstimate) -> None:
        self.heard.append(f"{name}: {estimate.verdicts}")

    def build(self, progress: BuildProgress) -> None:
        if progress.bytes == progress.bytes_total:
            self.heard.append(progress.stage)


def test_a_listener_hears_of_a_build_and_of_a_run_from_begin_to_end(
    models: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EDGE_JUDGE_MODELS", str(models))
    monkeypatch.chdir(tmp_path)
    listener = Recording()
    made = edge_judge.quantize("pocket", "q8_0", listener=listener)
    assert made.path.stat().st_size == made.bytes
    assert listener.heard[0] == "pocket q8_0" and listener.heard[-2:] == ["pack", "end"]
    listener = Recording()
    settings = edge_judge.EvaluateSettings(tmp_path / "runs", limit=3)
    (row,) = edge_judge.evaluate(JudgeOptions(scheme="q8_0"), settings=settings, listener=listener)
    assert (row.score.pairs, row.score.verdicts) == (3, 6)
    assert listener.heard == ["pocket · pocket q8_0 · pairwise", "pocket: 6", "end"]


def test_the_example_of_the_readme_runs(environment: dict[str, str], tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.split("\n## Using it as a library\n")[1].split("\n## ")[0]
    (program,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    path = os.pathsep.join([str(ROOT), environment.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env={**environment, "PYTHONPATH": path},
        capture_output=True, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    printed = done.stdout.splitlines()
    assert [line.split()[0] for line in printed[:2]] == ["f16", "q4_k_m"]
    assert "verdict" in done.stdout


def test_the_readme_can_be_read_in_one_sitting() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 200


def test_what_a_path_is_asked_for_may_be_given_as_text(tmp_path: Path) -> None:
    recorded = Path(edge_judge.__file__).parent.parent / "results" / "0.1.0"
    ladder = recorded / "pocket" / "pocket"
    f16, q2_k = (str(ladder / scheme / "pairwise") for scheme in ("f16", "q2_k"))
    assert edge_judge.RunsOptions([f16], str(recorded)) == edge_judge.RunsOptions((Path(f16),), recorded)
    assert edge_judge.BenchmarkOptions("pairs.csv").names == ("pairs.csv",)
    assert [lost.verdicts for lost in edge_judge.compare(edge_judge.RunsOptions([q2_k])).comparisons] == [1200]
    assert edge_judge.jury([f16, q2_k]).verdicts == edge_judge.cascade(q2_k, f16).verdicts == 1200
    exported = edge_judge.export_pack(f16, str(tmp_path / "f16.ejpack"))
    imported = edge_judge.import_pack(str(exported.path), edge_judge.ImportSettings(results=str(tmp_path)))
    assert len(edge_judge.runs_frame([str(imported)])) == 1200


def test_judging_here_loads_nothing_that_only_an_endpoint_or_a_cluster_needs() -> None:
    program = (
        "import sys; import edge_judge.workflows.evaluate, edge_judge.workflows.choose; "
        "print([name for name in ('asyncio', 'httpx2', 'distributed') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "[]\n"
