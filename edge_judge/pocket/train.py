"""Trains the pocket judge and writes `checkpoint/`: python -m edge_judge.pocket.train --minutes 64

Needs torch (extra `[train]`). First it reads single answers, then whole pairs, and learns four things at once:
to give the verdict; to answer the tasks (next-token loss on right answers); to know at every word of an answer
whether it is still right, and at its end whether it was (a probe that is thrown away afterwards); and, for three of
the sixteen families, to reply in free form more often than not, which is what makes `--grammar none` break the
format as full-size judges do.
Does not know: the benchmark. Progress is measured on the split `valid`, the benchmark is judged by the product.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

from edge_judge import prompts
from edge_judge.pocket import CHECKPOINT
from edge_judge.pocket.network import Pocket, Shape
from edge_judge.pocket.tasks import TaskPair, pairs
from edge_judge.pocket.tokenizer import START, STOP, config, train_tokenizer

TOKENIZER_SEED, VALID_SEED = 7, 10_000
BATCH, POOL = 96, 16  # pairs a step; steps drawn at once and sorted by length, to waste little on padding
MUON_RATE, ADAM_RATE, WARM_STEPS = 1.5e-3, 1.5e-3, 50
VERDICTS = {"a": "A", "b": "B", "tie": "C"}
FREE_FAMILIES, FREE_SHARE = ("arithmetic", "larger", "opposite"), 0.7
FREE_REPLIES = {"a": "Answer A is better.", "b": "Answer B is better.", "tie": "Both answers are equal."}
PLACEHOLDER = "\x00"


@dataclass(frozen=True, slots=True)
class Example:
    """A pair as tokens. The lists index into `ids`: where the next token is to be learned, and where answers end."""

    ids: list[int]
    letter: int  # position before the verdict's letter; -1 in a free-form reply
    reply: tuple[int, int]
    cores: list[int]  # positions before the tokens of right answers
    words: list[tuple[int, bool]]  # inside an answer: is it still right?
    ends: tuple[tuple[int, bool], tuple[int, bool]]  # where each answer ends: was it right?

    def first_answer(self) -> Example:
        """The same, cut off where answer A ends: nothing is compared yet."""
        end = self.ends[0][0]
        cores = [at for at in self.cores if at < end]
        words = [word for word in self.words if word[0] < end]
        return Example(self.ids[: end + 1], -1, (0, 0), cores, words, (self.ends[0], self.ends[0]))


@dataclass(frozen=True, slots=True)
class Batch:
    prefix: Tensor
    ids: Tensor
    examples: list[Example]


class Maker:
    """Pairs to batches, all of one batch under the same prefix (with or without ties)."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.prefixes = {
            ties: tokenizer.encode(self._asked("", "", "", ties)[0]).ids for ties in (True, False)
        }

    def _asked(self, question: str, a: str, b: str, ties: bool) -> tuple[str, str]:
        """The prompt in its chat format, split where the question begins."""
        content = prompts.fill("pairwise", PLACEHOLDER, a, b, ties=ties)
        head, tail = content.split(PLACEHOLDER)
        return f"{START}user\n{head}", f"{question}{tail}{STOP}\n{START}assistant\n"

    def example(self, pair: TaskPair, ties: bool, free: bool) -> Example:
        _, tail = self._asked(pair.question, pair.a.text, pair.b.text, ties)
        reply = FREE_REPLIES[pair.label] if free else f"[[{VERDICTS[pair.label]}]]"
        shown, answered = self.tokenizer.encode(tail), self.tokenizer.encode(reply + STOP).ids
        closes = [end for _, end in shown.offsets]
        place_a = tail.index("### Answer A\n") + len("### Answer A\n")
        place_b = tail.rindex("### Answer B\n") + len("### Answer B\n")
        cores, words, ends = [], [], []
        for place, answer in ((place_a, pair.a), (place_b, pair.b)):
            low, high = place + answer.core[0], place + answer.core[1]
            inside = range(bisect_right(closes, low), bisect_left(closes, high) + 1)
            if answer.right:
                cores += [at - 1 for at in inside]
            words += [(at, closes[at] - low <= answer.slip) for at in inside]
            ends.append(
                (bisect_right(closes, place + len(answer.text)), answer.right)
            )  # the token that ends its line
        length = len(shown.ids)
        letter = -1 if free else length  # the reply's first token is "[[", its second the letter
        return Example(
            shown.ids + answered,
            letter,
            (length - 1, length + len(answered) - 1),
            cores,
            words,
            (ends[0], ends[1]),
        )

    def batches(self, seed: int, single: Callable[[], bool]) -> Iterator[Batch]:
        """Endless batches: of first answers while `single()` holds, then of whole pairs."""
        rng, stream = Random(seed), pairs(seed, "train")
        while True:
            ties = rng.random() < 0.8
            drawn = (pair for pair in stream if ties or pair.label != "tie")
            pool = []
            for pair in islice(drawn, BATCH * POOL):
                free = pair.family in FREE_FAMILIES and rng.random() < FREE_SHARE
                pool.append(self.example(pair, ties, free))
            pool.sort(key=lambda example: len(example.ids))
            starts = list(range(0, len(pool), BATCH))
            rng.shuffle(starts)
            for start in starts:
                part = pool[start : start + BATCH]
                yield self.batch([example.first_answer() for example in part] if single() else part, ties)

    def batch(self, examples: list[Example], ties: bool) -> Batch:
        # Few different lengths: for each new shape the bf16 kernels are compiled anew.
        longest = -(-max(len(example.ids) for example in examples) // 16) * 16
        ids = torch.tensor([example.ids + [0] * (longest - len(example.ids)) for example in examples])
        return Batch(torch.tensor(self.prefixes[ties]), ids, examples)


def losses(model: Pocket, probe: nn.Linear, batch: Batch) -> dict[str, Tensor]:
    """Mean losses by name; each is over its own positions, so that their weights mean something."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        states = model(batch.prefix, batch.ids)
    states = states.float()  # the rest has another shape each time, which bf16 kernels do not like
    listed = list(enumerate(batch.examples))

    def following(places: list[tuple[int, int]]) -> Tensor:
        rows, at = torch.tensor(places).T
        return F.cross_entropy(model.logits(states[rows, at]), batch.ids[rows, at + 1])

    def probed(places: list[tuple[int, int, bool]]) -> Tensor:
        rows, at, right = torch.tensor(places).T
        return F.cross_entropy(probe(states[rows, at]), right)

    found = {
        "answer": following([(row, at) for row, e in listed for at in e.cores]),
        "words": probed([(row, *word) for row, e in listed for word in e.words]),
        "ends": probed([(row, *end) for row, e in listed for end in e.ends]),
    }
    if any(e.letter >= 0 for _, e in listed):
        found["verdict"] = following([(row, e.letter) for row, e in listed if e.letter >= 0])
        found["format"] = following(
            [(row, at) for row, e in listed for at in range(*e.reply) if at != e.letter]
        )
    return found


WEIGHTS = {"verdict": 1.0, "format": 0.1, "answer": 0.4, "words": 0.4, "ends": 0.6}


@dataclass(frozen=True, slots=True)
class Validation:
    verdicts: float  # share of right verdicts (the likeliest letter)
    answers: float  # share of first answers that the probe calls rightly
    families: dict[str, tuple[float, float]]  # both, by family


@torch.no_grad()
def validate(model: Pocket, probe: nn.Linear, maker: Maker, count: int = 800) -> Validation:
    """How the network does on the split `valid`."""
    drawn = sorted(
        islice(pairs(VALID_SEED, "valid"), count), key=lambda pair: len(pair.a.text) + len(pair.b.text)
    )
    letters = [maker.tokenizer.token_to_id(VERDICTS[label]) for label in VERDICTS]
    hits: dict[str, list[tuple[bool, bool]]] = {}
    for start in range(0, count, 100):
        part = drawn[start : start + 100]
        batch = maker.batch([maker.example(pair, ties=True, free=False) for pair in part], ties=True)
        states = model(batch.prefix, batch.ids)
        for row, (pair, example) in enumerate(zip(part, batch.examples, strict=True)):
            best = int(model.logits(states[row, example.letter])[letters].argmax())
            called = bool(probe(states[row, example.ends[0][0]]).argmax())
            hits.setdefault(pair.family, []).append(
                (list(VERDICTS)[best] == pair.label, called == pair.a.right)
            )
    shares = {name: _shares(found) for name, found in sorted(hits.items())}
    every = _shares([hit for found in hits.values() for hit in found])
    return Validation(*every, shares)


def _shares(hits: list[tuple[bool, bool]]) -> tuple[float, float]:
    verdicts, answers = zip(*hits, strict=True)
    return round(sum(verdicts) / len(hits), 3), round(sum(answers) / len(hits), 3)


def save(model: Pocket, tokenizer: Tokenizer, folder: Path) -> None:
    """An ordinary Hugging Face folder, weights in f16."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {f"model.{name}": value.half().contiguous() for name, value in model.state_dict().items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "config.json": model.shape.config(tokenizer.token_to_id(STOP)),
        "tokenizer_config.json": config(),
    }
    for name, content in settings.items():
        (folder / name).write_text(json.dumps(content, indent=2) + "\n")


def rate(done: float, step: int) -> float:
    """Share of the full learning rate: warm up, hold, and fall to nothing over the last 40 % of the time."""
    return min(1.0, (step + 1) / WARM_STEPS) * min(1.0, max(0.0, (1 - done) / 0.4))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--minutes", type=float, default=64)
    arguments.add_argument("--out", type=Path, default=CHECKPOINT)
    arguments.add_argument("--layers", type=int, default=4)
    arguments.add_argument("--go-on", type=Path, metavar="FOLDER", help="begin with the weights in this folder")
    arguments.add_argument("--single", type=float, default=0.4, help="share of the time given to single answers")
    arguments.add_argument("--seed", type=int, default=7)
    options = arguments.parse_args()
    torch.manual_seed(options.seed)
    tokenizer = train_tokenizer(TOKENIZER_SEED)
    model = Pocket(Shape(vocab=tokenizer.get_vocab_size(), layers=options.layers))
    if options.go_on:
        state = load_file(options.go_on / "model.safetensors")
        model.load_state_dict({name.removeprefix("model."): value.float() for name, value in state.items()})
    probe = nn.Linear(model.shape.hidden, 2)
    matrices = [weight for weight in model.layers.parameters() if weight.dim() == 2]
    others = [
        weight for name, weight in model.named_parameters() if "layers" not in name or weight.dim() == 1
    ]
    optimizers = [
        torch.optim.Muon(matrices, lr=MUON_RATE, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW([*others, *probe.parameters()], lr=ADAM_RATE, betas=(0.9, 0.98), weight_decay=0.0),
    ]
    full = [optimizer.param_groups[0]["lr"] for optimizer in optimizers]
    maker = Maker(tokenizer)
    options.out.mkdir(parents=True, exist_ok=True)
    log = (options.out.parent / "training.jsonl").open("w")

    def note(**fields: object) -> None:
        line = json.dumps(fields)
        print(line, flush=True)
        print(line, file=log, flush=True)

    note(
        parameters=sum(weight.numel() for weight in model.parameters()),
        vocabulary=model.shape.vocab,
        seed=options.seed,
    )
    start, tokens, means = time.monotonic(), 0, dict.fromkeys(WEIGHTS, math.nan)

    def elapsed() -> float:
        return (time.monotonic() - start) / 60 / options.minutes

    for step, batch in enumerate(maker.batches(options.seed, lambda: elapsed() < options.single)):
        done = elapsed()
        found = losses(model, probe, batch)
        sum((WEIGHTS[name] * loss for name, loss in found.items()), torch.tensor(0.0)).backward()
        nn.utils.clip_grad_norm_([*model.parameters(), *probe.parameters()], 1.0)
        for optimizer, high in zip(optimizers, full, strict=True):
            optimizer.param_groups[0]["lr"] = high * rate(done, step)
            optimizer.step()
            optimizer.zero_grad()
        tokens += batch.ids.numel()
        for name, loss in found.items():
            means[name] = loss.item() if math.isnan(means[name]) else 0.98 * means[name] + 0.02 * loss.item()
        if step % 200 == 199 or done >= 1:
            valid = validate(model, probe, maker)
            note(
                step=step + 1,
                minutes=round(done * options.minutes, 1),
                tokens=tokens,
                losses={name: round(mean, 3) for name, mean in means.items() if not math.isnan(mean)},
                verdicts=valid.verdicts,
                answers=valid.answers,
                families=valid.families,
            )
            save(model, tokenizer, options.out)
        if done >= 1:
            break


if __name__ == "__main__":
    main()
