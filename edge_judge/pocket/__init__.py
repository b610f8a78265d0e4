"""The pocket judge: a judge of four million parameters that comes with the package, and its benchmark.

tasks.py       makes pairs of the tasks in families.py, whose words are in lexicon.py
make_pairs.py  writes the benchmark, pairs.jsonl, and its hash
train.py       trains the weights in checkpoint/; network.py, tokenizer.py, examples.py: what it needs for that
"""

from pathlib import Path

CHECKPOINT = Path(__file__).parent / "checkpoint"
PAIRS = Path(__file__).parent / "pairs.jsonl"
