"""What a legal integer graph is. Run before and after every pass: a bug shows where it was made."""

from __future__ import annotations

import numpy as np

from .float32 import Chain
from .ir import ArgMax, Dense, Elementwise, Graph, MatMul, Quantise, Threshold, Value

__all__ = ["verify"]


def verify(graph: Graph) -> None:
    """Check the graph.

    Raises
    ------
    ValueError
        If a name is undefined or defined twice, shapes or types disagree, arrays are not int64, weights or intervals
        leave their type, thresholds are not ascending, or the output is no integer value. The message names the node.
    """
    values: dict[str, Value] = {graph.input.name: graph.input}
    floats: dict[str, int] = {}
    names: set[str] = set()
    _value("input", graph.input)
    _demand(graph.input.type == graph.spec.type, "input", "has another type than the InputSpec says")
    _demand(graph.input.shape == (int(np.prod(graph.spec.shape)),), "input", "has another size than the InputSpec says")
    for node in graph.nodes:
        _demand(node.name not in names, node.name, "is the name of two nodes")
        names.add(node.name)
        if isinstance(node, Quantise):
            _demand(node.input in floats, node.name, f"reads {node.input!r}, which is no float32 value")
            _demand(node.output.shape[-1] == floats[node.input], node.name, "changes the number of channels")
        else:
            _demand(node.input in values, node.name, f"reads {node.input!r}, which is not defined before it")
        if isinstance(node, Elementwise):
            _demand(node.output not in values and node.output not in floats, node.name, "defines a name again")
            _chain(node.name, node.chain, values[node.input].shape[-1])
            floats[node.output] = values[node.input].shape[-1]
            continue
        _value(node.name, node.output)
        _demand(node.output.name not in values and node.output.name not in floats, node.name, "defines a name again")
        if isinstance(node, MatMul | Dense):
            _product(node, values[node.input])
        elif isinstance(node, Threshold):
            source = values[node.input]
            _demand(node.output.shape == source.shape, node.name, "changes the shape")
            _thresholds(node.name, node.thresholds, source.shape[-1], node.output)
            _demand(node.falling.dtype == np.bool_ and node.falling.shape == (source.shape[-1],), node.name,
                    "needs one direction for each channel")
            steps = np.diff(node.thresholds, axis=1)
            _demand(bool(np.where(node.falling[:, None], steps <= 0, steps >= 0).all()), node.name,
                    "has thresholds out of order")
        elif isinstance(node, ArgMax):
            _demand(node.output.shape == (1,), node.name, "must give one index")
        values[node.output.name] = node.output
    _demand(graph.output in values, "output", f"is {graph.output!r}, which is no integer value")
    _chain("output", graph.final, values[graph.output].shape[-1])


def _demand(holds: bool, name: str, what: str) -> None:
    if not holds:
        raise ValueError(f"illegal integer graph: {name!r} {what}")


def _value(name: str, value: Value) -> None:
    _demand(bool(value.shape) and all(isinstance(d, int) and d > 0 for d in value.shape), name,
            f"has the shape {value.shape!r}")
    _demand(value.type.lo <= value.lo <= value.hi <= value.type.hi, name,
            f"has the interval [{value.lo}, {value.hi}] in the type {value.type}")


def _array(name: str, array: np.ndarray, what: str) -> None:
    _demand(isinstance(array, np.ndarray) and array.dtype == np.int64 and array.ndim == 2, name,
            f"has {what} that are no int64 matrix")


def _product(node: MatMul | Dense, source: Value) -> None:
    _array(node.name, node.weights, "weights")
    _demand(len(source.shape) == 1 and node.weights.shape == (node.output.shape[-1], source.shape[-1]), node.name,
            f"has weights of shape {node.weights.shape} from {source.shape} to {node.output.shape}")
    _demand(node.weight_type.holds(node.weights), node.name, f"has weights that are not {node.weight_type}")
    if isinstance(node, Dense) and node.thresholds is not None:
        _thresholds(node.name, node.thresholds, len(node.weights), node.output)
        _demand(bool((np.diff(node.thresholds, axis=1) >= 0).all()), node.name, "has thresholds out of order")


def _thresholds(name: str, thresholds: np.ndarray, channels: int, output: Value) -> None:
    _array(name, thresholds, "thresholds")
    levels = 1 if output.type.bipolar else output.type.hi - output.type.lo
    _demand(thresholds.shape == (channels, levels), name,
            f"has thresholds of shape {thresholds.shape}, not {(channels, levels)}")


def _chain(name: str, chain: Chain, channels: int) -> None:
    scales = [chain.scale.size] if isinstance(chain.scale, np.ndarray) else []
    for size in (*scales, *(operation.constant.size for operation in chain.operations)):
        _demand(size in (1, channels), name, f"has {size} constants for {channels} channels")
