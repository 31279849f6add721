"""Yosys maps what is emitted, on every family: also memories that a family does not have."""

import pytest
from amaranth.back import verilog

from gatewright.boards.family import FAMILIES
from gatewright.boards.synthesis import resources
from gatewright.hdl.fifo import Fifo, FifoParameters


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("kind", "depth"), [("registers", 3), ("lut_ram", 12), ("block_ram", 300)])
def test_every_kind_of_fifo_maps_on_every_family(tmp_path, family, kind, depth):
    """LUT RAM asked for by attribute made Yosys refuse the iCE40, which has none."""
    path = tmp_path / "fifo.v"
    path.write_text(verilog.convert(Fifo(8, FifoParameters(depth, 8, kind)), name="fifo", emit_src=False))
    used = resources([path], "fifo", FAMILIES[family])
    assert (used.block_rams > 0) == (kind == "block_ram" and family != "asic")
    assert used.registers >= 2
    assert used.luts_total > 0
