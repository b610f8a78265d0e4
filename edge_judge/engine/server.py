"""What an OpenAI-compatible server is and can do, found by asking it.

llama-server, vLLM and SGLang say who they are and how long a context they have. Of any other server it is tried whether
it lists the likeliest tokens, and whether it holds an answer to a JSON schema.

Knows: what servers say of themselves. Does not know: what they are asked later.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any, Literal

from edge_judge import foreign_json
from edge_judge.engine.completions import Completion, chat_body, completion, json_form
from edge_judge.engine.endpoint import Endpoint, Exchange, RefusedError, Unreadable
from edge_judge.errors import UsageError, nearest

LLAMA, VLLM, SGLANG, OTHER = "llama.cpp", "vLLM", "SGLang", "unknown"
KINDS = {"llamacpp": LLAMA, "vllm": VLLM, "sglang": SGLANG}  # by what the list of models calls their owner
LISTED = (20, 5)  # likeliest tokens that may be asked for: OpenAI's limit, and that of some others
MISSING = frozenset({404, 405, 501})
ABSENT_FEATURE = frozenset({400, 422, 501})
NO_THINKING = {"chat_template_kwargs": {"enable_thinking": False}}
QUESTION = "Reply with the letter A."
SCHEMA = (
    '{"type": "object", "properties": {"letter": {"enum": ["A", "B"]}}, "required": ["letter"], '
    '"additionalProperties": false}'
)


@dataclass(frozen=True, slots=True)
class Server:
    """model: the name by which it is asked; kind: the program; version: as the program says; context: tokens, None if
    it does not say; file: of the weights, its name alone; template: the chat template's sha256. listed: how many of the
    likeliest tokens it gives, 0 for none; constraint: what it holds an answer to; limit_name: of the field that bounds
    an answer.
    """

    model: str
    kind: str = OTHER
    version: str = "unknown"
    context: int | None = None
    file: str = "unknown"
    template: str = "unknown"
    listed: int = 0
    constraint: Literal["grammar", "response_format", "none"] = "none"
    limit_name: str = "max_tokens"

    @property
    def name(self) -> str:
        """What the model is called here: llama-server may name it by its whole path, which is nobody's business."""
        return _last_part(self.model) if self.kind == LLAMA else self.model

    @property
    def reading(self) -> str:
        """How verdicts are read from it, in the words of run.json."""
        held = {"grammar": ", under a grammar", "response_format": ", under a JSON schema", "none": ""}[self.constraint]
        if not self.listed:
            return f"text{held}"
        return f"the {self.listed} likeliest tokens{held if self.kind == LLAMA else ''}"

    def ask(self, content: str, limit: int) -> dict[str, Any]:
        """The request for an answer of at most `limit` tokens, without thinking where the server can be told so."""
        quiet = {} if self.kind == OTHER else NO_THINKING
        return {**chat_body(self.model, content, limit, self.limit_name), **quiet}

    def ask_likeliest(self) -> dict[str, Any]:
        """The fields that ask for the likeliest tokens, none where it has none."""
        return {"logprobs": True, "top_logprobs": self.listed} if self.listed else {}


def find_server(endpoint: Endpoint, model: str | None) -> Server:
    """The server at an endpoint. model: by its name there, None if it serves one alone.

    Raises UsageError where the model is not clear, ModelError where the endpoint refuses to answer.
    """
    (server,) = endpoint.run([lambda exchange: _found(exchange, endpoint, model)])
    return server


def served_models(endpoint: Endpoint) -> list[str]:
    """The names of the models that an endpoint lists, none where it has no list; no model is asked anything.

    Raises ModelError where it does not answer.
    """
    (models,) = endpoint.run([lambda exchange: _models(exchange, endpoint)])
    return [str(entry["id"]) for entry in models]


async def _found(exchange: Exchange, endpoint: Endpoint, model: str | None) -> Server:
    models = await _models(exchange, endpoint)
    entry = _entry(models, model, endpoint.address.host)
    kind = KINDS.get(str(entry.get("owned_by")), OTHER)
    length = entry.get("max_model_len")
    server = Server(str(entry["id"]), kind, context=length if isinstance(length, int) else None)
    if kind == LLAMA:
        return await _llama_server(exchange, endpoint, server)
    return await _tried(exchange, endpoint, server)


async def _models(exchange: Exchange, endpoint: Endpoint) -> list[dict[str, Any]]:
    """The entries of its list of models; none where it has no list."""

    def read(answer: Any) -> list[dict[str, Any]]:
        entries = answer.get("data") if isinstance(answer, dict) else None
        named = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
        return [entry for entry in named if isinstance(entry.get("id"), str) and entry["id"].isprintable()]

    try:
        return await exchange.ask(f"{endpoint.address.base}/models", None, read)
    except RefusedError as error:
        if error.status in MISSING:
            return []
        raise


def _entry(models: list[dict[str, Any]], model: str | None, host: str) -> dict[str, Any]:
    """The entry of the model that is meant."""
    names = [str(entry["id"]) for entry in models]
    if model is None and len(models) == 1:
        return models[0]
    if model is None:
        several = f"serves {', '.join(names[:8])}{' …' if len(names) > 8 else ''}"
        raise UsageError(f"--engine {host} {several if names else 'does not list its models'}", "--model names one")
    own = [entry for entry in models if model in (entry["id"], _last_part(entry["id"]), *_aliases(entry))]
    if not own and any(entry.get("owned_by") == "llamacpp" for entry in models):  # it would answer with what it has
        raise UsageError(f"--model {model}: not served at {host}", nearest(model, names))
    return own[0] if own else {"id": model}


def _aliases(entry: dict[str, Any]) -> list[object]:
    aliases = entry.get("aliases")
    return aliases if isinstance(aliases, list) else []


async def _llama_server(exchange: Exchange, endpoint: Endpoint, server: Server) -> Server:
    def read(answer: Any) -> Server:
        try:
            context = int(answer["default_generation_settings"]["n_ctx"])
            file = _last_part(_text(answer.get("model_path")) or "unknown")
            template = _text(answer.get("chat_template"))
            version = _text(answer.get("build_info")) or "unknown"
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError):
            raise Unreadable from None
        digest = hashlib.sha256(template.encode()).hexdigest()
        return replace(server, version=version, context=context, file=file, template=digest)

    described = await exchange.ask(f"{endpoint.address.root}/props", None, read)
    return replace(described, listed=LISTED[0], constraint="grammar")


async def _tried(exchange: Exchange, endpoint: Endpoint, server: Server) -> Server:
    """The server with what it turns out to do."""

    async def answered(server: Server, limit: int, **fields: Any) -> Completion | None:
        """Its answer to a small question; None where it refuses these fields."""
        body = server.ask(QUESTION, limit) | fields
        try:
            return await exchange.ask(f"{endpoint.address.base}/chat/completions", body, completion)
        except RefusedError as error:
            if error.status not in ABSENT_FEATURE or not fields:
                raise
            return None

    try:
        await answered(server, 16)
    except RefusedError as error:
        if "max_completion_tokens" not in error.said:
            raise
        server = replace(server, limit_name="max_completion_tokens")
        await answered(server, 16)
    for listed in LISTED:
        given = await answered(server, 1, logprobs=True, top_logprobs=listed)
        if given is not None:
            if any(step.likeliest for step in given.steps):
                server = replace(server, listed=listed)
            break
    held = await answered(server, 64, **json_form(SCHEMA))
    if held is not None and _is_letter(held.text):
        server = replace(server, constraint="response_format")
    return server


def _text(value: object) -> str:
    """A text that can be kept in run.json; empty for none."""
    return str(value or "").encode(errors="replace").decode()


def _last_part(path: str) -> str:
    return PurePath(path.replace("\\", "/")).name


def _is_letter(text: str) -> bool:
    """Whether the schema held."""
    try:
        content = foreign_json.parse(text)
    except ValueError:
        return False
    return isinstance(content, dict) and content.keys() == {"letter"} and content["letter"] in ("A", "B")
