"""FIFO for streams, in registers, LUT RAM or block RAM, chosen by size.

All three keep the timing of ``hdl.schedule.Queue``: ready whenever fewer than ``depth`` words are held (so the ready
path is cut here: it comes from a register), and full rate from depth 2 on (depth 3 for block RAM).
"""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import *
from amaranth.lib import stream
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .lanes import check_positive
from .schedule import Queue
from .unit import Unit

__all__ = ["KINDS", "Fifo", "FifoParameters", "choose_kind"]

KINDS = ("registers", "lut_ram", "block_ram")


def choose_kind(depth: int, bits: int) -> str:
    """The cheapest storage for ``depth`` words of ``bits`` bits.

    Registers to 4 words, where a memory's ports would cost more than it saves; block RAM from 2,048 bits and 64 words
    on, a quarter of the smallest block of the families served (iCE40: 4 kbit) at a depth which LUT RAM cascades; else
    LUT RAM.
    """
    check_positive("FIFO depth", depth)
    if depth <= 4:
        return "registers"
    return "block_ram" if depth >= 64 and depth * bits >= 2048 else "lut_ram"


@dataclass(frozen=True)
class FifoParameters:
    """``depth`` words of ``bits`` bits, kept in storage of ``kind``: one of ``KINDS``, or by default what size
    suggests.

    Raises
    ------
    ValueError
        If a number is not a positive integer, or there is no such kind.
    """

    depth: int
    bits: int
    kind: str = ""

    def __post_init__(self):
        check_positive("FIFO bits", self.bits)
        object.__setattr__(self, "kind", self.kind or choose_kind(self.depth, self.bits))
        check_positive("FIFO depth", self.depth)
        if self.kind not in KINDS:
            raise ValueError(f"FIFO kind must be one of {', '.join(KINDS)}, not {self.kind!r}")

    @property
    def schedule(self) -> Queue:
        return Queue(self.depth, latency=2 if self.kind == "block_ram" else 1)


class Fifo(Unit):
    """First in, first out.

    Latency through an empty FIFO is 1 cycle in registers and LUT RAM, 2 in block RAM; throughput is one word a cycle.

    Parameters
    ----------
    shape : ShapeLike
        Shape of the payload, ``parameters.bits`` wide.
    parameters : FifoParameters

    Members
    -------
    i : In(stream.Signature(shape))
    o : Out(stream.Signature(shape))

    Resources: ``depth * bits`` registers, or that much memory and two pointers; a level counter.
    """

    def __init__(self, shape, parameters: FifoParameters):
        if Shape.cast(shape).width != parameters.bits:
            raise ValueError(f"payload must be {parameters.bits} bits wide, not {Shape.cast(shape).width}")
        self._shape = shape
        self._depth, self._kind = parameters.depth, parameters.kind
        super().__init__(parameters, {"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform):
        m = Module()
        push, pop = Signal(), Signal()
        level = Signal(range(self._depth + 1))
        m.d.comb += [
            self.i.ready.eq(level != self._depth),
            push.eq(self.i.valid & self.i.ready),
            pop.eq(self.o.valid & self.o.ready),
        ]
        m.d.sync += level.eq(level + push - pop)
        if self._kind == "registers":
            self._elaborate_registers(m, level, push, pop)
        else:
            self._elaborate_memory(m, level, push, pop)
        return m

    def _elaborate_registers(self, m, level, push, pop):
        """Words move towards slot 0, which is the output."""
        width = Shape.cast(self._shape).width
        slots = [Signal(width, name=f"slot{k}", reset_less=True) for k in range(self._depth)]
        m.d.comb += [self.o.valid.eq(level != 0), Value.cast(self.o.payload).eq(slots[0])]
        after_pop = Signal.like(level)
        m.d.comb += after_pop.eq(level - pop)
        for k, slot in enumerate(slots):
            with m.If(push & (after_pop == k)):
                m.d.sync += slot.eq(Value.cast(self.i.payload))
            if k + 1 < self._depth:
                with m.Elif(pop):
                    m.d.sync += slot.eq(slots[k + 1])

    def _elaborate_memory(self, m, level, push, pop):
        """A ring of words between a write and a read pointer."""
        synchronous = self._kind == "block_ram"
        # Without a style a family that has no LUT RAM (iCE40) is free to use registers.
        m.submodules.storage = memory = Memory(shape=self._parameters.bits, depth=self._depth, init=[],
                                               attrs={"ram_style": "block"} if synchronous else {})
        write = memory.write_port()
        read = memory.read_port(domain="sync" if synchronous else "comb")
        fetch = Signal()
        m.d.comb += [
            write.data.eq(Value.cast(self.i.payload)),
            write.en.eq(push),
            Value.cast(self.o.payload).eq(read.data),
        ]
        for port, step in ((write, push), (read, fetch)):
            pointer = Signal(range(self._depth), name="write_pointer" if port is write else "read_pointer")
            with m.If(step):
                m.d.sync += pointer.eq(Mux(pointer == self._depth - 1, 0, pointer + 1))
            m.d.comb += port.addr.eq(pointer)
        if synchronous:
            # The memory's own output register is the head of the queue; it refills when it is empty or being read.
            head = Signal()
            m.d.comb += [
                self.o.valid.eq(head),
                fetch.eq((~head | pop) & (level != head)),
                read.en.eq(fetch),
            ]
            m.d.sync += head.eq(fetch | (head & ~pop))
        else:
            m.d.comb += [self.o.valid.eq(level != 0), fetch.eq(pop)]
