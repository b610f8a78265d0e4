"""A loaded GGUF: text to tokens and back, its chat format, what it says about itself.

Knows: where control tokens may come from (the chat template's own words) and where not (everything else).
Does not know: evaluation, grammars.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import llama_cpp.llama_cpp as llama

from edge_judge.engine import markers, memory
from edge_judge.engine.chat import ChatFormat, chat_format
from edge_judge.engine.plan import Tokens
from edge_judge.errors import MemoryLimitError, ModelError

Made = TypeVar("Made")

ROOMY = 0.8  # of the memory that is available, a model may take so much before it is mapped instead
_BUFFER = re.compile(rb"(\S+) +(model|KV|compute|output) buffer size = +([\d.]+) MiB")
_complaints: list[str] = []
_buffers: list[tuple[str, str, int]] = []  # where it lies, its kind, bytes


def _listen(level: int, text: bytes, _: object) -> None:
    """llama.cpp's log goes nowhere, but its errors and the sizes of its buffers are kept."""
    if level >= 4:  # GGML_LOG_LEVEL_ERROR
        _complaints.append(text.decode(errors="replace").strip())
    elif found := _BUFFER.search(text):
        _buffers.append((found[1].decode(), found[2].decode(), int(float(found[3]) * 2**20)))


# Kept for as long as the process lives: llama.cpp calls it whenever it likes.
_LISTENER = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(_listen)


def clear_log() -> None:
    """Forget what llama.cpp has said so far."""
    _complaints.clear()
    _buffers.clear()


def buffers(*kinds: str) -> int:
    """Bytes of the buffers of these kinds (model, KV, compute, output) that llama.cpp has told of since then."""
    return sum(size for _, kind, size in _buffers if kind in kinds)


def _weights_in_ram() -> int:
    """Bytes of the weights that were read into this process's own memory: not those of a GPU or of a mapped file."""
    ours = [(place, size) for place, kind, size in _buffers if kind == "model" and place.startswith("CPU")]
    return sum(size for place, size in ours if not place.endswith("_Mapped"))


def in_own_thread(call: Callable[..., Made], *given: object) -> Made:
    """Call what makes llama.cpp speak at length, in a thread of its own.

    Python's signal handlers never run there: what one of them raises in the midst of the log, as Ctrl-C does, would
    be lost.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(call, *given).result()


def last_error() -> str:
    """llama.cpp's last complaint, in brackets."""
    return f" ({_complaints[-1]})" if _complaints else ""


class Model:
    """A loaded GGUF. Use as a context manager; raises ModelError if llama.cpp cannot load it.

    chat: the chat template to use instead of the file's own. vocab_only: no weights, so nothing can be evaluated.
    allowed: bytes of memory that the process may take; MemoryShortError, before anything is loaded, where the file
    alone is larger than what is left of them.
    """

    def __init__(
        self,
        path: Path,
        *,
        threads: int | None = None,
        chat: str | None = None,
        vocab_only: bool = False,
        allowed: int | None = None,
    ) -> None:
        if allowed is not None:
            _check_size(path, allowed)
        llama.llama_log_set(_LISTENER, ctypes.c_void_p(0))
        llama.llama_backend_init()
        clear_log()
        params = llama.llama_model_default_params()
        params.vocab_only = vocab_only
        params.n_gpu_layers = 999 if llama.llama_supports_gpu_offload() else 0
        params.load_mode = _load_mode(path)
        self.path = path
        self.threads = threads or physical_cores()
        before = memory.of_files()
        self.handle = in_own_thread(llama.llama_model_load_from_file, str(path).encode(), params)
        if not self.handle:
            raise ModelError(
                f"{path}: llama.cpp cannot load it{last_error()}", "expected a GGUF file of a language model"
            )
        self.weights = buffers("model")  # bytes
        self._held, self._code = _weights_in_ram(), before
        self.vocab = llama.llama_model_get_vocab(self.handle)
        self.vocabulary = llama.llama_vocab_n_tokens(self.vocab)
        self.trained_context = llama.llama_model_n_ctx_train(self.handle)
        self._template = chat

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        llama.llama_model_free(self.handle)

    @property
    def process(self) -> int:
        """Bytes that the process has now beside the weights, of which a mapped file's pages are a part."""
        mapped = max(0, memory.of_files() - self._code)
        return memory.now() - mapped - self._held

    def metadata(self, key: str) -> str | None:
        """What the file's metadata has under a key, as text; None where it has nothing."""
        size = llama.llama_model_meta_val_str(self.handle, key.encode(), None, 0)
        if size < 0:
            return None
        buffer = ctypes.create_string_buffer(size + 1)
        llama.llama_model_meta_val_str(self.handle, key.encode(), buffer, size + 1)
        return buffer.value.decode(errors="replace")

    # ---- text and tokens ----------------------------------------------------------------------------------

    def tokens(self, text: str, *, control: bool) -> Tokens:
        """Token ids of a text; control tokens and markers are recognised only where `control` says so."""
        first, *more = self._parts(text, control)
        return sum(map(self._mid_text, more), self._whole(first, control))

    def tokens_mid_text(self, text: str, *, control: bool = False) -> Tokens:
        """Tokens of a text that stands inside another: SentencePiece must not put a space before it."""
        return sum((self._mid_text(part, control) for part in self._parts(text, control)), ())

    def _parts(self, text: str, control: bool) -> list[str]:
        text = text.encode(errors="replace").decode()  # half a surrogate pair cannot be written
        return [text] if control else list(markers.split_at_markers(self._markers, text))

    @cached_property
    def _markers(self) -> re.Pattern[str] | None:
        """What must not become a token inside a text, although llama.cpp would let it."""
        kind = llama.LLAMA_TOKEN_ATTR_USER_DEFINED
        tokens = (one for one in range(self.vocabulary) if llama.llama_vocab_get_attr(self.vocab, one) & kind)
        try:
            template = self._chat.before + self._chat.after
        except ModelError:  # none that works: nothing can be put to the model in it
            template = ""
        return markers.markers(map(self._symbol, tokens), template)

    def _whole(self, text: str, control: bool) -> Tokens:
        raw = text.encode()
        room = len(raw) + 8
        buffer = (ctypes.c_int32 * room)()
        count = llama.llama_tokenize(self.vocab, raw, len(raw), buffer, room, False, control)
        if count < 0:
            raise ModelError(f"{self.path}: a text of {len(raw)} bytes could not be tokenized")
        return tuple(buffer[:count])

    def _mid_text(self, text: str, control: bool = False) -> Tokens:
        if llama.llama_vocab_type(self.vocab) != llama.LLAMA_VOCAB_TYPE_SPM:
            return self._whole(text, control)
        lead = self._whole("\n", control=False)
        whole = self._whole("\n" + text, control)
        return whole[len(lead) :] if whole[: len(lead)] == lead else self._whole(text, control)

    def text(self, tokens: Sequence[int]) -> str:
        """The text of tokens; control tokens are left out, broken UTF-8 becomes the replacement character."""
        return b"".join(map(self.piece, tokens)).decode(errors="replace")

    def piece(self, token: int) -> bytes:
        """The bytes that a token stands for; none for a control token."""
        size = llama.llama_token_to_piece(self.vocab, token, self._buffer, len(self._buffer), 0, False)
        return bytes(self._buffer.raw[: max(size, 0)])

    @cached_property
    def _buffer(self) -> Any:
        return ctypes.create_string_buffer(1024)

    def prompt(self, content: str) -> Tokens:
        """A user message in the model's chat format. Nothing in `content` can become a control token."""
        before = self.tokens(self._chat.before, control=True)
        if llama.llama_vocab_get_add_bos(self.vocab) and before[:1] != (self._bos,):
            before = (self._bos, *before)
        return before + self.tokens_mid_text(content) + self.tokens_mid_text(self._chat.after, control=True)

    @property
    def _bos(self) -> int:
        return int(llama.llama_vocab_bos(self.vocab))

    @cached_property
    def _chat(self) -> ChatFormat:
        template = self._template
        if template is None:
            own = llama.llama_model_chat_template(self.handle, None)
            template = own.decode() if own else None
        if template is None:
            raise ModelError(
                f"{self.path}: the file has no chat template, so a prompt cannot be put to it",
                "--chat-template names one: chatml, llama-2, plain, or a file with a Jinja template",
            )
        eos = llama.llama_vocab_eos(self.vocab)
        return chat_format(template, bos=self._symbol(self._bos), eos=self._symbol(eos))

    def _symbol(self, token: int) -> str:
        return (llama.llama_vocab_get_text(self.vocab, token) or b"").decode(errors="replace") if token >= 0 else ""

    def ends(self, token: int) -> bool:
        """Whether a token ends the model's turn."""
        return bool(llama.llama_vocab_is_eog(self.vocab, token))


def _check_size(path: Path, allowed: int) -> None:
    size, here = path.stat().st_size if path.is_file() else 0, memory.now()
    if here + size > allowed:
        raise MemoryLimitError(allowed, here + size, size, loaded=False)


def _load_mode(path: Path) -> int:
    """Read into memory where it has room for the file, else mapped; as llama.cpp likes it best with a GPU.

    On a CPU llama.cpp lays many weights out anew: of a mapped file both would stay in memory.
    """
    if llama.llama_supports_gpu_offload():
        return int(llama.LLAMA_LOAD_MODE_AUTO)
    size = path.stat().st_size if path.is_file() else 0
    fits = size < ROOMY * memory.available()
    return int(llama.LLAMA_LOAD_MODE_NONE if fits else llama.LLAMA_LOAD_MODE_MMAP)


def physical_cores() -> int:
    """Cores this process may use, hyper-threads not counted."""
    import psutil

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(psutil.cpu_count(logical=False) or 1, allowed or 1))
