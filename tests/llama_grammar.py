"""llama.cpp's own grammar engine, asked whether a text belongs to a language: the oracle for ours.

Its vocabulary is made here: one token for each byte, and one that ends the text.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gguf
import llama_cpp.llama_cpp as llama

END = 256  # the token that ends a text; those below are the bytes


def byte_symbols() -> list[str]:
    """The printable stand-in that byte-level BPE has for each byte."""
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(256, 512))
    return [chr(byte) if byte in plain else chr(next(others)) for byte in range(256)]


def write_vocabulary(path: Path) -> Path:
    """A GGUF without tensors, whose token i is byte i."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_block_count(1)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([*byte_symbols(), "<end>"])
    writer.add_token_types([gguf.TokenType.NORMAL] * 256 + [gguf.TokenType.CONTROL])
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(END)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path


@ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
def _silent(level: int, text: bytes, data: object) -> None: ...


class LlamaGrammar:
    """A language as llama.cpp understands it. ok: whether it took the grammar at all."""

    def __init__(self, vocabulary: object, text: str) -> None:
        self._sampler = llama.llama_sampler_init_grammar(vocabulary, text.encode(), b"root")
        self.ok = bool(self._sampler)

    def close(self) -> None:
        if self.ok:
            llama.llama_sampler_free(self._sampler)

    def matches(self, text: str) -> bool:
        llama.llama_sampler_reset(self._sampler)
        for byte in text.encode():
            if not self._admits(byte):
                return False
            llama.llama_sampler_accept(self._sampler, byte)
        return self._admits(END)

    def _admits(self, token: int) -> bool:
        candidates = (llama.llama_token_data * 1)(llama.llama_token_data(token, 0.0, 0.0))
        array = llama.llama_token_data_array(candidates, 1, -1, False)
        llama.llama_sampler_apply(self._sampler, ctypes.byref(array))
        return candidates[0].logit > -1e30


class Grammars:
    """Makes grammars over the vocabulary above; use `opened` to get one."""

    def __init__(self, path: Path) -> None:
        llama.llama_log_set(_silent, ctypes.c_void_p(0))
        llama.llama_backend_init()
        params = llama.llama_model_default_params()
        params.vocab_only = True
        self._model = llama.llama_model_load_from_file(str(path).encode(), params)
        self._vocabulary = llama.llama_model_get_vocab(self._model)

    def close(self) -> None:
        llama.llama_model_free(self._model)

    @contextmanager
    def opened(self, text: str) -> Iterator[LlamaGrammar]:
        grammar = LlamaGrammar(self._vocabulary, text)
        try:
            yield grammar
        finally:
            grammar.close()


@contextmanager
def grammars(folder: Path) -> Iterator[Grammars]:
    found = Grammars(write_vocabulary(folder / "bytes.gguf"))
    try:
        yield found
    finally:
        found.close()
