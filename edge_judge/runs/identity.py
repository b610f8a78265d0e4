"""Which run a benchmark, a judge and a protocol make, and everything that decides its outcome.

Knows: the settings of run.json. Does not know: files, how a verdict is reached.
"""

from __future__ import annotations

from typing import Any

from edge_judge.engine import Engine, engine_for
from edge_judge.judging.prompting import trained_prompt
from edge_judge.protocols import prompts
from edge_judge.protocols.protocol import Protocol
from edge_judge.records import Benchmark, Identity, Judge, Limits
from edge_judge.version import __version__


def run_identity(benchmark: Benchmark, judge_: Judge, protocol: Protocol) -> Identity:
    return Identity(benchmark.name, judge_.model, judge_.scheme, protocol.grammar.name)


def run_settings(
    benchmark: Benchmark,
    judge_: Judge,
    protocol: Protocol,
    limits: Limits = Limits(),
    engine: Engine | None = None,
) -> dict[str, Any]:
    """Everything that decides the outcome, as run.json keeps it. How much memory the work may take is not part of it:
    smaller calls move probabilities by rounding alone, and are noted beside the settings.

    engine: the one that is asked, if not the one that runs the judge's file.
    """
    grammar, engine = protocol.grammar, engine or engine_for(judge_, limits=limits)
    deciding = {
        "gguf_sha256": judge_.sha256,
        "lock": judge_.lock,
        "benchmark_source": benchmark.source,
        "benchmark_sha256": benchmark.sha256,
        "prompt": grammar.prompt,
        "prompt_sha256": _prompt_sha256(engine, protocol),
        "grammar_sha256": grammar.sha256,
        "order": "both" if len(protocol.orders) == 2 else "given",
        "ties": protocol.ties,
        "decoding": protocol.decoding,
        "seed": None,  # nothing is drawn
        **engine.versions,
        "edge_judge": __version__,
    }
    # A setting that is as usual is left out: runs made before it existed stay as they are.
    unusual = {
        "criteria": list(protocol.criteria) or None,
        "truncate": "answers" if protocol.truncate else None,
        "chat_template_sha256": prompts.sha256(judge_.chat) if judge_.chat else None,
        "cache": limits.cache if limits.cache != Limits().cache else None,
        "adapter_sha256": judge_.adapter and judge_.adapter.sha256,
        "adapter_scale": judge_.adapter and judge_.adapter.scale,
    }
    return deciding | {name: value for name, value in unusual.items() if value is not None}


def _prompt_sha256(engine: Engine, protocol: Protocol) -> str:
    """The hash of the prompt's template, or of the one that came with the model."""
    if protocol.grammar.trained_in:
        return prompts.sha256(trained_prompt(engine))
    return prompts.sha256(prompts.source(protocol.grammar.prompt))
