"""The pocket judge's tokenizer: byte-level BPE in which each word of its small world is one token.

Knows: the pre-tokenizer expression that Qwen2 uses (and llama.cpp calls `qwen2`), the three control tokens.
Does not know: networks or training.
"""

from __future__ import annotations

from itertools import islice

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from edge_judge.pocket.lexicon import ADJECTIVES, KINDS, NOUNS, PLURAL
from edge_judge.pocket.tasks import pairs
from edge_judge.protocols import prompts

END, START, STOP = CONTROLS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def train_tokenizer(seed: int) -> Tokenizer:
    """A tokenizer trained on the prompts, the word lists and 20,000 training pairs."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=2048,
        special_tokens=[],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(seed), trainer)
    tokenizer.add_special_tokens(list(CONTROLS))
    return tokenizer


def _texts(seed: int) -> list[str]:
    training_pairs = list(islice(pairs(seed, "train"), 20_000))
    shown = [f"{pair.question}\n{pair.a.text}\n{pair.b.text}" for pair in training_pairs]
    kinds = [(name, ties) for name in prompts.protocols() for ties in (True, False)]
    filled = [prompts.fill(name, "", "", "", ties=ties, reference="x") for name, ties in kinds]
    words = [*NOUNS, *ADJECTIVES, *KINDS, *PLURAL.values()]
    lists = [f"{word} {word}\n{word.upper()} {word.upper()}\n{word.capitalize()} {word.capitalize()}" for word in words]
    return shown + filled * 100 + lists * 20


def config() -> dict[str, object]:
    """The tokenizer_config.json that transformers expects."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": STOP,
        "pad_token": END,
        "bos_token": None,
        "add_bos_token": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 16384,
        "chat_template": CHAT_TEMPLATE,
    }
