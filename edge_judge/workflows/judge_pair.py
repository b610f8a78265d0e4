"""One pair of answers judged now, in both orders, and kept nowhere.

Knows: the pair's texts, which judge and protocol are meant. Does not know: how a verdict is reached or shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge_judge.errors import UsageError
from edge_judge.judging.judge import debiased, judge_pair
from edge_judge.records import Benchmark, Label, Limits, Pair, ProgressListener, Verdict
from edge_judge.workflows.adapters import with_adapters
from edge_judge.workflows.judges import find_engine, find_judge
from edge_judge.workflows.memory_advice import advising
from edge_judge.workflows.options import JudgeOptions, ProtocolOptions
from edge_judge.workflows.protocol import check_references, protocol_for


@dataclass(frozen=True, slots=True)
class JudgedPair:
    """orders: a verdict for each; p: the mean of their probabilities, empty where they have none."""

    model: str
    scheme: str
    orders: tuple[Verdict, ...]
    p: Mapping[Label, float]

    @property
    def verdict(self) -> Label | None:
        """The likeliest verdict; where two are, it is a tie, as in the debiased accuracy. Where `p` is empty, the
        verdict of both orders, None where they differ.
        """
        if not self.p:
            verdicts = {given.verdict for given in self.orders}
            return verdicts.pop() if len(verdicts) == 1 else None
        most = max(self.p.values())
        likeliest = [label for label, value in self.p.items() if value == most]
        return likeliest[0] if len(likeliest) == 1 else "tie"


def judge(
    question: str,
    a: str,
    b: str,
    *,
    reference: str | None = None,
    ties: bool = True,
    judge: JudgeOptions = JudgeOptions(),
    protocol: ProtocolOptions = ProtocolOptions(),
    limits: Limits = Limits(),
    listener: ProgressListener = ProgressListener(),
) -> JudgedPair:
    """Judge one pair of answers to a question, in both orders.

    reference: an answer known to be right, for the grammar `reference`; ties: whether a tie may be given.
    """
    if not question.strip():
        raise UsageError(
            "--question is empty, expected the instruction that both answers respond to",
            "use for example: --question 'Name two fruits.'",
        )
    pair = Pair("pair", question, a, b, reference=reference)
    engine = find_engine(judge, limits)
    if len(judge.adapters) > 1:
        raise UsageError("judge takes one adapter, several are given", "edge-judge eval takes several")
    chosen = with_adapters(find_judge(judge, engine), judge.adapters)[0]
    applied = protocol_for(chosen, protocol, ties=ties)
    check_references(applied, Benchmark("pair", (pair,), "", applied.ties, ""))
    if engine is not None:
        for doubt in engine.text_handling((question, a, b)).doubts:
            listener.note(f"{engine.name}: {doubt}")
    with advising(chosen, in_lock=judge.gguf is None):
        verdicts = judge_pair(pair, chosen, applied, threads=judge.threads, limits=limits, engine=engine)
    p = debiased(verdicts) if any(verdict.p is not None for verdict in verdicts) else {}
    return JudgedPair(chosen.model, chosen.scheme, tuple(verdicts), p)
