"""edge-judge eval: a benchmark put to a judge."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_judge import benchmarks
from edge_judge.cli import options, talk
from edge_judge.cli.files import judge_for
from edge_judge.errors import DataError
from edge_judge.records import ORDERS, Benchmark, Judge

if TYPE_CHECKING:
    from edge_judge.judging import Protocol
    from edge_judge.report import ScoreRow

PUBLISHED = "published.csv"


@click.command(
    "eval",
    epilog=options.example(
        "edge-judge eval --grammar pairwise",
        "edge-judge eval --scheme q4_k_m --benchmark llmbar-natural --limit 50",
    ),
)
@options.judge
@click.option(
    "--grammar",
    default="pairwise",
    show_default=True,
    help="The answer shape a judge is held to; none: it writes what it likes.",
)
@click.option(
    "--benchmark",
    "names",
    multiple=True,
    default=("pocket",),
    show_default=True,
    help="A known benchmark, a file of your own, or all. Repeatable.",
)
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
@click.option("--fresh", is_flag=True, help="Begin the run anew.")
@options.data
@options.results
@options.as_json
def evaluate(
    model: str,
    scheme: str | None,
    gguf: Path | None,
    threads: int | None,
    grammar: str,
    names: tuple[str, ...],
    order: str,
    ties: str,
    limit: int | None,
    fresh: bool,
    data: Path | None,
    results: Path,
    as_json: bool,
) -> None:
    """Judge the pairs of a benchmark and score the verdicts.

    The same command again goes on where it was stopped.
    """
    from edge_judge import grammar as grammars
    from edge_judge.judging import Protocol
    from edge_judge.report import score_json, scores_table

    shape = grammars.load(grammar)
    chosen = load_all(names, data)
    judge = judge_for(model, scheme, gguf)
    rows = []
    for benchmark in chosen:
        part = replace(benchmark, pairs=benchmark.pairs[:limit])
        protocol = Protocol(shape, ORDERS if order == "both" else ORDERS[:1], ties == "allow" or benchmark.ties)
        rows.append(row(part, judge, protocol, results, fresh=fresh, threads=threads))
    if as_json:
        click.echo(json.dumps([score_json(found.score) for found in rows], indent=2))
    else:
        click.echo(scores_table(rows, width=talk.width(), color=talk.color()))


def load_all(names: tuple[str, ...], data: Path | None) -> list[Benchmark]:
    """The benchmarks that are meant; for `all`, those whose files are there, and a note on each that is not."""
    if names != ("all",):
        return [benchmarks.load(name, data) for name in names]
    found = []
    for name in benchmarks.names():
        try:
            found.append(benchmarks.load(name, data))
        except DataError as error:
            talk.note(f"{name} left out: {error}")
    return found


def row(
    benchmark: Benchmark,
    judge: Judge,
    protocol: Protocol,
    results: Path,
    *,
    fresh: bool,
    threads: int | None = None,
) -> ScoreRow:
    """One run, begun, resumed or read back, as a row of the table."""
    from edge_judge import metrics, published, run, store
    from edge_judge.report import ScoreRow, score_json

    identity, settings = run.identity(benchmark, judge, protocol), run.settings(benchmark, judge, protocol)
    with store.RunFolder.open(results, identity, settings, fresh=fresh) as kept:
        title = f"{benchmark.name} · {judge.model} {judge.scheme} · {protocol.grammar.name}"
        with talk.progress(title) as show:
            verdicts, measured = run.evaluate(benchmark, judge, protocol, kept, show, threads=threads)
        score = metrics.score(benchmark, verdicts, identity)
        if len(verdicts) == len(kept.verdicts()):  # never replaced by a score over fewer pairs
            kept.complete(measured, judge.gguf.stat().st_size, score_json(score))
    known = published.find_published(published.read_published(published_csv()), judge.model, benchmark.name)
    beside = published.against_published(score, known) if known else None
    return ScoreRow(score, measured.verdicts_per_minute, beside)


def published_csv() -> Path:
    """The published figures: inside the installed package, or under results/ of a checkout."""
    inside = Path(__file__).parent.parent / PUBLISHED
    return inside if inside.exists() else Path(__file__).parent.parent.parent / "results" / PUBLISHED
