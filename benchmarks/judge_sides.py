"""Who judges in the comparison: each side answers a workload once, in its own process, and reports its measurements.

    python benchmarks/judge_sides.py SIDE --work NAME --gguf FILE [--limit N]      one JSON object on stdout

The clock starts when the model is loaded (and the server answers) and the questions are texts in memory; it stops with
the last verdict. No side's time includes loading. Every side's includes making prompts and tokens, as far as the tool
does it: our side fills its own templates, the others get finished texts. Every run is a new process, so no cache
survives from an earlier one.
Knows: how each tool is driven. Does not know: what is compared with what.
"""

from __future__ import annotations

import argparse
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import judge_build
import judge_work
from judge_table import FOUR, ONE, OURS, PYTHON
from judge_work import Work
from serving import serving

from edge_judge.engine import LocalEngine, Model, memory, physical_cores, plan
from edge_judge.engine.plan import Query
from edge_judge.inference import Footprint
from edge_judge.judging.judge import JudgingJob, prepare
from edge_judge.protocols import grammar
from edge_judge.records import Batching


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run. evaluated: tokens that went through the model, where the tool reports it; written: those of them that
    it wrote.

    least: tokens of the prompts' prefix tree. beyond: peak memory beyond the GGUF and the key-value cache, in bytes.
    digest: of all probabilities, to the last bit. threads: found to be the fastest for reading.
    """

    seconds: float
    evaluated: int | None = None
    written: int | None = None
    least: int | None = None
    beyond: int | None = None
    digest: str | None = None
    threads: int | None = None


# ---- llama-cpp-python -------------------------------------------------------------------------------------


def run_python(work: Work, gguf: Path) -> Measurement:
    """The high-level interface, as its documentation shows it."""
    import llama_cpp

    threads = physical_cores()
    _, longest = _prompts(work, gguf)
    model = llama_cpp.Llama(
        str(gguf), n_ctx=longest + work.room, n_threads=threads, n_threads_batch=threads, verbose=False
    )
    rules = llama_cpp.LlamaGrammar.from_string(work.gbnf, verbose=False)
    answers: list[Any] = []
    start = time.perf_counter()
    for content in work.contents:
        messages: Any = [{"role": "user", "content": content}]
        answers.append(
            model.create_chat_completion(messages=messages, grammar=rules, temperature=0.0, max_tokens=work.room)
        )
    seconds = time.perf_counter() - start
    _check(work, [answer["choices"][0]["message"]["content"] for answer in answers])
    return Measurement(seconds, written=sum(answer["usage"]["completion_tokens"] for answer in answers))


def _prompts(work: Work, gguf: Path) -> tuple[list[str], int]:
    """The questions in the model's chat format, and the number of tokens of the longest."""
    with Model(gguf, vocab_only=True) as model:
        texts = work.texts(model.metadata("tokenizer.chat_template") or "")
        return texts, max(len(model.tokens(text, control=True)) for text in texts)


def _check(work: Work, texts: list[str]) -> None:
    """Exit where an answer without reasons is no verdict: then the grammar was not in force."""
    rules = work.protocol.grammar
    wrong = [] if rules.kind.writes else [text for text in texts if grammar.verdict(rules, text) is None]
    if wrong:
        raise SystemExit(f"error: {len(wrong)} of {len(texts)} answers are no {rules.name} verdicts, as {wrong[0]!r}")


# ---- llama-server -----------------------------------------------------------------------------------------


def run_server(work: Work, gguf: Path, slots: int) -> Measurement:
    """As many requests in flight as slots, over local HTTP; every slot has room for the longest prompt.

    Uses the plain completion endpoint, with prompts already in the chat format: the least work for the server.
    """
    texts, longest = _prompts(work, gguf)
    with _serving(gguf, slots, longest + work.room) as port, ThreadPoolExecutor(slots) as clients:
        client = _Client(port, work.gbnf, work.room)
        start = time.perf_counter()
        answers = list(clients.map(client.ask, texts))
        seconds = time.perf_counter() - start
    _check(work, [answer["content"] for answer in answers])
    written = sum(answer["timings"]["predicted_n"] for answer in answers)
    read = sum(answer["timings"]["prompt_n"] for answer in answers)
    return Measurement(seconds, evaluated=read + written, written=written)


class _Client:
    """An HTTP client with one open connection per thread."""

    def __init__(self, port: int, gbnf: str, room: int) -> None:
        self._port, self._gbnf, self._room = port, gbnf, room
        self._local = threading.local()

    def ask(self, prompt: str) -> dict[str, Any]:
        if not hasattr(self._local, "connection"):
            self._local.connection = http.client.HTTPConnection("127.0.0.1", self._port)
            self._local.connection.connect()
            self._local.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        request = {"prompt": prompt, "grammar": self._gbnf, "n_predict": self._room, "temperature": 0}
        body = json.dumps(request | {"cache_prompt": True})
        self._local.connection.request("POST", "/completion", body, {"Content-Type": "application/json"})
        with self._local.connection.getresponse() as response:
            answer = json.load(response)
        if response.status != 200:
            raise SystemExit(f"error: llama-server answered {response.status}: {answer}")
        return dict(answer)


@contextmanager
def _serving(gguf: Path, slots: int, room: int) -> Iterator[int]:
    """A server with its own defaults except for slots, threads and context. Yields its port."""
    threads, program = str(physical_cores()), str(judge_build.program("llama-server"))
    room = -(-room // 256) * 256  # llama.cpp rounds a slot's share up to a multiple of 256
    options = ["--parallel", str(slots), "--ctx-size", str(slots * room), "--no-webui"]
    options += ["--threads", threads, "--threads-batch", threads]
    at = ["--model", str(gguf), "--host", "127.0.0.1", "--port"]
    try:
        with serving(lambda port: [program, *at, str(port), *options], "/health") as port:
            yield port
    except RuntimeError as error:
        raise SystemExit(f"error: {error}") from error


# ---- edge-judge -------------------------------------------------------------------------------------------


class _Listener:
    """Records what the engine reports: its memory, and the number of evaluated tokens."""

    def __init__(self) -> None:
        self.evaluated = 0
        self.footprint: Footprint | None = None

    def started(self, footprint: Footprint, _: Batching) -> None:
        self.footprint = footprint

    def done(self, tokens: int) -> None:
        self.evaluated += tokens


def run_edge_judge(work: Work, gguf: Path, threads: int | None = None) -> Measurement:
    """As `eval` does it. Our time includes creating the context; the others create theirs when they load the model."""
    listener = _Listener()
    memory.forget_peak()
    with closing(LocalEngine(gguf, threads=threads)) as engine:
        engine.model.process  # noqa: B018  # loads the model before the clock starts
        start = time.perf_counter()
        job = prepare(engine, work.protocol, work.questions)
        todo = job.work()
        answers = dict(todo.answers(listener.started, listener.done))
        seconds = time.perf_counter() - start
        digest = sha256("\n".join(f"{index} {answers[index]!r}" for index in sorted(answers)).encode()).hexdigest()
        found = engine.model.threads.reading
        peak = memory.peak()
        least = tree_tokens(job)
    cache = listener.footprint.cache if listener.footprint else 0
    beyond = peak - gguf.stat().st_size - cache
    return Measurement(seconds, listener.evaluated, listener.evaluated - todo.tokens, least, beyond, digest, found)


def tree_tokens(job: JudgingJob) -> int:
    """Tokens of the whole workload as one prefix tree: the fewest that must be evaluated."""
    queries = [Query(tokens) for part in job.work().plans for tokens in part.sequences]
    return plan.blocks(queries, 0)[0].tokens


SIDES: dict[str, Callable[[Work, Path], Measurement]] = {
    PYTHON: run_python,
    ONE: lambda work, gguf: run_server(work, gguf, 1),
    FOUR: lambda work, gguf: run_server(work, gguf, 4),
    OURS: run_edge_judge,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("side", choices=SIDES)
    parser.add_argument("--work", choices=judge_work.WORKS, required=True)
    parser.add_argument("--gguf", type=Path, required=True)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--threads", type=int, help=f"of {OURS}")
    options = parser.parse_args()
    work = judge_work.load(options.work, options.limit)
    if options.side == OURS:
        measurement = run_edge_judge(work, options.gguf, options.threads)
    else:
        measurement = SIDES[options.side](work, options.gguf)
    print(json.dumps(asdict(measurement)))


if __name__ == "__main__":
    main()
