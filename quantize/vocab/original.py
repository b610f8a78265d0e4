"""A checkpoint's own tokenizer, run by the libraries that its makers wrote it for: the tokens of a GGUF must equal its.

The tokenizers library runs tokenizer.json; sentencepiece, which is needed for nothing else, runs tokenizer.model. None
of a checkpoint's own code is run. Knows: how these libraries are called, and which texts are special tokens. Does not
know: GGUF, prompts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from tokenizers import Tokenizer

from quantize.errors import ConfigError, VocabularyError
from quantize.json_file import optional_object
from quantize.vocab import spm
from quantize.vocab.records import SpecialTokens
from quantize.vocab.special import chatglm_special, read_special
from quantize.vocab.tokenizer_json import library_errors, read_tokenizer

Encode = Callable[[str], list[int]]
_NO_PREFIX = b"\x1a\x02\x18\x00"  # normalizer_spec { add_dummy_prefix: false }, which replaces what stands before it


class OriginalTokenizer:
    """The tokenizer of a checkpoint folder whose embedding has `rows` rows.

    special: roles, chat template, and whether bos is put first. Raises VocabularyError where the folder has no
    tokenizer file, a library cannot read it, or sentencepiece is needed and not installed.
    """

    def __init__(self, folder: Path, rows: int) -> None:
        document = read_tokenizer(folder / "tokenizer.json")
        self.family = optional_object(folder / "config.json", ConfigError).get("model_type")
        self._by_pieces = not (document and self.family != "chatglm")
        if not self._by_pieces:
            self._encode, ids = _by_tokenizers(folder / "tokenizer.json")
        elif (folder / "tokenizer.model").is_file():
            self._encode, ids = _by_sentencepiece(folder, rows, self.family)
        else:
            raise VocabularyError(f"{folder} has neither tokenizer.json nor tokenizer.model")
        settings = optional_object(folder / "tokenizer_config.json", ConfigError)
        self._llama_class = str(settings.get("tokenizer_class")).startswith("LlamaTokenizer")
        special = read_special(folder, ids, document.get("post_processor"), rows)
        self.special: SpecialTokens = chatglm_special(special, ids) if self.family == "chatglm" else special

    def encode(self, text: str) -> list[int]:
        """Tokens of a text. The names of special tokens in it become these tokens; nothing is put around it."""
        return self._encode(text)

    @property
    def adds_bos(self) -> bool:
        """Whether a text that is no conversation begins with the bos token, as its makers' tokenizers do by default."""
        if self.special.add_bos is not None:
            return self.special.add_bos
        return self._by_pieces and self.family != "chatglm" or self._llama_class

    def role(self, name: str) -> int | None:
        """The token with a role: bos, eos, …"""
        return dict(self.special.ids).get(name)


def _by_tokenizers(path: Path) -> tuple[Encode, Mapping[str, int]]:
    with library_errors(str(path)):
        tokenizer = Tokenizer.from_file(str(path))
    return lambda text: list(tokenizer.encode(text, add_special_tokens=False).ids), tokenizer.get_vocab()


def _by_sentencepiece(folder: Path, rows: int, family: object) -> tuple[Encode, Mapping[str, int]]:
    """As the makers' Python tokenizers do it: a text is parted at special tokens, and each part encoded by itself."""
    try:
        from sentencepiece import SentencePieceProcessor
    except ImportError:
        raise VocabularyError(
            f"{folder / 'tokenizer.model'} is read with sentencepiece", "pip install sentencepiece"
        ) from None
    try:
        model = SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    except (OSError, RuntimeError) as problem:
        raise VocabularyError(f"{folder / 'tokenizer.model'} cannot be read: {problem}") from problem
    pieces = model.vocab_size()
    added = {token.text: token.id for token in spm.added_tokens(folder, rows)}
    if family == "chatglm":
        added = dict(zip(spm.CHATGLM_SPECIALS, range(pieces, rows), strict=False))
    else:
        added |= {model.id_to_piece(token): token for token in range(pieces) if model.is_control(token)}
    special = _special(added, family)
    settings = optional_object(folder / "tokenizer_config.json", ConfigError)
    first_only = family != "chatglm" and spm.first_space_only(settings, {})
    later = SentencePieceProcessor(model_proto=model.serialized_model_proto() + _NO_PREFIX) if first_only else model

    def encode(text: str) -> list[int]:
        tokens: list[int] = []
        for place, part in enumerate(special.split(text) if special else [text]):
            if place % 2:  # what the expression matches
                tokens.append(added[part])
            else:
                tokens += (later if place else model).encode(part)
        return tokens

    return encode, {model.id_to_piece(token): token for token in range(pieces)} | added


def _special(added: Mapping[str, int], family: object) -> re.Pattern[str] | None:
    """An expression that matches special tokens. ChatGLM's `sop` is one where a prompt begins, its `eop` nowhere: in a
    message both are parts of words.
    """
    names = sorted(added, key=len, reverse=True)
    expressions = [re.escape(name) for name in names if family != "chatglm" or not name.isalpha()]
    if family == "chatglm":
        expressions.append(r"(?<=\A\[gMASK\])sop")
    return re.compile(f"({'|'.join(expressions)})") if expressions else None
