"""A judge is not tested on the pairs that its file was made with."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from test_imatrix import write

from edge_judge import benchmarks
from edge_judge.benchmarks.fingerprint import fingerprint
from edge_judge.cli import main
from edge_judge.records import Pair
from quantize import container, pairs_seen
from quantize.errors import SourceError, VerifyError

TEXT = st.text(max_size=40)


@given(TEXT, TEXT, TEXT)
def test_a_pair_is_recognized_under_another_name_and_in_the_other_order(question, a, b):
    there = fingerprint(Pair("one", question, a, b))
    assert fingerprint(Pair("two", f"  {question}\n", b, a.replace(" ", "  "))) == there
    assert len(there) == 16 and int(there, 16) >= 0


def test_another_question_or_answer_makes_another_pair():
    pair = Pair("1", "Name a fruit.", "Plum.", "Stone.")
    others = [Pair("1", "Name a tree.", "Plum.", "Stone."), Pair("1", "Name a fruit.", "Plum.", "Rock.")]
    joined = Pair("1", "Name a fruit. Plum.", "", "Stone.")
    assert len({fingerprint(one) for one in (pair, *others, joined)}) == 4


def test_a_files_pairs_are_read_back_as_they_were_written(tmp_path):
    path = tmp_path / "some.gguf"
    container.write_header(path, "llama", pairs_seen.fields(["b", "a", "b"]), [("x", (32,), "F32")])
    assert pairs_seen.of_file(path) == {"a", "b"}
    container.write_header(path, "llama", pairs_seen.fields([]), [("x", (32,), "F32")])
    assert pairs_seen.of_file(path) == frozenset()


def test_a_key_of_another_kind_is_refused(tmp_path):
    from quantize.architectures.blueprint import Field

    path = tmp_path / "some.gguf"
    container.write_header(path, "llama", [Field(pairs_seen.KEY, "string", "a")], [("x", (32,), "F32")])
    with pytest.raises(VerifyError, match="expected an array of texts"):
        pairs_seen.of_file(path)


def test_the_pairs_beside_an_adapter_are_a_sorted_text_file(tmp_path):
    pairs_seen.write(tmp_path, ["b", "a", "b"])
    assert (tmp_path / "pairs_seen.txt").read_text("utf-8") == "a\nb\n"
    assert pairs_seen.of_folder(tmp_path) == {"a", "b"}
    (tmp_path / "pairs_seen.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(SourceError, match="pairs_seen.txt"):
        pairs_seen.of_folder(tmp_path)


# ---- a judge whose file names 100 of the 600 pairs of the embedded benchmark --------------------------------

SEEN = 100


def run(*arguments):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A models folder with f16, q2_k and q2_k+judge of the embedded judge."""
    folder = tmp_path_factory.mktemp("seen")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGE_JUDGE_MODELS", str(folder / "models"))
        pocket = benchmarks.load("pocket")
        importance = importances(folder / "judge.gguf", [fingerprint(pair) for pair in pocket.pairs[:SEEN]])
        code, _, err = run("quantize", "pocket", "q2_k+judge", "--imatrix", importance)
        assert code == 0, err
        yield folder, importance


@pytest.fixture
def models(kept, monkeypatch, tmp_path):
    folder, importance = kept
    monkeypatch.setenv("EDGE_JUDGE_MODELS", str(folder / "models"))
    monkeypatch.chdir(tmp_path)
    return importance


def importances(path, pairs):
    """An importance matrix of the embedded judge, all columns alike, that names pairs."""
    from edge_judge.pocket import CHECKPOINT
    from quantize import architectures, config

    targets = architectures.blueprint(config.read(CHECKPOINT)).targets
    widths = {one.name: one.shape[-1] for one in targets if len(one.shape) == 2 and one.name != "token_embd.weight"}
    return write(path, widths, pairs=pairs)


def test_the_file_of_a_variant_has_its_label_and_its_pairs(kept):
    folder, importance = kept
    path = folder / "models" / "pocket" / "pocket-q2_k+judge.gguf"
    assert pairs_seen.of_file(path) == pairs_seen.of_file(importance) and len(pairs_seen.of_file(path)) == SEEN
    values = container.read_header(path).values
    assert values["edge_judge.scheme"] == "q2_k+judge" and values["general.file_type"] == 10


def test_eval_refuses_pairs_that_were_seen_and_says_what_can_be_done(models):
    code, out, err = run("eval", "--scheme", "q2_k+judge")
    assert code == 1 and out == ""
    assert "pocket: pocket q2_k+judge was made with 100 of its 600 pairs" in err
    assert "--unseen" in err and "--allow-seen" in err


def test_eval_judges_the_others_when_told_to(models):
    code, out, err = run("eval", "--scheme", "Q2_K+Judge", "--unseen", "--limit", 40, "--json")
    assert code == 0, err
    (score,) = json.loads(out)
    assert score["pairs"] == 40 and score["scheme"] == "q2_k+judge" and "pairs_seen" not in score
    judged = {json.loads(line)["id"] for line in verdicts("q2_k+judge")}
    assert not judged & {pair.id for pair in benchmarks.load("pocket").pairs[:SEEN]}
    assert "100 pairs left out" in err


def test_eval_marks_a_run_that_judges_them_all_the_same(models):
    code, out, err = run("eval", "--scheme", "q2_k+judge", "--allow-seen", "--limit", 20, "--head", "--json")
    assert code == 0, err
    assert json.loads(out)[0]["pairs_seen"] == 20
    code, out, _ = run("eval", "--scheme", "q2_k+judge", "--allow-seen", "--limit", 20, "--head")
    assert "not a fair test" in " ".join(out.split())


def test_compare_refuses_such_a_run_leaves_it_out_or_says_so(models):
    for scheme in ("f16", "q2_k", "q2_k+judge"):
        assert run("eval", "--scheme", scheme, "--allow-seen", "--limit", 20, "--head")[0] == 0
    code, _, err = run("compare")
    assert code == 1 and "made with 20 of the pairs" in err and "--allow-seen" in err
    code, out, err = run("compare", "--unseen", "--json")
    assert code == 0 and [one["scheme"] for one in json.loads(out)] == ["f16", "q2_k"] and "left out" in err
    code, out, err = run("compare", "--allow-seen", "--json")
    assert {one["scheme"] for one in json.loads(out)} == {"f16", "q2_k", "q2_k+judge"} and "not a fair test" in err


def test_compare_takes_a_variant_as_its_baseline(models):
    for scheme in ("q2_k", "q2_k+judge"):
        assert run("eval", "--scheme", scheme, "--unseen", "--limit", 20)[0] == 0
    code, out, err = run("compare", "--baseline", "q2_k+judge", "--json")
    assert code == 0, err
    assert {one["baseline"]["scheme"] for one in json.loads(out)} == {"q2_k+judge"}


def test_choose_decides_on_pairs_that_no_scheme_has_seen(models):
    ladder = ("choose", "--scheme", "q2_k", "--scheme", "q2_k+judge", "--max-pairs", 40)
    code, _, err = run(*ladder)
    assert code == 1 and "was made with 100 of its 600 pairs" in err
    assert run("eval", "--limit", 30, "--head")[0] == 0  # the baseline has judged pairs that are left out now
    code, out, err = run(*ladder, "--unseen", "--json")
    assert code in (0, 4), err  # 40 pairs need not decide
    seen = {pair.id for pair in benchmarks.load("pocket").pairs[:SEEN]}
    for looked_at in json.loads(out)["decisions"]:
        judged = {json.loads(line)["id"] for line in verdicts(looked_at["run"]["scheme"])}
        assert judged and not judged & seen


def test_a_label_that_nothing_stands_for_is_refused(models):
    code, _, err = run("quantize", "pocket", "q4_k_m+tuned")
    assert code == 1 and "nothing makes q4_k_m+tuned differ from q4_k_m" in err and "--imatrix" in err
    code, _, err = run("eval", "--scheme", "q4_k_m+tuned")
    assert code == 1 and "pocket q4_k_m+tuned is not built" in err


def verdicts(scheme):
    return Path("results", "pocket", "pocket", scheme, "pairwise", "verdicts.jsonl").read_text("utf-8").splitlines()


def test_the_importances_here_are_all_alike(tmp_path):
    """So that what these tests see comes from the pairs alone."""
    from quantize import imatrix

    read = imatrix.read(importances(tmp_path / "some.gguf", ["a"]))
    assert read.pairs_seen == {"a"} and all(np.isfinite(columns).all() for columns in read.columns.values())
