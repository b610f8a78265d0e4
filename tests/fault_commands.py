"""The commands that faults.py disturbs: a small run of each, and the folder that it starts from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from checkpoints import llama_config, make_checkpoint
from hubserver import COMMIT, Shelf, lock_text, serving
from systems import answered, write_outputs
from training_data import pair_rows, tiny_checkpoint, write_lines

from edge_judge.benchmarks import autoj

TEMPORARY = "tmp"
ROOT = Path(__file__).parent.parent
Q2_K = Path("results/pocket/pocket/q2_k/pairwise")
LOCK = lock_text("tiny", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
ONE = ("--threads", "1")
SMALL = ("--limit", "3", *ONE)
EVAL = ("eval", "--scheme", "q2_k", *SMALL)
TRAIN = (
    "train", "tiny", "--data", "pairs.jsonl", "--out", "tuned", "--grammar", "pairwise", "--rank", "2",
    "--epochs", "1", "--checks", "1", "--threads", "1", "--device", "cpu", "--validation", "0.3",
)  # fmt: skip
CHOOSE = ("choose", "--scheme", "q2_k", "--baseline", "q8_0", "--margin", "50", "--max-pairs", "15", *ONE)
Run = Callable[..., None]  # a command without a fault, in the folder that is being prepared


@dataclass(frozen=True)
class Command:
    """arguments: of edge-judge; prepare: fills the folder that it starts from; kept: files that it replaces, of which
    the old or the new content is there whatever happens; needs: modules.
    """

    name: str
    arguments: tuple[str, ...]
    prepare: Callable[[Path, Run], object]
    kept: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


def nothing(folder: Path, run: Run) -> None: ...


def judge(folder: Path, run: Run) -> None:
    """The embedded judge in one scheme."""
    run("quantize", "pocket", "q2_k")


def whole_run(folder: Path, run: Run) -> None:
    judge(folder, run)
    run(*EVAL)


def cut_run(folder: Path, run: Run) -> None:
    """A run that a kill ended within a verdict."""
    whole_run(folder, run)
    verdicts = folder / Q2_K / "verdicts.jsonl"
    (folder / Q2_K / "score.json").unlink()
    lines = verdicts.read_bytes().splitlines(keepends=True)
    verdicts.write_bytes(b"".join(lines[:2]) + lines[2][:20])


def two_runs(folder: Path, run: Run) -> None:
    for scheme in ("f16", "q2_k"):
        run("eval", "--scheme", scheme, *SMALL)


def page(folder: Path, run: Run) -> None:
    two_runs(folder, run)
    (folder / "report.html").write_text("<p>the page of last week</p>")


def own_file(folder: Path, run: Run) -> None:
    """A run that was packed over a file of that name."""
    whole_run(folder, run)
    (folder / "run.ejpack").write_text("the pack of last week")


def pack(folder: Path, run: Run, *, over: bool = False) -> None:
    whole_run(folder, run)
    run("pack", "export", str(Q2_K), "-o", "run.ejpack")
    if not over:
        shutil.rmtree(folder / "results")


def checkpoint(folder: Path, run: Run) -> None:
    tiny_checkpoint(folder / "tiny")
    (folder / "out.gguf").write_bytes(b"the file of last week")


def outputs(folder: Path, run: Run) -> None:
    judge(folder, run)
    write_outputs(folder / "outputs", answered(2))


def pairs(folder: Path, run: Run) -> None:
    tiny_checkpoint(folder / "tiny")
    write_lines(folder / "pairs.jsonl", pair_rows(12))


def hub(folder: Path, run: Run) -> None:
    (folder / "models.lock").write_text(LOCK)


COMMANDS = (
    Command("eval", EVAL, judge),
    Command("eval, building its model", ("eval", "--scheme", "q2_k", "--limit", "1", *ONE), nothing),
    Command("eval, resumed", EVAL, cut_run),
    Command(
        "eval --fresh", (*EVAL, "--fresh"), whole_run,
        kept=tuple(str(Q2_K / name) for name in ("run.json", "verdicts.jsonl", "score.json")),
    ),
    Command("quantize, a folder", ("quantize", "tiny", "q8_0", "--out", "out.gguf"), checkpoint, kept=("out.gguf",)),
    Command("quantize, the Hub", ("quantize", "tiny", "q8_0"), hub),
    Command("choose", CHOOSE, judge),
    Command(
        "rank",
        ("rank", "outputs/sixty.jsonl", "outputs/seventy-five.jsonl", "outputs/ninety.jsonl", "--scheme", "q2_k", *ONE),
        outputs,
    ),
    Command("pack export", ("pack", "export", str(Q2_K), "-o", "run.ejpack"), own_file, kept=("run.ejpack",)),
    Command("pack import", ("pack", "import", "run.ejpack"), pack),
    Command(
        "pack import --fresh", ("pack", "import", "run.ejpack", "--fresh"), partial(pack, over=True),
        kept=tuple(str(Q2_K / name) for name in ("run.json", "verdicts.jsonl", "score.json")),
    ),
    Command("compare", ("compare", "--baseline", "f16"), two_runs),
    Command("report", ("report", "--chart", "chart.svg"), page, kept=("report.html",)),
    Command("data pull", ("data", "pull", "auto-j", "--data", "data"), nothing),
    Command("lock", ("lock",), hub, kept=("models.lock",)),
    Command("imatrix", ("imatrix", "pocket", "--scheme", "q2_k", "--limit", "2", "--out", "i.gguf", *ONE), judge),
    Command("train", TRAIN, pairs, needs=("torch", "peft")),
)  # fmt: skip


@contextmanager
def hosts(folder: Path) -> Iterator[Mapping[str, str]]:
    """The Hub and GitHub on this machine, as variables of the environment. folder: for what the Hub has."""
    model = make_checkpoint(
        folder / "published", llama_config(num_hidden_layers=1, hidden_size=64, intermediate_size=96), shards=2
    )
    github = ThreadingHTTPServer(("127.0.0.1", 0), _GitHub)
    github.daemon_threads = True
    Thread(target=github.serve_forever, args=(0.02,), daemon=True).start()
    try:
        with serving(Shelf({("some/tiny", COMMIT): model})) as url:
            yield {"HF_ENDPOINT": url, "EDGE_JUDGE_GITHUB": f"http://127.0.0.1:{github.server_port}"}
    finally:
        github.shutdown()
        github.server_close()


class _GitHub(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        content = (ROOT / "tests" / "data" / "autoj.jsonl").read_bytes()
        self.send_response(200 if autoj.SOURCE.revision in self.path else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Quiet: the output is a table."""


def environment(here: Path, hosted: Mapping[str, str]) -> dict[str, str]:
    """Every folder that a command uses lies in `here`, also that for temporary files."""
    own = {"EDGE_JUDGE_MODELS": "models", "HF_HOME": "hub", "XDG_CACHE_HOME": "cache", "TMPDIR": TEMPORARY}
    if (here / "models.lock").exists():
        own["EDGE_JUDGE_LOCK"] = "models.lock"
    places = {name: str(here / place) for name, place in own.items()}
    return {**places, **hosted, "COLUMNS": "100", "NO_COLOR": "1", "HF_HUB_DISABLE_XET": "1"}


def plain(content: str) -> object:
    """The JSON of a file without what differs from one time to the next."""
    found = json.loads(content)
    if isinstance(found, dict):
        found.pop("measured", None)
    return found
