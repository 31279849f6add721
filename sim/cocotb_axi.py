"""Bench of ``NAME_axi``: frames over AXI4-Stream under random pauses, and the registers' word for it over AXI4-Lite.

This file is complete in itself: each build's ``tb/`` holds a copy of it next to the ``vectors.json`` and
``registers.json`` that it reads, so that it runs wherever cocotb and cocotbext-axi are; hence the few lines that it
has in common with the bench of ``NAME_axis``. Every comparison is of whole bytes and whole counts.

If ``GATEWRIGHT_AXI_RECORD`` names a file, each run of whole frames appends a line of JSON to it: in which cycles the
source offered and the sink was ready, and every counter. That is what the dataflow engine's prediction is held against.
"""

from __future__ import annotations

import json
import logging
import os
import random
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, with_timeout
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiResp,
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamSink,
    AxiStreamSource,
)

PERIOD_NS = 10
HERE = Path(__file__).parent
VECTORS = json.loads((HERE / "vectors.json").read_text())
MAP = json.loads((HERE / "registers.json").read_text())
LOADS = json.loads((HERE / "loads.json").read_text()) if MAP["loads"] else {}
FRAMES = [(bytes.fromhex(frame["in"]), bytes.fromhex(frame["out"])) for frame in VECTORS["frames"]]
MASK = bytes.fromhex(VECTORS["mask"])
WORD, WORDS, CYCLES = VECTORS["in_bytes_per_word"], VECTORS["in_words"], VECTORS["cycles_per_frame"]


def pauses(seed: int, longest: int = 9):
    """Bursts and jitter, for ever: runs of pausing and of going, and runs of a coin tossed each cycle.

    No run is longer than ``2 ** longest`` cycles.
    """
    rng = random.Random(seed)
    while True:
        kind = rng.choice("pause go toss".split())
        for _ in range(1 << rng.randrange(longest + 1)):
            yield kind == "pause" or (kind == "toss" and rng.random() < 0.5)


def mask_of(register: str, field: str) -> int:
    place = MAP["fields"][register][field]
    return ((1 << place["bits"]) - 1) << place["low"]


class Bench:
    """The accelerator between a source and a sink of frames, and a processor that reads and writes registers."""

    def __init__(self, dut, idle: bool = False, back_pressure: bool = False, slow_bus: bool = False):
        self.dut, self.offered, self.accepted = dut, [], []
        cocotb.start_soon(Clock(dut.clk, PERIOD_NS, unit="ns").start())
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.clk, dut.rst)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.clk, dut.rst)
        self.lite = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
        write_if, read_if = self.lite.write_if, self.lite.read_if
        assert write_if is not None  # they are there once there is a master
        assert read_if is not None
        for part in (self.source, self.sink, write_if, read_if):
            part.log.setLevel(logging.ERROR)
        if idle:
            self.source.set_pause_generator(pauses(1))
        if back_pressure:
            self.sink.set_pause_generator(pauses(2))
        if slow_bus:
            for seed, channel in enumerate((write_if.aw_channel, write_if.w_channel, write_if.b_channel,
                                            read_if.ar_channel, read_if.r_channel)):
                channel.set_pause_generator(pauses(10 + seed, 4))
        cocotb.start_soon(self._watch())

    async def _watch(self) -> None:
        """Note both ends in every cycle after reset."""
        dut, edge = self.dut, RisingEdge(self.dut.clk)
        while True:
            await edge
            if dut.rst.value:
                self.offered, self.accepted = [], []
            else:
                self.offered.append(int(dut.s_axis_tvalid.value))
                self.accepted.append(int(dut.m_axis_tready.value))

    async def reset(self) -> None:
        self.dut.rst.value = 1
        await ClockCycles(self.dut.clk, 4)
        self.dut.rst.value = 0
        await ClockCycles(self.dut.clk, 2)

    async def read_at(self, offset: int) -> int:
        answer = await self.lite.read(offset, 4)
        assert answer.resp == AxiResp.OKAY, f"reading {offset:#x}: {answer.resp.name}"
        return int.from_bytes(answer.data, "little")

    async def read(self, name: str) -> int:
        return await self.read_at(MAP["registers"][name])

    async def write(self, name: str, value: int) -> None:
        answer = await self.lite.write(MAP["registers"][name], value.to_bytes(4, "little"))
        assert answer.resp == AxiResp.OKAY, f"writing {name}: {answer.resp.name}"

    async def status(self, field: str) -> bool:
        return bool(await self.read("STATUS") & mask_of("STATUS", field))

    async def counters(self) -> dict:
        """All counters, frozen for the while: as of one cycle."""
        await self.write("CONTROL", mask_of("CONTROL", "FREEZE"))
        found: dict = {name: await self.read(name) for name in ("FRAMES_IN", "FRAMES_OUT", "MALFORMED", "CYCLES_0",
                                                                "CYCLES_1")}
        found["busy"] = {unit["name"]: await self.read_at(MAP["busy"] + 4 * k) for k, unit in enumerate(MAP["units"])}
        found["stalled"] = {name: await self.read_at(MAP["stall"] + 4 * k) for k, name in enumerate(MAP["streams"])}
        again = await self.read("CYCLES_0")
        assert again == found["CYCLES_0"], "a frozen counter moved"
        await self.write("CONTROL", 0)
        return found

    async def send(self, payload: bytes) -> None:
        await self.source.send(AxiStreamFrame(payload))

    async def receive(self, what: str) -> bytes:
        frame = await with_timeout(self.sink.recv(), (100 * CYCLES + 10_000) * PERIOD_NS, "ns")
        assert len(frame.tdata) == len(MASK), f"{what}: {len(frame.tdata)} bytes, not {len(MASK)}"
        return bytes(frame.tdata)

    async def expect(self, what: str, wanted: bytes) -> None:
        """The next frame out must be this one, byte for byte."""
        got = await self.receive(what)
        for k, (one, other, mask) in enumerate(zip(got, wanted, MASK, strict=True)):
            assert one & mask == other & mask, f"{what}, byte {k}: expected {other & mask:#04x}, got {one & mask:#04x}"

    async def expect_silence(self) -> None:
        await ClockCycles(self.dut.clk, 2 * CYCLES + 200)
        assert self.sink.empty(), "a word came that nobody asked for"
        assert not self.dut.m_axis_tvalid.value, "a word came that nobody asked for"


@cocotb.test()
async def what_the_design_is(dut) -> None:
    """Magic, identity and geometry are there; what is no register is refused, and changes nothing."""
    bench = Bench(dut, slow_bus=True)
    await bench.reset()
    assert await bench.read("MAGIC") == MAP["magic"]
    assert await bench.read("VERSION") == MAP["version"]
    identity = b"".join([(await bench.read(f"IDENTITY_{k}")).to_bytes(4, "little") for k in range(2)])
    assert identity.hex() == MAP["identity"]
    assert await bench.read("IN_WORDS") == WORDS
    assert -(-await bench.read("IN_BITS") // 8) == WORD
    assert await bench.read("OUT_WORDS") == VECTORS["out_words"]
    assert -(-await bench.read("OUT_BITS") // 8) == VECTORS["out_bytes_per_word"]
    assert await bench.read("SHAPE") == len(MAP["units"]) | len(MAP["streams"]) << 16
    assert await bench.read("STATUS") == 0
    known = [*MAP["registers"].values(), *(MAP["busy"] + 4 * k for k in range(len(MAP["units"]))),
             *(MAP["stall"] + 4 * k for k in range(len(MAP["streams"])))]
    for offset in (max(MAP["registers"].values()) + 4, MAP["busy"] - 4, MAP["busy"] + 4 * len(MAP["units"]),
                   MAP["stall"] + 4 * len(MAP["streams"]), 3 * MAP["busy"]):
        assert offset not in known
        for answer in (await bench.lite.read(offset, 4), await bench.lite.write(offset, bytes(4))):
            assert answer.resp == AxiResp.SLVERR, f"{offset:#x} is a register"
    for offset in (MAP["registers"]["MAGIC"], MAP["registers"]["FRAMES_IN"], MAP["busy"]):
        assert (await bench.lite.write(offset, bytes(4))).resp == AxiResp.SLVERR
    await bench.send(FRAMES[0][0])
    await bench.expect("the frame after", FRAMES[0][1])


@cocotb.test()
@cocotb.parametrize(idle=[False, True], back_pressure=[False, True])
async def every_frame(dut, idle: bool, back_pressure: bool) -> None:
    """All frames, back to back, give exactly the frames expected; the counters tell of them and no others."""
    bench = Bench(dut, idle, back_pressure, slow_bus=idle)
    await bench.reset()
    assert not await bench.status("BUSY")
    for given, _ in FRAMES:
        await bench.send(given)
    while not await bench.status("BUSY"):
        pass
    for number, (_, wanted) in enumerate(FRAMES):
        await bench.expect(f"frame {number}", wanted)
    await bench.expect_silence()
    assert await bench.read("STATUS") == 0
    found = await bench.counters()
    assert (found["FRAMES_IN"], found["FRAMES_OUT"], found["MALFORMED"]) == (len(FRAMES), len(FRAMES), 0)
    # The bus is slower than the core's last cycle of work, so what was counted is what was seen here.
    assert 0 < found["CYCLES_0"] <= len(bench.offered)
    if record := os.environ.get("GATEWRIGHT_AXI_RECORD"):
        with Path(record).open("a") as file:
            print(json.dumps({"frames": len(FRAMES), "offered": bench.offered, "accepted": bench.accepted, **found}),
                  file=file)
    await bench.write("CONTROL", mask_of("CONTROL", "CLEAR"))
    found = await bench.counters()
    assert (found["FRAMES_IN"], found["FRAMES_OUT"], found["CYCLES_1"]) == (0, 0, 0)
    assert found["CYCLES_0"] < 2000
    assert not any(found["stalled"][end] for end in "io")


@cocotb.test()
@cocotb.parametrize(surplus=[-1, 1, WORDS + 1])
async def malformed_frame(dut, surplus: int) -> None:
    """A frame with tlast early or late is flagged in the status and counted; the next frame is right."""
    bench = Bench(dut, True, True)
    await bench.reset()
    if surplus < 0 and WORDS == 1:
        surplus = 1  # a frame of one word cannot end early
    flag, other = ("EARLY", "LATE") if surplus < 0 else ("LATE", "EARLY")
    for turn in range(3):
        before, broken, after = (FRAMES[(3 * turn + k) % len(FRAMES)] for k in range(3))
        payload = (broken[0] + bytes(range(1, 256)) * (abs(surplus) * WORD // 255 + 1))[: (WORDS + surplus) * WORD]
        await bench.send(before[0])
        await bench.expect("the frame before", before[1])
        assert await bench.read("STATUS") == 0
        await bench.send(payload)
        if surplus < 0:
            await bench.receive("the frame that ended early")
        else:
            await bench.expect("the frame that ended late", broken[1])
        await bench.send(after[0])
        await bench.expect("the frame after", after[1])
        assert await bench.status(flag)
        assert not await bench.status(other)
        await bench.write("STATUS", mask_of("STATUS", flag))
        assert await bench.read("STATUS") == 0
    await bench.expect_silence()
    found = await bench.counters()
    assert (found["FRAMES_IN"], found["FRAMES_OUT"], found["MALFORMED"]) == (9, 9, 3)


@cocotb.test()
async def soft_reset(dut) -> None:
    """A reset by register loses what is inside and the rest of the frame that is coming in, and nothing else."""
    bench = Bench(dut)
    await bench.reset()
    for cycles in (1, 7, 3 * WORDS // 2 + 1, CYCLES):
        await bench.send(FRAMES[0][0])
        await ClockCycles(dut.clk, cycles)
        await bench.write("CONTROL", mask_of("CONTROL", "RESET"))
        await with_timeout(bench.source.wait(), (100 * CYCLES + 10_000) * PERIOD_NS, "ns")
        await ClockCycles(dut.clk, 8)
        while await bench.status("BUSY"):
            pass
        # The frame had gone out before the reset, was cut in two by it, or never came.
        bench.sink.clear()
        given, wanted = FRAMES[cycles % len(FRAMES)]
        await bench.send(given)
        frame = await bench.receive("the frame after a reset")
        assert bytes(a & m for a, m in zip(frame, MASK, strict=True)) == bytes(
            a & m for a, m in zip(wanted, MASK, strict=True)), f"the frame after a reset {cycles} cycles into another"
        assert await bench.read("STATUS") == 0
    await bench.expect_silence()


@cocotb.test()
async def pause(dut) -> None:
    """While paused no frame comes in, after the one that has begun; taken back, all come."""
    bench = Bench(dut, True, False)
    await bench.reset()
    await bench.write("CONTROL", mask_of("CONTROL", "PAUSE"))
    assert await bench.status("PAUSED")
    for given, _ in FRAMES[:3]:
        await bench.send(given)
    await bench.expect_silence()
    assert not await bench.status("BUSY")
    await bench.write("CONTROL", 0)
    while not await bench.status("BUSY"):
        pass
    await bench.write("CONTROL", mask_of("CONTROL", "PAUSE"))
    while not await bench.status("PAUSED") or await bench.status("BUSY"):
        pass
    taken = await bench.read("FRAMES_IN")
    assert 1 <= taken <= 3
    assert taken == await bench.read("FRAMES_OUT")
    await bench.write("CONTROL", 0)
    for number, (_, wanted) in enumerate(FRAMES[:3]):
        await bench.expect(f"frame {number}", wanted)
    await bench.expect_silence()


async def load(bench: Bench, kind: str, port: int, words: list[int]) -> None:
    """Write one unit's words; one that comes too soon is refused, and written again."""
    await bench.write("LOAD_PORT", port)
    for place, word in enumerate(words):
        last = kind == "coded" and place == len(words) - 1
        offset = MAP["registers"]["LOAD_LAST" if last else "LOAD_DATA"]
        while (await bench.lite.write(offset, word.to_bytes(4, "little"))).resp != AxiResp.OKAY:
            assert await bench.status("OVERRUN")
            await bench.write("STATUS", mask_of("STATUS", "OVERRUN"))
    while await bench.status("LOADING"):
        pass


@cocotb.test(skip=not MAP["loads"])
async def weights(dut) -> None:
    """Weights are written through registers; a damaged coded stream is flagged, and nothing computed with it."""
    bench = Bench(dut)
    await bench.reset()
    loads = await bench.read("LOADS")
    assert loads & mask_of("LOADS", "PORTS") == len(MAP["loads"])
    kind = "coded" if loads & mask_of("LOADS", "CHECKED") else "plain"
    units = [[int(word, 16) for word in words] for words in LOADS[kind]]
    assert (await bench.lite.write(MAP["registers"]["LOAD_PORT"], len(units).to_bytes(4, "little"))).resp == (
        AxiResp.SLVERR)
    assert (await bench.lite.write(MAP["registers"]["LOAD_DATA"], b"a")).resp == AxiResp.SLVERR, "one byte of four"
    if kind == "plain":
        assert (await bench.lite.write(MAP["registers"]["LOAD_LAST"], bytes(4))).resp == AxiResp.SLVERR
    for port, words in enumerate(units):
        await load(bench, kind, port, words)
        if kind == "plain":
            chunks = -(-await bench.read("LOAD_BITS") // 32)
            assert await bench.read("LOAD_WORDS") * chunks == len(words)
    if kind == "coded":
        await load(bench, kind, 0, [units[0][0], units[0][1] ^ 16, *units[0][2:]])
        while not await bench.status("DAMAGED"):
            pass
        await bench.write("LOAD_PORT", 0)
        assert await bench.read("LOAD_STATE") == mask_of("LOAD_STATE", "ERROR")
        await bench.send(FRAMES[0][0])
        await bench.expect_silence()
        await load(bench, kind, 0, units[0])
        while await bench.status("DAMAGED"):
            pass
        await bench.expect("the frame that had to wait", FRAMES[0][1])
        assert await bench.read("LOAD_STATE") == mask_of("LOAD_STATE", "LOADED")
    for number, (given, wanted) in enumerate(FRAMES):
        await bench.send(given)
        await bench.expect(f"frame {number}", wanted)
