"""The chat format that comes with a model.

Knows: chat templates (other people's Jinja programs, run in a sandbox), and where the content stands in the rendered
text, so that only the template's own words can become control tokens.
Does not know: tokens, models, prompts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from edge_judge.errors import ModelError, UsageError

# For files without a template of their own: the formats that models are commonly trained on.
NAMED = {
    "chatml": "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n",
    "llama-2": "{{ bos_token }}{% for m in messages %}[INST] {{ m.content }} [/INST]{% endfor %}",
    "plain": "{% for m in messages %}{{ m.content }}{% endfor %}",
}
_CONTENT = "\ue000\ue001\ue000"  # private-use characters: no template and no prompt writes them


@dataclass(frozen=True, slots=True)
class ChatFormat:
    """What a template puts before and after the content of a user message, up to where the answer begins."""

    before: str
    after: str


def named(name: str) -> str:
    """A template by name, or from a file. Raises UsageError for anything else."""
    if name in NAMED:
        return NAMED[name]
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, ValueError):
        hint = f"known: {', '.join(NAMED)}; or a file with a Jinja template"
        raise UsageError(f"no chat template '{name}'", hint) from None


def chat_format(template: str, *, bos: str, eos: str) -> ChatFormat:
    """Render a template around one user message.

    Raises ModelError for a template that is broken, refuses a single user message, or does not show it exactly once.
    """
    messages = [{"role": "user", "content": _CONTENT}]
    try:
        text = (
            _environment()
            .from_string(template)
            .render(messages=messages, add_generation_prompt=True, bos_token=bos, eos_token=eos)
        )
    except Exception as error:  # a foreign program can fail in any way
        raise ModelError(f"the model's chat template cannot be rendered: {error}") from error
    parts = text.split(_CONTENT)
    if len(parts) != 2:
        raise ModelError(f"the model's chat template shows the user's message {len(parts) - 1} times, expected once")
    return ChatFormat(*parts)


def _environment() -> ImmutableSandboxedEnvironment:
    """A sandbox with the functions that chat templates call."""

    def refuse(message: str) -> None:
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.globals["raise_exception"] = refuse
    # A fixed date, so that a run comes out the same on any day.
    environment.globals["strftime_now"] = lambda form: date(2024, 1, 1).strftime(form)
    return environment
