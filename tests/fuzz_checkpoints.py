"""What `make fuzz` feeds to `quantize` and to what reads model files: checkpoints, tokenizers, adapters, headers.

Knows: parsers, examples of their files. Does not know: how inputs are made, what counts as a failure.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from pathlib import Path

import fuzz_containers as containers
import fuzz_mutators as mutators
from fuzz_target import DEEP, ROOT, Run, dumped, target

GGUF_BOMBS = (
    b"\xff" * 16,
    struct.pack("<QQ", 1 << 62, 1),
    struct.pack("<QQ", 0, 70_000) + (struct.pack("<Q", 0) + struct.pack("<IB", 0, 0)) * 70_000,
    struct.pack("<QQQcIIQ", 0, 1, 1, b"k", 9, 8, 120_000) + bytes(8 * 120_000),
    struct.pack("<QQQcIIQ", 0, 1, 1, b"k", 9, 9, 1 << 60) + bytes(1_000_000),
)


@target(
    "safetensors",
    containers.mutated_safetensors,
    (1 << 62).to_bytes(8, "little"),
    *(b"\xff\xff\x2d\0\0\0\0\0" + d for d in DEEP),
)
def safetensors(folder: Path) -> tuple[Run, list[bytes]]:
    import numpy as np
    from checkpoints import safetensors_bytes, write_safetensors

    from quantize import checkpoint

    path = folder / "model.safetensors"
    write_safetensors(path, {"a": np.ones((2, 3), np.float32), "b": np.ones(4, np.float32)}, "f16")
    entry = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    seeds = [path.read_bytes(), safetensors_bytes({"__metadata__": {"format": "pt"}, "x": entry}, bytes(4))]

    def run(data: bytes) -> None:
        path.write_bytes(data)
        for tensor in checkpoint.open_file(path):
            tensor.map().float32(slice(0, 1))

    return run, seeds


@target("torch-bin", containers.mutated_zip, b"PK\x03\x04" + bytes(1_000_000))
def torch_bin(folder: Path) -> tuple[Run, list[bytes]]:
    from test_torch_file import tensor, write

    from quantize import checkpoint

    path = folder / "x.bin"
    one = write(path, {"a": tensor(), "b": tensor(first=1, shape=(2,), strides=(1,))}).read_bytes()
    two = write(path, {"a": tensor(kind="HalfStorage", elements=12)}, byteorder=b"little").read_bytes()

    def run(data: bytes) -> None:
        path.write_bytes(data)
        for one in checkpoint.open_file(path):
            one.map().float32(slice(0, 1))

    return run, [one, two]


@target("shard-index", mutators.mutated_json)
def shard_index(folder: Path) -> tuple[Run, list[bytes]]:
    import numpy as np
    from checkpoints import write_safetensors

    from quantize import checkpoint

    write_safetensors(folder / "a.safetensors", {"x": np.ones(3, np.float32)})
    path = folder / "model.safetensors.index.json"

    def run(data: bytes) -> None:
        path.write_bytes(data)
        checkpoint.open_folder(folder)

    return run, [dumped({"metadata": {"total_size": 6}, "weight_map": {"x": "a.safetensors"}})]


@target("config.json", mutators.mutated_json)
def config_json(folder: Path) -> tuple[Run, list[bytes]]:
    from checkpoints import llama_config, qwen2_config
    from families import chatglm_config, internlm2_config

    from quantize import architectures, config, container

    scaling = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    yarn = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
    configs = (
        llama_config(num_hidden_layers=1, rope_scaling={**scaling, "original_max_position_embeddings": 64}),
        qwen2_config(num_hidden_layers=1, rope_scaling=yarn),
        qwen2_config(num_hidden_layers=1, architectures=["Qwen3ForCausalLM"], model_type="qwen3", head_dim=32),
        chatglm_config(),
        internlm2_config(),
    )

    def run(data: bytes) -> None:
        (folder / "config.json").write_bytes(data)
        blueprint = architectures.blueprint(config.read(folder))
        tensors = [(target.name, target.shape, "F32") for target in blueprint.targets]
        container.write_header(folder / "x.gguf", blueprint.architecture, blueprint.fields, tensors)
        container.read_header(folder / "x.gguf")

    return run, [dumped(one) for one in configs]


@target("tokenizer.json", mutators.mutated_json)
def tokenizer_json(folder: Path) -> tuple[Run, list[bytes]]:
    from checkpoints import write_bytelevel_tokenizer

    from quantize.vocab import read_vocabulary

    write_bytelevel_tokenizer(folder)
    steps = [
        {"type": "Prepend", "prepend": "\u2581"},
        {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
    ]
    like_sentencepiece = {
        "model": {"type": "BPE", "byte_fallback": True, "unk_token": "<unk>", "merges": ["a b", ["ab", "a"]]}
        | {"vocab": {text: i for i, text in enumerate(("<unk>", "<0x00>", "a", "b", "ab", "aba"))}},
        "normalizer": {"type": "Sequence", "normalizers": steps},
        "added_tokens": [{"id": 6, "content": "<s>", "special": True}],
        "post_processor": {"single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}]},
    }
    seeds = [(folder / "tokenizer.json").read_bytes(), dumped(like_sentencepiece)]

    def run(data: bytes) -> None:
        (folder / "tokenizer.json").write_bytes(data)
        read_vocabulary(folder, 320).fields()

    return run, seeds


@target("tokenizer-settings", mutators.mutated_json)
def tokenizer_settings(folder: Path) -> tuple[Run, list[bytes]]:
    """One document for every small file beside the tokenizer: each reads from it what it knows."""
    from quantize.vocab import read_vocabulary

    (folder / "tokenizer.model").write_bytes(sentencepiece_model())
    settings = {
        "eos_token": {"content": "</s>"}, "bos_token": "<s>", "add_bos_token": True, "legacy": False,
        "chat_template": [{"name": "default", "template": "{{ x }}"}], "eos_token_id": [2, 3], "bos_token_id": 1,
        "added_tokens_decoder": {"7": {"content": "<|im_end|>", "special": True}}, "model_type": "internlm2",
    }  # fmt: skip
    names = ("tokenizer_config.json", "special_tokens_map.json", "generation_config.json", "config.json")
    (folder / names[0]).touch()
    for name in names[1:]:  # one write serves all
        os.link(folder / names[0], folder / name)

    def run(data: bytes) -> None:
        (folder / names[0]).write_bytes(data)
        (folder / "added_tokens.json").write_bytes(data if b"added_tokens_decoder" not in data else b"{}")
        read_vocabulary(folder, 12).fields()

    return run, [dumped(settings), dumped(settings | {"model_type": "chatglm"}), dumped({"<extra>": 8})]


def sentencepiece_model() -> bytes:
    """A model of four pieces, in the wire format of protocol buffers."""

    def field(number: int, data: bytes) -> bytes:
        return bytes([number << 3 | 2, len(data)]) + data

    pieces = [(b"<unk>", 2), (b"<s>", 3), (b"</s>", 3), ("\u2581a".encode(), 1)]
    made = [field(1, field(1, text) + b"\x15" + bytes(4) + bytes([3 << 3, kind])) for text, kind in pieces]
    return b"".join(made) + field(3, field(2, bytes(12)) + bytes([3 << 3, 1, 4 << 3, 0]))


@target("tokenizer.model", containers.mutated_protobuf, b"\x0a\x00" * 100_000, b"\x0a\xff\xff\xff\xff\x0f")
def tokenizer_model(folder: Path) -> tuple[Run, list[bytes]]:
    from quantize.vocab import read_vocabulary

    def run(data: bytes) -> None:
        (folder / "tokenizer.model").write_bytes(data)
        read_vocabulary(folder, 12).fields()

    return run, [sentencepiece_model()]


@target("normalizer", mutators.mutated_json)
def normalizer(folder: Path) -> tuple[Run, list[bytes]]:
    from edge_judge.engine.normalizer import Normalizer

    steps = {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Prepend", "prepend": "_"}]}
    table = {"type": "SentencePiece", "charsmap": "BAAAAAAAAAA=", "collapses_spaces": True}

    def run(data: bytes) -> None:
        made = Normalizer(data.decode(errors="replace"))
        assert isinstance(made.name, str)
        made("Grüße, e\u0301  \u3000x")

    return run, [dumped(steps), dumped(table), b"NFC"]


LOCK_PIECES = (
    b"[models.x]\n", b"[[built]]\n", b"[models]\n", b"[built]\n", b"[models.x.config]\n", b"[models.x.prompt]\n",
    b"x = 1\n", b"bytes = -1\n", b"bytes = 1e400\n", b'bytes = "5"\n', b"bytes = true\n", b"bytes = nan\n",
    b'sha256 = ""\n', b'repo = "a/b"\n', b'commit = "c"\n', b'local = "p"\n', b"files = [{}]\n", b"files = [1]\n",
    b'files = [{name = "../x", sha256 = 1}]\n', b"config = {}\n", b"gated = 1\n", b"x = 1979-05-27T07:32:00Z\n",
    b"x.y.z = 1\n", b'"" = ""\n', b'x = """\n', b"x = \'\'\'\n", b"# \x1b[31m\n", b"x = 0x" + b"f" * 5000 + b"\n",
    b"\xff",
)  # fmt: skip
mutated_lock = mutators.mutated_of(LOCK_PIECES, re.compile(rb"[^\n]*\n|[^\n]+$"))


@target("models.lock", mutated_lock, b"a=" + b"[" * 1_000_000, b"a." * 500_000, b"[x]\n" * 200_000)
def models_lock(folder: Path) -> tuple[Run, list[bytes]]:
    """Read as the lock of the project, as the record of built files, and as what a shell completes."""
    from edge_judge.workflows import names
    from quantize import lock

    path = folder / "models.lock"
    os.environ["EDGE_JUDGE_MODELS"] = str(folder)
    whole = (ROOT / "models.lock").read_bytes()
    first, second = (b"[models" + part for part in whole.split(b"\n[models")[1:3])
    file = lock.BuiltFile("pocket", "q4_k_m", "x.gguf", "0" * 64, 5)
    lock.record_built(folder, file)
    built = path.read_bytes()

    def run(data: bytes) -> None:
        path.write_bytes(data)
        names.scheme_names("pocket")
        for model in (held := lock.read(path)).models:
            held.model(model.name)
        if zlib.crc32(data) % 8 == 0:  # it waits for the disk
            lock.record_built(folder, file)

    return run, [first, second, built]


@target("adapter", mutators.mutated_json)
def adapter_config(folder: Path) -> tuple[Run, list[bytes]]:
    from adapters import adapter_config as config
    from adapters import lora_tensors, write_adapter
    from checkpoints import llama_config, tensors_of

    from quantize import adapter, architectures
    from quantize.config import Config

    model = llama_config(num_hidden_layers=1, hidden_size=32, intermediate_size=32)
    write_adapter(folder, lora_tensors(tensors_of(model)))
    blueprint = architectures.blueprint(Config(model, "config.json"))

    def run(data: bytes) -> None:
        (folder / "adapter_config.json").write_bytes(data)
        adapter.read(folder, blueprint)

    patterns = {"rank_pattern": {"q_proj": 8, "layers.[0-9]+.mlp": 4}, "alpha_pattern": {"^x$": 2}}
    return run, [dumped(config()), dumped(config(**patterns))]


@target("adapter-weights", containers.mutated_safetensors)
def adapter_weights(folder: Path) -> tuple[Run, list[bytes]]:
    from adapters import lora_tensors, write_adapter
    from checkpoints import llama_config, tensors_of

    from quantize import adapter, architectures
    from quantize.config import Config

    model = llama_config(num_hidden_layers=1, hidden_size=32, intermediate_size=32)
    lora = dict(list(lora_tensors(tensors_of(model)).items())[:4])
    path = write_adapter(folder, lora) / "adapter_model.safetensors"
    blueprint = architectures.blueprint(Config(model, "config.json"))
    seed = path.read_bytes()

    def run(data: bytes) -> None:
        path.write_bytes(data)
        adapter.read(folder, blueprint)

    return run, [seed]


@target("imatrix", containers.mutated_gguf, b"GGUF\x03\0\0\0" + b"\xff" * 16)
def imatrix(folder: Path) -> tuple[Run, list[bytes]]:
    from test_imatrix import write

    from quantize import imatrix

    path = folder / "x.gguf"
    seeds = [write(path, {"blk.0.attn_q.weight": 8}).read_bytes()]
    seeds.append(write(path, {"blk.0.attn_q.weight": 8}, pairs=("0" * 16,)).read_bytes())

    def run(data: bytes) -> None:
        path.write_bytes(data)
        imatrix.read(path).of("blk.0.attn_q.weight", 8)

    return run, seeds


@target("gguf", containers.mutated_gguf, *(b"GGUF\x03\0\0\0" + counts for counts in GGUF_BOMBS))
def gguf(folder: Path) -> tuple[Run, list[bytes]]:
    """A header as a judge of one's own has it: read whole, then key by key, then checked against the file."""
    from quantize import container, gguf_file, pairs_seen
    from quantize.architectures.blueprint import Field
    from quantize.errors import VerifyError

    path = folder / "x.gguf"
    fields = (
        Field("general.type", "string", "model"), Field("general.name", "string", "Tiny"),
        Field("general.size_label", "string", "1M"), Field("general.file_type", "uint32", 7),
        Field("general.alignment", "uint32", 64), Field("llama.block_count", "uint32", 1),
        Field("a.float", "float32", 1.5), Field("a.flag", "bool", True), Field("a.long", "int64", -5),
        Field("a.texts", "string", ("<s>", "a", "")), Field("a.numbers", "float32", (1.0, 2.0)),
        Field("a.bytes", "uint8", (1, 2, 3)), Field(pairs_seen.KEY, "string", ("0" * 16,)),
    )  # fmt: skip
    tensors = [("token_embd.weight", (4, 32), "Q8_0"), ("output_norm.weight", (4,), "F32")]
    seeds = []
    for split in ((), (Field("split.count", "uint16", 2), Field("split.no", "uint16", 0))):
        container.write_header(path, "llama", (*fields, *split), tensors)
        seeds.append(path.read_bytes())

    def run(data: bytes) -> None:
        path.write_bytes(data)
        for read in (lambda: container.read_fields(path, ""), lambda: pairs_seen.of_file(path)):
            try:
                read()
            except VerifyError:
                pass
        gguf_file.inspect(path)

    return run, seeds


@target("adapter.gguf", containers.mutated_gguf, *(b"GGUF\x03\0\0\0" + counts for counts in GGUF_BOMBS))
def adapter_file(folder: Path) -> tuple[Run, list[bytes]]:
    from quantize import adapter_gguf, container
    from quantize.architectures.blueprint import Field

    base, path = folder / "base.gguf", folder / "x.gguf"
    container.write_header(base, "llama", (), [("token_embd.weight", (4, 32), "F32"), ("a.weight", (8, 32), "F32")])
    fields = (
        Field("general.type", "string", "adapter"), Field("adapter.type", "string", "lora"),
        Field("general.name", "string", "mine"), Field("adapter.lora.alpha", "float32", 8.0),
    )  # fmt: skip
    pair = [("a.weight.lora_a", (2, 32), "F32"), ("a.weight.lora_b", (8, 2), "F32")]
    container.write_header(path, "llama", fields, pair)
    seed = path.read_bytes()

    def run(data: bytes) -> None:
        path.write_bytes(data)
        adapter_gguf.check(path, base)

    return run, [seed]


@target("imatrix-state", containers.mutated_zip, b"PK\x03\x04" + bytes(1_000_000))
def imatrix_state(folder: Path) -> tuple[Run, list[bytes]]:
    import numpy as np

    from edge_judge.engine.importance import Sums
    from edge_judge.workflows.imatrix_state import ImatrixState

    state = ImatrixState(folder / "x.imatrix.gguf", {"model": "m", "texts": 3})
    sums = {"blk.0.attn_q.weight": Sums(np.ones((1, 8)), np.ones(1, np.int64))}
    state.save(2, sums)
    seed = state.path.read_bytes()

    def run(data: bytes) -> None:
        state.path.write_bytes(data)
        done, held = state.load()
        for name, of_tensor in held.items():
            if name in sums:
                of_tensor.plus(sums[name])
        assert isinstance(done, int)

    return run, [seed]


PROMPT_PIECES = (
    b"PROMPT = ", b"OTHER = ", b"'", b'"""', b"\\", b"{", b"}", b"f'{x}'", b"\n", b"    ", b"(", b")", b"-", b"[",
    b"lambda: ", b"\\N{DASH}", b"\\ud800", b"b''", b"\0", b"1" * 5000, b"# coding: utf-7\n", b"x" * 300,
)  # fmt: skip
CODE = b'''"""Words."""
import os

PROMPT = """Judge {a} and {b}.\\n""" + "x"
OTHER: str = f"{os}"
y = (lambda: "z")
'''


@target(
    "prompt-code",
    mutators.mutated_of(PROMPT_PIECES, re.compile(rb"\w+|\s+|.", re.DOTALL)),
    b"PROMPT = " + b"(" * 1_000_000, b"PROMPT = " + b"-" * 900_000 + b"1", b"PROMPT = " + b"'a'" * 300_000,
    b"x=" * 400_000 + b"1", b"a." * 400_000 + b"b",
)  # fmt: skip
def prompt_code(folder: Path) -> tuple[Run, list[bytes]]:
    """The Python file in which a judge's prompt was published: parsed, never run."""
    from quantize.errors import SourceError
    from quantize.lock import PromptSource
    from quantize.prompts import read_prompt

    named = PromptSource("a/b", "c", "x.py", literal="PROMPT")
    hashed = PromptSource("a/b", "c", "x.py", literal_sha256="0" * 64)

    def run(data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        try:
            read_prompt(text, named).encode()
        except SourceError:
            pass
        read_prompt(text, hashed)

    return run, [CODE, b"PROMPT = 'x'\n"]
