"""Schedules: the cycle-by-cycle promise that a unit makes, as plain data.

A unit is a cyclo-static dataflow actor (Bilsen, Engels, Lauwereins, Peperstraete: "Cyclo-static dataflow", IEEE
Transactions on Signal Processing 44(2), 1996): a repeating list of phases, each one cycle, each taking and giving zero
or one word at each port. A phase fires when every word it takes is present and the first of ``stages`` elastic stages
is empty or moves in this cycle. Every fired phase, also one that gives no word, is an item in the stages; a stage
moves when the next is empty or moves; an item without a word leaves the last stage without needing room at the output.
With several outputs the last stage keeps one bit for each: an item leaves it when every word that it carries has been
taken, each by its own reader and in its own cycle (an eager fork).

Nothing here imports Amaranth: ``sim.dataflow`` executes these objects, and the units' files make them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Buffer", "Engine", "Queue", "Schedule"]


def _phase_table(table, what: str) -> np.ndarray:
    table = np.array(table, dtype=np.uint8, ndmin=2)
    if table.ndim != 2 or (table > 1).any():
        raise ValueError(f"{what} must be a phases x ports table of 0 and 1, not an array of shape {table.shape}")
    table.flags.writeable = False
    return table


@dataclass(frozen=True, eq=False)
class Schedule:
    """A unit's repeating phases; ``repeats`` repetitions of the tables are one frame.

    Parameters
    ----------
    takes
        ``[phases, inputs]`` of 0 and 1: the words that each phase takes at each input port.
    gives
        ``[phases, outputs]`` of 0 and 1: the words that each phase gives at each output port.
    stages
        Elastic stages between taking and giving, at least 1: a word given by a phase that fires in cycle ``t`` is valid
        at the output from cycle ``t + stages`` on, if nothing stalls.
    repeats
        How often a frame goes through the tables: once for each position of an image, say.

    Raises
    ------
    ValueError
        If a table is not of 0 and 1, if both do not have the same number of phases, or if there is no stage.
    """

    takes: np.ndarray
    gives: np.ndarray
    stages: int
    repeats: int = 1

    def __post_init__(self):
        object.__setattr__(self, "takes", _phase_table(self.takes, "takes"))
        object.__setattr__(self, "gives", _phase_table(self.gives, "gives"))
        if len(self.takes) != len(self.gives) or len(self.takes) == 0:
            raise ValueError(f"takes and gives must have the same, positive number of phases, not {len(self.takes)} "
                             f"and {len(self.gives)}")
        if self.stages < 1:
            raise ValueError(f"stages must be a positive integer, not {self.stages!r}")
        if self.repeats < 1:
            raise ValueError(f"repeats must be a positive integer, not {self.repeats!r}")

    @property
    def phases(self) -> int:
        """Cycles of work a frame: the interval of the unit alone."""
        return len(self.takes) * self.repeats

    @property
    def words_in(self) -> tuple[int, ...]:
        """Words taken a frame at each input port."""
        return tuple(int(n) * self.repeats for n in self.takes.sum(axis=0, dtype=np.int64))

    @property
    def words_out(self) -> tuple[int, ...]:
        """Words given a frame at each output port."""
        return tuple(int(n) * self.repeats for n in self.gives.sum(axis=0, dtype=np.int64))


@dataclass(frozen=True)
class Queue:
    """A FIFO's timing: it holds up to ``depth`` words, ready whenever it held fewer when the cycle began.

    A word taken in cycle ``t`` by an empty queue is valid at the output from cycle ``t + latency`` on. Latency 2 is
    that of a memory read in step with the clock into an output register, which is part of the ``depth`` words.

    Raises
    ------
    ValueError
        If the depth is not positive or the latency is neither 1 nor 2.
    """

    depth: int
    latency: int = 1

    def __post_init__(self):
        if self.depth < 1:
            raise ValueError(f"queue depth must be a positive integer, not {self.depth!r}")
        if self.latency not in (1, 2):
            raise ValueError(f"queue latency must be 1 or 2 cycles, not {self.latency!r}")


@dataclass(frozen=True, eq=False)
class Buffer:
    """The timing of a buffer that is written in order and read at will: line buffers, reorderings, repeats.

    Two sides run independently. The writer takes one word of the input in every cycle at whose beginning fewer than
    ``depth`` words were held. The reader goes through ``len(need)`` phases a frame, each giving one word: phase ``p``
    fires when the first ``need[p]`` words of its frame had been written before the cycle began, and the first of
    ``stages`` elastic stages is empty or moves. As it fires, the first ``free[p]`` words of its frame are given back;
    the room shows to the writer in the next cycle. So the next frame's words come in while this frame's are read.

    Parameters
    ----------
    need, free
        int64 ``[phases]``; ``free`` does not fall and ends with ``words``.
    words
        Words a frame at the input.
    depth
        Words held at most.
    stages
        A word whose phase fires in cycle ``t`` is valid at the output from cycle ``t + stages`` on, if nothing stalls.

    Raises
    ------
    ValueError
        If the tables do not agree, or ``depth`` is less than :meth:`least` says.
    """

    need: np.ndarray
    free: np.ndarray
    words: int
    depth: int
    stages: int = 1

    def __post_init__(self):
        need, free = (np.array(table, dtype=np.int64) for table in (self.need, self.free))
        if need.ndim != 1 or need.shape != free.shape or not len(need):
            raise ValueError(f"need and free must be of one positive length, not {need.shape} and {free.shape}")
        if (np.diff(free) < 0).any() or free[0] < 0 or free[-1] != self.words or not 0 <= need.min() <= need.max() <= (
                self.words):
            raise ValueError(f"need must lie from 0 to the {self.words} words of a frame; free must rise to it")
        if self.depth < (least := self.least(need, free)):
            raise ValueError(f"depth must be at least {least} words, or no frame ever passes, not {self.depth!r}")
        if self.stages < 1:
            raise ValueError(f"stages must be a positive integer, not {self.stages!r}")
        for name, table in (("need", need), ("free", free)):
            table.flags.writeable = False
            object.__setattr__(self, name, table)

    @staticmethod
    def least(need: np.ndarray, free: np.ndarray) -> int:
        """The fewest words of storage with which every phase can fire."""
        before = np.concatenate([[0], np.asarray(free)[:-1]])
        return max(1, int((np.asarray(need) - before).max()))

    @property
    def phases(self) -> int:
        """Words out, and so cycles of reading, a frame."""
        return len(self.need)

    @property
    def words_in(self) -> tuple[int, ...]:
        return (self.words,)

    @property
    def words_out(self) -> tuple[int, ...]:
        return (self.phases,)


@dataclass(frozen=True, eq=False)
class Engine:
    """The timing of a sparse engine, which depends on the activations that are zero (Han et al., "EIE", 2016, sec. 4).

    What happens in a cycle follows from the state at its beginning.

    - Columns. A register holds one word of the input, ``lanes`` activations; it takes the next one when it is empty or
      gives its last column. A held word gives one column a cycle, the lowest of its lanes that are not zero first; a
      word without any gives one column that has no entries. The last column given of a vector's last word is marked.
      A column enters the pointer stage if that is empty or moves; with ``reads``, an elastic stage before it, in which
      its pointers are read and which moves as the pointer stage is empty or moves.
    - Pointers. This stage holds one column and offers an item to every element that has entries in it, or to every
      element if it is marked. Each element takes its item when its queue held fewer than ``depth`` items (an eager
      fork); the stage moves when none is left to take.
    - Elements. Each works on one item, one cycle an entry and at least one. When it is idle or in the last cycle of an
      item, it takes the head of its queue, if that was there when the cycle began, and works on it from the next cycle
      on. It has two banks of accumulators, one for every other vector, and waits while the one of its item's vector is
      closed. The last cycle of a marked item closes the bank.
    - Output. ``latency`` cycles after every element's bank of the oldest vector was closed, its words may leave: one a
      cycle, ``words_out`` in all, into the first of ``stages`` elastic stages. The last one opens the bank to all
      elements, from the next cycle on.

    Parameters
    ----------
    counts
        int32 ``[columns, elements]``: entries of each element in each column, padding included.
    lanes
        Activations in a word of the input.
    depth
        Items that an element's queue holds, beside the one being worked on.
    words
        Words given for each vector.
    latency
        An element that closes a bank in cycle ``t`` does not hold up its output from cycle ``t + latency`` on.
    stages
        A word that leaves in cycle ``t`` is valid at the output from cycle ``t + stages`` on, if nothing stalls.
    positions
        Vectors a frame.
    active
        bool ``[vectors, columns]``: which activations are not zero, for so many vectors one after another, then again
        from the first on. None: all of them always, which takes longest.
    reads
        Elastic stages between the input's register and the pointer stage: 0 or 1.

    Raises
    ------
    ValueError
        If a number is not positive, or a table has another shape.
    """

    counts: np.ndarray
    lanes: int
    depth: int
    words: int
    latency: int
    stages: int
    positions: int = 1
    active: np.ndarray | None = None
    reads: int = 0

    def __post_init__(self):
        counts = np.array(self.counts, dtype=np.int32)
        if counts.ndim != 2 or not counts.size or counts.min() < 0:
            raise ValueError(f"counts must be a table columns x elements, not an array of shape {counts.shape}")
        for what in ("lanes", "depth", "words", "latency", "stages", "positions"):
            if getattr(self, what) < 1:
                raise ValueError(f"{what} must be a positive integer, not {getattr(self, what)!r}")
        if self.reads not in (0, 1):
            raise ValueError(f"reads must be 0 or 1, not {self.reads!r}")
        counts.flags.writeable = False
        object.__setattr__(self, "counts", counts)
        if self.active is not None:
            active = np.array(self.active, dtype=bool)
            if active.ndim != 2 or not len(active) or active.shape[1] != len(counts):
                raise ValueError(f"active must be a table vectors x {len(counts)} columns, not an array of shape "
                                 f"{active.shape}")
            active.flags.writeable = False
            object.__setattr__(self, "active", active)

    @property
    def words_in(self) -> tuple[int, ...]:
        """Words taken a frame."""
        return (-(-len(self.counts) // self.lanes) * self.positions,)

    @property
    def words_out(self) -> tuple[int, ...]:
        """Words given a frame."""
        return (self.words * self.positions,)

    @property
    def phases(self) -> int:
        """Cycles a frame that columns, words or the busiest element take: no shorter is the interval of the unit alone.
        """
        columns = len(self.counts)
        active = np.ones((1, columns), dtype=bool) if self.active is None else self.active
        given = np.maximum(np.add.reduceat(active, np.arange(0, columns, self.lanes), axis=1, dtype=np.int64), 1).sum()
        loads = active.sum(axis=0, dtype=np.int64) @ self.counts
        return int(max(given, loads.max(), len(active) * self.words)) * self.positions // len(active)
