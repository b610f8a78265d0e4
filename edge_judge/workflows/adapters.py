"""The judges that adapters make of one base.

Knows: adapter files, what `--adapter` may say, how such a judge is called. Does not know: how an adapter is made, or
added to the weights.
"""

from __future__ import annotations

import math
import re
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

from edge_judge.engine import Engine, engine_for
from edge_judge.errors import ModelError, UsageError
from edge_judge.records import Adapter, Judge, Limits
from edge_judge.runs.session import Session
from quantize import adapter_gguf, digest

NONE = "none"  # the base without an adapter
_HINT = "use for example --adapter judge.gguf or --adapter judge.gguf=0.5; none judges with the base model alone"


def with_adapters(base: Judge, adapters: tuple[str, ...]) -> list[Judge]:
    """The base with each of these adapters, `none` for the base itself; without any, the base alone.

    Raises UsageError for a text that means no adapter, and for two judges of one name; an AdapterError of `quantize`
    where a file is no adapter of this base.
    """
    if not adapters:
        return [base]
    if base.gguf is None:
        raise ModelError(f"{base.model}: no GGUF file of this judge on this machine", "an adapter needs one")
    judges = [base if text == NONE else _adapted(base, base.gguf, *_parsed(text)) for text in adapters]
    names = [judge.scheme for judge in judges]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"--adapter: two judges would be named {name}", "rename a file, or leave one out")
    return judges


def sessions(
    judges: list[Judge], stack: ExitStack, *, engine: Engine | None, threads: int | None, limits: Limits
) -> list[Session]:
    """A session for each judge, which the stack closes. Judges of one base share the model that is loaded.

    engine: what judges instead of the first judge's file.
    """
    if engine is None:
        base = engine_for(replace(judges[0], adapter=None), threads=threads, limits=limits)
        stack.enter_context(closing(base))
        engines: list[Engine] = [base.with_adapter(judge.adapter) for judge in judges]
    else:
        engines = [engine]
    return [
        stack.enter_context(Session(judge, threads=threads, limits=limits, engine=own))
        for judge, own in zip(judges, engines, strict=True)
    ]


def _parsed(text: str) -> tuple[Path, float]:
    """The file and the scale that FILE or FILE=SCALE means."""
    if Path(text).is_file():
        return Path(text), 1.0
    name, equals, number = text.rpartition("=")
    path = Path(name if equals else text)
    if not path.is_file():
        raise UsageError(f"--adapter {text}: no such file", _HINT)
    try:
        scale = float(number)
    except ValueError:
        scale = math.nan
    if not math.isfinite(scale) or not 1e-30 < abs(scale) < 1e30:
        raise UsageError(f"--adapter {text}: {number!r} is not a scale, expected a nonzero number", _HINT)
    return path, scale


def _adapted(base: Judge, gguf: Path, path: Path, scale: float) -> Judge:
    named = re.sub(r"[^a-z0-9_.-]+", "-", adapter_gguf.check(path, gguf).lower()).strip("-._")
    name = named[:24] or "adapter"  # a scale, and the label of the base, must fit into a label
    label = name if scale == 1 else f"{name}-{scale:g}".replace("+", "")
    joint = "." if "+" in base.scheme else "+"
    return replace(base, scheme=f"{base.scheme}{joint}{label}", adapter=Adapter(name, path, digest.sha256(path), scale))
