"""peft's adapter_config.json: what a LoRA adapter multiplies its update with, or why it cannot be used.

An adapter says W + scale * B @ A, with scale = alpha / r, or alpha / sqrt(r) if it is rank-stabilized (Kalajdzievski,
arXiv:2312.03732). Rank and alpha may differ from module to module. Whatever else peft can train changes the arithmetic
in another way, and is refused by name. The file is not trusted: no pattern in it can make a match take long.
Source: peft's LoraConfig, and `get_pattern_key` in peft's utils. Knows nothing about tensors.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from quantize.config import Config
from quantize.errors import AdapterError, ConfigError, short_repr
from quantize.json_file import read_object

FILE_NAME = "adapter_config.json"
MAX_RANK = 1 << 16
MAX_PATTERNS = 4096
MAX_PATTERN = 200  # characters
MAX_REPEATS = 2  # quantifiers of a pattern; what they cost multiplies
_NAME = re.compile(r"[\w.]+")
_QUANTIFIER = re.compile(r"\\.|([*+?{])")
# a quantified or special group, a back reference, what Python warns of in a set
_REFUSED_IN_PATTERN = re.compile(r"\)[*+?{]|\(\?|\\\d|\[\[|--|&&|~~|\|\|")
# How an adapter was initialized. Whatever is not here also changed the weights that it was trained on.
_PLAIN_STARTS = (None, True, False, "gaussian", "eva", "orthogonal")
_REFUSED = {
    "use_dora": "DoRA",
    "use_qalora": "QA-LoRA",
    "lora_bias": "a trained bias",
    "fan_in_fan_out": "transposed weights",
    "modules_to_save": "whole modules that were trained too",
    "layer_replication": "replicated layers",
    "target_parameters": "parameters that are no linear layer",
    "trainable_token_indices": "trained token embeddings",
    "alora_invocation_tokens": "activated LoRA, which begins in the middle of a prompt",
    "arrow_config": "Arrow routing",
    "kasa_config": "KaSA",
    "monteclora_config": "MonteCLoRA",
}
_HINT = "train a plain LoRA, or merge this one with peft and quantize the result"


@dataclass(frozen=True, slots=True)
class AdapterConfig:
    """rank, alpha: of a module that no pattern names. base: the model that the adapter was trained on, as it says."""

    rank: int
    alpha: float
    ranks: Mapping[str, int]
    alphas: Mapping[str, float]
    rank_stabilized: bool
    base: str | None
    origin: str

    def rank_of(self, module: str) -> int:
        """The rank of a module, by its name in the base model."""
        return self.ranks.get(_matching(tuple(self.ranks), module), self.rank)

    def alpha_of(self, module: str) -> float:
        """The alpha of a module."""
        return self.alphas.get(_matching(tuple(self.alphas), module), self.alpha)

    def scale_of(self, module: str) -> float:
        """What the update B @ A of a module is multiplied with."""
        rank = self.rank_of(module)
        return self.alpha_of(module) / (math.sqrt(rank) if self.rank_stabilized else rank)

    @property
    def llama_cpp_alpha(self) -> float:
        """The alpha with which llama.cpp, which divides by the rank, comes to the scale of an ordinary module."""
        return self.alpha * (math.sqrt(self.rank) if self.rank_stabilized else 1.0)

    def llama_cpp_factor(self, module: str) -> float:
        """What B has to be multiplied with, so that `llama_cpp_alpha` divided by the module's own rank gives its scale.

        Exactly 1 for a module that no pattern names.
        """
        widened = math.sqrt(self.rank_of(module) / self.rank) if self.rank_stabilized else 1.0
        return self.alpha_of(module) / self.alpha * widened


def read(folder: Path) -> AdapterConfig:
    """The configuration of an adapter's folder.

    Raises AdapterError where it is missing or malformed, and where the adapter is of a kind that W + scale * B @ A does
    not describe.
    """
    path = folder / FILE_NAME
    if not folder.is_dir():
        raise AdapterError(f"there is no adapter folder at {folder}", f"it holds {FILE_NAME} and the adapter's weights")
    fields = read_object(path, AdapterError, "expected the folder of a LoRA adapter, as peft saves it")
    _refuse_other_kinds(path, fields)
    config = Config(fields, str(path))
    try:
        return AdapterConfig(
            rank=config.integer("r", at_most=MAX_RANK),
            alpha=config.number("lora_alpha"),
            ranks={key: _rank(path, key, value) for key, value in _patterns(path, fields, "rank_pattern")},
            alphas={key: _alpha(path, key, value) for key, value in _patterns(path, fields, "alpha_pattern")},
            rank_stabilized=config.flag("use_rslora", default=False),
            base=config.text("base_model_name_or_path"),
            origin=str(path),
        )
    except ConfigError as problem:
        raise AdapterError(str(problem), "is this the file that peft wrote?") from problem


def _refuse_other_kinds(path: Path, fields: Mapping[str, Any]) -> None:
    kind = fields.get("peft_type")
    if kind != "LORA":
        raise AdapterError(f"{path}: peft_type is {short_repr(kind)}, expected 'LORA'", _HINT)
    for name, what in _REFUSED.items():
        if fields.get(name):
            raise AdapterError(f"{path}: {name!r} is {short_repr(fields[name])}: {what} cannot be merged here", _HINT)
    unknown = [name for name in fields if name.startswith("use_") and name != "use_rslora" and fields[name]]
    if unknown:
        raise AdapterError(f"{path}: {unknown[0]!r} is set: a kind of LoRA that is not known here", _HINT)
    if fields.get("bias", "none") != "none":
        raise AdapterError(f"{path}: 'bias' is {short_repr(fields['bias'])}, expected 'none'", _HINT)
    start = fields.get("init_lora_weights")
    if not any(start is plain or (isinstance(plain, str) and start == plain) for plain in _PLAIN_STARTS):
        raise AdapterError(
            f"{path}: 'init_lora_weights' is {short_repr(start)}: it was trained on changed weights, not on the base's",
            "save it as a plain LoRA: peft's save_pretrained with path_initial_model_for_weight_conversion",
        )


def _patterns(path: Path, fields: Mapping[str, Any], name: str) -> list[tuple[str, Any]]:
    """The entries of a pattern field, whose keys are safe to match with."""
    table = fields.get(name) or {}
    if not isinstance(table, dict) or len(table) > MAX_PATTERNS:
        raise AdapterError(f"{path}: {name!r} is {short_repr(table)}, expected at most {MAX_PATTERNS} names")
    for key in table:
        _check_pattern(path, name, key)
    return list(table.items())


def _check_pattern(path: Path, name: str, key: str) -> None:
    """Raise AdapterError for a regular expression that is none, or that could take long to match."""
    if _NAME.fullmatch(key) and len(key) <= MAX_PATTERN:
        return
    repeats = sum(1 for found in _QUANTIFIER.finditer(key) if found[1])
    if len(key) > MAX_PATTERN or repeats > MAX_REPEATS or _REFUSED_IN_PATTERN.search(key):
        raise AdapterError(
            f"{path}: {name!r} has the pattern {short_repr(key)}, which is more than this reads",
            f"expected a module's name, or a regular expression with at most {MAX_REPEATS} simple quantifiers",
        )
    try:
        re.compile(key)
    except (re.error, OverflowError) as problem:
        raise AdapterError(f"{path}: {name!r} has the pattern {short_repr(key)}: {problem}") from problem


def _rank(path: Path, key: str, value: object) -> int:
    if type(value) is not int or not 1 <= value <= MAX_RANK:
        raise AdapterError(f"{path}: the rank of {key!r} is {short_repr(value)}, expected 1 to {MAX_RANK}")
    return value


def _alpha(path: Path, key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1e-30 < value < 1e30:
        raise AdapterError(f"{path}: the alpha of {key!r} is {short_repr(value)}, expected a number above zero")
    return float(value)


@lru_cache(maxsize=1 << 14)
def _matching(patterns: tuple[str, ...], module: str) -> str:
    """The first pattern that is the module's name or the end of it, at a dot; the name itself if none is."""
    for pattern in patterns:
        if re.match(rf"(.*\.)?({pattern})$", module):
            return pattern
    return module
