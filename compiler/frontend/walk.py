"""The walk over a cleaned QONNX graph: what is known of each tensor so far, and what the operators ask of it."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import numpy_helper

from ...errors import UserError
from ..float32 import Chain
from ..ir import Elementwise, InputSpec, IntType, Quantise, Value
from .flows import Codes, Constant, Expression, Flow
from .structure import node_where

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

__all__ = ["Walk"]


class Walk:
    """One pass over the cleaned graph: ``flows`` is what is known of each tensor so far, ``nodes`` what was built."""

    def __init__(self, model: ModelWrapper, declared: IntType | None, scale: Fraction):
        self.model, self.graph = model, model.graph
        self.flows: dict[str, Flow] = {}
        for tensor in self.graph.initializer:
            array = numpy_helper.to_array(tensor)
            if array.dtype.kind == "f" and array.dtype != np.float32:
                raise UserError(f"is {array.dtype}; supported is float32", where=f"tensor {tensor.name!r}",
                                remedy="export the model in float32")
            if array.dtype == np.float32 and not array.size:
                raise UserError(f"has the shape {list(array.shape)}, without elements", where=f"tensor {tensor.name!r}",
                                remedy="repair the layer's size")
            self.flows[tensor.name] = Constant(array)
        self.nodes: list = []
        source = self.graph.input[0]
        self.shape = tuple(d.dim_value for d in source.type.tensor_type.shape.dim)
        self.declared = declared is not None
        if declared is None:
            self.input: Value | None = None
            self.spec: InputSpec | None = None
            self.flows[source.name] = Expression(None, Chain(Fraction(1)), self.shape)
        else:
            self.input = Value(source.name, (math.prod(self.shape[1:]),), declared, declared.lo, declared.hi)
            self.spec = InputSpec(declared, scale, self.shape[1:])
            self.flows[source.name] = Codes(self.input, scale, self.shape)

    def check_chain(self) -> None:
        """Every tensor that depends on the data has one reader, and is not also the model's output."""
        data = {self.graph.input[0].name}
        readers: dict[str, onnx.NodeProto] = {}
        for node in self.graph.node:
            dynamic = [name for name in node.input if name in data]
            if dynamic:
                data.update(node.output)
            for name in dynamic:
                if name in readers or name == self.graph.output[0].name:
                    raise UserError(f"reads the tensor {name!r}, which has another reader; supported are chains of "
                                    "layers, without branches", where=node_where(node),
                                    remedy="remove the residual connection")
                readers[name] = node

    def flow(self, node: onnx.NodeProto, position: int) -> Flow:
        """What is known of an input."""
        if not self.has_input(node, position) or node.input[position] not in self.flows:
            raise UserError(f"has no input {position}, or one that is another node's second output",
                            where=node_where(node), remedy="export the model again")
        return self.flows[node.input[position]]

    def has_input(self, node: onnx.NodeProto, position: int) -> bool:
        return position < len(node.input) and bool(node.input[position])

    def constant(self, node: onnx.NodeProto, position: int) -> np.ndarray:
        """A constant input's numbers."""
        flow = self.flow(node, position)
        if not isinstance(flow, Constant):
            raise UserError(f"takes {node.input[position]!r} from the data where a constant is needed",
                            where=node_where(node), remedy="export the model with constant parameters")
        return flow.array

    def floats(self, node: onnx.NodeProto, position: int) -> np.ndarray:
        """A constant input's float32 numbers."""
        array = self.constant(node, position)
        if array.dtype != np.float32:
            raise UserError(f"has a constant of type {array.dtype}; supported is float32", where=node_where(node),
                            remedy="export it as float32")
        return array

    def attribute(self, node: onnx.NodeProto, name: str, kind: str, default: Any = None) -> Any:
        """An attribute of ``kind`` (``"INT"``, ``"FLOAT"`` or ``"INTS"``)."""
        for attribute in node.attribute:
            if attribute.name == name:
                found = onnx.AttributeProto.AttributeType.Name(attribute.type)
                value = onnx.helper.get_attribute_value(attribute) if found == kind else None
                if value is None or (kind == "FLOAT" and not math.isfinite(value)):
                    raise UserError(f"has an attribute {name!r} that is no finite {kind}", where=node_where(node),
                                    remedy="repair the attribute")
                return value
        return default

    def emit(self, node) -> None:
        self.nodes.append(node)

    def reshaped(self, flow: Expression | Codes, shape: tuple[int, ...]) -> Flow:
        if isinstance(flow, Expression):
            return Expression(flow.base, flow.chain, shape, flow.nodes)
        return Codes(flow.value, flow.scale, shape)

    def quantise(self, node: onnx.NodeProto, flow: Expression, value: Value) -> None:
        """A quantiser of ``flow`` gives ``value``: the input's, if nothing was declared, else a node."""
        if flow.base is None:
            self.input = value
            self.spec = InputSpec(value.type, Fraction(1), self.shape[1:], flow.chain)
            return
        # A bias belongs to its Gemm, and a bare product has no float32 node: give the expression a name of its own.
        label = flow.nodes[-1] if flow.nodes else node.name
        if label == node.name or label in {each.name for each in self.nodes}:
            label = _fresh(f"{label}_float", {each.name for each in self.graph.node})
        floats = _fresh(f"{value.name}_float", set(self.flows) | {o for each in self.graph.node for o in each.output})
        self.emit(Elementwise(label, flow.base.name, floats, flow.chain))
        self.emit(Quantise(node.name, floats, value))


def _fresh(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name
