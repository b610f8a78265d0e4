"""docs/reliability.md says what the harnesses recorded, and what they did not."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import faults
import fuzz
import headers
import kills
import pytest
import reliability
import reliability_record
import soak

ROOT = Path(__file__).resolve().parent.parent
HEADINGS = {"kills": "Kills", "faults": "Faults", "fuzz": "Fuzzing", "headers": "Changed GGUF headers", "soak": "Soak"}


def made(folder: Path) -> str:
    """The page that the records of a folder make."""
    return reliability.page("# Words\n\nthat stay\n\n## Old\n", reliability.read(folder), reliability.mended(folder))


def lines(page: str, heading: str) -> list[str]:
    """The rows of a table, without its head."""
    part = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [line for line in part.splitlines() if line.startswith("| ")][1:]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A record of each harness, in the words that the harness itself has for a row."""
    killed = kills.Row("eval pairwise", 40, 10, 1.25, [0.1, 0.6, 0.7, 0.99], problems=["kill 3: x|y is\nleft over"])
    faulty = faults.Row("eval", "error", 1200, 78, 70, 8)
    fed = [fuzz.Row("pack", 12_345, 60.2, 210), fuzz.Row("hypothesis", 50, 9.0)]
    one = soak.Row("pandalm", "pairwise", "f16", 999, 20, 40, 2, seconds=90.0, memory=100_000_000, handles=9)
    rows = [one, soak.Row("mt-bench", skipped="benchmark mt-bench is missing")]
    growth: dict[str, object] = {"limit": 20, "growth": {"f16": 1.5}, "problems": []}
    outcomes = Counter({"refused by us": 290, "refused by llama.cpp": 3, "judged": 7})
    header = headers.figures(headers.Row("all", 300, 20, outcomes, Counter({"SIGABRT": 2})))
    reliability_record.write(tmp_path / "kills.json", "kills", [killed], seed=7, seconds=5400)
    reliability_record.write(tmp_path / "faults.json", "faults", [faulty], sample=8)
    reliability_record.write(tmp_path / "fuzz.json", "fuzz", map(fuzz.recorded, fed), guided=True)
    reliability_record.write(tmp_path / "headers.json", "headers", [], seed=3, **header)
    reliability_record.write(tmp_path / "soak.json", "soak", rows, **growth)
    return tmp_path


def test_the_page_says_what_the_records_say() -> None:
    text = reliability.PAGE.read_text("utf-8")
    found = reliability.page(text, reliability.read(reliability.RECORDS), reliability.mended(reliability.RECORDS))
    assert found == text, "docs/reliability.md is not what results/reliability says: python tests/reliability.py"


def test_the_page_begins_with_ten_plain_lines() -> None:
    words = reliability.PAGE.read_text("utf-8").partition("\n## ")[0]
    assert sum(line.startswith("- ") for line in words.splitlines()) == 10


def test_figures_stand_where_they_belong(folder: Path) -> None:
    page = made(folder)
    assert page.startswith("# Words\n\nthat stay\n\n## What was run\n") and "## Old" not in page
    assert "| eval pairwise | 40 | 10 | 1.2 | 1 / 0 / 2 / 1 | 1 |" in lines(page, "Kills")
    others = " | ".join(["not run"] * (len(faults.KINDS) - 1))
    assert f"| eval | 78 of 1,200 | {others} | 70 | 8 | 0 |" in lines(page, "Faults")
    assert "at most 8 of them" in page
    assert "| pack | 12,345 | 60 | 210 | 0 |" in lines(page, "Fuzzing")
    assert "| hypothesis | 50 | 9 | – | 0 |" in lines(page, "Fuzzing")
    assert lines(page, "Changed GGUF headers") == ["| 300 | 290 | 3 | 7 | 2 (SIGABRT 2) | 0 |"]
    assert "| pandalm | 20 of 999 | 1 | 1 | 40 | 2 | 1.5 | 100 → 100 | 9 → 9 | 0 |" in lines(page, "Soak")
    assert "with the same weights loaded: f16 +1.5 %." in page
    killed, faulty, fed, *_ = lines(page, "What was run")
    assert killed.startswith("| `make kills` | 40 kills in 1 command | 1 | 1 h 30 min | 7 | 20")
    assert faulty.startswith("| `make faults` | 78 faults in 1 command | 0 |") and "| – | 20" in faulty
    assert fed.startswith("| `make fuzz` | 12,395 inputs to 2 targets | 0 |") and "edge-judge 0." in fed


def test_what_was_left_out_has_a_line_and_a_reason_where_one_is_known(folder: Path) -> None:
    page = made(folder)
    left = [line for line in lines(page, "Kills") if "| not run |" in line]
    assert len(left) == len(kills.JOBS) - 1 and "| pack import | not run | – | – | – | – |" in left
    assert len(lines(page, "Fuzzing")) == len(fuzz.TARGETS) + 1
    assert sum("| not run |" in line for line in lines(page, "Fuzzing")) == len(fuzz.TARGETS) - 1
    assert any(line.startswith("| mt-bench | not run: benchmark mt-bench is missing |") for line in lines(page, "Soak"))
    assert any(line.startswith("| auto-j | not run |") for line in lines(page, "Soak"))


def test_a_problem_is_told_in_one_line_and_ends_with_1(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Found, and not mended:\n\n- `eval pairwise: kill 3: x|y is left over`\n" in made(folder)
    monkeypatch.setattr(reliability, "RECORDS", folder)
    monkeypatch.setattr(reliability, "PAGE", folder / "page.md")
    (folder / "page.md").write_text("# Words\n")
    assert reliability.main() == 1
    (folder / "kills.json").unlink()
    assert reliability.main() == 0


@pytest.mark.parametrize("kind", reliability_record.KINDS)
def test_each_record_may_be_missing(folder: Path, kind: str) -> None:
    whole = made(folder)
    (folder / f"{kind}.json").unlink()
    page = made(folder)
    assert f"| `make {kind}` | not run | – | – | – | – | – |" in lines(page, "What was run")
    rows = lines(page, HEADINGS[kind])
    assert rows and all("not run" in line for line in rows) and len(rows) == len(lines(whole, HEADINGS[kind]))
    for other in HEADINGS.keys() - {kind}:
        assert lines(page, HEADINGS[other]) == lines(whole, HEADINGS[other])


def test_a_record_that_changes_makes_another_page(folder: Path) -> None:
    before = made(folder)
    record = json.loads((folder / "fuzz.json").read_text("utf-8"))
    record["rows"][0]["inputs"] += 1
    (folder / "fuzz.json").write_text(json.dumps(record))
    assert made(folder) != before


def test_a_file_that_no_harness_wrote_is_an_error(tmp_path: Path) -> None:
    for text in ("{", "[]", '{"kind": "kills"}'):
        (tmp_path / "kills.json").write_text(text)
        with pytest.raises(SystemExit, match=r"error: .*kills.json: not written by a harness"):
            reliability.read(tmp_path)
    with pytest.raises(ValueError, match="expected one of kills, faults"):
        reliability_record.write(tmp_path / "x.json", "walks", [])


def test_what_was_mended_has_a_test_that_is_there() -> None:
    found = reliability.mended(reliability.RECORDS)
    assert len(found) > 20 and len({(one["what"], one["test"]) for one in found}) == len(found)
    for one in found:
        file, _, test = one["test"].partition("::")
        tree = ast.parse((ROOT / "tests" / file).read_text("utf-8"))
        assert test in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, one["test"]


@pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")
def test_make_reliability_runs_every_harness_and_writes_the_page_last() -> None:
    asked = ["make", "-n", "reliability", "TIMES=3", "SAMPLE=2", "MINUTES=4", "COUNT=9", "LIMIT=20"]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True)
    ran = [line.split("tests/", 1)[1] for line in done.stdout.splitlines() if "python tests/" in line]
    asked_for = {"kills": "--times 3", "faults": "--sample 2", "fuzz": "--minutes 4", "headers": "--count 9"}
    for command, (kind, least) in zip(ran, {**asked_for, "soak": "--limit 20"}.items(), strict=False):
        words = " ".join(command.split())
        assert words.startswith(f"{kind}.py {least}") and f"--json results/reliability/{kind}.json" in words
    assert len(ran) == len(reliability_record.KINDS) + 1 and ran[-1] == "reliability.py"
