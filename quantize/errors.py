"""What can go wrong between a checkpoint and a GGUF file.

Knows nothing about how an error is shown: the library raises, the command line prints
`error: <message>` and, where there is one, `hint: <hint>`.

    QuantizeError                          base: a one-line message and an optional hint, the next step to take
    ├── LockError                          models.lock is missing, malformed, or contradicts what was found
    │   └── UnknownModelError              no model of that name; the nearest names are in the hint
    ├── SourceError                        the bytes of a checkpoint cannot be had
    │   └── SourceInterruptedError         ... now; what is done is kept, and the same call goes on from it
    ├── CheckpointError                    a weight file is missing, cut short, inconsistent or hostile
    ├── ConfigError                        config.json lacks a field or holds one that cannot be right
    │   └── UnsupportedArchitectureError   a model family this package does not know
    ├── VocabularyError                    tokenizer files are missing or of a kind llama.cpp cannot express
    ├── SchemeError                        a quantization scheme does not fit
    │   ├── UnknownSchemeError             no scheme of that name; the nearest names are in the hint
    │   └── ImatrixNeededError             the scheme is unusable without an importance matrix
    ├── PackError                          the GGUF could not be written
    └── VerifyError                        the written GGUF is not what it should be
"""

import reprlib

_BRIEF = reprlib.Repr()
_BRIEF.maxstring = _BRIEF.maxother = 160
_BRIEF.maxlong, _BRIEF.maxlist, _BRIEF.maxtuple, _BRIEF.maxlevel = 60, 8, 8, 4


def shown(value: object) -> str:
    """A value from a file by others, for a message: short, whatever it is."""
    try:
        return _BRIEF.repr(value)
    except ValueError:  # it holds a number of more digits than Python writes
        return f"{type(value).__name__} too long to show"


class QuantizeError(Exception):
    """A message "what is wrong, where, what was expected", and a hint: the next step, if there is one."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class LockError(QuantizeError):
    """models.lock is missing, malformed, or contradicts what was found."""


class UnknownModelError(LockError):
    """No model of that name is known."""


class SourceError(QuantizeError):
    """The bytes of a checkpoint cannot be had."""


class SourceInterruptedError(SourceError):
    """The bytes of a checkpoint cannot be had now; what is done is kept, and the same call goes on from it."""


class CheckpointError(QuantizeError):
    """A weight file is missing, cut short, inconsistent or hostile."""


class ConfigError(QuantizeError):
    """config.json lacks a field or holds one that cannot be right."""


class UnsupportedArchitectureError(ConfigError):
    """A model family this package does not know."""


class VocabularyError(QuantizeError):
    """Tokenizer files are missing or of a kind llama.cpp cannot express."""


class SchemeError(QuantizeError):
    """A quantization scheme does not fit this model or this llama.cpp."""


class UnknownSchemeError(SchemeError):
    """No scheme of that name is known."""


class ImatrixNeededError(SchemeError):
    """The scheme is unusable without an importance matrix."""


class PackError(QuantizeError):
    """The GGUF could not be written."""


class VerifyError(QuantizeError):
    """The written GGUF is not what it should be."""
