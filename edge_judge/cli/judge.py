"""edge-judge judge: one pair, now, in both orders."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edge_judge.cli import means, options, terminal
from edge_judge.cli.files import judge_for
from edge_judge.cli.protocols import Wanted, check_references, protocol_for
from edge_judge.errors import UsageError
from edge_judge.records import Benchmark, Cache, Label, Limits, Pair, Verdict


@click.command(
    epilog=options.example(
        "edge-judge judge --question 'Name two fruits.' --a 'apple pear' --b 'I love fruit! apple'",
    )
)
@options.judge
@options.taking
@options.protocol
@click.option("--question", required=True, help="The instruction both answers were given.")
@click.option("--a", "a", required=True, help="One answer.")
@click.option("--b", "b", required=True, help="The other answer.")
@click.option("--reference", help="With --grammar reference: an answer known to be good.")
@click.option("--no-ties", is_flag=True, help="Decide for one of the two.")
@options.as_json
def judge(
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
    question: str,
    a: str,
    b: str,
    reference: str | None,
    no_ties: bool,
    as_json: bool,
) -> None:
    """Judge one pair of answers in both orders, with the probability of each verdict."""
    from edge_judge.judging import judge as judging

    if not question.strip():
        raise UsageError(
            "--question is empty: expected the instruction that both answers were given",
            "say for example: --question 'Name two fruits.'",
        )
    pair = Pair("pair", question, a, b, reference=reference)
    chosen = judge_for(model, scheme, gguf, chat_template)
    protocol = protocol_for(chosen, Wanted(grammar, rubric, reasoning, truncate), ties=not no_ties)
    check_references(protocol, Benchmark("pair", (pair,), "", protocol.ties, ""))
    with means.fitting(chosen, known=gguf is None):
        verdicts = judging.judge_pair(pair, chosen, protocol, threads=threads, limits=Limits(max_memory, cache))
    mean = judging.debiased(verdicts)
    if as_json:
        orders = [_as_json(one) for one in verdicts]
        found = {"model": chosen.model, "scheme": chosen.scheme, "orders": orders, "verdict": _best(mean), "p": mean}
        click.echo(json.dumps(found, indent=2))
        return
    from edge_judge.report.formatting import notes, render, table

    rows = [
        [f"answer {one.order[0].upper()} first", *_cells(one.verdict, dict(one.p or {}), one.mass)] for one in verdicts
    ]
    rows.append(["both orders", *_cells(_best(mean), mean, None)])
    lines = table(
        f"{chosen.model} {chosen.scheme}", ["shown", "verdict", "A", "B", "tie", "mass"], rows, frozenset({1})
    )
    note = notes("A, B, tie: probability of each verdict; mass: share of all probability on legal verdicts")
    click.echo(render([lines, note], terminal.width(), terminal.color()), nl=False)


def _cells(verdict: Label | None, p: dict[Label, float], mass: float | None) -> list[str]:
    from edge_judge.report.formatting import UNDEFINED

    shares = [f"{p[label]:.3f}" if label in p else UNDEFINED for label in ("a", "b", "tie")]
    said = {"a": "A", "b": "B", "tie": "tie", None: UNDEFINED}[verdict]
    return [said, *shares, UNDEFINED if mass is None else f"{mass:.3f}"]


def _best(p: dict[Label, float]) -> Label:
    """The likeliest verdict; where two are, it is a tie, as in the debiased accuracy."""
    most = max(p.values())
    likeliest = [label for label, value in p.items() if value == most]
    return likeliest[0] if len(likeliest) == 1 else "tie"


def _as_json(verdict: Verdict) -> dict[str, object]:
    return {
        "order": verdict.order,
        "verdict": verdict.verdict,
        "p": dict(verdict.p or {}),
        "mass": verdict.mass,
    }
