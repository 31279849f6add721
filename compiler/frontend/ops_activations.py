"""Activation functions: steps of the float32 expression, monotone ones or (on few integers) any."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .ops_elementwise import elementwise, step
from .structure import refuse

if TYPE_CHECKING:
    from onnx import NodeProto

    from .walk import Walk

__all__ = ["ACTIVATIONS"]


def _relu(walk: Walk, node: NodeProto) -> None:
    elementwise(walk, node, walk.data(node), ("max", np.float32(0)))


def _leaky_relu(walk: Walk, node: NodeProto) -> None:
    elementwise(walk, node, walk.data(node), ("leaky", np.float32(walk.attribute(node, "alpha", "FLOAT", 0.01))))


def _prelu(walk: Walk, node: NodeProto) -> None:
    slope, data = walk.floats(node, 1), walk.data(node)
    if slope.ndim == 1 and slope.size > 1 and len(data.shape) > 2:  # older exporters leave the pixels' axes out
        slope = slope.reshape(-1, *[1] * (len(data.shape) - 2))
    elementwise(walk, node, data, ("leaky", slope))


def _elu(walk: Walk, node: NodeProto) -> None:
    elementwise(walk, node, walk.data(node), ("elu", np.float32(walk.attribute(node, "alpha", "FLOAT", 1.0))))


def _celu(walk: Walk, node: NodeProto) -> None:
    alpha = np.float32(walk.attribute(node, "alpha", "FLOAT", 1.0))
    if not alpha > 0:
        raise refuse(node, f"has an alpha of {float(alpha)!r}; it must be positive", "repair the attribute")
    elementwise(walk, node, walk.data(node), ("celu", alpha))


def _selu(walk: Walk, node: NodeProto) -> None:
    """gamma Elu(x), each of the two in float32."""
    alpha, gamma = (np.float32(walk.attribute(node, name, "FLOAT", default)) for name, default in
                    (("alpha", 1.6732632423543772), ("gamma", 1.0507009873554805)))
    elementwise(walk, node, walk.data(node), ("elu", alpha), ("mul", gamma))


def _pow(walk: Walk, node: NodeProto) -> None:
    """A square, or a cube as in GELU's approximation."""
    exponent = walk.constant(node, 1).astype(np.float64)
    kinds = {1.0: "", 2.0: "square", 3.0: "cube"}
    found = float(exponent.flat[0]) if exponent.size and (exponent == exponent.flat[0]).all() else 0.0
    if found not in kinds:
        raise refuse(node, f"raises to the power {exponent.reshape(-1)[:4].tolist()}; supported are 1, 2 and 3",
                     "write it as products, or use another activation")
    steps = [(kinds[found], np.zeros(exponent.shape, dtype=np.float32))] if kinds[found] else []
    elementwise(walk, node, walk.data(node), *steps)


def _hard_sigmoid(walk: Walk, node: NodeProto) -> None:
    alpha, beta = (np.float32(walk.attribute(node, name, "FLOAT", default)) for name, default in
                   (("alpha", 0.2), ("beta", 0.5)))
    elementwise(walk, node, walk.data(node), ("mul", alpha), ("add", beta), ("max", np.float32(0)),
                ("min", np.float32(1)))


def _gelu(walk: Walk, node: NodeProto) -> None:
    kinds = {"none": "gelu", "tanh": "gelu_tanh"}
    name = walk.attribute(node, "approximate", "STRING", "none")
    if name not in kinds:
        raise refuse(node, f"is approximated by {name!r}; supported are {', '.join(kinds)}", "use one of these")
    elementwise(walk, node, walk.data(node), (kinds[name], np.float32(0)))


def _swish(walk: Walk, node: NodeProto) -> None:
    elementwise(walk, node, walk.data(node), ("silu", np.float32(walk.attribute(node, "alpha", "FLOAT", 1.0))))


ACTIVATIONS = {
    "Abs": step("abs"), "Ceil": step("ceil"), "Celu": _celu, "Cos": step("cos"), "Elu": _elu, "Erf": step("erf"),
    "Floor": step("floor"), "Gelu": _gelu, "HardSigmoid": _hard_sigmoid, "HardSwish": step("hardswish"),
    "LeakyRelu": _leaky_relu, "Mish": step("mish"), "Pow": _pow, "PRelu": _prelu, "Relu": _relu,
    "Round": step("round"), "Selu": _selu, "Sigmoid": step("sigmoid"), "Sign": step("sign"), "Sin": step("sin"),
    "Softplus": step("softplus"), "Softsign": step("softsign"), "Swish": _swish, "Tanh": step("tanh"),
}
"""Operator to the function that reads it."""
