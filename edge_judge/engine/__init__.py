"""Inference: texts go in, probabilities and written texts come out.

    interface.py   what every engine offers
    local.py       the engine behind a GGUF file, by llama.cpp on this machine
    recorded.py    the engine that gives recorded answers again

Behind `local`:

    model.py       a loaded GGUF: text to tokens and back, its chat format, what it says about itself
    plan.py        the order of work in which no token is evaluated twice
    evaluator.py   a plan's windows in a key-value cache: probabilities to read, sequences that write on
    fitting.py     an evaluator large enough for its plans and small enough for the memory
    candidates.py  legal texts as token paths, and their probabilities
    reasoning.py   what a model writes under a guide; free_form.py: without one
    gbnf_guide.py  which tokens a GBNF grammar admits next; json_guide.py: a JSON schema
    llama.py       llama.cpp's C interface, the only file that imports it

Knows nothing about pairs, verdicts, or files of results.
"""

from edge_judge.engine.interface import Engine, Work
from edge_judge.engine.local import LocalEngine, engine_for
from edge_judge.engine.model import Model, physical_cores
from edge_judge.engine.recorded import RecordedEngine

__all__ = ["Engine", "LocalEngine", "Model", "RecordedEngine", "Work", "engine_for", "physical_cores"]
