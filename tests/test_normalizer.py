"""What a tokenizer does to a text first: `quantize` records it, and the judge applies it."""

import io
import json
from dataclasses import replace

import pytest
from checkpoints import QWEN2_REGEX, make_checkpoint, quantized, qwen2_config
from test_spm import HARD

from edge_judge.engine import LocalEngine, Model
from edge_judge.engine.normalizer import KEY, Normalizer, normalizer_of
from edge_judge.errors import ModelError
from quantize import container
from quantize.vocab import read_vocabulary

NFD = "cafe\u0301 und Mu\u0308ll, \u1112\u1161\u11ab"
DECOMPOSED = ["a\u1112\u1161\u11ab", "e\u0301\u0301x", "ẛ\u0323", "ﷺ", "㍍", "x\u200by", "\u0301", "9\u20d8\u309a"]
FILE = {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "qwen2"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    config = qwen2_config(num_hidden_layers=1, hidden_size=32, intermediate_size=32)
    return make_checkpoint(tmp_path_factory.mktemp("normalizer") / "model", config, regex=QWEN2_REGEX)


def test_a_prompts_text_is_normalized_as_the_checkpoints_tokenizer_does_it(folder, tmp_path):
    from tokenizers import Tokenizer

    original = Tokenizer.from_file(str(folder / "tokenizer.json"))
    with Model(quantized(folder, "f32", tmp_path / "o.gguf").path, vocab_only=True, threads=1) as model:
        assert model.normalizer.name == "NFC"
        tokens = model.tokens(NFD, control=False)
        assert list(tokens) == original.encode(NFD, add_special_tokens=False).ids
        assert tokens != model.tokenizer.whole(NFD)
        prompt = f"<|im_start|>user\n{NFD}<|im_end|>\n<|im_start|>assistant"
        assert list(model.prompt(NFD)) == original.encode(prompt, add_special_tokens=False).ids


@pytest.mark.parametrize(
    "section",
    [
        {"type": "NFKC"},
        {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "Lowercase"}]},
        {"type": "Replace", "pattern": {"Regex": "[0-9]"}, "content": "#"},
    ],
)
def test_whatever_tokenizer_json_names_is_applied(folder, tmp_path, section):
    from tokenizers import Tokenizer

    document = json.loads((folder / "tokenizer.json").read_text("utf-8")) | {"normalizer": section}
    (tmp_path / "tokenizer.json").write_text(json.dumps(document))
    (tmp_path / "tokenizer_config.json").write_text((folder / "tokenizer_config.json").read_text("utf-8"))
    container.write_header(tmp_path / "o.gguf", "qwen2", read_vocabulary(tmp_path, 320).fields(), [])
    original = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    with Model(tmp_path / "o.gguf", vocab_only=True, threads=1) as model:
        for text in (NFD, "ﬁne ½ ＡＢＣ 123", *HARD):
            if "<|" not in text:  # which its own tokenizer takes for a special token
                assert list(model.tokens(text, control=False)) == original.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("rule", ["nmt_nfkc", "nfkc_cf", "identity"])
@pytest.mark.parametrize("extra", [True, False])
def test_sentencepieces_own_normalizer_is_applied(tmp_path, rule, extra):
    sentencepiece = pytest.importorskip("sentencepiece", reason="trains and checks with sentencepiece")
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["the quick brown fox", "I'm sure it's 12345", "ABC abc x y"] * 10),
        model_writer=out, vocab_size=330, model_type="bpe", byte_fallback=True, hard_vocab_limit=False,
        normalization_rule_name=rule, remove_extra_whitespaces=extra, minloglevel=2,
    )  # fmt: skip
    (tmp_path / "tokenizer.model").write_bytes(out.getvalue())
    (tmp_path / "tokenizer_config.json").write_text("{}")
    vocabulary = read_vocabulary(tmp_path, 340)
    assert (vocabulary.normalizer is None) == (rule == "identity" and not extra)
    vocabulary = replace(vocabulary, special=replace(vocabulary.special, chat_template="{{ messages[0].content }}"))
    container.write_header(tmp_path / "o.gguf", "llama", vocabulary.fields(), [])
    original = sentencepiece.SentencePieceProcessor(model_proto=out.getvalue())
    texts = [NFD, "ﬁne ½ ＡＢＣ　x", "  two  spaces   and more  ", "Straße ABC", "the\u00a0quick brown"]
    with Model(tmp_path / "o.gguf", vocab_only=True, threads=1) as model:
        for text in texts:
            assert list(model.tokens(text, control=False)) == original.encode(text), text
        for text in DECOMPOSED:
            assert f" {model.normalizer(text)}".replace(" ", "\u2581") == original.normalize(f"{text}"), text


def test_a_file_of_ours_without_a_normalizer_has_none_and_others_are_known_by_their_pre_tokenizer():
    assert normalizer_of({"edge_judge.scheme": "q8_0"}.get) == Normalizer("")
    assert normalizer_of({KEY: "NFC"}.get) == Normalizer("NFC")
    assert normalizer_of(FILE.get) == Normalizer("NFC")
    assert normalizer_of((FILE | {"tokenizer.ggml.pre": "llama-bpe"}).get) == Normalizer("")
    for unknown in (FILE | {"tokenizer.ggml.pre": "tekken"}, {"tokenizer.ggml.model": "llama"}):
        found = normalizer_of(unknown.get)
        assert not found.known and found.name == "unknown" and found("e\u0301") == "e\u0301"
        assert found.may_differ("e\u0301") and not found.may_differ("é, 我 😀")
    assert not Normalizer("NFC").may_differ("e\u0301")


def test_a_normalizer_is_named_by_its_steps():
    assert Normalizer("").name == "none" and Normalizer("NFC").name == "NFC"
    steps = [{"type": "NFD"}, {"type": "Lowercase"}]
    assert Normalizer(json.dumps({"type": "Sequence", "normalizers": steps})).name == "NFD+Lowercase"


@pytest.mark.parametrize("recorded", ["{", '{"type": "Nonsense"}', '{"type": "Replace"}', "nonsense"])
def test_a_record_that_cannot_be_read_is_the_models_error(recorded):
    with pytest.raises(ModelError, match="edge_judge.tokenizer.normalizer cannot be read"):
        Normalizer(recorded)("text")


def test_texts_that_an_unknown_normalizer_may_change_are_counted(folder, tmp_path):
    values = read_vocabulary(folder, 320)
    fields = [field for field in replace(values, normalizer=None).fields() if field.key != "tokenizer.ggml.pre"]
    container.write_header(tmp_path / "o.gguf", "qwen2", tuple(fields), [])
    with Model(tmp_path / "o.gguf", vocab_only=True, threads=1) as model:
        handling = LocalEngine.of(model).text_handling(["plain", NFD, "½", "也"])
    assert handling.normalizer == "unknown"
    assert any("may affect 2 of these texts" in doubt for doubt in handling.doubts)
    assert any("its pre-tokenizer is not recorded" in doubt for doubt in handling.doubts)
