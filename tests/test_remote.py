"""From a hub to a quantized file, one shard at a time: against a local server that speaks the hub's API."""

import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import replace
from types import SimpleNamespace

import pytest
from checkpoints import LLAMA3_REGEX, QWEN2_REGEX, llama_config, make_checkpoint, quantized, qwen2_config, write_weights
from families import (
    chatglm_config,
    chatglm_tensors,
    internlm2_config,
    internlm2_tensors,
    spm_model,
    write_spm_tokenizer,
)
from hubserver import Shelf, serving
from oracle import gguf_tensors, gguf_values

from quantize import build, disk, lock
from quantize.build import BuildOptions
from quantize.errors import (
    CheckpointError,
    LockError,
    PackError,
    SourceError,
    SourceInterruptedError,
    UnsupportedArchitectureError,
)
from quantize.lock import LockedModel, PromptSource, WeightFile
from quantize.metadata import Provenance
from quantize.source import Hub, HubSource, describe

COMMIT = "c0ffee" + "0" * 34
REPO = "some/tiny"
MODEL = LockedModel("tiny", "llama", "LlamaForCausalLM", None, "mit", "pairwise", {}, REPO, COMMIT)
SECOND = "model-00002-of-00003.safetensors"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return make_checkpoint(tmp_path_factory.mktemp("hub") / "tiny", llama_config(num_hidden_layers=1), shards=3)


@pytest.fixture
def desk(tmp_path, checkpoint):
    """A server with one model, a hub that asks it, and a place to build."""
    shelf = Shelf({(REPO, COMMIT): checkpoint})
    with serving(shelf) as url:
        hub = Hub(url, cache=tmp_path / "cache", code_host=url)
        yield SimpleNamespace(shelf=shelf, hub=hub, out=tmp_path / "models" / "tiny.gguf", folder=tmp_path / "models")


def build_it(desk, model=MODEL, scheme="q4_0", **options):
    return build.quantize(HubSource(desk.hub, model), scheme, BuildOptions(desk.out, **options))


def left(desk):
    return sorted(p.name for p in desk.folder.iterdir()) if desk.folder.exists() else []


def shards(desk):
    return [name for name, _ in desk.shelf.served if name.endswith((".safetensors", ".bin"))]


def test_the_file_is_the_one_built_from_a_local_folder(desk, checkpoint, tmp_path):
    built = build_it(desk, tool="edge-judge 1")
    origin = Provenance(REPO, COMMIT, "mit")
    local = quantized(checkpoint, "q4_0", tmp_path / "local.gguf", origin=origin, tool="edge-judge 1")
    assert (built.sha256, built.tensors) == (local.sha256, local.tensors)
    assert left(desk) == ["tiny.gguf"]


def test_never_more_than_one_shard_is_on_disk(desk):
    largest = []

    def watch(progress):
        source = desk.folder / ".tiny.gguf.building" / "source"
        largest.append(len(list(source.glob("*.safetensors"))))

    build_it(desk, progress=watch)
    assert max(largest) == 1 and len(shards(desk)) == 3


def test_kept_sources_go_to_the_cache_and_what_was_there_is_not_fetched_again_nor_dropped(desk):
    build_it(desk, keep_source=True)
    desk.shelf.served.clear()
    build_it(desk)
    assert shards(desk) == []
    assert len(list((desk.hub.cache).rglob("snapshots/*/*.safetensors"))) == 3


def test_an_interrupted_build_goes_on_at_the_next_shard(desk):
    def stop(progress):
        if progress.stage == "fetch" and progress.tensor == SECOND:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_it(desk, progress=stop)
    assert left(desk) == [".tiny.gguf.building"]
    desk.shelf.served.clear()
    reports = []
    resumed = build_it(desk, progress=reports.append)
    assert shards(desk) == [SECOND, "model-00003-of-00003.safetensors"]
    assert reports[0].tensors_done > 0 and reports[-1].bytes_done == reports[-1].bytes
    desk.out.unlink()
    assert build_it(desk).sha256 == resumed.sha256


def test_another_scheme_does_not_go_on_from_what_was_left(desk):
    def stop(progress):
        if progress.tensor == SECOND:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_it(desk, progress=stop)
    desk.shelf.served.clear()
    other = build_it(desk, scheme="q8_0")
    assert len(shards(desk)) == 3
    assert {t for _, t in other.tensors} == {"Q8_0", "F32"}


def test_a_cut_connection_is_resumed_where_it_broke(desk):
    desk.shelf.cut[SECOND] = 500_000
    build_it(desk)
    assert [requested for name, requested in desk.shelf.served if name == SECOND][0] is None
    assert len(shards(desk)) == 4


def test_a_wrong_hash_is_refused_and_nothing_is_left(desk, checkpoint):
    data = bytearray((checkpoint / SECOND).read_bytes())
    data[-1] ^= 1
    desk.shelf.lie[SECOND] = bytes(data)
    with pytest.raises(SourceError, match="has sha256 .* expected"):
        build_it(desk)
    assert left(desk) == []


def test_the_hash_in_the_lock_counts_even_where_the_hub_tells_another_or_none(desk):
    pinned = replace(MODEL, files=(WeightFile(SECOND, "0" * 64),))
    with pytest.raises(LockError, match="models.lock pins 0000"):
        build_it(desk, pinned)
    desk.shelf.hashless = True
    with pytest.raises(SourceError, match="expected 0000"):
        build_it(desk, pinned)
    assert left(desk) == []


def test_a_revision_that_is_gone_or_moved_is_refused(desk):
    with pytest.raises(SourceError, match="has no commit ffff"):
        build_it(desk, replace(MODEL, commit="f" * 40))
    desk.shelf.moved[COMMIT] = "e" * 40
    with pytest.raises(SourceError, match="answers for commit 'eeee"):
        build_it(desk)
    assert left(desk) == []


def test_a_gated_model_says_where_to_accept_and_how_to_log_in(desk):
    desk.shelf.gated.add(REPO)
    with pytest.raises(SourceError, match="gated") as caught:
        build_it(desk, replace(MODEL, gated=True, acceptance="https://example.org/accept"))
    assert "https://example.org/accept" in caught.value.hint and "hf auth login" in caught.value.hint


def test_an_unknown_repository_is_refused(desk):
    with pytest.raises(SourceError, match="no repository some/other"):
        build_it(desk, replace(MODEL, repo="some/other"))


def test_a_missing_shard_is_named_before_any_is_fetched(desk, checkpoint, tmp_path):
    folder = shutil.copytree(checkpoint, tmp_path / "partial")
    (folder / SECOND).unlink()
    desk.shelf.repos[REPO, COMMIT] = folder
    with pytest.raises(CheckpointError, match=f"lacks file '{SECOND}'"):
        build_it(desk)
    assert shards(desk) == [] and left(desk) == []


def test_a_hub_that_cannot_be_reached_is_no_fault_of_the_build(desk, tmp_path):
    with pytest.raises(SourceInterruptedError, match="cannot be downloaded now"):
        hub = Hub("http://127.0.0.1:9", cache=tmp_path / "cache")
        build.quantize(HubSource(hub, MODEL), "q4_0", BuildOptions(desk.out))


def test_an_unsupported_architecture_is_refused_by_name_before_any_weights(desk, tmp_path):
    config = llama_config(architectures=["MambaForCausalLM"])
    desk.shelf.repos[REPO, COMMIT] = make_checkpoint(tmp_path / "other", config)
    with pytest.raises(UnsupportedArchitectureError, match="MambaForCausalLM"):
        build_it(desk)
    assert [name for name, _ in desk.shelf.served] == ["config.json"]


def test_a_configuration_that_is_not_the_locked_one_is_refused(desk):
    with pytest.raises(LockError, match="num_hidden_layers = 1, models.lock 7"):
        build_it(desk, replace(MODEL, config=llama_config(num_hidden_layers=7)))


def test_too_little_room_is_told_before_the_first_shard(desk, monkeypatch):
    monkeypatch.setattr(disk, "shutil", SimpleNamespace(disk_usage=lambda _: SimpleNamespace(free=1000)))
    with pytest.raises(PackError, match="0 MB free, this build needs 6[0-9] MB"):
        build_it(desk)
    assert shards(desk) == [] and left(desk) == []


def test_too_little_memory_is_told_before_the_first_shard(desk, monkeypatch):
    import psutil

    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1000))
    with pytest.raises(PackError, match="of memory are available"):
        build_it(desk)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="mounts a small disk, which only root may")
def test_a_disk_that_fills_up_leaves_nothing(desk, monkeypatch, tmp_path):
    desk.folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", desk.folder], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        monkeypatch.setattr(build, "_check_room", lambda *_: None)
        with pytest.raises((PackError, SourceError), match="[Nn]o (space|room)"):
            build_it(desk, scheme="f32")
        assert left(desk) == []
    finally:
        subprocess.run(["umount", "-l", desk.folder], check=True)


def test_two_builds_of_one_file_do_not_mix(desk):
    from filelock import FileLock

    (desk.folder / ".tiny.gguf.building").mkdir(parents=True)
    with (
        FileLock(str(desk.folder / ".tiny.gguf.building" / "guard")),
        pytest.raises(PackError, match="another process"),
    ):
        build_it(desk)


def test_a_model_that_is_not_locked_is_pinned_to_what_its_branch_is_now(desk):
    described = describe(desk.hub, REPO)
    assert (described.commit, described.name) == (COMMIT, "tiny")
    assert build_it(desk, described).bytes == desk.out.stat().st_size


NINE = {
    "qwen1.5-7b": qwen2_config(num_hidden_layers=1),
    "qwen1.5-14b": qwen2_config(num_hidden_layers=1, intermediate_size=352),
    "llama-3-8b": llama_config(num_hidden_layers=1, regex=LLAMA3_REGEX),
    "nanbeige2-8b": llama_config(architectures=["NanbeigeForCausalLM"], model_type="nanbeige", num_hidden_layers=1),
    "chatglm3-6b": chatglm_config(num_layers=1),
    "internlm2-7b": internlm2_config(num_hidden_layers=1),
    "deepseek-7b": llama_config(num_hidden_layers=1),
    "autoj-13b": llama_config(num_hidden_layers=1, vocab_size=480),
    "pandalm-7b": llama_config(num_hidden_layers=1, vocab_size=441, num_key_value_heads=None, rope_theta=None),
}


def small(name, folder):
    """A small checkpoint of the kind that model is published as."""
    config = dict(NINE[name])
    if name in ("chatglm3-6b", "internlm2-7b"):
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(config))
        write_weights(folder, (chatglm_tensors if name == "chatglm3-6b" else internlm2_tensors)(config), "f16", 2)
        write_spm_tokenizer(folder)
        return folder
    regex = config.pop("regex", QWEN2_REGEX)
    make_checkpoint(folder, config | {"vocab_size": max(config["vocab_size"], 320)}, regex=regex, shards=2)
    if name in ("nanbeige2-8b", "pandalm-7b"):
        (folder / "tokenizer.json").unlink()
        (folder / "config.json").write_text(json.dumps(config | {"vocab_size": 480}))
        write_weights(folder, __import__("checkpoints").tensors_of(config | {"vocab_size": 480}), "bf16", 2)
        write_spm_tokenizer(folder)
    if name == "autoj-13b":
        from test_spm import hf_tokenizer

        (folder / "tokenizer.json").write_text(json.dumps(hf_tokenizer(spm_model())))
    if name in ("deepseek-7b", "autoj-13b"):
        as_bin(folder)
    return folder


def as_bin(folder):
    """Replace a checkpoint's safetensors by torch files, as those two models are published."""
    torch = pytest.importorskip("torch", reason="writes .bin files with torch")
    from quantize import checkpoint

    placement = {}
    for i, path in enumerate(sorted(folder.glob("*.safetensors"))):
        name = f"pytorch_model-{i + 1:05}-of-00002.bin"
        tensors = {
            t.name: torch.from_numpy(t.map().float32(slice(0, t.shape[0])).reshape(t.shape)).bfloat16()
            for t in checkpoint.open_file(path)
        }
        torch.save(tensors, folder / name)
        placement |= dict.fromkeys(tensors, name)
        path.unlink()
    (folder / "model.safetensors.index.json").unlink()
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": placement}))


@pytest.mark.parametrize("name", NINE)
def test_each_of_the_nine_goes_from_the_hub_to_a_file_under_its_own_name(name, tmp_path):
    pytest.importorskip("sentencepiece", reason="trains a tokenizer with sentencepiece")
    locked = lock.read().model(name)
    code = b'pairwise_tie = "Compare {a} and {b}."'
    prompt = locked.prompt and PromptSource(
        locked.prompt.repo, locked.prompt.commit, locked.prompt.path, "pairwise_tie",
        sha256=hashlib.sha256(code).hexdigest(),
    )  # fmt: skip
    shelf = Shelf({(locked.repo, locked.commit): small(name, tmp_path / "m")})
    if prompt:
        shelf.codes[f"{prompt.repo}/{prompt.commit}/{prompt.path}"] = code
    model = replace(locked, config={}, files=(), prompt=prompt)
    with serving(shelf) as url:
        hub = Hub(url, cache=tmp_path / "cache", code_host=url)
        built = build.quantize(HubSource(hub, model), "q4_k_m", BuildOptions(tmp_path / "out.gguf"))
    values = gguf_values(built.path)
    assert values["general.architecture"] == locked.architecture and values["general.name"] == name
    assert values["edge_judge.source.commit"] == locked.commit and values["general.license"] == locked.license
    assert values.get("edge_judge.prompt") == ("Compare {a} and {b}." if prompt else None)
    assert "Q4_K" in {kind for kind, _, _ in gguf_tensors(built.path).values()}


def test_a_prompt_file_that_is_not_the_pinned_one_is_refused(desk):
    desk.shelf.codes["a/b/c/x.py"] = b"p = 'other'"
    source = PromptSource("a/b", "c", "x.py", "p", sha256="0" * 64)
    with pytest.raises(SourceError, match="not the file that models.lock pins"):
        build_it(desk, replace(MODEL, prompt=source))
    with pytest.raises(SourceError, match="answers 404"):
        build_it(desk, replace(MODEL, prompt=replace(source, path="y.py")))
