"""A board without the board: a design with its serial port in Verilator, behind a pseudo-terminal.

What a driver opens is a port like any other. Bits on the line last as long as they do on the board, in cycles of its
clock; when nothing goes on, time stands still until the host writes. Bytes may be damaged on their way, so that what a
bad cable does can be tried, and tried again: the same seed damages the same bytes of each direction.
"""

from __future__ import annotations

import ctypes
import os
import threading
import tty
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError
from .sources import Sources
from .verilate import cache_folder, verilate

__all__ = ["Counts", "SimulatedBoard"]

_CYCLES = 100_000  # between looks at what else is to be done: about a tenth of a second
_WAIT = 50  # milliseconds, likewise, when nothing goes on


class _Settings(ctypes.Structure):  # as Settings in board.cpp
    _fields_ = [("period", ctypes.c_double), ("corrupt", ctypes.c_double), ("lose", ctypes.c_double),
                ("repeat", ctypes.c_double), ("seed", ctypes.c_uint64), ("idle", ctypes.c_uint64)]


class _Counts(ctypes.Structure):  # as Counts in board.cpp
    _fields_ = [(name, ctypes.c_uint64) for name in ("cycles", "bytes_down", "bytes_up", "damaged_down", "damaged_up",
                                                     "torn")]


@dataclass(frozen=True)
class Counts:
    """Cycles so far, bytes to the board (down) and from it (up), how many of them were damaged on purpose, and bytes of
    the board without a stop bit.
    """

    cycles: int
    bytes_down: int
    bytes_up: int
    damaged_down: int
    damaged_up: int
    torn: int


class SimulatedBoard:
    """A board behind a pseudo-terminal; a context manager, whose ``with`` it serves in a thread of its own.

    Parameters
    ----------
    sources
        Verilog and memory files.
    top
        The module with ports clk, rst, rx and tx.
    period
        Cycles of its clock that a bit of the host lasts; need be no integer.
    corrupt, lose, repeat
        Shares of bytes, in both directions, that are changed, lost, doubled.
    seed
        Of the damage.
    idle
        Cycles without a byte after which nothing more will come from the board, and time stands still.
    cache
        Where to keep the compiled design; by default ``verilate.cache_folder()``.

    Members
    -------
    port : str
        The pseudo-terminal's name.

    Raises
    ------
    UserError
        If a share is none, or Verilator or g++ is missing or refuses the design.
    """

    def __init__(self, sources: Sources, top: str, *, period: float, corrupt: float = 0.0, lose: float = 0.0,
                 repeat: float = 0.0, seed: int = 0, idle: int = 100_000, cache: Path | None = None):
        for name, share in (("corrupt", corrupt), ("lose", lose), ("repeat", repeat)):
            if not 0 <= share < 1:
                raise UserError(f"{share} is no share of bytes", where=f"--{name}", remedy="say a number such as 0.01")
        if not 1 <= period < 1e9 or seed < 0:
            raise UserError(f"a bit cannot last {period} cycles, or {seed} is no seed", where=top)
        folder = verilate(sources, top, (), waves="", cache=cache_folder() if cache is None else Path(cache).resolve(),
                          harness="board.cpp")
        self._library = _load(folder / "lib.so")
        self._master, self._slave = os.openpty()
        # Our own hold on the slave keeps the port alive between hosts.
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.port = os.ttyname(self._slave)
        settings = _Settings(period, corrupt, lose, repeat, seed, idle)
        self._handle = self._library.gw_open(ctypes.byref(settings), self._master)
        if not self._handle:
            message = self._library.gw_error(None).decode()
            os.close(self._master)
            os.close(self._slave)
            raise UserError(f"the simulation cannot begin: {message}", where=top)
        self._top = top
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: UserError | None = None

    def serve(self) -> None:
        """Serve until :meth:`stop` is called.

        Raises
        ------
        UserError
            If the design fails in simulation.
        """
        while not self._stop.is_set():
            if self._library.gw_run(self._handle, _CYCLES, _WAIT):
                raise UserError(f"the simulation failed: {self._library.gw_error(self._handle).decode()}",
                                where=self._top)

    def stop(self) -> None:
        """End :meth:`serve`, from another thread or a signal's handler."""
        self._stop.set()

    @property
    def counts(self) -> Counts:
        """What went over the line so far."""
        counts = _Counts()
        self._library.gw_counts(self._handle, ctypes.byref(counts))
        return Counts(*(int(getattr(counts, field)) for field in Counts.__dataclass_fields__))

    def close(self) -> None:
        """End the simulation and its port."""
        self.stop()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._handle:
            self._library.gw_close(self._handle)
            self._handle = None
            os.close(self._master)
            os.close(self._slave)

    def _serve_apart(self) -> None:
        try:
            self.serve()
        except UserError as error:
            self._failure = error

    def __enter__(self) -> SimulatedBoard:
        self._thread = threading.Thread(target=self._serve_apart, name=f"board {self.port}")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        if self._failure is not None:
            raise self._failure


def _load(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    library.gw_open.restype = ctypes.c_void_p
    library.gw_open.argtypes = [ctypes.POINTER(_Settings), ctypes.c_int]
    library.gw_close.argtypes = [ctypes.c_void_p]
    library.gw_error.restype = ctypes.c_char_p
    library.gw_error.argtypes = [ctypes.c_void_p]
    library.gw_run.argtypes = [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_int]
    library.gw_counts.argtypes = [ctypes.c_void_p, ctypes.POINTER(_Counts)]
    return library
