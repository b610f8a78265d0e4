"""Schemes: llama.cpp says which type each tensor gets, and the sizes are those of published files."""

import pytest
from checkpoints import llama_config, qwen2_config

from quantize import architectures, lock, schemes
from quantize.config import Config
from quantize.errors import ImatrixNeededError, SchemeError, UnknownSchemeError


def blueprint(config):
    return architectures.blueprint(Config(config, "config.json"))


def locked(name):
    return blueprint(lock.read().model(name).config)


@pytest.mark.parametrize(
    ("model", "f16", "q8_0", "q4_k_m"),
    [
        ("qwen1.5-7b", 15.44, 8.21, 4.76),
        ("qwen1.5-14b", 28.34, 15.06, 9.19),
        ("llama-3-8b", 16.06, 8.53, 4.91),
        ("nanbeige2-8b", 15.55, 8.26, 4.72),
        ("chatglm3-6b", 12.49, 6.63, 4.14),
        ("internlm2-7b", 15.48, 8.22, 4.71),
        ("deepseek-7b", 13.82, 7.34, 4.22),
        ("autoj-13b", 26.04, 13.83, 7.87),
        ("pandalm-7b", 13.48, 7.16, 4.08),
    ],
)
def test_planned_sizes_are_those_of_published_files(model, f16, q8_0, q4_k_m):
    sizes = [schemes.file_bytes(locked(model), scheme) / 1e9 for scheme in ("f16", "q8_0", "q4_k_m")]
    assert sizes == pytest.approx([f16, q8_0, q4_k_m], abs=0.01)


def test_a_width_that_is_no_multiple_of_256_falls_back_to_smaller_blocks():
    types = dict(schemes.plan(locked("qwen1.5-14b"), "q4_k_m").types)
    assert {types[f"blk.{i}.ffn_down.weight"] for i in range(40)} == {"Q5_0", "Q8_0"}
    assert types["blk.20.ffn_up.weight"] == "Q4_K"


def test_vectors_stay_in_f32_under_every_scheme():
    for scheme in ("f16", "q8_0", "q2_k"):
        types = dict(schemes.plan(blueprint(qwen2_config()), scheme).types)
        assert {kind for name, kind in types.items() if "norm" in name or name.endswith("bias")} == {"F32"}


def test_tied_embeddings_are_packed_as_an_output_would_be():
    tied = dict(schemes.plan(blueprint(qwen2_config(tie_word_embeddings=True)), "q4_k_m").types)
    assert tied["token_embd.weight"] == "Q6_K" and "output.weight" not in tied


def test_every_scheme_has_a_plan():
    for scheme in schemes.SCHEMES:
        planned = schemes.plan(blueprint(llama_config()), scheme)
        assert len(planned.types) == 39


def test_schemes_that_need_an_importance_matrix_say_so():
    for scheme in ("iq2_xxs", "iq2_m", "iq1_s", "iq3_xxs", "q2_k_s"):
        with pytest.raises(ImatrixNeededError, match=scheme):
            schemes.require_imatrix(schemes.plan(blueprint(llama_config()), scheme))
    for scheme in ("q2_k", "iq4_xs", "q4_k_m", "iq3_m"):
        schemes.require_imatrix(schemes.plan(blueprint(llama_config()), scheme))


def test_having_an_importance_matrix_can_change_a_plan():
    model = blueprint(llama_config(num_hidden_layers=8))
    without, with_one = (schemes.plan(model, "q4_0", with_imatrix=has).types for has in (False, True))
    assert without != with_one


def test_names_are_forgiving_about_case_and_hyphens():
    assert schemes.canonical("Q4_K_M") == schemes.canonical("q4-k-m") == schemes.canonical("q4_k") == "q4_k_m"


def test_a_label_tells_files_of_one_scheme_apart():
    assert schemes.canonical("IQ2-XS+Judge") == "iq2_xs+judge"
    assert (schemes.base("iq2_xs+judge"), schemes.label("iq2_xs+judge")) == ("iq2_xs", "judge")
    assert (schemes.base("iq2_xs"), schemes.label("iq2_xs")) == ("iq2_xs", None)
    for wrong in ("q4_k_m+", "q4_k_m+a b", "q4_k_m+../up", "q4_k_m+a+b", f"q4_k_m+{'a' * 41}", "+judge"):
        with pytest.raises(UnknownSchemeError):
            schemes.canonical(wrong)
        assert not schemes.is_known(wrong)


def test_a_label_does_not_change_a_plan():
    model = blueprint(llama_config())
    plain, labelled = (schemes.plan(model, scheme) for scheme in ("q4_k_m", "q4_k_m+judge"))
    assert plain.types == labelled.types and plain.file_type == labelled.file_type
    assert labelled.scheme == "q4_k_m+judge"


def test_an_unknown_scheme_is_refused_with_the_nearest_names():
    with pytest.raises(UnknownSchemeError, match="q4_k_n") as caught:
        schemes.canonical("q4_k_n")
    assert "q4_k_m" in caught.value.hint


def test_what_llama_cpp_refuses_is_an_error_with_its_reason():
    model = blueprint(llama_config())
    broken = type(model)("no-such-architecture", model.fields, model.targets, model.vocabulary)
    with pytest.raises(SchemeError, match="unknown model architecture"):
        schemes.plan(broken, "q8_0")


def test_the_log_of_llama_cpp_is_given_back_as_it_was():
    import ctypes

    import llama_cpp

    def current():
        callback, data = llama_cpp.llama_log_callback(), ctypes.c_void_p()
        llama_cpp.llama_log_get(ctypes.byref(callback), ctypes.byref(data))
        return ctypes.cast(callback, ctypes.c_void_p).value

    before = current()
    schemes.plan(blueprint(llama_config()), "q8_0")
    assert current() == before
