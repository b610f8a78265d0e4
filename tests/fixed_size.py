"""edge-judge in a process that says it takes 56 MB before its work, whatever it does take on this machine.

    python tests/fixed_size.py eval --max-memory 90MB

The size of a process hangs on the libraries, the number of cores and the system's pages; what is planned beside it
does not. The true sizes are held to what is told by `make bench-memory`.
"""

from __future__ import annotations

from edge_judge.cli import main
from edge_judge.engine import Model, memory

SIZE = 56_000_000

if __name__ == "__main__":
    memory.now = lambda: SIZE
    Model.process = property(lambda _: SIZE)  # type: ignore[assignment,method-assign]
    main()
