"""How a tokenizer changes a text before it splits it, as one text for the GGUF.

llama.cpp changes nothing of a text, so the judge applies this itself: "NFC", the `normalizer` section of a
tokenizer.json, which the tokenizers library reads, or an object of type SentencePiece. Knows: tokenizer.json, and the
normalizer of SentencePiece. Does not know: tokens, how a text is split.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from quantize.errors import short_repr
from quantize.vocab.tokenizer_json import library_errors, of_section


def from_section(section: object, origin: str) -> str | None:
    """The text for a `normalizer` section; None for one that changes nothing. Raises VocabularyError for a section that
    the tokenizers library cannot read.
    """
    return _recorded(steps(section), section, origin)


def from_steps(kept: Sequence[Mapping[str, Any]], origin: str) -> str | None:
    """The same for some steps of a section."""
    return _recorded(kept, {"type": "Sequence", "normalizers": list(kept)}, origin)


def from_sentencepiece(charsmap: bytes, collapses_spaces: bool) -> str | None:
    """The text for the normalizer of a tokenizer.model. charsmap: its compiled table of replacements, empty for none;
    collapses_spaces: whether outer spaces are dropped, and inner ones become one.
    """
    if not charsmap and not collapses_spaces:
        return None
    table = base64.b64encode(charsmap).decode()
    return json.dumps({"type": "SentencePiece", "charsmap": table, "collapses_spaces": collapses_spaces})


def steps(section: object) -> list[Mapping[str, Any]]:
    """The steps of a section: its parts if it is a sequence. A malformed step becomes an empty one."""
    if section is None:
        return []
    if not isinstance(section, dict):
        return [{}]
    found = section.get("normalizers") if section.get("type") == "Sequence" else [section]
    return [step if isinstance(step, dict) else {} for step in found] if isinstance(found, list) else [{}]


def _recorded(kept: Sequence[Mapping[str, Any]], section: object, origin: str) -> str | None:
    if not kept:
        return None
    if all(step.get("type") == "NFC" for step in kept):
        return "NFC"
    kind = section.get("type") if isinstance(section, dict) else section
    with library_errors(f"{origin}: normalizer {short_repr(kind)}"):
        of_section("normalizer", section)
    return json.dumps(section, ensure_ascii=False, sort_keys=True)
