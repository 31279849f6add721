"""The reference executor: what a QONNX model *means*, and whether another execution differs by ties alone.

A float32 sum depends on the order of its terms, and on an exact tie it falls either way, so runtimes disagree with each
other. The meaning of a model is therefore defined with *exact accumulation*:

- a quantiser's output is integer codes times a float32 scale;
- a matrix product is the integer dot product of codes, multiplied in float64 by the product of both scales (which
  float64 holds exactly) and rounded to float32 once;
- every other operation is the model's own, in float32, in the order of the graph; BatchNormalization in the order of
  ONNX's specification, with the square root in float32.

``run_exact`` executes that, ``run_plain`` executes the graph with ``qonnx`` as it is, and ``explain`` demands that
every difference between the two begins with ties. The bounds that make a tie are those of ``reference_ops``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import numpy_helper

from .ir import InputSpec
from .reference_exact import Reference
from .reference_ops import OPERATORS, SLACK, Fixed, Frames, Tensor, quantised
from .reference_plain import Plain, run_plain
from .reference_ties import Explained, explain

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

__all__ = ["Explained", "Plain", "Reference", "explain", "run_exact", "run_plain"]

BATCH = 2048


def run_exact(model: ModelWrapper, inputs: np.ndarray, spec: InputSpec | None = None) -> Reference:
    """Execute a cleaned model (``Imported.model``) on all frames under exact accumulation.

    Parameters
    ----------
    inputs
        ``[frames, ...]``: float arrays are the model's own inputs; integer arrays are codes as ``spec`` declares them
        (those of the first quantiser, if the spec has an encoder).

    Raises
    ------
    ValueError
        If integers are given without a spec.
    """
    inputs = np.asarray(inputs)
    chunks = [_run(model, inputs[start:start + BATCH], spec) for start in range(0, max(1, len(inputs)), BATCH)]

    def joined(pick):
        return {name: np.concatenate([pick(c)[name] for c in chunks]) for name in pick(chunks[0])}

    return Reference(joined(lambda c: c.codes), joined(lambda c: c.accumulators), joined(lambda c: c.ties),
                     *(np.concatenate([getattr(c, name) for c in chunks])
                       for name in ("output", "output_real", "output_bound")))


def _run(model: ModelWrapper, inputs: np.ndarray, spec: InputSpec | None) -> Reference:
    graph = model.graph
    frames = len(inputs)
    tensors: dict[str, Tensor] = {t.name: Fixed(numpy_helper.to_array(t)) for t in graph.initializer}
    source = graph.input[0]
    shape = [d.dim_value for d in source.type.tensor_type.shape.dim][1:]
    first: np.ndarray | None = None  # codes that stand for the first quantiser's
    if inputs.dtype.kind not in "iub":
        x = inputs.astype(np.float32).reshape(frames, *shape)
        tensors[source.name] = Frames(x, x.astype(np.float64), np.zeros(x.shape))
    elif spec is None:
        raise ValueError("integer inputs need an InputSpec that says what they are worth")
    elif spec.encoder is not None:
        first = inputs.astype(np.int64)
        x = np.zeros((frames, *shape), dtype=np.float32)  # anything: only the first quantiser sees it
        tensors[source.name] = Frames(x, x.astype(np.float64), np.zeros(x.shape))
    else:
        codes = inputs.astype(np.int64).reshape(frames, *shape)
        x = (codes * float(spec.scale.numerator) / float(spec.scale.denominator)).astype(np.float32)
        tensors[source.name] = Frames(x, x.astype(np.float64), np.zeros(x.shape), codes, np.array(float(spec.scale)))
    codes_of: dict[str, np.ndarray] = {}
    accumulators: dict[str, np.ndarray] = {}
    ties: dict[str, np.ndarray] = {}
    for node in graph.node:
        name = node.output[0]
        operands = [tensors[i] if i else None for i in node.input]
        with np.errstate(over="ignore"):
            result = OPERATORS[node.op_type](node, *operands)
        if first is not None and isinstance(result, Frames) and result.ties is not None:
            scale = operands[1]
            assert isinstance(scale, Fixed)
            result = quantised(first.reshape(result.value.shape), scale.value)
            result.ties = np.zeros(result.value.shape, dtype=np.bool_)
            first = None
        tensors[name] = result
        if isinstance(result, Frames) and node.op_type == "BipolarQuant":
            assert result.codes is not None
            assert result.ties is not None
            codes_of[name], ties[name] = result.codes.reshape(frames, -1), result.ties.reshape(frames, -1)
        elif isinstance(result, Frames) and result.accumulators is not None:
            accumulators[name] = result.accumulators.reshape(frames, -1)
    end = tensors[graph.output[0].name]
    assert isinstance(end, Frames)
    return Reference(codes_of, accumulators, ties, end.value.reshape(frames, -1), end.real.reshape(frames, -1),
                     end.bound.reshape(frames, -1) * SLACK)
