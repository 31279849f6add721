"""What a legal integer graph is. Run before and after every pass: a bug shows where it was made."""

from __future__ import annotations

from functools import singledispatch

import numpy as np

from .float32 import Chain
from .ir import (
    Add,
    ArgMax,
    Concat,
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

__all__ = ["verify"]

MAX_SHIFT = 47


def verify(graph: Graph) -> None:
    """Check the graph.

    Raises
    ------
    ValueError
        If a name is undefined or defined twice, shapes, windows, groups or types disagree, arrays are not int64,
        weights or intervals leave their type, thresholds are not in order, an order is none, or the output is no
        integer value. The message names the node.
    """
    values: dict[str, Value] = {graph.input.name: graph.input}
    floats: dict[str, Value] = {}  # the integers that each float32 value is an expression of
    names: set[str] = set()
    _value("input", graph.input)
    _demand(graph.input.type == graph.spec.type, "input", "has another type than the InputSpec says")
    _demand(graph.input.shape == graph.spec.stream_shape, "input", "has another shape than the InputSpec says")
    for node in graph.nodes:
        _demand(node.name not in names, node.name, "is the name of two nodes")
        names.add(node.name)
        known, what = (floats, "no float32 value") if isinstance(node, Quantise) else (values, "not defined before it")
        for name in node.inputs:
            _demand(name in known, node.name, f"reads {name!r}, which is {what}")
        sources = [known[name] for name in node.inputs]
        output = node.output if isinstance(node.output, str) else node.output.name
        _demand(output not in values and output not in floats, node.name, "defines a name again")
        if isinstance(node, Elementwise):
            _chain(node.name, node.chain, sources[0].channels)
            floats[output] = sources[0]
        else:
            _value(node.name, node.output)
            _check(node, *sources)
            values[output] = node.output
    _demand(graph.output in values, "output", f"is {graph.output!r}, which is no integer value")
    _chain("output", graph.final, values[graph.output].channels)
    _order("output", graph.order, values[graph.output].elements)


def _demand(holds: bool, name: str, what: str) -> None:
    if not holds:
        raise ValueError(f"illegal integer graph: {name!r} {what}")


def _value(name: str, value: Value) -> None:
    _demand(len(value.shape) in (1, 3) and all(isinstance(d, int) and d > 0 for d in value.shape), name,
            f"has the shape {value.shape!r}")
    _demand(value.type.lo <= value.lo <= value.hi <= value.type.hi, name,
            f"has the interval [{value.lo}, {value.hi}] in the type {value.type}")
    _order(name, value.order, value.elements)


def _order(name: str, order: np.ndarray | None, elements: int) -> None:
    if order is not None:
        _array(name, order, "an order", 1)
        _demand(order.min(initial=elements) >= 0 and order.max(initial=-1) < elements, name,
                f"has an order that leads beyond its {elements} elements")


def _array(name: str, array: np.ndarray, what: str, ndim: int = 2) -> None:
    kinds = {1: "vector", 2: "matrix", 4: "array of four axes"}
    _demand(isinstance(array, np.ndarray) and array.dtype == np.int64 and array.ndim == ndim, name,
            f"has {what}, not an int64 {kinds[ndim]}")


def _chain(name: str, chain: Chain, channels: int) -> None:
    for constant in chain.constants:
        _demand(constant.size in (1, channels), name, f"has {constant.size} constants for {channels} channels")


@singledispatch
def _check(node: Node, *sources: Value) -> None:
    raise ValueError(f"illegal integer graph: {node.name!r} is a {type(node).__name__}, which is no node")


@_check.register
def _(node: MatMul, source: Value) -> None:
    _array(node.name, node.weights, "weights")
    _product(node, source, (len(node.weights),), source.elements)


@_check.register
def _(node: Conv, source: Value) -> None:
    _array(node.name, node.weights, "weights", 4)
    shape = _slides(node.name, node.window, source, len(node.weights))
    _demand(node.weights.shape[1:3] == node.window.kernel, node.name,
            f"has weights of shape {node.weights.shape} for a kernel of {node.window.kernel}")
    _grouped(node, source)
    _product(node, source, shape, source.channels // node.groups)


@_check.register
def _(node: Dense, source: Value) -> None:
    _array(node.name, node.weights, "weights")
    if node.window is None:
        _demand(node.groups == 1, node.name, "has groups without a window")
        _product(node, source, (len(node.weights),), source.elements)
    else:
        shape = _slides(node.name, node.window, source, len(node.weights))
        _grouped(node, source)
        _product(node, source, shape, node.window.taps * source.channels // node.groups)
    if node.thresholds is None:
        _demand(node.accumulator.lo <= node.output.lo and node.output.hi <= node.accumulator.hi, node.name,
                f"gives [{node.output.lo}, {node.output.hi}], more than its accumulator of {node.accumulator} holds")
    else:
        _steps(node.name, node.thresholds, node.base, len(node.weights), node.output)
        _demand(bool((np.diff(node.thresholds, axis=1) >= 0).all()), node.name, "has thresholds out of order")


def _product(node: MatMul | Conv | Dense, source: Value, shape: tuple[int, ...], columns: int) -> None:
    _demand(node.weights.shape[-1] == columns and node.output.shape == shape, node.name,
            f"has weights of shape {node.weights.shape} from {source.shape} to {node.output.shape}")
    _demand(node.weight_type.holds(node.weights), node.name, f"has weights that are not {node.weight_type}")
    least, greatest = node.declared or (node.weight_type.lo, node.weight_type.hi)
    _demand(least <= node.weights.min() and node.weights.max() <= greatest, node.name,
            f"has weights beyond {least} to {greatest}, as declared")


def _grouped(node: Conv | Dense, source: Value) -> None:
    _demand(node.groups >= 1 and source.channels % node.groups == 0 and len(node.weights) % node.groups == 0,
            node.name, f"has {node.groups} groups from {source.channels} to {len(node.weights)} channels")


def _slides(name: str, window: Window, source: Value, channels: int) -> tuple[int, ...]:
    """The shape of what a window over an image gives."""
    _demand(len(source.shape) == 3, name, f"moves a window over {source.shape}, which is no image")
    least = ((1, window.kernel), (1, window.stride), (0, window.pads), (1, window.dilation), (1, window.insert))
    _demand(all(number >= bound for bound, numbers in least for number in numbers), name, f"has the window {window}")
    shape = window.output(*source.shape[:2])
    _demand(min(shape) >= 1, name, f"moves a window of {window.kernel} over {source.shape}, where it does not fit")
    return *shape, channels


@_check.register
def _(node: Pool, source: Value) -> None:
    _demand(node.kind in ("max", "sum"), node.name, f"pools by {node.kind!r}")
    shape = _slides(node.name, node.window, source, source.channels)
    _demand(node.output.shape == shape, node.name, f"gives {node.output.shape}, not {shape}")
    if node.kind == "max":
        sources = node.window.sources(*source.shape[:2])
        _demand(bool((sources >= 0).any(axis=1).all()), node.name, "looks for the largest of padding alone")


@_check.register
def _(node: Quantise, source: Value) -> None:
    _same_shape(node, source)
    quantiser, kind = node.quantiser, node.output.type
    fits = quantiser.levels == 1 if kind.bipolar else kind.lo <= quantiser.lo and quantiser.hi <= kind.hi
    _demand(fits, node.name, f"gives codes from {quantiser.lo} to {quantiser.hi} in the type {kind}")


@_check.register
def _(node: Threshold, source: Value) -> None:
    _same_shape(node, source)
    _steps(node.name, node.thresholds, node.base, source.channels, node.output)
    _demand(node.falling.dtype == np.bool_ and node.falling.shape == (source.channels,), node.name,
            "needs one direction for each channel")
    steps = np.diff(node.thresholds, axis=1)
    _demand(bool(np.where(node.falling[:, None], steps <= 0, steps >= 0).all()), node.name,
            "has thresholds out of order")


def _same_shape(node: Node, source: Value) -> None:
    assert isinstance(node.output, Value)
    _demand(node.output.shape == source.shape, node.name, "changes the shape")


def _steps(name: str, thresholds: np.ndarray, base: int, channels: int, output: Value) -> None:
    _array(name, thresholds, "thresholds")
    levels = thresholds.shape[1]
    _demand(len(thresholds) == channels and levels >= 1, name,
            f"has thresholds of shape {thresholds.shape} for {channels} channels")
    if output.type.bipolar:
        _demand((levels, base) == (1, 0), name, f"gives signs by {levels} thresholds and the base {base}")
    else:
        _demand(output.type.lo <= base and base + levels <= output.type.hi, name,
                f"counts from {base} to {base + levels} in the type {output.type}")


@_check.register
def _(node: Requantise, source: Value) -> None:
    _same_shape(node, source)
    for what, array in (("a multiplier", node.multiplier), ("an offset", node.offset)):
        _array(node.name, array, what, 1)
        _demand(array.shape == (source.channels,), node.name,
                f"has {what} for {len(array)} channels, not {source.channels}")
    _demand(0 <= node.shift <= MAX_SHIFT, node.name, f"shifts by {node.shift} bits, not 0 to {MAX_SHIFT}")
    _demand(node.shift > 0 or not node.even, node.name, "rounds halves to even without any")
    _demand(node.output.type.lo <= node.lo <= node.hi <= node.output.type.hi and not node.output.type.bipolar,
            node.name, f"clips to [{node.lo}, {node.hi}] in the type {node.output.type}")


@_check.register
def _(node: Table, source: Value) -> None:
    _same_shape(node, source)
    _array(node.name, node.table, "a table")
    rows, span = node.table.shape
    _demand(rows in (1, source.channels), node.name, f"has {rows} tables for {source.channels} channels")
    _demand(node.first <= source.lo and source.hi < node.first + span, node.name,
            f"has entries from {node.first} to {node.first + span - 1} for [{source.lo}, {source.hi}]")
    _demand(node.output.type.holds(node.table), node.name, f"has entries that are not {node.output.type}")


@_check.register
def _(node: Add, *sources: Value) -> None:
    for source in sources:
        _same_shape(node, source)
    _demand(len(node.multipliers) == len(sources) >= 1, node.name,
            f"has {len(node.multipliers)} multipliers for {len(sources)} inputs")


@_check.register
def _(node: Concat, *sources: Value) -> None:
    shape = (*sources[0].shape[:-1], sum(source.channels for source in sources))
    _demand({source.shape[:-1] for source in sources} == {shape[:-1]} and node.output.shape == shape, node.name,
            f"joins {', '.join(str(source.shape) for source in sources)} to {node.output.shape}")


@_check.register
def _(node: Rearrange, source: Value) -> None:
    _array(node.name, node.index, "an index", 1)
    _demand(len(node.index) == node.output.elements and node.index.min() >= -1
            and node.index.max() < source.elements, node.name,
            f"has an index that does not lead from {source.shape} to {node.output.shape}")
    _demand(not node.output.type.bipolar or bool((node.index >= 0).all()), node.name, "puts zeros among signs")


@_check.register
def _(node: ArgMax, source: Value) -> None:
    _demand(node.output.shape == (1,), node.name, "must give one index")
    _demand(source.pixels == 1, node.name, f"looks for the largest channel of {source.pixels} pixels")
