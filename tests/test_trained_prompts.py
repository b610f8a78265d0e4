"""Trained-in prompts: read from the file that published them, which is parsed and never run."""

import hashlib
from pathlib import Path

import pytest

from quantize import lock
from quantize.errors import SourceError
from quantize.lock import PromptSource
from quantize.prompts import read_prompt

CODE = '''
raise SystemExit("this file is never run")
first = "Grade {answer}."
second = """Compare {a}
with {b}."""
def build():
    return "inner text"
'''


def source(**fields):
    return PromptSource("some/repo", "abc", "prompts.py", **fields)


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_literal_is_found_by_the_name_it_is_assigned_to():
    assert read_prompt(CODE, source(literal="second")) == "Compare {a}\nwith {b}."


def test_a_literal_without_a_name_is_found_by_its_hash():
    assert read_prompt(CODE, source(literal_sha256=digest("inner text"))) == "inner text"


@pytest.mark.parametrize(
    "fields", [{"literal": "third"}, {"literal_sha256": "0" * 64}, {"literal": "first", "literal_sha256": "0" * 64}]
)
def test_a_literal_that_is_not_there_is_refused(fields):
    with pytest.raises(SourceError, match="holds no text"):
        read_prompt(CODE, source(**fields))


def test_a_file_that_is_not_python_is_refused():
    with pytest.raises(SourceError, match="is not Python"):
        read_prompt("def (", source(literal="first"))


def test_a_literal_with_half_a_character_is_no_obstacle_to_the_others():
    code = r'broken = "\ud800"' + CODE
    assert read_prompt(code, source(literal_sha256=digest("inner text"))) == "inner text"
    assert read_prompt(code, source(literal="broken")) == "?"


def test_every_locked_prompt_is_pinned_by_commit_and_hash():
    for model in lock.read().models:
        if model.prompt is not None:
            assert len(model.prompt.commit) == 40 and len(model.prompt.sha256) == 64
            assert model.prompt.literal or model.prompt.literal_sha256


def test_no_text_of_a_published_prompt_is_part_of_this_project():
    root = Path(__file__).resolve().parent.parent
    hashes = {m.prompt.literal_sha256 for m in lock.read().models if m.prompt and m.prompt.literal_sha256}
    for path in [*root.glob("quantize/**/*.py"), *root.glob("edge_judge/protocols/prompts/*")]:
        if path.is_file():
            assert digest(path.read_text("utf-8")) not in hashes
