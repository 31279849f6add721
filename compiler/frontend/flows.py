"""What the importer knows of a tensor while it walks the graph: constants, quantised constants, or data.

Data is an expression of an integer value, wherever its elements have been moved to meanwhile. Shapes have the batch
axis, which is 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ..float32 import Chain
from ..index import Index
from ..ir import Value, canonical_order

__all__ = ["Constant", "Data", "Flow", "Weights", "layout", "natural"]


@dataclass(frozen=True, eq=False)
class Constant:
    """Numbers that do not depend on the input."""

    array: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape


@dataclass(frozen=True, eq=False)
class Weights:
    """Quantised constants: ``codes`` (int64) times ``scale`` (float32, of the same shape).

    ``bipolar`` tells that their quantiser knows -1 and +1 only; ``declared`` are the least and the greatest code of
    any other quantiser. ``index`` is what the model says of where they come from; the quantiser's codes agreed with it.
    """

    codes: np.ndarray
    scale: np.ndarray
    bipolar: bool = False
    declared: tuple[int, int] | None = None
    index: Index | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.codes.shape

    @property
    def array(self) -> np.ndarray:
        """The constants as the model computes them, float32."""
        return self.codes.astype(np.float32) * self.scale.astype(np.float32)


@dataclass(frozen=True, eq=False)
class Data:
    """float32 values: ``chain`` of the integers of ``base``, at other places.

    Element ``k`` of the model's tensor is the chain of element ``order[k]`` of the base, counted in its stream; -1 is
    the integer 0. ``order`` is int64 of the tensor's shape. A chain without operations leaves integers, worth ``scale
    / divisor`` each. Where ``base`` is None the chain starts at the model's own float32 input, whose codes are not
    declared, and its constants are for all elements or for each of the input.

    ``nodes`` are the QONNX nodes that computed on the way, and ``moves`` those that moved elements, each with the word
    for what it did. After ``ended`` nothing may be computed; ``host`` is what the host does, and ``result`` the shape
    that this leaves, where it is another.
    """

    base: Value | None
    chain: Chain
    order: np.ndarray
    nodes: tuple[str, ...] = ()
    moves: tuple[tuple[str, str], ...] = ()
    ended: str = ""
    host: tuple[str, ...] = ()
    result: tuple[int, ...] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.order.shape if self.result is None else self.result

    @property
    def integral(self) -> bool:
        """Whether the values are integers times a scale."""
        return self.base is not None and not self.chain.operations

    @property
    def scale(self) -> np.ndarray:
        """The chain's scale, float64 ``[1]`` or ``[channels of the base]``."""
        assert isinstance(self.chain.scale, np.ndarray)
        return self.chain.scale

    @property
    def origin_order(self) -> np.ndarray | None:
        """``order`` as ``Value.order`` has it for a value of the base's shape: None where it is the usual one."""
        assert self.base is not None
        flat = self.order.reshape(-1)
        return None if np.array_equal(flat, canonical_order(self.base.shape)) else flat

    def move(self, order: np.ndarray, name: str, kind: str) -> Data:
        """The same values elsewhere."""
        last = self.moves[-1][1] if self.moves else ""
        if kind == "reshape" and last == "transpose":
            kind = "shuffle"
        if kind == "reshape" and last:  # what moved elements before says more
            return replace(self, order=order)
        return replace(self, order=order, moves=(*self.moves, (name, kind)))


Flow = Constant | Weights | Data


def natural(shape: tuple[int, ...]) -> np.ndarray:
    """The order of a model's tensor ``[1, C, H, W]`` (or fewer axes) in the stream that has its channels last."""
    return canonical_order(layout(np.empty(shape, dtype=np.bool_))[0]).reshape(shape)


def layout(order: np.ndarray) -> tuple[tuple[int, ...], np.ndarray]:
    """The shape of the stream that has a tensor's channels last, and the elements of ``order`` in that stream's order.

    A tensor of two axes, or of more than four, is a vector.
    """
    if order.ndim == 4:
        return (*order.shape[2:], order.shape[1]), order[0].transpose(1, 2, 0).reshape(-1)
    if order.ndim == 3:
        return (1, order.shape[2], order.shape[1]), order[0].T.reshape(-1)
    return (math.prod(order.shape),), order.reshape(-1)
