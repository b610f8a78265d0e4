"""Tokens that a ranking takes: eight systems of AlpacaEval, all pairs, both orders, real questions and answers.

    EDGE_JUDGE_ALPACA_EVAL=FOLDER python benchmarks/rank_tokens.py [--questions 40]      minutes

FOLDER is a copy of tatsu-lab/alpaca_eval at cd543a149df89434d8a54582c0151c0b945c3d20. Counted, not timed: the prompts
of `edge-judge rank` with the vocabulary of Qwen1.5, each in full; with what two neighbours share read once, where pairs
are judged one after another; as our plan reads them, in blocks; and as one prefix tree, which is the least.
Saved in results/ranking/tokens.json.
Knows: plans. Does not know: how long anything takes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import judge_build
import judge_work
from judge_sides import tree_tokens

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]
from edge_judge.engine import LocalEngine  # noqa: E402
from edge_judge.engine.plan import common_prefix  # noqa: E402
from edge_judge.judging.judge import prepare  # noqa: E402
from edge_judge.protocols import grammar  # noqa: E402
from edge_judge.protocols.protocol import Protocol, Question  # noqa: E402
from edge_judge.records import ORDERS, Pair  # noqa: E402

RESULT = ROOT / "results" / "ranking" / "tokens.json"


def counts(judged: Sequence[Pair], gguf: Path) -> dict[str, float]:
    """Tokens, and their ratios to ours."""
    engine = LocalEngine(gguf)
    job = prepare(
        engine, Protocol(grammar.load("pairwise")), [Question(pair, order) for pair in judged for order in ORDERS]
    )
    work = job.work()
    prompts = [prompt.encoded.tokens for prompt in job.prompts]
    shared = sum(common_prefix(one, other) for one, other in zip(prompts, prompts[1:], strict=False))
    alone = sum(map(len, prompts))
    ours, least = work.tokens, tree_tokens(job)
    engine.close()
    return {
        "verdicts": len(prompts),
        "alone": alone,
        "after_the_previous_prompt": alone - shared,
        "ours": ours,
        "prefix_tree": least,
        "alone_over_ours": round(alone / ours, 3),
        "after_the_previous_prompt_over_ours": round((alone - shared) / ours, 3),
        "ours_over_prefix_tree": round(ours / least, 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=40)
    questions = parser.parse_args().questions
    found = counts(judge_work.alpaca_pairs(questions), judge_build.model(judge_work.VOCABULARY))
    result = {"systems": len(judge_work.SYSTEMS), "questions": questions, **found}
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
