"""The operators that the importer knows, one table: QONNX operator to the function that reads it.

A function takes the :class:`~gatewright.compiler.frontend.walk.Walk` and the node, and sets what is known of the
node's outputs. Supporting one more operator is one more entry.
"""

from __future__ import annotations

from .ops_activations import ACTIVATIONS
from .ops_conv import conv, conv_transpose
from .ops_elementwise import batch_normalization, binary, clip, extreme, neg
from .ops_end import arg_max, softmax, top
from .ops_join import concat, sum_of
from .ops_moves import (
    depth_to_space,
    expand,
    gather,
    pad,
    resize,
    slice_,
    space_to_depth,
    split,
    tile,
    transpose,
)
from .ops_pool import average_pool, global_average_pool, global_max_pool, max_pool, reduce
from .ops_products import einsum, gemm, matmul
from .ops_quantisers import bipolar_quant, multi_threshold, quant, trunc
from .ops_refused import REFUSED
from .ops_shapes import dropout, identity, reshape

__all__ = ["OPERATORS", "REFUSED"]

OPERATORS = {
    **ACTIVATIONS,
    "Add": binary("add", "add"), "Sub": binary("sub", "rsub"), "Mul": binary("mul", "mul"), "Div": binary("div", ""),
    "Neg": neg, "Clip": clip, "Max": extreme("max"), "Min": extreme("min"),
    "BatchNormalization": batch_normalization,
    "BipolarQuant": bipolar_quant, "IntQuant": quant, "MultiThreshold": multi_threshold, "Quant": quant, "Trunc": trunc,
    "Einsum": einsum, "Gemm": gemm, "MatMul": matmul, "Conv": conv, "ConvTranspose": conv_transpose,
    "AveragePool": average_pool, "GlobalAveragePool": global_average_pool, "GlobalMaxPool": global_max_pool,
    "MaxPool": max_pool, "ReduceMax": reduce("max"), "ReduceMean": reduce("mean"), "ReduceSum": reduce("sum"),
    "Concat": concat, "Sum": sum_of,
    "Dropout": dropout, "Flatten": reshape, "Identity": identity, "Reshape": reshape, "Squeeze": reshape,
    "Unsqueeze": reshape,
    "DepthToSpace": depth_to_space, "Expand": expand, "Gather": gather, "Pad": pad, "Resize": resize, "Slice": slice_,
    "SpaceToDepth": space_to_depth, "Split": split, "Tile": tile, "Transpose": transpose, "Upsample": resize,
    "ArgMax": arg_max, "LogSoftmax": softmax("log_softmax"), "Softmax": softmax("softmax"), "TopK": top,
}
"""Operators that may occur on data."""
