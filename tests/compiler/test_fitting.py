"""A folding found for a goal, on its whole way: the hardware reaches what is asked for, and costs what is said."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

import gatewright
from gatewright.boards.device import Budget
from gatewright.compiler import costing, solve
from gatewright.compiler.folding import options
from gatewright.compiler.goal import Goal, read_goal
from gatewright.errors import UserError


@pytest.fixture(scope="module")
def binary(network, tmp_path_factory):
    return network(np.random.default_rng(4), (31, 23, 7)).save(tmp_path_factory.mktemp("goal") / "binary.onnx")


@pytest.fixture(scope="module")
def bytes_(builder, tmp_path_factory):
    """Two layers of 8-bit weights on 8-bit numbers, which take multipliers."""
    rng = np.random.default_rng(5)
    net = builder((1, 6)).quantise(1.0, 8)
    for outputs, inputs in ((5, 6), (3, 5)):
        net.gemm(rng.integers(-128, 128, (outputs, inputs)), 1 / 64, bits=8)
        if outputs != 3:
            net.quantise(4.0, 8)
    return net.save(tmp_path_factory.mktemp("goal") / "bytes.onnx")


def test_the_frame_rate_asked_for_is_measured(binary):
    """2.5 million frames/s at 50 MHz are 20 cycles a frame, for 23 rows of 31 columns: lanes that do not divide."""
    design = gatewright.compile(gatewright.load(binary, input="int4", input_scale="1/4"), fps=2.5e6, clock=50)
    assert design.prediction.interval <= 20
    assert design.fps >= 2.5e6
    assert design.works[0].rows % design.folds[0].pe
    verification = design.verify(np.random.default_rng(6).integers(-8, 8, (40, 31)))
    assert verification.mismatches == 0
    assert Fraction(verification.cycles.interval["measured"]) == design.prediction.interval


def test_products_of_8_bits_share_multipliers_in_a_whole_network(bytes_, tmp_path):
    """Exact in the RTL, and none shared where no family is named. (``boards.test_cost`` counts them in a netlist.)"""
    model = gatewright.load(bytes_)
    design = gatewright.compile(model, folding="5x2,3x1", family="xc7")
    plain = gatewright.compile(model, folding="5x2,3x1", lut=6)
    # Five rows are two pairs and one alone, in two columns; three rows a pair and one alone.
    assert sum(text.count(" * ") for text in design.rtl().values()) == 3 * 2 + 2
    assert sum(text.count(" * ") for text in plain.rtl().values()) == 5 * 2 + 3
    frames = np.random.default_rng(7).integers(-128, 128, (60, 6))
    frames[:2] = [[-128] * 6, [127] * 6]
    assert design.verify(frames).mismatches == 0

    assert design.estimate.cost.dsps == 8
    again = gatewright.compiler.Design.open(design.write(tmp_path / "build"))
    assert again.multiplier == design.multiplier == (25, 18)


@pytest.fixture(scope="module")
def channels(builder, tmp_path_factory):
    """8-bit weights of a depthwise layer, of a convolution across channels and of rows: all ask for multipliers."""
    rng = np.random.default_rng(8)
    net = builder((1, 4, 5, 5)).quantise(1.0, 8)
    net.conv(rng.integers(-128, 128, (4, 1, 3, 3)), 1 / 64, group=4, pads=[1, 1, 1, 1]).quantise(8.0, 6)
    net.conv(rng.integers(-128, 128, (6, 4, 1, 1)), 1 / 64).quantise(4.0, 6).node("Flatten")
    net.gemm(rng.integers(-128, 128, (3, 150)), 1 / 64, bits=8)
    return net.save(tmp_path_factory.mktemp("goal") / "channels.onnx")


@pytest.mark.parametrize(("family", "memory"), [("ecp5", "rom"), ("xc7", "loadable")])
def test_without_multipliers_a_whole_network_takes_bit_planes(channels, tmp_path, family, memory):
    """8-bit weights in lookup tables alone: the same integers, in as many cycles as foreseen, also when read back."""
    design = gatewright.compile(gatewright.load(channels), fps=1e5, dsp=0, family=family, memory=memory)
    assert design.lanes == ("planes",) * 3
    assert {stage.parameters.arithmetic.kind for stage in design.dataflow.layers} == {"planes"}
    assert design.estimate.cost.dsps == 0
    assert not any(" * " in text for text in design.rtl().values())
    frames = np.random.default_rng(7).integers(-128, 128, (8, 4, 5, 5))
    frames[:2] = [[[[-128]]], [[[127]]]]
    assert design.verify(frames).mismatches == 0

    again = gatewright.compiler.Design.open(design.write(tmp_path / "build"))
    assert (again.folds, again.lanes) == (design.folds, design.lanes)
    assert again.rtl() == design.rtl()


@pytest.mark.parametrize("dsps", [1, 3])
def test_a_few_multipliers_are_shared_out_and_the_rest_is_bit_planes(bytes_, dsps):
    few, none = (gatewright.compile(gatewright.load(bytes_), fps=1e7, dsp=count, family="ecp5") for count in (dsps, 0))
    assert few.estimate.cost.dsps <= dsps
    assert sum(text.count(" * ") for text in few.rtl().values()) == few.estimate.cost.dsps
    assert none.prediction.interval <= 5
    assert none.lanes == ("planes", "planes")


@pytest.mark.parametrize("family", ["ecp5", "xc7"])
@pytest.mark.parametrize("dsps", [None, 0, 2, 5])
def test_at_the_models_prices_no_folds_and_lanes_are_cheaper(bytes_, family, dsps):
    """Every combination of the two layers' folds and lanes that takes at most six cycles a frame."""
    design = gatewright.compile(gatewright.load(bytes_), folding="1x1,1x1")
    costs, budget = costing.of(design.graph, family), Budget(dsps=dsps)
    assert [costs.lanes(layer) for layer in range(2)] == [(None, "planes")] * 2
    able = []
    for layer, work in enumerate(design.works):
        folds = options(work)
        fast = work.cycles_of(folds) <= 6
        able.append(np.concatenate([costs.needs(layer, folds[fast], lane) for lane in costs.lanes(layer)]))
    prices = [int(sum(needs) @ np.array(costs.prices)) for needs in itertools.product(*able)
              if dsps is None or sum(needs)[2] <= dsps]
    solution = solve.cheapest(design.works, 6, costs, budget)
    assert solve.price(solution.cost, costs.prices) == min(prices)


def test_a_family_without_multipliers_leaves_no_choice(bytes_):
    model = gatewright.load(bytes_)
    assert gatewright.compile(model, fps=1e6, family="ice40").lanes == (None, None)


def test_a_folding_alone_leaves_each_layer_the_lane_its_weights_ask_for(bytes_):
    design = gatewright.compile(gatewright.load(bytes_), folding="5x2,3x1", family="ecp5")
    assert design.lanes == (None, None)
    assert [stage.parameters.arithmetic.kind for stage in design.dataflow.layers] == ["multiply", "multiply"]


def test_the_same_wish_gives_the_same_folding_and_the_same_verilog(binary):
    model = gatewright.load(binary)
    first, second = (gatewright.compile(model, luts=900, family="ecp5") for _ in range(2))
    assert first.folds == second.folds
    assert first.rtl() == second.rtl()
    assert first.estimate.cost == second.estimate.cost


@pytest.mark.parametrize("luts", [700, 900, 1400])
def test_a_budget_holds_and_more_of_it_is_never_slower(binary, luts):
    model = gatewright.load(binary)
    small, large = (gatewright.compile(model, luts=count, family="ecp5") for count in (luts, 2 * luts))
    assert small.estimate.cost.luts <= luts
    assert large.estimate.cost.luts <= 2 * luts
    assert large.prediction.interval <= small.prediction.interval


def test_a_lower_frame_rate_never_costs_more(binary):
    model = gatewright.load(binary)
    prices = [gatewright.compile(model, fps=fps).estimate.cost.luts for fps in (5e5, 2e6, 8e6)]
    assert prices == sorted(prices)


def test_a_budget_and_a_frame_rate_that_exclude_each_other_are_refused(binary):
    message = (r"^folding: no folding with at most 1 cycles a frame fits: at least [\d,]+ LUTs are needed of 100, "
               r"[\d,]+ of them by layer 'Gemm_\d'")
    with pytest.raises(UserError, match=message):
        gatewright.compile(gatewright.load(binary), fps=5e7, luts=100)


def test_what_is_asked_for_is_read():
    assert read_goal() is None
    assert read_goal(fps=1000) == Goal("ecp5", 50_000)
    assert read_goal(fps=1000, lut=6).family == "xc7"
    board = read_goal(board="icebreaker", luts=99)
    assert (board.device, board.family, board.budget.limits) == ("up5k", "ice40", (99, 30, 8))
    assert not read_goal(family="xc7").asks
