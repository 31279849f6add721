"""Frames over a line that loses, doubles and damages bytes: what to send when, and what came back. Without any I/O.

Go-back-N (ISO/IEC 13239, HDLC) over chunks of frames. The board takes only the byte that it waits for, says after each
chunk which that is, and numbers whole frames and answers in order. So the host goes back to where the board stands
whenever it says that something was refused; a *turn* in each packet tells what was said before it went back from what
was said after. An answer that does not come, while a later one does, was lost, and its frame is sent again.

Chunks are as long, and as many on their way, as the damage seen suggests.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..coding.link import COUNTERS, Kind, Packet, Reason, encode

__all__ = ["OVERHEAD", "Statistics", "Transfer"]

OVERHEAD = 11
"""Bytes on the line for a chunk beside its own: two flags, head, number, offset, CRC, and about one escape."""
_LONGEST = 1024
_SHORTEST = 8
_MEMORY = 1 << 15  # bytes over which damage is remembered
_WRAP = 1 << 16


@dataclass
class Statistics:
    """What went over the line since it was opened, and what became of it.

    ``refused`` counts the packets that the board refused, by reason, as it says itself; ``damaged`` what came back and
    was no packet; ``lost_answers`` frames whose answers did not come and that were sent again. ``went_back`` is how
    often the host went back to where the board stood, ``timeouts`` how often it had to ask.
    """

    frames: int = 0
    seconds: float = 0.0
    chunks: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    resent_bytes: int = 0
    refused: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS[2:], 0))
    damaged: int = 0
    went_back: int = 0
    lost_answers: int = 0
    timeouts: int = 0
    resets: int = 0

    @property
    def frames_per_second(self) -> float:
        return self.frames / self.seconds if self.seconds else 0.0


@dataclass
class _Sent:
    """A chunk on its way: the place after it, when it went, and whether any of it never went before."""

    end: int
    at: float
    fresh: bool


class Transfer:
    """Brings frames to a board and answers back.

    Places are counted in bytes since HELLO: frame number times the frame's size plus offset.

    Parameters
    ----------
    size, answer_size : int
        Bytes of a frame and of an answer.
    window : int
        Frames that may be on their way.
    statistics : Statistics
        Where to count.
    byte_time : float
        Seconds that a byte takes on the line.
    trip : float
        Seconds from a packet to what the board says to it, as first seen.
    """

    def __init__(self, size: int, answer_size: int, window: int, statistics: Statistics, *, byte_time: float = 0.0,
                 trip: float = 0.1):
        self._size, self._answer_size, self._window, self._statistics = size, answer_size, window, statistics
        self._byte_time = byte_time
        self.turn = 0
        self.asking = False
        self._frames: list[bytes] = []
        self._tries: list[int] = []
        self._waiting: deque[int] = deque()
        self._numbered: deque[int] = deque()  # frames that have a number and no answer, from number ``_first`` on
        self._counters: dict[str, int] | None = None
        self._through_lately, self._hurt_lately = 0.0, 0.0
        self._pace, self._spread, self._patience = trip, trip / 2, 1.0
        self.restart()

    def restart(self) -> None:
        """Begin anew after HELLO: what is not answered will be sent again."""
        self._waiting.extendleft(reversed(self._numbered))
        self._numbered.clear()
        self._counters = None
        self._first = 0  # the number of the next answer
        self._cursor = self._place = 0  # the next byte to send; the one that the board waits for
        self._furthest = 0
        self._chunks: deque[_Sent] = deque()
        self.asking, self.lost = False, False

    # What is to be done.

    def begin(self, frames: list[bytes]) -> None:
        """Take up frames; the earlier ones must be done."""
        self._frames = frames
        self._tries = [0] * len(frames)
        self._waiting.extend(range(len(frames)))

    def abandon(self) -> None:
        """Forget what is not answered; HELLO must come before the next frame."""
        self._waiting.clear()
        self._numbered.clear()
        self.lost = True

    @property
    def done(self) -> bool:
        """Everything is answered."""
        return not self._waiting and not self._numbered

    @property
    def idle(self) -> bool:
        """Nothing is on its way, so nothing can be late."""
        return not self._numbered and not self.asking

    @property
    def most_tries(self) -> int:
        """How often the frame was sent that was sent most often."""
        return max(self._tries, default=0)

    @property
    def wait(self) -> float:
        """Seconds without a word after which to ask."""
        going = (self._cursor - self._place + self._answer_size) * self._byte_time
        return min(2.0, max(0.004, self._pace + 4 * self._spread) * self._patience) + going

    # Sending.

    @property
    def damage(self) -> float:
        """The share of bytes that are damaged, as far as seen lately. At first few are thought to be."""
        return (self._hurt_lately + 0.05) / (self._through_lately + 2000)

    @property
    def chunk(self) -> int:
        """Bytes of the next chunk: of lengths L with overhead h, sqrt(h / damage) brings most through."""
        return min(_LONGEST, max(_SHORTEST, round(math.sqrt(OVERHEAD / self.damage))))

    def to_send(self, now: float) -> Iterator[bytes]:
        """The packets that may go now, and now (seconds) is when."""
        while not self.asking:
            number, offset = divmod(self._cursor, self._size)
            if number - self._first >= len(self._numbered):  # a frame begins
                if not self._waiting or len(self._numbered) >= self._window:
                    return
                self._numbered.append(self._waiting.popleft())
                self._tries[self._numbered[-1]] += 1
            length = min(self.chunk, self._size - offset)
            ahead = self._cursor - self._place
            if ahead and ahead + length > max(4 * self.chunk, 0.5 / self.damage):
                return
            frame = self._frames[self._numbered[number - self._first]]
            part = frame[offset:offset + length]
            packet = encode(Packet(Kind.DATA, self.turn, bytes([number & 255]) + offset.to_bytes(2, "little") + part))
            self._cursor += len(part)
            count = self._statistics
            count.chunks += 1
            count.resent_bytes += max(0, min(self._furthest, self._cursor) - (self._cursor - len(part)))
            self._chunks.append(_Sent(self._cursor, now, self._cursor > self._furthest))
            self._furthest = max(self._furthest, self._cursor)
            yield packet

    def ask(self) -> bytes:
        """A packet that asks the board where it stands; until it answers, nothing else is sent."""
        if not self.asking:
            self._new_turn()
            self.asking = True
        else:
            self._patience = min(self._patience * 2, 64.0)
        return encode(Packet(Kind.ASK, self.turn, b""))

    # Receiving.

    def take(self, packet: Packet, now: float) -> tuple[int, bytes] | None:
        """Take what the board says; a frame's index and its answer, if it is that."""
        body = packet.body
        match packet.kind:
            case Kind.RESULT if len(body) == 1 + self._answer_size:
                return self._answer(body, now)
            case Kind.REPORT if len(body) == 4:
                place = self._place_of(body[1], int.from_bytes(body[2:4], "little"))
                if place is not None:
                    self._arrived(place, now)
                    refused = body[0] not in (Reason.TAKEN, Reason.REPEATED)
                    if refused and packet.turn == self.turn and not self.asking:
                        self._hurt()
                        self._go_back()
            case Kind.STATE if len(body) == 4 + 2 * len(COUNTERS):
                self._count(body[4:])
                place = self._place_of(body[0], int.from_bytes(body[1:3], "little"))
                if place is not None and self.asking and packet.turn == self.turn:
                    self._arrived(place, now)
                    # All that was sent has been judged, and all answers before this number have gone out.
                    answered = self._first + (body[3] - self._first & 255)
                    if answered > self._furthest // self._size:
                        self.lost = True
                        return None
                    self._forget(answered)
                    self.asking = False
                    if place != self._cursor:
                        self._hurt()
                        self._go_back()
        return None

    def _answer(self, body: bytes, now: float) -> tuple[int, bytes] | None:
        number = self._first + (body[0] - self._first & 255)
        if (number + 1) * self._size > self._furthest:
            self.lost = True  # nothing was sent under that number
            return None
        self._forget(number)
        frame = self._numbered.popleft()
        self._first = number + 1
        self._arrived(max(self._place, self._first * self._size), now)
        self._statistics.frames += 1
        return frame, body[1:]

    def _forget(self, number: int) -> None:
        """No answer before this number will come: send those frames again, under new numbers."""
        lost = []
        while self._first < number and self._numbered:
            lost.append(self._numbered.popleft())
            self._first += 1
        if lost:
            self._waiting.extendleft(reversed(lost))
            self._statistics.lost_answers += len(lost)

    def _place_of(self, number: int, offset: int) -> int | None:
        """Where the board stands; None if nothing was sent so far, and the board must have lost count."""
        now = self._place // self._size
        place = (now + (number - now & 255)) * self._size + offset
        if place > self._furthest:
            self.lost = True
            return None
        return max(place, self._place)

    def _arrived(self, place: int, now: float) -> None:
        self._through_lately += place - self._place
        self._place = place
        if self._through_lately > _MEMORY:
            self._through_lately, self._hurt_lately = self._through_lately / 2, self._hurt_lately / 2
        self._cursor = max(self._cursor, place)  # if what was refused was none of ours, and we went back in vain
        last = None
        while self._chunks and self._chunks[0].end <= place:
            last = self._chunks.popleft()
            self._through_lately += OVERHEAD
        # RFC 6298: a smoothed round trip and its spread; what was sent twice says nothing (Karn).
        if last is not None and last.fresh:
            trip, self._patience = now - last.at, 1.0
            self._spread += (abs(trip - self._pace) - self._spread) / 4
            self._pace += (trip - self._pace) / 8

    def _go_back(self) -> None:
        self._statistics.went_back += 1
        self._cursor = self._place
        self._chunks.clear()
        if not self.asking:
            self._new_turn()

    def _hurt(self) -> None:
        """A chunk was damaged: somewhere in its middle, on average. What was sent after it says nothing."""
        self._hurt_lately += 1
        self._through_lately += (self.chunk + OVERHEAD) / 2

    def _new_turn(self) -> None:
        self.turn = (self.turn + 1) % 16

    def _count(self, said: bytes) -> None:
        counters = {name: int.from_bytes(said[2 * k:2 * k + 2], "little") for k, name in enumerate(COUNTERS)}
        if self._counters is not None:
            for name in self._statistics.refused:
                self._statistics.refused[name] += (counters[name] - self._counters[name]) % _WRAP
        self._counters = counters
