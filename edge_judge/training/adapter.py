"""LoRA on a network's matrices, by peft, and the adapter's files in peft's format.

Hu et al. 2021, arXiv:2106.09685. Embedding and head are left alone.
Knows: names of parameters in memory and in the file. Does not know: losses, steps.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import peft
import torch
from safetensors.torch import save
from torch import Tensor, nn

from edge_judge.training.network import Network
from edge_judge.training.recipe import Recipe

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_PREFIX, _NAME = "base_model.model.", ".default."  # around a name in peft's file; of the one adapter in memory


def add(network: Network, recipe: Recipe) -> dict[str, nn.Parameter]:
    """Add an adapter that changes nothing yet. Returns its parameters, by their names in the file.

    Its first values depend on the recipe's seed alone.
    """
    torch.manual_seed(recipe.seed)
    peft.inject_adapter_in_model(_config(network, recipe), network)
    found = {name: parameter for name, parameter in network.named_parameters() if ".lora_" in name}
    for parameter in found.values():
        parameter.data = parameter.data.float()  # small steps would be lost in bfloat16
    return {_PREFIX + name.replace(_NAME, "."): parameter for name, parameter in found.items()}


def config_json(network: Network, recipe: Recipe, base: str) -> bytes:
    """adapter_config.json. base: the name of the model that the adapter was trained on."""
    fields = {**_config(network, recipe).to_dict(), "base_model_name_or_path": base, "inference_mode": True}
    plain = {name: sorted(value) if isinstance(value, set) else value for name, value in fields.items()}
    return f"{json.dumps(plain, indent=2, sort_keys=True)}\n".encode()


def weights_file(values: Mapping[str, Tensor]) -> bytes:
    """adapter_model.safetensors, the same bytes for the same values."""
    tensors = {name: values[name].detach().to("cpu", torch.float32).contiguous() for name in sorted(values)}
    return bytes(save(tensors, metadata={"format": "pt"}))


def _config(network: Network, recipe: Recipe) -> peft.LoraConfig:
    return peft.LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        use_rslora=recipe.rslora,
        target_modules=sorted({name.rpartition(".")[2] for name in network.names.matrices}),
        task_type="CAUSAL_LM",
    )
