"""Systems' outputs: every format is read as what it says, and what cannot be ranked is named."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_judge.benchmarks.output_formats import FORMATS
from edge_judge.benchmarks.outputs import load_outputs, name_of_outputs
from edge_judge.errors import DataError, UsageError
from edge_judge.records import Outputs, Task


def lines(path: Path, *rows: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def answers(outputs: Outputs) -> dict[tuple[str, str], str]:
    """By question's text instead of its id."""
    texts = {task.id: task.question for task in outputs.tasks}
    return {(texts[task], system): text for (task, system), text in outputs.answers.items()}


EXPECTED = {("Hi?", "one"): "Hello.", ("Hi?", "two"): "No.", ("Bye?", "one"): "So long.", ("Bye?", "two"): ""}


def test_a_file_for_each_system_has_its_name(tmp_path: Path) -> None:
    one = lines(
        tmp_path / "one.jsonl", {"question": "Hi?", "output": "Hello."}, {"question": "Bye?", "output": "So long."}
    )
    two = lines(tmp_path / "two.jsonl", {"question": "Bye?", "output": ""}, {"question": "Hi?", "output": "No."})
    outputs = load_outputs([one, two])
    assert answers(outputs) == EXPECTED and outputs.systems == ("one", "two")
    assert outputs == load_outputs([two, one])


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    paths = []
    for system in ("one", "two"):
        rows = [{"question": q, "output": EXPECTED[q, system]} for q in ("Hi?", "Bye?")]
        paths.append(lines(tmp_path / system / "out.jsonl", *rows))
    assert answers(load_outputs(paths)) == EXPECTED


def test_several_systems_may_be_in_one_csv(tmp_path: Path) -> None:
    path = tmp_path / "all.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "question", "system", "output"])
        rows.writerows([i, q, s, EXPECTED[q, s]] for i, q in ((1, "Hi?"), (2, "Bye?")) for s in ("one", "two"))
    outputs = load_outputs([path])
    assert answers(outputs) == EXPECTED
    assert [task.id for task in outputs.tasks] == ["1", "2"]


def test_a_parquet_file_is_read(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [{"question": q, "system": s, "output": text} for (q, s), text in EXPECTED.items()]
    parquet.write_table(arrow.Table.from_pylist(rows), tmp_path / "all.parquet")
    assert answers(load_outputs([tmp_path / "all.parquet"])) == EXPECTED


def test_a_question_may_be_known_by_its_id_in_one_file_and_by_its_text_in_another(tmp_path: Path) -> None:
    one = lines(
        tmp_path / "one.jsonl", *({"id": i, "output": EXPECTED[q, "one"]} for i, q in ((1, "Hi?"), (2, "Bye?")))
    )
    two = lines(tmp_path / "two.jsonl", *({"question": q, "output": EXPECTED[q, "two"]} for q in ("Hi?", "Bye?")))
    asked = lines(
        tmp_path / "asked.jsonl", {"id": 1, "question": "Hi?", "reference": "Hello!"}, {"id": 2, "question": "Bye?"}
    )
    outputs = load_outputs([one, two, asked])
    assert answers(outputs) == EXPECTED
    assert outputs.tasks == (Task("1", "Hi?", "Hello!"), Task("2", "Bye?"))


def test_alpaca_evals_model_outputs_are_read(tmp_path: Path) -> None:
    paths = []
    for system in ("one", "two"):
        rows = [
            {"dataset": "x", "instruction": q, "output": EXPECTED[q, system], "generator": system, "datasplit": "eval"}
            for q in ("Hi?", "Bye?")
        ]
        (tmp_path / system).mkdir()
        paths.append(tmp_path / system / "model_outputs.json")
        paths[-1].write_text(json.dumps(rows), "utf-8")
    assert answers(load_outputs(paths)) == EXPECTED
    assert name_of_outputs(paths) == tmp_path.name


def fast_chat(system: str, question: int, *turns: object) -> dict[str, object]:
    return {
        "question_id": question,
        "answer_id": "x",
        "model_id": system,
        "choices": [{"index": 0, "turns": list(turns)}],
    }


def test_mt_benchs_answers_need_the_file_of_its_questions(tmp_path: Path) -> None:
    asked = lines(tmp_path / "question.jsonl", {"question_id": 81, "category": "x", "turns": ["Hi?", "Bye?"]})
    one = lines(tmp_path / "a" / "one.jsonl", fast_chat("one", 81, "Hello.", "So long."))
    two = lines(tmp_path / "a" / "two.jsonl", fast_chat("two", 81, "No.", ""))
    with pytest.raises(DataError, match=r"one\.jsonl:1: the text of question '81' is") as caught:
        load_outputs([one, two])
    assert "question.jsonl" in str(caught.value.hint)
    (task,) = (outputs := load_outputs([asked, one, two])).tasks
    assert task.question == "[First turn]\nHi?\n\n[Second turn]\nBye?"
    assert outputs.answers["81", "one"] == "[First turn]\nHello.\n\n[Second turn]\nSo long."


def test_both_forms_of_arena_hards_answers_are_read(tmp_path: Path) -> None:
    asked = lines(tmp_path / "question.jsonl", {"question_id": "u", "turns": [{"content": "Hi?"}]})
    one = lines(
        tmp_path / "one.jsonl", fast_chat("one", 0, {"content": "Hello.", "token_len": 2}) | {"question_id": "u"}
    )
    messages = [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": {"answer": "No."}}]
    two = lines(tmp_path / "2.jsonl", {"uid": "u", "ans_id": "x", "model": "two", "messages": messages, "metadata": {}})
    outputs = load_outputs([asked, one, two])
    assert answers(outputs) == {("Hi?", "one"): "Hello.", ("Hi?", "two"): "No."}
    v2 = lines(tmp_path / "q2.jsonl", {"uid": "u", "category": "x", "prompt": "Hi?"})
    assert answers(load_outputs([v2, one, two])) == answers(outputs)


def sample(number: int, prompt: str, text: object, **doc: object) -> dict[str, object]:
    """A line of lm-evaluation-harness's --log_samples."""
    return {
        "doc_id": number, "doc": {"question": "Hi?", **doc}, "target": "x", "resps": [[text]], "filtered_resps": ["x"],
        "arguments": {"gen_args_0": {"arg_0": prompt, "arg_1": {"until": ["\n"]}}}, "filter": "none", "doc_hash": "x",
    }  # fmt: skip


def test_logged_samples_of_lm_eval_are_known_by_their_folder_task_and_document(tmp_path: Path) -> None:
    name = "samples_gsm8k_2025-01-02T03-04-05.678901.jsonl"
    one = lines(tmp_path / "org__one" / name, sample(0, "<|user|>Hi?", "Hello."), sample(0, "<|user|>Hi?", "Hello."))
    two = lines(tmp_path / "org__two" / name, sample(0, "[INST]Hi?", "No."))
    outputs = load_outputs([one, two])
    assert outputs.systems == ("org__one", "org__two")
    assert outputs.tasks == (Task("gsm8k/0", "Hi?"),)  # of the document: the chat formats differ
    assert set(outputs.answers.values()) == {"Hello.", "No."}


def test_a_logged_question_with_choices_is_shown_as_it_was_prompted(tmp_path: Path) -> None:
    name = "samples_quiz_2025-01-02T03-04-05.678901.jsonl"
    paths = [lines(tmp_path / s / name, sample(0, "Hi? A) B)", s, choices=["A", "B"])) for s in ("one", "two")]
    assert load_outputs(paths).tasks == (Task("quiz/0", "Hi? A) B)"),)


def test_log_likelihoods_are_refused(tmp_path: Path) -> None:
    path = lines(tmp_path / "samples_quiz_2025-01-02T03-04-05.6.jsonl", sample(0, "Hi?", ["-1.5", "False"]))
    with pytest.raises(DataError, match="log-likelihoods") as caught:
        load_outputs([path])
    assert "generate_until" in str(caught.value.hint)


def plain(path: Path, *texts: str | None, begin: int = 0) -> Path:
    rows = [{"id": begin + n, "question": f"Question {begin + n}?", "output": text} for n, text in enumerate(texts)]
    return lines(path, *rows)


def test_missing_answers_are_counted_and_named(tmp_path: Path) -> None:
    whole, half = plain(tmp_path / "whole.jsonl", "a", "b", "c", "d"), plain(tmp_path / "half.jsonl", "x", None, "y")
    outputs = load_outputs([whole, half])
    assert outputs.missing("whole") == () and outputs.missing("half") == ("1", "3")


def test_a_system_that_answers_a_question_twice_is_an_error_unless_the_answers_are_equal(tmp_path: Path) -> None:
    other = plain(tmp_path / "other.jsonl", "x", "y")
    row = {"id": 0, "question": "Question 0?"}
    same = lines(tmp_path / "same.jsonl", row | {"output": "a"}, row | {"output": "a"})
    assert len(load_outputs([same, other]).answers) == 3
    twice = lines(tmp_path / "twice.jsonl", row | {"output": "a"}, row | {"output": "b"})
    with pytest.raises(DataError, match=r"twice\.jsonl:2: system 'twice' answers question '0' twice.*twice\.jsonl:1"):
        load_outputs([twice, other])


def test_one_system_alone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="only one system, 'only'") as caught:
        load_outputs([plain(tmp_path / "only.jsonl", "a")])
    assert "at least two" in str(caught.value.hint)
    with pytest.raises(UsageError, match="no outputs"):
        load_outputs([])


def test_two_files_with_different_questions_are_an_error(tmp_path: Path) -> None:
    one, two = plain(tmp_path / "one.jsonl", "a", "b"), plain(tmp_path / "two.jsonl", "c", begin=9)
    with pytest.raises(DataError, match="'one' shares no question with 'two': 2 of 3 questions were answered by it"):
        load_outputs([one, two])


def test_one_id_for_two_questions_is_an_error(tmp_path: Path) -> None:
    one = lines(tmp_path / "one.jsonl", {"id": 1, "question": "Hi?", "output": "a"})
    two = lines(tmp_path / "two.jsonl", {"id": 1, "question": "Bye?", "output": "b"})
    with pytest.raises(DataError, match=r"two\.jsonl:1: question '1' has another text than at .*one\.jsonl:1"):
        load_outputs([one, two])


def test_equal_outputs_everywhere_are_an_error(tmp_path: Path) -> None:
    paths = [plain(tmp_path / f"{name}.jsonl", "a", "b") for name in ("one", "two")]
    with pytest.raises(DataError, match="all systems give the same answers everywhere"):
        load_outputs(paths)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no rows in it"),
        ('{"output": "a"}', "neither 'question' nor 'id'"),
        ('{"question": "Hi?", "answer": "a"}', "unknown format of outputs, with the columns question, answer"),
        ('{"question": "Hi?", "output": 3}', "column 'output' is 3, expected text"),
        ('{"question": " ", "output": "a"}', "column 'question' is empty"),
        ('{"question_id": 1, "choices": []}', "column 'choices'"),
    ],
)
def test_a_file_of_something_else_is_named_with_its_place(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "one.jsonl"
    path.write_text(content, "utf-8")
    with pytest.raises(DataError, match=message) as caught:
        load_outputs([path])
    assert str(path) in str(caught.value)


def test_a_format_can_be_named_and_is_then_expected(tmp_path: Path) -> None:
    path = plain(tmp_path / "one.jsonl", "a")
    with pytest.raises(UsageError, match="unknown format 'alpaca'") as caught:
        load_outputs([path], "alpaca")
    assert caught.value.hint == "did you mean alpaca-eval?"
    for name in FORMATS.keys() - {"rows"}:
        with pytest.raises(DataError, match="no column"):
            load_outputs([path], name)


@given(st.data())
def test_files_in_any_order_and_rows_in_any_order_are_the_same_outputs(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    keys = [(f"Question {n}?", system) for n in range(4) for system in "abc"]
    given_answers = {key: data.draw(st.sampled_from(["", "yes", "no\n", "é"])) for key in keys}
    given_answers[keys[0]] = "unlike any other"
    shuffled: Sequence[tuple[str, str]] = data.draw(st.permutations(keys))
    folder = tmp_path_factory.mktemp("outputs")
    rows = [{"question": q, "system": s, "output": given_answers[q, s]} for q, s in shuffled]
    parts = [lines(folder / "1.jsonl", *rows[:5]), lines(folder / "2.jsonl", *rows[5:])]
    outputs = load_outputs(data.draw(st.permutations(parts)))
    assert answers(outputs) == given_answers
    assert outputs.systems == ("a", "b", "c")
