"""What a board says: who it is, where it stands, and the core's answers, one packet after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from amaranth.hdl import *
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out

from ..coding.link import COUNTERS, Kind, Reason
from .counter import below, lookup, wrapping_counter
from .lanes import check_positive, word_stream
from .packets import PacketByte

__all__ = ["IN_FLIGHT", "LinkAnswers"]

IN_FLIGHT = 127
"""Frames that may be on their way at once, fewer than half of the numbers that a frame may have."""


class _State(enum.Enum, shape=2):
    IDLE = 0
    FIELDS = 1  # what is different each time, from a shift register
    TAIL = 2  # the rest: what never changes, counters, or words of the core
    DROP = 3  # an answer that nobody waits for any more


class LinkAnswers(wiring.Component):
    """Packets for a ``Framer``.

    Each wish is remembered until its packet has begun; a wish that comes twice before that is one. An answer of the
    core goes out as soon as it begins, byte by byte: the core waits for the line.

    Parameters
    ----------
    bits, words : int
        The core's output: bits of a word and words of a frame.
    about : Sequence[int]
        The bytes of IDENTITY after the nonce.

    Members
    -------
    hello, ask, report : In(1)
        Wishes for IDENTITY, STATE, REPORT. ``hello`` also forgets the other two, and all frames on their way: their
        answers will be dropped.
    taken : In(1)
        A frame is on its way.
    nonce : In(32), turn : In(4), reason : In(3), number : In(8), offset : In(16)
        What goes into the packets; ``nonce`` as of ``hello``, ``reason`` as of ``report``.
    count_X : In(16)
        For each of ``COUNTERS`` but "answered".
    full : Out(1)
        So many frames are on their way that there must not be another.
    i : In(word_stream(bits))
        The core's answers, at most a word in two cycles; ``ready`` comes from a register.
    o : Out(stream.Signature(PacketByte))
    """

    def __init__(self, bits: int, words: int, about: Sequence[int]):
        self._bits, self._words, self._about = check_positive("bits", bits), check_positive("words", words), list(about)
        self._bytes = -(-bits // 8)
        super().__init__({
            "hello": In(1), "ask": In(1), "report": In(1), "taken": In(1),
            "nonce": In(32), "turn": In(4), "reason": In(3), "number": In(8), "offset": In(16),
            **{f"count_{name}": In(16) for name in COUNTERS if name != "answered"},
            "full": Out(1), "i": In(word_stream(bits)), "o": Out(stream.Signature(PacketByte)),
        })

    def elaborate(self, platform):
        m = Module()
        state = Signal(_State)
        wishes = {name: Signal(name=f"wish_{name}") for name in ("hello", "ask", "report")}
        reason, nonce = Signal(3), Signal(32)
        # Frames on their way, those of them whose answers are dropped, and answers since HELLO.
        flying, stale, answered = Signal(range(IN_FLIGHT + 1)), Signal(range(IN_FLIGHT + 1)), Signal(16)
        answers, drops = Signal(), Signal()
        left = Signal()
        m.d.comb += left.eq(answers | drops)
        m.d.sync += self.full.eq(flying == IN_FLIGHT)
        still = Signal.like(flying)
        m.d.comb += still.eq(flying - left)
        m.d.sync += flying.eq(still + self.taken)
        with m.If(answers):
            m.d.sync += answered.eq(answered + 1)
        with m.If(self.hello):
            m.d.sync += [stale.eq(still), answered.eq(0)]
        with m.Elif(drops):
            m.d.sync += stale.eq(stale - 1)

        # An answer stays until it is taken, so a cycle later it is still there; no path of the core ends in this logic.
        offered = Signal()
        m.d.sync += offered.eq(self.i.valid & ~self.i.ready)

        # The packet: its head and fields leave a shift register, then its tail follows.
        kind, fields, count = Signal(Shape(4)), Signal(40), Signal(range(6))
        out, free, byte, there, last = self.o, Signal(), Signal(8), Signal(), Signal()
        m.d.comb += free.eq(~out.valid | out.ready)
        with m.If(free):
            m.d.sync += [out.valid.eq(there), out.payload.data.eq(byte), out.payload.last.eq(last)]

        def choose(name, fields_of: Sequence, chosen: Kind):
            m.d.sync += [kind.eq(chosen), fields.eq(Cat(Const(chosen, 4), self.turn, *fields_of)),
                         count.eq(4 if name else 1), state.eq(_State.FIELDS)]
            if name:
                m.d.sync += wishes[name].eq(0)

        has_tail = Signal()
        m.d.comb += has_tail.eq(kind != Kind.REPORT)
        tail = self._tail(m, kind, answered, free, state)
        with m.Switch(state):
            with m.Case(_State.IDLE):
                with m.If(wishes["hello"]):
                    choose("hello", [nonce], Kind.IDENTITY)
                with m.Elif(wishes["ask"]):
                    choose("ask", [self.number, self.offset, answered[:8]], Kind.STATE)
                with m.Elif(offered & (stale != 0)):
                    m.d.comb += drops.eq(1)
                    m.d.sync += state.eq(_State.DROP)
                with m.Elif(offered):
                    m.d.comb += answers.eq(1)
                    choose(None, [answered[:8]], Kind.RESULT)
                with m.Elif(wishes["report"]):
                    choose("report", [reason, Const(0, 5), self.number, self.offset], Kind.REPORT)
            with m.Case(_State.FIELDS):
                m.d.comb += [byte.eq(fields[:8]), there.eq(1), last.eq((count == 0) & ~has_tail)]
                with m.If(free):
                    m.d.sync += [fields.eq(fields[8:]), count.eq(count - 1)]
                    with m.If(count == 0):
                        m.d.sync += state.eq(Mux(has_tail, _State.TAIL, _State.IDLE))
            with m.Case(_State.TAIL):
                m.d.comb += [byte.eq(tail["byte"]), there.eq(tail["there"]), last.eq(tail["last"])]
                with m.If(free & tail["there"] & tail["last"]):
                    m.d.sync += state.eq(_State.IDLE)
            with m.Case(_State.DROP), m.If(tail["dropped"]):
                m.d.sync += state.eq(_State.IDLE)

        for name, wish in wishes.items():
            with m.If(getattr(self, name)):
                m.d.sync += wish.eq(1)
        # A host that goes back repeats itself; that must not hide why it did.
        with m.If(self.report & ~(wishes["report"] & (self.reason == Reason.REPEATED))):
            m.d.sync += reason.eq(self.reason)
        # The link's fields are the next packet's by the time that the line is free.
        with m.If(self.hello):
            m.d.sync += [nonce.eq(self.nonce), wishes["ask"].eq(0), wishes["report"].eq(0)]
        return m

    def _tail(self, m, kind, answered, free, state) -> Mapping[str, Value]:
        """The bytes after the fields, each of which goes when there is room (``free``)."""
        takes, dropping = Signal(name="tail_taken"), Signal(name="dropping")
        m.d.comb += [takes.eq(free & (state == _State.TAIL)), dropping.eq(state == _State.DROP)]
        tail = {name: Signal(8 if name == "byte" else 1, name=f"tail_{name}")
                for name in ("byte", "there", "last", "dropped")}
        # IDENTITY and STATE: a place counts their bytes. A counter's high byte is kept when its low one goes.
        length = max(len(self._about), 2 * len(COUNTERS))
        place, high = Signal(below(length)), Signal(8)
        of_state, of_result = Signal(), Signal()
        m.d.comb += [of_state.eq(kind == Kind.STATE), of_result.eq(kind == Kind.RESULT)]
        counter = Signal(16)
        with m.Switch(place[1:]):
            for number, name in enumerate(COUNTERS):
                with m.Case(number):
                    m.d.comb += counter.eq(answered if name == "answered" else getattr(self, f"count_{name}"))
        # RESULT: bytes of words.
        word, full, at_last = Signal(8 * self._bytes), Signal(), Signal()
        byte_taken, word_taken = Signal(), Signal()
        m.d.comb += byte_taken.eq(takes & of_result & full)
        _, last_byte = wrapping_counter(m, self._bytes, byte_taken, name="byte")
        wanted = dropping | ((state == _State.TAIL) & of_result & ~full)
        m.d.comb += word_taken.eq(self.i.valid & self.i.ready)
        m.d.sync += self.i.ready.eq(wanted & ~word_taken)
        _, last_word = wrapping_counter(m, self._words, word_taken, name="word")
        m.d.comb += tail["dropped"].eq(word_taken & last_word)
        with m.If(word_taken & ~dropping):
            m.d.sync += [word.eq(self.i.payload), full.eq(1), at_last.eq(last_word)]
        with m.If(byte_taken):
            m.d.sync += [word.eq(word[8:]), full.eq(~last_byte)]

        with m.If(of_result):
            m.d.comb += [tail["byte"].eq(word[:8]), tail["there"].eq(full), tail["last"].eq(last_byte & at_last)]
        with m.Else():
            about = lookup(m, place, self._about, name="about")
            m.d.comb += [
                tail["byte"].eq(Mux(of_state, Mux(place[0], high, counter[:8]), about)), tail["there"].eq(1),
                tail["last"].eq(place == Mux(of_state, 2 * len(COUNTERS), len(self._about)) - 1)]
            with m.If(takes):
                m.d.sync += [place.eq(Mux(tail["last"], 0, place + 1)), high.eq(counter[8:])]
        return tail
