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

import re
from collections.abc import Iterable
from difflib import get_close_matches

from edge_judge.quantities import megabytes

_LOGIN = re.compile(r"(?<=://)[^/\s]*@")


def without_login(text: str) -> str:
    """The text with its addresses, without the user and the password that an address may have."""
    return _LOGIN.sub("", text)


class EdgeJudgeError(Exception):
    """A user's problem in one line; `hint` says what to do next."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(without_login(message))
        self.hint = hint and without_login(hint)


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


def nearest(name: str, names: Iterable[str]) -> str:
    """A hint for a mistyped name: the nearest names, or all names if none is near."""
    choices = list(names)
    close = get_close_matches(name, choices, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"known: {', '.join(choices)}"
