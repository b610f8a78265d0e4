"""GGUF files with something wrong in their header: one change each, drawn from a seeded generator.

A file is read into keys, tensors and the places of all its numbers, and written again with a change. Numbers of the
layout (counts, lengths, types, shapes, offsets) are changed in place. Keys, vocabularies and tensor tables are changed
and written as a sound file, so that a reader of the layout alone finds nothing. Some changes are blind.
Written with other code than the package reads with (ggml's docs/gguf.md). Knows: the format, the names of llama.cpp's
keys. Does not know: who reads the files.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from math import isfinite
from random import Random
from typing import Any, TypeAlias

SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "B", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
UINT32, INT32, FLOAT32, BOOL = 4, 5, 6, 7
ALIGNMENT = b"general.alignment"
TOKENS, TYPES = b"tokenizer.ggml.tokens", b"tokenizer.ggml.token_type"
SCORES, MERGES = b"tokenizer.ggml.scores", b"tokenizer.ggml.merges"
INTEGERS = (
    0, 1, 2, 3, 4, 5, 7, 8, 31, 33, 63, 127, 128, 255, 256, 257, 511, 512, 513, 4096, 65535, 65536, 2**20, 2**31 - 1,
    2**31, 2**32 - 1, 2**32, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1,
)  # fmt: skip
FLOATS = (0.0, -0.0, -1.0, 1.0, 1e-30, 1e30, 3.4e38, float("nan"), float("inf"), float("-inf"))
TEXTS = (
    b"", b" ", b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"a" * 70_000, b"\n", b"\x1b[31m", "é\u202e🦙".encode(), b"{{",
    b"[]", b"{", b"none", b"default", b"llama", b"0", b"-1", b"nan",
)  # fmt: skip
ARCHITECTURES = (
    "llama", "qwen2", "qwen2moe", "qwen2vl", "qwen3", "qwen3moe", "gemma", "gemma2", "gemma3", "gemma3n", "phi2",
    "phi3", "mistral3", "falcon", "gpt2", "gptneox", "mpt", "starcoder2", "bloom", "olmo2", "internlm2", "minicpm",
    "cohere2", "deepseek2", "mamba", "mamba2", "rwkv6", "rwkv7", "jamba", "bert", "nomic-bert", "t5", "t5encoder",
    "chatglm", "glm4", "gpt-oss", "llama4", "granitehybrid", "lfm2", "smollm3", "bitnet", "plamo2", "clip", "",
    "(unknown)", "LLAMA",
)  # fmt: skip
ADDED = {  # keys that the files do not have, or have with other numbers; of the architecture
    "expert_count": UINT32, "expert_used_count": UINT32, "attention.sliding_window": UINT32,
    "attention.sliding_window_pattern": UINT32, "rope.dimension_count": UINT32, "rope.freq_base": FLOAT32,
    "rope.scaling.type": STRING, "rope.scaling.factor": FLOAT32, "rope.scaling.original_context_length": UINT32,
    "rope.scaling.attn_factor": FLOAT32, "rope.scaling.finetuned": BOOL, "attention.key_length": UINT32,
    "attention.value_length": UINT32, "attention.layer_norm_epsilon": FLOAT32, "attention.causal": BOOL,
    "attention.clamp_kqv": FLOAT32, "attention.scale": FLOAT32, "attention.max_alibi_bias": FLOAT32,
    "pooling_type": UINT32, "vocab_size": UINT32, "logit_scale": FLOAT32, "final_logit_softcapping": FLOAT32,
    "attn_logit_softcapping": FLOAT32, "embedding_scale": FLOAT32, "residual_scale": FLOAT32,
    "nextn_predict_layers": UINT32, "ssm.state_size": UINT32, "ssm.inner_size": UINT32, "ssm.conv_kernel": UINT32,
    "leading_dense_block_count": UINT32, "decoder_start_token_id": UINT32, "attention.head_count_kv": UINT32,
    "classifier.output_labels": STRING, "use_parallel_residual": BOOL, "features_length": UINT32,
}  # fmt: skip
SPECIAL = ("bos", "eos", "eot", "eom", "unknown", "seperator", "padding", "mask", "prefix", "fim_pre", "cls")
FLAGS = ("add_bos_token", "add_eos_token", "add_space_prefix", "remove_extra_whitespaces")
TOKENIZERS = ("llama", "gpt2", "bert", "t5", "rwkv", "plamo2", "none", "no_vocab", "gemma4", "", "unheard-of")
PRE = (
    "default", "llama-bpe", "deepseek-llm", "falcon", "mpt", "starcoder", "gpt-2", "qwen2", "qwen35", "dbrx",
    "smaug-bpe", "chatglm-bpe", "tekken", "viking", "gpt-4o", "superbpe", "bailingmoe", "exaone", "minerva-7b",
    "kimi-k2", "unheard-of",
)  # fmt: skip
TEMPLATES = (
    b"", b"{{", b"{% for m in messages %}", b"{{ messages[0].content }}", b"\xff\xfe", b"{{ messages }}",
    b"{% for i in range(10**9) %}x{% endfor %}", b"{{ 'x' * 10**9 }}", b"\0{{ messages[0].content }}",
    b"{{ bos_token }}{{ messages[0].content }}{{ eos_token }}",
)  # fmt: skip
BLOCKS = {  # of each type: numbers and bytes
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 10: (256, 84),
    11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 24: (1, 1), 26: (1, 4), 28: (1, 8), 30: (1, 2),
}  # fmt: skip


# ---- a file, read and written ------------------------------------------------------------------------------


@dataclass
class Items:
    """The value of an array: the type of its items, and they."""

    kind: int
    items: list[Any]


@dataclass
class Key:
    """A key and its value. kind: the number of the value's type."""

    name: bytes
    kind: int
    value: Any


@dataclass
class Tensor:
    """A tensor of the table. shape: as in the file, the row length first; kind: the number of its type."""

    name: bytes
    shape: list[int]
    kind: int
    offset: int
    data: bytes = b""


@dataclass(frozen=True)
class Spot:
    """A number of the layout, at a place in the file. what: as told; group: alike ones; code: as `struct` packs it."""

    group: str
    what: str
    at: int
    code: str


@dataclass
class Gguf:
    """A whole file. version: of the format; spots: its numbers; header: bytes up to the tensors' data."""

    version: int
    keys: list[Key]
    tensors: list[Tensor]
    alignment: int = 32
    spots: list[Spot] = field(default_factory=list)
    header: int = 0

    def key(self, name: bytes) -> Key | None:
        return next((key for key in self.keys if key.name == name), None)

    @property
    def architecture(self) -> bytes:
        key = self.key(b"general.architecture")
        return key.value if key is not None else b""

    def written(self) -> bytes:
        """The file, sound again: every tensor has its place behind the one before."""
        parts = [b"GGUF", struct.pack("<IQQ", self.version, len(self.tensors), len(self.keys))]
        parts += [text(key.name) + struct.pack("<I", key.kind) + value(key.kind, key.value) for key in self.keys]
        offset = 0
        for tensor in self.tensors:
            shape = struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *(n % 2**64 for n in tensor.shape))
            parts.append(text(tensor.name) + shape + struct.pack("<IQ", tensor.kind, offset))
            offset += padded(len(tensor.data), self.alignment)
        header = b"".join(parts)
        filled = [tensor.data.ljust(padded(len(tensor.data), self.alignment), b"\0") for tensor in self.tensors]
        return header.ljust(padded(len(header), self.alignment), b"\0") + b"".join(filled)


def read(data: bytes) -> Gguf:
    """A sound file."""
    reader = _Reader(data, 4)
    version, tensors, keys = (
        reader.number("version", "the version", "I"),
        reader.number("count", "the number of tensors", "Q"),
        reader.number("count", "the number of keys", "Q"),
    )
    found = Gguf(version, [reader.key() for _ in range(keys)], [reader.tensor() for _ in range(tensors)])
    key = found.key(ALIGNMENT)
    found.alignment = key.value if key is not None else 32
    found.header, found.spots = reader.at, reader.spots
    for tensor in found.tensors:
        start = padded(reader.at, found.alignment) + tensor.offset
        tensor.data = data[start : start + size_of(tensor)]
    return found


class _Reader:
    """Reads from a place on, and notes where each number of the layout stands."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at, self.spots = data, at, list[Spot]()

    def number(self, group: str, what: str, code: str) -> Any:
        if group:
            self.spots.append(Spot(group, what, self.at, code))
        (number,) = struct.unpack_from(f"<{code}", self.data, self.at)
        self.at += struct.calcsize(f"<{code}")
        return number

    def text(self, group: str, what: str) -> bytes:
        length = self.number(group, f"the length of {what}", "Q")
        self.at += length
        return self.data[self.at - length : self.at]

    def key(self) -> Key:
        name = self.text("length", "a key")
        shown = name.decode(errors="replace")
        kind = self.number("type", f"the type of {shown}", "I")
        if kind != ARRAY:
            return Key(name, kind, self._value("value", shown, kind))
        items = self.number("type", f"the type of the items of {shown}", "I")
        count = self.number("count", f"the number of items of {shown}", "Q")
        told = {0, 1, count // 2, count - 1}
        return Key(name, kind, Items(items, [self._item(f"{shown}[{n}]", items, n in told) for n in range(count)]))

    def _value(self, group: str, what: str, kind: int) -> Any:
        if kind == STRING:
            return self.text("length", what)
        return self.number(group, f"the value of {what}", SCALARS[kind])

    def _item(self, what: str, kind: int, told: bool) -> Any:
        if kind == STRING:
            return self.text("length" if told else "", what)
        return self.number("item" if told else "", what, SCALARS[kind])

    def tensor(self) -> Tensor:
        name = self.text("length", "a tensor's name")
        shown = name.decode(errors="replace")
        count = self.number("dimensions", f"the number of dimensions of {shown}", "I")
        shape = [self.number("shape", f"dimension {n} of {shown}", "Q") for n in range(count)]
        kind = self.number("tensor type", f"the type of {shown}", "I")
        return Tensor(name, shape, kind, self.number("offset", f"the offset of {shown}", "Q"))


def text(data: bytes) -> bytes:
    return struct.pack("<Q", len(data)) + data


def value(kind: int, content: Any) -> bytes:
    if kind == STRING:
        return text(content)
    if kind == ARRAY:
        items = content.items
        if content.kind == STRING:
            packed = b"".join(map(text, items))
        else:
            packed = b"".join(scalar(content.kind, item) for item in items)
        return struct.pack("<IQ", content.kind, len(items)) + packed
    return scalar(kind, content)


def scalar(kind: int, number: Any) -> bytes:
    """A number of a type, cut to its range."""
    code = SCALARS[kind]
    if code in "fd":
        return struct.pack(f"<{code}", max(-3.4e38, min(3.4e38, number)) if isfinite(number) else number)
    size = struct.calcsize(code)
    return (int(number) % 256**size).to_bytes(size, "little")


def size_of(tensor: Tensor) -> int:
    """Bytes of a tensor."""
    block, size = BLOCKS[tensor.kind]
    count = 1
    for number in tensor.shape:
        count *= number
    return count // block * size


def padded(offset: int, alignment: int) -> int:
    return -(-offset // alignment) * alignment


# ---- the changes -------------------------------------------------------------------------------------------

Change: TypeAlias = Callable[[Gguf, bytes, Random], tuple[str, bytes]]  # (what was done, the changed file)


@dataclass(frozen=True)
class Mutant:
    """kind: of the change; what: was changed, in words."""

    kind: str
    what: str
    data: bytes


def mutant(data: bytes, sound: Gguf, number: int, seed: int) -> Mutant:
    """A changed copy of a file. sound: the same file as `read` has it; number: which one, they go through all kinds."""
    draw = Random(f"{seed} {number}")
    kind = list(CHANGES)[number % len(CHANGES)]
    while True:
        what, changed = CHANGES[kind](deepcopy(sound), data, draw)
        if changed != data:
            return Mutant(kind, what, changed)


def layout(gguf: Gguf, data: bytes, draw: Random) -> tuple[str, bytes]:
    """A number of the layout or a value, in place."""
    group = draw.choice(sorted({spot.group for spot in gguf.spots}))
    spot = draw.choice([spot for spot in gguf.spots if spot.group == group])
    (old,) = struct.unpack_from(f"<{spot.code}", data, spot.at)
    if spot.code in "fd":
        new = draw.choice(FLOATS)
        packed = struct.pack(f"<{spot.code}", new)
    else:
        new = draw.choice((*range(42), 2**31, 2**32 - 1)) if group in ("type", "tensor type") else near(old, draw)
        size = struct.calcsize(spot.code)
        packed = (new % 256**size).to_bytes(size, "little")
    return f"{spot.what}: {old} became {new}", data[: spot.at] + packed + data[spot.at + len(packed) :]


def near(old: int, draw: Random) -> int:
    """A number that may be wrong in place of another."""
    odd, flipped = draw.choice(INTEGERS), old ^ 1 << draw.randrange(64)
    return draw.choice((odd, flipped, old + 1, old - 1, old * 2, old // 2, old + 32, -old, old + 2**32))


def alignment(gguf: Gguf, data: bytes, draw: Random) -> tuple[str, bytes]:
    """Another alignment, with the tensors moved or where they were."""
    number = draw.choice((0, 1, 2, 3, 8, 16, 31, 33, 64, 128, 4096, 2**20, 2**31, 2**32 - 1))
    kind = draw.choice((UINT32, UINT32, UINT32, 10, INT32, STRING, FLOAT32, BOOL))
    gguf.keys = [key for key in gguf.keys if key.name != ALIGNMENT]
    gguf.keys.insert(draw.randrange(len(gguf.keys) + 1), Key(ALIGNMENT, kind, b"32" if kind == STRING else number))
    moves = 0 < number <= 2**20 and draw.random() < 0.6
    if moves:
        gguf.alignment = number
    return f"alignment {number} of type {kind}, tensors {'moved' if moves else 'where they were'}", gguf.written()


def hyperparameter(gguf: Gguf, _: bytes, draw: Random) -> tuple[str, bytes]:
    """Another number for a key of the architecture, which may not have been there."""
    prefix = gguf.architecture + b"."
    own = [key for key in gguf.keys if key.name.startswith(prefix)]
    if own and draw.random() < 0.6:
        key = draw.choice(own)
    else:
        name = draw.choice(sorted(ADDED))
        gguf.keys = [key for key in gguf.keys if key.name != prefix + name.encode()]
        key = Key(prefix + name.encode(), ADDED[name], b"" if ADDED[name] == STRING else 0)
        gguf.keys.append(key)
    old, key.value = key.value, other_value(key.kind, key.value, draw)
    return f"{key.name.decode()}: {brief(old)} became {brief(key.value)}", gguf.written()


def other_value(kind: int, old: Any, draw: Random) -> Any:
    if kind == STRING:
        return draw.choice((*TEXTS, b"linear", b"yarn", b"longrope"))
    if kind == ARRAY:
        return Items(old.kind, draw.choice(([], old.items[:1], old.items * 2, old.items[::-1])))
    if SCALARS[kind] in "fd":
        return draw.choice((*FLOATS, old * 2, -old, old / 1000))
    return near(old, draw)


def retyped(gguf: Gguf, _: bytes, draw: Random) -> tuple[str, bytes]:
    """A key's value with another type, well formed."""
    key = draw.choice(gguf.keys)
    old, new = key.kind, draw.choice((*SCALARS, STRING, ARRAY))
    number = key.value if isinstance(key.value, (int, float)) else 1
    if new == STRING:
        content: Any = draw.choice((str(number).encode(), *TEXTS))
    elif new == ARRAY:
        kind = draw.choice((UINT32, INT32, FLOAT32, BOOL, STRING))
        content = Items(kind, ([str(number).encode()] if kind == STRING else [number]) * draw.choice((0, 1, 4, 1000)))
    else:
        content = number
    key.kind, key.value = new, content
    return f"{key.name.decode()}: type {old} became {new}", gguf.written()


def key_table(gguf: Gguf, _: bytes, draw: Random) -> tuple[str, bytes]:
    """A key that is missing, there twice, elsewhere, or called otherwise."""
    at = draw.randrange(len(gguf.keys))
    key = gguf.keys[at]
    done = draw.choice(("left out", "there twice", "moved", "renamed", "odd"))
    if done == "left out":
        del gguf.keys[at]
    elif done == "there twice":
        gguf.keys.append(draw.choice((key, Key(key.name, UINT32, 7))))
    elif done == "moved":
        gguf.keys.insert(draw.randrange(len(gguf.keys)), gguf.keys.pop(at))
    elif done == "renamed":
        name = key.name
        key.name = draw.choice((name.upper(), name + b" ", name[:-1], b"", b"\xff" + name, b"k" * 70_000))
    else:
        name = draw.choice((b"split.count", b"split.no", b"split.tensors.count", b"general.type", b"a" * 65_000))
        values = (STRING, b"model"), (2, 1), (2, 3), (UINT32, 0), (ARRAY, Items(STRING, [b""]))
        key = Key(name, *draw.choice(values))
        gguf.keys.append(key)
    return f"{key.name[:60]!r}: {done}", gguf.written()


def architecture(gguf: Gguf, _: bytes, draw: Random) -> tuple[str, bytes]:
    """Another architecture, with its keys called so."""
    new, old = draw.choice(ARCHITECTURES).encode(), gguf.architecture
    rename = draw.random() < 0.8
    for key in gguf.keys:
        if key.name == b"general.architecture":
            key.value = new
        elif rename and key.name.startswith(old + b"."):
            key.name = new + key.name.removeprefix(old)
    return f"architecture {new.decode()!r}{' with its keys' if rename else ''}", gguf.written()


def vocabulary(gguf: Gguf, _: bytes, draw: Random) -> tuple[str, bytes]:
    """Other tokens."""
    key = gguf.key(TOKENS)
    assert key is not None
    tokens = key.value.items
    at = draw.randrange(len(tokens))
    done = draw.choice(("text", "text", "text", "twice", "fewer", "more", "none", "bytes", "bytes", "all", "long"))
    if done == "text":
        tokens[at] = draw.choice((*TEXTS, tokens[draw.randrange(len(tokens))] * 2, b"\n", b"<0x41>", b"\xc4\x8a"))
    elif done == "twice":
        tokens[at] = tokens[draw.randrange(len(tokens))]
    elif done == "fewer":
        del tokens[draw.randrange(len(tokens)) :]
    elif done == "more":
        tokens += [b"more%d" % number for number in range(draw.choice((1, 7, 1000)))]
    elif done == "none":
        tokens.clear()
    elif done == "bytes":  # tokens of single bytes, which a text may fall back to, are called otherwise
        share = draw.choice((0.02, 0.5, 1.0))
        for place, token in enumerate(tokens):
            if (token.startswith(b"<0x") or len(token.decode(errors="replace")) == 1) and draw.random() < share:
                tokens[place] = b"lost%d" % place
    elif done == "all":
        new = draw.choice((b"", b"a", b"\xff"))
        key.value.items = [new] * len(tokens)
    else:
        tokens[at] = draw.choice((b"x" * 2_000_000, b" " * 100_000, "é".encode() * 100_000))
    return f"tokens: {done}, from {at} of {len(tokens)}", gguf.written()


def token_numbers(gguf: Gguf, _: bytes, draw: Random) -> tuple[str, bytes]:
    """Other types or scores of tokens."""
    key = draw.choice([key for key in gguf.keys if key.name in (TYPES, SCORES)] or gguf.keys[:1])
    if key.kind != ARRAY:
        return hyperparameter(gguf, b"", draw)
    items, done = key.value.items, draw.choice(("one", "some", "all", "fewer", "more", "none", "another type"))
    numbers = (*FLOATS, -1e9) if key.name == SCORES else (0, 1, 2, 3, 4, 5, 6, 7, 99, -1, 2**31 - 1)
    some = draw.sample(range(len(items)), len(items) // 9)
    places = {"one": some[:1], "some": some}.get(done, range(len(items)))
    if done in ("one", "some", "all"):
        new = draw.choice(numbers)
        for place in places:
            items[place] = new
    elif done == "another type":
        key.value.kind = draw.choice([kind for kind in SCALARS if kind not in (FLOAT32, 12) or key.name == SCORES])
        if key.name == SCORES:
            key.value.items = [0] * len(items)
    else:
        key.value.items = {"fewer": items[: draw.randrange(len(items))], "more": items + items[:9], "none": []}[done]
    return f"{key.name.decode()}: {done}", gguf.written()


def merges(gguf: Gguf, _: bytes, draw: Random) -> tuple[str, bytes]:
    """Other merges, or some where there were none."""
    key = gguf.key(MERGES)
    if key is None:
        key = Key(MERGES, ARRAY, Items(STRING, [b"t h", b"th e"]))
        gguf.keys.append(key)
    items = key.value.items
    at, done = draw.randrange(len(items)), draw.choice(("text", "text", "fewer", "none", "all", "turned", "many"))
    if done == "text":
        items[at] = draw.choice((*TEXTS, b"a", b" a", b"a ", b"a b c", b"nothing here", items[0]))
    elif done == "fewer":
        del items[at:]
    elif done == "none":
        items.clear()
    elif done == "all":
        key.value.items = [draw.choice((b"", b"a", b"a b", b" "))] * len(items)
    elif done == "turned":
        items.reverse()
    else:
        key.value.items = items * 50
    return f"merges: {done}, at {at} of {len(items)}", gguf.written()


def special(gguf: Gguf, _: bytes, draw: Random) -> tuple[str, bytes]:
    """Another special token, tokenizer or flag."""
    count = len(getattr(gguf.key(TOKENS), "value", Items(STRING, [])).items)
    ids = (0, 1, count - 1, count, count + 1, 2**31 - 1, 2**31, 2**32 - 1)
    name, kind, content = draw.choice(
        (
            (f"{draw.choice(SPECIAL)}_token_id", UINT32, draw.choice(ids)),
            (f"{draw.choice(SPECIAL)}_token_id", UINT32, draw.choice(ids)),
            ("model", STRING, draw.choice(TOKENIZERS).encode()),
            ("pre", STRING, draw.choice(PRE).encode()),
            (draw.choice(FLAGS), BOOL, draw.randrange(3)),
            ("precompiled_charsmap", ARRAY, Items(0, [draw.randrange(256) for _ in range(draw.choice((0, 3, 4, 64)))])),
            ("token_type_count", UINT32, draw.choice(ids)),
        )
    )  # fmt: skip
    named = f"tokenizer.ggml.{name}".encode()
    gguf.keys = [key for key in gguf.keys if key.name != named] + [Key(named, kind, content)]
    return f"{named.decode()}: {brief(content)}", gguf.written()


def words(gguf: Gguf, _: bytes, draw: Random) -> tuple[str, bytes]:
    """Another chat template, or another text of any key."""
    texts = [key for key in gguf.keys if key.kind == STRING]
    key = draw.choice(texts)
    if draw.random() < 0.5:
        key = gguf.key(b"tokenizer.chat_template") or key
        key.value = draw.choice(TEMPLATES)
    else:
        key.value = draw.choice(TEXTS)
    return f"{key.name.decode()}: {brief(key.value)}", gguf.written()


def tensor_table(gguf: Gguf, _: bytes, draw: Random) -> tuple[str, bytes]:
    """Other tensors, whose places fit their sizes."""
    at = draw.randrange(len(gguf.tensors))
    tensor = gguf.tensors[at]
    done = draw.choice(
        ("turned", "flat", "split", "type", "type", "left out", "twice", "renamed", "swapped", "cut", "none", "copied")
    )
    if done == "turned":
        tensor.shape.reverse()
    elif done == "flat":
        tensor.shape = [tensor.shape[0] * (tensor.shape[1] if len(tensor.shape) > 1 else 1)]
    elif done == "split":
        *others, last = tensor.shape
        tensor.shape = [*others, *draw.choice(((last // 2, 2), (last, 1), (last, 1, 1)))]
    elif done == "type":
        tensor.kind = draw.choice([*BLOCKS])
        tensor.data = (tensor.data * 9)[: size_of(tensor)].ljust(min(size_of(tensor), 2**24), b"\0")
    elif done == "left out":
        del gguf.tensors[at]
    elif done == "twice":
        gguf.tensors.append(tensor)
    elif done == "copied":
        gguf.tensors.append(Tensor(tensor.name + b"2", tensor.shape, tensor.kind, 0, tensor.data))
    elif done == "renamed":
        names = (b"", b"n" * 64, b"n" * 63, b"\xff", b"blk.9999.x", b"rope_freqs.weight")
        tensor.name = draw.choice((*names, tensor.name.upper(), tensor.name[:-1]))
    elif done == "swapped":
        other = draw.choice(gguf.tensors)
        tensor.name, other.name = other.name, tensor.name
    elif done == "cut":
        tensor.shape[-1] = max(1, tensor.shape[-1] + draw.choice((-1, 1)))
        tensor.data = tensor.data[: size_of(tensor)].ljust(size_of(tensor), b"\0")
    else:
        gguf.tensors.clear()
    return f"{tensor.name[:60].decode(errors='replace')}: {done}, {tensor.shape} of type {tensor.kind}", gguf.written()


def blind(gguf: Gguf, data: bytes, draw: Random) -> tuple[str, bytes]:
    """Bytes of the header changed in place."""
    changed, places = bytearray(data), []
    for _ in range(draw.choice((1, 1, 2, 4, 8, 64))):
        places.append(draw.randrange(gguf.header))
        changed[places[-1]] = draw.choice((draw.randrange(256), changed[places[-1]] ^ 1 << draw.randrange(8), 0, 255))
    return f"bytes at {', '.join(map(str, places[:8]))}", bytes(changed)


def shifted(gguf: Gguf, data: bytes, draw: Random) -> tuple[str, bytes]:
    """Bytes of the header taken out or put in, or the file cut."""
    at, count = draw.randrange(gguf.header), draw.choice((1, 2, 4, 8, 32, 64, 4096))
    done = draw.choice(("taken out", "put in", "doubled", "cut"))
    tails = {
        "taken out": data[at + count :],
        "put in": draw.randbytes(count) + data[at:],
        "doubled": data[at : at + count] + data[at:],
    }
    return f"{count} bytes {done} at {at}", data[:at] + tails.get(done, b"")


def brief(content: object) -> str:
    shown = repr(content)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


CHANGES: dict[str, Change] = {
    "layout": layout, "hyperparameter": hyperparameter, "vocabulary": vocabulary, "tensors": tensor_table,
    "special": special, "alignment": alignment, "retyped": retyped, "keys": key_table, "architecture": architecture,
    "token numbers": token_numbers, "merges": merges, "words": words, "blind": blind, "shifted": shifted,
}  # fmt: skip
