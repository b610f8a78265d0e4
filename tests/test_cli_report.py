"""edge-judge report: what is written and printed, and what is refused before anything is."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import Edge, fails

HAND = "question,a,b,label\nName a fruit.,apple,hammer,a\nName a tool.,pear,saw,b\nName a sea.,Baltic,Po,a\n"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Runs of a judge on a file of one's own: f16 right three times, q4_k_m twice, each in the order given."""
    return make(tmp_path, HAND)


def make(folder: Path, text: str) -> Path:
    from edge_judge import benchmarks

    (folder / "mine.csv").write_text(text)
    mine = benchmarks.load(folder / "mine.csv")
    for scheme, said in (("f16", "aba"), ("q4_k_m", "abb")):
        place = folder / "results" / "mine" / "pocket" / scheme / "pairwise"
        place.mkdir(parents=True)
        source = {"benchmark_source": str(folder / "mine.csv"), "benchmark_sha256": mine.sha256}
        settings = {"gguf_sha256": scheme, **source}
        identity = {"benchmark": "mine", "model": "pocket", "scheme": scheme, "grammar": "pairwise"}
        content = {**identity, "settings": settings, "gguf_bytes": 100 if scheme == "f16" else 30}
        (place / "run.json").write_text(json.dumps(content))
        with (place / "verdicts.jsonl").open("w") as lines:
            for pair, verdict in zip(mine.pairs, said, strict=True):
                lines.write(json.dumps({"id": pair.id, "order": "ab", "verdict": verdict}) + "\n")
        (place / "score.json").write_text("{}")
    return folder / "results" / "mine" / "pocket"


def embedded(page: Path, name: str) -> Any:
    _, _, rest = page.read_text("utf-8").partition(f'id="{name}">')
    return json.loads(rest.partition("</script>")[0])


def test_all_complete_runs_become_one_page_and_its_path_is_printed(edge: Edge, runs: Path, tmp_path: Path) -> None:
    done = edge("report")
    assert done.returncode == 0 and done.stdout == "report.html\n", done.stderr
    found = embedded(tmp_path / "report.html", "figures")
    assert [one["scheme"] for one in found["runs"]] == ["f16", "q4_k_m"]
    assert found["runs"][1]["ladder"][2].startswith("66.7 [")
    assert not list(tmp_path.glob(".report*"))


def test_a_run_named_alone_brings_its_baseline(edge: Edge, runs: Path, tmp_path: Path) -> None:
    done = edge("report", runs / "q4_k_m" / "pairwise", "-o", "one.html", "--margin", "1.5")
    assert done.returncode == 0 and done.stdout == "one.html\n"
    found = embedded(tmp_path / "one.html", "figures")
    assert "1.5 points below f16" in (tmp_path / "one.html").read_text("utf-8") and len(found["runs"]) == 2


@pytest.mark.parametrize(("name", "begins"), [("c.svg", b"<svg"), ("c.PNG", b"\x89PNG")])
def test_the_main_chart_is_drawn_beside_the_page(
    edge: Edge, runs: Path, tmp_path: Path, name: str, begins: bytes
) -> None:
    done = edge("report", "--chart", name)
    assert done.returncode == 0 and done.stdout == f"report.html\n{name}\n", done.stderr
    drawn = (tmp_path / name).read_bytes()
    assert drawn.startswith(begins)
    assert name == "c.PNG" or (b"q4_k_m" in drawn and b"http" not in drawn.replace(b"http://www.w3.org/", b""))


def test_a_png_needs_an_extra_and_an_svg_does_not(edge: Edge, runs: Path, tmp_path: Path) -> None:
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "vl_convert.py").write_text("raise ImportError")
    path = os.pathsep.join((str(tmp_path / "without"), *filter(None, [os.environ.get("PYTHONPATH")])))
    done = edge("report", "--chart", "c.png", PYTHONPATH=path)
    fails(done, 2, "a chart as PNG needs vl-convert-python", "pip install 'edge-judge[chart]'")
    assert not list(tmp_path.glob("*.html")) and not list(tmp_path.glob("*.png"))
    assert edge("report", "--chart", "c.svg", PYTHONPATH=path).returncode == 0


def test_without_labels_there_is_a_page_and_no_chart(edge: Edge, tmp_path: Path) -> None:
    make(tmp_path, HAND.replace(",label", ",note"))
    assert edge("report").returncode == 0
    (tmp_path / "report.html").unlink()
    fails(edge("report", "--chart", "c.svg"), 1, "no run has an accuracy")
    assert not list(tmp_path.glob("*.html")) and not list(tmp_path.glob("*.svg"))


def test_a_missing_or_changed_baseline_is_told_on_the_page(edge: Edge, runs: Path, tmp_path: Path) -> None:
    path = runs / "f16" / "pairwise" / "run.json"
    path.write_text(path.read_text("utf-8").replace('"benchmark_sha256": "', '"benchmark_sha256": "0'))
    for told in ("no comparison with f16", "no f16 run of pocket"):
        done = edge("report", runs / "q4_k_m" / "pairwise")
        assert done.returncode == 0 and told in done.stderr
        found = embedded(tmp_path / "report.html", "figures")
        assert any(told in line for line in found["remarks"])
        shutil.rmtree(runs / "f16", ignore_errors=True)


def test_runs_under_other_settings_are_not_compared(edge: Edge, runs: Path, tmp_path: Path) -> None:
    path = runs / "q4_k_m" / "pairwise" / "run.json"
    path.write_text(path.read_text("utf-8").replace('"settings": {', '"settings": {"seed": 7, '))
    done = edge("report")
    assert done.returncode == 0 and "not compared" in done.stderr and "seed" in done.stderr
    assert embedded(tmp_path / "report.html", "figures")["runs"][1]["ladder"][3] == "–"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 1, ("no complete run", "edge-judge eval")),
        (["nowhere"], 1, ("no run in this folder",)),
        (["--baseline", "f61"], 2, ("unknown baseline", "f16")),
        (["--chart", "c.gif"], 2, (".svg or .png",)),
        (["--margin", "0"], 2, ("--margin",)),
        (["--margin", "nan"], 2, ("--margin",)),
        (["-o", "."], 2, ("directory",)),
    ],
)
def test_what_cannot_be_done_is_refused(
    edge: Edge, tmp_path: Path, arguments: list[str], code: int, words: tuple[str, ...]
) -> None:
    fails(edge("report", *arguments), code, *words)
    assert not list(tmp_path.glob("*.html"))


def test_a_folder_that_is_not_there_is_named(edge: Edge, runs: Path) -> None:
    fails(edge("report", "-o", "no/such/page.html"), 1, "no/such")
