"""Which run a benchmark, a judge and a protocol make, and everything that decides its outcome.

Knows: the settings of run.json. Does not know: files, how a verdict is reached.
"""

from __future__ import annotations

from typing import Any

from edge_judge import __version__
from edge_judge.engine.model import Model
from edge_judge.judging.prompting import trained_in
from edge_judge.protocols import prompts
from edge_judge.protocols.protocol import Protocol
from edge_judge.records import Benchmark, Identity, Judge, Limits


def run_identity(benchmark: Benchmark, judge_: Judge, protocol: Protocol) -> Identity:
    return Identity(benchmark.name, judge_.model, judge_.scheme, protocol.grammar.name)


def run_settings(benchmark: Benchmark, judge_: Judge, protocol: Protocol, limits: Limits = Limits()) -> dict[str, Any]:
    """Everything that decides the outcome, as run.json keeps it. How much memory the work may take is not of it: a
    smaller cut moves probabilities by rounding alone, and is noted beside the settings.
    """
    import llama_cpp

    shape = protocol.grammar
    deciding = {
        "gguf_sha256": judge_.sha256,
        "lock": judge_.lock,
        "benchmark_source": benchmark.source,
        "benchmark_sha256": benchmark.sha256,
        "prompt": shape.prompt,
        "prompt_sha256": prompt_sha256(judge_, protocol),
        "grammar_sha256": shape.sha256,
        "order": "both" if len(protocol.orders) == 2 else "given",
        "ties": protocol.ties,
        "decoding": protocol.decoding,
        "seed": None,  # nothing is drawn
        "llama_cpp": llama_cpp.__version__,
        "edge_judge": __version__,
    }
    # What is not said is as it usually is: runs of other protocols stay as they are.
    unusual = {
        "criteria": list(protocol.criteria) or None,
        "truncate": "answers" if protocol.truncate else None,
        "chat_template_sha256": judge_.chat and prompts.sha256(judge_.chat),
        "cache": limits.cache if limits.cache != Limits().cache else None,
    }
    return deciding | {name: value for name, value in unusual.items() if value}


def prompt_sha256(judge_: Judge, protocol: Protocol) -> str:
    """The hash of the prompt's template, or of the one that came with the model."""
    if not protocol.grammar.trained_in:
        return prompts.sha256(prompts.source(protocol.grammar.prompt))
    with Model(judge_.gguf, vocab_only=True) as model:
        return prompts.sha256(trained_in(model))
