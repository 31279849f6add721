"""Bench of a TinyTapeout tile, through its pins alone: each frame's bytes in, each answer's bytes out, compared whole.

This file is complete in itself: a tile's ``test/`` holds a copy of it next to the ``vectors.json`` that it reads. It
runs on the tile itself or on ``tb.v`` around it, in Icarus Verilog or Verilator, on the RTL or on a netlist of gates.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

VECTORS = json.loads(Path(__file__).with_name("vectors.json").read_text())
FRAMES = [(bytes.fromhex(frame["in"]), bytes.fromhex(frame["out"])) for frame in VECTORS["frames"]]
MASK = bytes.fromhex(VECTORS["mask"])
IN_VALID, IN_READY, OUT_VALID, OUT_READY, SYNC, OUT_LAST = (1 << bit for bit in range(6))
OUTPUTS = IN_READY | OUT_VALID | OUT_LAST


def pauses(seed: int):
    """For ever: runs of pausing and of going, and runs of a coin tossed each cycle."""
    rng = random.Random(seed)
    while True:
        kind = rng.choice("pause go toss".split())
        for _ in range(1 << rng.randrange(8)):
            yield kind == "pause" or (kind == "toss" and rng.random() < 0.5)


class Tile:
    """The tile and whoever is at its pins: sends ``queue`` byte by byte, and collects what comes out."""

    def __init__(self, dut, idle: bool = False, back_pressure: bool = False):
        self.dut, self.queue, self.got, self.ends, self.taken = dut, [], [], [], 0
        self.idle = pauses(1) if idle else iter(lambda: False, True)
        self.stalls = pauses(2) if back_pressure else iter(lambda: False, True)
        self.uio, self.held = 0, None
        cocotb.start_soon(Clock(dut.clk, 20, unit="ns").start())

    async def reset(self, cycles: int = 10) -> None:
        self.dut.ena.value, self.dut.rst_n.value, self.dut.ui_in.value, self.dut.uio_in.value = 1, 0, 0, 0
        self.uio, self.held = 0, None
        for _ in range(cycles):
            await RisingEdge(self.dut.clk)
        self.dut.rst_n.value = 1
        await RisingEdge(self.dut.clk)

    async def cycle(self, sync: bool = False) -> None:
        """One clock cycle: see what crossed the pins, then drive them anew."""
        await RisingEdge(self.dut.clk)
        pins = int(self.dut.uio_out.value)
        assert int(self.dut.uio_oe.value) == OUTPUTS
        if pins & OUT_VALID and self.uio & OUT_READY:
            self.got.append(int(self.dut.uo_out.value))
            self.ends.append(bool(pins & OUT_LAST))
        if self.uio & IN_VALID and pins & IN_READY:
            self.held, self.taken = None, self.taken + 1
        if self.held is None and self.queue and not next(self.idle):
            self.held = self.queue.pop(0)
        self.uio = (IN_VALID if self.held is not None else 0) | (0 if next(self.stalls) else OUT_READY)
        self.uio |= SYNC if sync else 0
        self.dut.ui_in.value = 0xA5 if self.held is None else self.held
        self.dut.uio_in.value = self.uio

    async def expect(self, frames) -> None:
        """Exactly these frames come out, each byte right, the last of each marked, and nothing after them."""
        wanted = [byte for frame in frames for byte in frame]
        for _ in range(40 * VECTORS["cycles_per_frame"] * (len(frames) + 1) + 5000):
            if len(self.got) >= len(wanted):
                break
            await self.cycle()
        for _ in range(2 * VECTORS["cycles_per_frame"] + 100):
            await self.cycle()
        size = len(MASK)
        assert len(self.got) == len(wanted), f"{len(self.got)} bytes came out, not {len(wanted)}"
        for place, (one, other) in enumerate(zip(self.got, wanted, strict=True)):
            frame, byte = divmod(place, size)
            assert one & MASK[byte] == other & MASK[byte], (
                f"frame {frame}, byte {byte}: expected {other & MASK[byte]:#04x}, got {one & MASK[byte]:#04x}")
        assert self.ends == [place % size == size - 1 for place in range(len(wanted))]
        self.got, self.ends = [], []


@cocotb.test()
@cocotb.parametrize(idle=[False, True], back_pressure=[False, True])
async def every_frame(dut, idle: bool, back_pressure: bool) -> None:
    """All frames, one after another, give exactly the answers expected."""
    tile = Tile(dut, idle, back_pressure)
    await tile.reset()
    tile.queue = [byte for given, _ in FRAMES for byte in given]
    await tile.expect([wanted for _, wanted in FRAMES])


@cocotb.test()
async def sync_begins_anew(dut) -> None:
    """After SYNC the next byte is the first of a frame, wherever the tile was; nothing of before comes out."""
    tile = Tile(dut)
    await tile.reset()
    size = len(FRAMES[0][0])
    for cycles in (1, 2, size, 2 * size + 3, VECTORS["cycles_per_frame"] // 2):
        tile.queue = [*FRAMES[0][0]] * 2
        for _ in range(cycles):
            await tile.cycle()
        tile.queue, tile.held = [], None
        for high in (True, True, False, False):
            await tile.cycle(sync=high)
        tile.got, tile.ends = [], []
        tile.queue = [byte for given, _ in FRAMES[:2] for byte in given]
        await tile.expect([wanted for _, wanted in FRAMES[:2]])


@cocotb.test()
async def reset_and_deselection(dut) -> None:
    """A reset in mid-frame, and a time in which the tile was not selected, leave nothing."""
    tile = Tile(dut)
    await tile.reset()
    for pin in (dut.rst_n, dut.ena):
        tile.queue = [*FRAMES[0][0][:-1]]
        for _ in range(len(FRAMES[0][0]) + 5):
            await tile.cycle()
        pin.value, tile.queue, tile.held = 0, [], None
        for _ in range(5):
            await tile.cycle()
        assert not int(dut.uio_out.value) & (IN_READY | OUT_VALID)
        pin.value = 1
        for _ in range(3):
            await tile.cycle()
        tile.got, tile.ends = [], []
        tile.queue = [*FRAMES[1][0]]
        await tile.expect([FRAMES[1][1]])
