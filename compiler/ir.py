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
from ..hdl.number import BIPOLAR, IntType
from .float32 import SIGN, Chain, Quantiser
from .index import Index

__all__ = ["BIPOLAR", "Add", "ArgMax", "Concat", "Conv", "Dense", "Elementwise", "Graph", "InputSpec", "IntType",
           "MatMul", "Node", "Pool", "Quantise", "Rearrange", "Requantise", "Table", "Threshold", "Value", "Window",
           "canonical_order"]


def canonical_order(shape: tuple[int, ...]) -> np.ndarray:
    """Where each element of a model's tensor (C order, channels first) lies in a stream of ``shape`` (channels last).

    int64 ``[elements]``: element ``k`` of the tensor ``[C, H, W]`` is element ``order[k]`` of the stream ``(H, W, C)``;
    a vector keeps its order.
    """
    index = np.arange(math.prod(shape), dtype=np.int64).reshape(shape)
    return np.moveaxis(index, -1, 0).reshape(-1)


@dataclass(frozen=True)
class Value:
    """A tensor of integers without the batch axis: a vector ``(C,)`` or an image ``(H, W, C)``, channels last.

    A stream carries its elements in C order of ``shape``, so channels fastest; signals of one dimension are images of
    height 1. ``lo`` and ``hi`` are its exact interval. ``origin`` is the tensor of the QONNX graph that it must equal,
    and ``order`` where that tensor's elements lie in it: element ``k`` of the tensor (C order) is element ``order[k]``
    of the stream; None stands for :func:`canonical_order`.
    """

    name: str
    shape: tuple[int, ...]
    type: IntType
    lo: int
    hi: int
    origin: str | None = None
    order: np.ndarray | None = field(default=None, compare=False)

    @property
    def channels(self) -> int:
        return self.shape[-1]

    @property
    def pixels(self) -> int:
        """Positions of an image; 1 for a vector."""
        return math.prod(self.shape[:-1])

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def origin_order(self) -> np.ndarray:
        """``order``, int64 ``[elements of the origin]``."""
        return canonical_order(self.shape) if self.order is None else self.order


@dataclass(frozen=True)
class Window:
    """How a kernel moves over an image: all pairs are (vertical, horizontal), ``pads`` (top, left, bottom, right).

    ``insert`` spreads the image first, with ``insert - 1`` zeros between neighbours, before it is padded: so a
    transposed convolution of stride ``s`` is a convolution of stride 1 with ``insert`` ``s`` (Dumoulin and Visin,
    "A guide to convolution arithmetic for deep learning", 2016, section 4). Pads may not be negative.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    insert: tuple[int, int] = (1, 1)

    @property
    def taps(self) -> int:
        return self.kernel[0] * self.kernel[1]

    def output(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of positions on an image of ``height`` x ``width``."""
        rows, columns = (
            (insert * (size - 1) + 1 + before + after - dilation * (kernel - 1) - 1) // stride + 1
            for size, insert, before, after, dilation, kernel, stride in zip(
                (height, width), self.insert, self.pads[:2], self.pads[2:], self.dilation, self.kernel, self.stride,
                strict=True))
        return rows, columns

    def sources(self, height: int, width: int) -> np.ndarray:
        """The pixel (row * width + column) that each tap of each position sees, -1 for padding and inserted zeros.

        int64 ``[positions, taps]``, both in C order.
        """
        places = []
        for axis, size in enumerate((height, width)):
            count = self.output(height, width)[axis]
            at = (np.arange(count)[:, None] * self.stride[axis] - self.pads[axis]
                  + np.arange(self.kernel[axis]) * self.dilation[axis])
            inside = (at >= 0) & (at % self.insert[axis] == 0) & (at // self.insert[axis] < size)
            places.append(np.where(inside, at // self.insert[axis], -1))
        rows, columns = places
        pixels = np.where((rows[:, None, :, None] >= 0) & (columns[None, :, None, :] >= 0),
                          rows[:, None, :, None] * width + columns[None, :, None, :], -1)
        return pixels.reshape(-1, self.taps)


@dataclass(frozen=True)
class InputSpec:
    """What the accelerator takes: codes of ``type``, each worth ``code * scale`` in the model's own units.

    ``shape`` is the model's input without the batch axis, channels first: ``[C, H, W]``, ``[C, W]`` or ``[C]``; the
    graph's input value has ``stream_shape``, channels last.
    If ``encoder`` is given, the codes are those of the model's first ``quantiser`` and ``encoder`` is the model's
    float32 expression before it, on elements in the model's order; the scale then is 1.
    """

    type: IntType
    scale: Fraction
    shape: tuple[int, ...]
    encoder: Chain | None = None
    quantiser: Quantiser = SIGN

    @property
    def stream_shape(self) -> tuple[int, ...]:
        """``(H, W, C)``, ``(1, W, C)`` or ``(C,)``; a tensor of more axes is a vector in C order."""
        match self.shape:
            case (channels, height, width):
                return height, width, channels
            case (channels, width):
                return 1, width, channels
            case _:
                return (math.prod(self.shape),)

    @property
    def order(self) -> np.ndarray:
        """Where each element of the model's input lies in the stream: int64 ``[elements]``."""
        return canonical_order(self.stream_shape)

    def to_stream(self, codes: np.ndarray) -> np.ndarray:
        """Codes ``[frames, ...]`` in the model's order as ``[frames, elements]`` in the stream's."""
        flat = np.asarray(codes).reshape(len(codes), -1)
        stream = np.empty_like(flat)
        stream[:, self.order] = flat
        return stream

    def encode(self, x: np.ndarray) -> np.ndarray:
        """The codes (int64 ``[frames, elements]``, stream order) of frames in the model's units, as hosts make them.

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
            return self.to_stream(self.quantiser(self.encoder.apply(x.reshape(len(x), size))))
        exact = x.reshape(len(x), size).astype(np.float64)
        if self.type.bipolar:
            return self.to_stream(np.where(exact >= 0, 1, -1).astype(np.int64))
        codes = np.rint(exact * self.scale.denominator / self.scale.numerator)
        if codes.size and (codes.min() < self.type.lo or codes.max() > self.type.hi):
            raise UserError(f"values range from {float(x.min()):g} to {float(x.max()):g}; {self.type} codes of "
                            f"{self.scale} each span {float(self.type.lo * self.scale):g} to "
                            f"{float(self.type.hi * self.scale):g}", where="data",
                            remedy="scale the data as in training, or give integers, which are taken as codes")
        return self.to_stream(codes.astype(np.int64))

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Codes in stream order in the model's units, float32 ``[frames, *shape]``. Not for an ``encoder``."""
        if self.encoder is not None:
            raise ValueError("codes of the model's own first quantiser cannot be decoded")
        codes = np.asarray(codes)[:, self.order]
        return Chain(self.scale)(codes).reshape(len(codes), *self.shape)


@dataclass(frozen=True, eq=False)
class _Node:
    """What all nodes have: a name, that of the QONNX node, and the values that they read and give."""

    name: str
    input: str
    output: Value

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the values read, in order."""
        return (self.input,)


@dataclass(frozen=True, eq=False)
class MatMul(_Node):
    """``y = W x`` over integers, of all elements of the input in stream order.

    ``weights`` is int64 ``[out, in]`` with values of ``weight_type``; ``declared`` are the least and the greatest that
    their quantiser gives, where it is known. ``index`` says where they come from, if the model says so and they agree.
    """

    weights: np.ndarray
    weight_type: IntType
    declared: tuple[int, int] | None = None
    index: Index | None = None


@dataclass(frozen=True, eq=False)
class Conv(_Node):
    """A convolution over integers: ``weights`` is int64 ``[out, kh, kw, in / groups]``, as of :class:`MatMul`.

    Input ``(H, W, in)``, output ``(H', W', out)``. Output channel ``o`` sees the input channels of its group,
    ``o // (out / groups)``. Padding and inserted zeros are the integer 0, whatever the input's type.
    """

    weights: np.ndarray
    weight_type: IntType
    window: Window
    groups: int = 1
    declared: tuple[int, int] | None = None


@dataclass(frozen=True, eq=False)
class Pool(_Node):
    """Each channel's largest integer (``kind`` "max", padding never wins) or sum ("sum", padding is 0) in a window."""

    kind: str
    window: Window


@dataclass(frozen=True, eq=False)
class Elementwise(_Node):
    """The model's own float32 expression of an integer tensor. ``output`` is only a name: it carries float32.

    Constants of the chain are one for all or one for each channel.
    """

    output: str  # type: ignore[assignment]
    chain: Chain


@dataclass(frozen=True, eq=False)
class Quantise(_Node):
    """float32 to codes, as the model's ``quantiser`` does it; ``input`` is the output of an :class:`Elementwise`."""

    quantiser: Quantiser = SIGN


@dataclass(frozen=True, eq=False)
class Threshold(_Node):
    """Integers to codes by comparison, ``levels`` thresholds for each channel.

    ``thresholds`` is int64 ``[channels, levels]``, ascending. The step count of an integer ``a`` is the number of
    thresholds ``t`` with ``a >= t`` or, where ``falling[channel]``, with ``a <= t`` (then descending). A bipolar output
    is +1 where the (only) threshold is met, else -1; any other is ``base`` plus the count.
    A threshold that no integer of the input meets lies one beyond its interval.
    """

    thresholds: np.ndarray
    falling: np.ndarray
    base: int = 0


@dataclass(frozen=True, eq=False)
class Requantise(_Node):
    """``y = clip((a * multiplier + offset) >> shift, lo, hi)``, all integers; >> rounds down.

    ``multiplier`` and ``offset`` are int64 ``[channels]``. If ``even``, an odd code becomes the one below, before the
    clip, where the bits shifted out are all 0: with half a code in the offset, this rounds half to even.
    Where codes have more than 8 bits, this stands for as many thresholds as there are codes, and is proven to equal
    them on every integer of the input's interval.
    """

    multiplier: np.ndarray
    offset: np.ndarray
    shift: int
    lo: int
    hi: int
    even: bool = False


@dataclass(frozen=True, eq=False)
class Table(_Node):
    """``y = table[channel, a - first]``: any function of few integers. int64 ``[channels or 1, span]``."""

    table: np.ndarray
    first: int


@dataclass(frozen=True, eq=False)
class Dense(_Node):
    """What one matrix-vector unit computes: a matrix-vector product at each position, with thresholds or without.

    Without ``window``: ``weights`` int64 ``[out, in]`` on all elements of the input in stream order. With one:
    ``weights`` int64 ``[out, kh * kw * in / groups]`` in the order (kh, kw, channel), as of :class:`Conv`.
    ``thresholds`` int64 ``[out, levels]``, all rising, or None; codes as of :class:`Threshold`. ``index`` is as of
    :class:`MatMul`.
    """

    weights: np.ndarray
    weight_type: IntType
    accumulator: IntType
    thresholds: np.ndarray | None = None
    window: Window | None = None
    groups: int = 1
    base: int = 0
    declared: tuple[int, int] | None = None
    index: Index | None = None


@dataclass(frozen=True, eq=False)
class _Join:
    """A node that reads several values."""

    name: str
    inputs: tuple[str, ...]
    output: Value


@dataclass(frozen=True, eq=False)
class Add(_Join):
    """``y = sum of multipliers[i] * x[i]``, element by element, over integers; all inputs have one shape."""

    multipliers: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Concat(_Join):
    """Inputs side by side along the channels; their pixels agree."""


@dataclass(frozen=True, eq=False)
class Rearrange(_Node):
    """Element ``j`` of the output (stream order) is element ``index[j]`` of the input, or 0 where ``index[j]`` is -1.

    ``kind`` says for people what it is: "slice", "shuffle", "upsample", "depth to space", "transpose", …
    """

    index: np.ndarray
    kind: str


@dataclass(frozen=True, eq=False)
class ArgMax(_Node):
    """The index of the largest integer; of equal ones, the lowest index."""


Node = (MatMul | Conv | Pool | Elementwise | Quantise | Threshold | Requantise | Table | Dense | Add | Concat
        | Rearrange | ArgMax)


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes in topological order from ``input`` to ``output``; a value may have several readers.

    ``final`` is the float32 expression that the host applies, channel by channel; then element ``k`` of the model's
    output is element ``order[k]`` of the result (None: :func:`canonical_order`), and ``host`` names what else the host
    does to it ("softmax").
    """

    name: str
    spec: InputSpec
    input: Value
    nodes: tuple[Node, ...]
    output: str
    final: Chain
    notes: tuple[str, ...] = field(default=())
    order: np.ndarray | None = None
    host: tuple[str, ...] = ()

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
