"""The solver's foldings against brute force, on problems small enough to try everything."""

import itertools
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.boards.cost import Cost
from gatewright.boards.device import Budget
from gatewright.compiler import solve
from gatewright.compiler.engine import Others
from gatewright.compiler.folding import Elements, Fold, Work
from gatewright.errors import UserError


class Costs:
    """Made-up costs: a table for each layer that need not be sensible, the same for equal folds and lanes; every other
    layer may take other lanes.
    """

    accuracy = "made up"

    def __init__(self, seed: int = 0, prices=(1, 3, 5)):
        self.seed, self.prices = seed, prices

    def name(self, layer):
        return f"layer{layer}"

    def lanes(self, layer):
        return (None, "planes") if layer % 2 == 0 else (None,)

    def others(self, layer):
        return Others()

    def needs(self, layer, folds, lane):
        return np.array([np.random.default_rng((self.seed, layer, *fold, lane is not None)).integers(0, 12, 3)
                         for fold in folds])


class Lanes(Costs):
    """A lookup table a lane, half a block RAM a PE."""

    def lanes(self, layer):
        return (None,)

    def needs(self, layer, folds, lane):
        return np.stack([folds[:, 0] * folds[:, 1], folds[:, 0], 0 * folds[:, 0]], axis=1)


class Multipliers(Costs):
    """A lane is a multiplier, or ten lookup tables."""

    def lanes(self, layer):
        return None, "planes"

    def needs(self, layer, folds, lane):
        each, nothing = folds[:, 0] * folds[:, 1], 0 * folds[:, 0]
        return np.stack([nothing, nothing, each] if lane is None else [10 * each, nothing, nothing], axis=1)


works = st.lists(st.builds(Work, st.integers(1, 7), st.integers(1, 7), st.integers(1, 3))
                 | st.builds(lambda rows, taps: Work(rows, taps, 2, 1, True), st.integers(1, 6), st.integers(1, 3)),
                 min_size=1, max_size=3)
limits = st.none() | st.integers(0, 20)


def every_fold(work):
    """Not only those that are worth a look."""
    pairs = itertools.product(range(1, work.rows + 1), range(1, work.columns + 1))
    return [Fold(pe, simd) for pe, simd in pairs
            if not work.depthwise or (simd in (1, work.columns) and work.rows % pe == 0)]


def useful(work):
    """Folds that no smaller one equals in row folds and column folds."""
    def folded(fold):
        return -(-work.rows // fold.pe), -(-work.columns // fold.simd)

    return [fold for fold in every_fold(work)
            if not any(folded(other) == folded(fold) and (other.pe, other.simd) < (fold.pe, fold.simd)
                       for other in every_fold(work))]


def everything(problem, costs):
    """(cycles, price, needs) of every combination of useful folds and of lanes."""
    table = [[(work.cycles(fold), costs.needs(number, np.array([[fold.pe, fold.simd]]), lane)[0])
              for fold in useful(work) for lane in costs.lanes(number)] for number, work in enumerate(problem)]
    for combination in itertools.product(*table):
        needs = sum(need for _, need in combination)
        yield max(cycles for cycles, _ in combination), int(needs @ np.array(costs.prices)), needs


def fits(needs, budget):
    return all(limit is None or need <= limit * (2 if column == 1 else 1)
               for column, (need, limit) in enumerate(zip(needs, budget.limits, strict=True)))


def needs_of(solution):
    return np.array([solution.cost.luts, 2 * solution.cost.block_rams, solution.cost.dsps])


def taken(solution, costs):
    """What a solution's folds and lanes need."""
    return sum(costs.needs(number, np.array([[fold.pe, fold.simd]]), lane)[0]
               for number, (fold, lane) in enumerate(zip(solution.folds, solution.lanes, strict=True)))


@given(problem=works, seed=st.integers(0, 99), cycles=st.integers(1, 60),
       budget=st.builds(Budget, limits, limits, limits))
def test_the_cheapest_is_what_brute_force_finds(problem, seed, cycles, budget):
    costs = Costs(seed)
    prices = [price for took, price, needs in everything(problem, costs) if took <= cycles and fits(needs, budget)]
    if not prices:
        with pytest.raises(UserError, match=r"^(--fps: layer 'layer\d' needs|folding: no folding with at most)"):
            solve.cheapest(problem, cycles, costs, budget)
        return
    solution = solve.cheapest(problem, cycles, costs, budget)
    assert solution.status == "optimal"
    assert needs_of(solution) @ np.array(costs.prices) == min(prices)
    assert needs_of(solution).tolist() == taken(solution, costs).tolist()
    assert fits(needs_of(solution), budget)
    assert solution.cycles == max(w.cycles(f) for w, f in zip(problem, solution.folds, strict=True)) <= cycles


@given(problem=works, seed=st.integers(0, 99), floor=st.integers(1, 20),
       budget=st.builds(Budget, limits, limits, limits))
def test_the_fastest_is_what_brute_force_finds(problem, seed, floor, budget):
    costs = Costs(seed)
    fitting = [(max(cycles, floor), price) for cycles, price, needs in everything(problem, costs)
               if fits(needs, budget)]
    if not fitting:
        with pytest.raises(UserError, match=r"^folding: no folding fits: at least [\d.]+ .+ by layer 'layer\d'"):
            solve.fastest(problem, budget, costs, floor=floor)
        return
    solution = solve.fastest(problem, budget, costs, floor=floor)
    assert solution.status == "optimal"
    assert (max(solution.cycles, floor), needs_of(solution) @ np.array(costs.prices)) == min(fitting)
    assert needs_of(solution).tolist() == taken(solution, costs).tolist()
    assert fits(needs_of(solution), budget)


def test_lanes_need_not_divide():
    # Four folds of two rows by three folds of three columns: 12 cycles for 49 products on 6 lanes.
    assert solve.cheapest([Work(7, 7)], 12, Lanes(prices=(1, 0, 0))).folds == (Fold(2, 3),)
    assert solve.fastest([Work(7, 7)], Budget(luts=6), Lanes()).folds == (Fold(2, 3),)


@pytest.mark.parametrize(("dsps", "lanes", "luts"), [
    (0, ["planes"] * 3, 120), (7, [None, "planes", "planes"], 80), (8, [None, None, "planes"], 40),
    (None, [None] * 3, 0),
])
def test_lanes_go_where_multipliers_do_not_suffice(dsps, lanes, luts):
    """Three layers of four lanes each. A multiplier weighs less than ten lookup tables; without any, those do."""
    solution = solve.cheapest([Work(4, 4)] * 3, 4, Multipliers(), Budget(dsps=dsps))
    assert sorted(solution.lanes, key=str) == lanes
    assert solution.cost.luts == luts
    # At another price lookup tables come first, whatever the budget.
    dear = solve.cheapest([Work(4, 4)] * 3, 4, Multipliers(prices=(1, 3, 11)), Budget(dsps=dsps))
    assert dear.lanes == ("planes",) * 3


def test_of_lanes_that_need_the_same_the_weights_own_is_taken():
    class Equal(Lanes):
        def lanes(self, layer):
            return None, "planes"

    assert solve.cheapest([Work(4, 4)], 4, Equal()).lanes == (None,)


def test_equal_problems_have_equal_answers():
    problem = [Work(30, 40, 9), Work(64, 64), Work(32, 9, 4, 1, True), Work(10, 64)]
    budget = Budget(luts=400, block_rams=20)
    first = solve.fastest(problem, budget, Lanes())
    assert first == solve.fastest(problem, budget, Lanes())
    assert first.cost.luts <= 400
    assert first.cost.block_rams <= 20


def test_a_limit_of_effort_leaves_a_measured_gap(monkeypatch):
    """Where the solver gives up, what it has is used, and how far from the best it may be is said."""
    problem = [Work(97 + k, 89 + k) for k in range(12)]
    budget = Budget(luts=700, block_rams=60)
    best = solve.fastest(problem, budget, Lanes())
    monkeypatch.setattr(solve, "_EFFORT", 1e-9)
    hasty = solve.fastest(problem, budget, Lanes())
    assert hasty.cost.luts <= 700
    assert hasty.cycles >= best.cycles >= hasty.cycles / (1 + hasty.gap)
    assert hasty.gap == 0 or re.fullmatch(r"within \d+\.\d% of optimal", hasty.status)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: solve.cheapest([Work(4, 4), Work(8, 8, 10)], 9, Lanes()),
     "--fps: layer 'layer1' needs 10 cycles a frame with all its rows and columns at once; 9 are asked for; "
     "ask for fewer frames/s or a faster --clock"),
    (lambda: solve.fastest([Work(4, 4), Work(8, 8)], Budget(luts=1), Lanes()),
     "folding: no folding fits: at least 2 LUTs are needed of 1, 1 of them by layer 'layer0' (made up); "
     "take a larger device or a smaller network"),
    (lambda: solve.cheapest([Work(4, 4), Work(80, 80)], 64, Lanes(), Budget(luts=60)),
     "folding: no folding with at most 64 cycles a frame fits: at least 101 LUTs are needed of 60, 100 of them by "
     "layer 'layer1' (made up); ask for fewer frames/s, take a larger device or a smaller network"),
    (lambda: solve.cheapest([Work(80, 2)], 30, Lanes(), Budget(block_rams=1)),
     "folding: no folding with at most 30 cycles a frame fits: at least 1.5 block RAMs are needed of 1, 1.5 of them "
     "by layer 'layer0' (made up); ask for fewer frames/s, take a larger device or a smaller network"),
])
def test_what_is_impossible_says_what_is_needed_and_where(call, message):
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        call()


def test_costs_are_sums():
    assert Cost(3, 1.5, 2) + Cost(4, 0.5) == Cost(7, 2.0, 2)


class Engines(Lanes):
    """Beside a lookup table a lane: an engine of a lookup table and no block RAM an element;
    the second layer may not have dense lanes at all.
    """

    def lanes(self, layer):
        return () if layer == 1 else (None,)

    def others(self, layer):
        elements = [1, 2, 4]
        return Others(tuple(Elements(count, 1, 1) for count in elements), np.array([12 // count for count in elements]),
                      np.array([[count, 0, 0] for count in elements]))


@pytest.mark.parametrize(("cycles", "expected"), [
    (12, [Elements(1, 1, 1), Elements(1, 1, 1)]), (5, [Elements(4, 1, 1), Elements(4, 1, 1)])])
def test_another_engine_is_taken_where_it_needs_less(cycles, expected):
    solution = solve.cheapest([Work(8, 8), Work(8, 8)], cycles, Engines())
    assert list(solution.folds) == expected
    assert solution.lanes == (None, None)
    assert solution.cost.luts == sum(choice.elements for choice in expected)


def test_a_layer_without_dense_lanes_is_as_fast_as_its_engine():
    with pytest.raises(UserError, match=r"^--fps: layer 'layer1' needs 3 cycles a frame"):
        solve.cheapest([Work(8, 8), Work(8, 8)], 2, Engines())
    assert solve.fastest([Work(8, 8), Work(8, 8)], Budget(luts=100), Engines()).cycles == 3
