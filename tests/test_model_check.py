"""`edge-judge models --check`: a file's prompts, marks and ends of a turn, held against its checkpoint's tokenizer."""

import json

import pytest
from checkpoints import CHATML, QWEN2_REGEX, llama_config, make_checkpoint, quantized, qwen2_config
from click.testing import CliRunner
from families import spm_model, write_spm_tokenizer
from gguf import GGUFReader

from edge_judge import cli
from edge_judge.errors import ModelError, UsageError
from edge_judge.workflows.model_check import check_model, raise_if_wrong
from quantize.errors import VocabularyError

TINY = {"num_hidden_layers": 1, "hidden_size": 32, "intermediate_size": 32, "max_position_embeddings": 4096}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("check") / "model"
    return make_checkpoint(folder, qwen2_config(**TINY), regex=QWEN2_REGEX)


@pytest.fixture(scope="module")
def gguf(checkpoint):
    return quantized(checkpoint, "q8_0", checkpoint.parent / "tiny.gguf").path


def states(checks):
    found = {}
    for check in checks:
        found.setdefault(check.what, set()).add(check.state)
    return found


def run(*arguments):
    return CliRunner().invoke(cli.main, ["models", *map(str, arguments)], env={"COLUMNS": "80"})


def test_a_file_that_was_built_from_its_checkpoint_is_equal_in_everything(gguf, checkpoint):
    checks = check_model(str(gguf), checkpoint)
    assert states(checks) == {
        "tokenizer data": {"fine"}, "chat template": {"equal"}, "a prompt": {"fine"}, "prompts": {"equal"},
        "mark": {"equal"}, "spellings": {"fine"}, "end of a turn": {"equal"},
    }  # fmt: skip
    assert next(check for check in checks if check.what == "prompts").detail == "all 50, token for token"
    raise_if_wrong(checks, "tiny")


def test_without_a_checkpoint_the_file_is_shown_and_nothing_is_called_equal(gguf):
    checks = check_model(str(gguf))
    assert "equal" not in set().union(*states(checks).values())
    assert states(checks)["prompts"] == {"not checked"}


def test_a_file_of_another_template_and_another_end_differs(gguf, checkpoint, tmp_path):
    other = make_checkpoint(tmp_path / "other", qwen2_config(**TINY), regex=QWEN2_REGEX)
    settings = json.loads((other / "tokenizer_config.json").read_text("utf-8"))
    settings |= {"chat_template": CHATML.replace("user", "human").replace("m.role", "'human'"), "eos_token": "<plain>"}
    (other / "tokenizer_config.json").write_text(json.dumps(settings))
    checks = check_model(str(gguf), other)
    found = states(checks)
    assert found["chat template"] == found["prompts"] == found["end of a turn"] == {"differs"}
    differing = next(check for check in checks if check.what == "prompts").detail
    assert differing.startswith("50 of 50; in prompt 1 token 2 begins")
    with pytest.raises(ModelError, match="chat template, prompts, end of a turn differ from the checkpoint"):
        raise_if_wrong(checks, "tiny")


def test_a_file_without_its_pre_tokenizer_is_doubted(gguf, tmp_path):
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(gguf.read_bytes())
    reader = GGUFReader(broken, "r+")
    field = reader.fields["tokenizer.ggml.pre"]
    field.parts[field.data[0]][:] = list(b"gpt-2"[: len(field.parts[field.data[0]])])
    reader.data.flush()
    del reader
    checks = check_model(str(broken))
    assert states(checks)["tokenizer data"] == {"doubtful"}
    done = run("--check", broken)
    assert done.exit_code == 1 and "tokenizer data differ from the checkpoint" in done.output


def test_a_sentencepiece_checkpoint_is_checked_with_a_named_format(tmp_path):
    pytest.importorskip("sentencepiece", reason="trains and checks with sentencepiece")
    folder = make_checkpoint(tmp_path / "model", llama_config(vocab_size=480, **TINY))
    (folder / "tokenizer.json").unlink()
    write_spm_tokenizer(folder, spm_model(), bos_token="<s>", eos_token="</s>")
    path = quantized(folder, "q8_0", tmp_path / "o.gguf").path
    for name in ("plain", "llama-2"):
        found = states(check_model(str(path), folder, chat_template=name))
        assert found["prompts"] == {"equal"} and "differs" not in found["mark"]


def test_a_folder_without_a_tokenizer_and_a_model_that_is_not_there_are_refused(gguf, tmp_path):
    with pytest.raises(VocabularyError, match=r"neither tokenizer\.json nor tokenizer\.model"):
        check_model(str(gguf), tmp_path)
    with pytest.raises(Exception, match="unknown model 'nowhere'"):
        check_model("nowhere")


def test_the_command_shows_a_table_and_fails_only_where_something_is_wrong(gguf, checkpoint):
    done = run("--check", gguf, checkpoint)
    assert done.exit_code == 0
    assert "prompts         equal  all 50, token for token" in done.output
    assert max(map(len, done.output.splitlines())) <= 80
    as_json = run("--check", gguf, checkpoint, "--json")
    assert {row["what"] for row in json.loads(as_json.output)} >= {"prompts", "mark", "end of a turn"}


def test_a_checkpoint_without_the_option_is_refused(checkpoint):
    done = run(checkpoint)
    assert done.exit_code != 0 and isinstance(done.exception, UsageError | SystemExit)
