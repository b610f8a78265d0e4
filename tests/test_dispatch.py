"""Which worker gets which blocks: told by a clock of the test's own."""

from __future__ import annotations

import heapq
import random

import pytest

from edge_judge.engine.cluster.dispatch import Dispatcher, Task

Seconds = float


def work_off(
    sizes: list[int], rates: dict[str, float], lost: dict[str, Seconds] | None = None
) -> tuple[Seconds, dict[int, int]]:
    """Let workers of these rates do it all, some of which stop at a time. Returns when it was done, and how many
    times each block was new.
    """
    dispatcher, now, new = Dispatcher(sizes), 0.0, dict.fromkeys(range(len(sizes)), 0)
    running: list[tuple[Seconds, int, Task]] = []
    free = dict.fromkeys(rates, 0.0)
    for worker in rates:
        dispatcher.join(worker)
    while not dispatcher.finished:
        for worker in rates:
            while task := dispatcher.give(worker, now):
                seconds = task.size / rates[worker]
                free[worker] = max(free[worker], now) + seconds
                if free[worker] <= (lost or {}).get(worker, float("inf")):
                    heapq.heappush(running, (free[worker], task.id, task))
        soon = now + 1.0
        if running and running[0][0] <= soon:
            now, _, task = heapq.heappop(running)
            for block in dispatcher.done(task, task.size / rates[task.worker]):
                new[block] += 1
        else:
            now = soon
        assert now < 1e5, "nothing comes to an end"
    return now, new


@pytest.mark.parametrize("workers", [1, 2, 4, 8])
def test_workers_of_one_rate_share_the_work_evenly_and_no_block_counts_twice(workers: int) -> None:
    sizes = [2048] * 400
    seconds, new = work_off(sizes, {f"m{n}": 300.0 for n in range(workers)})
    assert set(new.values()) == {1}
    assert sum(sizes) / 300 / workers / seconds >= 0.9


def test_a_slow_worker_holds_nobody_up() -> None:
    sizes, rates = [2048] * 200, {"fast": 1000.0, "other": 800.0, "slow": 20.0}
    seconds, new = work_off(sizes, rates)
    assert set(new.values()) == {1}
    assert seconds <= 1.15 * sum(sizes) / sum(rates.values())


def test_the_blocks_of_a_worker_that_falls_silent_are_done_by_others() -> None:
    sizes, rates = [2048] * 100, {"m1": 500.0, "m2": 500.0, "m3": 500.0}
    seconds, new = work_off(sizes, rates, lost={"m2": 20.0})
    assert set(new.values()) == {1}
    assert seconds <= 1.5 * sum(sizes) / 1000
    seconds, new = work_off(sizes, rates, lost={"m2": 0.0, "m3": 30.0})
    assert set(new.values()) == {1}


def test_random_crews_finish_with_each_block_counted_once() -> None:
    for seed in range(50):
        draw = random.Random(seed)
        sizes = [draw.randint(500, 6000) for _ in range(draw.randint(1, 80))]
        rates = {f"m{n}": draw.choice([10.0, 200.0, 3000.0]) for n in range(draw.randint(1, 6))}
        lost = {name: draw.uniform(0, 60) for name in list(rates)[1:] if draw.random() < 0.5}
        assert set(work_off(sizes, rates, lost)[1].values()) == {1}


def test_a_lost_workers_blocks_come_first_again_unless_another_has_them() -> None:
    dispatcher = Dispatcher([100] * 4)
    dispatcher.join("m1")
    dispatcher.join("m2")
    first, second = dispatcher.give("m1", 0), dispatcher.give("m2", 0)
    assert first and second and (first.blocks, second.blocks) == ((0,), (1,))
    assert dispatcher.leave("m1") == [first]
    assert dispatcher.done(second, 1.0) == [1]
    third = dispatcher.give("m2", 1.0)
    assert third and third.blocks[0] == 0
    assert dispatcher.done(first, 1.0) == [0]  # it was not lost after all, and is the first with an answer
    assert 0 not in dispatcher.done(third, 1.0)


def test_a_repeat_is_given_to_a_worker_that_did_not_do_it_before() -> None:
    dispatcher = Dispatcher([100] * 4, avoid=lambda worker, block: (worker == "m1") == (block < 2))
    for worker in ("m1", "m2"):
        dispatcher.join(worker, rate=100.0)
    given = {worker: dispatcher.give(worker, 0) for worker in ("m1", "m2")}
    assert given["m1"] and set(given["m1"].blocks) <= {2, 3} and given["m2"] and set(given["m2"].blocks) <= {0, 1}
