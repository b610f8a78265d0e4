"""The commands that `make kills` kills: what they are given, how they begin and go on, and what no kill may cost."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from checkpoints import llama_config, make_checkpoint, qwen2_config
from gguf_elsewhere import copied
from hubserver import Handler, Shelf
from published import DATA
from systems import answered, write_outputs
from training_data import pair_rows, tiny_checkpoint, write_lines

ROOT = Path(__file__).parent.parent
F16 = ROOT / "results" / "0.1.0" / "pocket" / "pocket" / "f16" / "pairwise"
RUN = Path("results", "pocket", "pocket", "f16", "pairwise")
RANKING = Path("results", "rank", "outputs", "pocket", "f16", "pairwise")
PAIRS = "6"  # of a run on a benchmark
REPO, COMMIT = "some/tiny", "c0ffee" + "0" * 34
AUTOJ = (DATA / "autoj.jsonl").read_bytes()
QUICK = ("--rank", "4", "--epochs", "1", "--checks", "2", "--validation", "0.2", "--device", "cpu", "--threads", "1")
PROTOCOLS = ("pairwise", "pairwise-cot", "pairwise-json", "pointwise", "reference", "rubric", "none")
TRAINED_IN = {
    "autoj": "Query: {prompt}\nResponse 1: {response}\nResponse 2: {response_another}\nWhich is better?",
    "pandalm": "{question_body}\n### Response 1:\n{answer1_body}\n### Response 2:\n{answer2_body}\n### Evaluation:\n",
}


def nothing(*_: object) -> None:
    return None


def nothing_lost() -> Iterator[str]:
    yield from ()


@dataclass(frozen=True)
class Job:
    """A command. given: makes what is there at first, in an empty folder; then: how it goes on; lost: yields, in the
    folder, what was complete and is not there after a kill; codes: of a right end; needs: modules that are loaded
    before; replaces: whether each start begins anew, as an import does from its pack.
    """

    name: str
    first: tuple[str, ...]
    given: Callable[[Path], object] = nothing
    then: tuple[str, ...] | None = None
    lost: Callable[[], Iterator[str]] = nothing_lost
    codes: tuple[int, ...] = (0,)
    needs: tuple[str, ...] = ()

    @property
    def replaces(self) -> bool:
        return "--fresh" in self.first or self.first[:2] == ("pack", "import")

    def prepare(self, folder: Path) -> None:
        folder.mkdir()
        self.given(folder)

    def again(self, folder: Path) -> tuple[str, ...]:
        """How it goes on: without --fresh as soon as there is something to go on with."""
        begun = any(path.parent.name == ".new" for name in ("run.json", "training.json") for path in folder.rglob(name))
        return self.then if self.then is not None and begun else self.first


# ---- what is there at first ---------------------------------------------------------------------------------------


def judged(command: tuple[str, ...], folder: Path) -> None:
    """What a command leaves in the folder."""
    from kills import finished, start

    if finished(start(command, folder)):
        raise RuntimeError(folder.with_suffix(".log").read_text(encoding="utf-8"))
    shutil.rmtree(folder / "tmp")


def with_prompt(text: str, folder: Path) -> None:
    """The embedded judge as one that came with a prompt of its own."""
    embedded = Path(os.environ["EDGE_JUDGE_MODELS"], "pocket", "pocket-f16.gguf")
    copied(embedded, folder / "judge.gguf", {"edge_judge.prompt": text})


def small(folder: Path) -> None:
    config = qwen2_config(hidden_size=256, intermediate_size=512, num_hidden_layers=4)
    make_checkpoint(folder / "tiny", config, shards=2)


def small_and_old(folder: Path) -> None:
    small(folder)
    (folder / "tiny.gguf").write_bytes(b"the old file")


def systems(folder: Path) -> None:
    write_outputs(folder / "outputs", answered(6))


def ranked(folder: Path) -> None:
    systems(folder)
    judged(RANK, folder)


def packed(folder: Path) -> None:
    judged(("pack", "export", str(F16), "--output", "run.ejpack"), folder)


def imported(folder: Path) -> None:
    """A pack, and another run where its own will lie."""
    packed(folder)
    judged((*EVAL, "--limit", "3"), folder)


def recorded(folder: Path) -> None:
    shutil.copytree(F16.parent.parent, folder / "recorded" / "pocket" / "pocket")
    (folder / "page.html").write_text("the old page", encoding="utf-8")


def labelled(folder: Path) -> None:
    tiny_checkpoint(folder / "tiny")
    write_lines(folder / "pairs.jsonl", pair_rows(40))


def trained(folder: Path) -> None:
    labelled(folder)
    judged((*TRAIN, "--seed", "7"), folder)


# ---- what no kill may cost ----------------------------------------------------------------------------------------


def run_lost() -> Iterator[str]:
    from edge_judge.errors import EdgeJudgeError
    from edge_judge.runs import folder as run_folder

    try:
        run_folder.read_run(RUN)
    except EdgeJudgeError as error:
        yield f"no complete run: {error}"
    if RUN not in run_folder.find_runs(Path("results")):
        yield "the complete run is not found"


def ranking_lost() -> Iterator[str]:
    from edge_judge.errors import EdgeJudgeError
    from edge_judge.runs.rankings import read_ranking

    try:
        read_ranking(RANKING)
    except EdgeJudgeError as error:
        yield f"no complete ranking: {error}"


def training_lost() -> Iterator[str]:
    """In the moment of the change the old adapter is gone and the new one is complete in `.new`."""
    last = "adapter_config.json"
    if not Path("tuned", last).exists() and not Path("tuned", ".new", last).exists():
        yield "no complete adapter"


EVAL = ("eval", "--limit", PAIRS, "--threads", "1")
RANK = ("rank", "outputs/ninety.jsonl", "outputs/sixty.jsonl", "--threads", "1")
IMPORT = ("pack", "import", "run.ejpack")
TRAIN = ("train", "tiny", "--data", "pairs.jsonl", "--grammar", "pairwise", "--out", "tuned", *QUICK)
LEARNING = ("torch", "peft")
SCHEMES = ("--scheme", "q8_0", "--scheme", "q2_k")
EVAL_ANEW = (*EVAL, "--order", "given")


def evaluated(folder: Path) -> None:
    judged(EVAL, folder)


JOBS = (
    *(Job(f"eval {name}", (*EVAL, "--grammar", name)) for name in PROTOCOLS),
    *(
        Job(f"eval {name}", (*EVAL, "--gguf", "judge.gguf", "--grammar", name), partial(with_prompt, text))
        for name, text in TRAINED_IN.items()
    ),
    Job("eval --fresh", (*EVAL_ANEW, "--fresh"), evaluated, EVAL_ANEW, run_lost),
    Job("quantize folder", ("quantize", "tiny", "q4_0", "--out", "tiny.gguf"), small),
    Job("quantize over a file", ("quantize", "tiny", "q8_0", "--out", "tiny.gguf"), small_and_old),
    Job("quantize hub", ("quantize", REPO, "q4_0", "--out", "hub.gguf")),
    Job("choose", ("choose", *SCHEMES, "--max-pairs", "15", "--threads", "1"), codes=(0, 4)),
    Job("rank", RANK, systems),
    Job("rank --fresh", (*RANK, "--order", "given", "--fresh"), ranked, (*RANK, "--order", "given"), ranking_lost),
    Job("pack import", IMPORT, packed, codes=(0,)),
    Job("pack import --fresh", (*IMPORT, "--fresh"), imported, None, run_lost),
    Job("report", ("report", "--results", "recorded", "-o", "page.html"), recorded),
    Job("data pull", ("data", "pull", "auto-j", "--data", "data")),
    Job("imatrix", ("imatrix", "pocket", "--limit", "6", "--out", "pocket.imatrix.gguf", "--threads", "1")),
    Job("train", TRAIN, labelled, needs=LEARNING),
    Job("train --fresh", (*TRAIN, "--fresh"), trained, TRAIN, training_lost, needs=LEARNING),
)


# ---- where they run -----------------------------------------------------------------------------------------------


class Host(BaseHTTPRequestHandler):
    """Serves a benchmark's file, whatever it is asked for."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(AUTOJ)))
        self.end_headers()
        self.wfile.write(AUTOJ)

    def log_message(self, *_: object) -> None:
        """Quiet."""


class Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Quiet: a client that is killed closes its connection."""


@contextmanager
def served(server: Server) -> Iterator[str]:
    """The address of a server in a process of its own: the one that forks has no threads."""
    child = os.fork()
    if not child:
        server.serve_forever()
    server.socket.close()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


@contextmanager
def environment(folder: Path) -> Iterator[None]:
    """Servers for the Hub and for GitHub, and variables that name them. Before the libraries are loaded."""
    checkpoint = make_checkpoint(folder / "hub", llama_config(hidden_size=128, num_hidden_layers=4), shards=3)
    handler = type("OfHub", (Handler,), {"shelf": Shelf({(REPO, COMMIT): checkpoint})})
    address = ("127.0.0.1", 0)
    with served(Server(address, handler)) as hub, served(Server(address, Host)) as host:
        for name in [name for name in os.environ if name.startswith("EDGE_JUDGE_")]:
            del os.environ[name]
        os.environ |= {"HF_ENDPOINT": hub, "HF_HOME": str(folder / "cache"), "EDGE_JUDGE_GITHUB": host}
        os.environ |= {"EDGE_JUDGE_MODELS": str(folder / "models"), "EDGE_JUDGE_DATA": str(folder / "data")}
        os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "HF_HUB_DISABLE_XET": "1"}
        yield


def prepare(folder: Path, modules: Sequence[str]) -> None:
    """Load the libraries, build the judges, and pin the benchmark's file to what the server has."""
    import hashlib
    from importlib import import_module

    import huggingface_hub  # noqa: F401
    import llama_cpp  # noqa: F401
    import pandas  # noqa: F401

    from edge_judge import benchmarks
    from edge_judge.cli import main  # noqa: F401
    from edge_judge.workflows import imatrix

    for name in modules:
        with suppress(ImportError):  # the command says it
            import_module(name)
    imatrix.SAVED = 0.05
    source = replace(benchmarks.find("auto-j"), sha256=hashlib.sha256(AUTOJ).hexdigest(), rows=3)
    benchmarks.REGISTRY["auto-j"] = source  # type: ignore[index]
    (folder / "first").mkdir()
    for scheme in ("f16", "q8_0", "q2_k"):
        judged(("eval", "--scheme", scheme, "--limit", "1"), folder / "first")
