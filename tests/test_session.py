"""A judge that stays loaded: parts of a benchmark, one after another, into one run."""

import gc
from dataclasses import replace

import pytest
from checkpoints import make_checkpoint, qwen2_config

from edge_judge.engine import RecordedEngine, evaluator, local
from edge_judge.engine import model as models
from edge_judge.errors import DataError, MemoryLimitError, RunError
from edge_judge.inference import Distribution, TextHandling
from edge_judge.judging.prompting import prompt_texts
from edge_judge.protocols import grammar
from edge_judge.protocols.protocol import Protocol, Question
from edge_judge.records import Benchmark, Judge, Limits, Pair, ProgressListener, Verdict
from edge_judge.runs import folder as run_folder
from edge_judge.runs import session as sessions
from edge_judge.runs.identity import run_identity, run_settings
from quantize import build

CONFIG = qwen2_config(num_hidden_layers=1, intermediate_size=256, vocab_size=304, max_position_embeddings=2048)
PAIRS = tuple(Pair(str(n), f"Say {n}.", f"{n}", f"I'm sure it's {n + 1}", ("a",)) for n in range(6))
SIX = Benchmark("six", PAIRS, "", True, "")
PAIRWISE = Protocol(grammar.load("pairwise"))


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    make_checkpoint(folder / "model", CONFIG, seed=3)
    path = build.quantize(
        build.FolderSource(folder / "model", "tiny"), "f16", build.BuildOptions(folder / "tiny.gguf", threads=1)
    ).path
    return Judge("tiny", "f16", path, "", "")


@pytest.fixture
def loads(monkeypatch):
    """The models that were loaded to be evaluated."""
    loaded = []

    class Counted(local.Model):
        def __init__(self, *given, **named):
            super().__init__(*given, **named)
            loaded.append(self)

    monkeypatch.setattr(local, "Model", Counted)
    return loaded


class Keeping(ProgressListener):
    """Keeps what it hears."""

    def __init__(self, progress, estimates=None):
        self._progress, self._estimates = progress, [] if estimates is None else estimates

    def estimate(self, name, estimate):
        assert name == "six"
        self._estimates.append(estimate)

    def progress(self, progress):
        self._progress.append(progress)


def opened(judge, folder):
    named, deciding = run_identity(SIX, judge, PAIRWISE), run_settings(SIX, judge, PAIRWISE)
    return run_folder.RunFolder.open(folder, named, deciding, fresh=False)


def part(start, end):
    return replace(SIX, pairs=PAIRS[start:end])


def test_parts_of_a_benchmark_are_judged_one_after_another_with_one_loaded_model(judge, loads, tmp_path):
    with sessions.Session(judge, threads=1) as session, opened(judge, tmp_path) as kept:
        assert loads == []
        first, cost = session.evaluate(part(0, 2), PAIRWISE, kept)
        rest, in_all = session.evaluate(part(2, 6), PAIRWISE, kept)
        assert len(loads) == 1
        assert {verdict.id for verdict in first} == {"0", "1"} and {verdict.id for verdict in rest} == set("2345")
        assert len(kept.verdicts()) == 12
        assert (cost.verdicts, in_all.verdicts) == (4, 12) and in_all.tokens > cost.tokens
        assert in_all.wall_seconds >= cost.wall_seconds and kept.measured() == in_all


def test_a_part_comes_out_the_same_whatever_was_judged_before_it(judge, tmp_path):
    with sessions.Session(judge, threads=1) as session:
        with opened(judge, tmp_path / "both") as kept:
            session.evaluate(part(0, 2), PAIRWISE, kept)
            after, _ = session.evaluate(part(2, 6), PAIRWISE, kept)
        with opened(judge, tmp_path / "alone") as kept:
            alone, _ = session.evaluate(part(2, 6), PAIRWISE, kept)
    assert after == alone


def test_a_part_whose_verdicts_are_there_loads_no_model_and_costs_nothing(judge, loads, tmp_path):
    with sessions.Session(judge, threads=1) as session, opened(judge, tmp_path) as kept:
        reached, cost = session.evaluate(part(0, 3), PAIRWISE, kept)
    with sessions.Session(judge, threads=1) as session, opened(judge, tmp_path) as kept:
        assert session.evaluate(part(0, 3), PAIRWISE, kept) == (reached, cost)
        assert session.evaluate(part(1, 2), PAIRWISE, kept) == (reached[2:4], cost)
        assert len(loads) == 1
        session.evaluate(part(3, 4), PAIRWISE, kept)
        assert len(loads) == 2


def test_progress_counts_the_verdicts_of_the_part_alone(judge, tmp_path):
    seen = []
    with sessions.Session(judge, threads=1) as session, opened(judge, tmp_path) as kept:
        session.evaluate(part(0, 4), PAIRWISE, kept)
        session.evaluate(part(3, 6), PAIRWISE, kept, Keeping(seen))
    assert {progress.verdicts_total for progress in seen} == {6}
    assert all(2 <= progress.verdicts <= 6 for progress in seen)


def test_a_part_without_pairs_is_refused(judge, loads, tmp_path):
    with sessions.Session(judge) as session, opened(judge, tmp_path) as kept:
        with pytest.raises(DataError, match="no pairs to judge"):
            session.evaluate(part(0, 0), PAIRWISE, kept)
    assert loads == []


def test_what_is_ahead_is_told_before_the_first_token_and_then_the_time_that_is_left(judge, tmp_path):
    seen = []
    with sessions.Session(judge, threads=1) as session, opened(judge, tmp_path) as kept:
        session.evaluate(part(0, 2), PAIRWISE, kept)
        session.evaluate(part(1, 6), PAIRWISE, kept, Keeping(seen, seen))
    ahead, *progress = seen
    assert ahead.verdicts == 8 and 0 < ahead.tokens < ahead.tokens_alone and ahead.each == 0 and not ahead.smaller
    assert all(one.left >= 0 for one in progress) and progress[-1].left == 0
    assert progress[-1].tokens == ahead.tokens


def test_a_session_holds_to_its_memory_and_a_model_that_is_too_large_is_never_loaded(judge, loads, tmp_path):
    with (
        sessions.Session(judge, limits=Limits(memory=1000)) as session,
        pytest.raises(MemoryLimitError) as short,
    ):
        with opened(judge, tmp_path) as kept:
            session.evaluate(SIX, PAIRWISE, kept)
    assert loads == [] and short.value.allowed == 1000 and not short.value.loaded
    assert list(tmp_path.iterdir()) == []


def test_a_verdict_that_cannot_be_kept_ends_the_work_and_frees_what_it_took(judge, tmp_path, monkeypatch):
    order = []
    monkeypatch.setattr(evaluator.Evaluator, "close", noting(evaluator.Evaluator.close, "cache", order))
    monkeypatch.setattr(models.Model, "close", noting(models.Model.close, "model", order))
    with opened(judge, tmp_path) as kept:
        monkeypatch.setattr(kept, "append", full)
        order.clear()
        with pytest.raises(OSError, match="no room"), sessions.Session(judge, threads=1) as session:
            session.evaluate(SIX, PAIRWISE, kept)
    assert order == ["cache", "model"]


def test_verdicts_that_did_not_reach_the_file_are_one_error_and_are_judged_by_the_same_call(
    judge, tmp_path, monkeypatch
):
    with opened(judge, tmp_path) as kept, sessions.Session(judge, threads=1) as session:
        write = kept.append
        with monkeypatch.context() as losing:
            losing.setattr(kept, "append", lambda verdict: None if verdict.id == "3" else write(verdict))
            with pytest.raises(RunError, match=r"verdicts\.jsonl: 2 new verdicts cannot be found there"):
                session.evaluate(SIX, PAIRWISE, kept)
        assert kept.count() == 10 and kept.measured() is None
        verdicts, _ = session.evaluate(SIX, PAIRWISE, kept)
        assert len(verdicts) == kept.count() == 12


def test_verdicts_are_in_the_file_and_not_in_memory_while_the_judge_works(judge, tmp_path, monkeypatch):
    alive = []
    with opened(judge, tmp_path) as kept, sessions.Session(judge, threads=1) as session:
        write = kept.append

        def watched(verdict):
            write(verdict)
            alive.append(sum(type(one) is Verdict for one in gc.get_objects()))

        monkeypatch.setattr(kept, "append", watched)
        session.evaluate(SIX, PAIRWISE, kept)
    assert len(alive) == 12 and max(alive) - alive[0] <= 1


def noting(close, name, order):
    def closed(self):
        order.append(name)
        close(self)

    return closed


def full(verdict):
    raise OSError("no room")


class Telling(ProgressListener):
    """Keeps the notes that it hears."""

    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def test_how_texts_are_treated_is_kept_with_the_run_and_what_may_be_wrong_with_it_is_told_once(
    judge, tmp_path, monkeypatch
):
    doubtful = TextHandling("unknown", ("it does not name its pre-tokenizer",))
    monkeypatch.setattr(local.LocalEngine, "text_handling", lambda self, texts: doubtful)
    listener = Telling()
    with sessions.Session(judge, threads=1) as session, opened(judge, tmp_path) as folder:
        session.evaluate(SIX, PAIRWISE, folder, listener)
        assert listener.notes[0] == f"{judge.gguf}: it does not name its pre-tokenizer"
        told = len(listener.notes)
        session.evaluate(SIX, PAIRWISE, folder, listener)  # read back: nothing is judged
        assert len(listener.notes) == told
    kept = run_folder.noted(folder.path, "text_handling")
    assert kept == {"normalizer": "unknown", "doubts": ["it does not name its pre-tokenizer"]}


def test_verdicts_that_a_judge_may_spell_in_two_ways_are_kept_and_counted_in_a_note(judge, tmp_path):
    shares = [0.2, 0.02, 0.005, *[0.0] * 9]
    questions = [Question(pair, order) for pair in PAIRS for order in PAIRWISE.orders]
    engine = RecordedEngine({
        prompt: Distribution({"a": 0.5, "b": 0.3, "tie": 0.2}, 0.9, respelled=share)
        for share, question in zip(shares, questions, strict=True)
        for prompt in prompt_texts(PAIRWISE, question)
    })  # fmt: skip
    listener = Telling()
    with sessions.Session(judge, engine=engine) as session, opened(judge, tmp_path) as folder:
        session.evaluate(SIX, PAIRWISE, folder, listener)
        kept = [verdict.respelled for verdict in folder.verdicts()]
    assert kept == [0.2, 0.02, 0.005, *[None] * 9]
    assert listener.notes == [
        "six: in 2 of 12 verdicts at least 1 % of the probability is on other tokens for the same text "
        "(largest share 20 %); it is counted"
    ]
