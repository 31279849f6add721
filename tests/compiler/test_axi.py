"""``NAME_axi`` as its user runs it, with ``make``; and its counters against the dataflow engine, each and exactly."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gatewright
from gatewright.compiler import axi_map
from gatewright.compiler.axi_check import check, read_record
from gatewright.compiler.edge_axi import emit_axi
from gatewright.compiler.execute import run_golden
from gatewright.compiler.testbench import files, loads_of
from gatewright.compiler.words import pack
from gatewright.hdl.axi_map import REGISTERS


def make(folder, kind, *arguments, record=None):
    done = subprocess.run(["make", "-C", str(folder / "tb"), kind, f"PYTHON={sys.executable}", *arguments], text=True,
                          capture_output=True, check=False,
                          env=os.environ | ({"GATEWRIGHT_AXI_RECORD": str(record)} if record else {}))
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    return done.stdout


def all_counted(design, record):
    """Every run's counters are those predicted; returns the last run's."""
    runs = list(read_record(record))
    assert len(runs) == 4  # with and without gaps, with and without stalls
    found = [check(design.dataflow, counted) for counted in runs]
    for rows in found:
        assert [row for row in rows if row[1] != row[2]] == []
    assert len({tuple(rows) for rows in found}) > 1
    return {name: counted for name, _, counted in found[-1]}


@pytest.fixture
def branches(builder, tmp_path):
    """Convolutions with padding, the second beside a branch that goes past it."""
    rng = np.random.default_rng(3)
    net = builder((1, 2, 4, 4))
    net.conv(rng.integers(-2, 3, (2, 2, 3, 3)), 0.5, bits=3, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    net.quantise(1.0, 2, signed=False)
    fork = net.last
    net.conv(rng.integers(-2, 3, (2, 2, 3, 3)), 0.5, bits=3, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    net.quantise(1.0, 2, signed=False)
    one = net.last
    net.at(fork).node("Add", fork, one).quantise(1.0, 2, signed=False)
    return gatewright.compile(gatewright.load(net.save(tmp_path / "net.onnx"), input="uint3", name="net"))


def test_counters_are_exact_where_streams_part_and_join(branches, tmp_path):
    branches.write(tmp_path / "build")
    said = make(tmp_path / "build", "axi", "FILTER=every_frame", record=tmp_path / "record")
    assert "PASSED: 4 tests" in said
    counted = all_counted(branches, tmp_path / "record")
    kinds = {unit["kind"] for unit in json.loads((tmp_path / "build" / "soc" / "net_axi.json").read_text())["units"]}
    assert {"matrix_vector", "fifo", "window", "add", "fork"} <= kinds
    assert sum(count > 0 for name, count in counted.items() if name.endswith("stalled")) > 3


@pytest.fixture(scope="module")
def loadable(trained, tmp_path_factory):
    """A build whose weights can be loaded; its bench loads another training's and awaits that one's frames."""
    one, other = trained
    design = gatewright.compile(one, folding="1x2,4x5", memory="loadable")
    folder = design.write(tmp_path_factory.mktemp("loadable") / "build")
    tb = folder / "tb"
    words = design.load_words(other)
    assert words != {stage.name: stage.parameters.load_words for stage in design.dataflow.loadable}
    (tb / "loads.json").write_bytes(loads_of(design, words))
    first, last = design.dataflow.edges[0], design.dataflow.edges[-1]
    vectors = json.loads((tb / "vectors.json").read_text())
    codes = np.random.default_rng(5).integers(first.type.lo, first.type.hi + 1, (24, first.elements))
    golden = run_golden(other.graph, codes)[last.value]
    vectors["frames"] = [{"in": given.tobytes().hex(), "out": wanted.tobytes().hex()} for given, wanted in zip(
        pack(codes, first).reshape(24, -1), pack(golden, last).reshape(24, -1), strict=True)]
    (tb / "vectors.json").write_text(json.dumps(vectors))
    return design, folder


@pytest.mark.parametrize("kind", [pytest.param("axi", marks=pytest.mark.full), "axi_checked"])
def test_another_training_is_loaded_through_registers(loadable, kind):
    _, folder = loadable
    assert "PASSED: 1 tests" in make(folder, kind, "FILTER=weights")


def test_words_wider_than_the_bus_come_in_parts(loadable):
    design, _ = loadable
    bits = {stage.name: stage.parameters.load_bits for stage in design.dataflow.loadable}
    assert max(bits.values()) > 32 > min(bits.values())
    loads = json.loads(files(design, b"{}")["loads.json"])
    words = loads["plain"][list(bits).index("fc1")]
    stage = design.dataflow.loadable[list(bits).index("fc1")]
    assert int("".join(reversed(words[: -(-bits["fc1"] // 32)])), 16) == stage.parameters.load_words[0]


@pytest.mark.full
def test_tfc_under_random_pauses(zoo, tmp_path):
    """Frames, malformed frames, and 24 frames' counters under four patterns of stalls, predicted to the cycle."""
    model = gatewright.load(next(zoo.glob("**/*TFC*1W1A*.onnx")), input="uint8", input_scale="1/255", name="tfc")
    design = gatewright.compile(model, folding="16x49,8x8,8x8,10x8")
    design.write(tmp_path / "build")
    assert "PASSED: 10 tests" in make(tmp_path / "build", "axi", record=tmp_path / "record")
    counted = all_counted(design, tmp_path / "record")
    assert counted["fc0 busy"] == 24 * 64


def test_the_header_is_c_and_says_where_everything_is(loadable, tmp_path):
    design, folder = loadable
    name = design.name
    said = json.loads((folder / "soc" / f"{name}_axi.json").read_text())
    assert said["identity"] == json.loads((folder / "design.json").read_text())["identity"]
    upper = name.upper()
    checks = [f"{upper}_{register} == {offset}u" for register, offset in said["registers"].items()]
    checks += [f"{upper}_BUSY({k}) == {said['busy'] + 4 * k}u && {upper}_UNIT_{unit['name'].upper()} == {k}u"
               for k, unit in enumerate(said["units"])]
    checks += [f"{upper}_STALL({k}) == {said['stall'] + 4 * k}u && {upper}_STREAM_{stream.upper()} == {k}u"
               for k, stream in enumerate(said["streams"])]
    source = f'#include "{name}_axi.h"\n' + "".join(f'_Static_assert({each}, "");\n' for each in checks)
    (tmp_path / "t.c").write_text(source)
    subprocess.run([shutil.which("gcc"), "-Wall", "-Wextra", "-Werror", "-std=c11", "-pedantic", "-fsyntax-only", "-I",
                    str(folder / "soc"), str(tmp_path / "t.c")], check=True)


def test_registers_do_not_overlap_and_the_page_has_their_table():
    offsets = [register.offset for register in REGISTERS]
    assert offsets == [4 * k for k in range(len(offsets))]
    for register in REGISTERS:
        masks = [field.mask for field in register.fields]
        assert sum(masks) == np.bitwise_or.reduce([0, *masks]) < 1 << 32
    page = (Path(gatewright.__file__).resolve().parent / "docs" / "axi.md").read_text()
    assert axi_map.as_markdown() in page


def test_the_plain_core_knows_nothing_of_counters(branches):
    before = branches.rtl()
    added = emit_axi(branches.dataflow, branches.name, bytes(8))
    assert sorted(added) == ["net_axi.v", "net_tapped.v"]
    assert branches.rtl() == before
    assert not re.search("stream_valid", "".join(before.values()))
    # The core that is watched differs from the plain one in its taps alone.
    layout = axi_map.layout_of(branches.dataflow)
    assert replace(layout, streams=5000).address_bits == 17
    with pytest.raises(ValueError, match=r"^identity must be of 8 bytes, not 7$"):
        emit_axi(branches.dataflow, branches.name, bytes(7))
