"""Model families: one file each, chosen by the class that config.json declares.

Every file in this folder that defines CLASSES is a family; a new family is a new file.
Knows nothing about how a family works; a family knows nothing about the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from pkgutil import iter_modules
from typing import Protocol

from quantize.architectures.blueprint import MAX_PARAMETERS, Blueprint
from quantize.config import Config
from quantize.errors import ConfigError, UnsupportedArchitectureError, short_repr


class Family(Protocol):
    """The module of a family. CLASSES, MODEL_TYPES: its names in config.json's `architectures` and `model_type`."""

    CLASSES: tuple[str, ...]
    MODEL_TYPES: tuple[str, ...]
    blueprint: Callable[[Config], Blueprint]


def _families() -> Iterator[Family]:
    for module in sorted(iter_modules(__path__), key=lambda module: module.name):
        family = import_module(f"{__name__}.{module.name}")
        if hasattr(family, "CLASSES"):
            yield family


FAMILIES: tuple[Family, ...] = tuple(_families())
BY_CLASS = {name: family.blueprint for family in FAMILIES for name in family.CLASSES}
BY_MODEL_TYPE = {name: family.blueprint for family in FAMILIES for name in family.MODEL_TYPES}


def blueprint(config: Config) -> Blueprint:
    """The GGUF that a configuration describes.

    The declared class decides, or `model_type` where none is declared. Raises UnsupportedArchitectureError for an
    unknown one, and ConfigError for a missing or contradictory field.
    """
    declared = config.fields.get("architectures")
    name = declared[0] if isinstance(declared, list) and declared else None
    families = BY_CLASS
    if name is None:
        name, families = config.fields.get("model_type"), BY_MODEL_TYPE
    make = families.get(str(name))
    if make is None:
        raise UnsupportedArchitectureError(
            f"{config.origin}: architecture {short_repr(name)} is not supported, "
            f"expected one of {', '.join(sorted(BY_CLASS))}",
            "a ready GGUF of it can be used as it is",
        )
    made = make(config)
    if made.parameters > MAX_PARAMETERS:
        raise ConfigError(f"{config.origin}: {made.parameters:,} parameters, expected at most {MAX_PARAMETERS:,}")
    return made
