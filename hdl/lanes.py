"""Stream payloads as vectors of lanes, and the one place where two streams are joined.

A payload is ``data.ArrayLayout(shape, lanes)``: lane 0 in the least significant bits, lanes in the order of channels.
"""

from __future__ import annotations

from amaranth.hdl import *
from amaranth.lib import data, stream

from .number import IntType

__all__ = ["check_positive", "connect", "integer_stream", "integers", "lane_stream", "word_stream", "words"]


def check_positive(what: str, value: object) -> int:
    """``value`` as an int. Raises ``ValueError`` unless it is a positive integer."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{what} must be a positive integer, not {value!r}")
    return value


def words(channels: int, lanes: int) -> int:
    """Words that carry ``channels`` channels on ``lanes`` lanes; bits of the last one's padding lanes mean nothing."""
    return -(-channels // lanes)


def lane_stream(shape, lanes: int) -> stream.Signature:
    """Signature of a stream of ``lanes`` elements of ``shape``."""
    return stream.Signature(data.ArrayLayout(shape, check_positive("lanes", lanes)))


def integer_stream(kind: IntType, lanes: int) -> stream.Signature:
    """Signature of a stream of ``lanes`` integers of a type; bipolar ones are single bits."""
    return lane_stream(Shape(kind.bits, kind.signed), lanes)


def integers(payload, kind: IntType) -> list:
    """The lanes of a payload as numbers: a bipolar bit becomes -1 or +1 in two bits."""
    if kind.bipolar:
        return [Cat(1, ~lane).as_signed() for lane in payload]
    return list(payload)


def word_stream(bits: int) -> stream.Signature:
    """Signature of a stream of plain words: what a stream of lanes is at the edge of a design."""
    return stream.Signature(check_positive("bits", bits))


def connect(m: Module, source, sink) -> None:
    """Join an output stream to an input stream.

    Raises
    ------
    TypeError
        If the payload shapes differ; Amaranth's own ``connect`` compares their widths only.
    """
    given, taken = source.payload.shape(), sink.payload.shape()
    if given != taken:
        raise TypeError(f"stream payloads must have the same shape, not {given!r} and {taken!r}")
    m.d.comb += [
        sink.payload.eq(source.payload),
        sink.valid.eq(source.valid),
        source.ready.eq(sink.ready),
    ]
