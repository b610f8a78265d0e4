"""Small LoRA adapters as peft saves them, and the plain arithmetic of what they do to a checkpoint.

Their numbers are multiples of a power of two, so that every sum of products is exact: two libraries that multiply
matrices in another order still give the same bytes.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
from checkpoints import write_safetensors

from edge_judge import pocket
from quantize import checkpoint

ENDS = ("embed", "lm_head", "output.weight", "output_layer")


def modules_of(tensors: dict[str, np.ndarray]) -> list[str]:
    """The linear layers of a checkpoint but for embedding and head."""
    matrices = [name for name, array in tensors.items() if array.ndim == 2]
    return [name.removesuffix(".weight") for name in matrices if not any(end in name for end in ENDS)]


def on_a_grid(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Random multiples of 1/64 below 1 in size."""
    return (rng.integers(-63, 64, shape) / 64).astype(np.float32)


def adapter_config(**changes: object) -> dict[str, object]:
    return {
        "peft_type": "LORA",
        "r": 8,
        "lora_alpha": 3,
        "target_modules": ["q_proj"],
        "bias": "none",
        "fan_in_fan_out": False,
        "use_rslora": False,
        "use_dora": False,
        "modules_to_save": None,
        "init_lora_weights": True,
        "base_model_name_or_path": "some/base",
        "rank_pattern": {},
        "alpha_pattern": {},
    } | changes


def lora_tensors(
    tensors: dict[str, np.ndarray], *, rank: int = 8, ranks: dict[str, int] | None = None, seed: int = 1
) -> dict[str, np.ndarray]:
    """A and B of every linear layer, under peft's names. ranks: of single modules."""
    rng = np.random.default_rng(seed)
    lora = {}
    for module in modules_of(tensors):
        rows, width = tensors[f"{module}.weight"].shape
        own = (ranks or {}).get(module, rank)
        lora[f"base_model.model.{module}.lora_A.weight"] = on_a_grid(rng, own, width)
        lora[f"base_model.model.{module}.lora_B.weight"] = on_a_grid(rng, rows, own) / 8
    return lora


def write_adapter(
    folder: Path, lora: dict[str, np.ndarray], config: dict[str, object] | None = None, dtype: str = "f32"
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps(config or adapter_config()))
    write_safetensors(folder / "adapter_model.safetensors", lora, dtype)
    return folder


def pocket_adapter(folder: Path, seed: int = 1, size: float = 0.02, **config: object) -> Path:
    """A random adapter of the embedded judge, small enough that it still judges."""
    rng = np.random.default_rng(seed)
    lora = {}
    for name, tensor in checkpoint.open_folder(pocket.CHECKPOINT).tensors.items():
        module = f"base_model.model.{name.removesuffix('.weight')}"
        if name.endswith(("q_proj.weight", "v_proj.weight", "up_proj.weight")):
            lora[f"{module}.lora_A.weight"] = rng.standard_normal((4, tensor.shape[1]), np.float32) * np.float32(size)
            lora[f"{module}.lora_B.weight"] = rng.standard_normal((tensor.shape[0], 4), np.float32)
    return write_adapter(folder, lora, adapter_config(r=4, lora_alpha=4, **config))


def merged(
    tensors: dict[str, np.ndarray], lora: dict[str, np.ndarray], config: dict[str, object], module_alpha=None
) -> dict[str, np.ndarray]:
    """The checkpoint with the adapter in it: W + scale * (B @ A), each step rounded to float32."""
    merged = dict(tensors)
    for module in modules_of(tensors):
        a = lora.get(f"base_model.model.{module}.lora_A.weight")
        if a is None:
            continue
        b = lora[f"base_model.model.{module}.lora_B.weight"]
        alpha = (module_alpha or {}).get(module, config["lora_alpha"])
        scale = alpha / (math.sqrt(len(a)) if config["use_rslora"] else len(a))
        merged[f"{module}.weight"] = tensors[f"{module}.weight"] + (b @ a) * np.float32(scale)
    return merged
