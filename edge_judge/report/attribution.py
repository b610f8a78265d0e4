"""A chain of runs -> a table for a person and a plain dict for a program.

Knows: how steps and the noise floor read well at 80 columns.
Does not know: where the figures come from; it prints nothing and opens no file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from edge_judge.analysis.attribution import Attribution, AttributionStep
from edge_judge.records import Figure, Identity
from edge_judge.report.formatting import UNDEFINED, interval, notes, percent, render, signed_number, table, value

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edge_judge.analysis.compare import Comparison
    from edge_judge.records import Noise


def attribution_table(
    steps: Sequence[Attribution], noise: Mapping[Identity, Noise | None], *, width: int = 80, color: bool = False
) -> str:
    """A row for each step and for each run's noise floor; a dash where a run or its repeats are missing."""
    asked = steps[-1].step.after
    title = f"{asked.benchmark}, judged by {asked.model}: from free form to {asked.scheme}/{asked.grammar}"
    headers = ["step", "accuracy %", "change, points\n[95 % interval]", "flips", "format\nerrors %"]
    explained = notes(
        "change: points of accuracy gained (negative: lost), with its 95 % interval",
        "flips: right to wrong / wrong to right / wrong to another wrong",
        "noise floor: verdicts that changed when judged again in other batches",
        "accuracy, change, flips: profile strict, a missing verdict is wrong",
    )
    parts = [table(title, headers, [_row(one) for one in steps], frozenset({2})), _floors(noise), explained]
    return render(parts, width, color)


def attribution_json(
    steps: Sequence[Attribution], noise: Mapping[Identity, Noise | None], missing: Mapping[Identity, str]
) -> dict[str, object]:
    """The chain as `attribute --json` prints it; `change` in points, None where a run is missing.

    missing: for each run that is not there, the command that makes it.
    """
    return {
        **asdict(steps[-1].step.after),
        "steps": [_step_json(one) for one in steps],
        "noise": [{**_run_json(run), "noise": asdict(found) if found else None} for run, found in noise.items()],
        "missing": [{**_run_json(run), "command": command} for run, command in missing.items()],
    }


def _row(one: Attribution) -> list[str]:
    found = one.comparison
    flips = UNDEFINED
    if found:
        flips = f"{found.flips.right_to_wrong}/{found.flips.wrong_to_right}/{found.flips.wrong_to_wrong}"
    return [
        f"{one.step.name}\n{_from_to(one.step)}",
        _both(found, lambda figures: figures[0]),
        interval(one.gain, lambda points: signed_number(points, "+.1f")),
        flips,
        _both(found, lambda figures: figures[1]),
    ]


def _from_to(step: AttributionStep) -> str:
    if step.before.scheme != step.after.scheme:
        return f"{step.before.scheme} → {step.after.scheme}"
    return f"{step.before.grammar} → {step.after.grammar}"


def _both(found: Comparison | None, pick: Callable[[tuple[Figure, Figure]], Figure]) -> str:
    """A figure before and after."""
    if found is None:
        return UNDEFINED
    sides = ((side.accuracy, side.format_errors) for side in (found.baseline, found.run))
    return " → ".join(value(pick(figures), percent) for figures in sides)


def _floors(noise: Mapping[Identity, Noise | None]) -> RenderableType:
    lines = []
    for run, found in noise.items():
        figures = [UNDEFINED] * 3
        if found:
            largest = UNDEFINED if found.largest is None else f"{found.largest:.4f}"
            figures = [f"{found.repeats:,}", f"{found.flips:,} of {found.verdicts:,}", largest]
        lines.append([f"{run.scheme}/{run.grammar}", *figures])
    headers = ["noise floor", "repeats", "verdicts\nchanged", "largest change\nof a probability"]
    return table("", headers, lines)


def _step_json(one: Attribution) -> dict[str, object]:
    found, step = one.comparison, one.step
    return {
        "step": step.name,
        "before": {**_run_json(step.before), **_side_json(found, after=False)},
        "after": {**_run_json(step.after), **_side_json(found, after=True)},
        "pairs": found.pairs if found else None,
        "verdicts": found.verdicts if found else None,
        "trials": found.trials if found else None,
        "change": asdict(one.gain),
        "mcnemar_p": found.mcnemar_p if found else None,
        "flips": asdict(found.flips) if found else None,
    }


def _side_json(found: Comparison | None, *, after: bool) -> dict[str, object]:
    if found is None:
        return {"accuracy": asdict(Figure(None)), "format_errors": asdict(Figure(None))}
    side = found.run if after else found.baseline
    return {"accuracy": asdict(side.accuracy), "format_errors": asdict(side.format_errors)}


def _run_json(run: Identity) -> dict[str, object]:
    return {"scheme": run.scheme, "grammar": run.grammar}
