"""Every command that prints a table prints it as CSV, Markdown, LaTeX and JSON too.

Commands are found, not listed: one that prints JSON has to be invoked here, or to say below why it prints no table.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from io import StringIO
from itertools import combinations
from pathlib import Path

import click
import pandas as pd
import pytest
from latex_checker import tables

from edge_judge.cli import main
from edge_judge.cli.options import Output
from edge_judge.errors import UsageError

ROOT = Path(__file__).parent.parent
POCKET = ROOT / "results" / "0.1.0" / "pocket" / "pocket"
FORMS = ("json", "csv", "markdown", "latex")
NO_TABLE = {"train": "it prints the adapter's folder"}
TOO_LONG = {"demo": "a minute; its table is that of compare"}
RESULTS = ("--results", ROOT / "results" / "0.1.0")
RUNS = tuple(POCKET / scheme / "pairwise" for scheme in ("q2_k", "q3_k_m", "q8_0"))
LOADED = ("--scheme", "q4_k_m", "--threads", "1")

INVOCATIONS: dict[str, tuple[object, ...]] = {
    "attribute": RESULTS,
    "cascade": RUNS[:2],
    "choose": ("--scheme", "q4_k_m", "--threads", "1", "--max-pairs", "16"),
    "compare": (*RUNS, "--baseline", POCKET / "f16" / "pairwise"),
    "confidence": (*RUNS, "--abstain", "5"),
    "data check": ("pairs.jsonl",),
    "data list": (),
    "data verify": (),
    "doctor": (),
    "eval": (*LOADED, "--limit", "2"),
    "judge": (*LOADED, "--question", "Name a fruit.", "--a", "apple", "--b", "hammer"),
    "jury": RUNS,
    "lock": (),
    "models": ("--gpu-memory", "8GB"),
    "pack show": ("run.ejpack",),
    "rank": ("old.jsonl", "new.jsonl", *LOADED),
    "slices": (RUNS[0],),
    "speed": (*LOADED, "--seconds", "0.02", "--benchmark", "pocket", "--grammar", "pairwise"),
    "table": RESULTS,
}


def leaves(group: click.Group, names: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from leaves(command, (*names, name))
        else:
            yield " ".join((*names, name)), command


COMMANDS = dict(leaves(main))
PRINTING = sorted(name for name, command in COMMANDS.items() if any("--json" in param.opts for param in command.params))


def test_every_command_that_prints_json_is_tried_here() -> None:
    assert PRINTING == sorted([*INVOCATIONS, *NO_TABLE, *TOO_LONG])


@pytest.mark.parametrize("name", [*INVOCATIONS, *TOO_LONG])
def test_every_command_that_prints_a_table_has_all_forms(name: str) -> None:
    options = {option for param in COMMANDS[name].params for option in param.opts}
    assert {f"--{form}" for form in FORMS} <= options


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[Path]:
    """A folder with a benchmark, two systems' outputs and a pack; what is judged here stays for the next form."""
    folder = tmp_path_factory.mktemp("forms")
    pair = {"question": "Name a fruit.", "a": "=apple", "b": "hammer | nail", "label": "a"}
    (folder / "pairs.jsonl").write_text(json.dumps(pair) + "\n", "utf-8")
    for system, answer in (("old", "hammer"), ("new", "apple")):
        asked = ("Name a fruit.", "Name a red fruit.")
        rows = [{"question": question, "system": system, "output": answer} for question in asked]
        (folder / f"{system}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    patch = pytest.MonkeyPatch()
    patch.setenv("EDGE_JUDGE_MODELS", str(models))
    patch.setenv("EDGE_JUDGE_DATA", str(folder))
    patch.setenv("COLUMNS", "100")
    patch.chdir(folder)
    for command in (["quantize", "pocket", "f16"], ["quantize", "pocket", "q4_k_m"],
                    ["pack", "export", str(RUNS[0]), "-o", "run.ejpack"]):  # fmt: skip
        assert call(command) == 0
    yield folder
    patch.undo()


def call(command: list[str]) -> int:
    try:
        main(command)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def printed(name: str, form: str, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    flag = [] if form == "table" else [f"--{form}"]
    code = call([*name.split(), *map(str, INVOCATIONS[name]), *flag])
    captured = capsys.readouterr()
    assert code == (4 if name == "choose" else 0), captured.err  # so few pairs decide nothing
    assert captured.out.endswith("\n") and "Traceback" not in captured.err
    return captured.out


@pytest.mark.parametrize("name", INVOCATIONS)
def test_a_command_prints_its_table_in_every_form(name: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = printed(name, "table", capsys)
    assert "───" in shown and not shown.endswith("\n\n")
    assert json.loads(printed(name, "json", capsys))
    _check_csv(printed(name, "csv", capsys))
    markdown = _markdown_tables(printed(name, "markdown", capsys))
    latex = tables(printed(name, "latex", capsys))
    assert [len(rows) for rows in latex] == [len(rows) for rows in markdown]
    assert [len(rows[0]) for rows in latex] == [len(rows[0]) for rows in markdown]


def _check_csv(text: str) -> None:
    """One table, numbers as numbers: no interval, no unit and no sign of a table for a person in a cell."""
    frame = pd.read_csv(StringIO(text))
    assert len(frame) > 0 and frame.columns.is_unique
    assert [name for name in frame.columns if not re.fullmatch(r"[a-z0-9_]+", name)] == []
    texts = [str(cell) for name in frame for cell in frame[name].dropna() if isinstance(cell, str)]
    assert [cell for cell in texts if re.search(r"^[−-]$|\d \[|^[\d.]+ ?(%|[kMG]B)$", cell)] == []


def _markdown_tables(text: str) -> list[list[list[str]]]:
    """The rows of each table, without the rule below the headings."""
    found: list[list[list[str]]] = []
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in block.splitlines()]
        assert {len(row) for row in rows} == {len(rows[0])}
        assert all(re.fullmatch(r" ---:? ", cell) for cell in rows[1])
        found.append([rows[0], *rows[2:]])
    assert found
    return found


@pytest.mark.parametrize("name", INVOCATIONS)
def test_two_forms_are_one_clear_error(name: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call([*name.split(), *map(str, INVOCATIONS[name]), "--csv", "--latex"]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and "error: --csv and --latex do not go together\n" in captured.err
    assert captured.err.endswith("hint: use one of them\n")


@pytest.mark.parametrize(("one", "other"), list(combinations(FORMS, 2)))
def test_no_two_forms_go_together(one: str, other: str) -> None:
    with pytest.raises(UsageError, match=f"--{one} and --{other} do not go together"):
        Output(**{f"as_{one}": True, f"as_{other}": True})
