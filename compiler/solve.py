"""The folding as an optimisation problem: the cheapest that is fast enough, or the fastest that fits.

Each layer takes one of its options (PE, SIMD, kind of lane; or another engine, and how much of it), which has a number
of cycles a frame and needs so many lookup tables, memory blocks and multipliers. That is a multiple-choice knapsack
problem. Without a limit it falls apart into layers and the best is picked exactly; where a limit binds, OR-tools'
CP-SAT solves it and says what it proved.
``fastest`` bisects the frame's cycles over ``cheapest``: an option fast enough for a shorter frame is so for a longer
one.

Deterministic: one worker, a fixed seed, and a limit that counts the solver's own steps, not seconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..boards.cost import Cost
from ..boards.device import UNLIMITED, Budget
from ..errors import UserError
from .engine import Others
from .folding import Choice, Fold, Work, options

__all__ = ["Costs", "Solution", "cheapest", "fastest", "price"]

NOTHING = Cost(0)

_EFFORT = 4.0
"""CP-SAT's deterministic time for each problem: about as many seconds."""
_ONE = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
_NAMES = ("LUTs", "block RAMs", "DSPs")


class Costs(Protocol):
    """What layers cost with each fold, and what resources weigh against each other (``compiler.costing``)."""

    @property
    def prices(self) -> tuple[int, int, int]:
        """What a lookup table, half a memory block and a multiplier weigh."""
        ...

    @property
    def accuracy(self) -> str:
        """How far estimates are off, as measured."""
        ...

    def name(self, layer: int) -> str:
        """What messages call a layer."""
        ...

    def lanes(self, layer: int) -> tuple[str | None, ...]:
        """Kinds of dense lanes that it may take, of ``hdl.dot.LANES``; None is the one that its weights ask for."""
        ...

    def others(self, layer: int) -> Others:
        """The other engines that it may take."""
        ...

    def needs(self, layer: int, folds: np.ndarray, lane: str | None) -> np.ndarray:
        """Lookup tables, half memory blocks, multipliers, int64 ``[folds, 3]``, of ``folds``, rows (PE, SIMD)."""
        ...


@dataclass(frozen=True)
class Solution:
    """A fold and a kind of lane for each layer, the slowest layer's cycles a frame, and what all cost.

    ``lanes`` are as of ``lower``. ``gap`` is by how much, relative to the best that is possible, the solution may be
    worse: in price with ``cheapest``, in cycles with ``fastest``. 0 is a proven optimum.
    """

    folds: tuple[Choice, ...]
    lanes: tuple[str | None, ...]
    cycles: int
    cost: Cost
    gap: float = 0.0

    @property
    def status(self) -> str:
        """"optimal", or how near."""
        return "optimal" if self.gap == 0 else f"within {self.gap:.1%} of optimal"


@dataclass(frozen=True, eq=False)
class _Layer:
    """The options of one layer, by what they need: their cycles, their needs, and what each is.

    Those on dense lanes are rows of (PE, SIMD) in ``folds`` with kinds of ``lanes``; the ``others`` have none there,
    and in ``kinds`` their place, counted from the last on: -1, -2, …
    """

    name: str
    folds: np.ndarray
    kinds: np.ndarray
    cycles: np.ndarray
    needs: np.ndarray
    lanes: tuple[str | None, ...]
    others: tuple[Choice, ...]

    @classmethod
    def of(cls, number: int, work: Work, costs: Costs) -> _Layer:
        each, lanes, others = options(work), costs.lanes(number), costs.others(number)
        count = len(others.choices)
        folds = np.concatenate([np.tile(each, (len(lanes), 1)), np.zeros((count, 2), dtype=np.int64)])
        kinds = np.concatenate([np.repeat(np.arange(len(lanes)), len(each)), np.arange(-count, 0)])
        needs = np.concatenate([*(costs.needs(number, each, lane) for lane in lanes), others.needs])
        cycles = np.concatenate([np.tile(work.cycles_of(each), len(lanes)), others.cycles])
        # Of options that need the same the first one stays: the fewest cycles, the fewest PEs, the first lane.
        order = np.lexsort((kinds, folds[:, 0], cycles, *needs.T[::-1]))
        return cls(costs.name(number), folds[order], kinds[order], cycles[order], needs[order], lanes, others.choices)

    def option(self, index: int) -> tuple[Choice, str | None]:
        """What an option is: a choice, and its kind of lane."""
        kind = int(self.kinds[index])
        if kind < 0:
            return self.others[kind], None
        return Fold(*map(int, self.folds[index])), self.lanes[kind]

    def within(self, cycles: int) -> np.ndarray:
        """The options, by index, with at most ``cycles``, less those that another of them beats in all they need."""
        fast = np.flatnonzero(self.cycles <= cycles)
        # In order of LUTs: the first of each pair of memory blocks and multipliers has the fewest.
        _, first = np.unique(self.needs[fast, 1:], axis=0, return_index=True)
        kept: list[int] = []
        for index in fast[np.sort(first)]:
            if not (self.needs[kept] <= self.needs[index]).all(axis=1).any():
                kept.append(int(index))
        return np.array(kept, dtype=np.int64)


@dataclass(frozen=True)
class _Answer:
    """What was found out about a problem: an option for each layer or None, the gap, and whether None is proven."""

    chosen: tuple[int, ...] | None
    gap: float = 0.0
    proven: bool = True


def price(cost: Cost, prices: tuple[int, int, int]) -> int:
    """What a cost weighs in all, with :attr:`Costs.prices`."""
    return round(cost.luts * prices[0] + 2 * cost.block_rams * prices[1] + cost.dsps * prices[2])


def cheapest(works: Sequence[Work], cycles: int, costs: Costs, budget: Budget = UNLIMITED, *,
             beyond: Cost = NOTHING) -> Solution:
    """The folding of least price with at most ``cycles`` a frame, within the budget.

    ``beyond`` is what the design needs beyond its layers, of the same budget.

    Raises
    ------
    UserError
        If a layer cannot be so fast, or nothing so fast fits the budget.
    """
    layers = _layers(works, costs)
    for layer in layers:
        if layer.cycles.min() > cycles:
            raise UserError(f"layer {layer.name!r} needs {layer.cycles.min():,} cycles a frame with all its rows and "
                            f"columns at once; {cycles:,} are asked for", where="--fps",
                            remedy="ask for fewer frames/s or a faster --clock")
    limits = _limits(budget, beyond)
    answer = _best(layers, cycles, costs.prices, limits)
    if answer.chosen is None:
        raise _misfit(layers, cycles, costs, limits, f" with at most {cycles:,} cycles a frame")
    return _solution(layers, answer.chosen, answer.gap)


def fastest(works: Sequence[Work], budget: Budget, costs: Costs, *, beyond: Cost = NOTHING, floor: int = 1) -> Solution:
    """The folding of fewest cycles a frame that fits the budget; of those the one of least price.

    ``floor`` are cycles a frame below which nothing is gained, ``beyond`` what the design needs beyond its layers.

    Raises
    ------
    UserError
        If not even the smallest folding fits.
    """
    layers = _layers(works, costs)
    floor = max(floor, *(int(layer.cycles.min()) for layer in layers))
    steps = np.unique(np.maximum(np.concatenate([layer.cycles for layer in layers]), floor))
    limits = _limits(budget, beyond)
    chosen = _best(layers, int(steps[-1]), costs.prices, limits).chosen
    if chosen is None:
        raise _misfit(layers, int(steps[-1]), costs, limits, "")
    # steps[high] fits; of those before `low` nothing was found to, and of those before `proven` nothing does.
    low, proven, high = 0, 0, len(steps) - 1
    while low < high:
        middle = (low + high) // 2
        answer = _best(layers, int(steps[middle]), costs.prices, limits)
        if answer.chosen is not None:
            chosen, high = answer.chosen, middle
        else:
            low = middle + 1
            proven = low if answer.proven else proven
    return _solution(layers, chosen, float(steps[high] / steps[proven] - 1))


def _layers(works: Sequence[Work], costs: Costs) -> list[_Layer]:
    return [_Layer.of(number, work, costs) for number, work in enumerate(works)]


def _solution(layers: Sequence[_Layer], chosen: Sequence[int], gap: float) -> Solution:
    folds, lanes = zip(*(layer.option(index) for layer, index in zip(layers, chosen, strict=True)), strict=True)
    cycles = max(int(layer.cycles[index]) for layer, index in zip(layers, chosen, strict=True))
    luts, halves, dsps = np.sum([layer.needs[index] for layer, index in zip(layers, chosen, strict=True)], axis=0)
    return Solution(folds, lanes, cycles, Cost(int(luts), int(halves) / 2, int(dsps)), gap)


@dataclass(frozen=True)
class _Limit:
    """A column of needs, in its units; what is given of it, and what of that others than the layers take."""

    column: int
    given: int
    taken: int

    @property
    def left(self) -> int:
        return self.given - self.taken

    def shown(self, count: int) -> str:
        """A need in whole memory blocks, if it is one."""
        return f"{count / 2:,g}" if self.column == 1 else f"{count:,}"


def _limits(budget: Budget, beyond: Cost) -> list[_Limit]:
    taken = (beyond.luts, math.ceil(2 * beyond.block_rams), beyond.dsps)
    return [_Limit(column, limit * (2 if column == 1 else 1), taken[column])
            for column, limit in enumerate(budget.limits) if limit is not None]


def _best(layers: Sequence[_Layer], cycles: int, prices: tuple[int, int, int], limits: Sequence[_Limit]) -> _Answer:
    """The options of least price with at most ``cycles`` within the limits."""
    options = [layer.within(cycles) for layer in layers]
    needs = [layer.needs[fast] for layer, fast in zip(layers, options, strict=True)]
    if any(sum(int(need[:, limit.column].min()) for need in needs) > limit.left for limit in limits):
        return _Answer(None)
    price = [need @ np.array(prices, dtype=np.int64) for need in needs]
    # Without regard to limits; if they hold, nothing is cheaper.
    picked = [int(each.argmin()) for each in price]
    total = sum(need[index] for need, index in zip(needs, picked, strict=True))
    gap = 0.0
    if any(total[limit.column] > limit.left for limit in limits):
        found = _knapsack(needs, price, limits)
        if found.chosen is None:
            return found
        picked, gap = found.chosen, found.gap
    return _Answer(tuple(int(fast[index]) for fast, index in zip(options, picked, strict=True)), gap)


def _knapsack(needs: Sequence[np.ndarray], price: Sequence[np.ndarray], limits: Sequence[_Limit]) -> _Answer:
    """One option for each layer, of least price within the limits: by CP-SAT."""
    from ortools.sat.python import cp_model  # a third of a second, which a build without a wish does not pay

    model = cp_model.CpModel()
    takes = [[model.new_bool_var("") for _ in each] for each in price]
    for literals in takes:
        model.add_exactly_one(literals)
    literals = [literal for layer in takes for literal in layer]

    def weighted(columns: Sequence[np.ndarray]) -> cp_model.LinearExprT:
        return cp_model.LinearExpr.weighted_sum(literals, np.concatenate(columns).tolist())

    for limit in limits:
        model.add(weighted([need[:, limit.column] for need in needs]) <= limit.left)
    model.minimize(weighted(price))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 0
    solver.parameters.max_deterministic_time = _EFFORT
    status = solver.solve(model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return _Answer(None, proven=status == cp_model.INFEASIBLE)
    chosen = tuple(next(k for k, literal in enumerate(layer) if solver.boolean_value(literal)) for layer in takes)
    gap = 0.0 if status == cp_model.OPTIMAL else solver.objective_value / max(solver.best_objective_bound, 1.0) - 1
    return _Answer(chosen, gap)


def _misfit(layers: Sequence[_Layer], cycles: int, costs: Costs, limits: Sequence[_Limit], how: str) -> UserError:
    """What is needed at least of a resource that does not suffice, and by which layer most."""
    for limit in limits:
        # This resource alone; and, where each alone would suffice, the first one with the others held to their limits.
        least = [int(layer.needs[layer.within(cycles), limit.column].min()) for layer in layers]
        if sum(least) > limit.left:
            break
    else:
        limit, *others = limits
        answer = _best(layers, cycles, _ONE[limit.column], others)
        if answer.chosen is not None:
            least = [int(layer.needs[index, limit.column]) for layer, index in zip(layers, answer.chosen, strict=True)]
    most = int(np.argmax(least))
    return UserError(f"no folding{how} fits: at least {limit.shown(sum(least) + limit.taken)} {_NAMES[limit.column]} "
                     f"are needed of {limit.shown(limit.given)}, {limit.shown(least[most])} of them by layer "
                     f"{layers[most].name!r} ({costs.accuracy})", where="folding",
                     remedy=f"{'ask for fewer frames/s, ' if how else ''}take a larger device or a smaller network")
