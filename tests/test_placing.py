"""How many layers fit where: arithmetic that needs no device, and what a build without one answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Edge
from hypothesis import given
from hypothesis import strategies as st

from edge_judge.engine import devices, placing
from edge_judge.engine.devices import TensorSizes, by_layer
from edge_judge.engine.placing import homes_of, largest, layers_in
from edge_judge.errors import UsageError
from edge_judge.records import Limits, Placement

SIZES = st.builds(
    TensorSizes,
    st.lists(st.integers(1, 10**9), min_size=1, max_size=90).map(tuple),
    st.integers(0, 10**9),
    st.integers(0, 10**9),
)
BYTES = st.integers(0, 10**11)


@pytest.fixture
def without_devices() -> None:
    if devices.devices():
        pytest.skip("llama.cpp can offload here: this is about builds that cannot")


@given(SIZES, st.integers(0, 10**6), st.integers(0, 10**9), BYTES, BYTES)
def test_a_larger_card_never_holds_fewer_layers(sizes: TensorSizes, cell: int, work: int, one: int, other: int) -> None:
    small, large = sorted((one, other))
    assert layers_in(small, sizes, cell, work) <= layers_in(large, sizes, cell, work) <= len(sizes.blocks) + 1


@given(SIZES, st.integers(0, 10**6), st.integers(0, 10**9), BYTES)
def test_the_layers_that_fit_do_fit_and_one_more_does_not(
    sizes: TensorSizes, cell: int, work: int, memory: int
) -> None:
    def needed(layers: int) -> int:
        blocks = len(sizes.blocks)
        weights = sizes.embedding + sizes.output + sum(sizes.blocks[blocks - (layers - 1) :] if layers > 1 else ())
        return work + weights + cell * placing.CELLS * (layers - 1) // blocks

    layers = layers_in(memory, sizes, cell, work)
    assert layers == 0 or needed(layers) <= memory
    assert layers == len(sizes.blocks) + 1 or needed(layers + 1) > memory


@given(st.integers(0, 200), st.integers(0, 200))
def test_the_largest_is_found_in_few_questions(total: int, limit: int) -> None:
    asked = []
    assert largest(total, lambda layers: asked.append(layers) or layers <= limit) == min(total, limit)
    assert len(asked) <= 9 and 0 not in asked


@given(st.sets(st.integers(1, 50)))
def test_what_is_found_fits_also_where_fewer_layers_can_need_more(fitting: set[int]) -> None:
    found = largest(50, lambda layers: layers in fitting)
    assert found == 0 or found in fitting


@given(st.integers(1, 100), st.integers(0, 120), st.lists(st.integers(1, 10**6), min_size=1, max_size=4).map(tuple))
def test_the_last_layers_go_to_devices_in_their_order(total: int, layers: int, shares: tuple[int, ...]) -> None:
    homes = homes_of(total, layers, shares)
    assert len(homes) == total and homes.count(None) == max(0, total - layers)
    placed = [home for home in homes if home is not None]
    assert homes[: homes.count(None)] == [None] * homes.count(None)
    assert placed == sorted(placed) and set(placed) <= set(range(len(shares)))


def test_two_equal_devices_share_the_layers_equally() -> None:
    assert homes_of(6, 4, (5, 5)) == [None, None, 0, 0, 1, 1]


def test_tensors_are_added_up_by_layer_and_a_tied_embedding_counts_for_the_output_too() -> None:
    tensors = [("token_embd.weight", 100), ("blk.0.attn_q.weight", 1), ("blk.1.ffn_up.weight", 2), ("blk.0.x", 4)]
    assert by_layer([*tensors, ("output_norm.weight", 8)]) == TensorSizes((5, 2), 108, 100)
    assert by_layer([*tensors, ("output.weight", 50)]) == TensorSizes((5, 2), 50, 100)


def test_a_files_header_gives_the_sizes_of_its_tensors(edge: Edge, models: Path) -> None:
    edge("quantize", "pocket", "q8_0")
    file = models / "pocket" / "pocket-q8_0.gguf"
    sizes = devices.tensor_sizes(file)
    tensors = sum(sizes.blocks) + sizes.embedding + sizes.output
    tied = sizes.embedding if sizes.output > sizes.embedding else 0
    assert len(sizes.blocks) == 4 and 0 <= file.stat().st_size - (tensors - tied) < 200_000


@pytest.mark.usefixtures("without_devices")
@pytest.mark.parametrize("layers", [1, "all"])
def test_layers_for_a_gpu_that_is_not_there_are_refused_with_how_to_build_for_one(layers: int | str) -> None:
    with pytest.raises(UsageError, match="no device to offload to") as caught:
        placing.place(Path("any.gguf"), Limits(placement=Placement(layers)))
    assert "GGML_CUDA" in (caught.value.hint or "")


@pytest.mark.usefixtures("without_devices")
@pytest.mark.parametrize("layers", [0, "auto"])
def test_without_a_gpu_nothing_is_asked_of_the_file(layers: int | str) -> None:
    assert placing.place(Path("no such file.gguf"), Limits(placement=Placement(layers))) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--gpu-layers", "some"), "--gpu-layers some: not a number of layers"),
        (("--gpu-layers", "-1"), "--gpu-layers -1: not a number of layers"),
        (("--device", "Nowhere7"), "--device Nowhere7: no such device"),
        (("--device", "localhost:1"), "--device localhost:1: "),
        (("--gpu-memory", "much"), "--gpu-memory much: not a size of memory"),
    ],
)
def test_a_placement_that_cannot_be_is_one_clear_error(edge: Edge, options: tuple[str, ...], message: str) -> None:
    done = edge("judge", "--question", "x", "--a", "y", "--b", "z", *options)
    assert done.returncode == 2 and f"error: {message}" in done.stderr and "hint: " in done.stderr
    assert "Traceback" not in done.stderr


def test_models_tells_how_many_layers_fit_a_card_and_a_larger_one_holds_more(edge: Edge) -> None:
    small, large = (
        {one["name"]: one["gpu_layers"] for one in json.loads(edge("models", "--json", "--gpu-memory", size).stdout)}
        for size in ("6GB", "24GB")
    )
    assert small["qwen1.5-7b"]["f16"] < large["qwen1.5-7b"]["f16"] and small["qwen1.5-7b"]["q2_k"] == 33
    assert all(small[name][scheme] <= large[name][scheme] for name in small for scheme in small[name])
    assert "Layers that fit on a GPU with 6.00 GB" in edge("models", "--gpu-memory", "6GB").stdout


def test_models_and_speed_say_what_evaluates(edge: Edge) -> None:
    assert "CPU: " in edge("models").stdout
    assert "CPU: " in edge("speed", "--seconds", "0.01", "--grammar", "pairwise", "--benchmark", "pocket").stdout
