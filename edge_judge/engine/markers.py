"""Texts that a tokenizer would take for markers wherever they stand, and how to keep them text.

llama.cpp finds a *user-defined* token in every text, also where control tokens are off. Most are harmless: runs of
spaces, pieces of words. But a file may have typed the markers of its chat template so, and then an answer could end
the user's turn. Such a text is tokenized in parts, each of which holds no marker.

Knows: which texts are markers, and where to cut.
Does not know: tokens, models.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_FRAMED = re.compile(r"[^\w\s].*\w.*[^\w\s]", re.DOTALL)  # <|user|>, [INST], </s>


def markers(texts: Iterable[str], template: str) -> re.Pattern[str] | None:
    """An expression that finds every place where a marker begins; None where none of the texts is one.

    texts: those of user-defined tokens; template: a chat template's own words. A marker is a text that occurs in
    these, or a word framed by signs. Words alone and white space are none, whatever the template says, and neither is
    a single character, which there is no way to cut.
    """
    found = sorted(text for text in set(texts) if not _is_plain(text) and (text in template or _is_framed(text)))
    return re.compile(f"(?={'|'.join(map(re.escape, found))})") if found else None


def split_at_markers(markers: re.Pattern[str] | None, text: str) -> Iterator[str]:
    """The text in as few parts as leave no marker whole: each is cut behind its first character."""
    start = 0
    for found in markers.finditer(text) if markers else ():
        yield text[start : found.start() + 1]
        start = found.start() + 1
    yield text[start:]


def _is_plain(text: str) -> bool:
    return len(text) < 2 or all(one.isalnum() or one.isspace() or one in "_▁" for one in text)


def _is_framed(text: str) -> bool:
    return _FRAMED.fullmatch(text.strip(" \t\r\n▁")) is not None
