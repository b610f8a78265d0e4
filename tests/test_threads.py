"""The number of threads follows what is measured, costs next to nothing to find, and changes no bit of a result."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from checkpoints import llama_config, make_checkpoint, quantized
from hypothesis import given
from hypothesis import strategies as st

from edge_judge.engine import llama, processors
from edge_judge.engine.model import Model
from edge_judge.engine.processors import brief_spinning
from edge_judge.engine.threads import Call, ThreadTuner

Machine = Callable[[int, int], tuple[float, float, float]]  # threads, call -> seconds a token, share used, idle


def quiet(cores: int) -> Machine:
    return lambda threads, _: (1 / min(threads, cores), 0.95, max(0.0, cores - threads))


def busy(begin: int, end: int) -> Machine:
    """Two cores, between two calls with so much company that one thread is three times as fast as two."""

    def machine(threads: int, place: int) -> tuple[float, float, float]:
        if begin <= place < end:
            return (1.0, 0.9, 0.0) if threads == 1 else (3.0, 0.5, 0.0)
        return quiet(2)(threads, place)

    return machine


def work(machine: Machine, tuner: ThreadTuner, calls: int, tokens: int = 384, noise: float = 0.0) -> list[int]:
    """The number of threads of each call."""
    chance, chosen = random.Random(1), []
    for place in range(calls):
        threads = tuner.count(tokens)
        time, share, idle = machine(threads, place)
        seconds = time * tokens * chance.lognormvariate(0, noise)
        tuner.add(Call(threads, tokens, seconds, seconds * threads * share, seconds * idle))
        chosen.append(threads)
    return chosen


def total(machine: Machine, chosen: list[int]) -> float:
    return sum(machine(threads, place)[0] for place, threads in enumerate(chosen))


@pytest.mark.parametrize("cores", [1, 2, 4, 6, 16])
def test_on_a_quiet_machine_looking_costs_no_more_than_three_percent(cores: int) -> None:
    machine, tuner = quiet(cores), ThreadTuner(cores, cores)
    for calls in (50, 500):
        chosen = work(machine, tuner, calls, noise=0.03)
        assert tuner.reading == cores
        assert total(machine, chosen) <= 1.03 * total(machine, [cores] * calls)


def test_where_other_programs_come_it_takes_fewer_and_where_they_go_all_again() -> None:
    machine, tuner = busy(100, 300), ThreadTuner(2, 2)
    chosen = work(machine, tuner, 400, noise=0.05)
    assert set(chosen[125:290]) == {1} or chosen[125:290].count(2) <= 6
    assert chosen[330:].count(1) <= 3


def test_processors_that_are_idle_are_taken() -> None:
    tuner = ThreadTuner(2, 8)
    work(quiet(8), tuner, 60)
    assert tuner.reading == 8


def test_two_threads_of_a_core_are_not_taken_where_they_are_slower() -> None:
    def machine(threads: int, _: int) -> tuple[float, float, float]:
        return (1 / min(threads, 4) * (1.1 if threads > 4 else 1.0), 0.95, max(0, 8 - threads))

    tuner = ThreadTuner(4, 8)
    assert work(machine, tuner, 400).count(8) <= 8 and tuner.reading == 4


def test_a_model_so_small_that_threads_only_wait_gets_one() -> None:
    tuner = ThreadTuner(4, 4)
    work(lambda threads, _: (1.0 + 0.2 * threads, 1 / threads, 4.0 - threads), tuner, 200)
    assert tuner.reading == 1


def test_reading_and_writing_are_tuned_apart() -> None:
    tuner = ThreadTuner(2, 2)
    for _ in range(40):
        work(quiet(2), tuner, 3)
        work(busy(0, 100), tuner, 3, tokens=4)
    assert (tuner.reading, tuner.writing) == (2, 1)


def test_a_fixed_number_stays() -> None:
    tuner = ThreadTuner(2, 2, fixed=True)
    assert set(work(busy(0, 100), tuner, 100)) == {2}


@given(st.data())
def test_whatever_is_measured_a_call_has_from_one_to_most_threads(data: st.DataObject) -> None:
    most = data.draw(st.integers(1, 12))
    tuner = ThreadTuner(data.draw(st.integers(1, most)), most)
    times = st.floats(0, 1e3, allow_nan=False)
    for _ in range(data.draw(st.integers(0, 120))):
        tokens = data.draw(st.integers(1, 400))
        threads = tuner.count(tokens)
        assert 1 <= threads <= most
        tuner.add(Call(threads, tokens, data.draw(times), data.draw(times), data.draw(times)))


def test_a_thread_that_waits_soon_sleeps_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in processors.SPINNING:
        monkeypatch.delenv(name, raising=False)
    with brief_spinning():
        assert processors.os.environ["GOMP_SPINCOUNT"] == "1000"
    assert "GOMP_SPINCOUNT" not in processors.os.environ
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    with brief_spinning():
        assert "GOMP_SPINCOUNT" not in processors.os.environ


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("threads")
    make_checkpoint(folder / "model", llama_config(max_position_embeddings=4096), seed=1)
    quantized(folder / "model", "f16", folder / "tiny.gguf")
    return folder / "tiny.gguf"


def test_politeness_leaves_a_core_free(gguf: Path) -> None:
    with Model(gguf, polite=True) as model:
        assert model.threads.count(384) <= max(1, processors.physical_cores() - 1)


@pytest.mark.parametrize("calls", [(300, 290, 1, 1, 2, 1), (257, 257, 1, 129)])
def test_the_number_of_threads_changes_no_bit(gguf: Path, calls: tuple[int, ...]) -> None:
    """Over more than 512 cells llama.cpp divides a single token's attention among the threads."""
    with Model(gguf) as model:
        found = [logits(model, threads, calls) for threads in (1, 2, 3, 4)]
    assert found[0] == found[1] == found[2] == found[3]


def logits(model: Model, threads: int, calls: tuple[int, ...]) -> list[bytes]:
    chance = random.Random(0)
    context = llama.Context(model.loaded, llama.ContextSize(1024, 512, 128, 2, 4), "f16")
    found, position = [], 0
    for count in calls:
        cells = [(chance.randrange(model.vocabulary), position + place, (0,)) for place in range(count)]
        context.decode(cells, {count - 1}, threads)
        found.append(context.logits(count - 1).tobytes())
        position += count
    context.close()
    return found
