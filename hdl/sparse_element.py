"""A processing element of a sparse engine: a queue of activations, the entries of its rows, and their sums.

Cycle by cycle, from the one in which an entry is worked on (compare EIE, Han et al., ISCA 2016, section 4):

    0 to S - 1  the entry's slot and weight are found, in the S ``stages`` of the index: 3 if they are stored
    S           its row's sum is read; the weight is multiplied by the activation
    S + 1       the product is added to the sum, which is written

A sum that is read while it is written is passed on instead. So an element's sums are complete ``stages + 2`` cycles
after its last cycle of work.
"""

from __future__ import annotations

from amaranth.hdl import *
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In

from .fifo import Fifo, FifoParameters
from .sparse_index import Index
from .sparse_output import drain_port
from .sparse_parameters import EngineParameters
from .sparse_pointers import item_layout

__all__ = ["Element"]


class Element(wiring.Component):
    """One of an engine's equal elements.

    Members
    -------
    i : In(stream.Signature(item_layout))
        What to work on.
    drain : In(drain_port)
        To the engine's output.

    and those of the index (``Index.members``).
    """

    def __init__(self, parameters: EngineParameters, index: Index):
        self._parameters, self._index = parameters, index
        item = stream.Signature(item_layout(parameters, index))
        super().__init__({"i": In(item), "drain": In(drain_port(parameters)), **index.members})

    def elaborate(self, platform):
        m = Module()
        p, drain = self._parameters, self.drain
        shape = self.i.payload.shape()
        # In registers or LUT RAM: what arrives at an empty queue is there in the next cycle.
        kind = "registers" if p.depth <= 4 else "lut_ram"
        m.submodules.queue = queue = Fifo(shape, FifoParameters(p.depth, Shape.cast(shape).width, kind))
        wiring.connect(m, wiring.flipped(self.i), queue.i)
        head = queue.o.payload

        # The item being worked on, and the bank of its vector.
        busy, ends, bank, works = (Signal(name=name) for name in ("busy", "item_ends", "bank", "works"))
        activation = Signal(Shape(p.input.bits, p.input.signed), name="activation", reset_less=True)
        present, marked = Signal(name="present", reset_less=True), Signal(name="marked", reset_less=True)
        walk = self._index.walk(m, self)
        m.d.comb += [
            works.eq(busy & ~drain.closed.bit_select(bank, 1) & ~drain.sweeps),
            ends.eq(works & (walk.last | ~present)),
            queue.o.ready.eq(~busy | ends),
            drain.closes.eq(Mux(ends & marked, Mux(bank, 2, 1), 0)),
        ]
        m.d.sync += bank.eq(bank ^ (ends & marked))
        with m.If(queue.o.ready):
            m.d.sync += busy.eq(queue.o.valid)
            m.d.sync += [activation.eq(head.activation), present.eq(head.present), marked.eq(head.marked)]
            m.d.sync += walk.begin(head.index)
        with m.Elif(works):
            m.d.sync += walk.step()

        entry, moving = Signal(name="entry"), Signal(p.stages, name="entry_moves")
        m.d.comb += entry.eq(works & present)
        m.d.sync += [moving.eq(Cat(entry, moving)), drain.worked.eq(Mux(entry, Mux(bank, 2, 1), 0))]
        slot, weight = walk.weigh(entry)
        operand = Cat(activation, bank)
        for stage in range(1, p.stages + 1):
            later = Signal(len(operand), name=f"operand{stage}", reset_less=True)
            m.d.sync += later.eq(operand)
            operand = later
        multiplicand = Signal.like(activation, name="multiplicand")
        m.d.comb += multiplicand.eq(operand[:-1])
        self._accumulate(m, moving[-1], slot, operand[-1], multiplicand * weight)
        return m

    def _accumulate(self, m: Module, there, slot, bank, product) -> None:
        """The last two cycles."""
        drain, kind = self.drain, self._parameters.accumulator
        assert kind is not None  # once the parameters are made
        shape = Shape(kind.bits, kind.signed)
        product4 = Signal(product.shape(), name="product", reset_less=True)
        slot4, bank4 = Signal.like(slot, name="slot4"), Signal(name="bank4", reset_less=True)
        there4, again = Signal(name="entry_moves4"), Signal(name="again", reset_less=True)
        meets = Signal(2, name="meets")
        m.d.sync += [
            product4.eq(product), slot4.eq(slot), bank4.eq(bank), there4.eq(there),
            again.eq(meets.bit_select(bank, 1)),
        ]
        stored, total = Signal(shape, name="stored"), Signal(shape, name="total")
        written = Signal(shape, name="written", reset_less=True)
        m.d.comb += [
            stored.eq(Mux(again, written, Mux(bank4, drain.sums[1], drain.sums[0]))),
            total.eq(stored + product4),
        ]
        m.d.sync += written.eq(total)
        for b in range(2):
            m.submodules[f"sums{b}"] = memory = Memory(shape=shape, depth=max(2, self._parameters.slots), init=[])
            read, write = memory.read_port(), memory.write_port()
            m.d.comb += [
                # What is written in this cycle is not read, so that synthesis need not make a memory that could.
                meets[b].eq(write.en & (read.addr == write.addr)),
                read.addr.eq(Mux(drain.drained[b], drain.slot, slot)),
                read.en.eq(Mux(drain.drained[b], drain.reads, there & (bank == b)) & ~meets[b]),
                drain.sums[b].eq(read.data),
                write.addr.eq(Mux(drain.zeroes[b], drain.zero_slot, slot4)),
                write.data.eq(Mux(drain.zeroes[b], 0, total)),
                write.en.eq(drain.zeroes[b] | there4 & (bank4 == b)),
            ]
