"""Adapters as GGUF files: what llama.cpp's converter writes, and what llama.cpp then computes with them."""

import math
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from adapters import adapter_config, lora_tensors, write_adapter
from checkpoints import llama_config, make_checkpoint, quantized
from llama_source import llama_source
from oracle import gguf_tensors, gguf_values
from test_adapter import FAMILIES, base

from edge_judge.engine import Model
from edge_judge.records import Adapter
from quantize import adapter_gguf, container, pairs_seen
from quantize.adapter_gguf import AdapterOptions
from quantize.architectures.blueprint import Field
from quantize.errors import AdapterError, PackError
from quantize.source import FolderSource

# Keys that may differ from those of llama.cpp's converter, and why; docs/adapters.md has the same list.
ARGUED = {
    "general.name": "ours is the adapter's folder, the converter guesses from names of folders",
    "general.basename": "guessed from the folder's name",
    "general.finetune": "guessed from the folder's name",
    "general.version": "guessed from the folder's name",
    "general.organization": "guessed from the folder's name",
    "general.size_label": "guessed",
}
PROMPT = [5, 17, 42, 99, 3, 250, 7, 7, 180, 64]


def written(folder, own, out, **options):
    return adapter_gguf.write(FolderSource(folder, "tiny"), own, AdapterOptions(out, **options)).path


def converted(folder, own, out, kind):
    script = Path(__file__).with_name("adapter_converter_run.py")
    command = [sys.executable, str(script), str(llama_source()), str(folder), str(own), str(out), kind]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr[-2000:]
    return out


def own_values(path):
    """The keys of a GGUF that are not the reader's own or argued."""
    values = gguf_values(path)
    ignored = ("GGUF.", "edge_judge.", *ARGUED)
    return {key: value for key, value in values.items() if not key.startswith(ignored)}


CONVERTED = [(family, "f32", "f32") for family in ("llama", "qwen2", "internlm2", "chatglm")]
CONVERTED += [("llama", "bf16", "f16"), ("internlm2", "f16", "f32")]


@pytest.mark.parametrize(("family", "dtype", "kind"), CONVERTED)
def test_an_adapter_is_written_as_llama_cpps_converter_writes_it(family, dtype, kind, tmp_path):
    folder, tensors = base(tmp_path / "base", family)
    rng = np.random.default_rng(4)
    lora = {name: rng.standard_normal(array.shape, np.float32) for name, array in lora_tensors(tensors).items()}
    own = write_adapter(tmp_path / "mine", lora, dtype=dtype)
    theirs = converted(folder, own, tmp_path / "theirs.gguf", kind)
    ours = written(folder, own, tmp_path / "ours.gguf", kind=kind)
    assert gguf_tensors(ours) == gguf_tensors(theirs)
    assert own_values(ours) == own_values(theirs)


def test_the_converter_leaves_out_of_a_scale_what_docs_adapters_md_says(tmp_path):
    folder, tensors = base(tmp_path / "base")
    own = in_a_way(tmp_path / "mine", tensors, "both")
    theirs, ours = converted(folder, own, tmp_path / "theirs.gguf", "f32"), written(folder, own, tmp_path / "ours.gguf")
    assert gguf_values(theirs)["adapter.lora.alpha"] == 3
    differ = {name for name, tensor in gguf_tensors(ours).items() if tensor != gguf_tensors(theirs)[name]}
    of_patterns = {f"blk.{i}.attn_q.weight.lora_b" for i in range(2)}  # these have a rank of their own
    of_patterns |= {name for name in gguf_tensors(ours) if name.startswith("blk.1.") and name.endswith("lora_b")}
    assert differ == of_patterns


def logits(model_path, tokens, adapter=None, scale=1.0):
    """Logits (tokens, vocabulary) of a model with an adapter, by the engine's own way of adding it."""
    from plain import alone

    import edge_judge.engine.llama as llama
    from edge_judge.engine.llama import ContextSize

    with Model(model_path, threads=1) as model:
        adapted = model if adapter is None else model.adapted(Adapter("mine", adapter, "", scale))
        size = ContextSize(256, 256, 256, 1, 256)
        with closing(llama.Context(model.loaded, size, "f16", adapters=adapted.adapters)) as context:
            return alone(model, context._handle, tokens).astype(np.float64)


PATTERNS = {"rank_pattern": {"q_proj": 4, "wqkv": 2, "dense": 4}, "alpha_pattern": {r".*layers\.1\..*": 9}}
WAYS = {"plain": {}, "rslora": {"use_rslora": True}, "patterns": PATTERNS, "both": {"use_rslora": True, **PATTERNS}}


def in_a_way(folder, tensors, way, size=1.0):
    """An adapter with the ranks and alphas of a way. size: what its numbers are multiplied with."""
    ends = WAYS[way].get("rank_pattern", {})
    modules = [name.removesuffix(".weight") for name in tensors]
    ranks = {module: rank for module in modules for end, rank in ends.items() if module.endswith(f".{end}")}
    lora = {name: array * np.float32(size) for name, array in lora_tensors(tensors, ranks=ranks).items()}
    return write_adapter(folder, lora, adapter_config(**WAYS[way]))


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("family", ["llama", "qwen2", "internlm2", "chatglm"])
def test_a_model_with_an_adapter_computes_what_the_merged_model_does(family, way, tmp_path):
    folder, tensors = base(tmp_path / "base", family)
    own = in_a_way(tmp_path / "mine", tensors, way, size=0.25)
    plain = quantized(folder, "f32", tmp_path / "base.gguf").path
    whole = quantized(folder, "f32", tmp_path / "merged.gguf", adapter=own).path
    file = written(folder, own, tmp_path / "adapter.gguf")
    expected = logits(whole, PROMPT)
    assert np.abs(logits(plain, PROMPT, file) - expected).max() < 1e-3
    assert np.abs(logits(plain, PROMPT) - expected).max() > 0.1  # the adapter does something


@pytest.mark.usefixtures("exact")
@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
def test_a_rank_stabilized_adapter_agrees_with_peft_in_torch(tmp_path):
    from test_adapter import fill, torch_and_peft, transformers_model

    torch, peft = torch_and_peft()
    folder, tensors = base(tmp_path / "base", "qwen2")
    config = FAMILIES["qwen2"][0]
    lora = peft.LoraConfig(
        r=8, lora_alpha=6, use_rslora=True, target_modules=["q_proj", "v_proj", "down_proj"], rank_pattern={"v_proj": 2}
    )
    trained = peft.get_peft_model(transformers_model(torch, config, tensors), lora).eval()
    fill(torch, trained)
    trained.save_pretrained(tmp_path / "mine")
    with torch.no_grad():
        expected = trained(input_ids=torch.tensor([PROMPT])).logits[0].numpy()
    plain = quantized(folder, "f32", tmp_path / "base.gguf").path
    file = written(folder, tmp_path / "mine", tmp_path / "adapter.gguf")
    assert np.abs(logits(plain, PROMPT, file) - expected).max() < 1e-3
    assert np.abs(logits(plain, PROMPT) - expected).max() > 0.1


@pytest.mark.usefixtures("exact")
def test_an_adapter_by_halves_is_half_the_adapter(tmp_path):
    folder, tensors = base(tmp_path / "base")
    lora = {name: array / 4 for name, array in lora_tensors(tensors).items()}
    own, half = write_adapter(tmp_path / "mine", lora), adapter_config(lora_alpha=1.5)
    plain = quantized(folder, "f32", tmp_path / "base.gguf").path
    file = written(folder, own, tmp_path / "adapter.gguf")
    whole = quantized(folder, "f32", tmp_path / "half.gguf", adapter=write_adapter(tmp_path / "half", lora, half)).path
    assert np.abs(logits(plain, PROMPT, file, scale=0.5) - logits(whole, PROMPT)).max() < 1e-3


def test_the_alpha_is_the_one_with_which_llama_cpp_comes_to_the_scale(tmp_path):
    folder, tensors = base(tmp_path / "base")
    alphas = {}
    for way in WAYS:
        own = in_a_way(tmp_path / way, tensors, way)
        alphas[way] = gguf_values(written(folder, own, tmp_path / "adapter.gguf"))["adapter.lora.alpha"]
    root = float(np.float32(3 * math.sqrt(8)))
    assert alphas == {"plain": 3.0, "rslora": root, "patterns": 3.0, "both": root}


def test_a_file_says_what_it_is_and_which_pairs_it_was_trained_on(tmp_path):
    folder, tensors = base(tmp_path / "base")
    own = write_adapter(tmp_path / "mine", lora_tensors(tensors))
    pairs_seen.write(own, ["b", "a"])
    file = written(folder, own, tmp_path / "adapter.gguf", tool="some tool")
    values = gguf_values(file)
    assert values["general.type"] == "adapter" and values["adapter.type"] == "lora"
    assert values["general.architecture"] == "llama" and values["general.name"] == "mine"
    assert values["edge_judge.adapter.base"] == "some/base" and values["edge_judge.tool"] == "some tool"
    assert pairs_seen.of_file(file) == {"a", "b"}


def refused(path, plain):
    with pytest.raises(AdapterError) as caught:
        adapter_gguf.check(path, plain)
    return str(caught.value)


def changed(source, out, **values):
    """The adapter's file with other keys; None takes one out."""
    fields = container.read_fields(source, "")
    named = {name.replace("__", "."): value for name, value in values.items()}
    kinds = {str: "string", float: "float64", int: "uint32"}
    kept = [field for field in fields if field.key not in named]
    kept += [Field(key, kinds[type(value)], value) for key, value in named.items() if value is not None]
    header = container.read_header(source)
    architecture = named.get("general.architecture") or header.values["general.architecture"]
    kept = [field for field in kept if field.key != "general.architecture"]
    table = [(tensor.name, tensor.shape, tensor.ggml_type) for tensor in header.tensors]
    container.write_header(out, architecture, kept, table)
    return out


def test_a_file_that_llama_cpp_would_stumble_over_is_refused_before_it_sees_it(tmp_path):
    folder, tensors = base(tmp_path / "base")
    plain = quantized(folder, "q8_0", tmp_path / "base.gguf").path
    own = write_adapter(tmp_path / "mine", lora_tensors(tensors))
    file = written(folder, own, tmp_path / "adapter.gguf")
    other = tmp_path / "other.gguf"
    assert adapter_gguf.check(file, plain) == "mine"
    assert "general.type is 'model'" in refused(plain, plain)
    assert "not a GGUF" in refused(own / "adapter_config.json", plain)
    assert "general.type is 7" in refused(changed(file, other, general__type=7), plain)
    assert "adapter.type is 'ia3'" in refused(changed(file, other, adapter__type="ia3"), plain)
    assert "no float32" in refused(changed(file, other, adapter__lora__alpha=3.0), plain)
    assert "activated" in refused(changed(file, other, adapter__alora__invocation_tokens=3), plain)
    assert "is for 'qwen2'" in refused(changed(file, other, general__architecture="qwen2"), plain)
    other.write_bytes(file.read_bytes()[:-4000])
    assert "bytes" in refused(other, plain)
    folder_of_another = tmp_path / "wider"
    make_checkpoint(folder_of_another, llama_config(num_hidden_layers=1, hidden_size=512, intermediate_size=256))
    wider = quantized(folder_of_another, "q8_0", tmp_path / "wider.gguf").path
    assert "[512, 512]" in refused(file, wider)
    make_checkpoint(tmp_path / "one", llama_config(num_hidden_layers=1, intermediate_size=256))
    assert "blk.1." in refused(file, quantized(tmp_path / "one", "q8_0", tmp_path / "one.gguf").path)


def test_an_adapter_too_large_for_half_precision_is_refused_and_leaves_nothing(tmp_path):
    folder, tensors = base(tmp_path / "base")
    lora = lora_tensors(tensors)
    write_adapter(tmp_path / "mine", {name: array * 1e6 for name, array in lora.items()})
    with pytest.raises(PackError, match="f16"):
        written(folder, tmp_path / "mine", tmp_path / "adapter.gguf", kind="f16")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "mine"]
