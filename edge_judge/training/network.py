"""The families' arithmetic in torch, over modules that have the names of the checkpoint.

An adapter that is trained here therefore has the names that peft, and whatever merges it, looks for. Code that comes
with a checkpoint is never run. Follows the papers: RMSNorm (arXiv:1910.07467), rotary positions (arXiv:2104.09864),
SwiGLU (arXiv:2002.05202), grouped-query attention (arXiv:2305.13245).
Knows: shapes and names. Does not know: where weights come from, adapters, losses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from edge_judge.training.families import FAMILIES

ReadTensor = Callable[[str], NDArray[np.float32]]  # the values of a checkpoint's tensor, by its name


@dataclass(frozen=True, slots=True)
class NetworkShape:
    """family: a key of FAMILIES; eps: of the norms; frequencies: radians a position for each rotated pair of a head;
    tensors: the shape of each of the checkpoint's tensors, by its name.
    """

    family: str
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    eps: float
    frequencies: tuple[float, ...]
    tensors: Mapping[str, tuple[int, ...]]


class Norm(nn.Module):
    """Root mean square norm, computed in float32."""

    def __init__(self, weight: Tensor, eps: float) -> None:
        super().__init__()
        self.weight, self.eps = nn.Parameter(weight, requires_grad=False), eps

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        return self.weight * (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)).to(x.dtype)


class Network(nn.Module):
    """A decoder whose weights are frozen. read: gives the checkpoint's tensors, one after the other; checkpointing: as
    in `Recipe`.
    """

    def __init__(
        self,
        shape: NetworkShape,
        read: ReadTensor,
        *,
        dtype: torch.dtype = torch.float32,
        device: str = "cpu",
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.shape, self.names, self.checkpointing = shape, FAMILIES[shape.family], checkpointing
        for tensor in shape.tensors:
            path, _, kind = tensor.rpartition(".")
            if kind == "weight":
                values = _values(read, tensor, shape.tensors[tensor], dtype, device)
                bias = f"{path}.bias"
                biases = _values(read, bias, shape.tensors[bias], dtype, device) if bias in shape.tensors else None
                self._grow(path, self._module(path, values, biases))
        self.register_buffer("speeds", torch.tensor(shape.frequencies, device=device), persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        """The last hidden states (rows, tokens, width) of token ids (rows, tokens). A row may end with padding: no
        token attends to a later one.
        """
        x = self.get_submodule(self.names.embedding)(ids)
        angles = torch.arange(ids.shape[1], device=ids.device)[:, None] * self.speeds
        turns = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        for layer in range(self.shape.layers):
            if self.checkpointing and torch.is_grad_enabled():
                x = checkpoint(self._layer, layer, x, turns, use_reentrant=False)
            else:
                x = self._layer(layer, x, turns)
        return self.get_submodule(self.names.norm)(x)

    def logits(self, states: Tensor) -> Tensor:
        """Logits (…, vocabulary) of the token after each state (…, width), in float32."""
        tied = f"{self.names.head}.weight" not in self.shape.tensors
        return F.linear(states, self.get_submodule(self.names.embedding if tied else self.names.head).weight).float()

    def _layer(self, layer: int, x: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
        names, at = self.names, self.names.layer.format(layer)

        def apply(name: str, y: Tensor) -> Tensor:
            return self.get_submodule(at + name)(y)

        q, k, v = self._heads(apply, apply(names.attention_norm, x))
        q, k = self._rotated(q, *turns), self._rotated(k, *turns)
        x = x + apply(names.mixed, attention(q, k, v))
        y = apply(names.feed_forward_norm, x)
        projected = [apply(name, y) for name in names.gate_up]
        gate, up = projected if len(projected) == 2 else projected[0].chunk(2, -1)
        return x + apply(names.down, F.silu(gate) * up)

    def _heads(self, apply: Callable[[str, Tensor], Tensor], y: Tensor) -> list[Tensor]:
        """Queries, keys and values, each (rows, heads, tokens, head width)."""
        names, shape = self.names, self.shape
        projected = [apply(name, y) for name in names.qkv]
        if len(projected) == 1:
            projected = self._taken_apart(projected[0])
        heads = [part.unflatten(-1, (-1, shape.head_dim)) for part in projected]
        for place, norm in enumerate(names.head_norms):
            heads[place] = apply(norm, heads[place])
        return [part.transpose(1, 2) for part in heads]

    def _taken_apart(self, fused: Tensor) -> list[Tensor]:
        shape = self.shape
        each = shape.heads // shape.kv_heads
        if not self.names.grouped:
            sizes = [count * shape.head_dim for count in (shape.heads, shape.kv_heads, shape.kv_heads)]
            return list(fused.split(sizes, -1))
        groups = fused.unflatten(-1, (shape.kv_heads, each + 2, shape.head_dim))
        return [part.flatten(-3) for part in groups.split([each, 1, 1], -2)]

    def _rotated(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """x (rows, heads, tokens, head width), rotated by positions; cos, sin: (tokens, rotated pairs)."""
        if self.names.neighbours:
            turned, rest = x.split([2 * cos.shape[-1], x.shape[-1] - 2 * cos.shape[-1]], -1)
            even, odd = turned[..., 0::2], turned[..., 1::2]
            pairs = torch.stack((even * cos - odd * sin, odd * cos + even * sin), -1)
            return torch.cat((pairs.flatten(-2), rest), -1)
        left, right = x.chunk(2, -1)
        return torch.cat((left * cos - right * sin, right * cos + left * sin), -1)

    def _module(self, path: str, weight: Tensor, bias: Tensor | None) -> nn.Module:
        if weight.dim() == 1:
            return Norm(weight, self.shape.eps)
        if path == self.names.embedding:
            return nn.Embedding.from_pretrained(weight, freeze=True)
        rows, width = weight.shape
        linear = nn.Linear(width, rows, bias=bias is not None, device="meta")
        linear.weight = nn.Parameter(weight, requires_grad=False)
        if bias is not None:
            linear.bias = nn.Parameter(bias, requires_grad=False)
        return linear

    def _grow(self, path: str, module: nn.Module) -> None:
        """Put a module at a dotted path of modules."""
        *parents, name = path.split(".")
        node: nn.Module = self
        for parent in parents:
            if parent not in node._modules:
                node.add_module(parent, nn.Module())
            node = node.get_submodule(parent)
        node.add_module(name, module)


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Causal attention of queries (rows, heads, tokens, head width) to keys and values with as many heads or fewer:
    (rows, tokens, heads · head width).
    """
    shared = q.shape[1] // k.shape[1]
    if shared > 1:
        k, v = k.repeat_interleave(shared, 1), v.repeat_interleave(shared, 1)
    return F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)


def _values(read: ReadTensor, name: str, shape: tuple[int, ...], dtype: torch.dtype, device: str) -> Tensor:
    return torch.from_numpy(read(name).reshape(shape)).to(device=device, dtype=dtype)
