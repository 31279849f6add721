"""The integer graph as text, a line a node: for messages, for reading, and for the passes' tests."""

from __future__ import annotations

import hashlib
from functools import singledispatch

import numpy as np

from .float32 import Chain, Fork, Quantiser, Sign, Step, Uniform
from .ir import (
    Add,
    Conv,
    Dense,
    Elementwise,
    Graph,
    MatMul,
    Node,
    Pool,
    Quantise,
    Rearrange,
    Requantise,
    Table,
    Threshold,
    Value,
    Window,
)

__all__ = ["dump"]


def dump(graph: Graph) -> str:
    """The whole graph. Small arrays are printed in full, larger ones as shape and digest."""
    encoder = "" if graph.spec.encoder is None else f", encoded by {_chain(graph.spec.encoder)}"
    lines = [f"graph {graph.name}", f"  {_value(graph.input)} = input, scale {graph.spec.scale}{encoder}"]
    lines += [f"  {_node(node)}" for node in graph.nodes]
    tail = "".join([f", order {_array(graph.order)}" if graph.order is not None else "",
                    *(f", host {name}" for name in graph.host)])
    lines.append(f"  return %{graph.output}, final {_chain(graph.final)}{tail}")
    return "\n".join(lines) + "\n"


def _node(node: Node) -> str:
    output = _value(node.output) if isinstance(node.output, Value) else f"%{node.output}: float32"
    inputs = " ".join(f"%{name}" for name in node.inputs)
    return f"{output} = {type(node).__name__.lower()} {node.name} {inputs}{_details(node)}"


@singledispatch
def _details(node: Node) -> str:
    return ""


@_details.register
def _(node: MatMul) -> str:
    return f" weights {node.weight_type} {_array(node.weights)}"


@_details.register
def _(node: Conv) -> str:
    return f" weights {node.weight_type} {_array(node.weights)}, {_window(node.window, node.groups)}"


@_details.register
def _(node: Dense) -> str:
    window = "" if node.window is None else f", {_window(node.window, node.groups)}"
    tail = "" if node.thresholds is None else f", at least {_array(node.thresholds)}{_base(node.base)}"
    return f" weights {node.weight_type} {_array(node.weights)}{window}, accumulator {node.accumulator}{tail}"


@_details.register
def _(node: Pool) -> str:
    return f" {node.kind}, {_window(node.window)}"


@_details.register
def _(node: Elementwise) -> str:
    return f" {_chain(node.chain)}"


@_details.register
def _(node: Quantise) -> str:
    return _quantiser(node.quantiser)


@_details.register
def _(node: Threshold) -> str:
    falling = np.flatnonzero(node.falling)
    tail = f", falling {_array(falling)}" if falling.size else ""
    return f" at {_array(node.thresholds)}{_base(node.base)}{tail}"


@_details.register
def _(node: Requantise) -> str:
    shift = f"{node.shift} even" if node.even else str(node.shift)
    return f" *{_array(node.multiplier)} +{_array(node.offset)} >>{shift}, clipped to {node.lo}..{node.hi}"


@_details.register
def _(node: Table) -> str:
    return f" {_array(node.table)} from {node.first}"


@_details.register
def _(node: Add) -> str:
    return " times " + " ".join(str(factor) for factor in node.multipliers)


@_details.register
def _(node: Rearrange) -> str:
    return f" {node.kind} {_array(node.index)}"


def _value(value: Value) -> str:
    shape = "x".join(str(d) for d in value.shape)
    return f"%{value.name}: {value.type}[{shape}] in {value.lo}..{value.hi}"


def _array(array: np.ndarray) -> str:
    if array.size <= 16:
        return str(array.tolist()).replace(" ", "")
    digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:8]
    return f"<{'x'.join(str(d) for d in array.shape)} {digest}>"


def _base(base: int) -> str:
    return f", from {base}" if base else ""


def _window(window: Window, groups: int = 1) -> str:
    """A window's kernel, and only what is not the usual."""
    parts = ["kernel {}x{}".format(*window.kernel)]
    for name, pair in (("stride", window.stride), ("dilation", window.dilation), ("insert", window.insert)):
        if pair != (1, 1):
            parts.append(f"{name} {pair[0]}x{pair[1]}")
    if any(window.pads):
        parts.append("pads " + ",".join(str(pad) for pad in window.pads))
    if groups > 1:
        parts.append(f"groups {groups}")
    return " ".join(parts)


def _quantiser(quantiser: Quantiser) -> str:
    if isinstance(quantiser, Sign):
        return ""
    if isinstance(quantiser, Uniform):
        shift = f" >>{quantiser.shift}" if quantiser.shift else ""
        return (f" {quantiser.rounding.lower()} /{_constant(quantiser.scale)}{shift} to "
                f"{quantiser.lo}..{quantiser.hi}")
    return f" steps {_array(quantiser.thresholds)} from {quantiser.lo}"


def _constant(array: np.ndarray) -> str:
    return repr(float(array.reshape(-1)[0])) if array.size == 1 else _array(array)


def _chain(chain: Chain) -> str:
    scale = _constant(chain.scale) if isinstance(chain.scale, np.ndarray) else str(chain.scale)
    divisor = f"/{chain.divisor}" if chain.divisor != 1 else ""
    return " ".join([f"*{scale}{divisor}", *map(_step, chain.operations)])


def _step(step: Step) -> str:
    if isinstance(step, Fork):
        left, right = (" ".join(map(_step, steps)) or "itself" for steps in (step.left, step.right))
        return f"{step.kind} ({left}; {right})"
    return f"{step.kind} {_constant(step.constant)}"
