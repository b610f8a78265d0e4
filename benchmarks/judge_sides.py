"""Who judges in the comparison: each side answers a workload once, in a process of its own, and tells what it took.

    python benchmarks/judge_sides.py SIDE --work NAME --gguf FILE [--limit N]      one JSON object on stdout

The clock begins when the model is loaded (and the server answers) and the questions are texts in memory; it ends with
the last verdict. Loading is in nobody's time. Making prompts and tokens of the questions is in everybody's, as far as
each tool does it: our side fills its own templates, the others are given finished texts. Nothing is left over from an
earlier run, because every run is a new process.
Knows: how each tool is driven. Does not know: what is compared with what.
"""

from __future__ import annotations

import argparse
import http.client
import json
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import judge_build
import judge_work
from judge_table import FOUR, ONE, OURS, PYTHON
from judge_work import Work

from edge_judge.engine import LocalEngine, Model, memory, physical_cores, plan
from edge_judge.engine.plan import Query
from edge_judge.inference import Footprint
from edge_judge.judging.judge import JudgingJob, prepare
from edge_judge.protocols import grammar
from edge_judge.records import Batching

PATIENCE = 300  # seconds for a server to load its model on a busy machine


@dataclass(frozen=True, slots=True)
class Answered:
    """What one run took. evaluated: tokens that went through the model, where the tool tells; written: those of them
    that it wrote.

    least: the size of the prompts' prefix tree. beyond: bytes at the peak beyond the GGUF and the key-value cache.
    """

    seconds: float
    evaluated: int | None = None
    written: int | None = None
    least: int | None = None
    beyond: int | None = None


# ---- llama-cpp-python -------------------------------------------------------------------------------------


def by_python(work: Work, gguf: Path) -> Answered:
    """The high-level interface, as its documentation shows it."""
    import llama_cpp

    threads = physical_cores()
    _, longest = _prompts(work, gguf)
    model = llama_cpp.Llama(
        str(gguf), n_ctx=longest + work.room, n_threads=threads, n_threads_batch=threads, verbose=False
    )
    rules = llama_cpp.LlamaGrammar.from_string(work.gbnf, verbose=False)
    answers: list[Any] = []
    began = time.perf_counter()
    for content in work.contents:
        messages: Any = [{"role": "user", "content": content}]
        answers.append(
            model.create_chat_completion(messages=messages, grammar=rules, temperature=0.0, max_tokens=work.room)
        )
    seconds = time.perf_counter() - began
    _check(work, [answer["choices"][0]["message"]["content"] for answer in answers])
    return Answered(seconds, written=sum(answer["usage"]["completion_tokens"] for answer in answers))


def _prompts(work: Work, gguf: Path) -> tuple[list[str], int]:
    """The questions in the model's chat format, and how many tokens the longest has."""
    with Model(gguf, vocab_only=True) as model:
        texts = work.texts(model.metadata("tokenizer.chat_template") or "")
        return texts, max(len(model.tokens(text, control=True)) for text in texts)


def _check(work: Work, texts: list[str]) -> None:
    """What was answered at once must be verdicts, or the grammar was not in force."""
    asked = work.protocol.grammar
    wrong = [] if asked.kind.writes else [text for text in texts if grammar.verdict(asked, text) is None]
    if wrong:
        raise SystemExit(f"error: {len(wrong)} of {len(texts)} are no verdicts under {asked.name}, {wrong[0]!r} is one")


# ---- llama-server -----------------------------------------------------------------------------------------


def by_server(work: Work, gguf: Path, slots: int) -> Answered:
    """As many requests in flight as slots, over HTTP on this machine; every slot has room for the longest prompt.

    The plain completion endpoint is asked, with the prompt already in the chat format: the least work for the server.
    """
    texts, longest = _prompts(work, gguf)
    with _serving(gguf, slots, longest + work.room) as port, ThreadPoolExecutor(slots) as clients:
        client = _Client(port, work.gbnf, work.room)
        began = time.perf_counter()
        answers = list(clients.map(client.ask, texts))
        seconds = time.perf_counter() - began
    _check(work, [answer["content"] for answer in answers])
    written = sum(answer["timings"]["predicted_n"] for answer in answers)
    read = sum(answer["timings"]["prompt_n"] for answer in answers)
    return Answered(seconds, evaluated=read + written, written=written)


class _Client:
    """Keeps one connection open for each thread."""

    def __init__(self, port: int, gbnf: str, room: int) -> None:
        self._port, self._gbnf, self._room = port, gbnf, room
        self._own = threading.local()

    def ask(self, prompt: str) -> dict[str, Any]:
        if not hasattr(self._own, "connection"):
            self._own.connection = http.client.HTTPConnection("127.0.0.1", self._port)
            self._own.connection.connect()
            self._own.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wanted = {"prompt": prompt, "grammar": self._gbnf, "n_predict": self._room, "temperature": 0}
        body = json.dumps(wanted | {"cache_prompt": True})
        self._own.connection.request("POST", "/completion", body, {"Content-Type": "application/json"})
        with self._own.connection.getresponse() as response:
            answer = json.load(response)
        if response.status != 200:
            raise SystemExit(f"error: llama-server answered {response.status}: {answer}")
        return dict(answer)


@contextmanager
def _serving(gguf: Path, slots: int, room: int) -> Iterator[int]:
    """A server with its own defaults but for slots, threads and context; yields its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    threads = str(physical_cores())
    room = -(-room // 256) * 256  # llama.cpp rounds a slot's share up to so many
    command = [str(judge_build.programs().server), "--model", str(gguf), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--parallel", str(slots), "--ctx-size", str(slots * room), "--no-webui"]
    command += ["--threads", threads, "--threads-batch", threads]
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _await(server, port, lambda: _tail(log))
            yield port
        finally:
            server.terminate()
            server.wait()


def _tail(log: Any) -> str:
    log.seek(0)
    return str(log.read()[-1500:].decode(errors="replace"))


def _await(server: subprocess.Popen[bytes], port: int, said: Callable[[], str]) -> None:
    """Until the model is loaded."""
    end = time.monotonic() + PATIENCE
    while server.poll() is None and time.monotonic() < end:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.1)
    raise SystemExit(f"error: llama-server did not come up\n{said()}")


# ---- edge-judge -------------------------------------------------------------------------------------------


class _Watched:
    """What the engine tells while it works."""

    def __init__(self) -> None:
        self.evaluated = 0
        self.takes: Footprint | None = None

    def started(self, footprint: Footprint, _: Batching) -> None:
        self.takes = footprint

    def done(self, tokens: int) -> None:
        self.evaluated += tokens


def by_us(work: Work, gguf: Path) -> Answered:
    """As `eval` does it. The context is made within the time, unlike the others' which comes with the model."""
    watched = _Watched()
    memory.forget_peak()
    with closing(LocalEngine(gguf)) as engine:
        engine.model.process  # noqa: B018  # loads it: that is in nobody's time
        began = time.perf_counter()
        job = prepare(engine, work.protocol, work.questions)
        todo = job.work()
        for _ in todo.answers(watched.started, watched.done):
            pass
        seconds = time.perf_counter() - began
        peak = memory.peak()
        least = tree(job)
    cache = watched.takes.cache if watched.takes else 0
    beyond = peak - gguf.stat().st_size - cache
    return Answered(seconds, watched.evaluated, watched.evaluated - todo.tokens, least, beyond)


def tree(job: JudgingJob) -> int:
    """Tokens of the whole workload as one prefix tree: the least that can be evaluated."""
    queries = [Query(tokens, (len(tokens) - 1,)) for part in job.work().plans for tokens in part.sequences]
    return plan.blocks(queries, 0)[0].tokens


SIDES: dict[str, Callable[[Work, Path], Answered]] = {
    PYTHON: by_python,
    ONE: lambda work, gguf: by_server(work, gguf, 1),
    FOUR: lambda work, gguf: by_server(work, gguf, 4),
    OURS: by_us,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("side", choices=SIDES)
    parser.add_argument("--work", choices=judge_work.WORKS, required=True)
    parser.add_argument("--gguf", type=Path, required=True)
    parser.add_argument("--limit", type=int)
    given = parser.parse_args()
    answered = SIDES[given.side](judge_work.load(given.work, given.limit), given.gguf)
    print(json.dumps(asdict(answered)))


if __name__ == "__main__":
    main()
