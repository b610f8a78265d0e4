"""What is judged in the comparison: the workloads, as our own command is given them and as another tool is.

Every workload is real text: published benchmark files, and for MT-Bench, whose votes do not lie beside them, rows of
its schema made of Auto-J's questions and answers. Others are asked question after question, in the file's order.
Knows: benchmarks, prompts, grammars. Does not know: models, times.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, cycle
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]
from edge_judge import benchmarks  # noqa: E402
from edge_judge.benchmarks import mtbench  # noqa: E402
from edge_judge.benchmarks.rows import File  # noqa: E402
from edge_judge.engine import chat  # noqa: E402
from edge_judge.protocols import grammar, prompts  # noqa: E402
from edge_judge.protocols.kinds import Pairwise  # noqa: E402
from edge_judge.protocols.protocol import Protocol, Question  # noqa: E402
from edge_judge.records import Benchmark, Pair  # noqa: E402

DATA = Path(os.environ.get("EDGE_JUDGE_DATA") or ROOT.parent / "shared" / "data")
VOCABULARY = DATA.parent / "vocabs" / "ggml-vocab-qwen2.gguf"

QUESTIONS = 40  # of the file that is like MT-Bench
EVERY = 13  # judged is every so many of these: three; with all 40, the slowest side would take two hours
MODELS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")
VOTES = (1, 1, 2, 1, 2)  # on a pair, in turn: 1.4 in the mean, as 3355 votes on 2400 pairs
PER_SCENARIO = 24  # rows of Auto-J that share a scenario, one after another
SPARE = 8  # tokens: more than the longest verdict, written letter by letter, and the end of the turn


@dataclass(frozen=True)
class Work:
    """A workload. questions: what is put to our command; asked: what another tool is asked, one after another.

    wanted: how many times the speed of "python" and of the best "server" is aimed at, and which share of the "limit".
    """

    name: str
    about: str
    protocol: Protocol
    questions: tuple[Question, ...]
    asked: tuple[Question, ...]
    wanted: Mapping[str, float]

    @cached_property
    def contents(self) -> list[str]:
        """What another tool is asked, as the content of a user's message."""
        return [self._content(question) for question in self.asked]

    def texts(self, template: str) -> list[str]:
        """The same in a chat format that has no use for the names of special tokens."""
        form = chat.chat_format(template, bos="", eos="")
        return [form.before + content + form.after for content in self.contents]

    @property
    def gbnf(self) -> str:
        """The grammar another tool gets: the file's own, or the legal verdicts where the file has one too many."""
        shape, kind = self.protocol.grammar, self.protocol.grammar.kind
        if not isinstance(kind, Pairwise) or self.protocol.ties:
            return shape.text
        legal = [text for text, label in kind.verdicts.items() if label in self.protocol.labels]
        return "root ::= " + " | ".join(map(json.dumps, legal))

    @property
    def room(self) -> int:
        """Tokens another tool may write.

        Random weights never come to a verdict by themselves. So where reasons come first, the others are held to the
        file's grammar for as many tokens as reasons and a verdict take: they write no verdict, which is in their
        favour, since bringing them to one would take a second request.
        """
        return self.protocol.limit + 3 if self.protocol.limit else SPARE

    def _content(self, question: Question) -> str:
        name, pair = self.protocol.grammar.prompt, question.pair
        return prompts.fill(name, pair.question, *pair.shown(question.order), ties=self.protocol.ties)


def check_shared() -> None:
    """One clear message where the published files are not at hand."""
    for needed in (DATA / "pandalm", VOCABULARY):
        if not needed.exists():
            raise SystemExit(
                f"error: {needed} is not there, and the comparison needs it\n"
                "hint: EDGE_JUDGE_DATA names the folder of the benchmark files; beside it lies vocabs/ with "
                f"{VOCABULARY.name}"
            )


def load(name: str, limit: int | None = None) -> Work:
    """A workload by its name; limit: only so many pairs, or votes where pairs are voted on."""
    return WORKS[name](limit)


def _pandalm(limit: int | None) -> Work:
    pairs = _by_instruction()[: limit or 100]
    about = "PandaLM's first 100 pairs by instruction, verdict only"
    return _work("pandalm", about, "pairwise", pairs, {"python": 2.4, "server": 2.0, "limit": 0.95})


def _llmbar(limit: int | None) -> Work:
    pairs = _benchmark("llmbar-natural").pairs[: limit or 100]
    about = "LLMBar-Natural, 100 pairs, verdict only, no ties"
    wanted = {"python": 1.35, "server": 1.25, "limit": 0.95}
    return _work("llmbar-natural", about, "pairwise", pairs, wanted, ties=False)


def _mtbench(limit: int | None) -> Work:
    rows = [row for row in mtbench_rows() if row["question_id"] % EVERY == 0][:limit]
    votes = [pair for row in rows for pair in read_rows([row])]
    about = (
        f"like MT-Bench: {QUESTIONS // EVERY} questions in two turns, every pair of 6 models, 1.4 votes a pair, texts "
        "from Auto-J, verdict only; the others judge every vote, edge-judge every pair"
    )
    work = _work("mt-bench-like", about, "pairwise", tuple(read_rows(rows)), {"python": 3.0})
    return replace(work, asked=_both_orders(votes))


def _reasons(limit: int | None) -> Work:
    pairs = _by_instruction()[: limit or 32]
    about = "PandaLM's first 32 pairs by instruction, 96 tokens of reasons, then the verdict"
    return _work("pairwise-cot", about, "pairwise-cot", pairs, {"python": 1.8, "server": 1.1})


WORKS: dict[str, Callable[[int | None], Work]] = {
    "pandalm": _pandalm,
    "llmbar-natural": _llmbar,
    "mt-bench-like": _mtbench,
    "pairwise-cot": _reasons,
}


def _work(
    name: str, about: str, shape: str, pairs: tuple[Pair, ...], wanted: Mapping[str, float], *, ties: bool = True
) -> Work:
    questions = _both_orders(pairs)
    return Work(name, about, Protocol(grammar.load(shape), ties=ties), questions, questions, wanted)


def _both_orders(pairs: tuple[Pair, ...] | list[Pair]) -> tuple[Question, ...]:
    return tuple(Question(pair, order) for pair in pairs for order in ("ab", "ba"))


def _benchmark(name: str) -> Benchmark:
    return benchmarks.load(name, DATA)


def _by_instruction() -> tuple[Pair, ...]:
    """PandaLM's pairs sorted by instruction, so that neighbours share it: this is the file that all are given."""
    return tuple(sorted(_benchmark("pandalm").pairs, key=lambda pair: pair.question))


# ---- like MT-Bench ----------------------------------------------------------------------------------------


def mtbench_rows() -> Iterator[dict[str, Any]]:
    """Votes in MT-Bench's schema: 40 questions, two turns each, every pair of six models, votes repeated.

    A question is one of Auto-J's scenarios. Its first turn takes its question and six answers from three pairs of the
    scenario, its second turn those of the next three: what is asked and what is answered need not belong together,
    but both are as long as they really are. Every third vote names the two models the other way round.
    """
    pairs = _benchmark("auto-j").pairs
    votes = cycle(VOTES)
    for place in range(QUESTIONS):
        talks = _conversations(pairs[place * PER_SCENARIO :][:6])
        for first, second in combinations(range(len(MODELS)), 2):
            for vote in range(next(votes)):
                turned = (place + first + second + vote) % 3 == 0
                a, b = (second, first) if turned else (first, second)
                for turn in (1, 2):
                    yield _vote(place + 1, (MODELS[a], talks[a]), (MODELS[b], talks[b]), turn, f"expert_{vote}")


def _vote(question: int, a: tuple[str, Any], b: tuple[str, Any], turn: int, judge: str) -> dict[str, Any]:
    return {
        "question_id": question,
        "model_a": a[0],
        "model_b": b[0],
        "winner": "tie",
        "judge": judge,
        "turn": turn,
        "conversation_a": a[1],
        "conversation_b": b[1],
    }


def _conversations(pairs: tuple[Pair, ...]) -> list[list[dict[str, str]]]:
    """Six conversations of two turns, out of six pairs."""
    turns = (pairs[:3], pairs[3:])
    asked = [turn[0].question for turn in turns]
    answered = [[answer for pair in turn for answer in (pair.a, pair.b)] for turn in turns]
    return [
        [
            message
            for question, answer in zip(asked, answers, strict=True)
            for message in ({"role": "user", "content": question}, {"role": "assistant", "content": answer})
        ]
        for answers in zip(*answered, strict=True)
    ]


def read_rows(rows: list[dict[str, Any]]) -> list[Pair]:
    """The pairs of such rows, by MT-Bench's own reader."""
    return list(mtbench.read(File(Path("mt-bench-like.json"), json.dumps(rows).encode())))
