"""Choosing an engine for each layer where no goal is set, and what each would have taken, for reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..boards.cost import Cost
from ..hdl.block_sparse import BlockSparseParameters
from ..hdl.depthwise import DepthwiseParameters
from ..hdl.mvu import MatrixVectorParameters
from ..hdl.sparse_parameters import EngineParameters
from . import costing
from .costing import LayerCosts
from .engine import layer_cycles
from .folding import Choice, Fold, choose, default_cycles, options, work_of
from .ir import Dense, Graph

__all__ = ["Candidate", "candidates", "choose_engines", "family_of", "matrix_bits", "stored_bits"]


@dataclass(frozen=True)
class Candidate:
    """What a layer would take on an engine: cycles a frame, where no activation is 0, and estimated cost."""

    choice: Choice
    lane: str | None
    cycles: int
    cost: Cost

    @classmethod
    def of(cls, choice: Choice, lane: str | None, cycles: int, needs: np.ndarray) -> Candidate:
        luts, halves, dsps = needs.tolist()
        return cls(choice, lane, int(cycles), Cost(luts, halves / 2, dsps))


def family_of(lut: int) -> str:
    """The device family that costs are estimated for where none is named."""
    return "xc7" if lut == 6 else "ecp5"


def choose_engines(graph: Graph, engines: Sequence[Sequence[str]], family: str, *, lut: int = 4,
                   memory: str = "rom") -> tuple[tuple[Choice, ...], tuple[str | None, ...]]:
    """A choice and a kind of lane for each layer, where nobody says how fast the network is to be.

    Layers on dense lanes are folded as ever (``folding.choose``). Where a layer may have a sparse engine, a frame may
    take as many cycles as such an engine takes to look at all of its activations, and the engine of least estimated
    price is taken.
    """
    layers = [node for node in graph.nodes if isinstance(node, Dense)]
    works = [work_of(graph, layer) for layer in layers]
    cycles = max(default_cycles(works), *(work.columns * work.positions for work, each in
                                          zip(works, engines, strict=True) if "eie" in each), 0)
    folds: list[Choice] = list(choose(works, cycles))
    lanes: list[str | None] = [None] * len(layers)
    if all(tuple(each) == ("dense",) for each in engines):
        return tuple(folds), tuple(lanes)
    costs = costing.of(graph, family, lut=lut, memory=memory, engines=engines)
    for place, each in enumerate(engines):
        if tuple(each) == ("dense",):
            continue
        found = candidates(costs, place, layers[place], works[place], cycles, each)
        if "dense" in each:
            fold = folds[place]
            found["dense"] = Candidate.of(fold, None, layer_cycles(layers[place], works[place], fold),
                                          costs.needs_of(place, fold, None))
        best = min(found.values(), key=lambda candidate: (candidate.cycles > cycles, _price(candidate, costs)))
        folds[place], lanes[place] = best.choice, best.lane
    return tuple(folds), tuple(lanes)


def _price(candidate: Candidate, costs: LayerCosts) -> float:
    luts, halves, dsps = costs.prices
    cost = candidate.cost
    return cost.luts * luts + 2 * cost.block_rams * halves + cost.dsps * dsps


def candidates(costs: LayerCosts, place: int, layer: Dense, work, cycles: int,
               engines: Sequence[str]) -> dict[str, Candidate]:
    """Of each engine the choice of least price with at most so many cycles a frame, else the fastest one."""
    found = {}
    for engine in engines:
        if engine == "dense":
            each = options(work)
            choices: Sequence[Choice] = [Fold(*map(int, fold)) for fold in each]
            taken, needs = work.cycles_of(each), costs.needs(place, each, None)
        else:
            others = costs.others_of(place, engine)
            choices, taken, needs = others.choices, others.cycles, others.needs
        if not len(choices):
            continue
        price = needs @ np.array(costs.prices)
        best = int(np.lexsort((price, np.maximum(taken, cycles)))[0])
        found[engine] = Candidate.of(choices[best], None, taken[best], needs[best])
    return found


def stored_bits(engine: EngineParameters) -> int:
    """Bits of memory that hold the matrix, of all of a sparse engine's."""
    return sum(bits for kind, bits in engine.memory_bits.items() if kind not in ("accumulators", "queues"))


def matrix_bits(parameters) -> dict[str, int]:
    """Bits of memory that a layer's matrix takes in its unit, by what they hold."""
    match parameters:
        case EngineParameters():
            return parameters.memory_bits
        case BlockSparseParameters():
            m, replay = parameters.matrix, parameters.replay()
            return {"blocks": parameters.phases * (m.pe * m.simd * m.weight_bits + 1),
                    "moves": len(replay.index) * replay.row_bits}
        case MatrixVectorParameters() | DepthwiseParameters():
            return {"weights": parameters.weights.size * parameters.arithmetic.bits}
    raise TypeError(f"parameters must be those of a unit with weights, not {type(parameters).__name__}")
