"""The settings that decide a run, and how two runs differ.

Knows: which settings decide a verdict, and which only say where a file was or how many verdicts were requested.
Does not know: where settings come from, where they are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edge_judge.errors import RunError
from edge_judge.records import Identity, Run

COVERAGE = frozenset({"order", "limit"})  # decide which verdicts were requested, not what a verdict is


@dataclass(frozen=True, slots=True)
class Change:
    """The one difference that two runs may have. parts: the parts of a run that change with it."""

    name: str
    parts: frozenset[str]


WEIGHTS = Change("the weights", frozenset({"scheme", "gguf_sha256", "lock", "adapter_sha256", "adapter_scale"}))
_LOCAL = frozenset({"llama_cpp", "tokenization", "chat_template_sha256", "cache", "backend"})
_ENDPOINT = frozenset(
    {
        "engine",
        "endpoint_model",
        "endpoint_server",
        "endpoint_file",
        "endpoint_template_sha256",
        "endpoint_reading",
    }
)
ENGINE = Change("the model and the engine", WEIGHTS.parts | {"model"} | _LOCAL | _ENDPOINT)


def same_conditions(run: Run, baseline: Run, change: Change = WEIGHTS) -> None:
    """Raises RunError, with the first setting that differs, if two runs differ in more than `change`.

    Where one is by an endpoint, whose weights are not known, the weights of the other are not the only difference: the
    two may differ in model and engine.
    """
    if change == WEIGHTS and (is_remote(run) or is_remote(baseline)):
        change = ENGINE
    ours, theirs = dict(_deciding(run, change)), dict(_deciding(baseline, change))
    for name in sorted(ours.keys() | theirs.keys()):
        if ours.get(name) != theirs.get(name):
            raise RunError(
                f"{run_name(run.identity)} and {run_name(baseline.identity)} differ in more than {change.name}: "
                f"{name} is {ours.get(name)!r} and {theirs.get(name)!r}",
                hint="run both again under the same settings",
            )


def is_remote(run: Run) -> bool:
    """Whether an endpoint judged."""
    return "endpoint_model" in run.settings


def _deciding(run: Run, change: Change) -> Iterator[tuple[str, object]]:
    """The settings that decide a verdict and are not part of the change, nested ones under dotted names."""
    for name in ("benchmark", "grammar", "model", "scheme"):
        if name not in change.parts:
            yield name, getattr(run.identity, name)
    yield from _flat(run.settings, "settings", change.parts | COVERAGE | PLACES)


def _flat(settings: Mapping[str, object], path: str, ignored: frozenset[str]) -> Iterator[tuple[str, object]]:
    for name, value in settings.items():
        if name in ignored:
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}.{name}", ignored)
        else:
            yield f"{path}.{name}", list(value) if isinstance(value, tuple) else value


PLACES = frozenset({"benchmark_source"})  # a file's place decides nothing: its hash does


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """A phrase for each setting that differs. Where the weights came from decides nothing if they are the same."""
    same_weights = old.get("gguf_sha256") is not None and old.get("gguf_sha256") == new.get("gguf_sha256")
    keys = sorted((old.keys() | new.keys()) - PLACES - ({"lock"} if same_weights else set()))
    return [
        f"{key}: recorded {_brief(old.get(key))}, now {_brief(new.get(key))}"
        for key in keys
        if old.get(key) != new.get(key)
    ]


def _brief(value: object) -> str:
    text = str(value)
    return "nothing" if value is None else f"`{text[:12]}…`" if len(text) == 64 else f"`{text}`"


def run_name(identity: Identity) -> str:
    """A run's name in messages: its folder under results/."""
    return f"{identity.benchmark}/{identity.model}/{identity.scheme}/{identity.grammar}"
