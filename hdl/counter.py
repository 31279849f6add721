"""Counters that wrap, alone and nested, and constants picked by a counter's value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from amaranth.hdl import *

__all__ = ["below", "lookup", "lookup_pair", "nested_counters", "wrapping_add", "wrapping_counter"]


def below(n: int) -> Shape:
    """The shape of a number below ``n``, of a bit at least: Verilog has no signal without one."""
    return Shape.cast(range(max(n, 2)))


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


def nested_counters(m: Module, sizes: dict[str, int], step):
    """Counters in the order from the innermost to the outermost: each steps when all before it are at their last.

    Returns
    -------
    (counts, lasts, steps)
        By name: the count, whether it is the last, and whether it steps (or wraps) in this cycle.
    """
    counts, lasts, steps = {}, {}, {}
    for name, n in sizes.items():
        steps[name] = step
        counts[name], lasts[name] = wrapping_counter(m, n, step, name=name)
        if n > 1:
            carry = Signal(name=f"{name}_wraps")
            m.d.comb += carry.eq(step & lasts[name])
            step = carry
    return counts, lasts, steps


def wrapping_add(m: Module, value, delta, modulus: int, *, name: str) -> Signal:
    """``(value + delta) % modulus``, of two numbers below ``modulus``."""
    result = Signal(below(modulus), name=name)
    if modulus & (modulus - 1) == 0:
        m.d.comb += result.eq(value + delta)
    else:
        total = Signal(range(2 * modulus), name=f"{name}_total")
        m.d.comb += [total.eq(value + delta), result.eq(Mux(total >= modulus, total - modulus, total))]
    return result


def lookup(m: Module, at, values: Sequence[int], *, name: str):
    """``values[at]``: comparisons where the values change seldom, else a table in logic.

    Beyond the last value the result means nothing.
    """
    values = [int(value) for value in values]
    if min(values) == max(values):
        return Const(values[0], Shape.cast(range(min(values[0], 0), max(values[0], 1) + 1)))  # never of no bits
    result = Signal(range(min(*values, 0), max(values) + 1), name=name)
    changes = [k for k in range(1, len(values)) if values[k] != values[k - 1]]
    if len(changes) <= 4:
        m.d.comb += result.eq(values[-1])
        for position, change in enumerate(changes):
            with (m.Elif if position else m.If)(at < change):
                m.d.comb += result.eq(values[change - 1])
        return result
    with m.Switch(at):
        for value in sorted(set(values)):
            with m.Case(*(k for k, each in enumerate(values) if each == value)):
                m.d.comb += result.eq(value)
    return result


def lookup_pair(m: Module, row, column, table: np.ndarray, *, name: str) -> Signal:
    """``table[row, column]``, of integers that are not negative, where many rows are equal."""
    kinds, kind_of_row = np.unique(table, axis=0, return_inverse=True)
    result = Signal(below(int(table.max()) + 1), name=name)
    with m.Switch(lookup(m, row, kind_of_row.reshape(-1).tolist(), name=f"{name}_kind")):
        for number, values in enumerate(kinds):
            with m.Case(number):
                m.d.comb += result.eq(lookup(m, column, values.tolist(), name=f"{name}_of_kind{number}"))
    return result
