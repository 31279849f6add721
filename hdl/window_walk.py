"""The walk of a window's reader over its line buffer: an address that is stepped by constants, never multiplied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amaranth.hdl import *

from .counter import wrapping_add
from .geometry import Axis

if TYPE_CHECKING:
    from .window import WindowParameters

__all__ = ["Moves"]


class Moves:
    """The reader's walk: each counter that steps moves the word read by a constant, on each axis and so in memory.

    The word read is (row * width + column) * pixel words + word, also outside of the image, where it means nothing. On
    a spread image a move by ``d`` spread pixels is one by ``d // insert`` pixels, or one more, as the remainder says.
    """

    def __init__(self, parameters: WindowParameters):
        p = self.parameters = parameters
        y, x = p.axes
        (y_tap, y_again, y_next, y_first), (x_tap, x_again, x_next, x_first) = y.steps(), x.steps()
        per_group = p.pixel_words // p.groups
        # (counter, vertical move, horizontal move, words), from the innermost counter to the end of the frame.
        self.levels = (
            ("word", 0, 0, 1),
            ("tap_column", 0, x_tap, 1 - per_group),
            ("tap_row", y_tap, x_again, 1 - per_group),
            ("group", y_again, x_again, 1),
            ("column", y_again, x_next, 1 - p.pixel_words),
            ("row", y_next, x_first, 1 - p.pixel_words),
            ("", y_first, x_first, 1 - p.pixel_words + p.height * p.width * p.pixel_words),
        )

    def _linear(self, rows: int, columns: int) -> int:
        return (rows * self.parameters.width + columns) * self.parameters.pixel_words

    def elaborate(self, m, lasts, fire, write):
        """Returns (address in the ring, words written beyond the one read less one, whether a pixel is read)."""
        p = self.parameters
        y, x = p.axes
        first = self._linear(-y.before // y.insert, -x.before // x.insert)
        extent = self._linear(y.before + y.after + y.size, x.before + x.after + x.size)
        address = Signal(range(p.depth), init=first % p.depth)
        ahead = Signal(range(-extent - 1, extent + p.depth + 1), init=-first - 1)
        move, hop = Signal.like(ahead, name="move", init=0), Signal(range(p.depth))
        walks = [_Walk(m, axis, fire, name) for axis, name in ((y, "y"), (x, "x"))]
        # A counter of one value never steps without the next one.
        levels = [level for level in self.levels if not level[0] or not isinstance(lasts[level[0]], Const)]
        for number, (name, *moves, extra) in enumerate(levels):
            stays = ~lasts[name] if name else Const(1)
            with (m.Elif if number else m.If)(stays):
                for walk, by in zip(walks, moves, strict=True):
                    m.d.comb += [walk.by.eq(by // walk.axis.insert), walk.rest.eq(by % walk.axis.insert)]
                with m.Switch(Cat(walk.carry for walk in walks)):
                    for more in self._possible(walks):
                        rows, columns = (by // walk.axis.insert + (more >> k & 1)
                                         for k, (walk, by) in enumerate(zip(walks, moves, strict=True)))
                        by = self._linear(rows, columns) + extra
                        with m.Case(more):
                            m.d.comb += [move.eq(by), hop.eq(by % p.depth)]
        m.d.sync += ahead.eq(ahead + write - Mux(fire, move, 0))
        with m.If(fire):
            m.d.sync += address.eq(wrapping_add(m, address, hop, p.depth, name="next_address"))
        inside = Signal()
        m.d.comb += inside.eq(walks[0].inside & walks[1].inside)
        return address, ahead, inside

    @staticmethod
    def _possible(walks):
        """The values of the two carries that can occur."""
        return [more for more in range(4)
                if all(not more >> k & 1 or walk.axis.insert > 1 for k, walk in enumerate(walks))]


class _Walk:
    """The reader's place on one axis, as far as it is needed to tell pixels from padding.

    The user drives a step of ``by`` pixels and ``rest`` spread pixels; ``carry`` says that it is one pixel more.
    """

    def __init__(self, m, axis: Axis, fire, name: str):
        self.axis, insert = axis, axis.insert
        steps = [step // insert for step in axis.steps()]
        self.by = Signal(range(min(*steps, 0), max(*steps, 0) + 1), name=f"{name}_by")
        self.rest = Signal(range(insert), name=f"{name}_rest")
        self.carry, self.inside = Const(0), Const(1)
        if not axis.padded:
            return
        first, last = -axis.before // insert, axis.size + axis.after
        pixel = Signal(range(first, last + 1), name=f"{name}_pixel", init=first)
        within = (pixel >= 0) & (pixel < axis.size)
        if insert > 1:
            remainder = Signal(range(insert), name=f"{name}_remainder", init=-axis.before % insert)
            after = Signal(range(2 * insert), name=f"{name}_after")
            self.carry = Signal(name=f"{name}_carry")
            m.d.comb += [after.eq(remainder + self.rest), self.carry.eq(after >= insert)]
            within &= remainder == 0
            with m.If(fire):
                m.d.sync += remainder.eq(Mux(self.carry, after - insert, after))
        self.inside = Signal(name=f"{name}_inside")
        m.d.comb += self.inside.eq(within)
        with m.If(fire):
            m.d.sync += pixel.eq(pixel + self.by + self.carry)
