"""From times to ratios to a table: the arithmetic of the comparison.

A ratio is that of two medians, shown with its extremes over the rounds; in each round every side ran once.
Knows: seconds, Markdown, JSON. Does not know: how anything was timed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

PYTHON, ONE, FOUR, OURS = "llama-cpp-python", "llama-server-1", "llama-server-4", "edge-judge"
SERVERS = (ONE, FOUR)
UBATCH = 512  # tokens of the prompt whose rate is the limit: llama.cpp's largest physical batch
LONG = 2048  # tokens of a longer prompt, whose rate is reported too
OVERHEAD = 1.01  # prompt tokens evaluated / tokens of the prefix tree
MEMORY = 250  # MB at the peak beyond the GGUF file and the key-value cache


@dataclass(frozen=True, slots=True)
class Run:
    """One side's run in a round. load: the load average just before it; the rest as in `judge_sides.Measurement`."""

    side: str
    round: int
    load: float
    seconds: float
    evaluated: int | None = None
    written: int | None = None
    least: int | None = None
    beyond: int | None = None


@dataclass(frozen=True, slots=True)
class Rate:
    """llama-bench's tokens per second in a round, one value per repetition. prompt: its length in tokens."""

    round: int
    load: float
    prompt: int
    per_second: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """Something timed alone: every value, and the target for the median (a lower bound with `at_least`)."""

    name: str
    unit: str
    values: tuple[float, ...]
    wanted: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        middle = median(self.values)
        return middle >= self.wanted if self.at_least else middle <= self.wanted


@dataclass(frozen=True, slots=True)
class Report:
    """Everything about one workload. wanted: targets by the names of `ratios`; answers: number of verdicts by side."""

    name: str
    about: str
    date: str
    machine: Mapping[str, Any]
    wanted: Mapping[str, float] = field(default_factory=dict)
    answers: Mapping[str, int] = field(default_factory=dict)
    runs: tuple[Run, ...] = ()
    rates: tuple[Rate, ...] = ()
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True, slots=True)
class Ratio:
    value: float
    low: float
    high: float


# ---- arithmetic -------------------------------------------------------------------------------------------


def seconds(report: Report, side: str) -> dict[int, float]:
    """Round -> the side's seconds."""
    return {run.round: run.seconds for run in report.runs if run.side == side}


def best_server(report: Report) -> str | None:
    """The server that was faster in the median."""
    timed = [side for side in SERVERS if seconds(report, side)]
    return min(timed, key=lambda side: median(seconds(report, side).values()), default=None)


def limit(report: Report) -> dict[int, float]:
    """Round -> the seconds that llama.cpp takes for the prefix tree's tokens at its prompt rate. Empty for a judge that
    writes, because its time is not spent on prompts.
    """
    least = next((run.least for run in report.runs if run.least and not run.written), None)
    rates = {rate.round: median(rate.per_second) for rate in report.rates if rate.prompt == UBATCH}
    return {} if least is None else {number: least / rate for number, rate in rates.items()}


def ratio(over: Mapping[int, float], under: Mapping[int, float]) -> Ratio | None:
    """How many times longer `over` took; None where they share no round."""
    rounds = over.keys() & under.keys()
    if not rounds:
        return None
    quotients = [over[number] / under[number] for number in rounds]
    return Ratio(median(over.values()) / median(under.values()), min(quotients), max(quotients))


def ratios(report: Report) -> dict[str, Ratio | None]:
    """Our speed by the names in `wanted`: against "python", against the best "server", as a share of the "limit"."""
    ours, server = seconds(report, OURS), best_server(report)
    return {
        "python": ratio(seconds(report, PYTHON), ours),
        "server": ratio(seconds(report, server), ours) if server else None,
        "limit": ratio(limit(report), ours),
    }


def overhead(report: Report) -> float | None:
    """Prompt tokens evaluated / tokens of the prefix tree."""
    for run in report.runs:
        if run.side == OURS and run.least and run.evaluated is not None:
            return (run.evaluated - (run.written or 0)) / run.least
    return None


# ---- Markdown ---------------------------------------------------------------------------------------------

HEAD = ("workload", PYTHON, "llama-server, 1 slot", "4 slots", OURS)
AIMS = (f"against {PYTHON}", "against the best server", "of the limit")


def markdown(reports: Sequence[Report]) -> str:
    """The page: a table of seconds, one of ratios, one of everything else, and notes."""
    compared = [report for report in reports if report.runs]
    figures = [(report, figure) for report in reports for figure in report.figures]
    parts = ["# Speed against other ways to run the same judge", *_about(compared)]
    if compared:
        parts += [_table(HEAD, map(_seconds_row, compared)), _table(("workload", *AIMS), map(_ratios_row, compared))]
        parts += [_table(("workload", *_COUNTED), map(_counts_row, compared))]
    if figures:
        rows = ((figure.name, _median(figure.values, figure.unit), _target(figure)) for _, figure in figures)
        parts += [_table(("measured plainly", "median [least, most]", "wanted"), rows)]
    return "\n\n".join([*parts, *_notes(reports)]) + "\n"


def _about(compared: Sequence[Report]) -> list[str]:
    return [f"- **{report.name}**: {report.about}." for report in compared]


def _seconds_row(report: Report) -> tuple[str, ...]:
    cells = []
    for side in (PYTHON, ONE, FOUR, OURS):
        times = seconds(report, side)
        cells.append(f"{_median(times.values(), 's')}, {report.answers.get(side, 0)} verdicts" if times else "—")
    return (report.name, *cells)


def _ratios_row(report: Report) -> tuple[str, ...]:
    reached = ratios(report)
    return (report.name, *(_at_least(reached[name], report.wanted.get(name)) for name in ("python", "server", "limit")))


def _at_least(ratio: Ratio | None, wanted: float | None) -> str:
    if ratio is None:
        return "—"
    shown = f"{ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"
    if wanted is None:
        return shown
    return f"{shown}, wanted ≥ {wanted:g}" + ("" if ratio.value >= wanted else ": **missed**")


_COUNTED = ("prefix tree, tokens", "evaluated ÷ tree", "tokens/s at -p 512", "at -p 2048", "memory beyond")


def _counts_row(report: Report) -> tuple[str, ...]:
    ours = [run for run in report.runs if run.side == OURS]
    least = next((f"{run.least:,}" for run in ours if run.least), "—")
    more = overhead(report)
    beyond = [run.beyond / 1e6 for run in ours if run.beyond is not None]
    return (
        report.name,
        least,
        _at_most(f"{more:.4f}", more, OVERHEAD, "") if more else "—",
        *(_rate(report, size) for size in (UBATCH, LONG)),
        _at_most(_median(beyond, "MB"), median(beyond), MEMORY, " MB") if beyond else "—",
    )


def _rate(report: Report, size: int) -> str:
    values = [value for rate in report.rates if rate.prompt == size for value in rate.per_second]
    return _median(values, "") if values else "—"


def _at_most(shown: str, value: float, wanted: float, unit: str) -> str:
    return f"{shown}, wanted ≤ {wanted:g}{unit}" + ("" if value <= wanted else ": **missed**")


def _target(figure: Figure) -> str:
    shown = f"{'≥' if figure.at_least else '≤'} {figure.wanted:g} {figure.unit}"
    return shown if figure.met else f"{shown}: **missed**"


def _median(values: Iterable[float], unit: str) -> str:
    ordered = sorted(values)
    digits = 0 if ordered[-1] >= 100 else 1 if ordered[-1] >= 10 else 2
    shown = " ".join(part for part in (f"{median(ordered):,.{digits}f}", unit) if part)
    return shown if len(ordered) == 1 else f"{shown} [{ordered[0]:,.{digits}f}, {ordered[-1]:,.{digits}f}]"


def _notes(reports: Sequence[Report]) -> list[str]:
    machines = {json.dumps(dict(report.machine), sort_keys=True): report for report in reports}
    lines = [
        f"{', '.join(other.name for other in reports if other.machine == report.machine)} ({report.date}): "
        + ", ".join(f"{key} {value}" for key, value in report.machine.items())
        for report in machines.values()
    ]
    return [NOTES, *(f"- {line}" for line in lines)]


NOTES = f"""Medians, with the least and the most in brackets; of a ratio, over the rounds. In each round every side runs
once, in turn, in a process of its own, and llama-bench beside them. Loading the model is in nobody's time; making the
prompts' tokens is in everybody's. All sides have the same GGUF, prompts, threads and grammar, and both orders of every
pair. {PYTHON}: `create_chat_completion`, one question after another, in the file's order. llama-server: the
same order, as many requests in flight as slots, `cache_prompt`; compiled from the source of the same version.
Where reasons come first, the others write as many tokens as reasons and a verdict take: random weights come to no
verdict by themselves, and a second request for it, which would favour us, is not in their time.
The limit: tokens of the prompts' prefix tree ÷ llama-bench's rate at `-p {UBATCH}` of the same round. *Memory beyond*:
peak RSS of {OURS}'s process less the GGUF file and the key-value cache. With random weights verdicts mean nothing;
that each is legal under the grammar is checked."""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


# ---- files ------------------------------------------------------------------------------------------------


def save(report: Report, folder: Path) -> None:
    """Save one workload, and write the page of all workloads that are saved in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(asdict(report), indent=1, ensure_ascii=False)
    (folder / f"{report.name}.json").write_text(text + "\n", encoding="utf-8")
    reports = [read(path) for path in sorted(folder.glob("*.json")) if _is_report(path)]
    (folder / "README.md").write_text(markdown(reports), encoding="utf-8")


def _is_report(path: Path) -> bool:
    """Whether the file is a workload's: benchmarks of other things keep theirs in the same folder."""
    return "runs" in json.loads(path.read_text(encoding="utf-8"))


def read(path: Path) -> Report:
    """A workload as it was saved."""
    values = json.loads(path.read_text(encoding="utf-8"))
    parts: dict[str, Callable[..., Any]] = {"runs": Run, "rates": Rate, "figures": Figure}
    for name, part in parts.items():
        values[name] = tuple(part(**{key: _frozen(value) for key, value in row.items()}) for row in values[name])
    return Report(**values)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
