"""What foldings cost: the boards' cost model asked about a graph's layers, and about a whole dataflow graph.

A layer is priced with all that its folding decides (``priced``). Where its weights ask for multipliers, it may take bit
planes in lookup tables instead, which are exact for any integers; where they are pruned, another engine. What a design
really holds is estimated from its dataflow graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from ..boards import cost
from ..boards.cost import Cost, CostModel
from .dataflow import Dataflow
from .engine import Others
from .folding import Choice
from .goal import Goal
from .ir import Dense, Graph
from .priced import PricedLayer

__all__ = ["Estimate", "LayerCosts", "estimate", "estimated", "of", "total"]


def estimate(dataflow: Dataflow, family: str) -> dict[str, Cost]:
    """Estimated cost of each stage of a dataflow graph, by name."""
    model = cost.load(family)
    return {stage.name: model.cost(stage.parameters, stage.inputs[0].type.bits if stage.inputs else 1)
            for stage in dataflow.stages}


def total(dataflow: Dataflow, family: str) -> Cost:
    """Estimated cost of a whole dataflow graph."""
    return sum(estimate(dataflow, family).values(), Cost(0))


@dataclass(frozen=True)
class Estimate:
    """What a design will cost, by unit and in all, beside what there is, and how far estimates are off."""

    goal: Goal
    units: dict[str, Cost]
    accuracy: str

    @classmethod
    def of(cls, dataflow: Dataflow, goal: Goal) -> Estimate:
        return cls(goal, estimate(dataflow, goal.family), cost.load(goal.family).accuracy)

    @property
    def cost(self) -> Cost:
        """Of the whole design."""
        return sum(self.units.values(), Cost(0))

    def to_json(self) -> dict:
        """As ``report.json`` has it."""
        return {**self.goal.to_json(), **asdict(self.cost), "accuracy": self.accuracy,
                "units": {name: asdict(each) for name, each in self.units.items()}}

    def __str__(self) -> str:
        return estimated(self.to_json())


def estimated(said: dict) -> str:
    """One line on an estimate as ``report.json`` has it: ``estimated LUTs 12,300 of 24,288, … (model, … error …)``."""
    parts = []
    for name, title in (("luts", "LUTs"), ("block_rams", "block RAMs"), ("dsps", "DSPs")):
        limit = said["budget"][name]
        parts.append(f"{title} {said[name]:,g}" if isinstance(said[name], float) else f"{title} {said[name]:,}")
        parts[-1] += "" if limit is None else f" of {limit:,}"
    return f"estimated {', '.join(parts)} on {said['device'] or said['family']} ({said['accuracy']})"


def of(graph: Graph, family: str, *, lut: int = 4, memory: str = "rom", multiplier: tuple[int, int] | None = None,
       engines: Sequence[Sequence[str]] | None = None) -> LayerCosts:
    """The costs of a graph's layers on a family, for ``solve``; ``lut``, ``memory``, ``multiplier`` as of ``lower``.

    ``engines`` are those among which each layer chooses (``engine.allowed``): by default dense lanes alone.
    """
    return LayerCosts(graph, cost.load(family), lut, memory, multiplier, engines)


class LayerCosts:
    """Costs of every layer with many folds at once. Made by :func:`of`; what :class:`.solve.Costs` asks for."""

    def __init__(self, graph: Graph, model: CostModel, lut: int, memory: str, multiplier: tuple[int, int] | None,
                 engines: Sequence[Sequence[str]] | None = None):
        self._model = model
        nodes = [node for node in graph.nodes if isinstance(node, Dense)]
        self._layers = [PricedLayer(graph, node, model, lut, memory, multiplier) for node in nodes]
        self._engines = [("dense",) for _ in nodes] if engines is None else engines

    @property
    def prices(self) -> tuple[int, int, int]:
        """What a lookup table, half a memory block and a multiplier weigh."""
        return self._model.prices

    @property
    def accuracy(self) -> str:
        """How far estimates are off, as measured."""
        return self._model.accuracy

    def name(self, layer: int) -> str:
        """What messages call a layer."""
        return self._layers[layer].node.name

    def lanes(self, layer: int) -> tuple[str | None, ...]:
        """What a layer's weights ask for, None; where that takes the family's multipliers, "planes" as well.

        None at all, if it may not have dense lanes.
        """
        return self._layers[layer].lanes if "dense" in self._engines[layer] else ()

    def others(self, layer: int) -> Others:
        """The other engines that it may take."""
        found = Others()
        for engine in self._engines[layer]:
            if engine == "dense":
                continue
            found = found + self.others_of(layer, engine)
        return found

    def others_of(self, layer: int, engine: str) -> Others:
        """The choices of one engine, other than dense lanes, whether the layer may take it or not."""
        return self._layers[layer].others(engine)

    @property
    def family(self) -> str:
        """The device family's name."""
        return self._model.family.name

    def needs_of(self, layer: int, choice: Choice, lane: str | None) -> np.ndarray:
        """Likewise of one choice, whatever its engine: int64 ``[3]``."""
        return self._layers[layer].needs_of(choice, lane)

    def needs(self, layer: int, folds: np.ndarray, lane: str | None) -> np.ndarray:
        """Lookup tables, half memory blocks, multipliers, int64 ``[folds, 3]``, of ``folds``, rows (PE, SIMD)."""
        return self._layers[layer].needs(folds, lane)
