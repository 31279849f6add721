"""Let the accelerator give the class instead of the logits (``--top1``)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ...errors import UserError
from ..float32 import Chain
from ..ir import ArgMax, Graph, IntType, Value
from .readers import fresh

__all__ = ["AppendArgMax"]


@dataclass(frozen=True)
class AppendArgMax:
    """Append an ArgMax over the output's channels.

    What the host would do to the logits, a soft-max, is left out. The largest logit belongs to the largest integer only
    if the final float32 expression is strictly increasing and the same for every channel: this is evaluated on every
    integer of the output's interval, at most ``limit`` of them.

    Raises
    ------
    UserError
        If the final expression is not such, or the output has a single channel or several pixels.
    """

    limit: int = 1 << 22

    def __call__(self, graph: Graph) -> Graph:
        source = graph.value(graph.output)
        channels, span = source.channels, source.hi - source.lo + 1
        remedy = "build without --top1 and take the largest logit on the host"
        if channels < 2:
            raise UserError("the output has one channel; the largest of one is no answer", where="--top1",
                            remedy="build without --top1")
        if source.pixels > 1 or (graph.order is not None and not np.array_equal(graph.order, np.arange(channels))):
            raise UserError(f"the output is an image of {source.pixels} pixels, not a vector of logits",
                            where="--top1", remedy="build without --top1")
        if span * channels > self.limit:
            raise UserError(f"the output has {span} values in {channels} channels, too many to compare", where="--top1",
                            remedy=remedy)
        integers = np.arange(source.lo, source.hi + 1)[:, None]
        with np.errstate(all="ignore"):
            logits = np.broadcast_to(graph.final(integers), (span, graph.final(integers).shape[-1]))
        if not (logits == logits[:, :1]).all():
            raise UserError("the final float32 expression is not the same for every channel, so the largest integer "
                            "need not be the largest logit", where="--top1", remedy=remedy)
        if not (np.diff(logits[:, 0]) > 0).all():
            raise UserError("the final float32 expression does not keep the order of the integers", where="--top1",
                            remedy=remedy)
        kind = IntType.spanning(0, channels - 1)
        name = fresh(graph, "top1")
        output = Value(name, (1,), kind, 0, channels - 1)
        node = ArgMax(name, source.name, output)
        return graph.with_nodes((*graph.nodes, node), output=output.name, final=Chain(Fraction(1)), order=None,
                                host=())
