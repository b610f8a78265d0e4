"""The chat format that comes with a model.

Knows: chat templates (other people's Jinja programs, rendered in a process of their own by template_program.py), and
where the content stands in the rendered text, so that only the template's own words can become control tokens.
Does not know: tokens, models, prompts.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from edge_judge.engine import template_program
from edge_judge.engine.template_program import Reply, Request
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
MOST_TEMPLATE = 1_000_000  # characters; the longest that is known has 20,000
ENVIRONMENT = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")  # what Python needs to begin, no secret
CLOCK = 30 if importlib.util.find_spec("resource") else 5  # seconds, if the program is not ended by its own limits
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
    return _text(_rendered(template, ((content, *answers),), bos, eos)[0])


def chat_format(template: str, *, bos: str, eos: str) -> ChatFormat:
    """Render a template around one user message.

    Raises ModelError for a template that is broken, refuses a single user message, or does not show it exactly once,
    unchanged or trimmed.
    """
    conversations = ((_CONTENT,), (_LEFT + _CONTENT + _RIGHT,), (_CONTENT, _ANSWER))
    plain, padded, answered = _rendered(template, conversations, bos, eos)
    before, after = _around(_text(plain))
    blank_before, blank_after = _around(_text(padded))
    trims_left, trims_right = blank_before == before, blank_after == after
    if (blank_before, blank_after) != (before + _LEFT * (not trims_left), _RIGHT * (not trims_right) + after):
        raise ModelError("the model's chat template changes the user's message, expected it verbatim or trimmed")
    lead = _lead(before + _CONTENT + after, answered.get("text", ""))
    return ChatFormat(before, after, trims_left, trims_right, lead)


def _around(text: str) -> tuple[str, str]:
    """What stands before and after the content."""
    parts = text.split(_CONTENT)
    if len(parts) != 2:
        raise ModelError(f"the model's chat template shows the user's message {len(parts) - 1} times, expected once")
    return parts[0], parts[1]


def _lead(prompt: str, conversation: str) -> str:
    """The white space between a prompt and an answer. Empty if the template puts other text there, such as reasoning,
    or renders no answers.
    """
    lead = conversation.removeprefix(prompt).split(_ANSWER)[0]
    return lead if lead.isspace() and conversation.startswith(prompt) else ""


def _text(reply: Reply) -> str:
    if "text" not in reply:
        raise ModelError(f"the model's chat template cannot be rendered: {reply.get('error')}")
    return reply["text"]


@lru_cache(maxsize=32)  # all schemes of a model have the same template
def _rendered(template: str, conversations: tuple[tuple[str, ...], ...], bos: str, eos: str) -> list[Reply]:
    """What became of each conversation. Raises ModelError where the template takes too long or too much memory."""
    if len(template) > MOST_TEMPLATE:
        raise ModelError(f"the model's chat template has {len(template):,} characters, expected fewer than a million")
    request: Request = {
        "template": template,
        "conversations": [list(conversation) for conversation in conversations],
        "bos": bos,
        "eos": eos,
        "path": [place for place in sys.path if place],
    }
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", template_program.__file__],
            input=json.dumps(request).encode(),
            env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
            capture_output=True,
            timeout=CLOCK,
        )
    except subprocess.TimeoutExpired:
        raise _unbounded() from None
    except OSError as error:
        raise ModelError(f"the model's chat template cannot be rendered: no process for it: {error}") from error
    if done.returncode == 0:
        replies: list[Reply] = json.loads(done.stdout)
        return replies
    if done.returncode < 0 or b"MemoryError" in done.stderr:  # ended by a limit
        raise _unbounded()
    said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
    raise ModelError(f"the model's chat template cannot be rendered: its process failed: {said}")


def _unbounded() -> ModelError:
    limits = f"{template_program.SECONDS} seconds or {template_program.MEGABYTES} MB"
    return ModelError(
        f"the model's chat template cannot be rendered: it takes more than {limits}",
        "--chat-template takes another one: chatml, llama-2, plain, or a file",
    )
