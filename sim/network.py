"""A network of actors, queues, buffers and sparse engines, as the dataflow engine executes it: schedules and edges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ..hdl.schedule import Buffer, Engine, Queue, Schedule

__all__ = ["MAX_PORTS", "MAX_STAGES", "Network", "Unit"]

MAX_PORTS = 12
"""Inputs, and outputs, of a unit: a phase's takes and gives are 24 bits of one word in the engine."""

MAX_STAGES = 62
"""Elastic stages of a unit: they are the bits of one integer in the engine."""


@dataclass(frozen=True)
class Unit:
    """One actor, queue, buffer or sparse engine: the names of the edges at its inputs and outputs, each in port order.

    An actor may have no input: a source, which fires whenever its first stage is free.

    Raises
    ------
    ValueError
        If the edges are not as many as the ports of the timing, or if those are more than the engine runs.
    """

    name: str
    timing: Schedule | Queue | Buffer | Engine
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def __post_init__(self):
        ports_in, ports_out = 1, 1
        if isinstance(self.timing, Schedule):
            ports_in, ports_out = self.timing.takes.shape[1], self.timing.gives.shape[1]
        for what, edges, ports in (("inputs", self.inputs, ports_in), ("outputs", self.outputs, ports_out)):
            if not isinstance(edges, tuple):
                raise TypeError(f"{what} of unit {self.name!r} must be a tuple of names of edges, not {edges!r}")
            if len(edges) != ports:
                raise ValueError(f"unit {self.name!r} has {ports} {what[:-1]} ports, but {len(edges)} edges")
            if ports > MAX_PORTS:
                raise ValueError(f"unit {self.name!r} must have at most {MAX_PORTS} {what}, not {ports}")
        if not self.outputs:
            raise ValueError(f"unit {self.name!r} must have an output")
        if not isinstance(self.timing, Queue) and 0 in (*self.timing.words_in, *self.timing.words_out):
            raise ValueError(f"unit {self.name!r} must take and give at least a word a frame at each port")
        if not isinstance(self.timing, Queue) and self.timing.stages > MAX_STAGES:
            raise ValueError(f"unit {self.name!r} must have at most {MAX_STAGES} stages, not {self.timing.stages}")


@dataclass(frozen=True)
class Network:
    """Units in topological order; one edge is given by none of them (``input``), one taken by none (``output``).

    Raises
    ------
    ValueError
        If an edge has two producers or two consumers, if a unit reads an edge that a later unit gives, if there is not
        exactly one input and one output, or if both ends of an edge disagree on its words a frame.
    """

    units: tuple[Unit, ...]

    def __post_init__(self):
        given: set[str] = set()
        taken: set[str] = set()
        inputs = []
        for unit in self.units:
            for edge in unit.inputs:
                if edge in taken:
                    raise ValueError(f"edge {edge!r} has two consumers")
                taken.add(edge)
                if edge not in given:
                    inputs.append(edge)
            for edge in unit.outputs:
                if edge in given or edge in inputs:
                    raise ValueError(f"edge {edge!r} has two producers, or is read before it is given")
                given.add(edge)
        outputs = [edge for unit in self.units for edge in unit.outputs if edge not in taken]
        if len(inputs) != 1 or len(outputs) != 1:
            raise ValueError(f"a network needs one input and one output, not {inputs} and {outputs}")
        if len(names := {unit.name for unit in self.units}) != len(self.units):
            raise ValueError(f"units must have different names, not {len(names)} among {len(self.units)} units")
        object.__setattr__(self, "_ends", (inputs[0], outputs[0]))
        object.__setattr__(self, "_words", self._count_words())

    @property
    def input(self) -> str:
        """The edge that the outside world writes."""
        return self._ends[0]

    @property
    def output(self) -> str:
        """The edge that the outside world reads."""
        return self._ends[1]

    @property
    def edges(self) -> tuple[str, ...]:
        """Every edge: the input, then each unit's outputs in the order of the units."""
        return (self.input, *(edge for unit in self.units for edge in unit.outputs))

    @property
    def queues(self) -> tuple[Unit, ...]:
        """The units that are queues, in order."""
        return tuple(unit for unit in self.units if isinstance(unit.timing, Queue))

    @property
    def buffers(self) -> tuple[Unit, ...]:
        """The units that are buffers, in order."""
        return tuple(unit for unit in self.units if isinstance(unit.timing, Buffer))

    @property
    def sized(self) -> tuple[Unit, ...]:
        """The units that have a depth, queues and buffers, in order."""
        return tuple(unit for unit in self.units if isinstance(unit.timing, Queue | Buffer))

    def words(self, edge: str) -> int:
        """Words a frame on an edge, from the actors and buffers at its ends (queues pass on what they take).

        Raises
        ------
        ValueError
            If there is no such edge, or nothing but queues around it.
        """
        if edge not in self._words:
            raise ValueError(f"no unit fixes the words a frame of edge {edge!r}")
        return self._words[edge]

    def with_depths(self, depths: Iterable[int]) -> Network:
        """The same network with other depths, in the order of :attr:`sized`."""
        return self.with_timings({unit.name: replace(unit.timing, depth=depth)
                                  for unit, depth in zip(self.sized, depths, strict=True)})

    def with_timings(self, timings: Mapping[str, Schedule | Queue | Buffer | Engine]) -> Network:
        """The same network with other timings for the units named."""
        return Network(tuple(replace(unit, timing=timings.get(unit.name, unit.timing)) for unit in self.units))

    def _count_words(self) -> dict[str, int]:
        words: dict[str, int] = {}
        source: dict[str, str] = {}

        def meet(edge: str, count: int, unit: Unit) -> None:
            if words.setdefault(edge, count) != count:
                raise ValueError(f"edge {edge!r} carries {words[edge]} words a frame for unit {source[edge]!r}, but "
                                 f"{count} for unit {unit.name!r}")
            source.setdefault(edge, unit.name)

        for unit in self.units:
            if not isinstance(unit.timing, Queue):
                for edge, count in zip((*unit.inputs, *unit.outputs),
                                       (*unit.timing.words_in, *unit.timing.words_out), strict=True):
                    meet(edge, count, unit)
        # Queues pass the count on: downstream in the order of the units, upstream against it.
        for queue in self.queues:
            if queue.inputs[0] in words:
                meet(queue.outputs[0], words[queue.inputs[0]], queue)
        for queue in reversed(self.queues):
            if queue.outputs[0] in words:
                meet(queue.inputs[0], words[queue.outputs[0]], queue)
        return words
