"""Inference: the one room that talks to llama.cpp to run a model.

    model.py       a loaded GGUF: text to tokens and back, its chat format, what it says about itself
    footprint.py   how much memory a model and its cache take
    gbnf_guide.py  which tokens a GBNF grammar admits next, asked of llama.cpp's own grammar engine
    batching.py    how the work is cut, as usual or smaller
    fitting.py     an evaluator large enough for its plans and small enough for the memory
    evaluator.py   a plan's windows in a key-value cache: probabilities to read, sequences that write on

Knows nothing about pairs, verdicts, or files of results.
"""

from edge_judge.engine.batching import Batching
from edge_judge.engine.evaluator import Evaluator, Logits, NextTokens, Writer, log_probabilities
from edge_judge.engine.fitting import reading, writing
from edge_judge.engine.footprint import Footprint
from edge_judge.engine.gbnf_guide import GrammarGuide, Guide
from edge_judge.engine.model import Model, physical_cores
from edge_judge.records import CACHES, Cache, Limits

__all__ = [
    "CACHES",
    "Writer",
    "Batching",
    "Cache",
    "Evaluator",
    "Footprint",
    "GrammarGuide",
    "Guide",
    "Logits",
    "Limits",
    "Model",
    "NextTokens",
    "log_probabilities",
    "physical_cores",
    "reading",
    "writing",
]
