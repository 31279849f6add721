"""A wrapping counter: steps through ``n`` values when told to, and says when it is at the last."""

from __future__ import annotations

from amaranth.hdl import *

__all__ = ["wrapping_counter"]


def wrapping_counter(m: Module, n: int, step, *, name: str):
    """Count 0 to ``n - 1`` and around, one step in each cycle in which ``step`` is high.

    Returns
    -------
    (count, last)
        The count and whether it is ``n - 1``. For ``n == 1`` both are constants and no register is made.
    """
    if n == 1:
        return Const(0, 1), Const(1)
    count = Signal(range(n), name=name)
    last = Signal(name=f"{name}_last")
    m.d.comb += last.eq(count == n - 1)
    with m.If(step):
        m.d.sync += count.eq(Mux(last, 0, count + 1))
    return count, last
