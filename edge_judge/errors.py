"""The errors that a user can meet, as a small tree. The library raises them; the CLI translates them in one place.

    EdgeJudgeError          one line: what is wrong, where, what was expected; `hint` is the next step
    |-- UsageError          a name or a combination of options that does not exist (exit 2)
    |-- DataError           a benchmark file that is missing, changed, broken or empty
    |-- GrammarError        a .gbnf file that is broken or does not describe itself
    |-- ModelError          a GGUF that cannot judge: no chat template, too small a context, not loadable
    |   `-- MemoryLimitError   a GGUF that needs more memory than is allowed
    `-- RunError            a run folder that does not hold the run that was expected

A bug of ours is none of these and keeps its traceback.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path

from edge_judge.quantities import megabytes

MOST_SHOWN = 500  # characters of a message, and of a hint
_END = 150  # of those, the last ones: they say what was expected
# What the system says of a file that is open, whose name it then does not tell; of a connection it says none of these.
OF_FILES = frozenset(
    {errno.EIO, errno.ENOSPC, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOLCK}
    | {getattr(errno, name) for name in ("EDQUOT", "ESTALE") if hasattr(errno, name)}
)


def shown(text: str) -> str:
    """A message that may quote a stranger's file, as one line of at most MOST_SHOWN characters.

    What a terminal would obey (control characters, marks of direction) is spelled out: "\\x1b". The middle of a long
    text is left out.
    """
    if len(text) > MOST_SHOWN:  # of a very long text, only what can be shown is looked at
        text = f"{text[:MOST_SHOWN]} … {text[-_END:]}"
    line = " ".join(text.split())
    line = line if line.isprintable() else "".join(map(_printable, line))
    return line if len(line) <= MOST_SHOWN else f"{line[: MOST_SHOWN - _END - 3]} … {line[-_END:]}"


def _printable(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()


_LOGIN = re.compile(r"(?<=://)[^/\s]*@")


def without_login(text: str) -> str:
    """The text with its addresses, without the user and the password that an address may have."""
    return _LOGIN.sub("", text)


class EdgeJudgeError(Exception):
    """A user's problem in one line; `hint` says what to do next. Both are as `shown` leaves them."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(shown(without_login(message)))
        self.hint = hint and shown(without_login(hint))


class UsageError(EdgeJudgeError): ...


class DataError(EdgeJudgeError): ...


class GrammarError(EdgeJudgeError): ...


class ModelError(EdgeJudgeError): ...


class MemoryLimitError(ModelError):
    """allowed, needed: bytes of the whole process; weights: bytes of the model in them; loaded: whether the model was
    loaded, so that `needed` includes the work itself.
    """

    def __init__(self, allowed: int, needed: int, weights: int, *, loaded: bool = True) -> None:
        self.allowed, self.needed, self.weights, self.loaded = allowed, needed, weights, loaded
        least = "at least" if loaded else "more than"
        super().__init__(
            f"this run needs {least} {megabytes(needed)} of memory ({megabytes(weights)} for the model), "
            f"{megabytes(allowed)} are allowed",
            "allow more with --max-memory, or use a smaller scheme",
        )


class RunError(EdgeJudgeError): ...


def nearest(name: str, names: Iterable[str], kind: str = "") -> str:
    """A hint for a mistyped name: the nearest names, or all names if none is near. kind: of what, such as models."""
    choices = list(names)
    close = get_close_matches(name, choices, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"known{kind and ' '}{kind}: {', '.join(choices)}"


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """An OSError within the block that names no file, or one that is hidden in `path` or beside it, names `path`.

    A write, a read or a close tells no name; a temporary file has one that no user gave.
    """
    try:
        yield
    except OSError as error:
        if not (error.errno in OF_FILES if error.filename is None else _is_hidden_in(path, Path(str(error.filename)))):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _is_hidden_in(path: Path, named: Path) -> bool:
    """Whether a file is hidden below a folder, or beside a file that it stands for."""
    if named.is_relative_to(path):
        return any(part.startswith(".") for part in named.relative_to(path).parts)
    return named.parent == path.parent and named.name.startswith(f".{path.name}.")
