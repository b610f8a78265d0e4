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
