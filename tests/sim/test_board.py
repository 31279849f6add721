"""The simulated board: a whole design with its serial port, behind a pseudo-terminal that the driver opens."""

import os
import select
import time

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from gatewright.coding.link import Decoder, Kind, Packet, encode
from gatewright.compiler.emit import convert_all
from gatewright.driver.board import Board
from gatewright.errors import UserError
from gatewright.hdl.fifo import Fifo, FifoParameters
from gatewright.hdl.link import Link
from gatewright.sim.board import SimulatedBoard
from gatewright.sim.verilated import Sources

DIVIDER = 4
WORDS = 6
DESCRIPTION = {"name": "fifo", "identity": b"GATEWRT!".hex(), "streams": [
    {"name": end, "type": "uint4", "pixel": 3 * WORDS, "lanes": 3, "words": WORDS, "bits": 12, "elements": 3 * WORDS}
    for end in "io"]}


class Top(wiring.Component):
    """A link around a core that gives what it takes."""

    def __init__(self):
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.link = link = Link(12, WORDS, 12, WORDS, b"GATEWRT!", DIVIDER)
        m.submodules.core = core = Fifo(12, FifoParameters(4, 12))
        m.d.comb += [link.rx.eq(self.rx), self.tx.eq(link.tx)]
        wiring.connect(m, link.i, core.i)
        wiring.connect(m, core.o, link.o)
        return m


@pytest.fixture(scope="module")
def sources():
    return Sources({"top.v": convert_all([("top", Top(), None)])["top"].encode()})


@pytest.fixture
def frames():
    return np.random.default_rng(3).integers(0, 16, (40, 3 * WORDS))


def test_a_driver_finds_a_board_behind_the_port(sources, frames):
    with SimulatedBoard(sources, "top", period=DIVIDER) as board:
        with Board.open(board.port, DESCRIPTION) as host:
            assert np.array_equal(host.run(frames), frames)
            assert host.statistics.damaged == sum(host.statistics.refused.values()) == 0
        with Board.open(board.port, DESCRIPTION) as host:  # the port outlives a host
            assert np.array_equal(host.run(frames[:5]), frames[:5])
        counts = board.counts
    assert counts.bytes_down >= 45 * 2 * WORDS
    assert counts.damaged_down == counts.damaged_up == counts.torn == 0


@pytest.mark.parametrize("damage", [{"corrupt": 0.01}, {"lose": 0.01}, {"repeat": 0.01},
                                    {"corrupt": 0.01, "lose": 0.01, "repeat": 0.01}])
def test_whatever_a_bad_cable_does_answers_are_right_and_damage_is_reported(sources, frames, damage):
    with SimulatedBoard(sources, "top", period=DIVIDER * 1.01, seed=5, **damage) as board:
        with Board.open(board.port, DESCRIPTION) as host:
            assert np.array_equal(host.run(frames), frames)
            statistics = host.statistics
        counts = board.counts
    assert counts.damaged_down > 0
    assert counts.damaged_up > 0
    assert sum(statistics.refused.values()) > 0
    assert statistics.damaged > 0


def test_a_host_that_dies_amid_a_frame_leaves_a_board_that_works(sources, frames):
    with SimulatedBoard(sources, "top", period=DIVIDER) as board:
        for cut in range(1, 40, 6):
            with Board.open(board.port, DESCRIPTION) as host:
                transfer = host._transfer
                transfer.begin([row.tobytes() for row in host.wire.i.pack(frames[:4])])
                host._port.write(b"".join(transfer.to_send(0.0))[:cut * 2])
            with Board.open(board.port, DESCRIPTION) as host:
                assert np.array_equal(host.run(frames[10:13]), frames[10:13])


def test_the_same_seed_damages_the_same_bytes(sources):
    """Which of many greetings are answered, and which of the answers arrive whole."""
    greetings = b"".join(encode(Packet(Kind.HELLO, 0, bytes([k] * 4))) for k in range(40))
    heard = []
    for seed in (1, 1, 2):
        with SimulatedBoard(sources, "top", period=DIVIDER, corrupt=0.02, seed=seed, idle=1000) as board:
            port = os.open(board.port, os.O_RDWR | os.O_NOCTTY)
            os.set_blocking(port, False)
            said, quiet = b"", 0
            os.write(port, greetings)
            while quiet < 50 or board.counts.bytes_down < len(greetings):
                time.sleep(0.01)
                quiet += 1
                if select.select([port], [], [], 0)[0]:
                    said, quiet = said + os.read(port, 4096), 0
            heard.append(said)
            os.close(port)
    assert heard[0] == heard[1] != heard[2]
    packets = list(Decoder().feed(heard[0]))
    assert 2 < len([packet for packet in packets if packet.kind == Kind.IDENTITY]) < 40


def test_time_stands_still_while_nothing_goes_on(sources):
    with SimulatedBoard(sources, "top", period=DIVIDER, idle=2000) as board:
        time.sleep(0.3)
        cycles = board.counts.cycles
        time.sleep(0.3)
        assert board.counts.cycles == cycles < 10_000


@pytest.mark.parametrize(("options", "message"), [
    ({"corrupt": 1.5}, r"^--corrupt: 1.5 is no share of bytes; say a number such as 0.01$"),
    ({"lose": -0.1}, r"^--lose: -0.1 is no share of bytes"),
    ({"period": 0.5}, r"^top: a bit cannot last 0.5 cycles")])
def test_impossible_settings_are_refused(sources, options, message):
    with pytest.raises(UserError, match=message):
        SimulatedBoard(sources, "top", **{"period": DIVIDER} | options)


def test_a_top_without_a_serial_port_is_refused():
    class Other(wiring.Component):
        def __init__(self):
            super().__init__({"rx": In(1), "tx_": Out(1)})

        def elaborate(self, platform):
            m = Module()
            m.d.sync += self.tx_.eq(self.rx)
            return m

    text = convert_all([("other", Other(), None)])["other"].encode()
    with pytest.raises(UserError, match=r"^other: port tx must be 1 bit wide, but is not there; build the Veri"):
        SimulatedBoard(Sources({"other.v": text}), "other", period=4)
