"""The loss on replies, and how many validation verdicts are right.

A verdict is read as in judging: the probabilities of the legal texts after the prompt, each token path of them. Under a
grammar with reasons they are read without any, after the grammar's bridge: quick to compute, and lower than what a
judge that writes its reasons reaches.
Knows: networks, examples, candidates. Does not know: steps, files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from edge_judge.engine import Model
from edge_judge.engine.candidates import Candidates, read_logits
from edge_judge.engine.plan import Query
from edge_judge.engine.spelling import candidates_after
from edge_judge.inference import Tokens
from edge_judge.protocols.kinds import FreeForm, Pairwise, Reasoned
from edge_judge.protocols.protocol import Protocol
from edge_judge.records import Label
from edge_judge.training.batches import LearnedText, grouped, sequence
from edge_judge.training.examples import Example
from edge_judge.training.network import Network


def reply_loss(network: Network, texts: Sequence[LearnedText]) -> Tensor:
    """The sum, in nats, of the loss on every token that is learned. Prompts and padding add nothing."""
    longest = max(len(text.tokens) for text in texts)
    device = network.speeds.device
    ids = torch.tensor([text.tokens + (0,) * (longest - len(text.tokens)) for text in texts], device=device)
    learned = [(row, at) for row, text in enumerate(texts) for at in range(text.start, len(text.tokens))]
    row, place = torch.tensor(learned, device=device).T
    states = network(ids)[row, place - 1]
    return F.cross_entropy(network.logits(states), ids[row, place], reduction="sum")


@dataclass(frozen=True, slots=True)
class Measured:
    """loss: nats a token; right: verdicts with the right label as the likeliest, of `verdicts`."""

    loss: float
    right: int
    verdicts: int


class Validation:
    """Examples that are measured on again and again. at_once: how many are computed together; tokens: of all."""

    def __init__(self, model: Model, protocol: Protocol, examples: Sequence[Example], at_once: int) -> None:
        self._examples, self._at_once = examples, at_once
        self._groups = grouped([sequence(example) for example in examples], at_once)
        self._learned = sum(text.learned for group in self._groups for text in group)
        self.tokens = sum(len(text.tokens) for group in self._groups for text in group)
        texts = verdict_texts(protocol)
        after: dict[str, Candidates[Label]] = {}
        self._candidates: list[Candidates[Label]] = []
        for example in examples:
            end = model.prompts.end(example.prompt.text)
            if end not in after:
                after[end] = candidates_after(model.tokenizer, end, model.prompts.lead, texts)
            self._candidates.append(after[end])

    def measure(self, network: Network) -> Measured:
        """The network as it is now, without dropout."""
        network.eval()
        try:
            with torch.no_grad():
                loss = sum(float(reply_loss(network, group)) for group in self._groups)
                verdicts = self._verdicts(network)
        finally:
            network.train()
        right = sum(verdict == example.label for verdict, example in zip(verdicts, self._examples, strict=True))
        return Measured(loss / self._learned, right, len(verdicts))

    def _verdicts(self, network: Network) -> list[Label]:
        found: list[dict[tuple[Tokens, int], float]] = [{} for _ in self._examples]
        asked = [
            (index, continuation, query)
            for index, (example, texts) in enumerate(zip(self._examples, self._candidates, strict=True))
            for continuation, query in enumerate(texts.queries(example.prompt.tokens))
        ]
        asked.sort(key=lambda one: one[2].size)
        for start in range(0, len(asked), self._at_once):
            group = asked[start : start + self._at_once]
            for (index, continuation, _), logits in zip(group, _read(network, [q for *_, q in group]), strict=True):
                for read, row in enumerate(logits):
                    found[index] |= read_logits(self._candidates[index], continuation, read, row.numpy())
        return [_likeliest(texts.probabilities(p).p) for texts, p in zip(self._candidates, found, strict=True)]


def verdict_texts(protocol: Protocol) -> Mapping[str, Label]:
    """The texts that give a verdict right after a prompt, and that verdict."""
    kind = protocol.grammar.kind
    texts: dict[str, Label] = {}
    if isinstance(kind, Reasoned):
        texts = {kind.opening + kind.bridge + ending: label for ending, label in kind.endings.items()}
    elif isinstance(kind, FreeForm):
        texts = {mark: label for label, mark in kind.marks.items()}
    elif isinstance(kind, Pairwise):
        texts = dict(kind.verdicts)
    return {text: label for text, label in texts.items() if label in protocol.labels}


def _read(network: Network, queries: Sequence[Query]) -> list[Tensor]:
    """The logits (reads, vocabulary) of each query, on the CPU."""
    longest = max(query.size for query in queries)
    ids = torch.tensor(
        [query.tokens + (0,) * (longest - query.size) for query in queries], device=network.speeds.device
    )
    states = network(ids)
    return [network.logits(states[row, list(query.positions)]).cpu() for row, query in enumerate(queries)]


def _likeliest(p: Mapping[Label, float]) -> Label:
    return max(p, key=lambda label: p[label])
