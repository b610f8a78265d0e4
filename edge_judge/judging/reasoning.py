"""What a judge writes, token by token, greedily: freely, or reasons held to a grammar and then a verdict that is not
written but read from the probabilities.

Reasons end when the judge itself begins the verdict or falls silent, or at their bound. What the grammar forces then
is evaluated at once, and nothing of it is sampled, so the bound cannot cut a verdict off. Where they end in the midst
of what is legal only as a whole (a character, an escape), they go back to where they last were whole.

Knows: one answer under way. Does not know: pairs, orders, prompts, how sequences are evaluated together.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_judge.engine import GrammarGuide, Guide, Logits, Model, NextTokens
from edge_judge.engine.plan import Tokens
from edge_judge.errors import GrammarError
from edge_judge.judging.candidates import Candidates, candidates, common_start, read_logits
from edge_judge.protocols.gbnf_matcher import Node, Reader, matches
from edge_judge.protocols.grammar import Grammar, Reasoned, quoted
from edge_judge.records import Label

FEW = 256  # how many tokens are tried, the likeliest first, before reasons are ended
_REST = "what-follows-the-opening"  # a rule's name that no grammar has


@dataclass(frozen=True, slots=True)
class ReasoningSetup:
    """What all authors of a run share. guide: a new one, held to what may follow the opening; limit: tokens of
    reasons; labels: the verdicts that may be given; silent: whether each token stands for no text at all.
    """

    model: Model
    reasoned: Reasoned
    rules: Mapping[str, Node]
    guide: Callable[[], Guide]
    limit: int
    labels: Sequence[Label]
    silent: NDArray[np.bool_]


def reasoning_setup(model: Model, grammar: Grammar, limit: int, labels: Sequence[Label]) -> ReasoningSetup:
    """The desk for a reasoned grammar: held by Outlines where the file has a schema, else by llama.cpp."""
    if grammar.reasoned is None:
        raise GrammarError(f"the grammar {grammar.name} has no reasons in it")
    pieces = [model.piece(token) for token in range(model.vocabulary)]
    guide = _typed(model, grammar.reasoned, pieces) if grammar.reasoned.schema else _ruled(model, grammar)
    silent = np.array([not piece for piece in pieces])
    return ReasoningSetup(model, grammar.reasoned, grammar.rules, guide, limit, labels, silent)


def _ruled(model: Model, grammar: Grammar) -> Callable[[], Guide]:
    text = f"{grammar.text}\n{_REST} ::= reasoning verdict\n"
    return lambda: GrammarGuide(model, text, _REST)


def _typed(model: Model, reasoned: Reasoned, pieces: Sequence[bytes]) -> Callable[[], Guide]:
    from edge_judge.engine import json_guide

    end = next((token for token in range(model.vocabulary) if model.ends(token)), model.vocabulary)
    index = json_guide.Index(json_guide.schema_expression(str(reasoned.schema)), pieces, end)
    opening = model.tokens_mid_text(reasoned.opening)

    def begun() -> Guide:
        guide = index.guide()
        for token in opening:
            guide.accept(token)
        return guide

    return begun


class ReasoningWriter:
    """An author of reasons and a verdict. texts: what it was shown; a verdict quoted from them does not count.

    Afterwards: reasons, p (probability of each label, summing to 1) and mass, the share of all probability that
    lay on legal verdicts once their fixed beginning stood there.
    """

    def __init__(self, at: ReasoningSetup, texts: Sequence[str]) -> None:
        self._desk, self._texts = at, texts
        self._mark = at.reasoned.forced.rstrip()  # whoever has written this is about to give the verdict
        self._guide = at.guide()
        self._reader = Reader(at.rules, "reasoning")
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._count = 0
        self._firm = self._reader.copy()  # as it was after the last token that left the reasons whole
        self._since = ""  # what was read since then, in so many tokens, and the logits before the first of them
        self._loose = 0
        self._held: Logits | None = None
        self._votes: CandidateReader | None = None
        self.reasons = ""
        self.p: dict[Label, float] = {}
        self.mass = 0.0

    @property
    def text(self) -> str:
        """The whole text, with the likeliest verdict."""
        best = max(self.p, key=lambda label: self.p[label])
        endings = self._desk.reasoned.endings
        return self._desk.reasoned.opening + self.reasons + next(text for text in endings if endings[text] == best)

    def next(self, logits: Logits) -> NextTokens | None:
        if self._votes is not None:
            return self._vote(self._votes, logits)
        token, bridge = int(logits.argmax()), self._desk.reasoned.bridge
        if self._count == self._desk.limit or self._desk.model.ends(token):
            return self._conclude(logits, "", bridge)
        if self._desk.silent[token] or not self._guide.allows(token):
            token = int(self._allowed(logits).argmax())
        if self._desk.silent[token] or not self._guide.allows(token):
            return self._conclude(logits, "", bridge)  # no token goes on
        new, inside = self._try(token)
        if inside == len(new):
            return self._reason(token, new, logits)
        if not quoted(self.reasons + new[:inside], self._mark, self._texts):
            return self._conclude(logits, new)  # the judge itself begins the verdict; drop that token
        inner = self._within(self._allowed(logits))
        return self._conclude(logits, "", bridge) if inner is None else self._reason(*inner, logits)

    def _allowed(self, logits: Logits) -> Logits:
        """The logits, minus infinity where a token is not allowed, or is no text."""
        allowed = self._guide.allowed(logits)
        allowed[self._desk.silent] = -np.inf
        return allowed

    def _try(self, token: int) -> tuple[str, int]:
        """The text that a token would add, and how much of it would still be reasons."""
        before = self._decoder.getstate()
        new = self._decoder.decode(self._desk.model.piece(token))
        self._decoder.setstate(before)
        return new, self._reader.copy().take(new)

    def _within(self, logits: Logits) -> tuple[int, str] | None:
        """The likeliest of the first few tokens that go on reasoning, with its text."""
        for token in np.argsort(logits)[: -FEW - 1 : -1].tolist():
            new, inside = self._try(token)
            if logits[token] > -np.inf and new and inside == len(new):
                return token, new
        return None

    def _reason(self, token: int, new: str, logits: Logits) -> NextTokens:
        self._decoder.decode(self._desk.model.piece(token))
        self._reader.take(new)
        self._guide.accept(token)
        self._count += 1
        self.reasons += new
        self._settle(new, logits)
        begun = self.reasons.removesuffix(self._mark)
        if begun != self.reasons and self._can_end(begun):
            self.reasons = begun
            return self._cast((token,), self._mark)
        return NextTokens((token,))

    def _settle(self, new: str, logits: Logits) -> None:
        """Remember where the reasons were whole for the last time."""
        if self._reader.whole and not self._decoder.getstate()[0]:
            self._firm, self._since, self._loose, self._held = self._reader.copy(), "", 0, None
            return
        if not self._loose:
            self._held = logits.copy()
        self._since += new
        self._loose += 1

    def _can_end(self, reasons: str) -> bool:
        """Whether the mark that follows these reasons is the judge's own."""
        return matches(self._desk.rules, reasons, "reasoning") and not quoted(reasons, self._mark, self._texts)

    def _conclude(self, logits: Logits, new: str, bridge: str = "") -> NextTokens | None:
        """End the reasons with as much of `new` as leaves them whole, bridge them, and come to the verdict."""
        firm = self.reasons.removesuffix(self._since)
        more = _whole(self._firm, self._since + new) + bridge
        self.reasons = firm + more
        back, held = self._loose, logits if self._held is None else self._held
        step = self._cast((), "", more, back)
        return step if step.tokens else self._vote(self._votes, held)  # type: ignore[arg-type]

    def _cast(self, first: Tokens, standing: str, more: str = "", back: int = 0) -> NextTokens:
        """What is to be evaluated before the verdict can be read; of the endings, `standing` is written already."""
        texts = {
            more + ending.removeprefix(standing): label
            for ending, label in self._desk.reasoned.endings.items()
            if label in self._desk.labels
        }
        paths = [(self._desk.model.tokens_mid_text(text), label) for text, label in texts.items()]
        forced = common_start([path for path, _ in paths])
        votes = candidates([(path[len(forced) :], label) for path, label in paths])
        self._votes = CandidateReader(votes, 0 if forced else back)
        return NextTokens(first + forced, back)

    def _vote(self, votes: CandidateReader, logits: Logits) -> NextTokens | None:
        step = votes.read(logits)
        if step is None:
            self.p, self.mass = votes.count()
        return step


class CandidateReader:
    """Reads a ballot where the reasons end: at the end itself, `back` tokens before the last one evaluated, then
    along each stem that hangs on it.
    """

    def __init__(self, paths: Candidates[Label], back: int) -> None:
        self._paths, self._beyond = paths, back
        self._log_p: dict[tuple[Tokens, int], float] = {}
        stems = range(len(paths.stems))
        self._here = [(stem, 0) for stem in stems]  # the (stem, read) that the next logits are of
        self._todo = [(stem, read) for stem in stems for read in range(1, len(paths.stems[stem]) + 1)]

    def read(self, logits: Logits) -> NextTokens | None:
        for stem, read in self._here:
            self._log_p |= read_logits(self._paths, stem, read, logits)
        if not self._todo:
            return None
        stem, read = self._todo.pop(0)
        self._here = [(stem, read)]
        back = self._beyond if read == 1 else 0
        self._beyond = read
        return NextTokens((self._paths.stems[stem][read - 1],), back)

    def count(self) -> tuple[dict[Label, float], float]:
        return self._paths.count(self._log_p)


def _whole(reader: Reader, text: str) -> str:
    """The longest beginning of a text after which what was read is whole; nothing, if there is none."""
    reader, found = reader.copy(), 0
    for count, character in enumerate(text, 1):
        if not reader.take(character):
            break
        found = count if reader.whole else found
    return text[:found]
