"""The netlist of a network answers as its RTL does, stream by stream and cycle by cycle; a mutant is found."""

import itertools
import re
from dataclasses import replace

import numpy as np
import pytest

import gatewright
from gatewright.boards.netlist import SIMULATED
from gatewright.compiler.execute import run_golden
from gatewright.compiler.netlist import hardware_of, synthesised
from gatewright.errors import MismatchError, UserError
from gatewright.sim import patterns

SIZES = (16, 8, 6, 3)


@pytest.fixture(scope="module")
def design(builder, tmp_path_factory):
    """A small binary network that takes integers of 4 bits."""
    rng = np.random.default_rng(7)
    net = builder((1, SIZES[0])).sign()
    for inputs, outputs in itertools.pairwise(SIZES):
        net.gemm(rng.normal(size=(outputs, inputs)), scale=0.1)
        net.norm(rng.choice([-1.0, 0.5, 2.0], size=outputs), *rng.normal(size=(2, outputs)) / 20,
                 rng.uniform(0.5, 2, size=outputs))
        if outputs != SIZES[-1]:
            net.sign()
    model = net.save(tmp_path_factory.mktemp("model") / "net.onnx")
    return gatewright.compile(gatewright.load(model, input="int4", input_scale="1/4"), folding="4x4,3x4,1x3")


@pytest.fixture(scope="module")
def frames():
    return np.random.default_rng(8).integers(-8, 8, size=(100, SIZES[0]))


@pytest.fixture(scope="module")
def made(design):
    return synthesised(design, design.rtl_bytes(), "ice40")


@pytest.mark.parametrize("family", ["ice40", *(pytest.param(family, marks=pytest.mark.full) for family in SIMULATED
                                               if family != "ice40")])
def test_verification_goes_on_to_the_netlist(design, frames, family):
    verification = design.verify(frames, netlists=[family], x_initial="unique")
    said = verification.to_json()["netlists"][family]
    assert (said["frames"], said["mismatches"], said["failure"]) == (100, 0, None)
    assert said["cycles"]["measured"] == said["cycles"]["predicted"] == verification.stalled_cycles["measured"]
    assert re.fullmatch(r"0\.\d+.*", said["yosys"])
    # The ends, and inside what comes out of registers.
    assert {"i", "quantise_out", "o"} < set(said["boundaries"])


def test_one_flipped_bit_of_one_lookup_table_is_found(design, frames, made):
    """Of the 16 bits of the table in the netlist's middle, the first one that ever counts."""
    text = made.files["net.v"].decode()
    tables = list(re.finditer(r"LUT_INIT\(16'h(\w+)\)", text))
    table = tables[len(tables) // 2]
    mutants = (text[: table.start(1)] + f"{int(table[1], 16) ^ 1 << bit:04x}" + text[table.end(1):]
               for bit in range(16))
    assert any(killed(design, frames, replace(made, files={**made.files, "net.v": mutant.encode()}))
               for mutant in mutants)


def killed(design, frames, mutant) -> bool:
    try:
        hardware_of(design, mutant).run(run_golden(design.graph, frames), offers=patterns.offers(1),
                                        accepts=patterns.accepts(1))
    except MismatchError:
        return True
    return False


def test_a_failure_on_the_netlist_names_it_and_is_recorded(design, frames, made, monkeypatch):
    text = made.files["net.v"].decode()
    broken = re.sub(r"(LUT_INIT\(16'h)(\w{4})", lambda m: f"{m[1]}{int(m[2], 16) ^ 0xffff:04x}", text, count=3)
    monkeypatch.setattr("gatewright.compiler.verify.synthesised",
                        lambda *_: replace(made, files={**made.files, "net.v": broken.encode()}))
    with pytest.raises(MismatchError, match=r"^ice40 netlist: ") as error:
        design.verify(frames, netlists=["ice40"])
    record = error.value.verification.to_json()
    assert record["failure"] == record["netlists"]["ice40"]["failure"] == str(error.value)
    assert record["netlists"]["ice40"]["mismatches"] == record["mismatches"] >= 1


def test_a_family_without_models_is_refused_before_any_work(design, frames):
    with pytest.raises(UserError, match=re.escape("--netlist: 'stratix' is no family whose cells can be simulated")):
        design.verify(frames, netlists=["stratix"])


@pytest.mark.full
@pytest.mark.parametrize("family", ["ice40", "ecp5"])
def test_tfc_of_the_zoo_answers_1000_images_alike(zoo, mnist, family):
    """Some two minutes, of which Verilator's compiler takes most."""
    model = gatewright.load(zoo / "TFC_1W1A.onnx", input="uint8", input_scale="1/255")
    design = gatewright.compile(model, folding="16x49,8x8,8x8,10x8")
    said = design.verify(mnist, netlists=[family]).netlists[family]
    assert (said["frames"], said["mismatches"]) == (1000, 0)
