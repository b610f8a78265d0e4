"""What `make fuzz` feeds to what reads benchmarks, systems' outputs, votes and labels.

Knows: parsers, examples of their files. Does not know: how inputs are made, what counts as a failure.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import fuzz_containers as containers
import fuzz_mutators as mutators
from fuzz_target import ROOT, Run, dumped, lines, target

PAIRS = (
    {"id": "1", "question": "Greet me.", "a": "Hello.", "b": "No.", "label": "a", "group": "g", "reasons": "{a}!"},
    {"id": 2, "question": "Bye?", "a": "", "b": "So long.", "label": "tie", "reference": "Bye.", "category": "c"},
)
CRITERIA = b"criterion,weight\nIt is correct.,2\nIt is short.,\n"
UNUSUAL = b"\xef\xbb\xbfgroup,category,reference,question,a,b,reasons,label\ng,c,,Greet me.,Hello.,,{a} greets.,b\n"
ROWS = b'id,question,a,b,label\r\n1,Greet me.,Hello.,No.,a\r\n2,"x, ""y""","a\nb",c,tie\r\n'


def read_pairs(path: Path, data: bytes) -> None:
    from edge_judge import benchmarks
    from edge_judge.benchmarks import rubric, training_data
    from edge_judge.benchmarks.rows import File
    from edge_judge.errors import DataError

    path.write_bytes(data)
    try:
        rubric.read(File(path, data))
    except DataError:
        pass
    try:
        training_data.load(File(path, data))
    except DataError:
        pass
    benchmarks.load(path)


@target("benchmark-jsonl", mutators.mutated_lines)
def benchmark_jsonl(folder: Path) -> tuple[Run, list[bytes]]:
    import edge_judge.benchmarks.training_data  # noqa: F401

    seeds = [lines(*PAIRS), lines({"criterion": "It is correct."}, {"criterion": "It is short."})]
    return lambda data: read_pairs(folder / "pairs.jsonl", data), seeds


@target("benchmark-csv", mutators.mutated_csv, b'"' * 3_000_000, b"a," * 1_000_000, b"question,a,b\n" * 30_000)
def benchmark_csv(folder: Path) -> tuple[Run, list[bytes]]:
    import edge_judge.benchmarks.training_data  # noqa: F401

    return lambda data: read_pairs(folder / "pairs.csv", data), [ROWS, CRITERIA, UNUSUAL]


@target("benchmark-parquet", containers.mutated_parquet, b"PAR1" + bytes(1_000_000) + b"PAR1")
def benchmark_parquet(folder: Path) -> tuple[Run, list[bytes]]:
    import pyarrow
    import pyarrow.parquet

    import edge_judge.benchmarks.training_data  # noqa: F401

    rows = [{"question": f"Greet {i}.", "a": "Hello.", "b": "No.", "label": "a"} for i in range(3)]
    seeds = []
    for compression in ("none", "snappy"):
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "x.parquet", compression=compression)
        seeds.append((folder / "x.parquet").read_bytes())
    return lambda data: read_pairs(folder / "pairs.parquet", data), seeds


@target("published-benchmarks", mutators.mutated_json)
def published(folder: Path) -> tuple[Run, list[bytes]]:
    from edge_judge.benchmarks import autoj, llmbar, mtbench, pandalm
    from edge_judge.benchmarks.rows import File
    from edge_judge.errors import DataError

    readers = (mtbench.read, pandalm.read, autoj.SOURCE.read, *(source.read for source in llmbar.SOURCES[:1]))
    samples = [(ROOT / "tests" / "data" / f"{name}.json").read_bytes() for name in ("mtbench", "pandalm", "llmbar")]

    def run(data: bytes) -> None:
        for reader in readers:
            try:
                list(reader(File(folder / "x.json", data)))
            except DataError as error:
                last = error
        raise last

    return run, [*(dumped(json.loads(sample)[:2]) for sample in samples), PUBLISHED_LINE()]


def PUBLISHED_LINE() -> bytes:
    return (ROOT / "tests" / "data" / "autoj.jsonl").read_bytes().split(b"\n")[0]


@target("outputs", mutators.mutated_json)
def outputs(folder: Path) -> tuple[Run, list[bytes]]:
    from edge_judge.benchmarks.outputs import load_outputs
    from edge_judge.errors import DataError

    turns = [{"index": 0, "turns": ["Hello.", "Bye."]}]
    said = [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": {"answer": "Hello."}}]
    files = (
        [
            {"id": 1, "question": "Hi?", "system": "x", "output": "Hello."},
            {"question": "Hi?", "system": "y", "output": "No."},
        ],
        [
            {"instruction": "Hi?", "output": "Hello.", "generator": "x"},
            {"instruction": "Hi?", "output": "", "generator": "y"},
        ],
        [{"question_id": 1, "model_id": "x", "choices": turns}, {"question_id": 1, "model_id": "y", "choices": turns}],
        [{"question_id": 1, "turns": ["Hi?", "And?"]}],
        [{"uid": "u", "model": "x", "messages": said}, {"uid": "u", "prompt": "Hi?"}],
        [{"doc_id": 1, "doc": {"question": "Hi?"}, "arguments": [["Hi?", {}]], "resps": [["Hello."]]}],
    )
    other = folder / "other.json"
    other.write_bytes(dumped([{"question": "Hi?", "output": "Other."}]))

    names = ("x.json", "x.jsonl", "samples_task_2026-01-02T03-04-05.jsonl")

    def run(data: bytes) -> None:
        name = names[0 if data.lstrip()[:1] == b"[" else 1 + zlib.crc32(data) % 2]
        (folder / name).write_bytes(data)
        for paths in ([folder / name, other], [folder / name]):
            try:
                load_outputs(paths)
            except DataError as error:
                last = error
                continue
            return
        raise last

    return run, [*(dumped(file) for file in files), *(lines(*file) for file in files)]


@target("outputs-csv", mutators.mutated_csv, b'"' * 3_000_000, b"output," * 500_000)
def outputs_csv(folder: Path) -> tuple[Run, list[bytes]]:
    from edge_judge.benchmarks.outputs import load_outputs

    seeds = [
        b"id,question,system,output,reference\n1,Hi?,x,Hello.,Hello.\n1,Hi?,y,No.,\n2,Bye?,x,Bye.,\n2,Bye?,y,,\n",
        b"instruction,output,generator\nHi?,Hello.,x\nHi?,,y\n",
    ]

    def run(data: bytes) -> None:
        (folder / "x.csv").write_bytes(data)
        load_outputs([folder / "x.csv"])

    return run, seeds


@target("preferences", mutators.mutated_json)
def preferences(folder: Path) -> tuple[Run, list[bytes]]:
    from test_preferences import annotation

    from edge_judge.benchmarks.preferences import load_preferences

    votes = [
        {"system_a": "x", "system_b": "y", "question": n, "verdict": v, "order": "ba"} for n, v in enumerate(("a", ""))
    ]

    def run(data: bytes) -> None:
        (folder / "x.json").write_bytes(data)
        load_preferences([folder / "x.json"])

    return run, [dumped(votes), dumped([annotation("Do.", 1.5), annotation("Be.", None)])]


@target("preferences-csv", mutators.mutated_csv, b'"' * 3_000_000, b"question,system_a,system_b,verdict\n" * 30_000)
def preferences_csv(folder: Path) -> tuple[Run, list[bytes]]:
    from edge_judge.benchmarks.preferences import load_preferences

    votes = b"question,system_a,system_b,verdict,order\n1,x,y,a,ab\n1,x,y,tie,ba\n2,y,x,,\n"
    annotated = b"instruction,output_1,output_2,generator_1,generator_2,preference\nDo.,a,b,x,y,1.5\nBe.,c,d,x,y,\n"

    def run(data: bytes) -> None:
        (folder / "x.csv").write_bytes(data)
        load_preferences([folder / "x.csv"])

    return run, [votes, annotated]


@target("labels-csv", mutators.mutated_csv, b"id;verdict\n" * 30_000)
def labels(folder: Path) -> tuple[Run, list[bytes]]:
    from test_labels_file import PAIRS, filled

    from edge_judge.benchmarks.labels_file import read_labels
    from edge_judge.benchmarks.rows import File

    few = PAIRS[:4]
    seeds = [filled(few, ["A", "b", "tie", ""], delimiter).content for delimiter in (",", ";")]
    return lambda data: read_labels(File(folder / "labels.csv", data), few), seeds
