"""What is installed: the wheel has all that the commands need, and nothing heavy is needed to say hello."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_the_wheel_carries_grammars_lock_published_figures_and_the_embedded_judge(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    wanted = {"quantize/models.lock", "edge_judge/published.csv", "edge_judge/pocket/pairs.jsonl"}
    wanted |= {f"edge_judge/grammars/{path.name}" for path in (ROOT / "grammars").glob("*.gbnf")}
    wanted |= {
        f"edge_judge/protocols/prompts/{path.name}" for path in (ROOT / "edge_judge/protocols/prompts").glob("*.txt")
    }
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        wanted.add(f"edge_judge/pocket/checkpoint/{name}")
    assert wanted <= names


def test_the_embedded_judge_is_at_most_ten_megabytes() -> None:
    folder = ROOT / "edge_judge" / "pocket" / "checkpoint"
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 10_000_000


def test_torch_is_never_a_dependency_of_the_product(wheel: zipfile.ZipFile) -> None:
    metadata = next(name for name in wheel.namelist() if name.endswith("METADATA"))
    needed = [line for line in wheel.read(metadata).decode().splitlines() if line.startswith("Requires-Dist")]
    assert not [line for line in needed if "torch" in line and "extra ==" not in line]


def test_every_dependency_is_bounded_and_named_in_the_readme_with_its_reason() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    readme = (ROOT / "README.md").read_text("utf-8")
    for requirement in project["dependencies"]:
        name = requirement.split(">")[0]
        assert ">=" in requirement and "<" in requirement, requirement
        assert f"| {name} |" in readme, name
