"""The operators that the importer knows, one table: QONNX operator to the function that reads it.

A function takes the :class:`~gatewright.compiler.frontend.importer.Walk` and the node, and sets what is known of the
node's output. Supporting one more operator is one more entry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...errors import UserError
from ..float32 import Chain
from ..ir import BIPOLAR, IntType, MatMul, Value
from ..passes.infer_types import dot_interval
from .flows import Codes, Constant, Expression, Flow, Weights, elements
from .structure import node_where

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from onnx import NodeProto

    from .importer import Walk

__all__ = ["OPERATORS", "REFUSED"]

_BINARY = "use Brevitas' SignedBinaryWeightPerTensorConst and SignedBinaryActPerTensorConst"


def _refuse(node: NodeProto, what: str, remedy: str) -> UserError:
    return UserError(what, where=node_where(node), remedy=remedy)


def _elementwise(walk: Walk, node: NodeProto, flow: Flow, *steps: tuple[str, ArrayLike]) -> None:
    """Append float32 steps with constants to the expression, one value an element of the frame or one for all."""
    expression = _expression(node, flow)
    for kind, constant in steps:
        constant = np.asarray(constant)
        if constant.dtype.kind != "f":
            raise _refuse(node, f"has a constant of type {constant.dtype}", "export it as float32")
        constant = constant.astype(np.float32)
        try:
            shape = np.broadcast_shapes(constant.shape, expression.shape)
        except ValueError:
            shape = ()
        if shape != expression.shape:
            raise _refuse(node, f"has a constant of shape {list(constant.shape)} for a tensor of shape "
                          f"{list(expression.shape)}", "use one value for all elements, or one for each channel")
        flat = np.broadcast_to(constant, expression.shape).reshape(-1)
        constant = flat[:1] if (flat == flat[0]).all() else flat
        expression = Expression(expression.base, expression.chain.then(kind, constant), expression.shape,
                                (*expression.nodes, node.name))
    walk.flows[node.output[0]] = expression


def _expression(node: NodeProto, flow: Flow) -> Expression:
    if isinstance(flow, Expression):
        return flow
    if isinstance(flow, Codes):
        return flow.expression()
    raise _refuse(node, "computes on quantised constants", "apply it before the weights' quantiser")


def _binary(forward: str, backward: str):
    """An arithmetic operator with a constant on one side; ``backward`` is with the constant on the left."""

    def read(walk: Walk, node: NodeProto) -> None:
        left, right = (walk.flow(node, position) for position in (0, 1))
        if isinstance(right, Constant):
            if forward == "div" and (right.array == 0).any():
                raise _refuse(node, "divides by zero", "repair the constant")
            _elementwise(walk, node, left, (forward, right.array))
        elif isinstance(left, Constant) and backward:
            _elementwise(walk, node, right, (backward, left.array))
        elif isinstance(left, Constant):
            raise _refuse(node, "divides a constant by the data, which is not monotone",
                          "divide by constants only")
        else:
            raise _refuse(node, "joins two branches of the network; supported are chains of layers",
                          "remove the residual connection")

    return read


def _bounds(walk: Walk, node: NodeProto):
    """Clip's lower and upper bound, as attributes (opset < 11) or inputs; absent ones are left out."""
    steps = []
    for position, (kind, name) in enumerate((("max", "min"), ("min", "max")), 1):
        value = walk.attribute(node, name, None)
        if value is None and walk.has_input(node, position):
            value = walk.constant(node, position)
        if value is not None:
            steps.append((kind, np.asarray(value, dtype=np.float32)))
    return steps


def _clip(walk: Walk, node: NodeProto) -> None:
    _elementwise(walk, node, walk.flow(node, 0), *_bounds(walk, node))


def _relu(walk: Walk, node: NodeProto) -> None:
    _elementwise(walk, node, walk.flow(node, 0), ("max", np.float32(0)))


def _neg(walk: Walk, node: NodeProto) -> None:
    _elementwise(walk, node, walk.flow(node, 0), ("mul", np.float32(-1)))


def _batch_normalization(walk: Walk, node: NodeProto) -> None:
    """(x - mean) / sqrt(variance + epsilon) * scale + bias, each step in float32: the order of ONNX's specification."""
    if walk.attribute(node, "training_mode", 0) or any(node.output[1:]):
        raise _refuse(node, "is in training mode", "call model.eval() before the export")
    scale, bias, mean, variance = (walk.constant(node, position) for position in (1, 2, 3, 4))
    epsilon = np.float32(walk.attribute(node, "epsilon", 1e-5))
    spread = variance.astype(np.float32) + epsilon
    if (variance < 0).any() or not (spread > 0).all():
        raise _refuse(node, f"has a variance of {float(variance.min())!r}; variance plus epsilon must be positive",
                      "repair the running variance, or set a larger eps")
    flow = walk.flow(node, 0)
    tail = (1,) * (len(flow.shape) - 2)
    steps = (("sub", mean), ("div", np.sqrt(spread)), ("mul", scale), ("add", bias))
    _elementwise(walk, node, flow, *((kind, np.reshape(c, (1, -1, *tail))) for kind, c in steps))


def _bipolar_quant(walk: Walk, node: NodeProto) -> None:
    scale = walk.constant(node, 1).astype(np.float32)
    if not (scale > 0).all():
        raise _refuse(node, f"has a scale of {float(scale.min())!r}; a scale must be positive",
                      "train again, or repair the scale")
    flow = walk.flow(node, 0)
    if isinstance(flow, Constant):
        try:
            scale = np.broadcast_to(scale, flow.shape)
        except ValueError:
            raise _refuse(node, f"has a scale of shape {list(scale.shape)} for weights of shape {list(flow.shape)}",
                          "use one scale for all weights, or one for each output channel") from None
        walk.flows[node.output[0]] = Weights(np.where(flow.array >= 0, 1, -1).astype(np.int64), scale)
        return
    if scale.size != 1:
        raise _refuse(node, f"has {scale.size} scales for its activations; supported is one",
                      "use a per-tensor activation quantiser")
    if isinstance(flow, Weights):
        raise _refuse(node, "quantises constants twice", "remove one of the quantisers")
    exact = scale.reshape(1).astype(np.float64)
    if isinstance(flow, Codes) and flow.value.type == BIPOLAR:
        walk.flows[node.output[0]] = Codes(flow.value, exact, flow.shape)  # the sign of a sign: only the scale is new
        return
    if isinstance(flow, Codes):
        flow = flow.expression()
    value = Value(node.output[0], (elements(flow.shape),), BIPOLAR, -1, 1, origin=node.output[0])
    walk.quantise(node, flow, value)
    walk.flows[node.output[0]] = Codes(value, exact, flow.shape)


def _quant(walk: Walk, node: NodeProto) -> None:
    if node.op_type == "Quant" and len(node.input) == 4 and isinstance(walk.flow(node, 3), Constant):
        bits = float(walk.constant(node, 3).max())
        if bits > 32:
            raise _refuse(node, f"quantises to {bits:g} bits; an integer may have at most 32", "use fewer bits")
        if isinstance(walk.flow(node, 2), Constant) and (walk.constant(node, 2) != 0).any():
            raise _refuse(node, f"has a zero point of {float(np.abs(walk.constant(node, 2)).max()):g}; "
                          "supported is 0", "use symmetric quantisers")
        raise _refuse(node, f"quantises to {bits:g} bits; supported is BipolarQuant, 1 bit, so far", _BINARY)
    raise _refuse(node, "is a quantiser that is not supported; supported is BipolarQuant", _BINARY)


def _weights(walk: Walk, node: NodeProto, transposed: bool) -> Weights:
    """The second operand of a product as ``[out, in]`` weights."""
    flow = walk.flow(node, 1)
    if isinstance(flow, Constant):
        if flow.array.dtype.kind != "f":
            raise _refuse(node, f"has weights of type {flow.array.dtype}", "export weights as float32")
        scale = np.abs(flow.array.astype(np.float32))
        codes = np.sign(flow.array).astype(np.int64)
        if (codes == 0).any():
            raise _refuse(node, "has weights that are zero or not quantised; supported are binary ones",
                          "quantise the weights with BipolarQuant")
        flow = Weights(codes, scale)
    if not isinstance(flow, Weights):
        raise _refuse(node, "multiplies the data by weights that are no constants",
                      "supported are layers with constant weights")
    if len(flow.shape) != 2:
        raise _refuse(node, f"has weights of shape {list(flow.shape)}; supported are matrices", "use linear layers")
    return flow if transposed else Weights(flow.codes.T, flow.scale.T)


def _product(walk: Walk, node: NodeProto, transposed: bool) -> None:
    """``acc = W x`` over integers; the expression of it starts with the exact product of both scales."""
    weights = _weights(walk, node, transposed)
    flow = walk.flow(node, 0)
    if isinstance(flow, Constant | Weights):
        raise _refuse(node, "has the weights on the left; supported is data times weights",
                      "compute x @ W, as torch.nn.Linear does")
    outputs, inputs = weights.shape
    if len(flow.shape) != 2 and (node.op_type == "Gemm" or elements(flow.shape) != flow.shape[-1]):
        raise _refuse(node, f"multiplies a tensor of shape {list(flow.shape)}; supported is [1, features]",
                      "flatten the data before the layer")
    if flow.shape[-1] != inputs:
        raise _refuse(node, f"multiplies {flow.shape[-1]} features by weights for {inputs}",
                      "repair the layer's size; the file is inconsistent")
    if isinstance(flow, Expression):
        raise _refuse(node, "multiplies data that is not quantised",
                      "put a BipolarQuant before the layer, or declare the input with --input bipolar")
    if flow.value.type != BIPOLAR:
        raise _refuse(node, f"multiplies {flow.value.type} data; supported are bipolar activations so far",
                      "put a BipolarQuant before the layer")
    if not (weights.scale == weights.scale[:, :1]).all():
        raise _refuse(node, "has weights that are not binary: their magnitudes differ within an output channel",
                      "quantise the weights with BipolarQuant, one scale for all or one for each output channel")
    channel = weights.scale[:, 0].astype(np.float64)
    if (channel == channel[0]).all():
        channel = channel[:1]
    scale = flow.scale if isinstance(flow.scale, np.ndarray) else np.array([float(flow.scale)])
    low, high = dot_interval(weights.codes, flow.value.lo, flow.value.hi)
    low, high = int(low.min()), int(high.max())
    name = node.output[0]
    value = Value(name, (outputs,), IntType.spanning(low, high), low, high, origin=name)
    codes = np.ascontiguousarray(weights.codes)
    codes.flags.writeable = False
    walk.emit(MatMul(node.name, flow.value.name, value, codes, BIPOLAR))
    walk.flows[name] = Expression(value, Chain(scale * channel), (*flow.shape[:-1], outputs))


def _matmul(walk: Walk, node: NodeProto) -> None:
    _product(walk, node, transposed=False)


def _gemm(walk: Walk, node: NodeProto) -> None:
    if walk.attribute(node, "transA", 0):
        raise _refuse(node, "transposes its data (transA=1); supported is transA=0", "export torch.nn.Linear layers")
    _product(walk, node, transposed=bool(walk.attribute(node, "transB", 0)))
    alpha, beta = (np.float32(walk.attribute(node, name, 1.0)) for name in ("alpha", "beta"))
    steps = []
    if alpha != 1:
        steps.append(("mul", alpha))
    if walk.has_input(node, 2):
        bias = walk.constant(node, 2).astype(np.float32)
        steps.append(("add", bias if beta == 1 else beta * bias))
    if steps:
        _elementwise(walk, node, walk.flows[node.output[0]], *steps)


def _identity(walk: Walk, node: NodeProto) -> None:
    walk.flows[node.output[0]] = walk.flow(node, 0)


def _dropout(walk: Walk, node: NodeProto) -> None:
    if walk.has_input(node, 2) and walk.constant(node, 2).any():
        raise _refuse(node, "is in training mode", "call model.eval() before the export")
    _identity(walk, node)


def _reshape(walk: Walk, node: NodeProto) -> None:
    flow = walk.flow(node, 0)
    if node.op_type == "Flatten":
        axis = int(walk.attribute(node, "axis", 1)) % (len(flow.shape) + 1)
        target = [int(np.prod(flow.shape[:axis], dtype=np.int64)), -1]
    elif node.op_type == "Reshape":
        target = [int(d) for d in walk.constant(node, 1).reshape(-1)]
        if not walk.attribute(node, "allowzero", 0):
            target = [flow.shape[i] if d == 0 and i < len(flow.shape) else d for i, d in enumerate(target)]
    else:
        axes = walk.attribute(node, "axes", None)
        if axes is None and walk.has_input(node, 1):
            axes = walk.constant(node, 1).reshape(-1)
        target = _squeezed(flow.shape, axes) if node.op_type == "Squeeze" else _unsqueezed(flow.shape, axes)
    try:
        shape = np.empty(flow.shape, dtype=np.bool_).reshape(target).shape
    except (ValueError, TypeError):
        raise _refuse(node, f"makes {target} of a tensor of shape {list(flow.shape)}", "repair the shape") from None
    if isinstance(flow, Constant):
        walk.flows[node.output[0]] = Constant(flow.array.reshape(shape))
    elif isinstance(flow, Weights):
        walk.flows[node.output[0]] = Weights(flow.codes.reshape(shape), flow.scale.reshape(shape))
    elif not shape or shape[0] != 1:
        raise _refuse(node, f"makes {list(shape)} of a tensor of shape {list(flow.shape)}; the batch axis must stay",
                      "reshape with the batch axis first")
    elif isinstance(flow, Expression):
        walk.flows[node.output[0]] = Expression(flow.base, flow.chain, shape, flow.nodes)
    else:
        walk.flows[node.output[0]] = Codes(flow.value, flow.scale, shape)


def _squeezed(shape, axes) -> list[int]:
    if axes is None:
        return [d for d in shape if d != 1]
    dropped = {int(a) % len(shape) for a in axes}
    return [d for i, d in enumerate(shape) if i not in dropped]


def _unsqueezed(shape, axes) -> list[int]:
    axes = [int(a) for a in (() if axes is None else axes)]
    rank = len(shape) + len(axes)
    places, rest = {a % rank for a in axes}, iter(shape)
    return [1 if i in places else next(rest) for i in range(rank)]


def _transpose(walk: Walk, node: NodeProto) -> None:
    flow = walk.flow(node, 0)
    rank = len(flow.shape)
    axes = [int(a) for a in walk.attribute(node, "perm", range(rank)[::-1])]
    if sorted(axes) != list(range(rank)):
        raise _refuse(node, f"permutes {rank} axes by {axes}", "repair the permutation")
    if isinstance(flow, Constant):
        walk.flows[node.output[0]] = Constant(flow.array.transpose(axes))
    elif isinstance(flow, Weights):
        walk.flows[node.output[0]] = Weights(flow.codes.transpose(axes), flow.scale.transpose(axes))
    elif axes[0] != 0 or [a for a in axes if flow.shape[a] != 1] != [a for a in range(rank) if flow.shape[a] != 1]:
        raise _refuse(node, "transposes the data; supported is a transpose of constants",
                      "reorder the data before the network")
    else:
        walk.flows[node.output[0]] = walk.reshaped(flow, tuple(flow.shape[a] for a in axes))


def _softmax(walk: Walk, node: NodeProto) -> None:
    raise _refuse(node, "is not supported in the accelerator",
                  "export the network without it: the class with the largest logit is the same")


def _top(walk: Walk, node: NodeProto) -> None:
    raise _refuse(node, "is not read from the model", "export the logits, and ask for the class with --top1")


def _not_monotone(walk: Walk, node: NodeProto) -> None:
    raise _refuse(node, "is not monotone (or not known to be), so no integer threshold can replace it",
                  "use Relu, Clip or no activation before the quantiser")


OPERATORS = {
    "Add": _binary("add", "add"),
    "BatchNormalization": _batch_normalization,
    "BipolarQuant": _bipolar_quant,
    "Clip": _clip,
    "Div": _binary("div", ""),
    "Dropout": _dropout,
    "Flatten": _reshape,
    "Gemm": _gemm,
    "Identity": _identity,
    "MatMul": _matmul,
    "Mul": _binary("mul", "mul"),
    "Neg": _neg,
    "Relu": _relu,
    "Reshape": _reshape,
    "Squeeze": _reshape,
    "Sub": _binary("sub", "rsub"),
    "Transpose": _transpose,
    "Unsqueeze": _reshape,
}
"""Operators that may occur on data."""

REFUSED = {
    "Abs": _not_monotone, "Cos": _not_monotone, "Gelu": _not_monotone, "HardSwish": _not_monotone,
    "Mish": _not_monotone, "Pow": _not_monotone, "Sin": _not_monotone,
    "ArgMax": _top, "TopK": _top, "LogSoftmax": _softmax, "Softmax": _softmax,
    "Quant": _quant, "Trunc": _quant, "FloatQuant": _quant,
}
"""Operators that are known only in order to say why they are refused and what to do instead."""
