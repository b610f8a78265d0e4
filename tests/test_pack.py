"""The whole way: llama.cpp's bytes, the checkpoint's logits, and an error leaves nothing."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from checkpoints import bf16_bytes, llama_config, make_checkpoint, quantized, qwen2_config, tensors_of, write_weights
from oracle import gguf_tensors, gguf_values, llama_logits, llama_quantize

from quantize import pack, schemes
from quantize.errors import (
    CheckpointError,
    ConfigError,
    ImatrixNeededError,
    PackError,
    QuantizeError,
    UnknownSchemeError,
)
from quantize.metadata import Provenance

ROOT = Path(__file__).resolve().parent.parent
POCKET = ROOT / "edge_judge" / "pocket" / "checkpoint"
SHAPES = {
    "llama-gqa": llama_config(),
    "llama-odd": llama_config(intermediate_size=352, num_key_value_heads=None, attention_bias=True),
    "qwen2-tied": qwen2_config(tie_word_embeddings=True),
    "qwen2": qwen2_config(num_key_value_heads=4),
}
COMPARED = ["q8_0", "q6_k", "q5_k_m", "q4_k_m", "q4_0", "iq4_xs", "q3_k_m", "q2_k"]
PROMPT = [5, 300, 17, 200, 8, 9, 250]


@pytest.fixture(scope="module", params=SHAPES)
def model(request, tmp_path_factory):
    """A checkpoint in bf16 and our own f32 GGUF of it."""
    folder = tmp_path_factory.mktemp(request.param)
    make_checkpoint(folder / "model", SHAPES[request.param], shards=2)
    return folder / "model", quantized(folder / "model", "f32", folder / "f32.gguf").path


@pytest.mark.parametrize("scheme", COMPARED)
def test_every_tensor_is_byte_for_byte_what_llama_cpp_makes_of_our_f32_file(model, scheme, tmp_path):
    folder, wide = model
    ours = quantized(folder, scheme, tmp_path / "ours.gguf")
    llama_quantize(wide, tmp_path / "theirs.gguf", schemes.SCHEMES[scheme])
    assert gguf_tensors(ours.path) == gguf_tensors(tmp_path / "theirs.gguf")


@pytest.mark.parametrize("scheme", sorted(set(schemes.SCHEMES) - set(COMPARED)))
def test_the_other_schemes_agree_too_or_say_that_they_need_an_importance_matrix(scheme, tmp_path):
    config = llama_config(num_hidden_layers=2, num_key_value_heads=8)
    folder = make_checkpoint(tmp_path / "model", config, dtype="f16")
    try:
        ours = quantized(folder, scheme, tmp_path / "ours.gguf")
    except ImatrixNeededError as refusal:
        assert "--imatrix" in refusal.hint and not (tmp_path / "ours.gguf").exists()
        return
    wide = quantized(folder, "f32", tmp_path / "f32.gguf").path
    llama_quantize(wide, tmp_path / "theirs.gguf", schemes.SCHEMES[scheme])
    assert gguf_tensors(ours.path) == gguf_tensors(tmp_path / "theirs.gguf")


@pytest.mark.parametrize("name", SHAPES)
def test_f32_logits_agree_with_the_arithmetic_of_the_checkpoint(name, tmp_path):
    pytest.importorskip("torch", reason="the reference arithmetic needs torch")
    from reference import decoder_logits

    config = SHAPES[name]
    folder = make_checkpoint(tmp_path / "model", config, dtype="f32")
    path = quantized(folder, "f32", tmp_path / "f32.gguf", name=name).path
    expected = decoder_logits(config, tensors_of(config), PROMPT)
    assert np.abs(llama_logits(path, PROMPT) - expected).max() < 1e-3


@pytest.mark.parametrize("family", ["internlm2", "chatglm"])
def test_fused_families_agree_too_in_their_logits_and_byte_for_byte(family, tmp_path):
    pytest.importorskip("torch", reason="the reference arithmetic needs torch")
    pytest.importorskip("sentencepiece", reason="trains a tokenizer with sentencepiece")
    import families
    import reference

    config = getattr(families, f"{family}_config")()
    tensors = getattr(families, f"{family}_tensors")(config)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    write_weights(folder, tensors, "f32", shards=2)
    families.write_spm_tokenizer(folder)
    wide = quantized(folder, "f32", tmp_path / "f32.gguf", name=family).path
    expected = getattr(reference, f"{family}_logits")(config, tensors, PROMPT)
    assert np.abs(llama_logits(wide, PROMPT) - expected).max() < 1e-3
    for scheme in COMPARED:
        ours = quantized(folder, scheme, tmp_path / "ours.gguf", name=family)
        llama_quantize(wide, tmp_path / "theirs.gguf", schemes.SCHEMES[scheme])
        assert gguf_tensors(ours.path) == gguf_tensors(tmp_path / "theirs.gguf")


@pytest.mark.skipif(not (POCKET / "config.json").is_file(), reason="the pocket checkpoint is not trained yet")
@pytest.mark.parametrize("scheme", ["q6_k", "q4_k_m", "q3_k_m", "q2_k"])
def test_the_pocket_judge_is_packed_as_llama_cpp_would(scheme, tmp_path):
    wide = quantized(POCKET, "f32", tmp_path / "f32.gguf", name="pocket").path
    ours = quantized(POCKET, scheme, tmp_path / "ours.gguf", name="pocket")
    llama_quantize(wide, tmp_path / "theirs.gguf", schemes.SCHEMES[scheme])
    assert gguf_tensors(ours.path) == gguf_tensors(tmp_path / "theirs.gguf")


@pytest.mark.skipif(not (POCKET / "config.json").is_file(), reason="the pocket checkpoint is not trained yet")
def test_the_pocket_judges_logits_are_those_of_its_checkpoint(tmp_path):
    pytest.importorskip("torch", reason="the reference arithmetic needs torch")
    from reference import decoder_logits

    from quantize import checkpoint

    config = json.loads((POCKET / "config.json").read_text("utf-8"))
    config = {"tie_word_embeddings": False, "rope_theta": 10000.0} | config
    mapped = checkpoint.open_folder(POCKET).tensors
    tensors = {n: t.map().float32(slice(0, t.shape[0])).reshape(t.shape) for n, t in mapped.items()}
    path = quantized(POCKET, "f32", tmp_path / "f32.gguf", name="pocket").path
    expected = decoder_logits(config, tensors, [5, 17, 200, 8, 9, 250])
    assert np.abs(llama_logits(path, [5, 17, 200, 8, 9, 250]) - expected).max() < 1e-3


def test_bf16_weights_survive_a_bf16_file_unchanged(model, tmp_path):
    folder, wide = model
    half = gguf_tensors(quantized(folder, "bf16", tmp_path / "bf16.gguf").path)
    for name, (kind, _, data) in gguf_tensors(wide).items():
        if half[name][0] == "BF16":
            assert kind == "F32" and bf16_bytes(np.frombuffer(data, np.float32)) == half[name][2]


def test_the_same_input_gives_the_same_bytes_whatever_the_number_of_threads(model, tmp_path, monkeypatch):
    monkeypatch.setattr(pack, "BLOCK_BYTES", 40_000)  # several blocks a tensor
    folder, _ = model
    hashes = {quantized(folder, "q4_k_m", tmp_path / f"{n}.gguf", threads=n).sha256 for n in (1, 2, 5)}
    monkeypatch.undo()
    hashes.add(quantized(folder, "q4_k_m", tmp_path / "big.gguf").sha256)
    assert len(hashes) == 1


def test_shards_and_their_number_do_not_show_in_the_tensors(tmp_path):
    config = llama_config(num_hidden_layers=1)
    files = []
    for shards in (1, 4):
        folder = make_checkpoint(tmp_path / str(shards), config, shards=shards)
        files.append(gguf_tensors(quantized(folder, "q4_0", tmp_path / f"{shards}.gguf").path))
    assert files[0] == files[1]


def test_the_metadata_says_what_the_file_is_and_where_it_comes_from(tmp_path):
    folder = make_checkpoint(tmp_path / "model", llama_config(num_hidden_layers=1))
    origin = Provenance("someone/tiny", "abc123", "mit", prompt="Compare these.")
    built = quantized(folder, "q5_k_m", tmp_path / "out.gguf", name="Tiny", origin=origin, tool="edge-judge 1.2.3")
    values = gguf_values(built.path)
    expected = {
        "general.architecture": "llama",
        "general.type": "model",
        "general.name": "Tiny",
        "general.license": "mit",
        "general.file_type": 17,
        "general.quantization_version": 2,
        "general.size_label": "722K",
        "general.source.url": "https://huggingface.co/someone/tiny/tree/abc123",
        "edge_judge.scheme": "q5_k_m",
        "edge_judge.source.repo": "someone/tiny",
        "edge_judge.source.commit": "abc123",
        "edge_judge.tool": "edge-judge 1.2.3",
        "edge_judge.prompt": "Compare these.",
    }
    assert {key: values.get(key) for key in expected} == expected
    from quantize.digest import combined, sha256

    assert values["edge_judge.source.sha256"] == combined([("model.safetensors", sha256(folder / "model.safetensors"))])


def test_progress_counts_every_tensor_and_byte(tmp_path):
    folder = make_checkpoint(tmp_path / "model", llama_config(num_hidden_layers=1))
    reports = []
    quantized(folder, "q8_0", tmp_path / "out.gguf", progress=reports.append)
    packed = [p for p in reports if p.stage == "pack"]
    assert [p.tensors_done for p in packed] == list(range(1, 13))
    assert packed[-1].bytes_done == packed[-1].bytes


def only_the_model_is_left(folder):
    return [p.name for p in folder.iterdir()] == ["model"]


def test_an_infinite_weight_is_named_and_nothing_is_left(tmp_path):
    config = llama_config(num_hidden_layers=1)
    folder = make_checkpoint(tmp_path / "model", config)
    tensors = tensors_of(config)
    tensors["model.layers.0.mlp.up_proj.weight"][3, 5] = np.inf
    write_weights(folder, tensors)
    with pytest.raises(PackError, match=r"'blk\.0\.ffn_up\.weight' holds a value that is not finite"):
        quantized(folder, "q4_k_m", tmp_path / "out.gguf")
    assert only_the_model_is_left(tmp_path)


def test_a_weight_too_large_for_f16_is_named(tmp_path):
    config = llama_config(num_hidden_layers=1)
    folder = make_checkpoint(tmp_path / "model", config)
    tensors = tensors_of(config)
    tensors["lm_head.weight"][0, 0] = 1e6
    write_weights(folder, tensors)
    with pytest.raises(PackError, match=r"'output\.weight' does not fit f16"):
        quantized(folder, "f16", tmp_path / "out.gguf")
    assert only_the_model_is_left(tmp_path)


def remove(name):
    def change(tensors):
        tensors.pop(name)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (remove("model.norm.weight"), "'model.norm.weight' is missing"),
        (remove("lm_head.weight"), "'lm_head.weight' is missing"),
        (lambda t: t.update({"model.norm.weight": np.ones(7, np.float32)}), r"shape \[7\].*\[256\]"),
        (
            lambda t: t.update({"model.extra.weight": np.ones(7, np.float32)}),
            "'model.extra.weight'.*no place",
        ),
    ],
)
def test_tensors_that_do_not_fit_the_configuration_are_refused(tmp_path, change, message):
    config = llama_config(num_hidden_layers=1)
    folder = make_checkpoint(tmp_path / "model", config)
    tensors = tensors_of(config)
    change(tensors)
    write_weights(folder, tensors)
    with pytest.raises(CheckpointError, match=message):
        quantized(folder, "q8_0", tmp_path / "out.gguf")
    assert only_the_model_is_left(tmp_path)


def test_leftovers_of_old_checkpoints_are_ignored(tmp_path):
    config = llama_config(num_hidden_layers=1, tie_word_embeddings=True)
    folder = make_checkpoint(tmp_path / "model", config)
    extra = {
        "model.layers.0.self_attn.rotary_emb.inv_freq": np.ones(4),
        "lm_head.weight": np.ones((3, 4)),
    }
    write_weights(folder, tensors_of(config) | extra)
    quantized(folder, "q8_0", tmp_path / "out.gguf")


def test_bad_requests_are_refused_before_anything_is_written(tmp_path):
    folder = make_checkpoint(tmp_path / "model", llama_config(num_hidden_layers=1))
    with pytest.raises(UnknownSchemeError):
        quantized(folder, "q9_z", tmp_path / "out.gguf")
    (folder / "config.json").write_text("{")
    with pytest.raises(ConfigError, match="not valid JSON"):
        quantized(folder, "q8_0", tmp_path / "out.gguf")
    (folder / "config.json").unlink()
    with pytest.raises(ConfigError, match="cannot read"):
        quantized(folder, "q8_0", tmp_path / "out.gguf")
    assert only_the_model_is_left(tmp_path)


def test_an_error_while_packing_leaves_an_older_file_as_it_was(tmp_path, monkeypatch):
    folder = make_checkpoint(tmp_path / "model", llama_config(num_hidden_layers=1))
    (tmp_path / "out.gguf").write_bytes(b"older")

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pack, "quantize_rows", fail)
    with pytest.raises(PackError, match="No space"):
        quantized(folder, "q8_0", tmp_path / "out.gguf")
    assert (tmp_path / "out.gguf").read_bytes() == b"older"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model", "out.gguf"]


@pytest.mark.skipif(os.name != "posix", reason="interrupts a child process with a POSIX signal")
@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_leaves_nothing_behind(tmp_path):
    make_checkpoint(tmp_path / "model", llama_config(num_hidden_layers=2))
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom quantize.build import BuildOptions, FolderSource, quantize\n"
        "def tell(p):\n    print(p.stage, flush=True)\n    time.sleep(600 * p.stage.startswith('pack'))\n"
        "quantize(FolderSource(Path('model'), 'tiny'), 'q4_k_m', BuildOptions(Path('out.gguf'), progress=tell))\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    for line in child.stdout:
        if line.startswith("pack"):
            assert len(list(tmp_path.iterdir())) == 2  # the model and the folder of the build
            child.send_signal(signal.SIGINT)
            break
    _, err = child.communicate(timeout=60)
    assert "KeyboardInterrupt" in err and child.returncode != 0
    assert only_the_model_is_left(tmp_path)


def test_packing_needs_no_memory_for_the_whole_tensor(tmp_path, monkeypatch):
    """Rows are asked for in blocks, and never more of them at once than there are workers."""
    from quantize.checkpoint import TensorRows

    sizes, running, most, lock = [], 0, 0, threading.Lock()
    plain, packing = TensorRows.float32, pack.quantize_rows

    def spy(self, rows):
        block = plain(self, rows)
        sizes.append(block.nbytes)
        return block

    def count(*args):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        try:
            return packing(*args)
        finally:
            with lock:
                running -= 1

    monkeypatch.setattr(TensorRows, "float32", spy)
    monkeypatch.setattr(pack, "quantize_rows", count)
    monkeypatch.setattr(pack, "BLOCK_BYTES", 16_384)
    folder = make_checkpoint(tmp_path / "model", llama_config(num_hidden_layers=1))
    quantized(folder, "q8_0", tmp_path / "out.gguf", threads=2)
    assert max(sizes) <= 16_384 and most <= 2


def test_every_error_is_one_line(tmp_path):
    for error in QuantizeError.__subclasses__():
        assert "\n" not in (error.__doc__ or "").strip()
