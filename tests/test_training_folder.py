"""The folder of a training keeps its adapter until that of a training which was begun anew is complete."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_judge.errors import RunError
from edge_judge.training.folder import TrainingFolder

FIRST, SECOND = {"rank": 4}, {"rank": 8}


def completed(path: Path, settings: dict[str, int], name: bytes, *, fresh: bool = False) -> None:
    with TrainingFolder.opened(path, settings, fresh=fresh) as folder:
        folder.save(b"state")
        folder.finish(name, name, ["pair"], {"steps": 1})


def adapter(path: Path) -> tuple[bytes, bytes]:
    return (path / "adapter_config.json").read_bytes(), (path / "adapter_model.safetensors").read_bytes()


def test_an_adapter_stays_until_the_one_that_was_begun_anew_is_complete(tmp_path: Path) -> None:
    tuned = tmp_path / "tuned"
    completed(tuned, FIRST, b"old")
    with pytest.raises(OSError, match="full"), TrainingFolder.opened(tuned, SECOND, fresh=True) as folder:
        folder.save(b"half")
        raise OSError(28, "full")
    assert adapter(tuned) == (b"old", b"old")
    with TrainingFolder.opened(tuned, FIRST, fresh=False) as folder:
        assert folder.complete
    with TrainingFolder.opened(tuned, SECOND, fresh=False) as folder:
        assert not folder.complete and folder.state() == b"half" and adapter(tuned) == (b"old", b"old")
        folder.finish(b"new", b"new", ["pair"], {"steps": 2})
    assert adapter(tuned) == (b"new", b"new")
    assert {path.name for path in tuned.iterdir()} == {
        "adapter_config.json", "adapter_model.safetensors", "pairs_seen.txt", "training.json",
    }  # fmt: skip


def test_a_training_begun_anew_that_reaches_nothing_leaves_nothing(tmp_path: Path) -> None:
    tuned = tmp_path / "tuned"
    completed(tuned, FIRST, b"old")
    before = {path.name: path.read_bytes() for path in tuned.iterdir()}
    with pytest.raises(ValueError, match="no"), TrainingFolder.opened(tuned, SECOND, fresh=True):
        raise ValueError("no")
    assert {path.name: path.read_bytes() for path in tuned.iterdir()} == before
    with pytest.raises(RunError, match="under other settings"), TrainingFolder.opened(tuned, SECOND, fresh=False):
        pass


def test_what_a_killed_training_left_is_removed_and_a_complete_one_takes_its_place(tmp_path: Path) -> None:
    tuned = tmp_path / "tuned"
    completed(tuned, FIRST, b"old")
    completed(tmp_path / "other", SECOND, b"new")
    (tmp_path / "other").rename(tuned / ".new")
    (tuned / ".training.json.0a1b2c3d.part").write_text("half", encoding="utf-8")
    (tuned / ".state").write_text("of the old one", encoding="utf-8")
    with TrainingFolder.opened(tuned, SECOND, fresh=False) as folder:
        assert folder.complete and adapter(tuned) == (b"new", b"new")
    assert not any(path.name.startswith(".") for path in tuned.iterdir())
