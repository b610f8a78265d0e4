"""The exact design that `make bench-choose` holds ours against: its probabilities are scipy's."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy import stats


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parent.parent / "benchmarks"))
    monkeypatch.delitem(sys.modules, "exact_design", raising=False)
    return import_module("exact_design")


def grid(n: int) -> tuple[np.ndarray, np.ndarray]:
    lost, won = (axis.ravel() for axis in np.meshgrid(np.arange(n + 1.0), np.arange(n + 1.0), indexing="ij"))
    return lost[lost + won <= n], won[lost + won <= n]


def test_the_chances_of_so_many_lost_and_won_are_scipys(exact: ModuleType) -> None:
    lost, won = grid(12)
    counts = np.stack([lost, won, 12 - lost - won], axis=1).astype(int)
    drawn = exact.chances(0.2, 0.1, 12, None, (lost, won))
    assert drawn == pytest.approx(stats.multinomial.pmf(counts, 12, [0.2, 0.1, 0.7]))
    dealt = exact.chances(0.2, 0.1, 12, 50, (lost, won))
    assert dealt == pytest.approx(stats.multivariate_hypergeom.pmf(counts, [10, 5, 35], 12), abs=1e-12)
    assert drawn.sum() == pytest.approx(1) and dealt.sum() == pytest.approx(1)


def test_the_score_statistic_is_zero_where_just_the_margin_is_lost_and_grows_with_what_is(exact: ModuleType) -> None:
    lost, won = np.array([10.0, 12.0, 15.0]), np.array([2.0, 2.0, 2.0])
    found = exact.score(500, (lost, won))
    assert found[1] < found[2] and found[0] == pytest.approx(-0.583, abs=0.05)  # about (8 - 10) / sqrt(12)
    assert exact.score(400, (np.array([10.0]), np.array([2.0])))[0] == pytest.approx(0)


def test_of_a_population_that_loses_nothing_as_few_pairs_as_any_test_needs_suffice(exact: ModuleType) -> None:
    assert exact.power(182, 0.0, None) == 0 and exact.power(183, 0.0, None) == pytest.approx(1)
    assert exact.power(146, 0.0, 600) == 0 and exact.power(147, 0.0, 600) == pytest.approx(1)
