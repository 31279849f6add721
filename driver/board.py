"""A board with a design on it, at the end of a serial port: frames in, answers out, each checked and each once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import serial

from ..coding.link import COUNTERS, VERSION, Decoder, Kind, Packet, encode
from ..errors import UserError
from .ports import open_port
from .transfer import Statistics, Transfer
from .wire import Wire

__all__ = ["Board", "Identity"]

DEFAULT_BAUD = 1_000_000
_STALL = 60.0  # seconds without an answer, though the board speaks
_TRIES = 200  # of one frame


@dataclass(frozen=True)
class Identity:
    """What a board says of itself: its protocol's version, its design, bytes of a frame in and out, and how many
    frames find room.
    """

    version: int
    identity: bytes
    bytes_in: int
    bytes_out: int
    window: int


class Board:
    """A design on a board. Made by :meth:`open`, closed by :meth:`close` or at the end of a ``with``.

    Members
    -------
    wire : Wire
        The words of the design, as the host packs them.
    identity : Identity
    statistics : Statistics
        Of all frames since the port was opened.
    """

    def __init__(self, port: serial.Serial, wire: Wire, *, patience: float):
        self._port, self.wire, self._patience = port, wire, patience
        self._decoder = Decoder()
        self.statistics = Statistics()
        self.identity, trip = self._hello()
        self._check()
        self._transfer = Transfer(wire.i.frame_bytes, wire.o.frame_bytes, self.identity.window, self.statistics,
                                  byte_time=10 / port.baudrate, trip=trip)
        self.status()

    @classmethod
    def open(cls, port: str, description: Wire | Mapping[str, Any] | str | Path, *, baud: int = DEFAULT_BAUD,
             patience: float = 5.0) -> Board:
        """Open a board and see that it holds the design described.

        Parameters
        ----------
        port
            Its name, such as ``/dev/ttyUSB0`` or ``COM3``.
        description
            A build folder, its ``design.json``, or that file's content.
        baud
            bits/s, as the design was implemented for.
        patience
            Seconds of silence after which the board is taken to be dead.

        Raises
        ------
        UserError
            If the port cannot be opened, the board is silent, or holds another design.
        """
        wire = Wire.read(description)
        if baud < 1 or patience <= 0:
            raise UserError(f"baud and patience must be positive, not {baud} and {patience}", where="Board.open")
        opened = open_port(port, baud, patience=patience)
        try:
            return cls(opened, wire, patience=patience)
        except BaseException:
            opened.close()
            raise

    def close(self) -> None:
        """Give the port back."""
        self._port.close()

    def __enter__(self) -> Board:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def identify(self) -> Identity:
        """Ask the board who it is. What was on its way is forgotten.

        Raises
        ------
        UserError
            If the board is silent, or holds another design than it did.
        """
        self.identity, _ = self._hello()
        self._check()
        self._transfer.restart()
        return self.identity

    def status(self) -> dict[str, int]:
        """The board's counters (``coding.link.COUNTERS``): frames since HELLO, packets refused since power-up.

        Raises
        ------
        UserError
            If the board is silent.
        """
        before, transfer = time.monotonic(), self._transfer
        while True:
            self._write(transfer.ask())
            asked = time.monotonic()
            while time.monotonic() - asked < transfer.wait:
                for packet in self._read():
                    transfer.take(packet, time.monotonic())
                    if packet.kind == Kind.STATE and not transfer.asking:
                        numbers = np.frombuffer(packet.body[4:], dtype="<u2").tolist()
                        return dict(zip(COUNTERS, numbers, strict=True))
            self.statistics.timeouts += 1
            if time.monotonic() - before > self._patience:
                raise self._silent()
            if transfer.lost:
                self._reset()

    def run(self, frames: np.ndarray, *, progress: Callable[[int, int], None] = lambda done, total: None) -> np.ndarray:
        """Frames' answers.

        Parameters
        ----------
        frames
            Integers ``[frames, elements]`` in the order of the design's stream (channels last), of its input's type.
        progress
            Called now and then with frames answered and frames in all.

        Returns
        -------
        numpy.ndarray
            int64 ``[frames, elements]`` of the design's output stream.

        Raises
        ------
        UserError
            If the frames are not of the design's type or size, or the board falls silent.
        """
        packed = self.wire.i.pack(frames)
        answers = np.zeros((len(packed), self.wire.o.frame_bytes), dtype=np.uint8)
        transfer, done = self._transfer, 0
        if transfer.lost:
            self.identify()
        transfer.begin([row.tobytes() for row in packed])
        began = heard = answered = event = time.monotonic()
        try:
            while not transfer.done:
                now = time.monotonic()
                sent = b"".join(transfer.to_send(now))
                if sent:
                    self._write(sent)
                    event = time.monotonic()
                packets = self._read()
                now = time.monotonic()
                for packet in packets:
                    heard = event = now
                    result = transfer.take(packet, now)
                    if result is not None:
                        answers[result[0]] = np.frombuffer(result[1], dtype=np.uint8)
                        answered, done = now, done + 1
                        progress(done, len(packed))
                if transfer.lost:
                    self._reset()
                    event = now
                elif now - event > transfer.wait:
                    self.statistics.timeouts += 1
                    self._write(transfer.ask())
                    event = time.monotonic()
                if now - heard > self._patience:
                    raise self._silent()
                if now - answered > _STALL or transfer.most_tries > _TRIES:
                    raise UserError(
                        f"the board speaks, but gives no answer: {done} of {len(packed)} frames in "
                        f"{now - began:.0f} s, one of them sent {transfer.most_tries} times", where=self._name,
                        remedy="lower the rate or shorten the cable if many packets are damaged; else reset the board")
        except BaseException:
            transfer.abandon()
            raise
        finally:
            self.statistics.seconds += time.monotonic() - began
        self.status()  # the last counters
        return self.wire.o.unpack(answers)

    @property
    def _name(self) -> str:
        return str(self._port.port)

    def _hello(self) -> tuple[Identity, float]:
        """The board's word on who it is, and the seconds that it took."""
        began = time.monotonic()
        wait = max(0.1, 60 * 10 / self._port.baudrate * 4)
        while time.monotonic() - began < self._patience:
            nonce, asked = os.urandom(4), time.monotonic()
            # The flag before it ends whatever somebody else may have begun.
            self._write(encode(Packet(Kind.HELLO, 0, nonce)))
            while time.monotonic() - asked < wait:
                for packet in self._read():
                    if packet.kind == Kind.IDENTITY and packet.body[:4] == nonce and len(packet.body) == 18:
                        said = packet.body[4:]
                        return Identity(said[0], said[1:9], int.from_bytes(said[9:11], "little"),
                                        int.from_bytes(said[11:13], "little"), said[13]), time.monotonic() - asked
            wait = min(2 * wait, 1.0)
        raise self._silent()

    def _check(self) -> None:
        """See that the board holds the design described."""
        said, wire = self.identity, self.wire
        if said.version != VERSION:
            raise UserError(f"the board speaks version {said.version} of the protocol, this driver version {VERSION}",
                            where=self._name, remedy="implement the design again, or use the driver of its version")
        if said.identity != wire.identity:
            raise UserError(f"the board holds another design: its identity is {said.identity.hex()}, and that of "
                            f"{wire.name} is {wire.identity.hex()}", where=self._name,
                            remedy="load the bitstream made from this build, or name the build that is on the board")
        if (said.bytes_in, said.bytes_out) != (wire.i.frame_bytes, wire.o.frame_bytes):
            raise UserError(f"the board takes {said.bytes_in} bytes a frame and gives {said.bytes_out}, the build "
                            f"{wire.i.frame_bytes} and {wire.o.frame_bytes}", where=self._name,
                            remedy="load the bitstream made from this build")

    def _reset(self) -> None:
        """The board lost count, as after a reset: begin anew with what is not answered."""
        self.statistics.resets += 1
        self.identify()

    def _write(self, packets: bytes) -> None:
        try:
            self._port.write(packets)
        except serial.SerialTimeoutException:
            raise self._silent() from None
        except (serial.SerialException, OSError) as error:
            raise self._gone(error) from None
        self.statistics.bytes_sent += len(packets)

    def _read(self) -> list[Packet]:
        """The packets that have come, waiting for some milliseconds if there is none."""
        try:
            received = self._port.read(max(1, self._port.in_waiting))
        except (serial.SerialException, OSError) as error:
            raise self._gone(error) from None
        self.statistics.bytes_received += len(received)
        packets = list(self._decoder.feed(received))
        self.statistics.damaged = self._decoder.damaged
        return packets

    def _silent(self) -> UserError:
        heard = self.statistics.bytes_received
        what = f"{heard} bytes came, but none of them a packet" if heard and self._decoder.damaged else "nothing came"
        return UserError(f"the board is silent: {what} in {self._patience:g} s at {self._port.baudrate} baud",
                         where=self._name, remedy="check that the bitstream is loaded, that this is the board's port, "
                                                  "that --baud is what the design was implemented with, and that RX "
                                                  "and TX are not exchanged")

    def _gone(self, error: Exception) -> UserError:
        return UserError(f"the port went away: {error}", where=self._name,
                         remedy="check the cable and the board's power, then run again")
