"""The engine's inner loop, compiled by numba: one iteration is one clock cycle of the whole network.

Units are visited against the stream, consumers first: what is ready at a unit's inputs follows from its state and from
what is ready at its outputs. ``valid`` is state: a unit sets it for the next cycle when it is visited, after its
consumer has read it for this one. So one visit a unit and cycle is enough.

Most units have nothing to decide in most cycles, and are not visited then. What a visit does follows from the unit's
state, from ``valid`` of its inputs and ``ready`` of its outputs: a unit whose visit changed nothing sleeps until a word
comes to an input, or a word at an output is about to leave. And an actor without a word in its stages runs through
phases that neither take nor give by itself; it is put to their end at once, and visited when that time has come.

Elastic stages are the bits of an integer, the first stage in bit 0: ``full`` for each unit (an item is there), ``word``
for each edge (the item carries a word for this edge, not taken yet).
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["ACTOR", "BEHIND", "BUFFER", "EDGE", "FINISHED", "GIVES", "OUT_OF_TIME", "PERIODIC", "STUCK", "UNIT",
           "WORD", "run_cycles"]

FINISHED, PERIODIC, BEHIND, STUCK, OUT_OF_TIME = range(5)
# Kinds of units; 1 and 2 are queues of that latency.
ACTOR, BUFFER = 0, 3
# The lowest bit of a phase's code that says what it gives; below are the bits of what it takes.
GIVES = 12
# Units in a word of a worklist, and where the only bit of such a word is, by a de Bruijn sequence.
WORD = 32
_DE_BRUIJN = 0x077CB531
_POSITIONS = np.zeros(WORD, np.int64)
for _position in range(WORD):
    _POSITIONS[(_DE_BRUIJN << _position & 0xFFFFFFFF) >> 27] = _position
_NEVER = 1 << 62

UNIT = np.dtype([(name, np.int64) for name in (
    # What it is. Its inputs are in_edges[first_in:last_in], its outputs the edges from first_out to last_out - 1.
    "kind", "depth", "top", "phases", "first_in", "last_in", "first_out", "last_out",
    # The entry of its first phase in ``codes`` and ``idle``, or in ``need`` and ``freed``; words a frame of a buffer,
    # phases a frame of a source.
    "base", "frame",
    # State: ``level`` are the words in a queue's memory or held by a buffer. ``ahead`` is 1 if the output register of a
    # queue of latency 2 is filled; for a buffer it is the words written since its reader's frame began. The state of an
    # actor that runs by itself is the one that it will have at the beginning of cycle ``until``.
    "phase", "full", "level", "ahead", "until",
    # Most words held; phases fired by a source, and the cycles that its pace kept it waiting.
    "peak", "fired", "waited")])

EDGE = np.dtype([(name, np.int64) for name in (
    "producer", "consumer", "word", "valid", "ready", "moved",
    # Where the transfer cycles go, and how many.
    "time_base", "time_count")])


@njit(cache=True)
def _wake(worklist, unit):
    worklist[unit // WORD] |= 1 << unit % WORD


@njit(cache=True)
def _shift(full, top):
    """One cycle of stages whose last one keeps its item: (mask of the items that move, stages afterwards).

    Every item before the last empty stage moves by one.
    """
    gap = top >> 1
    while full & gap:
        gap >>= 1
    if gap == 0:
        return gap, full
    return gap - 1, (full & ~(2 * gap - 1)) | ((full & (gap - 1)) << 1)


@njit(cache=True)
def _step_actor(unit, edges, in_edges, codes, idle, now, gate, cycle):
    """Ready for the inputs of an actor, and its next state except for what leaves; returns whether it stays awake."""
    first, last, top, before = unit.first_out, unit.last_out, unit.top, unit.full
    pending = False
    for e in range(first, last):
        if edges[e].valid:
            if edges[e].ready:
                edges[e].word ^= top
            else:
                pending = True
    # From the last stage to the first: an item moves into a stage that is empty or was just left.
    if pending:
        moving, full = _shift(before, top)
    else:
        moving, full = top - 1, (before & ~top) << 1
    code = codes[unit.base + unit.phase]
    fires = not full & 1
    waits = False
    if unit.first_in == unit.last_in:
        waits = gate[0] * unit.fired > cycle * unit.frame * gate[1]
        unit.waited += waits
        fires &= not waits
        unit.fired += fires
    elif fires:
        for i in range(unit.first_in, unit.last_in):
            if (code >> (i - unit.first_in)) & 1 and not edges[in_edges[i]].valid:
                fires = False
    for i in range(unit.first_in, unit.last_in):
        takes = fires and (code >> (i - unit.first_in)) & 1
        edges[in_edges[i]].ready = takes
        if takes:
            _wake(now, edges[in_edges[i]].producer)
    if fires:
        full |= 1
        unit.phase += 1
        if unit.phase == unit.phases:
            unit.phase = 0
    carries = np.int64(0)
    for e in range(first, last):
        low = edges[e].word & moving
        edges[e].word = (edges[e].word ^ low) | (low << 1)
        if fires:
            edges[e].word |= (code >> (GIVES + e - first)) & 1
        carries |= edges[e].word
    # An item without a word, or whose last word was taken, is gone from the last stage.
    if not carries & top:
        full &= ~top
    unit.full = full
    if fires and code == 0 and carries == 0 and unit.first_in < unit.last_in:
        cycles = idle[unit.base + unit.phase]
        if cycles > 1:
            unit.until = cycle + 1 + cycles
            unit.phase = (unit.phase + cycles) % unit.phases
            ran = min(cycles, 62)
            unit.full = ((full << ran) | ((1 << ran) - 1)) & (top - 1)
            return False
    return fires or waits or full != before


@njit(cache=True)
def _step_buffer(unit, edge_in, edge_out, need, freed, now):
    """Ready for the input of a buffer, and its next state except for what leaves; returns whether anything moved."""
    top, before = unit.top, unit.full
    edge_in.ready = unit.level < unit.depth
    enters = edge_in.valid and edge_in.ready
    full = before
    if edge_out.valid and not edge_out.ready:
        _, full = _shift(before, top)
    else:
        full = (before & ~top) << 1
    entry = unit.base + unit.phase
    fires = not full & 1 and unit.ahead >= need[entry]
    if fires:
        full |= 1
        unit.level -= freed[entry]
        unit.phase += 1
        if unit.phase == unit.phases:
            unit.phase = 0
            unit.ahead -= unit.frame
    if enters:
        _wake(now, edge_in.producer)
        unit.level += 1
        unit.ahead += 1
        if unit.level > unit.peak:
            unit.peak = unit.level
    unit.full = full
    edge_out.word = full
    return fires or enters or full != before


@njit(cache=True)
def _step_queue(unit, edge_in, edge_out, now):
    """Ready for the input of a queue, and its next state; returns whether anything moved."""
    edge_in.ready = unit.level + unit.ahead < unit.depth
    enters = edge_in.valid and edge_in.ready
    leaves = edge_out.valid and edge_out.ready
    moves = enters or leaves
    if unit.kind == 1:
        if leaves:
            unit.level -= 1
    else:
        if leaves:
            unit.ahead = 0
        if unit.ahead == 0 and unit.level > 0:
            unit.ahead = 1
            unit.level -= 1
            moves = True
    if enters:
        _wake(now, edge_in.producer)
        unit.level += 1
        if unit.level + unit.ahead > unit.peak:
            unit.peak = unit.level + unit.ahead
    edge_out.word = unit.level > 0 if unit.kind == 1 else unit.ahead > 0
    return moves


@njit(cache=True)
def _cross(edge, times, cycle):
    """Note that a word crossed an edge."""
    # A unit may give before it takes, and so be ahead of the frames asked for.
    if edge.moved < edge.time_count:
        times[edge.time_base + edge.moved] = cycle
    edge.moved += 1


@njit(cache=True)
def _note_state(units, edges, gate, cycle, states, paces, frame):
    """Note the state at a frame's end; returns the first frame at whose end it was the same, else ``frame`` itself.

    A source that is paced is in the same state if it may give its next word after the same time, or if no source was
    kept waiting between the frames and so their pace did not matter.
    """
    at = 1
    pace = paces[frame]
    for u in range(units.shape[0]):
        state = states[frame, at : at + 5]
        state[0], state[1], state[2], state[3] = units[u].phase, units[u].full, units[u].level, units[u].ahead
        state[4] = max(0, units[u].until - 1 - cycle)
        at += 5
        pace[1] += units[u].waited
        if units[u].first_in == units[u].last_in:
            pace[2 + u] = gate[0] * units[u].fired - cycle * units[u].frame * gate[1]
    for e in range(edges.shape[0]):
        states[frame, at] = edges[e].word
        at += 1
    # FNV-1a; states are compared whole only where their digests agree.
    digest = np.uint64(14695981039346656037)
    for value in states[frame, 1:]:
        digest = (digest ^ np.uint64(value)) * np.uint64(1099511628211)
    states[frame, 0] = np.int64(digest)
    for earlier in range(frame):
        if states[earlier, 0] == states[frame, 0] and np.array_equal(states[earlier], states[frame]):
            before = paces[earlier]
            if before[1] == pace[1] or (before[0] == pace[0] and np.array_equal(before[2:], pace[2:])):
                return earlier
    return frame


@njit(cache=True)
def run_cycles(units, edges, in_edges, out_edge, codes, idle, need, freed, words_in, words_out, frame_in, frame_out,
               offers, accepts, gate, patience, times, states, paces, max_cycles):
    """Step the network until ``words_out`` words have left it, its state repeats at a frame's end, or nothing moves.

    ``units`` stand consumers first. ``idle`` is how many phases, from each on, neither take nor give. ``words_in`` and
    ``words_out`` are those of all frames, ``frame_in`` and ``frame_out`` those of one. ``gate`` is (numerator,
    denominator) of the pace, in cycles a frame, that nothing from outside and no source is ahead of, or (0, 1); the run
    ends when ``patience`` frame ends one after the other were further behind that pace than any before. ``states`` and
    ``paces``, zeros, have room for what is compared at the ends of so many frames.
    Returns (status, cycles, first frame of the period, frame at which it repeats).
    """
    width = units.shape[0] // WORD + 1
    # A word more for the units on the other side of the network's ends, which are not visited.
    now = np.zeros(width + 1, np.int64)
    later = np.zeros(width + 1, np.int64)
    for u in range(units.shape[0]):
        _wake(now, u)
    source = edges[0]
    sink = edges[out_edge]
    unstalled = offers.shape[0] == 1 and accepts.shape[0] == 1
    sent = 0
    frame = 0
    waited = 0
    worst = np.int64(0)
    patient = patience
    alarm = _NEVER
    cycle = 0
    while cycle < max_cycles:
        opens = cycle
        if not source.valid and sent < words_in:
            opens = -(-gate[0] * sent // (frame_in * gate[1]))
            if cycle < opens:
                waited += 1
            elif offers[cycle % offers.shape[0]]:
                source.valid = True
                _wake(now, source.consumer)
        sink.ready = accepts[cycle % accepts.shape[0]]
        delivered = sink.valid and sink.ready
        if delivered:
            _wake(now, sink.producer)
        if alarm == cycle:
            alarm = _NEVER
            for u in range(units.shape[0]):
                if units[u].until == cycle:
                    _wake(now, u)
                elif units[u].until > cycle:
                    alarm = min(alarm, units[u].until)
        changed = alarm < _NEVER
        nobody = True
        for w in range(width):
            while now[w]:
                nobody = False
                bit = now[w] & -now[w]
                now[w] ^= bit
                u = w * WORD + _POSITIONS[((bit * _DE_BRUIJN) & 0xFFFFFFFF) >> 27]
                unit = units[u]
                if unit.until > cycle:
                    continue
                if unit.kind == ACTOR:
                    moves = _step_actor(unit, edges, in_edges, codes, idle, now, gate, cycle)
                    if unit.until > cycle:
                        changed = True
                        alarm = min(alarm, unit.until)
                elif unit.kind == BUFFER:
                    moves = _step_buffer(unit, edges[in_edges[unit.first_in]], edges[unit.first_out], need, freed, now)
                else:
                    moves = _step_queue(unit, edges[in_edges[unit.first_in]], edges[unit.first_out], now)
                for e in range(unit.first_out, unit.last_out):
                    edge = edges[e]
                    if edge.valid and edge.ready:
                        changed = True
                        _cross(edge, times, cycle)
                        if unit.until <= cycle:
                            moves = True
                    edge.valid = (edge.word & unit.top) != 0
                    if edge.valid:
                        _wake(later, edge.consumer)
                if moves:
                    changed = True
                    _wake(later, u)
        now, later = later, now
        if source.valid and source.ready:
            changed = True
            _cross(source, times, cycle)
            source.valid = False
            sent += 1
        elif not changed and sink.ready and (source.valid or sent == words_in):
            # Nothing held the network up from outside, and it stays as it is: it does so for ever.
            return STUCK, cycle, 0, 0
        if delivered:
            # A drained input is no longer the steady state, so its frame ends are not compared.
            if frame < states.shape[0] and sink.moved % frame_out == 0 and sent < words_in:
                paces[frame, 0] = gate[0] * sent - cycle * frame_in * gate[1]
                paces[frame, 1] = waited
                earlier = _note_state(units, edges, gate, cycle, states, paces, frame)
                if earlier < frame:
                    return PERIODIC, cycle + 1, earlier, frame
                late = cycle * gate[1] - gate[0] * frame
                if late > worst:
                    patient -= 1
                    worst = late
                else:
                    patient = patience
                if frame == 0 or gate[0] == 0:
                    patient = patience
                elif patient == 0:
                    return BEHIND, cycle + 1, 0, 0
                frame += 1
            if sink.moved == words_out:
                return FINISHED, cycle + 1, 0, 0
        cycle += 1
        if nobody and unstalled:
            # Until the first of these cycles nothing can happen.
            until = min(alarm, opens if cycle < opens else _NEVER)
            if cycle < until < _NEVER:
                if cycle < opens:
                    waited += until - cycle
                cycle = until
    return OUT_OF_TIME, max_cycles, 0, 0
