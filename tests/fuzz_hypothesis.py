"""Every Hypothesis test again and again with new random inputs, until the time is up: `make fuzz MINUTES=10`.

What fails is told at the end, once a test, as an `@example(…)` to be put above it, and the exit code is then 1.

Knows: pytest's items and what Hypothesis says of an example that fails. Does not know: what the tests are about.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

FAILING = re.compile(r"(?:Falsifying example|Failing test case): \w+\(\n(.*?)^\)", re.MULTILINE | re.DOTALL)
ARGUMENT = re.compile(r"^    (\w+)=(?:.*?)(?=^    \w|\Z)", re.MULTILINE | re.DOTALL)
DRAWN = re.compile(r"^Draw \d+.*|@reproduce_failure\(.*\)", re.MULTILINE)  # st.data(): no example can hold that
PASSING = re.compile(r"(\d+) passing")

QUIET = 10.0  # seconds between two lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0, help="how long (default: 5)")
    parser.add_argument("tests", nargs="*", default=[str(Path(__file__).parent)], help="test files (default: all)")
    given = parser.parse_args()
    fuzz = Fuzz(given.minutes * 60)
    chosen = ["-m", "hypothesis and not slow", "--hypothesis-profile=fuzz", "-p", "no:cacheprovider"]
    code = pytest.main([*chosen, *given.tests], plugins=[fuzz])
    print("\n".join(fuzz.summary()))
    return int(code)


@dataclass(eq=False)  # pytest keeps its plugins in sets
class Fuzz:
    """A plugin of pytest that runs its tests in rounds; a test that failed is not run again."""

    seconds: float
    rounds: int = 0
    ran: Counter[str] = field(default_factory=Counter)  # test -> times
    examples: int = 0
    failed: dict[str, str] = field(default_factory=dict)  # test -> what to paste, and why

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        config.pluginmanager.unregister(name="terminalreporter")  # made for tests that run once

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failed[report.nodeid] = str(report.longrepr)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        until = time.monotonic() + self.seconds
        spoke = 0.0
        while items := [item for item in session.items if item.nodeid not in self.failed]:
            self.rounds += 1
            for item, following in zip(items, [*items[1:], None], strict=True):
                over = time.monotonic() >= until
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=None if over else following)
                if over:
                    return True
            if time.monotonic() > spoke + QUIET:
                spoke = time.monotonic()
                print(f"round {self.rounds}: {len(items)} tests, {self.examples:,} examples so far", flush=True)
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if report.failed:
            assert call.excinfo is not None
            self.failed[item.nodeid] = told(item, call.excinfo.value, str(report.longrepr))
        elif report.when == "call":
            self.ran[item.nodeid] += 1
            self.examples += sum(map(int, PASSING.findall(getattr(item, "hypothesis_statistics", ""))))
        return report

    def summary(self) -> list[str]:
        counts = f"{len(self.ran)} tests, {self.examples:,} examples in {self.rounds} rounds"
        lines = [f"{counts}, {len(self.failed)} failed"]
        for test, what in self.failed.items():
            lines += ["", test, what]
        return lines


def told(item: pytest.Item, error: BaseException, failure: str) -> str:
    """What to paste above a test that failed; the whole failure where Hypothesis has no example of it."""
    shown = "\n".join(notes(error))
    examples = [example(arguments, item) for arguments in FAILING.findall(shown)]
    whole = [one for one in examples if "=data(...)" not in one]
    drawn = DRAWN.findall(shown) if len(whole) < len(examples) else []
    return "\n".join([*whole, *drawn] or [failure])


def notes(error: BaseException) -> Iterator[str]:
    """What Hypothesis adds to an error, or to each of several."""
    yield from getattr(error, "__notes__", [])
    for part in error.exceptions if isinstance(error, BaseExceptionGroup) else []:
        yield from notes(part)


def example(arguments: str, item: pytest.Item) -> str:
    """The arguments of a call as a decorator, without those that fixtures and parameters give."""
    others = getattr(item, "fixturenames", [])
    drawn = "".join(one[0] for one in ARGUMENT.finditer(arguments) if one[1] not in others)
    return f"@example(\n{drawn})"


if __name__ == "__main__":
    sys.exit(main())
