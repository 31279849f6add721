"""Resources of small modules whose cells are known beforehand, and what a reader sees when Yosys cannot do it."""

import importlib.util
import json
import re

import pytest

from gatewright.boards.family import ASIC, ECP5, FAMILIES, GATEMATE, GOWIN, ICE40, XC7
from gatewright.boards.synthesis import resources
from gatewright.errors import UserError

FPGAS = {name: family for name, family in FAMILIES.items() if family is not ASIC}

families = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)

ADDER = """
module adder(input clk, input [{top}:0] a, b, output reg [{width}:0] y);
  always @(posedge clk) y <= a + b;
endmodule
"""

MEMORY = """
module memory(input clk, input [10:0] address, output reg [15:0] data);
  reg [15:0] words [2047:0];
  initial $readmemh("words.mem", words);
  always @(posedge clk) data <= words[address];
endmodule
"""

TOP = """
module top(input clk, input [10:0] address, input [15:0] b, output [16:0] y);
  wire [15:0] data;
  memory m(.clk(clk), .address(address), .data(data));
  adder a(.clk(clk), .a(data), .b(b), .y(y));
endmodule
"""

FIELDS = r"""
module fields(input clk, clear, input [3:0] a, output reg [7:0] total);
  wire [7:0] \total[0] ;
  assign \total[0]  = total;
  always @(posedge clk) total <= (clear ? 8'h0 : total) + a;
endmodule
"""


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    """An adder of 16 bits behind a memory of 2,048 words, for every family."""
    folder = tmp_path_factory.mktemp("with space")
    (folder / "words.mem").write_text("\n".join(f"{word * 40503 & 0xffff:04x}" for word in range(2048)))
    sources = []
    for name, text in (("adder", ADDER.format(top=15, width=16)), ("memory", MEMORY), ("top", TOP)):
        sources.append(folder / f"{name}.v")
        sources[-1].write_text(text)
    log = folder / "synthesis.log"
    found = {name: resources(sources, "top", family, log=log) for name, family in FAMILIES.items()}
    assert "Printing statistics" in log.read_text()
    return found


@families
def test_a_field_named_like_a_bit_of_its_port_is_no_obstacle(family, tmp_path):
    """So Amaranth names the lanes of a payload; without care, Yosys fails on this."""
    source = tmp_path / "fields.v"
    source.write_text(FIELDS)
    assert resources([source], "fields", family).registers == 8


@pytest.mark.parametrize("name", FPGAS)
def test_counts_the_whole_hierarchy(counted, name):
    # One flip-flop a bit of the sum; 32 kbit in blocks of 4, of 9, of 18 (here 1,024 x 18), of 36 and of 40 kbit.
    got = counted[name]
    assert (got.registers, got.dsps) == (17, 0)
    assert got.block_rams == {"ice40": 8, "ecp5": 2, "xc7": 1, "gowin": 2, "gatemate": 1, "nexus": 2,
                               "machxo2": 4}[name]
    # 16 bits and a carry-out, with what each family's chains need besides.
    assert 16 <= got.luts_total <= 20
    assert got.cells[FAMILIES[name].carry_cell] == got.carries
    assert not any(cell.startswith("$") for cell in got.cells)
    assert re.fullmatch(r"\d+\.\d+\S*", got.yosys)


def test_is_plain_json(counted):
    content = json.loads(json.dumps(counted["ice40"].to_json()))
    assert content["luts_total"] == counted["ice40"].luts_total
    assert set(content) == {"luts", "carries", "luts_total", "registers", "block_rams", "dsps", "cells", "yosys"}


def count(tmp_path, text, family):
    source = tmp_path / "unit.v"
    source.write_text(text)
    return resources([source], "unit", family)


def test_ice40_carry_shares_the_cell_of_its_table(tmp_path):
    # Bits 1 to 7 of the sum share a cell with their carry; bit 0 has a constant carry-in, so its carry takes a cell
    # beside its table; the carry-out comes through the table above it.
    got = count(tmp_path, "module unit(input [7:0] a, b, output [8:0] y); assign y = a + b; endmodule", ICE40)
    assert (got.luts, got.carries) in [(9, 8), (8, 8)]
    assert got.luts_total == 10


def test_ice40_carry_from_and_to_wires(tmp_path):
    got = count(tmp_path, "module unit(input [7:0] a, b, input c, output [8:0] y); assign y = a + b + c; endmodule",
                ICE40)
    # Eight adder bits, a cell in which the carry-in enters and one from which the carry-out leaves.
    assert got.luts_total == 10


def test_ecp5_carry_is_two_tables(tmp_path):
    got = count(tmp_path, "module unit(input [15:0] a, b, output [15:0] y); assign y = a + b; endmodule", ECP5)
    assert (got.luts, got.carries, got.luts_total) == (0, 8, 16)


def test_xc7_carry_stands_behind_tables(tmp_path):
    got = count(tmp_path, "module unit(input [7:0] a, b, output [8:0] y); assign y = a + b; endmodule", XC7)
    # A position for each bit and one for the carry-out, whose table holds a constant.
    assert (got.luts, got.carries, got.luts_total) == (8, 3, 9)


def test_gates_hold_memories_and_carries_too(counted):
    # 16 kbit of a table whose words share most gates; 16 bits that the memory's port gives, 17 of the sum.
    got = counted["asic"]
    assert (got.registers, got.block_rams, got.dsps, got.carries) == (33, 0, 0, 0)
    assert got.luts == got.luts_total == sum(number for cell, number in got.cells.items() if "DFF" not in cell)


def test_gowin_and_gatemate_add_in_the_place_of_a_table(tmp_path):
    text = "module unit(input [7:0] a, b, output [8:0] y); assign y = a + b; endmodule"
    assert [count(tmp_path, text, family).luts_total for family in (GOWIN, GATEMATE)] == [9, 9]


def test_gatemate_multiplies_in_its_elements(tmp_path):
    text = "module unit(input [7:0] a, b, output [15:0] y); assign y = a * b; endmodule"
    got = count(tmp_path, text, GATEMATE)
    # With a sign, nine bits: two halves of an element for each two bits of one factor and two of the other.
    assert (got.cells["CC_MULT"], got.luts_total, got.dsps) == (1, 2 * 5 * 5, 0)


@pytest.mark.parametrize("family", FPGAS.values(), ids=FPGAS)
def test_no_carry_no_difference(tmp_path, family):
    got = count(tmp_path, "module unit(input a, b, c, output y); assign y = a ^ b & c; endmodule", family)
    assert (got.luts, got.luts_total, got.carries, got.registers, got.block_rams, got.dsps) == (1, 1, 0, 0, 0, 0)


def test_broken_verilog_is_one_line_that_names_the_log(tmp_path):
    source, log = tmp_path / "broken.v", tmp_path / "kept.log"
    source.write_text("module broken(input a; endmodule")
    with pytest.raises(UserError, match=r"not synthesise broken for ice40: .*ERROR: syntax error") as caught:
        resources([source], "broken", ICE40, log=log)
    assert str(caught.value).endswith(f"its log is {log}")
    assert "\n" not in str(caught.value)
    assert "syntax error" in log.read_text()


def test_unknown_top_keeps_a_log_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    source = tmp_path / "unit.v"
    source.write_text("module unit(input a, output y); assign y = a; endmodule")
    with pytest.raises(UserError, match="could not synthesise other for ecp5"):
        resources([source], "other", ECP5)
    (log,) = tmp_path.glob("*.log")
    assert "other" in log.read_text()


def test_missing_source_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.v: no such Verilog file"):
        resources([tmp_path / "nowhere.v"], "top", XC7)


def test_missing_yosys_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="install it with 'pip install pyosys'"):
        resources([tmp_path / "any.v"], "top", XC7)
