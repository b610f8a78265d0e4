"""Files of labelled pairs for tests, in the formats that training reads, and a model that is trained in seconds."""

from __future__ import annotations

import json
import shutil
from itertools import islice
from pathlib import Path

from checkpoints import tensors_of, write_weights

from edge_judge.pocket import CHECKPOINT, tasks

AUTOJ_MESSAGE = (
    "You judge two submitted responses. Here is the data:\n\n[BEGIN DATA]\n***\n[Query]: {query}\n***\n"
    "[Response 1]: {first}\n***\n[Response 2]: {second}\n***\n[END DATA]\n\nSay which is better.\n"
)


def pair_rows(count: int, seed: int = 5) -> list[dict[str, object]]:
    """Pairs of the embedded judge's own tasks, with reasons."""
    return [
        {
            "question": pair.question,
            "a": pair.a.text,
            "b": pair.b.text,
            "label": pair.label,
            "reference": pair.reference,
            "reasons": f"{{a}} is {_right(pair.a.right)}. {{b}} is {_right(pair.b.right)}.",
        }
        for pair in islice(tasks.pairs(seed, "train"), count)
    ]


def _right(right: bool) -> str:
    return "correct" if right else "not correct"


def autoj_row(query: str, first: str, second: str, label: int, target: str) -> dict[str, object]:
    return {
        "usrmsg": AUTOJ_MESSAGE.format(query=query, first=first, second=second),
        "target_output": target,
        "gt_label": label,
        "pred_label": label,
        "scenario": "made_up",
        "source_dataset": "made_up",
    }


def autoj_rows(count: int, seed: int = 6) -> list[dict[str, object]]:
    """Pairs of the embedded judge's tasks in Auto-J's exact format."""
    decisions = {"a": (0, "Response 1"), "b": (1, "Response 2"), "tie": (2, "Tie")}
    rows = []
    for number, pair in enumerate(islice(tasks.pairs(seed, "train"), count)):
        label, decision = decisions[pair.label]
        if pair.label == "tie" and number % 2:
            decision = "neither Response 1 nor Response 2"
        said = f"1. Response 1 is {_right(pair.a.right)}, Response 2 is {_right(pair.b.right)}."
        target = f"{said}\n2. So, the final decision is {decision}."
        rows.append(autoj_row(pair.question, pair.a.text, pair.b.text, label, target))
    return rows


def write_lines(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def tiny_checkpoint(folder: Path, *, hidden: int = 32, layers: int = 1) -> Path:
    """Random weights of the embedded judge's architecture and vocabulary, small enough to train in seconds."""
    folder.mkdir(parents=True)
    config = json.loads((CHECKPOINT / "config.json").read_text(encoding="utf-8"))
    config |= {"hidden_size": hidden, "intermediate_size": 2 * hidden, "num_hidden_layers": layers}
    config |= {"num_attention_heads": 4, "num_key_value_heads": 4}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(CHECKPOINT / name, folder / name)
    write_weights(folder, {name: values for name, values in tensors_of(config).items() if name != "lm_head.weight"})
    return folder
