"""Screens without what hangs on the machine, the day or the last bit of a sum, so that they can be compared.

A masked figure is `#`, and a cell keeps its width, so that the layout is still seen.
Knows: how figures, paths and machines are written. Does not know: which command shows them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

Mask = Literal["none", "machine", "figures", "rows"]
HOME = "/home/newcomer"  # as long as a folder of `newcomer.home`
NUMBER = r"[<≥≤]?[−+-]?\d[\d,]*(?:\.\d+)?"
RULES = {
    "hash": (r"\b(?=[0-9a-f]*\d)(?=\d*[a-f])[0-9a-f]{12,64}\b", "#"),
    "version": (r"(?<![\w.])\d+(?:\.\d+){2,}(?:[-+]\S+)?", "#"),
    "interval": (rf"{NUMBER} \[{NUMBER}, {NUMBER}\]", "# [#, #]"),
    "interval by itself": (rf"\[{NUMBER}, {NUMBER}\]", "[#, #]"),
    "size": (rf"{NUMBER} [kMGT]?B(?![\w])", "# MB"),
    "time": (r"(?<![\w.])\d+(?:\.\d+)? (?:ms|s|min|h)\b(?: \d+ (?:s|min)\b)?", "# s"),
    "flips": (r"(?<=  )\d+/\d+/\d+(?=  |$)", "#/#/#"),
    "share": (r"(?<=  )\d+/\d+(?=  |$)", "#/#"),
    "verdicts left": (r"[\d,]+(?= verdicts, [\d,]+ tokens to evaluate)", "#"),
    "tokens": (r"[\d,]+(?= tokens to evaluate| without prefix sharing)", "#"),
    "figure": (r"(?<![\w.+-])[<≥≤]?[−+-]?\d[\d,]*\.\d+", "#"),
    "count in a column": (r"(?<=  )\d[\d,]*(?=  |$)", "#"),
    "speed": (r"\d[\d,]*(?= (?:verdicts|tokens) (?:a|per) (?:minute|second))", "#"),
}
DEVICE = r"CPU: |GPU: |Vulkan\d*: |CUDA\d*: "
DEVICES = re.compile(rf"^({DEVICE})(?:.*\n)+?(?={DEVICE}|to )", re.MULTILINE)  # a line may be folded
MEMORY = re.compile(r"(this machine's )\S+ \S+")
ROWS = re.compile(r"^(─+)\n(?:.+\n)+(?:\n(?:[a-z].+\n?)+\Z)?", re.MULTILINE)  # of a table, and remarks at the end
HEADING = re.compile(r"^.+(?=\n─+$)", re.MULTILINE)  # of a table, as wide as its widest row
FITS = re.compile(r"(?<=B)( +(?:f16|q8_0|q4_k_m|q2_k|none))(?=  )")  # the widest scheme for this machine's memory


def masked(text: str, folder: Path, mask: Mask) -> str:
    """The screen as it is compared, with the folder masked in any case.

    mask: "none" besides; "machine": processor, GPU and what fits into memory; "figures": every figure that is measured
    too; "rows": whole tables, of which only headings are left.
    """
    text = _rehomed(text, str(folder))
    if mask == "none":
        return text
    if mask == "rows":
        return ROWS.sub(r"\1\n#\n", HEADING.sub(lambda found: re.sub(" +", " ", found[0]), text))
    text = DEVICES.sub(r"\1#\n", MEMORY.sub(r"\1#", text))
    text = FITS.sub(lambda found: "#".rjust(len(found[0])), text)
    if mask == "machine":
        return text
    return "\n".join(_without_figures(line) for line in text.split("\n"))


def _rehomed(text: str, folder: str) -> str:
    """The folder as HOME, also where the end of a line is within it."""
    across = re.compile("\n?".join(map(re.escape, folder)))

    def named(found: re.Match[str]) -> str:
        places = [at for at, sign in enumerate(found[0]) if sign == "\n"]
        name = HOME
        for at in places:
            name = f"{name[:at]}\n{name[at:]}"
        return name

    return across.sub(named, text)


def _without_figures(line: str) -> str:
    for pattern, instead in RULES.values():
        line = re.sub(rf"( *)({pattern})(?=( *))", lambda found, to=instead: _cell(found, to), line)
    return line


def _cell(found: re.Match[str], instead: str) -> str:
    """What stands for a figure; right-aligned in its cell where two spaces are before it."""
    before, figure = found[1], found[2]
    return (before + instead).rjust(len(before + figure)) if len(before) > 1 else before + instead
