"""The part of llama.cpp's C interface that judging needs: weights with their vocabulary, a context, a grammar.

The only file of the engine that imports llama_cpp. It makes no decisions.
Knows: llama.cpp's handles, buffers and log. Does not know: what is evaluated, chat formats, limits of memory.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Container, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edge_judge.engine import llama_log
from edge_judge.engine.interrupts import interrupts_deferred
from edge_judge.engine.processors import brief_spinning
from edge_judge.errors import GrammarError, ModelError
from edge_judge.inference import Tokens
from edge_judge.records import Cache, Split

with brief_spinning():
    import llama_cpp
    import llama_cpp.llama_cpp as llama

Logits: TypeAlias = NDArray[np.float32]
Cell: TypeAlias = tuple[int, int, Sequence[int]]  # token, position, the sequence ids that share it
# Called with the address of a ggml tensor: first with True, whether its numbers are wanted; if so, with False once they
# are computed, and the rest of the call is skipped if it returns False. It must not raise: C would lose the exception.
Observer: TypeAlias = Callable[[int, bool], bool]

CACHE_TYPES: dict[Cache, int] = {"f16": llama.GGML_TYPE_F16, "q8_0": llama.GGML_TYPE_Q8_0}
SPLIT_MODES: dict[Split, int] = {
    "none": llama.LLAMA_SPLIT_MODE_NONE,
    "layer": llama.LLAMA_SPLIT_MODE_LAYER,
    "row": llama.LLAMA_SPLIT_MODE_ROW,
}
_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])  # llama_token_data


def start() -> None:
    """Initialize llama.cpp. May be called more than once."""
    llama.llama_log_set(_LISTENER, ctypes.c_void_p(0))
    llama.llama_backend_init()


def version() -> str:
    """The version of llama-cpp-python, which fixes that of llama.cpp."""
    return str(llama_cpp.__version__)


LIBRARY: ctypes.CDLL = llama._lib  # through it devices.py calls what llama_cpp does not bind


def system_info() -> str:
    """What llama.cpp says of its build and of the processor."""
    return str(llama.llama_print_system_info().decode())


# Must live as long as the process: llama.cpp may call it at any time.
_LISTENER = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(llama_log.listen)


# ---- weights and vocabulary -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Attention:
    """The sizes that decide how large a key-value cache is. width: numbers of an embedding."""

    layers: int
    heads: int
    key_value_heads: int
    width: int


@dataclass(frozen=True, slots=True)
class Offload:
    """What goes to devices: `layers` layers, the last ones first. handles: ggml's devices; shares: what part of them
    each takes; cache: whether the key-value cache of these layers goes with them.
    """

    layers: int = 0
    handles: tuple[int, ...] = ()
    shares: tuple[int, ...] = ()
    split: Split = "layer"
    cache: bool = True

    def place(self, params: llama.llama_model_params) -> object:
        """Set it in llama.cpp's parameters. Returns what must live until they were used."""
        handles = (ctypes.c_void_p * (len(self.handles) + 1))(*self.handles)  # the last is a null pointer
        shares = (ctypes.c_float * llama.LLAMA_MAX_DEVICES)(*(share / 2**20 for share in self.shares))
        params.devices = ctypes.cast(handles, ctypes.c_void_p)  # type: ignore[assignment]
        params.n_gpu_layers, params.split_mode = self.layers, SPLIT_MODES[self.split]
        if self.shares:
            params.tensor_split = shares
        return handles, shares


class LoadedModel:
    """A GGUF loaded by llama.cpp, with its vocabulary. Raises ModelError if llama.cpp cannot load it.

    mapped: whether to map the file instead of reading it; None leaves it to llama.cpp. offload: what goes to devices.
    simulated: load no weights, so that nothing can be evaluated, but what a context would take is known. repacked:
    rearrange weights so that a CPU is faster, which takes memory for a copy of them.
    """

    def __init__(
        self,
        path: Path,
        *,
        vocab_only: bool,
        mapped: bool | None,
        offload: Offload = Offload(),
        simulated: bool = False,
        repacked: bool = True,
    ) -> None:
        llama_log.clear()
        params = llama.llama_model_default_params()
        params.vocab_only, params.no_alloc = vocab_only, simulated
        params.use_extra_bufts = repacked
        needed = offload.place(params)
        self.offload = offload
        modes = {None: llama.LLAMA_LOAD_MODE_AUTO, True: llama.LLAMA_LOAD_MODE_MMAP, False: llama.LLAMA_LOAD_MODE_NONE}
        params.load_mode = modes[mapped]
        with interrupts_deferred():
            self.handle = llama.llama_model_load_from_file(str(path).encode(), params)
        del needed
        if not self.handle:
            short = "if a device is out of memory, use fewer --gpu-layers, or --gpu-layers 0"
            hint = short if offload.layers else "expected a GGUF file of a language model"
            raise ModelError(f"{path}: llama.cpp cannot load it{llama_log.first_error()}", hint)
        self.refused = tuple(llama_log.refused())  # (device, tensor): what the CPU then holds
        self.vocab = llama.llama_model_get_vocab(self.handle)
        self.vocabulary = int(llama.llama_vocab_n_tokens(self.vocab))
        self.trained_context = int(llama.llama_model_n_ctx_train(self.handle))
        self.sentencepiece = llama.llama_vocab_type(self.vocab) == llama.LLAMA_VOCAB_TYPE_SPM
        self._buffer = ctypes.create_string_buffer(1024)
        self._ids: dict[int, int] = {}

    def close(self) -> None:
        llama.llama_model_free(self.handle)

    @property
    def attention(self) -> Attention:
        return Attention(
            int(llama.llama_model_n_layer(self.handle)),
            int(llama.llama_model_n_head(self.handle)),
            int(llama.llama_model_n_head_kv(self.handle)),
            int(llama.llama_model_n_embd(self.handle)),
        )

    def metadata(self, key: str) -> str | None:
        """The value of a metadata key, as text; None if the file does not have it."""
        size = llama.llama_model_meta_val_str(self.handle, key.encode(), None, 0)
        if size < 0:
            return None
        buffer = ctypes.create_string_buffer(size + 1)
        llama.llama_model_meta_val_str(self.handle, key.encode(), buffer, size + 1)
        return buffer.value.decode(errors="replace")

    @property
    def chat_template(self) -> str | None:
        text = llama.llama_model_chat_template(self.handle, None)
        return text.decode(errors="replace") if text else None

    def tokenize(self, text: str, *, control: bool) -> Tokens | None:
        """Token ids of a text; None if llama.cpp refuses it. control: whether control tokens are recognized."""
        raw = text.encode()
        room = len(raw) + 8
        buffer = (ctypes.c_int32 * room)()
        count = llama.llama_tokenize(self.vocab, raw, len(raw), buffer, room, False, control)
        if count < 0:
            return None
        ids = buffer[:count]
        return tuple(map(self._ids.setdefault, ids, ids))  # equal ids are one object: a benchmark has millions of them

    def piece(self, token: int) -> bytes:
        """The bytes of a token; none for a control token."""
        size = llama.llama_token_to_piece(self.vocab, token, self._buffer, len(self._buffer), 0, False)
        return bytes(self._buffer.raw[: max(size, 0)])

    def symbol(self, token: int) -> str:
        """The vocabulary's entry for a token; empty if there is no such token."""
        return (llama.llama_vocab_get_text(self.vocab, token) or b"").decode(errors="replace") if token >= 0 else ""

    @cached_property
    def user_defined(self) -> list[int]:
        """The tokens that llama.cpp recognizes in any text, even if control tokens are off."""
        return self._with(llama.LLAMA_TOKEN_ATTR_USER_DEFINED)

    @cached_property
    def control(self) -> list[int]:
        """The tokens that llama.cpp recognizes only if control tokens are on."""
        return self._with(llama.LLAMA_TOKEN_ATTR_CONTROL | llama.LLAMA_TOKEN_ATTR_UNKNOWN)

    @cached_property
    def strips_after(self) -> list[int]:
        """The tokens that take the white space after them away."""
        return self._with(llama.LLAMA_TOKEN_ATTR_RSTRIP)

    @cached_property
    def strips_before(self) -> list[int]:
        """The tokens that take the white space before them away."""
        return self._with(llama.LLAMA_TOKEN_ATTR_LSTRIP)

    def _with(self, attributes: int) -> list[int]:
        return [token for token, held in enumerate(self._attributes) if held & attributes]

    @cached_property
    def _attributes(self) -> list[int]:
        return [int(llama.llama_vocab_get_attr(self.vocab, token)) for token in range(self.vocabulary)]

    @property
    def bos(self) -> int:
        return int(llama.llama_vocab_bos(self.vocab))

    @property
    def eos(self) -> int:
        return int(llama.llama_vocab_eos(self.vocab))

    @property
    def adds_bos(self) -> bool:
        """Whether every text for this model begins with the token `bos`."""
        return bool(llama.llama_vocab_get_add_bos(self.vocab))

    def ends(self, token: int) -> bool:
        """Whether a token ends the model's turn."""
        return bool(llama.llama_vocab_is_eog(self.vocab, token))


# ---- adapters ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LoadedAdapter:
    """A LoRA adapter that was loaded for a model, and lives as long as the model. scale: what its own is multiplied
    with.
    """

    handle: ctypes._Pointer[ctypes.c_void_p]
    scale: float


def load_adapter(model: LoadedModel, path: Path, scale: float) -> LoadedAdapter:
    """Load an adapter's GGUF for a model. Raises ModelError where it is none, or does not belong to the model."""
    llama_log.clear()
    with interrupts_deferred():
        handle = llama.llama_adapter_lora_init(model.handle, str(path).encode())
    if not handle:
        raise ModelError(
            f"{path}: llama.cpp cannot add this adapter to the model{llama_log.first_error()}",
            "use the adapter with the model that it was trained on",
        )
    return LoadedAdapter(handle, scale)


# ---- evaluation -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ContextSize:
    """cells: tokens in the cache; batch: tokens of one call; micro: tokens computed at once; sequences: how many ids,
    from 0; outputs: tokens of one call whose logits are kept.
    """

    cells: int
    batch: int
    micro: int
    sequences: int
    outputs: int


class Context:
    """A key-value cache that sequences share, and the calls that fill it. Raises ModelError if it cannot be made.

    It needs a cell more than its sequences fill, see `decode`. adapters: what is added to the model's weights;
    observer: what sees the results of each call's operations. cache: bytes of keys and values; work: bytes of the
    compute buffer and of the logits that are kept; offloaded: bytes of either on devices.
    """

    def __init__(
        self,
        model: LoadedModel,
        size: ContextSize,
        cache: Cache,
        *,
        adapters: Sequence[LoadedAdapter] = (),
        observer: Observer | None = None,
    ) -> None:
        params = llama.llama_context_default_params()
        params.n_ctx, params.n_batch, params.n_ubatch = size.cells, size.batch + 1, size.micro
        params.n_seq_max = size.sequences + 1
        params.n_outputs_max = max(size.outputs, params.n_seq_max)  # fewer: llama.cpp aborts
        params.kv_unified = True
        params.no_perf = True
        params.offload_kqv = model.offload.cache
        # Flash attention is left at llama.cpp's default, which is on if the device has it: on two cores a 0.5B model
        # reads twice as fast with it, and the compute buffer is half as large. A q8_0 cache needs it.
        if cache != "f16":  # f16 is llama.cpp's default
            params.type_k = params.type_v = CACHE_TYPES[cache]
        self._callback = None  # must live as long as the context
        if observer is not None:
            self._callback = llama.ggml_backend_sched_eval_callback(lambda tensor, ask, _: observer(tensor, ask))
            params.cb_eval = self._callback
        llama_log.clear()
        with interrupts_deferred():
            self._handle = llama.llama_init_from_model(model.handle, params)
        if not self._handle:
            raise ModelError(f"cannot create a context of {size.cells} tokens{llama_log.first_error()}")
        if adapters:
            handles = (llama.llama_adapter_lora_p_ctypes * len(adapters))(*(one.handle for one in adapters))
            scales = (ctypes.c_float * len(adapters))(*(one.scale for one in adapters))
            llama.llama_set_adapters_lora(self._handle, handles, len(adapters), scales)
        self.cache, self.work = llama_log.buffer_bytes("KV"), llama_log.buffer_bytes("compute", "output")
        self.offloaded = llama_log.buffer_bytes("KV", "compute", "output", offloaded=True)
        self._vocabulary = model.vocabulary
        self._memory = llama.llama_get_memory(self._handle)
        self._batch = llama.llama_batch_init(size.batch + 1, 0, size.sequences)
        self._micro, self._company = size.micro, size.sequences
        self._divides_one = cache == "f16"

    def close(self) -> None:
        llama.llama_batch_free(self._batch)
        llama.llama_free(self._handle)

    def clear(self) -> None:
        """Empty the cache."""
        llama.llama_memory_clear(self._memory, False)

    def remove(self, sequence: int, start: int = -1) -> bool:
        """Remove a sequence's tokens from position `start` on, by default all of them. False if llama.cpp cannot: the
        state of a recurrent model holds all tokens in one.
        """
        return bool(llama.llama_memory_seq_rm(self._memory, sequence, start, -1))

    def copy(self, source: int, target: int, end: int) -> None:
        """Let a sequence share the first `end` tokens of another."""
        llama.llama_memory_seq_cp(self._memory, source, target, 0, end)

    def decode(self, cells: Sequence[Cell], outputs: Container[int], threads: int) -> None:
        """Evaluate cells and keep the logits of those in `outputs`. Raises ModelError if llama.cpp fails.

        The results are the same bits for every number of threads. llama.cpp divides the attention of a single token
        among them, over an f16 cache of 512 cells or more, so that its sums depend on their number. So a token that
        would be computed alone gets company, which is forgotten at once.
        """
        alone = self._divides_one and len(cells) % self._micro == 1
        self._evaluate([*cells, (cells[-1][0], 0, (self._company,))] if alone else cells, outputs, threads)
        if alone:
            self.remove(self._company)

    def _evaluate(self, cells: Sequence[Cell], outputs: Container[int], threads: int) -> None:
        llama.llama_set_n_threads(self._handle, threads, threads)
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
        llama_log.clear()
        with interrupts_deferred() if self._callback else nullcontext():
            failed = cells and llama.llama_decode(self._handle, batch)
        if failed:
            raise ModelError(f"llama.cpp could not evaluate {len(cells)} tokens{llama_log.first_error()}")

    def logits(self, cell: int) -> Logits:
        """Logits (vocabulary,) of the token after a cell of the last call, in llama.cpp's own memory."""
        row = llama.llama_get_logits_ith(self._handle, cell)
        return np.ctypeslib.as_array(row, shape=(self._vocabulary,))


# ---- grammars ---------------------------------------------------------------------------------------------


class GrammarSampler:
    """Keeps one text inside a rule of a GBNF grammar. Raises GrammarError if llama.cpp rejects the grammar."""

    def __init__(self, model: LoadedModel, grammar: str, start: str) -> None:
        self._handle = llama.llama_sampler_init_grammar(model.vocab, grammar.encode(), start.encode())
        if not self._handle:
            raise GrammarError("llama.cpp rejects this grammar")
        self._single = (llama.llama_token_data * 1)()

    def allows(self, token: int) -> bool:
        self._single[0] = llama.llama_token_data(token, 0.0, 0.0)
        self._apply(self._single, 1)
        return bool(self._single[0].logit > -np.inf)

    def accept(self, token: int) -> None:
        llama.llama_sampler_accept(self._handle, token)

    def mask(self, candidates: NDArray[np.void]) -> None:
        """In an array made by `candidate_array`, set the logits of forbidden tokens to minus infinity."""
        self._apply(candidates.ctypes.data_as(ctypes.POINTER(llama.llama_token_data)), len(candidates))

    def _apply(self, candidates: object, count: int) -> None:
        array = llama.llama_token_data_array(candidates, count, -1, False)
        llama.llama_sampler_apply(self._handle, ctypes.byref(array))

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            llama.llama_sampler_free(self._handle)


@lru_cache(maxsize=1)
def candidate_array(vocabulary: int) -> NDArray[np.void]:
    """An array for the id and the logit of every token, as a sampler takes it.

    It takes megabytes and is filled at each use, so all callers share it.
    """
    return np.zeros(vocabulary, _CANDIDATE)
