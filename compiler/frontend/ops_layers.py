"""Quantisers and the products between them: where floats become integers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..float32 import Chain
from ..ir import BIPOLAR, IntType, MatMul, Value
from ..passes.infer_types import dot_interval
from .flows import Codes, Constant, Expression, Weights, elements
from .ops_elementwise import elementwise
from .structure import refuse

if TYPE_CHECKING:
    from onnx import NodeProto

    from .walk import Walk

__all__ = ["bipolar_quant", "gemm", "matmul", "quant"]

_BINARY = "use Brevitas' SignedBinaryWeightPerTensorConst and SignedBinaryActPerTensorConst"


def bipolar_quant(walk: Walk, node: NodeProto) -> None:
    scale = walk.floats(node, 1)
    if not (scale > 0).all():
        raise refuse(node, f"has a scale of {float(scale.min())!r}; a scale must be positive",
                      "train again, or repair the scale")
    flow = walk.flow(node, 0)
    if isinstance(flow, Constant):
        latent = walk.floats(node, 0)
        try:
            scale = np.broadcast_to(scale, latent.shape)
        except ValueError:
            raise refuse(node, f"has a scale of shape {list(scale.shape)} for weights of shape {list(flow.shape)}",
                          "use one scale for all weights, or one for each output channel") from None
        walk.flows[node.output[0]] = Weights(np.where(latent >= 0, 1, -1).astype(np.int64), scale)
        return
    if scale.size == 1 and scale.ndim > len(flow.shape):
        raise refuse(node, f"has a scale of shape {list(scale.shape)} for a tensor of shape {list(flow.shape)}",
                      "export the scale as a scalar")
    if scale.size != 1:
        raise refuse(node, f"has {scale.size} scales for its activations; supported is one",
                      "use a per-tensor activation quantiser")
    if isinstance(flow, Weights):
        raise refuse(node, "quantises constants twice", "remove one of the quantisers")
    exact = scale.reshape(1).astype(np.float64)
    if isinstance(flow, Codes) and flow.value.type == BIPOLAR:
        walk.flows[node.output[0]] = Codes(flow.value, exact, flow.shape)  # the sign of a sign: only the scale is new
        return
    if isinstance(flow, Codes):
        flow = flow.expression()
    value = Value(node.output[0], (elements(flow.shape),), BIPOLAR, -1, 1, origin=node.output[0])
    walk.quantise(node, flow, value)
    walk.flows[node.output[0]] = Codes(value, exact, flow.shape)


def quant(walk: Walk, node: NodeProto) -> None:
    if node.op_type == "Quant" and len(node.input) == 4 and isinstance(walk.flow(node, 3), Constant):
        bits = float(walk.constant(node, 3).max())
        if bits > 32:
            raise refuse(node, f"quantises to {bits:g} bits; an integer may have at most 32", "use fewer bits")
        if isinstance(walk.flow(node, 2), Constant) and (walk.constant(node, 2) != 0).any():
            raise refuse(node, f"has a zero point of {float(np.abs(walk.constant(node, 2)).max()):g}; "
                          "supported is 0", "use symmetric quantisers")
        raise refuse(node, f"quantises to {bits:g} bits; supported is BipolarQuant, 1 bit, so far", _BINARY)
    raise refuse(node, "is a quantiser that is not supported; supported is BipolarQuant", _BINARY)


def _weights(walk: Walk, node: NodeProto, transposed: bool) -> Weights:
    """The second operand of a product as ``[out, in]`` weights."""
    flow = walk.flow(node, 1)
    if isinstance(flow, Constant):
        if flow.array.dtype != np.float32:
            raise refuse(node, f"has weights of type {flow.array.dtype}", "export weights as float32")
        scale = np.abs(flow.array)
        codes = np.sign(flow.array).astype(np.int64)
        if (codes == 0).any():
            raise refuse(node, "has weights that are zero or not quantised; supported are binary ones",
                          "quantise the weights with BipolarQuant")
        flow = Weights(codes, scale)
    if not isinstance(flow, Weights):
        raise refuse(node, "multiplies the data by weights that are no constants",
                      "supported are layers with constant weights")
    if len(flow.shape) != 2:
        raise refuse(node, f"has weights of shape {list(flow.shape)}; supported are matrices", "use linear layers")
    return flow if transposed else Weights(flow.codes.T, flow.scale.T)


def _product(walk: Walk, node: NodeProto, transposed: bool) -> None:
    """``acc = W x`` over integers; the expression of it starts with the exact product of both scales."""
    weights = _weights(walk, node, transposed)
    flow = walk.flow(node, 0)
    if isinstance(flow, Constant | Weights):
        raise refuse(node, "has the weights on the left; supported is data times weights",
                      "compute x @ W, as torch.nn.Linear does")
    outputs, inputs = weights.shape
    if len(flow.shape) != 2 and (node.op_type == "Gemm" or elements(flow.shape) != flow.shape[-1]):
        raise refuse(node, f"multiplies a tensor of shape {list(flow.shape)}; supported is [1, features]",
                      "flatten the data before the layer")
    if flow.shape[-1] != inputs:
        raise refuse(node, f"multiplies {flow.shape[-1]} features by weights for {inputs}",
                      "repair the layer's size; the file is inconsistent")
    if isinstance(flow, Expression):
        raise refuse(node, "multiplies data that is not quantised",
                      "put a BipolarQuant before the layer, or declare the input with --input bipolar")
    if flow.value.type != BIPOLAR:
        raise refuse(node, f"multiplies {flow.value.type} data; supported are bipolar activations so far",
                      "put a BipolarQuant before the layer")
    if not (weights.scale == weights.scale[:, :1]).all():
        raise refuse(node, "has weights that are not binary: their magnitudes differ within an output channel",
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


def matmul(walk: Walk, node: NodeProto) -> None:
    _product(walk, node, transposed=False)


def gemm(walk: Walk, node: NodeProto) -> None:
    if walk.attribute(node, "transA", "INT", 0):
        raise refuse(node, "transposes its data (transA=1); supported is transA=0", "export torch.nn.Linear layers")
    _product(walk, node, transposed=bool(walk.attribute(node, "transB", "INT", 0)))
    alpha, beta = (np.float32(walk.attribute(node, name, "FLOAT", 1.0)) for name in ("alpha", "beta"))
    steps = []
    if alpha != 1:
        steps.append(("mul", alpha))
    if walk.has_input(node, 2):
        bias = walk.floats(node, 2)
        steps.append(("add", bias if beta == 1 else beta * bias))
    if steps:
        elementwise(walk, node, walk.flows[node.output[0]], *steps)
