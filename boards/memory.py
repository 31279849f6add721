"""Which memories become blocks, distributed memory or gates, and how many of each: what Yosys decides, foreseen.

Yosys' ``memory_libmap`` weighs what its descriptions of a family's memories say each costs against a bit in flip-flops
(1) or in the gates of a table (1/16 or 1/64), half a point for each multiplexer between memories. The same sums are
made here, on arrays, because folding looks at thousands of memories; ``bench.cost_model`` holds them against Yosys.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["NUMBERS", "RULES", "Mapped", "Memory", "Rule", "fit"]


@dataclass(frozen=True, eq=False)
class Memory:
    """``copies`` memories of ``depth`` words of ``width`` bits; numbers, or arrays of one shape.

    ``written`` while it runs, or a table; read in step with the clock (``clocked``) or at once; ``forced`` into blocks.
    """

    depth: np.ndarray | int
    width: np.ndarray | int
    written: bool = False
    clocked: bool = True
    forced: bool = False
    copies: np.ndarray | int = 1


@dataclass(frozen=True)
class Rule:
    """What a family's memories hold and cost.

    Parameters
    ----------
    blocks
        (depth, width) of one block, in each of the ways in which it can be used.
    price
        What a block costs Yosys.
    halves
        How many halves of a whole block it is: 2, or 1 where the block is a half.
    collisions
        What it costs Yosys, once, that a block reads no old data while a word is written; 0 where it does.
    cells
        Distributed memory, read at once: (depth, width, price for a cell, price for its width's share, lookup tables).
    table
        Bits of a table that one lookup table holds: what such a bit costs Yosys is one part of so many.
    """

    blocks: tuple[tuple[int, int], ...]
    price: int
    halves: int
    collisions: int
    cells: tuple[tuple[int, int, float, float, int], ...]
    table: int


_SIXTEEN = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))
# Prices: Yosys' share/ice40/brams.txt, lattice/brams_16kd.txt and lutrams_trellis.txt, xilinx/brams_xc4v.txt and
# lutrams_xc5v.txt.
RULES: dict[str, Rule] = {
    "ice40": Rule(((256, 16), (512, 8), (1024, 4), (2048, 2)), 64, 2, 8, (), 16),
    "ecp5": Rule(_SIXTEEN, 128, 2, 8, ((16, 4, 4, 0, 6),), 16),
    "xc7": Rule(_SIXTEEN, 129, 1, 0, ((32, 6, 1, 7, 4), (64, 3, 1, 7, 4)), 64),
}


@dataclass(frozen=True, eq=False)
class Mapped:
    """What memories become; each number, or array, counts all copies.

    ``halves`` of blocks; ``luts`` of distributed memory cells. What gates are needed is for a fitted model to say, from
    the :data:`NUMBERS`:
    ``muxes`` are bits that multiplexers between memories join, ``ports`` and ``addresses`` are bits of words and of
    addresses of blocks that are written (where blocks do not read old data while a word is written, registers, a
    comparison and multiplexers do), ``gates`` are bits
    kept in flip-flops and picked by gates, ``lines`` and ``tables`` are lookup tables of tables no deeper than one, and
    of deeper ones.
    """

    halves: np.ndarray
    luts: np.ndarray
    muxes: np.ndarray
    ports: np.ndarray
    addresses: np.ndarray
    gates: np.ndarray
    lines: np.ndarray
    tables: np.ndarray


NUMBERS = ("muxes", "ports", "addresses", "gates", "lines", "tables")
"""Of :class:`Mapped`, what coefficients weigh."""


def _ceil(a, b):
    return -(-np.asarray(a) // b)


def fit(rule: Rule, memory: Memory) -> Mapped:
    """How a memory is mapped."""
    depth, width, copies = (np.asarray(each) for each in (memory.depth, memory.width, memory.copies))
    depth, width, copies = np.broadcast_arrays(depth, width, copies)
    zero = np.zeros(depth.shape)
    bits = depth * width
    # The bits of one word alone are constants, or a register.
    present = (depth > 1) & (width > 0)
    in_gates = bits * (1.0 if memory.written else 1 / rule.table)

    block_price, blocks, block_rows = np.full(depth.shape, np.inf), zero, zero
    for deep, wide in rule.blocks if memory.clocked else ():
        rows = _ceil(depth, deep)
        count = rows * _ceil(width, wide)
        price = count * rule.price + (rows - 1) * width / 2 + rule.collisions * memory.written
        better = price < block_price
        block_price = np.where(better, price, block_price)
        blocks, block_rows = np.where(better, count, blocks), np.where(better, rows, block_rows)

    cell_price, cells, cell_rows = np.full(depth.shape, np.inf), zero, zero
    for deep, wide, price, share, luts in rule.cells if memory.written else ():
        rows = _ceil(depth, deep)
        count = rows * _ceil(width, wide)
        total = count * price + share * rows * width / wide + (rows - 1) * width / 2 + np.where(rows > 1, rows / 2, 0)
        better = total < cell_price
        cell_price = np.where(better, total, cell_price)
        cells, cell_rows = np.where(better, count * luts, cells), np.where(better, rows, cell_rows)

    in_blocks = present & (memory.forced | (block_price < np.minimum(in_gates, cell_price)))
    in_cells = present & ~in_blocks & (cell_price <= in_gates)
    gates = present & ~in_blocks & ~in_cells
    shallow = depth <= rule.table
    # Columns of a few words can hold few different things: equal ones are made once. So many of them differ, if random.
    different = 2.0 ** np.minimum(depth, 60)
    guarded = in_blocks & memory.written & (rule.collisions > 0)
    table = np.where(shallow, -different * np.expm1(width * np.log1p(-1 / np.maximum(different, 2))), bits / rule.table)
    return Mapped(
        halves=copies * np.where(in_blocks, blocks * rule.halves, 0),
        luts=copies * np.where(in_cells, cells, 0),
        muxes=copies * np.where(in_blocks, (block_rows - 1) * width, np.where(in_cells, (cell_rows - 1) * width, 0)),
        ports=copies * np.where(guarded, width, 0),
        addresses=copies * np.where(guarded, np.ceil(np.log2(np.maximum(depth, 1))) + 1, 0),
        gates=copies * np.where(gates & memory.written, bits - width, 0),
        lines=copies * np.where(gates & shallow & (not memory.written), table, 0),
        tables=copies * np.where(gates & ~shallow & (not memory.written), table, 0),
    )
