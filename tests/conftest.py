"""Settings for all tests. Nothing here imports torch or the compiler: each folder's conftest does that."""

import os
import re
import struct
import zlib

import pytest
from hypothesis import HealthCheck, settings

# Amaranth must not look for a Yosys of the system's.
os.environ["AMARANTH_USE_YOSYS"] = "builtin"

# Derandomised: a run says the same thing twice. Machines are noisy, so nothing is timed.
settings.register_profile("gatewright", deadline=None, derandomize=True, print_blob=True,
                          suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
settings.load_profile("gatewright")


class LinkModel:
    """What a board at the end of a serial line does, from ``docs/link.md``: bytes in, packets out, at once.

    ``answer`` turns a frame's bytes into an answer's; no frame waits, so there is always room.
    """

    def __init__(self, size, answer, identity=bytes(8), window=2, answer_size=None):
        self.size, self.answer, self.identity, self.window = size, answer, identity, window
        self.answer_size = len(answer(bytes(size))) if answer_size is None else answer_size
        self.inside, self.torn, self.number, self.frame, self.turn = bytearray(), False, 0, b"", 0
        self.counters = dict.fromkeys(COUNTERS, 0)
        self.stood = []  # turn and place after each packet

    def feed(self, received):
        """The packets, without flags and CRC, that bytes (None: without a stop bit) call for."""
        packets = []
        for byte in received:
            if byte is None:
                self.torn = True
            elif byte != 0x7E:
                self.inside.append(byte)
            elif self.inside or self.torn:
                packets += self.refuse(2) if self.torn else self.judge(bytes(self.inside))
                self.stood.append((self.turn, self.place()))
                self.inside.clear()
                self.torn = False
        return packets

    def judge(self, inside):
        plain = re.sub(rb"\x7d(.)", lambda found: bytes([found[1][0] ^ 0x20]), inside, flags=re.DOTALL)
        content, crc = plain[:-4], plain[-4:]
        cut = re.fullmatch(rb"(?:[^\x7d]|\x7d.)*\x7d", inside, flags=re.DOTALL)
        if cut or zlib.crc32(content) != int.from_bytes(crc, "little"):
            return self.refuse(1)
        if not content:
            return self.refuse(3)
        kind, body = content[0] & 15, content[1:]
        self.turn = content[0] >> 4
        if kind == 1 and len(body) == 4:
            self.number, self.frame = 0, b""
            self.counters |= {"taken": 0, "answered": 0}
            about = bytes([1]) + self.identity + struct.pack("<HHB", self.size, self.answer_size, self.window)
            return [self.say(8, body + about)]
        if kind == 3 and not body:
            counters = struct.pack("<7H", *(count & 0xFFFF for count in self.counters.values()))
            return [self.say(10, self.place() + bytes([self.counters["answered"] & 255]) + counters)]
        if kind != 2 or len(body) < 4:
            return self.refuse(3)
        if body[:3] != self.place():
            there, here = (number << 16 | offset for number, offset in (struct.unpack("<BH", body[:3]),
                                                                        (self.number, len(self.frame))))
            return self.refuse(4, 6 if (there - here) % (1 << 24) >> 23 else 4)
        if len(self.frame) + len(body) - 3 > self.size:
            return self.refuse(3)
        self.frame += body[3:]
        if len(self.frame) < self.size:
            return [self.say(9, b"\0" + self.place())]
        number, answer = self.number, self.answer(self.frame)
        self.number, self.frame = (number + 1) % 256, b""
        self.counters["taken"] += 1
        self.counters["answered"] += 1
        return [self.say(11, bytes([number]) + answer)]

    def place(self):
        return struct.pack("<BH", self.number, len(self.frame))

    def refuse(self, counter, reason=None):
        self.counters[COUNTERS[counter + 1]] += 1
        return [self.say(9, bytes([reason or counter]) + self.place())]

    def say(self, kind, body):
        return bytes([kind | self.turn << 4]) + body


COUNTERS = ("taken", "answered", "crc", "framing", "length", "order", "overflow")


@pytest.fixture(scope="session")
def link_model():
    return LinkModel
