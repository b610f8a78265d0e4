"""llama.cpp itself, as the judge of what this package writes."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np


def llama_quantize(
    source: Path, out: Path, file_type: int, imatrix: dict[str, np.ndarray] | None = None, threads: int = 1
) -> None:
    """What llama-quantize does."""
    import llama_cpp

    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype, parameters.nthread = file_type, threads
    if imatrix:
        data = llama_cpp.llama_model_imatrix_data
        pointer = ctypes.POINTER(ctypes.c_float)
        entries = (data * (len(imatrix) + 1))(
            *[data(n.encode(), a.ctypes.data_as(pointer), len(a)) for n, a in imatrix.items()],
            data(None, None, 0),
        )
        parameters.imatrix = ctypes.cast(entries, ctypes.POINTER(data))
    status = llama_cpp.llama_model_quantize(str(source).encode(), str(out).encode(), ctypes.byref(parameters))
    if status:
        raise RuntimeError(f"llama.cpp could not quantize {source}")


def gguf_tensors(path: Path) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """Type, shape and bytes of every tensor, read with the gguf package."""
    from gguf import GGUFReader

    return {t.name: (t.tensor_type.name, tuple(map(int, t.shape)), t.data.tobytes()) for t in GGUFReader(path).tensors}


def gguf_values(path: Path) -> dict[str, object]:
    """Every key with its value, arrays included, read with the gguf package."""
    from gguf import GGUFReader

    return {key: field.contents() for key, field in GGUFReader(path).fields.items()}


def llama_logits(path: Path, tokens: list[int]) -> np.ndarray:
    """Logits (tokens, vocabulary) from llama.cpp."""
    import llama_cpp

    exact = {"type_k": llama_cpp.GGML_TYPE_F32, "type_v": llama_cpp.GGML_TYPE_F32, "flash_attn": False}
    model = llama_cpp.Llama(str(path), n_ctx=64, logits_all=True, verbose=False, n_threads=1, **exact)
    model.eval(tokens)
    return np.array(model.scores[: len(tokens)], dtype=np.float64)


def llama_tokens(path: Path, text: str, *, special: bool) -> list[int]:
    """Token ids from llama.cpp's own tokenizer."""
    model = _vocabulary(path, path.stat().st_mtime_ns)
    return model.tokenize(text.encode(), add_bos=False, special=special)


@lru_cache(maxsize=2)
def _vocabulary(path: Path, _: int) -> Any:
    import llama_cpp

    return llama_cpp.Llama(str(path), vocab_only=True, verbose=False)
