"""What units that skip zeros cost, as numbers for a model to weigh: blocks left out, and sparse engines."""

from __future__ import annotations

import numpy as np

from ..coding.lfsr import Lfsr
from ..coding.xxhash32 import Hash
from ..hdl.block_sparse import BlockSparseParameters
from ..hdl.number import IntType
from ..hdl.sparse_hash import HashParameters
from ..hdl.sparse_lfsr import LfsrParameters
from ..hdl.sparse_matrix import SparseParameters
from .features_rows import Layer, matrix_vector
from .memory import Memory
from .numbers import Descriptions, Product, Unit, address_bits

__all__ = ["SPARSE", "sparse_engine"]

Index = Lfsr | Hash


def _of_blocks(p: BlockSparseParameters, bits: int) -> Unit:
    layer = Layer.of(p.rows_of, 1, p.output.bits, "rom", multiplier=p.matrix.multiplier)
    return matrix_vector(layer, p.matrix.pe, p.matrix.simd, blocks=p.phases)


def sparse_engine(counts: np.ndarray, *, rows: int, lanes: int, lanes_out: int, run_bits: int, depth: int,
                  read_width: int, input: IntType, accumulator: IntType, weight: IntType, values: int,
                  index: Index | None = None) -> Unit:
    """A sparse engine whose elements have ``counts`` entries, int32 ``[columns, elements]``, of so many ``values``.

    Its index is stored, as runs of ``run_bits`` and pointers, unless it is a register's or a hash's.
    """
    columns, elements = counts.shape
    slots = -(-rows // elements)
    code = max(1, (values - 1).bit_length())
    stored, hashed = index is None, isinstance(index, Hash)
    coded = code < weight.bits and not hashed
    entry = min(code, weight.bits) + run_bits * stored
    entries = max(1, -(-int(counts.sum(axis=0).max()) // read_width))
    count = max(1, int(counts.max()).bit_length())
    pointer = max(1, (entries * read_width - 1).bit_length(), count)
    told = pointer + index.width if isinstance(index, Lfsr) else 32 if hashed else pointer + count
    numbers = {
        "sparse": 1, "elements": elements, "lanes": lanes * input.bits, "several lanes": lanes * (lanes > 1),
        "items": elements * (input.bits + told + 2), "picked": elements * read_width * entry * (not hashed),
        "accumulated": elements * accumulator.bits, "drained": elements * accumulator.bits * (elements > lanes_out),
        "slots": elements * (slots - 1).bit_length(), "codebook": elements * weight.bits * values * coded,
        "given": lanes_out * accumulator.bits, "registers": elements * isinstance(index, Lfsr),
        "hashes": elements * hashed, "count": float(address_bits(columns)),
    }
    held = Memory(entries, read_width * entry, copies=elements)
    if isinstance(index, Hash):
        held = Memory(index.bank_size, weight.bits, copies=elements)
    pointers = (Memory(-(-(columns + 1) // 2), elements * pointer), Memory((columns + 1) // 2, elements * pointer))
    memories = (
        Memory(depth, input.bits + told + 2, written=True, clocked=False, copies=elements),
        Memory(max(2, slots), accumulator.bits, written=True, copies=2 * elements), held,
        *(pointers if stored else ()),
    )
    return Unit("sparse", numbers, memories, (Product(elements, input.bits, weight.bits),))


def _of_engine(p: SparseParameters | LfsrParameters | HashParameters, bits: int) -> Unit:
    assert p.accumulator is not None  # once the parameters are made
    hashed = isinstance(p, HashParameters)
    return sparse_engine(
        p.counts, rows=p.rows, lanes=p.lanes, lanes_out=p.lanes_out,
        run_bits=p.run_bits if isinstance(p, SparseParameters) else 0, depth=p.depth,
        read_width=8 if hashed else p.read_width, input=p.input, accumulator=p.accumulator, weight=p.weight,
        values=2 if hashed else len(p.codebook), index=None if isinstance(p, SparseParameters) else p.index)


SPARSE: Descriptions = {BlockSparseParameters: _of_blocks, HashParameters: _of_engine, LfsrParameters: _of_engine,
                        SparseParameters: _of_engine}
