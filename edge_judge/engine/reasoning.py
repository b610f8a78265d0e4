"""Writing reasons in a language, then reading the probabilities of the endings.

Reasons end when the model begins an ending or ends its turn, or at their limit. The forced tokens that follow are
evaluated at once and none is sampled, so the limit cannot cut an ending off. If reasons end inside something that is
legal only as a whole (a character, an escape), they are cut back to where they were last complete.
Knows: one text, in the tokens of one model. Does not know: pairs, prompts, what an ending means, how sequences are
evaluated together.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic

import numpy as np
from numpy.typing import NDArray

from edge_judge.engine import json_guide
from edge_judge.engine.candidates import CandidateReader, common_start
from edge_judge.engine.evaluator import NextTokens
from edge_judge.engine.gbnf_guide import GrammarGuide, Guide
from edge_judge.engine.llama import Logits
from edge_judge.engine.model import Model
from edge_judge.engine.spelling import spelled
from edge_judge.engine.tokenizer import TAIL
from edge_judge.inference import Distribution, GuidedWriting, Outcome, TextReader, Tokens, Written

TRIES = 256  # how many tokens are tried, the likeliest first, before reasons are ended

Copied = Callable[[str], bool]  # whether an ending right after this text would be a quotation from the prompt


@dataclass(frozen=True, slots=True)
class ReasoningSetup(Generic[Outcome]):
    """What all writers under a rule share. guide: makes a guide for the text after the opening; silent: (vocabulary,),
    whether a token has no text.
    """

    model: Model
    rule: GuidedWriting[Outcome]
    guide: Callable[[], Guide]
    silent: NDArray[np.bool_]


def reasoning_setup(model: Model, rule: GuidedWriting[Outcome]) -> ReasoningSetup[Outcome]:
    """The setup for a rule, guided by Outlines if it has a schema, else by llama.cpp."""
    pieces = [model.piece(token) for token in range(model.vocabulary)]
    by_grammar: Callable[[], Guide] = partial(GrammarGuide, model, rule.grammar, rule.start)
    guide = _schema_guide(model, rule, rule.schema, pieces) if rule.schema else by_grammar
    return ReasoningSetup(model, rule, guide, np.array([not piece for piece in pieces]))


def _schema_guide(
    model: Model, rule: GuidedWriting[Outcome], schema: str, pieces: Sequence[bytes]
) -> Callable[[], Guide]:
    end = next((token for token in range(model.vocabulary) if model.ends(token)), model.vocabulary)
    index = json_guide.Index(json_guide.schema_expression(schema), pieces, end)
    opening = model.tokenizer.inside(rule.opening)

    def after_opening() -> Guide:
        guide = index.guide()
        for token in opening:
            guide.accept(token)
        return guide

    return after_opening


class ReasoningWriter(Generic[Outcome]):
    """Writes reasons and reads the ending. copied: whether an ending that begins now is a quotation from the prompt;
    such an ending does not end the reasons.

    When it is done it has `reasons` and the `distribution` of the endings. The mass is the share of all probability
    that the endings have after the text that they all begin with.
    """

    def __init__(self, setup: ReasoningSetup[Outcome], copied: Copied) -> None:
        self._setup, self._rule, self._copied = setup, setup.rule, copied
        self._mark = setup.rule.mark
        self._guide = setup.guide()
        self._reader = setup.rule.reader()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._count = 0
        self._whole = self._reader.copy()  # the reader after the last token that left the reasons complete
        self._since = ""  # the text read since then, its tokens, and the logits before the first of them
        self._tokens_since = 0
        self._logits_then: Logits | None = None
        self._endings: CandidateReader[Outcome] | None = None
        self.reasons = ""
        self.distribution: Distribution[Outcome] = Distribution({}, 0.0)

    @property
    def text(self) -> str:
        """The whole text, with the likeliest ending."""
        p, endings = self.distribution.p, self._rule.endings
        best = max(p, key=lambda outcome: p[outcome])
        return self._rule.opening + self.reasons + next(text for text in endings if endings[text] == best)

    @property
    def result(self) -> Written[Outcome]:
        return Written(self.text, self.distribution)

    def next(self, logits: Logits) -> NextTokens | None:
        if self._endings is not None:
            return self._read_endings(self._endings, logits)
        token, bridge = int(logits.argmax()), self._rule.bridge
        if self._count == self._rule.limit or self._setup.model.ends(token):
            return self._conclude(logits, "", bridge)
        if self._setup.silent[token] or not self._guide.allows(token):
            token = int(self._allowed(logits).argmax())
        if self._setup.silent[token] or not self._guide.allows(token):
            return self._conclude(logits, "", bridge)  # no token continues the reasons
        new, inside = self._try(token)
        if inside == len(new):
            return self._reason(token, new, logits)
        if not self._copied(self.reasons + new[:inside]):
            return self._conclude(logits, new)  # the model begins the ending itself; drop that token
        inner = self._likeliest_reason(self._allowed(logits))
        return self._conclude(logits, "", bridge) if inner is None else self._reason(*inner, logits)

    def _allowed(self, logits: Logits) -> Logits:
        """The logits, minus infinity where a token is not allowed or has no text."""
        allowed = self._guide.allowed(logits)
        allowed[self._setup.silent] = -np.inf
        return allowed

    def _try(self, token: int) -> tuple[str, int]:
        """The text that a token would add, and how many of its characters would still be reasons."""
        before = self._decoder.getstate()
        new = self._decoder.decode(self._setup.model.piece(token))
        self._decoder.setstate(before)
        return new, self._reader.copy().take(new)

    def _likeliest_reason(self, logits: Logits) -> tuple[int, str] | None:
        """The likeliest token that stays within the reasons, with its text; None if the first TRIES do not."""
        for token in np.argsort(logits)[: -TRIES - 1 : -1].tolist():
            new, inside = self._try(token)
            if logits[token] > -np.inf and new and inside == len(new):
                return token, new
        return None

    def _reason(self, token: int, new: str, logits: Logits) -> NextTokens:
        """Add a token to the reasons, and begin the ending if they now end with its mark."""
        self._decoder.decode(self._setup.model.piece(token))
        self._reader.take(new)
        self._guide.accept(token)
        self._count += 1
        self.reasons += new
        self._remember_whole(new, logits)
        before_mark = self.reasons.removesuffix(self._mark)
        if before_mark != self.reasons and self._can_end(before_mark):
            self.reasons = before_mark
            return self._begin_ending((token,), self._mark)
        return NextTokens((token,))

    def _remember_whole(self, new: str, logits: Logits) -> None:
        """Remember where the reasons were last complete."""
        if self._reader.whole and not self._decoder.getstate()[0]:
            self._whole, self._since = self._reader.copy(), ""
            self._tokens_since, self._logits_then = 0, None
            return
        if not self._tokens_since:
            self._logits_then = logits.copy()
        self._since += new
        self._tokens_since += 1

    def _can_end(self, reasons: str) -> bool:
        """Whether a mark after these reasons begins an ending."""
        reader = self._rule.reader()
        return reader.take(reasons) == len(reasons) and reader.whole and not self._copied(reasons)

    def _conclude(self, logits: Logits, new: str, bridge: str = "") -> NextTokens | None:
        """End the reasons with as much of `new` as leaves them complete, add the bridge, and begin the ending."""
        more = _longest_whole(self._whole, self._since + new) + bridge
        self.reasons = self.reasons.removesuffix(self._since) + more
        back, then = self._tokens_since, logits if self._logits_then is None else self._logits_then
        step = self._begin_ending((), "", more, back)
        return step if step.tokens else self._read_endings(self._endings, then)  # type: ignore[arg-type]

    def _begin_ending(self, first: Tokens, written: str, more: str = "", back: int = 0) -> NextTokens:
        """The tokens to evaluate before the endings can be read. written: the part of them that is already there."""
        texts = {
            more + ending.removeprefix(written): outcome
            for ending, outcome in self._rule.endings.items()
            if outcome in self._rule.outcomes
        }
        tokenizer = self._setup.model.tokenizer
        end = (self._rule.opening + self.reasons.removesuffix(more) + written)[-TAIL:]
        paths = [(tokenizer.continuation(end, text), outcome) for text, outcome in texts.items()]
        forced = common_start([path for path, _ in paths])
        own = [(path[len(forced) :], outcome) for path, outcome in paths]
        rest = spelled(own, tokenizer.piece, tokenizer.single)
        self._endings = CandidateReader(rest, 0 if forced else back)
        return NextTokens(first + forced, back)

    def _read_endings(self, endings: CandidateReader[Outcome], logits: Logits) -> NextTokens | None:
        step = endings.read(logits)
        if step is None:
            self.distribution = endings.probabilities()
        return step


def _longest_whole(reader: TextReader, text: str) -> str:
    """The longest beginning of a text after which the reader's text is complete; empty if there is none."""
    reader, length = reader.copy(), 0
    for count, character in enumerate(text, 1):
        if not reader.take(character):
            break
        length = count if reader.whole else length
    return text[:length]
