"""The first opening of a file in a process of its own: llama.cpp's first complaint is told, and only the child ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from checkpoints import make_checkpoint, quantized, qwen2_config
from gguf import GGUFReader
from gguf_elsewhere import copied, recurrent

from edge_judge.engine.probe import complaint, probe
from edge_judge.errors import ModelError

TOKENS = "tokenizer.ggml.tokens"
ABORTED = "(its process ended with signal SIGABRT)"
THAN_NEEDED = "than a file of its size can need"
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("probe")
    make_checkpoint(folder / "model", qwen2_config(num_hidden_layers=1, hidden_size=32, intermediate_size=32))
    return quantized(folder / "model", "f16", folder / "tiny.gguf").path


def refused(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        probe(path)
    assert caught.value.hint and "\n" not in str(caught.value)
    return str(caught.value)


def test_a_model_that_works_passes(built: Path) -> None:
    probe(built)


def test_an_unknown_architecture_is_llama_cpp_s_first_complaint(built: Path, tmp_path: Path) -> None:
    said = refused(copied(built, tmp_path / "odd.gguf", {"general.architecture": "quetzal"}))
    assert said.endswith("unknown model architecture: 'quetzal'")


def test_a_failed_assertion_of_llama_cpp_s_is_one_line_and_ends_only_the_child(built: Path, tmp_path: Path) -> None:
    tokens = list(GGUFReader(built).fields[TOKENS].contents())
    said = refused(copied(built, tmp_path / "odd.gguf", {TOKENS: [*tokens[:5], tokens[4], *tokens[6:]]}))
    assert "its own check `" in said and "llama-vocab.cpp:" in said
    assert "GGML_ASSERT" not in said and "/" not in said.split("odd.gguf:")[1]


def test_weights_that_are_not_numbers_are_told(built: Path, tmp_path: Path) -> None:
    reader = GGUFReader(copied(built, tmp_path / "odd.gguf"), "r+")
    (norm,) = [tensor for tensor in reader.tensors if tensor.name == "output_norm.weight"]
    norm.data[:] = np.nan
    reader.data.flush()
    assert "not numbers" in refused(tmp_path / "odd.gguf")


def test_a_recurrent_model_is_refused_because_prompts_could_not_share_its_state(built: Path, tmp_path: Path) -> None:
    assert "a recurrent model" in refused(recurrent(built, tmp_path / "mamba.gguf"))


@pytest.mark.parametrize(
    ("written", "code", "said"),
    [
        ("probe: first\nprobe: second\n", 1, "first"),
        ("noise\n/a/b c/g.c:12: GGML_ASSERT(x > 0) failed\n", -6, f"its own check `x > 0` failed (g.c:12) {ABORTED}"),
        ("/a/llama-graph.cpp:7: not implemented\n", -6, f"not implemented {ABORTED}"),
        ("terminate called after throwing\n  what():  bad thing\n", -6, f"bad thing {ABORTED}"),
        ("", -11, "its process ended with signal SIGSEGV and said nothing"),
        ("probe: first\n", -24, f"it takes more of a processor's time {THAN_NEEDED} (signal SIGXCPU)"),
        ("", 3, "its process ended with code 3 and said nothing"),
    ],
)
def test_the_first_complaint_is_what_is_told(written: str, code: int, said: str) -> None:
    assert complaint(written, code) == said


# ---- limits ------------------------------------------------------------------------------------------------


def limited(program: str) -> subprocess.CompletedProcess[str]:
    """A program under the limits of the child, for a file of a few bytes."""
    limit = "from edge_judge.engine import probe_program; probe_program.SECONDS = 0; probe_program._limit(1000)"
    return subprocess.run([sys.executable, "-c", f"{limit}\n{program}"], capture_output=True, text=True)


@POSIX
def test_a_child_that_loops_is_ended_after_its_seconds_of_a_processor() -> None:
    done = limited("while True: pass")
    assert "SIGXCPU" in complaint(done.stderr, done.returncode)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux counts mapped memory")
def test_a_child_may_take_no_more_memory_than_a_small_file_needs() -> None:
    assert limited("kept = bytes(200_000_000)").returncode == 0
    done = limited("kept = bytes(600_000_000)")
    assert done.returncode == 1 and "MemoryError" in done.stderr


def test_a_child_that_is_not_done_in_time_is_ended(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_judge.engine.probe.CLOCK", 0.1)  # seconds: less than it takes to start
    monkeypatch.setattr("edge_judge.engine.probe.BUSY", 0)
    assert "it is not done after 0.1 seconds" in refused(built)
