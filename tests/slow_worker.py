"""A worker for tests: `edge-judge worker`, but each block takes SECONDS more, or it is not what it says it is.

python tests/slow_worker.py SECONDS FAULT ADDRESS [OPTIONS]; FAULT: none, hash, version, weights, answers.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import Any

from edge_judge.cli import main
from edge_judge.engine.cluster import bench
from edge_judge.engine.cluster.blocks import Done
from edge_judge.engine.cluster.proof import Proof


class SlowBench(bench.Bench):
    """seconds, fault: see above."""

    seconds, fault = 0.0, "none"

    def _proof(self, wanted: Any) -> Proof:
        proof = super()._proof(wanted)
        if self.fault == "hash":
            return replace(proof, sha256="0" * 64)
        if self.fault == "version":
            return replace(proof, versions={**proof.versions, "llama_cpp": "0.0.1"})
        if self.fault == "weights":
            return replace(proof, canary=tuple(1 - p for p in proof.canary))
        return proof

    def _evaluated(self, *given: Any) -> Done:
        done = super()._evaluated(*given)
        time.sleep(self.seconds)
        if self.fault == "answers":
            index, answer = done.answers[0]
            bad = replace(answer, p=dict.fromkeys(answer.p, 0.9))
            done = replace(done, answers=((index, bad), *done.answers[1:]))
        return replace(done, seconds=done.seconds + self.seconds)


if __name__ == "__main__":
    SlowBench.seconds, SlowBench.fault = float(sys.argv[1]), sys.argv[2]
    bench.Bench = SlowBench  # type: ignore[misc]
    import edge_judge.workflows.cluster as workflow

    workflow.Bench = SlowBench  # type: ignore[misc]
    main(["worker", *sys.argv[3:]])
