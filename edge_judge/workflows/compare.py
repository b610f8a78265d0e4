"""What quantization cost: runs against a baseline, verdict by verdict, or against the published figures.

Knows: what a baseline's name may mean. Does not know: how two runs are compared or a ladder is decided, how that is
shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edge_judge.analysis.compare import Comparison, Gate, adjusted, exceeds
from edge_judge.analysis.compare import compare as compare_runs
from edge_judge.analysis.ladders import LadderDecision, decide_ladders
from edge_judge.analysis.paired_losses import Part
from edge_judge.errors import RunError, UsageError, nearest
from edge_judge.metrics import published
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.records import ProgressListener
from edge_judge.report.scores import ScoreRow
from edge_judge.runs import folder as run_folder
from edge_judge.runs import packs
from edge_judge.settings import same_conditions
from edge_judge.workflows.options import MARGIN, RunsOptions, Seen
from edge_judge.workflows.own_files import SOURCE
from edge_judge.workflows.packs import run_of_pack
from edge_judge.workflows.published import read_published
from edge_judge.workflows.recorded import RunReader, require_runs
from edge_judge.workflows.seen import fair
from quantize import schemes

PUBLISHED = "published"  # the baseline's name that is no run


@dataclass(frozen=True, slots=True)
class ComparedRuns:
    """comparisons: of each run with its baseline, which may be itself, by benchmark, model and grammar, the largest
    file first; ladders: which schemes agree with the baseline and which can be trusted, where that can be told.
    left_out: the folders of runs that nobody named and that cannot be compared with the baseline.
    """

    comparisons: tuple[Comparison, ...]
    ladders: tuple[LadderDecision, ...]
    left_out: tuple[Path, ...] = ()


def compare(
    runs: RunsOptions = RunsOptions(),
    baseline: str = "f16",
    margin: float = MARGIN,
    listener: ProgressListener = ProgressListener(),
    seen: Seen = "refuse",
) -> ComparedRuns:
    """Each run against its baseline.

    baseline: a scheme, whose runs are searched beside those that are compared; a pack; or a run's folder. For the
    published figures see `compare_published`. margin: points of accuracy that may be lost. seen: what to do about
    runs on pairs that the judge's file was made with; "leave out" leaves out such runs.

    A run that cannot be compared is left out, with a note, where it was not named and others can be. Raises RunError
    where it was named, or nothing is left to compare.
    """
    reader = RunReader(runs.data)
    recorded = fair(require_runs(runs, reader, listener), seen, listener)
    if runs.paths:
        parts = [Part(run, find_baseline(path, run, baseline, reader)) for path, run in recorded.items()]
        return compared(parts, margin)
    comparable, refused = _comparable(recorded, baseline, reader)
    for path, error in refused.items():
        listener.note(f"{path} left out: {error}")
    return replace(compared(comparable, margin), left_out=tuple(refused))


def _comparable(
    recorded: Mapping[Path, RecordedRun], baseline: str, reader: RunReader
) -> tuple[list[Part], dict[Path, RunError]]:
    """The runs that have a baseline, with it, and why the others have none that they could be compared with.

    Raises the first of those errors where only baselines themselves are left.
    """
    parts: list[Part] = []
    refused: dict[Path, RunError] = {}
    for path, run in recorded.items():
        try:
            part = Part(run, find_baseline(path, run, baseline, reader))
            same_conditions(part.run.run, part.baseline.run)
            parts.append(part)
        except RunError as error:
            refused[path] = error
    if refused and all(part.run.identity == part.baseline.identity for part in parts):
        raise next(iter(refused.values()))
    return parts, refused


def compared(parts: Sequence[Part], margin: float) -> ComparedRuns:
    """Runs with their baselines, in any order."""
    comparisons = sorted((compare_runs(part.run, part.baseline) for part in parts), key=_place)
    in_order = sorted(parts, key=lambda part: part.benchmark.name)
    return ComparedRuns(tuple(adjusted(comparisons)), tuple(decide_ladders(in_order, margin)))


def exceeding(comparisons: Sequence[Comparison], points: float, gate: Gate = "point") -> list[str]:
    """The schemes that lost more points of accuracy than these; by the bound, those not shown to lose no more."""
    return [lost.run.identity.scheme for lost in comparisons if exceeds(lost, points, gate)]


def compare_published(
    runs: RunsOptions = RunsOptions(), listener: ProgressListener = ProgressListener()
) -> list[ScoreRow]:
    """Each run's figures with the published one for its model and benchmark; a note on the runs that have none.

    Raises RunError where no run has one.
    """
    return beside_published(list(require_runs(runs, RunReader(runs.data), listener).values()), listener)


def beside_published(runs: Sequence[RecordedRun], listener: ProgressListener) -> list[ScoreRow]:
    """As `compare_published`, of runs that were read."""
    figures = read_published()
    rows, unknown = [], []
    for run in runs:
        row = published.find_published(figures, run.identity.model, run.benchmark.name)
        if row is None:
            unknown.append(f"{run.identity.model} on {run.benchmark.name}")
        else:
            rows.append(ScoreRow(run.score, None, published.against_published(run.score, row)))
    if not rows:
        raise RunError(
            "none of these runs has a published figure",
            "results/published.csv lists the judges and benchmarks that have one",
        )
    if unknown:
        listener.note(f"no published figure for {', '.join(dict.fromkeys(unknown))}")
    return rows


def exceeding_published(rows: Sequence[ScoreRow], points: float, gate: Gate = "point") -> list[str]:
    """The runs that stay behind their published figure by more points than these; by the bound, those that may."""
    named = [row.published for row in rows if row.published is not None and row.published.published is not None]
    return [f"{figure.row.model} on {figure.benchmark}" for figure in named if _is_behind(figure, points, gate)]


def _is_behind(figure: published.PublishedComparison, points: float, gate: Gate) -> bool:
    if gate == "point" or figure.published is None:
        return figure.difference is not None and -figure.difference > points
    return figure.ours.low is None or figure.published - 100 * figure.ours.low > points


def _place(comparison: Comparison) -> tuple[str, str, str, int]:
    identity = comparison.run.identity
    return identity.benchmark, identity.model, identity.grammar, -comparison.run.bytes


def find_baseline(path: Path, run: RecordedRun, named: str, reader: RunReader) -> RecordedRun:
    """The baseline of a run: its sibling of the named scheme, or the run in the named pack or folder."""
    if not schemes.is_known(named) and Path(named).is_file():
        return RecordedRun(run_of_pack(Path(named), run.benchmark), run.benchmark)
    if Path(named).suffix == packs.ENDING:
        raise RunError(f"{named}: no such pack", "edge-judge pack export makes one")
    if Path(named, "run.json").exists():
        return reader.read_on(Path(named), run.benchmark)
    if Path(named).name != named:
        raise RunError(
            f"{named}: no run in this folder", "--baseline takes a scheme, `published`, a pack, or a run's folder"
        )
    sibling = run_folder.sibling(path, schemes.canonical(named) if schemes.is_known(named) else named)
    if run_folder.is_complete(sibling):  # a file from elsewhere may have a scheme that no other has
        return reader.read_on(sibling, run.benchmark)
    if not schemes.is_known(named):
        raise UsageError(f"unknown baseline '{named}'", nearest(named, [PUBLISHED, *schemes.SCHEMES]))
    identity = run.identity
    raise RunError(
        f"no {named} run of {identity.model} on {identity.benchmark} with --grammar {identity.grammar} "
        f"to compare with, expected in {sibling}",
        _how_to_have(named, path, run),
    )


def _how_to_have(scheme: str, path: Path, run: RecordedRun) -> str:
    """The command that makes the baseline's run, or what else there is to compare with."""
    identity = run.identity
    model = f"--model {identity.model} --scheme {scheme}"
    asked = f"--benchmark {identity.benchmark} --grammar {identity.grammar}"
    if not str(run.run.settings.get("lock")).startswith(SOURCE):
        return f"edge-judge eval {model} {asked}"
    others = sorted(other.parent.name for other in path.parent.parent.glob(f"*/{path.name}") if other != path)
    here = f"; or --baseline {', '.join(others)}" if others else "; or --baseline FOLDER of another run"
    return f"edge-judge eval --gguf FILE {model} {asked} with its {scheme} file{here}"
