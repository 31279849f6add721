"""The walk of a window's reader over its line buffer: an address that is stepped by constants, never multiplied."""

from __future__ import annotations

from amaranth.hdl import *

from .geometry import Axis
from .ring import RingBuffer

__all__ = ["Moves"]


class Moves:
    """The reader's walk: each counter that steps moves the word read by a constant, on each axis and so in memory.

    The word read is (row * width + column) * pixel words + word, also outside of the image, where it means nothing. On
    a spread image a move by ``d`` spread pixels is one by ``d // insert`` pixels, or one more, as the remainder says.

    Parameters
    ----------
    y, x
        The image's axes.
    pixel_words, groups
        Words a pixel; groups of channels, each of which takes its turn at a position.
    """

    def __init__(self, y: Axis, x: Axis, pixel_words: int, groups: int):
        self.axes, self.pixel_words = (y, x), pixel_words
        (y_tap, y_again, y_next, y_first), (x_tap, x_again, x_next, x_first) = y.steps(), x.steps()
        per_group = pixel_words // groups
        # (counter, vertical move, horizontal move, words), from the innermost counter to the end of the frame.
        self.levels = (
            ("word", 0, 0, 1),
            ("tap_column", 0, x_tap, 1 - per_group),
            ("tap_row", y_tap, x_again, 1 - per_group),
            ("group", y_again, x_again, 1),
            ("column", y_again, x_next, 1 - pixel_words),
            ("row", y_next, x_first, 1 - pixel_words),
            ("", y_first, x_first, 1 - pixel_words + y.size * x.size * pixel_words),
        )

        self.first = self._linear(-y.before // y.insert, -x.before // x.insert)
        self.highest = self._linear(y.size + y.after, x.size + x.after)

    def _linear(self, rows: int, columns: int) -> int:
        return (rows * self.axes[1].size + columns) * self.pixel_words

    def elaborate(self, m, ring: RingBuffer, lasts: dict):
        """Drives the ring's reader; returns whether it stands at a pixel."""
        walks = [_Walk(m, axis, ring.fire, name) for axis, name in zip(self.axes, "yx", strict=True)]
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
                        with m.Case(more):
                            m.d.comb += ring.steps(self._linear(rows, columns) + extra)
        inside = Signal()
        m.d.comb += inside.eq(walks[0].inside & walks[1].inside)
        return inside

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
        # At least a bit each: Verilog has no signal without one.
        self.by = Signal(range(min(*steps, 0), max(*steps, 1) + 1), name=f"{name}_by")
        self.rest = Signal(range(max(insert, 2)), name=f"{name}_rest")
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
