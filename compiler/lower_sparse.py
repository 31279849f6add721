"""Layers with many weights that are 0: units that leave out blocks of them, and sparse engines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..coding.lfsr import Lfsr
from ..coding.xxhash32 import Hash
from ..hdl.block_sparse import BlockSparseParameters
from ..hdl.mvu import MatrixVectorParameters
from ..hdl.sparse_hash import HashParameters
from ..hdl.sparse_lfsr import LfsrParameters
from ..hdl.sparse_matrix import SparseParameters
from .engine import row_order
from .folding import Elements, Work
from .ir import Dense, IntType
from .lowering import Lowering
from .stream import Edge, grouped

__all__ = ["engine_of", "lower_blocks", "lower_elements"]

ROOM = 4
"""Of loadable weights, another training may have one entry more in so many, in the fullest element."""


def lower_blocks(lowering: Lowering, node: Dense, matrix: MatrixVectorParameters, edge: Edge, name: str) -> None:
    """Words of the vector replayed for the blocks that hold a weight, and the unit that works on these alone."""
    unit = BlockSparseParameters(matrix)
    replay = unit.replay()
    per_position = edge.index.reshape(matrix.positions, matrix.column_folds, matrix.simd)
    index = per_position[:, replay.index].reshape(-1, matrix.simd)
    # Each word is a group of its own: what comes is no pixel any more.
    replayed = Edge("", edge.value, edge.type, index, matrix.simd, edge.elements, edge.fill)
    edge = lowering.append(f"{name}_replay", node.name, replay, [edge], replayed)
    lowering.give(node.output, lowering.append(name, node.name, unit, [edge], _rows(node, np.arange(
        len(node.weights)), matrix.positions, matrix.pe, unit.output)))


def engine_of(node: Dense, choice: Elements, weights: np.ndarray,
              **options) -> SparseParameters | LfsrParameters | HashParameters:
    """A sparse engine for a layer's ``weights``, with the layer's index; ``options`` as of the parameters."""
    common = {"lanes": choice.simd, "lanes_out": choice.lanes_out, "depth": choice.depth, **options}
    match node.index:
        case Lfsr() as index:
            return LfsrParameters(weights, choice.elements, index=index, **common)
        case Hash() as index:
            return HashParameters(weights, choice.elements, index=index, **common)
    return SparseParameters(weights, choice.elements, run_bits=choice.run_bits, **common)


def lower_elements(lowering: Lowering, node: Dense, choice: Elements, work: Work, weights: np.ndarray, edge: Edge,
                   name: str) -> None:
    """A sparse engine, which gives accumulators."""
    edge, order = lowering.fifo(edge, node.name, name), row_order(node, choice)
    if lowering.loadable:
        unit = _roomy(engine_of(node, choice, weights[order], input=edge.type, positions=work.positions,
                                memory="loadable", weight_type=_to_come(node), pipeline=lowering.pipeline))
    else:
        unit = engine_of(node, choice, weights[order], input=edge.type, accumulator=node.output.type,
                         positions=work.positions, pipeline=lowering.pipeline)
    assert unit.accumulator is not None  # once the parameters are made
    lowering.give(node.output, lowering.append(name, node.name, unit, [edge], _rows(
        node, order, work.positions, choice.lanes_out, unit.accumulator)))


def _to_come(node: Dense) -> IntType:
    """What loadable weights may be."""
    return node.weight_type if node.declared is None else IntType.spanning(*node.declared)


def _roomy(unit: SparseParameters | LfsrParameters | HashParameters) -> (
        SparseParameters | LfsrParameters | HashParameters):
    """An engine with room for another training's entries."""
    if not isinstance(unit, SparseParameters):
        return unit
    most = max(len(codes) for codes, _ in unit.entries)
    return replace(unit, entries_capacity=min(most + most // ROOM + unit.read_width, unit.slots * unit.columns))


def _rows(node: Dense, order: np.ndarray, positions: int, lanes: int, kind) -> Edge:
    """The stream of a layer's rows, at each position in an order."""
    index = np.arange(positions)[:, None] * len(order) + order
    return Edge("", node.output.name, kind, grouped(index.astype(np.int32), lanes), len(order), node.output.elements)
