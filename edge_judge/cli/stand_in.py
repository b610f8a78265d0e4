"""Random weights in place of a model that is not here: written, lent for as long as they are needed, and removed."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from edge_judge.cli import terminal
from edge_judge.cli.models import SPARE, settings
from edge_judge.records import Judge

if TYPE_CHECKING:
    from quantize.config import Config

LARGE = Path("/var/tmp")  # on the disk, where /tmp may be a part of memory


@contextmanager
def written(shape: str, scheme: str, vocab: Path | None, keep: Path | None) -> Iterator[Judge]:
    """A judge of a known model's shape that knows nothing. keep: the file in which it stays."""
    from quantize import lock, schemes

    model, wanted = lock.read().model(shape), schemes.canonical(scheme)
    with _place(keep) as out:
        _write(model.name, settings(model), wanted, vocab, out)
        yield Judge(model.name, wanted, out, "", "random weights")


def _write(name: str, config: Config, scheme: str, vocab: Path | None, out: Path) -> None:
    from quantize import architectures, schemes, stand_in

    _warn(schemes.file_bytes(architectures.blueprint(config), scheme))
    with terminal.building(f"random weights, {name} {scheme}") as show:
        stand_in.write(config, scheme, out, name=f"{name}, random weights", vocabulary=vocab, progress=show)


def _warn(weights: int) -> None:
    import psutil

    memory = psutil.virtual_memory().total
    if weights + SPARE > memory:
        terminal.note(
            f"{terminal.size(weights)} of weights do not fit {terminal.size(memory)} of memory: expect the disk's speed"
        )


@contextmanager
def _place(keep: Path | None) -> Iterator[Path]:
    """Where random weights go. A temporary folder is removed whatever ends the work, a closed terminal included."""
    if keep is not None:
        yield keep
        return
    with _signals_as_exits(), tempfile.TemporaryDirectory(prefix="edge-judge-", dir=_disk()) as folder:
        yield Path(folder) / "stand-in.gguf"


def _disk() -> Path | None:
    return LARGE if LARGE.is_dir() and "TMPDIR" not in os.environ else None


@contextmanager
def _signals_as_exits() -> Iterator[None]:
    """A signal that ends the process ends it in order, as an interrupt does."""

    def leave(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    known = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, leave) for number in known}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
