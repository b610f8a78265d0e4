"""Small checkpoint folders of twelve judges, each with the tokenizer files, settings and chat format of its kind.

The tokenizers are trained here on a few lines in which verdicts are frequent, so that a border in the wrong place costs
a token. Where a published vocabulary lies beside the project, a folder can have that instead. The chat templates are
our own; they write what those of the published models write around a message.

`python tests/judges.py` prints how far the judge agrees with each of these checkpoints.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from checkpoints import LLAMA3_REGEX, QWEN2_REGEX, llama_config, qwen2_config, tensors_of, write_weights
from families import chatglm_config, chatglm_tensors, internlm2_config, internlm2_tensors

from edge_judge.engine import chat
from quantize import container
from quantize.architectures.blueprint import Field
from quantize.vocab import bytelevel, read_vocabulary

VOCABS = Path(__file__).resolve().parents[2] / "shared" / "vocabs"
SMALL = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 2048}
MARKS = ("[[A]]", "[[B]]", "[[C]]", "1", "2", "Tie")
CORPUS = [
    "Reply with [[A]] if answer A is better, [[B]] if answer B is better, or [[C]] if neither is better.",
    "[[A]] is right and [[B]] is wrong:\n[[A]]\n[[B]]\n[[C]]\n\n[[A]]\n",
    "### Instruction\nName the capital.\n\n### Answer A\nOslo\n\n### Answer B\nBergen\n\n### Verdict\n[[A]]",
    "Tie. 1 2 Tie 1 2\nTie\n1\n2\n1. Tie, 2. Tie",
    "User: which answer is better?\n\nAssistant: [[B]] the assistant says to the user",
    "I'm sure it's 12345 or 3.14, and we'll see",
    "我想在apple工作1314151天。答案一更好，[[A]]。",
    "the people",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ abcdefghijklmnopqrstuvwxyz 0123456789 !#$%&'()*+,-./:;<=>?@[]^_`{|}~",
    "def f(x):\n    return [[x**2 for _ in range(10)]]  # ok\n",
    "    four  two\tone\n\n\n      six        eight",
    "naïve café, ÄÖÜß, кириллица",
] * 12  # fmt: skip

Document = dict[str, Any]

# ---- chat templates -----------------------------------------------------------------------------------------------

_TURN = "{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}"
_ASK = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"


def _chatml(first: str) -> str:
    return first + "{% for m in messages %}" + _TURN + "{% endfor %}" + _ASK


def _system(text: str) -> str:
    return "{% if messages[0].role != 'system' %}{{ '<|im_start|>system\n" + text + "<|im_end|>\n' }}{% endif %}"


def _llama_3(first: str) -> str:
    header = "'<|start_header_id|>' + {} + '<|end_header_id|>\n\n'"
    return (
        "{{ bos_token }}" + first.replace("HEADER", header.format("'system'")) + "{% for m in messages %}"
        "{{ " + header.format("m.role") + " + m.content | trim + '<|eot_id|>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ " + header.format("'assistant'") + " }}{% endif %}"
    )


def _two_roles(user: str, assistant: str, first: str = "{{ bos_token }}") -> str:
    turn = "{% if m.role == 'user' %}{{ " + user + " }}{% else %}{{ " + assistant + " }}{% endif %}"
    return first + "{% for m in messages %}" + turn + "{% endfor %}"


_DATED = (
    "{{ HEADER + 'Cutting Knowledge Date: December 2023\nToday Date: ' + strftime_now('%d %b %Y') + '\n\n<|eot_id|>' }}"
)
_THINKING = (
    "{% for m in messages %}{% if m.role == 'assistant' and loop.last %}"
    "{{ '<|im_start|>assistant\n<think>\n\n</think>\n\n' + m.content + '<|im_end|>\n' }}"
    "{% else %}"
    + _TURN
    + "{% endif %}{% endfor %}"
    + _ASK
    + "{% if add_generation_prompt and enable_thinking is defined and not enable_thinking %}"
    "{{ '<think>\n\n</think>\n\n' }}{% endif %}"
)
_DEEPSEEK = (
    _two_roles(r"'User: ' + m.content + '\n\n'", "'Assistant: ' + m.content + eos_token")
    + "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
_CHATGLM = (
    "[gMASK]sop{% for m in messages %}{{ '<|' + m.role + '|>\n ' + m.content }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)

# ---- tokenizers with bytes as letters -----------------------------------------------------------------------------

_PLAIN = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
_QWEN, _QWEN_MARKS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>"), ("<think>", "</think>")
_LLAMA_3 = (
    "<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>",
)  # fmt: skip
_DEEPSEEK_ENDS = ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>")
_DEEPSEEK_LETTERS = ("ø", "ö", "ü", "÷")  # of its published tokenizer: letters that were added, not learned


@dataclass(frozen=True)
class ByteLevel:
    """A tokenizer.json of byte-level BPE. published: the name of its vocabulary; added: texts that are tokens but not
    control tokens; bos: the text put before every other, by the file itself.
    """

    published: str
    special: tuple[str, ...]
    added: tuple[str, ...] = ()
    bos: str = ""

    def write(self, folder: Path, template: str | None, published: bool) -> int:
        """Write the files. Returns the number of rows that the embedding needs."""
        document = dict(_published_bytelevel(self) if published else _trained_bytelevel(self))
        document["normalizer"] = {"type": "NFC"} if self.published == "qwen2" else None
        if self.bos:
            document["post_processor"] = _begins_with(self.bos, document)
        (folder / "tokenizer.json").write_text(json.dumps(document, ensure_ascii=False), "utf-8")
        settings = {"eos_token": self.special[-1], "chat_template": template}
        settings |= {"bos_token": self.bos} if self.bos else {"add_bos_token": False}
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
        return max(*document["model"]["vocab"].values(), *(token["id"] for token in document["added_tokens"])) + 5


def _cutters(published: str) -> Document:
    regexes = {"qwen2": (QWEN2_REGEX,), "llama-bpe": (LLAMA3_REGEX,), "deepseek-llm": bytelevel._DEEPSEEK}[published]
    cutters: list[Document] = [
        {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False} for regex in regexes
    ]
    if published == "deepseek-llm":
        cutters.append({"type": "Digits", "individual_digits": True})
    cutters.append({"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False})
    return {"type": "Sequence", "pretokenizers": cutters}


def _shell(kind: ByteLevel, vocab: Mapping[str, int], merges: list[Any], added: list[Document]) -> Document:
    model = {"type": "BPE", "ignore_merges": kind.published == "llama-bpe", "vocab": vocab, "merges": merges}
    return {"version": "1.0", "added_tokens": added, "pre_tokenizer": _cutters(kind.published), "model": model}


@cache
def _trained_bytelevel(kind: ByteLevel) -> Document:
    from tokenizers import Tokenizer, pre_tokenizers, trainers

    tokenizer = Tokenizer.from_str(json.dumps(_shell(kind, {}, [], [])))
    trainer = trainers.BpeTrainer(
        vocab_size=480,
        special_tokens=list(kind.special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_tokens(list(kind.added))
    document: Document = json.loads(tokenizer.to_str())
    return document


@cache
def _published_bytelevel(kind: ByteLevel) -> Document:
    values = published_values(kind.published)
    tokens, types = values["tokenizer.ggml.tokens"], values["tokenizer.ggml.token_type"]
    vocab = {text: i for i, text in enumerate(tokens) if types[i] == 1}
    named = {text: i for i, text in enumerate(tokens) if types[i] != 1 and not text.startswith("[PAD")}
    for text in (*kind.special, *kind.added):
        named.setdefault(text, max(*vocab.values(), *named.values()) + 1)
    control = {tokens[i] for i, held in enumerate(types) if held == 3}.union(kind.special)
    added = [{"id": i, "content": text, "special": text in control, **_PLAIN} for text, i in named.items()]
    return _shell(kind, vocab, [merge.split(" ") for merge in values["tokenizer.ggml.merges"]], added)


def _begins_with(bos: str, document: Document) -> Document:
    (i,) = (token["id"] for token in document["added_tokens"] if token["content"] == bos)
    first, text = {"SpecialToken": {"id": bos, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}
    return {
        "type": "TemplateProcessing",
        "single": [first, text],
        "pair": [first, text, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {bos: {"id": bos, "ids": [i], "tokens": [bos]}},
    }


@cache
def published_values(name: str) -> dict[str, Any]:
    """The fields of a published vocabulary."""
    fields = container.read_fields(VOCABS / f"ggml-vocab-{name}.gguf", "tokenizer.ggml.")
    return {field.key: _texts(field.value) for field in fields}


def _texts(value: Any) -> Any:
    return [text.decode() for text in value] if isinstance(value, tuple) and isinstance(value[0], bytes) else value


# ---- SentencePiece ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SentencePiece:
    """Files made from a SentencePiece model.

    published: the name of its vocabulary, "" for none; prefix: whether a space is put before a text; control, symbols:
    pieces of these types; added: texts that follow the pieces; renamed: a piece and the text that the settings give it;
    json: "" for no tokenizer.json, "always" or "first" for one that puts the space before every text or before the
    first; model: whether there is a tokenizer.model; roles: what special_tokens_map.json says; settings: what
    tokenizer_config.json says.
    """

    published: str = ""
    prefix: bool = True
    control: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict, hash=False)
    json: str = ""
    model: bool = True
    roles: Mapping[str, str] = field(default_factory=dict, hash=False)
    settings: Mapping[str, object] = field(default_factory=dict, hash=False)

    def write(self, folder: Path, template: str | None, published: bool) -> int:
        """Write the files. Returns the number of rows that the embedding needs."""
        from test_spm import read_model_bytes

        model = _published_spm(self.published) if published else _trained_spm(self.prefix, self.control, self.symbols)
        pieces = [piece.text.decode() for piece in read_model_bytes(model).pieces]
        decoder = {pieces.index(old): new for old, new in self.renamed.items()}
        special = {i: text for i, text in enumerate(self.added, len(pieces)) if text.startswith("<")} | decoder
        if self.model:
            (folder / "tokenizer.model").write_bytes(model)
        if self.json:
            document = _as_tokenizer_json(model, self.json, self.control)
            (folder / "tokenizer.json").write_text(json.dumps(document, ensure_ascii=False), "utf-8")
        settings = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", **self.settings}
        if special:
            entries = {str(i): {"content": text, "special": True, **_PLAIN} for i, text in special.items()}
            settings["added_tokens_decoder"] = entries
        (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"chat_template": template}))
        if self.roles:
            (folder / "special_tokens_map.json").write_text(json.dumps(dict(self.roles)))
        plain = {text: i for i, text in enumerate(self.added, len(pieces)) if not text.startswith("<")}
        if plain:
            (folder / "added_tokens.json").write_text(json.dumps(plain))
        return len(pieces) + max(len(self.added), 12)


@cache
def _trained_spm(prefix: bool, control: tuple[str, ...], symbols: tuple[str, ...]) -> bytes:
    import sentencepiece

    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter("\n".join(CORPUS).split("\n")),  # a line end is in no piece, as in Llama's
        model_writer=out,
        vocab_size=470,
        model_type="bpe",
        byte_fallback=True,
        character_coverage=0.995,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        add_dummy_prefix=prefix,
        control_symbols=list(control),
        user_defined_symbols=list(symbols),
        hard_vocab_limit=False,
        minloglevel=2,
    )
    return out.getvalue()


@cache
def _published_spm(name: str) -> bytes:
    from test_vocab_published import sentencepiece_file

    model: bytes = sentencepiece_file(published_values(name))
    return model


def _as_tokenizer_json(model: bytes, scheme: str, control: tuple[str, ...]) -> Document:
    """As the usual converter makes it from a SentencePiece model."""
    from test_spm import hf_tokenizer

    document: Document = hf_tokenizer(model)
    ids = document["model"]["vocab"]
    texts = ("<unk>", "<s>", "</s>", *control)
    document["added_tokens"] = [{"id": ids[text], "content": text, "special": True, **_PLAIN} for text in texts]
    document["model"]["fuse_unk"] = True
    if scheme == "first":
        document["normalizer"] = None
        document["pre_tokenizer"] = {
            "type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False,
        }  # fmt: skip
    return document


# ---- the families -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Family:
    """One kind of judge.

    config, tensors: of its checkpoint. template: its chat template, None where the published checkpoint has none.
    chat: the format that the judge is told to use then. rendered_by: a template that renders the same prompt, if the
    checkpoint has none. bos: the text of the token that a prompt begins with, "" for none: where a checkpoint has a
    template, only that writes one, whatever its tokenizer puts before other texts. lead: what stands between a prompt
    and an answer.
    """

    name: str
    config: Mapping[str, Any] = field(hash=False)
    tokenizer: ByteLevel | SentencePiece
    bos: str
    lead: str
    template: str | None = None
    chat: str | None = None
    rendered_by: str = ""
    tensors: Callable[[dict[str, Any], int], dict[str, np.ndarray]] = tensors_of

    @property
    def published(self) -> bool:
        """Whether there is a published vocabulary for it."""
        return bool(self.tokenizer.published) and (VOCABS / f"ggml-vocab-{self.tokenizer.published}.gguf").is_file()

    @property
    def jinja(self) -> str:
        """A template that renders its prompts."""
        return self.template or self.rendered_by

    def write(self, folder: Path, *, published: bool = False, weights: bool = False, seed: int = 0) -> Path:
        """Write the checkpoint, without weights unless they are asked for."""
        folder.mkdir(parents=True, exist_ok=True)
        rows = self.tokenizer.write(folder, self.template, published)
        config = {**self.config, self._rows_key: rows}
        (folder / "config.json").write_text(json.dumps(config))
        if weights:
            write_weights(folder, self.tensors(config, seed), "f32")
        return folder

    def rows(self, folder: Path) -> int:
        """The rows of a written checkpoint's embedding."""
        rows: int = json.loads((folder / "config.json").read_text("utf-8"))[self._rows_key]
        return rows

    @property
    def _rows_key(self) -> str:
        return "padded_vocab_size" if self.config["model_type"] == "chatglm" else "vocab_size"


def _qwen3_tensors(config: dict[str, Any], seed: int = 0) -> dict[str, np.ndarray]:
    tensors, rng = tensors_of(config, seed), np.random.default_rng(seed + 1)
    for i in range(config["num_hidden_layers"]):
        for name in ("q_norm", "k_norm"):
            norm = rng.standard_normal(config["head_dim"], dtype=np.float32) * np.float32(0.2) + 1
            tensors[f"model.layers.{i}.self_attn.{name}.weight"] = norm
    return tensors


_LLAMA = llama_config(intermediate_size=96, num_key_value_heads=2, **SMALL)
_QWEN2 = qwen2_config(intermediate_size=96, **{**SMALL, "num_key_value_heads": 4})
_QWEN3 = llama_config(
    architectures=["Qwen3ForCausalLM"], model_type="qwen3", head_dim=32, intermediate_size=96, rope_theta=1e6,
    num_key_value_heads=2, **SMALL,
)  # fmt: skip
_LLAMA_31 = _LLAMA | {
    "rope_theta": 5e5,
    "rope_scaling": {
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 256,
    },
}  # fmt: skip
_MISTRAL = _LLAMA | {"architectures": ["MistralForCausalLM"], "model_type": "mistral"}
_INTERNLM2 = internlm2_config(intermediate_size=96, **SMALL)
_CHATGLM3 = chatglm_config(hidden_size=64, ffn_hidden_size=96, num_attention_heads=4, kv_channels=16, seq_length=2048)

FAMILIES = {
    family.name: family
    for family in (
        Family(
            "qwen1.5", _QWEN2, ByteLevel("qwen2", _QWEN), "", "",
            _system("You are a helpful assistant.") + _chatml(""),
        ),
        Family(
            "llama-3", _LLAMA | {"rope_theta": 5e5}, ByteLevel("llama-bpe", _LLAMA_3, bos="<|begin_of_text|>"),
            "<|begin_of_text|>", "", _llama_3(""),
        ),
        Family(
            "nanbeige2", _LLAMA | {"architectures": ["NanbeigeForCausalLM"], "model_type": "nanbeige"},
            SentencePiece(added=("<|im_start|>", "<|im_end|>"), settings={"add_bos_token": True}), "", "",
            _system("你是一个诚实的助手。") + _chatml(""),
        ),
        Family("chatglm3", _CHATGLM3, SentencePiece(), "", "\n ", rendered_by=_CHATGLM, tensors=chatglm_tensors),
        Family(
            "internlm2", _INTERNLM2,
            SentencePiece(
                prefix=False, symbols=("[UNUSED_TOKEN_145]", "[UNUSED_TOKEN_146]"), settings={"add_bos_token": True},
                renamed={"[UNUSED_TOKEN_146]": "<|im_start|>", "[UNUSED_TOKEN_145]": "<|im_end|>"},
            ),
            "<s>", "", _chatml("{{ bos_token }}"), tensors=internlm2_tensors,
        ),
        Family(
            "deepseek", _LLAMA, ByteLevel("deepseek-llm", _DEEPSEEK_ENDS, _DEEPSEEK_LETTERS, bos=_DEEPSEEK_ENDS[0]),
            _DEEPSEEK_ENDS[0], " ", _DEEPSEEK,
        ),
        Family(
            "autoj", _LLAMA, SentencePiece("llama-spm", json="always", model=False), "<s>", " ",
            chat=chat.named("llama-2"),
            rendered_by=_two_roles("'[INST] ' + m.content + ' [/INST]'", "' ' + m.content + ' ' + eos_token"),
        ),
        Family(
            "pandalm", _LLAMA,
            SentencePiece(
                "llama-spm", added=("[PAD]",), settings={"bos_token": "", "eos_token": "", "unk_token": ""},
                roles=dict.fromkeys(("bos_token", "eos_token", "unk_token"), "</s>") | {"pad_token": "[PAD]"},
            ),
            "</s>", "", chat=chat.named("plain"), rendered_by="{% for m in messages %}{{ m.content }}{% endfor %}",
        ),
        Family("qwen3", _QWEN3, ByteLevel("qwen2", _QWEN, _QWEN_MARKS), "", "", _THINKING, tensors=_qwen3_tensors),
        Family(
            "llama-3.1", _LLAMA_31, ByteLevel("llama-bpe", _LLAMA_3, bos="<|begin_of_text|>"),
            "<|begin_of_text|>", "", _llama_3(_DATED),
        ),
        Family(
            "mistral-v0.2", _MISTRAL, SentencePiece(json="always"), "<s>", " ",
            _two_roles("'[INST] ' + m.content + ' [/INST]'", "' ' + m.content + eos_token"),
        ),
        Family(
            "mistral-v0.3", _MISTRAL,
            SentencePiece(json="first", control=("[INST]", "[/INST]"), settings={"legacy": False}), "<s>", " ",
            _two_roles("'[INST] ' + m.content + '[/INST]'", "' ' + m.content + eos_token"),
        ),
    )
}  # fmt: skip


def write_vocabulary(family: Family, folder: Path, out: Path) -> Path:
    """A GGUF with the vocabulary of a checkpoint and no tensors."""
    vocabulary = read_vocabulary(folder, family.rows(folder))
    built = Field("edge_judge.scheme", "string", "f32")  # as in every file of ours, which says how a text is normalized
    container.write_header(out, "llama", (*vocabulary.fields(), built), [])
    return out


def main() -> None:
    """Print a Markdown table of how far the judge agrees with each checkpoint.

    Probabilities are computed in 32 bits from small random weights. There are none for a published vocabulary.
    """
    import pytest
    from conftest import compute_in_32_bits
    from judge_oracle import agreement

    columns = (
        "family", "tokenizer used", "real pairs equal", "fuzzed texts equal", "largest \\|Δp\\|",
        "largest \\|Δp\\| over the spellings read",
    )  # fmt: skip
    print(" | ".join(columns), " | ".join(["---"] * len(columns)), sep="\n")
    with pytest.MonkeyPatch.context() as patch:
        compute_in_32_bits(patch)
        for family in FAMILIES.values():
            for published in (False, True)[: 1 + family.published]:
                row = agreement(family, published=published)
                print(" | ".join((family.name, "published" if published else "small", *row)), flush=True)


if __name__ == "__main__":
    main()
