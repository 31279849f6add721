"""One clock cycle of a sparse engine (``hdl.schedule.Engine``), compiled by numba, and the tables that it works on.

A column is known by its number in the sequence of all columns that the engine gives, which repeats: what a queue holds
follows from the first of its items and how many they are. The words that leave are the business of the kernel in
``_dataflow_kernel``, which calls this and names this file's digest.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit

from ..hdl.schedule import Engine

__all__ = ["EngineTables", "may_leave", "note_engine", "step_engine"]

# What a number in the sequence of columns given says beside the row of ``counts``, which begins at bit 2.
MARKED, ENDS_WORD = 1, 2

ENGINE = np.dtype([(name, np.int64) for name in (
    # What it is: elements, items of a queue, columns given before they repeat; where its part of each table begins.
    "elements", "depth", "given", "first_element", "first_given", "first_count", "first_item", "latency",
    # Whether there is a stage in which pointers are read, and whether it holds a column, and which.
    "reads", "reading", "read",
    # The column that the register gives next, and whether it holds a word; the one in the pointer stage, and whether it
    # holds any.
    "next", "holds", "stage", "offers",
    # For the banks of even and of odd vectors: elements that closed theirs, and the cycles until its words may leave.
    "closed_even", "closed_odd", "wait_even", "wait_odd",
    # The bank whose words leave next.
    "leaves")])

ELEMENT = np.dtype([(name, np.int64) for name in (
    # Where the queue's first item stands in its part of ``items``, how many follow; whether one is offered.
    "head", "level", "offered",
    # The item worked on: cycles that it still takes, and whether it is marked; the bank that it goes to, and a bit for
    # each bank that is closed.
    "left", "marked", "bank", "closed")])


def _columns_given(timing: Engine) -> np.ndarray:
    """The columns that an engine gives before they repeat: int32, each its row of the counts and two bits.

    A word without activations gives the row behind the last.
    """
    columns = len(timing.counts)
    active = np.ones((1, columns), dtype=bool) if timing.active is None else timing.active
    begins = np.arange(0, columns, timing.lanes)
    empty = ~np.logical_or.reduceat(active, begins, axis=1)
    # Behind each word's own lanes stands one for the column that it gives if it has none.
    at = np.append(begins[1:], columns)
    present = np.insert(active, at, empty, axis=1)
    rows = np.insert(np.arange(columns), at, columns)
    word = np.insert(np.arange(columns) // timing.lanes, at, np.arange(len(at)))
    vector, place = np.nonzero(present)
    number = vector * len(at) + word[place]
    ends = np.append(number[1:] != number[:-1], True)
    marked = np.append(vector[1:] != vector[:-1], True)
    return (rows[place] << 2 | ends * ENDS_WORD | marked * MARKED).astype(np.int32)


class EngineTables:
    """The engines of a network as the kernel's records, state of a reset included, one after another."""

    def __init__(self, timings: Sequence[Engine]):
        self.engines = np.zeros(len(timings), dtype=ENGINE)
        self.elements = np.zeros(sum(timing.counts.shape[1] for timing in timings), dtype=ELEMENT)
        given, counts = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)]
        elements, items = 0, 0
        for row, timing in zip(self.engines, timings, strict=True):
            width = timing.counts.shape[1]
            row["elements"], row["depth"], row["latency"] = width, timing.depth, timing.latency
            row["reads"] = timing.reads
            row["first_element"], row["first_item"] = elements, items
            row["first_given"], row["first_count"] = sum(map(len, given)), sum(map(len, counts))
            given.append(_columns_given(timing))
            row["given"] = len(given[-1])
            counts.append(np.append(timing.counts.reshape(-1), np.zeros(width, np.int32)))
            elements, items = elements + width, items + width * timing.depth
        self.given, self.counts = np.concatenate(given), np.concatenate(counts)
        self.items = np.zeros(items, np.int32)

    @property
    def state_size(self) -> int:
        """Integers of the state of all engines in a snapshot."""
        return 10 * len(self.engines) + 2 * len(self.elements)


@njit(cache=True)
def may_leave(engine):
    """Whether the oldest vector is complete, so that a word of it may leave in this cycle."""
    if engine.leaves:
        return engine.closed_odd == engine.elements and engine.wait_odd == 0
    return engine.closed_even == engine.elements and engine.wait_even == 0


@njit(cache=True)
def step_engine(engine, edge_in, opens, elements, given, counts, items):
    """Everything of an engine but the words that leave, of which this cycle's, if ``opens``, opens the oldest bank.

    Returns whether anything moved, and sets ``ready`` of the input.
    """
    moved = False
    depth, width, first = engine.depth, engine.elements, engine.first_element
    # A bank opened now is still closed for what looks at it in this cycle.
    opened = 1 << engine.leaves if opens else 0
    if engine.wait_even > 0 and engine.closed_even == width:
        engine.wait_even -= 1
        moved = True
    if engine.wait_odd > 0 and engine.closed_odd == width:
        engine.wait_odd -= 1
        moved = True
    waiting = 0
    for k in range(width):
        element = elements[first + k]
        own = engine.first_item + k * depth
        level = element.level
        idle = element.left == 0
        if not idle and not element.closed >> element.bank & 1:
            moved = True
            element.left -= 1
            if element.left == 0:
                idle = True
                if element.marked:
                    element.marked = 0
                    element.closed |= 1 << element.bank
                    if element.bank:
                        engine.closed_odd += 1
                        engine.wait_odd = engine.latency - 1
                    else:
                        engine.closed_even += 1
                        engine.wait_even = engine.latency - 1
                    element.bank ^= 1
        if element.offered:
            if level < depth:
                moved = True
                element.offered = 0
                place = element.head + level
                items[own + (place - depth if place >= depth else place)] = engine.stage
                element.level += 1
            else:
                waiting += 1
        if idle and level > 0:
            moved = True
            code = given[engine.first_given + items[own + element.head]]
            element.left = max(1, counts[engine.first_count + (code >> 2) * width + k])
            element.marked = code & MARKED
            element.head = 0 if element.head + 1 == depth else element.head + 1
            element.level -= 1
        element.closed &= ~opened
    if opens:
        if engine.leaves:
            engine.closed_odd = 0
        else:
            engine.closed_even = 0
        engine.leaves ^= 1
    edge_in.ready = not engine.holds
    if waiting == 0:
        if engine.offers:
            moved = True
            engine.offers = 0
        if engine.reading or (engine.holds and not engine.reads):
            moved = True
            engine.offers = 1
            engine.stage = engine.read if engine.reads else engine.next
            engine.reading = 0
            code = given[engine.first_given + engine.stage]
            row = engine.first_count + (code >> 2) * width
            for k in range(width):
                elements[first + k].offered = (code & MARKED) | (counts[row + k] > 0)
    if engine.holds and (not engine.reading if engine.reads else waiting == 0):
        moved = True
        if engine.reads:
            engine.reading = 1
            engine.read = engine.next
        code = given[engine.first_given + engine.next]
        engine.next = 0 if engine.next + 1 == engine.given else engine.next + 1
        if code & ENDS_WORD:
            engine.holds = 0
            edge_in.ready = 1
    if edge_in.valid and edge_in.ready:
        moved = True
        engine.holds = 1
    return moved


@njit(cache=True)
def note_engine(engine, elements, items, state):
    """Write the state of an engine to the first integers of ``state``; returns how many they are."""
    state[0], state[1], state[2], state[3] = engine.next, engine.holds, engine.stage * engine.offers, engine.offers
    state[4], state[5], state[6], state[7] = (engine.closed_even, engine.closed_odd, engine.wait_even, engine.wait_odd)
    state[8] = engine.leaves
    state[9] = engine.read + 1 if engine.reading else 0
    at = 10
    for k in range(engine.elements):
        element = elements[engine.first_element + k]
        # Of a queue without items it does not matter where the next one will stand.
        state[at] = items[engine.first_item + k * engine.depth + element.head] + 1 if element.level else 0
        state[at + 1] = ((element.level << 31 | element.left) << 5 | element.closed << 3 | element.bank << 2
                         | element.marked << 1 | element.offered)
        at += 2
    return at
