"""Is the file's graph a graph that can be read: one way in, one way out, and no tensor without a source?

What a node *computes* is not looked at here beyond its operator's name; ``importer`` does that.
"""

from __future__ import annotations

import difflib
import heapq
import math
from collections.abc import Iterable

import onnx

from ...errors import UserError

__all__ = ["LIST", "QUANT_DOMAIN", "QUANT_DOMAINS", "check_structure", "closest", "node_where", "refuse"]

QUANT_DOMAIN = "qonnx.custom_op.general"
QUANT_DOMAINS = ("onnx.brevitas", "finn.custom_op.general", QUANT_DOMAIN)
"""Spellings of the domain of quantisers, oldest first."""
QUANT_OPERATORS = {"BipolarQuant": (2,), "FloatQuant": (), "IntQuant": (4,), "MultiThreshold": (2,), "Quant": (4,),
                   "Trunc": (5, 6)}
"""Quantisers, and how many inputs each may have."""
LIST = "docs/guide.md"
"""The page that lists all operators."""
OPSETS = (7, 24)
MAX_ELEMENTS = 1 << 24
"""The most elements that one frame may have."""
MAX_NODES = 10_000


def node_where(node: onnx.NodeProto) -> str:
    """How messages call a node."""
    name = node.name or (node.output[0] if node.output else "")
    return f"node {name!r} ({node.op_type})"


def refuse(node: onnx.NodeProto, what: str, remedy: str) -> UserError:
    """The error for a node: what was found (and what is supported), and what to change."""
    return UserError(what, where=node_where(node), remedy=remedy)


def closest(name: str, known: Iterable[str]) -> str:
    """Names like ``name`` for the end of a message, or nothing."""
    names = {each.lower(): each for each in known}
    found = [names[each] for each in difflib.get_close_matches(name.lower(), sorted(names), n=3)]
    return f" (there is {', '.join(found)})" if found else ""


def check_structure(model: onnx.ModelProto, supported: frozenset[str], known: frozenset[str]) -> None:
    """Check the graph, and leave it (in place) sorted, without unused nodes, with a batch of one and named nodes.

    ``supported`` operators may occur on data; ``known`` ones are left for the importer to accept or to refuse.

    Raises
    ------
    UserError
        If the graph is empty, has subgraphs, several inputs or outputs, duplicate or dangling names, a cycle, an
        unknown operator, domain or opset, or an input that is not float32 of known shape with a batch of one.
    """
    graph = model.graph
    if not graph.node:
        raise UserError("the graph has no nodes", remedy="export the whole network, not only its wrapper")
    if len(graph.node) > MAX_NODES:
        raise UserError(f"the graph has {len(graph.node)} nodes; at most {MAX_NODES} are read",
                        remedy="check that the file is what it should be")
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g") or attribute.graphs:
                raise UserError("holds a subgraph; control flow is not supported", where=node_where(node),
                                remedy="export the model without if, for and while on tensors")
    _check_names(graph)
    source = _input(graph)
    _check_output(graph)
    _sort(graph)
    _check_operators(model, supported, known)
    _set_batch(graph, source)
    _name_nodes(graph)


def _check_names(graph: onnx.GraphProto) -> None:
    initializers = [tensor.name for tensor in graph.initializer]
    seen: set[str] = set()
    for name in initializers:
        if name in seen:
            raise UserError("there are two constants of this name", where=f"tensor {name!r}",
                            remedy="give every tensor its own name")
        seen.add(name)
    inputs = {i.name for i in graph.input}
    for node in graph.node:
        if not node.output or not node.output[0]:
            raise UserError("has no output", where=node_where(node), remedy="remove the node")
        for name in node.output:
            if name in seen or name in inputs:
                raise UserError(f"writes the tensor {name!r}, which has another source already",
                                where=node_where(node), remedy="give every tensor its own name")
            if name:
                seen.add(name)
    known = seen | inputs | {""}
    for node in graph.node:
        for name in node.input:
            if name not in known:
                raise UserError(f"reads the tensor {name!r}, which nothing writes", where=node_where(node),
                                remedy="export the model again; a part of it is missing")


def _input(graph: onnx.GraphProto) -> onnx.ValueInfoProto:
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [i for i in graph.input if i.name not in constants]
    if len({i.name for i in inputs}) != 1 or len(inputs) != 1:
        names = ", ".join(repr(i.name) for i in inputs) or "none"
        raise UserError(f"the model must have one input, not {len(inputs)} ({names})",
                        remedy="export a network that takes a single tensor")
    return inputs[0]


def _check_output(graph: onnx.GraphProto) -> None:
    if len(graph.output) != 1:
        names = ", ".join(repr(o.name) for o in graph.output) or "none"
        raise UserError(f"the model must have one output, not {len(graph.output)} ({names})",
                        remedy="export a network that returns a single tensor")
    if not any(graph.output[0].name in node.output for node in graph.node):
        raise UserError("no node writes the model's output", where=f"tensor {graph.output[0].name!r}",
                        remedy="export the model again; a part of it is missing")


def _sort(graph: onnx.GraphProto) -> None:
    """Keep what the output needs, in topological order; among ready nodes the file's order stays."""
    writer = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    needs = [sorted({writer[name] for name in node.input if name in writer}) for node in graph.node]
    wanted, stack = set(), [writer[graph.output[0].name]]
    while stack:
        index = stack.pop()
        if index not in wanted:
            wanted.add(index)
            stack.extend(needs[index])
    readers: dict[int, list[int]] = {index: [] for index in wanted}
    missing = {index: len(needs[index]) for index in wanted}
    for index in sorted(wanted):
        for need in needs[index]:
            readers[need].append(index)
    ready = [index for index in sorted(wanted) if not missing[index]]
    order: list[int] = []
    while ready:
        order.append(heapq.heappop(ready))
        for reader in readers[order[-1]]:
            missing[reader] -= 1
            if not missing[reader]:
                heapq.heappush(ready, reader)
    if len(order) < len(wanted):
        stuck = min(wanted.difference(order))
        raise UserError("is part of a cycle, or follows one; a network must be acyclic",
                        where=node_where(graph.node[stuck]), remedy="unroll recurrent layers before the export")
    nodes = [onnx.NodeProto.FromString(graph.node[index].SerializeToString()) for index in order]
    del graph.node[:]
    graph.node.extend(nodes)


def _check_operators(model: onnx.ModelProto, supported: frozenset[str], known: frozenset[str]) -> None:
    versions = {entry.domain if entry.domain != "ai.onnx" else "": entry.version for entry in model.opset_import}
    lowest, highest = OPSETS
    if "" not in versions:
        raise UserError("the model does not say which ONNX opset it is written in",
                        remedy=f"export it with an opset from {lowest} to {highest}")
    if not lowest <= versions[""] <= highest:
        raise UserError(f"the model is written in ONNX opset {versions['']}; supported are {lowest} to {highest}",
                        remedy="export it with opset_version=20")
    context = onnx.checker.C.CheckerContext()
    context.ir_version = model.ir_version
    context.opset_imports = {"": versions[""]}
    for node in model.graph.node:
        where = node_where(node)
        if node.op_type in QUANT_OPERATORS:
            if node.domain not in QUANT_DOMAINS:
                raise UserError(f"is of the domain {node.domain!r}; quantisers are known in "
                                f"{', '.join(QUANT_DOMAINS)}", where=where, remedy="export the model with Brevitas")
            counts = QUANT_OPERATORS[node.op_type]
            if counts and len(node.input) not in counts:
                raise UserError(f"must have {' or '.join(map(str, counts))} inputs, not {len(node.input)}", where=where,
                                remedy="export the model again")
            if node.op_type == "Trunc" and not any(a.name == "rounding_mode" for a in node.attribute):
                node.attribute.append(onnx.helper.make_attribute("rounding_mode", "FLOOR"))
            for attribute in node.attribute:
                if attribute.name == "rounding_mode" and attribute.s.upper() == b"ROUND_TO_ZERO":
                    attribute.s = b"DOWN"  # Brevitas' name for it, which qonnx does not know
            node.domain = QUANT_DOMAIN
        elif node.domain not in ("", "ai.onnx"):
            raise UserError(f"is of the domain {node.domain!r}; supported are ONNX's own operators and the quantisers "
                            f"of {QUANT_DOMAIN}", where=where, remedy="export plain ONNX, without fused operators")
        elif node.op_type not in supported | known:
            raise UserError(f"is an operator that is not supported{closest(node.op_type, supported)}", where=where,
                            remedy=f"build the network from the operators in {LIST}, or move it to the host")
        else:
            node.domain = ""
            _check_node(node, context)
    # qonnx executes constants in the opset that stands first.
    del model.opset_import[:]
    second = any(node.op_type == "Trunc" and len(node.input) == 6 for node in model.graph.node)
    model.opset_import.extend([onnx.helper.make_opsetid("", versions[""]),
                               onnx.helper.make_opsetid(QUANT_DOMAIN, 2 if second else 1)])


def _check_node(node: onnx.NodeProto, context) -> None:
    """Is the node as ONNX's schema of its operator in this opset has it: inputs, outputs, attributes?"""
    try:
        onnx.checker.check_node(node, context)
    except UnicodeDecodeError:  # the checker's message quotes bytes of an attribute
        raise UserError("has damaged attributes", where=node_where(node), remedy="export the model again") from None
    except onnx.checker.ValidationError as error:
        reason = " ".join(str(error).split("\n")[0].split()).rstrip(".")
        raise UserError(f"is not as ONNX defines it ({reason})", where=node_where(node),
                        remedy="export the model again, in this opset") from None


def _set_batch(graph: onnx.GraphProto, source: onnx.ValueInfoProto) -> None:
    where = f"input {source.name!r}"
    tensor = source.type.tensor_type
    if not source.type.HasField("tensor_type") or tensor.elem_type != onnx.TensorProto.FLOAT:
        raise UserError("must be a float32 tensor", where=where, remedy="export the model with float32 inputs")
    dims = [d.dim_param or (d.dim_value if d.HasField("dim_value") else "?") for d in tensor.shape.dim]
    if len(dims) < 2:
        raise UserError(f"has the shape {dims}; a batch axis and at least one more are needed", where=where,
                        remedy="export with an example input of shape [1, features]")
    for axis, size in enumerate(dims[1:], 1):
        if not isinstance(size, int) or size < 1:
            raise UserError(f"has the shape {dims}: axis {axis} is dynamic; only the batch axis may be", where=where,
                            remedy="export with fixed sizes")
    if isinstance(dims[0], int) and dims[0] != 1:
        raise UserError(f"has the shape {dims}: a batch of {dims[0]}; supported are 1 and a dynamic one", where=where,
                        remedy="export with an example input of batch 1")
    if math.prod(dims[1:]) > MAX_ELEMENTS:
        raise UserError(f"has the shape {dims}; a frame may have {MAX_ELEMENTS} elements", where=where,
                        remedy="check that the file is what it should be")
    tensor.shape.dim[0].Clear()
    tensor.shape.dim[0].dim_value = 1
    # Shapes inside are inferred afresh from this batch of one: what the file says of them may name the old batch.
    del graph.value_info[:]
    end = graph.output[0]
    # So is the output's type: indices are integers and all else is float32, whatever the file says.
    index = any(end.name in (node.output[:1] if node.op_type == "ArgMax" else node.output[1:])
                for node in graph.node if node.op_type in ("ArgMax", "TopK"))
    end.type.Clear()
    end.type.tensor_type.elem_type = onnx.TensorProto.INT64 if index else onnx.TensorProto.FLOAT


def _name_nodes(graph: onnx.GraphProto) -> None:
    taken: set[str] = set()
    counts: dict[str, int] = {}
    for node in graph.node:
        base = name = node.name or f"{node.op_type}_{node.output[0]}"
        while name in taken:
            counts[base] = counts.get(base, 0) + 1
            name = f"{base}_{counts[base]}"
        node.name = name
        taken.add(name)
