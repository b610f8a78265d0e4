"""Which judge is meant by a model and a scheme, or by a file.

Knows: built files, files of one's own, chat templates. Does not know: how a judge is asked, how a file is built.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from edge_judge.engine import chat
from edge_judge.errors import UsageError
from edge_judge.records import Judge
from edge_judge.workflows.build import build_shipped
from edge_judge.workflows.model_files import find_built, models_folder
from edge_judge.workflows.options import POCKET, JudgeOptions
from quantize import digest, lock, schemes


def find_judge(options: JudgeOptions) -> Judge:
    """The judge that is meant. A model that comes with the package is built when it is first asked for.

    Raises ModelError where any other is not built here.
    """
    model = options.model or POCKET
    if options.gguf is not None:
        return with_chat_template(_judge_of_file(options.gguf, options.scheme), options.chat_template)
    return with_chat_template(_built_judge(model, options.scheme), options.chat_template or _chat_template_of(model))


def with_chat_template(judge: Judge, template: str | None) -> Judge:
    """The judge with a chat template of that name or file; its own where none is named."""
    return judge if not template else replace(judge, chat=chat.named(template))


def _judge_of_file(gguf: Path, scheme: str | None) -> Judge:
    name = scheme or "gguf"
    if not re.fullmatch(r"\w[\w.-]*", name):  # it becomes a folder's name under results/
        raise UsageError(f"--scheme '{name}' cannot name a folder", "letters, digits and . _ - only, like q4_k_m")
    return Judge(gguf.stem.strip(".") or "gguf", name, gguf, digest.sha256(gguf), gguf.name)


def _built_judge(model: str, scheme: str | None) -> Judge:
    canonical = schemes.canonical(scheme or "f16")
    record = find_built(model, canonical)
    if record is None:
        record = build_shipped(lock.read().model(model), canonical)
    return Judge(model, canonical, models_folder() / record.file, record.sha256, record.source or model)


def _chat_template_of(model: str) -> str | None:
    return next((entry.chat for entry in lock.read().models if entry.name == model), None)
