"""edge-judge quantize NAME SCHEME for each of the nine judges, from a hub on this machine, with small checkpoints."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import tomlkit
from conftest import Edge, fails
from gguf import GGUFReader
from hubserver import Shelf, serving
from test_remote import NINE, small

from quantize import lock

CODE = b'trained = "Compare {a} and {b}."'


def own_lock(folder: Path) -> Path:
    """The shipped lock without what only the full-size files can fulfil: shapes, hashes."""
    document = tomlkit.parse(lock.shipped_path().read_text("utf-8"))
    for entry in document["models"].values():  # type: ignore[union-attr]
        entry["config"] = {}
        entry.pop("files", None)
        if "prompt" in entry:
            entry["prompt"]["literal"] = "trained"
            entry["prompt"]["sha256"] = hashlib.sha256(CODE).hexdigest()
            entry["prompt"].pop("literal_sha256", None)
    path = folder / "own.lock"
    path.write_text(tomlkit.dumps(document), "utf-8")
    return path


@pytest.mark.parametrize("name", NINE)
def test_each_of_the_nine_becomes_a_recorded_file(edge: Edge, tmp_path: Path, name: str) -> None:
    pytest.importorskip("sentencepiece", reason="trains a tokenizer with sentencepiece")
    known = lock.read().model(name)
    assert known.repo is not None and known.commit is not None
    shelf = Shelf({(known.repo, known.commit): small(name, tmp_path / "published")})
    if known.prompt:
        shelf.codes[f"{known.prompt.repo}/{known.prompt.commit}/{known.prompt.path}"] = CODE
    with serving(shelf) as url:
        own = {"EDGE_JUDGE_LOCK": str(own_lock(tmp_path)), "EDGE_JUDGE_GITHUB": url, "HF_ENDPOINT": url}
        own |= {"HF_HOME": str(tmp_path / "hub"), "EDGE_JUDGE_MODELS": str(tmp_path / "models")}
        done = edge("quantize", name, "q4_k_m", **own)
    assert done.returncode == 0, done.stderr
    reader = GGUFReader(done.stdout.strip())
    assert reader.fields["general.name"].contents() == name
    assert reader.fields["edge_judge.scheme"].contents() == "q4_k_m"
    assert lock.read_built(tmp_path / "models").find_built(name, "q4_k_m") is not None


def test_without_a_way_to_the_hub_the_error_says_that_the_download_is_missing(edge: Edge, tmp_path: Path) -> None:
    nowhere = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "hub")}
    done = edge("quantize", "qwen1.5-14b", "q4_k_m", EDGE_JUDGE_MODELS=str(tmp_path / "models"), **nowhere)
    fails(done, 1, "Qwen/Qwen1.5-14B-Chat", "download")
    assert not list(tmp_path.rglob("*.gguf"))


def test_lock_fills_what_the_hub_tells_and_moves_no_pin(edge: Edge, tmp_path: Path) -> None:
    known = lock.read().model("qwen1.5-7b")
    assert known.repo is not None and known.commit is not None
    published = small("qwen1.5-7b", tmp_path / "published")
    path = own_lock(tmp_path)
    document = tomlkit.parse(path.read_text("utf-8"))
    for name in set(document["models"]) - {"qwen1.5-7b"}:  # type: ignore[call-overload]
        del document["models"][name]  # type: ignore[union-attr]
    files = tomlkit.aot()
    for shard in sorted(published.glob("*.safetensors")):
        files.append(tomlkit.item({"name": shard.name}))
    document["models"]["qwen1.5-7b"]["files"] = files  # type: ignore[index]
    path.write_text(tomlkit.dumps(document), "utf-8")
    own = {"EDGE_JUDGE_LOCK": str(path), "HF_HOME": str(tmp_path / "hub")}
    with serving(Shelf({(known.repo, known.commit): published})) as url:
        done = edge("lock", "--json", HF_ENDPOINT=url, **own)
    assert done.returncode == 0 and '"hashed": 2' in done.stdout, done.stdout + done.stderr
    filled = lock.read(path).model("qwen1.5-7b")
    assert filled.commit == known.commit and all(file.sha256 and file.bytes for file in filled.files)
    again = edge("lock", "--json", HF_ENDPOINT="http://127.0.0.1:9", **own)
    assert again.returncode == 0 and "could not be reached" in again.stderr and '"hashed": 2' in again.stdout
