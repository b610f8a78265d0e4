"""Opening a file for the first time, in a process of its own: llama.cpp ends the process at some files.

The child loads the weights, evaluates two tokens and forgets one again, which is what judging needs of every model.
Whatever llama.cpp complains of first is what the file's trouble is.
Knows: the child's exit and what it wrote. Does not know: what a GGUF holds, which files need no probe.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from edge_judge.errors import ModelError

MARK = "probe: "  # begins a line of the child's that is a complaint
_ABORTED = re.compile(r"(?P<file>[\w.+-]+:\d+): (?:GGML_ASSERT\((?P<check>.*)\) failed|(?P<words>.*))$")
_THROWN = re.compile(r"\s*what\(\): +(?P<words>.*)")
_CELLS = 256
_HINT = "a newer llama.cpp may know it: pip install -U llama-cpp-python; or take another conversion of the model"


def probe(gguf: Path) -> None:
    """Raise ModelError, with llama.cpp's first complaint, where it cannot load a file and evaluate tokens with it."""
    command = [sys.executable, "-m", "edge_judge.engine.probe", os.fspath(gguf)]
    environment = {**os.environ, "GGML_NO_BACKTRACE": "1"}
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    if done.returncode != 0:
        written = done.stderr.decode(errors="replace")
        raise ModelError(f"{gguf}: llama.cpp cannot run it: {complaint(written, done.returncode)}", _HINT)


def complaint(written: str, code: int) -> str:
    """The first thing that llama.cpp complained of. written: the child's stderr; code: its exit code, which a signal
    makes negative.
    """
    for line in written.splitlines():
        if line.startswith(MARK):
            return line.removeprefix(MARK).strip()
        if thrown := _THROWN.match(line):
            return thrown["words"].strip()
        if aborted := _ABORTED.search(line):
            check = aborted["check"]
            return f"its own check `{check}` failed ({aborted['file']})" if check else aborted["words"].strip()
    return f"its process ended with {f'signal {-code}' if code < 0 else f'code {code}'} and said nothing"


def _child(path: Path) -> None:
    from edge_judge.engine import llama, llama_log
    from edge_judge.engine.llama import ContextSize

    llama_log.echo(lambda line: print(MARK + line, file=sys.stderr, flush=True))
    llama.start()
    model = llama.LoadedModel(path, vocab_only=False, mapped=True, repacked=False)
    context = llama.Context(model, ContextSize(_CELLS, 2, 2, 1, 1), "f16")
    token = max(model.bos, 0)
    context.decode([(token, 0, (0,)), (token, 1, (0,))], {1}, 1)
    if not bool(abs(context.logits(1)).max() < float("inf")):
        raise ModelError("the probabilities of the next token are not numbers: the weights are damaged")
    if not context.remove(0, 1):
        raise ModelError("it is a recurrent model, which cannot forget single tokens; judging shares prompts that way")


if __name__ == "__main__":
    try:
        _child(Path(sys.argv[1]))
    except ModelError as error:
        sys.exit(MARK + str(error))
    os._exit(0)  # all is known: freeing takes time, and may end the process
