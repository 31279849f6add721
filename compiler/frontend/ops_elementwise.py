"""Float32 arithmetic with constants: each operator becomes steps of the expression that is settled or applied last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .flows import Codes, Constant, Expression, Flow
from .structure import refuse

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from onnx import NodeProto

    from .walk import Walk

__all__ = ["batch_normalization", "binary", "clip", "elementwise", "neg", "relu"]


def elementwise(walk: Walk, node: NodeProto, flow: Flow, *steps: tuple[str, ArrayLike]) -> None:
    """Append float32 steps with constants to the expression, one value an element of the frame or one for all."""
    expression = as_expression(node, flow)
    for kind, constant in steps:
        constant = np.asarray(constant)
        if constant.dtype != np.float32:
            raise refuse(node, f"has a constant of type {constant.dtype}; supported is float32",
                          "export it as float32")
        try:
            shape = np.broadcast_shapes(constant.shape, expression.shape)
        except ValueError:
            shape = ()
        if shape != expression.shape:
            raise refuse(node, f"has a constant of shape {list(constant.shape)} for a tensor of shape "
                          f"{list(expression.shape)}", "use one value for all elements, or one for each channel")
        flat = np.broadcast_to(constant, expression.shape).reshape(-1)
        constant = flat[:1] if (flat == flat[0]).all() else flat
        expression = Expression(expression.base, expression.chain.then(kind, constant), expression.shape,
                                (*expression.nodes, node.name))
    walk.flows[node.output[0]] = expression


def as_expression(node: NodeProto, flow: Flow) -> Expression:
    if isinstance(flow, Expression):
        return flow
    if isinstance(flow, Codes):
        return flow.expression()
    raise refuse(node, "computes on quantised constants", "apply it before the weights' quantiser")


def binary(forward: str, backward: str):
    """An arithmetic operator with a constant on one side; ``backward`` is with the constant on the left."""

    def read(walk: Walk, node: NodeProto) -> None:
        left, right = (walk.flow(node, position) for position in (0, 1))
        if isinstance(right, Constant):
            if forward == "div" and (right.array == 0).any():
                raise refuse(node, "divides by zero", "repair the constant")
            elementwise(walk, node, left, (forward, right.array))
        elif isinstance(left, Constant) and backward:
            elementwise(walk, node, right, (backward, left.array))
        elif isinstance(left, Constant):
            raise refuse(node, "divides a constant by the data, which is not monotone",
                          "divide by constants only")
        else:
            raise refuse(node, "joins two branches of the network; supported are chains of layers",
                          "remove the residual connection")

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
    elementwise(walk, node, walk.flow(node, 0), *_bounds(walk, node))


def relu(walk: Walk, node: NodeProto) -> None:
    elementwise(walk, node, walk.flow(node, 0), ("max", np.float32(0)))


def neg(walk: Walk, node: NodeProto) -> None:
    elementwise(walk, node, walk.flow(node, 0), ("mul", np.float32(-1)))


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
    flow = walk.flow(node, 0)
    for parameter in (scale, bias, mean, variance):
        if len(flow.shape) < 2 or parameter.shape != flow.shape[1:2]:
            raise refuse(node, f"has parameters of shape {list(parameter.shape)} for a tensor of shape "
                          f"{list(flow.shape)}", "give one of each for each channel, the second axis")
    tail = (1,) * (len(flow.shape) - 2)
    steps = (("sub", mean), ("div", np.sqrt(spread)), ("mul", scale), ("add", bias))
    elementwise(walk, node, flow, *((kind, np.reshape(c, (1, -1, *tail))) for kind, c in steps))
