"""A model on its whole way: loaded, folded, emitted, written, read back, verified; and mutants that verify kills."""

import filecmp
import itertools
import json
import os
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

import gatewright
from gatewright.compiler import data
from gatewright.compiler.build import record, rtl_files
from gatewright.compiler.emit import Accelerator, emit, module_name
from gatewright.compiler.execute import run_golden
from gatewright.compiler.words import pack, unpack
from gatewright.errors import MismatchError, UserError
from gatewright.hdl import mvu

FOLDING = "5x7,3x4,2x5"
SIZES = (23, 12, 9, 5)


@pytest.fixture(scope="module")
def model_file(builder, tmp_path_factory):
    """A small binary network whose folding divides nothing and whose every neuron is sometimes on and sometimes off."""
    rng = np.random.default_rng(7)
    net = builder((1, SIZES[0])).sign()
    for inputs, outputs in itertools.pairwise(SIZES):
        net.gemm(rng.normal(size=(outputs, inputs)), scale=0.1)
        net.norm(rng.choice([-1.0, 0.5, 2.0], size=outputs), *rng.normal(size=(2, outputs)) / 20,
                 rng.uniform(0.5, 2, size=outputs))
        if outputs != SIZES[-1]:
            net.sign()
    return net.save(tmp_path_factory.mktemp("model") / "net.onnx")


@pytest.fixture(scope="module")
def design(model_file):
    return gatewright.compile(gatewright.load(model_file, input="int4", input_scale="1/4"), folding=FOLDING)


@pytest.fixture(scope="module")
def frames():
    return np.random.default_rng(8).integers(-8, 8, size=(150, SIZES[0]))


def test_verification_proves_and_records(design, frames):
    labels = design.run(frames).argmax(axis=1)
    verification = design.verify(frames, labels, seed=3)
    said = json.loads(json.dumps(verification.to_json()))
    assert said["frames"] == 150
    assert said["mismatches"] == 0
    assert said["failure"] is None
    assert said["accuracy"] == 1.0
    assert said["boundaries"] == [edge.name for edge in design.dataflow.edges]
    layers = zip([(12, 23), (9, 12), (5, 9)], [(5, 7), (3, 4), (2, 5)], strict=True)
    interval = max(-(-n // pe) * -(-k // simd) for (n, k), (pe, simd) in layers)
    assert said["cycles"]["interval"] == {"predicted": interval, "measured": interval}
    assert said["cycles"]["latency"]["predicted"] == said["cycles"]["latency"]["measured"] > interval
    peaks = said["cycles"]["fifo_peaks"]
    assert peaks["predicted"] == peaks["measured"]
    assert len(peaks["measured"]) == len(design.dataflow.fifos) == 3
    assert said["stalled_cycles"]["predicted"] == said["stalled_cycles"]["measured"] > 0


def test_random_power_up_state_changes_nothing(design, frames):
    assert design.verify(frames, x_initial="unique", seed=5).mismatches == 0


@pytest.mark.parametrize("options", [
    {"folding": "1x1,1x1,1x1"}, {"folding": "12x23,9x12,5x9"}, {"fps": 1e6, "clock": 50.0}, {"top1": True}, {"lut": 6},
    {}])
def test_other_foldings_and_options(model_file, frames, options, network, tmp_path):
    if options.get("top1"):
        # A last layer without batch normalisation: one scale for all channels keeps the order of the integers.
        net = network(np.random.default_rng(1), (23, 9))
        net.sign().gemm(np.random.default_rng(2).normal(size=(6, 9)), scale=0.5)
        model_file = net.save(tmp_path / "top1.onnx")
    design = gatewright.compile(gatewright.load(model_file, input="int4", input_scale="1/4"), **options)
    assert design.verify(frames, seed=2).mismatches == 0
    if "fps" in options:
        assert design.fps >= options["fps"]


def test_the_models_own_first_quantiser_is_the_input_without_a_declared_one(model_file, frames):
    design = gatewright.compile(gatewright.load(model_file), folding=FOLDING)
    floats = frames.astype(np.float32) / 4
    assert design.input_type.bipolar
    assert design.verify(floats).mismatches == 0
    assert np.array_equal(design.codes(floats), np.where(floats >= 0, 1, -1))
    assert design.verify(np.where(frames >= 0, 1, -1)).mismatches == 0


# Mutants. Each changes one thing in the emitted files; verify must name the layer.

def flip(files, name, word, bit):
    lines = files[name].decode().split()
    digits = len(lines[word])
    lines[word] = f"{int(lines[word], 16) ^ 1 << bit:0{digits}x}"
    return {**files, name: "".join(f"{line}\n" for line in lines).encode()}


def assert_killed(design, frames, files, layer, how=r"expected -?\d+, got -?\d+"):
    with pytest.raises(MismatchError, match=rf"^layer {layer}, output of fc\d.*{how}") as error:
        design.verify(frames, files=files)
    record = error.value.verification.to_json()
    assert record["mismatches"] >= 1
    assert record["failure"] == str(error.value)
    assert record["accuracy"] is None


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_one_flipped_weight_bit_is_found(design, frames, layer):
    stage = design.dataflow.layers[layer]
    p = stage.parameters
    values = run_golden(design.graph, frames)
    dots = values[stage.input.value].astype(int) @ p.weights.T
    moved = dots - 2 * p.weights[:, 0] * values[stage.input.value][:, :1]  # with column 0 of every row flipped
    # A row that answers otherwise with that one weight flipped, for some frame.
    row = next(n for n in range(p.rows) if p.thresholds is None
               or ((dots[:, n] >= p.thresholds[n]) != (moved[:, n] >= p.thresholds[n])).any())
    word, bit = row // p.pe * p.column_folds, row % p.pe * p.simd
    files = flip(design.rtl_bytes(), f"net_fc{layer}_weights.hex", word, bit)
    assert_killed(design, frames, files, stage.layer)


@pytest.mark.parametrize("layer", [0, 1])
def test_one_threshold_off_by_one_is_found(design, frames, layer):
    stage = design.dataflow.layers[layer]
    p = stage.parameters
    # A row of which some frame sits exactly on the threshold; one more, and its code turns over.
    dots = run_golden(design.graph, frames)[stage.input.value].astype(int) @ p.weights.T
    row = next(n for n in range(p.rows) if (dots[:, n] == p.thresholds[n]).any())
    name = f"net_fc{layer}_thresholds.hex"
    words = [int(line, 16) for line in design.rtl()[name].split()]
    words[row // p.pe] += 1 << row % p.pe * p.threshold_bits
    text = "".join(f"{word:0{len(design.rtl()[name].split()[0])}x}\n" for word in words)
    assert_killed(design, frames, {**design.rtl_bytes(), name: text.encode()}, stage.layer)


@pytest.mark.parametrize("register", ["count0", "control1"])
def test_a_dropped_pipeline_register_is_found(design, frames, register, monkeypatch):
    kept = mvu.MatrixVectorUnit._register

    def dropping(m, value, enter, *, name):
        return value if name == register else kept(m, value, enter, name=name)

    monkeypatch.setattr(mvu.MatrixVectorUnit, "_register", staticmethod(dropping))
    mutant = emit(design.dataflow, design.name)
    assert mutant != design.rtl()
    name = "net_fc1.v"  # in one layer only
    assert_killed(design, frames, {**design.rtl_bytes(), name: mutant[name].encode()}, design.dataflow.layers[1].layer)


def test_a_unit_that_is_a_cycle_early_is_found_though_its_integers_are_right(design, frames):
    """A FIFO one word deeper changes no integer, only when words move."""
    fifo = design.dataflow.fifos[0]
    depths = [stage.parameters.depth for stage in design.dataflow.fifos]
    depths[0] -= 1
    shallow = emit(design.dataflow.with_depths(depths), design.name)
    old, new = (next(name for name in sorted(files) if name.startswith(f"net_fifo_{depth}x7_") and name.endswith(".v"))
                for files, depth in ((design.rtl(), depths[0] + 1), (shallow, depths[0])))
    text = shallow[new].replace(new.removesuffix(".v"), old.removesuffix(".v"))
    with pytest.raises(MismatchError, match=rf"layer {fifo.layer}, .*: word \d+ of frame \d+ crossed"):
        design.verify(frames, files={**design.rtl_bytes(), old: text.encode()})


# The build folder.

def test_two_builds_are_byte_identical(design, model_file, tmp_path):
    here = design.write(tmp_path / "here")
    there = tmp_path / "elsewhere" / "there"
    code = ("import sys, gatewright; m = gatewright.load(sys.argv[1], input='int4', input_scale='1/4');"
            "gatewright.compile(m, folding=sys.argv[2]).write(sys.argv[3])")
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code, str(model_file), FOLDING, str(there)], check=True, env=environment,
                   cwd=tmp_path)
    names = sorted(str(path.relative_to(here)) for path in here.rglob("*") if path.is_file())
    assert names == sorted(str(path.relative_to(there)) for path in there.rglob("*") if path.is_file())
    assert {"design.json", "model.onnx", "report.html", "report.json", "rtl/net.v", "rtl/net_axis.v",
            "rtl/net_fc0_weights.hex", "tb/Makefile"} <= set(names)
    assert filecmp.cmpfiles(here, there, names, shallow=False) == (names, [], [])


def test_a_folder_read_back_is_the_same_design(design, frames, tmp_path):
    folder = design.write(tmp_path / "build")
    again = gatewright.Design.open(folder)
    assert again.rtl() == design.rtl()
    assert again.prediction == design.prediction
    assert np.array_equal(again.run(frames), design.run(frames))
    assert rtl_files(folder) | design.rtl_bytes() == rtl_files(folder)
    report = record(folder, verification=again.verify(frames, files=rtl_files(folder)).to_json())
    assert json.loads((folder / "report.json").read_text()) == report
    assert report["verification"]["mismatches"] == 0


def test_a_folder_that_holds_something_else_is_never_replaced(design, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="holds other files and no build; name an empty or a new folder"):
        design.write(tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_an_interrupted_build_leaves_the_previous_one_whole(design, tmp_path, monkeypatch):
    folder = design.write(tmp_path / "build")
    before = (folder / "design.json").read_bytes()
    monkeypatch.setattr("gatewright.compiler.build.as_json", lambda content: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        design.write(folder)
    assert (folder / "design.json").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["build"]


@pytest.mark.parametrize(("damage", "message"), [
    (lambda folder: (folder / "design.json").unlink(), "no build here: design.json is missing; make one with"),
    (lambda folder: (folder / "design.json").write_text("{"), "design.json cannot be read"),
    (lambda folder: (folder / "design.json").write_text('{"format": 99}'), "design.json is not of format 2"),
    (lambda folder: (folder / "design.json").write_text('{"format": 2}'), "design.json lacks or garbles 'model'"),
    (lambda folder: (folder / "design.json").write_text((folder / "design.json").read_text().replace(
        '"lane": null', '"lane": "fast"')), "design.json lacks or garbles lane must be one of xnor, "),
    (lambda folder: (folder / "model.onnx").unlink(), "model.onnx is missing"),
    (lambda folder: (folder / "model.onnx").write_bytes(b"x"), "model.onnx is not the model that design.json was made"),
])
def test_damaged_folders_are_refused(design, tmp_path, damage, message):
    folder = design.write(tmp_path / "build")
    damage(folder)
    with pytest.raises(UserError, match=message):
        gatewright.Design.open(folder)


# Options and data.

@pytest.mark.parametrize(("options", "message"), [
    ({"folding": "1x1"}, r"^--folding: 1 foldings for 3 layers \(12x23, 9x12, 5x9\); give PE x SIMD once for each"),
    ({"folding": "13x1,1x1,1x1"}, "13x1 is more than layer .* has: 12 rows and 23 columns; take PE from 1 to 12"),
    ({"folding": FOLDING, "fps": 1000}, "both a folding and a frame rate are given"),
    ({"clock": 0}, "a clock of 0 MHz is out of range"),
    ({"lut": 5}, "no lookup table of 5 inputs is served"),
    ({"top1": True}, "the final float32 expression is not the same for every channel"),
])
def test_options_that_do_not_fit_are_refused(model_file, options, message):
    with pytest.raises(UserError, match=message):
        gatewright.compile(gatewright.load(model_file), **options)


@pytest.mark.parametrize("scale", ["0", "-1", "1/0", "abc", "1/255/2"])
def test_bad_scales_are_refused(model_file, scale):
    with pytest.raises(UserError, match=r"^--input-scale: "):
        gatewright.load(model_file, input="uint8", input_scale=scale)


def test_a_scale_alone_is_refused(model_file):
    with pytest.raises(UserError, match=r"^--input-scale: a scale without a type; say --input too"):
        gatewright.load(model_file, input_scale=Fraction(1, 255))


def test_data_files_are_read_in_every_form(tmp_path):
    x, y = np.arange(12).reshape(3, 4), np.array([0, 1, 2])
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    np.savez(tmp_path / "both.npz", x=x, y=y)
    assert data.read(tmp_path / "x.npy").y is None
    for read in (data.read(tmp_path / "both.npz"), data.read(tmp_path / "x.npy", tmp_path / "y.npy")):
        assert read.x.tolist() == x.tolist()
        assert read.y.tolist() == y.tolist()
    assert len(data.read(tmp_path / "both.npz").first(2).y) == 2


def test_labels_are_found_beside_an_idx_file(tmp_path):
    (tmp_path / "t-images-idx3-ubyte").write_bytes(bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4]))
    (tmp_path / "t-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9]))
    read = data.read(tmp_path / "t-images-idx3-ubyte")
    assert read.x.tolist() == [[[1, 2]], [[3, 4]]]
    assert read.y.tolist() == [7, 9]


def bad_data(tmp_path):
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    np.savez(tmp_path / "labels.npz", x=np.zeros((3, 2)), y=np.zeros(2, dtype=int))
    np.save(tmp_path / "objects.npy", np.array([{}, 1], dtype=object), allow_pickle=True)
    np.save(tmp_path / "words.npy", np.array(["a", "b"]))
    np.save(tmp_path / "empty.npy", np.zeros((0, 23)))
    (tmp_path / "text.npy").write_text("hello")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "labels.npz").read_bytes()[:100])
    (tmp_path / "zero.npy").write_bytes(b"")
    return tmp_path


@pytest.mark.parametrize(("name", "message"), [
    ("absent.npy", "no such file; give a .npy, .npz or IDX file"), (".", "not a file"),
    ("other.npz", "holds a, but no array 'x'; save it with numpy.savez"),
    ("labels.npz", "labels are int64 of shape \\[2\\]; 3 integers are needed"),
    ("objects.npy", "cannot be read as a NumPy file of plain numbers; save arrays"),
    ("words.npy", "holds <U1 of shape"),
    ("empty.npy", "at least one"), ("text.npy", "cannot be read as a NumPy file"),
    ("cut.npz", "cannot be read as a NumPy file"), ("zero.npy", "cannot be read as a NumPy file")])
def test_bad_data_files_are_refused(tmp_path, name, message):
    with pytest.raises(UserError, match=message):
        data.read(bad_data(tmp_path) / name)


def test_frames_of_another_shape_or_type_are_refused(design):
    with pytest.raises(UserError, match=r"frames have the shape \[22\]; the model takes \[23\]"):
        design.codes(np.zeros((2, 22), dtype=int))
    with pytest.raises(UserError, match=r"holds integers from 0 to 9, but the accelerator takes int4 codes; build"):
        design.codes(np.full((1, 23), 9) * (np.arange(23) > 3))


@pytest.mark.parametrize(("text", "name"), [
    ("TFC_1W1A", "tfc_1w1a"), ("my-net v2", "my_net_v2"), ("2x", "net_2x"), ("module", "net_module"), ("…", "design"),
    ("a__b_", "a_b")])
def test_design_names_are_verilog_identifiers(text, name):
    assert module_name(text) == name


def test_amaranths_simulator_runs_the_same_design(design, frames):
    """The top built of components, not of instances, computes the golden integers."""
    from amaranth.sim import Simulator

    top, edges = Accelerator(design.dataflow), design.dataflow.edges
    golden = run_golden(design.graph, frames[:3])
    words = [int.from_bytes(row.tobytes(), "little") for row in pack(golden[edges[0].value], edges[0])]
    got = []

    async def source(ctx):
        for word in words:
            ctx.set(top.i.payload, word)
            ctx.set(top.i.valid, 1)
            await ctx.tick().until(top.i.ready)
        ctx.set(top.i.valid, 0)

    async def sink(ctx):
        ctx.set(top.o.ready, 1)
        while len(got) < 3 * edges[-1].words:
            _, _, valid, payload = await ctx.tick().sample(top.o.valid, top.o.payload)
            if valid:
                got.append(payload)

    simulator = Simulator(top)
    simulator.add_clock(1e-6)
    simulator.add_testbench(source)
    simulator.add_testbench(sink)
    simulator.run()
    size = -(-edges[-1].bits // 8)
    rows = np.array([list(word.to_bytes(size, "little")) for word in got], dtype=np.uint8)
    assert np.array_equal(unpack(rows, edges[-1]), golden[edges[-1].value])


def test_a_difference_names_the_frame_of_the_whole_data(design, frames, monkeypatch):
    """Frames go through the RTL in batches; a message counts from the first of all."""
    monkeypatch.setattr("gatewright.compiler.verify._Run._batch_size", lambda self: 40)
    kept = run_golden(design.graph, frames)

    def wrong(graph, codes):
        values = run_golden(graph, codes)
        if len(codes) == 40 and np.array_equal(codes, frames[80:120]):  # the golden side of one batch is changed
            output = values[graph.output].copy()
            output[7, 2] += 1
            values[graph.output] = output
        return values

    monkeypatch.setattr("gatewright.compiler.verify.run_golden", wrong)
    right = int(kept[design.graph.output][87, 2])
    with pytest.raises(MismatchError, match=rf"frame 87, index 2: expected {right + 1}, got {right} \(1 of 200 "):
        design.verify(frames)
