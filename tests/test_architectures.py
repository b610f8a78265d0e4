"""Families: names, hyperparameters, order of rows, and the configurations they refuse."""

import math

import numpy as np
import pytest
from checkpoints import llama_config, qwen2_config, tensors_of

from quantize import architectures
from quantize.architectures.blueprint import interleaved_heads
from quantize.config import Config
from quantize.errors import ConfigError, UnsupportedArchitectureError

LLAMA3 = {
    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}  # fmt: skip


def plan(**config):
    return architectures.blueprint(Config(config, "config.json"))


def fields(blueprint):
    return {field.key: field.value for field in blueprint.fields}


def test_every_tensor_of_a_checkpoint_has_one_place_and_its_shape():
    for config in (llama_config(), qwen2_config(), qwen2_config(tie_word_embeddings=True)):
        blueprint = plan(**config)
        shapes = {name: array.shape for name, array in tensors_of(config).items()}
        assert {t.source: t.source_shape for t in blueprint.targets} == shapes
        assert len({t.name for t in blueprint.targets}) == len(blueprint.targets)


def test_names_agree_with_the_gguf_package():
    import gguf

    for config, arch in ((llama_config(), gguf.MODEL_ARCH.LLAMA), (qwen2_config(), gguf.MODEL_ARCH.QWEN2)):
        names = gguf.get_tensor_name_map(arch, 4)
        for target in plan(**config).targets:
            assert names.get_name(target.source, (".weight", ".bias")) == target.name


def test_interleaving_puts_each_row_beside_the_one_it_is_rotated_with():
    assert interleaved_heads(2, 6).tolist() == [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]


def test_only_q_and_k_of_the_llama_family_are_reordered():
    moved = {t.name.split(".")[-2] for t in plan(**llama_config()).targets if t.rows is not None}
    assert moved == {"attn_q", "attn_k"}
    assert all(t.rows is None for t in plan(**qwen2_config()).targets)


def test_a_missing_number_of_key_value_heads_means_one_per_head():
    assert fields(plan(**llama_config(num_key_value_heads=None)))["llama.attention.head_count_kv"] == 8


def test_a_missing_rope_base_is_ten_thousand():
    assert fields(plan(**llama_config(rope_theta=None)))["llama.rope.freq_base"] == 10000.0


def test_the_base_is_also_found_under_rope_parameters():
    config = qwen2_config(rope_theta=None, rope_parameters={"rope_theta": 5e5, "rope_type": "default"})
    assert fields(plan(**config))["qwen2.rope.freq_base"] == 5e5


def test_an_explicit_head_dimension_is_used_and_written():
    blueprint = plan(**llama_config(head_dim=64))
    assert fields(blueprint)["llama.attention.key_length"] == 64
    assert next(t.shape for t in blueprint.targets if t.name == "blk.0.attn_q.weight") == (512, 256)


def test_llama_biases_follow_the_configuration():
    biases = [t for t in plan(**llama_config(attention_bias=True, mlp_bias=True)).targets if t.name.endswith("bias")]
    assert len(biases) == 4 * 7


def test_linear_scaling_is_written_and_llama3_scaling_becomes_a_tensor():
    linear = plan(**llama_config(rope_scaling={"type": "linear", "factor": 4.0}))
    assert fields(linear)["llama.rope.scaling.factor"] == 4.0
    scaling = {
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }  # fmt: skip
    config = llama_config(head_dim=128, rope_theta=5e5, rope_scaling=scaling)
    (freqs,) = [t for t in plan(**config).targets if t.constant is not None]
    assert freqs.name == "rope_freqs.weight" and freqs.shape == (64,)
    wavelengths = 2 * math.pi * 5e5 ** (np.arange(64) / 64)
    np.testing.assert_array_equal(freqs.constant[wavelengths < 8192 / 4], 1)
    np.testing.assert_allclose(freqs.constant[wavelengths > 8192], 8)
    assert (np.diff(freqs.constant) >= 0).all()


def test_a_scaling_that_is_not_understood_is_refused_by_name():
    with pytest.raises(ConfigError, match="'longrope'"):
        plan(**llama_config(rope_scaling={"rope_type": "longrope", "factor": 4.0}))


def test_nanbeige_is_plain_llama_unless_it_loops():
    config = llama_config(architectures=["NanbeigeForCausalLM"], model_type="nanbeige")
    assert plan(**config).architecture == "llama"
    with pytest.raises(UnsupportedArchitectureError, match="loops"):
        plan(**config, num_loops=2)


@pytest.mark.parametrize(
    "field",
    [
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "vocab_size",
        "rms_norm_eps",
    ],
)
def test_a_missing_field_is_named_with_its_file(field):
    for config in (llama_config(), qwen2_config()):
        config.pop(field)
        with pytest.raises(ConfigError, match=rf"config\.json lacks '{field}'"):
            plan(**config)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_size": "big"}, "'hidden_size' is 'big'"),
        ({"hidden_size": True}, "'hidden_size' is True"),
        ({"num_hidden_layers": 0}, "'num_hidden_layers' is 0"),
        ({"num_hidden_layers": 10**9}, "at most 512"),
        ({"hidden_size": 250}, "no multiple of 8 heads"),
        ({"num_key_value_heads": 3}, "cannot share 3"),
        ({"head_dim": 31}, "rotated in pairs"),
        ({"rms_norm_eps": -1.0}, "above zero"),
        ({"tie_word_embeddings": 1}, "true or false"),
        ({"rope_scaling": 3}, "'rope_scaling' is 3"),
        ({"hidden_size": 1 << 32}, "from 1 to 1048576"),
        ({"hidden_size": 10**5000}, "'hidden_size' is int too long to show"),
        ({"vocab_size": 1 << 31}, "'vocab_size' is 2147483648"),
        ({"head_dim": 1 << 30}, "8 heads of 1073741824 dimensions"),
        ({"rope_theta": 10**400}, "'rope_theta' is 10{20,}"),
        ({"rope_theta": 1e300}, "'rope_theta' is 1e\\+300"),
        ({"rms_norm_eps": float("nan")}, "'rms_norm_eps' is nan"),
        ({"architectures": [["x" * 500] * 500]}, "'xxx"),
        ({"rope_scaling": LLAMA3 | {"low_freq_factor": 4.0}}, "'low_freq_factor' is 4.0"),
        ({"rope_scaling": LLAMA3 | {"rope_theta": 1e-46}}, "'rope_theta' is 1e-46"),
    ],
)
def test_a_field_that_cannot_be_right_is_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        plan(**llama_config(**change))


def test_an_unknown_architecture_is_refused_by_name_with_a_way_out():
    with pytest.raises(UnsupportedArchitectureError, match="'MambaForCausalLM'") as caught:
        plan(**llama_config(architectures=["MambaForCausalLM"]))
    assert "GGUF" in caught.value.hint
