"""`gatewright run` and `simulate-board` as a person meets them: on a simulated board, and all that can fail."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

import gatewright
from gatewright import cli
from gatewright.driver import ports
from gatewright.errors import UserError
from gatewright.road_link import On, place_of, simulated

CLOCK, BAUD = 12.0, 3_000_000


@pytest.fixture(scope="module")
def folder(builder, tmp_path_factory):
    """A build of 30 inputs and 5 outputs, with data beside it."""
    place = tmp_path_factory.mktemp("road")
    rng = np.random.default_rng(1)

    def make(name, seed):
        weights = np.random.default_rng(seed)
        net = builder((1, 30)).gemm(weights.choice([-1, 0, 1], (6, 30)), 0.5, bits=3).quantise(1.0, 2, signed=False)
        path = net.gemm(weights.choice([-2, 0, 1], (5, 6)), 0.5, bits=3).save(place / f"{name}.onnx")
        model = gatewright.load(path, input="uint3", name="net")
        gatewright.compile(model, folding="3x5,5x3").write(place / name)

    make("build", 1)
    make("other", 2)
    np.savez(place / "data.npz", x=rng.integers(0, 8, (60, 30)), y=rng.integers(0, 5, 60))
    return place


@pytest.fixture(scope="module")
def board(folder):
    board, what = simulated(On(folder / "build", BAUD, None, None), clock=CLOCK)
    assert what == "net, simulated: 12 MHz, 3000000 baud"
    with board:
        yield board


@pytest.fixture
def run(folder, monkeypatch, capsys):
    """Runs a command here; returns exit code, output, error."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["gatewright", *map(str, words)])
        monkeypatch.setattr(cli_console(), "width", 200)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return ended.value.code or 0, out, err

    return call


def cli_console():
    from gatewright.terminal import console

    return console


def test_frames_run_on_a_simulated_board_and_all_integers_are_golden(folder, board, run):
    answers = folder / "answers.npz"
    code, out, err = run("run", folder / "build", "--port", board.port, "--baud", BAUD, "--data", folder / "data.npz",
                         "--check", "-o", answers)
    assert (code, err) == (0, "")
    assert "all 300 integers of 60 frames equal those of the golden model" in out
    assert re.search(r"frames answered *│ *60 ", out)
    assert re.search(r"packets that the board refused *│ *0 ", out)
    assert re.search(r"accuracy *│ *\d+\.\d\d%", out)
    with np.load(answers) as kept, np.load(folder / "data.npz") as data:
        design = gatewright.Design.open(folder / "build")
        assert np.array_equal(kept["logits"], design.run(data["x"]))
        assert np.array_equal(kept["classes"], kept["logits"].argmax(axis=1))


def test_one_percent_of_damaged_bytes_is_reported_and_changes_no_integer(folder, run):
    board, _ = simulated(On(folder / "build", BAUD, None, None), clock=CLOCK, corrupt=0.01, seed=2)
    with board:
        code, out, err = run("run", folder / "build", "--port", board.port, "--baud", BAUD, "--data",
                             folder / "data.npz", "--check")
    assert (code, err) == (0, "")
    assert "all 300 integers of 60 frames equal" in out
    assert re.search(r"packets that the board refused *│ *[1-9]\d* \(crc \d+", out)
    assert re.search(r"packets that came back damaged *│ *[1-9]", out)


def test_a_bitstream_of_another_model_is_refused(folder, board, run):
    code, _, err = run("run", folder / "other", "--port", board.port, "--baud", BAUD, "--data", folder / "data.npz")
    assert code == 2
    identity = json.loads((folder / "build" / "design.json").read_text())["identity"]
    assert re.fullmatch(rf"gatewright: {board.port}: the board holds another design: its identity is {identity}, and "
                        r"that of net is [0-9a-f]{16}; load the bitstream made from this build, or .*\n", err)


def test_an_integer_that_differs_ends_with_1_and_is_named(folder, run):
    broken = folder / "broken"
    shutil.copytree(folder / "build", broken)
    top = broken / "rtl" / "net.v"
    text = top.read_text()
    (width,) = re.findall(r"output (\[\d+:0\]) o__payload;", text)
    assert text.count(".o__payload(o__payload)") == 1
    text = text.replace(".o__payload(o__payload)", ".o__payload(right)")
    top.write_text(text.replace("endmodule", f"  wire {width} right;\n  assign o__payload = right ^ 1'h1;\nendmodule"))
    board, _ = simulated(On(broken, BAUD, None, None), clock=CLOCK)
    with board:
        code, _, err = run("run", folder / "build", "--port", board.port, "--baud", BAUD, "--data", folder / "data.npz",
                           "--check", "--frames", 4)
    assert code == 1
    assert re.fullmatch(r"gatewright: 4 integers differ; the first: frame 0, index 0, expected -?\d+, got -?\d+\n", err)


def test_the_command_serves_until_it_is_ended(folder, run):
    process = subprocess.Popen(
        [sys.executable, "-m", "gatewright.cli", "simulate-board", str(folder / "build"), "--board", "icebreaker",
         "--baud", "3000000"], stdout=subprocess.PIPE, text=True)
    try:
        port, what = process.stdout.readline().split(" ", 1)
        assert what == "net on icebreaker, simulated: 12 MHz, 3000000 baud; Ctrl-C ends it\n"
        code, _, err = run("run", folder / "build", "--port", port, "--baud", BAUD, "--data", folder / "data.npz",
                           "--frames", 3, "--check")
        assert (code, err) == (0, "")
    finally:
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert re.fullmatch(r"[\d,]+ cycles in \d+ s; to the board \d+ bytes, 0 of them damaged; from it \d+, 0 of them\n",
                        rest)


def test_a_board_that_is_silent_a_port_that_is_busy_or_missing(folder, board, run, monkeypatch):
    words = ("run", folder / "build", "--data", folder / "data.npz", "--port")
    master, slave = os.openpty()
    code, _, err = run(*words, os.ttyname(slave), "--patience", "0.3")
    os.close(master)
    os.close(slave)
    assert code == 2
    assert "the board is silent: nothing came in 0.3 s at 1000000 baud; check that the bitstream is loaded" in err
    held = ports.open_port(board.port, BAUD, patience=1)
    code, _, err = run(*words, board.port)
    held.close()
    assert code == 2
    assert "the port is busy: another program has it open" in err
    monkeypatch.setattr(ports.list_ports, "comports", list)
    code, _, err = run(*words, "/dev/ttyGW7")
    assert (code, err) == (2, "gatewright: /dev/ttyGW7: no such serial port; this machine has none; is the board "
                              "plugged in?\n")


@pytest.mark.parametrize(("words", "message"), [
    (("run", "{}/build", "--port", "p", "--data", "{}/data.npz", "--baud", "0"), "Invalid value for '--baud'"),
    (("run", "{}/build", "--port", "p", "--data", "{}/data.npz", "--baud", "fast"), "Invalid value for '--baud'"),
    (("run", "{}/nothing", "--port", "p", "--data", "{}/data.npz"), "nothing: no such folder; make one with"),
    (("run", "{}/build", "--port", "p", "--data", "{}/nothing.npz"), "nothing.npz: no such file"),
    (("run", "{}/build", "--data", "{}/data.npz"), "Missing option '--port'"),
    (("simulate-board", "{}/build", "--board", "nothing"), "--board: no board is called 'nothing'; say one of "),
    (("simulate-board", "{}/build", "--clock", "12", "--baud", "5000000"),
     "--baud: baud must be at most 3000000 for a clock of 12 MHz, not 5e+06; say another --baud or clock"),
    (("simulate-board", "{}/build", "--clock", "25", "--baud", "3000000"),
     "--baud: baud must be within 2 % of the clock of 25 MHz divided by an integer, such as 3125000, not 3e+06"),
    (("simulate-board", "{}/build", "--clock", "-3"), "--baud: baud and clock must be positive numbers"),
    (("simulate-board", "{}/build", "--clock", "12", "--corrupt", "2"), "--corrupt: 2.0 is no share of bytes"),
])
def test_what_cannot_be_is_one_line(folder, run, words, message):
    code, _, err = run(*(word.format(folder) for word in words))
    assert code == 2
    assert message in err
    assert err.count("\n") == 1


def test_what_was_implemented_is_what_is_on_the_board(tmp_path):
    (tmp_path / "design.json").write_text("{}")
    assert place_of(tmp_path, None, None) == On(tmp_path, 1_000_000, None, None)
    assert place_of(tmp_path, "ulx3s-25f", 9600) == On(tmp_path, 9600, None, "ulx3s-25f")
    for name, baud in (("a", 5000), ("b", 6000)):
        (tmp_path / "boards" / name).mkdir(parents=True)
        (tmp_path / "boards" / name / "implementation.json").write_text(f'{{"baud": {baud}, "clock_mhz": 24.5}}')
        assert place_of(tmp_path, name, None) == On(tmp_path / "boards" / name / "core", baud, 24.5, name)
        if name == "a":
            assert place_of(tmp_path, None, 700).baud == 700
    with pytest.raises(UserError, match=r"was implemented for a, b; say which with --board$"):
        place_of(tmp_path, None, None)
    (tmp_path / "boards" / "a" / "implementation.json").write_text("{}")
    with pytest.raises(UserError, match=r"implementation.json: cannot be read: 'baud'; make it again with gate"):
        place_of(tmp_path, "a", None)
