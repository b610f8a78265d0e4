"""Where the bytes of a model come from.

For now a folder that is already there; a model that is only published is refused with what to do instead.
Knows nothing about what is inside a checkpoint.
"""

from __future__ import annotations

from pathlib import Path

from quantize.errors import SourceError
from quantize.lock import LockedModel


def folder_of(model: LockedModel, folder: Path | None) -> Path:
    """The checkpoint folder of a locked model: `folder`, where it is given and exists.

    Raises SourceError where the model would have to be downloaded.
    """
    if folder is not None and folder.is_dir():
        return folder
    size = f" ({model.parameters * 2 / 1e9:.1f} GB)" if model.parameters else ""
    where = f"{model.repo} at commit {model.commit}" if model.repo else f"folder {folder}"
    raise SourceError(
        f"the checkpoint of {model.name}{size} is not on this machine: {where}; "
        "downloading it is not built in yet",
        "download that commit yourself and give its folder as the model",
    )
