"""The walk over a cleaned QONNX graph: what is known of each tensor so far, and what the operators ask of it."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import numpy_helper

from ...errors import UserError
from ..float32 import Chain, Quantiser
from ..ir import Elementwise, InputSpec, IntType, Quantise, Value
from .flows import Constant, Data, Flow, natural
from .structure import node_where, refuse

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

__all__ = ["Walk", "shapes_of"]


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
            if array.dtype == np.float32 and not array.size and array.shape != (0,):
                raise UserError(f"has the shape {list(array.shape)}, without elements", where=f"tensor {tensor.name!r}",
                                remedy="repair the layer's size")
            self.flows[tensor.name] = Constant(array)
        self.nodes: list = []
        self.twins: dict[str, str] = {}  # nodes made instead of another, which may then have no reader left
        self.opset = next(entry.version for entry in model.model.opset_import if not entry.domain)
        self._labels = {node.name for node in self.graph.node}
        self._used: set[str] = set()
        self._tensors = set(self.flows) | {name for node in self.graph.node for name in node.output}
        source = self.graph.input[0]
        self._tensors.add(source.name)
        self.shape = tuple(d.dim_value for d in source.type.tensor_type.shape.dim)
        self.declared = declared is not None
        self.input: Value | None = None
        self.spec: InputSpec | None = None
        # An undeclared input's spec is known at the first quantiser; where its elements lie in a stream, now.
        unknown = InputSpec(declared or IntType(1), scale, self.shape[1:])
        self.elements, self.stream_shape = math.prod(self.shape), unknown.stream_shape
        chain = Chain(Fraction(1))
        if declared is not None:
            self.spec = unknown
            self.input = Value(source.name, self.stream_shape, declared, declared.lo, declared.hi)
            power = scale.denominator & -scale.denominator  # of two: it goes into the scale, exactly
            chain = Chain(np.array([scale.numerator / power]), divisor=scale.denominator // power)
        self.flows[source.name] = Data(self.input, chain, natural(self.shape))

    def flow(self, node: onnx.NodeProto, position: int) -> Flow:
        """What is known of an input."""
        if not self.has_input(node, position) or node.input[position] not in self.flows:
            raise refuse(node, f"has no input {position}, or one that is another node's second output",
                         "export the model again")
        return self.flows[node.input[position]]

    def data(self, node: onnx.NodeProto, position: int = 0) -> Data:
        """An input that depends on the network's, to compute on."""
        flow = self.flow(node, position)
        if isinstance(flow, Constant):
            raise refuse(node, f"takes the constant {node.input[position]!r} where data of the network is needed",
                         "leave it out, or compute it on the host")
        if not isinstance(flow, Data):
            raise refuse(node, "computes on quantised constants", "apply it before the weights' quantiser")
        if flow.ended:
            raise refuse(node, f"computes on the result of {flow.ended}, which must be the network's last layer",
                         "end the network there, and do the rest on the host")
        return flow

    def has_input(self, node: onnx.NodeProto, position: int) -> bool:
        return position < len(node.input) and bool(node.input[position])

    def constant(self, node: onnx.NodeProto, position: int) -> np.ndarray:
        """A constant input's numbers."""
        flow = self.flow(node, position)
        if isinstance(flow, Data):
            raise refuse(node, f"takes {node.input[position]!r} from the data where a constant is needed",
                         "export the model with constant parameters")
        return flow.array

    def floats(self, node: onnx.NodeProto, position: int) -> np.ndarray:
        """A constant input's float32 numbers."""
        array = self.constant(node, position)
        if array.dtype != np.float32:
            raise refuse(node, f"has a constant of type {array.dtype}; supported is float32", "export it as float32")
        return array

    def integers(self, node: onnx.NodeProto, position: int, name: str = "") -> list[int] | None:
        """Integers that an operator has as an attribute in older opsets and as an input in newer ones, if it has."""
        given = self.attribute(node, name, "INTS") if name else None
        if given is None and self.has_input(node, position):
            given = self.constant(node, position)
            if given.ndim != 1 and given.shape != ():
                raise refuse(node, f"has an input {position} of shape {list(given.shape)}; supported are lists",
                             "export the model again")
            given = given.reshape(-1)
            if given.dtype.kind not in "iu":
                raise refuse(node, f"has an input {position} of type {given.dtype}; supported are integers",
                             "export the model again")
        return None if given is None else [int(i) for i in given]

    def attribute(self, node: onnx.NodeProto, name: str, kind: str, default: Any = None) -> Any:
        """An attribute of ``kind`` (``"INT"``, ``"FLOAT"``, ``"STRING"``, ``"INTS"`` or ``"FLOATS"``)."""
        for attribute in node.attribute:
            if attribute.name == name:
                found = onnx.AttributeProto.AttributeType.Name(attribute.type)
                value = onnx.helper.get_attribute_value(attribute) if found == kind else None
                if value is None or (kind == "FLOAT" and not math.isfinite(value)):
                    raise refuse(node, f"has an attribute {name!r} that is no finite {kind}", "repair the attribute")
                return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        return default

    def emit(self, node) -> None:
        self.nodes.append(node)

    def node_name(self, node: onnx.NodeProto) -> str:
        """The name of what a QONNX node becomes: its own, the first time."""
        return self.helper_name(node.name, "again")

    def helper_name(self, label: str, suffix: str, reader: onnx.NodeProto | None = None) -> str:
        """A name for a node of the integer graph that no QONNX node but perhaps ``label`` has.

        It is ``label`` if that is no name of the integer graph yet, nor the name of the ``reader`` to come.
        """
        if label in self._used or (reader is not None and label == reader.name):
            label = _fresh(f"{label}_{suffix}", self._used | self._labels)
        self._used.add(label)
        return label

    def tensor_name(self, wish: str) -> str:
        """A name for a value that no tensor of the model has."""
        wish = _fresh(wish, self._tensors)
        self._tensors.add(wish)
        return wish

    def set(self, node: onnx.NodeProto, flow: Flow) -> None:
        """What is known of the node's first output."""
        self.flows[node.output[0]] = flow

    def quantise(self, node: onnx.NodeProto, data: Data, quantiser: Quantiser, kind: IntType, name: str,
                 origin: str | None) -> Value:
        """The codes that ``quantiser`` makes of the data: the network's input, if none was declared, else a node's.

        ``name`` is that of the value; where it is not the node's own output, the node is a helper of it.
        """
        if data.base is None:
            if self.input is not None:
                raise refuse(node, f"is a second quantiser of the network's input, after {self.input.name!r}",
                             "share one quantiser, or declare the input with --input uint8")
            self.spec = InputSpec(kind, Fraction(1), self.shape[1:], data.chain, quantiser)
            value = Value(name, self.stream_shape, kind, quantiser.lo, quantiser.hi, origin)
            self.input = _placed(value, data)
            return self.input
        value = _placed(Value(name, data.base.shape, kind, quantiser.lo, quantiser.hi, origin), data)
        # A bias belongs to its product, and codes alone have no float32 node: the expression gets a name of its own.
        label = self.helper_name(data.nodes[-1] if data.nodes else node.name, "float", node)
        floats = self.tensor_name(f"{name}_float")
        self.emit(Elementwise(label, data.base.name, floats, data.chain))
        own = self.node_name(node) if name == node.output[0] else self.helper_name(node.name, "codes", node)
        self.emit(Quantise(own, floats, value, quantiser))
        return value

    def check_shape(self, node: onnx.NodeProto, inferred: dict[str, list[int]]) -> None:
        """ONNX's own shape inference found the same for every output."""
        for name in node.output:
            if name in self.flows:
                found = self.flows[name].shape
                other = inferred.get(name)
                if tuple(other or ()) != found:
                    raise UserError(f"gives {list(found)}, but ONNX's shape inference finds {other or 'none'}",
                                    where=node_where(node), remedy="check the shapes and attributes of this node")


def _placed(value: Value, data: Data) -> Value:
    """The value with the order of the data's elements in it."""
    return replace(value, order=replace(data, base=value).origin_order)


def _fresh(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def shapes_of(model: ModelWrapper) -> dict[str, list[int]]:
    """The shape of every tensor, as ONNX's shape inference found it."""
    infos = (*model.graph.input, *model.graph.value_info, *model.graph.output)
    return {info.name: [d.dim_value for d in info.type.tensor_type.shape.dim] for info in infos}
