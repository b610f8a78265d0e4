"""The records that all wings share. Frozen, standard library only.

    pairs.py     pairs of answers, benchmarks, verdicts
    outputs.py   what several systems answered
    judges.py    a judge, and what its work may take
    runs.py      a run and its figures
    machine.py   this machine, and what was found there
    progress.py  how far work is

Does not know: files, models, statistics.
"""

from edge_judge.records.judges import (
    CACHE_HOMES,
    CACHES,
    SPLITS,
    Adapter,
    Batching,
    Cache,
    CacheHome,
    Judge,
    Limits,
    Placement,
    Split,
    file_bytes,
    split_files,
)
from edge_judge.records.machine import Activity, Backend, DeviceMemory, Diagnosis, Finding, Machine, State
from edge_judge.records.outputs import Outputs, Task
from edge_judge.records.pairs import (
    LABELS,
    MIRROR,
    ORDERS,
    Benchmark,
    Label,
    Order,
    Pair,
    TrainingPair,
    Verdict,
    to_pair_order,
)
from edge_judge.records.progress import (
    BuildProgress,
    Offloaded,
    Progress,
    ProgressListener,
    TrainingProgress,
    WorkEstimate,
)
from edge_judge.records.runs import DIGITS, CurvePoint, Figure, Identity, Measured, Noise, Run, Score

__all__ = [
    "Activity",
    "Adapter",
    "Backend",
    "Batching",
    "Benchmark",
    "BuildProgress",
    "CACHES",
    "CACHE_HOMES",
    "Cache",
    "CacheHome",
    "CurvePoint",
    "DIGITS",
    "DeviceMemory",
    "Diagnosis",
    "Figure",
    "Finding",
    "Identity",
    "Judge",
    "LABELS",
    "Label",
    "Limits",
    "MIRROR",
    "Machine",
    "Measured",
    "Noise",
    "ORDERS",
    "Offloaded",
    "Order",
    "Outputs",
    "Pair",
    "Placement",
    "Progress",
    "ProgressListener",
    "Run",
    "SPLITS",
    "Score",
    "Split",
    "State",
    "Task",
    "TrainingPair",
    "TrainingProgress",
    "Verdict",
    "WorkEstimate",
    "file_bytes",
    "split_files",
    "to_pair_order",
]
