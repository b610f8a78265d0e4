"""Runs against their baseline -> plain dicts for a program.

Knows: the fields of `compare --json`. Does not know: where comparisons and decisions come from; it prints nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from edge_judge.analysis.compare import Comparison, RunSummary
from edge_judge.analysis.ladders import LadderDecision
from edge_judge.report.decision import decision_json


def comparisons_json(
    comparisons: Sequence[Comparison], ladders: Sequence[LadderDecision] = ()
) -> list[dict[str, object]]:
    """As `compare --json` prints them. decision: on the run's benchmark alone, as in `choose --json`, or null."""
    return [{**comparison_json(lost), "decision": _decision(lost, ladders)} for lost in comparisons]


def _decision(lost: Comparison, ladders: Sequence[LadderDecision]) -> dict[str, object] | None:
    identity = lost.run.identity
    decisions = (one.on(identity.scheme) for one in ladders if one.is_alone_on(identity))
    decision = next(decisions, None)
    return None if decision is None else decision_json(decision)


def comparison_json(comparison: Comparison) -> dict[str, object]:
    """A comparison as `compare --json` prints it; `drop` and `smallest_loss` in points, `kld` in nats, bytes."""
    run = comparison.run
    return {
        **asdict(run.identity),
        "baseline": _baseline_json(comparison.baseline),
        "pairs": comparison.pairs,
        "labelled": comparison.labelled,
        "verdicts": comparison.verdicts,
        "trials": comparison.trials,
        "accuracy": asdict(run.accuracy),
        "drop": asdict(comparison.drop),
        "p": comparison.p,
        "p_holm": comparison.p_holm,
        "smallest_loss": comparison.smallest_loss,
        "flips": asdict(comparison.flips),
        "kld": asdict(comparison.kld),
        "baselines": {name: asdict(figure) for name, figure in comparison.baselines.items()},
        "human_agreement": asdict(comparison.human_agreement),
        "attainable": asdict(comparison.attainable),
        "bytes": run.bytes,
        "verdicts_per_minute": run.verdicts_per_minute,
        "peak_rss": run.peak_rss,
    }


def _baseline_json(side: RunSummary) -> dict[str, object]:
    return {
        **asdict(side.identity),
        "accuracy": asdict(side.accuracy),
        "bytes": side.bytes,
        "verdicts_per_minute": side.verdicts_per_minute,
        "peak_rss": side.peak_rss,
    }
