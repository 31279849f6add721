"""Netlists of small modules in Verilator, with the cells' models: memories of every shape, and what is refused."""

import re

import numpy as np
import pytest

from gatewright.boards.family import ECP5, FAMILIES, GATEMATE, ICE40, XC7
from gatewright.boards.netlist import SIMULATED, synthesise
from gatewright.errors import UserError
from gatewright.sim import patterns, verilated

MEMORY = """
module memory(input clk, rst, input [{command}:0] i__payload, input i__valid, output i__ready,
              output reg [{top}:0] o__payload, output reg o__valid, input o__ready);
  wire write = i__payload[{command}];
  wire [{address}:0] at = i__payload[{command_address}:{width}];
  (* ram_style = "block" *) reg [{top}:0] words [0:{last}];
  initial $readmemh("words.mem", words);
  assign i__ready = o__ready || !o__valid;
  always @(posedge clk) begin
    if (i__ready) begin
      o__valid <= i__valid && !write;
      if (i__valid && write) words[at] <= i__payload[{top}:0];
      if (i__valid && !write) o__payload <= words[at];
    end
    if (rst) o__valid <= 0;
  end
endmodule
"""


@pytest.mark.parametrize("family", [ICE40, ECP5, GATEMATE], ids=lambda family: family.name)
@pytest.mark.parametrize(("width", "depth"), [
    (9, 2048), *(pytest.param(*shape, marks=pytest.mark.full) for shape in (
        (1, 16384), (2, 8192), (4, 4096), (18, 1024), (36, 512), (40, 700))),
])
def test_a_memory_keeps_its_initial_words_and_those_written(tmp_path, family, width, depth):
    """Each shape becomes a block of its own; the words are read back under stalls while others are written."""
    rng = np.random.default_rng(width)
    words = [int(word) for word in rng.integers(0, 1 << width, size=depth)]
    (tmp_path / "words.mem").write_text("\n".join(f"{word:x}" for word in words))
    bits = (depth - 1).bit_length()
    (tmp_path / "memory.v").write_text(MEMORY.format(
        top=width - 1, width=width, address=bits - 1, command_address=width + bits - 1, command=width + bits,
        last=depth - 1))
    made = synthesise([tmp_path / "memory.v"], "memory", family)
    assert any(cell in made.cells for cell in family.block_ram_cells)
    given, expected = [], []
    for at in (*range(depth), *rng.integers(0, depth, size=2000)):
        write = len(given) >= depth and rng.random() < 0.5
        word = int(rng.integers(0, 1 << width))
        if write:
            words[at] = word
        else:
            expected.append(words[at])
        given.append((int(write) << width + bits | int(at) << width | word).to_bytes(-(-(width + bits + 1) // 8),
                                                                                   "little"))
    library = verilated.build(verilated.Sources(made.files, made.libraries), "memory")
    with library.open() as simulation:
        run = simulation.run(np.array([list(word) for word in given], dtype=np.uint8), len(expected),
                             max_cycles=20 * len(given), offers=patterns.offers(1), accepts=patterns.accepts(1))
    assert [int.from_bytes(row.tobytes(), "little") for row in run.outputs] == expected


PRODUCT = """
module product(input clk, rst, input [35:0] i__payload, input i__valid, output i__ready,
               output [35:0] o__payload, output o__valid, input o__ready);
  wire {signed} [17:0] a = i__payload[17:0], b = i__payload[35:18];
  assign o__payload = a * b, o__valid = i__valid, i__ready = o__ready;
endmodule
"""


@pytest.mark.full
@pytest.mark.parametrize("signed", [True, False])
def test_a_multiplier_multiplies(tmp_path, signed):
    (tmp_path / "product.v").write_text(PRODUCT.format(signed="signed" if signed else ""))
    made = synthesise([tmp_path / "product.v"], "product", ECP5)
    assert made.cells["MULT18X18D"] == 1
    rng = np.random.default_rng(3)
    factors = [(int(a), int(b)) for a, b in rng.integers(-(1 << 17) * signed, 1 << 17 + (not signed), size=(500, 2))]
    factors += [(a, b) for a in (-1 << 17, 0, (1 << 17) - 1) for b in (-1 << 17, -1) if signed]
    rows = [((a & 0x3ffff) | (b & 0x3ffff) << 18).to_bytes(5, "little") for a, b in factors]
    with verilated.build(verilated.Sources(made.files, made.libraries), "product").open() as simulation:
        run = simulation.run(np.array([list(row) for row in rows], dtype=np.uint8), len(rows), max_cycles=5000)
    assert [int.from_bytes(row.tobytes(), "little") for row in run.outputs] == [
        a * b & (1 << 36) - 1 for a, b in factors]


def test_a_family_without_models_is_refused(tmp_path):
    assert "xc7" not in SIMULATED
    with pytest.raises(UserError, match=re.escape("xc7: the cells of Xilinx 7 series have no simulation models")):
        synthesise([tmp_path / "none.v"], "none", XC7)


def test_what_yosys_cannot_read_is_refused_in_a_line(tmp_path):
    (tmp_path / "bad.v").write_text("module bad(input clk; endmodule\n")
    with pytest.raises(UserError, match=r"^Yosys could not synthesise bad for ice40: .*ERROR: syntax error"):
        synthesise([tmp_path / "bad.v"], "bad", FAMILIES["ice40"])
    with pytest.raises(UserError, match="no such Verilog file"):
        synthesise([tmp_path / "none.v"], "none", ICE40)
