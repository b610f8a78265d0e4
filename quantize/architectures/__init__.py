"""Model families: one file each, chosen by the class that config.json declares.

Knows nothing about how a family works; a family knows nothing about the others.
"""

from __future__ import annotations

from collections.abc import Callable

from quantize.architectures import chatglm, internlm2, llama, qwen2, qwen3
from quantize.architectures.blueprint import Blueprint
from quantize.config import Config
from quantize.errors import UnsupportedArchitectureError, shown

FAMILIES = (llama, qwen2, qwen3, internlm2, chatglm)
Maker = Callable[[Config], Blueprint]
BY_CLASS: dict[str, Maker] = {name: family.blueprint for family in FAMILIES for name in family.CLASSES}
BY_MODEL_TYPE: dict[str, Maker] = {name: f.blueprint for f in FAMILIES for name in f.MODEL_TYPES}


def blueprint(config: Config) -> Blueprint:
    """The GGUF that a configuration describes.

    The declared class decides; `model_type` only where none is declared. Raises UnsupportedArchitectureError by
    name, before anything was downloaded or read, and ConfigError for a missing or contradictory field.
    """
    declared = config.fields.get("architectures")
    name = declared[0] if isinstance(declared, list) and declared else None
    make = BY_CLASS.get(str(name)) if name is not None else BY_MODEL_TYPE.get(str(config.fields.get("model_type")))
    if make is None:
        found = name if name is not None else config.fields.get("model_type")
        raise UnsupportedArchitectureError(
            f"{config.origin}: architecture {shown(found)} is not supported, "
            f"expected one of {', '.join(sorted(BY_CLASS))}",
            "a ready GGUF of it can be used as it is",
        )
    return make(config)
