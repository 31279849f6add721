"""A design on a board: the loop that makes it fit and reach its clock, and one real bitstream."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gatewright
from gatewright.boards.implement import Implementation, Run, TooLarge
from gatewright.boards.synthesis import Resources
from gatewright.boards.timing import CriticalPath
from gatewright.compiler import implement as implementing
from gatewright.compiler.build import check_place
from gatewright.compiler.implement import find_board, implement, record
from gatewright.compiler.refold import refolded
from gatewright.errors import UserError

SIZES = (24, 12, 6)
ULX3S = "ulx3s-25f"


@pytest.fixture(scope="module")
def design(builder, tmp_path_factory):
    rng = np.random.default_rng(3)
    net = builder((1, SIZES[0])).sign()
    for inputs, outputs in itertools.pairwise(SIZES):
        net.gemm(rng.normal(size=(outputs, inputs)), scale=0.1)
        if outputs != SIZES[-1]:
            net.norm(rng.choice([-1.0, 1.0], size=outputs), *rng.normal(size=(2, outputs)) / 20,
                     rng.uniform(0.5, 2, size=outputs))
            net.sign()
    model = gatewright.load(net.save(tmp_path_factory.mktemp("implemented") / "net.onnx"))
    return gatewright.compile(model, folding="12x24,6x12", clock=25)


class Scripted:
    """Place and route that answers what a test says: MHz and the instances on the critical path, or an exception."""

    def __init__(self, *answers):
        self.answers, self.asked, self.sources = list(answers), [], []

    def __call__(self, sources, top, board, clock_mhz, folder, *, seeds, jobs, progress):
        answer = self.answers.pop(0)
        self.asked.append(clock_mhz)
        self.sources.append({path.name: path.read_text() for path in sources})
        if isinstance(answer, Exception):
            raise answer
        fmax, path = answer
        folder.mkdir()
        (folder / "x.bit").write_bytes(b"bits")
        (folder / "seed-1.log").write_text(f"{fmax} MHz")
        steps = tuple(f"uart.core.{unit}.total_LUT4_Z" for unit in path)
        return Implementation(
            board=board.name, device=board.device.name, family="ecp5", top=top, clock_mhz=clock_mhz, luts=900,
            registers=500, block_rams=2, dsps=0, available={"luts": 24288, "block_rams": 56, "dsps": 28},
            fmax_mhz=fmax, clocks_mhz={"clk": fmax}, critical=CriticalPath("posedge clk", "posedge clk", 1000 / fmax,
                                                                           1.0, steps),
            seed=1, runs=(Run(1, fmax, 2.0),), seconds={"synthesis": 1.0}, bitstream="x.bit", files=(), tools={},
            synthesis=Resources(800, 10, 820, 500, 2, 0, {}, "0.1"))


@pytest.fixture
def scripted(monkeypatch):
    def of(*answers):
        script = Scripted(*answers)
        monkeypatch.setattr(implementing, "place_and_route", script)
        return script

    return of


def run(design, folder, **options):
    return implement(design, find_board(ULX3S), folder, **options)


def too_large(luts):
    return TooLarge(find_board(ULX3S), {"luts": luts, "block_rams": 2, "dsps": 0},
                    {"luts": 24288, "block_rams": 56, "dsps": 28})


def test_a_clock_that_is_reached_changes_nothing(design, scripted, tmp_path):
    script = scripted((60.0, ["fc0"]))
    done = run(design, tmp_path / "b" / "ulx3s", clock=50)
    assert (done.changes, done.clock, script.asked) == ((), 50, [50])
    said = json.loads((done.folder / "implementation.json").read_text())
    assert said["fps"] == 50e6 / design.prediction.interval
    assert said["bytes_in"] == 3
    assert (done.folder / "x.bit").read_bytes() == b"bits"
    assert {"net_uart.v", "net_ulx3s_25f.v"} <= {path.name for path in (done.folder / "top").iterdir()}


def test_the_logs_of_every_attempt_are_kept(design, scripted, tmp_path):
    scripted((42.0, ["fc0"]), (46.0, ["fc0"]), (60.0, []))
    folder = run(design, tmp_path / "ulx3s", clock=50).folder
    logs = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.log")}
    assert logs == {"attempt-1/seed-1.log": "42.0 MHz", "attempt-2/seed-1.log": "46.0 MHz", "seed-1.log": "60.0 MHz"}


def test_what_is_around_the_core_is_given_to_synthesis_but_no_bus(design, scripted, tmp_path):
    script = scripted((60.0, []))
    run(design, tmp_path / "ulx3s", clock=50)
    names = set(script.sources[0])
    assert {"net.v", "net_uart.v", "net_ulx3s_25f.v"} <= names
    assert not any("axi" in name for name in names)


def test_a_unit_on_the_critical_path_is_pipelined_until_the_clock_is_reached(design, scripted, tmp_path):
    scripted((42.0, ["fc0"]), (46.0, ["fc0"]), (51.0, ["fc1"]))
    done = run(design, tmp_path / "ulx3s", clock=50)
    assert done.design.pipelines == (2, 0)
    assert done.changes == ("fc0 pipelined deeper: 42.0 MHz, and the critical path lies there",
                            "fc0 pipelined deeper: 46.0 MHz, and the critical path lies there")
    assert done.design.prediction.interval == design.prediction.interval
    # What is on the board is a build of its own, proven as any.
    core = gatewright.Design.open(done.folder / "core")
    assert core.pipelines == (2, 0)
    assert core.verify(np.random.default_rng(0).choice([-1, 1], size=(9, SIZES[0]))).mismatches == 0


def test_far_from_the_clock_it_goes_two_degrees_at_once(design, scripted, tmp_path):
    scripted((20.0, ["fc1"]), (60.0, []))
    assert run(design, tmp_path / "ulx3s", clock=50).design.pipelines == (0, 2)


def test_a_path_through_several_units_gets_registers_between_them(design, scripted, tmp_path):
    assert [stage.name for stage in design.dataflow.stages][-3:] == ["fc0", "fc1_fifo", "fc1"]
    plain = gatewright.compile(design.model, folding="3x24,6x4", clock=25)
    assert [stage.name for stage in plain.dataflow.stages][-4:] == ["fc0", "fc1_width", "fc1_fifo", "fc1"]
    scripted((42.0, ["fc1_width", "fc0"]), (51.0, []))
    done = run(plain, tmp_path / "ulx3s", clock=50)
    assert done.design.slices == ("fc0",)
    assert done.changes == ("registers behind fc0: 42.0 MHz, and the critical path runs through fc1_width and fc0",)


def test_a_clock_that_nothing_helps_is_lowered_to_one_that_the_pll_makes(design, scripted, tmp_path):
    script = scripted((47.0, ["link"]), (46.0, []))
    done = run(design, tmp_path / "ulx3s", clock=50)
    assert done.clock == script.asked[1]
    assert 40 < done.clock <= 47 * 0.97
    assert done.changes == (f"clock lowered from 50 to {done.clock:g} MHz: more is not reached",)
    assert f"at {done.clock:g} MHz" in script.sources[1]["net_uart.v"]


def test_what_made_it_slower_is_taken_back_before_the_clock_is_lowered(design, scripted, tmp_path):
    scripted((44.0, ["fc0"]), (43.0, ["link"]), (44.0, []))
    done = run(design, tmp_path / "ulx3s", clock=50)
    assert done.design.pipelines == (0, 0)
    assert len(done.changes) == 1


def test_it_gives_up_in_a_line(design, scripted, tmp_path):
    scripted((40.0, []), (30.0, []), (20.0, []), (10.0, []))
    with pytest.raises(UserError, match="no clock was found that the design reaches") as caught:
        run(design, tmp_path / "ulx3s", clock=50)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "ulx3s").exists()


def test_what_is_too_large_names_the_layers_to_fold_and_by_how_much(design, scripted, tmp_path):
    scripted(too_large(24400))
    with pytest.raises(UserError) as caught:
        run(design, tmp_path / "ulx3s")
    said = str(caught.value)
    assert said.startswith("ulx3s-25f: the design is too large: it needs 24,400 LUTs of 24,288 on ecp5-25f; fold ")
    assert "from 12x24 to " in said
    assert said.endswith("or say --fit")


def test_fit_folds_anew(design, scripted, tmp_path):
    scripted(too_large(24400), (60.0, []))
    done = run(design, tmp_path / "ulx3s", clock=50, fit=True)
    assert done.design.prediction.interval > design.prediction.interval
    assert done.changes[0].startswith("folded fc0 from 12x24 to ")
    assert gatewright.Design.open(done.folder / "core").folds == done.design.folds


def test_an_earlier_result_stays_where_a_run_fails(design, scripted, tmp_path):
    scripted((60.0, []), UserError("no"))
    folder = tmp_path / "ulx3s"
    before = sorted(path.relative_to(folder) for path in run(design, folder).folder.rglob("*"))
    with pytest.raises(UserError, match=r"^no$"):
        run(design, folder)
    assert sorted(path.relative_to(folder) for path in folder.rglob("*")) == before
    assert [path.name for path in tmp_path.iterdir()] == ["ulx3s"]


def test_a_report_has_an_entry_for_each_board(design, scripted, tmp_path):
    build = design.write(tmp_path / "build")
    scripted((60.0, []), (60.0, []))
    done = run(design, build / "boards" / ULX3S)
    entries = record(build, done)
    assert list(entries) == [ULX3S]
    gatewright.compiler.build.record(build, boards=entries)
    assert json.loads((build / "report.json").read_text())["boards"][ULX3S]["luts"] == 900
    page = (build / "report.html").read_text()
    assert "On boards" in page
    assert "<td>ulx3s-25f</td><td>ecp5-25f</td>" in page
    assert list(record(build, replace(done, result=replace(done.result, board="other")))) == [ULX3S, "other"]


def test_building_anew_keeps_no_bitstream_of_the_old_design(design, tmp_path):
    folder = design.write(tmp_path / "build")
    (folder / "boards" / ULX3S).mkdir(parents=True)
    check_place(folder)
    design.write(folder)
    assert not (folder / "boards").exists()


@pytest.mark.parametrize("clock", [0, -1, float("nan"), float("inf")])
def test_what_is_no_clock_is_refused_before_any_work(design, tmp_path, clock):
    with pytest.raises(UserError, match=r"^--clock: a clock of .* MHz is out of range; say MHz, as in --clock 50$"):
        run(design, tmp_path / "ulx3s", clock=clock)
    assert not list(tmp_path.iterdir())


def test_a_design_that_is_named_like_a_bus_keeps_all_its_files(design, scripted, tmp_path):
    named = gatewright.compile(gatewright.load(design.model.imported.source, name="my_axi_net"), folding="12x24,6x12")
    script = scripted((60.0, []))
    run(named, tmp_path / "ulx3s", clock=50)
    assert {name for name in named.rtl() if name.endswith(".v")} <= set(script.sources[0])
    assert not any(name.startswith("my_axi_net_axi") for name in script.sources[0])


def test_an_unknown_board_is_told_with_those_that_are_known():
    with pytest.raises(UserError, match=r"^--board: no board is called 'nexys'; say one of .*icebreaker, .*ulx3s-25f"):
        find_board("nexys")


def test_a_refold_that_cannot_help_says_so(design):
    with pytest.raises(UserError, match=r"^net: no folding of this network is small enough for it; take a larger"):
        refolded(design, "ecp5", {"luts": 10_000_000, "block_rams": 0, "dsps": 0},
                 {"luts": 10, "block_rams": 0, "dsps": 0})


def test_a_real_bitstream_for_a_small_board(design, tmp_path):
    """Yosys, nextpnr and icepack, and a clock from the PLL."""
    small = gatewright.compile(design.model, folding="1x6,1x4", clock=24)
    done = implement(small, find_board("icebreaker"), tmp_path / "icebreaker", seeds=(1,))
    assert done.result.meets
    assert done.result.fmax_mhz >= done.clock == 24
    bits = (done.folder / done.result.bitstream).read_bytes()
    # An iCE40 bitstream's preamble (Project IceStorm, "Bitstream file format").
    assert b"\x7e\xaa\x99\x7e" in bits
    assert 0 < done.result.luts < 5280
    assert (done.folder / "core" / "design.json").is_file()
    assert Path(done.folder / "implementation.json").is_file()
