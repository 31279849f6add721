"""Sparse matrix-vector unit: an engine that skips zeros, those of the matrix and those of the vector.

The machine is that of EIE (Han et al., "EIE: Efficient Inference Engine on Compressed Deep Neural Network", ISCA
2016): rows interleaved over elements, columns compressed, weights coded, a queue of activations at each element. Unlike
EIE's, elements without an entry in a column are not told of it, sums are exact, and words leave in the order of rows.
"""

from __future__ import annotations

from amaranth.hdl import *
from amaranth.lib.wiring import In, Out

from .lanes import integer_stream, word_stream
from .lnzd import NonZeroColumns
from .shared import add_equal
from .sparse_element import Element
from .sparse_hash import HashIndex, HashParameters
from .sparse_index import Index
from .sparse_lfsr import LfsrIndex, LfsrParameters
from .sparse_load import PartLoad
from .sparse_matrix import SparseParameters
from .sparse_output import Drain
from .sparse_parameters import EngineParameters
from .sparse_pointers import add_pointer_stage
from .sparse_runs import RunsIndex
from .unit import Unit

__all__ = ["HashParameters", "LfsrParameters", "SparseMatrixVectorUnit", "SparseParameters"]

INDEXES: dict[type[EngineParameters], type[Index]] = {
    SparseParameters: RunsIndex, LfsrParameters: LfsrIndex, HashParameters: HashIndex}
"""How each kind of parameters finds its weights."""


class SparseMatrixVectorUnit(Unit):
    """Matrix times vector, one non-zero activation a cycle in, one weight a cycle and element.

    Timing is that of ``hdl.schedule.Engine``: it depends on which activations are zero.

    Members
    -------
    i : In(integer_stream(input, lanes))
        The vectors; padding lanes of the last word mean nothing.
    o : Out(integer_stream(output, lanes_out))
        The dot products in the order of the rows; padding lanes of the last word mean nothing.
    load : In(word_stream(load_bits)), of a loadable matrix only
        ``load_words``, always ready; after the last word it begins anew. The unit computes with what it holds, so load
        while no frame is inside.

    Resources: pointers in two memories as wide as all elements together; for each element a memory of entries, two of
    sums, a queue, a codebook and a multiplier.
    """

    def __init__(self, parameters: EngineParameters):
        p, output = parameters, parameters.output
        assert output is not None  # once the parameters are made
        ports = {"i": In(integer_stream(p.input, p.lanes)), "o": Out(integer_stream(output, p.lanes_out))}
        if p.loadable:
            ports["load"] = In(word_stream(p.load_bits))
        super().__init__(parameters, ports)

    def elaborate(self, platform):
        m = Module()
        p = self._parameters
        load = PartLoad(m, platform, self.load, p) if p.loadable else None
        index = INDEXES[type(p)](p, platform, load)
        elements = add_equal(m, platform, lambda: Element(p, index), p.elements, name="element")
        for number, element in enumerate(elements):
            index.feed(m, number, element)
        add_pointer_stage(m, NonZeroColumns(m, self.i, p.columns), index, [element.i for element in elements],
                          p.pipeline)
        Drain(m, p, self.o, [element.drain for element in elements])
        return m
