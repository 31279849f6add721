"""The cost model: what its rules say of memories, what it is told of units, and that it says how far off it is."""

import re
import string

import numpy as np
import pytest
from amaranth.back import verilog
from hypothesis import given
from hypothesis import strategies as st

from gatewright.boards import cost
from gatewright.boards.catalogue import BOARDS, find
from gatewright.boards.cost import Cost
from gatewright.boards.device import DEVICES, Budget
from gatewright.boards.family import FAMILIES, FITTED
from gatewright.boards.features import DESCRIPTIONS, describe
from gatewright.boards.features_moves import window
from gatewright.boards.features_points import regrouped
from gatewright.boards.features_rows import Layer, matrix_vector
from gatewright.boards.memory import RULES, Memory, fit
from gatewright.boards.numbers import Unit
from gatewright.boards.synthesis import resources
from gatewright.errors import UserError
from gatewright.hdl.concat import ConcatParameters
from gatewright.hdl.fifo import FifoParameters
from gatewright.hdl.mvu import MatrixVectorParameters, MatrixVectorUnit
from gatewright.hdl.number import BIPOLAR, IntType
from gatewright.hdl.pool import PoolParameters
from gatewright.hdl.threshold import ThresholdParameters, ThresholdUnit
from gatewright.hdl.width import WidthParameters
from gatewright.hdl.window import WindowParameters

families = pytest.mark.parametrize("family", FITTED)


# Measured with Yosys 0.70: (words, bits, written) and whole blocks, a half for a RAMB18.
@pytest.mark.parametrize(("family", "memory", "blocks"), [
    ("ecp5", (128, 16, False), 0), ("ecp5", (256, 16, False), 1), ("ecp5", (200, 36, False), 1),
    ("ecp5", (1024, 2, False), 0), ("ecp5", (64, 8, True), 0), ("ecp5", (64, 32, True), 1),
    ("ecp5", (300, 40, True), 2), ("ecp5", (1000, 64, True), 4), ("ice40", (64, 16, False), 0),
    ("ice40", (128, 16, False), 1), ("ice40", (200, 36, False), 3), ("ice40", (1024, 2, False), 1),
    ("ice40", (4, 64, True), 0), ("ice40", (8, 16, True), 1), ("ice40", (600, 12, True), 3),
    ("ice40", (1000, 64, True), 16), ("xc7", (200, 36, False), 0), ("xc7", (256, 8, True), 0),
    ("xc7", (300, 40, True), 1), ("xc7", (600, 12, True), 0.5), ("xc7", (1000, 64, True), 2),
])
def test_memories_become_as_many_blocks_as_yosys_makes(family, memory, blocks):
    depth, width, written = memory
    assert fit(RULES[family], Memory(depth, width, written)).halves == 2 * blocks


def test_a_memory_that_is_forced_into_blocks_goes_there():
    assert fit(RULES["ecp5"], Memory(4, 4, written=True, forced=True)).halves == 2
    assert fit(RULES["ecp5"], Memory(4, 4, written=True)).luts == 6


@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 100)), min_size=1, max_size=8), st.booleans(),
       st.sampled_from(sorted(RULES)))
def test_memories_may_come_as_arrays(shapes, written, family):
    depth, width = np.array(shapes).T
    together = fit(RULES[family], Memory(depth, width, written))
    for k, (words, bits) in enumerate(shapes):
        alone = fit(RULES[family], Memory(words, bits, written))
        assert {name: value[k] for name, value in vars(together).items()} == vars(alone)


@families
def test_every_kind_of_unit_has_an_estimate(family):
    from gatewright.compiler.units import KINDS

    assert set(DESCRIPTIONS) == set(KINDS)
    model = cost.load(family)
    assert model.family is FAMILIES[family]
    for parameters in (FifoParameters(2, 8), WidthParameters(12, 4, 3), ConcatParameters((4, 8), 4, 2)):
        assert model.cost(parameters, 1).luts > 0
    with pytest.raises(ValueError, match=r"^unit must be of a kind that was fitted, not 'anvil'$"):
        model.needs(Unit("anvil", {}))


@families
def test_the_model_says_how_far_off_it_is(family):
    model = cost.load(family)
    assert re.fullmatch(r"model, held-out error \d+ % median, \d+ % at 90 %", model.accuracy)
    assert model.errors["held_out"] >= 50
    assert 0 < model.errors["median"] < model.errors["p90"] < 1
    assert all(price > 0 for price in model.prices)


def layers():
    """Units with weights of every lane."""
    rng = np.random.default_rng(5)
    for values, kind, lane, memory in (
            ([-1, 1], BIPOLAR, None, "rom"), ([-1, 0, 1], IntType(4), None, "rom"), ([-1, 1], IntType(2), "add", "rom"),
            ([0, 1, 2, -4], IntType(4), "shift", "rom"), (range(-128, 128), IntType(8, True), None, "streamed"),
            (range(-2, 2), IntType(3), "serial", "rom"), ([0, 23, -37], BIPOLAR, None, "loadable")):
        weights = rng.choice(list(values), (12, 20))
        yield weights, {"input": kind, "lane": lane, "memory": memory}
        if memory != "loadable":  # with padding columns, their thresholds are a bit wider
            yield weights, {"input": kind, "lane": lane, "memory": memory, "thresholds": np.arange(12) - 6}


@pytest.mark.parametrize(("weights", "options"), list(layers()))
def test_a_layer_with_many_folds_at_once_costs_what_each_costs(weights, options):
    folds = [(1, 1), (3, 4), (5, 7), (12, 20), (12, 1), (1, 20)]
    units = [MatrixVectorParameters(weights, *fold, **options) for fold in folds]
    layer, *others = (Layer.of(p.rows_of, 1, p.output.bits, p.memory) for p in units)
    assert others == [layer] * len(others)
    model = cost.load("ecp5")
    together = model.needs(matrix_vector(layer, *np.array(folds).T))
    for (luts, halves, dsps), p in zip(together.tolist(), units, strict=True):
        assert model.cost(p, p.input.bits) == Cost(luts, halves / 2, dsps)


def test_products_take_multipliers_where_a_family_has_them():
    weights = np.arange(-100, 100).reshape(10, 20)
    p = MatrixVectorParameters(weights, 2, 5, input=IntType(8))
    assert {family: cost.load(family).cost(p, 8).dsps for family in FITTED} == {"ice40": 0, "ecp5": 10, "xc7": 10}
    luts = {family: cost.load(family).cost(p, 8).luts for family in FITTED}
    assert luts["ice40"] > 4 * luts["ecp5"]


@pytest.mark.parametrize(("family", "weight", "entering", "multipliers"), [
    ("xc7", IntType(8, True), IntType(8, True), 1), ("ecp5", IntType(5, True), IntType(5), 1),
], ids=str)
def test_two_products_take_one_multiplier_where_it_is_wide_enough(tmp_path, family, weight, entering, multipliers):
    """In Yosys' netlist, and by the model."""
    weights = np.array([[weight.lo, weight.hi, 3], [weight.hi, -5, weight.lo]])
    p = MatrixVectorParameters(weights, 2, 1, input=entering, lane="multiply", memory="streamed",
                               multiplier=FAMILIES[family].multiplier)
    path = tmp_path / "unit.v"
    path.write_text(verilog.convert(MatrixVectorUnit(p), name="unit", emit_src=False))
    assert resources([path], "unit", FAMILIES[family]).dsps == multipliers
    assert cost.load(family).cost(p, entering.bits).dsps == multipliers


def test_converters_and_windows_may_come_as_arrays():
    alone = [describe(WidthParameters(96, a, b), 3) for a, b in ((4, 8), (8, 4), (6, 6))]
    together = regrouped(96, np.array([4, 8, 6]), np.array([8, 4, 6]), 3)
    for k, unit in enumerate(alone[:2]):
        # Where one divides the other, the sums for many lanes at once are exact.
        assert {name: float(value[k]) for name, value in together.numbers.items() if value[k]} == {
            name: float(value) for name, value in unit.numbers.items() if value}
    assert not any(value[2] for value in together.numbers.values())

    p = WindowParameters(9, 9, 12, 4, (3, 3), pads=(1, 1, 1, 1), input=IntType(4))
    slid = window(*p.axes, pixel_words=np.array([3]), groups=1, lanes=np.array([4]), depth=np.array([p.depth]), bits=4,
                  output_bits=4)
    assert cost.load("ecp5").needs(slid)[0].tolist() == cost.load("ecp5").needs(describe(p, 4)).tolist()


def small_units():
    """Units of usual shapes, none of which is in the samples of the fit."""
    rng = np.random.default_rng(1)
    yield MatrixVectorUnit(MatrixVectorParameters(rng.choice([-1, 1], (32, 64)), 8, 16, rng.integers(-9, 9, 32))), 1
    yield MatrixVectorUnit(MatrixVectorParameters(rng.integers(-2, 2, (16, 36)), 4, 9, input=IntType(2))), 2
    thresholds = np.sort(rng.integers(-200, 200, (16, 15)), axis=1)
    yield ThresholdUnit(ThresholdParameters(thresholds, np.zeros(16, bool), 4, IntType(10, True), IntType(4))), 10


def test_estimates_of_small_units_are_near_what_yosys_counts(tmp_path):
    """Not twice as far as the model says that nine of ten are."""
    model = cost.load("ecp5")
    for number, (unit, bits) in enumerate(small_units()):
        text = re.sub(r"\\(\w+)\[(\d+)\] ", r"\1_\2 ", verilog.convert(unit, name="unit", emit_src=False))
        path = tmp_path / f"unit{number}.v"
        path.write_text(text)
        counted, estimated = resources([path], "unit", FAMILIES["ecp5"]), model.cost(unit.parameters, bits)
        assert estimated.block_rams == counted.block_rams
        assert estimated.dsps == counted.dsps
        assert abs(estimated.luts - counted.luts_total) <= 2 * model.errors["p90"] * counted.luts_total


def test_costs_add_up():
    assert Cost(3, 1.5, 2) + Cost(4, 0.5) == Cost(7, 2.0, 2)
    assert Cost(3, 1.5, 2) - Cost(4, 0.5) == Cost(-1, 1.0, 2)


def test_devices_are_found_by_their_name_and_by_their_boards():
    assert find("up5k").budget == Budget(5280, 30, 8)
    assert find("icebreaker") is find("up5k")
    assert find("abacus") is None
    assert find("tang-nano-20k").budget == Budget(20736, 46, 48)
    assert all(board.device is DEVICES[board.device.name] for board in BOARDS.values())
    for name in (*BOARDS, *DEVICES):
        assert not set(name) - set(string.ascii_lowercase + string.digits + "-")


def test_budgets_hold_what_they_limit():
    assert Budget(luts=10, dsps=0).holds(10, 99, 0)
    assert not Budget(luts=10).holds(10.5, 0, 0)
    assert not Budget(block_rams=1).holds(0, 1.5, 0)
    assert not Budget()
    assert Budget(dsps=0)
    with pytest.raises(ValueError, match=r"^a budget must be at least 0, not -1$"):
        Budget(luts=-1)


@families
@pytest.mark.parametrize("kind", ["max", "sum"])
@pytest.mark.parametrize("entering", [IntType(4), IntType(3, signed=True), BIPOLAR])
def test_a_pool_of_all_taps_at_once_grows_with_its_tree(family, kind, entering):
    def luts(taps, lanes):
        output = entering if kind == "max" else IntType.spanning(taps * entering.lo, taps * entering.hi)
        p = PoolParameters(kind, taps, 1, lanes, entering, output, simd=taps)
        return cost.load(family).cost(p, entering.bits).luts

    assert luts(4, 8) < luts(9, 8) < luts(9, 16) < luts(25, 16)


@pytest.mark.parametrize("family", [name for name in FAMILIES if name not in FITTED and name != "asic"])
def test_a_family_without_a_model_is_estimated_with_the_nearest_ones_and_says_so(family):
    p = WidthParameters(12, 4, 3)
    model = cost.load(family)
    assert model.cost(p, 4) == cost.load("ecp5").cost(p, 4)
    assert re.fullmatch(rf"ecp5's model, held-out error .*, on its own family; none is fitted for {family}",
                        model.accuracy)


def test_gates_are_not_estimated():
    with pytest.raises(UserError, match=r"^costs in generic gates are not estimated; say one of ice40, ecp5, "):
        cost.load("asic")
