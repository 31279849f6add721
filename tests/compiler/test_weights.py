"""Weights in units of their own, and weights, thresholds and tables loaded while the accelerator runs."""

import re
import warnings

import numpy as np
import pytest
from amaranth.sim import Simulator

import gatewright
from gatewright.compiler.emit import Accelerator
from gatewright.compiler.execute import run_golden
from gatewright.compiler.words import pack, unpack
from gatewright.errors import UserError
from gatewright.hdl import weights
from gatewright.sim import patterns, verilated


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
    gamma = rng.uniform(0.7, 1.5, channels) * rng.choice([-1, 1], channels)
    return net.norm(gamma, rng.normal(size=channels) / 3, rng.normal(size=channels) * spread / 3,
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
        norm(net, rng, 3, 1).sign()
        net.conv(rng.integers(-1, 2, (3, 1, 2, 2)), 0.5, bits=2, narrow=True, group=3)
        norm(net, rng, 3, 0.8).quantise(0.75, 2)
        net.node("HardSwish", domain="").quantise(rng.choice([0.125, 0.25]), 3)
        net.node("GlobalAveragePool").quantise(0.03125, 4).node("Flatten")
        net.gemm(rng.integers(-8, 8, (4, 3)), 0.5, bits=4)
        path = folder / f"{name}{seed}.onnx"
        net.opset = 14
        return gatewright.load(net.save(path), input="int3", name=name)

    return model


def test_every_unit_of_a_network_takes_what_another_training_gives(mobile):
    one, other = mobile(4), mobile(6)
    design = gatewright.compile(one, folding="3x18,1x1,2x3,1x1,1x2", memory="loadable")
    kinds = {type(stage.parameters).__name__ for stage in design.dataflow.loadable}
    assert kinds == {"MatrixVectorParameters", "DepthwiseParameters", "ThresholdParameters", "TableParameters"}
    assert design.dataflow.fixed == ()
    codes = design.codes(np.random.default_rng(0).integers(-4, 4, size=(5, 2, 5, 5)))
    mine, theirs = (run_golden(model.graph, codes)[model.graph.output] for model in (one, other))
    assert not np.array_equal(mine, theirs)
    stalls = ((1, 0, 1, 1, 0, 0, 1), (1, 1, 0, 0, 0, 1))
    assert np.array_equal(simulate(design, {}, codes, stalls), mine)
    assert np.array_equal(simulate(design, design.load_words(other), codes, stalls), theirs)


BOOT = """\
module boot(input clk, input rst, input [{i}:0] i__payload, input i__valid, output i__ready,
            output [{o}:0] o__payload, output o__valid, input o__ready);
{registers}
  wire done = {done};
  wire ready;
  assign i__ready = ready & done;
  {core} core(.clk(clk), .rst(rst), .i__payload(i__payload), .i__valid(i__valid & done), .i__ready(ready),
    .o__payload(o__payload), .o__valid(o__valid), .o__ready(o__ready){ports});
endmodule
"""
REGISTERS = """\
  reg [{msb}:0] words_{name} [0:{last}];
  reg [31:0] at_{name} = 0;
  initial $readmemh("words_{name}.hex", words_{name});
  always @(posedge clk) if (!rst && at_{name} != {count}) at_{name} <= at_{name} + 1;
"""
PORT = (",\n    .load_{name}__payload(words_{name}[at_{name}]), .load_{name}__valid(at_{name} != {count}), "
        ".load_{name}__ready()")


def boot(design, words):
    """The design's Verilog in a module ``boot`` that loads the words once, before the first frame."""
    files, first, last = design.rtl_bytes(), design.dataflow.edges[0], design.dataflow.edges[-1]
    bits = {stage.name: stage.parameters.load_bits for stage in design.dataflow.loadable}
    given = [{"name": name, "msb": bits[name] - 1, "last": len(each) - 1, "count": len(each)}
             for name, each in words.items()]
    for name, each in words.items():
        files[f"words_{name}.hex"] = "".join(f"{word:x}\n" for word in each).encode()
    files["boot.v"] = BOOT.format(
        i=first.bits - 1, o=last.bits - 1, core=design.name, registers="".join(REGISTERS.format(**g) for g in given),
        done=" & ".join("(at_{name} == {count})".format(**g) for g in given),
        ports="".join(PORT.format(**g) for g in given)).encode()
    return verilated.build(verilated.Sources(files), "boot")


def test_the_verilog_takes_another_training_and_a_reset_keeps_it(mobile, monkeypatch):
    """Two trainings of one network: the same Verilog but for memory files, and the second's integers once loaded."""
    monkeypatch.setattr(weights, "SMALL", 0)  # memory files for all
    one, other = mobile(4), mobile(6)
    design, theirs = (gatewright.compile(model, folding="4x6,2x1,3x4,3x1,2x3", memory="loadable")
                      for model in (one, other))
    texts = [{name: re.sub(r"(_word = \d+'h)\w+", r"\1", text) for name, text in each.rtl().items()
              if name.endswith(".v")} for each in (design, theirs)]
    assert texts[0] == texts[1]  # but for what registers hold at first
    codes = design.codes(np.random.default_rng(0).integers(-4, 4, size=(40, 2, 5, 5)))
    first, last = design.dataflow.edges[0], design.dataflow.edges[-1]
    with boot(design, design.load_words(other)).open() as simulation:
        for _ in range(2):
            run = simulation.run(pack(codes, first), len(codes) * last.words, offers=patterns.offers(1),
                                 accepts=patterns.accepts(1), max_cycles=200_000)
            assert run.finished
            expected = run_golden(other.graph, codes)[other.graph.output]
            assert np.array_equal(unpack(run.outputs, last), expected)
            simulation.reset()


def test_what_stays_as_built_is_said_and_refused_in_another_training(builder, tmp_path):
    def model(scale):
        rng = np.random.default_rng(0)
        net = builder((1, 2, 3, 3)).quantise(0.5, 4)
        start = net.last
        left = net.conv(rng.integers(-1, 2, (2, 2, 1, 1)), 0.5, bits=2, narrow=True).quantise(scale, 4).last
        net.at(start).node("Add", ..., left).quantise(1.0, 4).node("Flatten")
        net.gemm(rng.integers(-2, 2, (2, 18)), 0.5, bits=2)
        return gatewright.load(net.save(tmp_path / f"net{scale}.onnx"), input="int8")

    design = gatewright.compile(model(0.75), memory="loadable")
    assert [(stage.name, what) for stage, what in design.dataflow.fixed] == [("add0", "multiplies by 2 and 3")]
    with pytest.raises(UserError, match=r"^net0_25: needs another add0: multipliers 2 and 1, not 2 and 3; train it "
                                        "with the same layers, quantisers and activation scales, or build it anew$"):
        design.load_words(model(0.25))
    assert set(design.load_words(model(0.75))) == {stage.name for stage in design.dataflow.loadable}


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


def pruned_model(builder, folder, seed, density=0.3):
    """A training of a network of pruned weights: a convolution and two dense layers."""
    rng = np.random.default_rng(seed)

    def codes(*shape):
        return np.where(rng.random(shape) < density, rng.choice([-7, -3, 2, 5], size=shape), 0)

    net = builder((1, 2, 4, 4)).conv(codes(5, 2, 3, 3), 0.125, bits=4, narrow=True)
    net.node("Relu").quantise(2.0, 3, signed=False).node("Flatten")
    net.gemm(codes(40, 20), 0.125, bits=4, narrow=True).node("Relu").quantise(2.0, 3, signed=False)
    net.gemm(codes(6, 40), 0.125, bits=4, narrow=True)
    return gatewright.load(net.save(folder / f"pruned{seed}_{density}.onnx"), input="int4", name="net")


def test_sparse_engines_are_loaded_with_the_matrix_of_another_training(builder, tmp_path):
    """Other weights stand elsewhere, so pointers, runs, codes and codebooks change; what does not fit is refused."""
    one, other = (pruned_model(builder, tmp_path, seed) for seed in (1, 2))
    design = gatewright.compile(one, folding="eie:2x2x1,eie:4x5x2,eie:2x8x1r3", memory="loadable")
    frames = np.random.default_rng(0).integers(-8, 8, size=(4, 2, 4, 4))
    assert design.verify(frames).mismatches == 0
    codes = design.codes(frames)
    mine, theirs = (run_golden(model.graph, codes)[model.graph.output] for model in (one, other))
    assert not np.array_equal(mine, theirs)
    assert np.array_equal(simulate(design, {}, codes), mine)
    assert np.array_equal(simulate(design, design.load_words(other), codes, ((1, 1, 0), (1, 0))), theirs)
    with pytest.raises(UserError, match="needs another conv0: entries_capacity"):
        design.load_words(pruned_model(builder, tmp_path, 3, density=0.9))
