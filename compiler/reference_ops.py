"""QONNX operators under exact accumulation, each with what is known of its rounding: one table of them all.

Written on tensors, straight from the operators' specifications; nothing is shared with the importer, the integer graph,
its float32 chains, its windows or its thresholds.

Bounds (N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., SIAM 2002), u = 2^-24 and
gamma(n) = n u / (1 - n u):

- one operation (section 2.2, eqs. 2.4 and 2.8): fl(a op b) = (a op b)(1 + d) + e, |d| <= u, |e| <= 2^-149. With an
  operand known to within E: sums keep E, a product by c gives |c| E, and u times the result's magnitude is added;
- an inner product of n terms in any order (section 3.1, eqs. 3.4, 3.5): |fl(x.y) - x.y| <= gamma(n) |x|.|y|. The exact
  accumulator rounded once lies within this, too, and with n + 3 so do operands that are codes times a rounded scale.
  Where the scales' product is a power of two and |x|.|y| stays below 2^24 of it, every partial sum is a float32, and
  the bound is 0. Operands known to within E add |E|.|y|;
- sums of branches are inner products of as many terms; a mean of n terms divides, two roundings more;
- BatchNormalization, a = scale / sqrt(variance + epsilon): both ((x - mean) / sqrt(..)) * scale + bias and
  x * a + (bias - mean * a), with a computed by division or by reciprocal, make at most eight roundings on each of the
  three terms (section 3.4, lemma 3.1: products of (1 + d) factors): |a| E (1 + gamma(8)) + gamma(8) (|x| |a| +
  |mean| |a| + |bias|);
- max, min and pooling by them are exact and do not spread errors; floor and its like may fall a step further where E
  reaches an edge;
- a product of a and b, known to within E and F, is known to within |a| F + |b| E + E F, a quotient to within
  (E + |a / b| F) / (|b| - F);
- functions with exponentials: E times their greatest slope, and 64 u for runtimes' own approximations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx

from ..errors import UserError
from .reference_end import ENDS
from .reference_moves import MOVES
from .reference_pointwise import POINTWISE, arithmetic
from .reference_products import PRODUCTS
from .reference_quantisers import QUANTISERS
from .reference_sums import SUMS
from .reference_tensor import Tensor

__all__ = ["COUNTING", "OPERATORS", "execute"]

OPERATORS: dict[str, Any] = {
    **QUANTISERS, **PRODUCTS, **SUMS, **POINTWISE, **MOVES, **ENDS,
    "Mul": arithmetic, "Div": arithmetic,
}
"""Operator to the function that carries it out, of the node and its operands; of several outputs, a sequence."""


def execute(node: onnx.NodeProto, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What a node makes of tensors by name.

    Raises
    ------
    UserError
        If it computes what this executor does not define; the message names the node.
    """
    try:
        with np.errstate(over="ignore"):
            made: Any = OPERATORS[node.op_type](
                node, *(tensors[name] if name else None for name in node.input))
    except NotImplementedError as error:
        raise UserError(f"its meaning is not defined here: {error}", where=f"node {node.name!r} ({node.op_type})",
                        remedy="quantise per tensor in front of it, so that it computes with integers times one scale"
                        ) from error
    results: Sequence[Tensor] = made if isinstance(made, tuple) else (made,)
    return dict(zip(node.output, results, strict=False))  # outputs that nothing reads may be left out


COUNTING = frozenset({*PRODUCTS, *SUMS})
"""Operators that count over integers, which are kept."""
