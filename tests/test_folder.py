"""A run's folder loses nothing that was reached, takes nothing that is broken, and belongs to one writer."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_judge.errors import ModelError, RunError
from edge_judge.records import Identity, Measured, Run, Verdict
from edge_judge.runs import folder as run_folder
from edge_judge.runs import replacing
from edge_judge.runs.folder import RunFolder

WHO = Identity("toys", "pocket", "f16", "pairwise")
HOW = {"gguf_sha256": "a" * 64, "order": "both", "seed": None}
COST = Measured(1.5, 10, 20, 3, 1 << 20, "x, 2 cores")
VERDICTS = [
    Verdict("1", "ab", "a", {"a": 0.7, "b": 0.2, "tie": 0.1}, None, 0.99),
    Verdict("1", "ba", None, None, "I \u2028 cannot\nsay \u00e9", None),
    Verdict("\u00e9 2", "ab", "tie", {"a": 0.2, "b": 0.2, "tie": 0.6}, None, 1e-30),
]


def begin(results, how=HOW, *, fresh=False):
    return RunFolder.open(results, WHO, how, fresh=fresh)


def filled(results):
    """A begun run with VERDICTS in it; its folder."""
    with begin(results) as run:
        assert run.verdicts() == []
        for verdict in VERDICTS:
            run.append(verdict)
    return run_folder.folder(results, WHO)


def test_verdicts_come_back_as_they_were_given(tmp_path):
    filled(tmp_path)
    with begin(tmp_path) as run:
        assert run.verdicts() == VERDICTS


def test_a_verdict_on_a_shortened_answer_comes_back_also_under_the_name_it_had_before(tmp_path):
    shortened = replace(VERDICTS[0], truncated=True)
    with begin(tmp_path) as run:
        run.append(shortened)
        path = run.path / "verdicts.jsonl"
    assert '"truncated": true' in path.read_text(encoding="utf-8")
    as_of_format_1(run.path)
    for text in (path.read_text(encoding="utf-8"), path.read_text(encoding="utf-8").replace('"truncated"', '"cut"')):
        path.write_text(text, encoding="utf-8")
        with begin(tmp_path) as run:
            assert run.verdicts() == [shortened]


def as_of_format_1(folder, **also):
    """Rewrite a run's run.json as it was before it had a number."""
    known = json.loads((folder / "run.json").read_text("utf-8"))
    assert known.pop("format") == 2
    (folder / "run.json").write_text(json.dumps({**known, **also}))


def test_a_run_says_in_which_format_it_is_first_of_all(tmp_path):
    folder = filled(tmp_path)
    assert (folder / "run.json").read_text("utf-8").splitlines()[1] == '  "format": 2,'
    with begin(tmp_path) as run:
        run.complete(COST, 7, {})
    assert json.loads((folder / "run.json").read_text("utf-8"))["format"] == 2
    path = run_folder.put_run(tmp_path / "other", run_folder.read_run(folder), {}, ("imported", {}), fresh=False)
    assert json.loads((path / "run.json").read_text("utf-8"))["format"] == 2


def test_a_run_without_a_format_is_resumed_in_its_own_and_its_batching_is_found_under_the_name_it_had(tmp_path):
    folder = filled(tmp_path)
    as_of_format_1(folder, cut={"cells": 1})
    path = folder / "verdicts.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace('"mass": 0.99}', '"mass": 0.99, "cut": true}'), "utf-8")
    more = Verdict("3", "ba", "b", truncated=True)
    with begin(tmp_path) as run:
        assert run_folder.noted(run.path, "batching") == {"cells": 1}
        run.append(more)
        run.complete(COST, 7, {})
    known = json.loads((folder / "run.json").read_text("utf-8"))
    assert "format" not in known and known["batching"] == {"cells": 1} and "cut" not in known
    assert run_folder.read_run(folder).verdicts == (replace(VERDICTS[0], truncated=True), *VERDICTS[1:], more)


def test_an_old_name_in_a_run_of_todays_format_is_no_verdict(tmp_path):
    path = filled(tmp_path) / "verdicts.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace('"mass": 0.99}', '"mass": 0.99, "cut": true}'), "utf-8")
    with begin(tmp_path) as run, pytest.raises(RunError, match=r"verdicts\.jsonl:1: not a verdict"):
        run.verdicts()


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (3, "run.json: a run of format 3, this edge-judge reads formats up to 2"),
        ("2", "run.json: format is '2', expected a whole number from 1 to 2"),
        (True, "format is 'True', expected a whole number"),
        (0, "format is '0', expected a whole number"),
        (None, "format is 'None', expected a whole number"),
    ],
)
def test_a_run_of_a_format_that_is_not_known_here_is_refused_and_stays_as_it_is(tmp_path, number, words):
    folder = filled(tmp_path)
    known = json.loads((folder / "run.json").read_text("utf-8"))
    (folder / "run.json").write_text(json.dumps({**known, "format": number}))
    (folder / "score.json").write_text("{}")
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    for use in (lambda: run_folder.read_run(folder), lambda: begin(tmp_path).__enter__()):
        with pytest.raises(RunError, match=words) as caught:
            use()
        assert caught.value.hint
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    with begin(tmp_path, fresh=True) as run:
        assert run.verdicts() == []


def test_each_verdict_is_on_disk_as_soon_as_it_is_reached(tmp_path):
    with begin(tmp_path) as run:
        for count, verdict in enumerate(VERDICTS, 1):
            run.append(verdict)
            assert len((run.path / "verdicts.jsonl").read_bytes().splitlines()) == count


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_file_cut_anywhere_loses_the_torn_line_and_nothing_else(tmp_path, data):
    path = filled(tmp_path) / "verdicts.jsonl"
    whole = path.read_bytes()
    keep = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:keep])
    left = whole[:keep].count(b"\n")
    with begin(tmp_path) as run:
        assert run.verdicts() == VERDICTS[:left]
        assert run.count() == left and run.verdicts(1) == VERDICTS[1:left]
        for verdict in VERDICTS[left:]:
            run.append(verdict)
    assert path.read_bytes() == whole
    path.unlink()


def test_who_reads_a_run_leaves_a_line_that_is_being_written_as_it_is(tmp_path):
    folder = filled(tmp_path)
    torn = (folder / "verdicts.jsonl").read_bytes() + b'{"id": "4", "ord'
    (folder / "verdicts.jsonl").write_bytes(torn)
    run_folder.write_json(folder / "score.json", {})
    content = run_folder.read_run_json(folder / "run.json")
    run_folder.write_json(folder / "run.json", {**content, "gguf_bytes": 1})
    assert run_folder.read_run(folder).verdicts == tuple(VERDICTS)
    assert (folder / "verdicts.jsonl").read_bytes() == torn


@pytest.mark.parametrize(
    "broken",
    [
        b'{"id": "1", "ord',
        b"",
        b"null",
        b'["1", "ab"]',
        b'{"id": "1", "order": "aa", "verdict": "a"}',
        b'{"id": "1", "order": "ab", "verdict": "A"}',
        b'{"id": "1", "order": "ab", "verdict": "a", "more": 1}',
        b'{"order": "ab", "verdict": "a"}',
        b'{"id": "\xff", "order": "ab", "verdict": "a"}',
    ],
)
def test_a_broken_line_elsewhere_is_an_error_with_file_and_line_and_stays_as_it_is(tmp_path, broken):
    path = filled(tmp_path) / "verdicts.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + broken + b"\n" + lines[2])
    before = path.read_bytes()
    with begin(tmp_path) as run, pytest.raises(RunError, match=r"verdicts\.jsonl:2: not a verdict"):
        run.verdicts()
    assert path.read_bytes() == before


def test_other_settings_are_refused_with_every_difference_named_and_nothing_changed(tmp_path):
    folder = filled(tmp_path)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    other = {"gguf_sha256": "b" * 64, "order": "given", "added": 1}
    expected = (
        "added: recorded nothing, now `1`; gguf_sha256: recorded `aaaaaaaaaaaa…`, now `bbbbbbbbbbbb…`; "
        "order: recorded `both`, now `given`"
    )
    with pytest.raises(RunError, match=f"under other settings: {expected}$") as caught, begin(tmp_path, other):
        pass
    assert "--fresh" in str(caught.value.hint)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def complete(results, how=HOW, verdicts=VERDICTS, *, fresh=False):
    """A complete run; its folder."""
    with begin(results, how, fresh=fresh) as run:
        for verdict in verdicts:
            run.append(verdict)
        run.complete(COST, 5, {"pairs": len(verdicts)})
    return run_folder.folder(results, WHO)


OTHER = {"order": "given"}


def test_a_complete_run_stays_until_the_one_that_was_begun_anew_is_complete(tmp_path):
    folder = complete(tmp_path)
    before = contents(folder)
    with begin(tmp_path, OTHER, fresh=True) as run:
        assert run.verdicts() == [] and run.measured() is None
        run.append(VERDICTS[1])
        assert list(run_folder.read_run(folder).verdicts) == VERDICTS
    assert {name: content for name, content in contents(folder).items() if not name.startswith(".new")} == before
    with begin(tmp_path, OTHER) as run:
        assert run.verdicts() == [VERDICTS[1]]
        run.append(VERDICTS[0])
        run.complete(COST, 6, {"pairs": 2})
    found = run_folder.read_run(folder)
    assert (found.settings, list(found.verdicts), found.bytes) == (OTHER, [VERDICTS[1], VERDICTS[0]], 6)
    assert sorted(path.name for path in folder.iterdir()) == ["run.json", "score.json", "verdicts.jsonl"]


def test_with_the_old_settings_the_old_run_goes_on_and_the_new_one_is_kept(tmp_path):
    folder = complete(tmp_path)
    with begin(tmp_path, OTHER, fresh=True) as run:
        run.append(VERDICTS[1])
    with begin(tmp_path) as run:
        assert run.verdicts() == VERDICTS
    with pytest.raises(RunError, match="under other settings"), begin(tmp_path, {"order": "both"}):
        pass
    with begin(tmp_path, OTHER) as run:
        assert run.verdicts() == [VERDICTS[1]]
    with begin(tmp_path, OTHER, fresh=True) as run:
        assert run.verdicts() == []
    assert list(run_folder.read_run(folder).verdicts) == VERDICTS


def test_a_run_begun_anew_that_was_killed_before_its_first_verdict_goes_on_under_its_settings_only(tmp_path):
    folder = complete(tmp_path)
    killed = complete(tmp_path / "other", OTHER, []) / "run.json"
    for how, verdicts in ((OTHER, []), (HOW, VERDICTS)):
        (folder / ".new").mkdir()
        (folder / ".new" / "run.json").write_bytes(killed.read_bytes())
        with begin(tmp_path, how) as run:
            assert run.verdicts() == verdicts
        assert not (folder / ".new").exists() and list(run_folder.read_run(folder).verdicts) == VERDICTS


def test_a_fault_in_a_run_that_was_begun_anew_costs_nothing_of_the_old_one(tmp_path):
    folder = complete(tmp_path)
    with pytest.raises(OSError, match="full"), begin(tmp_path, fresh=True) as run:
        run.append(VERDICTS[0])
        raise OSError(28, "full")
    assert list(run_folder.read_run(folder).verdicts) == VERDICTS and run_folder.find_runs(tmp_path) == [folder]
    with begin(tmp_path) as run:
        assert run.verdicts() == VERDICTS[:1]


def contents(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_run_begun_anew_that_reaches_nothing_gives_the_old_one_back(tmp_path):
    folder = filled(tmp_path)
    with begin(tmp_path) as run:
        run.complete(COST, 5, {"pairs": 1})
    before = contents(folder)
    with pytest.raises(ModelError), begin(tmp_path, {"order": "given"}, fresh=True) as run:
        assert run.verdicts() == []
        raise ModelError("too large")
    assert contents(folder) == before


NEW_RUN = Run(WHO, OTHER, COST, tuple(VERDICTS[:2]), 5)


def replaced_by_eval(results):
    complete(results, OTHER, VERDICTS[:2], fresh=True)


def replaced_by_import(results):
    run_folder.put_run(results, NEW_RUN, {"pairs": 2}, ("imported", {}), fresh=True)


@pytest.mark.skipif(os.name != "posix", reason="fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("replace_it", [replaced_by_eval, replaced_by_import])
def test_a_kill_at_any_step_of_replacing_a_run_leaves_the_old_one_or_the_new_one(tmp_path, monkeypatch, replace_it):
    """Killed before each of the steps that change a name, until one run of it is whole."""

    def dies(call, left):
        def step(*given, **more):
            if not left:
                os._exit(9)
            left.pop()
            return call(*given, **more)

        return step

    seen = set()
    for steps in range(40):
        results = tmp_path / str(steps)
        folder = complete(results)
        child = os.fork()
        if not child:
            left = [None] * steps
            for owner, name in ((Path, "unlink"), (Path, "rename"), (Path, "replace"), (os, "unlink"), (os, "rmdir")):
                monkeypatch.setattr(owner, name, dies(getattr(owner, name), left))
            replace_it(results)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert run_folder.find_runs(results) == [folder]
        found = run_folder.read_run(folder)
        whole = {"old": (HOW, VERDICTS), "new": (OTHER, VERDICTS[:2])}
        (which,) = [name for name, run in whole.items() if run == (found.settings, list(found.verdicts))]
        seen.add(which)
        with begin(results, found.settings) as run:  # the next command clears what is left
            assert run.verdicts() == list(found.verdicts)
        begun = {".new"} if (folder / ".new" / "verdicts.jsonl").exists() and which == "old" else set()
        assert {path.name for path in folder.iterdir()} == {"run.json", "score.json", "verdicts.jsonl"} | begun
        if status == 0:
            break
    assert status == 0 and seen == {"old", "new"}


def test_what_a_killed_process_left_beside_the_files_of_a_run_is_cleared(tmp_path):
    folder = filled(tmp_path)
    for name in (".run.json.1234", ".score.json.0a1b2c3d.part"):
        (folder / name).write_text("half")
    (folder / "mine.txt").write_text("kept")
    with begin(tmp_path):
        pass
    assert sorted(path.name for path in folder.iterdir()) == ["mine.txt", "run.json", "verdicts.jsonl"]
    assert replacing.NEW not in contents(folder)


def test_verdicts_and_a_score_without_their_run_belong_to_no_run(tmp_path):
    folder = filled(tmp_path)
    (folder / "score.json").write_text("{}")
    (folder / "run.json").unlink()
    with begin(tmp_path) as run:
        assert run.verdicts() == []
    assert run_folder.find_runs(tmp_path) == []


def test_two_writers_of_one_run_are_refused_and_the_first_goes_on(tmp_path):
    with begin(tmp_path) as run:
        holder = rf"process {os.getpid()} \(.*, since \d\d:\d\d\) is writing this run"
        with pytest.raises(RunError, match=holder), begin(tmp_path, fresh=True):
            pass
        run.append(VERDICTS[0])
    with begin(tmp_path) as run:
        assert run.verdicts() == VERDICTS[:1]


def test_a_killed_writer_leaves_its_verdicts_and_no_lock(tmp_path):
    program = (
        "import sys, time; from pathlib import Path; sys.path.insert(0, sys.argv[2]); import test_folder as t\n"
        "with t.begin(Path(sys.argv[1])) as run:\n"
        "    run.append(t.VERDICTS[0]); run.append(t.VERDICTS[1]); print('ready', flush=True); time.sleep(600)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path), os.path.dirname(__file__)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as writer:
        try:
            assert writer.stdout.readline() == "ready\n"
            with pytest.raises(RunError, match=f"process {writer.pid} .* is writing this run"), begin(tmp_path):
                pass
        finally:
            writer.send_signal(signal.SIGKILL)
    with begin(tmp_path) as run:
        assert run.verdicts() == VERDICTS[:2]
    assert not (run_folder.folder(tmp_path, WHO) / ".lock").exists()


def test_the_score_is_written_last_and_makes_the_run_complete(tmp_path, monkeypatch):
    folder = filled(tmp_path)
    with pytest.raises(RunError, match="not complete") as caught:
        run_folder.read_run(folder)
    assert "resumes it" in str(caught.value.hint)
    written, real = [], run_folder.write_json

    def watched(path, content):
        assert not (folder / "score.json").exists()
        real(path, content)
        written.append(path.name)

    monkeypatch.setattr(run_folder, "write_json", watched)
    with begin(tmp_path) as run:
        run.complete(COST, 77, {"pairs": 2})
    assert written == ["run.json", "score.json"]
    found = run_folder.read_run(folder)
    assert (found.identity, found.settings, found.measured, found.bytes) == (WHO, HOW, COST, 77)
    assert list(found.verdicts) == VERDICTS
    assert run_folder.find_runs(tmp_path) == [folder]


def test_a_run_that_goes_on_is_not_complete_until_it_ends_again(tmp_path):
    folder = filled(tmp_path)
    with begin(tmp_path) as run:
        run.complete(COST, 1, {})
        run.reopen()
        assert run.measured() == COST
        assert run_folder.find_runs(tmp_path) == []
    with pytest.raises(RunError, match="not complete"):
        run_folder.read_run(folder)


def test_a_json_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "score.json"
    run_folder.write_json(path, {"value": 0})
    with path.open() as reader:
        run_folder.write_json(path, {"value": 1})
        assert json.load(reader) == {"value": 0}, "who is reading it goes on reading the old one"
    with pytest.raises(TypeError):
        run_folder.write_json(path, {"value": 2, "broken": object()})
    assert json.loads(path.read_text("utf-8")) == {"value": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["score.json"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ("[]", "expected a JSON object with settings"),
        ("{}", "expected a JSON object with settings"),
        ('{"settings": []}', "expected a JSON object with settings"),
    ],
)
def test_a_run_file_that_is_none_is_an_error_that_names_it(tmp_path, text, said):
    folder = filled(tmp_path)
    (folder / "run.json").write_text(text)
    with pytest.raises(RunError, match=rf"run\.json.* ?{said}"), begin(tmp_path):
        pass
    assert (folder / "verdicts.jsonl").exists()
    with begin(tmp_path, fresh=True) as run:
        assert run.verdicts() == []


def test_a_complete_run_without_its_fields_is_an_error_that_names_them(tmp_path):
    folder = filled(tmp_path)
    with begin(tmp_path) as run:
        run.complete(COST, 1, {})
    known = json.loads((folder / "run.json").read_text("utf-8"))
    del known["scheme"], known["gguf_bytes"]
    (folder / "run.json").write_text(json.dumps(known))
    with pytest.raises(RunError, match=r"run\.json: no scheme and no gguf_bytes"):
        run_folder.read_run(folder)
    (folder / "run.json").write_text(json.dumps({**known, "scheme": "f16", "gguf_bytes": 1, "measured": {"x": 1}}))
    with pytest.raises(RunError, match=r"run\.json: measured: .*'x'"):
        run_folder.read_run(folder)


def test_a_folder_without_a_run_is_an_error():
    from pathlib import Path

    with pytest.raises(RunError, match="no run in this folder"):
        run_folder.read_run(Path("nowhere"))


@pytest.mark.parametrize(
    "field, value",
    [("id", [1]), ("p", [1]), ("p", {"c": 1}), ("p", {"a": "x"}), ("mass", "x"), ("text", 3), ("verdict", [])],
)
def test_a_verdict_with_a_field_of_another_kind_is_named_with_its_line(tmp_path, field, value):
    file = filled(tmp_path) / "verdicts.jsonl"
    lines = file.read_text(encoding="utf-8").split("\n")
    lines[1] = json.dumps({**json.loads(lines[1]), field: value})
    file.write_text("\n".join(lines), encoding="utf-8")
    with begin(tmp_path) as run, pytest.raises(RunError, match="verdicts.jsonl:2: not a verdict"):
        run.verdicts()


@pytest.mark.parametrize(
    "change", [{"benchmark": [1]}, {"gguf_bytes": "x"}, {"measured": {**asdict(COST), "wall_seconds": "x"}}]
)
def test_a_run_whose_facts_are_of_another_kind_is_refused(tmp_path, change):
    with begin(tmp_path) as run:
        run.append(VERDICTS[0])
        run.complete(COST, 1, {})
    file = run_folder.folder(tmp_path, WHO) / "run.json"
    file.write_text(json.dumps({**json.loads(file.read_text("utf-8")), **change}))
    with pytest.raises(RunError, match="run.json"):
        run_folder.read_run(file.parent)


def test_a_run_that_ends_before_its_first_verdict_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), begin(tmp_path / "new"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
