"""edge-judge eval: a benchmark put to a judge."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_judge import benchmarks
from edge_judge.cli import means, options, terminal
from edge_judge.cli.files import judge_for
from edge_judge.cli.protocols import Wanted, check_references, protocol_for
from edge_judge.errors import DataError, UsageError
from edge_judge.records import ORDERS, Benchmark, Cache, Limits

if TYPE_CHECKING:
    from edge_judge.protocols.protocol import Protocol
    from edge_judge.report.scores import ScoreRow
    from edge_judge.runs.session import Session

PUBLISHED = "published.csv"


@click.command(
    "eval",
    epilog=options.example(
        "edge-judge eval --grammar pairwise",
        "edge-judge eval --scheme q4_k_m --benchmark llmbar-natural --limit 50",
    ),
)
@options.judge
@options.taking
@options.protocol
@options.benchmarks
@click.option(
    "--order",
    type=click.Choice(["both", "given"]),
    default="both",
    show_default=True,
    help="Both orders of the answers, or only the given one.",
)
@click.option(
    "--ties",
    type=click.Choice(["auto", "allow"]),
    default="auto",
    show_default=True,
    help="auto: a tie may be given where the benchmark has ties.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Only the first pairs of each benchmark.")
@click.option(
    "--repeat",
    type=click.IntRange(min=1),
    default=1,
    metavar="TIMES",
    help="Judge so many times, and tell what differs between identical runs.",
)
@click.option("--fresh", is_flag=True, help="Begin the run anew.")
@options.data
@options.results
@options.as_json
def evaluate(
    model: str,
    scheme: str | None,
    gguf: Path | None,
    threads: int | None,
    max_memory: int | None,
    cache: Cache,
    grammar: str | None,
    rubric: Path | None,
    reasoning: int | None,
    truncate: str | None,
    chat_template: str | None,
    names: tuple[str, ...],
    order: str,
    ties: str,
    limit: int | None,
    repeat: int,
    fresh: bool,
    data: Path | None,
    results: Path,
    as_json: bool,
) -> None:
    """Judge the pairs of a benchmark and score the verdicts.

    The same command again goes on where it was stopped.
    """
    from edge_judge.report.scores import scores_table
    from edge_judge.runs import session as sessions

    wanted = Wanted(grammar, rubric, reasoning, truncate)
    chosen = load_all(names, data)
    judge = judge_for(model, scheme, gguf, chat_template)
    how = How(results, fresh, repeat)
    rows = []
    session = sessions.Session(judge, threads=threads, limits=Limits(max_memory, cache))
    with means.fitting(judge, known=gguf is None), session:
        for benchmark in chosen:
            part = replace(benchmark, pairs=benchmark.pairs[:limit])
            orders = ORDERS if order == "both" else ORDERS[:1]
            protocol = protocol_for(judge, wanted, orders=orders, ties=ties == "allow" or benchmark.ties)
            if _has_what_it_needs(protocol, part, skip="all" in names):
                rows.append(row(part, session, protocol, how))
    if not rows:
        raise DataError("none of the benchmarks can be judged so", "--benchmark names one, edge-judge data list tells")
    if as_json:
        click.echo(json.dumps([_as_json(found) for found in rows], indent=2))
    else:
        click.echo(scores_table(rows, width=terminal.width(), color=terminal.color()))


def _as_json(row: ScoreRow) -> dict[str, object]:
    from edge_judge.runs.folder import score_json

    return {**score_json(row.score), **({"noise": asdict(row.noise)} if row.noise else {})}


def load_all(names: tuple[str, ...], data: Path | None) -> list[Benchmark]:
    """The benchmarks that are meant, each once; for `all`, those that are there, and a note on each that is not."""
    if "all" in names and len(set(names)) > 1:
        other = next(name for name in names if name != "all")
        raise UsageError("--benchmark all goes alone", f"leave out all, or '{other}' and whatever else is named")
    if "all" not in names:
        loaded = [benchmarks.load(name, data) for name in names]
        return list({(one.name, one.sha256): one for one in loaded}.values())  # named twice, it is judged once
    found = []
    for name in benchmarks.names():
        try:
            found.append(benchmarks.load(name, data))
        except DataError as error:
            terminal.note(f"{name} left out: {error}")
    return found


def _has_what_it_needs(protocol: Protocol, benchmark: Benchmark, *, skip: bool) -> bool:
    """Whether a benchmark can be judged so. One of `all` that cannot is left out with a note."""
    try:
        missing = check_references(protocol, benchmark)
    except DataError as error:
        if not skip:
            raise
        terminal.note(f"{benchmark.name} left out: {error}")
        return False
    if missing:
        terminal.note(f"{benchmark.name}: {missing} of {len(benchmark.pairs)} pairs have no reference answer to show")
    return True


@dataclass(frozen=True, slots=True)
class How:
    """How runs are made and kept."""

    results: Path
    fresh: bool = False
    repeat: int = 1


def row(benchmark: Benchmark, session: Session, protocol: Protocol, how: How) -> ScoreRow:
    """One run, begun, resumed or read back, as a row of the table."""
    from edge_judge.metrics import published, scoring
    from edge_judge.metrics.alignment import align
    from edge_judge.report.scores import ScoreRow
    from edge_judge.runs import folder as run_folder
    from edge_judge.runs.folder import score_json
    from edge_judge.runs.identity import run_identity, run_settings

    judge = session.judge
    identity = run_identity(benchmark, judge, protocol)
    settings = run_settings(benchmark, judge, protocol, session.limits, session.engine)
    title = f"{benchmark.name} · {judge.model} {judge.scheme} · {protocol.grammar.name}"
    with run_folder.RunFolder.open(how.results, identity, settings, fresh=how.fresh) as kept:
        with terminal.progress(title) as show:
            verdicts, measured = session.evaluate(benchmark, protocol, kept, terminal.Announcing(show))
        score = scoring.score(align(benchmark, verdicts), identity)
        if len(verdicts) == len(kept.verdicts()):  # never replaced by a score over fewer pairs
            kept.complete(measured, judge.bytes, score_json(score))
        found = None
        if how.repeat > 1:
            from edge_judge.judging import noise  # it needs pandas, which nothing else here does

            with terminal.progress(f"{title} · again") as show:
                again = terminal.Showing(show)
                found = noise.repeat(benchmark, session.engine, protocol, verdicts, how.repeat - 1, again)
            kept.add("noise", asdict(found))
    known = published.find_published(published.read_published(published_csv()), judge.model, benchmark.name)
    beside = published.against_published(score, known) if known else None
    return ScoreRow(score, measured.verdicts_per_minute, beside, found)


def published_csv() -> Path:
    """The published figures: inside the installed package, or under results/ of a checkout."""
    inside = Path(__file__).parent.parent / PUBLISHED
    return inside if inside.exists() else Path(__file__).parent.parent.parent / "results" / PUBLISHED
