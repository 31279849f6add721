"""Units alone: a FIFO and a matrix-vector unit in an Amaranth design of your own, simulated with Amaranth's simulator.

    python examples/unit_in_amaranth.py

Shows the two promises of every unit in `gatewright.hdl`: the integers are those of plain NumPy, and each word leaves in
the cycle that the unit's schedule says, under whatever gaps and stalls.
"""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Module, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from gatewright.hdl.fifo import Fifo, FifoParameters
from gatewright.hdl.lanes import connect, lane_stream
from gatewright.hdl.mvu import MatrixVectorParameters, MatrixVectorUnit
from gatewright.sim import dataflow, patterns
from gatewright.sim.network import Network, Unit

ROWS, COLUMNS, PE, SIMD, FRAMES = 12, 40, 5, 8, 6


class BufferedLayer(wiring.Component):
    """A binary layer behind a FIFO of four words: SIMD bits a word in, PE dot products a word out."""

    def __init__(self, weights: np.ndarray):
        self.unit = MatrixVectorUnit(MatrixVectorParameters(weights, pe=PE, simd=SIMD))
        self.fifo = Fifo(self.unit.i.payload.shape(), FifoParameters(depth=4, bits=SIMD))
        element = signed(self.unit.parameters.accumulator.bits)
        super().__init__({"i": In(lane_stream(1, SIMD)), "o": Out(lane_stream(element, PE))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.fifo = self.fifo
        m.submodules.unit = self.unit
        connect(m, self.i, self.fifo.i)
        connect(m, self.fifo.o, self.unit.i)
        connect(m, self.unit.o, self.o)
        return m


def main() -> None:
    rng = np.random.default_rng(0)
    weights = rng.choice([-1, 1], size=(ROWS, COLUMNS))
    vectors = rng.choice([-1, 1], size=(FRAMES, COLUMNS))
    layer = BufferedLayer(weights)

    # What must come out: integers by NumPy, cycles by the dataflow engine, both under the same stalls.
    expected = vectors @ weights.T
    offers, accepts = patterns.offers(seed=1), patterns.accepts(seed=1)
    network = Network((Unit("fifo", layer.fifo.schedule, ("i",), ("between",)),
                       Unit("unit", layer.unit.schedule, ("between",), ("o",))))
    trace = dataflow.simulate(network, FRAMES, offers=offers, accepts=accepts)

    # Lane 0 is the lowest bit of a word; 40 columns are five words of eight lanes.
    words = [[int(bit) for bit in word] for word in (vectors > 0).reshape(-1, SIMD)]
    got, cycles = [], []

    async def bench(ctx):
        held, queue = None, list(words)
        for cycle in range(trace.cycles + 1):
            # Once offered, a word stays until it is taken.
            if held is None and queue and offers[cycle % len(offers)]:
                held = queue.pop(0)
            ctx.set(layer.i.valid, held is not None)
            ctx.set(layer.i.payload, held or [0] * SIMD)
            ctx.set(layer.o.ready, int(accepts[cycle % len(accepts)]))
            if ctx.get(layer.o.valid) and accepts[cycle % len(accepts)]:
                got.append([ctx.get(layer.o.payload[lane]) for lane in range(PE)])
                cycles.append(cycle)
            if held is not None and ctx.get(layer.i.ready):
                held = None
            await ctx.tick()

    simulator = Simulator(layer)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()

    # 12 rows on 5 lanes are three words a frame; the last word's three padding lanes mean nothing.
    accumulators = np.array(got).reshape(FRAMES, -1)[:, :ROWS]
    assert np.array_equal(accumulators, expected), "an integer differs"
    assert cycles == trace.times["o"].tolist(), "a word crossed in another cycle than predicted"
    print(f"{expected.size} dot products equal, {len(cycles)} words each in the cycle predicted")
    print(f"alone, the unit takes {layer.unit.schedule.phases} cycles a frame: "
          f"ceil({ROWS}/{PE}) x ceil({COLUMNS}/{SIMD})")


if __name__ == "__main__":
    main()
