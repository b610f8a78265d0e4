"""What training on labelled pairs brings: the embedded judge learns a family of tasks that it was never trained on.

    python benchmarks/training.py [FOLDER]     minutes on two quiet cores; FOLDER keeps data, adapter and runs

The new family asks to write every word twice. The judge learns from pairs of it, and from some pairs of its old
families, all of whose replies are the marks that it is asked for: three of these families were taught to reply in free
form. Then it is asked about questions that it has never seen: new ones of the family, and the benchmark `pocket`, none
of whose questions can occur in training. Prints strict accuracy before and after, of f16 and q4_k_m, and the
format errors of --grammar none, each with its 95 % interval.

The recipe was written down once and not tuned. Which step's adapter is kept is decided on pairs that training keeps
back for validation, never on those that are tested here.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]  # before this folder, which has a quantize.py too
import edge_judge  # noqa: E402
from edge_judge import EvaluateSettings, Figure, JudgeOptions, ProtocolOptions, QuantizeSettings  # noqa: E402
from edge_judge.pocket import tasks  # noqa: E402
from edge_judge.pocket.families import Task  # noqa: E402
from edge_judge.pocket.lexicon import NOUNS  # noqa: E402
from edge_judge.pocket.tasks import TaskPair  # noqa: E402
from edge_judge.training.recipe import Recipe  # noqa: E402
from edge_judge.workflows.options import BenchmarkOptions, TrainSettings  # noqa: E402

FAMILY, SEED = "twice", 31
LEARNED, OLD, TESTED = 400, 200, 300  # pairs: of the new family, of the old ones, and to test on
RECIPE = Recipe(rank=16, alpha=32.0, rate=3e-3, epochs=3, batch=16, at_once=16, checks=2)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="edge-judge-") as temporary:
        home = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(temporary)
        home.mkdir(parents=True, exist_ok=True)
        os.environ["EDGE_JUDGE_MODELS"] = str(home / "models")
        learned, tested = home / "learn.jsonl", home / f"{FAMILY}.jsonl"
        new = list(islice(family_pairs("train"), LEARNED))
        write(learned, [*new, *islice(tasks.pairs(SEED, "train"), OLD)])
        write(tested, list(islice(family_pairs("bench"), TESTED)))
        began = time.monotonic()
        made = edge_judge.train(
            "pocket", TrainSettings(files=(learned,), out=home / "tuned"), recipe=RECIPE, listener=Notes()
        )
        print(f"trained in {time.monotonic() - began:.0f} s: step {made.best.step} of {made.planned} was best")
        report(home, tested, made.folder)


class Notes(edge_judge.ProgressListener):
    """Prints what training says."""

    def note(self, text: str) -> None:
        print(text, flush=True)


def family_pairs(split: str) -> Iterator[TaskPair]:
    """Pairs of the new family, no two alike. split: as of `tasks.split_of`."""
    rng, seen = Random(f"{SEED} {split}"), set[tuple[str, str, str]]()
    while True:
        task = twice(rng)
        if tasks.split_of(task.question) == split:
            pair = tasks._pair(rng, FAMILY, task)
            key = (pair.question, pair.a.text, pair.b.text)
            if key not in seen:
                seen.add(key)
                yield pair


def twice(rng: Random) -> Task:
    """Every word twice, in order. Near misses: a word once, another word, the list twice, the list as it is."""
    words = rng.sample(NOUNS, rng.randint(2, 3))
    ask = rng.choice(("Write every word twice", "Say each word two times"))
    doubled = [word for word in words for _ in range(2)]
    at = rng.randrange(len(doubled))
    other = rng.choice([word for word in NOUNS if word not in words])
    once, replaced = doubled[:at] + doubled[at + 1 :], doubled[:at] + [other] + doubled[at + 1 :]
    wrongs = tuple(" ".join(wrong) for wrong in (once, replaced, words * 2, words))
    return Task(f"{ask}: {' '.join(words)}", (" ".join(doubled),), wrongs)


def write(path: Path, pairs: list[TaskPair]) -> None:
    rows = [
        {"question": pair.question, "a": pair.a.text, "b": pair.b.text, "label": pair.label, "group": pair.question}
        for pair in pairs
    ]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def report(home: Path, tested: Path, adapter: Path) -> None:
    print(f"\n{'':28}{'before':>24}{'after':>24}")
    for benchmark in (str(tested), "pocket"):
        for scheme in ("f16", "q4_k_m"):
            sides = [figure(home, made_with, scheme, benchmark, "pairwise") for made_with in (None, adapter)]
            row(f"{Path(benchmark).stem}, right, {scheme}", sides)
        sides = [figure(home, made_with, "f16", benchmark, "none") for made_with in (None, adapter)]
        row(f"{Path(benchmark).stem}, none, no verdict", sides)


def figure(home: Path, adapter: Path | None, scheme: str, benchmark: str, grammar: str) -> Figure:
    """Strict accuracy, or under `none` the share of answers without a verdict. adapter: merged into the judge."""
    name = scheme if adapter is None else f"{scheme}+tuned"
    out = home / f"pocket-{name}.gguf"
    if not out.exists():
        edge_judge.quantize("pocket", name, QuantizeSettings(out=out, adapter=adapter))
    (made,) = edge_judge.evaluate(
        JudgeOptions(gguf=out, scheme=name),
        BenchmarkOptions(names=(benchmark,)),
        ProtocolOptions(grammar=grammar, reasoning=24 if grammar == "none" else None),
        settings=EvaluateSettings(home / "results"),
    )
    return made.score.strict["format_errors" if grammar == "none" else "accuracy"]


def row(name: str, figures: list[Figure]) -> None:
    cells = [
        f"{100 * (figure.value or 0):.1f} [{100 * (figure.low or 0):.1f}, {100 * (figure.high or 0):.1f}]"
        for figure in figures
    ]
    print(f"{name:28}" + "".join(f"{cell:>24}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
