"""Texts that a tokenizer takes for markers anywhere, and how to keep them ordinary text.

llama.cpp recognizes *user-defined* tokens in any text, even if control tokens are off. Most are harmless: runs of
spaces, pieces of words. But some files give this type to the markers of their chat template, and then an answer could
end the user's turn. Such a text is tokenized in parts, none of which holds a whole marker.
Knows: which texts are markers, and where to cut.
Does not know: tokens, models.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

_FRAMED = re.compile(r"[^\w\s].*\w.*[^\w\s]", re.DOTALL)  # <|user|>, [INST], </s>


def markers(texts: Iterable[str], template: str) -> list[str]:
    """The markers among the texts of user-defined tokens. template: the chat template's own words.

    A marker is one of the texts that occurs in the template or is a word between signs. Plain words and white space are
    never markers, and neither is a single character, which cannot be cut.
    """
    return sorted(text for text in set(texts) if not _is_plain(text) and (text in template or _is_framed(text)))


def beginnings(texts: Sequence[str]) -> re.Pattern[str] | None:
    """An expression that matches where one of the texts begins; None if there are none."""
    return re.compile(f"(?={'|'.join(map(re.escape, texts))})") if texts else None


def split_at(starts: re.Pattern[str] | None, text: str) -> Iterator[str]:
    """The text in as few parts as possible, so that none holds a whole marker. starts: matches where one begins.

    Each marker is cut after its first character.
    """
    start = 0
    for match in starts.finditer(text) if starts else ():
        yield text[start : match.start() + 1]
        start = match.start() + 1
    yield text[start:]


def _is_plain(text: str) -> bool:
    return len(text) < 2 or all(character.isalnum() or character.isspace() or character in "_▁" for character in text)


def _is_framed(text: str) -> bool:
    return _FRAMED.fullmatch(text.strip(" \t\r\n▁")) is not None
