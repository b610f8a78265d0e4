"""What the comparison needs on disk: llama.cpp's own programs, and a model of a real shape with random weights.

llama-server and llama-bench are compiled from the source in llama-cpp-python's source distribution, so that all sides
run the same llama.cpp with the same flags. EDGE_JUDGE_LLAMA_CPP names a local source, as in the tests. Everything is
built once, the programs in the user's cache, where tests look for llama-server too, the rest in .bench/.
Knows: cmake, pip, shapes. Does not know: what is timed.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

import platformdirs

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]
from quantize import stand_in  # noqa: E402
from quantize.config import Config  # noqa: E402

FOLDER = ROOT / ".bench"
PROGRAMS = ("llama-server", "llama-bench")
SCHEME = "q4_k_m"
SHAPE = {  # Qwen1.5-0.5B, with a head of its own as its bigger siblings have
    "architectures": ["Qwen2ForCausalLM"],
    "model_type": "qwen2",
    "hidden_size": 1024,
    "intermediate_size": 2816,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "num_key_value_heads": 16,
    "vocab_size": 151936,
    "rope_theta": 1e6,
    "rms_norm_eps": 1e-6,
    "max_position_embeddings": 32768,
    "tie_word_embeddings": False,
}


@dataclass(frozen=True, slots=True)
class Programs:
    server: Path
    bench: Path


# ---- llama.cpp's programs ---------------------------------------------------------------------------------


def programs() -> Programs:
    """llama-server and llama-bench, compiled on first use."""
    return Programs(*map(program, PROGRAMS))


def program(name: str) -> Path:
    """One of them, compiled on first use."""
    version = importlib.metadata.version("llama-cpp-python")
    build = platformdirs.user_cache_path("edge-judge") / f"llama.cpp-{version}"
    path = build / "bin" / name
    if not path.is_file():
        _compile(_source(version), build, name)
    return path


def _source(version: str) -> Path:
    local = os.environ.get("EDGE_JUDGE_LLAMA_CPP")
    source = Path(local) if local else FOLDER / f"llama_cpp_python-{version}" / "vendor" / "llama.cpp"
    if not local and not source.is_dir():
        _download(version)
    if not (source / "CMakeLists.txt").is_file():
        raise SystemExit(f"error: {source} is not llama.cpp's source\nhint: unset EDGE_JUDGE_LLAMA_CPP to download it")
    return source


def _download(version: str) -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        _run([*pip, "--dest", place, f"llama-cpp-python=={version}"], "llama-cpp-python's source cannot be downloaded")
        with tarfile.open(next(Path(place).glob("*.tar.gz"))) as archive:
            archive.extractall(FOLDER, filter="data")


def _compile(source: Path, build: Path, name: str) -> None:
    """Compile with llama.cpp's defaults, like the wheel. Takes about ten minutes on two cores."""
    cmake = shutil.which("cmake") or shutil.which("cmake", path=str(Path(sys.executable).parent))
    if cmake is None:
        raise SystemExit("error: compiling llama-server needs cmake\nhint: pip install cmake")
    print(f"compiling {name}, about ten minutes on two cores", file=sys.stderr)
    off = ("LLAMA_CURL", "LLAMA_OPENSSL", "LLAMA_USE_PREBUILT_UI", "LLAMA_BUILD_TESTS", "LLAMA_BUILD_EXAMPLES")
    flags = ["-DCMAKE_BUILD_TYPE=Release", *(f"-D{name}=OFF" for name in off)]
    _run([cmake, "-S", str(source), "-B", str(build), *flags], "cmake cannot configure llama.cpp")
    cores = str(os.cpu_count() or 1)
    _run([cmake, "--build", str(build), "-j", cores, "--target", name], "llama.cpp does not compile")


def _run(command: list[str], trouble: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"error: {trouble}\n{(done.stdout + done.stderr)[-2000:]}")


# ---- the model --------------------------------------------------------------------------------------------


def model(vocabulary: Path) -> Path:
    """A GGUF of SHAPE in SCHEME, with random weights and the real vocabulary of the GGUF file `vocabulary`."""
    out = FOLDER / f"qwen1.5-0.5b-shape-{SCHEME}.gguf"
    if not out.is_file():
        print(f"writing {out.name}: random weights", file=sys.stderr)
        FOLDER.mkdir(exist_ok=True)
        stand_in.write(Config(SHAPE, Path(__file__).name), SCHEME, out, name=out.stem, vocabulary=vocabulary)
    return out


if __name__ == "__main__":
    for named in sys.argv[1:] or ["llama-server"]:
        print(program(named))
