"""Tokenizer files of a checkpoint folder -> GGUF vocabulary.

Knows which reader fits which files. Does not know how a reader works.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from quantize.errors import ConfigError, VocabularyError
from quantize.json_file import optional_object
from quantize.vocab import spm
from quantize.vocab.bytelevel import read_bytelevel
from quantize.vocab.original import OriginalTokenizer
from quantize.vocab.records import SpecialTokens, TokenType, Vocabulary
from quantize.vocab.special import chatglm_special, read_special
from quantize.vocab.spm_file import read_model
from quantize.vocab.tokenizer_json import read_tokenizer

__all__ = ["OriginalTokenizer", "SpecialTokens", "TokenType", "Vocabulary", "read_vocabulary"]


def read_vocabulary(folder: Path, rows: int) -> Vocabulary:
    """The vocabulary of a checkpoint folder whose embedding has `rows` rows.

    Raises VocabularyError where the folder has no tokenizer file, or one that llama.cpp cannot express.
    """
    document = read_tokenizer(folder / "tokenizer.json")
    model = document.get("model")
    bpe = isinstance(model, dict) and model.get("type", "BPE") == "BPE"
    if isinstance(model, dict) and bpe and not model.get("byte_fallback"):
        return _bytelevel(folder, document, model, rows)
    if (folder / "tokenizer.model").is_file():
        return _sentencepiece(folder, document, rows)
    if isinstance(model, dict) and bpe:
        return _from_merges(folder, document, model, rows)
    if document:
        raise VocabularyError(f"{folder / 'tokenizer.json'} is not a BPE tokenizer, the only kind supported here")
    raise VocabularyError(
        f"{folder} has neither tokenizer.json nor tokenizer.model",
        "fetch the checkpoint's tokenizer files too",
    )


def _bytelevel(folder: Path, document: dict[str, Any], model: dict[str, Any], rows: int) -> Vocabulary:
    added = {token["content"]: token["id"] for token in document.get("added_tokens") or []}
    ids = {**(model.get("vocab") or {}), **added}
    special = read_special(folder, ids, document.get("post_processor"), rows, bos=False)
    return read_bytelevel(document, str(folder / "tokenizer.json"), rows, special)


def _sentencepiece(folder: Path, document: dict[str, Any], rows: int) -> Vocabulary:
    path = folder / "tokenizer.model"
    model, family = read_model(path), optional_object(folder / "config.json", ConfigError).get("model_type")
    ids = {piece.text.decode("utf-8", "replace"): i for i, piece in enumerate(model.pieces)}
    added = spm.added_tokens(folder, rows)
    if family == "chatglm":
        added = spm.chatglm_added(len(model.pieces), rows, str(path))
    ids |= {token.text: token.id for token in added}
    special = read_special(folder, ids, document.get("post_processor"), rows)
    if family == "chatglm":
        special = chatglm_special(special, ids)
    elif family == "internlm2" and "<|im_end|>" in ids:
        special = special.with_role("eos", ids["<|im_end|>"])
    settings = optional_object(folder / "tokenizer_config.json", ConfigError)
    first_only = family != "chatglm" and spm.first_space_only(settings, document)
    pre = "chatglm-spm" if family == "chatglm" else "default"
    return spm.from_model(model, added, rows, str(path), special, pre, first_only)


def _from_merges(folder: Path, document: dict[str, Any], model: dict[str, Any], rows: int) -> Vocabulary:
    added = spm.added_tokens(folder, rows)
    ids = {**(model.get("vocab") or {}), **{token.text: token.id for token in added}}
    special = read_special(folder, ids, document.get("post_processor"), rows)
    return spm.from_tokenizer_json(document, added, rows, str(folder / "tokenizer.json"), special)
