"""Trains a small model in several sittings, each but the last of which is killed: python training_sittings.py FOLDER

Writes FOLDER/whole and FOLDER/killed. A sitting is a fork of this process, so that torch is loaded once. It kills
itself after a step, or while a file is being written: each of the moments is drawn from a fixed seed.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

from training_data import pair_rows, tiny_checkpoint, write_lines

from edge_judge import files as whole_files
from edge_judge.records import ProgressListener, TrainingProgress
from edge_judge.training import folder as files
from edge_judge.training import session  # noqa: F401  (torch and peft are loaded before the forks)
from edge_judge.training.recipe import Recipe
from edge_judge.workflows.options import TrainSettings
from edge_judge.workflows.train import train

RECIPE = Recipe(
    rank=4, dropout=0.1, rate=1e-2, epochs=2, batch=8, at_once=4, checks=3, patience=0, validation=0.2, device="cpu",
    threads=1,
)  # fmt: skip


class Counting(ProgressListener):
    """Calls `moment` after every step."""

    def __init__(self, moment: Callable[[str], None]) -> None:
        self._moment = moment

    def training(self, progress: TrainingProgress) -> None:
        self._moment("step")


def killing(kind: str, number: int) -> Callable[[str], None]:
    """Kills this process at the moment of that kind and number, counted from 1."""
    left = number

    def moment(now: str) -> None:
        nonlocal left
        left -= now == kind
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return moment


def sitting(folder: Path, out: Path, moment: Callable[[str], None]) -> int:
    """Train in a fork. Returns the signal that killed it, 0 for none."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            _notice_files(moment)
            settings = TrainSettings(files=(folder / "pairs.jsonl",), out=out, data=folder)
            train(str(folder / "tiny"), settings, recipe=RECIPE, listener=Counting(moment))
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit(f"a sitting failed in {out}")
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def _notice_files(moment: Callable[[str], None]) -> None:
    """A moment when half of a file is written under its temporary name, and one when it is whole."""
    write = whole_files.write_whole

    def noticed(path: Path, content: bytes) -> None:
        path.with_name(f".{path.name}.half").write_bytes(content[: len(content) // 2])
        moment("file")
        path.with_name(f".{path.name}.half").unlink()
        write(path, content)
        moment("file")

    files.write_whole = noticed


def main() -> None:
    folder = Path(sys.argv[1])
    tiny_checkpoint(folder / "tiny")
    write_lines(folder / "pairs.jsonl", pair_rows(75))
    sitting(folder, folder / "whole", lambda _: None)
    rng = Random("five moments")
    for kill in range(5):
        kind = ("step", "file")[kill % 2]
        number = rng.randint(2, 5) if kind == "step" else rng.randint(3, 9)
        if sitting(folder, folder / "killed", killing(kind, number)) != signal.SIGKILL:
            raise SystemExit(f"the training was over before sitting {kill + 1} was killed")
    sitting(folder, folder / "killed", lambda _: None)


if __name__ == "__main__":
    main()
