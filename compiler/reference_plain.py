"""Plain execution of the cleaned graph by ``qonnx`` itself, many frames at a time."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import numpy_helper

from ..errors import UserError
from .ir import InputSpec
from .quiet import quiet
from .reference_ops import execute
from .reference_quantisers import QUANTISERS, plain_codes
from .reference_tensor import Fixed, Frames, Tensor

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

__all__ = ["Plain", "on_data", "run_plain"]

BATCH = 1000
BATCH_ELEMENTS = 1 << 26
"""Frames that are executed at once, and elements of them in all tensors together."""


@dataclass(frozen=True, eq=False)
class Plain:
    """A run in float32: the quantisers' ``codes`` (int64) and the float32 ``output``, ``[frames, elements]`` each."""

    codes: dict[str, np.ndarray]
    output: np.ndarray


def run_plain(model: ModelWrapper, inputs: np.ndarray, spec: InputSpec | None = None) -> Plain:
    """Execute a cleaned model (``Imported.model``) with ``qonnx.core.onnx_exec``.

    ``inputs`` are as for ``reference.run_exact``. The frames are stacked on the batch axis: every operator that the
    importer accepts acts on each frame alone, so only the order of float32 sums can depend on the batch.

    Raises
    ------
    UserError
        If onnxruntime refuses what ONNX allows.
    """
    inputs = np.asarray(inputs)
    elements = sum(math.prod(model.get_tensor_shape(name) or [1]) for name in on_data(model))
    batch = max(1, min(BATCH, BATCH_ELEMENTS // elements))
    chunks = [_run(model, inputs[start:start + batch], spec) for start in range(0, max(1, len(inputs)), batch)]
    return Plain({name: np.concatenate([c.codes[name] for c in chunks]) for name in chunks[0].codes},
                 np.concatenate([c.output for c in chunks]))


def _run(model: ModelWrapper, inputs: np.ndarray, spec: InputSpec | None) -> Plain:
    from qonnx.core.onnx_exec import execute_onnx

    frames = len(inputs)
    codes: dict[str, np.ndarray] = {}
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    if inputs.dtype.kind in "iub":
        if spec is None:
            raise ValueError("integer inputs need an InputSpec that says what they are worth")
        if spec.encoder is not None:
            model, first = _after_first_quantiser(model, inputs)
            assert first.codes is not None
            codes[model.graph.input[0].name] = first.codes.codes.reshape(frames, -1)
            inputs = first.value
        else:
            inputs = spec.decode(spec.to_stream(inputs))
    batched = _with_batch(model, frames)
    source = batched.graph.input[0]
    x = inputs.astype(np.float32).reshape([d.dim_value for d in source.type.tensor_type.shape.dim])
    with quiet():
        try:
            context = execute_onnx(batched, {source.name: x}, return_full_exec_context=True)
        except Exception as error:  # qonnx raises bare Exception, and onnxruntime's exceptions have no public base
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise UserError(f"plain qonnx cannot execute the model, to compare with ({reason})", where=model.graph.name,
                            remedy="write the node that it names in another way") from None
    data = on_data(batched)
    for node in batched.graph.node:
        name = node.output[0]
        if node.op_type in QUANTISERS and name in data:
            codes[name] = plain_codes(node, context[name], constants).reshape(frames, -1)
    return Plain(codes, context[batched.graph.output[0].name].reshape(frames, -1))


def on_data(model: ModelWrapper) -> set[str]:
    """The tensors that depend on the input."""
    data = {model.graph.input[0].name}
    for node in model.graph.node:
        if data.intersection(node.input):
            data.update(name for name in node.output if name)
    return data


def _with_batch(model: ModelWrapper, frames: int) -> ModelWrapper:
    """A copy for ``frames`` frames: the batch axis of every tensor on the data, and of the shapes given to them."""
    batched = copy.deepcopy(model)
    data = on_data(batched)
    shapes = {name: batched.get_tensor_shape(name) for name in data}
    for info in (*batched.graph.input, *batched.graph.value_info, *batched.graph.output):
        if info.name in data:
            info.type.tensor_type.shape.dim[0].dim_value = frames
    for node in batched.graph.node:
        if node.output[0] not in data:
            continue
        place = {"Reshape": 1, "Resize": 3}.get(node.op_type, len(node.input))
        if len(node.input) > place and node.input[place]:
            target = np.array([frames, *(shapes[node.output[0]] or ())[1:]], dtype=np.int64)
            if node.op_type == "Resize" and any(a.name == "axes" for a in node.attribute):
                continue  # sizes of some axes, of which the batch is none
            for tensor in batched.graph.initializer:
                if tensor.name == node.input[place]:
                    tensor.CopyFrom(numpy_helper.from_array(target, tensor.name))
    return batched


def _after_first_quantiser(model: ModelWrapper, inputs: np.ndarray) -> tuple[ModelWrapper, Frames]:
    """The graph from the first quantiser's output on, and that output for codes in the order of the model's input."""
    rest = copy.deepcopy(model)
    data = on_data(rest)
    nodes = list(rest.graph.node)
    place = next(i for i, n in enumerate(nodes) if n.op_type in QUANTISERS and n.output[0] in data)
    tensors: dict[str, Tensor] = {t.name: Fixed(numpy_helper.to_array(t)) for t in rest.graph.initializer}
    shape = [len(inputs), *(d.dim_value for d in rest.graph.input[0].type.tensor_type.shape.dim[1:])]
    nothing = np.zeros(shape, dtype=np.float32)
    tensors[rest.graph.input[0].name] = Frames(nothing, nothing.astype(np.float64), np.zeros(shape),
                                               raw=inputs.astype(np.int64).reshape(shape))
    needed = _ancestors(nodes, nodes[place])
    for node in nodes[:place + 1]:
        if node.output[0] in needed:
            tensors.update(execute(node, tensors))
    first = tensors[nodes[place].output[0]]
    assert isinstance(first, Frames)
    name = nodes[place].output[0]
    info = next(i for i in (*rest.graph.value_info, *rest.graph.output) if i.name == name)
    rest.graph.input[0].CopyFrom(info)
    others = [copy.deepcopy(i) for i in rest.graph.value_info if i.name != name]
    # What was computed before the quantiser is not any more, and nothing else reads it.
    kept = [copy.deepcopy(n) for i, n in enumerate(nodes)
            if n.output[0] not in data or (i != place and n.output[0] not in needed)]
    del rest.graph.value_info[:]
    rest.graph.value_info.extend(others)
    del rest.graph.node[:]
    rest.graph.node.extend(kept)
    return rest, first


def _ancestors(nodes: list[onnx.NodeProto], end: onnx.NodeProto) -> set[str]:
    """The tensors that a node's output depends on, itself included."""
    needed = {end.output[0]}
    for node in reversed(nodes):
        if needed.intersection(node.output):
            needed.update(node.input)
            needed.update(node.output)
    return needed
