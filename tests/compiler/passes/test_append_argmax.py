"""The class in place of the logits, only where the largest integer is the largest logit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gatewright.compiler import passes
from gatewright.compiler.float32 import Chain
from gatewright.compiler.ir_text import dump
from gatewright.compiler.passes import AppendArgMax
from gatewright.errors import UserError

ONE = np.array([1.0])


def test_appended(small, interpret):
    graph = passes.run(passes.run(small), [AppendArgMax()])
    assert dump(graph).splitlines()[-2:] == ["  %top1: uint1[1] in 0..1 = argmax top1 %out",
                                             "  return %top1, final *1"]
    codes = np.random.default_rng(0).integers(0, 256, size=(100, 3))
    values = interpret(graph, codes)
    logits = passes.run(small).final(values["out"])
    np.testing.assert_array_equal(graph.final(values["top1"])[:, 0], logits.argmax(axis=1))


@pytest.mark.parametrize(("final", "message"), [
    (Chain(ONE).then("mul", [1, 2]), "--top1: the final float32 expression is not the same for every channel, so the "
     "largest integer need not be the largest logit; build without --top1 and take the largest logit on the host"),
    (Chain(np.array([1.0, 2.0])), "--top1: the final float32 expression is not the same for every channel, so the "
     "largest integer need not be the largest logit; build without --top1 and take the largest logit on the host"),
    (Chain(ONE).then("mul", -1), "--top1: the final float32 expression does not keep the order of the integers; build "
     "without --top1 and take the largest logit on the host"),
    (Chain(ONE).then("max", 0), "--top1: the final float32 expression does not keep the order of the integers; build "
     "without --top1 and take the largest logit on the host"),
    (Chain(ONE).then("add", 2**25), "--top1: the final float32 expression does not keep the order of the integers; "
     "build without --top1 and take the largest logit on the host"),
])
def test_refused(small, final, message):
    with pytest.raises(UserError) as error:
        AppendArgMax()(replace(passes.run(small), final=final))
    assert str(error.value) == message


def test_too_wide(small):
    with pytest.raises(UserError, match="--top1: the output has 5 values in 2 channels, too many to compare"):
        AppendArgMax(limit=9)(passes.run(small))


def test_one_channel(small):
    graph = passes.run(small)
    last = graph.nodes[-1]
    narrow = replace(last, weights=last.weights[:1], output=replace(last.output, shape=(1,)))
    with pytest.raises(UserError, match="--top1: the output has one channel"):
        AppendArgMax()(graph.with_nodes((*graph.nodes[:-1], narrow)))
