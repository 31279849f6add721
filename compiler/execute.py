"""Runs the integer graph on the golden operators."""

from __future__ import annotations

import numpy as np

from ..sim import golden
from .ir import ArgMax, Dense, Graph, Threshold

__all__ = ["run_golden"]


def run_golden(graph: Graph, codes: np.ndarray) -> dict[str, np.ndarray]:
    """Every integer value of the graph, by name, for codes ``[frames, channels]`` of the graph's input.

    Raises
    ------
    ValueError
        If the codes are not of the input's shape and type, or a node is not one that the hardware has.
    """
    if codes.ndim != 2 or codes.shape[1:] != graph.input.shape or not graph.input.type.holds(codes):
        raise ValueError(f"codes must be [frames, {graph.input.shape[0]}] of {graph.input.type}, not {codes.shape}")
    values = {graph.input.name: codes}
    for node in graph.nodes:
        x = values[node.input]
        match node:
            case Threshold() if node.output.type.bipolar:
                y = golden.threshold_bipolar(x, node.thresholds, node.falling)
            case Dense():
                y = golden.bipolar_matvec(x, node.weights)
                if node.thresholds is not None:
                    y = golden.threshold_bipolar(y, node.thresholds)
            case ArgMax():
                y = golden.arg_max(x)
            case _:
                raise ValueError(f"node {node.name!r} is not one that the hardware has")
        values[node.output.name] = y
    return values
