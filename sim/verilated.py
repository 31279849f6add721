"""The Verilator runner: a design as a library in this process, driven through whole batches by one C++ loop.

``build`` gives a ``Library``, ``Library.open`` a ``Simulation``, ``Simulation.run`` drives words through the design
under given stall patterns and returns a ``Run``: the output words, and for every stream between units its transfers,
their payloads and cycles, as asked for. The design's top module has the ports ``clk``, ``rst`` (synchronous, active
high) and the streams ``i`` and ``o``, named as Amaranth names them (``i__payload``, ``i__valid``, ``i__ready``).
Boundaries are named ``"i"``, ``"o"`` and by the taps; payloads are rows of little-endian bytes, ``ceil(bits / 8)`` of
them.

What a cycle and a transfer are is written in ``patterns``.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import UserError
from . import toolchain
from .patterns import always
from .sources import Sources, Tap
from .verilate import cache_folder, trace_format, verilate

__all__ = ["Library", "Run", "Simulation", "Sources", "Tap", "build"]

_NEVER = (1 << 64) - 1
_u8p = ctypes.POINTER(ctypes.c_uint8)


class _Request(ctypes.Structure):  # as Request in harness.cpp
    _fields_ = [("words", ctypes.c_void_p), ("word_count", ctypes.c_uint64), ("outputs", ctypes.c_uint64),
                ("offers", ctypes.c_void_p), ("offers_length", ctypes.c_uint64),
                ("accepts", ctypes.c_void_p), ("accepts_length", ctypes.c_uint64),
                ("max_cycles", ctypes.c_uint64), ("settle", ctypes.c_uint64), ("flags", ctypes.c_void_p),
                ("queues", ctypes.c_void_p), ("queue_count", ctypes.c_uint64), ("peaks", ctypes.c_void_p),
                ("waves", ctypes.c_char_p)]


class _Result(ctypes.Structure):  # as Result in harness.cpp
    _fields_ = [("first_cycle", ctypes.c_uint64), ("cycles", ctypes.c_uint64), ("finished", ctypes.c_uint64)]


@dataclass(frozen=True, eq=False)
class Run:
    """What one ``Simulation.run`` saw.

    Members
    -------
    first_cycle, cycles
        Number of the run's first cycle, counted since reset, and how many cycles it took.
    finished
        Whether every input word was taken and all outputs awaited came. If not, the run ended at ``max_cycles``.
    words
        Payloads by boundary, ``uint8[transfers, ceil(bits / 8)]``: of ``"o"`` and of what was asked for in ``capture``.
    counts
        Transfers of this run by boundary: every one, in the order ``"i"``, taps as given, ``"o"``.
    times
        Cycle of each transfer since reset, ``int64[transfers]``, of what was asked for in ``times``.
    peaks
        For each queue asked for, its largest occupancy (words in minus words out since reset, after each edge).
    unstable
        Boundaries that broke the rule of streams (a word once valid stays, unchanged, until it is taken), and the
        first cycle in which they did. Empty if all is well.
    waves
        The file that was written, if waves were asked for.
    """

    first_cycle: int
    cycles: int
    finished: bool
    words: Mapping[str, np.ndarray]
    counts: Mapping[str, int]
    times: Mapping[str, np.ndarray]
    peaks: tuple[int, ...]
    unstable: Mapping[str, int]
    waves: Path | None = None

    @property
    def outputs(self) -> np.ndarray:
        """The output words: ``words["o"]``."""
        return self.words["o"]


@dataclass(frozen=True)
class Library:
    """A design, compiled: what ``build`` returns. ``waves`` is ``""`` or the format that runs can write."""

    path: Path
    taps: tuple[Tap, ...]
    input_bits: int
    output_bits: int
    waves: str = ""
    x_initial: str = "fast"

    def open(self, *, seed: int = 0) -> Simulation:
        """Return a fresh simulation, reset already. ``seed`` chooses what ``x_initial="unique"`` randomises."""
        return Simulation(self, seed)


def build(sources: Sources, top: str, taps: Sequence[Tap] = (), *, waves: bool = False, x_initial: str = "fast",
          quick: bool = False, cache: Path | None = None) -> Library:
    """Compile a design, or find it in the cache.

    Parameters
    ----------
    sources
        Verilog and memory files; ``$readmemh`` names a file of the same ``sources`` without a folder.
    top
        The top module's name, a plain identifier.
    taps
        Streams inside the top module to expose.
    waves
        Build the (slower) variant that can write waves: FST where the headers of lz4 and zlib are installed, else VCD.
    x_initial
        ``"fast"``: what the design leaves undefined starts as zeros, or ``"unique"``: as random bits, chosen by the
        seed of ``Library.open``. Both come from one compilation.
    quick
        Compile without optimising: for a large design that is to run for some hundred thousand cycles only, which then
        take several times as long, but seconds where the compiler would have taken minutes.
    cache
        Where to keep the result; by default ``verilate.cache_folder()``.

    Raises
    ------
    UserError
        If a tool is missing or refuses the design, or a port or tap is not there with the width declared.
    ValueError
        If ``x_initial`` is unknown or a tap is named twice.
    """
    if x_initial not in ("fast", "unique"):
        raise ValueError(f"x_initial must be 'fast' or 'unique', not {x_initial!r}")
    if len({tap.name for tap in taps}) != len(taps):
        raise ValueError(f"taps must have distinct names, not {[tap.name for tap in taps]!r}")
    cache = cache_folder() if cache is None else Path(cache).resolve()
    form = trace_format(toolchain.tool("g++"), cache) if waves else ""
    folder = verilate(sources, top, taps, waves=form, cache=cache, quick=quick)
    input_bits, output_bits = map(int, (folder / "ports.txt").read_text().split())
    return Library(folder / "lib.so", tuple(taps), input_bits, output_bits, form, x_initial)


class Simulation:
    """One running instance of a design; a context manager. It begins reset, in cycle 0."""

    def __init__(self, library: Library, seed: int = 0):
        self._library = library
        self._names = ("i", "o", *(tap.name for tap in library.taps))
        self._bytes = [-(-bits // 8) for bits in (library.input_bits, library.output_bits,
                                                  *(tap.bits for tap in library.taps))]
        self._c = _load(library.path)
        # A seed of 0 would let Verilator choose one of its own.
        self._handle = self._c.gw_open(int(library.x_initial == "unique"), seed % 0x7FFFFFFE + 1)
        if not self._handle:
            raise self._failure()
        self._dirty = False
        self.reset()

    def __enter__(self) -> Simulation:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """End the simulation; closing twice is allowed."""
        if self._handle:
            self._c.gw_close(self._handle)
            self._handle = None

    def reset(self, cycles: int = 4) -> None:
        """Hold ``rst`` for so many cycles; the next run begins in cycle 0."""
        if cycles < 1:
            raise ValueError(f"cycles of reset must be a positive integer, not {cycles!r}")
        if self._c.gw_reset(self._open(), cycles):
            raise self._failure()
        self._dirty = False

    def run(self, words: np.ndarray, outputs: int, *, max_cycles: int, offers: np.ndarray | None = None,
            accepts: np.ndarray | None = None, capture: Iterable[str] = (), times: Iterable[str] = (),
            queues: Sequence[tuple[str, str]] = (), settle: int = 0, waves: Path | None = None) -> Run:
        """Offer all ``words`` and run until they are taken and ``outputs`` words have come out.

        Cycles, and with them the patterns, continue from the previous run unless the simulation was reset.

        Parameters
        ----------
        words
            ``uint8[n, ceil(input_bits / 8)]``, one little-endian row a word.
        outputs
            Output words to wait for.
        max_cycles
            Cycles after which the run ends unfinished: a hang, or where a reset in mid-frame is wanted.
        offers, accepts
            Stall patterns as of ``patterns``; without them, never a gap and never a stall.
        capture, times
            Boundaries whose payloads and whose transfer cycles are recorded; the payloads of ``"o"`` always are.
        queues
            Pairs of boundaries (into, out of) between which words are counted.
        settle
            Cycles to run on once finished, to see words that should not be there.
        waves
            Write a file of waves; its suffix becomes that of the format (the library must be built with waves).

        Raises
        ------
        ValueError
            If an argument is not as said, or the previous run ended unfinished and no reset followed.
        UserError
            If the design stops the simulation, or the waves cannot be written.
        """
        handle = self._open()
        if self._dirty:
            raise ValueError("the previous run ended unfinished: reset the simulation before the next run")
        words = self._checked_words(words)
        offers, accepts = _checked_pattern("offers", offers), _checked_pattern("accepts", accepts)
        if min(outputs, max_cycles, settle) < 0:
            raise ValueError(f"outputs, max_cycles, settle must not be negative, not {(outputs, max_cycles, settle)}")
        path = self._waves_path(waves)
        capture, times = tuple(capture), tuple(times)
        flags = np.zeros(len(self._names), dtype=np.uint8)
        for bit, chosen in ((1, ("o", *capture)), (2, times)):
            for name in chosen:
                flags[self._index(name)] |= bit
        pairs = np.array([[self._index(name) for name in pair] for pair in queues], dtype=np.uint32).reshape(-1, 2)
        peaks = np.zeros(len(pairs), dtype=np.int64)
        request = _Request(words.ctypes.data, len(words), outputs, offers.ctypes.data, len(offers), accepts.ctypes.data,
                           len(accepts), max_cycles, settle, flags.ctypes.data, pairs.ctypes.data, len(pairs),
                           peaks.ctypes.data, None if path is None else str(path).encode())
        result = _Result()
        self._dirty = True
        if self._c.gw_run(handle, ctypes.byref(request), ctypes.byref(result)):
            raise self._failure()
        self._dirty = not result.finished
        order = ("i", *self._names[2:], "o")
        unstable = {name: self._c.gw_unstable(handle, self._index(name)) for name in order}
        return Run(result.first_cycle, result.cycles, bool(result.finished),
                   words={name: self._words(name) for name in ("o", *capture)},
                   counts={name: self._c.gw_count(handle, self._index(name)) for name in order},
                   times={name: self._times(name) for name in times}, peaks=tuple(map(int, peaks)),
                   unstable={name: cycle for name, cycle in unstable.items() if cycle != _NEVER}, waves=path)

    def _open(self) -> int:
        if not self._handle:
            raise ValueError("the simulation is closed")
        return self._handle

    def _failure(self) -> UserError:
        return UserError(f"the simulation stopped: {self._c.gw_error(self._handle).decode(errors='replace')}",
                         where=str(self._library.path.parent))

    def _index(self, name: str) -> int:
        if name not in self._names:
            raise ValueError(f"boundary must be one of {', '.join(self._names)}, not {name!r}")
        return self._names.index(name)

    def _checked_words(self, words: np.ndarray) -> np.ndarray:
        words = np.ascontiguousarray(words)
        if words.dtype != np.uint8 or words.ndim != 2 or words.shape[1] != self._bytes[0]:
            raise ValueError(f"words must be uint8[n, {self._bytes[0]}], not {words.dtype}{list(words.shape)}")
        spare = 8 * self._bytes[0] - self._library.input_bits
        if spare and (words[:, -1] >> (8 - spare)).any():
            raise ValueError(f"words must not have bits above the {self._library.input_bits} of the input's payload")
        return words

    def _waves_path(self, waves: Path | None) -> Path | None:
        if waves is None:
            return None
        if not self._library.waves:
            raise ValueError("waves need a library built with waves=True")
        return Path(waves).with_suffix(f".{self._library.waves}")

    def _words(self, name: str) -> np.ndarray:
        index = self._index(name)
        shape = (self._c.gw_count(self._handle, index), self._bytes[index])
        if not shape[0]:
            return np.empty(shape, dtype=np.uint8)
        return np.ctypeslib.as_array(self._c.gw_words(self._handle, index), shape).copy()

    def _times(self, name: str) -> np.ndarray:
        index = self._index(name)
        count = self._c.gw_count(self._handle, index)
        if not count:
            return np.empty(0, dtype=np.int64)
        return np.ctypeslib.as_array(self._c.gw_cycles(self._handle, index), (count,)).astype(np.int64)


def _checked_pattern(what: str, pattern: np.ndarray | None) -> np.ndarray:
    pattern = always() if pattern is None else np.ascontiguousarray(pattern)
    if pattern.dtype != np.uint8 or pattern.ndim != 1 or not len(pattern) or pattern.max() > 1:
        raise ValueError(f"{what} must be a uint8 array of 0 and 1, one a cycle, not {pattern!r}")
    return pattern


def _load(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    handle, u32, u64 = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint64
    for name, result, arguments in (
            ("gw_open", handle, [ctypes.c_int, ctypes.c_int]), ("gw_close", None, [handle]),
            ("gw_error", ctypes.c_char_p, [handle]), ("gw_reset", ctypes.c_int, [handle, u64]),
            ("gw_run", ctypes.c_int, [handle, ctypes.POINTER(_Request), ctypes.POINTER(_Result)]),
            ("gw_count", u64, [handle, u32]), ("gw_unstable", u64, [handle, u32]), ("gw_words", _u8p, [handle, u32]),
            ("gw_cycles", ctypes.POINTER(u64), [handle, u32])):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
