"""What can go wrong between a checkpoint and a GGUF file.

Knows nothing about how an error is displayed: the library raises, the command line prints
`error: <message>` and, where there is one, `hint: <hint>`.

    QuantizeError                          base: a one-line message and an optional hint, the next step to take
    ├── LockError                          models.lock is missing, malformed, or contradicts the files
    │   └── UnknownModelError              no model of that name; the nearest names are in the hint
    ├── SourceError                        a file of the checkpoint cannot be obtained
    │   └── SourceInterruptedError         ... at the moment; finished work is kept, and the same call resumes it
    ├── CheckpointError                    a weight file is missing, truncated, inconsistent or hostile
    ├── AdapterError                       a LoRA adapter is of a kind that cannot be merged, or not for this model
    ├── ConfigError                        config.json lacks a field or holds an invalid one
    │   └── UnsupportedArchitectureError   a model family this package does not support
    ├── VocabularyError                    tokenizer files are missing, or llama.cpp cannot express them
    ├── SchemeError                        a quantization scheme does not fit
    │   ├── UnknownSchemeError             no scheme of that name; the nearest names are in the hint
    │   └── ImatrixNeededError             the scheme is unusable without an importance matrix
    ├── PackError                          the GGUF could not be written
    └── VerifyError                        the written GGUF differs from what was planned
"""

import re
import reprlib

_LOGIN = re.compile(r"(?<=://)[^/\s]*@")
_BRIEF = reprlib.Repr()
_BRIEF.maxstring = _BRIEF.maxother = 160
_BRIEF.maxlong, _BRIEF.maxlist, _BRIEF.maxtuple, _BRIEF.maxlevel = 60, 8, 8, 4


def short_repr(value: object) -> str:
    """A value from an untrusted file, for a message: never long."""
    try:
        return _BRIEF.repr(value)
    except ValueError:  # it holds an integer with more digits than Python converts
        return f"{type(value).__name__} too long to show"


MOST_SHOWN = 500  # characters of a message, and of a hint
_END = 150  # of those, the last ones: they say what was expected


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


def without_login(text: str) -> str:
    """The text with its addresses, without the user and the password that an address may have."""
    return _LOGIN.sub("", text)


class QuantizeError(Exception):
    """A message "what is wrong, where, what was expected", and a hint: the next step, if there is one.

    Both are as `shown` leaves them.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(shown(without_login(message)))
        self.hint = hint and shown(without_login(hint))


class LockError(QuantizeError):
    """models.lock is missing, malformed, or contradicts the files."""


class UnknownModelError(LockError):
    """No model of that name is known."""


class SourceError(QuantizeError):
    """A file of the checkpoint cannot be obtained."""


class SourceInterruptedError(SourceError):
    """A file of the checkpoint cannot be obtained at the moment; finished work is kept, the same call resumes it."""


class CheckpointError(QuantizeError):
    """A weight file is missing, truncated, inconsistent or hostile."""


class AdapterError(QuantizeError):
    """A LoRA adapter is of a kind that cannot be merged, is damaged, or does not belong to this model."""


class ConfigError(QuantizeError):
    """config.json lacks a field or holds an invalid one."""


class UnsupportedArchitectureError(ConfigError):
    """A model family this package does not support."""


class VocabularyError(QuantizeError):
    """Tokenizer files are missing, or llama.cpp cannot express them."""


class SchemeError(QuantizeError):
    """A quantization scheme does not fit this model or this llama.cpp."""


class UnknownSchemeError(SchemeError):
    """No scheme of that name is known."""


class ImatrixNeededError(SchemeError):
    """The scheme is unusable without an importance matrix."""


class PackError(QuantizeError):
    """The GGUF could not be written."""


class VerifyError(QuantizeError):
    """The written GGUF differs from what was planned."""
