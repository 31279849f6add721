"""Folding for a goal: solve, lower, estimate what the whole design holds, and solve again with what layers leave over.

The solver prices layers (``costing``); what is between them, and how fast units without weights can be, shows only in
the dataflow graph. A few rounds settle both: what the design needs beyond its layers is taken off the budget, and
where something else is slower than the layers, they need not be faster.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from ..boards.cost import Cost
from ..errors import UserError
from ..sim.dataflow import predict
from ..sim.sizing import bottleneck
from . import costing, solve
from .dataflow import Dataflow, size
from .folding import Choice, work_of
from .goal import Goal
from .ir import Dense, Graph
from .lower import lower
from .solve import Solution

__all__ = ["Plan", "plan"]

# Rounds of solving and lowering: two or three are usual, more where a budget is tight.
_ROUNDS = 20
# By which share of a budget a design is made smaller if one of nearly the same size did not fit.
_MARGIN = 100


@dataclass(frozen=True)
class Plan:
    """Folds that reach a goal, the dataflow graph lowered and sized with them, its estimated cost, and what is proven.

    ``lanes`` are each layer's kind, as of ``lower``. ``status`` is that of :class:`.solve.Solution`: of the layers, at
    the prices of the model.
    """

    folds: tuple[Choice, ...]
    lanes: tuple[str | None, ...]
    dataflow: Dataflow
    cost: Cost
    status: str


def plan(graph: Graph, goal: Goal, *, lut: int = 4, memory: str = "rom", multiplier: tuple[int, int] | None = None,
         engines: Sequence[Sequence[str]] | None = None) -> Plan:
    """The cheapest folding with at most the goal's cycles a frame, or the fastest that fits its budget.

    ``lut``, ``memory`` and ``multiplier`` are as of ``lower``, ``engines`` as of ``costing.of``.

    Raises
    ------
    UserError
        If there is none.
    """
    search = _Search(graph, goal, lut, memory, multiplier, engines)
    for _ in range(_ROUNDS):
        if not search.step():
            settled = search.settle()
            if settled is not None:
                return settled
    settled = search.settle()
    if settled is None:
        raise search.failure()
    return settled


@dataclass(frozen=True, eq=False)
class _Attempt:
    """A solution lowered: ``cycles`` of its slowest ``unit``, and the whole design's cost before FIFOs are sized."""

    solution: Solution
    dataflow: Dataflow
    unit: str
    cycles: int
    cost: Cost


class _Search:
    """What was tried, and what the next solution is to allow for."""

    def __init__(self, graph: Graph, goal: Goal, lut: int, memory: str, multiplier: tuple[int, int] | None,
                 engines: Sequence[Sequence[str]] | None):
        self._graph, self._goal = graph, goal
        self._lower = partial(lower, lut=lut, memory=memory, multiplier=multiplier)
        self._works = [work_of(graph, node) for node in graph.nodes if isinstance(node, Dense)]
        self._costs = costing.of(graph, goal.family, lut=lut, memory=memory, multiplier=multiplier, engines=engines)
        # What the design needs beyond its layers, what sizing its FIFOs adds, and what is left free after failures.
        self._between, self._sizing, self._spare = Cost(0), Cost(0), Cost(0)
        # Cycles that layers need not go below, or that they may take.
        self._floor, self._aim = 1, goal.cycles
        self._tried: dict[tuple[tuple[Choice, ...], tuple[str | None, ...]], _Attempt] = {}
        self._open: list[_Attempt] = []

    def step(self) -> bool:
        """Solve once more, lower, and learn from it; False where nothing new comes out."""
        try:
            solution = self._solve()
        except UserError:
            if not self._tried:
                raise
            return False  # with what is needed beyond the layers, nothing fits
        key = solution.folds, solution.lanes
        if key in self._tried:
            if self._tried[key] not in self._open:  # it failed: make room
                limits = self._goal.budget.limits
                self._spare += Cost(*(0 if limit is None else -(-limit // _MARGIN) for limit in limits))
            return False
        dataflow = self._lower(self._graph, solution.folds, lanes=solution.lanes)
        cost = costing.total(dataflow, self._goal.family)
        attempt = _Attempt(solution, dataflow, *bottleneck(dataflow.network), cost)
        self._tried[key] = attempt
        self._open.append(attempt)
        self._learn(attempt, attempt.cycles)
        return True

    def _solve(self) -> Solution:
        budget, beyond = self._goal.budget, self._between + self._sizing + self._spare
        if self._aim is None:
            return solve.fastest(self._works, budget, self._costs, beyond=beyond, floor=self._floor)
        return solve.cheapest(self._works, self._aim, self._costs, budget, beyond=beyond)

    def settle(self) -> Plan | None:
        """Size the best of what was tried; None if with its FIFOs it misses the goal after all, or nothing is left."""
        self._open = [attempt for attempt in self._open if self._reaches(attempt.cycles, attempt.cost + self._sizing)]
        if not self._open:
            return None
        attempt = min(self._open, key=lambda attempt: (
            attempt.cycles * (self._aim is None), solve.price(attempt.cost, self._costs.prices), attempt.cycles))
        self._open.remove(attempt)
        dataflow = size(attempt.dataflow)
        cost = costing.total(dataflow, self._goal.family)
        cycles = attempt.cycles if self._aim is None else math.ceil(predict(dataflow.network).interval)
        if self._reaches(cycles, cost):
            return Plan(attempt.solution.folds, attempt.solution.lanes, dataflow, cost, attempt.solution.status)
        added = cost - attempt.cost
        self._sizing = Cost(max(self._sizing.luts, added.luts), max(self._sizing.block_rams, added.block_rams),
                            max(self._sizing.dsps, added.dsps))
        self._learn(attempt, cycles)
        return None

    def failure(self) -> UserError:
        """What to say if nothing reaches the goal."""
        cycles, nearest = self._goal.cycles, min(self._tried.values(), key=lambda attempt: attempt.cycles)
        if cycles is not None and nearest.cycles > cycles:
            return UserError(f"unit {nearest.unit} needs {nearest.cycles:,} cycles a frame, whatever the folding; "
                             f"{cycles:,} are asked for", where="--fps",
                             remedy="ask for fewer frames/s or a faster --clock")
        least = min(self._tried.values(), key=lambda attempt: attempt.cost.luts).cost
        return UserError(f"no folding that was tried fits: the smallest needs {least.luts:,} LUTs, "
                         f"{least.block_rams:g} block RAMs and {least.dsps:,} DSPs ({self._costs.accuracy})",
                         where="folding",
                         remedy="take a larger device or a smaller network")

    def _reaches(self, cycles: int, cost: Cost) -> bool:
        return self._goal.budget.holds(cost.luts, cost.block_rams, cost.dsps) and (
            self._goal.cycles is None or cycles <= self._goal.cycles)

    def _learn(self, attempt: _Attempt, cycles: int) -> None:
        self._between = attempt.cost - attempt.solution.cost
        if self._aim is None:
            self._floor = max(self._floor, cycles if cycles > attempt.solution.cycles else 1)
        elif self._goal.cycles is not None:
            self._aim = max(1, self._aim - max(0, cycles - self._goal.cycles))
