"""The network that adapters are trained on: its losses and gradients against transformers with peft, its logits against
plain torch arithmetic, and the adapter's file as peft reads it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install '.[train]'")
peft = pytest.importorskip("peft", reason="training needs peft: pip install '.[train]'")

import reference  # noqa: E402
from checkpoints import llama_config, make_checkpoint, qwen2_config, tensors_of  # noqa: E402
from families import chatglm_config, chatglm_tensors, internlm2_config, internlm2_tensors  # noqa: E402
from hubserver import Shelf, serving  # noqa: E402

from edge_judge.errors import UsageError  # noqa: E402
from edge_judge.records import ProgressListener  # noqa: E402
from edge_judge.training import adapter  # noqa: E402
from edge_judge.training.batches import LearnedText, grouped  # noqa: E402
from edge_judge.training.measuring import reply_loss  # noqa: E402
from edge_judge.training.network import Network  # noqa: E402
from edge_judge.training.recipe import Recipe  # noqa: E402
from edge_judge.training.trainer import gradients  # noqa: E402
from edge_judge.workflows.train_model import network_shape, open_model  # noqa: E402
from quantize import architectures  # noqa: E402
from quantize.config import Config  # noqa: E402
from quantize.lock import LockedModel  # noqa: E402
from quantize.source import FolderSource, Hub, HubSource  # noqa: E402

# of peft towards transformers, when the two are put together
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")

Config_ = dict[str, Any]
SMALL = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "vocab_size": 96}
LLAMA3 = {
    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}  # fmt: skip
RECIPE = Recipe(rank=4, alpha=6.0, seed=3)


def network(config: Config_, tensors: dict[str, np.ndarray], **options: Any) -> Network:
    shape = network_shape(architectures.blueprint(Config(config, "config.json")), "small")
    return Network(shape, lambda name: tensors[name].astype(np.float32), **options)


def with_adapter(made: Network, recipe: Recipe = RECIPE) -> dict[str, Any]:
    """Its adapter, with a B that is not 0, so that every gradient counts."""
    parameters = adapter.add(made, recipe)
    generator = torch.Generator().manual_seed(1)
    for name, parameter in parameters.items():
        if "lora_B" in name:
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.1
    return parameters


def texts() -> list[LearnedText]:
    """Of different lengths, so that there is padding."""
    rng = np.random.default_rng(4)
    lengths = ((9, 6), (14, 10), (5, 1), (14, 13), (11, 4))
    return [LearnedText(tuple(rng.integers(1, 96, size).tolist()), start) for size, start in lengths]


def theirs(config: Config_, tensors: dict[str, np.ndarray], recipe: Recipe = RECIPE) -> Any:
    """The same model by transformers, with peft's adapter on every matrix of a layer, in float32."""
    transformers = pytest.importorskip("transformers")
    classes = {"llama": transformers.LlamaForCausalLM, "qwen2": transformers.Qwen2ForCausalLM}
    made = classes[config["model_type"]](transformers.AutoConfig.for_model(**config)).float()
    state = {name: torch.from_numpy(values) for name, values in tensors.items()}
    missing, unexpected = made.load_state_dict(state, strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}
    names = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    settings = peft.LoraConfig(
        r=recipe.rank, lora_alpha=recipe.alpha, use_rslora=recipe.rslora, target_modules=names, task_type="CAUSAL_LM"
    )
    return peft.get_peft_model(made, settings)


def their_loss(model: Any, learned: list[LearnedText]) -> Any:
    """Each text by itself, labels of the prompt masked, all tokens weighed alike."""
    total = sum(len(text.tokens) - text.start for text in learned)
    losses = []
    for text in learned:
        ids = torch.tensor([text.tokens])
        labels = ids.clone()
        labels[0, : text.start] = -100
        losses.append(model(input_ids=ids, labels=labels).loss * (len(text.tokens) - text.start))
    return sum(losses) / total


CASES = {
    "llama": (llama_config(**SMALL), RECIPE),
    "llama, tied, scaled as Llama 3.1": (
        llama_config(**SMALL, tie_word_embeddings=True, rope_scaling=LLAMA3, rope_theta=5e5), RECIPE,
    ),
    "llama, rank-stabilized": (llama_config(**SMALL), Recipe(rank=4, alpha=6.0, rslora=True)),
    "qwen2": (qwen2_config(**SMALL), RECIPE),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_loss_and_gradients_of_a_step_are_those_of_transformers_with_peft(case: str) -> None:
    config, recipe = CASES[case]
    tensors = tensors_of(config, seed=2)
    ours, model = network(config, tensors), theirs(config, tensors, recipe)
    parameters = with_adapter(ours, recipe)
    named = {name.replace(".default", ""): parameter for name, parameter in model.named_parameters()}
    assert {name for name in named if "lora_" in name} == set(parameters)
    with torch.no_grad():
        for name, parameter in parameters.items():
            named[name].copy_(parameter)
    loss = their_loss(model, texts())
    loss.backward()
    learned = sum(text.learned for text in texts())
    assert gradients(ours, grouped(texts(), 2)) / learned == pytest.approx(loss.item(), rel=1e-5)
    for name, parameter in parameters.items():
        largest = named[name].grad.abs().max()
        assert largest > 0
        assert torch.allclose(parameter.grad, named[name].grad, rtol=1e-5, atol=1e-5 * largest), name


def test_loss_and_gradients_of_internlm2_are_those_of_the_same_model_with_its_matrices_taken_apart() -> None:
    """The fused matrix's adapter is three of a plain llama's, which share A and have their rows of B."""
    config = internlm2_config(**SMALL)
    tensors = internlm2_tensors(config, seed=2)
    heads, groups, dim = 8, 2, 8
    rows = np.arange((heads + 2 * groups) * dim).reshape(groups, heads // groups + 2, dim)
    places = {"q": rows[:, :-2].reshape(-1), "k": rows[:, -2].reshape(-1), "v": rows[:, -1].reshape(-1)}
    names = {
        "model.tok_embeddings": "model.embed_tokens", "output": "lm_head", "attention_norm": "input_layernorm",
        "attention.wo": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm",
        "feed_forward.w1": "mlp.gate_proj", "feed_forward.w2": "mlp.down_proj", "feed_forward.w3": "mlp.up_proj",
    }  # fmt: skip

    def plain(name: str) -> str:
        for old, new in names.items():
            name = name.replace(f"{old}.", f"{new}.") if not (old == "output" and "layers" in name) else name
        return name

    apart = {}
    for name, values in tensors.items():
        if "wqkv" in name:
            for letter, place in places.items():
                apart[name.replace("attention.wqkv", f"self_attn.{letter}_proj")] = values[place]
        else:
            apart[plain(name)] = values
    llama = {key: value for key, value in config.items() if key not in ("bias", "rope_scaling")}
    llama |= {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}
    ours, model = network(config, tensors), theirs(llama, apart)
    parameters = with_adapter(ours)
    named = {name.replace(".default", ""): parameter for name, parameter in model.named_parameters()}
    with torch.no_grad():
        for name, parameter in parameters.items():
            for letter, place in places.items() if "wqkv" in name else ():
                target = named[name.replace("attention.wqkv", f"self_attn.{letter}_proj")]
                target.copy_(parameter if "lora_A" in name else parameter[place])
            if "wqkv" not in name:
                named[plain(name)].copy_(parameter)
    loss = their_loss(model, texts())
    loss.backward()
    learned = sum(text.learned for text in texts())
    assert gradients(ours, grouped(texts(), 5)) / learned == pytest.approx(loss.item(), rel=1e-5)
    for name, parameter in parameters.items():
        if "wqkv" not in name:
            expected = named[plain(name)].grad
        else:
            parts = {c: named[name.replace("attention.wqkv", f"self_attn.{c}_proj")].grad for c in "qkv"}
            if "lora_A" in name:
                expected = parts["q"] + parts["k"] + parts["v"]
            else:
                expected = torch.empty_like(parameter)
                for letter, place in places.items():
                    expected[place] = parts[letter]
        assert torch.allclose(parameter.grad, expected, rtol=1e-5, atol=1e-5 * expected.abs().max()), name


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3", "internlm2", "chatglm"])
def test_logits_are_those_of_the_familys_plain_arithmetic(family: str) -> None:
    if family == "chatglm":
        config = chatglm_config(
            hidden_size=64, ffn_hidden_size=96, kv_channels=16, num_attention_heads=4, padded_vocab_size=96
        )
        tensors, logits = chatglm_tensors(config, seed=2), reference.chatglm_logits
    elif family == "internlm2":
        config = internlm2_config(**SMALL)
        tensors, logits = internlm2_tensors(config, seed=2), reference.internlm2_logits
    else:
        made = qwen2_config if family == "qwen2" else llama_config
        config = made(**SMALL)
        tensors, logits = tensors_of(config, seed=2), reference.decoder_logits
        if family == "qwen3":
            config |= {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3"}
            for layer in range(2):
                for letter in "qk":
                    name = f"model.layers.{layer}.self_attn.{letter}_norm.weight"
                    tensors[name] = np.linspace(0.5, 1.5, 8, dtype=np.float32)
    tokens = [3, 90, 41, 7, 7, 12, 55, 2]
    ours = network(config, tensors)
    with torch.no_grad():
        found = ours.logits(ours(torch.tensor([[*tokens, 0, 0], [*tokens[:5], 9, 9, 9, 9, 9]])))
    expected = logits(config, tensors, tokens)
    assert np.abs(found[0, :8].numpy() - expected).max() < 2e-5 * np.abs(expected).max()
    assert np.abs(found[1, :5].numpy() - expected[:5]).max() < 2e-5 * np.abs(expected).max()


def test_every_matrix_of_a_layer_has_an_adapter_and_neither_embedding_nor_head() -> None:
    config = internlm2_config(**SMALL)
    names = {name.split(".lora_")[0] for name in with_adapter(network(config, internlm2_tensors(config)))}
    matrices = ("attention.wqkv", "attention.wo", "feed_forward.w1", "feed_forward.w2", "feed_forward.w3")
    assert names == {f"base_model.model.model.layers.{layer}.{name}" for layer in (0, 1) for name in matrices}


def test_computing_layers_again_changes_no_gradient() -> None:
    config = llama_config(**SMALL)
    tensors, found = tensors_of(config, seed=2), []
    for checkpointing in (False, True):
        made = network(config, tensors, checkpointing=checkpointing)
        parameters = with_adapter(made)
        gradients(made, grouped(texts(), 5))
        found.append({name: parameter.grad for name, parameter in parameters.items()})
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_however_a_batch_is_divided_its_gradients_are_the_same_but_for_rounding() -> None:
    config = qwen2_config(**SMALL)
    tensors, found = tensors_of(config, seed=2), []
    for at_once in (1, 2, 5):
        made = network(config, tensors)
        parameters = with_adapter(made)
        total = gradients(made, grouped(texts(), at_once))
        found.append((total, {name: parameter.grad for name, parameter in parameters.items()}))
    for total, others in found[1:]:
        assert total == pytest.approx(found[0][0], rel=1e-5)
        for name, gradient in others.items():
            assert torch.allclose(gradient, found[0][1][name], rtol=1e-4, atol=1e-5 * gradient.abs().max())


def test_prompts_and_padding_add_nothing_to_the_loss() -> None:
    config = llama_config(**SMALL)
    made = network(config, tensors_of(config, seed=2))
    (long, *_) = sorted(texts(), key=lambda text: -len(text.tokens))
    with torch.no_grad():
        alone, beside = reply_loss(made, [texts()[2]]), reply_loss(made, [texts()[2], long])
        of_long = reply_loss(made, [long])
        last = LearnedText(long.tokens, len(long.tokens) - 1)
        ids = torch.tensor([long.tokens])
        row = made.logits(made(ids))[0, -2].log_softmax(-1)
        assert reply_loss(made, [last]).item() == pytest.approx(-row[long.tokens[-1]].item(), rel=1e-6)
    assert beside.item() == pytest.approx(alone.item() + of_long.item(), rel=1e-5)


def test_the_weights_may_be_bfloat16_while_the_adapter_stays_float32() -> None:
    config = llama_config(**SMALL)
    made = network(config, tensors_of(config, seed=2), dtype=torch.bfloat16)
    parameters = with_adapter(made)
    gradients(made, grouped(texts(), 5))
    assert made.get_submodule("model.embed_tokens").weight.dtype == torch.bfloat16
    assert {parameter.dtype for parameter in parameters.values()} == {torch.float32}
    assert all(parameter.grad.isfinite().all() and parameter.grad.abs().max() > 0 for parameter in parameters.values())


@pytest.mark.parametrize("rslora", [False, True])
def test_peft_reads_the_adapters_file_and_gives_the_same_logits(tmp_path: Path, rslora: bool) -> None:
    transformers = pytest.importorskip("transformers")
    config, recipe = qwen2_config(**SMALL), Recipe(rank=4, alpha=6.0, rslora=rslora)
    tensors = tensors_of(config, seed=2)
    ours = network(config, tensors)
    parameters = with_adapter(ours, recipe)
    (tmp_path / adapter.CONFIG).write_bytes(adapter.config_json(ours, recipe, "small"))
    (tmp_path / adapter.WEIGHTS).write_bytes(adapter.weights_file(parameters))
    assert json.loads((tmp_path / adapter.CONFIG).read_text("utf-8"))["base_model_name_or_path"] == "small"
    base = transformers.Qwen2ForCausalLM(transformers.AutoConfig.for_model(**config)).float()
    base.load_state_dict({name: torch.from_numpy(values) for name, values in tensors.items()})
    read = peft.PeftModel.from_pretrained(base, str(tmp_path))
    ids = torch.tensor([texts()[1].tokens])
    with torch.no_grad():
        assert torch.allclose(read(input_ids=ids).logits, ours.logits(ours(ids)), atol=2e-5)
        assert not torch.allclose(read.get_base_model()(input_ids=ids).logits, network(config, tensors).logits(
            network(config, tensors)(ids)), atol=1e-3)  # fmt: skip


def test_a_model_on_the_hub_is_opened_as_its_folder_is(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "tiny", llama_config(**SMALL | {"vocab_size": 320}), shards=2)
    known = LockedModel("tiny", "llama", "LlamaForCausalLM", None, "mit", "pairwise", {}, "some/tiny", "c0" * 20)
    with serving(Shelf({("some/tiny", "c0" * 20): folder})) as url:
        hub = Hub(url, cache=tmp_path / "cache", code_host=url)
        (tmp_path / "small").mkdir()
        remote = open_model(HubSource(hub, known), tmp_path / "small", ProgressListener())
    (tmp_path / "other").mkdir()
    local = open_model(FolderSource(folder, "tiny"), tmp_path / "other", ProgressListener())
    assert remote.shape == local.shape and remote.sha256 == local.sha256
    assert remote.parameters == local.parameters
    assert remote.vocabulary.read_bytes() == local.vocabulary.read_bytes()
    for name in local.shape.tensors:
        assert np.array_equal(remote.read(name), local.read(name))


def test_positions_that_training_does_not_scale_are_refused_by_name() -> None:
    scaling = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
    with pytest.raises(UsageError, match="small: rope scaling yarn"):
        network(llama_config(**SMALL, rope_scaling=scaling), {})
