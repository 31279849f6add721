"""Operators that are known only in order to say why they are refused, and what to do instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .structure import refuse

if TYPE_CHECKING:
    from onnx import NodeProto

    from .walk import Walk

__all__ = ["REFUSED"]


def _because(what: str, remedy: str):
    def read(walk: Walk, node: NodeProto) -> None:
        raise refuse(node, what, remedy)

    return read


_RECURRENT = _because("keeps a state from step to step; supported are networks without loops",
                      "unroll it, or use convolutions over time")
_STATISTICS = _because("normalises by statistics of the data itself",
                       "use BatchNorm, whose statistics are constants after training")
_QDQ = _because("is ONNX's own quantisation", "export QONNX with brevitas.export.export_qonnx")
_CURVE = _because("is not monotone (or not known to be), so no integer threshold can replace it",
                  "use Relu, Clip or no activation before the quantiser")
_PRODUCT = _because("multiplies streams of data with each other; supported are layers with constant weights",
                    "write it as Gemm, MatMul or Conv with constant weights, or compute it on the host")

REFUSED = {
    "LSTM": _RECURRENT, "GRU": _RECURRENT, "RNN": _RECURRENT,
    "InstanceNormalization": _STATISTICS, "LayerNormalization": _STATISTICS, "GroupNormalization": _STATISTICS,
    "RMSNormalization": _STATISTICS, "LpNormalization": _STATISTICS, "LRN": _STATISTICS,
    "QuantizeLinear": _QDQ, "DequantizeLinear": _QDQ, "DynamicQuantizeLinear": _QDQ, "QLinearConv": _QDQ,
    "QLinearMatMul": _QDQ, "ConvInteger": _QDQ, "MatMulInteger": _QDQ,
    "Exp": _CURVE, "Log": _CURVE, "Reciprocal": _CURVE, "Sqrt": _CURVE, "Tan": _CURVE,
    "Attention": _PRODUCT,
    "FloatQuant": _because("quantises to small floats; supported are integers",
                           "use Brevitas' integer quantisers, such as Int8WeightPerTensorFloat"),
}
"""Operator to the function that refuses it."""
