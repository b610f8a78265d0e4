"""What is judged in the comparison: the workloads, as our own command gets them and as another tool does.

Every workload is real text: published benchmark files, and in place of MT-Bench, whose votes are not among these, rows
of its schema made of Auto-J's questions and answers. Another tool gets one question after another, in file order.
Knows: benchmarks, prompts, grammars. Does not know: models, times.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, cycle
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]
from edge_judge import benchmarks  # noqa: E402
from edge_judge.analysis.ranking.design import meetings, pairs_of  # noqa: E402
from edge_judge.benchmarks import mtbench  # noqa: E402
from edge_judge.benchmarks.outputs import load_outputs  # noqa: E402
from edge_judge.benchmarks.rows import File  # noqa: E402
from edge_judge.engine import chat  # noqa: E402
from edge_judge.protocols import grammar, prompts  # noqa: E402
from edge_judge.protocols.kinds import Pairwise  # noqa: E402
from edge_judge.protocols.protocol import Protocol, Question  # noqa: E402
from edge_judge.records import Benchmark, Outputs, Pair, Task  # noqa: E402

DATA = Path(os.environ.get("EDGE_JUDGE_DATA") or ROOT.parent / "shared" / "data")
VOCABULARY = DATA.parent / "vocabs" / "ggml-vocab-qwen2.gguf"

QUESTIONS = 40  # of the file that is like MT-Bench
EVERY = 13  # every 13th question is judged, three in all; all 40 would take the slowest side two hours
MODELS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")
VOTES = (1, 1, 2, 1, 2)  # votes on a pair, in turn: 1.4 on average, like MT-Bench's 3355 votes on 2400 pairs
PER_SCENARIO = 24  # consecutive rows of Auto-J that share a scenario
SYSTEMS = (  # of AlpacaEval, at cd543a149df89434d8a54582c0151c0b945c3d20
    "Conifer-7B-DPO",
    "FuseChat-Llama-3.2-3B-Instruct",
    "Infinity-Instruct-3M-0625-Mistral-7B",
    "Llama-3-8B-Instruct-SkillMix",
    "Meta-Llama-3-8B-Instruct",
    "Mistral-7B-ReMax-v0.1",
    "Nanbeige2-8B-Chat",
    "Qwen1.5-72B-Chat",
)
ALPACA_EVAL = os.environ.get("EDGE_JUDGE_ALPACA_EVAL")  # a copy of tatsu-lab/alpaca_eval
SPARE = 8  # tokens: more than the longest verdict, written letter by letter, and the end of the turn


@dataclass(frozen=True)
class Work:
    """A workload. questions: for our command; questions_for_others: for another tool, one after another.

    wanted: our target as a multiple of the speed of "python" and of the best "server", and as a share of the "limit".
    """

    name: str
    about: str
    protocol: Protocol
    questions: tuple[Question, ...]
    questions_for_others: tuple[Question, ...]
    wanted: Mapping[str, float]

    @cached_property
    def contents(self) -> list[str]:
        """The questions for another tool, each as the content of a user's message."""
        return [self._content(question) for question in self.questions_for_others]

    def texts(self, template: str) -> list[str]:
        """The contents in a chat format; its template must not use the names of special tokens."""
        form = chat.chat_format(template, bos="", eos="")
        return [form.before + content + form.after for content in self.contents]

    @property
    def gbnf(self) -> str:
        """The grammar for another tool: the file's own, or only the legal verdicts where the file also has a tie."""
        kind = self.protocol.grammar.kind
        if not isinstance(kind, Pairwise) or self.protocol.ties:
            return self.protocol.grammar.text
        legal = [text for text, label in kind.verdicts.items() if label in self.protocol.labels]
        return "root ::= " + " | ".join(map(json.dumps, legal))

    @property
    def room(self) -> int:
        """The number of tokens that another tool may write.

        With random weights a tool never finishes its reasons by itself. So where reasons come first, the others write
        under the file's grammar as many tokens as reasons and a verdict take, and no verdict. That favours them: a
        verdict would take a second request.
        """
        return self.protocol.limit + 3 if self.protocol.limit else SPARE

    def _content(self, question: Question) -> str:
        name, pair = self.protocol.grammar.prompt, question.pair
        return prompts.fill(name, pair.question, *pair.shown(question.order), ties=self.protocol.ties)


def check_shared() -> None:
    """Exit with a message where the published files are missing."""
    for path in (DATA / "pandalm", VOCABULARY):
        if not path.exists():
            raise SystemExit(
                f"error: {path} is missing, and the comparison needs it\n"
                "hint: EDGE_JUDGE_DATA names the folder of the benchmark files; next to it, vocabs/ has "
                f"{VOCABULARY.name}"
            )


def load(name: str, limit: int | None = None) -> Work:
    """A workload by its name. limit: its first pairs only, or its first votes where pairs are voted on."""
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
    return replace(work, questions_for_others=_both_orders(votes))


def _reasons(limit: int | None) -> Work:
    pairs = _by_instruction()[: limit or 32]
    about = "PandaLM's first 32 pairs by instruction, 96 tokens of reasons, then the verdict"
    return _work("pairwise-cot", about, "pairwise-cot", pairs, {"python": 1.8, "server": 1.1})


def _rank(limit: int | None) -> Work:
    questions = limit or 1
    about = (
        f"{questions} question{'s' * (questions > 1)} of AlpacaEval answered by {len(SYSTEMS)} systems, all pairs, "
        "both orders, verdict only"
    )
    return _work("rank", about, "pairwise", _short_alpaca_pairs(questions), {"python": 3.0, "server": 1.0})


WORKS: dict[str, Callable[[int | None], Work]] = {
    "pandalm": _pandalm,
    "llmbar-natural": _llmbar,
    "mt-bench-like": _mtbench,
    "pairwise-cot": _reasons,
    "rank": _rank,
}
USUAL = tuple(name for name in WORKS if name != "rank" or ALPACA_EVAL)  # what is judged where nothing is named


def _work(
    name: str, about: str, answer: str, pairs: tuple[Pair, ...], wanted: Mapping[str, float], *, ties: bool = True
) -> Work:
    """A workload whose questions are the same for every tool. answer: the name of its grammar."""
    questions = _both_orders(pairs)
    return Work(name, about, Protocol(grammar.load(answer), ties=ties), questions, questions, wanted)


def _both_orders(pairs: tuple[Pair, ...] | list[Pair]) -> tuple[Question, ...]:
    return tuple(Question(pair, order) for pair in pairs for order in ("ab", "ba"))


def _benchmark(name: str) -> Benchmark:
    return benchmarks.load(name, DATA)


def _by_instruction() -> tuple[Pair, ...]:
    """PandaLM's pairs sorted by instruction, so that neighbours share it. Every tool gets this order."""
    return tuple(sorted(_benchmark("pandalm").pairs, key=lambda pair: pair.question))


# ---- like MT-Bench ----------------------------------------------------------------------------------------


def mtbench_rows() -> Iterator[dict[str, Any]]:
    """Votes in MT-Bench's schema: 40 questions, two turns each, every pair of six models, votes repeated.

    A question is one of Auto-J's scenarios. Its first turn takes a question and six answers from three pairs of the
    scenario, its second turn from the next three. Question and answer need not match, but their lengths are real.
    Every third vote swaps the two models.
    """
    pairs = _benchmark("auto-j").pairs
    votes = cycle(VOTES)
    for place in range(QUESTIONS):
        talks = _conversations(pairs[place * PER_SCENARIO :][:6])
        for first, second in combinations(range(len(MODELS)), 2):
            for vote in range(next(votes)):
                swapped = (place + first + second + vote) % 3 == 0
                a, b = (second, first) if swapped else (first, second)
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
    questions = [turn[0].question for turn in turns]
    answers_by_turn = [[answer for pair in turn for answer in (pair.a, pair.b)] for turn in turns]
    return [
        [
            message
            for question, answer in zip(questions, answers, strict=True)
            for message in ({"role": "user", "content": question}, {"role": "assistant", "content": answer})
        ]
        for answers in zip(*answers_by_turn, strict=True)
    ]


def read_rows(rows: list[dict[str, Any]]) -> list[Pair]:
    """The pairs of rows in MT-Bench's schema, by its own reader."""
    return list(mtbench.read(File(Path("mt-bench-like.json"), json.dumps(rows).encode())))


# ---- a ranking --------------------------------------------------------------------------------------------


def alpaca_pairs(questions: int) -> tuple[Pair, ...]:
    """The pairs of so many questions, spread evenly over the file."""
    outputs = _alpaca_outputs()
    return _pairs(outputs, outputs.tasks[:: len(outputs.tasks) // questions][:questions])


def _short_alpaca_pairs(questions: int) -> tuple[Pair, ...]:
    """The pairs of so many questions from the lower quartile on, by the length of all their answers: the slowest side
    takes minutes.
    """
    outputs = _alpaca_outputs()
    lengths: dict[str, int] = dict.fromkeys((task.id for task in outputs.tasks), 0)
    for (task, _), text in outputs.answers.items():
        lengths[task] += len(text)
    start = len(lengths) // 4
    return _pairs(outputs, sorted(outputs.tasks, key=lambda task: (lengths[task.id], task.id))[start:][:questions])


def _pairs(outputs: Outputs, tasks: Sequence[Task]) -> tuple[Pair, ...]:
    names = {task.id for task in tasks}
    answers = {key: text for key, text in outputs.answers.items() if key[0] in names}
    part = replace(outputs, tasks=tuple(tasks), answers=answers)
    return pairs_of(part, meetings(part))


def _alpaca_outputs() -> Outputs:
    if not ALPACA_EVAL:
        raise SystemExit(
            "error: the workload `rank` needs AlpacaEval's outputs\n"
            "hint: EDGE_JUDGE_ALPACA_EVAL should name a copy of tatsu-lab/alpaca_eval"
        )
    return load_outputs([Path(ALPACA_EVAL) / "results" / system / "model_outputs.json" for system in SYSTEMS])
