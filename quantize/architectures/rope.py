"""How a configuration scales its rotary embedding, in GGUF terms.

Knows the kinds that llama.cpp applies by itself. Any other kind is refused: without its scaling the model would run
and give wrong results.
"""

from __future__ import annotations

import math

import numpy as np

from quantize.architectures.blueprint import Field, Target
from quantize.config import Config
from quantize.errors import ConfigError


def rope_fields(architecture: str, config: Config) -> tuple[Field, ...]:
    """Base frequency and scaling. Raises ConfigError for an unknown kind of scaling."""
    scaling = config.part("rope_parameters", "rope_scaling")
    theta = config.number("rope_theta", default=10000.0)
    if scaling is not None:
        theta = scaling.number("rope_theta", default=theta)
    fields = [Field(f"{architecture}.rope.freq_base", "float32", theta)]
    kind = rope_kind(config)
    if scaling is not None and kind in ("linear", "yarn"):
        fields.append(Field(f"{architecture}.rope.scaling.type", "string", kind))
        fields.append(Field(f"{architecture}.rope.scaling.factor", "float32", scaling.number("factor")))
        if kind == "yarn":
            length = scaling.integer("original_max_position_embeddings")
            fields.append(Field(f"{architecture}.rope.scaling.original_context_length", "uint32", length))
    return tuple(fields)


def rope_kind(config: Config) -> str:
    """The kind of scaling: default, linear, yarn or llama3. Raises ConfigError for any other."""
    scaling = config.part("rope_parameters", "rope_scaling")
    kind = "default" if scaling is None else scaling.text("rope_type") or scaling.text("type") or "default"
    if kind == "dynamic":  # scales only beyond the context length, which the GGUF does not exceed
        return "default"
    if kind not in ("default", "linear", "yarn", "llama3"):
        raise ConfigError(
            f"{config.origin}: rope scaling {kind!r} is not supported, expected linear, yarn or llama3",
            "use a ready GGUF of this model",
        )
    return kind


def llama3_factors(config: Config, head_dim: int) -> tuple[Target, ...]:
    """The rope_freqs tensor (head_dim / 2,) of Llama 3.1's scaling; empty for another kind.

    Each frequency is divided by its value: 1 for short wavelengths, `factor` for long ones, in between a linear blend
    in 1 / wavelength ("The Llama 3 Herd of Models", and the rope_scaling fields of its config.json). Every step is
    rounded to float32, as in the authors' code, so that the bits are those of torch. Only the power is computed in
    float64 first: torch's own differs from the rounded true value in no element for the base of Llama 3, 500000.
    """
    scaling = config.part("rope_parameters", "rope_scaling")
    if scaling is None or rope_kind(config) != "llama3":
        return ()
    theta = scaling.number("rope_theta", default=config.number("rope_theta", default=10000.0))
    factor, length = scaling.number("factor"), scaling.integer("original_max_position_embeddings")
    low, high = scaling.number("low_freq_factor"), scaling.number("high_freq_factor")
    if low >= high:
        raise ConfigError(f"{config.origin}: 'low_freq_factor' is {low} and 'high_freq_factor' {high}, expected less")
    one = np.float32(1.0)
    exponents = np.arange(0, head_dim, 2, dtype=np.float32) / np.float32(head_dim)
    frequencies = one / np.power(theta, exponents, dtype=np.float64).astype(np.float32)
    wavelengths = np.float32(2 * math.pi) / frequencies
    blend = (np.float32(length) / wavelengths - np.float32(low)) / np.float32(high - low)
    blended = one / ((one - blend) / np.float32(factor) + blend)
    long = np.where(wavelengths > length / low, np.float32(factor), blended)
    factors = np.where(wavelengths < length / high, one, long).astype(np.float32)
    return (Target("rope_freqs.weight", factors.shape, "", (), constant=factors),)
