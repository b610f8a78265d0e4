"""edge-judge choose: which quantization can be trusted, found with as few verdicts as possible."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from edge_judge.cli import files, means, options, terminal
from edge_judge.cli.eval import load_all
from edge_judge.cli.files import judge_for
from edge_judge.cli.protocols import Wanted, check_references, protocol_for
from edge_judge.errors import DataError, ModelError, RunError, UsageError
from edge_judge.records import ORDERS, Benchmark, Identity, Judge, Limits, ProgressListener, Run

if TYPE_CHECKING:
    from edge_judge.analysis.decision import Decision
    from edge_judge.workflows.choose import ChooseSettings, JudgeSource, Task

_TIME = re.compile(r"(\d+|\d*\.\d+)\s*(s|min|m|h|d)", re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def seconds(_: click.Context, option: click.Option, value: str | None) -> float | None:
    """Seconds that `2h`, `30min` or `90s` mean. Raises UsageError for anything else."""
    if value is None:
        return None
    found = _TIME.fullmatch(value.strip())
    if not found or not float(found[1]):
        raise UsageError(f"{option.opts[0]} {value}: not a time", "say for example 2h, 30min or 90s")
    return float(found[1]) * _SECONDS[found[2].lower()]


@click.command(
    epilog=options.example(
        "edge-judge choose --margin 2",
        "edge-judge choose --model llama-3-8b --benchmark pandalm --benchmark auto-j --budget 8h",
        "edge-judge choose --scheme q4_k_m --by verdicts --max-pairs 300",
    )
)
@options.model
@click.option("--scheme", "schemes", multiple=True, help="Only this one; repeatable.  [default: the ladder built here]")
@click.option("--baseline", default="f16", show_default=True, help="The scheme that others must agree with.")
@options.threads
@options.taking
@options.protocol
@options.benchmarks
@options.margin
@click.option(
    "--by",
    "claim",
    type=click.Choice(["probabilities", "verdicts"]),
    default="probabilities",
    show_default=True,
    help="What is claimed: expected accuracy of the verdicts' probabilities, or accuracy of the verdicts as given.",
)
@click.option("--budget", metavar="TIME", callback=seconds, help="Judge no longer than this: 2h, 30min, 90s.")
@click.option("--max-pairs", type=click.IntRange(min=1), help="Judge no more pairs than this with each scheme.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the order of the pairs.")
@options.data
@options.results
@options.as_json
def choose(
    model: str,
    schemes: tuple[str, ...],
    baseline: str,
    threads: int | None,
    max_memory: int | None,
    cache: Literal["f16", "q8_0"],
    grammar: str | None,
    rubric: Path | None,
    reasoning: int | None,
    truncate: str | None,
    chat_template: str | None,
    names: tuple[str, ...],
    margin: float,
    claim: Literal["probabilities", "verdicts"],
    budget: float | None,
    max_pairs: int | None,
    seed: int,
    data: Path | None,
    results: Path,
    as_json: bool,
) -> None:
    """Find the smallest scheme of a model that judges as its baseline does, with as few verdicts as possible.

    Pairs are judged in random blocks; a scheme is done as soon as it is decided. What was judged before is used, and
    what is judged now stays: `edge-judge eval` goes on from there.
    """
    from edge_judge.report.decision import choice_json, choice_table
    from edge_judge.workflows import choose as choosing

    wanted = Wanted(grammar, rubric, reasoning, truncate)
    chosen = load_all(names, data)
    ladder = _ladder(model, schemes, baseline, chat_template)
    tasks = _tasks(ladder[0], chosen, wanted)
    how = choosing.ChooseSettings(
        results, margin, claim, seed, budget, max_pairs, threads, Limits(max_memory, cache), _listener
    )
    decisions: list[Decision] = []
    with means.fitting(ladder[0], known=True), _side(model, baseline, chat_template, tasks, how) as side:
        for decision in choosing.choose(ladder, side, tasks, how):
            decisions.append(decision)
            terminal.note(f"{decision.run.scheme}: {decision.outcome} after {decision.pairs:,} pairs")
    unseen = [judge.scheme for judge in ladder[len(decisions) :]]
    if as_json:
        click.echo(json.dumps(choice_json(decisions, unseen), indent=2))
    else:
        click.echo(choice_table(decisions, unseen, width=terminal.width(), color=terminal.color()))


# ---- what is compared ---------------------------------------------------------------------------------------


def _ladder(model: str, named: Sequence[str], baseline: str, chat: str | None) -> list[Judge]:
    """The schemes in question, the largest file first."""
    from quantize import lock, schemes

    against = schemes.canonical(baseline)
    if named:
        wanted = [schemes.canonical(name) for name in named]
    elif model in files.SHIPPED:  # with the package, so any scheme can be built at once
        wanted = list(means.SCHEMES)
    else:
        wanted = [record.scheme for record in lock.read_built(files.models_folder()).built if record.model == model]
    judges = [judge_for(model, scheme, None, chat) for scheme in dict.fromkeys(wanted) if scheme != against]
    if not judges:
        raise ModelError(
            f"no scheme of {model} but {against} is built on this machine",
            f"edge-judge quantize {model} q4_k_m builds one" if not named else "name one beside the baseline",
        )
    return sorted(judges, key=lambda judge: judge.bytes, reverse=True)


def _tasks(judge: Judge, chosen: Sequence[Benchmark], wanted: Wanted) -> list[Task]:
    from edge_judge.workflows.choose import Task

    tasks = []
    for benchmark in chosen:
        protocol = protocol_for(judge, wanted, orders=ORDERS, ties=benchmark.ties)
        check_references(protocol, benchmark)
        tasks.append(Task(benchmark, protocol))
    if not tasks:
        raise DataError("no benchmark is here to decide on", "--benchmark names one, edge-judge data list tells")
    return tasks


def _listener(judge: Judge, part: Benchmark) -> ProgressListener:
    """On a terminal each block is announced before it is judged: with a large model one takes minutes."""
    return terminal.Announcing(prefix=f"{judge.scheme} · ") if sys.stderr.isatty() else ProgressListener()


@contextmanager
def _side(
    model: str, named: str, chat: str | None, tasks: Sequence[Task], how: ChooseSettings
) -> Iterator[JudgeSource]:
    """The baseline: judged here where its file is here, else as it was recorded, or imported from a pack."""
    from edge_judge.workflows import choose as choosing
    from quantize import schemes

    scheme = schemes.canonical(named)
    if model in files.SHIPPED or files.find_built(model, scheme):
        with choosing.local_judge(judge_for(model, scheme, None, chat), tasks, how) as side:
            yield side
    else:
        yield choosing.RecordedJudge(_recorded(model, scheme, tasks, how.results))


def _recorded(model: str, scheme: str, tasks: Sequence[Task], results: Path) -> list[Run]:
    from edge_judge.runs import folder as run_folder

    found = []
    for task in tasks:
        identity = Identity(task.benchmark.name, model, scheme, task.protocol.grammar.name)
        path = run_folder.folder(results, identity)
        if not (path / "score.json").exists():
            raise RunError(
                f"{path}: no {scheme} run there to compare with, and {model} {scheme} is not built on this machine",
                f"edge-judge pack import brings one from a machine that has it; edge-judge quantize {model} {scheme} "
                f"builds it",
            )
        found.append(run_folder.read_run(path))
    return found
