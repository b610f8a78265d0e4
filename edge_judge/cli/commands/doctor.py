"""edge-judge doctor: what this machine has and lacks for judging."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from edge_judge.cli import options, terminal
from edge_judge.cli.command import Command
from edge_judge.errors import EdgeJudgeError

HEADING = "begin"


@click.command(
    cls=Command,
    epilog=options.example(
        "edge-judge doctor", "edge-judge doctor --engine http://localhost:8080/v1", "edge-judge doctor --full --json"
    ),
)
@click.option(
    "--engine", "engines", metavar="URL", multiple=True, help="Ask this endpoint whether it answers. Repeatable."
)
@click.option("--full", is_flag=True, help="Hash every file that was built here, instead of comparing sizes.")
@options.results
@options.data
@options.forms
@options.collected(output=options.Output)
def doctor(engines: tuple[str, ...], full: bool, results: Path, data: Path | None, output: options.Output) -> None:
    """Check this machine, and say what to do about each problem.

    Looks at processor, memory, disks, llama.cpp, built files, benchmarks and endpoints. The JSON has no paths and no
    names of hosts or people. Exits with 1 if there is a problem; warnings do not count.
    """
    from edge_judge.report.doctor import doctor_json, doctor_text
    from edge_judge.workflows.doctor import doctor as examine

    found = examine(engines, results, data, terminal.TerminalListener(), full=full)
    terminal.show(output.form, lambda: doctor_json(found), partial(doctor_text, found))
    if found.problems:
        checks = ", ".join(dict.fromkeys(problem.check for problem in found.problems))
        raise EdgeJudgeError(f"problems found: {checks}", "the notes above say what to do about each")
