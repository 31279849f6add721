"""The contract of streams, proven: nothing is dropped, doubled or reordered, a payload stays, and a word comes in time.

Whatever words come and whatever the environment makes wait. "For ever" is by property-directed reachability; what is
proven for so many cycles from reset says how many. ``docs/proofs.md`` has the list.
"""

from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import *
from amaranth.lib import wiring

from gatewright.hdl.fifo import Fifo, FifoParameters
from gatewright.hdl.fork import ForkParameters, ForkUnit
from gatewright.hdl.join import AddParameters, AddUnit
from gatewright.hdl.mvu import MatrixVectorParameters, MatrixVectorUnit
from gatewright.hdl.number import BIPOLAR, IntType
from gatewright.hdl.width import WidthConverter, WidthParameters
from gatewright.hdl.window import WindowParameters, WindowUnit

INT2 = IntType(2, signed=True)
full = pytest.mark.full


class Tampered(wiring.Component):
    """A unit with something wrong at its output ``o``."""

    def __init__(self, unit, how):
        self._unit, self._how = unit, how
        super().__init__(unit.signature)

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = unit = self._unit
        for name, member in self.signature.members.items():
            mine, its = getattr(self, name), getattr(unit, name)
            if member.flow == wiring.In:
                m.d.comb += [Value.cast(its.payload).eq(Value.cast(mine.payload)), its.valid.eq(mine.valid),
                             mine.ready.eq(its.ready)]
            else:
                m.d.comb += [Value.cast(mine.payload).eq(Value.cast(its.payload)), mine.valid.eq(its.valid),
                             its.ready.eq(mine.ready)]
        self._how(m, self, unit)
        return m


def loses_what_waits(m, outer, inner):
    m.d.comb += inner.o.ready.eq(1)


def offers_twice(m, outer, inner):
    again = Signal()
    m.d.sync += again.eq(Mux(outer.o.valid & outer.o.ready, ~again, again))
    m.d.comb += inner.o.ready.eq(outer.o.ready & again)


def swaps_lanes(m, outer, inner):
    payload = Value.cast(inner.o.payload)
    m.d.comb += Value.cast(outer.o.payload).eq(Cat(payload[2:4], payload[:2], payload[4:]))


def changes_while_waiting(m, outer, inner):
    waits = Signal()
    m.d.sync += waits.eq(outer.o.valid & ~outer.o.ready)
    m.d.comb += Value.cast(outer.o.payload).eq(Value.cast(inner.o.payload) ^ waits)


def stops_after_a_wait(m, outer, inner):
    stuck = Signal()
    m.d.sync += stuck.eq(stuck | (outer.o.valid & ~outer.o.ready))
    m.d.comb += [outer.o.valid.eq(inner.o.valid & ~stuck), inner.o.ready.eq(outer.o.ready & ~stuck)]


def waits_for_the_other_reader(m, outer, inner):
    m.d.comb += [outer.o0.valid.eq(inner.o0.valid & outer.o1.ready)]


class Overflowing(Fifo):
    """Says that it is ready even when it is full."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        m.d.comb += self.i.ready.eq(1)
        return m


class Impatient(AddUnit):
    """Adds whether or not the second word is there."""

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = unit = AddUnit(self.parameters)
        m.d.comb += [unit.i0.payload.eq(self.i0.payload), unit.i0.valid.eq(self.i0.valid),
                     self.i0.ready.eq(unit.i0.ready), unit.i1.payload.eq(self.i1.payload), unit.i1.valid.eq(1),
                     self.i1.ready.eq(unit.i1.ready), self.o.payload.eq(unit.o.payload),
                     self.o.valid.eq(unit.o.valid), unit.o.ready.eq(self.o.ready)]
        return m


class Forgetful(WindowUnit):
    """Gives words back that it still needs."""

    def _freed(self, m, counts, ends):
        return super()._freed(m, counts, Const(1))


@pytest.fixture
def fifo(claims):
    Claim, Word = claims

    def claim(depth, kind, unit=Fifo):
        return Claim(lambda: unit(2, FifoParameters(depth, 2, kind)), {"i": 1}, {"o": 1},
                     lambda words: {"o": [Word(words["i"][0], {"i": 1})]}, patience=2)
    return claim


@pytest.fixture
def width(claims):
    Claim, Word = claims

    def claim(channels, lanes_in, lanes_out, how=None):
        p = WidthParameters(channels, lanes_in, lanes_out)

        def expected(words):
            pixel = Cat(*words["i"])
            for first in range(0, channels, lanes_out):
                end = min(first + lanes_out, channels)
                yield Word(pixel[2 * first : 2 * end], {"i": -(-end // lanes_in)}, (1 << 2 * (end - first)) - 1)

        def unit():
            return WidthConverter(2, p) if how is None else Tampered(WidthConverter(2, p), how)

        return Claim(unit, {"i": -(-channels // lanes_in)}, {"o": -(-channels // lanes_out)},
                     lambda words: {"o": list(expected(words))}, patience=-(-lanes_out // lanes_in) + 1)
    return claim


@pytest.fixture
def fork(claims):
    Claim, Word = claims

    def claim(readers, how=None):
        def unit():
            made = ForkUnit(2, ForkParameters(readers, 1, 1))
            return made if how is None else Tampered(made, how)

        outputs = [f"o{k}" for k in range(readers)]
        return Claim(unit, {"i": 1}, dict.fromkeys(outputs, 1),
                     lambda words: {name: [Word(words["i"][0], {"i": 1})] for name in outputs}, patience=1, eager=True)
    return claim


@pytest.fixture
def join(claims):
    Claim, Word = claims

    def claim(multipliers, unit=AddUnit):
        p = AddParameters((INT2,) * len(multipliers), multipliers, 1, IntType(5, signed=True), 1)
        names = [f"i{k}" for k in range(len(multipliers))]

        def expected(words):
            total = sum((words[name][0].as_signed() * times for name, times in zip(names, multipliers, strict=True)),
                        Const(0))
            return {"o": [Word(total, dict.fromkeys(names, 1))]}

        return Claim(lambda: unit(p), dict.fromkeys(names, 1), {"o": 1}, expected, patience=p.schedule.stages)
    return claim


@pytest.fixture
def window(claims):
    Claim, Word = claims

    def claim(height, width, kernel, stride=(1, 1), pads=(0, 0, 0, 0), unit=WindowUnit):
        p = WindowParameters(height, width, 1, 1, kernel, stride, pads, input=IntType(1))
        rows, columns = ((size + before + after - taps) // step + 1 for size, before, after, taps, step in (
            (height, pads[0], pads[2], kernel[0], stride[0]), (width, pads[1], pads[3], kernel[1], stride[1])))
        # Where each tap of each position looks.
        seen = [(row * stride[0] + y - pads[0], column * stride[1] + x - pads[1])
                for row in range(rows) for column in range(columns) for y in range(kernel[0]) for x in range(kernel[1])]

        def expected(words):
            return {"o": [Word(words["i"][y * width + x], {"i": y * width + x + 1})
                          if 0 <= y < height and 0 <= x < width else Word(Const(0, 1), {}) for y, x in seen]}

        return Claim(lambda: unit(p), {"i": height * width}, {"o": len(seen)}, expected, patience=height * width + 2)
    return claim


@pytest.fixture
def mvu(claims):
    Claim, Word = claims

    def claim(weights, pe, simd, kind, thresholds=None, how=None):
        weights = np.array(weights)
        rows, columns = weights.shape
        p = MatrixVectorParameters(weights, pe, simd, None if thresholds is None else np.array(thresholds), input=kind)
        folds = -(-columns // simd)

        def expected(words):
            vector = Cat(*words["i"])
            lanes = [vector[k * kind.bits : (k + 1) * kind.bits] for k in range(columns)]
            x = [2 * lane - 1 if kind.bipolar else lane.as_signed() for lane in lanes]
            for first in range(0, rows, pe):
                end = min(first + pe, rows)
                answers = [dot(x, weights[row]) for row in range(first, end)]
                if thresholds is not None:
                    answers = [answer >= thresholds[row] for row, answer in enumerate(answers, first)]
                yield Word(Cat(bits(each, p.output.bits) for each in answers), {"i": folds},
                           (1 << (end - first) * p.output.bits) - 1)

        def unit():
            return MatrixVectorUnit(p) if how is None else Tampered(MatrixVectorUnit(p), how)

        return Claim(unit, {"i": folds}, {"o": -(-rows // pe)}, lambda words: {"o": list(expected(words))},
                     patience=folds + p.schedule.stages)
    return claim


def dot(x, weights):
    return sum((value * int(weight) for value, weight in zip(x, weights, strict=True)), Const(0))


def bits(value, count):
    """The lowest bits of a number, its sign going on above."""
    value = Value.cast(value)
    above = value[-1] if value.shape().signed else Const(0, 1)
    return Cat(value, above.replicate(count))[:count]


GOALS = pytest.mark.parametrize("goal", ["contract", "data", "live", "cover"])


@GOALS
@pytest.mark.parametrize(("depth", "kind"), [
    pytest.param(3, "registers"), pytest.param(3, "lut_ram", marks=full), pytest.param(3, "block_ram", marks=full)])
def test_a_fifo_is_right_for_ever(fifo, prove, depth, kind, goal):
    assert prove(fifo(depth, kind), goal) == "PASS"


@full
@GOALS
@pytest.mark.parametrize(("channels", "lanes_in", "lanes_out"), [(6, 2, 3), (5, 2, 3), (4, 4, 1), (5, 1, 4)])
def test_a_width_converter_is_right_for_ever(width, prove, channels, lanes_in, lanes_out, goal):
    """Also where the last word of a pixel is padded, at either side."""
    assert prove(width(channels, lanes_in, lanes_out), goal) == "PASS"


@full
@GOALS
@pytest.mark.parametrize("readers", [2, 3])
def test_a_fork_is_right_for_ever(fork, prove, readers, goal):
    """And eager: a reader has its word whether or not the others take theirs."""
    assert prove(fork(readers), goal) == "PASS"


@full
@GOALS
@pytest.mark.parametrize("multipliers", [(1, -3), (1, 1, 2)])
def test_a_join_adds_partners_for_ever(join, prove, multipliers, goal):
    assert prove(join(multipliers), goal) == "PASS"


THRESHOLDED = ([[1, -1, 1, 1], [-1, -1, 1, -1], [1, 1, 1, 1], [1, -1, -1, 1]], 2, 2, BIPOLAR, [0, 1, -1, 2])
UNEVEN = ([[1, -2, 0, 1, 1], [-1, 1, 1, -1, 0], [1, 0, -2, 1, 1]], 2, 2, INT2)


@full
@GOALS
def test_a_binary_matrix_vector_unit_is_right_for_ever(mvu, prove, goal):
    """4 x 4 on 2 x 2 lanes, with thresholds: every vector's answer, of all 16 vectors."""
    assert prove(mvu(*THRESHOLDED), goal) == "PASS"


@full
@pytest.mark.parametrize(("goal", "depth"), [("contract", None), ("data", 16), ("live", None), ("cover", None)])
def test_a_matrix_vector_unit_whose_folds_do_not_divide_is_right_for_16_cycles(mvu, prove, goal, depth):
    """3 x 5 on 2 x 2 lanes, 2-bit activations: 6 cycles a frame. The contract and the time of words hold for ever."""
    assert prove(mvu(*UNEVEN), goal, depth) == "PASS"


WINDOWS = pytest.mark.parametrize(("size", "kernel", "pads"), [
    ((2, 3), (2, 2), (0, 0, 0, 0)), ((2, 2), (2, 1), (1, 0, 0, 0))], ids=["plain", "padded"])


@full
@WINDOWS
@pytest.mark.parametrize("goal", ["contract", "live", "cover"])
def test_a_sliding_window_offers_words_in_time_for_ever(window, prove, size, kernel, pads, goal):
    assert prove(window(*size, kernel, pads=pads), goal) == "PASS"


@full
@WINDOWS
def test_a_sliding_window_gives_what_its_taps_see_for_20_cycles(window, prove, size, kernel, pads):
    """An image is 8 words out: two whole images without stalls, fewer with. Some minutes."""
    assert prove(window(*size, kernel, pads=pads), "data", 20) == "PASS"


def test_a_fifo_that_overflows_is_refuted(fifo, prove):
    assert prove(fifo(2, "registers", Overflowing), "data", 8) == "FAIL"


@full
@pytest.mark.parametrize(("how", "goal"), [
    (swaps_lanes, "data"), (loses_what_waits, "data"), (offers_twice, "data"), (changes_while_waiting, "contract"),
    (stops_after_a_wait, "live"), (stops_after_a_wait, "contract")], ids=lambda it: getattr(it, "__name__", it))
def test_a_width_converter_that_errs_is_refuted(width, prove, how, goal):
    assert prove(width(6, 2, 3, how), goal, 14) == "FAIL"


@full
@pytest.mark.parametrize(("how", "goal"), [(loses_what_waits, "data"), (changes_while_waiting, "contract"),
                                           (stops_after_a_wait, "live")], ids=lambda it: getattr(it, "__name__", it))
def test_a_matrix_vector_unit_that_errs_is_refuted(mvu, prove, how, goal):
    assert prove(mvu(*THRESHOLDED, how=how), goal, 18) == "FAIL"


@full
@pytest.mark.parametrize("goal", ["contract", "data"])
def test_a_fork_whose_reader_waits_for_the_other_is_refuted(fork, prove, goal):
    assert prove(fork(2, waits_for_the_other_reader), goal, 8) == "FAIL"


@full
def test_a_join_that_takes_a_word_without_its_partner_is_refuted(join, prove):
    assert prove(join((1, -3), Impatient), "data", 8) == "FAIL"


@full
def test_a_window_that_gives_words_back_too_early_is_refuted(window, prove):
    assert prove(window(3, 3, (2, 2), unit=Forgetful), "data", 24) == "FAIL"


@full
def test_a_wrong_weight_is_refuted(mvu, prove):
    """The claim itself is of another matrix: one weight has the other sign."""
    right, wrong = mvu(*THRESHOLDED), np.array(THRESHOLDED[0])
    wrong[2, 3] *= -1
    other = mvu(wrong.tolist(), *THRESHOLDED[1:])
    assert prove(replace(right, unit=other.unit), "data", 16) == "FAIL"
