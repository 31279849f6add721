"""From a QONNX file to the high-level integer graph: products of integers, float32 expressions, quantisers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import numpy_helper

from ...errors import UserError
from ..float32 import Chain
from ..ir import BIPOLAR, Elementwise, Graph, InputSpec, IntType, Quantise, Value
from .cleanup import cleanup
from .flows import Codes, Constant, Expression, Flow, Weights
from .load import load_model
from .ops import OPERATORS, REFUSED
from .structure import node_where

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

__all__ = ["Imported", "Walk", "import_model", "import_proto", "parse_type"]


@dataclass(frozen=True, eq=False)
class Imported:
    """What a file holds: the integer graph before any pass, and the cleaned QONNX graph that it was read from."""

    graph: Graph
    model: ModelWrapper
    source: Path | None = None


def parse_type(text: str) -> IntType:
    """The integer type called ``text``: ``uint8``, ``int4``, ``bipolar``.

    Raises
    ------
    UserError
        If there is no such type, or if it has more than 32 bits.
    """
    if text == "bipolar":
        return BIPOLAR
    signed = text.startswith("int")
    digits = text.removeprefix("int" if signed else "uint")
    if digits == text or not (digits.isascii() and digits.isdigit()) or not 1 <= int(digits) <= 32:
        raise UserError(f"{text!r} is no input type; supported are uint1 to uint32, int1 to int32 and bipolar",
                        where="--input", remedy="for images say uint8")
    return IntType(int(digits), signed)


def import_model(path: str | Path, *, input_type: str | IntType | None = None,
                 input_scale: Fraction | None = None, name: str | None = None) -> Imported:
    """Read a QONNX file.

    Parameters
    ----------
    path
        The file. External data is read from its folder only.
    input_type, input_scale
        What the accelerator takes: codes of this type, each worth ``input_scale`` (default 1) in the model's units.
        Without a type it takes the codes of the model's first quantiser.
    name
        The graph's name; the file's stem if not given.

    Raises
    ------
    UserError
        If the file or the model in it cannot be read or is not supported.
    """
    path = Path(path)
    return import_proto(load_model(path), input_type=input_type, input_scale=input_scale, name=name or path.stem,
                        source=path)


def import_proto(proto: onnx.ModelProto, *, input_type: str | IntType | None = None,
                 input_scale: Fraction | None = None, name: str = "model", source: Path | None = None) -> Imported:
    """As :func:`import_model`, from a message that ``load_model`` has checked. The message is not changed."""
    declared = parse_type(input_type) if isinstance(input_type, str) else input_type
    if input_scale is not None:
        if declared is None:
            raise UserError("an input scale needs an input type", where="--input-scale", remedy="add --input uint8")
        if input_scale <= 0:
            raise UserError(f"the input scale must be positive, not {input_scale}", where="--input-scale",
                            remedy="give what one step of the input is worth, such as 1/255")
    model = cleanup(proto, frozenset(OPERATORS), frozenset(REFUSED))
    return Imported(Walk(model, declared, input_scale or Fraction(1)).run(name), model, source)


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

    def run(self, name: str) -> Graph:
        self._check_chain()
        for node in self.graph.node:
            {**OPERATORS, **REFUSED}.get(node.op_type, _unknown)(self, node)
            self._check_shape(node)
        where = f"tensor {self.graph.output[0].name!r}"
        if self.graph.output[0].name not in self.flows:
            raise UserError("the output is a node's second output", where=where, remedy="export the logits")
        result = self.flows[self.graph.output[0].name]
        if isinstance(result, Constant | Weights):
            raise UserError("the output does not depend on the input", where=where, remedy="export the whole network")
        if isinstance(result, Codes):
            result = result.expression()
        if result.base is None or self.input is None or self.spec is None:
            raise UserError("the network quantises nothing", where=where,
                            remedy="train it with Brevitas' quantised layers")
        if not self.nodes:
            raise UserError("the network has no layer", where=where, remedy="export the whole network")
        if len(result.shape) < 2 or math.prod(result.shape) != result.shape[-1]:
            raise UserError(f"the output has the shape {list(result.shape)}; supported is [1, channels]", where=where,
                            remedy="flatten the output")
        return Graph(name, self.spec, self.input, tuple(self.nodes), result.base.name, result.chain)

    def _check_shape(self, node: onnx.NodeProto) -> None:
        """ONNX's own shape inference found the same."""
        name = node.output[0]
        found, inferred = self.flows[name].shape, self.model.get_tensor_shape(name)
        if inferred is None or tuple(inferred) != found:
            raise UserError(f"gives {list(found)}, but ONNX's shape inference finds {inferred}", where=node_where(node),
                            remedy="check the shapes and attributes of this node")

    def _check_chain(self) -> None:
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


def _unknown(walk: Walk, node: onnx.NodeProto) -> None:
    raise UserError(f"is supported among constants only; on data supported are {', '.join(sorted(OPERATORS))}",
                    where=node_where(node), remedy="build the network from these")
