"""AXI4-Stream bench of one accelerator: known frames in, known frames out, under gaps, stalls and malformed frames.

This file is complete in itself: each build's ``tb/`` holds a copy of it next to the ``vectors.json`` that it reads, so
that it runs in any continuous integration that has cocotb and cocotbext-axi. Every comparison is of whole bytes.
"""

from __future__ import annotations

import itertools
import json
import logging
import random
from dataclasses import dataclass
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, with_timeout
from cocotbext.axi import AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource

PERIOD_NS = 10


@dataclass(frozen=True)
class Vectors:
    """``vectors.json``: the shape of a frame, and frames with the bytes that must come back.

    ``mask`` has a 1 for every bit of an output frame that means something: padding lanes do not.
    """

    in_bytes_per_word: int
    in_words: int
    out_bytes_per_word: int
    out_words: int
    cycles_per_frame: int
    mask: bytes
    frames: tuple[tuple[bytes, bytes], ...]

    @classmethod
    def load(cls, path: Path) -> Vectors:
        """Read the file and check that every frame is whole."""
        data = json.loads(path.read_text())
        frames = tuple((bytes.fromhex(frame["in"]), bytes.fromhex(frame["out"])) for frame in data["frames"])
        mask = bytes.fromhex(data["mask"])
        vectors = cls(data["in_bytes_per_word"], data["in_words"], data["out_bytes_per_word"], data["out_words"],
                      data["cycles_per_frame"], mask, frames)
        size = (vectors.in_bytes_per_word * vectors.in_words, vectors.out_bytes_per_word * vectors.out_words)
        if not frames or len(mask) != size[1] or any((len(given), len(wanted)) != size for given, wanted in frames):
            raise ValueError(f"{path.name} must hold whole frames of {size[0]} bytes in and {size[1]} bytes out")
        return vectors


VECTORS = Vectors.load(Path(__file__).with_name("vectors.json"))


def pauses(seed: int):
    """Bursts and jitter, for ever: runs of pausing and of going, and runs of a coin tossed each cycle."""
    rng = random.Random(seed)
    while True:
        kind = rng.choice("pause go toss".split())
        for _ in range(1 << rng.randrange(7)):
            yield kind == "pause" or (kind == "toss" and rng.random() < 0.5)


class Bench:
    """The accelerator between a source and a sink of frames."""

    def __init__(self, dut, idle: bool, back_pressure: bool):
        self.dut = dut
        cocotb.start_soon(Clock(dut.clk, PERIOD_NS, unit="ns").start())
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.clk, dut.rst)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.clk, dut.rst)
        for side in (self.source, self.sink):
            side.log.setLevel(logging.ERROR)  # a reset warns of every byte that it flushes
        if idle:
            self.source.set_pause_generator(pauses(1))
        if back_pressure:
            self.sink.set_pause_generator(pauses(2))

    async def reset(self) -> None:
        self.dut.clear.value = 0
        self.dut.rst.value = 1
        await ClockCycles(self.dut.clk, 4)
        self.dut.rst.value = 0
        await ClockCycles(self.dut.clk, 2)

    async def send(self, payload: bytes) -> None:
        await self.source.send(AxiStreamFrame(payload))

    async def receive(self, what: str) -> bytes:
        """The next frame out, of whatever length."""
        cycles = 100 * VECTORS.cycles_per_frame + 10_000
        frame = await with_timeout(self.sink.recv(), cycles * PERIOD_NS, "ns")
        assert len(frame.tdata) == len(VECTORS.mask), f"{what}: {len(frame.tdata)} bytes, not {len(VECTORS.mask)}"
        return bytes(frame.tdata)

    async def expect(self, what: str, wanted: bytes) -> None:
        """The next frame out must be this one, byte for byte."""
        got = await self.receive(what)
        for k, (one, other, mask) in enumerate(zip(got, wanted, VECTORS.mask, strict=True)):
            assert one & mask == other & mask, f"{what}, byte {k}: expected {other & mask:#04x}, got {one & mask:#04x}"

    async def expect_silence(self) -> None:
        await ClockCycles(self.dut.clk, 2 * VECTORS.cycles_per_frame + 200)
        assert self.sink.empty(), "a word came that nobody asked for"
        assert not self.dut.m_axis_tvalid.value, "a word came that nobody asked for"


@cocotb.test()
@cocotb.parametrize(idle=[False, True], back_pressure=[False, True])
async def every_frame(dut, idle: bool, back_pressure: bool) -> None:
    """All frames, back to back, give exactly the frames expected, and nothing after them."""
    bench = Bench(dut, idle, back_pressure)
    await bench.reset()
    for given, _ in VECTORS.frames:
        await bench.send(given)
    for number, (_, wanted) in enumerate(VECTORS.frames):
        await bench.expect(f"frame {number}", wanted)
    await bench.expect_silence()
    assert dut.malformed.value == 0, "malformed is high after nothing but whole frames"


@cocotb.test()
@cocotb.parametrize(surplus=[-1, 1, VECTORS.in_words + 1])
async def malformed_frame(dut, surplus: int) -> None:
    """A frame with tlast early or late raises ``malformed`` and gives one frame; the frames around it are right."""
    bench = Bench(dut, True, True)
    await bench.reset()
    around = itertools.cycle(VECTORS.frames)
    for _ in range(3):
        before, broken, after = next(around), next(around), next(around)
        word = VECTORS.in_bytes_per_word
        if surplus < 0:
            # A frame of one word cannot end early: then the late one of the other cases is sent again.
            payload = broken[0][:-word] or broken[0] + bytes(word)
        else:
            payload = broken[0] + bytes(range(1, 256)) * (surplus * word // 255 + 1)
            payload = payload[: len(broken[0]) + surplus * word]
        await bench.send(before[0])
        await bench.expect("the frame before", before[1])
        assert dut.malformed.value == 0, "malformed is high after a whole frame"
        await bench.send(payload)
        if len(payload) > len(broken[0]):
            await bench.expect("the frame that ended late", broken[1])
        else:
            await bench.receive("the frame that ended early")
        await bench.send(after[0])
        await bench.expect("the frame after", after[1])
        assert dut.malformed.value == 1, "malformed is low after a frame of the wrong length"
        dut.clear.value = 1
        await ClockCycles(dut.clk, 1)
        dut.clear.value = 0
        await ClockCycles(dut.clk, 2)
        assert dut.malformed.value == 0, "malformed stays high after clear"
    await bench.expect_silence()


@cocotb.test()
async def reset_in_mid_frame(dut) -> None:
    """A reset while a frame is under way leaves nothing of it."""
    bench = Bench(dut, False, False)
    await bench.reset()
    for cycles in (1, 3, VECTORS.in_words, VECTORS.cycles_per_frame // 2 + 1):
        given, wanted = VECTORS.frames[cycles % len(VECTORS.frames)]
        await bench.send(VECTORS.frames[0][0])
        await ClockCycles(dut.clk, cycles)
        bench.source.clear()
        await bench.reset()
        bench.sink.clear()
        await bench.send(given)
        await bench.expect(f"the frame after a reset {cycles} cycles into another", wanted)
    await bench.expect_silence()
