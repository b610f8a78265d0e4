"""Judging on several machines: an engine whose work is done by workers.

    blocks.py     the work as small blocks: what a worker is given, and what it returns
    proof.py      what a worker shows before it is given work
    dispatch.py   which worker gets which blocks, and when one is given to another too
    bench.py      a worker's side: its model, the proof, the work
    pool.py       workers by Dask distributed, the only file that imports it
    crew.py       a coordinator's workers: who is there, and who has proved itself
    engine.py     the engine itself

Knows nothing about pairs, verdicts, or files of results.
"""
