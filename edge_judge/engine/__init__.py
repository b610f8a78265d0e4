"""Inference: prompts go in, probabilities and written texts come out.

    interface.py   what every engine offers
    local.py       an engine that runs a GGUF file with llama.cpp on this machine
    recorded.py    an engine that returns recorded answers
    remote.py      an engine that asks an OpenAI-compatible endpoint
    cluster/       an engine whose work is done by other machines
    shared_folder.py   an engine that shares its work through a folder

Behind `local`:

    model.py       a loaded GGUF: text to tokens and back, its chat format, its metadata
    devices.py     the GPUs that llama.cpp can use here
    placing.py     which layers go to which of them
    probe.py       the first opening of an unknown file, in a process of its own: probe_program.py
    plan.py        an order of work in which no token is evaluated twice
    evaluator.py   evaluates a plan in a key-value cache, to read probabilities or to write
    threads.py     how many threads a call should have; processors.py: those of this machine
    fitting.py     an evaluator with room for its plans that fits in memory
    candidates.py  legal texts as token paths, and their probabilities
    reasoning.py   writing under a guide; free_form.py: without one
    gbnf_guide.py  which tokens a GBNF grammar allows next; json_guide.py: a JSON schema
    llama.py       llama.cpp's C interface, the only file that imports it; llama_log.py: what its log tells

Behind `remote`: asking.py, server.py, completions.py, endpoint.py, responses.py, window.py,
background.py.

Knows nothing about pairs, verdicts, or files of results.
"""

from edge_judge.engine.interface import Engine, Work
from edge_judge.engine.local import LocalEngine, engine_for
from edge_judge.engine.model import Model
from edge_judge.engine.processors import physical_cores
from edge_judge.engine.recorded import RecordedEngine

__all__ = ["Engine", "LocalEngine", "Model", "RecordedEngine", "Work", "engine_for", "physical_cores"]
