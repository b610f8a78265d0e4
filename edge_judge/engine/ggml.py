"""ggml's tensors as the evaluation callback of llama.cpp hands them out: what is multiplied, and the numbers in it.

Knows: the layout of ggml's tensor, where its numbers are. Does not know: what is made of the numbers, models.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edge_judge.engine import llama
from edge_judge.errors import ModelError

Product: TypeAlias = Literal["MUL_MAT", "MUL_MAT_ID"]
_DIMENSIONS, _SOURCES, _NAME, _PARAMETERS = 4, 10, 64, 16  # of ggml.h
_MOST_OPS = 60  # numbers of operations that are looked through; ggml has more, and the products are below 40
_F32, _I32 = 0, 26  # of ggml_type


class _Tensor(ctypes.Structure):
    """ggml_tensor of ggml.h, up to the name."""


_Tensor._fields_ = [
    ("type", ctypes.c_int),
    ("buffer", ctypes.c_void_p),
    ("ne", ctypes.c_int64 * _DIMENSIONS),
    ("nb", ctypes.c_size_t * _DIMENSIONS),
    ("op", ctypes.c_int),
    ("op_params", ctypes.c_int32 * _PARAMETERS),
    ("flags", ctypes.c_int32),
    ("src", ctypes.c_void_p * _SOURCES),
    ("view_src", ctypes.c_void_p),
    ("view_offs", ctypes.c_size_t),
    ("data", ctypes.c_void_p),
    ("name", ctypes.c_char * _NAME),
]


@dataclass(frozen=True, slots=True)
class Multiplication:
    """A product that is computed: of a matrix of the model, by its GGUF name, and the inputs at an address.

    shape: of the inputs, the row's width first, as ggml counts; matrices: how many the model's tensor holds; chosen:
    the address of the numbers of the experts that are used, 0 where there are none; floats: whether inputs are f32.
    """

    product: Product
    name: str
    matrices: tuple[int, int]
    inputs: int
    shape: tuple[int, ...]
    floats: bool
    chosen: int


def multiplication(address: int) -> Multiplication | None:
    """The product that the tensor at an address is the result of; None for any other operation."""
    node = _Tensor.from_address(address)
    product = _products().get(node.op)
    if product is None:
        return None
    matrix, inputs = _Tensor.from_address(node.src[0]), _Tensor.from_address(node.src[1])
    return Multiplication(
        product,
        tensor_name(matrix.name.decode(errors="replace")),
        (int(matrix.ne[2]), int(matrix.ne[3])),
        int(node.src[1]),
        tuple(inputs.ne),
        inputs.type == _F32,
        int(node.src[2] or 0) if product == "MUL_MAT_ID" else 0,
    )


def tensor_name(name: str) -> str:
    """The GGUF name in the name that a scheduler gives a copy of a tensor: `CUDA0#blk.0.attn_k.weight#0`."""
    parts = name.split("#")
    return parts[1] if len(parts) > 1 else name


def floats(address: int) -> NDArray[np.float32]:
    """The numbers of an f32 tensor, of shape (ne3, ne2, ne1, ne0), in ggml's own memory where that is the host's."""
    return _array(_Tensor.from_address(address), np.dtype("<f4"))


def integers(address: int) -> NDArray[np.int32]:
    """The numbers of an i32 tensor, as `floats` gives them. Raises ModelError for another type."""
    tensor = _Tensor.from_address(address)
    if tensor.type != _I32:
        raise ModelError(f"llama.cpp numbers experts in another type than i32 ({tensor.type})")
    return _array(tensor, np.dtype("<i4"))


def _array(tensor: _Tensor, dtype: np.dtype[Any]) -> NDArray[Any]:
    size = sum((int(count) - 1) * int(step) for count, step in zip(tensor.ne, tensor.nb, strict=True)) + dtype.itemsize
    if _library().ggml_backend_buffer_is_host(tensor.buffer):
        memory = (ctypes.c_char * size).from_address(tensor.data)
    else:
        memory = ctypes.create_string_buffer(size)
        _library().ggml_backend_tensor_get(ctypes.byref(tensor), memory, 0, size)
    return np.ndarray(tuple(tensor.ne)[::-1], dtype, memoryview(memory).cast("B"), strides=tuple(tensor.nb)[::-1])


@cache
def _products() -> dict[int, Product]:
    """The numbers of ggml's products. Raises ModelError where its tensors are laid out in another way than here."""
    names = {number: (_library().ggml_op_name(number) or b"").decode() for number in range(_MOST_OPS)}
    found: dict[int, Product] = {
        number: product for number, name in names.items() for product in _PRODUCTS if name == product
    }
    if len(found) != len(_PRODUCTS) or not _laid_out_as_here():
        raise ModelError("this llama.cpp lays its tensors out in a way that is not known here")
    return found


_PRODUCTS: tuple[Product, ...] = ("MUL_MAT", "MUL_MAT_ID")


def _laid_out_as_here() -> bool:
    """Whether a product that ggml itself makes reads as one: its shape, sources and names at the expected places."""
    library = _library()
    context = library.ggml_init(_InitParams(1 << 16, None, True))
    try:
        matrix, inputs = (library.ggml_new_tensor_2d(context, _F32, 3, rows) for rows in (5, 7))
        library.ggml_set_name(matrix, b"probe")
        node = _Tensor.from_address(library.ggml_mul_mat(context, matrix, inputs))
        left = _Tensor.from_address(node.src[0])
        return (left.name, tuple(left.ne), tuple(node.ne), node.src[1], left.nb[1]) == (
            b"probe", (3, 5, 1, 1), (5, 7, 1, 1), inputs, 12,
        )  # fmt: skip
    finally:
        library.ggml_free(context)


class _InitParams(ctypes.Structure):
    """ggml_init_params."""

    _fields_ = [("mem_size", ctypes.c_size_t), ("mem_buffer", ctypes.c_void_p), ("no_alloc", ctypes.c_bool)]


@cache
def _library() -> ctypes.CDLL:
    """llama.cpp's library, with the types of the functions of ggml that are called here."""
    library, pointer = llama.LIBRARY, ctypes.c_void_p
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "ggml_op_name": (ctypes.c_char_p, [ctypes.c_int]),
        "ggml_backend_buffer_is_host": (ctypes.c_bool, [pointer]),
        "ggml_backend_tensor_get": (None, [pointer, pointer, ctypes.c_size_t, ctypes.c_size_t]),
        "ggml_init": (pointer, [_InitParams]),
        "ggml_free": (None, [pointer]),
        "ggml_new_tensor_2d": (pointer, [pointer, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]),
        "ggml_set_name": (pointer, [pointer, ctypes.c_char_p]),
        "ggml_mul_mat": (pointer, [pointer, pointer, pointer]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
