"""Operators that give a tensor another shape, its elements in C order as before. The batch axis stays first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from .flows import Constant, Data, Flow, Weights
from .structure import refuse

if TYPE_CHECKING:
    from collections.abc import Callable

    from onnx import NodeProto

    from .walk import Walk

__all__ = ["dropout", "identity", "move", "reshape"]


def identity(walk: Walk, node: NodeProto) -> None:
    walk.set(node, walk.flow(node, 0))


def dropout(walk: Walk, node: NodeProto) -> None:
    if walk.has_input(node, 2) and walk.constant(node, 2).any():
        raise refuse(node, "is in training mode", "call model.eval() before the export")
    identity(walk, node)


def move(walk: Walk, node: NodeProto, kind: str, function: Callable[[np.ndarray], np.ndarray], output: int = 0,
         flow: Flow | None = None) -> None:
    """Set an output to ``function`` of the input's elements: of numbers, or of where the data's elements lie."""
    flow = walk.flow(node, 0) if flow is None else flow
    if isinstance(flow, Constant):
        result: Flow = Constant(function(flow.array))
    elif isinstance(flow, Weights):
        result = replace(flow, codes=function(flow.codes), scale=function(flow.scale))
    else:
        order = function(flow.order)
        if not order.ndim or order.shape[0] != 1:
            raise refuse(node, f"makes {list(order.shape)} of a tensor of shape {list(flow.shape)}; the batch axis "
                         "must stay", "keep the batch axis first")
        if not order.size:
            raise refuse(node, f"leaves nothing of a tensor of shape {list(flow.shape)}", "repair the operator's range")
        result = flow.move(np.asarray(order, dtype=np.int64), node.name, kind)
    walk.flows[node.output[output]] = result


def reshape(walk: Walk, node: NodeProto) -> None:
    """Reshape, Flatten, Squeeze and Unsqueeze."""
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
        target = walk.integers(node, 1, "shape") or []
        if not walk.attribute(node, "allowzero", "INT", 0):
            target = [flow.shape[i] if d == 0 and i < len(flow.shape) else d for i, d in enumerate(target)]
    else:
        target = _axes(walk, node, flow)
    try:
        shape = np.empty(flow.shape, dtype=np.bool_).reshape(target).shape
    except (ValueError, TypeError):
        raise refuse(node, f"makes {target} of a tensor of shape {list(flow.shape)}", "repair the shape") from None
    if isinstance(flow, Data) and flow.result is not None:
        raise refuse(node, f"reshapes the result of {flow.ended}", "end the network there")
    kind = "flatten" if node.op_type == "Flatten" else "reshape"
    move(walk, node, kind, lambda array: array.reshape(shape))


def _keep_batch(node: NodeProto, flow: Flow, moves: bool) -> None:
    if moves and isinstance(flow, Data):
        raise refuse(node, "moves the batch axis", "reshape with the batch axis first")


def _axes(walk: Walk, node: NodeProto, flow: Flow) -> list[int]:
    """The shape after Squeeze or Unsqueeze, whose axes are an attribute (opset < 13) or an input."""
    axes = walk.integers(node, 1, "axes")
    squeezes = node.op_type == "Squeeze"
    if axes is None:
        axes = [i for i, d in enumerate(flow.shape) if d == 1] if squeezes else []
    rank = len(flow.shape) if squeezes else len(flow.shape) + len(axes)
    places = {a + rank * (a < 0) for a in axes}
    legal = len(places) == len(axes) and places <= set(range(rank))
    if not legal or (squeezes and any(flow.shape[i] != 1 for i in places)):
        raise refuse(node, f"cannot have the axes {axes} for a tensor of shape {list(flow.shape)}", "repair the axes")
    _keep_batch(node, flow, 0 in places)
    if squeezes:
        return [d for i, d in enumerate(flow.shape) if i not in places]
    rest = iter(flow.shape)
    return [1 if i in places else next(rest) for i in range(rank)]
