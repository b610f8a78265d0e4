"""The pocket judge: a four-million-parameter judge that travels with the package, and the benchmark it is tried on.

`tasks.py` makes the pairs, `train.py` made the weights in `checkpoint/`, `pairs.jsonl` is the benchmark.
"""

from pathlib import Path

CHECKPOINT = Path(__file__).parent / "checkpoint"
PAIRS = Path(__file__).parent / "pairs.jsonl"
