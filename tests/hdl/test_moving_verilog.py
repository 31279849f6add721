"""The Verilog of units that move words, at their smallest: every signal has a bit, every memory port a name."""

import numpy as np
import pytest
from amaranth.back import verilog

from gatewright.hdl.concat import ConcatParameters, ConcatUnit
from gatewright.hdl.fork import ForkParameters, ForkUnit
from gatewright.hdl.join import AddParameters, AddUnit
from gatewright.hdl.number import BIPOLAR, IntType
from gatewright.hdl.pool import PoolParameters, PoolUnit
from gatewright.hdl.reorder import ReorderParameters, ReorderUnit
from gatewright.hdl.shuffle import ShuffleParameters, ShuffleUnit
from gatewright.hdl.split import SplitParameters, SplitUnit
from gatewright.hdl.upsample import UpsampleParameters, UpsampleUnit
from gatewright.hdl.width import WidthConverter, WidthParameters
from gatewright.hdl.window import WindowParameters, WindowUnit
from gatewright.hdl.window_parallel import ParallelWindowParameters, ParallelWindowUnit

BYTE = IntType(8)


@pytest.mark.parametrize("unit", [
    AddUnit(AddParameters((BYTE,), (1,), 1, BYTE, 1)),
    ConcatUnit(1, ConcatParameters((1,), 1, 1)),
    ConcatUnit(1, ConcatParameters((1, 2), None, 1)),
    ForkUnit(1, ForkParameters(1, 1, 1)),
    ParallelWindowUnit(ParallelWindowParameters(1, 1, 1, (1, 1))),
    ParallelWindowUnit(ParallelWindowParameters(2, 4, 1, (1, 1), (2, 2), (1, 1, 0, 0), input=BIPOLAR)),
    ParallelWindowUnit(ParallelWindowParameters(3, 4, 2, (3, 3), pads=(1, 1, 1, 1), pixels_per_word=4)),
    PoolUnit(PoolParameters("max", 1, 1, 1, BYTE, BYTE)),
    PoolUnit(PoolParameters("sum", 2, 2, 1, BYTE, BYTE, 1, "outer")),
    PoolUnit(PoolParameters("max", 3, 1, 1, BYTE, BYTE, simd=3)),
    PoolUnit(PoolParameters("sum", 2, 1, 1, BIPOLAR, IntType(3, signed=True), simd=2)),
    ReorderUnit(1, ReorderParameters(np.array([0]), 1, 1)),
    ReorderUnit(1, ReorderParameters(np.array([0, -1, 0]), 2, 1)),
    ShuffleUnit(1, ShuffleParameters(np.array([-1]), 1, 1)),
    SplitUnit(1, SplitParameters((1,), 1, 1)),
    UpsampleUnit(1, UpsampleParameters(1, 1, 1, 1, (1, 1))),
    UpsampleUnit(1, UpsampleParameters(1, 1, 1, 1, (2, 3))),
    WidthConverter(1, WidthParameters(1, 1, 1)),
    WindowUnit(WindowParameters(1, 1, 1, 1, (1, 1))),
    WindowUnit(WindowParameters(2, 2, 1, 1, (2, 1), pads=(1, 0, 0, 0), insert=(2, 3), input=BIPOLAR)),
    WindowUnit(WindowParameters(3, 3, 4, 2, (3, 3), groups=2)),
], ids=lambda unit: type(unit).__name__)
def test_every_signal_has_a_bit_and_every_port_a_name(unit):
    text = verilog.convert(unit, name="top", emit_src=False, strip_internal_attrs=True)
    assert "[-1:0]" not in text
    assert "$signature" not in text
