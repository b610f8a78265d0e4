"""Which protocol is meant by the options of a command, and whether a benchmark has what it shows.

Knows: grammars, rubrics, which options go together. Does not know: how a judge is asked.
"""

from __future__ import annotations

from edge_judge.benchmarks import rubric
from edge_judge.errors import DataError, UsageError
from edge_judge.protocols import grammar as grammars
from edge_judge.protocols.protocol import Protocol
from edge_judge.records import ORDERS, Benchmark, Judge, Order
from edge_judge.workflows.options import ProtocolOptions
from quantize import lock


def protocol_for(
    judge: Judge, options: ProtocolOptions, *, orders: tuple[Order, ...] = ORDERS, ties: bool = True
) -> Protocol:
    """The protocol of a run. Raises UsageError for options that do not go together."""
    grammar = grammars.load(options.grammar or default_grammar(judge.model))
    if options.rubric is not None and grammar.prompt != "rubric":
        raise UsageError(f"--rubric does nothing under --grammar {grammar.name}", "it goes with --grammar rubric")
    if options.reasoning is not None and not grammar.kind.writes:
        raise UsageError(
            f"--reasoning does nothing under --grammar {grammar.name}: nothing is written",
            "it goes with pairwise-cot, pairwise-json, autoj and none",
        )
    criteria = rubric.load(options.rubric).criteria if grammar.prompt == "rubric" else ()
    return Protocol(grammar, orders, ties, options.reasoning, criteria, truncate=options.truncate is not None)


def default_grammar(model: str) -> str:
    """The format a known model was trained to judge in, else `pairwise`."""
    return next((entry.protocol for entry in lock.read().models if entry.name == model), "pairwise")


def check_references(protocol: Protocol, benchmark: Benchmark) -> int:
    """How many pairs have no reference answer where the protocol shows one; 0 for any other protocol.

    Raises DataError where none has.
    """
    if protocol.grammar.prompt != "reference":
        return 0
    missing = sum(pair.reference is None for pair in benchmark.pairs)
    if missing == len(benchmark.pairs):
        raise DataError(
            f"benchmark {benchmark.name} has no reference answers, which --grammar reference needs",
            "a benchmark of your own has them in a column `reference`; else use --grammar pairwise",
        )
    return missing
