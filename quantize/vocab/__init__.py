"""Tokenizer files of a checkpoint folder -> GGUF vocabulary.

Chooses the reader by what the files hold; knows nothing about how a reader works.
"""

from __future__ import annotations

from pathlib import Path

from quantize.config import read_object
from quantize.errors import VocabularyError
from quantize.vocab.bytelevel import read_bytelevel
from quantize.vocab.records import SpecialTokens, TokenType, Vocabulary
from quantize.vocab.special import read_special

__all__ = ["SpecialTokens", "TokenType", "Vocabulary", "read_vocabulary"]


def read_vocabulary(folder: Path, rows: int) -> Vocabulary:
    """The vocabulary of a checkpoint folder whose embedding has `rows` rows.

    Raises VocabularyError where no tokenizer file is there or llama.cpp could not express it.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise VocabularyError(
            f"{folder} has no tokenizer.json", "fetch the tokenizer files of the checkpoint too"
        )
    document = read_object(path)
    model = document.get("model")
    if not isinstance(model, dict) or model.get("type", "BPE") != "BPE" or model.get("byte_fallback"):
        raise VocabularyError(f"{path} is not byte-level BPE, the only kind supported here")
    ids = {
        t["content"]: t["id"]
        for t in document.get("added_tokens") or []
        if isinstance(t, dict) and "content" in t
    }
    special = read_special(
        folder, {**(model.get("vocab") or {}), **ids}, document.get("post_processor"), rows
    )
    return read_bytelevel(document, str(path), rows, special)
