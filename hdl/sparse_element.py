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
from amaranth.lib.memory import Memory

from .fifo import Fifo, FifoParameters
from .sparse_index import Index
from .sparse_output import Drain
from .sparse_parameters import EngineParameters
from .sparse_pointers import item_layout

__all__ = ["Element"]


class Element:
    """Adds element ``number`` to a module of its own.

    Attributes
    ----------
    i
        The stream into its queue, of ``item_layout``.
    sums : list of Value
        Of each of the two banks: the sum that was read in the cycle before.
    works : Signal
        Of each bank: an entry was worked on in the cycle before.
    """

    def __init__(self, m: Module, parameters: EngineParameters, index: Index, drain: Drain, number: int):
        p = self._parameters = parameters
        self._m = m
        shape = item_layout(p, index)
        # In registers or LUT RAM: what arrives at an empty queue is there in the next cycle.
        kind = "registers" if p.depth <= 4 else "lut_ram"
        m.submodules.queue = queue = Fifo(shape, FifoParameters(p.depth, Shape.cast(shape).width, kind))
        self.i, head = queue.i, queue.o.payload

        # The item being worked on, and the bank of its vector.
        busy, ends, bank, works = (Signal(name=name) for name in ("busy", "item_ends", "bank", "works"))
        activation = Signal(Shape(p.input.bits, p.input.signed), name="activation", reset_less=True)
        present, marked = Signal(name="present", reset_less=True), Signal(name="marked", reset_less=True)
        walk = index.walk(m, number)
        m.d.comb += [
            works.eq(busy & ~drain.closed[number].bit_select(bank, 1) & ~drain.sweeps),
            ends.eq(works & (walk.last | ~present)),
            queue.o.ready.eq(~busy | ends),
            drain.closes[number].eq(Mux(ends & marked, Mux(bank, 2, 1), 0)),
        ]
        m.d.sync += bank.eq(bank ^ (ends & marked))
        with m.If(queue.o.ready):
            m.d.sync += busy.eq(queue.o.valid)
            m.d.sync += [activation.eq(head.activation), present.eq(head.present), marked.eq(head.marked)]
            m.d.sync += walk.begin(head.index)
        with m.Elif(works):
            m.d.sync += walk.step()

        entry = Signal(name="entry_there")
        self.works = Signal(2, name="worked")
        m.d.comb += entry.eq(works & present)
        m.d.sync += self.works.eq(Mux(entry, Mux(bank, 2, 1), 0))
        slot, weight = walk.weigh(entry)
        later = self._later(Cat(activation, bank), "operand")
        activation = Signal.like(activation, name="multiplicand")
        m.d.comb += activation.eq(later[:-1])
        there = Signal(p.stages, name="entry_moves")
        m.d.sync += there.eq(Cat(entry, there))
        self.sums = self._accumulate(drain, number, there[-1], slot, later[-1], activation, weight)

    def _later(self, value, name: str):
        """A value, ``stages`` cycles later."""
        for stage in range(1, self._parameters.stages + 1):
            register = Signal(len(value), name=f"{name}{stage}", reset_less=True)
            self._m.d.sync += register.eq(value)
            value = register
        return value

    def _accumulate(self, drain: Drain, number: int, there, slot, bank, activation, weight) -> list[Value]:
        """The last two cycles. Returns what the banks gave."""
        m, kind = self._m, self._parameters.accumulator
        assert kind is not None  # once the parameters are made
        shape = Shape(kind.bits, kind.signed)
        product = Signal((activation * weight).shape(), name="product", reset_less=True)
        slot4, bank4 = Signal.like(slot, name="slot4", reset_less=True), Signal(name="bank4", reset_less=True)
        there4, again = Signal(name="entry_moves4"), Signal(name="again", reset_less=True)
        m.d.sync += [
            product.eq(activation * weight),
            slot4.eq(slot), bank4.eq(bank), there4.eq(there),
            again.eq(there4 & (slot == slot4) & (bank == bank4)),
        ]
        sums = []
        total, written = Signal(shape, name="total"), Signal(shape, name="written", reset_less=True)
        m.d.sync += written.eq(total)
        for b in range(2):
            m.submodules[f"sums{b}"] = memory = Memory(shape=shape, depth=max(2, self._parameters.slots), init=[])
            read, write = memory.read_port(), memory.write_port()
            zero = drain.zeroes[number][b]
            m.d.comb += [
                read.addr.eq(Mux(drain.drained[b], drain.slot, slot)),
                read.en.eq(Mux(drain.drained[b], drain.reads, there & (bank == b))),
                write.addr.eq(Mux(zero, drain.zero_slot, slot4)),
                write.data.eq(Mux(zero, 0, total)),
                write.en.eq(zero | there4 & (bank4 == b)),
            ]
            sums.append(read.data)
        stored = Signal(shape, name="stored")
        m.d.comb += [
            stored.eq(Mux(again, written, Mux(bank4, sums[1], sums[0]))),
            total.eq(stored + product),
        ]
        return sums
