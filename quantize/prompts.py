"""The prompt that a judge was trained on, taken from the Python file that published it.

Such a prompt belongs to its model as a chat template does, so it comes with the model and is stored in the GGUF;
no text of it is part of this project. The file is parsed, never run. Knows nothing about how a prompt is filled in.
"""

from __future__ import annotations

import ast
import hashlib

from quantize.errors import SourceError
from quantize.lock import PromptSource


def read_prompt(code: str, source: PromptSource) -> str:
    """The one text literal of a Python file that `source` means, by the name it is given or by its sha256.

    Raises SourceError where the file is not Python, or holds no such literal.
    """
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as problem:
        raise SourceError(f"{source.path} of {source.repo} is not Python: {problem}") from problem
    for text in _named(tree, source.literal) if source.literal else _texts(tree):
        data = text.encode("utf-8", "replace")  # a literal may hold half a character; the prompt meant does not
        if source.literal_sha256 in (None, hashlib.sha256(data).hexdigest()):
            return data.decode()
    wanted = source.literal or f"with sha256 {source.literal_sha256}"
    raise SourceError(
        f"{source.path} of {source.repo} at {source.commit} holds no text {wanted}",
        "models.lock and that file do not go together",
    )


def _named(tree: ast.AST, name: str) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            found += _texts(node.value)
    return found


def _texts(tree: ast.AST) -> list[str]:
    return [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
