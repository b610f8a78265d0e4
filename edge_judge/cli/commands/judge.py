"""edge-judge judge: one pair, now, in both orders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import click

from edge_judge.cli import options, terminal
from edge_judge.cli.command import Command
from edge_judge.records import LABELS, Label, Limits
from edge_judge.report.columns import Value
from edge_judge.report.formatting import UNDEFINED, Form, notes, table
from edge_judge.report.forms import sheet, written
from edge_judge.workflows.options import JudgeOptions, ProtocolOptions

if TYPE_CHECKING:
    from edge_judge.workflows.judge_pair import JudgedPair

HEADING = "judge"


@click.command(
    cls=Command,
    epilog=options.example(
        "edge-judge judge --question 'Name two fruits.' --a 'apple pear' --b 'I love fruit! apple'",
    ),
)
@options.judge
@options.limits
@options.protocol
@click.option("--question", required=True, help="The instruction that both answers respond to.")
@click.option("--a", "a", required=True, help="One answer.")
@click.option("--b", "b", required=True, help="The other answer.")
@click.option("--reference", help="With --grammar reference: a reference answer.")
@click.option("--no-ties", is_flag=True, help="Do not allow a tie.")
@options.forms
@options.collected(judge=JudgeOptions, limits=Limits, protocol=ProtocolOptions, output=options.Output)
def judge(
    judge: JudgeOptions,
    limits: Limits,
    protocol: ProtocolOptions,
    question: str,
    a: str,
    b: str,
    reference: str | None,
    no_ties: bool,
    output: options.Output,
) -> None:
    """Judge one pair of answers, in both orders.

    Prints the probability of each verdict.
    """
    from edge_judge.workflows import judge_pair

    judged = judge_pair.judge(
        question,
        a,
        b,
        reference=reference,
        ties=not no_ties,
        judge=judge,
        protocol=protocol,
        limits=limits,
        listener=terminal.TerminalListener(),
    )
    terminal.show(output.form, lambda: _as_json(judged), partial(_written, judged))


def _as_json(judged: JudgedPair) -> dict[str, object]:
    orders = [
        {"order": given.order, "verdict": given.verdict, "p": dict(given.p or {}), "mass": given.mass}
        for given in judged.orders
    ]
    return {
        "model": judged.model,
        "scheme": judged.scheme,
        "orders": orders,
        "verdict": judged.verdict,
        "p": judged.p,
    }


@dataclass(frozen=True, slots=True)
class _Row:
    """What was shown, and the verdict on it."""

    shown: str
    verdict: Label | None
    p: Mapping[Label, float]
    mass: float | None = None


def _written(judged: JudgedPair, *, form: Form, width: int, color: bool) -> str:

    rows = [
        _Row(f"answer {given.order[0].upper()} first", given.verdict, given.p or {}, given.mass)
        for given in judged.orders
    ]
    rows.append(_Row("both orders", judged.verdict, judged.p))
    headings = ["shown", "verdict", "A", "B", "tie", "mass"]
    cells = [[row.shown, *_cells(row.verdict, row.p, row.mass)] for row in rows]
    explained = "A, B, tie: probability of each verdict; mass: share of the probability that is on legal verdicts"
    if not any(row.p for row in rows):  # the judge wrote freely
        headings, cells = headings[:2], [line[:2] for line in cells]
        explained = "-: no valid verdict, or different ones; --grammar pairwise shows probabilities"
    lines = table(f"{judged.model} {judged.scheme}", headings, cells, frozenset({1}))
    fields: dict[str, Callable[[_Row], Value]] = {
        "shown": lambda row: row.shown,
        "verdict": lambda row: row.verdict,
        "p_a": lambda row: row.p.get("a"),
        "p_b": lambda row: row.p.get("b"),
        "p_tie": lambda row: row.p.get("tie"),
        "mass": lambda row: row.mass,
    }
    return written([lines, notes(explained)], [sheet("orders", fields, rows)], form=form, width=width, color=color)


def _cells(verdict: Label | None, p: Mapping[Label, float], mass: float | None) -> list[str]:
    shares = [f"{p[label]:.3f}" if label in p else UNDEFINED for label in LABELS]
    name = {"a": "A", "b": "B", "tie": "tie", None: UNDEFINED}[verdict]
    return [name, *shares, UNDEFINED if mass is None else f"{mass:.3f}"]
