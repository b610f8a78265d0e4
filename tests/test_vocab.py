"""Vocabularies: the GGUF's tokens are the tokenizer's, and llama.cpp cuts text as the tokenizer does."""

import json

import numpy as np
import pytest
from checkpoints import LLAMA3_REGEX, QWEN2_REGEX, make_checkpoint, quantized, qwen2_config, write_bytelevel_tokenizer
from oracle import gguf_values, llama_tokens

from quantize.errors import ConfigError, VocabularyError
from quantize.vocab import TokenType, read_vocabulary
from quantize.vocab.bytelevel import pre_tokenizer_name

HARD = [
    "Hello world, I'm SURE it'S 1234567 or 3.14!",
    "  leading and   inner  blanks \t and trailing  \n\n\n x \r\n y",
    "我想在apple工作1314151天～ 안녕하세요 кириллица ÄÖÜß",
    "🚀🦙 👩‍👩‍👧 \u200d \u00a0 ½ ² \x00 \x07 e",
    "def f(x):\n\treturn [x**2 for _ in range(10)]  # <plain> ok",
    "",
]


@pytest.fixture(scope="module", params=["qwen2", "llama-bpe", "gpt-2"])
def built(request, tmp_path_factory):
    regex = {"qwen2": QWEN2_REGEX, "llama-bpe": LLAMA3_REGEX, "gpt-2": None}[request.param]
    folder = tmp_path_factory.mktemp("vocab")
    config = qwen2_config(num_hidden_layers=1, hidden_size=32, intermediate_size=32)
    make_checkpoint(folder, config, regex=regex)
    return request.param, folder, quantized(folder, "f32", folder / "out.gguf").path


def edit(path, change):
    document = json.loads(path.read_text("utf-8"))
    change(document)
    path.write_text(json.dumps(document))


def test_the_pre_tokenizer_is_recognised(built):
    name, folder, _ = built
    assert read_vocabulary(folder, 320).pre == name


def test_llama_cpp_cuts_hard_texts_as_the_original_tokenizer_does(built):
    from tokenizers import Tokenizer

    _, folder, path = built
    original = Tokenizer.from_file(str(folder / "tokenizer.json"))
    for text in HARD:
        assert llama_tokens(path, text, special=False) == original.encode(text, add_special_tokens=False).ids


def test_control_tokens_are_parsed_only_on_request(built):
    _, folder, path = built
    vocabulary = read_vocabulary(folder, 320)
    end = vocabulary.tokens.index(b"<|im_end|>")
    assert vocabulary.types[end] == TokenType.CONTROL
    assert llama_tokens(path, "a<|im_end|>", special=True)[-1] == end
    assert end not in llama_tokens(path, "a<|im_end|>", special=False)


def test_ids_without_a_token_are_filled_with_unused_ones(built):
    vocabulary = read_vocabulary(built[1], 320)
    assert vocabulary.tokens[319] == b"[PAD319]"
    assert vocabulary.types[319] == TokenType.UNUSED


def test_an_added_token_that_is_not_special_is_user_defined(built):
    vocabulary = read_vocabulary(built[1], 320)
    assert vocabulary.types[vocabulary.tokens.index(b"<plain>")] == TokenType.USER_DEFINED


def test_roles_template_and_normalizer_end_up_in_the_file(built):
    name, folder, path = built
    values = gguf_values(path)
    tokens = values["tokenizer.ggml.tokens"]
    assert tokens[values["tokenizer.ggml.eos_token_id"]] == "<|im_end|>"
    assert tokens[values["tokenizer.ggml.padding_token_id"]] == "<|endoftext|>"
    assert values["tokenizer.ggml.add_bos_token"] is False
    template = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))["chat_template"]
    assert values["tokenizer.chat_template"] == template
    assert values.get("edge_judge.tokenizer.normalizer") == ("NFC" if name == "qwen2" else None)


@pytest.mark.parametrize("kept", ["Lowercase", "NFKC", "Strip"])
def test_any_normalizer_is_recorded_as_its_tokenizer_names_it(tmp_path, kept):
    section = {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": kept}]}
    if kept == "Strip":
        section["normalizers"][1] |= {"strip_left": True, "strip_right": False}
    write_bytelevel_tokenizer(tmp_path)
    edit(tmp_path / "tokenizer.json", lambda d: d.update(normalizer=section))
    assert json.loads(read_vocabulary(tmp_path, 320).normalizer) == section


def test_the_template_may_lie_in_a_file_of_its_own(tmp_path):
    write_bytelevel_tokenizer(tmp_path)
    edit(tmp_path / "tokenizer_config.json", lambda d: d.pop("chat_template"))
    (tmp_path / "chat_template.jinja").write_text("{{ messages }}")
    assert read_vocabulary(tmp_path, 320).special.chat_template == "{{ messages }}"


def test_of_several_templates_the_default_one_is_taken(tmp_path):
    write_bytelevel_tokenizer(tmp_path)
    several = [{"name": "tool_use", "template": "x"}, {"name": "default", "template": "y"}]
    edit(tmp_path / "tokenizer_config.json", lambda d: d.update(chat_template=several))
    assert read_vocabulary(tmp_path, 320).special.chat_template == "y"


def test_a_template_post_processor_means_a_bos_is_added(tmp_path):
    write_bytelevel_tokenizer(tmp_path)
    edit(
        tmp_path / "tokenizer_config.json",
        lambda d: (d.pop("add_bos_token"), d.update(bos_token="<|im_start|>")),
    )
    single = [{"SpecialToken": {"id": "<|im_start|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    edit(
        tmp_path / "tokenizer.json",
        lambda d: d.update(post_processor={"type": "TemplateProcessing", "single": single}),
    )
    special = read_vocabulary(tmp_path, 320).special
    assert special.add_bos is True and dict(special.ids)["bos"] == 1


def test_further_ends_of_generation_that_llama_cpp_would_miss_get_a_role(tmp_path):
    write_bytelevel_tokenizer(tmp_path)
    edit(tmp_path / "tokenizer.json", lambda d: d["added_tokens"].append({"id": 310, "content": "<|user|>"}))
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, 0, 310]}))
    assert dict(read_vocabulary(tmp_path, 320).special.ids)["eot"] == 310


def test_the_letters_of_deepseek_are_recognised():
    parts = [
        r"[\r\n]",
        r"\s?[\p{Lu}\p{Ll}\p{Lt}]+",
        r"\s?[!-/:-~！-／：-～‘-‟　-。]+",
        r"\s+$",
        "[一-龥ࠀ-一가-퟿]+",
    ]
    splits = [
        {"type": "Split", "pattern": {"Regex": p}, "behavior": "Isolated",
         "invert": False}
        for p in parts
    ]  # fmt: skip
    digits = {"type": "Digits", "individual_digits": True}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    section = {"type": "Sequence", "pretokenizers": [*splits, digits, level]}
    assert pre_tokenizer_name(section, False, "tokenizer.json") == "deepseek-llm"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(pre_tokenizer={"type": "Whitespace"}), "unknown way"),
        (lambda d: d.update(pre_tokenizer=None), "no pre_tokenizer"),
        (lambda d: d.update(pre_tokenizer={"type": "Nonsense"}), "cannot be read"),
        (lambda d: d.update(normalizer={"type": "Lowercasing"}), "normalizer 'Lowercasing' cannot be read"),
        (lambda d: d.update(normalizer=5), "normalizer 5 cannot be read"),
        (lambda d: d["model"].update(type="WordPiece"), "not a BPE tokenizer"),
        (lambda d: d["model"].update(merges=["a b c"]), "'a b c'"),
        (lambda d: d["added_tokens"].append({"id": 320, "content": "x"}), "only 320 rows"),
        (lambda d: d["added_tokens"].append({"id": "7", "content": "x"}), "id '7'"),
        (lambda d: d["added_tokens"].append({"id": 310, "content": "<|im_end|>"}), "the same text"),
        (lambda d: d.pop("model"), "not a BPE tokenizer"),
        (lambda d: d["model"].update(vocab=["a", "b"]), "'vocab' is .*, expected a dict"),
        (lambda d: d["model"]["vocab"].update(a="7"), "token 'a' has id '7'"),
        (lambda d: d["model"].update(merges=5), "'merges' is 5"),
        (lambda d: d["model"].update(merges=[5]), "merge 5"),
        (lambda d: d["model"].update(merges=[["a", None]]), "merge"),
        (lambda d: d.update(added_tokens=5), "'added_tokens' is 5"),
        (lambda d: d["added_tokens"].append([1]), "no 'content'"),
        (lambda d: d["added_tokens"].append({"id": 310, "content": ["x"]}), "no 'content'"),
        (lambda d: d["added_tokens"].append({"id": None, "content": "x"}), "id None"),
        (lambda d: d.update(normalizer={"type": "Sequence", "normalizers": 5}), "normalizer 'Sequence'"),
        (lambda d: d.update(pre_tokenizer={"type": "FixedLength", "length": 0}), "cannot be read"),  # a panic in it
    ],
)
def test_a_tokenizer_that_llama_cpp_cannot_express_is_refused(tmp_path, change, message):
    write_bytelevel_tokenizer(tmp_path)
    edit(tmp_path / "tokenizer.json", change)
    with pytest.raises(VocabularyError, match=message):
        read_vocabulary(tmp_path, 320)


@pytest.mark.parametrize(
    "section",
    [5, [], {"processors": None}, {"processors": [3]}, {"single": [1, 2]}, {"single": [{"SpecialToken": None}] * 2},
     {"single": [{"SpecialToken": {"id": ["x"]}}] * 2}],
)  # fmt: skip
def test_a_post_processor_of_an_unknown_form_adds_nothing(tmp_path, section):
    write_bytelevel_tokenizer(tmp_path)
    edit(tmp_path / "tokenizer_config.json", lambda d: d.pop("add_bos_token"))
    edit(tmp_path / "tokenizer.json", lambda d: d.update(post_processor=section))
    assert not read_vocabulary(tmp_path, 320).special.add_bos


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("tokenizer.json", b'{"model": ' + b"[" * 70 + b"]" * 70 + b"}", "nested deeper"),
        ("tokenizer.json", b'{"added_tokens": [{"content": "\\udc00", "id": 1}]}', "surrogates not allowed"),
        ("tokenizer_config.json", b'{"chat_template": "\\ud800"}', "surrogates not allowed"),
        ("tokenizer_config.json", b"\xff\xfe", "not valid JSON"),
        ("chat_template.jinja", b"\xd4{{ x }}", r"cannot read .*chat_template\.jinja"),
    ],
)
def test_tokenizer_files_that_are_not_text_are_refused(tmp_path, name, content, words):
    write_bytelevel_tokenizer(tmp_path)
    edit(tmp_path / "tokenizer_config.json", lambda d: d.pop("chat_template"))
    (tmp_path / name).write_bytes(content)
    with pytest.raises((VocabularyError, ConfigError), match=words):
        read_vocabulary(tmp_path, 320)


def test_a_folder_without_a_tokenizer_says_so(tmp_path):
    with pytest.raises(VocabularyError, match=r"tokenizer\.json"):
        read_vocabulary(tmp_path, 320)


@pytest.mark.parametrize("name", ["qwen2", "llama-bpe", "deepseek-llm"])
def test_the_probe_text_tells_the_known_cuts_apart(name):
    from quantize.vocab import bytelevel

    cuts = {n: r.pre_tokenize_str(bytelevel.PROBE) for n, r in bytelevel._references().items()}
    assert sum(c == cuts[name] for c in cuts.values()) == 1


def test_merges_keep_their_order(built):
    _, folder, path = built
    merges = json.loads((folder / "tokenizer.json").read_text("utf-8"))["model"]["merges"]
    assert gguf_values(path)["tokenizer.ggml.merges"] == [" ".join(m) for m in merges]
    assert np.all(np.array(gguf_values(path)["tokenizer.ggml.token_type"]) > 0)
