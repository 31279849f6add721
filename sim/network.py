"""A network of actors and queues, as the dataflow engine executes it: names, schedules and the edges between them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..hdl.schedule import Queue, Schedule

__all__ = ["Network", "Unit"]


@dataclass(frozen=True)
class Unit:
    """One actor or queue: the names of the edges at its inputs (in port order) and of the edge at its output."""

    name: str
    timing: Schedule | Queue
    inputs: tuple[str, ...]
    output: str

    def __post_init__(self):
        ports = self.timing.takes.shape[1] if isinstance(self.timing, Schedule) else 1
        if len(self.inputs) != ports:
            raise ValueError(f"unit {self.name!r} has {ports} input ports, but {len(self.inputs)} edges")
        if isinstance(self.timing, Schedule) and self.timing.gives.shape[1] != 1:
            raise ValueError(f"unit {self.name!r} must have one output port, not {self.timing.gives.shape[1]}")


@dataclass(frozen=True)
class Network:
    """Units in topological order from the one edge without a producer (``input``) to the one without a consumer
    (``output``).

    Raises
    ------
    ValueError
        If an edge has two producers or two consumers, if a unit reads an edge that no earlier unit gives, or if there
        is not exactly one input and one output.
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
            if unit.output in given or unit.output in inputs:
                raise ValueError(f"edge {unit.output!r} has two producers, or is read before it is given")
            given.add(unit.output)
        outputs = [unit.output for unit in self.units if unit.output not in taken]
        if len(inputs) != 1 or len(outputs) != 1:
            raise ValueError(f"a network needs one input and one output, not {inputs} and {outputs}")
        object.__setattr__(self, "_ends", (inputs[0], outputs[0]))

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
        """Every edge: the input, then each unit's output in the order of the units."""
        return (self.input, *(unit.output for unit in self.units))

    @property
    def queues(self) -> tuple[Unit, ...]:
        """The units that are queues, in order."""
        return tuple(unit for unit in self.units if isinstance(unit.timing, Queue))

    def words(self, edge: str) -> int:
        """Words a frame on an edge, from the actors at its ends (queues pass on what they take)."""
        for unit in self.units:
            if isinstance(unit.timing, Schedule):
                if edge in unit.inputs:
                    return unit.timing.words_in[unit.inputs.index(edge)]
                if edge == unit.output:
                    return unit.timing.words_out[0]
        for unit in self.units:
            if isinstance(unit.timing, Queue) and edge in (unit.inputs[0], unit.output):
                other = unit.output if edge == unit.inputs[0] else unit.inputs[0]
                if any(other in (*u.inputs, u.output) for u in self.units if isinstance(u.timing, Schedule)):
                    return self.words(other)
        raise ValueError(f"no unit fixes the words a frame of edge {edge!r}")

    def with_depths(self, depths: Iterable[int], latencies: Iterable[int] | None = None) -> Network:
        """The same network with other queue depths, and latencies, in the order of :attr:`queues`."""
        new = iter(depths)
        lat = iter(latencies) if latencies is not None else None
        return Network(tuple(
            replace(unit, timing=Queue(next(new), unit.timing.latency if lat is None else next(lat)))
            if isinstance(unit.timing, Queue) else unit for unit in self.units))
