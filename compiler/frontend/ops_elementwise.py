"""Float32 arithmetic with constants: each operator becomes steps of the expression that is settled or applied last."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..float32 import Chain, Uniform
from ..ir import Elementwise, Quantise, Value
from .arrange import fit
from .codes import unreadable
from .flows import Data
from .ops_join import combine
from .structure import refuse

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from onnx import NodeProto

    from .walk import Walk

__all__ = ["batch_normalization", "binary", "clip", "elementwise", "extreme", "gated", "neg", "step"]

_STEPS = 1000
"""The most operations of one expression: what is put together of itself again and again doubles each time."""
_WHOLE = {"ROUND": "round", "HALF_EVEN": "round", "FLOOR": "floor", "CEIL": "ceil"}
"""Roundings of quantisers that are operations of an expression."""


def elementwise(walk: Walk, node: NodeProto, data: Data, *steps: tuple[str, ArrayLike]) -> None:
    """Append float32 steps to the data's expression; their constants broadcast to its shape. Sets the output."""
    for kind, constant in steps:
        array = np.asarray(constant)
        if array.dtype != np.float32:
            raise refuse(node, f"has a constant of type {array.dtype}; supported is float32", "export it as float32")
        data, constants = fit(walk, node, data, array)
        data = replace(data, chain=data.chain.then(kind, constants), nodes=(*data.nodes, node.name))
    walk.set(node, data)


def step(kind: str):
    """An activation function of its input alone."""

    def read(walk: Walk, node: NodeProto) -> None:
        elementwise(walk, node, walk.data(node), (kind, np.float32(0)))

    return read


def binary(forward: str, backward: str):
    """An arithmetic operator: with a constant on one side (``backward``: on the left), of constants, or of data."""
    def read(walk: Walk, node: NodeProto) -> None:
        left, right = (walk.flow(node, position) for position in (0, 1))
        if not isinstance(left, Data) and not isinstance(right, Data):
            raise refuse(node, "computes on quantised constants", "apply it before the weights' quantiser")
        if not isinstance(right, Data):
            if forward == "div" and (right.array == 0).any():
                raise refuse(node, "divides by zero", "repair the constant")
            elementwise(walk, node, walk.data(node), (forward, walk.floats(node, 1)))
        elif not isinstance(left, Data) and backward:
            elementwise(walk, node, walk.data(node, 1), (backward, walk.floats(node, 0)))
        elif not isinstance(left, Data):
            raise refuse(node, "divides a constant by the data, which is not monotone", "divide by constants only")
        elif not gated(walk, node, forward, linear=forward in ("add", "sub")):
            combine(walk, node, (1, -1 if forward == "sub" else 1))

    return read


def gated(walk: Walk, node: NodeProto, kind: str, *, linear: bool = False) -> bool:
    """Set the output to ``kind`` of two float32 expressions of the same integers, element by element, if it is that.

    A ``linear`` one is not, and False is returned, where both are integers times a scale (such sums are exact) or they
    are expressions of different integers. Of these, what is not linear is refused.
    """
    left, right = (walk.data(node, position) for position in (0, 1))
    chain = _joined(left, right, kind)
    if chain is None and not linear:
        pairs = ((a, b) for a in _sources(walk, left) for b in _sources(walk, right) if _joined(a, b, kind))
        left, right = next(pairs, (left, right))
        chain = _joined(left, right, kind)
    if linear and (chain is None or not any(map(unreadable, (left, right)))):
        return False
    if chain is None:
        verb = {"mul": "multiplies", "div": "divides"}.get(kind, "compares")
        raise refuse(node, f"{verb} two branches of the network; supported are a constant on one side, or two "
                     "functions of the same integers, element by element",
                     "replace the gate by an addition or a constant")
    if chain.size > _STEPS:
        raise refuse(node, f"makes an expression of {chain.size} operations; at most {_STEPS} are supported",
                     "put a quantiser in between")
    nodes = dict.fromkeys((*left.nodes, *right.nodes, node.name))
    walk.set(node, replace(left, chain=chain, nodes=tuple(nodes)))
    return True


def _joined(left: Data, right: Data, kind: str) -> Chain | None:
    """``kind`` of the two, if they are expressions of the same integers at the same places."""
    first, second = (None if data.base is None else data.base.name for data in (left, right))
    same = first == second and np.array_equal(left.order, right.order)
    return left.chain.joined(kind, right.chain) if same else None


def _sources(walk: Walk, data: Data) -> Iterator[Data]:
    """The data, then the same as an expression of the integers that its codes were made of, and so on back.

    A quantiser is float32 operations, too: it divides, rounds, clips, and what it gives is worth its integer times a
    scale, rounded once. Codes that no such quantiser made are where this ends.
    """
    yield data
    made = {node.output.name: node for node in walk.nodes if isinstance(node, Quantise)}
    floats = {node.output: node for node in walk.nodes if isinstance(node, Elementwise)}
    values = {node.output.name: node.output for node in walk.nodes if isinstance(node.output, Value)}
    values |= {} if walk.input is None else {walk.input.name: walk.input}
    while data.base is not None and data.base.name in made:
        node, scale = made[data.base.name], data.scale.astype(np.float32)
        before, quantiser = floats[node.input], node.quantiser
        if not isinstance(quantiser, Uniform) or quantiser.rounding not in _WHOLE or quantiser.shift:
            return
        if max(-quantiser.lo, quantiser.hi) > 1 << 24 or data.chain.divisor != 1 or (scale != data.scale).any():
            return
        chain = before.chain.then("div", quantiser.scale).then(_WHOLE[quantiser.rounding])
        chain = chain.then("max", quantiser.lo).then("min", quantiser.hi).then("mul", scale)
        chain = replace(chain, operations=(*chain.operations, *data.chain.operations))
        data = replace(data, base=values[before.input], chain=chain, nodes=(node.name, *data.nodes))
        yield data


def extreme(kind: str):
    """Max or Min of data and any number of constants, or of two expressions of the same integers."""

    def read(walk: Walk, node: NodeProto) -> None:
        flows = [walk.flow(node, position) for position in range(len(node.input))]
        places = [place for place, flow in enumerate(flows) if isinstance(flow, Data)]
        if len(places) == 2 and len(flows) == 2:
            gated(walk, node, kind)
            return
        if len(places) != 1:
            raise refuse(node, f"compares {len(places)} streams of data and {len(flows) - len(places)} constants; "
                         "supported are one of data and any number of constants, or two of data",
                         "write it as several nodes")
        constants = [walk.floats(node, place) for place in range(len(flows)) if place != places[0]]
        elementwise(walk, node, walk.data(node, places[0]), *((kind, constant) for constant in constants))

    return read


def _bounds(walk: Walk, node: NodeProto):
    """Clip's lower and upper bound, as attributes (opset < 11) or inputs; absent ones are left out."""
    steps = []
    for position, (kind, name) in enumerate((("max", "min"), ("min", "max")), 1):
        value = walk.attribute(node, name, "FLOAT")
        if value is not None:
            steps.append((kind, np.float32(value)))
        elif walk.has_input(node, position):
            bound = walk.floats(node, position)
            if bound.ndim:
                raise refuse(node, f"has a bound of shape {list(bound.shape)}", "export bounds as scalars")
            steps.append((kind, bound))
    return steps


def clip(walk: Walk, node: NodeProto) -> None:
    elementwise(walk, node, walk.data(node), *_bounds(walk, node))


def neg(walk: Walk, node: NodeProto) -> None:
    elementwise(walk, node, walk.data(node), ("mul", np.float32(-1)))


def batch_normalization(walk: Walk, node: NodeProto) -> None:
    """(x - mean) / sqrt(variance + epsilon) * scale + bias, each step in float32: the order of ONNX's specification."""
    if walk.attribute(node, "training_mode", "INT", 0) or any(node.output[1:]):
        raise refuse(node, "is in training mode", "call model.eval() before the export")
    scale, bias, mean, variance = (walk.floats(node, position) for position in (1, 2, 3, 4))
    epsilon = np.float32(walk.attribute(node, "epsilon", "FLOAT", 1e-5))
    spread = variance + epsilon
    if (variance < 0).any() or not (spread > 0).all():
        raise refuse(node, f"has a variance of {float(variance.min())!r}; variance plus epsilon must be positive",
                     "repair the running variance, or set a larger eps")
    data = walk.data(node)
    for parameter in (scale, bias, mean, variance):
        if len(data.shape) < 2 or parameter.shape != data.shape[1:2]:
            raise refuse(node, f"has parameters of shape {list(parameter.shape)} for a tensor of shape "
                         f"{list(data.shape)}", "give one of each for each channel, the second axis")
    tail = (1,) * (len(data.shape) - 2)
    steps = (("sub", mean), ("div", np.sqrt(spread)), ("mul", scale), ("add", bias))
    elementwise(walk, node, data, *((kind, np.reshape(c, (1, -1, *tail))) for kind, c in steps))
