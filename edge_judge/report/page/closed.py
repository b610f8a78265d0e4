"""A template, styles, scripts and what goes in between -> one HTML file that needs nothing else.

Text from benchmarks, models and systems is data. It travels as JSON in which nothing can end a script element, the
scripts make text nodes of it, and the page's own policy lets only these scripts run and nothing be fetched.

Knows: how a page is closed to what it shows.
Does not know: what it shows, where the file is written.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge_judge.version import __version__

HERE = Path(__file__).parent
UNSAFE = re.compile("[<>&\u2028\u2029\ud800-\udfff]")  # ends an element or a line of script, or is half a character


def closed_page(template: str, styles: Sequence[str], scripts: Sequence[str], parts: Mapping[str, str]) -> str:
    """The whole page, to be written as UTF-8. template, styles, scripts: files of this folder; parts: the markup that
    stands for each {{NAME}} in the template, besides the page's own HEAD, POLICY, STYLE, SCRIPT and VERSION.
    """
    style = "".join(_read(name) for name in styles)
    script = '"use strict";\n' + "".join(_read(name) for name in scripts)
    every_part = {
        **parts,
        "POLICY": _policy(script, style),
        "STYLE": style,
        "SCRIPT": script,
        "VERSION": html.escape(__version__),
    }
    page = _read(template).replace("{{HEAD}}", _read("head.html").rstrip())
    # in one pass, so that nothing put in is itself read as a place
    return re.sub(r"\{\{([A-Z]+)\}\}", lambda place: every_part[place[1]], page)


def embedded(content: object) -> str:
    """JSON that may stand in a script element of any page, whatever its texts are. Raises ValueError for nan."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def markup(text: str) -> str:
    """Any text as markup, without halves of characters, which no file can hold."""
    return html.escape(text.encode("utf-8", "replace").decode())


def _policy(script: str, style: str) -> str:
    """Only this script and this style, and nothing from anywhere; the icon is a part of the page."""
    return (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
