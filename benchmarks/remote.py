"""How fast verdicts come from an endpoint, beside plain clients: so many blocking requests at a time, as xargs -P does.

    python benchmarks/remote.py                a few minutes; builds llama-server first where it is not built
    python benchmarks/remote.py --rounds 5

Two endpoints. llama-server judges with the embedded judge on one core, so that what a client takes of the other is
seen. A server that only waits stands for one far away: each answer takes LATENCY, and PLACES are answered at a time.
The plain clients send the very requests that edge-judge sends, and repeat nothing. Rounds are interleaved; figures are
medians.

Knows: both clients. Does not know: whether verdicts are right (tests/test_llama_server.py does).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]
import judge_build  # noqa: E402
from serving import serving  # noqa: E402

from edge_judge import benchmarks  # noqa: E402
from edge_judge.analysis.subset import subset  # noqa: E402
from edge_judge.engine.completions import grammar_of  # noqa: E402
from edge_judge.engine.endpoint import Address, Endpoint  # noqa: E402
from edge_judge.engine.remote import RemoteEngine  # noqa: E402
from edge_judge.judging.judge import prepare  # noqa: E402
from edge_judge.protocols import grammar  # noqa: E402
from edge_judge.protocols.protocol import Protocol, Question  # noqa: E402
from edge_judge.workflows import build  # noqa: E402
from edge_judge.workflows.options import QuantizeSettings  # noqa: E402

LATENCY, PLACES = 0.2, 32  # seconds; answers at a time
PLAIN = (1, 4, 16, 32, 64)  # requests at a time
PROTOCOL = Protocol(grammar.load("pairwise"))
Side = Callable[[str, list[Question]], None]


def edge_judge(url: str, questions: list[Question]) -> None:
    engine = RemoteEngine(Endpoint(Address.of(url)))
    work = prepare(engine, PROTOCOL, questions).work()
    answers = list(work.answers(lambda *_: None, lambda _: None))
    if len(answers) != len(questions):
        raise SystemExit(f"error: {len(answers)} answers to {len(questions)} questions")


def plain(clients: int) -> Side:
    """A client of so many blocking requests, each with a connection of its own, like curl."""

    def run(url: str, questions: list[Question]) -> None:
        engine = RemoteEngine(Endpoint(Address.of(url)))
        prompts = prepare(engine, PROTOCOL, questions).prompts
        fields = engine.server.ask_likeliest()
        if engine.server.constraint == "grammar":
            fields |= {"grammar": grammar_of(list(PROTOCOL.request.continuations))}  # type: ignore[union-attr]

        def ask(text: str) -> None:
            body = json.dumps(engine.server.ask(text, 6) | fields).encode()
            request = urllib.request.Request(f"{url}/chat/completions", body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request) as answer:
                json.load(answer)

        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(ask, (prompt.encoded.text for prompt in prompts)))

    return run


SIDES: dict[str, Side] = {"edge-judge": edge_judge, **{f"plain, {count} at a time": plain(count) for count in PLAIN}}


# ---- endpoints --------------------------------------------------------------------------------------------


@contextmanager
def llama_server() -> Iterator[str]:
    program = str(judge_build.program("llama-server"))
    with tempfile.TemporaryDirectory() as folder:
        gguf = build.quantize("pocket", "q8_0", QuantizeSettings(out=Path(folder) / "pocket.gguf")).path
        options = ["--no-webui", "--parallel", "4", "--ctx-size", "16384", "--threads", "1", "--threads-batch", "1"]
        with serving(lambda port: [program, "--model", str(gguf), "--port", str(port), *options], "/health") as port:
            yield f"http://127.0.0.1:{port}/v1"


@contextmanager
def waiting_server() -> Iterator[str]:
    with serving(lambda port: [sys.executable, __file__, "--serve", str(port)], "/v1/models") as port:
        yield f"http://127.0.0.1:{port}/v1"


def serve(port: int) -> None:
    """The server that waits: it has one answer, and says that it is vLLM."""
    models = {"data": [{"id": "waiting", "owned_by": "vllm", "max_model_len": 100_000}]}
    places = []
    for token, others in (("[[", ()), ("A", ("B", "C")), ("]]", ())):
        likeliest = [{"token": one, "logprob": -1.5} for one in (token, *others)]
        places.append({"token": token, "logprob": -1.5, "top_logprobs": likeliest})
    choice = {"message": {"content": "[[A]]"}, "logprobs": {"content": places}}
    listed, answer = json.dumps(models).encode(), json.dumps({"choices": [choice]}).encode()

    async def run() -> None:
        free = asyncio.Semaphore(PLACES)

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while True:
                    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                    length = next(
                        (int(line[15:]) for line in head.splitlines() if line.startswith("content-length:")), 0
                    )
                    await reader.readexactly(length)
                    content = listed
                    if head.startswith("post"):
                        async with free:
                            await asyncio.sleep(LATENCY)
                        content = answer
                    kind = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                    writer.write(kind + f"Content-Length: {len(content)}\r\n\r\n".encode() + content)
                    await writer.drain()
            except (asyncio.IncompleteReadError, ConnectionError):
                writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", port, backlog=256)
        await server.serve_forever()

    asyncio.run(run())


# ---- rounds -----------------------------------------------------------------------------------------------


def measured(url: str, questions: list[Question], rounds: int, sides: dict[str, Side]) -> dict[str, list[float]]:
    """Verdicts a second of each side, a round after another."""
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            start = time.perf_counter()
            side(url, questions)
            rates[name].append(len(questions) / (time.perf_counter() - start))
    return rates


def show(title: str, rates: dict[str, list[float]]) -> dict[str, Any]:
    ours = rates["edge-judge"]
    print(f"\n{title}\n{'':24}{'verdicts/s':>11}{'least':>8}{'most':>8}{'edge-judge ×':>14}")
    for name, values in rates.items():
        ratio = statistics.median(one / other for one, other in zip(ours, values, strict=True))
        figures = f"{statistics.median(values):11.1f}{min(values):8.1f}{max(values):8.1f}"
        print(f"{name:24}{figures}{'' if name == 'edge-judge' else f'{ratio:14.2f}'}", flush=True)
    return {"title": title, "rates": rates}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", type=int, metavar="PORT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(options.serve)
    pairs = benchmarks.load("pocket")
    few, many = (
        [Question(pair, order) for pair in subset(pairs, size).pairs for order in PROTOCOL.orders]
        for size in (100, 600)
    )
    with llama_server() as url:
        sides = {name: side for name, side in SIDES.items() if not name.startswith(("plain, 32", "plain, 64"))}
        show(
            f"llama-server, the embedded judge, 4 slots, one core: {len(few)} verdicts",
            measured(url, few, options.rounds, sides),
        )
    with waiting_server() as url:
        sides = {name: side for name, side in SIDES.items() if not name.startswith(("plain, 1 at", "plain, 4 "))}
        title = f"a server that takes {LATENCY:g} s for each answer, {PLACES} at a time: {len(many)} verdicts"
        show(title, measured(url, many, options.rounds, sides))


if __name__ == "__main__":
    main()
