"""Plain torch arithmetic of the model families, straight from a checkpoint's tensors: what the logits should
be.

Follows the papers (RMSNorm, RoFormer's rotation by halves, SwiGLU, grouped-query attention), not any library.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def decoder_logits(config: dict[str, Any], tensors: dict[str, np.ndarray], tokens: list[int]) -> np.ndarray:
    """Logits (tokens, vocabulary) of a llama- or qwen2-shaped model in float64."""
    import torch

    t = {n: torch.from_numpy(a.astype(np.float64)) for n, a in tensors.items()}
    heads, eps = config["num_attention_heads"], config["rms_norm_eps"]
    groups = config.get("num_key_value_heads", heads)
    dim = config.get("head_dim", config["hidden_size"] // heads)
    x = t["model.embed_tokens.weight"][tokens]
    for i in range(config["num_hidden_layers"]):
        at = f"model.layers.{i}."

        def project(name: str, y: Any, at: str = at) -> Any:
            out = y @ t[at + name + ".weight"].T
            return out + t[at + name + ".bias"] if at + name + ".bias" in t else out

        y = rms_norm(x, t[at + "input_layernorm.weight"], eps)
        q = rotate(project("self_attn.q_proj", y).view(len(tokens), heads, dim), config["rope_theta"])
        k = rotate(project("self_attn.k_proj", y).view(len(tokens), groups, dim), config["rope_theta"])
        v = project("self_attn.v_proj", y).view(len(tokens), groups, dim)
        x = x + project("self_attn.o_proj", attend(q, k, v).reshape(len(tokens), heads * dim))
        y = rms_norm(x, t[at + "post_attention_layernorm.weight"], eps)
        gate = torch.nn.functional.silu(project("mlp.gate_proj", y))
        x = x + project("mlp.down_proj", gate * project("mlp.up_proj", y))
    x = rms_norm(x, t["model.norm.weight"], eps)
    head = t["model.embed_tokens.weight"] if config["tie_word_embeddings"] else t["lm_head.weight"]
    return (x @ head.T).numpy()


def rms_norm(x: Any, weight: Any, eps: float) -> Any:
    return x / (x.pow(2).mean(-1, keepdim=True) + eps).sqrt() * weight


def rotate(x: Any, theta: float) -> Any:
    """RoPE over halves: x has shape (positions, heads, dim)."""
    import torch

    half = x.shape[-1] // 2
    angle = torch.arange(len(x), dtype=x.dtype)[:, None] * theta ** (
        -torch.arange(half, dtype=x.dtype) / half
    )
    cos, sin = angle.cos()[:, None], angle.sin()[:, None]
    return torch.cat(
        [x[..., :half] * cos - x[..., half:] * sin, x[..., half:] * cos + x[..., :half] * sin], -1
    )


def attend(q: Any, k: Any, v: Any) -> Any:
    """Causal attention; q (positions, heads, dim), k and v (positions, groups, dim)."""
    import torch

    k, v = (y.repeat_interleave(q.shape[1] // y.shape[1], 1) for y in (k, v))
    scores = torch.einsum("qhd,khd->hqk", q, k) / q.shape[-1] ** 0.5
    scores = scores.masked_fill(torch.ones(scores.shape[1:]).triu(1).bool(), float("-inf"))
    return torch.einsum("hqk,khd->qhd", scores.softmax(-1), v)
