"""Which checkpoint is meant by a model's name, a folder, or a repository on the Hub.

Knows: models.lock, the checkpoints that come with the package. Does not know: what is made of a checkpoint.
"""

from __future__ import annotations

from pathlib import Path

from edge_judge.workflows.model_files import SHIPPED, checkpoint_source
from quantize import lock
from quantize.lock import LockedModel
from quantize.metadata import Provenance
from quantize.source import FolderSource, Hub, HubSource, describe


def find_source(model: str) -> FolderSource | HubSource:
    """Where a checkpoint comes from. Raises UnknownModelError for a name that means none, SourceError where the Hub
    does not answer.
    """
    if Path(model).is_dir():
        return FolderSource(Path(model), Path(model).resolve().name)
    models = lock.read()
    if model.count("/") == 1 and model not in {known.name for known in models.models}:
        return HubSource(Hub(), describe(Hub(), model))
    known = models.model(model)
    return HubSource(Hub(), known) if known.local is None else shipped_source(known, known.local)


def shipped_source(model: LockedModel, local: str) -> FolderSource:
    """The checkpoint that comes with the package. local: as models.lock names it."""
    return FolderSource(SHIPPED[local], model.name, Provenance(license=model.license))


def origin(source: FolderSource | HubSource) -> str:
    """What a checkpoint is, as the record of a built file keeps it: a pinned repository, or a name and a hash."""
    return source.pin if isinstance(source, HubSource) else checkpoint_source(source.name, source.path)
