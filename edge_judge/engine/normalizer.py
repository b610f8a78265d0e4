"""What a judge's tokenizer does to a text before it splits it, which llama.cpp does not do: Unicode normalization.

`edge-judge quantize` stores it in the GGUF: the name NFC, the `normalizer` section of tokenizer.json, or an object of
type SentencePiece. Of other files only the pre-tokenizer is known, and some of these go with one normalizer.
Knows: the metadata of a GGUF, the tokenizers library. Does not know: tokens, prompts.
"""

from __future__ import annotations

import base64
import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from edge_judge import foreign_json
from edge_judge.engine.charsmap import Charsmap
from edge_judge.errors import ModelError

KEY = "edge_judge.tokenizer.normalizer"
LONGEST = 200  # characters of a name
OURS = "edge_judge.scheme"  # a metadata key that every file built by edge-judge has
# Of each pre-tokenizer that is used with one normalizer only: its name in a GGUF -> the normalizer, "" for none.
BY_PRE_TOKENIZER = {"qwen2": "NFC", "llama-bpe": "", "smaug-bpe": "", "deepseek-llm": "", "gpt-2": ""}


@dataclass(frozen=True)
class Normalizer:
    """recorded: as in the GGUF, or "" for none. known: whether that is known, or only assumed.

    Raises ModelError, when it is first used, for a section that the tokenizers library cannot read.
    """

    recorded: str = ""
    known: bool = True

    def __call__(self, text: str) -> str:
        """The text as the tokenizer sees it."""
        try:
            return self._function(text)
        except (IndexError, ValueError) as error:
            raise ModelError(f"the file's {KEY} cannot be applied: {error}") from error

    @property
    def name(self) -> str:
        """What messages and run.json call it."""
        if not self.recorded.startswith("{"):
            name = self.recorded or ("none" if self.known else "unknown")
        else:
            try:
                section = foreign_json.parse(self.recorded)
                name = "+".join(str(step["type"]) for step in section.get("normalizers", [section]))
            except (ValueError, TypeError, KeyError):
                name = ""
        return name if 0 < len(name) <= LONGEST else "unreadable"

    def may_differ(self, text: str) -> bool:
        """Whether the tokenizer, if its normalizer is not known, may see another text."""
        return not self.known and not unicodedata.is_normalized("NFKC", text)

    @cached_property
    def _function(self) -> Callable[[str], str]:
        if not self.recorded:
            return str
        try:
            section = {"type": "NFC"} if self.recorded == "NFC" else foreign_json.parse(self.recorded)
            return _sentencepiece(section) if section["type"] == "SentencePiece" else _by_tokenizers(section)
        except Exception as error:  # the tokenizers library raises nothing narrower
            raise ModelError(f"the file's {KEY} cannot be read: {error}") from error


def _by_tokenizers(section: Mapping[str, Any]) -> Callable[[str], str]:
    # Imported here: few judges need it, and it takes a moment.
    from tokenizers import Tokenizer

    shell = {"version": "1.0", "added_tokens": [], "model": {"type": "BPE", "vocab": {}, "merges": []}}
    normalizer = Tokenizer.from_str(json.dumps(shell | {"normalizer": section})).normalizer
    function: Callable[[str], str] = normalizer.normalize_str
    return function


def _sentencepiece(section: Mapping[str, Any]) -> Callable[[str], str]:
    table = base64.b64decode(section["charsmap"])
    replaced: Callable[[str], str] = Charsmap(table) if table else str
    if not section["collapses_spaces"]:
        return replaced
    return lambda text: re.sub(" {2,}", " ", replaced(text)).strip(" ")


def normalizer_of(metadata: Callable[[str], str | None]) -> Normalizer:
    """The normalizer of a GGUF. metadata: the value of a key, None if the file does not have it."""
    recorded = metadata(KEY)
    if recorded is not None or metadata(OURS) is not None:
        return Normalizer(recorded or "")
    pre = metadata("tokenizer.ggml.pre") if metadata("tokenizer.ggml.model") == "gpt2" else None
    return Normalizer(BY_PRE_TOKENIZER.get(pre or "", ""), known=pre in BY_PRE_TOKENIZER)
