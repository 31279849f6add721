"""Read-only memories: inline in simulation, memory files in the Verilog that is delivered.

A long ``initial`` block costs synthesis tools minutes, a ``$readmemh`` file milliseconds. Amaranth has no memory
files, so the platform that a design is elaborated with may offer ``memory_file(name, words, width)``, which takes the
contents and returns the name of a Verilog module with ports ``clk``, ``en``, ``addr`` and ``data``; without it, the
memory is an ordinary ``amaranth.lib.memory``, which Amaranth's simulator runs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from amaranth.hdl import *
from amaranth.lib.memory import Memory

from .number import IntType

__all__ = ["SMALL", "Constants", "add_rom", "packed"]

SMALL = 4096
"""Bits up to which a ROM may stay in its unit's own file: a unit with dozens of them would litter the folder."""


def add_rom(m: Module, platform, words: Sequence[int], width: int, addr, en, *, name: str, small_inline: bool = False):
    """Add a ROM of ``len(words)`` words of ``width`` bits, read in step with the clock while ``en`` is high.

    Returns the read data, valid in the cycle after the one that read it. One word makes a constant, without a register.
    With ``small_inline``, a ROM of up to ``SMALL`` bits becomes no memory file, unless the platform has ``every_rom``.
    """
    if len(words) == 1:
        return Const(words[0], width)
    memory_file = getattr(platform, "memory_file", None)
    inline = small_inline and len(words) * width <= SMALL and not getattr(platform, "every_rom", False)
    if memory_file is not None and not inline:
        read = Signal(width, name=f"{name}_data")
        # The instance's own name becomes part of the simulator's hierarchy, so it is fixed here.
        m.submodules[name] = Instance(memory_file(name, words, width), i_clk=ClockSignal(), i_en=en, i_addr=addr,
                                      o_data=read)
        return read
    m.submodules[name] = memory = Memory(shape=width, depth=len(words), init=words)
    port = memory.read_port()
    m.d.comb += [port.addr.eq(addr), port.en.eq(en)]
    return port.data


def packed(codes: np.ndarray, bits: int) -> list[int]:
    """Rows of ``codes`` ``[words, lanes]``, each of ``bits`` bits (two's complement), as words, lane 0 lowest."""
    fields = np.empty((*codes.shape, bits), dtype=np.uint8)  # a byte a bit, not eight: matrices are large
    for bit in range(bits):
        fields[..., bit] = codes >> bit & 1
    rows = np.packbits(fields.reshape(len(codes), -1), axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in rows]


class Constants:
    """Integers ``[words, columns]`` that a unit looks up together, a word at a time.

    Each column has the narrowest type that holds it; a column that is the same in all words is a constant and takes no
    memory.
    """

    def __init__(self, integers: np.ndarray):
        self._columns = np.asarray(integers, dtype=np.int64).T
        self._types = [None if (column == column[0]).all() else IntType.spanning(int(column.min()), int(column.max()))
                       for column in self._columns]

    @property
    def constant(self) -> bool:
        """Whether no column needs memory."""
        return not any(self._types)

    @property
    def width(self) -> int:
        """Bits of a word of the memory."""
        return sum(kind.bits for kind in self._types if kind)

    @property
    def words(self) -> list[int]:
        """The memory's words: the columns that are no constants, the first one lowest."""
        fields = [(column[:, None] >> np.arange(kind.bits)) & 1
                  for column, kind in zip(self._columns, self._types, strict=True) if kind]
        return packed(np.concatenate(fields, axis=1), 1)

    def read(self, m: Module, platform, addr, en, *, name: str) -> list[Value]:
        """Add the memory; returns the columns of the word at ``addr``, in the cycle after ``en`` was high."""
        data = Const(0) if self.constant else add_rom(m, platform, self.words, self.width, addr, en, name=name)
        columns, start = [], 0
        for number, (column, kind) in enumerate(zip(self._columns, self._types, strict=True)):
            if kind is None:
                columns.append(Const(int(column[0])))
                continue
            # A signal of its own: Amaranth writes a slice out again wherever it is used.
            field = Signal(Shape(kind.bits, kind.signed), name=f"{name}{number}")
            m.d.comb += field.eq(data[start : start + kind.bits])
            columns.append(field)
            start += kind.bits
        return columns
