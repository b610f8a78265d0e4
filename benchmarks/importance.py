"""What importances do for a small judge, and what measuring them costs.

    python benchmarks/importance.py            the pocket judge in small schemes: none, of a text, of judge prompts
    python benchmarks/importance.py --speed    wall time beside llama-imatrix, on the same text, in turn

Judge prompts are made of pairs of the pocket's `valid` split: no question of the benchmark is among them. The text is
this project's own documents, as many tokens. All judge the same 600 pairs in both orders. Everything is made in a
temporary folder; prints a table in Markdown. `--speed` needs llama-imatrix (judge_build.py) and works in .bench/.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]
import judge_build  # noqa: E402

import edge_judge  # noqa: E402
from edge_judge import (  # noqa: E402
    BenchmarkOptions,
    Comparison,
    EvaluateSettings,
    Figure,
    ImatrixSettings,
    JudgeOptions,
    MadeImatrix,
    QuantizeSettings,
    RunsOptions,
)
from edge_judge.pocket import tasks  # noqa: E402

SCHEMES = ("q3_k_s", "iq3_xxs", "q2_k", "iq2_xs")
NEED_IMPORTANCES = ("iq3_xxs", "iq2_xs")
PAIRS = 100
SEED = 7  # of the pairs that importances are measured on
CHUNK = 512
ROUNDS = 5


# ---- the ladder -------------------------------------------------------------------------------------------


def ladder(folder: Path) -> None:
    os.environ["EDGE_JUDGE_MODELS"] = str(folder / "models")
    prompts = edge_judge.imatrix(
        JudgeOptions("pocket"),
        BenchmarkOptions((str(_own_pairs(folder / "valid.jsonl")),)),
        settings=ImatrixSettings(folder / "judge.gguf"),
    )
    chunks = round(prompts.tokens / CHUNK)
    settings = ImatrixSettings(folder / "text.gguf", _own_text(folder / "text.txt"), limit=chunks, chunk=CHUNK)
    text = edge_judge.imatrix(JudgeOptions("pocket"), settings=settings)
    print(f"judge prompts: {prompts.tokens:,} tokens; text: {text.tokens:,} tokens\n")
    schemes = [name for scheme in SCHEMES for name in _variants(scheme, text, prompts)]
    runs = {scheme: _run(scheme, folder / "results") for scheme in ("f16", *schemes)}
    _table(schemes, runs)


def _own_pairs(path: Path) -> Path:
    pairs = tasks.pairs(SEED, "valid")
    rows = [{"question": p.question, "a": p.a.text, "b": p.b.text} for p, _ in zip(pairs, range(PAIRS), strict=False)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def _own_text(path: Path) -> Path:
    files = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    path.write_text("\n".join(file.read_text("utf-8") for file in files), "utf-8")
    return path


def _variants(scheme: str, text: MadeImatrix, prompts: MadeImatrix) -> list[str]:
    """Builds the scheme without importances, where it can be, and with each."""
    names = [] if scheme in NEED_IMPORTANCES else [scheme]
    for name in names:
        edge_judge.quantize("pocket", name)
    for label, made in (("text", text), ("judge", prompts)):
        names.append(f"{scheme}+{label}")
        edge_judge.quantize("pocket", names[-1], QuantizeSettings(imatrix=made.path))
    return names


def _run(scheme: str, results: Path) -> Path:
    print(f"judging with {scheme}", file=sys.stderr)
    edge_judge.evaluate(JudgeOptions("pocket", scheme), settings=EvaluateSettings(results))
    return results / "pocket" / "pocket" / scheme / "pairwise"


def _table(schemes: list[str], runs: dict[str, Path]) -> None:
    print("| scheme | size | accuracy % | points lost against f16 | divergence (nats) | judge prompts against text |")
    print("|---|---|---|---|---|---|")
    for scheme in schemes:
        lost = _compared(runs[scheme], runs["f16"])
        gained = ""
        if scheme.endswith("+judge"):
            other = _compared(runs[scheme], runs[scheme.replace("+judge", "+text")])
            gained = _shown(replace(other.drop, value=-(other.drop.value or 0.0), low=_minus(other.drop.high),
                                    high=_minus(other.drop.low)))  # fmt: skip
        accuracy = _shown(lost.run.accuracy, 100)
        size = f"{lost.run.bytes / 1e6:.2f} MB"
        print(f"| {scheme} | {size} | {accuracy} | {_shown(lost.drop)} | {_shown(lost.kld, digits=3)} | {gained} |")


def _compared(run: Path, baseline: Path) -> Comparison:
    (comparison,) = edge_judge.compare(RunsOptions((run,)), str(baseline)).comparisons
    return comparison


def _minus(value: float | None) -> float | None:
    return None if value is None else -value


def _shown(figure: Figure, scale: float = 1.0, digits: int = 1) -> str:
    def number(value: float | None) -> str:
        return "–" if value is None else f"{scale * value:.{digits}f}"

    interval = "" if figure.low is None else f" ({number(figure.low)} to {number(figure.high)})"
    return number(figure.value) + interval


# ---- the time ---------------------------------------------------------------------------------------------


def speed(folder: Path) -> None:
    os.environ["EDGE_JUDGE_MODELS"] = str(folder / "models")
    pocket = edge_judge.quantize("pocket", "f16").path
    print("| model | chunks | edge-judge s | llama-imatrix s | ratio (median, least to most) | of processor time |")
    print("|---|---|---|---|---|---|")
    for name, gguf, chunks in (("pocket f16", pocket, 60), ("0.5B shape q4_k_m", judge_build.model(pocket), 3)):
        _race(name, gguf, chunks, _own_text(folder / "text.txt"), folder)


def _race(name: str, gguf: Path, chunks: int, text: Path, folder: Path) -> None:
    """Both read the same chunks with one thread, whole processes in turn: what disturbs the machine disturbs both."""
    program = judge_build.program("llama-imatrix")
    ours = [sys.executable, "-m", "edge_judge", "imatrix", "--gguf", gguf, "--text", text, "--chunk", CHUNK]
    ours += ["--limit", chunks, "--threads", 1, "--fresh", "--out", folder / "ours.gguf"]
    theirs = [program, "-m", gguf, "-f", text, "-c", CHUNK, "--chunks", chunks, "-t", 1, "--no-ppl"]
    theirs += ["-fit", "off", "-o", folder / "theirs.gguf"]
    rounds = [(_timed(ours), _timed(theirs)) for _ in range(ROUNDS)]
    medians = [f"{median(wall for wall, _ in side):.1f}" for side in zip(*rounds, strict=True)]
    wall, processor = (_ratio([(mine[place], other[place]) for mine, other in rounds]) for place in (0, 1))
    print(f"| {name} | {chunks} × {CHUNK} tokens | {' | '.join(medians)} | {wall} | {processor} |", flush=True)


def _ratio(times: list[tuple[float, float]]) -> str:
    ratios = sorted(first / second for first, second in times)
    return f"{median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"


def _timed(command: list[object]) -> tuple[float, float]:
    """Seconds on the wall and of the processor, of a whole process."""
    start = time.perf_counter()
    process = subprocess.Popen([*map(str, command)], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"error: {' '.join(map(str, command))} failed")
    return time.perf_counter() - start, used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description="What importances do for a small judge.")
    parser.add_argument("--speed", action="store_true", help="time it beside llama-imatrix instead")
    measure = speed if parser.parse_args().speed else ladder
    with tempfile.TemporaryDirectory() as place:
        measure(Path(place))


if __name__ == "__main__":
    main()
