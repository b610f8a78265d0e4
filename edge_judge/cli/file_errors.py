"""What a user is told of an error of the system about a file.

Knows: which of them are the disk's, which are bugs of ours; the temporary names that no user gave. Does not know: how
an error is shown.
"""

from __future__ import annotations

import errno
import re
from pathlib import Path

from edge_judge.errors import shown

NO_ROOM = frozenset(getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG") if hasattr(errno, name))
NOT_WRITABLE = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
BROKEN = frozenset(getattr(errno, name) for name in ("EIO", "ESTALE") if hasattr(errno, name))
OURS = frozenset({None, errno.EPIPE, errno.EBADF, errno.EFAULT})  # click ends a broken pipe; the others are our bugs
_TEMPORARY = re.compile(r"\.(?P<name>.+?)\.(\d+|[0-9a-f]{8}\.part|([a-z0-9_]{8}\.)?building|state)")
_OWN = re.compile(r"\.(lock|before|new|put-\w+|pull-\w+|.+\.guard)")


def described(error: OSError, resume: str | None) -> tuple[str, str] | None:
    """A message, and a hint; None for a bug of ours. resume: how to go on, where the command does not begin anew."""
    why = error.strerror or type(error).__name__
    if error.errno in OURS:
        return None
    file = shown(visible(str(error.filename))) if error.filename is not None else ""
    if error.errno in NO_ROOM:
        return f"cannot write{' ' * bool(file)}{file}: {why}", _joined("free some disk space", resume)
    if error.errno in BROKEN:
        return f"{file or 'cannot read or write'}: {why}", _joined("check the disk or the connection", resume)
    if file:
        return f"{file}: {why}", "check that the path exists and that you may read and write it"
    if error.errno in NOT_WRITABLE:
        return f"cannot write: {why}", _joined("make the folder writable, or use another", resume)
    return f"cannot read or write: {why}", _joined("check the disk or the connection", resume)


def visible(path: str) -> str:
    """The file or folder that a user knows: a temporary file stands for the one that it will become, a hidden one of
    ours for the folder that it is in.
    """
    seen: list[str] = []
    for part in Path(path).parts:
        if temporary := _TEMPORARY.fullmatch(part):
            return str(Path(*seen, temporary["name"]))
        if _OWN.fullmatch(part):
            break
        seen.append(part)
    return str(Path(*seen))


def _joined(hint: str, resume: str | None) -> str:
    return "; ".join(filter(None, (hint, resume)))
