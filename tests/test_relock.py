"""models.lock against a hub: what no longer matches is told, what is missing is filled in, nothing is moved."""

import hashlib
from dataclasses import replace

import pytest
from checkpoints import llama_config, make_checkpoint
from hubserver import COMMIT, Shelf, lock_text, serving

from quantize import lock, relock
from quantize.errors import LockError, SourceInterruptedError
from quantize.source import Hub

SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
TEXT = f"# a note by hand\n{lock_text('tiny', *SHARDS)}"


@pytest.fixture
def desk(tmp_path):
    folder = make_checkpoint(tmp_path / "tiny", llama_config(num_hidden_layers=1), shards=2)
    path = tmp_path / "models.lock"
    path.write_text(TEXT)
    shelf = Shelf({("some/tiny", COMMIT): folder})
    with serving(shelf) as url:
        yield path, Hub(url), shelf, folder


def test_missing_hashes_and_sizes_are_filled_in_and_the_rest_stays(desk):
    path, hub, _, folder = desk
    assert [f.state for f in relock.fill(hub, path)] == ["filled", "filled"]
    for file in lock.read(path).model("tiny").files:
        data = (folder / file.name).read_bytes()
        assert (file.sha256, file.bytes) == (hashlib.sha256(data).hexdigest(), len(data))
    assert path.read_text("utf-8").startswith("# a note by hand")
    before = path.stat().st_mtime_ns
    assert relock.fill(hub, path) == () and path.stat().st_mtime_ns == before


def test_a_pin_is_never_moved_silently(desk):
    path, hub, _, folder = desk
    relock.fill(hub, path)
    before = path.read_text("utf-8")
    (folder / "model-00002-of-00002.safetensors").write_bytes(b"other")
    with pytest.raises(LockError, match="models.lock pins"):
        relock.fill(hub, path)
    assert path.read_text("utf-8") == before


def test_a_check_tells_what_is_as_pinned_changed_missing_or_moved(desk):
    path, hub, shelf, folder = desk
    relock.fill(hub, path)
    models = lock.read(path).models
    assert [f.state for f in relock.check(hub, models)] == ["ok"]
    (folder / "model-00001-of-00002.safetensors").write_bytes(b"other")
    (folder / "model-00002-of-00002.safetensors").unlink()
    findings = relock.check(hub, models)
    assert [(finding.state, finding.file) for finding in findings] == [
        ("changed", models[0].files[0].name),
        ("missing", models[0].files[1].name),
    ]
    assert all(finding.wrong for finding in findings)
    shelf.repos = {("some/tiny", "d" * 40): folder, ("some/tiny", COMMIT): folder}
    moved = relock.check(hub, models)[-1]
    assert moved.state == "moved" and "dddd" in moved.detail and not moved.wrong


def test_a_commit_that_is_gone_is_told_for_that_model_only(desk):
    path, hub, _, _ = desk
    tiny = lock.read(path).models[0]
    findings = relock.check(hub, (replace(tiny, name="old", commit="e" * 40), tiny))
    assert [(finding.model, finding.state) for finding in findings] == [("old", "refused"), ("tiny", "ok")]


def test_without_a_connection_nothing_is_claimed(desk):
    with pytest.raises(SourceInterruptedError):
        relock.check(Hub("http://127.0.0.1:9"), lock.read(desk[0]).models)
