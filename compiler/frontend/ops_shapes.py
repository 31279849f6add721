"""Operators that move data without changing it. The batch axis stays first; elements stay in C order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .flows import Codes, Constant, Expression, Flow, Weights
from .structure import refuse

if TYPE_CHECKING:
    from onnx import NodeProto

    from .walk import Walk

__all__ = ["dropout", "identity", "reshape", "transpose"]


def identity(walk: Walk, node: NodeProto) -> None:
    walk.flows[node.output[0]] = walk.flow(node, 0)


def dropout(walk: Walk, node: NodeProto) -> None:
    if walk.has_input(node, 2) and walk.constant(node, 2).any():
        raise refuse(node, "is in training mode", "call model.eval() before the export")
    identity(walk, node)


def reshape(walk: Walk, node: NodeProto) -> None:
    flow = walk.flow(node, 0)
    rank = len(flow.shape)
    if node.op_type == "Flatten":
        axis = walk.attribute(node, "axis", "INT", 1)
        if not -rank <= axis <= rank:
            raise refuse(node, f"flattens {rank} axes at {axis}", "repair the axis")
        axis = axis % rank if axis < rank else rank
        _keep_batch(node, flow, axis == 0)
        target = [int(np.prod(flow.shape[:axis], dtype=np.int64)), -1]
    elif node.op_type == "Reshape":
        target = [int(d) for d in walk.constant(node, 1).reshape(-1)]
        if not walk.attribute(node, "allowzero", "INT", 0):
            target = [flow.shape[i] if d == 0 and i < len(flow.shape) else d for i, d in enumerate(target)]
    else:
        target = _axes(walk, node, flow)
    try:
        shape = np.empty(flow.shape, dtype=np.bool_).reshape(target).shape
    except (ValueError, TypeError):
        raise refuse(node, f"makes {target} of a tensor of shape {list(flow.shape)}", "repair the shape") from None
    if isinstance(flow, Constant):
        walk.flows[node.output[0]] = Constant(flow.array.reshape(shape))
    elif isinstance(flow, Weights):
        walk.flows[node.output[0]] = Weights(flow.codes.reshape(shape), flow.scale.reshape(shape))
    elif not shape or shape[0] != 1:
        raise refuse(node, f"makes {list(shape)} of a tensor of shape {list(flow.shape)}; the batch axis must stay",
                      "reshape with the batch axis first")
    else:
        walk.flows[node.output[0]] = walk.reshaped(flow, shape)


def _keep_batch(node: NodeProto, flow: Flow, moves: bool) -> None:
    if moves and isinstance(flow, Expression | Codes):
        raise refuse(node, "moves the batch axis", "reshape with the batch axis first")


def _axes(walk: Walk, node: NodeProto, flow: Flow) -> list[int]:
    """The shape after Squeeze or Unsqueeze, whose axes are an attribute (opset < 13) or an input."""
    axes = walk.attribute(node, "axes", "INTS")
    if axes is None and walk.has_input(node, 1):
        axes = walk.constant(node, 1).reshape(-1)
    squeezes = node.op_type == "Squeeze"
    if axes is None:
        axes = [i for i, d in enumerate(flow.shape) if d == 1] if squeezes else []
    rank = len(flow.shape) if squeezes else len(flow.shape) + len(axes)
    places = {int(a) + rank * (a < 0) for a in axes}
    legal = len(places) == len(axes) and places <= set(range(rank))
    if not legal or (squeezes and any(flow.shape[i] != 1 for i in places)):
        raise refuse(node, f"cannot have the axes {[int(a) for a in axes]} for a tensor of shape {list(flow.shape)}",
                      "repair the axes")
    _keep_batch(node, flow, 0 in places)
    if squeezes:
        return [d for i, d in enumerate(flow.shape) if i not in places]
    rest = iter(flow.shape)
    return [1 if i in places else next(rest) for i in range(rank)]


def transpose(walk: Walk, node: NodeProto) -> None:
    flow = walk.flow(node, 0)
    rank = len(flow.shape)
    axes = list(walk.attribute(node, "perm", "INTS", range(rank)[::-1]))
    if sorted(axes) != list(range(rank)):
        raise refuse(node, f"permutes {rank} axes by {axes}", "repair the permutation")
    if isinstance(flow, Constant):
        walk.flows[node.output[0]] = Constant(flow.array.transpose(axes))
    elif isinstance(flow, Weights):
        walk.flows[node.output[0]] = Weights(flow.codes.transpose(axes), flow.scale.transpose(axes))
    elif axes[0] != 0 or [a for a in axes if flow.shape[a] != 1] != [a for a in range(rank) if flow.shape[a] != 1]:
        raise refuse(node, "transposes the data; supported is a transpose of constants",
                      "reorder the data before the network")
    else:
        walk.flows[node.output[0]] = walk.reshaped(flow, tuple(flow.shape[a] for a in axes))
