"""Where the process begins, as `edge-judge` and as `python -m edge_judge`.

Knows: what ends a command before its own code is there to end it. Does not know: commands.
"""

from __future__ import annotations

import sys

INTERRUPTED = 130  # what a shell reports for a command that Ctrl-C ended


def run() -> None:
    """The command line. An interrupt while its code is still being imported ends as one in a command does."""
    try:
        from edge_judge.cli import main

        main()
    except KeyboardInterrupt:
        if sys.stderr is not None:  # closed by the caller
            print("error: interrupted", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None


if __name__ == "__main__":
    run()
