"""The pointer stage of a sparse engine: tells every element that has entries in a column of it, each in its own time.

EIE broadcasts an activation once no queue is full (Han et al., ISCA 2016, section 4). Here it goes to each queue as
soon as that has room, and to those alone that need it; the next one comes when the last of them has it.
"""

from __future__ import annotations

from amaranth.hdl import *
from amaranth.lib import data

from .lnzd import NonZeroColumns
from .pipeline import DEGREES
from .sparse_index import Index
from .sparse_parameters import EngineParameters

__all__ = ["add_pointer_stage", "item_layout"]


def item_layout(parameters: EngineParameters, index: Index) -> data.StructLayout:
    """What an element is told of a column: the activation, what the index says, whether the element has entries in it
    (``present``), and whether it is the vector's last (``marked``)."""
    return data.StructLayout({"activation": parameters.input.bits, "index": index.item, "present": 1, "marked": 1})


def add_pointer_stage(m: Module, columns: NonZeroColumns, index: Index, queues: list, degree: int = 0) -> None:
    """Take ``columns``, one at a time, and offer each to the ``queues``, one stream of ``item_layout`` an element.

    ``degree`` is that of pipelining: what the index says of a column may be registered in a stage of its own.
    """
    full, moves, enters = Signal(name="stage_full"), Signal(name="stage_moves"), Signal(name="column_enters")
    activation = Signal.like(columns.activation, name="activation", reset_less=True)
    void, marked = Signal(name="void", reset_less=True), Signal(name="marked", reset_less=True)
    taken, waits = Signal(len(queues), name="taken"), Signal(len(queues), name="waits")
    m.d.comb += [
        moves.eq(~waits.any()),
        enters.eq(columns.there & columns.take),
    ]
    with m.If(enters):
        m.d.sync += [activation.eq(columns.activation), void.eq(columns.void), marked.eq(columns.marked)]
    found = index.columns(m, columns.column, enters & ~columns.void)
    if DEGREES[degree].reads:
        reading, leaves = Signal(name="reading"), Signal(name="read_leaves")
        m.d.comb += [columns.take.eq(~reading | moves), leaves.eq(reading & moves)]
        with m.If(columns.take):
            m.d.sync += reading.eq(columns.there)
        with m.If(moves):
            m.d.sync += full.eq(reading)

        def again(value, name):
            kept = Signal.like(value, name=name, reset_less=True)
            with m.If(leaves):
                m.d.sync += kept.eq(value)
            return kept

        # Whether an element has entries is settled here; what has none has no activation to say.
        found = [(again(has_entries & ~void, f"has_entries{k}"), [again(Cat(*fields), f"told{k}")])
                 for k, (has_entries, fields) in enumerate(found)]
        activation, marked, void = again(activation, "offered"), again(marked, "offered_marked"), Const(0)
    else:
        m.d.comb += columns.take.eq(moves)
        with m.If(moves):
            m.d.sync += full.eq(columns.there)
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
