"""A loaded GGUF: its weights, its tokenizer, its chat format, its metadata.

Knows: how a file is loaded, and which chat template counts. Does not know: evaluation, grammars.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from edge_judge.engine import llama, llama_log, memory
from edge_judge.engine.chat import ChatFormat, chat_format
from edge_judge.engine.chat_prompts import ChatPrompts
from edge_judge.engine.normalizer import OURS, Normalizer, normalizer_of
from edge_judge.engine.placing import Placed
from edge_judge.engine.processors import physical_cores, processors
from edge_judge.engine.threads import ThreadTuner
from edge_judge.engine.tokenizer import Tokenizer
from edge_judge.engine.tokenizer_faults import faults
from edge_judge.errors import MemoryLimitError, ModelError
from edge_judge.inference import Tokens
from edge_judge.records import Adapter, file_bytes

READABLE = 0.8  # a file larger than this share of the available memory is mapped, not read


class Model:
    """A loaded GGUF, to use as a context manager. Raises ModelError if llama.cpp cannot load it.

    chat: a chat template to use instead of the file's own. vocab_only: load no weights, so that nothing can be
    evaluated. threads: None to find out; polite: leave a processor to other programs. allowed: bytes that the process
    may take. placed: what of it goes to devices. Raises MemoryLimitError, before anything is loaded, if the file does
    not fit in the memory allowed.
    """

    def __init__(
        self,
        path: Path,
        *,
        threads: int | None = None,
        chat: str | None = None,
        vocab_only: bool = False,
        allowed: int | None = None,
        polite: bool = False,
        placed: Placed | None = None,
    ) -> None:
        if allowed is not None:
            _check_size(path, allowed, placed.weights if placed else 0)
        self.placed = placed
        self.path = path
        self.threads = _tuner(threads, spare=1 if polite else 0)
        llama.start()
        mapped = _mapped(path) if placed is None else None  # else llama.cpp decides
        self._mapped_before = memory.of_files()  # read after llama.cpp has loaded its own libraries
        offload = placed.offload() if placed else llama.Offload()
        self.loaded = llama.LoadedModel(path, vocab_only=vocab_only, mapped=mapped, offload=offload)
        self.weights, self._in_ram = llama_log.buffer_bytes("model"), llama_log.weights_in_ram()
        self.offloaded = llama_log.buffer_bytes("model", offloaded=True)  # bytes of the weights on devices
        self.vocabulary = self.loaded.vocabulary
        self.trained_context = self.loaded.trained_context or self._stated_context()
        self._template = chat
        self.adapters: tuple[llama.LoadedAdapter, ...] = ()

    def adapted(self, adapter: Adapter) -> Model:
        """The same loaded model with an adapter added. It shares everything else, and is not closed by itself.

        Raises ModelError where llama.cpp cannot add the adapter.
        """
        model = copy(self)
        model.adapters = (llama.load_adapter(self.loaded, adapter.path, adapter.scale),)
        return model

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.loaded.close()

    def _stated_context(self) -> int:
        """The context that the file's metadata states: llama.cpp does not read it where it loads no weights."""
        return int(self.metadata(f"{self.metadata('general.architecture')}.context_length") or 0)

    @property
    def process(self) -> int:
        """Bytes that the process takes now, without the weights, read or mapped."""
        mapped = max(0, memory.of_files() - self._mapped_before)
        return memory.now() - mapped - self._in_ram

    @property
    def host_cache(self) -> float:
        """The share of the key-value cache that is in this process's memory, not on devices."""
        return self.placed.host_cache if self.placed else 1.0

    def metadata(self, key: str) -> str | None:
        """The value of a metadata key, as text; None if the file does not have it."""
        return self.loaded.metadata(key)

    # ---- text and tokens ----------------------------------------------------------------------------------

    @cached_property
    def tokenizer(self) -> Tokenizer:
        try:
            words = self.chat.before + self.chat.after
        except ModelError:  # without a working template there are no prompts, whose markers a text could imitate
            words = ""
        first_only = self.metadata("edge_judge.tokenizer.first_space_only") == "true"
        return Tokenizer(self.loaded, self.normalizer, words, str(self.path), first_space_only=first_only)

    @cached_property
    def normalizer(self) -> Normalizer:
        return normalizer_of(self.metadata)

    @cached_property
    def prompts(self) -> ChatPrompts:
        """What makes prompts. Raises ModelError if the file has no chat format that works."""
        # A checkpoint's own template writes `bos` where its makers want it. But the templates of some files from
        # elsewhere leave it out because llama.cpp adds it, and a named format is only text.
        own = self._template is None and self.metadata(OURS) is not None
        adds_bos = self.loaded.adds_bos and not own
        return ChatPrompts(self.loaded, self.tokenizer, self.chat, adds_bos=adds_bos)

    @cached_property
    def chat(self) -> ChatFormat:
        """The chat format. Raises ModelError if the file has none that works."""
        loaded = self.loaded
        template = self._template if self._template is not None else loaded.chat_template
        if template is None:
            raise ModelError(
                f"{self.path}: the file has no chat template, so it cannot be prompted",
                "name one with --chat-template: chatml, llama-2, plain, or a file with a Jinja template",
            )
        return chat_format(template, bos=loaded.symbol(loaded.bos), eos=loaded.symbol(loaded.eos))

    def tokens(self, text: str, *, control: bool) -> Tokens:
        """Token ids of a text. control: whether control tokens and markers are recognized."""
        return self.tokenizer.whole(text, control=True) if control else self.tokenizer.ordinary(text)

    def prompt(self, content: str) -> Tokens:
        """A user message in the model's chat format. Nothing in `content` can become a control token."""
        return self.prompts.prompt(content)

    def text(self, tokens: Sequence[int]) -> str:
        """The text of tokens, without control tokens. Broken UTF-8 becomes the replacement character."""
        return b"".join(map(self.piece, tokens)).decode(errors="replace")

    def piece(self, token: int) -> bytes:
        """The bytes of a token; none for a control token."""
        return self.loaded.piece(token)

    def faults(self) -> Iterator[str]:
        """Clauses that say what in the file's tokenizer data cannot be trusted."""
        begins_with_bos = self.prompt("")[:1] == (self.loaded.bos,)
        return faults(self.metadata, tokens=self.vocabulary, begins_with_bos=begins_with_bos)

    def ends(self, token: int) -> bool:
        """Whether a token ends the model's turn."""
        return self.loaded.ends(token)


def _tuner(threads: int | None, spare: int) -> ThreadTuner:
    """Begins with the physical cores. spare: processors for others."""
    if threads is not None:
        return ThreadTuner(threads, threads, fixed=True)
    most = max(1, processors() - spare)
    return ThreadTuner(min(max(1, physical_cores() - spare), most), most)


def _check_size(path: Path, allowed: int, offloaded: int) -> None:
    size, process = max(0, file_bytes(path) - offloaded), memory.now()
    if process + size > allowed:
        raise MemoryLimitError(allowed, process + size, size, loaded=False)


def _mapped(path: Path) -> bool:
    """Whether to map the file: only if memory is too small to read it.

    On a CPU llama.cpp rearranges many weights. Of a mapped file, both copies would stay in memory.
    """
    return file_bytes(path) >= READABLE * memory.available()
