"""Writes the tables of docs/reliability.md from what harnesses recorded in results/reliability/: `make reliability`.

The words above the first heading of the second level stay as they are. What no record has is a line too: not run. The
exit code is 1 where a record has problems.
Knows: the records, and what each harness would run if nothing were left out. Does not know: how anything was run.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import reliability_record
from fault_commands import COMMANDS
from faults import KINDS
from fuzz import HYPOTHESIS
from fuzz_targets import TARGETS
from kill_jobs import JOBS
from reliability_record import Record

from edge_judge import benchmarks
from edge_judge.quantities import counted, duration

ROOT = Path(__file__).resolve().parent.parent
RECORDS = ROOT / "results" / "reliability"
PAGE = ROOT / "docs" / "reliability.md"
NOT_RUN, NONE = "not run", "–"
MOST_SHOWN, LONGEST = 20, 200  # problems of a harness, characters of one

KILLS = """\
A *kill* is SIGKILL at a random moment; *moments* counts them by the quarter of an undisturbed run, whose seconds
stand beside. A *round* is up to four kills in a row, after which the command is let through and its files are
compared with undisturbed ones."""
FAULTS = """\
One call on a file fails in each run: *error* is EIO, *full* ENOSPC, *short* a write that takes only a part, *quota*
EDQUOT; *stays full* and *read-only* hold from that call on. Each cell: faults tried of the calls that a run makes{}.
Of equal calls in a row, such as those that read a vocabulary piece by piece, only the first two and the last are tried;
*short* only where bytes are written, *quota* where they are written or a file is closed. *Told*: it ended in one clear
error; *unhurt*: it ended as without the fault."""
FUZZ = f"""\
*Edges* are branches of the project's own code that inputs reached: atheris counts them, and is guided by them;
{NONE} where nobody counts. `{HYPOTHESIS}` draws new inputs for the tests that have some."""
HEADERS = """\
*Children ended*: the process apart, in which llama.cpp opens a file first, was ended by a signal; the command was
not."""
SOAK = """\
The embedded judge over the benchmark files, in both orders, in one process. *MB* and *handles*: after the first and
after the last run on a benchmark with the weights of one scheme, still loaded, once garbage is collected.
*Shortened*: verdicts on answers that did not fit the judge's context; no pair of the benchmarks here is that long,
so the pairs of *too-long* were made up. A verdict that is not found exactly once is a problem."""
MENDED = "{}. Only what has a commit that mended it and a test that keeps it so is listed."

Records = Mapping[str, Record | None]
Lines = Iterator[str]


def main() -> int:
    records = read(RECORDS)
    PAGE.write_text(page(PAGE.read_text("utf-8"), records, mended(RECORDS)), encoding="utf-8")
    found = {kind: problems(record) for kind, record in records.items() if record is not None}
    for kind, texts in found.items():
        print(*(f"{kind}: {text}" for text in texts), sep="\n", end="\n" if texts else "")
    return int(any(found.values()))


def read(folder: Path) -> Records:
    return {kind: reliability_record.read(folder / f"{kind}.json") for kind in reliability_record.KINDS}


def mended(folder: Path) -> list[Mapping[str, str]]:
    """What was found and mended, as persons wrote it down: area, what, commit, test."""
    file = folder / "mended.json"
    found: list[Mapping[str, str]] = json.loads(file.read_text("utf-8")) if file.exists() else []
    return found


def page(old: str, records: Records, mended: Sequence[Mapping[str, str]]) -> str:
    """The page with new tables under its old words."""
    words = old.partition("\n## ")[0].rstrip("\n")
    parts = [overview(records), *(TABLES[kind](records[kind]) for kind in TABLES), mended_table(mended)]
    return "\n".join([words, *("\n" + "\n".join(part) for part in parts)]) + "\n"


# ---- all harnesses -----------------------------------------------------------------------------------------


def overview(records: Records) -> Lines:
    yield from opening("What was run")
    yield from heads("harness", "what was done", "problems", "took", "seed", "date", "with")
    for kind, record in records.items():
        if record is None:
            yield row(f"`make {kind}`", NOT_RUN, *[NONE] * 5)
            continue
        seed = NONE if record.seed is None else str(record.seed)
        done, found, took = DONE[kind](record), len(problems(record)), duration(record.seconds)
        yield row(f"`make {kind}`", done, found, took, seed, record.date, with_what(record.versions))


def with_what(versions: Mapping[str, str]) -> str:
    names = {"edge_judge": "edge-judge", "llama_cpp_python": "llama-cpp-python", "python": "Python", "platform": ""}
    return ", ".join(f"{names.get(name, name)} {version}".strip() for name, version in versions.items())


def kills_done(record: Record) -> str:
    run = [one for one in record.rows if not one["skipped"]]
    return f"{counted(total(run, 'kills'), 'kill')} in {counted(len(run), 'command')}"


def faults_done(record: Record) -> str:
    commands = len({one["command"] for one in record.rows})
    return f"{counted(total(record.rows, 'tried'), 'fault')} in {counted(commands, 'command')}"


def fuzz_done(record: Record) -> str:
    return f"{counted(total(record.rows, 'inputs'), 'input')} to {counted(len(record.rows), 'target')}"


def headers_done(record: Record) -> str:
    return f"{counted(record.facts['mutants'], 'changed header')}, {record.facts['children_killed']} ended a child"


def soak_done(record: Record) -> str:
    run = [one for one in record.rows if not one["skipped"]]
    return f"{counted(total(run, 'verdicts'), 'verdict')} in one process"


DONE = {"kills": kills_done, "faults": faults_done, "fuzz": fuzz_done, "headers": headers_done, "soak": soak_done}


def problems(record: Record) -> list[str]:
    """What a harness found that is not mended, each in one line."""
    names = {"kills": ("name", "problems"), "faults": ("command", "findings"), "fuzz": ("target", "failures")}
    if record.kind not in names:
        return [shown(text) for text in record.facts["problems"]]
    name, key = names[record.kind]
    return [shown(f"{one[name]}: {text}") for one in record.rows for text in one[key]]


# ---- one harness each --------------------------------------------------------------------------------------


def kills(record: Record | None) -> Lines:
    yield from opening("Kills", KILLS)
    yield from heads("command", "kills", "rounds", "seconds", "moments", "problems")
    rows = {one["name"]: one for one in rows_of(record)}
    for name in {**rows, **dict.fromkeys(job.name for job in JOBS)}:
        one = rows.get(name)
        if one is None or one["skipped"]:
            yield row(name, NOT_RUN if one is None else f"{NOT_RUN}: {shown(one['skipped'])}", *[NONE] * 4)
            continue
        quarters = [sum(4 * moment // 1 == quarter for moment in one["moments"]) for quarter in range(4)]
        moments = " / ".join(map(str, quarters))
        yield row(name, one["kills"], one["rounds"], f"{one['seconds']:.1f}", moments, len(one["problems"]))
    yield from open_problems(record)


def faults(record: Record | None) -> Lines:
    yield from opening("Faults", FAULTS.format(sampled(record)))
    kinds = [kind.name for kind in KINDS]
    yield from heads("command", *kinds, "told", "unhurt", "problems")
    cells = {(one["command"], one["kind"]): one for one in rows_of(record)}
    for command in dict.fromkeys([*(command for command, _ in cells), *(command.name for command in COMMANDS)]):
        ran = [one for (name, _), one in cells.items() if name == command]
        if not ran:
            yield row(command, NOT_RUN, *[NONE] * (len(kinds) + 2))
            continue
        tried = [(cells[command, kind] if (command, kind) in cells else None) for kind in kinds]
        counts = [f"{one['tried']:,} of {one['calls']:,}" if one else NOT_RUN for one in tried]
        yield row(command, *counts, total(ran, "told"), total(ran, "unhurt"), sum(len(one["findings"]) for one in ran))
    yield from open_problems(record)


def sampled(record: Record | None) -> str:
    most = record.facts.get("sample") if record is not None else None
    return f", at most {most} of them, evenly spread" if most else ""


def fuzz(record: Record | None) -> Lines:
    yield from opening("Fuzzing", FUZZ)
    yield from heads("target", "inputs", "seconds", "edges", "problems")
    rows = {one["target"]: one for one in rows_of(record)}
    for name in {**rows, **dict.fromkeys([*TARGETS, HYPOTHESIS])}:
        one = rows.get(name)
        if one is None:
            yield row(name, NOT_RUN, *[NONE] * 3)
            continue
        edges = NONE if one["coverage"] == "-" else one["coverage"]
        yield row(name, one["inputs"], round(one["seconds"]), edges, len(one["failures"]))
    yield from open_problems(record)


def headers(record: Record | None) -> Lines:
    yield from opening("Changed GGUF headers", HEADERS)
    names = ("mutants", "refused_by_us", "refused_by_llama_cpp", "judged", "children_killed")
    yield from heads("headers", "refused by edge-judge", "refused by llama.cpp", "judged", "children ended", "problems")
    if record is None:
        yield row(NOT_RUN, *[NONE] * 5)
    else:
        *figures, ended = (record.facts[name] for name in names)
        signals = ", ".join(f"{signal} {count}" for signal, count in sorted(record.facts.get("signals", {}).items()))
        yield row(*figures, f"{ended} ({signals})" if signals else ended, len(problems(record)))
    yield from open_problems(record)


def soak(record: Record | None) -> Lines:
    yield from opening("Soak", SOAK)
    yield from heads(
        "benchmark", "pairs", "protocols", "schemes", "verdicts", "shortened", "minutes", "MB", "handles", "problems"
    )
    rows = rows_of(record)
    for name in dict.fromkeys([*(one["benchmark"] for one in rows), *benchmarks.names()]):
        here = [one for one in rows if one["benchmark"] == name]
        ran = [one for one in here if not one["skipped"]]
        if not ran:
            why = f": {shown(here[0]['skipped'])}" if here else ""
            yield row(name, NOT_RUN + why, *[NONE] * 8)
            continue
        first, *_, last = ran[:1] + [one for one in ran if one["scheme"] == ran[0]["scheme"]]
        yield row(
            name,
            pairs(first),
            len({one["protocol"] for one in ran}),
            len({one["scheme"] for one in ran}),
            total(ran, "verdicts"),
            total(ran, "truncated"),
            f"{total(ran, 'seconds') / 60:.1f}",
            f"{first['memory'] / 1e6:.0f} → {last['memory'] / 1e6:.0f}",
            f"{first['handles']} → {last['handles']}",
            sum(len(one["wrong"]) for one in ran),
        )
    yield from grown(record)
    yield from open_problems(record)


def pairs(one: Mapping[str, Any]) -> str:
    whole = one["pairs"] == one["in_file"]
    return f"{one['pairs']:,}, all" if whole else f"{one['pairs']:,} of {one['in_file']:,}"


def grown(record: Record | None) -> Lines:
    if record is not None and record.facts["growth"]:
        each = ", ".join(f"{scheme} {percent:+.1f} %" for scheme, percent in record.facts["growth"].items())
        yield from ("", f"Memory after the last run against after the first, with the same weights loaded: {each}.")


TABLES = {"kills": kills, "faults": faults, "fuzz": fuzz, "headers": headers, "soak": soak}


def mended_table(found: Sequence[Mapping[str, str]]) -> Lines:
    areas = {area: sum(one["area"] == area for one in found) for area in dict.fromkeys(one["area"] for one in found)}
    counts = ", ".join(f"{area} {count}" for area, count in areas.items())
    yield from opening("Found and mended", MENDED.format(f"{counted(len(found), 'fault')} ({counts or NONE})"))
    yield from heads("area", "what happened", "commit", "test")
    for one in found:
        file, _, test = one["test"].partition("::")
        words = test.removeprefix("test_").replace("_", " ")
        yield row(one["area"], one["what"], f"`{one['commit']}`", f"[{words}](../tests/{file})")


# ---- Markdown ----------------------------------------------------------------------------------------------


def opening(title: str, words: str = "") -> Lines:
    yield from (f"## {title}", "", *([words, ""] if words else []))


def heads(*names: str) -> Lines:
    yield row(*names)
    yield "|---" * len(names) + "|"


def row(*cells: object) -> str:
    texts = (f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in cells)
    return f"| {' | '.join(text.replace('|', chr(92) + '|') for text in texts)} |"


def open_problems(record: Record | None) -> Lines:
    found = problems(record) if record is not None else []
    if found:
        yield from ("", "Found, and not mended:", "")
        yield from (f"- `{text.replace('`', chr(39))}`" for text in found[:MOST_SHOWN])
    if len(found) > MOST_SHOWN:
        yield f"- and {len(found) - MOST_SHOWN:,} more"


def shown(text: str) -> str:
    """The beginning of a text, in one line."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"


def rows_of(record: Record | None) -> Sequence[Mapping[str, Any]]:
    return record.rows if record is not None else ()


def total(rows: Iterable[Mapping[str, Any]], name: str) -> Any:
    return sum(one[name] for one in rows)


if __name__ == "__main__":
    sys.exit(main())
