"""Small units and their netlists are equal in every cycle, for every input: proven from reset on, without bound."""

import re
import subprocess
import sys

import numpy as np
import pytest
from amaranth.hdl import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from gatewright.boards.family import FAMILIES
from gatewright.boards.netlist import synthesise
from gatewright.compiler.emit import emit_unit
from gatewright.hdl.fifo import Fifo, FifoParameters
from gatewright.hdl.mvu import MatrixVectorParameters, MatrixVectorUnit
from gatewright.hdl.popcount import popcount
from gatewright.hdl.width import WidthConverter, WidthParameters

full = pytest.mark.full

YOSYS = """
import sys
from pyosys import libyosys
design = libyosys.Design()
for command in sys.argv[1:]:
    libyosys.run_pass(command, design)
"""


class Popcount(wiring.Component):
    """Ones of 12 bits, in a register."""

    i: In(12)
    o: Out(4)

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.o.eq(popcount(m, self.i))
        return m


def matrix():
    weights = np.array([[1, -1, 1, 1], [-1, -1, 1, -1], [1, 1, 1, 1], [1, -1, -1, 1]])
    return MatrixVectorUnit(MatrixVectorParameters(weights, 2, 2, np.array([0, 1, -1, 2])))


UNITS = {
    "popcount": Popcount,
    "fifo": lambda: Fifo(2, FifoParameters(5, 2, "lut_ram")),
    "width": lambda: WidthConverter(2, WidthParameters(5, 2, 3)),
    "matrix": matrix,
}


@pytest.fixture
def miter(tmp_path):
    """RTL and netlist of a unit side by side, as RTLIL, with the assertion that their outputs are equal."""

    def make(unit: str, family: str, tamper=lambda text: text) -> str:
        for name, text in emit_unit(UNITS[unit](), "unit").items():
            (tmp_path / name).write_text(text)
        rtl, gates = sorted(tmp_path.glob("*.v")), tmp_path / "gates"
        made = synthesise(rtl, "unit", FAMILIES[family])
        gates.mkdir()
        for name, data in {**made.files, **made.libraries}.items():
            (gates / name).write_text(tamper(data.decode()) if name == "unit.v" else data.decode())
        commands = [*read(rtl, tmp_path, "gold"), *read(sorted(gates.glob("*.v")), gates, "gate"),
                    "design -copy-from gold -as gold gold", "design -copy-from gate -as gate gate",
                    "miter -equiv -make_assert -flatten gold gate top", "hierarchy -top top",
                    f"write_rtlil {tmp_path / 'miter.il'}"]
        subprocess.run([sys.executable, "-c", YOSYS, *commands], cwd=tmp_path, check=True, capture_output=True)
        return (tmp_path / "miter.il").read_text()

    return make


def read(files, folder, name):
    """Commands that keep a design under a name. Of libraries, only what is used is looked at: some models are large."""
    return [*(f"read_verilog -defer -I{folder} {path}" for path in files), "prep -flatten -top unit", "memory_map",
            "async2sync", "opt_clean", f"rename unit {name}", f"design -stash {name}"]


@pytest.mark.parametrize(("unit", "family"), [
    pytest.param(unit, family, marks=[] if (unit, family) == ("fifo", "ice40") else full)
    for unit in UNITS for family in ("ice40", "ecp5")])
def test_a_unit_and_its_netlist_are_equal_for_ever(miter, solve, unit, family):
    assert solve(miter(unit, family), "prove", 1, engine="abc pdr")[0] == "PASS"


@full
@pytest.mark.parametrize("unit", UNITS)
def test_a_netlist_with_one_wrong_lookup_table_is_refuted(miter, solve, unit):
    def invert(text):
        return re.sub(r"(LUT_INIT\(16'h)(\w{4})", lambda found: f"{found[1]}{int(found[2], 16) ^ 0xffff:04x}", text,
                      count=1)

    assert solve(miter(unit, "ice40", invert), "bmc", 12)[0] == "FAIL"
