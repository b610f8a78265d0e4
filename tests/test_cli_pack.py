"""edge-judge pack: the recorded f16 run on a machine that has only its pack."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Edge, fails

from edge_judge import __version__, benchmarks
from edge_judge.runs import folder as run_folder
from edge_judge.runs import packs

RECORDED = Path(__file__).parent.parent / "results" / __version__ / "pocket" / "pocket"
F16 = RECORDED / "f16" / "pairwise"
LADDER = [RECORDED / scheme / "pairwise" for scheme in ("q8_0", "q6_k", "q4_k_m", "q3_k_m", "q2_k")]
HERE = "results/pocket/pocket/f16/pairwise"


@pytest.fixture
def pack(edge: Edge, tmp_path: Path) -> Path:
    done = edge("pack", "export", F16, "-o", "f16.ejpack")
    assert (done.returncode, done.stdout) == (0, "f16.ejpack\n"), done.stderr
    return tmp_path / "f16.ejpack"


def altered(pack: Path, said: dict[str, str]) -> None:
    """Make it the pack of a run that had other settings."""
    run = run_folder.read_run(F16)
    pack.write_bytes(packs.write(benchmarks.load("pocket"), replace(run, settings={**run.settings, **said})))


def without_divergence(done: str) -> list[dict[str, Any]]:
    """All but what rests on probabilities, which a pack keeps to fewer digits."""
    rows: list[dict[str, Any]] = json.loads(done)
    for row in rows:
        del row["kld"]
        for part in (row["decision"] or {"parts": []})["parts"]:
            del part["by_probabilities"], part["full"]["by_probabilities"]
    return rows


def divergences(done: str) -> list[str]:
    return [f"{row['kld']['value']:.4f}" for row in json.loads(done)]


def test_comparing_with_a_pack_or_with_what_it_was_imported_as_is_comparing_with_the_run(
    edge: Edge, pack: Path
) -> None:
    wanted = edge("compare", *LADDER, "--json").stdout
    imported = edge("pack", "import", pack)
    assert (imported.returncode, imported.stdout) == (0, f"{HERE}\n"), imported.stderr
    for baseline in (pack, HERE):
        found = edge("compare", *LADDER, "--baseline", baseline, "--json").stdout
        assert without_divergence(found) == without_divergence(wanted)
        assert divergences(found) == divergences(wanted)
        assert len(set(divergences(found))) > 3
    for width in ("80", "120"):
        tables = [edge("compare", *LADDER, *more, COLUMNS=width).stdout for more in ([], ["--baseline", pack])]
        assert tables[0] == tables[1] and "q2_k" in tables[0]


def test_an_imported_run_is_a_run_like_any_other_that_says_where_it_comes_from(
    edge: Edge, pack: Path, tmp_path: Path
) -> None:
    edge("pack", "import", pack)
    known, recorded = (json.loads((path / "run.json").read_text("utf-8")) for path in (tmp_path / HERE, F16))
    assert known["imported"] == {"pack_sha256": packs.read(pack.read_bytes()).sha256, "edge_judge": __version__}
    assert {name: known[name] for name in ("settings", "measured", "gguf_bytes")} == {
        name: recorded[name] for name in ("settings", "measured", "gguf_bytes")
    }
    score, wanted = (json.loads((path / "score.json").read_text("utf-8")) for path in (tmp_path / HERE, F16))
    assert score["strict"]["accuracy"] == wanted["strict"]["accuracy"]
    assert sorted(path.name for path in (tmp_path / HERE).iterdir()) == sorted(run_folder.RunFolder.FILES)
    done = edge("compare")
    assert done.returncode == 0 and "f16" in done.stdout, done.stderr
    assert edge("pack", "export", HERE, "-o", "a/new/folder.ejpack").returncode == 0
    assert packs.read((tmp_path / "a/new/folder.ejpack").read_bytes()).rows == packs.read(pack.read_bytes()).rows


def test_a_pack_is_small_and_named_after_its_run(edge: Edge, tmp_path: Path) -> None:
    assert edge("pack", "export", F16).stdout == "pocket-pocket-f16-pairwise.ejpack\n"
    made = tmp_path / "pocket-pocket-f16-pairwise.ejpack"
    assert made.stat().st_size < 20_000 < (F16 / "verdicts.jsonl").stat().st_size
    assert [path.name for path in tmp_path.iterdir()] == [made.name]


def test_show_tells_what_a_pack_is(edge: Edge, pack: Path) -> None:
    said = edge("pack", "show", pack, COLUMNS="80").stdout
    for words in ("600 of 600", "ab ba", "1,200", "7.72 MB", "verdicts per minute", "prompt_sha256", __version__):
        assert words in said
    assert max(map(len, said.splitlines())) <= 80
    found = json.loads(edge("pack", "show", pack, "--json").stdout)
    assert (found["scheme"], found["pairs"], found["verdicts"]) == ("f16", 600, 1200)
    assert found["settings"] == json.loads((F16 / "run.json").read_text("utf-8"))["settings"]


@pytest.mark.parametrize("name", ["prompt_sha256", "grammar_sha256"])
def test_a_pack_under_other_conditions_is_refused_with_the_difference_named(
    edge: Edge, pack: Path, tmp_path: Path, name: str
) -> None:
    here = json.loads((F16 / "run.json").read_text("utf-8"))["settings"][name]
    altered(pack, {name: "5" * 64})
    fails(edge("pack", "import", pack), 1, name, "5" * 64, here, "hint: ")
    fails(edge("compare", *LADDER, "--baseline", pack), 1, f"settings.{name}", "5" * 64, here)
    assert not (tmp_path / "results").exists()


def test_a_pack_of_other_versions_is_taken_with_a_note(edge: Edge, pack: Path) -> None:
    altered(pack, {"llama_cpp": "0.1.0"})
    done = edge("pack", "import", pack)
    assert done.returncode == 0 and "llama_cpp '0.1.0'" in done.stderr
    fails(edge("compare", LADDER[0], "--baseline", HERE), 1, "settings.llama_cpp")


def test_a_grammar_that_is_not_known_here_is_refused(edge: Edge, pack: Path, tmp_path: Path) -> None:
    benchmark, run = benchmarks.load("pocket"), run_folder.read_run(F16)
    pack.write_bytes(packs.write(benchmark, replace(run, identity=replace(run.identity, grammar="essay"))))
    fails(edge("pack", "import", pack), 1, "--grammar 'essay'", "hint: ")


def test_a_run_that_is_there_already_is_replaced_only_when_asked(edge: Edge, pack: Path, tmp_path: Path) -> None:
    first = edge("pack", "import", pack)
    before = (tmp_path / HERE / "run.json").read_bytes()
    again = edge("pack", "import", pack)  # of this very run
    assert (again.returncode, again.stdout, again.stderr) == (0, first.stdout, first.stderr)
    lines = (tmp_path / HERE / "verdicts.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / HERE / "verdicts.jsonl").write_bytes(b"".join(lines[:-1]))
    fails(edge("pack", "import", pack), 1, "verdicts already", "--fresh")
    altered(pack, {"decoding": "by lot"})
    fails(edge("pack", "import", pack), 1, "decoding: recorded `probabilities`, now `by lot`", "--fresh")
    assert (tmp_path / HERE / "run.json").read_bytes() == before
    assert edge("pack", "import", pack, "--fresh").returncode == 0
    assert "by lot" in (tmp_path / HERE / "run.json").read_text("utf-8")


def test_a_broken_pack_changes_nothing(edge: Edge, pack: Path, tmp_path: Path) -> None:
    whole = pack.read_bytes()
    for content, words in ((whole[:-9], "truncated"), (whole[:-1] + b"!", "damaged"), (b"hello", "edge-judge pack")):
        pack.write_bytes(content)
        for command in (["pack", "import", pack], ["pack", "show", pack], ["compare", F16, "--baseline", pack]):
            fails(edge(*command), 1, "f16.ejpack", words)
    assert [path.name for path in tmp_path.iterdir()] == [pack.name]


def test_what_a_pack_says_cannot_move_the_cursor(edge: Edge, pack: Path) -> None:
    altered(pack, {"lock": "\x1b[2Jgone", "\x1b]0;title": "x"})
    done = edge("pack", "show", pack)
    assert done.returncode == 0 and "\x1b" not in done.stdout and "gone" in done.stdout


def test_a_benchmark_of_ones_own_is_carried_without_its_path(edge: Edge, tmp_path: Path) -> None:
    own = tmp_path / "secret" / "mine.csv"
    own.parent.mkdir()
    own.write_text("question,a,b,label\nName a fruit.,apple,hammer,a\nName a tool.,apple,hammer,b\n")
    assert edge("eval", "--benchmark", own).returncode == 0
    assert edge("pack", "export", "results/mine/pocket/f16/pairwise", "-o", "own.ejpack").returncode == 0
    assert b"secret" not in (tmp_path / "own.ejpack").read_bytes()
    there = tmp_path / "there"
    fails(edge("pack", "import", "own.ejpack", "--results", there), 1, "'mine'", "--benchmark FILE")
    moved = own.rename(tmp_path / "mine.csv")
    done = edge("pack", "import", "own.ejpack", "--results", there, "--benchmark", moved)
    assert done.returncode == 0, done.stderr
    assert edge("compare", "--results", there).returncode == 0
    moved.write_text(moved.read_text("utf-8").replace("Name", "Call"))
    again = edge("pack", "import", "own.ejpack", "--results", "third", "--benchmark", moved)
    fails(again, 1, "a different version of mine", "here ")
    assert not (tmp_path / "third").exists()


def test_wrong_usage_is_told(edge: Edge, pack: Path) -> None:
    fails(edge("pack", "import", "none.ejpack"), 2, "none.ejpack")
    fails(edge("pack", "export", "results/nothing"), 1, "no run in this folder")
    fails(edge("compare", F16, "--baseline", "none.ejpack"), 1, "no such pack", "pack export")
    fails(edge("pack", "import", pack, "--benchmark", pack), 2, "--benchmark is for a file of your own")


def test_an_import_that_was_ended_in_its_last_step_is_complete_and_ends_right_when_repeated(
    edge: Edge, pack: Path, tmp_path: Path
) -> None:
    said = edge("pack", "import", pack).stdout
    whole = {file.name: file.read_bytes() for file in (tmp_path / HERE).iterdir()}
    (tmp_path / HERE / ".new").mkdir()
    for name in ("run.json", "score.json"):  # two files were not renamed yet
        (tmp_path / HERE / name).rename(tmp_path / HERE / ".new" / name)
    again = edge("pack", "import", pack)
    assert (again.returncode, again.stdout) == (0, said), again.stderr
    assert {file.name: file.read_bytes() for file in (tmp_path / HERE).iterdir()} == whole


def test_a_failed_write_leaves_the_run_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_folder.read_run(F16)
    path = run_folder.put_run(tmp_path, run, {"first": 1}, ("imported", {}), fresh=False)

    write = run_folder.write_json

    def fail(path: Path, content: Mapping[str, Any]) -> None:
        if path.name == "score.json":  # all else is written by then
            raise OSError(28, "No space left on device")
        write(path, content)

    before = {file.name: file.read_bytes() for file in path.iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr(run_folder, "write_json", fail)
        with pytest.raises(OSError, match="No space"):
            run_folder.put_run(tmp_path, run, {"second": 2}, ("imported", {}), fresh=True)
        with pytest.raises(OSError, match="No space"):
            run_folder.put_run(tmp_path / "new", run, {}, ("imported", {}), fresh=False)
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before
    assert [file.name for file in tmp_path.iterdir()] == ["pocket"]
