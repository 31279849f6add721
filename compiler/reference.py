"""The reference executor: what a QONNX model *means*, and whether another execution differs by ties alone.

A float32 sum depends on the order of its terms, and on an exact tie it falls either way, so runtimes disagree with each
other. The meaning of a model is therefore defined with *exact accumulation*:

- a quantiser's output is integer codes times a float32 scale;
- a linear layer (products, convolutions, sums of branches, means) is computed over integers, multiplied in float64 by
  the product of the scales (which float64 holds exactly), divided by the elements of a mean, and rounded to float32
  once;
- every other operation is the model's own, in float32, in the order of the graph; BatchNormalization in the order of
  ONNX's specification, with the square root in float32; functions beyond arithmetic in float64, rounded once.

``run_exact`` executes that, ``run_plain`` executes the graph with ``qonnx`` as it is, and ``explain`` demands that
every difference between the two begins with ties. The bounds that make a tie are those of ``reference_ops``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from onnx import numpy_helper

from .ir import InputSpec
from .reference_exact import Reference, narrowed
from .reference_ops import COUNTING, execute
from .reference_plain import Plain, on_data, run_plain
from .reference_quantisers import QUANTISERS
from .reference_tensor import SLACK, Fixed, Frames, Integers, Tensor, worth
from .reference_ties import Explained, explain

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

__all__ = ["Explained", "Plain", "Reference", "explain", "run_exact", "run_plain"]

BATCH = 2048
BATCH_ELEMENTS = 1 << 22
"""Frames that are executed at once, and elements of them in the largest tensor."""


def run_exact(model: ModelWrapper, inputs: np.ndarray, spec: InputSpec | None = None) -> Reference:
    """Execute a cleaned model (``Imported.model``) on all frames under exact accumulation.

    Parameters
    ----------
    inputs
        ``[frames, ...]``: float arrays are the model's own inputs; integer arrays are codes as ``spec`` declares them
        (those of the first quantiser, if the spec has an encoder), in the order of the model's input.

    Raises
    ------
    ValueError
        If integers are given without a spec.
    """
    inputs = np.asarray(inputs)
    data = on_data(model)
    shapes = [model.get_tensor_shape(name) or [1] for name in data]
    batch = max(1, min(BATCH, BATCH_ELEMENTS // max(math.prod(shape) for shape in shapes)))
    known = _constants(model, data)
    chunks = [_run(model, data, known, inputs[start:start + batch], spec)
              for start in range(0, max(1, len(inputs)), batch)]

    def joined(pick):
        return {name: np.concatenate([pick(c)[name] for c in chunks]) for name in pick(chunks[0])}

    return Reference(joined(lambda c: c.codes), joined(lambda c: c.accumulators), joined(lambda c: c.turns),
                     *(np.concatenate([getattr(c, name) for c in chunks])
                       for name in ("output", "output_real", "output_bound")))


def _constants(model: ModelWrapper, data: set[str]) -> dict[str, Tensor]:
    """All tensors that do not depend on the data."""
    tensors: dict[str, Tensor] = {t.name: Fixed(numpy_helper.to_array(t)) for t in model.graph.initializer}
    for node in model.graph.node:
        if node.output[0] not in data:
            tensors.update(execute(node, tensors))
    return tensors


def _run(model: ModelWrapper, data: set[str], known: dict[str, Tensor], inputs: np.ndarray,
         spec: InputSpec | None) -> Reference:
    graph, frames = model.graph, len(inputs)
    source, end = graph.input[0], graph.output[0].name
    nodes = [node for node in graph.node if node.output[0] in data]
    tensors = {**known, source.name: _input(inputs, [d.dim_value for d in source.type.tensor_type.shape.dim][1:], spec)}
    last = {name: place for place, node in enumerate(nodes) for name in node.input}
    last[end] = len(nodes)
    codes: dict[str, np.ndarray] = {}
    accumulators: dict[str, np.ndarray] = {}
    turns: dict[str, np.ndarray] = {}
    for place, node in enumerate(nodes):
        made = execute(node, tensors)
        for name, result in made.items():
            if not isinstance(result, Frames):
                continue
            if node.op_type in QUANTISERS and result.codes is not None:
                codes[name] = narrowed(result.codes.codes.reshape(frames, -1))
                turns[name] = narrowed(result.codes.turns.reshape(frames, -1))
            elif node.op_type in COUNTING and result.accumulators is not None:
                accumulators[name] = narrowed(result.accumulators.reshape(frames, -1))
        tensors.update(made)
        for name in {*node.input, *node.output} - known.keys():
            if last.get(name, place) <= place:
                tensors.pop(name, None)  # nothing reads it any more
    result = tensors[end]
    assert isinstance(result, Frames)
    return Reference(codes, accumulators, turns, result.value.reshape(frames, -1), result.real.reshape(frames, -1),
                     np.asarray(result.bound).reshape(frames, -1) * SLACK)


def _input(inputs: np.ndarray, shape: list[int], spec: InputSpec | None) -> Frames:
    """The model's input: floats, which may be declared codes' worth; declared codes; or the first quantiser's."""
    if inputs.dtype.kind in "iub":
        if spec is None:
            raise ValueError("integer inputs need an InputSpec that says what they are worth")
        codes = inputs.astype(np.int64).reshape(len(inputs), *shape)
        if spec.encoder is not None:
            nothing = np.zeros(codes.shape, dtype=np.float32)  # anything: only the first quantiser sees it
            return Frames(nothing, nothing.astype(np.float64), np.broadcast_to(0.0, codes.shape), raw=codes)
        integers = _declared(codes, spec)
        x = worth(integers).astype(np.float32)
    else:
        x = inputs.astype(np.float32).reshape(len(inputs), *shape)
        integers = None
        if spec is not None and spec.encoder is None and np.isfinite(x).all():
            codes = np.rint(x.astype(np.float64) * spec.scale.denominator / spec.scale.numerator).astype(np.int64)
            integers = _declared(codes, spec)
            if not np.array_equal(worth(integers).astype(np.float32), x):
                integers = None
    return Frames(x, x.astype(np.float64), np.broadcast_to(0.0, x.shape), integers)


def _declared(codes: np.ndarray, spec: InputSpec) -> Integers:
    twos = spec.scale.denominator & -spec.scale.denominator
    scale = np.full([1] * codes.ndim, spec.scale.numerator / twos)
    return Integers(codes, scale, spec.type.lo, spec.type.hi, spec.scale.denominator // twos,
                    2 if spec.type.bipolar else 1)
