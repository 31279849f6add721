"""Pipelining: shorter paths between registers, at the same interval, proven as any design is."""

import itertools

import numpy as np
import pytest

import gatewright
from gatewright.compiler.compiled import compile_model
from gatewright.compiler.pipelining import cut, deeper, parse
from gatewright.errors import UserError
from gatewright.hdl.pipeline import DEGREES
from gatewright.hdl.threshold import ThresholdParameters

SIZES = (40, 12, 6)


@pytest.fixture(scope="module")
def model(builder, tmp_path_factory):
    rng = np.random.default_rng(3)
    net = builder((1, SIZES[0])).sign()
    for inputs, outputs in itertools.pairwise(SIZES):
        net.gemm(rng.normal(size=(outputs, inputs)), scale=0.1)
        if outputs != SIZES[-1]:
            net.norm(rng.choice([-1.0, 1.0], size=outputs), *rng.normal(size=(2, outputs)) / 20,
                     rng.uniform(0.5, 2, size=outputs))
            net.sign()
    return gatewright.load(net.save(tmp_path_factory.mktemp("pipelined") / "net.onnx"))


def compiled(model, pipeline):
    return gatewright.compile(model, folding="3x20,2x6", pipeline=pipeline)


@pytest.mark.parametrize("degree", range(len(DEGREES)))
def test_every_degree_keeps_the_interval_and_is_proven_to_the_cycle(model, degree):
    design = compiled(model, str(degree))
    assert design.pipelines == (degree, degree)
    assert design.prediction.interval == compiled(model, None).prediction.interval
    frames = np.random.default_rng(4).choice([-1, 1], size=(40, SIZES[0]))
    assert design.verify(frames, seed=degree).mismatches == 0


def test_each_degree_adds_stages_or_leaves_them(model):
    stages = [[stage.schedule.stages for stage in compiled(model, str(degree)).dataflow.layers]
              for degree in range(len(DEGREES))]
    # fc0 counts 20 bits a cycle, fc1 6: memories read in two cycles, then pieces of up to 16, then of up to 6.
    assert stages == [[4, 4], [5, 5], [6, 5], [7, 5]]


def test_a_build_folder_remembers_the_degrees(model, tmp_path):
    design = compiled(model, "fc0=3,fc1=1")
    again = gatewright.Design.open(design.write(tmp_path / "build"))
    assert again.pipelines == (3, 1)
    assert again.rtl() == design.rtl()


def test_a_goal_keeps_its_degrees(model):
    assert gatewright.compile(model, fps=1e6, family="ecp5", pipeline="2").pipelines == (2, 2)


def test_what_the_critical_path_lies_in_becomes_deeper(model):
    dataflow = compiled(model, None).dataflow
    assert deeper(dataflow, (0, 1), ["fc1", "fc0_fifo"]) == (0, 2)
    assert deeper(dataflow, (3, 0), ["fc0"]) is None
    assert deeper(dataflow, (0, 0), ["fc0_fifo"]) is None


@pytest.mark.parametrize(("text", "message"), [
    ("4", "--pipeline: '4' is no degree of pipelining; say 0 to 3, or for some units as in fc0=2,fc1=1"),
    ("fc0=x", "--pipeline: 'x' is no degree of pipelining; say 0 to 3, or for some units as in fc0=2,fc1=1"),
    ("fc7=1", "--pipeline: no layer's unit is called 'fc7'; the units are fc0, fc1"),
    ("fc0=1,fc0=2", "--pipeline: 'fc0' is named twice; say one degree for each unit"),
    ([1], "--pipeline: 1 degrees for 2 layers; give one for each layer"),
])
def test_what_is_no_degree_is_refused(model, text, message):
    with pytest.raises(UserError) as caught:
        parse(text, compiled(model, None).dataflow)
    assert str(caught.value) == message


def test_register_slices_cut_between_units_and_stay_exact(model):
    plain = compiled(model, "1")
    folds, units = plain.folds, [stage.name for stage in plain.dataflow.stages]
    design = gatewright.Design._of(compile_model(model, folding=folds, pipeline=(1, 1), slices=("fc0", "fc0_width")))
    names = [stage.name for stage in design.dataflow.stages]
    assert [name for name in names if name not in units] == ["fc0_width_slice", "fc0_slice"]
    assert names.index("fc0_slice") == names.index("fc0") + 1
    assert design.prediction.interval == plain.prediction.interval
    frames = np.random.default_rng(5).choice([-1, 1], size=(30, SIZES[0]))
    assert design.verify(frames, seed=1).mismatches == 0


def test_a_build_folder_remembers_the_slices(model, tmp_path):
    design = gatewright.Design._of(compile_model(model, folding="3x20,2x6", slices=("fc0",)))
    again = gatewright.Design.open(design.write(tmp_path / "build"))
    assert again.slices == ("fc0",)
    assert again.rtl() == design.rtl()


def test_a_path_through_units_is_cut_in_its_middle_but_not_at_a_fifo(model):
    dataflow = compiled(model, None).dataflow
    assert [stage.name for stage in dataflow.stages] == ["fc0_width", "fc0_fifo", "fc0", "fc1_width", "fc1_fifo", "fc1"]
    assert cut(dataflow, ["fc1_width", "fc0"]) == "fc0"
    assert cut(dataflow, ["fc0"]) is None
    assert cut(dataflow, ["fc0", "fc0_fifo"]) is None
    assert cut(dataflow, ["fc0_fifo", "fc0", "fc1_width", "fc1_fifo"]) == "fc0"


@pytest.fixture(scope="module")
def branches(builder, tmp_path_factory):
    """Two layers whose four-bit codes are added up, and a third of them; each channel has thresholds of its own."""
    rng = np.random.default_rng(8)
    net = builder((1, 12)).quantise(1.0, 4)
    start = net.last

    def layer(inputs, outputs):
        net.gemm(rng.integers(-3, 4, size=(outputs, inputs)), bits=3, bias=rng.normal(size=outputs))
        net.norm(*rng.uniform(0.1, 0.3, size=(1, outputs)), *rng.normal(size=(2, outputs)) / 9,
                 rng.uniform(0.5, 2, size=outputs))
        return net.quantise(0.25, 4).last

    left = layer(12, 6)
    net.at(start)
    right = layer(12, 6)
    net.at(left).node("Add", ..., right).quantise(0.25, 4)
    layer(6, 5)
    return gatewright.load(net.save(tmp_path_factory.mktemp("branches") / "net.onnx"), input="int4", input_scale="1")


def of_kind(design, kind):
    return {stage.name: stage.parameters for stage in design.dataflow.stages if isinstance(stage.parameters, kind)}


def test_thresholds_are_pipelined_like_the_layers_that_they_read_from(branches):
    design = gatewright.compile(branches, folding="2x4,2x4,1x3", pipeline="fc1=2")
    found = {name: unit.pipeline for name, unit in of_kind(design, ThresholdParameters).items()}
    plain = of_kind(gatewright.compile(branches, folding="2x4,2x4,1x3"), ThresholdParameters)
    # Behind fc0, behind fc1, behind both, behind fc2, which reads from them but has a degree of its own.
    assert list(found.values()) == [0, 2, 2, 0]
    assert not any(unit.pipeline for unit in plain.values())
    frames = np.random.default_rng(9).integers(-8, 8, size=(40, 12))
    assert design.verify(frames, seed=3).mismatches == 0


def test_a_critical_path_in_thresholds_pipelines_the_layers_before_them(branches):
    design = gatewright.compile(branches, folding="2x4,2x4,1x3")
    left, right, both, last = of_kind(design, ThresholdParameters)
    assert deeper(design.dataflow, (0, 0, 0), [left]) == (1, 0, 0)
    assert deeper(design.dataflow, (0, 0, 0), [last]) == (0, 0, 1)
    assert deeper(design.dataflow, (0, 2, 0), [right, last], 2) == (0, 2, 1)
    assert deeper(design.dataflow, (1, 0, 0), [left]) is None
    assert deeper(design.dataflow, (0, 0, 0), [both]) == (1, 1, 0)
