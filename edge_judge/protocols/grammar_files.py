"""Where grammar files lie, and their names. Standard library only: a shell that completes one cannot wait for more.

Does not know: what is in a file (grammar.py).
"""

from __future__ import annotations

from pathlib import Path


def folder() -> Path:
    """The folder of the grammar files: inside the installed package, or at the top of a checkout."""
    inside = Path(__file__).parent.parent / "grammars"
    return inside if inside.is_dir() else Path(__file__).parent.parent.parent / "grammars"


def names() -> list[str]:
    return sorted(path.stem for path in folder().glob("*.gbnf"))
