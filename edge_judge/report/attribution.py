"""A chain of runs -> a table for a person and a plain dict for a program.

Knows: how steps and the noise floor read well at 80 columns.
Does not know: where the figures come from; it prints nothing and opens no file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass

from edge_judge.analysis.attribution import Attribution, AttributionStep
from edge_judge.analysis.compare import Comparison, RunSummary
from edge_judge.records import Figure, Identity, Noise
from edge_judge.report.columns import Value, at, figure_values
from edge_judge.report.formatting import (
    UNDEFINED,
    Form,
    Part,
    Table,
    difference,
    interval,
    notes,
    percent,
    table,
    value,
)
from edge_judge.report.forms import Sheet, sheet, written


def attribution_table(
    steps: Sequence[Attribution],
    noise: Mapping[Identity, Noise | None],
    *,
    form: Form = "table",
    width: int = 80,
    color: bool = False,
) -> str:
    """A row for each step and for each run's noise floor; a dash where a run or its repeats are missing."""
    target = steps[-1].step.after
    title = f"{target.benchmark}, judged by {target.model}: from free form to {target.scheme}/{target.grammar}"
    headers = ["step", "accuracy %", "change, points\n[95 % interval]", "flips", "format\nerrors %"]
    explained = notes(
        "change: points of accuracy gained (negative: lost), with its 95 % interval",
        "flips: right to wrong / wrong to right / wrong to another wrong",
        "noise floor: verdicts that changed when judged again in different batches",
        "accuracy, change, flips: a missing verdict counts as wrong (profile strict)",
    )
    body = table(title, headers, [_row(step) for step in steps], frozenset({2}))
    parts: list[Part] = [body, _floors(noise), explained]
    return written(parts, _sheets(steps, noise), form=form, width=width, color=color)


def attribution_json(
    steps: Sequence[Attribution], noise: Mapping[Identity, Noise | None], missing: Mapping[Identity, str]
) -> dict[str, object]:
    """The chain as `attribute --json` prints it; `change` in points, None where a run is missing.

    missing: for each run that is not there, the command that makes it.
    """
    return {
        **asdict(steps[-1].step.after),
        "steps": [_step_json(step) for step in steps],
        "noise": [{**_run_json(run), "noise": asdict(floor) if floor else None} for run, floor in noise.items()],
        "missing": [{**_run_json(run), "command": command} for run, command in missing.items()],
    }


def _row(attribution: Attribution) -> list[str]:
    step, comparison = attribution.step, attribution.comparison
    return [
        f"{step.name}\n{_from_to(step)}",
        _before_after(comparison, lambda run: run.accuracy),
        interval(attribution.gain, difference),
        "/".join(map(str, astuple(comparison.flips))) if comparison else UNDEFINED,
        _before_after(comparison, lambda run: run.format_errors),
    ]


def _from_to(step: AttributionStep) -> str:
    if step.before.scheme != step.after.scheme:
        return f"{step.before.scheme} → {step.after.scheme}"
    return f"{step.before.grammar} → {step.after.grammar}"


def _before_after(comparison: Comparison | None, read: Callable[[RunSummary], Figure]) -> str:
    if comparison is None:
        return UNDEFINED
    return " → ".join(value(read(run), percent) for run in (comparison.baseline, comparison.run))


def _floors(noise: Mapping[Identity, Noise | None]) -> Table:
    lines = []
    for run, floor in noise.items():
        figures = [UNDEFINED] * 3
        if floor:
            largest = UNDEFINED if floor.largest is None else f"{floor.largest:.4f}"
            figures = [f"{floor.repeats:,}", f"{floor.flips:,} of {floor.verdicts:,}", largest]
        lines.append([f"{run.scheme}/{run.grammar}", *figures])
    headers = ["noise floor", "repeats", "verdicts\nchanged", "largest change\nin a probability"]
    return table("", headers, lines)


@dataclass(frozen=True, slots=True)
class _Floor:
    """A line of the CSV: what repeats of a run changed."""

    run: Identity
    noise: Noise | None


def _sheets(steps: Sequence[Attribution], noise: Mapping[Identity, Noise | None]) -> list[Sheet]:
    fields: dict[str, Callable[[Attribution], Value]] = {
        "step": at("step.name"),
        "scheme_before": at("step.before.scheme"),
        "grammar_before": at("step.before.grammar"),
        "scheme": at("step.after.scheme"),
        "grammar": at("step.after.grammar"),
        **figure_values("accuracy_before", "share", at("comparison.baseline.accuracy")),
        **figure_values("accuracy", "share", at("comparison.run.accuracy")),
        **figure_values("change", "points", at("gain")),
        "p": at("comparison.p"),
        **{name: at(f"comparison.flips.{name}") for name in ("right_to_wrong", "wrong_to_right", "wrong_to_wrong")},
        **figure_values("format_errors", "share", at("comparison.run.format_errors")),
    }
    floors: dict[str, Callable[[_Floor], Value]] = {
        "scheme": at("run.scheme"),
        "grammar": at("run.grammar"),
        "repeats": at("noise.repeats"),
        "verdicts_changed": at("noise.flips"),
        "verdicts": at("noise.verdicts"),
        "largest_change_probability": at("noise.largest"),
    }
    runs = [_Floor(run, floor) for run, floor in noise.items()]
    return [sheet("steps", fields, steps), sheet("noise floor", floors, runs)]


def _step_json(attribution: Attribution) -> dict[str, object]:
    step, comparison = attribution.step, attribution.comparison
    return {
        "step": step.name,
        "before": {**_run_json(step.before), **_figures_json(comparison.baseline if comparison else None)},
        "after": {**_run_json(step.after), **_figures_json(comparison.run if comparison else None)},
        **{name: getattr(comparison, name, None) for name in ("pairs", "verdicts", "trials")},
        "change": asdict(attribution.gain),
        "p": comparison.p if comparison else None,
        "flips": asdict(comparison.flips) if comparison else None,
    }


def _figures_json(run: RunSummary | None) -> dict[str, object]:
    figures = (run.accuracy, run.format_errors) if run else (Figure(None), Figure(None))
    return {"accuracy": asdict(figures[0]), "format_errors": asdict(figures[1])}


def _run_json(run: Identity) -> dict[str, object]:
    return {"scheme": run.scheme, "grammar": run.grammar}
