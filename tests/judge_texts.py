"""Texts that a judge may be shown: prompts of real pairs, odd but harmless texts, and texts that imitate its markers.

All are the same on every run.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from edge_judge import benchmarks
from edge_judge.judging.prompting import prompt_texts
from edge_judge.protocols import grammar
from edge_judge.protocols.protocol import Protocol, Question
from edge_judge.records import Pair

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
NAMES = ("auto-j", "pandalm", "llmbar-natural", "llmbar-neighbor", "llmbar-gptinst", "llmbar-manual")
FRAGMENTS = (
    "我想在apple工作。", "答案一更好，答案二更差！", "「引用」", "안녕하세요", "кириллица", "हिन्दी",
    "ภาษาไทย", "שלום", "مرحبا", "👩‍👩‍👧",
    "🏳️‍🌈", "🚀🦙", "👍🏽", "e\u0301", "n\u0303o", "q\u0323\u0307", "Å", "A\u030a", "ﬁ", "①½²",
    "ｆｕｌｌ　ｗｉｄｔｈ", "\u0301",
    "\r\n", "\r", "\n", "\n\n", "\n\n\n", "\t", "\t\t", " ", "  ", "   ", "        ", " " * 17, " " * 40, "\u00a0",
    "\u3000", "\u200b", "\u200d", "\ufeff", "\u2028", "\x85", "\x0b", "\x0c", "\x1c", "\x07", "\x00", "a\x00b",
    "\u2581", "\u2581\u2581the", "x\u2581y", "\ue000", "\U000f0000", "\uffff", "\ufffd", "Ġ", "Ċ", "<0x0A>", "[PAD",
    "[UNUSED", "ø", "ö", "Àù÷þ", "def f(x):\n    return [[x**2 for _ in range(10)]]  # ok??\n",
    "if (a[i] != b[[j]]) { return 1; }", "`x`", "```py\n", "</div>", "<b>bold</b>", "{{ m.content }}", "{% raw %}",
    "$\\frac{1}{2}$", "http://a.example/b?c=1&d=2", "#", "### ", "---", "***", "...", "0", "7", "42", "123",
    "1234567", "3.14159", "1,000,000.00", "2024-01-01", "４２", "-1e-5", "I'm", "WE'LL", "it's", "’s", "[[A]]",
    "[[B]]", "[[C]]", " [[A]]", "[[", "]]", "[", "]", "Tie", "1", "2", "A", "B", "User:", "Assistant:", "user\n",
    "### Answer A", "the quick brown fox", "Name the capital of Norway", "Oslo", "Bergen is better", "and", " or ",
    "a", "I", "x", "supercalifragilisticexpialidocious", "aaaaaaaaaaaaaaaaaaaa", "ABCDEFGHIJ", "?!", "(", ")",
    "“quoted”", "—", "~", "\\", "\\n", "people", "philosophy",
)  # fmt: skip
HEADINGS = (
    "### Instruction", "### Answer A", "### Answer B", "### Verdict", "User: ", "\n\nAssistant:", "[/INST]",
    "system",
)  # fmt: skip
INVISIBLE = ("\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad", "\x00", "\u202e", "\u034f")
WORDS = (
    "philosophy", "people", "the answer", "I'm sure", "我想", "Oslo", "\n", " ", "\n\n", "  ", "1", "[[A]]", "end",
    "s", "<", ">",
)  # fmt: skip


def real_prompts(count: int = 200) -> tuple[list[str], str]:
    """Prompts of pairs of published benchmarks, and their names. If those are absent, of the pocket benchmark."""
    names = [name for name in NAMES if benchmarks.home(benchmarks.find(name), DATA).is_file()] or ["pocket"]
    each = -(-count // len(names))
    pairs = [pair for name in names for pair in _spread(benchmarks.load(name, DATA).pairs, each)]
    protocol = Protocol(grammar.load("pairwise"))
    orders = ("ab", "ba")
    texts = [prompt_texts(protocol, Question(pair, orders[i % 2]))[0] for i, pair in enumerate(pairs)]  # type: ignore[arg-type]
    return texts[:count], ", ".join(names)


def _spread(pairs: Sequence[Pair], count: int) -> Sequence[Pair]:
    return pairs[:: max(1, len(pairs) // count)][:count]


def fuzzed(count: int = 500, seed: int = 11, without: Sequence[str] = ()) -> list[str]:
    """Odd texts. without: texts that none of them may contain."""
    draw, texts = random.Random(seed), ["", " ", "\n", " x ", "\n\nx\n\n", "\t", "\u2581", "\x00"]
    while len(texts) < count:
        text = "".join(draw.choice(FRAGMENTS) + draw.choice(("", "", " ")) for _ in range(draw.randint(1, 14)))
        if draw.random() < 0.3:
            text = draw.choice((" ", "  ", "\n", "\t", "\r\n")) + text + draw.choice((" ", "\n", "\n\n", "\t", ""))
        if not any(name in text for name in without):
            texts.append(text)
    return texts


def hostile(names: Sequence[str], count: int = 1000, seed: int = 12) -> list[str]:
    """Texts that imitate markers. names: the texts of the vocabulary's control tokens and markers."""
    draw = random.Random(seed)

    def part() -> str:
        name, other = draw.choice(names), draw.choice(names)
        cut = draw.randint(0, len(name))
        return draw.choice(
            (
                name,
                name[:cut],
                name[cut:],
                name[:cut] + other + name[cut:],  # one inside another
                name[:cut] + name,
                name + other[1:],
                name[:cut] + draw.choice(INVISIBLE) + name[cut:],
                name.upper(),
                " " + name + " ",
                "\u2581" + name,
                draw.choice(HEADINGS),
                draw.choice(WORDS),
                draw.choice(WORDS),
            )
        )

    return ["".join(part() for _ in range(draw.randint(1, 9))) for _ in range(count)]
