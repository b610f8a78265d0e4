"""A pair recognized wherever it stands: in another file, under another name, with its answers in the other order.

Knows: what of a text is spelling alone. Does not know: near-duplicates, nor where fingerprints are kept.
"""

from __future__ import annotations

import hashlib
import unicodedata

from edge_judge.records import Pair

DIGITS = 16  # of 64 bits: among a million pairs two that are not the same meet once in ten million


def fingerprint(pair: Pair) -> str:
    """16 hexadecimal digits of a SHA-256 over the question and the two answers, whatever their order.

    Case, white space and Unicode's compatible forms make no difference (`normalized`).
    """
    answers = sorted((normalized(pair.a), normalized(pair.b)))
    whole = "\0".join((normalized(pair.question), *answers))
    return hashlib.sha256(whole.encode(errors="surrogatepass")).hexdigest()[:DIGITS]


def normalized(text: str) -> str:
    """A text as it is compared: NFKC (Unicode Annex 15), case folded, white space as single spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
