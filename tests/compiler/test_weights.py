"""Weights in units of their own, and weights, thresholds and tables loaded while the accelerator runs."""

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


def simulate(design, loads, codes, stalls=((1,), (1,))):
    """Load words into each unit's port, then run frames, in Amaranth's simulator: the output integers."""
    first, last = design.dataflow.edges[0], design.dataflow.edges[-1]
    accelerator = Accelerator(design.dataflow)
    words = [int.from_bytes(row.tobytes(), "little") for row in pack(codes, first)]
    got = []
    assert set(loads) in (set(), {stage.name for stage in design.dataflow.loadable})

    async def bench(ctx):
        for unit, given in loads.items():
            port = getattr(accelerator, f"load_{unit}")
            for number, word in enumerate(given):
                if number % 5 == 3:  # a gap
                    ctx.set(port.valid, 0)
                    await ctx.tick()
                ctx.set(port.valid, 1)
                ctx.set(port.payload, word)
                await ctx.tick()
            ctx.set(port.valid, 0)
        queue, held = list(words), False
        for cycle in range(50_000):
            held = bool(queue) and (held or bool(stalls[0][cycle % len(stalls[0])]))
            ready = stalls[1][cycle % len(stalls[1])]
            ctx.set(accelerator.o.ready, ready)
            ctx.set(accelerator.i.valid, held)
            ctx.set(accelerator.i.payload, queue[0] if held else 0)
            if ready and ctx.get(accelerator.o.valid):
                got.append(ctx.get(accelerator.o.payload))
            if held and ctx.get(accelerator.i.ready):
                queue.pop(0)
                held = False
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


def norm(net, rng, channels, spread):
    """Batch normalisation that falls in some channels."""
    return net.norm(rng.normal(size=channels), rng.normal(size=channels), rng.normal(size=channels) * spread,
                    rng.uniform(0.5, 2, channels) * spread**2)


@pytest.fixture(scope="module")
def mobile(builder, tmp_path_factory):
    """Trainings of a small MobileNet: depthwise layers, codes of 1 to 5 bits, an average, and a table."""
    folder = tmp_path_factory.mktemp("mobile")

    def model(seed, name="net", scale=0.25):
        rng = np.random.default_rng(seed)
        net = builder((1, 2, 5, 5)).conv(rng.integers(-7, 8, (4, 2, 3, 3)), 0.5, bits=4, narrow=True)
        norm(net, rng, 4, 20).node("Relu").quantise(scale, 4, signed=False)
        net.conv(rng.integers(-8, 8, (4, 1, 3, 3)), 0.125, bits=4, group=4, pads=[1, 1, 1, 1])
        norm(net, rng, 4, 2).quantise(0.5, 5)
        net.conv(rng.integers(-1, 2, (3, 4, 1, 1)), 0.5, bits=2, narrow=True)
        norm(net, rng, 3, 2).sign()
        net.conv(rng.integers(-1, 2, (3, 1, 2, 2)), 0.5, bits=2, narrow=True, group=3)
        norm(net, rng, 3, 1).quantise(0.75, 2)
        net.node("HardSwish", domain="").quantise(rng.choice([0.125, 0.25]), 3)
        net.node("GlobalAveragePool").quantise(0.125, 4).node("Flatten")
        net.gemm(rng.integers(-8, 8, (4, 3)), 0.5, bits=4)
        path = folder / f"{name}{seed}.onnx"
        net.opset = 14
        return gatewright.load(net.save(path), input="int3", name=name)

    return model


FOLDINGS = ["4x6,2x1,3x4,1x1,2x3", "1x2,4x1,1x1,3x1,4x1", "3x18,1x1,2x3,1x1,1x2"]


@pytest.mark.parametrize("folding", FOLDINGS)
def test_every_unit_of_a_network_takes_what_another_training_gives(mobile, folding):
    one, other = mobile(1), mobile(2)
    design = gatewright.compile(one, folding=folding, memory="loadable")
    kinds = {type(stage.parameters).__name__ for stage in design.dataflow.loadable}
    assert kinds == {"MatrixVectorParameters", "DepthwiseParameters", "ThresholdParameters", "TableParameters"}
    assert design.dataflow.fixed == ()
    codes = design.codes(np.random.default_rng(0).integers(-4, 4, size=(6, 2, 5, 5)))
    mine, theirs = (run_golden(model.graph, codes)[model.graph.output] for model in (one, other))
    assert not np.array_equal(mine, theirs)
    stalls = ((1, 0, 1, 1, 0, 0, 1), (1, 1, 0, 0, 0, 1))
    assert np.array_equal(simulate(design, {}, codes, stalls), mine)
    assert np.array_equal(simulate(design, design.load_words(other), codes, stalls), theirs)


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
