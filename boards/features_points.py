"""What units that look at one word at a time cost, as numbers for a model to weigh: FIFOs, lanes, codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..hdl.argmax import ArgMaxParameters
from ..hdl.fifo import FifoParameters
from ..hdl.fork import ForkParameters
from ..hdl.number import IntType
from ..hdl.requantise import RequantiseParameters
from ..hdl.rom import Constants
from ..hdl.table import TableParameters
from ..hdl.threshold import ThresholdParameters
from ..hdl.weights import WeightStreamerParameters
from ..hdl.width import WidthParameters
from .memory import Memory
from .numbers import Descriptions, Number, Product, Unit, address_bits

__all__ = ["POINTS", "compared", "regrouped", "searched"]


def _fifo(p: FifoParameters, bits: int) -> Unit:
    if p.kind == "registers":
        return Unit("fifo", {"fifo": 1, "slots": p.bits * (p.depth - 1)})
    memory = Memory(p.depth, p.bits, written=True, clocked=p.kind == "block_ram", forced=p.kind == "block_ram")
    return Unit("fifo", {"fifo": 1, "pointers": address_bits(p.depth),
                         "wrapped": address_bits(p.depth) * (p.depth & p.depth - 1 != 0)}, (memory,))


def _inputs(p: WidthParameters) -> tuple[list[int], list[int]]:
    """Inputs beyond the first of the multiplexer in front of each lane of the output, and of the buffer.

    Lane ``k`` of all that is there while ``held`` lanes are in the buffer is the buffer's or comes in. Where a lane
    means nothing it is the buffer's, which moves on if words become smaller.
    """
    def source(held: int, k: int) -> tuple[bool, int]:
        return (False, k) if k < held else (True, k - held)

    moved = p.lanes_out * (p.lanes_in > p.lanes_out)
    out = [{(False, lane), *(source(step.held, lane) for step in p.steps if step.gives and step.there > lane)}
           for lane in range(p.lanes_out)]
    kept = [{(False, lane + moved), *(source(step.held, lane + p.lanes_out * step.gives) for step in p.steps
                                      if step.left > lane)} for lane in range(p.buffer_lanes)]
    return [len(each) - 1 for each in out], [len(each) - 1 for each in kept]


def _width(p: WidthParameters, bits: int) -> Unit:
    out, kept = _inputs(p)
    picked = sum(1 for inputs in (*out, *kept) if inputs)
    return Unit("width", {
        "width": 1, "levels": len(p.levels), "count": address_bits(-(-p.channels // p.lanes_in)),
        "moved" if p.lanes_in > p.lanes_out else "filled": bits * picked,
        "gathered": bits * (sum(out) + sum(kept) - picked)})


def regrouped(pixel: int, lanes_in: Number, lanes_out: Number, bits: int) -> Unit:
    """About what :func:`describe` says of a width converter, for many numbers of lanes at once; none where they agree.

    What is held in the buffer are multiples of the common divisor: a lane is picked from as many places as the smaller
    word has of them, if a pixel has so many words.
    """
    lanes_in, lanes_out = np.broadcast_arrays(lanes_in, lanes_out)
    small, large = np.minimum(lanes_in, lanes_out), np.maximum(lanes_in, lanes_out)
    step = np.gcd(small, large)
    places = np.minimum(small / step, pixel / small * 2 / 3)
    there = lanes_in != lanes_out
    inputs, picked = small * (places + 1) / 2 + (large - step) * places, small + large - step
    numbers = {"width": 1, "levels": np.minimum(large / step, pixel / small), "count": address_bits(pixel / lanes_in),
               "moved": np.where(lanes_in > lanes_out, bits * picked, 0),
               "filled": np.where(lanes_in > lanes_out, 0, bits * picked), "gathered": bits * (inputs - picked)}
    return Unit("width", {name: np.where(there, value, 0) for name, value in numbers.items()})


def _fork(p: ForkParameters, bits: int) -> Unit:
    return Unit("fork", {"fork": 1, "outputs": p.outputs})


def _arg_max(p: ArgMaxParameters, bits: int) -> Unit:
    # A word's first index is a product, unless a shift does.
    power = p.lanes & (p.lanes - 1) == 0
    product = Product(1 - power, int(address_bits(p.phases)), p.lanes.bit_length())
    return Unit("arg_max", {"arg_max": 1, "compared": p.lanes * bits, "picked": (p.lanes - 1) * (bits + p.index_bits),
                            "count": address_bits(p.phases)}, (), (product,))


def compared(lanes: Number, levels: int, bits: int, *, words: Number, width: Number, fixed: Any, flipped: Any,
             written: bool = False) -> Unit:
    """Thresholds with a comparator each, from a memory of ``words`` words of ``width`` bits unless ``fixed``."""
    all_bits = lanes * levels * bits
    return Unit("threshold", {
        "threshold": 1, "count": address_bits(words), "flipped": lanes * bits * flipped,
        "fixed": all_bits * fixed, "compared": all_bits * (1 - fixed), "code": lanes * levels * (levels > 1),
    }, (Memory(words, width, written=written),))


def searched(lanes: Number, bits: int, output_bits: int, *, words: Number, widths: Sequence[Number],
             flipped: Any, written: bool = False) -> Unit:
    """Thresholds as a search tree: memories of ``widths`` bits, all lanes' together at first, then a lane's each."""
    levels = len(widths)
    memories = tuple(Memory(words * 2 ** level, width, written, copies=lanes if level else 1)
                     for level, width in enumerate(widths))
    return Unit("threshold", {
        "threshold": 1, "count": address_bits(words), "flipped": lanes * bits * flipped,
        "searched": lanes * levels * bits, "searches": lanes * levels, "code": lanes * output_bits,
    }, memories)


def _threshold(p: ThresholdParameters, bits: int) -> Unit:
    flipped, words = bool(p.falling.any()), 1 if p.constant else p.phases
    if p.parallel:
        table = Constants(np.concatenate([p.steps, p.flips[:, :, None]], axis=2).reshape(p.phases, -1))
        return compared(p.lanes, p.levels, p.input.bits, words=words, width=table.width, fixed=int(p.constant),
                        flipped=flipped, written=p.loadable)
    tables = [p.search_level(level) for level in range(p.search_bits)]
    widths = [Constants(np.concatenate([tables[0][..., 0], p.flips[:words]], axis=1)).width]
    widths += [IntType.spanning(int(table.min()), int(table.max())).bits for table in tables[1:]]
    return searched(p.lanes, p.input.bits, p.output.bits, words=words, widths=widths, flipped=flipped,
                    written=p.loadable)


def _requantise(p: RequantiseParameters, bits: int) -> Unit:
    _, of_sums = p.types
    widest = max(int(abs(multiplier)).bit_length() + 1 for multiplier in p.multiplier)
    fixed = p.table.constant
    shifts = int((p.multiplier[: p.lanes] & (p.multiplier[: p.lanes] - 1) == 0).sum()) if fixed else 0
    return Unit("requantise", {
        "requantise": 1, "count": address_bits(p.phases), "added": p.lanes * of_sums.bits,
        "clipped": p.lanes * max(of_sums.bits - p.shift, 1), "picked": p.lanes * p.output.bits,
        "fixed": p.lanes * bits * widest * fixed,
    }, (Memory(p.phases, p.table.width),), (Product(p.lanes - shifts, bits, widest, fixed),))


def _table(p: TableParameters, bits: int) -> Unit:
    contents = [len(p.contents(lane)) << p.address_bits for lane in range(p.lanes)]
    return Unit("table", {"table": 1, "count": address_bits(p.phases)},
                tuple(Memory(depth, p.output.bits, p.loadable, copies=contents.count(depth))
                      for depth in sorted(set(contents))))


def _weights(p: WeightStreamerParameters, bits: int) -> Unit:
    return Unit("weights", {"weights": 1, "count": address_bits(len(p.words))},
                (Memory(len(p.words), p.lanes * p.bits),))


POINTS: Descriptions = {
    ArgMaxParameters: _arg_max,
    FifoParameters: _fifo,
    ForkParameters: _fork,
    RequantiseParameters: _requantise,
    TableParameters: _table,
    ThresholdParameters: _threshold,
    WeightStreamerParameters: _weights,
    WidthParameters: _width,
}
