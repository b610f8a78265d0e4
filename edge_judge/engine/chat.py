"""A question to a model, in the chat format that came with it.

Knows: chat templates (Jinja programs of somebody else, run in a sandbox), and where in the rendered text the
content stands, so that only the template's own words can become control tokens.
Does not know: tokens, models, prompts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from edge_judge.errors import ModelError, UsageError

# For files without a template of their own: what models are commonly trained on, said as templates.
NAMED = {
    "chatml": "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n",
    "llama-2": "{{ bos_token }}{% for m in messages %}[INST] {{ m.content }} [/INST]{% endfor %}",
    "plain": "{% for m in messages %}{{ m.content }}{% endfor %}",
}
_CONTENT = "\ue000\ue001\ue000"  # private-use characters: no template and no prompt writes them


@dataclass(frozen=True, slots=True)
class ChatFormat:
    """What a template puts before and after the content of one user message that awaits its answer."""

    before: str
    after: str


def named(name: str) -> str:
    """A template by its name, or out of a file. Raises UsageError where it is neither."""
    if name in NAMED:
        return NAMED[name]
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, ValueError):
        raise UsageError(f"no chat template '{name}'", f"known: {', '.join(NAMED)}; or a file with one") from None


def chat_format(template: str, *, bos: str, eos: str) -> ChatFormat:
    """Render a template around one user message.

    Raises ModelError when the template is broken, refuses a lone user message, or does not show it exactly once.
    """
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str) -> None:
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = lambda form: date(2024, 1, 1).strftime(form)  # a run must not age
    try:
        text = environment.from_string(template).render(
            messages=[{"role": "user", "content": _CONTENT}],
            add_generation_prompt=True,
            bos_token=bos,
            eos_token=eos,
        )
    except Exception as error:  # somebody else's program can fail in any way
        raise ModelError(f"the model's chat template cannot be rendered: {error}") from error
    parts = text.split(_CONTENT)
    if len(parts) != 2:
        raise ModelError(
            f"the model's chat template shows the user's message {len(parts) - 1} times, not once"
        )
    return ChatFormat(*parts)
