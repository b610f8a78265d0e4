"""tokenizer.json with byte-level BPE -> GGUF vocabulary of model gpt2.

llama.cpp has pre-tokenizers built in, under names. The name is found by behaviour: the checkpoint's pre-tokenizer and
one built here for each name split a hard probe text, and the splits must be equal. Knows nothing about special roles.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenizers import Regex
from tokenizers.pre_tokenizers import ByteLevel, Digits, PreTokenizer, Sequence, Split

from quantize.errors import VocabularyError, short_repr
from quantize.vocab import normalizers
from quantize.vocab.records import SpecialTokens, TokenType, Vocabulary
from quantize.vocab.tokenizer_json import library_errors, merge_parts, of_section

# letters, runs of digits, contractions in both cases, spaces around line ends, CJK, combining marks, emoji
PROBE = (
    "I'm sure WE'LL see, it's 12345 or 3.14\n\n  \t def f(x):\r\n    return x**2  # ok??\n"
    "我想在apple工作1314151天～ 안녕하세요 кириллица ÄÖÜß naïve e\u0301 हिन्दी ４２ ½ ² \u00a0x\u3000y "
    "🚀🦙 \u200d ʰʔ ...!!! <|im_end|> ('quoted')'S 'RE\t\t\n \n trailing  "
)
_LETTERS = r"|[^\r\n\p{L}\p{N}]?\p{L}+"
_TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_QWEN2 = _CONTRACTIONS + _LETTERS + r"|\p{N}" + _TAIL
_LLAMA3 = _CONTRACTIONS + _LETTERS + r"|\p{N}{1,3}" + _TAIL
_DEEPSEEK = (
    r"[\r\n]",
    r"\s?[\p{Lu}\p{Ll}\p{Lt}]+",
    r"\s?[!-/:-~！-／：-～‘-‟　-。]+",
    r"\s+$",
    r"[一-龥ࠀ-一가-퟿]+",
)


def read_bytelevel(document: Mapping[str, Any], origin: str, rows: int, special: SpecialTokens) -> Vocabulary:
    """The vocabulary of a tokenizer.json, padded to `rows` with unused tokens.

    Raises VocabularyError where the tokenizer is not byte-level BPE, llama.cpp has no name for its pre-tokenizer, or
    an id is not below `rows`.
    """
    model = document.get("model")
    if not isinstance(model, dict) or not isinstance(model.get("vocab"), dict):
        raise VocabularyError(f"{origin} has no BPE vocabulary under 'model'")
    tokens, types = token_table(model["vocab"], document.get("added_tokens") or [], rows, origin)
    return Vocabulary(
        model="gpt2",
        pre=pre_tokenizer_name(document.get("pre_tokenizer"), bool(model.get("ignore_merges")), origin),
        tokens=tokens,
        types=types,
        special=special,
        merges=tuple(_merge(merge, origin) for merge in model.get("merges") or ()),
        normalizer=normalizers.from_section(document.get("normalizer"), origin),
    ).check(rows, origin)


def token_table(
    vocab: Mapping[str, int], added: list[Any], rows: int, origin: str
) -> tuple[tuple[bytes, ...], tuple[int, ...]]:
    """Text and type of every id below `rows`. An added token replaces the vocabulary's at the same id."""
    tokens: list[bytes | None] = [None] * rows
    types = [int(TokenType.UNUSED)] * rows
    for text, i in vocab.items():
        _place(tokens, i, text, origin)
        types[i] = TokenType.NORMAL
    for entry in added:
        i, text = entry["id"], entry["content"]
        _place(tokens, i, text, origin)
        types[i] = TokenType.CONTROL if entry.get("special") or looks_special(text) else TokenType.USER_DEFINED
    return tuple(f"[PAD{i}]".encode() if token is None else token for i, token in enumerate(tokens)), tuple(types)


def looks_special(text: str) -> bool:
    """Whether the text of an added token is that of a control token, even if it is not declared as one."""
    return (text.startswith("<|") and text.endswith("|>")) or (text.startswith("<｜") and text.endswith("｜>"))


def pre_tokenizer_name(section: object, ignore_merges: bool, origin: str) -> str:
    """llama.cpp's name for a pre-tokenizer section of tokenizer.json. Raises VocabularyError where it has none."""
    pieces = _pieces(section, origin)
    for name, reference in _references().items():
        if reference.pre_tokenize_str(PROBE) == pieces:
            # both split alike, but only llama-bpe takes a word that is a token without merging
            return "smaug-bpe" if name == "llama-bpe" and not ignore_merges else name
    raise VocabularyError(
        f"{origin} splits text in an unknown way, expected that of qwen2, llama 3, deepseek-llm or gpt-2",
        "use a ready GGUF of this model",
    )


def _references() -> dict[str, PreTokenizer]:
    def splits(*patterns: str) -> list[PreTokenizer]:
        return [Split(Regex(pattern), "isolated") for pattern in patterns]

    level = ByteLevel(add_prefix_space=False, use_regex=False)
    return {
        "qwen2": Sequence([*splits(_QWEN2), level]),
        "llama-bpe": Sequence([*splits(_LLAMA3), level]),
        "deepseek-llm": Sequence([*splits(*_DEEPSEEK), Digits(individual_digits=True), level]),
        "gpt-2": ByteLevel(add_prefix_space=False, use_regex=True),
    }


def _pieces(section: object, origin: str) -> list[tuple[str, tuple[int, int]]]:
    """The pieces of the probe text, each with its place."""
    if section is None:
        raise VocabularyError(f"{origin} has no pre_tokenizer, expected a byte-level one")
    with library_errors(f"{origin}: its pre_tokenizer"):
        tokenizer = of_section("pre_tokenizer", section)
        pieces: list[tuple[str, tuple[int, int]]] = tokenizer.pre_tokenizer.pre_tokenize_str(PROBE)
    return pieces


def _place(tokens: list[bytes | None], i: int, text: str, origin: str) -> None:
    if i >= len(tokens):
        raise VocabularyError(
            f"{origin}: token {short_repr(text)} has id {short_repr(i)}, "
            f"but the model's embedding has only {len(tokens)} rows"
        )
    tokens[i] = text.encode()


def _merge(merge: object, origin: str) -> str:
    parts = merge_parts(merge, origin)
    if len(parts) != 2 or not all(part and " " not in part for part in parts):
        raise VocabularyError(f"{origin}: merge {short_repr(merge)} is not a pair of byte-level pieces")
    return " ".join(parts)
