"""Random weights in place of a model that is not here: written, lent for as long as they are needed, and removed.

Knows: known models' shapes, where large temporary files go. Does not know: what the weights are used for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_judge.records import Judge, ProgressListener
from edge_judge.report.formatting import size
from edge_judge.workflows.build import build_callback
from edge_judge.workflows.model_files import model_config
from edge_judge.workflows.models import SPARE, machine_memory
from edge_judge.workflows.options import RandomWeights
from edge_judge.workflows.scratch import scratch
from quantize import architectures, lock, schemes, stand_in

LARGE = Path("/var/tmp")  # on the disk, where /tmp may be a part of memory


@contextmanager
def random_judge(shape: str, scheme: str, weights: RandomWeights, listener: ProgressListener) -> Iterator[Judge]:
    """A judge of a known model's shape that knows nothing. What is not kept is removed, whatever ends the work."""
    model, canonical = lock.read().model(shape), schemes.canonical(scheme)
    config = model_config(model)
    with _place(weights.keep) as out:
        _warn(schemes.file_bytes(architectures.blueprint(config), canonical), listener)
        name = f"{model.name}, random weights"
        with listener.task(f"random weights, {model.name} {canonical}"):
            progress = build_callback(listener)
            stand_in.write(config, canonical, out, name=name, vocabulary=weights.vocab, progress=progress)
        yield Judge(model.name, canonical, out, "", "random weights")


def _warn(weights: int, listener: ProgressListener) -> None:
    memory = machine_memory()
    if weights + SPARE > memory:
        too_large = f"{size(weights)} of weights do not fit {size(memory)} of memory"
        listener.note(f"{too_large}: speed is limited by the disk")


@contextmanager
def _place(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        yield keep
        return
    disk = LARGE if LARGE.is_dir() and "TMPDIR" not in os.environ else None
    with scratch(disk) as folder:
        yield folder / "stand-in.gguf"
