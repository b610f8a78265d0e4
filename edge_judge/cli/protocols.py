"""Which protocol is meant by the options of a command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_judge.errors import DataError, UsageError
from edge_judge.records import ORDERS, Benchmark, Judge, Order

if TYPE_CHECKING:
    from edge_judge.protocols.protocol import Protocol


@dataclass(frozen=True, slots=True)
class Wanted:
    """The options that `options.protocol` adds, as they were given."""

    grammar: str | None = None
    rubric: Path | None = None
    reasoning: int | None = None
    truncate: str | None = None


def protocol_for(judge: Judge, wanted: Wanted, *, orders: tuple[Order, ...] = ORDERS, ties: bool = True) -> Protocol:
    """The protocol of a run. Raises UsageError for options that do not go together."""
    from edge_judge.protocols import grammar as grammars
    from edge_judge.protocols.protocol import Protocol

    shape = grammars.load(wanted.grammar or default_grammar(judge.model))
    if wanted.rubric is not None and shape.prompt != "rubric":
        raise UsageError(f"--rubric does nothing under --grammar {shape.name}", "it goes with --grammar rubric")
    if wanted.reasoning is not None and not shape.kind.writes:
        raise UsageError(
            f"--reasoning does nothing under --grammar {shape.name}: nothing is written",
            "it goes with pairwise-cot, pairwise-json, autoj and none",
        )
    criteria = _criteria(shape.prompt, wanted.rubric)
    return Protocol(shape, orders, ties, wanted.reasoning, criteria, truncate=wanted.truncate is not None)


def default_grammar(model: str) -> str:
    """The format a known model was trained to judge in, else `pairwise`."""
    from quantize import lock

    known = {entry.name: entry.protocol for entry in lock.read().models}
    return known.get(model, "pairwise")


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


def _criteria(prompt: str, file: Path | None) -> tuple[str, ...]:
    from edge_judge.benchmarks import rubric

    return rubric.load(file).criteria if prompt == "rubric" else ()
