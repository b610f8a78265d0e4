"""Who may import whom: data flows one way, and heavy libraries are met in few places."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# A wing imports itself and what stands on a lower floor.
FLOORS = [
    {"records", "errors", "settings", "inference", "quantities", "foreign_json", "files", "version", "worktime"},
    {"protocols", "engine", "metrics"},
    {"judging", "analysis", "pocket"},
    {"benchmarks", "runs", "report"},
    {"training"},
    {"workflows"},
    {"cli"},
    {"__main__"},
]
FLOOR = {wing: number for number, wings in enumerate(FLOORS) for wing in wings}
GROUND = FLOORS[0]  # in this order: errors < records < settings; inference; foreign_json; version

# The only files that may import a library.
HOMES = {
    "click": {"edge_judge/cli/**/*.py"},
    "rich": {"edge_judge/cli/**/*.py", "edge_judge/report/**/*.py"},
    "llama_cpp": {"edge_judge/engine/llama.py", "quantize/schemes.py", "quantize/pack.py"},
    "torch": {f"edge_judge/pocket/{name}.py" for name in ("train", "examples", "network")}
    | {"edge_judge/training/*.py"},
    "peft": {"edge_judge/training/adapter.py"},
    "httpx2": {"edge_judge/engine/endpoint.py"},
    "outlines": {"edge_judge/engine/json_guide.py"},
    "outlines_core": {"edge_judge/engine/json_guide.py"},
    "vl_convert": {"edge_judge/report/page/picture.py"},
    "quantize": {"quantize/**/*.py", "edge_judge/workflows/*.py"},
    "edge_judge": {"edge_judge/**/*.py"},
}  # fmt: skip

FILES = sorted(path for package in ("edge_judge", "quantize") for path in (ROOT / package).rglob("*.py"))
HEAVY = (
    "llama_cpp", "numpy", "pandas", "rich", "scipy", "jinja2", "huggingface_hub", "torch", "gguf", "tokenizers",
    "outlines", "outlines_core", "vl_convert", "httpx2",
)  # fmt: skip


def module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(path) for path in FILES}


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports anywhere, also inside functions; what is no module of ours by its full name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide what they reach"
            for name in node.names:
                full = f"{node.module}.{name.name}"
                yield full if full in MODULES else str(node.module)


@pytest.mark.parametrize("library", HOMES)
def test_a_library_is_imported_only_where_it_is_at_home(library):
    homes = {path for pattern in HOMES[library] for path in ROOT.glob(pattern)}
    guests = {path for path in FILES if any(name.split(".")[0] == library for name in imports(path))}
    assert {str(path.relative_to(ROOT)) for path in guests - homes} == set()


def test_a_wing_imports_only_what_stands_on_a_lower_floor():
    wrong = []
    for path in FILES:
        here = module(path).split(".")
        if here[0] != "edge_judge" or len(here) == 1:
            continue
        for name in imports(path):
            there = name.split(".")
            if there[0] != "edge_judge" or len(there) == 1 or there[1] == here[1] or {here[1], there[1]} <= GROUND:
                continue
            if FLOOR[there[1]] >= FLOOR[here[1]]:
                wrong.append(f"{'.'.join(here)} imports {name}")
    assert wrong == []


def test_every_wing_stands_on_a_floor():
    assert sorted(FLOOR) == sorted({name.split(".")[1] for name in MODULES if name.startswith("edge_judge.")})


def test_no_module_imports_itself_by_a_detour():
    graph = {module(path): {name for name in imports(path) if name in MODULES} - {module(path)} for path in FILES}
    graph["edge_judge"] = set()  # it names the library's functions, and loads one when it is asked for
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError
    assert set(order) == MODULES


def test_one_file_of_the_engine_alone_touches_llama_cpp_however_it_is_named():
    named = {
        str(path.relative_to(ROOT))
        for path in FILES
        if path.is_relative_to(ROOT / "edge_judge") and "import llama_cpp" in path.read_text(encoding="utf-8")
    }
    assert named == {"edge_judge/engine/llama.py"}


def test_no_file_is_read_in_the_encoding_of_the_machine():
    reading = re.compile(r"\.read_text\(\)")
    files = [*FILES, *(ROOT / "tests").glob("*.py"), *(ROOT / "benchmarks").glob("*.py")]
    assert [path.name for path in files if reading.search(path.read_text(encoding="utf-8"))] == []


def loaded_by(program: str) -> set[str]:
    """The heavy libraries that a Python program has loaded when it ends."""
    program = f"import sys\n{program}\nprint('loaded:', *(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=True, cwd=ROOT)
    _, said, names = done.stdout.rpartition("loaded:")
    assert said
    return set(names.split())


def test_importing_the_command_line_and_asking_for_help_load_nothing_heavy():
    assert loaded_by("import numpy") == {"numpy"}
    assert loaded_by("import edge_judge") == set()
    assert loaded_by("import edge_judge.cli") == set()
    assert loaded_by("from edge_judge.cli import main\nmain(['--help'])") == set()
    each = "for name in main.list_commands(None): main([name, '--help'])"
    assert loaded_by(f"from edge_judge.cli import main\n{each}") == set()


def test_a_workflow_knows_no_terminal():
    """It prints nothing, ends no process, asks for no width: what it has to say goes to its listener."""
    names = {"print", "SystemExit", "exit", "quit", "stdout", "stderr", "isatty", "get_terminal_size"}
    for path in sorted((ROOT / "edge_judge" / "workflows").glob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        used = {node.id for node in nodes if isinstance(node, ast.Name)}
        used |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
        assert used & names == set(), path.name


def test_quantize_works_without_edge_judge():
    program = "import sys, quantize.build; print([name for name in sys.modules if name.startswith('edge_judge')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_judging_and_scoring_do_not_wait_for_pandas(tmp_path):
    judged = f"main(['eval', '--limit', '1', '--results', {str(tmp_path)!r}])"
    loaded = loaded_by(f"from edge_judge.cli import main\ntry: {judged}\nexcept SystemExit: pass")
    assert list(tmp_path.glob("*/*/*/*/score.json")) and {"numpy", "llama_cpp"} <= loaded
    assert "pandas" not in loaded
