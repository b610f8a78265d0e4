"""How much each input column of a model's matrices matters: the sums of squared inputs, as llama-imatrix takes them.

While a text is evaluated, llama.cpp calls back for every operation. Where it multiplies a matrix of a block with 16 or
more rows of 32-bit inputs, each column's squares are summed (llama.cpp, tools/imatrix). Every token is an output:
otherwise the last block would compute its feed-forward part for a single row, and its matrices would be missed.
What follows the last matrix that counts is not computed, which no sum depends on.

Knows: the callback's rule, sums. Does not know: what a text is about, files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_judge.engine import ggml
from edge_judge.engine.evaluator import COMPANY
from edge_judge.engine.footprint import OVERHEAD, rounded_up
from edge_judge.engine.ggml import Multiplication
from edge_judge.engine.llama import Context, ContextSize
from edge_judge.engine.model import Model
from edge_judge.engine.processors import Stopwatch
from edge_judge.engine.threads import Call
from edge_judge.errors import MemoryLimitError, ModelError
from edge_judge.inference import Tokens
from edge_judge.records import Limits

ROWS = 16  # fewer are not counted, as in llama-imatrix
CALL = 512  # tokens of one call at most, as in llama-imatrix
OUTPUT = "output.weight"


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Of one tensor. squares: of its inputs, float64 of shape (matrices, width); counts: of rows, int64 of shape
    (matrices,), or (1,) where all matrices share one.
    """

    squares: NDArray[np.float64]
    counts: NDArray[np.int64]

    def plus(self, other: Sums) -> Sums:
        return Sums(self.squares + other.squares, self.counts + other.counts)


def pieces(tokens: Tokens) -> list[Tokens]:
    """The tokens of each call: as few calls as can be, of nearly equal length, since a short rest would not count."""
    calls = max(1, -(-len(tokens) // CALL))
    cuts = [len(tokens) * call // calls for call in range(calls + 1)]
    return [tokens[start:end] for start, end in zip(cuts, cuts[1:], strict=False)]


class ImportanceMeter:
    """Evaluates texts, each from an empty cache, and sums the squares of what the matrices are multiplied with.

    longest: tokens of the longest text; output: whether the output matrix counts too. sums: of the texts so far, by
    GGUF tensor name; a caller may set them to go on from an earlier time. memory: bytes that the process takes.
    Raises ModelError if no context can be made, MemoryLimitError if it takes more than the limits allow.
    """

    def __init__(self, model: Model, longest: int, *, output: bool = False, limits: Limits = Limits()) -> None:
        self.sums: Mapping[str, Sums] = {}
        self._model, self._collector = model, _Collector(output)
        process, call = model.process, min(CALL, longest)
        sizes = ContextSize(rounded_up(longest + COMPANY), call, call, 1, call)
        if model.placed:
            model.placed.check(sizes, limits.cache)
        try:
            self._context = Context(model.loaded, sizes, limits.cache, observer=self._collector)
        except ModelError as error:
            raise ModelError(f"{model.path}: {error}", "free some memory, or use shorter texts") from error
        self.memory = process + OVERHEAD + model.weights + self._context.cache + self._context.work
        if limits.memory is not None and self.memory > limits.memory:
            self.close()
            raise MemoryLimitError(limits.memory, self.memory, model.weights)

    def close(self) -> None:
        self._context.close()

    def add(self, tokens: Tokens) -> None:
        """Evaluate a text and add to `sums`. Either all of it counts, or none. Raises ModelError where an input is not
        finite.
        """
        self._context.clear()
        self._collector.begin()
        start = 0
        for piece in pieces(tokens):
            self._evaluate(piece, start)
            start += len(piece)
        taken = self._collector.sums
        self.sums = {**self.sums, **{n: s.plus(self.sums[n]) if n in self.sums else s for n, s in taken.items()}}

    def _evaluate(self, tokens: Sequence[int], start: int) -> None:
        tuner, watch = self._model.threads, Stopwatch()
        threads = tuner.count(len(tokens))
        cells = [(token, start + place, (0,)) for place, token in enumerate(tokens)]
        self._collector.call()
        try:
            self._context.decode(cells, range(len(cells)), threads)
        except ModelError as error:
            raise ModelError(f"{self._model.path}: {error}") from error
        self._collector.check(str(self._model.path))
        tuner.add(Call(threads, len(cells), *watch.read()))


class _Collector:
    """What llama.cpp calls back. No exception may leave it: it is kept, and `check` raises it."""

    def __init__(self, output: bool) -> None:
        self.sums: dict[str, Sums] = {}
        self._output = output
        self._error: Exception | None = None
        self._last: str | None = None  # the name of the last matrix of a call, known after the first one
        self._names: list[str] = []
        self._shared: dict[int, NDArray[np.float32]] = {}  # by the address of inputs: q, k and v have the same

    def begin(self) -> None:
        """Before a text."""
        self.sums = {}

    def call(self) -> None:
        """Before a call, in which ggml gives every tensor an address of its own."""
        if self._names:
            self._last = self._names[-1]
        self._names, self._shared, self._error = [], {}, None

    def check(self, path: str) -> None:
        """After a call."""
        if isinstance(self._error, ModelError):
            raise ModelError(f"{path}: {self._error}", self._error.hint) from self._error
        if self._error is not None:
            raise self._error

    def __call__(self, address: int, ask: bool) -> bool:
        """Asked whether a result is wanted; then told that it is there: False ends the call."""
        try:
            product = ggml.multiplication(address)
            if ask:
                return product is not None and self._counts(product)
            if product is not None:
                self._take(product)
                return product.name != self._last
        except Exception as error:  # would be lost in C
            self._error = self._error or error
        return False

    def _counts(self, product: Multiplication) -> bool:
        """llama-imatrix's rule."""
        if product.product == "MUL_MAT_ID":
            return True
        named = product.name.startswith("blk.") or (self._output and product.name == OUTPUT)
        return named and product.floats and product.shape[1] >= ROWS

    def _take(self, product: Multiplication) -> None:
        sums = _of_experts(product) if product.chosen else self._of_matrix(product)
        if not np.isfinite(sums.squares).all():
            raise ModelError(
                f"the squared inputs of {product.name!r} are not finite, so their importance cannot be measured",
                "the model's weights may be damaged, or its type too narrow: try --scheme f32",
            )
        earlier = self.sums.get(product.name)
        self.sums[product.name] = sums if earlier is None else earlier.plus(sums)
        self._names.append(product.name)

    def _of_matrix(self, product: Multiplication) -> Sums:
        """Inputs (i3, i2, rows, width): where the tensor holds several matrices, each has its own share of them."""
        if product.matrices == (1, 1):
            squares = self._shared.get(product.inputs)
            if squares is None:
                inputs = ggml.floats(product.inputs)
                squares = self._shared[product.inputs] = _squares(inputs.reshape(-1, inputs.shape[-1]))[None]
            rows = product.shape[1] * product.shape[2] * product.shape[3]
            return Sums(squares.astype(np.float64), np.array([rows], np.int64))
        inputs, (second, third) = ggml.floats(product.inputs), product.matrices
        sums = np.zeros((second * third, inputs.shape[-1]))
        for outer, part in enumerate(inputs):
            for inner, rows_of in enumerate(part):
                sums[outer % third * second + inner % second] += _squares(rows_of)
        rows = product.shape[1] * product.shape[2] * product.shape[3] // len(sums)
        return Sums(sums, np.array([rows], np.int64))


def _of_experts(product: Multiplication) -> Sums:
    """Each token's row counts for the experts that it is sent to."""
    inputs, chosen = ggml.floats(product.inputs)[0], ggml.integers(product.chosen)[0, 0]  # (tokens, 1 or used, width)
    experts = product.matrices[0]
    sums, counts = np.zeros((experts, inputs.shape[-1])), np.bincount(chosen.reshape(-1), minlength=experts)
    for place in range(chosen.shape[1]):
        rows = inputs[:, place % inputs.shape[1]]
        for expert in np.unique(chosen[:, place]):
            sums[expert] += _squares(rows[chosen[:, place] == expert])
    return Sums(sums, counts.astype(np.int64))


def _squares(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """The sum of the squares of each column."""
    return np.einsum("ij,ij->j", rows, rows)  # type: ignore[no-any-return]
