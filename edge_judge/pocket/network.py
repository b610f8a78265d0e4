"""The pocket judge's network in torch: a small Qwen2 (Qwen technical report, arXiv 2309.16609), for training only.

Knows: the arithmetic that config.json describes, and one shortcut: all pairs of a batch have the same prompt prefix, so
it is evaluated once per layer, and each pair attends to it and to itself.
Does not know: tasks, losses, files.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class Shape:
    vocab: int
    hidden: int = 256
    ff: int = 768
    layers: int = 4
    heads: int = 8
    context: int = 16384
    theta: float = 10_000.0
    eps: float = 1e-6

    def config(self, eos: int) -> dict[str, object]:
        """The config.json that transformers expects."""
        return {
            "architectures": ["Qwen2ForCausalLM"],
            "model_type": "qwen2",
            "vocab_size": self.vocab,
            "hidden_size": self.hidden,
            "intermediate_size": self.ff,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.heads,
            "max_position_embeddings": self.context,
            "rope_theta": self.theta,
            "rms_norm_eps": self.eps,
            "hidden_act": "silu",
            "tie_word_embeddings": True,
            "use_sliding_window": False,
            "eos_token_id": eos,
            "torch_dtype": "float16",
        }


class Layer(nn.Module):
    """One block; module names are those of the checkpoint."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.hidden
        self.heads = shape.heads
        self.self_attn = nn.ModuleDict(
            {name: nn.Linear(width, width, bias=name != "o_proj") for name in ("q_proj", "k_proj", "v_proj", "o_proj")}
        )
        self.mlp = nn.ModuleDict(
            {
                "gate_proj": nn.Linear(width, shape.ff, bias=False),
                "up_proj": nn.Linear(width, shape.ff, bias=False),
                "down_proj": nn.Linear(shape.ff, width, bias=False),
            }
        )
        self.input_layernorm = nn.RMSNorm(width, shape.eps)
        self.post_attention_layernorm = nn.RMSNorm(width, shape.eps)

    def forward(
        self, prefix: Tensor, pairs: Tensor, rotations: tuple[Tensor, Tensor], mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """prefix (1, P, hidden) and pairs (N, L, hidden) after this block.

        mask: (L, P + L), True where a token attends. rotations: as `rotations` makes them.
        """
        count = pairs.shape[0]
        of_prefix = self._attention(prefix, rotations, 0)
        of_pairs = self._attention(pairs, rotations, prefix.shape[1])
        keys_and_values = [
            torch.cat((before.expand(count, -1, -1, -1), own), 2)
            for before, own in zip(of_prefix[1:], of_pairs[1:], strict=True)
        ]
        mixed_prefix = F.scaled_dot_product_attention(*of_prefix, is_causal=True)
        mixed = F.scaled_dot_product_attention(of_pairs[0], *keys_and_values, attn_mask=mask)
        return self._finish(prefix, mixed_prefix), self._finish(pairs, mixed)

    def _attention(self, x: Tensor, rotations: tuple[Tensor, Tensor], start: int) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of x, each (rows, heads, tokens, head width), rotated by their positions."""
        rows, tokens, width = x.shape
        normed = self.input_layernorm(x)
        q, k, v = (
            self.self_attn[name](normed).view(rows, tokens, self.heads, width // self.heads).transpose(1, 2)
            for name in ("q_proj", "k_proj", "v_proj")
        )
        cos, sin = (table[start : start + tokens] for table in rotations)
        return rotate(q, cos, sin), rotate(k, cos, sin), v

    def _finish(self, x: Tensor, mixed: Tensor) -> Tensor:
        """x after the output projection of attention and the feed-forward layer."""
        x = x + self.self_attn["o_proj"](mixed.transpose(1, 2).reshape(x.shape))
        normed = self.post_attention_layernorm(x)
        gated = F.silu(self.mlp["gate_proj"](normed)) * self.mlp["up_proj"](normed)
        return x + self.mlp["down_proj"](gated)


class Pocket(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embed_tokens = nn.Embedding(shape.vocab, shape.hidden)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.hidden, shape.eps)
        initialize(self)

    def forward(self, prefix: Tensor, pairs: Tensor) -> Tensor:
        """Final hidden states (N, L, hidden) of `pairs` (N, L), each read after `prefix` (P)."""
        before, length = len(prefix), pairs.shape[1]
        tables = rotations(before + length, self.shape)
        causal = torch.ones(length, length, dtype=torch.bool).tril()
        mask = torch.cat((torch.ones(length, before, dtype=torch.bool), causal), 1)
        x, y = self.embed_tokens(prefix)[None], self.embed_tokens(pairs)
        for layer in self.layers:
            x, y = layer(x, y, tables, mask)
        return self.norm(y)

    def logits(self, states: Tensor) -> Tensor:
        return states @ self.embed_tokens.weight.T


@torch.no_grad()
def initialize(model: Pocket) -> None:
    """Initial weights that already do two things which every task here needs.

    Queries equal keys, so that a token attends to equal tokens (after mimetic initialization, arXiv 2305.09828). And
    one head of each of the first two layers attends to the token before, by its biases alone.
    """
    shape = model.shape
    nn.init.normal_(model.embed_tokens.weight, std=0.06)
    for index, layer in enumerate(model.layers):
        for name, linear in [*layer.self_attn.items(), *layer.mlp.items()]:
            nn.init.zeros_(linear.weight) if name in ("o_proj", "down_proj") else nn.init.normal_(
                linear.weight, std=0.06
            )
            if linear.bias is not None:
                nn.init.zeros_(linear.bias)
        query, key = layer.self_attn["q_proj"], layer.self_attn["k_proj"]
        key.weight.copy_(query.weight)
        if index < 2:
            look_back(query, key, shape)


def look_back(query: nn.Linear, key: nn.Linear, shape: Shape, strength: float = 5.0, speeds: int = 4) -> None:
    """Make head 0 attend to the token before: its key is its query rotated by one position."""
    width = shape.hidden // shape.heads
    cos, sin = (table[1, :speeds] for table in rotations(2, shape))
    query.weight[:width], key.weight[:width] = 0.0, 0.0
    query.bias[:speeds] = strength
    key.bias[:speeds] = strength * cos
    key.bias[width // 2 : width // 2 + speeds] = strength * sin


def rotations(tokens: int, shape: Shape) -> tuple[Tensor, Tensor]:
    """Cosines and sines (tokens, head width) of rotary positions (RoFormer, arXiv 2104.09864), in halves."""
    width = shape.hidden // shape.heads
    speed = shape.theta ** (-torch.arange(0, width, 2) / width)
    angle = torch.outer(torch.arange(tokens), speed).repeat(1, 2)
    return angle.cos(), angle.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    left, right = x.chunk(2, -1)
    return x * cos + torch.cat((-right, left), -1) * sin
