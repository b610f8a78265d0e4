"""The kinds of protocol, by the name that grammar files use.

    kind.py        what every kind offers
    pairwise.py    both answers, finitely many texts, each a verdict
    pointwise.py   one answer at a time, finitely many texts, each a score
    reasoned.py    both answers, reasons, then a verdict out of finitely many texts
    free_form.py   both answers, any text, in which the last mark counts

A new kind is one file and a line here. A new protocol of a known kind is only a grammar file.
"""

from __future__ import annotations

from typing import Any

from edge_judge.protocols.kinds.free_form import FreeForm
from edge_judge.protocols.kinds.kind import GrammarFile, Kind, ShownVerdict
from edge_judge.protocols.kinds.pairwise import Pairwise
from edge_judge.protocols.kinds.pointwise import Pointwise
from edge_judge.protocols.kinds.reasoned import Reasoned

KINDS: dict[str, type[Kind[Any]]] = {
    "pairwise": Pairwise,
    "pointwise": Pointwise,
    "reasoned": Reasoned,
    "free": FreeForm,
}

__all__ = ["KINDS", "FreeForm", "GrammarFile", "Kind", "Pairwise", "Pointwise", "Reasoned", "ShownVerdict"]
