"""The integer graph: what a model is once every float has been settled into integers.

Frozen dataclasses, integers as ``int64``. A graph is a straight list of nodes in topological order over named values;
a pass (``compiler/passes``) is a function from graph to graph. Every value has an :class:`IntType` found by interval
analysis from the actual weights, and the ``origin`` tensor of the QONNX graph that it must equal, where there is one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from ..errors import UserError
from .float32 import Chain

__all__ = ["BIPOLAR", "ArgMax", "Dense", "Elementwise", "Graph", "InputSpec", "IntType", "MatMul", "Node", "Quantise",
           "Threshold", "Value"]


@dataclass(frozen=True)
class IntType:
    """A range of integers and the bits that carry it.

    ``bipolar`` is {-1, +1} in one bit, 0 for -1; otherwise two's complement (``signed``) or plain binary of ``bits``.
    """

    bits: int
    signed: bool = False
    bipolar: bool = False

    def __post_init__(self):
        if self.bits < 1 or (self.bipolar and (self.bits != 1 or self.signed)):
            raise ValueError(f"no such integer type: {self.bits} bits, signed={self.signed}, bipolar={self.bipolar}")

    @classmethod
    def spanning(cls, lo: int, hi: int) -> IntType:
        """The narrowest plain type that holds every integer from ``lo`` to ``hi``."""
        if lo > hi:
            raise ValueError(f"an interval needs lo <= hi, not {lo} and {hi}")
        if lo >= 0:
            return cls(max(1, int(hi).bit_length()))
        return cls(max(int(max(hi, 0)).bit_length(), int(-lo - 1).bit_length()) + 1, signed=True)

    @property
    def lo(self) -> int:
        return -1 if self.bipolar else -(1 << self.bits - 1) if self.signed else 0

    @property
    def hi(self) -> int:
        return 1 if self.bipolar else (1 << self.bits - self.signed) - 1

    def holds(self, codes: np.ndarray) -> bool:
        """Whether every integer of the array is of this type."""
        return bool(np.all(np.abs(codes) == 1) if self.bipolar else np.all((codes >= self.lo) & (codes <= self.hi)))

    def __str__(self) -> str:
        return "bipolar" if self.bipolar else f"{'int' if self.signed else 'uint'}{self.bits}"


BIPOLAR = IntType(1, bipolar=True)


@dataclass(frozen=True)
class Value:
    """A tensor of integers: ``shape`` without the batch axis, channels last; ``lo`` and ``hi`` its exact interval."""

    name: str
    shape: tuple[int, ...]
    type: IntType
    lo: int
    hi: int
    origin: str | None = None


@dataclass(frozen=True)
class InputSpec:
    """What the accelerator takes: codes of ``type``, each worth ``code * scale`` in the model's own units.

    ``shape`` is the model's input without the batch axis, flattened in C order into the graph's input value.
    If ``encoder`` is given, the codes are those of the model's first quantiser and ``encoder`` is the model's float32
    expression before it (bipolar code: +1 where the expression is >= 0); the scale then is 1.
    """

    type: IntType
    scale: Fraction
    shape: tuple[int, ...]
    encoder: Chain | None = None

    def encode(self, x: np.ndarray) -> np.ndarray:
        """The codes (int64 ``[frames, elements]``) of frames in the model's units, as the host driver makes them.

        With an ``encoder``: the model's own first quantiser. Else ``x / scale``, rounded half to even, or the sign.

        Raises
        ------
        UserError
            If the frames have another size than the model's input, are not finite, or lie outside the declared type.
        """
        x = np.asarray(x)
        size = math.prod(self.shape)
        if x.ndim < 1 or math.prod(x.shape[1:]) != size:
            raise UserError(f"frames have the shape {list(x.shape[1:])}, {math.prod(x.shape[1:])} elements; the model "
                            f"takes {list(self.shape)}, {size} elements", where="data", remedy="reshape the data")
        if not np.isfinite(x).all():
            raise UserError("holds NaN or infinite values", where="data", remedy="repair the data")
        if self.encoder is not None:
            return np.where(self.encoder.apply(x.reshape(len(x), size)) >= 0, 1, -1).astype(np.int64)
        exact = x.reshape(len(x), size).astype(np.float64)
        if self.type.bipolar:
            return np.where(exact >= 0, 1, -1).astype(np.int64)
        codes = np.rint(exact * self.scale.denominator / self.scale.numerator)
        if codes.size and (codes.min() < self.type.lo or codes.max() > self.type.hi):
            raise UserError(f"values range from {float(x.min()):g} to {float(x.max()):g}; {self.type} codes of "
                            f"{self.scale} each span {float(self.type.lo * self.scale):g} to "
                            f"{float(self.type.hi * self.scale):g}", where="data",
                            remedy="scale the data as in training, or give integers, which are taken as codes")
        return codes.astype(np.int64)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """The frames in the model's units, float32 ``[frames, *shape]``. Not for an ``encoder``, which loses them."""
        if self.encoder is not None:
            raise ValueError("codes of the model's own first quantiser cannot be decoded")
        codes = np.asarray(codes)
        return Chain(self.scale)(codes).reshape(len(codes), *self.shape)


@dataclass(frozen=True, eq=False)
class MatMul:
    """``y = W x`` over integers. ``weights`` is int64 ``[out, in]`` with values of ``weight_type``."""

    name: str
    input: str
    output: Value
    weights: np.ndarray
    weight_type: IntType


@dataclass(frozen=True, eq=False)
class Elementwise:
    """The model's own float32 expression of an integer tensor. ``output`` is only a name: it carries float32."""

    name: str
    input: str
    output: str
    chain: Chain


@dataclass(frozen=True, eq=False)
class Quantise:
    """float32 to codes, as the model's quantiser does it. Bipolar: +1 where the input is >= 0, else -1."""

    name: str
    input: str
    output: Value


@dataclass(frozen=True, eq=False)
class Threshold:
    """Integers to codes by comparison, ``levels`` thresholds for each channel.

    ``thresholds`` is int64 ``[channels, levels]``, ascending. The step count of an integer ``a`` is the number of
    thresholds ``t`` with ``a >= t`` or, where ``falling[channel]``, with ``a <= t`` (then descending). A bipolar output
    is +1 where the (only) threshold is met, else -1; any other output type is its ``lo`` plus the count.
    A threshold that no integer of the input meets lies one beyond its interval.
    """

    name: str
    input: str
    output: Value
    thresholds: np.ndarray
    falling: np.ndarray


@dataclass(frozen=True, eq=False)
class Dense:
    """A matrix-vector product, with thresholds on its accumulators or (``thresholds is None``) without.

    ``weights`` int64 ``[out, in]``; ``thresholds`` int64 ``[out, levels]``, all rising. This is what one matrix-vector
    unit computes.
    """

    name: str
    input: str
    output: Value
    weights: np.ndarray
    weight_type: IntType
    accumulator: IntType
    thresholds: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class ArgMax:
    """The index of the largest integer; of equal ones, the lowest index."""

    name: str
    input: str
    output: Value


Node = MatMul | Elementwise | Quantise | Threshold | Dense | ArgMax


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes in topological order from ``input`` to ``output``; ``final`` is the float32 expression the host applies."""

    name: str
    spec: InputSpec
    input: Value
    nodes: tuple[Node, ...]
    output: str
    final: Chain
    notes: tuple[str, ...] = field(default=())

    def value(self, name: str) -> Value:
        """The integer value called ``name``. Raises ``KeyError`` if it is a float, or absent."""
        if name == self.input.name:
            return self.input
        for node in self.nodes:
            if isinstance(node.output, Value) and node.output.name == name:
                return node.output
        raise KeyError(name)

    def with_nodes(self, nodes, **changes) -> Graph:
        """The same graph with other nodes."""
        return replace(self, nodes=tuple(nodes), **changes)
