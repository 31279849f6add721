"""What a report says of each layer's engine: what its matrix is like, what it takes, what others would have taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..hdl.block_sparse import BlockSparseParameters
from ..hdl.mvu import MatrixVectorParameters
from ..hdl.sparse_matrix import SparseParameters
from ..hdl.sparse_parameters import EngineParameters
from . import costing
from .choosing import Candidate, candidates, family_of, matrix_bits, stored_bits
from .costing import LayerCosts
from .dataflow import Stage
from .engine import PRUNED, density, layer_cycles, obstacle, row_order
from .folding import ENGINES, Blocks, Choice, Elements
from .ir import Dense, IntType
from .lower_sparse import engine_of
from .report_text import plural, share

if TYPE_CHECKING:
    from .compiled import Compiled

__all__ = ["summarise"]

_NAMES = {"dense": "dense lanes", "static": "static blocks", "eie": "a sparse engine"}


def summarise(design: Compiled) -> list[dict]:
    """For each layer: its engine's ``name``, the share of weights ``kept``, their ``distinct`` values (without
    0), entries of ``padding`` (or None), ``bits`` of its memories by kind, the ``dense_bits`` of its weights on dense
    lanes, the ``candidates`` on each engine, and ``why`` in a sentence.

    Candidates are looked at where another engine than dense lanes was taken, or could have been.
    """
    graph = design.graph
    layers = [node for node in graph.nodes if isinstance(node, Dense)]
    family = family_of(design.lut) if design.goal is None else design.goal.family
    could = [(density(layer) <= PRUNED or layer.index is not None)
             and obstacle(graph, layer, "static", design.memory) is None for layer in layers]
    looked = [here or choice.engine != "dense" for here, choice in zip(could, design.folds, strict=True)]
    if not any(looked):
        return [_plain(layer, stage) for layer, stage in zip(layers, design.dataflow.layers, strict=True)]
    costs = costing.of(graph, family, lut=design.lut, memory=design.memory, multiplier=design.multiplier)
    cycles = max(map(layer_cycles, layers, design.works, design.folds))
    return [_compared(design, costs, place, layer, stage, cycles) if look else _plain(layer, stage)
            for place, (layer, stage, look) in enumerate(zip(layers, design.dataflow.layers, looked, strict=True))]


def _plain(layer: Dense, stage: Stage) -> dict:
    kept = density(layer)
    return {"name": "dense", "kept": kept, "distinct": _distinct(layer), "padding": None,
            "bits": matrix_bits(stage.parameters), "dense_bits": _dense_bits(layer, stage), "candidates": [],
            "why": f"dense lanes: {share(kept)} of the weights are not 0"}


def _distinct(layer: Dense) -> int:
    return len(np.unique(layer.weights[layer.weights != 0]))


def _dense_bits(layer: Dense, stage: Stage) -> int:
    p = stage.parameters
    bits = layer.weight_type.bits if isinstance(p, EngineParameters) else p.arithmetic.bits
    return layer.weights.size * bits


def _compared(design: Compiled, costs: LayerCosts, place: int, layer: Dense, stage: Stage, cycles: int) -> dict:
    work, chosen, p = design.works[place], design.folds[place], stage.parameters
    able = [engine for engine in ENGINES if obstacle(design.graph, layer, engine, design.memory) is None]
    found = candidates(costs, place, layer, work, cycles, able)
    lane = design.lanes[place] if design.lanes else None
    if (chosen, lane) not in [(each.choice, each.lane) for each in found.values()]:  # which need not be the cheapest
        found[chosen.engine] = Candidate.of(chosen, lane, layer_cycles(layer, work, chosen),
                                            costs.needs_of(place, chosen, lane))
    order = [chosen.engine, *(engine for engine in found if engine != chosen.engine)]
    said = [_said(found[engine], layer, stage) for engine in order]
    first, *others = map(_sentence, said)
    return {"name": chosen.engine, "kept": density(layer), "distinct": _distinct(layer),
            "padding": p.csc.padding if isinstance(p, SparseParameters) else None, "bits": matrix_bits(p),
            "dense_bits": _dense_bits(layer, stage), "candidates": said,
            "why": f"{share(density(layer))} of the weights are not 0: {first}; not {', nor '.join(others)} (estimates "
                   f"for {costs.family})"}


def _said(candidate: Candidate, layer: Dense, stage: Stage) -> dict:
    cost, choice = candidate.cost, candidate.choice
    return {"engine": choice.engine, "choice": str(choice), "cycles": candidate.cycles, "luts": cost.luts,
            "block_rams": cost.block_rams, "dsps": cost.dsps, "bits": _bits(choice, layer, stage)}


def _bits(choice: Choice, layer: Dense, stage: Stage) -> int:
    """Bits of memory of the matrix on an engine: all that depends on the weights."""
    each = _dense_bits(layer, stage) // layer.weights.size
    match choice:
        case Elements():
            return stored_bits(engine_of(layer, choice, layer.weights[row_order(layer, choice)], input=IntType(1)))
        case Blocks():
            dense = MatrixVectorParameters(layer.weights, choice.pe, choice.simd, input=IntType(2, signed=True))
            replay = BlockSparseParameters(dense).replay()
            return len(replay.index) * (choice.lanes * each + 1 + replay.row_bits)
    return layer.weights.size * each


def _sentence(said: dict) -> str:
    parts = [plural(said["cycles"], "cycle"), plural(said["luts"], "LUT")]
    if said["block_rams"]:
        parts.append(f"{said['block_rams']:g} block RAM{'s' * (said['block_rams'] > 1)}")
    if said["dsps"]:
        parts.append(plural(said["dsps"], "DSP"))
    parts.append(f"{said['bits']:,} bits of matrix")
    return f"{_NAMES[said['engine']]} {said['choice'].rpartition(':')[2]} ({', '.join(parts)})"
