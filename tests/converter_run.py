"""Runs llama.cpp's own converter on a checkpoint, as a separate process: converter_run.py LLAMA_CPP MODEL OUT TYPE PRE.

The converter asks transformers for tokenizers. A stand-in with the few things it uses is put in its place, and the
name of the pre-tokenizer is given, because the converter knows it only for published vocabularies.
"""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any


class AutoConfig:
    @staticmethod
    def from_pretrained(*_: Any, **__: Any) -> Any:
        raise ValueError("read config.json instead")


class AutoTokenizer:
    """What the converter uses of a transformers tokenizer."""

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        self.is_fast = True
        path = folder / "tokenizer.json"
        if path.is_file():
            self.inner = Tokenizer.from_file(str(path))
            self.vocab = self.inner.get_vocab()
            self.vocab_size = self.inner.get_vocab_size(with_added_tokens=False)
            self.added_tokens_decoder = self.inner.get_added_tokens_decoder()
            self.all_special_tokens = [t.content for t in self.added_tokens_decoder.values() if t.special]
            self.all_special_ids = [i for i, t in self.added_tokens_decoder.items() if t.special]
        if (folder / "tokenizer.model").is_file():
            self._chatglm(folder / "tokenizer.model")

    def _chatglm(self, path: Path) -> None:
        from sentencepiece import SentencePieceProcessor

        pieces = SentencePieceProcessor(model_file=str(path))
        names = ["[MASK]", "[gMASK]", "[sMASK]", "sop", "eop"]
        names += ["<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"]
        self.tokenizer = types.SimpleNamespace(sp_model=pieces)
        self.specials = {pieces.vocab_size() + i: name for i, name in enumerate(names)}
        self.pieces = pieces

    @classmethod
    def from_pretrained(cls, folder: Any, *_: Any, **__: Any) -> AutoTokenizer:
        return cls(Path(folder))

    def get_vocab(self) -> dict[str, int]:
        if hasattr(self, "pieces"):
            return {self.pieces.id_to_piece(i): i for i in range(self.pieces.vocab_size())}
        return self.vocab

    def get_added_vocab(self) -> dict[str, int]:
        return {t.content: i for i, t in self.added_tokens_decoder.items()}

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        return self.inner.encode(text, add_special_tokens=add_special_tokens).ids

    def decode(self, ids: list[int]) -> str:
        return self.inner.decode(ids, skip_special_tokens=False)

    def _convert_id_to_token(self, i: int) -> str:
        return self.specials.get(i, "") if i >= self.pieces.vocab_size() else self.pieces.id_to_piece(i)


class ModelProto:
    """What the converter asks of a parsed tokenizer.model: does a text get a blank in front?"""

    def ParseFromString(self, data: bytes) -> None:
        from sentencepiece import SentencePieceProcessor

        pieces = SentencePieceProcessor(model_proto=data).encode("a", out_type=str)
        self.normalizer_spec = types.SimpleNamespace(add_dummy_prefix="".join(pieces).startswith("\u2581"))


def _stand_in_for_protobuf() -> None:
    """sentencepiece's own description of its files needs protobuf, which nothing else here does."""
    import sentencepiece

    module = types.ModuleType("sentencepiece.sentencepiece_model_pb2")
    module.ModelProto = ModelProto  # type: ignore[attr-defined]
    sys.modules[module.__name__] = sentencepiece.sentencepiece_model_pb2 = module  # type: ignore[attr-defined]


def main(llama_cpp: str, model: str, out: str, kind: str, pre: str) -> None:
    stand_in = types.ModuleType("transformers")
    stand_in.AutoConfig, stand_in.AutoTokenizer = AutoConfig, AutoTokenizer  # type: ignore[attr-defined]
    sys.modules["transformers"] = stand_in
    _stand_in_for_protobuf()
    sys.path.insert(0, llama_cpp)
    sys.path.insert(1, str(Path(llama_cpp) / "gguf-py"))
    from conversion.base import TextModel  # type: ignore[import-not-found]

    TextModel.get_vocab_base_pre = lambda *_: pre
    config = json.loads((Path(model) / "config.json").read_text("utf-8"))
    if config["architectures"] == ["NanbeigeForCausalLM"]:  # there under a name of its own, here plain llama
        (Path(model) / "config.json").write_text(json.dumps(config | {"architectures": ["LlamaForCausalLM"]}))
    sys.argv = ["convert", model, "--outfile", out, "--outtype", kind]
    import runpy

    try:
        runpy.run_path(str(Path(llama_cpp) / "convert_hf_to_gguf.py"), run_name="__main__")
    finally:
        (Path(model) / "config.json").write_text(json.dumps(config))


if __name__ == "__main__":
    main(*sys.argv[1:])
