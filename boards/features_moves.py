"""What units that hold, move and join streams cost, as numbers for a model to weigh."""

from __future__ import annotations

import numpy as np

from ..hdl.concat import ConcatParameters
from ..hdl.geometry import Axis
from ..hdl.join import AddParameters
from ..hdl.pool import PoolParameters
from ..hdl.reorder import ReorderParameters
from ..hdl.shuffle import ShuffleParameters
from ..hdl.split import SplitParameters
from ..hdl.upsample import UpsampleParameters
from ..hdl.window import WindowParameters
from ..hdl.window_parallel import ParallelWindowParameters
from .memory import Memory
from .numbers import Descriptions, Number, Unit, address_bits

__all__ = ["MOVES", "reorder", "window"]


def _bits(count: int) -> float:
    return float(address_bits(count))


def _ring(depth: Number, frame: Number) -> dict[str, Number]:
    """The counts of ``hdl.ring`` and the address that wraps."""
    return {"counts": 2 * address_bits(depth + frame), "address": address_bits(depth),
            "wrapped": address_bits(depth) * (depth & depth - 1 != 0)}


def _concat(p: ConcatParameters, bits: int) -> Unit:
    streams, lanes = len(p.channels), p.lanes
    if lanes is None:
        return Unit("concat", {"concat": 1, "streams": streams})
    return Unit("concat", {"concat": 1, "streams": streams, "picked": bits * lanes * (streams - 1),
                           "count": _bits(sum(p.channels) // lanes)})


def _add(p: AddParameters, bits: int) -> Unit:
    terms = len(p.terms)
    return Unit("add", {"add": 1, "streams": len(p.inputs), "added": p.lanes * (terms - 1) * p.output.bits,
                        "stages": p.schedule.stages, "negated": p.lanes * p.output.bits * (max(p.multipliers) < 0)})


def _pool_tree(p: PoolParameters, bits: int) -> Unit:
    """All taps at once: weighed as what their nodes are in other units, for no pool of the fit is one."""
    nodes = p.lanes * (p.taps - 1)
    if p.kind == "max":
        # A table takes three more bits; a comparator and its multiplexer are two tables a bit.
        return Unit("pool", {"pool": 1, "compared": nodes * bits if bits > 1 else nodes / 6})
    # Sums grow from the bits of two taps to those of all; of single bits a popcount makes them.
    added = nodes * (bits + 1 + p.output.bits) / 2 if bits > 1 else 2 * p.lanes * p.taps
    return Unit("add", {"add": 1, "streams": 1, "stages": p.stages, "added": added})


def _pool(p: PoolParameters, bits: int) -> Unit:
    if p.simd > 1:
        return _pool_tree(p, bits)
    kept = bits + p.input.bipolar if p.kind == "max" else p.output.bits
    outer = p.order == "outer" and p.words > 1
    memories = (Memory(p.words, p.lanes * kept, written=True, clocked=False),) if outer else ()
    return Unit("pool", {"pool": 1, "compared" if p.kind == "max" else "summed": p.lanes * kept,
                         "count": _bits(p.taps) + (_bits(p.words) if outer else 0)}, memories)


def reorder(depth: Number, words_in: Number, words_out: Number, *, lanes: Number, bits: int, freed: Number,
            masked: bool = False) -> Unit:
    """A unit that gives words in another order; numbers, or arrays. ``freed`` are bits of the words given back at once.
    """
    ring = _ring(depth, words_in)
    row = ring["counts"] / 2 + ring["address"] + freed + 2
    return Unit("reorder", {"reorder": 1, **ring, "masked": bits * lanes * masked, "count": address_bits(words_out),
                            "row": row}, (Memory(depth, bits * lanes, written=True), Memory(words_out, row)))


def _reorder(p: ReorderParameters, bits: int) -> Unit:
    assert p.depth is not None
    freed = int(np.diff(p.tables[1], prepend=0).max()).bit_length()
    return reorder(p.depth, p.words_in, len(p.index), lanes=p.lanes, bits=bits, freed=freed,
                   masked=bool((p.index < 0).any()))


def _shuffle(p: ShuffleParameters, bits: int) -> Unit:
    return Unit("shuffle", {"shuffle": 1})


def _split(p: SplitParameters, bits: int) -> Unit:
    # Not measured yet: as much as a concat without its multiplexers.
    lanes = p.lanes or sum(p.channels)
    return Unit("concat", {"concat": 1, "streams": len(p.channels), "count": _bits(-(-sum(p.channels) // lanes))})


def _upsample(p: UpsampleParameters, bits: int) -> Unit:
    assert p.depth is not None
    count = sum(_bits(size) for size in (p.words, *p.factors, p.width))
    return Unit("upsample", {"upsample": 1, **_ring(p.depth, p.width * p.words), "count": count},
                (Memory(p.depth, bits * p.lanes, written=True),))


def _walk(axis: Axis) -> float:
    """Bits of the counter that tells pixels from padding."""
    return 2 * _bits(axis.size + axis.kernel * axis.dilation) if axis.padded else 0


def window(y: Axis, x: Axis, *, pixel_words: Number, groups: Number, lanes: Number, depth: Number, bits: int,
           output_bits: int) -> Unit:
    """A window unit of one tap a word; lanes, words of a pixel, groups and depth may be arrays."""
    frame = y.size * x.size * pixel_words
    within = pixel_words // groups
    sizes = (within, x.kernel, y.kernel, groups, x.count, y.count)
    return Unit("window", {
        "window": 1, **_ring(depth, frame), "count": sum(address_bits(size) for size in sizes),
        "levels": sum(np.asarray(size) > 1 for size in sizes) * address_bits(depth + frame),
        "walked": _walk(y) + _walk(x), "spread": _bits(y.insert * x.insert) * address_bits(frame),
        "masked": lanes * output_bits * (y.padded or x.padded),
    }, (Memory(depth, bits * lanes, written=True),))


def _window(p: WindowParameters, bits: int) -> Unit:
    assert p.depth is not None
    assert p.output is not None
    return window(*p.axes, pixel_words=p.pixel_words, groups=p.groups, lanes=p.lanes, depth=p.depth, bits=bits,
                  output_bits=p.output.bits)


def _parallel_window(p: ParallelWindowParameters, bits: int) -> Unit:
    assert p.depth is not None
    assert p.output is not None
    y, x = p.axes
    rows, columns = p.banks
    pixel, padded = p.channels * bits, y.padded or x.padded
    return Unit("parallel window", {
        "parallel window": 1, "counts": 2 * _bits(p.depth + p.schedule.words),
        "count": sum(_bits(size) for size in (x.count, y.count, p.row_words, rows, columns)),
        "turned rows": pixel * y.kernel * columns * (rows - 1),
        "turned columns": pixel * y.kernel * len(p.column_offsets) * (columns - 1),
        "banks": rows * columns, "looked up": y.kernel + x.kernel * p.positions_per_word * padded,
        "masked": p.lanes_out * p.output.bits * padded,
    }, (Memory(-(-p.width // columns), pixel, written=True, copies=rows * columns),))


MOVES: Descriptions = {
    AddParameters: _add,
    ConcatParameters: _concat,
    ParallelWindowParameters: _parallel_window,
    PoolParameters: _pool,
    ReorderParameters: _reorder,
    ShuffleParameters: _shuffle,
    SplitParameters: _split,
    UpsampleParameters: _upsample,
    WindowParameters: _window,
}
