"""Which tokens have a role, which are put around a text by default, and the chat template.

Reads tokenizer_config.json, special_tokens_map.json, tokenizer.json's post-processor, chat_template.jinja, config.json
and generation_config.json, in this order of authority. Knows nothing about how text is split into tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from quantize.errors import ConfigError, VocabularyError
from quantize.json_file import optional_object
from quantize.vocab.records import SpecialTokens

ROLES = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
# texts of tokens at which llama.cpp ends a generation by itself
KNOWN_ENDS = frozenset((
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<|endoftext|>", "<|end_of_text|>", "<|eom_id|>", "<end_of_turn>", "</s>",
))  # fmt: skip
CHATGLM_TEMPLATE = (
    "[gMASK]sop{% for message in messages %}<|{{ message['role'] }}|>\n {{ message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def read_special(
    folder: Path, ids: Mapping[str, int], post_processor: object, rows: int, *, bos: bool | None = None
) -> SpecialTokens:
    """The special tokens of a checkpoint folder; `ids` maps the text of every token to its id.

    bos: whether a text begins with the bos token where no file says so; None leaves that to llama.cpp. Ids that are
    not below `rows` are left out. Raises VocabularyError for a field of the wrong type.
    """
    settings = optional_object(folder / "tokenizer_config.json", ConfigError)
    if "added_tokens_decoder" not in settings:
        # transformers let this file decide before tokenizer_config.json listed tokens, and models rely on it
        settings |= optional_object(folder / "special_tokens_map.json", ConfigError)
    config = optional_object(folder / "config.json", ConfigError)
    roles = {role: i for role in ROLES if (i := _role(role, settings, config, ids)) is not None and 0 <= i < rows}
    roles |= _further_ends(folder, roles, ids, rows)
    first, last = _wrapping(post_processor)
    return SpecialTokens(
        ids=tuple(roles.items()),
        add_bos=_flag(settings, "add_bos_token", _has_role(first, "bos", roles, ids) or bos),
        add_eos=_flag(settings, "add_eos_token", _has_role(last, "eos", roles, ids) or None),
        chat_template=chat_template(folder, settings),
    )


def chatglm_special(special: SpecialTokens, ids: Mapping[str, int]) -> SpecialTokens:
    """ChatGLM3's: a turn ends with the role that speaks next, there is no bos, a prompt starts with [gMASK]sop."""
    ends = special.with_role("eot", ids["<|user|>"]).with_role("eom", ids["<|observation|>"])
    return replace(ends, add_bos=False, add_eos=False, chat_template=special.chat_template or CHATGLM_TEMPLATE)


def token_text(value: object) -> str | None:
    """The text of a special token in tokenizer_config.json, a string or an object with `content`; None for neither."""
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) else None


def chat_template(folder: Path, settings: Mapping[str, Any]) -> str | None:
    """The default chat template, from tokenizer_config.json or chat_template.jinja. Raises VocabularyError where it is
    no text.
    """
    value = settings.get("chat_template")
    if isinstance(value, list):  # several named templates
        defaults = (entry for entry in value if isinstance(entry, dict) and entry.get("name") == "default")
        value = next((entry.get("template") for entry in defaults), None)
    if value is None and (folder / "chat_template.jinja").is_file():
        value = _template(folder / "chat_template.jinja")
    if value is not None and not isinstance(value, str):
        raise VocabularyError(
            f"{folder / 'tokenizer_config.json'}: chat_template is a {type(value).__name__}, not text"
        )
    return value


def _template(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError) as problem:
        raise VocabularyError(f"cannot read {path}: {problem}") from problem


def _role(role: str, settings: Mapping[str, Any], config: Mapping[str, Any], ids: Mapping[str, int]) -> int | None:
    text = token_text(settings.get(f"{role}_token"))
    if text is not None and text in ids:
        return ids[text]
    value = config.get(f"{role}_token_id")
    return value if type(value) is int else None


def _further_ends(folder: Path, roles: Mapping[str, int], ids: Mapping[str, int], rows: int) -> dict[str, int]:
    """At most two end-of-generation tokens besides eos that llama.cpp does not recognise by their text, as eot, eom."""
    ends = optional_object(folder / "generation_config.json", ConfigError).get("eos_token_id")
    recognised = {ids[text] for text in KNOWN_ENDS if text in ids} | {roles.get("eos")}
    listed = ends if isinstance(ends, list) else []
    further = [i for i in listed if type(i) is int and 0 <= i < rows and i not in recognised]
    return dict(zip(("eot", "eom"), further, strict=False))


def _flag(settings: Mapping[str, Any], name: str, otherwise: bool | None) -> bool | None:
    value = settings.get(name)
    return value if isinstance(value, bool) else otherwise


def _has_role(text: str | None, role: str, roles: Mapping[str, int], ids: Mapping[str, int]) -> bool:
    return text is not None and ids.get(text) == roles.get(role)


def _wrapping(post_processor: object) -> tuple[str | None, str | None]:
    """The special tokens that a template post-processor puts before and after a text."""
    sequence = post_processor.get("processors") if isinstance(post_processor, dict) else None
    for processor in sequence if isinstance(sequence, list) else [post_processor]:
        single = processor.get("single") if isinstance(processor, dict) else None
        if isinstance(single, list) and len(single) > 1:
            return _special_text(single[0]), _special_text(single[-1])
    return None, None


def _special_text(piece: object) -> str | None:
    token = piece.get("SpecialToken") if isinstance(piece, dict) else None
    text = token.get("id") if isinstance(token, dict) else None
    return text if isinstance(text, str) else None
