"""Deadlock: what it is, why one run of the engine rules it out, and who waits for whom where there is one.

Why one run is enough. All that a unit does is a sequence of steps (a phase, the move of an item, a word into or out of
a memory), and the sequence does not depend on time. A step is possible as soon as certain other steps have happened
often enough: words taken must have been given, and stages, queues and buffers of bounded size must have been left,
which is a word on an edge in the other direction. Each edge has one producer and one consumer, so a step that is
possible stays so until it happens. Such systems are determinate (Karp, Miller: "Properties of a model for parallel
computations: determinacy, termination, queueing", SIAM Journal on Applied Mathematics 14(6), 1966; for networks with
schedules: Lee, Messerschmitt: "Static scheduling of synchronous data flow programs for digital signal processing", IEEE
Transactions on Computers 36(1), 1987). Take a run R that goes on for ever, as one does that has reached its periodic
regime, and any state S that the network reaches under any stalls. The first step of R that has not happened in S is
possible in S: all that it waits for is earlier in R, so it has happened. So something can move in S, and no reachable
state deadlocks. Likewise, if one run deadlocks, every run does, after the same steps in perhaps another order.

What a sparse engine does depends on which activations are zero. But one without zeros does all that one with zeros does
and more, and nothing of it earlier: so what goes on for ever without zeros does with them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..hdl.schedule import Engine, Queue, Schedule
from .network import Network, Unit

__all__ = ["Deadlock", "explain"]


class Deadlock(ValueError):
    """Nothing will ever move again in a network, whatever is offered and accepted.

    ``units`` are the names of units each of which waits for the next one, and the last for the first; ``full`` are
    those among them that are queues and buffers without room.
    """

    def __init__(self, message: str, units: tuple[str, ...], full: tuple[str, ...]):
        super().__init__(message)
        self.units = units
        self.full = full


@dataclass(frozen=True)
class _Question:
    """Why no word comes on an edge (``gives``, asked of its producer), or why it is not taken (of its consumer)."""

    edge: str
    gives: bool


def explain(network: Network, cycle: int, units: np.ndarray, edges: np.ndarray, codes: np.ndarray) -> Deadlock:
    """The deadlock in which the kernel's records have stood since a cycle: the circle of units that wait."""
    state = dict(zip(network.edges, edges, strict=True))
    seen: dict[_Question, int] = {}
    walk: list[tuple[str, str, bool]] = []
    question = _Question(network.output, gives=True)
    while question not in seen:
        seen[question] = len(walk)
        number = int(state[question.edge]["producer" if question.gives else "consumer"])
        unit, row = network.units[-1 - number], units[number]
        if isinstance(unit.timing, Schedule):
            question, what = _cause_in_actor(question, unit, row, state, codes)
        elif question.gives:
            # A sparse engine in which nothing moves and no word waits to leave has nothing to work on.
            question = _Question(unit.inputs[0], gives=True)
            what = f"waits for a word on edge {question.edge!r}"
        elif isinstance(unit.timing, Engine):
            question = _Question(unit.outputs[0], gives=False)
            what = f"waits for room on edge {question.edge!r}"
        else:
            held = int(row["level"] + (row["ahead"] if isinstance(unit.timing, Queue) else 0))
            question, what = _Question(unit.outputs[0], gives=False), f"holds {held} of {unit.timing.depth} words"
        walk.append((unit.name, what, what.startswith("holds")))
    circle = walk[seen[question]:]
    # The story begins with what can be changed: storage that is full.
    start = next((at for at, (_, _, full) in enumerate(circle) if full), 0)
    circle = circle[start:] + circle[:start]
    return Deadlock(f"deadlock from cycle {cycle} on: " + ", ".join(f"{name!r} {what}" for name, what, _ in circle),
                    tuple(name for name, _, _ in circle), tuple(name for name, _, full in circle if full))


def _cause_in_actor(question: _Question, unit: Unit, row: np.void, state: dict[str, np.void],
                    codes: np.ndarray) -> tuple[_Question, str]:
    pending = [edge for edge in unit.outputs if state[edge]["valid"]]
    every_stage = 2 * row["top"] - 1
    # A word for the edge may stand in the stages behind one that another output has not got rid of.
    if pending and (row["full"] == every_stage or (question.gives and state[question.edge]["word"])):
        return _Question(pending[0], gives=False), f"waits for room on edge {pending[0]!r}"
    code = int(codes[row["base"] + row["phase"]])
    missing = next(edge for port, edge in enumerate(unit.inputs) if code >> port & 1 and not state[edge]["valid"])
    return _Question(missing, gives=True), f"waits for a word on edge {missing!r}"
