"""The pointer stage of a sparse engine: tells every element that has entries in a column of it, each in its own time.

EIE broadcasts an activation once no queue is full (Han et al., ISCA 2016, section 4). Here it goes to each queue as
soon as that has room, and to those alone that need it; the next one comes when the last of them has it.
"""

from __future__ import annotations

from amaranth.hdl import *
from amaranth.lib import data

from .lnzd import NonZeroColumns
from .sparse_index import Index
from .sparse_parameters import EngineParameters

__all__ = ["add_pointer_stage", "item_layout"]


def item_layout(parameters: EngineParameters, index: Index) -> data.StructLayout:
    """What an element is told of a column: the activation, what the index says, whether the element has entries in it
    (``present``), and whether it is the vector's last (``marked``)."""
    return data.StructLayout({"activation": parameters.input.bits, "index": index.item, "present": 1, "marked": 1})


def add_pointer_stage(m: Module, columns: NonZeroColumns, index: Index, queues: list) -> None:
    """Take ``columns``, one at a time, and offer each to the ``queues``, one stream of ``item_layout`` an element."""
    full, moves, enters = Signal(name="stage_full"), Signal(name="stage_moves"), Signal(name="column_enters")
    activation = Signal.like(columns.activation, name="activation", reset_less=True)
    void, marked = Signal(name="void", reset_less=True), Signal(name="marked", reset_less=True)
    taken, waits = Signal(len(queues), name="taken"), Signal(len(queues), name="waits")
    m.d.comb += [
        moves.eq(~waits.any()),
        columns.take.eq(moves),
        enters.eq(columns.there & columns.take),
    ]
    with m.If(moves):
        m.d.sync += full.eq(columns.there)
    with m.If(enters):
        m.d.sync += [activation.eq(columns.activation), void.eq(columns.void), marked.eq(columns.marked)]
    found = index.columns(m, columns.column, enters & ~columns.void)
    for k, (queue, (has_entries, fields)) in enumerate(zip(queues, found, strict=True)):
        present = Signal(name=f"offers{k}")
        m.d.comb += [
            present.eq(has_entries & ~void),
            queue.valid.eq(full & (present | marked) & ~taken[k]),
            queue.payload.activation.eq(activation),
            queue.payload.index.as_value().eq(Cat(*fields)),
            queue.payload.present.eq(present),
            queue.payload.marked.eq(marked),
            waits[k].eq(queue.valid & ~queue.ready),
        ]
        m.d.sync += taken[k].eq(~moves & (taken[k] | queue.valid & queue.ready))
