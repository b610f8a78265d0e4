"""Sums of squared inputs: against llama-imatrix on the same tokens, against plain torch, and the rule of 16 rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from checkpoints import CORPUS, llama_config, make_checkpoint, quantized, qwen2_config, tensors_of, write_weights
from hypothesis import given
from hypothesis import strategies as st
from llama_programs import run_llama
from oracle import gguf_tensors, gguf_values

from edge_judge import pocket
from edge_judge.engine import ggml, importance
from edge_judge.engine.importance import CALL, ROWS, ImportanceMeter, Sums
from edge_judge.engine.model import Model
from edge_judge.errors import MemoryLimitError, ModelError
from edge_judge.records import Limits
from quantize import imatrix, imatrix_file
from quantize.imatrix_file import ColumnSums, Origin

MATRICES = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
PAIRS = Path(pocket.__file__).parent / "pairs.jsonl"
SHORT = llama_config(num_hidden_layers=2, vocab_size=304)


@contextmanager
def measured(path: Path, *texts: tuple[int, ...], **options: object) -> Iterator[ImportanceMeter]:
    with Model(path, threads=1) as model, closing(ImportanceMeter(model, max(map(len, texts)), **options)) as meter:
        for text in texts:
            meter.add(text)
        yield meter


def sums_of(path: Path, *texts: tuple[int, ...], **options: object) -> dict[str, Sums]:
    with measured(path, *texts, **options) as meter:
        return dict(meter.sums)


def random_tokens(count: int, vocabulary: int = 300, seed: int = 0) -> tuple[int, ...]:
    return tuple(map(int, np.random.default_rng(seed).integers(3, vocabulary, count)))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    make_checkpoint(folder / "model", SHORT, dtype="f32")
    return quantized(folder / "model", "f32", folder / "tiny.gguf").path


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return quantized(pocket.CHECKPOINT, "f16", tmp_path_factory.mktemp("pocket") / "pocket.gguf").path


def same(ours: dict[str, Sums], theirs: dict[str, Sums]) -> None:
    assert ours.keys() == theirs.keys()
    for name, sums in ours.items():
        np.testing.assert_array_equal(sums.squares, theirs[name].squares)
        np.testing.assert_array_equal(sums.counts, theirs[name].counts)


# ---- llama-imatrix ----------------------------------------------------------------------------------------


def theirs_and_ours(gguf: Path, folder: Path, text: str, chunk: int, *options: str) -> tuple[dict, dict]:
    """The tensors of both files, read with the gguf package; ours has read the same chunks."""
    from edge_judge.workflows.imatrix import imatrix as measure
    from edge_judge.workflows.options import ImatrixSettings, JudgeOptions

    path = folder / "text.txt"
    path.write_text(text, "utf-8")
    arguments = ["-m", gguf, "-f", path, "-o", folder / "theirs.gguf", "-c", chunk, "-b", chunk, "-t", 1, "-fit", "off"]
    run_llama("llama-imatrix", *arguments, "--no-ppl", *options)
    settings = ImatrixSettings(folder / "ours.gguf", path, chunk=chunk, process_output="--process-output" in options)
    made = measure(JudgeOptions(gguf=gguf, threads=1), settings=settings)
    said = gguf_values(folder / "theirs.gguf")
    assert said["imatrix.chunk_count"] == made.chunks and said["imatrix.chunk_size"] == chunk
    return gguf_tensors(folder / "theirs.gguf"), gguf_tensors(folder / "ours.gguf")


def words(count: int) -> str:
    """A text of no pattern. llama-imatrix adds up in 32 bits: over many rows, and more so over rows that come again,
    its sums drift from the true ones by more than the tolerance here.
    """
    known = sorted({word for text in CORPUS for word in text.split()})
    return " ".join(np.random.default_rng(0).choice(known, count))


def agree(theirs: dict, ours: dict) -> None:
    assert theirs.keys() == ours.keys()
    for name, (kind, shape, data) in theirs.items():
        assert (kind, shape) == ours[name][:2]
        expected, found = (np.frombuffer(raw, "<f4") for raw in (data, ours[name][2]))
        np.testing.assert_allclose(found, expected, rtol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    "case", ["llama-gqa", "llama-spm", "llama-3.1", "nanbeige", "qwen2", "qwen3", "internlm2", "chatglm"]
)
def test_sums_and_counts_are_those_of_llama_imatrix(case: str, tmp_path: Path) -> None:
    pytest.importorskip("sentencepiece", reason="some families' tokenizers are made with it")
    import test_converter

    if case == "qwen3":
        config = qwen2_config(architectures=["Qwen3ForCausalLM"], model_type="qwen3", num_hidden_layers=2, head_dim=32)
        folder = make_qwen3(tmp_path / "model", config)
    else:
        folder = test_converter.make(tmp_path / "model", case, "f16", 1, False)
    gguf = quantized(folder, "f16", tmp_path / "model.gguf").path
    theirs, ours = theirs_and_ours(gguf, tmp_path, words(600), 256)
    agree(theirs, ours)
    assert len(ours) >= 2 * 4  # sums and counts of the matrices of a block, some of which are fused


def make_qwen3(folder: Path, config: dict[str, object]) -> Path:
    make_checkpoint(folder, config)
    tensors = {name: t for name, t in tensors_of(config).items() if not name.endswith(".bias")}
    for i in range(int(config["num_hidden_layers"])):
        for letter in "qk":
            tensors[f"model.layers.{i}.self_attn.{letter}_norm.weight"] = np.ones(int(config["head_dim"]), np.float32)
    write_weights(folder, tensors)
    return folder


def test_all_matrices_of_the_pocket_judge_agree_with_llama_imatrix(judge: Path, tmp_path: Path) -> None:
    theirs, ours = theirs_and_ours(judge, tmp_path, PAIRS.read_text("utf-8")[:2700], 512)
    agree(theirs, ours)
    assert len(ours) == 2 * 28


def test_the_output_matrix_agrees_with_llama_imatrix_where_it_is_asked_for(tiny: Path, tmp_path: Path) -> None:
    theirs, ours = theirs_and_ours(tiny, tmp_path, words(600), 256, "--process-output")
    agree(theirs, ours)
    assert len(ours) == 2 * 15 and "output.weight.in_sum2" in ours


def test_added_up_in_32_bits_row_by_row_the_same_inputs_give_llama_imatrix_s_sums(
    judge: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow: dict[str, np.ndarray] = {}
    plain = importance._Collector._take

    def take(self: importance._Collector, product: ggml.Multiplication) -> None:
        plain(self, product)
        for row in ggml.floats(product.inputs)[0, 0]:
            narrow[product.name] = narrow.get(product.name, np.float32(0)) + row * row

    monkeypatch.setattr(importance._Collector, "_take", take)
    theirs, _ = theirs_and_ours(judge, tmp_path, PAIRS.read_text("utf-8")[:9000], 512)
    assert len(narrow) == 28
    for name, sums in narrow.items():
        expected = np.frombuffer(theirs[f"{name}.in_sum2"][2], "<f4")
        np.testing.assert_allclose(sums, expected, rtol=1e-6, err_msg=name)


def test_experts_that_are_chosen_token_by_token_agree_with_llama_imatrix(tiny: Path, tmp_path: Path) -> None:
    gguf = with_experts(tiny, tmp_path / "experts.gguf")
    theirs, ours = theirs_and_ours(gguf, tmp_path, words(600), 256)
    agree(theirs, ours)
    assert ours["blk.0.ffn_down_exps.weight.counts"][1] == (1, 4)


def with_experts(source: Path, out: Path, experts: int = 4, used: int = 2) -> Path:
    """The model with experts of random weights in place of its feed-forward matrices, as Mixtral has them."""
    from gguf import GGUFReader, GGUFWriter

    reader, rng = GGUFReader(source), np.random.default_rng(0)
    writer = GGUFWriter(out, "llama")
    for key, field in reader.fields.items():
        if not key.startswith("GGUF.") and key != "general.architecture":
            kind = field.types[0]
            writer.add_key_value(key, field.contents(), kind, field.types[-1] if len(field.types) > 1 else None)
    writer.add_uint32("llama.expert_count", experts)
    writer.add_uint32("llama.expert_used_count", used)
    for tensor in reader.tensors:
        block, _, name = tensor.name.rpartition(".ffn_")
        shape = tuple(map(int, tensor.shape))[::-1]
        if name in ("gate.weight", "up.weight", "down.weight"):
            weights = rng.standard_normal((experts, *shape), np.float32) / np.float32(shape[1] ** 0.5)
            writer.add_tensor(f"{block}.ffn_{name.replace('.', '_exps.')}", weights)
        else:
            writer.add_tensor(tensor.name, tensor.data.reshape(shape))
        if name == "norm.weight":
            writer.add_tensor(f"{block}.ffn_gate_inp.weight", rng.standard_normal((experts, shape[0]), np.float32))
    for write in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file):
        write()
    writer.close()
    return out


def test_each_token_counts_for_the_experts_that_it_is_sent_to(tiny: Path, tmp_path: Path) -> None:
    sums = sums_of(with_experts(tiny, tmp_path / "experts.gguf"), random_tokens(40))
    for name in ("ffn_gate_exps", "ffn_up_exps", "ffn_down_exps"):
        one = sums[f"blk.1.{name}.weight"]
        assert one.counts.sum() == 2 * 40 and one.squares.shape[0] == len(one.counts) == 4
    gate, up, router = (sums[f"blk.1.{name}.weight"] for name in ("ffn_gate_exps", "ffn_up_exps", "ffn_gate_inp"))
    np.testing.assert_array_equal(gate.squares, up.squares)
    np.testing.assert_allclose(gate.squares.sum(axis=0), 2 * router.squares[0], rtol=1e-5)


# ---- plain torch ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", [SHORT, qwen2_config(num_hidden_layers=2, vocab_size=304)], ids=["llama", "qwen2"])
@pytest.mark.usefixtures("exact")
def test_sums_are_those_of_what_plain_arithmetic_multiplies(config: dict[str, object], tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="the arithmetic is torch's")
    import reference

    class Inputs(torch.overrides.TorchFunctionMode):  # type: ignore[misc,name-defined]
        """Keeps what is multiplied with a matrix of weights, in the order of the model."""

        def __init__(self) -> None:
            super().__init__()
            self.seen: list[np.ndarray] = []

        def __torch_function__(self, function, kinds, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            if "matmul" in function.__name__ and args[1].ndim == 2 and not args[1].is_contiguous():
                self.seen.append(args[0].numpy())
            return function(*args, **(kwargs or {}))

    make_checkpoint(tmp_path / "model", config, dtype="f32")
    tokens = random_tokens(48)
    with Inputs() as inputs:
        reference.decoder_logits(config, tensors_of(config), list(tokens))
    sums = sums_of(quantized(tmp_path / "model", "f32", tmp_path / "f32.gguf").path, tokens, output=True)
    names = [f"blk.{i}.{name}.weight" for i in range(2) for name in MATRICES] + ["output.weight"]
    assert len(inputs.seen) == len(names) and sorted(sums) == sorted(names)
    for name, rows in zip(names, inputs.seen, strict=True):
        np.testing.assert_allclose(sums[name].squares[0], (rows**2).sum(axis=0), rtol=1e-4, err_msg=name)
        assert sums[name].counts.tolist() == [48]


# ---- the rule, and what must not matter -------------------------------------------------------------------


def test_fewer_than_sixteen_rows_are_not_counted(tiny: Path) -> None:
    assert sums_of(tiny, random_tokens(ROWS - 1)) == {}
    counted = sums_of(tiny, random_tokens(ROWS))
    assert len(counted) == 14 and {int(sums.counts[0]) for sums in counted.values()} == {ROWS}


@given(st.integers(1, 5000))
def test_a_text_is_cut_into_few_calls_of_nearly_equal_length_and_none_is_lost(length: int) -> None:
    tokens = tuple(range(length))
    parts = importance.pieces(tokens)
    lengths = [len(part) for part in parts]
    assert sum(parts, ()) == tokens and len(parts) == -(-length // CALL)
    assert max(lengths) <= CALL and max(lengths) - min(lengths) <= 1
    assert length < ROWS or min(lengths) >= ROWS


def test_every_row_counts_where_a_text_is_a_little_longer_than_a_call(tmp_path: Path) -> None:
    make_checkpoint(tmp_path / "model", SHORT | {"max_position_embeddings": 1024})
    path = quantized(tmp_path / "model", "f16", tmp_path / "m.gguf").path
    assert {int(sums.counts[0]) for sums in sums_of(path, random_tokens(CALL + 8)).values()} == {CALL + 8}


def test_texts_do_not_influence_each_other(tiny: Path) -> None:
    first, second = random_tokens(40, seed=1), random_tokens(300, seed=2)
    alone = sums_of(tiny, first), sums_of(tiny, second)
    same(sums_of(tiny, first, second), {name: sums.plus(alone[1][name]) for name, sums in alone[0].items()})


def test_what_follows_the_last_matrix_is_left_out_and_changes_no_sum(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [random_tokens(40 + seed, seed=seed) for seed in range(3)]
    cut_short, calls = sums_of(tiny, *texts), []
    plain = importance._Collector.__call__

    def whole(self: importance._Collector, address: int, ask: bool) -> bool:
        calls.append(ask)
        return plain(self, address, ask) or not ask

    monkeypatch.setattr(importance._Collector, "__call__", whole)
    same(cut_short, sums_of(tiny, *texts))
    assert calls.count(False) == 3 * 14


def test_the_output_matrix_counts_only_if_it_is_asked_for(tiny: Path) -> None:
    tokens = random_tokens(40)
    without, with_output = sums_of(tiny, tokens, tokens), sums_of(tiny, tokens, tokens, output=True)
    assert with_output.keys() - without.keys() == {"output.weight"}
    same(without, {name: with_output[name] for name in without})


def test_the_number_of_threads_changes_nothing(tiny: Path) -> None:
    tokens, found = random_tokens(200), []
    for threads in (1, 2):
        with Model(tiny, threads=threads) as model, closing(ImportanceMeter(model, 200)) as meter:
            meter.add(tokens)
            found.append(dict(meter.sums))
    same(*found)


def test_inputs_whose_squares_are_not_finite_are_refused_with_the_tensor(tmp_path: Path) -> None:
    make_checkpoint(tmp_path / "model", SHORT)
    tensors = tensors_of(SHORT)
    tensors["model.layers.1.post_attention_layernorm.weight"][7] = 1e30
    write_weights(tmp_path / "model", tensors, "f32")
    path = quantized(tmp_path / "model", "f32", tmp_path / "m.gguf").path
    with pytest.raises(ModelError, match=r"inputs of 'blk\.1\.ffn_gate\.weight' are not finite"):
        sums_of(path, random_tokens(40))


def test_an_error_in_the_callback_is_raised_and_nothing_of_the_text_counts(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with measured(tiny, random_tokens(40)) as meter:
        before = dict(meter.sums)
        monkeypatch.setattr(importance, "_squares", lambda rows: rows.no_such_attribute)
        with pytest.raises(AttributeError):
            meter.add(random_tokens(40))
        same(dict(meter.sums), before)
        monkeypatch.undo()
        meter.add(random_tokens(40))
        assert {int(sums.counts[0]) for sums in meter.sums.values()} == {80}


def test_memory_that_is_not_allowed_is_not_taken(tiny: Path) -> None:
    with pytest.raises(MemoryLimitError):
        sums_of(tiny, random_tokens(40), limits=Limits(memory=1_000_000))


def test_the_name_of_a_copy_on_a_device_is_that_of_the_tensor() -> None:
    names = ("blk.0.attn_k.weight", "CUDA0#blk.0.attn_k.weight#0", "CUDA0#blk.0.attn_k.weight")
    assert {ggml.tensor_name(name) for name in names} == {"blk.0.attn_k.weight"}


# ---- the file ---------------------------------------------------------------------------------------------


def test_a_written_file_is_read_back_and_says_what_llama_imatrix_says(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sums = {
        "blk.1.a.weight": ColumnSums(rng.random((1, 8)), np.array([7])),
        "blk.0.b.weight": ColumnSums(rng.random((3, 4)), np.array([2, 5, 0])),
    }
    path = tmp_path / "out.gguf"
    imatrix_file.write(path, sums, Origin(("some.txt", "other"), 3, 512))
    values = gguf_values(path)
    said = {key: value for key, value in values.items() if not key.startswith("GGUF.")}
    assert said == {
        "general.type": "imatrix", "imatrix.datasets": ["some.txt", "other"], "imatrix.chunk_count": 3,
        "imatrix.chunk_size": 512,
    }  # fmt: skip
    assert list(gguf_tensors(path)) == [
        f"blk.{name}.weight.{end}" for name in ("0.b", "1.a") for end in ("in_sum2", "counts")
    ]
    read = imatrix.read(path)
    assert read.chunks == 3
    np.testing.assert_allclose(read.columns["blk.1.a.weight"], sums["blk.1.a.weight"].squares[0] / 7, rtol=1e-6)
    means = sums["blk.0.b.weight"].squares[:2] / [[2], [5]]
    np.testing.assert_allclose(read.columns["blk.0.b.weight"], [*means.reshape(-1), 1, 1, 1, 1], rtol=1e-6)


@pytest.mark.parametrize("scheme", ["iq2_xs", "q2_k", "q3_k_s"])
def test_llama_quantize_makes_the_same_tensors_with_our_file(tiny: Path, tmp_path: Path, scheme: str) -> None:
    """Types, shapes and bytes of all tensors. Keys differ: each program writes some of its own about itself."""
    ours = tmp_path / "ours.imatrix.gguf"
    sums = sums_of(tiny, *(random_tokens(300, seed=seed) for seed in range(4)))
    columns = {name: ColumnSums(of_tensor.squares, of_tensor.counts) for name, of_tensor in sums.items()}
    imatrix_file.write(ours, columns, Origin(("random",), 4, 300))
    run_llama("llama-quantize", "--imatrix", ours, tiny, tmp_path / "theirs.gguf", scheme, 1)
    made = quantized(tiny.parent / "model", scheme, tmp_path / "made.gguf", imatrix=ours).path
    assert gguf_tensors(made) == gguf_tensors(tmp_path / "theirs.gguf")
