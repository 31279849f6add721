"""The board's end of a serial line: frames in and answers out, whatever becomes of bytes on the way.

``coding.link`` has the packets and ``docs/link.md`` the protocol. Here they are parsed, and refused or obeyed.
"""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..coding.link import COUNTERS, CRC_BYTES, VERSION, Kind, Reason
from .lanes import check_positive, connect, word_stream
from .link_answers import IN_FLIGHT, LinkAnswers
from .link_store import FrameStore
from .packets import Deframer, Framer
from .uart import UartReceiver, UartTransmitter, check_divider

__all__ = ["IDENTITY_BYTES", "LARGEST_FRAME", "LEAST_RING", "Link", "LinkParameters"]

IDENTITY_BYTES = 8
LARGEST_FRAME = 16384
"""Bytes of the largest frame that a link takes: as much block RAM as small devices have."""
LEAST_RING = 512
"""Bytes of the smallest ring: iCE40's block RAM."""


@dataclass(frozen=True)
class LinkParameters:
    """The words of a core, the identity of its design (8 bytes), and cycles a bit of the line.

    Raises
    ------
    ValueError
        If a number is not a positive integer, a frame has more than 16,384 bytes in or 65,535 out, or the identity is
        not 8 bytes.
    """

    bits_in: int
    words_in: int
    bits_out: int
    words_out: int
    identity: bytes
    divider: int

    def __post_init__(self):
        for name in ("bits_in", "words_in", "bits_out", "words_out"):
            check_positive(name, getattr(self, name))
        check_divider(self.divider)
        if not isinstance(self.identity, bytes) or len(self.identity) != IDENTITY_BYTES:
            raise ValueError(f"identity must be {IDENTITY_BYTES} bytes, not {self.identity!r}")
        if self.bytes_in > LARGEST_FRAME:
            raise ValueError(f"a frame must have at most {LARGEST_FRAME} bytes, not {self.bytes_in}")
        if self.bytes_out > 0xFFFF:
            raise ValueError(f"an answer must have at most {0xFFFF} bytes, not {self.bytes_out}")

    @property
    def bytes_in(self) -> int:
        """Bytes of a frame on the line: each word is padded to whole bytes."""
        return -(-self.bits_in // 8) * self.words_in

    @property
    def bytes_out(self) -> int:
        """Bytes of an answer."""
        return -(-self.bits_out // 8) * self.words_out

    @property
    def ring(self) -> int:
        """Bytes of the buffer: two frames' where they have up to 8 kB."""
        return max(LEAST_RING, min(1 << (2 * self.bytes_in - 1).bit_length(), LARGEST_FRAME))

    @property
    def window(self) -> int:
        """Frames that a host may have sent and not had answered, without one being refused for want of room."""
        return min(self.ring // self.bytes_in, IN_FLIGHT)

    @property
    def about(self) -> bytes:
        """What IDENTITY says after the nonce."""
        return (bytes([VERSION]) + self.identity + self.bytes_in.to_bytes(2, "little")
                + self.bytes_out.to_bytes(2, "little") + bytes([self.window]))


class Link(wiring.Component):
    """A serial line to the streams of a core, by the protocol of ``docs/link.md``.

    The core gets whole frames only, in the order of their numbers and each once; every answer goes out under its
    frame's number. Whatever comes over the line, this holds, and the next HELLO finds the link as new.

    Parameters
    ----------
    bits_in, words_in, bits_out, words_out, identity, divider
        As of :class:`LinkParameters`.

    Members
    -------
    rx : In(1)
        From the host; asynchronous.
    tx : Out(1)
        To the host.
    i : Out(word_stream(bits_in))
        To the core's input.
    o : In(word_stream(bits_out))
        From the core's output.
    """

    def __init__(self, bits_in: int, words_in: int, bits_out: int, words_out: int, identity: bytes, divider: int):
        self._parameters = LinkParameters(bits_in, words_in, bits_out, words_out, identity, divider)
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1),
                          "i": Out(word_stream(bits_in)), "o": In(word_stream(bits_out))})

    @property
    def parameters(self) -> LinkParameters:
        """The validated parameters."""
        return self._parameters

    def elaborate(self, platform):
        m = Module()
        p = self._parameters
        m.submodules.receiver = receiver = UartReceiver(p.divider)
        m.submodules.deframer = deframer = Deframer()
        m.submodules.store = store = FrameStore(p.bits_in, p.words_in, p.ring, CRC_BYTES)
        m.submodules.answers = answers = LinkAnswers(p.bits_out, p.words_out, p.about)
        m.submodules.framer = framer = Framer()
        m.submodules.transmitter = transmitter = UartTransmitter(p.divider)
        m.d.comb += [
            receiver.rx.eq(self.rx), self.tx.eq(transmitter.tx),
            deframer.done.eq(receiver.done), deframer.data.eq(receiver.data), deframer.error.eq(receiver.error),
        ]
        connect(m, answers.o, framer.i)
        connect(m, framer.o, transmitter.i)
        connect(m, store.o, wiring.flipped(self.i))
        connect(m, wiring.flipped(self.o), answers.i)

        # The bytes of a packet by their places: head, up to four bytes of fields, the rest.
        at, kind, turn, fields = Signal(range(11)), Signal(4), Signal(4), Signal(32)
        is_data = Signal()
        m.d.comb += is_data.eq(kind == Kind.DATA)
        with m.If(deframer.end):
            m.d.sync += at.eq(0)
        with m.Elif(deframer.put):
            with m.If(at != 10):
                m.d.sync += at.eq(at + 1)
            with m.If(at == 0):
                m.d.sync += [kind.eq(deframer.byte[:4]), turn.eq(deframer.byte[4:])]
            with m.Elif((at <= 3) | ((at == 4) & ~is_data)):
                m.d.sync += fields.eq(Cat(fields[8:], deframer.byte))

        # A chunk is taken if it is the one waited for, and there is room when it begins.
        counted = {name: Signal(16, name=f"counter_{name}") for name in COUNTERS if name != "answered"}
        number = counted["taken"][:8]
        matches, behind, takes, room = Signal(), Signal(), Signal(), Signal()
        distance = Signal(24)
        m.d.comb += distance.eq(Cat(fields[16:], fields[8:16]) - Cat(store.offset, number))
        m.d.sync += [
            matches.eq((fields[8:16] == number) & (fields[16:] == store.offset)),
            behind.eq(distance[-1]),  # numbers go round
            room.eq(store.room & ~answers.full),
        ]
        with m.If(at == 4):  # the cycles between the last field and the first byte
            m.d.sync += takes.eq(room | (store.offset != 0))
        m.d.comb += [store.byte.eq(deframer.byte), store.put.eq(deframer.put & (at >= 4) & is_data & matches & takes)]

        # The verdict.
        verdict = Signal(Reason)
        commit, hello, ask = Signal(), Signal(), Signal()
        whole_packet = deframer.end & deframer.good
        m.d.comb += [
            hello.eq(whole_packet & (kind == Kind.HELLO) & (at == 1 + 4 + CRC_BYTES)),
            ask.eq(whole_packet & (kind == Kind.ASK) & (at == 1 + CRC_BYTES)),
        ]
        with m.If(deframer.torn):
            m.d.comb += verdict.eq(Reason.FRAMING)
        with m.Elif(~deframer.good):
            m.d.comb += verdict.eq(Reason.CRC)
        with m.Elif(~is_data | (at < 1 + 3 + CRC_BYTES + 1)):
            m.d.comb += verdict.eq(Reason.LENGTH)
        with m.Elif(~matches):
            m.d.comb += verdict.eq(Mux(behind, Reason.REPEATED, Reason.ORDER))
        with m.Elif(~takes):
            m.d.comb += verdict.eq(Reason.OVERFLOW)
        with m.Elif(~store.fits):
            m.d.comb += verdict.eq(Reason.LENGTH)
        with m.Else():
            m.d.comb += [verdict.eq(Reason.TAKEN), commit.eq(deframer.end)]
        m.d.comb += [store.commit.eq(commit), store.rewind.eq(deframer.end), store.clear.eq(hello)]

        said = Signal(4)
        ends_frame, refused, judged = Signal(), Signal(), Signal()
        m.d.comb += [
            judged.eq(deframer.end & ~hello & ~ask),
            ends_frame.eq(commit & store.whole),
            refused.eq(judged & (verdict != Reason.TAKEN)),
        ]
        with m.If(whole_packet):
            m.d.sync += said.eq(turn)

        # What the host will be told, in the next cycle, when number and offset say where things stand.
        m.d.sync += [answers.hello.eq(hello), answers.ask.eq(ask), answers.taken.eq(ends_frame),
                     answers.report.eq(judged & ~ends_frame), answers.reason.eq(verdict)]
        m.d.comb += [answers.nonce.eq(fields), answers.turn.eq(said), answers.number.eq(number),
                     answers.offset.eq(store.offset)]
        with m.If(ends_frame):
            m.d.sync += counted["taken"].eq(counted["taken"] + 1)
        with m.If(hello):
            m.d.sync += counted["taken"].eq(0)
        for name in COUNTERS[2:]:
            reasons = (Reason.ORDER, Reason.REPEATED) if name == "order" else (Reason[name.upper()],)
            with m.If(refused & Value.cast(verdict).matches(*reasons)):
                m.d.sync += counted[name].eq(counted[name] + 1)
        m.d.comb += [getattr(answers, f"count_{name}").eq(counter) for name, counter in counted.items()]
        return m
