"""The operators that the importer knows, one table: QONNX operator to the function that reads it.

A function takes the :class:`~gatewright.compiler.frontend.walk.Walk` and the node, and sets what is known of the
node's output. Supporting one more operator is one more entry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .ops_elementwise import batch_normalization, binary, clip, neg, relu
from .ops_layers import bipolar_quant, gemm, matmul, quant
from .ops_shapes import dropout, identity, reshape, transpose
from .structure import refuse

if TYPE_CHECKING:
    from onnx import NodeProto

    from .walk import Walk

__all__ = ["OPERATORS", "REFUSED"]


def softmax(walk: Walk, node: NodeProto) -> None:
    raise refuse(node, "is not supported in the accelerator",
                  "export the network without it: the class with the largest logit is the same")


def top(walk: Walk, node: NodeProto) -> None:
    raise refuse(node, "is not read from the model", "export the logits, and ask for the class with --top1")


def not_monotone(walk: Walk, node: NodeProto) -> None:
    raise refuse(node, "is not monotone (or not known to be), so no integer threshold can replace it",
                  "use Relu, Clip or no activation before the quantiser")


OPERATORS = {
    "Add": binary("add", "add"),
    "BatchNormalization": batch_normalization,
    "BipolarQuant": bipolar_quant,
    "Clip": clip,
    "Div": binary("div", ""),
    "Dropout": dropout,
    "Flatten": reshape,
    "Gemm": gemm,
    "Identity": identity,
    "MatMul": matmul,
    "Mul": binary("mul", "mul"),
    "Neg": neg,
    "Relu": relu,
    "Reshape": reshape,
    "Squeeze": reshape,
    "Sub": binary("sub", "rsub"),
    "Transpose": transpose,
    "Unsqueeze": reshape,
}
"""Operators that may occur on data."""

REFUSED = {
    "Abs": not_monotone, "Cos": not_monotone, "Gelu": not_monotone, "HardSwish": not_monotone,
    "Mish": not_monotone, "Pow": not_monotone, "Sin": not_monotone,
    "ArgMax": top, "TopK": top, "LogSoftmax": softmax, "Softmax": softmax,
    "Quant": quant, "Trunc": quant, "FloatQuant": quant,
}
"""Operators that are known only in order to say why they are refused and what to do instead."""
