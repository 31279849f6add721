"""Weights in units of their own, and weights loaded while the accelerator runs."""

import warnings

import numpy as np
import pytest
from amaranth.sim import Simulator

import gatewright
from gatewright.compiler.emit import Accelerator
from gatewright.compiler.execute import run_golden
from gatewright.compiler.words import pack, unpack
from gatewright.errors import UserError


@pytest.fixture(scope="module")
def trained(builder, tmp_path_factory):
    """Two trainings of one network, convolution and dense layer, 2-bit weights and activations."""
    folder = tmp_path_factory.mktemp("weights")

    def model(seed):
        rng = np.random.default_rng(seed)
        net = builder((1, 2, 4, 4)).conv(rng.integers(-1, 2, (3, 2, 3, 3)), 0.5, bits=2, narrow=True)
        net.norm(rng.uniform(0.5, 1, 3), rng.normal(size=3), rng.normal(size=3), rng.uniform(0.5, 2, 3))
        net.quantise(1.0, 2, signed=False).node("Flatten")
        net.gemm(rng.integers(-1, 2, (4, 12)), 0.5, bits=2)
        return gatewright.load(net.save(folder / f"net{seed}.onnx"), input="uint3", name="net")

    return model(1), model(2)


def test_streamed_weights_wait_in_full_fifos_when_no_frame_comes(builder, tmp_path):
    """Frames from the first cycle on never let them fill; after the last frame they do, as the engine says."""
    rng = np.random.default_rng(0)
    path = builder((1, 2)).gemm(rng.integers(-4, 4, size=(3, 2)), bits=3).save(tmp_path / "small.onnx")
    design = gatewright.compile(gatewright.load(path, input="int5"), folding="2x1", memory="streamed")
    verification = design.verify(rng.integers(-16, 16, size=(5, 2)))
    assert verification.cycles.fifo_peaks["predicted"] == verification.cycles.fifo_peaks["measured"] == [2, 2]
    assert design.prediction.peaks == (2, 1)



@pytest.mark.parametrize("folding", ["3x18,4x12", "2x4,3x5", "1x1,1x1"])
def test_streamed_weights_give_the_same_integers_in_the_same_cycles(trained, folding):
    frames = np.random.default_rng(0).integers(0, 8, size=(20, 2, 4, 4))
    streamed, built_in = (gatewright.compile(trained[0], folding=folding, memory=memory)
                          for memory in ("streamed", "rom"))
    assert streamed.verify(frames).mismatches == 0
    assert streamed.prediction.interval == built_in.prediction.interval


def simulate(design, loads, codes):
    """Load words into each layer's port, then run frames, in Amaranth's simulator: the output integers."""
    first, last = design.dataflow.edges[0], design.dataflow.edges[-1]
    accelerator = Accelerator(design.dataflow)
    golden = {first.value: codes}
    words = [int.from_bytes(row.tobytes(), "little") for row in pack(golden[first.value], first)]
    got = []

    async def bench(ctx):
        for layer, given in loads.items():
            port = getattr(accelerator, f"load_{layer}")
            ctx.set(port.valid, 1)
            for word in given:
                ctx.set(port.payload, word)
                await ctx.tick()
            ctx.set(port.valid, 0)
        queue = list(words)
        ctx.set(accelerator.o.ready, 1)
        for _ in range(20_000):
            ctx.set(accelerator.i.valid, bool(queue))
            ctx.set(accelerator.i.payload, queue[0] if queue else 0)
            if ctx.get(accelerator.o.valid):
                got.append(ctx.get(accelerator.o.payload))
            if queue and ctx.get(accelerator.i.ready):
                queue.pop(0)
            await ctx.tick()
            if len(got) == len(codes) * last.words:
                return

    with warnings.catch_warnings():
        simulator = Simulator(accelerator)
        simulator.add_clock(1e-6)
        simulator.add_testbench(bench)
        simulator.run()
    size = -(-last.bits // 8)
    rows = np.array([list(word.to_bytes(size, "little")) for word in got], dtype=np.uint8)
    return unpack(rows, last)


def test_loaded_weights_make_another_network_of_it(trained):
    one, other = trained
    design = gatewright.compile(one, folding="2x4,3x5", memory="loadable")
    codes = design.codes(np.random.default_rng(0).integers(0, 8, size=(4, 2, 4, 4)))
    mine, theirs = (run_golden(model.graph, codes)[model.graph.output] for model in trained)
    assert not np.array_equal(mine, theirs)
    assert np.array_equal(simulate(design, {}, codes), mine)
    assert np.array_equal(simulate(design, design.load_words(other), codes), theirs)


def test_loadable_weights_are_proven_as_built(trained):
    design = gatewright.compile(trained[0], folding="2x4,3x5", memory="loadable")
    assert design.verify(np.random.default_rng(0).integers(0, 8, size=(10, 2, 4, 4))).mismatches == 0


def test_what_cannot_be_loaded_is_said(trained, builder, tmp_path):
    with pytest.raises(UserError, match="the weights of this design cannot be loaded; build it with"):
        gatewright.compile(trained[0]).load_words(trained[1])
    rng = np.random.default_rng(0)
    net = builder((1, 2, 4, 4)).node("Flatten").gemm(rng.integers(-1, 2, (4, 32)), 0.5, bits=2)
    path = net.save(tmp_path / "x.onnx")
    design = gatewright.compile(trained[0], memory="loadable")
    with pytest.raises(UserError, match="x: has other layers; train it with the same layers"):
        design.load_words(gatewright.load(path, input="uint3"))
    with pytest.raises(UserError, match="--weights: 'flash' is no place for weights; say one of"):
        gatewright.compile(trained[0], memory="flash")
