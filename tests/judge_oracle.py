"""What a judge's prompts and probabilities should be: its checkpoint's own tokenizer over the whole rendered text, and
torch over the tokens of that.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from judge_texts import fuzzed, real_prompts
from judges import Family, write_vocabulary

from edge_judge.engine import Model
from quantize.vocab import OriginalTokenizer


class Oracle:
    """The tokenizer and the chat template of a checkpoint folder, as their makers run them."""

    def __init__(self, family: Family, folder: Path) -> None:
        from jinja2 import Environment

        self.family, self.folder = family, folder
        self.tokenizer = OriginalTokenizer(folder, family.rows(folder))
        environment = Environment(trim_blocks=True, lstrip_blocks=True)
        environment.globals["strftime_now"] = lambda form: date(2024, 1, 1).strftime(form)
        self._template = environment.from_string(family.jinja)

    def rendered(self, content: str) -> str:
        """The prompt as text."""
        roles = {f"{name}_token": self.text_of(name) for name in ("bos", "eos")}
        messages = [{"role": "user", "content": content}]
        return self._template.render(messages=messages, add_generation_prompt=True, enable_thinking=False, **roles)

    def text_of(self, role: str) -> str:
        """The text of the token with a role."""
        token = self.tokenizer.role(role)
        return next((text for text, i in self.ids.items() if i == token), "")

    def prompt(self, content: str) -> tuple[int, ...]:
        """The tokens of a prompt."""
        return self.tokens(self.rendered(content))

    def answered(self, content: str, answer: str) -> tuple[int, ...]:
        """The tokens of a prompt with an answer. It has the white space of the chat format before it."""
        return self.tokens(self.rendered(content) + answer)

    def tokens(self, text: str) -> tuple[int, ...]:
        """The tokens of a rendered text, with bos first if the text does not say so itself."""
        bos = self.family.bos
        begins = [self.ids[bos]] if bos and not text.startswith(bos) else []
        return (*begins, *self.tokenizer.encode(text))

    @cached_property
    def ids(self) -> Mapping[str, int]:
        """The text of every token that is in a file of the checkpoint, with its id."""
        document = _read(self.folder / "tokenizer.json")
        added = {token["content"]: token["id"] for token in document.get("added_tokens", ())}
        added |= _read(self.folder / "added_tokens.json")
        decoder = _read(self.folder / "tokenizer_config.json").get("added_tokens_decoder", {})
        added |= {token["content"]: int(i) for i, token in decoder.items()}
        if document:
            return {**document["model"]["vocab"], **added}
        from sentencepiece import SentencePieceProcessor

        model = SentencePieceProcessor(model_file=str(self.folder / "tokenizer.model"))
        pieces = {model.id_to_piece(i): i for i in range(model.vocab_size())}
        replaced = set(added.values())
        return {text: i for text, i in pieces.items() if i not in replaced} | added

    @cached_property
    def special(self) -> list[str]:
        """The texts that become control tokens, or tokens that the checkpoint has added."""
        document = _read(self.folder / "tokenizer.json")
        texts = {token["content"] for token in document.get("added_tokens", ())}
        texts |= set(_read(self.folder / "added_tokens.json"))
        decoder = _read(self.folder / "tokenizer_config.json").get("added_tokens_decoder", {})
        texts |= {token["content"] for token in decoder.values()} | {"<unk>", "<s>", "</s>"}
        if self.family.name == "chatglm3":
            texts |= {"[MASK]", "[gMASK]", "[sMASK]", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"}
        return sorted(text for text in texts if len(text) > 1)

    @cached_property
    def pieces(self) -> Mapping[int, bytes]:
        """The bytes that each token writes. Left out: control tokens, and the single bytes of SentencePiece that spell
        a character which has a token of its own, since no text is ever split into those.
        """
        from tokenizers import pre_tokenizers

        special, level = set(self.special), self.family.tokenizer.__class__.__name__ == "ByteLevel"
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        letters = {text: byte for byte, text in _bytes_of(alphabet)} if level else {}
        found: dict[int, bytes] = {}
        for text, i in self.ids.items():
            if text in special:
                continue
            if level:
                found[i] = bytes(letters[letter] for letter in text) if set(text) <= letters.keys() else text.encode()
            elif text.startswith("<0x"):
                byte = int(text[3:5], 16)
                found[i] = b"" if chr(byte).replace(" ", "▁") in self.ids else bytes([byte])
            else:
                found[i] = text.replace("▁", " ").encode()
        return {i: piece for i, piece in found.items() if piece}


def _bytes_of(alphabet: Sequence[str]) -> Iterator[tuple[int, str]]:
    """The byte that each letter of byte-level BPE stands for: printable ones are themselves, the others follow on."""
    own = [letter for letter in alphabet if ord(letter) < 256]
    rest = sorted(set(range(256)) - {ord(letter) for letter in own})
    yield from ((ord(letter), letter) for letter in own)
    yield from zip(rest, (letter for letter in alphabet if ord(letter) >= 256), strict=True)


def _read(path: Path) -> dict:
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


@contextmanager
def judged(family: Family, folder: Path, *, published: bool = False) -> Iterator[tuple[Model, Oracle]]:
    """A family's vocabulary as the judge loads it, and its oracle."""
    family.write(folder, published=published)
    path = write_vocabulary(family, folder, folder / "judge.gguf")
    with Model(path, threads=1, chat=family.chat, vocab_only=True) as model:
        yield model, Oracle(family, folder)


# ---- probabilities ------------------------------------------------------------------------------------------------

Logits = Callable[[tuple[int, ...]], np.ndarray]  # of the token after some tokens


def torch_logits(family: Family, folder: Path, seed: int = 0) -> Logits:
    """The logits of a checkpoint written with weights, by plain arithmetic in 64 bits."""
    import reference

    config = _read(folder / "config.json")
    arithmetic = {"chatglm": reference.chatglm_logits, "internlm2": reference.internlm2_logits}
    tensors, compute = family.tensors(config, seed), arithmetic.get(config["model_type"], reference.decoder_logits)

    @cache
    def after(tokens: tuple[int, ...]) -> np.ndarray:
        return compute(config, tensors, list(tokens))[-1]

    return after


def probabilities(
    oracle: Oracle,
    logits: Logits,
    content: str,
    marks: Mapping[str, str],
    without: Collection[tuple[int, ...]] = (),
) -> tuple[dict[str, float], float]:
    """The probability of each outcome after a prompt, and the share of all probability that is on any of them. All
    spellings are counted. marks: each text and its outcome; without: beginnings of spellings that are not counted.
    """
    begun, texts = oracle.prompt(content), {}
    for mark, outcome in marks.items():
        for answer in (oracle.family.lead + mark, mark):
            whole = oracle.answered(content, answer)
            own = whole[len(begun) :] if whole[: len(begun)] == begun else ()
            texts[answer.encode()] = outcome
            if own:  # with SentencePiece's space before it
                texts[b"".join(oracle.pieces[token] for token in own)] = outcome
    return _spelled_out(oracle.pieces, lambda path: logits((*begun, *path)), texts, without)


def _spelled_out(
    pieces: Mapping[int, bytes],
    logits: Logits,
    texts: Mapping[bytes, str],
    without: Collection[tuple[int, ...]],
) -> tuple[dict[str, float], float]:
    """Every token that continues a text is tried, until all texts that begin alike have the same outcome."""
    share = dict.fromkeys(texts.values(), 0.0)

    def follow(path: tuple[int, ...], begun: bytes, log: float) -> None:
        row = logits(path)
        log_p = row - np.logaddexp.reduce(row)
        for token, piece in pieces.items():
            rivals = {outcome for text, outcome in texts.items() if text.startswith(begun + piece)}
            if len(rivals) == 1:
                share[rivals.pop()] += math.exp(log + log_p[token])
            elif rivals and (*path, token) not in without:
                follow((*path, token), begun + piece, log + log_p[token])

    follow((), b"", 0.0)
    mass = math.fsum(share.values())
    return {outcome: value / mass for outcome, value in share.items()}, mass


# ---- the table ----------------------------------------------------------------------------------------------------


def unequal(model: Model, oracle: Oracle, texts: Sequence[str]) -> list[str]:
    """The contents whose prompts have other tokens than the checkpoint's own."""
    return [text for text in texts if model.prompt(text) != oracle.prompt(text)]


def agreement(family: Family, *, published: bool) -> tuple[str, ...]:
    """For the table: equal real pairs, equal odd texts, the largest difference of a probability with all spellings and
    with those that are read.
    """
    from test_judges_probabilities import largest_differences

    with tempfile.TemporaryDirectory() as name:
        with judged(family, Path(name) / "checkpoint", published=published) as (model, oracle):
            real, odd = real_prompts()[0], fuzzed(without=oracle.special)
            equal = [f"{len(texts) - len(unequal(model, oracle, texts))} of {len(texts)}" for texts in (real, odd)]
        if published:
            return (*equal, "", "")
        return (*equal, *(f"{apart:.1e}" for apart in largest_differences(family, Path(name) / "weights")))
