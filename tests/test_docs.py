"""docs/architecture.md names what is there: each function, class and file of its two walks exists under that name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
WALKS = re.findall(r"^## (The way of [^\n]+)\n\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)


def defined(path: Path) -> Iterator[tuple[str, str]]:
    """Every function and class of a file, and the class or module that it belongs to."""

    def inside(owner: str, body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
        for node in body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                yield owner, node.name
            if isinstance(node, ast.ClassDef):
                yield from inside(node.name, node.body)

    owner = path.parent.name if path.stem == "__init__" else path.stem
    yield from inside(owner, ast.parse(path.read_text(encoding="utf-8")).body)


FILES = [path for package in ("edge_judge", "quantize") for path in (ROOT / package).rglob("*.py")]
DEFINED = {path: set(defined(path)) for path in FILES}


def exists(text: str) -> bool:
    """Whether there is such a file, `file.py: name`, `owner.name` or `name`."""
    file, _, name = text.rpartition(": ")
    if text.endswith(".py"):
        file, name = text, ""
    named = {(owner, name_) for path, names in DEFINED.items() if str(path).endswith(file) for owner, name_ in names}
    if not name:
        return any(str(path).endswith(f"/{file}") for path in FILES)
    owner, _, last = name.rpartition(".")
    return any(name_ == last and owner in ("", owner_) for owner_, name_ in named)


def test_a_name_is_held_to_its_file_and_owner() -> None:
    assert exists("workflows/evaluate.py: evaluate") and exists("RunFolder.append") and exists("benchmarks.load")
    assert not exists("workflows/compare.py: evaluate") and not exists("RunFolder.evaluate")
    assert not exists("no_such.py")


@pytest.mark.parametrize(("title", "walk"), WALKS, ids=[title for title, _ in WALKS])
def test_each_name_of_a_walk_exists_and_the_walk_has_at_most_ten_steps(title: str, walk: str) -> None:
    steps = re.split(r"^\d+\. ", walk, flags=re.MULTILINE)[1:]
    assert 5 < len(steps) <= 10 and all("`" in step for step in steps)
    assert [name for name in re.findall(r"`([^`]+)`", walk) if not exists(name)] == []


def test_both_walks_are_there() -> None:
    assert len(WALKS) == 2
