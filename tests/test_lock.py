"""models.lock: what it says, what it refuses, and the list of built files."""

from pathlib import Path

import pytest

from quantize import architectures, lock
from quantize.config import Config
from quantize.errors import LockError, UnknownModelError

NINE = {
    "qwen1.5-7b", "qwen1.5-14b", "llama-3-8b", "nanbeige2-8b", "chatglm3-6b",
    "internlm2-7b", "deepseek-7b", "autoj-13b", "pandalm-7b",
}  # fmt: skip
ENTRY = """
[models.tiny]
repo = "someone/tiny"
commit = "abc"
class = "LlamaForCausalLM"
architecture = "llama"
license = "mit"
protocol = "pairwise"
config = {hidden_size = 64}
"""


def write(folder: Path, text: str) -> Path:
    (folder / "models.lock").write_text(text)
    return folder / "models.lock"


def test_the_shipped_lock_holds_the_nine_judges_and_the_pocket_one():
    shipped = lock.read()
    assert {m.name for m in shipped.models} == NINE | {"pocket"}
    assert shipped.model("pocket").local == "pocket"


def test_every_published_model_is_pinned_to_a_full_commit_and_names_its_files():
    for model in lock.read().models:
        if model.repo is not None:
            assert len(model.commit) == 40 and set(model.commit) <= set("0123456789abcdef")
            assert model.files and model.license and model.parameters


def test_the_locked_shape_gives_exactly_the_locked_number_of_parameters():
    for model in lock.read().models:
        if model.repo is not None:
            assert architectures.blueprint(Config(model.config, model.name)).parameters == model.parameters


def test_a_gated_model_says_where_to_accept_its_licence():
    gated = [m for m in lock.read().models if m.gated]
    assert [m.name for m in gated] == ["llama-3-8b"]
    assert gated[0].acceptance.startswith("https://")


def test_models_with_a_trained_in_prompt_say_where_it_is_published():
    prompts = {m.name: m.prompt for m in lock.read().models if m.prompt}
    assert set(prompts) == {"autoj-13b", "pandalm-7b"}
    assert prompts["autoj-13b"].literal == "pairwise_tie"


def test_an_unknown_model_is_refused_with_the_nearest_names():
    with pytest.raises(UnknownModelError, match=r"quen1\.5-7b") as caught:
        lock.read().model("quen1.5-7b")
    assert "qwen1.5-7b" in caught.value.hint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("license =", "licence ="), "lacks 'license'"),
        (('"mit"', "3"), "'license' is 3"),
        (('commit = "abc"', ""), "either 'local' or both"),
        (("[models.tiny]", "[models.tiny"), "not valid TOML"),
        (("{hidden_size = 64}", "{a = 1, a = 2}"), "not valid TOML"),
        (('"mit"', '"mit"\nlicense = "mit"'), "not valid TOML"),
        (('"mit"', "1979-13-40"), "not valid TOML"),
        (('"mit"', "[" * 3000), "not valid TOML"),
        (('"mit"', "9" * 5000), "not valid TOML|'license' is inf, expected a str"),  # by the version of tomlkit
        (('"mit"', '"\\ud800"'), "not valid TOML"),
        (('"mit"', "[" + "3, " * 5000 + "]"), r"'license' is \[3, 3, 3, 3, 3, 3, 3, 3, \.\.\.\], expected a str"),
    ],
)
def test_a_malformed_entry_is_refused_by_name(tmp_path, change, message):
    with pytest.raises(LockError, match=message):
        lock.read(write(tmp_path, ENTRY.replace(*change)))


def test_a_missing_lock_is_an_error_that_names_the_path(tmp_path):
    with pytest.raises(LockError, match=r"nowhere\.lock"):
        lock.read(tmp_path / "nowhere.lock")


def test_a_folder_where_nothing_was_built_has_an_empty_list(tmp_path):
    assert lock.read_built(tmp_path / "none").built == ()


def test_a_built_file_is_recorded_found_and_replaced(tmp_path):
    first = lock.BuiltFile("tiny", "q8_0", "tiny-q8_0.gguf", "a" * 64, 10, "abc")
    lock.record_built(tmp_path, first)
    lock.record_built(tmp_path, lock.BuiltFile("tiny", "q4_0", "tiny-q4_0.gguf", "b" * 64, 5))
    again = lock.BuiltFile("tiny", "q8_0", "tiny-q8_0.gguf", "c" * 64, 11)
    lock.record_built(tmp_path, again)
    kept = lock.read_built(tmp_path)
    assert kept.find_built("tiny", "q8_0") == again
    assert len(kept.built) == 2
    assert kept.find_built("tiny", "f16") is None


def test_recording_keeps_what_else_the_file_says(tmp_path):
    write(tmp_path, "# a note by hand\n" + ENTRY)
    lock.record_built(tmp_path, lock.BuiltFile("tiny", "q8_0", "tiny-q8_0.gguf", "a" * 64, 10))
    assert "# a note by hand" in (tmp_path / "models.lock").read_text("utf-8")
    assert [m.name for m in lock.read(tmp_path / "models.lock").models] == ["tiny"]


def test_a_write_that_fails_leaves_the_old_text_and_nothing_else(tmp_path, monkeypatch):
    path = write(tmp_path, ENTRY)

    def refuse(*_):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(OSError, match="disk full"):
        lock.replace_text(path, "new")
    assert path.read_text("utf-8") == ENTRY
    assert [p.name for p in tmp_path.iterdir()] == ["models.lock"]
