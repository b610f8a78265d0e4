"""The chat format that comes with a model.

Knows: chat templates (other people's Jinja programs, run in a sandbox), and where the content stands in the rendered
text, so that only the template's own words can become control tokens.
Does not know: tokens, models, prompts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from edge_judge.errors import ModelError, UsageError

# For files without a template of their own: the formats that models are commonly trained on.
NAMED = {
    "chatml": "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "llama-2": "{{ bos_token }}{% for m in messages %}"
    "{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]{% else %} {{ m.content }} {{ eos_token }}{% endif %}"
    "{% endfor %}",
    "plain": "{% for m in messages %}{{ m.content }}{% endfor %}",
}
_CONTENT, _ANSWER = "\ue000\ue001\ue000", "\ue000\ue002\ue000"  # private-use characters: no template writes them
_LEFT, _RIGHT = " \n\t", "\t\n "  # white space that only a template which trims a message takes away


@dataclass(frozen=True, slots=True)
class ChatFormat:
    """What a template puts before and after the content of a user message, up to where the answer begins.

    trims_left, trims_right: whether it drops the content's leading and trailing white space. lead: the white space that
    it puts between the prompt and an answer, as in `Assistant: yes`; a judge writes it before its first word.
    """

    before: str
    after: str
    trims_left: bool = False
    trims_right: bool = False
    lead: str = ""

    def trimmed(self, content: str) -> str:
        """The content as the template shows it."""
        content = content.lstrip() if self.trims_left else content
        return content.rstrip() if self.trims_right else content


def named(name: str) -> str:
    """A template by name, or from a file. Raises UsageError for anything else."""
    if name in NAMED:
        return NAMED[name]
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, ValueError):
        hint = f"known: {', '.join(NAMED)}; or a file with a Jinja template"
        raise UsageError(f"no chat template '{name}'", hint) from None


def render(template: str, content: str, *answers: str, bos: str, eos: str) -> str:
    """The text of a conversation: a user message and the answers to it, without any the place where one begins.

    A judge that can think first is told not to: its protocol says where it may write reasons. Raises ModelError for a
    template that is broken or refuses these messages.
    """
    messages = [{"role": "user", "content": content}, *({"role": "assistant", "content": a} for a in answers)]
    try:
        return (
            _environment()
            .from_string(template)
            .render(
                messages=messages,
                add_generation_prompt=not answers,
                enable_thinking=False,
                bos_token=bos,
                eos_token=eos,
            )
        )
    except Exception as error:  # a foreign program can fail in any way
        raise ModelError(f"the model's chat template cannot be rendered: {error}") from error


def chat_format(template: str, *, bos: str, eos: str) -> ChatFormat:
    """Render a template around one user message.

    Raises ModelError for a template that is broken, refuses a single user message, or does not show it exactly once,
    unchanged or trimmed.
    """
    rendered = partial(render, template, bos=bos, eos=eos)
    before, after = _around(rendered(_CONTENT))
    blank_before, blank_after = _around(rendered(_LEFT + _CONTENT + _RIGHT))
    trims_left, trims_right = blank_before == before, blank_after == after
    if (blank_before, blank_after) != (before + _LEFT * (not trims_left), _RIGHT * (not trims_right) + after):
        raise ModelError("the model's chat template changes the user's message, expected it verbatim or trimmed")
    return ChatFormat(before, after, trims_left, trims_right, _lead(before + _CONTENT + after, rendered))


def _around(text: str) -> tuple[str, str]:
    """What stands before and after the content."""
    parts = text.split(_CONTENT)
    if len(parts) != 2:
        raise ModelError(f"the model's chat template shows the user's message {len(parts) - 1} times, expected once")
    return parts[0], parts[1]


def _lead(prompt: str, rendered: Callable[..., str]) -> str:
    """The white space between a prompt and an answer. Empty if the template puts other text there, such as reasoning,
    or renders no answers.
    """
    try:
        conversation = rendered(_CONTENT, _ANSWER)
    except ModelError:
        return ""
    lead = conversation.removeprefix(prompt).split(_ANSWER)[0]
    return lead if lead.isspace() and conversation.startswith(prompt) else ""


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
