"""The ``qonnx`` package's clean-up, applied so that names survive and nothing leaks out of it.

These are the steps of ``qonnx.util.cleanup.cleanup_model`` in its order, without the last two, which rename every node
and tensor: messages, layers and boundaries keep the names of the person's own file.
"""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import numpy_helper

from ...errors import UserError
from ..float32 import ROUNDINGS
from ..quiet import quiet
from .kernels import guard_kernels
from .structure import MAX_ELEMENTS, QUANT_OPERATORS, check_structure, node_where

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

__all__ = ["FOLDABLE", "cleanup"]

FOLDABLE = frozenset({"Cast", "Concat", "Constant", "Gather", "Identity", "Pow", "Reciprocal", "Reshape", "Shape",
                      "Slice", "Sqrt", "Squeeze", "Transpose", "Unsqueeze"})
"""Operators that may stand among constants (of shapes, mostly), whether or not a network may use them on data."""
_SLIDING = ("Conv", "MaxPool", "AveragePool")


def cleanup(model: onnx.ModelProto, supported: frozenset[str], refused: frozenset[str] = frozenset()) -> ModelWrapper:
    """A cleaned copy as a ``qonnx.core.modelwrapper.ModelWrapper``: constants folded, shapes known, batch of one.

    ``supported`` operators may occur on data, ``FOLDABLE`` ones on constants; ``refused`` ones are let through, for the
    importer says why it refuses them.

    Raises
    ------
    UserError
        As ``structure.check_structure`` does, and if qonnx cannot process the graph.
    """
    model = copy.deepcopy(model)
    check_structure(model, supported, FOLDABLE | refused)
    guard_kernels(model.graph)
    _separate_constants(model.graph)
    with quiet():
        return _transform(model)


def _transform(model: onnx.ModelProto) -> ModelWrapper:
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.fold_constants import FoldConstants
    from qonnx.transformation.general import RemoveStaticGraphInputs, RemoveUnusedTensors
    from qonnx.transformation.infer_shapes import InferShapes
    from qonnx.transformation.quant_constant_folding import FoldTransposeIntoQuantInit

    steps = (InferShapes(), FoldConstants(exclude_op_types=list(QUANT_OPERATORS)),
             FoldTransposeIntoQuantInit(), RemoveUnusedTensors(), RemoveStaticGraphInputs())
    clean = ModelWrapper(model)
    for step in steps:
        try:
            clean = clean.transform(step)
        except Exception as error:  # qonnx raises bare Exception, and onnxruntime's exceptions have no public base
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise UserError(f"qonnx could not clean the model up ({type(step).__name__}: {reason})",
                            where=_suspect(clean.model, reason),
                            remedy="check the shapes and attributes of this node") from None
        _check_sizes(clean.model)
    _store_weights(clean.graph)
    _spell_pads(clean)
    return clean


def _store_weights(graph: onnx.GraphProto) -> None:
    """Put the values in place of weights' quantisers with a bit width for each weight, which qonnx cannot execute.

    Of 0 bits they are 0: pruned. What is not as it must be is left for the importer to refuse.
    """
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in [node for node in graph.node if node.op_type in ("Quant", "IntQuant")]:
        if not all(name in constants for name in node.input):
            continue
        latent, scale, zero, bits = (numpy_helper.to_array(constants[name]) for name in node.input)
        given = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
        rounding = ROUNDINGS.get(given.get("rounding_mode", b"ROUND").decode("utf-8", "replace").upper())
        fits = _broadcasts(latent, scale, bits) and all(a.dtype == np.float32 for a in (latent, scale, zero, bits))
        if bits.size == 1 or not fits or rounding is None or zero.any() or not (scale > 0).all() or not (
                (bits == np.rint(bits)) & (bits >= 0) & (bits <= 32)).all():
            continue
        signed, narrow = given.get("signed", 1), given.get("narrow", 1)
        width = bits.astype(np.int64)
        lo = -(1 << np.maximum(width, 1) - 1) + narrow if signed else 0 * width
        hi = (1 << np.maximum(width, 1) - 1) - 1 if signed else (1 << width) - 1 - narrow
        codes = np.where(width == 0, 0, np.clip(rounding(latent / scale).astype(np.float64), lo, np.maximum(lo, hi)))
        if not np.array_equal(codes * scale.astype(np.float64), (codes * scale).astype(np.float32)):
            continue
        graph.initializer.append(numpy_helper.from_array((codes * scale).astype(np.float32), node.output[0]))
        graph.node.remove(node)


def _broadcasts(target: np.ndarray, *arrays: np.ndarray) -> bool:
    try:
        return np.broadcast_shapes(target.shape, *(array.shape for array in arrays)) == target.shape
    except ValueError:
        return False


def _spell_pads(clean: ModelWrapper) -> None:
    """Write out the pads that ``auto_pad`` stands for where a window is dilated: onnxruntime refuses the two together.

    As ONNX defines them: as many positions as strides fit, the odd pixel at the end (SAME_UPPER) or at the beginning.
    """
    for node in clean.graph.node:
        given = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
        mode, dilations = given.get("auto_pad", b""), given.get("dilations", ())
        size = (clean.get_tensor_shape(node.input[0]) or [])[2:] if node.op_type in _SLIDING else []
        kernel = given.get("kernel_shape", ())
        if mode not in (b"SAME_UPPER", b"SAME_LOWER") or max(dilations, default=1) < 2 or not (
                len(size) == len(kernel) == len(dilations) == len(given.get("strides", kernel))):
            continue
        before, after = [], []
        for pixels, taps, dilation, stride in zip(size, kernel, dilations, given.get("strides", [1] * len(size)),
                                                  strict=True):
            total = max(0, (-(-pixels // stride) - 1) * stride + dilation * (taps - 1) + 1 - pixels)
            before.append(total // 2 if mode == b"SAME_UPPER" else total - total // 2)
            after.append(total - before[-1])
        kept = [attribute for attribute in node.attribute if attribute.name not in ("auto_pad", "pads")]
        del node.attribute[:]
        node.attribute.extend([*kept, onnx.helper.make_attribute("pads", before + after)])


def _suspect(model: onnx.ModelProto, reason: str) -> str:
    """The node that a message of qonnx, onnx or onnxruntime speaks of: by name, else the first operator it names."""
    for node in model.graph.node:
        if node.name and node.name in reason:
            return node_where(node)
    for node in model.graph.node:
        if node.op_type in reason:
            return node_where(node)
    constant = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        if all(name in constant for name in node.input):
            return node_where(node)
    return node_where(model.graph.node[0])


def _check_sizes(model: onnx.ModelProto) -> None:
    """Refuse what shape inference found to be too large, before anything of that size is allocated."""
    for info in (*model.graph.value_info, *model.graph.output):
        dims = [d.dim_value for d in info.type.tensor_type.shape.dim]
        if min(dims, default=0) < 0:
            maker = next((node for node in model.graph.node if info.name in node.output), None)
            raise UserError(f"would give a tensor of shape {dims}: it takes more off the image than there is",
                            where=f"tensor {info.name!r}" if maker is None else node_where(maker),
                            remedy="use a smaller kernel, more padding, or a larger image")
        if math.prod(dims) > 16 * MAX_ELEMENTS:
            raise UserError(f"would have the shape {dims}", where=f"tensor {info.name!r}",
                            remedy="check that the file is what it should be")


def _separate_constants(graph: onnx.GraphProto) -> None:
    """Give every use of a constant its own copy, as qonnx asks for, under names that do not change from run to run."""
    by_name = {tensor.name: tensor for tensor in graph.initializer}
    taken = set(by_name) | {name for node in graph.node for name in node.output} | {i.name for i in graph.input}
    used: set[str] = set()
    for node in graph.node:
        for position, name in enumerate(node.input):
            if name not in by_name:
                continue
            if name in used:
                count = 1
                while (fresh := f"{name}_{count}") in taken:
                    count += 1
                taken.add(fresh)
                graph.initializer.append(numpy_helper.from_array(numpy_helper.to_array(by_name[name]), fresh))
                node.input[position] = fresh
            used.add(name)
