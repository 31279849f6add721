"""The FIFO in its three kinds, alone and between units, against a plain list and against its schedule."""

from itertools import chain as joined

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.hdl.fifo import KINDS, Fifo, FifoParameters, choose_kind
from gatewright.hdl.lanes import connect
from gatewright.hdl.width import WidthConverter, WidthParameters
from gatewright.sim.network import Network, Unit

stalls = st.lists(st.integers(0, 1), min_size=1, max_size=24).map(lambda bits: [*bits, 1])


class Chain(wiring.Component):
    """Units joined in a row."""

    def __init__(self, units):
        self.units = units
        super().__init__({"i": In(units[0].i.signature.flip()), "o": Out(units[-1].o.signature)})

    def elaborate(self, platform):
        m = Module()
        for unit in self.units:
            m.submodules += unit
        connect(m, wiring.flipped(self.i), self.units[0].i)
        for left, right in zip(self.units, self.units[1:], strict=False):
            connect(m, left.o, right.i)
        connect(m, self.units[-1].o, wiring.flipped(self.o))
        return m

    @property
    def network(self):
        return Network(tuple(Unit(f"u{k}", unit.schedule, (f"e{k}",), (f"e{k + 1}",))
                             for k, unit in enumerate(self.units)))


@settings(max_examples=60)
@given(kind=st.sampled_from(KINDS), depth=st.integers(1, 9), channels=st.integers(1, 12), lanes=st.integers(1, 4),
       lanes_out=st.integers(1, 6), offers=stalls, accepts=stalls, seed=st.integers(0, 2**32 - 1))
def test_fifo_between_units(check_unit, kind, depth, channels, lanes, lanes_out, offers, accepts, seed):
    rng = np.random.default_rng(seed)
    chain = Chain([WidthConverter(3, WidthParameters(channels, lanes, lanes)),
                   Fifo(data.ArrayLayout(3, lanes), FifoParameters(depth, 3 * lanes, kind)),
                   WidthConverter(3, WidthParameters(channels, lanes, lanes_out))])
    frames = rng.integers(0, 8, size=(4, channels))
    padded = np.pad(frames, ((0, 0), (0, -channels % lanes)))
    words = [check_unit.pack(word, 3) for frame in padded for word in frame.reshape(-1, lanes)]
    got = check_unit(chain, words, len(frames), offers, accepts, network=chain.network)
    lanes_of = [check_unit.unpack(word, 3, lanes_out) for word in got]
    per_frame = -(-channels // lanes_out)
    frames_of = [lanes_of[k : k + per_frame] for k in range(0, len(lanes_of), per_frame)]
    assert [list(joined.from_iterable(frame))[:channels] for frame in frames_of] == frames.tolist()


@pytest.mark.parametrize(("kind", "depth"), [("registers", 2), ("lut_ram", 2), ("block_ram", 3)])
def test_fifo_runs_at_full_rate_from_the_depth_it_promises(check_unit, kind, depth):
    _, taken_at, given_at = check_unit.simulate(Fifo(4, FifoParameters(depth, 4, kind)), list(range(12)), [1], [1], 12)
    assert np.diff(taken_at).tolist() == [1] * 11
    assert np.diff(given_at).tolist() == [1] * 11


@pytest.mark.parametrize(("depth", "bits", "kind"), [
    (1, 1000, "registers"), (4, 8, "registers"), (5, 8, "lut_ram"), (63, 1000, "lut_ram"), (64, 31, "lut_ram"),
    (64, 32, "block_ram"), (4096, 1, "block_ram")])
def test_fifo_storage_is_chosen_by_size(depth, bits, kind):
    assert choose_kind(depth, bits) == kind
    assert FifoParameters(depth, bits).kind == kind


def test_fifo_refuses_what_it_cannot_be():
    with pytest.raises(ValueError, match=r"^FIFO depth must be a positive integer, not 0$"):
        FifoParameters(0, 8)
    with pytest.raises(ValueError, match=r"^FIFO kind must be one of registers, lut_ram, block_ram, not 'flash'$"):
        FifoParameters(2, 8, "flash")


def test_streams_of_different_lanes_are_not_joined_though_their_widths_agree():
    left, right = stream.Signature(data.ArrayLayout(2, 4)).create(), stream.Signature(data.ArrayLayout(4, 2)).create()
    with pytest.raises(TypeError, match="stream payloads must have the same shape"):
        connect(Module(), left, right)
