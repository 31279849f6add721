"""A smaller folding of a design that does not fit its board: what place and route counted corrects what was estimated.

The cost model prices the layers; by how much it was wrong, and what the wrapper takes, shows in what was counted. So a
budget in the model's own money is what it estimates of the design, less as much as is missing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from ..boards.device import Budget
from ..errors import UserError
from . import costing
from .compiled import Compiled, compile_model
from .folding import Choice
from .goal import Goal

__all__ = ["differences", "refolded"]

# A little less than what would just fit: a device is never filled to the last cell.
_MARGIN = 0.95
# Of the lookup tables that could not be placed, so many may remain.
_CROWDED = 0.85
_COUNTED = ("luts", "block_rams", "dsps")


def refolded(design: Compiled, family: str, needs: Mapping[str, float], available: Mapping[str, float]) -> Compiled:
    """The same network folded for less, on the same engines: the fastest that should fit.

    Parameters
    ----------
    family
        The device family whose prices are taken.
    needs, available
        What the design was counted to need, wrapper included, and what there is: "luts", "block_rams", "dsps".

    Raises
    ------
    UserError
        If no folding is small enough.
    """
    estimate = costing.total(design.dataflow, family)
    if all(need <= available.get(name, math.inf) for name, need in needs.items()):
        # It could not be placed although all is there: a device with few free cells has no room for long carry chains.
        available = {**available, "luts": needs["luts"] * _CROWDED}
    limits = []
    for name, own in zip(_COUNTED, (estimate.luts, estimate.block_rams, estimate.dsps), strict=True):
        need, limit = needs.get(name, 0), available.get(name, math.inf)
        # Where nothing is missing, the design may have all there is: what it does not take, another may.
        room = _MARGIN * (own - (need - limit)) if need > limit else own + _MARGIN * (limit - need)
        limits.append(None if math.isinf(limit) else max(0, math.floor(room)))
    goal = Goal(family, None, Budget(*limits))
    try:
        smaller = compile_model(design.model, goal=goal, clock=design.clock, top1=design.top1, lut=design.lut,
                                memory=design.memory, multiplier=design.multiplier, engine=_engines(design))
    except UserError:
        raise UserError("no folding of this network is small enough for it", where=design.name,
                        remedy="take a larger board, or a smaller network") from None
    if smaller.folds == design.folds:
        raise UserError("no smaller folding of this network is known to fit it", where=design.name,
                        remedy="fold it by hand with gatewright build --folding, or take a larger board")
    return smaller


def differences(old: Compiled, new: Compiled) -> list[tuple[str, Choice, Choice]]:
    """The units whose fold is another: name, old and new, those that lose most lanes first."""
    found = [(stage.name, before, after) for stage, before, after in zip(
        old.dataflow.layers, old.folds, new.folds, strict=True) if before != after]
    return sorted(found, key=lambda each: each[2].lanes / each[1].lanes)


def _engines(design: Compiled) -> str:
    """The engines that the layers are on, as ``--engine`` says it."""
    return ",".join(f"{stage.name}={fold.engine}" for stage, fold in zip(
        design.dataflow.layers, design.folds, strict=True))
