"""MT-Bench's human judgments: 3355 votes of experts and authors on answers of six models, one and two turns.

Source: Hub dataset lmsys/mt_bench_human_judgments at 6085f5b73c2ea3dee52918d07ed6b399f6c51fea,
human_judgments.json, a JSON list. The same rows as parquet (the split `human`, in
data/human-00000-of-00001-25f4910818759289.parquet) are read too, with pyarrow. No hash of either file is known, so
none is pinned: the file is what that revision serves, and only its 3355 votes are counted. Licence: CC-BY-4.0.
A row: {"question_id": 1, "model_a": "x", "model_b": "y", "winner": "tie", "judge": "expert_0", "turn": 2,
        "conversation_a": [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."},
                           {"role": "user", "content": "Bye."}, {"role": "assistant", "content": "So long."}],
        "conversation_b": …}; winner is model_a, model_b or tie. A vote on turn 1 is on the first answer only.

All votes on the same question, turn and two models are one pair with several labels, whichever answer a vote saw
first: a judge sees the two answers once in each order. The pair has the order of the first vote in the file. A vote
that saw the other order is converted to the pair's order, and `given` has the order that each vote saw (empty if all
saw the pair's). All pairs of a question are one cluster. The category is the question's, by its number: ten
each from 81 to 160 (lm-sys/FastChat, fastchat/llm_judge/data/mt_bench/question.jsonl); other numbers have none.
Does not know: where the file is, or how verdicts on it are scored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from edge_judge.benchmarks.rows import File, FileRow, json_items, parquet_rows
from edge_judge.benchmarks.source import Source
from edge_judge.errors import DataError
from edge_judge.records import Label, Order, Pair, to_pair_order

_LABELS: dict[str, Label] = {"model_a": "a", "model_b": "b", "tie": "tie"}
_ROLES = ("user", "assistant")
_CATEGORIES = ("writing", "roleplay", "reasoning", "math", "coding", "extraction", "stem", "humanities")
_FIRST_QUESTION = 81
_QUESTIONS_EACH = 10


def read(file: File) -> Iterator[Pair]:
    rows = parquet_rows(file) if file.path.suffix == ".parquet" else json_items(file)
    pairs: dict[str, Pair] = {}
    for row in rows:
        vote = _vote(row, "ba" if _id(row, "ba") in pairs else "ab")
        pair = pairs.setdefault(vote.id, _without_votes(vote))
        if _without_votes(vote) != _without_votes(pair):
            raise DataError(f"{row.place}: answers differ from those of an earlier vote on {vote.id}")
        pairs[vote.id] = replace(pair, labels=pair.labels + vote.labels, given=pair.given + vote.given)
    for pair in pairs.values():
        yield pair if "ba" in pair.given else replace(pair, given=())


def _vote(row: FileRow, order: Order) -> Pair:
    """One vote, as a pair with one label; order: "ba" if the pair has the row's answers in the other order."""
    turn = row.integer("turn")
    if turn not in (1, 2):
        raise row.wrong("turn", turn, "1 or 2")
    question, first = _question_and_answer(row, "conversation_a", turn)
    _, second = _question_and_answer(row, "conversation_b", turn)  # the user's messages are the same in both
    return Pair(
        id=_id(row, order),
        question=question,
        a=first if order == "ab" else second,
        b=second if order == "ab" else first,
        labels=(to_pair_order(order, row.label("winner", _LABELS)),),
        group=f"mt-bench/{row.integer('question_id')}",
        given=(order,),
        category=_category(row.integer("question_id")),
        authors=_models(row, order),
    )


def _id(row: FileRow, order: Order) -> str:
    """The id of the pair that has this row's answers in that order."""
    first, second = _models(row, order)
    return f"mt-bench/{row.integer('question_id')}.{row.integer('turn')}/{first}-vs-{second}"


def _models(row: FileRow, order: Order) -> tuple[str, str]:
    """Who wrote the pair's `a` and `b`, where the pair has this row's answers in that order."""
    first, second = row.text("model_a"), row.text("model_b")
    return (first, second) if order == "ab" else (second, first)


def _category(question: int) -> str:
    place = (question - _FIRST_QUESTION) // _QUESTIONS_EACH
    return _CATEGORIES[place] if 0 <= place < len(_CATEGORIES) else ""


def _without_votes(pair: Pair) -> Pair:
    return replace(pair, labels=(), given=())


def _question_and_answer(row: FileRow, column: str, turn: int) -> tuple[str, str]:
    """The user's messages as a question and the model's as an answer, up to the turn that was voted on."""
    messages = _messages(row, column)[: 2 * turn]
    if [message.values.get("role") for message in messages] != [*_ROLES * turn]:
        raise DataError(f"{row.place}: column '{column}' is not {turn} turn(s) of user and assistant")
    questions = [messages[0].question("content"), *(message.text("content") for message in messages[2::2])]
    answers = [message.text("content") for message in messages[1::2]]
    if turn == 1:
        return questions[0], answers[0]
    # Annotators of the second turn saw the whole conversation and voted on its last answer.
    return (
        f"[First turn]\n{questions[0]}\n\n[Second turn: judge the answers to this one]\n{questions[1]}",
        f"[First turn]\n{answers[0]}\n\n[Second turn]\n{answers[1]}",
    )


def _messages(row: FileRow, column: str) -> list[FileRow]:
    value = row.value(column)
    if not isinstance(value, list) or not all(isinstance(message, dict) for message in value):
        raise row.wrong(column, value, "a list of messages")
    return [FileRow(f"{row.place}, {column}", message) for message in value]


SOURCE = Source(
    name="mt-bench",
    host="hub",
    repo="lmsys/mt_bench_human_judgments",
    revision="6085f5b73c2ea3dee52918d07ed6b399f6c51fea",
    file="human_judgments.json",
    path="mt-bench/human_judgments.json",
    sha256=None,
    licence="CC-BY-4.0",
    rows=3355,
    ties=True,
    read=read,
    also=("mt-bench/human-00000-of-00001-25f4910818759289.parquet",),
)
