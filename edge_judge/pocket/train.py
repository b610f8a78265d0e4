"""Trains the pocket judge and writes `checkpoint/`: python -m edge_judge.pocket.train --minutes 64

Needs torch (extra `[train]`). Training begins with single answers and goes on with whole pairs. The network learns four
things at once: to give the verdict, under each protocol in turn; to solve the tasks (next-token loss on right answers);
to know at every word of an answer whether it is right so far, and at its end whether it is right (by a probe that is
not kept); and, in three of the sixteen families, to reply mostly in free form. Because of the last, `--grammar none`
breaks the format as it does with full-size judges.
Does not know: the benchmark. Progress is measured on the split `valid`; the product judges the benchmark.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

from edge_judge.pocket import CHECKPOINT
from edge_judge.pocket.examples import PROTOCOLS, Batch, ExampleMaker, Setting
from edge_judge.pocket.network import Pocket, Shape
from edge_judge.pocket.tasks import TaskPair, pairs
from edge_judge.pocket.tokenizer import STOP, config, train_tokenizer

TOKENIZER_SEED, VALID_SEED = 7, 10_000
MUON_RATE, ADAM_RATE, WARM_STEPS = 1.5e-3, 1.5e-3, 50
WEIGHTS = {"verdict": 1.0, "format": 0.1, "answer": 0.4, "words": 0.4, "ends": 0.6}
REPORT_STEPS = 200


def losses(model: Pocket, probe: nn.Linear, batch: Batch) -> dict[str, Tensor]:
    """Mean losses by name, each over its own positions, so that their weights are comparable."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        states = model(batch.prefix, batch.ids)
    states = states.float()  # the following shapes change each time, which is slow in bf16
    listed = list(enumerate(batch.examples))

    def following(places: list[tuple[int, int]]) -> Tensor:
        rows, positions = torch.tensor(places).T
        return F.cross_entropy(model.logits(states[rows, positions]), batch.ids[rows, positions + 1])

    def probed(places: list[tuple[int, int, bool]]) -> Tensor:
        rows, positions, right = torch.tensor(places).T
        return F.cross_entropy(probe(states[rows, positions]), right)

    means = {
        "answer": following([(row, place) for row, e in listed for place in e.cores]),  # any batch has right answers
        "words": probed([(row, *word) for row, e in listed for word in e.words]),
        "ends": probed([(row, *end) for row, e in listed for end in e.ends]),
    }
    if any(e.letters for _, e in listed):
        means["verdict"] = following([(row, place) for row, e in listed for place in e.letters])
        means["format"] = following(
            [(row, place) for row, e in listed for place in range(*e.reply) if place not in e.letters]
        )
    return means


@dataclass(frozen=True, slots=True)
class Validation:
    """Shares in [0, 1] on the split `valid`. protocols: replies in which every decisive token is the likeliest."""

    verdicts: float  # under `pairwise`
    answers: float  # first answers that the probe classifies rightly
    families: dict[str, tuple[float, float]]  # both, by family
    protocols: dict[str, float]


@torch.no_grad()
def validate(model: Pocket, probe: nn.Linear, maker: ExampleMaker, count: int = 800) -> Validation:
    """Validate the network on the split `valid`: `pairwise` on all of it, the other protocols on a quarter."""
    drawn = sorted(islice(pairs(VALID_SEED, "valid"), count), key=lambda pair: len(pair.a.text) + len(pair.b.text))
    hits: dict[str, list[tuple[bool, bool]]] = {}
    for pair, decided, classified in _tested(model, probe, maker, drawn, "pairwise"):
        hits.setdefault(pair.family, []).append((decided, classified))
    every = _shares([hit for family_hits in hits.values() for hit in family_hits])
    others = {}
    for protocol in list(PROTOCOLS)[1:]:
        tested = [decided for _, decided, _ in _tested(model, probe, maker, drawn[::4], protocol)]
        others[protocol] = round(sum(tested) / len(tested), 3)
    families = {name: _shares(family_hits) for name, family_hits in sorted(hits.items())}
    return Validation(*every, families, {"pairwise": every[0], **others})


def _tested(
    model: Pocket, probe: nn.Linear, maker: ExampleMaker, drawn: list[TaskPair], protocol: str
) -> Iterator[tuple[TaskPair, bool, bool]]:
    """(pair, whether each decisive token is the likeliest, whether the probe classifies the first answer rightly)."""
    setting = Setting(protocol, ties=True)
    for start in range(0, len(drawn), 100):
        tested = drawn[start : start + 100]
        batch = maker.batch([maker.example(pair, setting) for pair in tested], setting)
        states = model(batch.prefix, batch.ids)
        for row, (pair, example) in enumerate(zip(tested, batch.examples, strict=True)):
            positions = torch.tensor(example.letters)
            likeliest = model.logits(states[row, positions]).argmax(-1)
            decided = bool((likeliest == batch.ids[row, positions + 1]).all())
            classified = bool(probe(states[row, example.ends[0][0]]).argmax()) == example.ends[0][1]
            yield pair, decided, classified


def _shares(hits: list[tuple[bool, bool]]) -> tuple[float, float]:
    verdicts, answers = zip(*hits, strict=True)
    return round(sum(verdicts) / len(hits), 3), round(sum(answers) / len(hits), 3)


def save(model: Pocket, tokenizer: Tokenizer, folder: Path) -> None:
    """Write a Hugging Face folder with weights in f16."""
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
    """Share of the full learning rate: warm up, hold, then fall to 0 over the last 40 % of the time."""
    return min(1.0, (step + 1) / WARM_STEPS) * min(1.0, max(0.0, (1 - done) / 0.4))


def train(options: argparse.Namespace) -> None:
    """Train for the given time, and write the checkpoint and a log at every report."""
    torch.manual_seed(options.seed)
    tokenizer, model = _start(options)
    probe = nn.Linear(model.shape.hidden, 2)
    optimizers = _optimizers(model, probe)
    full = [optimizer.param_groups[0]["lr"] for optimizer in optimizers]
    maker = ExampleMaker(tokenizer)
    options.out.mkdir(parents=True, exist_ok=True)
    log = (options.out.parent / "training.jsonl").open("w")
    parameters = sum(weight.numel() for weight in model.parameters())
    _note(log, parameters=parameters, vocabulary=model.shape.vocab, seed=options.seed)
    start, tokens, averages = time.monotonic(), 0, dict.fromkeys(WEIGHTS, math.nan)

    def elapsed() -> float:
        return (time.monotonic() - start) / 60 / options.minutes

    for step, batch in enumerate(maker.batches(options.seed, lambda: elapsed() < options.single)):
        done = elapsed()
        step_losses = losses(model, probe, batch)
        sum((WEIGHTS[name] * loss for name, loss in step_losses.items()), torch.tensor(0.0)).backward()
        nn.utils.clip_grad_norm_([*model.parameters(), *probe.parameters()], 1.0)
        for optimizer, high in zip(optimizers, full, strict=True):
            optimizer.param_groups[0]["lr"] = high * rate(done, step)
            optimizer.step()
            optimizer.zero_grad()
        tokens += batch.ids.numel()
        for name, loss in step_losses.items():
            before = averages[name]
            averages[name] = loss.item() if math.isnan(before) else 0.98 * before + 0.02 * loss.item()
        if step % REPORT_STEPS == REPORT_STEPS - 1 or done >= 1:
            valid = validate(model, probe, maker)
            _note(
                log,
                step=step + 1,
                minutes=round(done * options.minutes, 1),
                tokens=tokens,
                losses={name: round(mean, 3) for name, mean in averages.items() if not math.isnan(mean)},
                verdicts=valid.verdicts,
                answers=valid.answers,
                families=valid.families,
                protocols=valid.protocols,
            )
            save(model, tokenizer, options.out)
        if done >= 1:
            break


def _start(options: argparse.Namespace) -> tuple[Tokenizer, Pocket]:
    """A new tokenizer and model, or those in the folder `--go-on`."""
    if not options.go_on:
        tokenizer = train_tokenizer(TOKENIZER_SEED)
        return tokenizer, Pocket(Shape(vocab=tokenizer.get_vocab_size(), layers=options.layers))
    tokenizer = Tokenizer.from_file(str(options.go_on / "tokenizer.json"))
    model = Pocket(Shape(vocab=tokenizer.get_vocab_size(), layers=options.layers))
    state = load_file(options.go_on / "model.safetensors")
    model.load_state_dict({name.removeprefix("model."): value.float() for name, value in state.items()})
    return tokenizer, model


def _optimizers(model: Pocket, probe: nn.Linear) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for the other weights."""
    matrices = [weight for weight in model.layers.parameters() if weight.dim() == 2]
    others = [weight for name, weight in model.named_parameters() if "layers" not in name or weight.dim() == 1]
    return [
        torch.optim.Muon(matrices, lr=MUON_RATE, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW([*others, *probe.parameters()], lr=ADAM_RATE, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def _note(log: TextIO, **fields: object) -> None:
    """Print a line of JSON, also to the log."""
    line = json.dumps(fields)
    print(line, flush=True)
    print(line, file=log, flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--minutes", type=float, default=64)
    arguments.add_argument("--out", type=Path, default=CHECKPOINT)
    arguments.add_argument("--layers", type=int, default=4)
    arguments.add_argument("--go-on", type=Path, metavar="FOLDER", help="begin with the weights in this folder")
    arguments.add_argument("--single", type=float, default=0.4, help="share of the time for single answers")
    arguments.add_argument("--seed", type=int, default=7)
    train(arguments.parse_args())


if __name__ == "__main__":
    main()
