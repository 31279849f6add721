"""The packets between a host and a board over a serial line: what both ends agree on, and the host's coder of bytes.

On the wire a packet is ``7E | head, body, CRC | 7E`` with the bytes 7E and 7D inside sent as 7D and the byte ^ 20, as
RFC 1662 (PPP in HDLC-like Framing) has it; any number of 7E may stand between packets. The CRC is CRC-32/ISO-HDLC (that
of zlib and Ethernet) over head and body, low byte first. The head's low four bits are the packet's :class:`Kind`, the
high four its *turn*: the host counts one up whenever it goes back to send something again, and the board puts the turn
of the last whole packet that it got into everything that it says.
"""

from __future__ import annotations

import enum
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["COUNTERS", "CRC_BYTES", "ESCAPE", "FLAG", "FLIP", "VERSION", "Decoder", "Kind", "Packet", "Reason",
           "encode"]

FLAG, ESCAPE, FLIP = 0x7E, 0x7D, 0x20
CRC_BYTES = 4
VERSION = 1
"""Of the protocol; part of what a board says of itself."""


class Kind(enum.IntEnum):
    """What a packet is; numbers in bodies are unsigned, low byte first. ``docs/link.md`` has them byte by byte."""

    HELLO = 1  # host: nonce (4 bytes). Forget everything; answered by IDENTITY.
    DATA = 2  # host: frame number (1), offset in the frame (2), bytes
    ASK = 3  # host: nothing. Answered by STATE.
    IDENTITY = 8  # board: nonce (4), version (1), identity (8), bytes of a frame in (2) and out (2), frames of room (1)
    REPORT = 9  # board: reason (1), frame number (1) and offset (2) of the byte that it waits for
    STATE = 10  # board: frame number (1) and offset (2) that it waits for, number of the next answer (1), COUNTERS (2)
    RESULT = 11  # board: frame number (1), bytes


class Reason(enum.IntEnum):
    """Why the board says where it stands: a chunk was good, or a packet was refused."""

    TAKEN = 0  # part of a frame came whole
    CRC = 1  # the checksum is wrong
    FRAMING = 2  # a byte had no stop bit
    LENGTH = 3  # no such kind of packet, or not of that length
    ORDER = 4  # a chunk beyond the one that is waited for
    OVERFLOW = 5  # no room for another frame
    REPEATED = 6  # a chunk that begins before what is waited for; counted under "order"


COUNTERS = ("taken", "answered", "crc", "framing", "length", "order", "overflow")
"""The board's counters in STATE, 16 bits each, wrapping: frames taken and answered since HELLO, and packets refused,
by :class:`Reason`, since power-up."""


@dataclass(frozen=True)
class Packet:
    """A packet without its CRC."""

    kind: int
    turn: int
    body: bytes


def encode(packet: Packet) -> bytes:
    """A packet as it goes over the wire, flags included."""
    content = bytes([packet.kind | packet.turn << 4]) + packet.body
    content += zlib.crc32(content).to_bytes(CRC_BYTES, "little")
    for byte in (ESCAPE, FLAG):  # what escapes comes first, for it is put in
        content = content.replace(bytes([byte]), bytes([ESCAPE, byte ^ FLIP]))
    return bytes([FLAG]) + content + bytes([FLAG])


class Decoder:
    """Bytes in, whole packets out. ``damaged`` counts what was between two flags and was no packet."""

    def __init__(self) -> None:
        self.damaged = 0
        self._inside = bytearray()

    def feed(self, received: bytes) -> Iterator[Packet]:
        """The packets that end within the bytes received."""
        for byte in received:
            if byte != FLAG:
                self._inside.append(byte)
            elif self._inside:
                packet = _decoded(bytes(self._inside))
                self._inside.clear()
                if packet is None:
                    self.damaged += 1
                else:
                    yield packet


def _decoded(inside: bytes) -> Packet | None:
    plain, escaped = bytearray(), False
    for byte in inside:
        if byte == ESCAPE and not escaped:
            escaped = True
        else:
            plain.append(byte ^ FLIP if escaped else byte)
            escaped = False
    content, crc = bytes(plain[:-CRC_BYTES]), bytes(plain[-CRC_BYTES:])
    if escaped or not content or zlib.crc32(content) != int.from_bytes(crc, "little"):
        return None
    return Packet(content[0] & 15, content[0] >> 4, content[1:])
