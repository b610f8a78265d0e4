"""A newcomer's screens are as they were last looked at: what a command prints is changed on purpose, or not at all.

Where a change is meant: `python tests/newcomer.py --record`, and look at the difference.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from newcomer import CHAPTERS, SCREENS, Chapter, Newcomer, home
from screen_masks import masked

pytest.importorskip("pyte", reason="pyte draws the terminal: pip install '.[test]'")
if sys.platform != "linux":
    pytest.skip("the screens were recorded on Linux", allow_module_level=True)


@pytest.fixture(scope="module")
def newcomer() -> Iterator[Newcomer]:
    with home() as root:
        yield Newcomer(root)


def recorded(name: str) -> str:
    return (SCREENS / f"{name}.txt").read_text("utf-8")


@pytest.mark.parametrize("chapter", CHAPTERS, ids=[chapter.name for chapter in CHAPTERS])
@pytest.mark.usefixtures("interruptible")
def test_a_newcomer_sees_what_was_looked_at(newcomer: Newcomer, chapter: Chapter) -> None:
    seen = {visit.name: screen for visit, screen in newcomer.read(chapter)}
    assert seen == {name: recorded(name) for name in seen}


def test_every_screen_belongs_to_a_visit() -> None:
    names = [visit.name for chapter in CHAPTERS for visit in chapter.visits]
    assert sorted(f"{name}.txt" for name in names) == sorted(path.name for path in SCREENS.iterdir())
    assert len(names) >= 40


def test_a_masked_figure_leaves_words_and_layout() -> None:
    folder = Path("/tmp/v12345678")
    fast = masked("q8_0   4.13 MB  0.0 [−0.6, 0.6]  16,151  1/0/0\n", folder, "figures")
    slow = masked("q8_0    9.1 kB  1.2 [−0.6, 3.0]   9,151  0/0/0\n", folder, "figures")
    assert fast == slow == "q8_0      # MB         # [#, #]       #  #/#/#\n"
    told = masked("12 s; the runs are in /tmp/v12\n345678/results, 600 pairs", folder, "figures")
    assert told == "# s; the runs are in /home/ne\nwcomer/results, 600 pairs"
