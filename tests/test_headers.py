"""A few of the mutants that `make headers` tries, and what was found by it."""

from __future__ import annotations

import sys
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
from header_mutations import CHANGES, TOKENS, Gguf, mutant, read
from headers import Base, Ended, bases, campaign, complaints, judge, refused, sentencepiece, total

from quantize import container

WELL = Ended(1, "", "error: x.gguf: wrong\nhint: take another\n", "", 1.0, 100_000_000)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes are waited for as POSIX has it")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    (found,) = bases(tmp_path_factory.mktemp("headers"), ["llama f16"], times=1)
    return found


def test_mutants_end_with_verdicts_or_one_clear_error(base: Base, tmp_path: Path) -> None:
    whole = total(campaign(tmp_path, [base], range(20), seed=18))
    assert whole.problems == []
    assert whole.mutants == 20 and all(whole.outcomes.values()) and len(whole.outcomes) == 3


# ---- so that the test above can fail -----------------------------------------------------------------------


def test_a_file_that_is_read_and_written_is_as_sound_as_before(base: Base, tmp_path: Path) -> None:
    before, after = tmp_path / "before.gguf", tmp_path / "after.gguf"
    before.write_bytes(base.data)
    after.write_bytes(base.sound.written())
    assert refused(after) is None
    assert container.read_fields(before, "") == container.read_fields(after, "")
    assert table_of(before) == table_of(after)


def table_of(path: Path) -> list[tuple[object, ...]]:
    data, table = path.read_bytes(), container.read_header(path).tensors
    return [(t.name, t.shape, t.ggml_type, data[t.offset : t.offset + t.bytes]) for t in table]


def test_a_seed_says_what_is_changed_and_every_kind_of_change_is_drawn(base: Base) -> None:
    first, again, other = (
        [mutant(base.data, base.sound, number, seed) for number in range(len(CHANGES))] for seed in (3, 3, 4)
    )
    assert [one.kind for one in first] == list(CHANGES)
    assert first == again and all(one.data != base.data for one in first)
    assert sum(one != two for one, two in zip(first, other, strict=True)) > len(CHANGES) / 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        ({"code": None}, "did not end"),
        ({"code": -6}, "signal 6"),
        ({"code": 2}, "exit code 2"),
        ({"stderr": "Traceback (most recent call last)\nerror: x\n"}, "traceback"),
        ({"stderr": "error: x\nerror: y\n"}, "2 lines of error"),
        ({"stderr": "noise\n"}, "0 lines of error"),
        ({"stderr": f"error: {'x' * 999}\n"}, "too long"),
        ({"stderr": "error: \x1b[31m\n"}, "too long, or not alone"),
        ({"cpu": 8.0}, "8.0 s of a processor"),
        ({"memory": 600_000_000}, "600 MB of memory"),
        ({"code": 0, "stderr": "", "stdout": "[]"}, "no score or verdicts"),
        ({"code": 0, "stderr": "", "stdout": '[{"model": "m"}]'}, "0 verdicts"),
    ],
)
def test_what_is_wrong_with_an_end_is_told(changes: dict[str, object], said: str) -> None:
    wrong = complaints(replace(WELL, **changes), size=4_000_000, ordinary=2.0)  # type: ignore[arg-type]
    assert len(wrong) == bool(said) and said in "".join(wrong)


# ---- what was found ----------------------------------------------------------------------------------------


def judged(sound: Gguf, folder: Path) -> str:
    """What is said of a file that cannot judge."""
    path = folder / "mutant.gguf"
    path.write_bytes(sound.written())
    assert refused(path) is None
    ended = judge(path, folder / "run")
    assert ended.code == 1 and complaints(ended, path.stat().st_size) == []
    return ended.stderr


def tokens_of(base: Base) -> tuple[Gguf, list[bytes]]:
    sound = deepcopy(base.sound)
    key = sound.key(TOKENS)
    assert key is not None
    return sound, key.value.items


def test_a_vocabulary_that_lacks_a_byte_is_refused_before_a_text_needs_it(tmp_path: Path) -> None:
    """llama.cpp loads it, and ends the process at the first text with a character of that byte."""
    sound = read(sentencepiece(tmp_path).read_bytes())
    key = sound.key(TOKENS)
    assert key is not None
    key.value.items[key.value.items.index(b"<0xE2>")] = b"lost"
    assert "no token for the byte 0xE2" in judged(sound, tmp_path)


def test_a_vocabulary_of_empty_tokens_makes_no_prompt(base: Base, tmp_path: Path) -> None:
    sound, tokens = tokens_of(base)
    tokens[:] = [b""] * len(tokens)
    assert "makes no tokens of a prompt" in judged(sound, tmp_path)


def test_a_vocabulary_that_cannot_tell_the_verdicts_apart_is_an_error(base: Base, tmp_path: Path) -> None:
    sound, tokens = tokens_of(base)
    tokens[:] = [token if token.startswith(b"<|") else b"lost%d" % at for at, token in enumerate(tokens)]
    assert "no tokens that tell '[[A]]'" in judged(sound, tmp_path)
