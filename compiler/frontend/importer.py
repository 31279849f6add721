"""From a QONNX file to the high-level integer graph: products of integers, float32 expressions, quantisers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import onnx

from ...errors import UserError
from ..ir import BIPOLAR, Graph, IntType, Node
from .arrange import arrange
from .cleanup import cleanup
from .flows import Data
from .load import load_model
from .ops import OPERATORS, REFUSED
from .structure import LIST, closest, node_where
from .walk import Walk, shapes_of

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

__all__ = ["Imported", "import_model", "import_proto", "parse_type"]


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
    return Imported(_build(Walk(model, declared, input_scale or Fraction(1)), name), model, source)


def _build(walk: Walk, name: str) -> Graph:
    """Visit every node in order; the graph that was built."""
    inferred = shapes_of(walk.model)
    last = {tensor: place for place, node in enumerate(walk.graph.node) for tensor in node.input}
    end = walk.graph.output[0].name
    for place, node in enumerate(walk.graph.node):
        {**OPERATORS, **REFUSED}.get(node.op_type, _unknown)(walk, node)
        walk.check_shape(node, inferred)
        for tensor in node.input:  # a tensor that nobody reads any more takes no memory
            if last[tensor] == place and tensor != end:
                walk.flows.pop(tensor, None)
    where = f"tensor {end!r}"
    if end not in walk.flows:
        raise UserError("the output is a node's second output", where=where, remedy="export the logits")
    result = walk.flows[end]
    if not isinstance(result, Data):
        raise UserError("the output does not depend on the input", where=where, remedy="export the whole network")
    if result.base is None or walk.input is None or walk.spec is None:
        raise UserError("the network quantises nothing", where=where,
                        remedy="train it with Brevitas' quantised layers")
    if not walk.nodes:
        raise UserError("the network has no layer", where=where, remedy="export the whole network")
    if (result.order < 0).any():
        result = arrange(walk, walk.graph.node[-1], result)
        assert result.base is not None
    nodes = _read_ones(walk, result.base.name)
    return Graph(name, walk.spec, walk.input, nodes, result.base.name, result.chain, order=result.origin_order,
                 host=result.host)


def _read_ones(walk: Walk, output: str) -> tuple[Node, ...]:
    """The nodes whose values are read. A twin takes the name of the node that it has replaced altogether."""
    needed, kept = {output}, []
    for node in reversed(walk.nodes):
        made = node.output if isinstance(node.output, str) else node.output.name
        if made in needed:
            needed.update(node.inputs)
            kept.append(node)
    names = {node.name for node in kept}
    spare = {twin: original for twin, original in walk.twins.items() if twin in names and original not in names}
    return tuple(replace(node, name=spare.get(node.name, node.name)) for node in reversed(kept))


def _unknown(walk: Walk, node: onnx.NodeProto) -> None:
    raise UserError(f"is supported among constants only{closest(node.op_type, OPERATORS)}", where=node_where(node),
                    remedy=f"build the network from the operators in {LIST}")
