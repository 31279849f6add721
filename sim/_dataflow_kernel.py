"""The engine's inner loop, compiled by numba: one iteration is one clock cycle of the whole network.

Units are visited against the stream, consumers first: what is ready at a unit's inputs follows from its state and from
what is ready at its outputs. ``valid`` is state: a unit sets it for the next cycle when it is visited, after its
consumer has read it for this one. So one visit a unit and cycle is enough.

Elastic stages are the bits of an integer, the first stage in bit 0: ``full`` for each unit (an item is there), ``word``
for each edge (the item carries a word for this edge, not taken yet). Edges are numbered so that the outputs of a unit
follow each other.
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["ACTOR", "BUFFER", "FINISHED", "GIVES", "OUT_OF_TIME", "PERIODIC", "STUCK", "run_cycles"]

FINISHED, STUCK, PERIODIC, OUT_OF_TIME = 0, 1, 2, 3
# Kinds of units; 1 and 2 are queues of that latency.
ACTOR, BUFFER = 0, 3
# The lowest bit of a phase's code that says what it gives; below are the bits of what it takes.
GIVES = 12


@njit(cache=True)
def _shift(full, last):
    """Stages after one cycle in which the last one keeps its item: (the stages that move, all stages afterwards).

    Every item before the last empty stage moves by one.
    """
    gap = last - 1
    while gap >= 0 and (full >> gap) & 1:
        gap -= 1
    if gap < 0:
        return 0, full
    moving = (1 << gap) - 1
    return moving, (full & ~((1 << (gap + 1)) - 1)) | ((full & moving) << 1)


@njit(cache=True)
def run_cycles(kind, depth, last, base, phases, first_in, in_edges, first_out, codes, need, freed, buffer_words,
               words_in, words_out, words_frame_in, words_frame, out_edge, offers, accepts, gate, time_base,
               time_count, times, phase, full, word, level, ahead, valid, ready, peaks, states, max_cycles):
    """Step the network until ``words_out`` words have left it, its state repeats at a frame's end, or nothing moves.

    State: ``phase``, ``full`` and ``word`` as above; ``level`` words in a queue's memory or held by a buffer; ``ahead``
    is 1 if the output register of a queue of latency 2 is filled, and for a buffer the words written since its reader's
    frame began. ``gate`` is (numerator, denominator) of the least cycles a frame at which the source offers words, or
    (0, 1). ``states`` has room for the states at the ends of so many frames as are compared.
    Returns (status, cycles, first frame of the period, frame at which it repeats).
    """
    units = kind.shape[0]
    edges = valid.shape[0]
    moved = np.zeros(edges, np.int64)
    digests = np.zeros(states.shape[0], np.uint64)
    slacks = np.zeros(states.shape[0], np.int64)
    waits = np.zeros(states.shape[0], np.int64)
    sent = 0
    left = 0
    frame = 0
    waited = 0
    offer_at = 0
    accept_at = 0
    for cycle in range(max_cycles):
        if not valid[0] and sent < words_in:
            if gate[0] * sent > cycle * words_frame_in * gate[1]:
                waited += 1
            elif offers[offer_at]:
                valid[0] = True
        ready[out_edge] = accepts[accept_at]
        # Nothing holds the network up from outside: if it stays as it is, it stays so for ever.
        free_to_move = ready[out_edge] and (valid[0] or sent == words_in)
        changed = False
        delivered = valid[out_edge] and ready[out_edge]
        for u in range(units - 1, -1, -1):
            begin = first_out[u]
            end = first_out[u + 1]
            if kind[u] == ACTOR or kind[u] == BUFFER:
                top = 1 << last[u]
                before = full[u]
                pending = False
                for e in range(begin, end):
                    if valid[e]:
                        if ready[e]:
                            word[e] ^= top
                        else:
                            pending = True
                # From the last stage to the first: an item moves into a stage that is empty or was just left.
                if pending:
                    moving, f = _shift(before, last[u])
                else:
                    moving, f = top - 1, (before & ~top) << 1
                for e in range(begin, end):
                    low = word[e] & moving
                    word[e] = (word[e] ^ low) | (low << 1)
                fire = not f & 1
                p = base[u] + phase[u]
                if kind[u] == ACTOR:
                    code = codes[p]
                    for i in range(first_in[u], first_in[u + 1]):
                        if (code >> (i - first_in[u])) & 1 and not valid[in_edges[i]]:
                            fire = False
                    for i in range(first_in[u], first_in[u + 1]):
                        ready[in_edges[i]] = fire and (code >> (i - first_in[u])) & 1
                    if fire:
                        for e in range(begin, end):
                            word[e] |= (code >> (GIVES + e - begin)) & 1
                else:
                    into = in_edges[first_in[u]]
                    ready[into] = level[u] < depth[u]
                    enters = valid[into] and ready[into]
                    fire = fire and ahead[u] >= need[p]
                    if fire:
                        word[begin] |= 1
                        level[u] -= freed[p]
                        if phase[u] == phases[u] - 1:
                            ahead[u] -= buffer_words[u]
                    if enters:
                        changed = True
                        level[u] += 1
                        ahead[u] += 1
                        if level[u] > peaks[u]:
                            peaks[u] = level[u]
                if fire:
                    f |= 1
                    changed = True
                    phase[u] += 1
                    if phase[u] == phases[u]:
                        phase[u] = 0
                # An item without a word, or whose last word was taken, is gone from the last stage.
                carries = False
                for e in range(begin, end):
                    if valid[e] and ready[e]:
                        changed = True
                        if moved[e] < time_count[e]:
                            times[time_base[e] + moved[e]] = cycle
                        moved[e] += 1
                    valid[e] = word[e] & top
                    carries |= valid[e]
                if not carries:
                    f &= ~top
                if f != before:
                    changed = True
                full[u] = f
            else:
                into = in_edges[first_in[u]]
                ready[into] = level[u] + ahead[u] < depth[u]
                enters = valid[into] and ready[into]
                leaves = valid[begin] and ready[begin]
                if leaves:
                    if moved[begin] < time_count[begin]:
                        times[time_base[begin] + moved[begin]] = cycle
                    moved[begin] += 1
                if kind[u] == 1:
                    if leaves:
                        level[u] -= 1
                else:
                    if leaves:
                        ahead[u] = 0
                    if ahead[u] == 0 and level[u] > 0:
                        ahead[u] = 1
                        level[u] -= 1
                        changed = True
                if enters:
                    level[u] += 1
                    if level[u] + ahead[u] > peaks[u]:
                        peaks[u] = level[u] + ahead[u]
                valid[begin] = (level[u] if kind[u] == 1 else ahead[u]) > 0
                changed |= enters or leaves
        if valid[0] and ready[0]:
            changed = True
            if moved[0] < time_count[0]:
                times[time_base[0] + moved[0]] = cycle
            moved[0] += 1
            valid[0] = False
            sent += 1
        if delivered:
            left += 1
            # A drained input is no longer the steady state, so its frame ends are not compared.
            if frame < states.shape[0] and left % words_frame == 0 and sent < words_in:
                state = states[frame]
                at = 0
                for part in (phase, full, level, ahead, word):
                    state[at : at + part.shape[0]] = part
                    at += part.shape[0]
                # FNV-1a; states are compared whole only where their digests agree.
                digest = np.uint64(14695981039346656037)
                for value in state:
                    digest = (digest ^ np.uint64(value)) * np.uint64(1099511628211)
                digests[frame] = digest
                slacks[frame] = gate[0] * sent - cycle * words_frame_in * gate[1]
                waits[frame] = waited
                for earlier in range(frame):
                    # A gated source is in the same state if it may offer its next word after the same time, or if it
                    # was never kept waiting and so did not matter.
                    if digests[earlier] == digest and (slacks[earlier] == slacks[frame] or waits[earlier] == waited):
                        if np.array_equal(states[earlier], state):
                            return PERIODIC, cycle + 1, earlier, frame
                frame += 1
            if left == words_out:
                return FINISHED, cycle + 1, 0, 0
        if free_to_move and not changed:
            return STUCK, cycle, 0, 0
        offer_at = offer_at + 1 if offer_at + 1 < offers.shape[0] else 0
        accept_at = accept_at + 1 if accept_at + 1 < accepts.shape[0] else 0
    return OUT_OF_TIME, max_cycles, 0, 0
