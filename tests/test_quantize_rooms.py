"""The rooms of `quantize`: which may use which, and what merely importing them costs."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import quantize

ROOT = Path(quantize.__file__).parent
ORDER = re.findall(r"^    (\w+)(?:, (\w+))?", quantize.__doc__, re.MULTILINE)
ROOMS = [name for pair in ORDER for name in pair if name]


def room(path):
    return path.stem if path.parent == ROOT else path.parent.name


def used(path):
    """Every module a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = node.module == "quantize"
            yield from (f"quantize.{alias.name}" for alias in node.names) if whole else [node.module]


FILES = [path for path in sorted(ROOT.rglob("*.py")) if path != ROOT / "__init__.py"]


def test_every_room_is_in_the_list():
    assert {room(path) for path in FILES} == set(ROOMS)


def test_a_room_uses_only_what_stands_above_it():
    for path in FILES:
        for module in used(path):
            if module.startswith("quantize."):
                other = module.split(".")[1]
                assert other == room(path) or ROOMS.index(other) < ROOMS.index(room(path)), f"{path.name}: {module}"


def test_nothing_here_knows_the_judging_half_nor_the_command_line():
    for path in FILES:
        tops = {module.split(".")[0] for module in used(path)}
        assert not tops & {"edge_judge", "click", "torch", "pandas", "rich"}, path.name
        assert "llama_cpp" not in tops or path.name in ("schemes.py", "pack.py"), path.name


def test_importing_it_loads_neither_llama_cpp_nor_the_client_of_a_hub():
    rooms = ", ".join(f"quantize.{name}" for name in ROOMS)
    heavy = "llama_cpp huggingface_hub torch pandas"
    script = f"import sys, {rooms}; print([m for m in '{heavy}'.split() if m in sys.modules])"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True, cwd=ROOT.parent)
    assert done.stdout.strip() == "[]"


def test_files_stay_short():
    assert all(len(path.read_text("utf-8").splitlines()) <= 310 for path in FILES)
