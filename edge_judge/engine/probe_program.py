"""A program of its own that does with a GGUF what judging does with it, so that what would end the process ends this
one: `python -m edge_judge.engine.probe_program FILE`.

It loads the weights as the engine does, spells every token, splits texts that hold every byte, reads probabilities in
a cache that sequences share, and lets a grammar look at all tokens. A file can also make llama.cpp loop, or ask for all
memory, so here it has limits on a processor's time and, on Linux, on memory. Where the system has none, `probe.py` ends
it by the clock. It exits with 0, or writes what is wrong as one line on stderr.
Knows: an engine. Does not know: what a GGUF holds, who reads the line.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from time import process_time

import numpy as np
import psutil

from edge_judge.engine import llama, llama_log
from edge_judge.engine.devices import devices
from edge_judge.engine.gbnf_guide import GrammarGuide
from edge_judge.engine.llama import Cell, LoadedModel, Logits
from edge_judge.engine.local import LocalEngine
from edge_judge.engine.model import Model
from edge_judge.engine.placing import context_of
from edge_judge.engine.processors import physical_cores
from edge_judge.errors import ModelError
from edge_judge.records import file_bytes

MARK = "probe: "  # begins the line that says what is wrong
MOST_SAID = 1000  # characters of it
SECONDS = 4  # of a processor, for a file of no size
PACE = 4_000_000  # bytes of a file for each further second: so fast a slow laptop loads it and evaluates a few tokens
GROWTH = 1.5  # bytes of memory for each of the file: a tensor may be there twice while it is rearranged
BESIDE = 400_000_000  # bytes of memory beside the weights: cache, work, logits
STACK = 16_000_000  # bytes of memory for each thread
CELLS = 256
HEAD = 64  # tokens that sequences share; from so many on llama.cpp computes attention in tiles
_SPELLED = [{f"<0x{byte:02X}>", chr(byte)} if byte < 128 else {f"<0x{byte:02X}>"} for byte in range(256)]
ANYTHING = r"root ::= [^\x00]*"  # a grammar


def main(path: Path) -> None:
    """Raises ModelError, or anything else, where the file cannot be used."""
    llama_log.echo(_First())
    llama.start()
    _limit(file_bytes(path))
    model = LocalEngine(path).model
    _spell(model.loaded)
    _evaluate(model)


class _First:
    """Writes the first of llama.cpp's errors, at once: later the process may be no more. A file can make llama.cpp
    write errors for ever.
    """

    def __init__(self) -> None:
        self._written = False

    def __call__(self, error: str) -> None:
        if not self._written:
            self._written = True
            print(f"{MARK}{error[:MOST_SAID]}", file=sys.stderr, flush=True)


def seconds(size: int) -> int:
    """Seconds of a processor that a file of this many bytes may take."""
    return SECONDS + size // PACE * physical_cores()


def _limit(size: int) -> None:
    """Bound what this process may take from here on, where the system can. size: bytes of the file."""
    if sys.platform == "win32":  # it has no such limits
        return
    try:
        import resource
    except ImportError:
        return
    limits = {"RLIMIT_CPU": int(process_time()) + 1 + seconds(size), "RLIMIT_CORE": 0}
    if (taken := _own_memory()) is not None:
        limits["RLIMIT_DATA"] = taken + int(GROWTH * size) + BESIDE + STACK * physical_cores()
    for kind, most in limits.items():
        with suppress(AttributeError, ValueError, OSError):  # not every system has each of them
            limit = getattr(resource, kind)
            resource.setrlimit(limit, (most, resource.getrlimit(limit)[1]))


def _own_memory() -> int | None:
    """Bytes that are this process's own so far. None where a limit on them would hold nothing back, which is where
    mapped memory does not count (only on Linux it does), or too much: a GPU's driver takes what it likes.
    """
    if not sys.platform.startswith("linux") or devices():
        return None
    return int(psutil.Process().memory_info().data)


def _spell(loaded: LoadedModel) -> None:
    """Spell every token, and split texts that hold every byte into tokens."""
    special = (*loaded.control, *loaded.user_defined, *loaded.strips_after, *loaded.strips_before)
    symbols = set()
    for token in (*range(loaded.vocabulary), *special):
        symbols.add(loaded.symbol(token))
        loaded.piece(token)
        loaded.ends(token)
    if loaded.sentencepiece and (lost := [byte for byte in range(256) if _SPELLED[byte].isdisjoint(symbols)]):
        raise ModelError(
            f"its vocabulary has no token for the byte 0x{lost[0]:02X}; at a text that needs it the process would end"
        )
    texts = [chr(code) for code in _characters()]
    for text in ("", *texts, "".join(texts)):
        loaded.tokenize(text, control=False)
        loaded.tokenize(text, control=True)


def _characters() -> Iterator[int]:
    """Characters in which every byte of UTF-8 occurs, in all of its lengths. Of the last ones, which nobody uses, no
    vocabulary has a token.
    """
    yield from range(0x800)
    yield from (code for code in range(0x800, 0x10000, 0x100) if not 0xD800 <= code < 0xE000)
    yield from range(0x10000, 0x110000, 0x10000)
    yield from range(0x10FF80, 0x10FFC0)


def _evaluate(model: Model) -> None:
    """Three sequences share a beginning and part; one is cut and goes on as another does."""
    with closing(llama.Context(model.loaded, context_of(CELLS), "f16")) as context:
        size = model.vocabulary
        tokens = [max(model.loaded.bos, 0), *(size * place // HEAD for place in range(1, HEAD)), size - 1]
        context.decode([(tokens[0], 0, (0,)), (tokens[1], 1, (0,))], {1}, model.threads.count(2))
        if not context.remove(0, 1):
            raise ModelError(
                "it is a recurrent model, which cannot forget single tokens; judging shares prompts that way"
            )
        context.clear()
        cells: list[Cell] = [(token, place, (0, 1, 2)) for place, token in enumerate(tokens[:HEAD])]
        cells += [(token, HEAD, (sequence,)) for sequence, token in enumerate(tokens[-3:])]
        context.decode(cells, {HEAD - 1, len(cells) - 1}, model.threads.count(len(cells)))
        _check(context.logits(HEAD - 1))
        _check(context.logits(len(cells) - 1))
        context.remove(1, HEAD)
        context.remove(2)
        context.copy(0, 2, HEAD)
        context.decode([(tokens[0], HEAD, (1,))], {0}, model.threads.count(1))
        _check(context.logits(0))
        context.decode([(tokens[1], HEAD, (2,)), (tokens[2], HEAD + 1, (1,))], {1}, model.threads.count(2))
        _check(context.logits(1))
        _guide(model, context.logits(1))


def _check(logits: Logits) -> None:
    if not bool(np.isfinite(logits).all()):
        raise ModelError("the probabilities of the next token are not numbers: its weights or its header are damaged")


def _guide(model: Model, logits: Logits) -> None:
    """Let a grammar look at all tokens, and take one that it allows."""
    guide = GrammarGuide(model, ANYTHING, "root")
    allowed = guide.allowed(logits)
    token = int(allowed.argmax())
    if allowed[token] > -np.inf and not model.ends(token):
        guide.accept(token)


def _run() -> None:
    try:
        main(Path(sys.argv[1]))
    except MemoryError:
        sys.exit(f"{MARK}MemoryError")
    except Exception as error:  # a damaged file can fail in any way
        sys.exit(f"{MARK}{(str(error) or type(error).__name__)[:MOST_SAID]}")
    os._exit(0)  # all is known: freeing takes time, and may end the process


if __name__ == "__main__":
    _run()
