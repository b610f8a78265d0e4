"""SentencePiece vocabularies: the original tokenizer's ids, and each family's oddities."""

import io
import json
import tempfile
from pathlib import Path

import pytest
from checkpoints import llama_config, make_checkpoint, quantized, write_weights
from families import (
    chatglm_config,
    chatglm_tensors,
    internlm2_config,
    internlm2_tensors,
    spm_model,
    write_spm_tokenizer,
)
from oracle import gguf_values, llama_tokens

from quantize.errors import VocabularyError
from quantize.vocab import TokenType, read_vocabulary
from quantize.vocab.spm_file import read_model

pytest.importorskip("sentencepiece", reason="trains and checks with sentencepiece")

HARD = [
    "Hello world, I'm SURE it's 1234567 or 3.14!",
    "  leading and   inner  blanks \t and trailing  ",
    "\n\n\n x \r\n y",
    "我想在apple工作1314151天～ 안녕하세요 кириллица ÄÖÜß",
    "🚀🦙 👩‍👩‍👧 \u200d \u00a0 ½ ² \x07 e\u0301",
    "a\x00b \x00\x00",
    "def f(x):\n\treturn [x**2 for _ in range(10)]  # ok??",
    "user text with </s> and <s> and <|im_end|> in it, aesop \nsop",
    "",
]


def tiny(folder, **changes):
    config = llama_config(num_hidden_layers=1, hidden_size=32, intermediate_size=32, vocab_size=480)
    make_checkpoint(folder, config | changes)
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()
    return folder


def processor(model):
    from sentencepiece import SentencePieceProcessor

    return SentencePieceProcessor(model_proto=model)


@pytest.mark.parametrize("prefix", [True, False])
def test_llama_cpp_cuts_hard_texts_as_sentencepiece_does(tmp_path, prefix):
    model = spm_model(prefix)
    write_spm_tokenizer(tiny(tmp_path / "m"), model)
    path = quantized(tmp_path / "m", "f32", tmp_path / "o.gguf").path
    for text in HARD:
        assert llama_tokens(path, text, special=False) == processor(model).encode(text), text


def test_pieces_scores_and_types_are_those_sentencepiece_reports():
    model = spm_model(symbols=("<role>",))
    theirs = processor(model)
    ours = read_model_bytes(model)
    assert len(ours.pieces) == theirs.vocab_size() and ours.add_dummy_prefix and ours.normalizer is None
    for i, piece in enumerate(ours.pieces):
        assert piece.text.decode() == theirs.id_to_piece(i)
        assert piece.score == pytest.approx(theirs.get_score(i))
        assert (piece.type == TokenType.CONTROL) == theirs.is_control(i)
        assert (piece.type == TokenType.BYTE) == theirs.is_byte(i)
        assert (piece.type == TokenType.UNKNOWN) == theirs.is_unknown(i)
    assert ours.pieces[theirs.piece_to_id("<role>")].type == TokenType.USER_DEFINED


def read_model_bytes(data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokenizer.model"
        path.write_bytes(data)
        return read_model(path)


def test_a_damaged_tokenizer_model_is_refused(tmp_path):
    tiny(tmp_path)
    data = spm_model()
    for bad in (
        b"",
        b"\x0a\xff\xff\xff\xff\x7f",
        data[:1000],
        b"hello world",
        b"\x0f\x01",
        b"\x08" + b"\xff" * 12,
    ):
        (tmp_path / "tokenizer.model").write_bytes(bad)
        with pytest.raises(VocabularyError, match="not a SentencePiece model"):
            read_vocabulary(tmp_path, 480)
    write_spm_tokenizer(tmp_path)
    with pytest.raises(VocabularyError, match="the model's embedding has 100 rows"):
        read_vocabulary(tmp_path, 100)


def test_added_tokens_replace_pieces_and_are_never_merged_from_ordinary_text(tmp_path):
    write_spm_tokenizer(tiny(tmp_path))
    (tmp_path / "added_tokens.json").write_text(json.dumps({"[PAD]": 470, "<|im_end|>": 471}))
    vocabulary = read_vocabulary(tmp_path, 480)
    assert vocabulary.tokens[470:472] == (b"[PAD]", b"<|im_end|>")
    assert vocabulary.types[470:473] == (TokenType.USER_DEFINED, TokenType.CONTROL, TokenType.UNUSED)
    assert vocabulary.scores[471] < min(vocabulary.scores[:400])


def test_a_special_tokens_map_decides_where_the_settings_list_no_tokens(tmp_path):
    """PandaLM's oddity: bos, eos and unk are all </s>, and only this file says so."""
    write_spm_tokenizer(tiny(tmp_path), bos_token="", eos_token="")
    (tmp_path / "special_tokens_map.json").write_text(json.dumps(dict.fromkeys(("bos_token", "eos_token"), "</s>")))
    special = dict(read_vocabulary(tmp_path, 480).special.ids)
    assert special["bos"] == special["eos"] == 2


def test_internlm2_ends_a_turn_with_im_end_and_hides_its_unused_pieces(tmp_path):
    model = spm_model(False, ("[UNUSED_TOKEN_145]", "[UNUSED_TOKEN_146]"))
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(internlm2_config(eos_token_id=2, bos_token_id=1)))
    write_weights(folder, internlm2_tensors(internlm2_config()))
    end = processor(model).piece_to_id("[UNUSED_TOKEN_146]")
    write_spm_tokenizer(
        folder,
        model,
        eos_token="</s>",
        added_tokens_decoder={str(end): {"content": "<|im_end|>", "special": True}},
    )
    vocabulary = read_vocabulary(folder, 480)
    assert dict(vocabulary.special.ids)["eos"] == end and vocabulary.types[end] == TokenType.CONTROL
    other = vocabulary.tokens.index(b"[UNUSED_TOKEN_145]")
    assert vocabulary.types[other] == TokenType.UNUSED and vocabulary.add_space_prefix is False
    path = quantized(folder, "q8_0", tmp_path / "o.gguf").path
    assert llama_tokens(path, "hello<|im_end|>", special=True)[-1] == end


def nul_piece_model():
    """A SentencePiece model in which one piece is a NUL byte, as InternLM2's is."""
    data = spm_model()
    piece = b"\x0a\x01\x00" + b"\x15" + b"\x00\x00\x7a\xc4"  # text "\0", score -1000
    return b"\x0a" + bytes([len(piece)]) + piece, data


def test_a_piece_that_is_a_nul_byte_does_no_harm(tmp_path):
    extra, data = nul_piece_model()
    model = read_model_bytes(data)
    out = io.BytesIO()
    out.write(data)
    out.write(extra)  # fields may come in any order; this one becomes the last piece
    write_spm_tokenizer(tiny(tmp_path / "m"), out.getvalue())
    vocabulary = read_vocabulary(tmp_path / "m", 480)
    assert vocabulary.tokens[len(model.pieces)] == b"\x00"
    path = quantized(tmp_path / "m", "f32", tmp_path / "o.gguf").path
    for text in HARD:
        assert llama_tokens(path, text, special=False) == processor(data).encode(text)


def test_chatglm_appends_its_specials_and_stops_at_the_next_role(tmp_path):
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(chatglm_config()))
    write_weights(folder, chatglm_tensors(chatglm_config()), "f16")
    write_spm_tokenizer(folder)
    pieces = len(read_model_bytes(spm_model()).pieces)
    path = quantized(folder, "q8_0", tmp_path / "o.gguf").path
    values = gguf_values(path)
    tokens = values["tokenizer.ggml.tokens"]
    assert tokens[pieces : pieces + 5] == ["[MASK]", "[gMASK]", "[sMASK]", "sop", "eop"]
    assert values["tokenizer.ggml.pre"] == "chatglm-spm" and values["tokenizer.ggml.add_bos_token"] is False
    assert tokens[values["tokenizer.ggml.eot_token_id"]] == "<|user|>"
    assert tokens[values["tokenizer.ggml.eom_token_id"]] == "<|observation|>"
    assert values["tokenizer.ggml.eos_token_id"] == 2
    ids = llama_tokens(path, "[gMASK]sop<|user|>\n hi<|assistant|>", special=True)
    assert ids[:3] == [pieces + 1, pieces + 3, pieces + 6] and ids[-1] == pieces + 7
    import llama_cpp

    model = llama_cpp.Llama(str(path), vocab_only=True, verbose=False)
    vocab = llama_cpp.llama_model_get_vocab(model.model)
    ends = {i for i in range(480) if llama_cpp.llama_vocab_is_eog(vocab, i)}
    assert {2, pieces + 6, pieces + 8} <= ends


def hf_tokenizer(model_bytes):
    """A tokenizer.json as transformers makes one from a SentencePiece BPE model, without scores."""
    model = read_model_bytes(model_bytes)
    vocab = {piece.text.decode(): i for i, piece in enumerate(model.pieces)}
    merges = []
    for text, i in vocab.items():
        for cut in range(1, len(text)):
            if model.pieces[i].type == 1 and text[:cut] in vocab and text[cut:] in vocab:
                left, right = text[:cut], text[cut:]
                merges.append((-model.pieces[i].score, vocab[left], vocab[right], f"{left} {right}"))
    steps = [
        {"type": "Prepend", "prepend": "▁"},
        {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
    ]
    specials = [{"id": i, "content": t, "special": True} for i, t in enumerate(("<unk>", "<s>", "</s>"))]
    bpe = {"type": "BPE", "unk_token": "<unk>", "byte_fallback": True, "vocab": vocab}
    return {
        "version": "1.0",
        "added_tokens": specials,
        "normalizer": {"type": "Sequence", "normalizers": steps},
        "pre_tokenizer": None,
        "post_processor": None,
        "model": bpe | {"merges": [merge for *_, merge in sorted(merges)]},
    }


def test_without_scores_the_order_of_merges_stands_in_for_them(tmp_path):
    """Auto-J's oddity: only a tokenizer.json, made from a SentencePiece model."""
    folder = tiny(tmp_path / "m")
    (folder / "tokenizer.json").write_text(json.dumps(hf_tokenizer(spm_model())))
    path = quantized(folder, "f32", tmp_path / "o.gguf").path
    assert gguf_values(path)["tokenizer.ggml.model"] == "llama"
    for text in HARD:
        assert llama_tokens(path, text, special=False) == processor(spm_model()).encode(text), text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(normalizer={"type": "NFKC"}), "handle spaces"),
        (lambda d: d.update(pre_tokenizer={"type": "Whitespace"}), "handle spaces"),
        (lambda d: d["model"]["vocab"].update(x=9999), "are not 0, 1, 2"),
        (lambda d: d["model"]["vocab"].update(x="y"), "id 'y'"),
        (lambda d: d["model"]["merges"].append(7), "merge 7"),
        (lambda d: d.update(normalizer={"type": "Sequence", "normalizers": ["x", 3]}), "handle spaces"),
        (lambda d: d.update(normalizer={"type": "Sequence", "normalizers": 3}), "handle spaces"),
        (lambda d: d["added_tokens"].append({"id": 480, "content": "y"}), "only 480 rows"),
    ],
)
def test_a_tokenizer_json_that_is_not_sentencepiece_is_refused(tmp_path, change, message):
    folder = tiny(tmp_path)
    document = hf_tokenizer(spm_model())
    change(document)
    (folder / "tokenizer.json").write_text(json.dumps(document))
    with pytest.raises(VocabularyError, match=message):
        read_vocabulary(folder, 480)
