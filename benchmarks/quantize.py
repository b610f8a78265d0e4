"""What quantizing costs: memory and disk at the qwen1.5-14b shape, and time against the official two steps at 1.8B.

    python benchmarks/quantize.py memory     anonymous memory, file pages and disk of one build, 8 shards
    python benchmarks/quantize.py speed      wall time and memory of one pass, and of convert + llama-quantize

Weights are random. Each shard is made in its own process when the build fetches it, so that the whole checkpoint (28 GB
at 14B) is never on the disk. `speed` needs torch and llama.cpp's source (tests/llama_source.py). Linux only, because it
reads /proc. Functions import what they need, because this file also runs as the processes that are measured.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
SHARD_BYTES = 3_600_000_000
SHAPES = {
    "14b": {"hidden_size": 5120, "intermediate_size": 13696, "num_hidden_layers": 40, "heads": 40, "vocab": 152064},
    "1.8b": {"hidden_size": 2048, "intermediate_size": 5504, "num_hidden_layers": 24, "heads": 16, "vocab": 151936},
    "tiny": {"hidden_size": 256, "intermediate_size": 704, "num_hidden_layers": 2, "heads": 8, "vocab": 151936},
}


def config_of(shape: str) -> dict[str, Any]:
    sizes = dict(SHAPES[shape])
    heads, vocab = sizes.pop("heads"), sizes.pop("vocab")
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "vocab_size": vocab,
        "rope_theta": 1e6,
        "rms_norm_eps": 1e-6,
        "max_position_embeddings": 32768,
        "tie_word_embeddings": False,
        **sizes,
    }


def layout_of(shape: str) -> dict[str, dict[str, tuple[int, ...]]]:
    """File name -> tensor name -> shape; each file is filled up to SHARD_BYTES."""
    from quantize import architectures
    from quantize.config import Config

    blueprint = architectures.blueprint(Config(config_of(shape), "config.json"))
    files: list[dict[str, tuple[int, ...]]] = [{}]
    size = 0
    for target in blueprint.targets:
        tensor_bytes = _bfloat16_bytes(target.source_shape)
        if size + tensor_bytes > SHARD_BYTES and files[-1]:
            files.append({})
            size = 0
        files[-1][target.source] = target.source_shape
        size += tensor_bytes
    return {f"model-{i + 1:05}-of-{len(files):05}.safetensors": part for i, part in enumerate(files)}


def make_shard(path: Path, tensors: dict[str, tuple[int, ...]]) -> None:
    """Write random bfloat16 weights. One pool of 8 million values is repeated: only their statistics matter here."""
    import numpy as np

    pool = (np.random.default_rng(0).standard_normal(1 << 23, np.float32) * np.float32(0.02)).view(np.uint32)
    halves = (pool >> 16).astype("<u2")
    header, end = {}, 0
    for name, shape in tensors.items():
        size = _bfloat16_bytes(shape)
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    with path.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for shape in tensors.values():
            left = math.prod(shape)
            while left:
                stream.write(halves[: min(left, len(halves))].data)
                left -= min(left, len(halves))


def write_small_files(folder: Path, shape: str) -> None:
    """Write config.json, the index, and a byte-level tokenizer with as many tokens and merges as Qwen's."""
    import checkpoints
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    config = config_of(shape)
    base = sorted(pre_tokenizers.ByteLevel.alphabet())
    pairs = [(a, b) for a in base for b in base]
    triples = [(a + b, c) for a, b in pairs for c in base[:2]]
    merges = [*pairs, *triples][: 151_643 - len(base)]
    vocab = {token: i for i, token in enumerate([*base, *(a + b for a, b in merges)])}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    split = pre_tokenizers.Split(Regex(checkpoints.QWEN2_REGEX), "isolated")
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, level])
    tokenizer.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"eos_token": "<|im_end|>", "chat_template": checkpoints.CHATML}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "config.json").write_text(json.dumps(config))
    placement = {name: file for file, tensors in layout_of(shape).items() for name in tensors}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": placement}))


class LocalHub:
    """Stands in for quantize.source.Hub, with shards that are made when they are fetched."""

    def __init__(self, folder: Path, shape: str) -> None:
        self.folder, self.shape, self.seconds = folder, shape, 0.0

    def listing(self, *_: Any) -> dict[str, Any]:
        from quantize.source import RemoteFile

        names = [p.name for p in self.folder.iterdir()]
        return {name: RemoteFile(name, None, None) for name in [*names, *layout_of(self.shape)]}

    def fetch(self, _repo: str, _commit: str, file: Any, folder: Path, **_: Any) -> Any:
        from quantize.source import Fetched

        if (self.folder / file.name).exists():
            return Fetched(self.folder / file.name, temporary=False)
        start = time.monotonic()
        command = [sys.executable, __file__, "shard", "--shape", self.shape, "--file", str(folder / file.name)]
        subprocess.run(command, check=True)
        self.seconds += time.monotonic() - start
        return Fetched(folder / file.name, temporary=True)


class Watch(threading.Thread):
    """Samples the peaks of this process's memory and of a folder's size without the output, in bytes."""

    def __init__(self, folder: Path, output: str) -> None:
        super().__init__(daemon=True)
        self.folder, self.output, self.stopped = folder, output, threading.Event()
        self.anonymous = self.mapped = self.disk = 0

    def run(self) -> None:
        while not self.stopped.wait(0.05):
            status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text("utf-8").splitlines())
            self.anonymous = max(self.anonymous, int(status["RssAnon"].split()[0]) * 1024)
            self.mapped = max(self.mapped, int(status["RssFile"].split()[0]) * 1024)
            self.disk = max(self.disk, sum(self.size(p) for p in self.folder.rglob("*") if p.name != self.output))

    @staticmethod
    def size(path: Path) -> int:
        try:
            return path.stat().st_blocks * 512 if path.is_file() else 0
        except OSError:
            return 0

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.join()

    def __enter__(self) -> Watch:
        self.start()
        return self


def memory(shape: str, scheme: str) -> None:
    """One build from shards that are fetched and deleted; prints what it needed."""
    from quantize.build import BuildOptions, HubSource, quantize
    from quantize.lock import LockedModel

    model = LockedModel("bench", "qwen2", "Qwen2ForCausalLM", None, "", "pairwise", {}, "bench/bench", "0" * 40)
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as place:
        small, out = Path(place) / "small", Path(place) / "out"
        small.mkdir()
        out.mkdir()
        write_small_files(small, shape)
        hub = LocalHub(small, shape)
        start = time.monotonic()
        with Watch(out, "unfinished.gguf") as watch:
            built = quantize(HubSource(hub, model), scheme, BuildOptions(out / "bench.gguf"))  # type: ignore[arg-type]
        wall = time.monotonic() - start - hub.seconds
    largest = max(sum(map(_bfloat16_bytes, tensors.values())) for tensors in layout_of(shape).values())
    report(
        f"{shape} to {scheme}, one shard at a time",
        {
            "shards": len(layout_of(shape)),
            "output (GB)": round(built.bytes / 1e9, 2),
            "wall time without making shards (s)": round(wall, 1),
            "peak anonymous memory (MB)": round(watch.anonymous / 1e6),
            "peak file pages (MB)": round(watch.mapped / 1e6),
            "peak disk beside the output (MB)": round(watch.disk / 1e6),
            "largest shard (MB)": round(largest / 1e6),
        },
    )


def _bfloat16_bytes(shape: tuple[int, ...]) -> int:
    return 2 * math.prod(shape)


def speed(shape: str, scheme: str) -> None:
    """One pass against the official two steps, on the same checkpoint, each in its own process."""
    from llama_source import llama_source

    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as place:
        model = Path(place) / "model"
        model.mkdir()
        write_small_files(model, shape)
        for name, tensors in layout_of(shape).items():
            make_shard(model / name, tensors)
        me = [sys.executable, __file__]
        script = str(ROOT / "tests" / "converter_run.py")
        wide, two, one = (str(Path(place) / f"{n}.gguf") for n in ("wide", "two", "one"))
        convert = timed([sys.executable, script, str(llama_source()), str(model), wide, "bf16", "qwen2"])
        requantize = timed([*me, "requantize", "--file", wide, "--out", two, "--scheme", scheme])
        ours = timed([*me, "once", "--file", str(model), "--out", one, "--scheme", scheme])
        extra = Path(wide).stat().st_size
        same = tensors_of(Path(two)) == tensors_of(Path(one))
    both = convert[0] + requantize[0]
    report(
        f"{shape} to {scheme}, official two steps against one pass",
        {
            "convert (s, peak RSS MB)": convert,
            "llama-quantize (s, peak RSS MB)": requantize,
            "one pass (s, peak RSS MB)": ours,
            "one pass / two steps": round(ours[0] / both, 2),
            "disk the two steps need on top (GB)": round(extra / 1e9, 2),
            "tensors are the same bytes": same,
        },
    )


def tensors_of(path: Path) -> str:
    """A hash of every tensor's name, type and bytes."""
    import hashlib

    from quantize.container import read_header

    hasher = hashlib.sha256()
    with path.open("rb") as stream:
        for tensor in sorted(read_header(path).tensors, key=lambda t: t.name):
            stream.seek(tensor.offset)
            hasher.update(f"{tensor.name} {tensor.ggml_type} {tensor.shape}".encode() + stream.read(tensor.bytes))
    return hasher.hexdigest()


def timed(command: list[str]) -> tuple[float, int]:
    """Wall seconds and peak resident memory (MB, file pages included) of a command."""
    start = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    stderr = child.stderr.read() if child.stderr else b""
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"error: {' '.join(command[:3])} failed\n{stderr.decode(errors='replace')[-500:]}")
    return round(time.monotonic() - start, 1), round(usage.ru_maxrss / 1000)


def report(title: str, figures: dict[str, Any]) -> None:
    print(f"{title}  ({os.cpu_count()} cores)")
    for name, value in figures.items():
        print(f"  {name:44} {value}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["memory", "speed", "shard", "once", "requantize"])
    parser.add_argument("--shape", choices=SHAPES)
    parser.add_argument("--scheme", default="q4_k_m")
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.what == "memory":
        memory(options.shape or "14b", options.scheme)
    elif options.what == "speed":
        speed(options.shape or "1.8b", options.scheme)
    elif options.what == "shard":
        make_shard(options.file, layout_of(options.shape)[options.file.name])
    elif options.what == "once":
        from quantize.build import BuildOptions, FolderSource, quantize

        quantize(FolderSource(options.file, "bench"), options.scheme, BuildOptions(options.out))
    else:
        from oracle import llama_quantize

        from quantize import schemes

        llama_quantize(options.file, options.out, schemes.SCHEMES[options.scheme], threads=os.cpu_count() or 1)


if __name__ == "__main__":
    main()
