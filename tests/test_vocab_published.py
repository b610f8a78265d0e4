"""Published vocabularies, rebuilt as tokenizer files and read back: the same tokens, and the same ids for hard texts.

The vocabularies lie beside the project (llama.cpp's ggml-vocab-*.gguf); without them these tests skip.
"""

import json
import struct
from pathlib import Path

import pytest
from checkpoints import LLAMA3_REGEX, QWEN2_REGEX
from oracle import gguf_values, llama_tokens
from test_spm import HARD as SPM_HARD
from test_vocab import HARD

from quantize import container
from quantize.vocab import TokenType, bytelevel, read_vocabulary

VOCABS = Path(__file__).resolve().parents[2] / "shared" / "vocabs"
BYTE_LEVEL = {"qwen2": QWEN2_REGEX, "llama-bpe": LLAMA3_REGEX, "deepseek-llm": bytelevel._DEEPSEEK}

pytestmark = pytest.mark.skipif(not VOCABS.is_dir(), reason=f"no published vocabularies at {VOCABS}")


def tokenizer_json(values, regexes):
    """The tokenizer.json that such a vocabulary comes from."""
    tokens, types = values["tokenizer.ggml.tokens"], values["tokenizer.ggml.token_type"]
    added = [i for i, kind in enumerate(types) if kind in (TokenType.CONTROL, TokenType.USER_DEFINED)]
    patterns = (regexes,) if isinstance(regexes, str) else regexes
    cutters = [{"type": "Split", "pattern": {"Regex": p}, "behavior": "Isolated", "invert": False} for p in patterns]
    if not isinstance(regexes, str):
        cutters.append({"type": "Digits", "individual_digits": True})
    cutters.append({"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False})
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {
        "version": "1.0",
        "added_tokens": [
            {"id": i, "content": tokens[i], "special": types[i] == TokenType.CONTROL, **plain} for i in added
        ],
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": cutters},
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "ignore_merges": values["tokenizer.ggml.pre"] == "llama-bpe",
            "vocab": {t: i for i, t in enumerate(tokens) if i not in set(added) and types[i] == TokenType.NORMAL},
            "merges": [merge.split(" ") for merge in values["tokenizer.ggml.merges"]],
        },
    }


@pytest.mark.parametrize(
    "name", ["deepseek-llm", *(pytest.param(n, marks=pytest.mark.slow) for n in ("qwen2", "llama-bpe"))]
)
def test_a_byte_level_vocabulary_round_trips(name, tmp_path):
    from tokenizers import Tokenizer

    published = VOCABS / f"ggml-vocab-{name}.gguf"
    values = gguf_values(published)
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer_json(values, BYTE_LEVEL[name])))
    rows = len(values["tokenizer.ggml.tokens"])
    vocabulary = read_vocabulary(tmp_path, rows)
    assert vocabulary.pre == name
    assert [t.decode() for t in vocabulary.tokens] == values["tokenizer.ggml.tokens"]
    assert list(vocabulary.merges) == values["tokenizer.ggml.merges"]
    container.write_header(tmp_path / "ours.gguf", "llama", vocabulary.fields(), [])
    original = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for text in HARD:
        ours = llama_tokens(tmp_path / "ours.gguf", text, special=False)
        assert ours == llama_tokens(published, text, special=False), text
        if "<plain>" not in text:
            assert ours == original.encode(text, add_special_tokens=False).ids, text


def sentencepiece_file(values):
    """The tokenizer.model that such a vocabulary comes from, as a protocol buffer."""

    def field(number, data):
        return bytes([number << 3 | 2]) + varint(len(data)) + data

    def varint(n):
        out = b""
        while n > 127:
            out, n = out + bytes([n & 127 | 128]), n >> 7
        return out + bytes([n])

    pieces = zip(
        values["tokenizer.ggml.tokens"], values["tokenizer.ggml.scores"], values["tokenizer.ggml.token_type"],
        strict=True,
    )  # fmt: skip
    body = b"".join(
        field(1, field(1, text.encode()) + b"\x15" + struct.pack("<f", score) + b"\x18" + bytes([kind]))
        for text, score, kind in pieces
    )
    trainer = field(2, b"\x18\x02" + b"\x98\x02\x01")  # model type BPE, byte fallback
    normalizer = field(3, field(1, b"identity") + b"\x18\x01\x20\x00\x28\x01")
    return body + trainer + normalizer


def test_a_sentencepiece_vocabulary_round_trips(tmp_path):
    sentencepiece = pytest.importorskip("sentencepiece", reason="checks with sentencepiece")
    published = VOCABS / "ggml-vocab-llama-spm.gguf"
    values = gguf_values(published)
    model = sentencepiece_file(values)
    (tmp_path / "tokenizer.model").write_bytes(model)
    vocabulary = read_vocabulary(tmp_path, len(values["tokenizer.ggml.tokens"]))
    assert [t.decode() for t in vocabulary.tokens] == values["tokenizer.ggml.tokens"]
    assert list(vocabulary.scores) == values["tokenizer.ggml.scores"]
    assert list(vocabulary.types) == values["tokenizer.ggml.token_type"]
    container.write_header(tmp_path / "ours.gguf", "llama", vocabulary.fields(), [])
    original = sentencepiece.SentencePieceProcessor(model_proto=model)
    for text in SPM_HARD:
        ours = llama_tokens(tmp_path / "ours.gguf", text, special=False)
        assert ours == llama_tokens(published, text, special=False), text
        if "</s>" not in text:  # llama.cpp merges ordinary text into a control token where its text fits
            assert ours == original.encode(text), text
