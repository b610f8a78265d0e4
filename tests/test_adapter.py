"""LoRA adapters merged while a model is quantized: the bytes of peft's merge and then our converter."""

import json
import re
import shutil
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from adapters import adapter_config, lora_tensors, merged, modules_of, write_adapter
from checkpoints import (
    bf16_bytes,
    llama_config,
    make_checkpoint,
    quantized,
    qwen2_config,
    tensors_of,
    write_weights,
)
from families import chatglm_config, chatglm_tensors, internlm2_config, internlm2_tensors, write_spm_tokenizer
from hubserver import Shelf, serving
from hypothesis import example, given
from hypothesis import strategies as st
from oracle import gguf_tensors, gguf_values
from test_imatrix import write as write_imatrix
from test_remote import COMMIT, MODEL, REPO

from quantize import adapter, adapter_gguf, architectures, build, config, imatrix, merge, metadata, pack, pairs_seen
from quantize import adapter_config as configs
from quantize.adapter_gguf import AdapterOptions
from quantize.build import BuildOptions
from quantize.errors import AdapterError, PackError, QuantizeError
from quantize.metadata import Provenance
from quantize.source import Hub, HubSource


def head_norms(config):
    """The norms that qwen3 has on each head of q and k."""
    rng, layers = np.random.default_rng(3), range(config["num_hidden_layers"])
    names = [f"model.layers.{i}.self_attn.{name}_norm.weight" for i in layers for name in "qk"]
    return {name: 1 + rng.standard_normal(config["head_dim"], dtype=np.float32) / 5 for name in names}


SMALL = {"num_hidden_layers": 2, "intermediate_size": 256}
FAMILIES = {
    "llama": (llama_config(**SMALL), tensors_of),
    "mistral": (llama_config(**SMALL, architectures=["MistralForCausalLM"], model_type="mistral"), tensors_of),
    "nanbeige": (llama_config(**SMALL, architectures=["NanbeigeForCausalLM"], model_type="nanbeige"), tensors_of),
    "qwen2": (qwen2_config(**SMALL), tensors_of),
    "qwen3": (
        llama_config(**SMALL, architectures=["Qwen3ForCausalLM"], model_type="qwen3", head_dim=32),
        lambda config: tensors_of(config) | head_norms(config),
    ),
    "internlm2": (internlm2_config(), internlm2_tensors),
    "chatglm": (chatglm_config(ffn_hidden_size=256), chatglm_tensors),
}
OURS = ("edge_judge.adapter.", "edge_judge.source.sha256", "GGUF.")


def base(folder, family="llama", dtype="f32", shards=1):
    """A checkpoint of a family and its tensors."""
    config, make = FAMILIES[family]
    tensors = make(config)
    if family in ("internlm2", "chatglm"):
        pytest.importorskip("sentencepiece", reason="trains a tokenizer with sentencepiece")
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(config))
        write_weights(folder, tensors, dtype, shards)
        write_spm_tokenizer(folder)
    else:
        make_checkpoint(folder, config, dtype=dtype, shards=shards)
        write_weights(folder, tensors, dtype, shards)  # with those that only qwen3 has
    return folder, tensors


def with_weights(folder, of, tensors, dtype="f32"):
    """The same checkpoint with other weights."""
    shutil.copytree(of, folder, ignore=shutil.ignore_patterns("*.safetensors*"))
    write_weights(folder, tensors, dtype)
    return folder


def assert_same_model(ours, theirs):
    """Two GGUF files that differ only in what they say about the adapter and the source."""
    assert gguf_tensors(ours) == gguf_tensors(theirs)
    values = [
        {key: value for key, value in gguf_values(path).items() if not key.startswith(OURS)} for path in (ours, theirs)
    ]
    assert values[0] == values[1]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_merged_while_it_is_quantized_is_the_merged_checkpoint_quantized(family, tmp_path):
    folder, tensors = base(tmp_path / "base", family, shards=2)
    lora = lora_tensors(tensors)
    own = write_adapter(tmp_path / "mine", lora)
    whole = with_weights(tmp_path / "merged", folder, merged(tensors, lora, adapter_config()))
    for scheme in ("f32", "f16", "q4_k_m"):
        ours = quantized(folder, scheme, tmp_path / "ours.gguf", adapter=own).path
        theirs = quantized(whole, scheme, tmp_path / "theirs.gguf").path
        assert_same_model(ours, theirs)
        assert gguf_tensors(ours) != gguf_tensors(quantized(folder, scheme, tmp_path / "plain.gguf").path)


def test_the_file_says_which_adapter_is_in_it_and_where_no_local_path(tmp_path):
    folder, tensors = base(tmp_path / "base")
    config = adapter_config(base_model_name_or_path=str(tmp_path / "base"))
    own = write_adapter(tmp_path / "mine", lora_tensors(tensors), config)
    values = gguf_values(quantized(folder, "q8_0", tmp_path / "ours.gguf", adapter=own).path)
    assert values["edge_judge.adapter.name"] == "mine" and values["edge_judge.adapter.base"] == "base"
    assert re.fullmatch("[0-9a-f]{64}", values["edge_judge.adapter.sha256"])
    assert not [key for key, value in values.items() if isinstance(value, str) and str(tmp_path) in value]
    other = write_adapter(tmp_path / "other", lora_tensors(tensors, seed=2), config)
    again = gguf_values(quantized(folder, "q8_0", tmp_path / "again.gguf", adapter=other).path)
    assert again["edge_judge.adapter.sha256"] != values["edge_judge.adapter.sha256"]


@pytest.mark.parametrize("change", ["rslora", "patterns", "bf16", "bin", "named", "some"])
def test_every_way_in_which_an_adapter_is_saved_means_the_same(change, tmp_path):
    folder, tensors = base(tmp_path / "base")
    modules = modules_of(tensors)
    ranks = {module: 4 for module in modules if module.endswith("v_proj")} if change == "patterns" else {}
    alphas = {module: 5.0 for module in modules if ".1." in module} if change == "patterns" else {}
    config = adapter_config(
        use_rslora=change == "rslora",
        rank_pattern={"v_proj": 4} if ranks else {},
        alpha_pattern={r".*layers\.1\..*": 5} if alphas else {},
    )
    lora = lora_tensors(tensors, ranks=ranks)
    if change == "some":
        lora = {name: array for name, array in lora.items() if "q_proj" in name or "up_proj" in name}
    saved = {name.replace(".weight", ".default.weight"): array for name, array in lora.items()}
    dtype = "bf16" if change == "bf16" else "f32"
    own = write_adapter(tmp_path / "mine", saved if change == "named" else lora, config, dtype)
    if change == "bin":
        torch = pytest.importorskip("torch", reason="writes .bin files with torch")
        (own / "adapter_model.safetensors").unlink()
        torch.save({name: torch.from_numpy(array) for name, array in lora.items()}, own / "adapter_model.bin")
    whole = with_weights(tmp_path / "merged", folder, merged(tensors, lora, config, alphas))
    assert_same_model(
        quantized(folder, "f32", tmp_path / "ours.gguf", adapter=own).path,
        quantized(whole, "f32", tmp_path / "theirs.gguf").path,
    )


def test_a_half_precision_checkpoint_keeps_what_rounding_to_its_own_type_would_lose(tmp_path):
    """peft rounds the sum to the checkpoint's type. Ours rounded so is peft's; unrounded it is nearer to the sum."""
    folder, tensors = base(tmp_path / "base", dtype="bf16")
    lora = {name: array / 64 for name, array in lora_tensors(tensors).items()}
    own = write_adapter(tmp_path / "mine", lora)
    read = {name: widened(array) for name, array in tensors.items()}
    exact = merged(read, lora, adapter_config())
    ours = gguf_tensors(quantized(folder, "f32", tmp_path / "ours.gguf", adapter=own).path)
    name = "model.layers.0.self_attn.v_proj.weight"
    assert ours["blk.0.attn_v.weight"][2] == exact[name].tobytes()
    lost = np.mean(widened(exact[name]) == read[name])
    assert lost > 0.2  # what would have stayed as it was, had the sum been rounded
    assert np.mean(exact[name] == read[name]) < 0.05


def widened(array):
    """The values of an array in bfloat16."""
    bits = np.frombuffer(bf16_bytes(array), np.uint16).astype(np.uint32) << 16
    return bits.view(np.float32).reshape(array.shape)


def test_the_product_is_summed_by_fused_multiply_adds_in_the_order_of_the_rank():
    """Against fractions, which round nothing but the result of each step."""
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((7, 5), dtype=np.float32), rng.standard_normal((6, 7), dtype=np.float32)

    def fused(i, j):
        total = np.float32(0)
        for k in range(7):
            total = nearest_float32(Fraction(float(b[i, k])) * Fraction(float(a[k, j])) + Fraction(float(total)))
        return total

    assert merge.product(b, a).tolist() == [[float(fused(i, j)) for j in range(5)] for i in range(6)]


def nearest_float32(value):
    near = np.float32(float(value))
    around = [np.nextafter(near, np.float32(side)) for side in (-np.inf, np.inf)]
    return min([near, *around], key=lambda number: abs(Fraction(float(number)) - value))


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_the_product_does_not_depend_on_the_rows_beside(rows, rank, step, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((rank, 33), dtype=np.float32), rng.standard_normal((rows, rank), dtype=np.float32)
    whole, order = merge.product(b, a), rng.permutation(rows)
    parts = [merge.product(b[order][i : i + step], a) for i in range(0, rows, step)]
    assert np.array_equal(np.concatenate(parts), whole[order])
    np.testing.assert_allclose(whole, b.astype(np.float64) @ a, rtol=1e-5, atol=1e-5)


def test_blocks_of_any_size_give_the_same_file(tmp_path, monkeypatch):
    folder, tensors = base(tmp_path / "base")
    rng = np.random.default_rng(9)
    lora = {name: rng.standard_normal(array.shape, dtype=np.float32) for name, array in lora_tensors(tensors).items()}
    own = write_adapter(tmp_path / "mine", lora)
    first = quantized(folder, "q4_k_m", tmp_path / "first.gguf", adapter=own, threads=2)
    monkeypatch.setattr(pack, "BLOCK_BYTES", 7000)
    monkeypatch.setattr(merge, "TILE", 700)
    assert quantized(folder, "q4_k_m", tmp_path / "again.gguf", adapter=own, threads=1).sha256 == first.sha256


@pytest.fixture
def published(tmp_path):
    """A checkpoint of three shards on a hub; two adapters for it on this machine."""
    folder, tensors = base(tmp_path / "tiny", dtype="bf16", shards=3)
    own = [write_adapter(tmp_path / name, lora_tensors(tensors, seed=seed)) for name, seed in (("one", 1), ("two", 2))]
    shelf = Shelf({(REPO, COMMIT): folder})
    with serving(shelf) as url:
        source = HubSource(Hub(url, cache=tmp_path / "cache", code_host=url), MODEL)
        yield SimpleNamespace(
            folder=folder, source=source, shelf=shelf, one=own[0], two=own[1], out=tmp_path / "hub.gguf"
        )


def test_a_local_adapter_is_merged_into_a_model_from_a_hub(published, tmp_path):
    built = build.quantize(published.source, "q4_0", BuildOptions(published.out, adapter=published.one))
    origin = Provenance(REPO, COMMIT, "mit")
    local = quantized(published.folder, "q4_0", tmp_path / "local.gguf", origin=origin, adapter=published.one)
    assert built.sha256 == local.sha256


def test_what_was_begun_with_one_adapter_is_not_finished_with_another(published, tmp_path):
    def stop(progress):
        if progress.stage == "fetch" and "00002" in progress.tensor:
            raise KeyboardInterrupt

    def fetched():
        return sum(name.endswith(".safetensors") for name, _ in published.shelf.served)

    with pytest.raises(KeyboardInterrupt):
        build.quantize(published.source, "q4_0", BuildOptions(published.out, adapter=published.one, progress=stop))
    published.shelf.served.clear()
    other = build.quantize(published.source, "q4_0", BuildOptions(published.out, adapter=published.two))
    assert fetched() == 3
    origin = Provenance(REPO, COMMIT, "mit")
    local = quantized(published.folder, "q4_0", tmp_path / "local.gguf", origin=origin, adapter=published.two)
    assert other.sha256 == local.sha256


def test_an_adapters_file_needs_nothing_of_a_hub_but_the_configuration(published):
    adapter_gguf.write(published.source, published.one, AdapterOptions(published.out))
    assert {name for name, _ in published.shelf.served} == {"config.json"}


REFUSED_KINDS = [
    ({"peft_type": "IA3"}, "IA3"),
    ({"peft_type": "LOHA"}, "LOHA"),
    ({"peft_type": None}, "peft_type"),
    ({"use_dora": True}, "DoRA"),
    ({"use_qalora": True}, "QA-LoRA"),
    ({"use_bdlora": {"nblocks": 2}}, "use_bdlora"),
    ({"bias": "all"}, "'bias'"),
    ({"lora_bias": True}, "lora_bias"),
    ({"fan_in_fan_out": True}, "fan_in_fan_out"),
    ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
    ({"layer_replication": [[0, 2]]}, "layer_replication"),
    ({"trainable_token_indices": [1]}, "trainable_token_indices"),
    ({"alora_invocation_tokens": [1]}, "activated LoRA"),
    ({"init_lora_weights": "pissa"}, "init_lora_weights"),
    ({"init_lora_weights": "loftq"}, "init_lora_weights"),
    ({"r": 0}, "'r'"),
    ({"lora_alpha": "16"}, "'lora_alpha'"),
    ({"lora_alpha": 0}, "'lora_alpha'"),
    ({"use_rslora": 1}, "'use_rslora'"),
    ({"rank_pattern": {"q_proj": True}}, "rank of 'q_proj'"),
    ({"alpha_pattern": {"q_proj": -1}}, "alpha of 'q_proj'"),
    ({"alpha_pattern": {"(a+)+": 1}}, "(a+)+"),
    ({"alpha_pattern": {".*.*.*x": 1}}, "more than this reads"),
    ({"alpha_pattern": {"a" * 300: 1}}, "more than this reads"),
    ({"alpha_pattern": {"a[": 1}}, "a["),
    ({"rank_pattern": [1]}, "rank_pattern"),
]


@pytest.mark.parametrize(("change", "words"), REFUSED_KINDS, ids=[words for _, words in REFUSED_KINDS])
def test_an_adapter_of_another_kind_is_refused_by_name(change, words, tmp_path):
    (tmp_path / "adapter_config.json").write_text(json.dumps(adapter_config(**change)))
    with pytest.raises(AdapterError) as refusal:
        configs.read(tmp_path)
    assert words in str(refusal.value) and "adapter_config.json" in str(refusal.value)


def test_what_was_trained_otherwise_but_is_a_plain_adapter_is_taken(tmp_path):
    for start in (True, False, None, "gaussian", "eva", "orthogonal"):
        config = adapter_config(init_lora_weights=start, lora_dropout=0.1, megatron_core="megatron.core")
        (tmp_path / "adapter_config.json").write_text(json.dumps(config))
        assert configs.read(tmp_path).scale_of("model.layers.0.self_attn.q_proj") == 3 / 8


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = sorted({*adapter_config(), "layer_replication", "target_parameters", "lora_bias", "kasa_config"})


@given(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4))
@example({"rank_pattern": {"a{9999999999999}": 1}})
@example({"alpha_pattern": {"[[a]--b]": 1}})
@example({"lora_alpha": 10**400})
def test_any_configuration_is_read_or_refused_with_one_error(tmp_path_factory, changes):
    folder = tmp_path_factory.mktemp("adapter")
    (folder / "adapter_config.json").write_text(json.dumps(adapter_config(**changes)))
    try:
        read = configs.read(folder)
    except AdapterError:
        return
    module = "model.layers.0.self_attn.q_proj"
    assert read.scale_of(module) > 0
    factor = read.llama_cpp_factor(module)
    assert np.isclose(read.llama_cpp_alpha / read.rank_of(module) * factor, read.scale_of(module))


PARTS = st.sampled_from(["model", "layers", "0", "1", "self_attn", "q_proj", "k_proj"])
NAMES = st.lists(PARTS, min_size=1, max_size=5).map(".".join)
PATTERNS = st.sampled_from(
    ["q_proj", "self_attn.q_proj", r"layers\.0\..*", "^q_proj", "model.layers.1.k_proj", ".*_proj", "[qk]_proj"]
)


@given(NAMES, st.dictionaries(PATTERNS, st.integers(1, 99), max_size=3))
def test_patterns_mean_what_they_mean_to_peft(module, ranks):
    other = pytest.importorskip("peft.utils.other", reason="the oracle is peft's own function")
    expected = ranks.get(other.get_pattern_key(ranks.keys(), module), 8)
    assert configs.AdapterConfig(8, 16.0, ranks, {}, False, None, "here").rank_of(module) == expected


def refusal(tmp_path, lora, config=None):
    folder, _ = base(tmp_path / "base")
    own = write_adapter(tmp_path / "mine", lora, config)
    with pytest.raises(QuantizeError) as caught:
        quantized(folder, "q8_0", tmp_path / "ours.gguf", adapter=own)
    assert not (tmp_path / "ours.gguf").exists() and sorted(p.name for p in tmp_path.iterdir()) == ["base", "mine"]
    return caught.value


A, B = np.ones((8, 256), np.float32), np.ones((256, 8), np.float32)
Q = "base_model.model.model.layers.0.self_attn.q_proj"
MISFITS = {
    "of another model": ({"base_model.model.model.layers.9.mlp.up_proj.lora_A.weight": A}, "layers.9.mlp.up_proj"),
    "the embedding": ({"base_model.model.model.embed_tokens.lora_A.weight": A}, "embedding"),
    "an embedding's own names": ({"base_model.model.model.embed_tokens.lora_embedding_A": A}, "lora_embedding_A"),
    "the head": ({"base_model.model.lm_head.lora_A.weight": A, "base_model.model.lm_head.lora_B.weight": B}, "head"),
    "half a pair": ({f"{Q}.lora_A.weight": A}, "lora_B"),
    "a norm": ({"base_model.model.model.norm.lora_A.weight": A}, "model.norm"),
    "a whole module": ({f"{Q}.base_layer.weight": A}, "base_layer"),
    "a magnitude": ({f"{Q}.lora_magnitude_vector": A}, "lora_magnitude_vector"),
    "two adapters": ({f"{Q}.lora_A.a.weight": A, f"{Q}.lora_A.b.weight": A}, "two lora_A"),
    "another width": ({f"{Q}.lora_A.weight": A[:, :128], f"{Q}.lora_B.weight": B}, "[8, 128]"),
    "another height": ({f"{Q}.lora_A.weight": A, f"{Q}.lora_B.weight": B[:128]}, "[128, 8]"),
    "another rank": ({f"{Q}.lora_A.weight": A[:4], f"{Q}.lora_B.weight": B[:, :4]}, "[4, 256]"),
    "nothing": ({}, "no tensors"),
    "what is not finite": ({f"{Q}.lora_A.weight": A * np.nan, f"{Q}.lora_B.weight": B}, "not finite"),
    "what is too large": ({f"{Q}.lora_A.weight": A * 3e38, f"{Q}.lora_B.weight": B * 3e38}, "not finite"),
}


@pytest.mark.parametrize("what", MISFITS)
def test_an_adapter_with_a_tensor_that_does_not_fit_is_refused_and_nothing_is_left(what, tmp_path):
    lora, words = MISFITS[what]
    error = refusal(tmp_path, lora)
    assert words in str(error) and isinstance(error, AdapterError | PackError)


def test_a_folder_that_is_no_adapter_is_refused(tmp_path):
    folder, tensors = base(tmp_path / "base")
    lora = lora_tensors(tensors)

    def refused(own):
        with pytest.raises(AdapterError) as caught:
            quantized(folder, "q8_0", tmp_path / "ours.gguf", adapter=own)
        return str(caught.value)

    assert "no adapter folder" in refused(tmp_path / "nowhere")
    own = write_adapter(tmp_path / "mine", lora)
    (own / "adapter_model.safetensors").rename(own / "x")
    assert "holds no weights" in refused(own)
    (own / "adapter_model.safetensors").write_bytes((own / "x").read_bytes()[:5000])
    assert "truncated" in refused(own) or "ends at byte" in refused(own)
    (own / "adapter_config.json").write_text("{")
    assert "not valid JSON" in refused(own)
    (own / "adapter_config.json").unlink()
    assert "cannot read" in refused(own)


def test_the_pairs_that_the_adapter_and_the_importances_have_seen_are_named_together(tmp_path):
    folder, tensors = base(tmp_path / "base")
    own = write_adapter(tmp_path / "mine", lora_tensors(tensors))
    pairs_seen.write(own, ["c", "a"])
    path = quantized(folder, "q8_0", tmp_path / "ours.gguf", adapter=own).path
    assert pairs_seen.of_file(path) == {"a", "c"}
    widths = {f"blk.{i}.attn_q.weight": 256 for i in range(2)}
    write_imatrix(tmp_path / "imatrix.gguf", widths)
    weighting = replace(imatrix.read(tmp_path / "imatrix.gguf"), pairs_seen=frozenset({"a", "b"}))
    read = adapter.read(own, architectures.blueprint(config.read(folder)))
    (field,) = metadata.seen_fields(weighting, read)
    assert field.value == ("a", "b", "c") and metadata.seen_fields(None, None) == ()


# ---- peft itself -----------------------------------------------------------------------------------------------------


def torch_and_peft():
    torch = pytest.importorskip("torch", reason="peft needs torch")
    return torch, pytest.importorskip("peft", reason="the oracle is peft's own merge")


def bare_model(torch, tensors):
    """A module tree with the checkpoint's names and weights, which peft can adapt; it computes nothing."""
    root = torch.nn.Module()
    for name, array in tensors.items():
        *path, leaf = name.split(".")
        owner = root
        for part in path[:-1]:
            if part not in owner._modules:
                owner.add_module(part, torch.nn.Module())
            owner = owner._modules[part]
        if path[-1] not in owner._modules:
            linear = array.ndim == 2 and f"{'.'.join(path)}.weight" in tensors
            made = torch.nn.Linear(array.shape[1], array.shape[0], bias=False) if linear else torch.nn.Module()
            owner.add_module(path[-1], made)
        setattr(owner._modules[path[-1]], leaf, torch.nn.Parameter(torch.from_numpy(array.copy())))
    return root


def transformers_model(torch, config, tensors):
    transformers = pytest.importorskip("transformers", reason="peft comes with transformers")
    kind = {"llama": "Llama", "qwen2": "Qwen2"}[config["model_type"]]
    settings = getattr(transformers, f"{kind}Config")(**config)
    model = getattr(transformers, f"{kind}ForCausalLM")(settings)
    model.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in tensors.items()})
    return model.eval()


def fill(torch, model, seed=5):
    """Put random numbers on a grid into every A and B."""
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.copy_(torch.from_numpy((rng.integers(-63, 64, parameter.shape) / 512).astype(np.float32)))


PEFT_TARGETS = {
    "llama": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    "qwen2": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    "internlm2": ["wqkv", "wo", "w1", "w2", "w3"],
    "chatglm": ["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"],
}
PEFT_WAYS = {
    "plain": {},
    "rslora": {"use_rslora": True},
    "patterns": {"rank_pattern": {".*layers.0.*": 4}, "alpha_pattern": {r"layers\.1\..*": 7}},
}


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # between peft and transformers
@pytest.mark.parametrize("way", PEFT_WAYS)
@pytest.mark.parametrize("family", PEFT_TARGETS)
def test_merging_in_one_pass_gives_the_bytes_of_peft_merge_and_unload_and_then_our_converter(family, way, tmp_path):
    torch, peft = torch_and_peft()
    folder, tensors = base(tmp_path / "base", family)
    config = FAMILIES[family][0]

    def fresh():
        known = family in ("llama", "qwen2")
        return transformers_model(torch, config, tensors) if known else bare_model(torch, tensors)

    lora = peft.LoraConfig(r=8, lora_alpha=6, target_modules=PEFT_TARGETS[family], **PEFT_WAYS[way])
    trained = peft.get_peft_model(fresh(), lora)
    fill(torch, trained)
    trained.save_pretrained(tmp_path / "mine")
    state = peft.PeftModel.from_pretrained(fresh(), tmp_path / "mine").merge_and_unload().state_dict()
    whole = with_weights(tmp_path / "merged", folder, {name: state[name].numpy() for name in tensors})
    for scheme in ("f32", "f16", "q4_k_m"):
        assert_same_model(
            quantized(folder, scheme, tmp_path / "ours.gguf", adapter=tmp_path / "mine").path,
            quantized(whole, scheme, tmp_path / "theirs.gguf").path,
        )
