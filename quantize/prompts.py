"""The prompt that a judge was trained on, read from the Python file that published it.

Such a prompt belongs to its model, like a chat template. It is stored in the GGUF; this project holds no copy of it.
The file is parsed, never run. Knows nothing about how a prompt is filled in.
"""

from __future__ import annotations

import ast
import hashlib

from quantize.errors import SourceError
from quantize.lock import PromptSource


def read_prompt(code: str, source: PromptSource) -> str:
    """The string literal of a Python file that `source` identifies, by its name or by its sha256.

    Raises SourceError where the file is not Python, or holds no such literal.
    """
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as problem:
        raise SourceError(f"{source.path} of {source.repo} is not Python: {problem}") from problem
    for text in _named_literals(tree, source.literal) if source.literal else _literals(tree):
        data = text.encode("utf-8", "replace")  # some other literal of the file may hold a lone surrogate
        if source.literal_sha256 in (None, hashlib.sha256(data).hexdigest()):
            return data.decode()
    literal = source.literal or f"with sha256 {source.literal_sha256}"
    raise SourceError(
        f"{source.path} of {source.repo} at {source.commit} holds no text {literal}",
        "models.lock does not match that file",
    )


def _named_literals(tree: ast.AST, name: str) -> list[str]:
    """The string literals in every assignment to that name."""
    literals = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            literals += _literals(node.value)
    return literals


def _literals(tree: ast.AST) -> list[str]:
    return [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
