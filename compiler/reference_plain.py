"""Plain execution of the cleaned graph by ``qonnx`` itself, many frames at a time."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from onnx import numpy_helper

from .ir import InputSpec
from .quiet import quiet

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

__all__ = ["Plain", "run_plain"]

BATCH = 1000


@dataclass(frozen=True, eq=False)
class Plain:
    """A run in float32: the quantisers' ``codes`` (int64) and the float32 ``output``, ``[frames, elements]`` each."""

    codes: dict[str, np.ndarray]
    output: np.ndarray


def run_plain(model: ModelWrapper, inputs: np.ndarray, spec: InputSpec | None = None) -> Plain:
    """Execute a cleaned model (``Imported.model``) with ``qonnx.core.onnx_exec``.

    ``inputs`` are as for ``reference.run_exact``. The frames are stacked on the batch axis: every operator that the
    importer accepts acts on each frame alone, so only the order of float32 sums can depend on the batch.
    """
    inputs = np.asarray(inputs)
    chunks = [_run(model, inputs[start:start + BATCH], spec) for start in range(0, max(1, len(inputs)), BATCH)]
    return Plain({name: np.concatenate([c.codes[name] for c in chunks]) for name in chunks[0].codes},
                 np.concatenate([c.output for c in chunks]))


def _run(model: ModelWrapper, inputs: np.ndarray, spec: InputSpec | None) -> Plain:
    from qonnx.core.onnx_exec import execute_onnx

    frames = len(inputs)
    codes: dict[str, np.ndarray] = {}
    if inputs.dtype.kind in "iub":
        if spec is None:
            raise ValueError("integer inputs need an InputSpec that says what they are worth")
        if spec.encoder is not None:
            model, scale = _after_first_quantiser(model)
            codes[model.graph.input[0].name] = inputs.astype(np.int64).reshape(frames, -1)
            inputs = inputs.astype(np.float32) * scale
        else:
            inputs = spec.decode(inputs)
    batched = _with_batch(model, frames)
    source = batched.graph.input[0]
    x = inputs.astype(np.float32).reshape([d.dim_value for d in source.type.tensor_type.shape.dim])
    with quiet():
        context = execute_onnx(batched, {source.name: x}, return_full_exec_context=True)
    data = _on_data(batched)
    for node in batched.graph.node:
        if node.op_type == "BipolarQuant" and node.output[0] in data:
            codes[node.output[0]] = np.where(context[node.output[0]].reshape(frames, -1) >= 0, 1, -1).astype(np.int64)
    return Plain(codes, context[batched.graph.output[0].name].reshape(frames, -1))


def _on_data(model: ModelWrapper) -> set[str]:
    """The tensors that depend on the input."""
    data = {model.graph.input[0].name}
    for node in model.graph.node:
        if data.intersection(node.input):
            data.update(node.output)
    return data


def _with_batch(model: ModelWrapper, frames: int) -> ModelWrapper:
    """A copy for ``frames`` frames: the batch axis of every tensor on the data, and of the shapes given to them."""
    batched = copy.deepcopy(model)
    data = _on_data(batched)
    shapes = {name: batched.get_tensor_shape(name) for name in data}
    for info in (*batched.graph.input, *batched.graph.value_info, *batched.graph.output):
        if info.name in data:
            info.type.tensor_type.shape.dim[0].dim_value = frames
    for node in batched.graph.node:
        if node.op_type == "Reshape" and node.output[0] in data:
            target = np.array([frames, *(shapes[node.output[0]] or ())[1:]], dtype=np.int64)
            for tensor in batched.graph.initializer:
                if tensor.name == node.input[1]:
                    tensor.CopyFrom(numpy_helper.from_array(target, tensor.name))
    return batched


def _after_first_quantiser(model: ModelWrapper) -> tuple[ModelWrapper, np.float32]:
    """The graph from the first quantiser's output on, and that quantiser's scale."""
    rest = copy.deepcopy(model)
    data = _on_data(rest)
    place = next(i for i, n in enumerate(rest.graph.node) if n.op_type == "BipolarQuant" and n.output[0] in data)
    node = rest.graph.node[place]
    scale = rest.get_initializer(node.input[1])
    assert isinstance(scale, np.ndarray)
    info = next(i for i in (*rest.graph.value_info, *rest.graph.output) if i.name == node.output[0])
    kept = [n for i, n in enumerate(rest.graph.node) if i > place or n.output[0] not in data]
    nodes = [copy.deepcopy(n) for n in kept]
    rest.graph.input[0].CopyFrom(info)
    others = [copy.deepcopy(i) for i in rest.graph.value_info if i.name != node.output[0]]
    del rest.graph.value_info[:]
    rest.graph.value_info.extend(others)
    del rest.graph.node[:]
    rest.graph.node.extend(nodes)
    return rest, np.float32(scale.reshape(-1)[0])
