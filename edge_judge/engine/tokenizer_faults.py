"""What in a GGUF's tokenizer data cannot be trusted, so that the judge may read other tokens than it was trained on.

Files from elsewhere were converted by programs of all ages. Some lack a field, which llama.cpp then guesses.
Knows: the metadata of a GGUF. Does not know: tokens, weights, how a text is split.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

# Architectures whose models all split words in one way, and the names of that way.
BY_ARCHITECTURE = {
    "qwen2": ("qwen2",),
    "qwen2moe": ("qwen2",),
    "qwen3": ("qwen2",),
    "qwen3moe": ("qwen2",),
    "chatglm": ("chatglm-spm", "chatglm-bpe", "glm4"),
}
LLAMA_3 = ("llama-bpe", "llama3", "llama-v3")
LLAMA_3_TOKENS = 128256


def faults(metadata: Callable[[str], str | None], *, tokens: int, begins_with_bos: bool) -> Iterator[str]:
    """A clause for each fault. metadata: the value of a key, None if the file does not have it; tokens: how many the
    vocabulary has; begins_with_bos: whether a prompt begins with the token for that (bos).
    """
    model, pre = metadata("tokenizer.ggml.model"), metadata("tokenizer.ggml.pre")
    architecture = metadata("general.architecture") or ""
    expected = BY_ARCHITECTURE.get(architecture, ())
    if architecture == "llama" and model == "gpt2" and tokens == LLAMA_3_TOKENS:
        expected = LLAMA_3
    if model == "gpt2" and pre in (None, "default"):
        yield "its pre-tokenizer is not recorded, so llama.cpp splits words by its default"
    elif expected and pre not in expected:
        yield f"its pre-tokenizer is {pre!r}, models like this have {expected[0]!r}"
    if model == "gpt2" and metadata("tokenizer.ggml.bos_token_id") is not None:
        if metadata("tokenizer.ggml.add_bos_token") is None and not begins_with_bos:
            yield "whether a text begins with its bos token is not recorded, and none is added"
