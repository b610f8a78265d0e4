"""Commands in a process of their own that stop at a known point, to be killed or interrupted there."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge_judge.cli import main


@contextmanager
def halted(
    environment: dict[str, str], folder: Path, module: str, reached: int, *command: str
) -> Iterator[subprocess.Popen[str]]:
    """A command that has reached so much and goes no further, however busy the machine is.

    module: of the test, whose `halt_at(reached)` runs edge-judge, prints "halted" when it is there, and waits.
    """
    program = f"import sys; sys.path.insert(0, sys.argv.pop(1)); import {module} as t; t.halt_at(int(sys.argv.pop(1)))"
    whole = [sys.executable, "-c", program, os.path.dirname(__file__), str(reached), *command]
    pipe = subprocess.PIPE
    with subprocess.Popen(whole, cwd=folder, env=environment, stdout=pipe, stderr=pipe, encoding="utf-8") as process:
        try:
            assert process.stdout is not None and process.stderr is not None
            assert process.stdout.readline() == "halted\n", process.stderr.read()
            yield process
        finally:
            process.kill()


def halt_after(owner: type, name: str, reached: int, counts: Callable[..., bool] = lambda *_: True) -> None:
    """edge-judge in this process, which says so and waits once a method has been called so often.

    counts: whether a call counts, by its arguments.
    """
    plain, count = getattr(owner, name), 0

    def called(*arguments: Any) -> None:
        nonlocal count
        plain(*arguments)
        count += counts(*arguments)
        if count == reached:
            print("halted", flush=True)
            time.sleep(600)

    setattr(owner, name, called)
    main()
