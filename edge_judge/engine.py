"""Inference: the one file that talks to llama.cpp to run a model.

Knows: loading a GGUF, turning a prompt into tokens, evaluating a plan's windows (each one decode call in which a
token carries every sequence that shares it), and letting sequences write on greedily.
Does not know: pairs, verdicts, grammars, files of results.
"""

from __future__ import annotations

import ctypes
import math
import os
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import llama_cpp.llama_cpp as llama
import numpy as np
from numpy.typing import NDArray

from edge_judge import plan as planning
from edge_judge.chat import ChatFormat, chat_format
from edge_judge.errors import ModelError
from edge_judge.plan import Plan, Tokens, Window

CELLS = 2048  # tokens in one decode call
MICRO = 512  # tokens that llama.cpp computes at once
MEMBERS = 64  # sequences in one decode call; llama.cpp's own limit is 256
GROUP = 16  # sequences that write side by side
TRUNK = 0  # the sequence id that keeps the last path; members are 1, 2, …

Logits = NDArray[np.float32]

_complaints: list[str] = []


def _listen(level: int, text: bytes, _: object) -> None:
    """llama.cpp's log goes nowhere, but its errors are kept for our own messages."""
    if level >= 4:  # GGML_LOG_LEVEL_ERROR
        _complaints.append(text.decode(errors="replace").strip())


# Kept for as long as the process lives: llama.cpp calls it whenever it likes.
_LISTENER = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(_listen)


@dataclass(frozen=True, slots=True)
class Written:
    """What a sequence went on to write. ended: by itself, rather than at the limit."""

    query: int
    text: str
    tokens: int
    ended: bool


class Model:
    """A loaded GGUF. Use as a context manager; raises ModelError if llama.cpp cannot load it."""

    def __init__(self, path: Path, *, threads: int | None = None, vocab_only: bool = False) -> None:
        llama.llama_log_set(_LISTENER, ctypes.c_void_p(0))
        llama.llama_backend_init()
        _complaints.clear()
        params = llama.llama_model_default_params()
        params.vocab_only = vocab_only
        params.n_gpu_layers = 999 if llama.llama_supports_gpu_offload() else 0
        self.path = path
        self.threads = threads or physical_cores()
        self.handle = llama.llama_model_load_from_file(str(path).encode(), params)
        if not self.handle:
            raise ModelError(
                f"{path}: llama.cpp cannot load it{_because()}", "expected a GGUF file of a language model"
            )
        self._vocab = llama.llama_model_get_vocab(self.handle)
        self.vocabulary = llama.llama_vocab_n_tokens(self._vocab)
        self.trained_context = llama.llama_model_n_ctx_train(self.handle)
        self._chat: ChatFormat | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        llama.llama_model_free(self.handle)

    # ---- text and tokens ----------------------------------------------------------------------------------

    def tokens(self, text: str, *, control: bool) -> Tokens:
        """Token ids of a text; control tokens are recognised only where `control` says so."""
        raw = text.encode(errors="replace")  # half a surrogate pair cannot be written
        room = len(raw) + 8
        buffer = (ctypes.c_int32 * room)()
        count = llama.llama_tokenize(self._vocab, raw, len(raw), buffer, room, False, control)
        if count < 0:
            raise ModelError(f"{self.path}: a text of {len(raw)} bytes could not be tokenized")
        return tuple(buffer[:count])

    def text(self, tokens: Sequence[int]) -> str:
        """The text of tokens; control tokens are left out, broken UTF-8 becomes the replacement character."""
        buffer = ctypes.create_string_buffer(512)
        pieces = []
        for token in tokens:
            size = llama.llama_token_to_piece(self._vocab, token, buffer, len(buffer), 0, False)
            pieces.append(buffer.raw[: max(size, 0)])
        return b"".join(pieces).decode(errors="replace")

    def prompt(self, content: str) -> Tokens:
        """A user message in the model's chat format. Nothing in `content` can become a control token."""
        if self._chat is None:
            self._chat = self._chat_format()
        before = self.tokens(self._chat.before, control=True)
        bos = llama.llama_vocab_bos(self._vocab)
        if llama.llama_vocab_get_add_bos(self._vocab) and before[:1] != (bos,):
            before = (bos, *before)
        inside = self._continued(content, control=False)
        return before + inside + self._continued(self._chat.after, control=True)

    def _continued(self, text: str, *, control: bool) -> Tokens:
        """Tokens of a text that stands inside another: SentencePiece must not put a space before it."""
        if llama.llama_vocab_type(self._vocab) != llama.LLAMA_VOCAB_TYPE_SPM:
            return self.tokens(text, control=control)
        lead = self.tokens("\n", control=False)
        whole = self.tokens("\n" + text, control=control)
        return whole[len(lead) :] if whole[: len(lead)] == lead else self.tokens(text, control=control)

    def _chat_format(self) -> ChatFormat:
        template = llama.llama_model_chat_template(self.handle, None)
        if not template:
            raise ModelError(
                f"{self.path}: the file has no chat template, so a prompt cannot be put to it",
                "quantize it again from a checkpoint whose tokenizer_config.json has a chat_template",
            )
        names = [
            self._piece(llama.llama_vocab_bos(self._vocab)),
            self._piece(llama.llama_vocab_eos(self._vocab)),
        ]
        return chat_format(template.decode(), bos=names[0], eos=names[1])

    def _piece(self, token: int) -> str:
        return (llama.llama_vocab_get_text(self._vocab, token) or b"").decode() if token >= 0 else ""

    def ends(self, token: int) -> bool:
        """Whether a token ends the model's turn."""
        return bool(llama.llama_vocab_is_eog(self._vocab, token))

    # ---- evaluation ---------------------------------------------------------------------------------------

    @contextmanager
    def reading(self, plans: Sequence[Plan], reads: int) -> Iterator[Evaluator]:
        """An evaluator with room for these plans, whose queries have at most `reads` reads each."""
        longest = max((plan.longest for plan in plans), default=0)
        outputs = max((_outputs(plan) for plan in plans), default=0)
        with closing(Evaluator(self, longest + CELLS, MEMBERS + 1, max(outputs, reads))) as evaluator:
            yield evaluator

    @contextmanager
    def writing(self, plans: Sequence[Plan], limit: int) -> Iterator[Evaluator]:
        """An evaluator with room to let the prompts of these plans be answered with `limit` tokens each."""
        room = max((_room(plan, limit) for plan in plans), default=0)
        with closing(Evaluator(self, room, GROUP + 1, 2 * GROUP)) as evaluator:
            yield evaluator


class Evaluator:
    """A key-value cache of `cells` tokens shared by `sequences` sequences, and the work done in it."""

    def __init__(self, model: Model, cells: int, sequences: int, outputs: int) -> None:
        params = llama.llama_context_default_params()
        params.n_ctx = -(-cells // 256) * 256
        params.n_batch, params.n_ubatch = CELLS, MICRO
        params.n_seq_max = sequences
        params.n_outputs_max = max(min(outputs, CELLS), sequences)  # fewer than sequences: llama.cpp aborts
        params.n_threads = params.n_threads_batch = model.threads
        params.kv_unified = True
        params.no_perf = True
        _complaints.clear()
        self._context = llama.llama_init_from_model(model.handle, params)
        if not self._context:
            raise ModelError(
                f"{model.path}: no context of {params.n_ctx} tokens could be made{_because()}",
                "free some memory, or judge shorter texts",
            )
        self.model = model
        self._memory = llama.llama_get_memory(self._context)
        self._batch = llama.llama_batch_init(CELLS, 0, sequences)

    def close(self) -> None:
        llama.llama_batch_free(self._batch)
        llama.llama_free(self._context)

    def read(self, plan: Plan, done: Callable[[int], None]) -> Iterator[tuple[int, int, Logits]]:
        """Evaluate a plan in an empty cache: (query, read, logits (vocabulary,)) for each read, as it is reached.

        done(tokens) is called after each decode call. The logits are llama.cpp's own memory: look, don't keep.
        """
        llama.llama_memory_clear(self._memory, False)
        for window in planning.windows(plan, CELLS, MEMBERS):
            slots = range(1, len(window.members) + 1)
            self._evaluate(window, slots)
            done(len(window.cells))
            for read in window.reads:
                yield read.query, read.read, self._logits(read.cell)
            for slot in slots:  # only the trunk is needed further
                llama.llama_memory_seq_rm(self._memory, slot, -1, -1)

    def write(self, plan: Plan, limit: int, done: Callable[[int], None]) -> Iterator[Written]:
        """Let each prompt of a plan (queries with one read, at their end) be answered greedily with at most
        `limit` tokens, GROUP of them side by side. Equal prompts are answered once and yielded for each.
        """
        llama.llama_memory_clear(self._memory, False)
        place = {query: index for index, query in enumerate(plan.first_query)}
        begun: dict[int, int] = {}  # place -> its first token
        for window in planning.windows(plan, CELLS, GROUP, waves=True):
            places = [place[member.query] for member in window.members]
            self._evaluate(window, [1 + index % GROUP for index in places])
            done(len(window.cells))
            for read in window.reads:
                if read.query in place:
                    begun[place[read.query]] = _best(self._logits(read.cell))
            last = places[-1]
            if last in begun and (last % GROUP == GROUP - 1 or last == len(place) - 1):
                for index, tokens, ended in self._go_on(plan, begun, limit, done):
                    twins = plan.reads[index, len(plan.sequences[index]) - 1]
                    text = self.model.text(tokens)
                    yield from (Written(query, text, len(tokens), ended) for query, _ in twins)
                begun = {}

    def _go_on(
        self, plan: Plan, begun: Mapping[int, int], limit: int, done: Callable[[int], None]
    ) -> Iterator[tuple[int, list[int], bool]]:
        """(place in the plan, tokens written, whether it ended by itself), as each answer ends or is cut off."""
        written: dict[int, list[int]] = {place: [] for place in begun}
        following = dict(begun)
        while following:
            for place, token in list(following.items()):
                ended = self.model.ends(token)
                if ended or len(written[place]) == limit:
                    del following[place]
                    llama.llama_memory_seq_rm(self._memory, 1 + place % GROUP, -1, -1)
                    yield place, written[place], ended
                else:
                    written[place].append(token)
            live = list(following)
            ends = [len(plan.sequences[place]) + len(written[place]) - 1 for place in live]
            cells = [
                (following[place], end, [1 + place % GROUP]) for place, end in zip(live, ends, strict=True)
            ]
            self._decode(cells, range(len(cells)))
            done(len(cells))
            following = {place: _best(self._logits(cell)) for cell, place in enumerate(live)}

    def _evaluate(self, window: Window, slots: Sequence[int]) -> None:
        """One window of a plan: members take what they share from the trunk, the last one becomes the trunk."""
        for slot, member in zip(slots, window.members, strict=True):
            llama.llama_memory_seq_rm(self._memory, slot, -1, -1)
            if member.keep:
                llama.llama_memory_seq_cp(self._memory, TRUNK, slot, 0, member.keep)
        llama.llama_memory_seq_rm(self._memory, TRUNK, window.trunk, -1)
        last = len(window.members) - 1
        cells = [
            (token, position, [*([TRUNK] if last in sharing else []), *(slots[member] for member in sharing)])
            for token, position, sharing in window.cells
        ]
        self._decode(cells, {read.cell for read in window.reads})

    def _decode(self, cells: Sequence[tuple[int, int, Sequence[int]]], outputs: Container[int]) -> None:
        """Evaluate (token, position, sequence ids) cells; logits are kept for the cells in `outputs`."""
        batch = self._batch
        batch.n_tokens = len(cells)
        for index, (token, position, sequences) in enumerate(cells):
            batch.token[index] = token
            batch.pos[index] = position
            batch.n_seq_id[index] = len(sequences)
            ids = batch.seq_id[index]
            for place, sequence in enumerate(sequences):
                ids[place] = sequence
            batch.logits[index] = index in outputs
        _complaints.clear()
        if cells and llama.llama_decode(self._context, batch):
            raise ModelError(
                f"{self.model.path}: llama.cpp could not evaluate {len(cells)} tokens{_because()}"
            )

    def _logits(self, cell: int) -> Logits:
        """Logits (vocabulary,) of the next token after a cell of the last call."""
        row = llama.llama_get_logits_ith(self._context, cell)
        return np.ctypeslib.as_array(row, shape=(self.model.vocabulary,))


def _room(plan: Plan, limit: int) -> int:
    """Cells that suffice for every group of GROUP sequences, the trunk, and what they write."""
    own = [len(tokens) - shared for tokens, shared in zip(plan.sequences, plan.shared, strict=True)]
    widest = max((sum(own[start : start + GROUP]) for start in range(0, len(own), GROUP)), default=0)
    return 2 * plan.longest + widest + GROUP * limit


def _outputs(plan: Plan) -> int:
    """The most tokens of a window whose probabilities are wanted. llama.cpp aborts the process beyond its limit."""
    wanted = Counter(sequence for sequence, _ in plan.reads)
    counts = [wanted[index] for index in range(len(plan.sequences))]
    return max((sum(counts[start : start + MEMBERS]) for start in range(len(counts))), default=0)


def _best(logits: Logits) -> int:
    return int(logits.argmax())


def _because() -> str:
    return f" ({_complaints[-1]})" if _complaints else ""


def log_probabilities(logits: Logits, tokens: Sequence[int]) -> list[float]:
    """Natural logarithms of the probabilities of some tokens, out of all tokens of the vocabulary."""
    exact = logits.astype(np.float64)
    top = float(exact.max())
    total = top + math.log(float(np.exp(exact - top).sum()))
    return [float(exact[token]) - total for token in tokens]


def physical_cores() -> int:
    """Cores this process may use, hyper-threads not counted."""
    import psutil

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(psutil.cpu_count(logical=False) or 1, allowed or 1))
