"""The names that an option may have: what a shell completes.

Completing must not make a person wait, so nothing heavy is loaded: models.lock is read with the standard library, and
what is broken has no names.
Knows: models.lock and the record of built files, schemes, benchmarks, grammars, runs' folders. Does not know: options.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge_judge.protocols import grammar_files
from edge_judge.workflows.options import RESULTS
from quantize import toml_text
from quantize.scheme_names import SCHEMES

RUN = "*/*/*/*/score.json"  # of a complete run, in a folder of results


def model_names() -> list[str]:
    """The models of models.lock, then others that were built here."""
    from quantize.errors import QuantizeError
    from quantize.lock import shipped_path

    try:
        models = _table(shipped_path()).get("models")
    except QuantizeError:
        models = None
    known = list(models) if isinstance(models, dict) else []
    return list(dict.fromkeys([*known, *(str(record.get("model")) for record in _built())]))


def scheme_names(model: str | None = None) -> list[str]:
    """All schemes, or those of a model that were built here, where any was; with their labels."""
    built = [str(record.get("scheme")) for record in _built() if model in (None, record.get("model"))]
    return list(dict.fromkeys(built if model and built else [*SCHEMES, *built]))


def benchmark_names() -> list[str]:
    """The known benchmarks."""
    from edge_judge import benchmarks

    return benchmarks.names()


def grammar_names() -> list[str]:
    """The grammars that come with the package."""
    return grammar_files.names()


def run_folders(results: Path = RESULTS) -> list[str]:
    """The folders of complete runs."""
    return sorted(str(score.parent) for score in results.glob(RUN))


def _built() -> list[dict[str, Any]]:
    from edge_judge.workflows.model_files import models_folder

    built = _table(models_folder() / "models.lock").get("built", [])
    return [record for record in built if isinstance(record, dict)] if isinstance(built, list) else []


def _table(path: Path) -> dict[str, Any]:
    """The file's content; nothing where it cannot be read."""
    try:
        return toml_text.read(path)
    except (OSError, ValueError):
        return {}
