"""`gatewright implement` as a person meets it: what goes wrong is one line, and what was there stays whole."""

import subprocess
import sys
import time

import numpy as np
import pytest

import gatewright

BOARD = "icebreaker"


def command(*words):
    return [sys.executable, "-m", "gatewright.cli", "implement", *map(str, words)]


def run(*words):
    return subprocess.run(command(*words), capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def build(builder, tmp_path_factory):
    rng = np.random.default_rng(3)
    folder = tmp_path_factory.mktemp("implement")
    net = builder((1, 12)).sign().gemm(rng.normal(size=(4, 12)), scale=0.1)
    return gatewright.compile(gatewright.load(net.save(folder / "net.onnx")), folding="1x3", clock=20).write(
        folder / "build")


@pytest.mark.parametrize(("words", "line"), [
    (["--board", "nexys"], "gatewright: --board: no board is called 'nexys'; say one of "),
    (["--board", "ulx3s-25f", "--clock", "4000"], "gatewright: --clock: "),
    (["--board", "ulx3s-25f", "--baud", "77000000"], "gatewright: --baud: "),
], ids=["board", "clock", "baud"])
def test_what_is_wrong_is_said_in_a_line(build, words, line):
    done = run(build, *words)
    assert done.returncode == 2
    assert done.stderr.startswith(line)
    assert done.stderr.count("\n") == 1
    assert not list(build.glob("boards/*"))


def test_no_build_is_said_in_a_line(tmp_path):
    done = run(tmp_path, "--board", BOARD)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "no build here" in done.stderr


def test_killed_in_the_middle_it_leaves_what_was_there_and_the_next_run_sweeps_up(build):
    words = build, "--board", BOARD, "--seeds", 1
    assert run(*words).returncode == 0
    place = build / "boards" / BOARD
    before = {path.relative_to(place): path.read_bytes() for path in place.rglob("*") if path.is_file()}
    assert any(path.suffix == ".bin" for path in before)
    with subprocess.Popen(command(*words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not any(path.name.startswith(".") for path in place.parent.iterdir()):
            assert process.poll() is None
            time.sleep(0.05)
        process.kill()
    assert {path.relative_to(place): path.read_bytes() for path in place.rglob("*") if path.is_file()} == before
    assert len(list(place.parent.iterdir())) == 2  # what it left
    assert run(*words).returncode == 0
    assert [path.name for path in place.parent.iterdir()] == [BOARD]
