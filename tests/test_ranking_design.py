"""Meetings: who meets whom on which question, the pairs that are judged for it, and the votes that verdicts are."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_judge.analysis.ranking.design import connected, games_of, meetings, pairs_of
from edge_judge.errors import DataError, UsageError
from edge_judge.records import ORDERS, Label, Outputs, Task, Verdict, to_pair_order

SYSTEMS = ("a", "b", "c", "d")


def outputs(tasks: int = 5, systems: tuple[str, ...] = SYSTEMS, **missing: set[int]) -> Outputs:
    """Every answer is another text."""
    asked = tuple(Task(f"q{number}", f"Question {number}?") for number in range(tasks))
    given_answers = {
        (task.id, system): f"{system} says {task.id}"
        for number, task in enumerate(asked)
        for system in systems
        if number not in missing.get(system, set())
    }
    return Outputs(systems, asked, given_answers, "")


def test_all_pairs_meet_on_every_question_that_both_answered() -> None:
    held = meetings(outputs(b={0, 1}))
    assert len(held) == 3 * 6 + 2 * 3
    assert {(m.first, m.second) for m in held} == set(combinations(SYSTEMS, 2))
    assert not [m for m in held if "b" in (m.first, m.second) and m.question in ("q0", "q1")]


def test_against_a_baseline_only_it_is_met() -> None:
    held = meetings(outputs(), against="c")
    assert len(held) == 15 and all("c" in (m.first, m.second) for m in held)
    with pytest.raises(UsageError, match="'e': no such system"):
        meetings(outputs(), against="e")


def test_a_sample_is_balanced_connected_and_grows_without_losing_any() -> None:
    small, large = (meetings(outputs(tasks=30), sample=number) for number in (20, 60))
    assert (len(small), len(large)) == (20, 60)
    assert set(small) <= set(large)
    times = Counter((m.first, m.second) for m in large)
    assert set(times.values()) == {10}
    assert len(Counter(m.question for m in large)) == 30


def test_as_many_meetings_as_systems_less_one_connect_them() -> None:
    systems = tuple(f"s{number:02d}" for number in range(12))
    held = meetings(outputs(tasks=40, systems=systems), sample=11)
    assert connected(systems, [(m.first, m.second) for m in held]) == [systems]
    with pytest.raises(UsageError, match="--games 10"):
        meetings(outputs(tasks=40, systems=systems), sample=10)


def test_systems_that_no_question_connects_are_an_error() -> None:
    some = outputs(tasks=4, a={2, 3}, b={2, 3}, c={0, 1}, d={0, 1})
    with pytest.raises(DataError, match="no question connects a, b with c, d"):
        meetings(some)


def test_a_changed_answer_is_a_new_pair_and_the_others_stay() -> None:
    before = outputs()
    after = replace(before, answers={**before.answers, ("q2", "b"): "something else"})
    old, new = ({m.id for m in meetings(one)} for one in (before, after))
    assert len(old - new) == len(new - old) == 3
    assert all(name.startswith("q2/") for name in old ^ new)


def test_a_pair_has_the_same_name_whatever_the_systems_are_called() -> None:
    before = outputs(systems=("a", "b"))
    renamed = {(task, {"a": "z", "b": "b"}[system]): text for (task, system), text in before.answers.items()}
    after = Outputs(("b", "z"), before.tasks, renamed, "")
    assert {p.id: (p.a, p.b) for p in pairs_of(before, meetings(before))} == {
        p.id: (p.a, p.b) for p in pairs_of(after, meetings(after))
    }


def test_which_answer_a_pair_has_first_is_drawn() -> None:
    held = meetings(outputs(tasks=200, systems=("a", "b")))
    assert 70 < sum(m.swapped for m in held) < 130


def test_equal_answers_are_not_asked_and_equal_pairs_once() -> None:
    some = outputs(tasks=1, systems=("a", "b", "c"))
    some = replace(some, answers={**some.answers, ("q0", "c"): some.answers["q0", "a"]})
    held = meetings(some)
    (pair,) = pairs_of(some, held)
    games = games_of(held, some.systems, [Verdict(pair.id, order, "a") for order in ORDERS]).frame
    assert list(games["asked"]) == [True, True, False, False, True, True]
    winners = {row.first if row.verdict == "first" else row.second for row in games[games["asked"]].itertuples()}
    assert winners in ({"b"}, {"a", "c"})
    assert set(games[~games["asked"]]["verdict"]) == {"tie"}


def test_a_meeting_without_a_verdict_is_an_error() -> None:
    held = meetings(outputs())
    with pytest.raises(DataError, match="no verdict on it"):
        games_of(held, SYSTEMS, [])


@given(st.sampled_from(SYSTEMS), st.sampled_from(["shown first", "longest name", "none"]))
def test_votes_are_what_the_judge_said_whichever_answer_it_saw_first(best: str, rule: str) -> None:
    """A judge that has a favourite, or a place, is that judge in the votes too."""
    some = outputs()
    held = meetings(some)
    verdicts = []
    for pair in pairs_of(some, held):
        for order in ORDERS:
            shown: tuple[Label, ...] = ("a", "b")
            texts = pair.shown(order)
            choice: Label = "a" if rule == "shown first" or texts[0].startswith(best) else "b"
            verdict = None if rule == "none" else to_pair_order(order, choice)
            p = {label: 0.75 if label == to_pair_order(order, choice) else 0.25 for label in shown}
            verdicts.append(Verdict(pair.id, order, verdict, p))
    frame = games_of(held, SYSTEMS, verdicts).frame
    if rule == "none":
        assert frame["verdict"].isna().all() and frame["p_first"].isna().all()
        return
    first_shown = np.where(frame["order"] == "ab", frame["first"], frame["second"])
    winner = np.where(frame["verdict"] == "first", frame["first"], frame["second"])
    assert (np.where(frame["verdict"] == "first", frame["p_first"], frame["p_second"]) == 0.75).all()
    if rule == "shown first":
        assert (winner == first_shown).all()
    else:
        met = ((frame["first"] == best) | (frame["second"] == best)).to_numpy()
        assert (winner[met] == best).all()
