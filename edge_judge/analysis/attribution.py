"""Where a judge's loss comes from: a chain of runs, each of which differs in one thing from the one before.

    grammar     free text -> text under a grammar, with the same prompt
    protocol    an immediate verdict -> the target's protocol
    scheme      f16 -> the target's quantized weights

Knows: which runs make the chain, and what may differ between two of them.
Does not know: files, how the runs were made, how a chain is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edge_judge.analysis.compare import Comparison, compare, negated
from edge_judge.errors import RunError
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.records import Figure, Identity
from edge_judge.settings import WEIGHTS, Change

FREE, AT_ONCE, WHOLE = "none", "pairwise", "f16"
_SHAPE = frozenset({"grammar", "grammar_sha256", "decoding"})  # a grammar decides how verdicts come about
GRAMMAR = Change("the grammar", _SHAPE)
PROTOCOL = Change("the protocol", _SHAPE | {"prompt", "prompt_sha256", "criteria"})


@dataclass(frozen=True, slots=True)
class AttributionStep:
    """Two runs of the chain. name: of what differs; change: which parts of a run go with it."""

    name: str
    change: Change
    before: Identity
    after: Identity


@dataclass(frozen=True, slots=True)
class Attribution:
    """What a step changed; None where one of its runs is missing."""

    step: AttributionStep
    comparison: Comparison | None

    @property
    def gain(self) -> Figure:
        """Percentage points of strict accuracy gained, paired, with their 95 % interval; negative where lost."""
        return negated(self.comparison.drop) if self.comparison else Figure(None)


def chain(target: Identity) -> tuple[AttributionStep, ...]:
    """The steps from free form at f16 to the target run, without those that change nothing.

    Raises RunError where there is none: the target is the first run itself.
    """
    free, at_once, protocol = (replace(target, scheme=WHOLE, grammar=name) for name in (FREE, AT_ONCE, target.grammar))
    steps = [AttributionStep("scheme", WEIGHTS, protocol, target)]
    if target.grammar != FREE:  # else nothing but the scheme was added to the beginning
        steps = [
            AttributionStep("grammar", GRAMMAR, free, at_once),
            AttributionStep("protocol", PROTOCOL, at_once, protocol),
            *steps,
        ]
    steps = [step for step in steps if step.before != step.after]
    if not steps:
        raise RunError(
            f"{target.model} {WHOLE} with --grammar {FREE} is the starting point: there is nothing to attribute",
            "choose another --scheme or --grammar",
        )
    return tuple(steps)


def runs_of(steps: Sequence[AttributionStep]) -> tuple[Identity, ...]:
    """The runs that a chain needs, in its order."""
    return tuple(dict.fromkeys(identity for step in steps for identity in (step.before, step.after)))


def attribute(steps: Sequence[AttributionStep], runs: Mapping[Identity, RecordedRun]) -> tuple[Attribution, ...]:
    """What each step changed, over the verdicts that both of its runs have; undefined where a run is missing.

    Raises RunError where a run judged another file than its benchmark, and where two runs differ in anything else
    than their step changes, naming it.
    """
    for recorded in runs.values():
        run, benchmark = recorded.run, recorded.benchmark
        judged = run.settings.get("benchmark_sha256")
        if judged != benchmark.sha256:
            raise RunError(
                f"{run.identity.scheme}/{run.identity.grammar} judged a different version of {benchmark.name}: "
                f"sha256 {judged}, here {benchmark.sha256}",
                "edge-judge eval --fresh judges it",
            )
    return tuple(Attribution(step, _compared(step, runs)) for step in steps)


def _compared(step: AttributionStep, runs: Mapping[Identity, RecordedRun]) -> Comparison | None:
    before, after = runs.get(step.before), runs.get(step.after)
    return compare(after, before, step.change) if before and after else None
