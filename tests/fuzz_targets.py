"""What `make fuzz` feeds: each parser of the project that reads what others wrote, with small real files to begin from.

A target sets itself up in an empty folder and returns what takes an input. That may raise the project's own errors and
nothing else. Knows: parsers, examples of their files. Does not know: how inputs are made, what counts as a failure.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

import fuzz_mutators as mutators
from fuzz_mutators import Mutator

Run: TypeAlias = Callable[[bytes], object]
Setup: TypeAlias = Callable[[Path], tuple[Run, list[bytes]]]
ROOT = Path(__file__).parent.parent
DEEP = (b"[" * 3_000_000, b'{"a":' * 500_000, b'{"a":' + b"9" * 3_000_000 + b"}", b'"' + b"\x1b" * 3_000_000)


@dataclass(frozen=True, slots=True)
class Target:
    """bombs: inputs that are too large to be found by chance."""

    name: str
    mutate: Mutator
    setup: Setup
    bombs: tuple[bytes, ...] = DEEP


TARGETS: dict[str, Target] = {}


def target(name: str, mutate: Mutator, *bombs: bytes) -> Callable[[Setup], Setup]:
    def register(setup: Setup) -> Setup:
        TARGETS[name] = Target(name, mutate, setup, bombs or DEEP)
        return setup

    return register


def dumped(value: object) -> bytes:
    return json.dumps(value).encode()


def lines(*rows: object) -> bytes:
    return b"".join(dumped(row) + b"\n" for row in rows)


# ---- checkpoints --------------------------------------------------------------------------------------------


@target(
    "safetensors",
    mutators.mutated_safetensors,
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


@target("torch-bin", mutators.mutated_bytes, b"PK\x03\x04" + bytes(1_000_000))
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

    def run(data: bytes) -> None:
        for name in names:
            (folder / name).write_bytes(data)
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


@target("tokenizer.model", mutators.mutated_bytes, b"\x0a\x00" * 100_000, b"\x0a\xff\xff\xff\xff\x0f")
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


@target("models.lock", mutators.mutated_bytes, b"a=" + b"[" * 1_000_000, b"a." * 500_000, b"[x]\n" * 200_000)
def models_lock(folder: Path) -> tuple[Run, list[bytes]]:
    from quantize import lock

    path = folder / "models.lock"
    whole = (ROOT / "models.lock").read_bytes()
    first = b"\n[models".join(whole.split(b"\n[models")[:3])
    file = lock.BuiltFile("pocket", "q4_k_m", "x.gguf", "0" * 64, 5)
    lock.record_built(folder, file)
    built = path.read_bytes()

    def run(data: bytes) -> None:
        path.write_bytes(data)
        for model in lock.read(path).models:
            lock.read(path).model(model.name)
        lock.record_built(folder, file)

    return run, [first, built]


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


@target("adapter-weights", mutators.mutated_safetensors)
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


@target("imatrix", mutators.mutated_bytes, b"GGUF\x03\0\0\0" + b"\xff" * 16)
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


# ---- runs -----------------------------------------------------------------------------------------------------


@target("run.json", mutators.mutated_json)
def run_json(folder: Path) -> tuple[Run, list[bytes]]:
    from edge_judge.runs import folder as runs

    said = lines(*VERDICTS)
    content: dict[str, Any] = {
        "format": 2, "benchmark": "toy", "model": "m", "scheme": "s", "grammar": "g", "settings": {"lock": {"a": 1}},
        "gguf_bytes": 5, "batching": {"cells": 8},
        "measured": {
            "wall_seconds": 1.0, "tokens": 5, "tokens_total": 9, "verdicts": 2, "peak_rss": 5, "machine": "x, 2 cores",
        },
    }  # fmt: skip
    write_run(folder, b"{}", said)
    seeds = [dumped(content), dumped({**content, "format": 1, "cut": {"cells": 8}})]
    return lambda data: read_and_score(folder, runs, data, said), seeds


@target("verdicts.jsonl", mutators.mutated_lines, *(piece + b"\n" for piece in DEEP), b"\n" * 1_000_000)
def verdicts_jsonl(folder: Path) -> tuple[Run, list[bytes]]:
    from edge_judge.runs import folder as runs

    content = {"format": 2, "benchmark": "toy", "model": "m", "scheme": "s", "grammar": "g", "settings": {}}
    run = dumped({**content, "gguf_bytes": 5})
    return lambda data: read_and_score(folder, runs, run, data), [lines(*VERDICTS), lines(VERDICTS[0])]


VERDICTS: tuple[dict[str, Any], ...] = (
    {"id": "0", "order": "ab", "verdict": "a", "p": {"a": 0.75, "b": 0.25}, "text": "[[A]]", "mass": 0.5},
    {"id": "0", "order": "ba", "verdict": None, "p": None, "text": None, "mass": None, "truncated": True},
    {"id": "1", "order": "ab", "verdict": "tie", "p": None, "text": "é", "mass": 1, "respelled": 0.1, "machine": "m"},
    {"id": "1", "order": "ba", "verdict": "b", "p": {"b": 1.0}, "text": "", "mass": 1},
)


def write_run(folder: Path, run: bytes, verdicts: bytes) -> None:
    (folder / "run.json").write_bytes(run)
    (folder / "verdicts.jsonl").write_bytes(verdicts)
    (folder / "score.json").write_bytes(b"{}")


def read_and_score(folder: Path, runs: Any, run: bytes, verdicts: bytes) -> None:
    from judgements import benchmark

    from edge_judge.metrics.recorded import RecordedRun
    from edge_judge.settings import differences, same_conditions

    write_run(folder, run, verdicts)
    read = runs.read_run(folder)
    differences(read.settings, {})
    same_conditions(read, read)
    if zlib.crc32(run + verdicts) % 16 == 0:  # it takes a hundred times as long as reading
        runs.score_json(RecordedRun(read, benchmark("a", "b", "tie")).score)


@target("ranking.json", mutators.mutated_json)
def ranking_json(folder: Path) -> tuple[Run, list[bytes]]:
    from edge_judge.runs import rankings

    run = {"format": 2, "benchmark": "rank", "model": "m", "scheme": "s", "grammar": "g", "settings": {}}
    write_run(folder, dumped(run), b"")
    (folder / "meetings.jsonl").write_bytes(b"")

    def read(data: bytes) -> None:
        (folder / "ranking.json").write_bytes(data)
        rankings.read_ranking(folder)

    return read, [dumped({"systems": ["a", "b"], "missing": {"a": 0, "b": 1}, "questions": 3, "against": None})]


@target("meetings.jsonl", mutators.mutated_lines)
def meetings_jsonl(folder: Path) -> tuple[Run, list[bytes]]:
    from edge_judge.analysis.ranking.design import Meeting
    from edge_judge.runs import rankings

    run = {"format": 2, "benchmark": "rank", "model": "m", "scheme": "s", "grammar": "g", "settings": {}}
    write_run(folder, dumped(run), b"")
    figures = {"systems": ["a", "b"], "missing": {"a": 0, "b": 1}, "questions": 3, "against": "a"}
    (folder / "ranking.json").write_bytes(dumped(figures))
    kinds = {"swapped": False, "same": False, "length_first": 3, "length_second": 4}
    row = {name: kinds.get(name, name) for name in Meeting.__dataclass_fields__}

    def read(data: bytes) -> None:
        (folder / "meetings.jsonl").write_bytes(data)
        rankings.read_ranking(folder)

    return read, [lines(row, row)]


@target("pack", mutators.mutated_pack, b"EJPACK\r\n" + bytes(42), b"EJPACK\r\n\0\2" + b"\xff" * 1_000_000)
def pack(folder: Path) -> tuple[Run, list[bytes]]:
    from test_packs import BODY, HEADER, MADE, TOY, framed

    from edge_judge.runs import packs

    bomb = framed(dumped({**HEADER, "pairs": 1_000_000, "verdicts": 2_000_000}), zlib.compress(bytes(30_000_000)))

    def run(data: bytes) -> None:
        packs.unpack(packs.read(data), TOY)

    return run, [MADE, framed(dumped({**HEADER, "measured": None}), BODY), *([bomb] if len(bomb) < 60_000 else [])]


# ---- benchmarks and outputs -------------------------------------------------------------------------------------

PAIRS = (
    {"id": "1", "question": "Greet me.", "a": "Hello.", "b": "No.", "label": "a", "group": "g", "reasons": "{a}!"},
    {"id": 2, "question": "Bye?", "a": "", "b": "So long.", "label": "tie", "reference": "Bye.", "category": "c"},
)
ROWS = b'id,question,a,b,label\r\n1,Greet me.,Hello.,No.,a\r\n2,"x, ""y""","a\nb",c,tie\r\n'


def read_pairs(path: Path, data: bytes) -> None:
    from edge_judge import benchmarks
    from edge_judge.benchmarks import rubric, training_data
    from edge_judge.benchmarks.rows import File
    from edge_judge.errors import DataError

    path.write_bytes(data)
    try:
        rubric.read(File(path, data))
    except DataError:
        pass
    try:
        training_data.load(File(path, data))
    except DataError:
        pass
    benchmarks.load(path)


@target("benchmark-jsonl", mutators.mutated_lines)
def benchmark_jsonl(folder: Path) -> tuple[Run, list[bytes]]:
    import edge_judge.benchmarks.training_data  # noqa: F401

    seeds = [lines(*PAIRS), lines({"criterion": "It is correct."}, {"criterion": "It is short."})]
    return lambda data: read_pairs(folder / "pairs.jsonl", data), seeds


@target("benchmark-csv", mutators.mutated_bytes, b'"' * 3_000_000, b"a," * 1_000_000, b"question,a,b\n" * 30_000)
def benchmark_csv(folder: Path) -> tuple[Run, list[bytes]]:
    import edge_judge.benchmarks.training_data  # noqa: F401

    return lambda data: read_pairs(folder / "pairs.csv", data), [ROWS]


@target("benchmark-parquet", mutators.mutated_bytes, b"PAR1" + bytes(1_000_000) + b"PAR1")
def benchmark_parquet(folder: Path) -> tuple[Run, list[bytes]]:
    import pyarrow
    import pyarrow.parquet

    import edge_judge.benchmarks.training_data  # noqa: F401

    rows = [{"question": f"Greet {i}.", "a": "Hello.", "b": "No.", "label": "a"} for i in range(3)]
    seeds = []
    for compression in ("none", "snappy"):
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "x.parquet", compression=compression)
        seeds.append((folder / "x.parquet").read_bytes())
    return lambda data: read_pairs(folder / "pairs.parquet", data), seeds


@target("published-benchmarks", mutators.mutated_json)
def published(folder: Path) -> tuple[Run, list[bytes]]:
    from edge_judge.benchmarks import autoj, llmbar, mtbench, pandalm
    from edge_judge.benchmarks.rows import File
    from edge_judge.errors import DataError

    readers = (mtbench.read, pandalm.read, autoj.SOURCE.read, *(source.read for source in llmbar.SOURCES[:1]))
    samples = [(ROOT / "tests" / "data" / f"{name}.json").read_bytes() for name in ("mtbench", "pandalm", "llmbar")]

    def run(data: bytes) -> None:
        for reader in readers:
            try:
                list(reader(File(folder / "x.json", data)))
            except DataError as error:
                last = error
        raise last

    return run, [*(dumped(json.loads(sample)[:2]) for sample in samples), PUBLISHED_LINE()]


def PUBLISHED_LINE() -> bytes:
    return (ROOT / "tests" / "data" / "autoj.jsonl").read_bytes().split(b"\n")[0]


@target("outputs", mutators.mutated_json)
def outputs(folder: Path) -> tuple[Run, list[bytes]]:
    from edge_judge.benchmarks.outputs import load_outputs

    turns = [{"index": 0, "turns": ["Hello.", "Bye."]}]
    said = [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": {"answer": "Hello."}}]
    files = (
        [
            {"id": 1, "question": "Hi?", "system": "x", "output": "Hello."},
            {"question": "Hi?", "system": "y", "output": "No."},
        ],
        [
            {"instruction": "Hi?", "output": "Hello.", "generator": "x"},
            {"instruction": "Hi?", "output": "", "generator": "y"},
        ],
        [{"question_id": 1, "model_id": "x", "choices": turns}, {"question_id": 1, "model_id": "y", "choices": turns}],
        [{"question_id": 1, "turns": ["Hi?", "And?"]}],
        [{"uid": "u", "model": "x", "messages": said}, {"uid": "u", "prompt": "Hi?"}],
        [{"doc_id": 1, "doc": {"question": "Hi?"}, "arguments": [["Hi?", {}]], "resps": [["Hello."]]}],
    )
    other = folder / "other.json"
    other.write_bytes(dumped([{"question": "Hi?", "output": "Other."}]))

    def run(data: bytes) -> None:
        (folder / "x.json").write_bytes(data)
        load_outputs([folder / "x.json", other])

    return run, [dumped(file) for file in files]


@target("preferences", mutators.mutated_json)
def preferences(folder: Path) -> tuple[Run, list[bytes]]:
    from test_preferences import annotation

    from edge_judge.benchmarks.preferences import load_preferences

    votes = [
        {"system_a": "x", "system_b": "y", "question": n, "verdict": v, "order": "ba"} for n, v in enumerate(("a", ""))
    ]

    def run(data: bytes) -> None:
        (folder / "x.json").write_bytes(data)
        load_preferences([folder / "x.json"])

    return run, [dumped(votes), dumped([annotation("Do.", 1.5), annotation("Be.", None)])]


@target("labels-csv", mutators.mutated_bytes, b"id;verdict\n" * 30_000)
def labels(folder: Path) -> tuple[Run, list[bytes]]:
    from test_labels_file import PAIRS, filled

    from edge_judge.benchmarks.labels_file import read_labels
    from edge_judge.benchmarks.rows import File

    few = PAIRS[:4]
    seeds = [filled(few, ["A", "b", "tie", ""], delimiter).content for delimiter in (",", ";")]
    return lambda data: read_labels(File(folder / "labels.csv", data), few), seeds


# ---- grammars, chat templates, servers -----------------------------------------------------------------------------

MARKS = b"# kind: reasoned\n# prompt: pairwise-cot\n# verdict a: A\n# verdict b: B\n# reasoning: 9\n"
RULES = b"root ::= reasoning verdict\nreasoning ::= [a-z]*\nverdict ::= "
GRAMMAR_BOMBS = (
    MARKS + RULES + b"(" * 20_000,
    MARKS + RULES + b'((((("A"{2000}){2000}){2000}){2000}){2000})',
    MARKS + RULES + b'"A"? ' * 5_000,
    MARKS + RULES + b"x0\n" + b"".join(b"x%d ::= x%d x%d\n" % (n, n + 1, n + 1) for n in range(60)) + b'x60 ::= ""\n',
    MARKS + RULES + b"x0\n" + b"".join(b"x%d ::= x%d\n" % (n, n + 1) for n in range(3000)) + b'x3000 ::= "A"\n',
    MARKS + b'# bridge: "a"\nroot ::= reasoning verdict\nreasoning ::= (("a"?){2000}){2000}\nverdict ::= "A" | "B"\n',
    b"# kind: pairwise\n" * 700_000,
)


@target("grammar", mutators.mutated_bytes, *GRAMMAR_BOMBS)
def gbnf(folder: Path) -> tuple[Run, list[bytes]]:
    from edge_judge.protocols import grammar

    def run(data: bytes) -> None:
        made = grammar.read("x", data.decode(errors="replace"))
        grammar.verdict(made, "because it is [[A]]", ("no [[B]]",))
        grammar.verdict(made, '{"reasoning":"x","verdict":"A"}')

    return run, [path.read_bytes() for path in sorted((ROOT / "grammars").glob("*.gbnf"))]


SHOWN = b"{{ messages[0].content }}"
TEMPLATE_BOMBS = (
    b"{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}" + SHOWN,
    b"{% for i in range(10**9) %}{% endfor %}" + SHOWN,
    b"{% set n = namespace(x='ab') %}{% for i in range(90) %}{% set n.x = n.x ~ n.x %}{% endfor %}" + SHOWN,
    b"{% set n = namespace(x=[1]) %}{% for i in range(90) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}" + SHOWN,
    b"{{ 'a' * 10**10 }}" + SHOWN,
    b"{{ 10**10**10 }}" + SHOWN,
    b"{{ 'a' | center(10**10) }}" + SHOWN,
    b"{{ '%10000000000d' % 1 }}" + SHOWN,
    b"{% for i in range(99999) %}{{ 'x' * 100000 }}{% endfor %}" + SHOWN,
    b"{{ raise_exception('\x1b[31m' * 1000) }}" + SHOWN,
    b"{{ " + b"(" * 100_000,
    b"{% if 1 %}" * 3_000,
)


@target("chat-template", mutators.mutated_bytes, *TEMPLATE_BOMBS)
def chat_template(folder: Path) -> tuple[Run, list[bytes]]:
    from test_chat import LLAMA_2

    from edge_judge.engine import chat
    from edge_judge.engine.chat import NAMED, chat_format

    if hasattr(os, "fork"):
        chat.subprocess = ForkingProgram()  # type: ignore[assignment]

    def run(data: bytes) -> None:
        chat_format(data.decode(errors="replace"), bos="<s>", eos="</s>")

    macro = "{% macro m(x) %}{{ x | trim | tojson }}{% endmacro %}{% set ns = namespace(i=0) %}" + SHOWN.decode()
    return run, [text.encode() for text in (*NAMED.values(), LLAMA_2, macro)]


class ForkingProgram:
    """In the place of `subprocess` in chat.py: the program is begun once and forks for each template, under the same
    limits. It is fed a hundred times as often so.
    """

    TimeoutExpired = subprocess.TimeoutExpired
    SERVER = """
import json, os, struct, sys
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("program", sys.argv[1])
program = module_from_spec(spec)
spec.loader.exec_module(program)
sys.path[:] = json.loads(sys.argv[2])
environment = program._environment()
while size := sys.stdin.buffer.read(4):
    request = json.loads(sys.stdin.buffer.read(*struct.unpack("<I", size)))
    reading, writing = os.pipe()
    if not (child := os.fork()):
        program._limit()
        replies = [program._reply(environment, request, one) for one in request["conversations"]]
        with open(writing, "w") as out:
            out.write(json.dumps(replies))
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as out:
        said = out.read()
    os.waitpid(child, 0)
    sys.stdout.buffer.write(struct.pack("<I", len(said)) + said)
    sys.stdout.buffer.flush()
"""

    def __init__(self) -> None:
        from edge_judge.engine import template_program

        path = json.dumps([place for place in sys.path if place])
        program = [sys.executable, "-c", self.SERVER, template_program.__file__, path]
        self._server = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, program: list[str], *, input: bytes, **_: object) -> subprocess.CompletedProcess[bytes]:
        sent, received = self._server.stdin, self._server.stdout
        assert sent is not None and received is not None
        sent.write(struct.pack("<I", len(input)) + input)
        sent.flush()
        said = received.read(*struct.unpack("<I", received.read(4)))
        return subprocess.CompletedProcess(program, 0 if said else -9, said, b"")


COMPLETION = {
    "choices": [
        {
            "message": {"role": "assistant", "content": "[[A]]"},
            "logprobs": {
                "content": [
                    {
                        "token": "[[A", "bytes": [91, 91, 65], "logprob": -0.1,
                        "top_logprobs": [
                            {"token": "[[A", "logprob": -0.1}, {"token": "[[B", "logprob": -2.5, "bytes": None},
                        ],
                    },
                    {"token": "]]", "logprob": 0.0, "top_logprobs": []},
                ]
            },
        }
    ],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}},
}  # fmt: skip


@target("server-answer", mutators.mutated_json)
def completion(folder: Path) -> tuple[Run, list[bytes]]:
    import httpx2

    from edge_judge.engine.completions import completion, distribution, ending_distribution
    from edge_judge.engine.endpoint import Address, Endpoint, Exchange

    exchange = Exchange(Endpoint(Address.of("http://localhost:1/v1")), None)  # type: ignore[arg-type]
    texts = {b"[[A]]": "a", b"[[B]]": "b", b"[[C]]": "tie"}

    def run(data: bytes) -> None:
        read = exchange._read(httpx2.Response(200, content=data), completion)
        if not hasattr(read, "what"):
            distribution(read.steps, texts)
            ending_distribution(read.steps, 0, {text.decode(): label for text, label in texts.items()})
            dumped({"text": read.text, "usage": asdict(read.usage)})
            read.text.encode()

    return run, [dumped(COMPLETION), dumped({"choices": [{"text": "A"}]})]


@target("server", mutators.mutated_json)
def server(folder: Path) -> tuple[Run, list[bytes]]:
    """Every request of finding out what a server is gets the same answer, or is refused with it."""
    import httpx2

    from edge_judge.engine.endpoint import Address, Endpoint, Patience
    from edge_judge.engine.server import find_server

    class Fed(Endpoint):
        status = 200
        data = b""

        def _client(self) -> Any:
            reply = httpx2.MockTransport(lambda request: httpx2.Response(self.status, content=self.data))
            return httpx2.AsyncClient(transport=reply)

    def run(data: bytes) -> None:
        endpoint = Fed(Address.of("http://localhost:1/v1"), patience=Patience(attempts=1, unmet=1))
        endpoint.status, endpoint.data = (200, data) if len(data) % 4 else (400, data)
        find_server(endpoint, None)

    models = {"data": [{"id": "m", "owned_by": "llamacpp", "max_model_len": 512, "aliases": ["x"]}]}
    props = {"default_generation_settings": {"n_ctx": 512}, "model_path": "/m.gguf", "chat_template": "x"}
    return run, [
        dumped({**models, **props}),
        dumped({"data": [{"id": "m"}], **COMPLETION}),
        dumped({"error": {"message": "x"}}),
    ]


def bombs_of(name: str) -> Iterator[bytes]:
    yield b""
    yield os.linesep.encode()
    yield from TARGETS[name].bombs
