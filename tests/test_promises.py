"""What the documentation promises of every statement is what was simulated, and the simulations can find a lie."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
BENCHMARKS = ROOT / "benchmarks"
RECORDED = json.loads((ROOT / "results" / "promises" / "promises.json").read_text(encoding="utf-8"))


@pytest.fixture
def validate(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.delitem(sys.modules, "validate", raising=False)
    return import_module("validate")


def test_every_promise_that_the_code_makes_was_simulated_and_none_besides(validate: ModuleType) -> None:
    made = [
        (promise.statement, promise.design, promise.promised)
        for name in validate.NAMES
        for promise in import_module(f"promises.{name}").PROMISES
    ]
    assert [(one["statement"], one["design"], one["promised"]) for one in RECORDED] == made


def test_the_documentation_shows_what_was_found(validate: ModuleType) -> None:
    from promises.promise import Found, Promise

    found = [
        Found(Promise(one["statement"], one["design"], one["promised"], lambda *_: 0, one["runs"]), one["broken"])
        for one in RECORDED
    ]
    shown = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in shown if line.startswith("| ") and not line.startswith("| statement")]
    assert rows == [validate.row(one) for one in found]
    assert all(one.holds for one in found)


def test_a_promise_that_is_broken_too_often_is_found(validate: ModuleType) -> None:
    from promises.promise import Promise, keep

    def broken(chance: np.random.Generator, runs: int) -> int:
        return int((chance.random(runs) < 0.10).sum())

    assert keep(Promise("", "", 0.10, broken, 500), seed=0).holds
    assert not keep(Promise("", "", 0.05, broken, 500), seed=0).holds


@pytest.mark.slow
@pytest.mark.parametrize("name", ["abstain", "decisions", "intervals", "p_values", "slices"])
def test_the_promises_hold_in_200_runs_of_each(validate: ModuleType, name: str) -> None:
    from dataclasses import replace

    from promises.promise import keep

    promises = import_module(f"promises.{name}").PROMISES
    kept = [keep(replace(promise, runs=200), seed=place) for place, promise in enumerate(promises)]
    assert [one.promise.design for one in kept if not one.holds] == []


def test_no_file_of_promises_is_left_out_of_the_slow_test(validate: ModuleType) -> None:
    names = test_the_promises_hold_in_200_runs_of_each.pytestmark[0].args[1]  # type: ignore[attr-defined]
    assert sorted(names) == validate.NAMES
