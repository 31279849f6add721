"""Elastic stages: the control of every pipelined unit, in gates, exactly as ``hdl.schedule`` words it.

A stage moves when the next one is empty or moves. An item without a word leaves the last stage without needing room, so
the last stage keeps one bit for each output only: that a word is there which its reader has not taken.
"""

from __future__ import annotations

from amaranth.hdl import *

__all__ = ["ElasticStages", "later"]


class ElasticStages:
    """Adds ``stages`` elastic stages to a module, towards one output or towards several.

    Use ``ready`` to decide whether a phase may fire, drive ``fire`` and ``gives``, and load a stage's registers
    where ``enter[d]`` is high: an item moves into stage ``d`` at the end of this cycle.

    Parameters
    ----------
    o_valid, o_ready
        The signals of the output stream; lists of them for several outputs, in the order of the bits of ``gives``.

    Attributes
    ----------
    fire : Signal, driven by the user
        A phase fires in this cycle. Only legal while ``ready``.
    gives : Signal, driven by the user
        The firing phase gives a word: one bit for each output.
    ready : Signal
        The first stage is empty or moves.
    enter : list of Signal
        An item enters stage ``d``; ``enter[0]`` is ``fire``.
    """

    def __init__(self, m: Module, stages: int, o_valid, o_ready):
        valids, readies = (each if isinstance(each, list) else [each] for each in (o_valid, o_ready))
        outputs = len(valids)
        self.fire = Signal()
        self.gives = Signal(outputs)
        self.ready = Signal(name="stage0_ready")
        full = [Signal(name=f"stage{d}_full") for d in range(stages - 1)]
        word = [Signal(outputs, name=f"stage{d}_word") for d in range(stages - 1)]
        room = [self.ready, *(Signal(name=f"stage{d}_ready") for d in range(1, stages))]
        valid = Signal(outputs, name="last_valid")
        self.enter = [self.fire]
        for d in range(1, stages):
            enter = Signal(name=f"stage{d}_enter")
            m.d.comb += enter.eq(full[d - 1] & room[d])
            self.enter.append(enter)
        for d in range(stages - 1):
            m.d.comb += room[d].eq(~full[d] | room[d + 1])
            with m.If(room[d]):
                m.d.sync += full[d].eq(self.enter[d])
                m.d.sync += word[d].eq(word[d - 1] if d else self.gives)
        arriving = word[-1] if word else self.gives
        if outputs == 1:
            m.d.comb += room[stages - 1].eq(~valid | readies[0])
            with m.If(room[stages - 1]):
                m.d.sync += valid.eq(self.enter[-1] & arriving)
        else:
            # Each reader takes its word when it likes; the next item comes when the last of them does.
            waiting = Signal(outputs, name="last_waiting")
            m.d.comb += [waiting.eq(valid & ~Cat(*readies)), room[stages - 1].eq(waiting == 0)]
            m.d.sync += valid.eq(Mux(self.enter[-1], arriving, waiting))
        m.d.comb += [each.eq(valid[k]) for k, each in enumerate(valids)]


def later(m: Module, enter, values: list, name: str) -> list:
    """The values as they were when an item entered a stage (``enter``); constants stay what they are."""
    copies = [value if isinstance(value, Const) else Signal.like(value, name=f"{name}_{number}", reset_less=True)
              for number, value in enumerate(values)]
    with m.If(enter):
        m.d.sync += [copy.eq(value) for copy, value in zip(copies, values, strict=True) if copy is not value]
    return copies
