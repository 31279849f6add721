"""Read-only memories: inline in simulation, memory files in the Verilog that is delivered.

A long ``initial`` block costs synthesis tools minutes, a ``$readmemh`` file milliseconds. Amaranth has no memory
files, so the platform that a design is elaborated with may offer ``memory_file(name, words, width)``, which takes the
contents and returns the name of a Verilog module with ports ``clk``, ``en``, ``addr`` and ``data``; without it, the
memory is an ordinary ``amaranth.lib.memory``, which Amaranth's simulator runs.
"""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import *
from amaranth.lib.memory import Memory

__all__ = ["add_rom"]


def add_rom(m: Module, platform, words: Sequence[int], width: int, addr, en, *, name: str):
    """Add a ROM of ``len(words)`` words of ``width`` bits, read in step with the clock while ``en`` is high.

    Returns the read data, valid in the cycle after the one that read it. One word makes a constant, without a register.
    """
    if len(words) == 1:
        return Const(words[0], width)
    memory_file = getattr(platform, "memory_file", None)
    if memory_file is not None:
        read = Signal(width, name=f"{name}_data")
        # The instance's own name becomes part of the simulator's hierarchy, so it is fixed here.
        m.submodules[name] = Instance(memory_file(name, words, width), i_clk=ClockSignal(), i_en=en, i_addr=addr,
                                      o_data=read)
        return read
    m.submodules[name] = memory = Memory(shape=width, depth=len(words), init=words)
    port = memory.read_port()
    m.d.comb += [port.addr.eq(addr), port.en.eq(en)]
    return port.data
