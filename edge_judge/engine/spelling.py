"""The tokens that spell a legal text after a prompt: those of the judge's own tokenizer, and other likely ones.

A text's own tokens are those that the tokenizer gives after this very prompt. A judge may also write the same text with
other tokens, or, where its chat format has a space there, with or without that space.
Knows: texts, tokens, which token spells which bytes. Does not know: models, plans, probabilities.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Generic

from edge_judge.engine.candidates import Candidates, continuations
from edge_judge.engine.tokenizer import Tokenizer
from edge_judge.errors import ModelError
from edge_judge.inference import Outcome, Tokens

FURTHER = 2  # tokens that may be evaluated after each prompt for spellings other than the texts' own
LONGEST = 24  # bytes of a token that is looked for

_HINT = "its tokens may be damaged: take another conversion of the model"

Children = Mapping[int, bytes]  # a token that may come next, and the text with it


def candidates_after(tokenizer: Tokenizer, end: str, lead: str, texts: Mapping[str, Outcome]) -> Candidates[Outcome]:
    """The candidates of some texts after a prompt.

    end: the last ordinary text of the prompt, empty after a control token; lead: the white space that the chat format
    puts before an answer. Raises ModelError where the vocabulary cannot spell the texts.
    """
    own: dict[Tokens, Outcome] = {}
    for text, outcome in texts.items():
        for variant in (lead + text, text):
            # After a control token SentencePiece may put a space before a text. The judge may leave it out.
            own |= dict.fromkeys((tokenizer.continuation(end, variant), tokenizer.inside(variant)), outcome)
    candidates = spelled(list(own.items()), tokenizer.piece, tokenizer.single)
    if not set(texts.values()) <= set(candidates.paths.values()):
        raise ModelError(f"{tokenizer.name}: its vocabulary has no tokens that tell {_listed(texts)} apart", _HINT)
    return candidates


def _listed(texts: Iterable[str]) -> str:
    return " and ".join(repr(text) for text in texts)


def spelled(
    texts: Sequence[tuple[Tokens, Outcome]], piece: Callable[[int], bytes], single: Callable[[bytes], int | None]
) -> Candidates[Outcome]:
    """The candidates of some texts in all their spellings. texts: the own tokens of each text, and its outcome; piece:
    the bytes of a token; single: the token with these bytes, None if there is none.

    The tree of spellings is followed from the prompt on. A beginning is decided once all texts that begin with it have
    the same outcome. The undecided beginnings of the texts' own tokens are all evaluated, and of other spellings as
    many as take no more than FURTHER tokens.
    """
    tree = _Tree(texts, piece, single)
    further: set[Tokens] = set()
    for branch in sorted(tree.branches(), key=lambda branch: (len(branch), branch[-1])):
        if len(further.union(branch)) <= FURTHER:
            further.update(branch)
    evaluated = tree.own | further
    paths: dict[Tokens, Outcome] = {}
    unread: set[Tokens] = set()
    for node in sorted(evaluated):
        for token, text in tree.children(node).items():
            path, outcome = (*node, token), tree.outcome(text)
            if outcome is not None:
                paths[path] = outcome
            if path not in evaluated and tree.open(text):
                unread.add(path)
    return Candidates(paths, continuations(evaluated), frozenset(unread))


class _Tree(Generic[Outcome]):
    """The token paths that spell the beginnings of some texts. own: the undecided ones of the texts' own tokens."""

    def __init__(
        self,
        texts: Sequence[tuple[Tokens, Outcome]],
        piece: Callable[[int], bytes],
        single: Callable[[bytes], int | None],
    ) -> None:
        self._piece, self._single = piece, lru_cache(maxsize=None)(single)
        self._texts = [(self._spell(tokens), tokens, outcome) for tokens, outcome in texts]
        beginnings = {tokens[:length] for _, tokens, _ in self._texts for length in range(1, len(tokens))}
        self.own = {()} | {node for node in beginnings if self.open(self._spell(node))}

    def _spell(self, tokens: Tokens) -> bytes:
        return b"".join(map(self._piece, tokens))

    def _outcomes(self, text: bytes) -> set[Outcome]:
        return {outcome for whole, _, outcome in self._texts if whole.startswith(text)}

    def open(self, text: bytes) -> bool:
        """Whether texts with different outcomes begin so, one of which goes on."""
        longer = any(len(whole) > len(text) and whole.startswith(text) for whole, _, _ in self._texts)
        return longer and len(self._outcomes(text)) > 1

    def outcome(self, text: bytes) -> Outcome | None:
        """The outcome of a beginning that is decided, or is itself one of the texts; None for any other."""
        outcomes = self._outcomes(text)
        whole = (outcome for other, _, outcome in self._texts if other == text)
        return outcomes.pop() if len(outcomes) == 1 else next(whole, None)

    def children(self, node: Tokens) -> Children:
        """The tokens that may come next: those of the texts' own, and every other one that spells a piece of a text."""
        begun, step = self._spell(node), len(node)
        found = {
            tokens[step]: begun + self._piece(tokens[step])
            for _, tokens, _ in self._texts
            if len(tokens) > step and tokens[:step] == node
        }
        for text, _, _ in self._texts:
            if text.startswith(begun):
                for end in range(len(begun) + 1, min(len(text), len(begun) + LONGEST) + 1):
                    token = self._single(text[len(begun) : end])
                    if token is not None:
                        found.setdefault(token, text[:end])
        return found

    def branches(self) -> Iterator[list[Tokens]]:
        """Undecided beginnings that other spellings add, up to one after which a token decides. Each has at most
        FURTHER, and none of them is the texts' own.
        """
        open_branches = [[(*node, token)] for node in self.own for token in self._undecided(node)]
        while open_branches:
            branch = open_branches.pop()
            if any(self.outcome(text) is not None for text in self.children(branch[-1]).values()):
                yield branch
            if len(branch) < FURTHER:
                open_branches += [[*branch, (*branch[-1], token)] for token in self._undecided(branch[-1])]

    def _undecided(self, node: Tokens) -> list[int]:
        children = self.children(node).items()
        return [token for token, text in children if (*node, token) not in self.own and self.open(text)]
