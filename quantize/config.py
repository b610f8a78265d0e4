"""config.json, read field by field with errors that name the field and the file.

Knows nothing about which fields a model family needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from quantize.errors import ConfigError, short_repr
from quantize.json_file import read_object

FILE_NAME = "config.json"
MAX_INTEGER = (1 << 31) - 1  # llama.cpp reads such fields as 32-bit numbers
MIN_NUMBER, MAX_NUMBER = 1e-30, 1e30  # well within a 32-bit float
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Config:
    """The fields of one configuration and the file they come from. null counts as absent."""

    fields: Mapping[str, Any]
    origin: str

    def integer(self, *names: str, default: int | None = None, at_least: int = 1, at_most: int = MAX_INTEGER) -> int:
        """The first field present, an integer; raises ConfigError where there is neither a field nor a default."""
        name, value = self._first(names)
        if name is None:
            return self._missing(names, "a whole number", default)
        if isinstance(value, bool) or not isinstance(value, int) or not at_least <= value <= at_most:
            expected = f"a whole number from {at_least} to {at_most}"
            raise ConfigError(f"{self.origin}: {name!r} is {short_repr(value)}, expected {expected}")
        return value

    def number(self, *names: str, default: float | None = None) -> float:
        """The first field present, a positive number within the range of a 32-bit float."""
        name, value = self._first(names)
        if name is None:
            return self._missing(names, "a number", default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not MIN_NUMBER < value < MAX_NUMBER:
            raise ConfigError(f"{self.origin}: {name!r} is {short_repr(value)}, expected a number above zero")
        return float(value)

    def flag(self, name: str, default: bool) -> bool:
        """A boolean field."""
        value = self.fields.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise ConfigError(f"{self.origin}: {name!r} is {short_repr(value)}, expected true or false")
        return value

    def text(self, name: str) -> str | None:
        """A text field, or None."""
        value = self.fields.get(name)
        if value is not None and not isinstance(value, str):
            raise ConfigError(f"{self.origin}: {name!r} is {short_repr(value)}, expected text")
        return value

    def part(self, *names: str) -> Config | None:
        """A nested object, or None."""
        name, value = self._first(names)
        if name is None:
            return None
        if not isinstance(value, dict):
            raise ConfigError(f"{self.origin}: {name!r} is {short_repr(value)}, expected an object")
        return Config(value, f"{self.origin}, in {name!r}")

    def _first(self, names: tuple[str, ...]) -> tuple[str | None, Any]:
        return next(((n, self.fields[n]) for n in names if self.fields.get(n) is not None), (None, None))

    def _missing(self, names: tuple[str, ...], kind: str, default: _T | None) -> _T:
        if default is None:
            fields = " or ".join(repr(name) for name in names)
            raise ConfigError(f"{self.origin} lacks {fields}, {kind}", "is this the model's own config.json?")
        return default


def read(folder: Path) -> Config:
    """The config.json of a checkpoint folder."""
    path = folder / FILE_NAME
    hint = "expected the folder of a Hugging Face checkpoint, with its config.json"
    return Config(read_object(path, ConfigError, hint, nan=True), str(path))
