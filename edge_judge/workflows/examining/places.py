"""A folder that something will be written to: room, permission, and whether its file system is another machine's.

Knows: folders, mounted file systems. Does not know: what is written there.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

# Of these, locks, renames or flushing may not do what a run relies on.
NETWORKED = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afpfs", "webdav", "davfs", "9p", "vboxsf", "drvfs", "glusterfs", "afs"}
)
NETWORKED_BY = ("fuse.sshfs", "fuse.rclone", "fuse.s3fs", "fuse.gcsfuse", "fuse.davfs", "fuse.glusterfs")


@dataclass(frozen=True, slots=True)
class Place:
    """free: bytes, None if the system does not say; there: whether the folder exists yet; filesystem: its type, empty
    if unknown; networked: whether it belongs to another machine.
    """

    free: int | None
    there: bool
    writable: bool
    filesystem: str
    networked: bool


def look_at(folder: Path) -> Place:
    """A folder as it is, or as it would be if it were made."""
    nearest = next((path for path in (folder, *folder.absolute().parents) if path.is_dir()), Path.cwd())
    kind = _filesystem(nearest)
    networked = kind in NETWORKED or kind.startswith(NETWORKED_BY)
    return Place(_free(nearest), folder.is_dir(), _is_writable(nearest), kind, networked)


def _free(folder: Path) -> int | None:
    with suppress(OSError):
        return shutil.disk_usage(folder).free
    return None


def _is_writable(folder: Path) -> bool:
    """Whether a file can be made there; asking for the permission is no answer on a read-only file system."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _filesystem(folder: Path) -> str:
    """The type of the file system on which a folder lies."""
    with suppress(OSError, RuntimeError):
        resolved = folder.resolve()
        mounted = [part for part in psutil.disk_partitions(all=True) if resolved.is_relative_to(part.mountpoint)]
        nearest = max(mounted, key=lambda part: len(Path(part.mountpoint).parts), default=None)
        if nearest is not None:
            return "cifs" if "remote" in nearest.opts.split(",") else str(nearest.fstype).lower()
    return ""
