"""SentencePiece's table of replacements, which its normalizer applies to a text.

The table begins with the size of a double-array trie (Aoe 1989, "An Efficient Digital Search Algorithm by Using a
Double-Array Structure"), the trie follows, then the replacements, each ended by a zero byte. At each place of a text
the longest sequence that the trie holds is replaced; a character that begins none is kept (sentencepiece,
normalizer.cc).
Knows: bytes. Does not know: where the table comes from.
"""

from __future__ import annotations

import struct

from edge_judge.errors import ModelError


class Charsmap:
    """A table of replacements. Raises ModelError for one that is too short for the sizes it states."""

    def __init__(self, table: bytes) -> None:
        try:
            (size,) = struct.unpack_from("<I", table)
            self._units = struct.unpack_from(f"<{size // 4}I", table, 4)
        except struct.error as error:
            raise ModelError(f"the tokenizer's normalization table is damaged: {error}") from error
        self._texts = table[4 + size :]

    def __call__(self, text: str) -> str:
        data, at, parts = text.encode(), 0, list[bytes]()
        while at < len(data):
            length, place = self._longest(data, at)
            if length:
                parts.append(self._texts[place : self._texts.index(b"\0", place)])
            else:
                length = _character(data[at])
                parts.append(data[at : at + length])
            at += length
        return b"".join(parts).decode(errors="replace")

    def _longest(self, data: bytes, at: int) -> tuple[int, int]:
        """The length of the longest sequence at a place, 0 if there is none, and the place of its replacement."""
        units, found = self._units, (0, 0)
        node = _offset(units[0])
        for step in range(at, len(data)):
            node ^= data[step]
            unit = units[node] if node < len(units) else 0
            if unit & 0x800000FF != data[step]:
                break
            node ^= _offset(unit)
            if unit >> 8 & 1:
                found = step + 1 - at, units[node] & 0x7FFFFFFF
        return found


def _offset(unit: int) -> int:
    return (unit >> 10) << ((unit & 1 << 9) >> 6)


def _character(first: int) -> int:
    """The bytes of a character of UTF-8, by its first byte."""
    return 1 if first < 0x80 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4
