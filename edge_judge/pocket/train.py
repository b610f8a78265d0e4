"""Trains the pocket judge and writes `checkpoint/`: python -m edge_judge.pocket.train --minutes 64

Needs torch (extra `[train]`). First it reads single answers, then whole pairs, and learns four things at once:
to give the verdict, under each protocol in turn; to answer the tasks (next-token loss on right answers); to know at
every word of an answer whether it is still right, and at its end whether it was (a probe that is thrown away
afterwards); and, for three of the sixteen families, to reply in free form more often than not, which is what makes
`--grammar none` break the format as full-size judges do.
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

from edge_judge.pocket import CHECKPOINT
from edge_judge.pocket.network import Pocket, Shape
from edge_judge.pocket.tasks import Answer, TaskPair, pairs
from edge_judge.pocket.tokenizer import START, STOP, config, train_tokenizer
from edge_judge.protocols import prompts

TOKENIZER_SEED, VALID_SEED = 7, 10_000
BATCH, POOL = 96, 16  # pairs a step; steps drawn at once and sorted by length, to waste little on padding
MUON_RATE, ADAM_RATE, WARM_STEPS = 1.5e-3, 1.5e-3, 50
VERDICTS = {"a": "A", "b": "B", "tie": "C"}
FREE_FAMILIES, FREE_SHARE = ("arithmetic", "larger", "opposite"), 0.7
FREE_REPLIES = {"a": "Answer A is better.", "b": "Answer B is better.", "tie": "Both answers are equal."}
PLACEHOLDER = "\x00"
PROTOCOLS = {  # how often each is practised
    "pairwise": 0.36, "pairwise-cot": 0.16, "pairwise-json": 0.12, "pointwise": 0.14, "rubric": 0.11, "reference": 0.11,
}  # fmt: skip
CRITERIA = tuple((prompts.FOLDER / "rubric.csv").read_text().splitlines()[1:])
GOOD, BAD = "9", "2"  # the scores of a right and a wrong answer


@dataclass(frozen=True, slots=True)
class Example:
    """A pair as tokens. The lists index into `ids`: where the next token is to be learned, and where answers end."""

    ids: list[int]
    letters: list[int]  # positions before the tokens of the reply that decide; none in a free-form reply
    reply: tuple[int, int]
    cores: list[int]  # positions before the tokens of right answers
    words: list[tuple[int, bool]]  # inside an answer: is it still right?
    ends: tuple[tuple[int, bool], ...]  # where each answer ends: was it right?

    def first_answer(self) -> Example:
        """The same, cut off where answer A ends: nothing is compared yet."""
        end = self.ends[0][0]
        cores = [at for at in self.cores if at < end]
        words = [word for word in self.words if word[0] < end]
        return Example(self.ids[: end + 1], [], (0, 0), cores, words, self.ends[:1])


@dataclass(frozen=True, slots=True)
class Batch:
    prefix: Tensor
    ids: Tensor
    examples: list[Example]


@dataclass(frozen=True, slots=True)
class Setting:
    """What all examples of a batch share: the words before the question."""

    protocol: str
    ties: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """What the judge should say; decisive: the [start, end) ranges of its text that tell the verdict."""

    text: str
    decisive: tuple[tuple[int, int], ...]


def reply_to(pair: TaskPair, protocol: str, free: bool, shown: Answer) -> Reply:
    """The reply to a pair; under `pointwise` to the one answer shown."""
    if free:
        return Reply(FREE_REPLIES[pair.label], ())
    if protocol == "pointwise":
        return _marked("<", GOOD if shown.right else BAD, ">")
    letter = VERDICTS[pair.label]
    thoughts = [" correct" if answer.right else " not correct" for answer in (pair.a, pair.b)]
    reasons = ("A is", "<", thoughts[0], ">", ". B is", "<", thoughts[1], ">", ".")
    if protocol == "pairwise-cot":
        return _marked(*reasons, " [[", "<", letter, ">", "]]")
    if protocol == "pairwise-json":
        return _marked('{"reason":"', *reasons, '","verdict":"', "<", letter if letter != "C" else "tie", ">", '"}')
    return _marked("[[", "<", letter, ">", "]]")


def _marked(*parts: str) -> Reply:
    """A reply in parts, of which those between "<" and ">" decide."""
    text, decisive = "", []
    for before, part in zip(("", *parts), parts, strict=False):
        if part not in "<>":
            if before == "<":
                decisive.append((len(text), len(text) + len(part)))
            text += part
    return Reply(text, tuple(decisive))


class Maker:
    """Pairs to batches, all of one batch under the same prefix (a protocol, with or without ties)."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self._prefixes: dict[Setting, list[int]] = {}

    def _asked(self, setting: Setting, question: str, a: str, b: str, reference: str) -> tuple[str, str]:
        """The prompt in its chat format, split where the question begins."""
        content = prompts.fill(
            setting.protocol, PLACEHOLDER, a, b, ties=setting.ties, reference=reference, criteria=CRITERIA
        )
        head, tail = content.split(PLACEHOLDER)
        return f"{START}user\n{head}", f"{question}{tail}{STOP}\n{START}assistant\n"

    def prefix(self, setting: Setting) -> list[int]:
        if setting not in self._prefixes:
            head = self._asked(setting, "", "", "", "x")[0]
            self._prefixes[setting] = self.tokenizer.encode(head).ids
        return self._prefixes[setting]

    def example(self, pair: TaskPair, setting: Setting, free: bool = False, second: bool = False) -> Example:
        """second: under a protocol that looks at one answer, look at the second."""
        single = setting.protocol == "pointwise"
        answers = ((pair.b if second else pair.a),) if single else (pair.a, pair.b)
        headings = ("### Answer\n",) if single else ("### Answer A\n", "### Answer B\n")
        _, tail = self._asked(setting, pair.question, answers[0].text, answers[-1].text, pair.reference)
        reply = reply_to(pair, setting.protocol, free, answers[0])
        shown, answered = self.tokenizer.encode(tail), self.tokenizer.encode(reply.text + STOP)
        closes = [end for _, end in shown.offsets]
        cores, words, ends = [], [], []
        for heading, answer in zip(headings, answers, strict=True):
            place = tail.index(heading) + len(heading)
            low, high = place + answer.core[0], place + answer.core[1]
            inside = range(bisect_right(closes, low), bisect_left(closes, high) + 1)
            if answer.right:
                cores += [at - 1 for at in inside]
            words += [(at, closes[at] - low <= answer.slip) for at in inside]
            ends.append((bisect_right(closes, place + len(answer.text)), answer.right))  # the token that ends its line
        length = len(shown.ids)
        decisive = [
            length - 1 + at
            for at, (start, end) in enumerate(answered.offsets)
            if any(start < high and end > low for low, high in reply.decisive)
        ]
        reply_range = (length - 1, length + len(answered.ids) - 1)
        return Example(shown.ids + answered.ids, decisive, reply_range, cores, words, tuple(ends))

    def batches(self, seed: int, single: Callable[[], bool]) -> Iterator[Batch]:
        """Endless batches: of first answers while `single()` holds, then of whole pairs."""
        rng, stream = Random(seed), pairs(seed, "train")
        names, weights = list(PROTOCOLS), list(PROTOCOLS.values())
        while True:
            setting = Setting(rng.choices(names, weights)[0], rng.random() < 0.8)
            drawn = (pair for pair in stream if setting.ties or pair.label != "tie")
            pool = []
            for pair in islice(drawn, BATCH * POOL):
                free = setting.protocol == "pairwise" and pair.family in FREE_FAMILIES and rng.random() < FREE_SHARE
                pool.append(self.example(pair, setting, free, rng.random() < 0.5))
            pool.sort(key=lambda example: len(example.ids))
            starts = list(range(0, len(pool), BATCH))
            rng.shuffle(starts)
            for start in starts:
                part = pool[start : start + BATCH]
                yield self.batch([example.first_answer() for example in part] if single() else part, setting)

    def batch(self, examples: list[Example], setting: Setting) -> Batch:
        # Few different lengths: for each new shape the bf16 kernels are compiled anew.
        longest = -(-max(len(example.ids) for example in examples) // 16) * 16
        ids = torch.tensor([example.ids + [0] * (longest - len(example.ids)) for example in examples])
        return Batch(torch.tensor(self.prefix(setting)), ids, examples)


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
        "answer": following([(row, at) for row, e in listed for at in e.cores]),  # some answers are right in any batch
        "words": probed([(row, *word) for row, e in listed for word in e.words]),
        "ends": probed([(row, *end) for row, e in listed for end in e.ends]),
    }
    if any(e.letters for _, e in listed):
        found["verdict"] = following([(row, at) for row, e in listed for at in e.letters])
        found["format"] = following([(row, at) for row, e in listed for at in range(*e.reply) if at not in e.letters])
    return found


WEIGHTS = {"verdict": 1.0, "format": 0.1, "answer": 0.4, "words": 0.4, "ends": 0.6}


@dataclass(frozen=True, slots=True)
class Validation:
    """Shares in [0, 1] on the split `valid`. protocols: replies whose every deciding token is the likeliest one."""

    verdicts: float  # under `pairwise`
    answers: float  # first answers that the probe calls rightly
    families: dict[str, tuple[float, float]]  # both, by family
    protocols: dict[str, float]


@torch.no_grad()
def validate(model: Pocket, probe: nn.Linear, maker: Maker, count: int = 800) -> Validation:
    """How the network does on the split `valid`: `pairwise` on all of it, the other protocols on a quarter."""
    drawn = sorted(islice(pairs(VALID_SEED, "valid"), count), key=lambda pair: len(pair.a.text) + len(pair.b.text))
    hits: dict[str, list[tuple[bool, bool]]] = {}
    for pair, decided, called in _tested(model, probe, maker, drawn, "pairwise"):
        hits.setdefault(pair.family, []).append((decided, called))
    every = _shares([hit for found in hits.values() for hit in found])
    others = {}
    for protocol in list(PROTOCOLS)[1:]:
        tested = [decided for _, decided, _ in _tested(model, probe, maker, drawn[::4], protocol)]
        others[protocol] = round(sum(tested) / len(tested), 3)
    families = {name: _shares(found) for name, found in sorted(hits.items())}
    return Validation(*every, families, {"pairwise": every[0], **others})


def _tested(
    model: Pocket, probe: nn.Linear, maker: Maker, drawn: list[TaskPair], protocol: str
) -> Iterator[tuple[TaskPair, bool, bool]]:
    """(pair, whether each deciding token is the likeliest, whether the probe calls the first answer rightly)."""
    setting = Setting(protocol, ties=True)
    for start in range(0, len(drawn), 100):
        part = drawn[start : start + 100]
        batch = maker.batch([maker.example(pair, setting) for pair in part], setting)
        states = model(batch.prefix, batch.ids)
        for row, (pair, example) in enumerate(zip(part, batch.examples, strict=True)):
            at = torch.tensor(example.letters)
            decided = bool((model.logits(states[row, at]).argmax(-1) == batch.ids[row, at + 1]).all())
            called = bool(probe(states[row, example.ends[0][0]]).argmax()) == example.ends[0][1]
            yield pair, decided, called


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
    if options.go_on:
        tokenizer = Tokenizer.from_file(str(options.go_on / "tokenizer.json"))
    else:
        tokenizer = train_tokenizer(TOKENIZER_SEED)
    model = Pocket(Shape(vocab=tokenizer.get_vocab_size(), layers=options.layers))
    if options.go_on:
        state = load_file(options.go_on / "model.safetensors")
        model.load_state_dict({name.removeprefix("model."): value.float() for name, value in state.items()})
    probe = nn.Linear(model.shape.hidden, 2)
    matrices = [weight for weight in model.layers.parameters() if weight.dim() == 2]
    others = [weight for name, weight in model.named_parameters() if "layers" not in name or weight.dim() == 1]
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
    start, tokens, limits = time.monotonic(), 0, dict.fromkeys(WEIGHTS, math.nan)

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
            limits[name] = loss.item() if math.isnan(limits[name]) else 0.98 * limits[name] + 0.02 * loss.item()
        if step % 200 == 199 or done >= 1:
            valid = validate(model, probe, maker)
            note(
                step=step + 1,
                minutes=round(done * options.minutes, 1),
                tokens=tokens,
                losses={name: round(mean, 3) for name, mean in limits.items() if not math.isnan(mean)},
                verdicts=valid.verdicts,
                answers=valid.answers,
                families=valid.families,
                protocols=valid.protocols,
            )
            save(model, tokenizer, options.out)
        if done >= 1:
            break


if __name__ == "__main__":
    main()
