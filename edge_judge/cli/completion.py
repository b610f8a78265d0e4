"""What a shell completes: models, schemes, benchmarks, grammars and runs, as click's `shell_complete` asks for them.

Turned on by `_EDGE_JUDGE_COMPLETE`, see docs/reference.md.
Knows: which names go on from what was typed. Does not know: which names there are (workflows/names.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from edge_judge.workflows import names
from edge_judge.workflows.options import POCKET, RESULTS

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
FILES = "file"  # what click calls the completion that a shell does itself
FOLDERS = "dir"


def models(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Known models, and those that were built here."""
    return _beginning(incomplete, names.model_names())


def schemes(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """All schemes."""
    return _beginning(incomplete, names.scheme_names())


def built_schemes(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Schemes of the model that is named: all of the embedded one, which is built when it is asked for."""
    named = context.params.get("model") or context.params.get("models") or POCKET
    model = named if isinstance(named, str) else named[-1]
    return _beginning(incomplete, names.scheme_names(None if model == POCKET else model))


def benchmarks(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Known benchmarks, else a file."""
    return _beginning(incomplete, [*names.benchmark_names(), "all"], otherwise=FILES)


def known_benchmarks(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Known benchmarks."""
    return _beginning(incomplete, names.benchmark_names())


def grammars(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The grammars that come with the package."""
    return _beginning(incomplete, names.grammar_names())


def runs(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete runs below the results folder, else a folder."""
    results = context.params.get("results") or RESULTS
    return _beginning(incomplete, names.run_folders(Path(results)), otherwise=FOLDERS)


def baselines(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """A scheme, else a run."""
    return schemes(context, parameter, incomplete) or runs(context, parameter, incomplete)


def _beginning(incomplete: str, known: Iterable[str], otherwise: str | None = None) -> list[CompletionItem]:
    """The names that go on from what was typed. otherwise: what the shell completes by itself if none does."""
    found = [CompletionItem(name) for name in known if name.startswith(incomplete)]
    return found if found or otherwise is None else [CompletionItem(incomplete, type=otherwise)]
