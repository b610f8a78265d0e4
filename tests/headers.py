"""GGUFs with a mutated header, judged by the real command: none may end it but with verdicts or one clear error.

`make headers` mutates 300; COUNT, SEED and JSON say otherwise. Three small models are mutated, one change each
(header_mutations.py): the embedded judge in two schemes, and two of other architectures and tokenizers with random
weights. Our own check reads each mutant first. What it refuses is refused before llama.cpp is asked for anything, so
only every tenth of these goes through the command; all others do, each in a process of its own:

    edge-judge eval --gguf MUTANT --grammar PROTOCOL --limit 2 --threads 1 --json

It must end with exit code 0 and four verdicts, or with 1 and one line of error; without a traceback or a signal. It may
take 5 seconds more than an ordinary run, in time of a processor, its children's included: on a busy machine the clock
measures the others too. What has not ended after three minutes is a hang. No process of it may take more than 500 MB
beyond the file.

Knows: how a command ends. Does not know: what is wrong with a mutant.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import reliability_record
from checkpoints import llama_config, make_checkpoint, quantized, write_weights
from families import internlm2_config, internlm2_tensors, write_spm_tokenizer
from header_mutations import CHANGES, Gguf, Mutant, mutant, read

ROOT = Path(__file__).parent.parent
LIMIT = 2
PROTOCOLS = ("pairwise", "pairwise-cot", "pairwise-json")  # read, written under a grammar, under a JSON schema
SECONDS, MEGABYTES = 5, 500
CLOCK = 180  # seconds
MOST_SAID = 600  # characters of an error
SAMPLE = 10  # of so many mutants that our check refuses, one goes through the command
VERDICTS = {"a", "b", "tie"}
KILLED = re.compile(r"its process ended with signal (\w+)")
IN_CHILD = "llama.cpp cannot run it: "
Outcome: TypeAlias = Literal["refused by us", "refused by llama.cpp", "judged"]
OUTCOMES: tuple[Outcome, ...] = ("refused by us", "refused by llama.cpp", "judged")


@dataclass(frozen=True)
class Ended:
    """How a command ended. code: None where it had to be stopped; cpu: seconds of a processor, its children's included;
    memory: most bytes that one of its processes took; verdicts: the lines of its run.
    """

    code: int | None
    stdout: str
    stderr: str
    verdicts: str
    cpu: float
    memory: int


@dataclass(frozen=True)
class Base:
    """A sound file. ordinary: seconds of a processor that judging it takes, by protocol."""

    name: str
    data: bytes
    sound: Gguf
    ordinary: Mapping[str, float]


@dataclass
class Row:
    """What became of the mutants of one kind. children: signals that ended the process that tries a file."""

    kind: str
    mutants: int = 0
    commands: int = 0
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    children: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


# ---- the files ---------------------------------------------------------------------------------------------


def pocket(folder: Path, scheme: str) -> Path:
    import edge_judge

    out = folder / f"pocket-{scheme}.gguf"
    return edge_judge.quantize("pocket", scheme, edge_judge.QuantizeSettings(out=out)).path


def bytelevel(folder: Path) -> Path:
    """A llama with a byte-level tokenizer and grouped heads."""
    config = llama_config(num_hidden_layers=2, hidden_size=64, intermediate_size=64, max_position_embeddings=8192)
    make_checkpoint(folder / "bytelevel", config)
    return quantized(folder / "bytelevel", "f16", folder / "llama-f16.gguf").path


def sentencepiece(folder: Path) -> Path:
    """An InternLM2 with SentencePiece."""
    config = internlm2_config(max_position_embeddings=8192)
    made = folder / "sentencepiece"
    made.mkdir()
    (made / "config.json").write_text(json.dumps(config))
    write_weights(made, internlm2_tensors(config))
    write_spm_tokenizer(made, chat_template="{% for m in messages %}[{{ m.role }}] {{ m.content }} {% endfor %}")
    return quantized(made, "q8_0", folder / "internlm2-q8_0.gguf").path


def bases(folder: Path, names: Sequence[str] = (), times: int = 2) -> Iterator[Base]:
    """The files to mutate, each judged as it is so many times. names: which ones; all, if none is named."""
    made = {
        "pocket q8_0": lambda: pocket(folder, "q8_0"),
        "llama f16": lambda: bytelevel(folder),
        "pocket q4_k_m": lambda: pocket(folder, "q4_k_m"),
        "internlm2 q8_0": lambda: sentencepiece(folder),
    }
    for name in names or made:
        path = made[name]()
        ordinary = dict.fromkeys(PROTOCOLS, 0.0)
        for number, protocol in enumerate(PROTOCOLS * times):
            ended = judge(path, folder / f"{path.stem}-{number}", protocol)
            if wrong := complaints(ended, path.stat().st_size):
                raise RuntimeError(f"{name}: {wrong[0]}: {ended.stderr}")
            ordinary[protocol] = max(ordinary[protocol], ended.cpu)
        yield Base(name, path.read_bytes(), read(path.read_bytes()), ordinary)


# ---- one command -------------------------------------------------------------------------------------------


def judge(path: Path, folder: Path, protocol: str = PROTOCOLS[0]) -> Ended:
    """Judge a few pairs with a file, in a folder of its own, as a user would."""
    folder.mkdir()
    asked = ["eval", "--gguf", path, "--grammar", protocol, "--limit", LIMIT, "--threads", 1, "--json"]
    command = [sys.executable, "-m", "edge_judge", *asked]
    kept = {name: text for name, text in os.environ.items() if not name.startswith("EDGE_JUDGE_")}
    places = {"EDGE_JUDGE_MODELS": str(folder / "models"), "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        subprocess.run(
            [sys.executable, "-S", "-c", STARTER, folder / "ended.json", str(CLOCK), *map(str, command)],
            cwd=folder,
            env={**kept, **places},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            check=True,
        )
    code, cpu, memory = json.loads((folder / "ended.json").read_text("utf-8"))
    out_, err_ = ((folder / name).read_text("utf-8", "replace") for name in ("out", "err"))
    verdicts = "".join(path.read_text("utf-8") for path in (folder / "results").rglob("verdicts.jsonl"))
    return Ended(code, out_, err_, verdicts, cpu, memory * (1 if sys.platform == "darwin" else 1024))


# The peak of a new process begins with what its parent takes, so it is started by one that takes little. Writes the
# exit code, null where it had to be ended after the seconds given; its seconds; its memory as the system counts it.
STARTER = """
import json, os, signal, subprocess, sys, time
place, clock, *command = sys.argv[1:]
pid = subprocess.Popen(command, start_new_session=True).pid
end, code = time.monotonic() + float(clock), None
while True:
    ended, status, usage = os.wait4(pid, os.WNOHANG)
    if ended:
        code = os.waitstatus_to_exitcode(status)
        break
    if time.monotonic() > end:
        os.killpg(pid, signal.SIGKILL)
        _, _, usage = os.wait4(pid, 0)
        break
    time.sleep(0.02)
with open(place, "w") as file:
    json.dump([code, usage.ru_utime + usage.ru_stime, usage.ru_maxrss], file)
"""


def complaints(ended: Ended, size: int, ordinary: float | None = None) -> list[str]:
    """What is wrong with how a command ended. size: bytes of the file; ordinary: seconds that judging it may take."""
    if ended.code is None:
        return [f"it did not end within {CLOCK} s"]
    wrong = []
    if ended.code not in (0, 1):
        wrong.append(f"signal {-ended.code}" if ended.code < 0 else f"exit code {ended.code}")
    if "Traceback" in ended.stderr or "GGML_ASSERT" in ended.stderr:
        wrong.append(f"a traceback, or an abort: {ended.stderr[-300:]!r}")
    lines = ended.stderr.strip().splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    if ended.code == 0:
        wrong += [f"exit code 0 with {line[:200]!r}" for line in errors] + list(wrong_verdicts(ended))
    elif len(errors) != 1 or not lines[-1].startswith(("error: ", "hint: ")):
        wrong.append(f"{len(errors)} lines of error: {ended.stderr[-300:]!r}")
    elif ended.stdout or len(errors[0]) > MOST_SAID or not ended.stderr.strip().replace("\n", "").isprintable():
        wrong.append(f"an error too long, or not alone: {errors[0][:300]!r}")
    if ordinary is not None and ended.cpu > ordinary + SECONDS:
        wrong.append(f"{ended.cpu:.1f} s of a processor, an ordinary run takes {ordinary:.1f} s")
    if ended.memory > MEGABYTES * 1_000_000 + size:
        wrong.append(f"{ended.memory / 1e6:.0f} MB of memory")
    return wrong


def wrong_verdicts(ended: Ended) -> Iterator[str]:
    """What is wrong with the verdicts of a run that went well."""
    try:
        rows = [json.loads(line) for line in ended.verdicts.splitlines()]
        (score,) = json.loads(ended.stdout)
    except ValueError:
        yield f"no score or verdicts: {ended.stdout[:200]!r}"
        return
    if len({(row["id"], row["order"]) for row in rows}) != 2 * LIMIT or not score["model"]:
        yield f"{len(rows)} verdicts for {score['model']!r}"
    for row in rows:
        if row["verdict"] not in VERDICTS or not all(0 <= p <= 1.001 for p in row["p"].values()):
            yield f"a verdict that is none: {row}"


def outcome_of(ended: Ended) -> Outcome:
    if ended.code == 0:
        return "judged"
    return "refused by llama.cpp" if "llama.cpp" in ended.stderr else "refused by us"


# ---- all of them -------------------------------------------------------------------------------------------


def refused(path: Path) -> str | None:
    """What our own check says of a file; None where it finds nothing. Any other error is a fault of the check."""
    from quantize import gguf_file
    from quantize.errors import VerifyError

    try:
        gguf_file.inspect(path)
    except VerifyError as error:
        return str(error)
    return None


def try_one(base: Base, one: Mutant, protocol: str, folder: Path, row: Row, through: bool) -> None:
    """One mutant. through: whether it goes through the command even if our check refuses it."""
    path = folder / "mutant.gguf"
    path.write_bytes(one.data)
    row.mutants += 1
    begun = time.process_time()
    try:
        said = refused(path)
        wrong = []
    except Exception as error:
        said, wrong = None, [f"our check failed: {type(error).__name__}: {error}"]
    if (spent := time.process_time() - begun) > SECONDS:
        wrong.append(f"our check took {spent:.1f} s")
    outcome: Outcome = "refused by us"
    if said is None or through:
        ended = judge(path, folder / "run", protocol)
        shutil.rmtree(folder / "run")
        wrong += complaints(ended, len(one.data), base.ordinary[protocol])
        outcome = outcome_of(ended)
        row.commands += 1
        if said is not None and outcome != "refused by us":
            wrong.append(f"our check refused it ({said}), and the command did not")
        if killed := KILLED.search(ended.stderr):
            row.children[killed[1]] += 1
        if outcome == "refused by llama.cpp" and IN_CHILD not in ended.stderr:
            wrong.append(f"refused by llama.cpp in the judging process: {ended.stderr[:300]!r}")
    row.outcomes[outcome] += 1
    row.problems += [f"{base.name}, {one.what}: {text}" for text in wrong]


def campaign(folder: Path, found: Sequence[Base], numbers: Sequence[int], seed: int) -> list[Row]:
    """Try the mutants of these numbers, which go through all kinds of change and all files."""
    rows = {kind: Row(kind) for kind in CHANGES}
    refusals = 0
    for number in numbers:
        base = found[number // len(CHANGES) % len(found)]
        one = mutant(base.data, base.sound, number, seed)
        row = rows[one.kind]
        told, before = len(row.problems), row.outcomes["refused by us"]
        protocol = PROTOCOLS[number % len(PROTOCOLS)]
        try_one(base, one, protocol, folder, row, through=refusals % SAMPLE == 0)
        refusals += row.outcomes["refused by us"] - before
        for problem in row.problems[told:]:
            print(f"mutant {number}: {problem}", flush=True)
        if number % 50 == 49:
            print(f"{number + 1} …", file=sys.stderr, flush=True)
    return list(rows.values())


def table(rows: Sequence[Row]) -> str:
    head = f"{'change':16}{'mutants':>8}{'commands':>9}{'by us':>7}{'by llama.cpp':>13}{'judged':>7}{'problems':>9}"
    lines = [head]
    for row in rows:
        counts = "".join(f"{row.outcomes[name]:{width}}" for name, width in zip(OUTCOMES, (7, 13, 7), strict=True))
        killed = ", ".join(f"{name} {count}" for name, count in sorted(row.children.items()))
        lines.append(f"{row.kind:16}{row.mutants:8}{row.commands:9}{counts}{len(row.problems):9}  {killed}".rstrip())
    return "\n".join(lines)


def total(rows: Sequence[Row]) -> Row:
    whole = Row("all", sum(row.mutants for row in rows), sum(row.commands for row in rows))
    for row in rows:
        whole.outcomes += row.outcomes
        whole.children += row.children
        whole.problems += row.problems
    return whole


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=300, help="how many mutants")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="begin with the mutant of this number")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures")
    asked = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        found = list(bases(Path(name)))
        for base in found:
            seconds = ", ".join(f"{name} {seconds:.1f}" for name, seconds in base.ordinary.items())
            print(f"{base.name}, {len(base.data) / 1e6:.2f} MB; seconds of a processor: {seconds}", flush=True)
        rows = campaign(Path(name), found, range(asked.first, asked.first + asked.count), asked.seed)
    whole = total(rows)
    print(table([*rows, whole]))
    if asked.json:
        seconds = round(time.monotonic() - begun)
        reliability_record.write(asked.json, "headers", (), seed=asked.seed, seconds=seconds, **figures(whole))
    return int(bool(whole.problems))


def figures(whole: Row) -> dict[str, Any]:
    """What docs/reliability.md tells of a run."""
    return {
        "mutants": whole.mutants,
        "commands": whole.commands,
        "refused_by_us": whole.outcomes["refused by us"],
        "refused_by_llama_cpp": whole.outcomes["refused by llama.cpp"],
        "judged": whole.outcomes["judged"],
        "children_killed": sum(whole.children.values()),
        "signals": dict(whole.children),
        "problems": whole.problems,
    }


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
