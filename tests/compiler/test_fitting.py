"""A folding found for a goal, on its whole way: the hardware reaches what is asked for, and costs what is said."""

from fractions import Fraction

import numpy as np
import pytest

import gatewright
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
