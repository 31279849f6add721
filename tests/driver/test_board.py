"""The driver at a port: a pseudo-terminal with ``link_model`` behind it; and every way in which a port can fail."""

import os
import pty
import random
import select
import threading
import tty
from contextlib import contextmanager

import numpy as np
import pytest

from gatewright.coding.link import Packet, encode
from gatewright.driver import ports
from gatewright.driver.board import Board
from gatewright.errors import UserError

SIZE = 40
DESCRIPTION = {"name": "net", "identity": b"GATEWRT!".hex(), "streams": [
    {"name": "i", "type": "uint8", "pixel": SIZE, "lanes": 4, "words": SIZE // 4, "bits": 32, "elements": SIZE},
    {"name": "o", "type": "int16", "pixel": 3, "lanes": 3, "words": 1, "bits": 48, "elements": 3}]}


def answer(frame):
    values = [sum(frame), -frame[0], frame[-1]]
    return b"".join(value.to_bytes(2, "little", signed=True) for value in values)


def expected(frames):
    return [[int(frame.sum()), -int(frame[0]), int(frame[-1])] for frame in frames]


@contextmanager
def served(board, damage=0.0, seed=0):
    """A port with a board (something with ``feed``) behind it; yields its name."""
    host, port = pty.openpty()
    tty.setraw(port)
    rng, stop = random.Random(seed), threading.Event()

    def noisy(data):
        for byte in data:
            luck = rng.random()
            yield from ([byte] if luck >= damage else [[], [byte, byte], [byte ^ 4]][rng.randrange(3)])

    def serve():
        while not stop.is_set():
            if select.select([host], [], [], 0.01)[0]:
                for packet in board.feed(noisy(os.read(host, 4096))):
                    os.write(host, bytes(noisy(encode(Packet(packet[0] & 15, packet[0] >> 4, packet[1:])))))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield os.ttyname(port)
    finally:
        stop.set()
        thread.join()
        os.close(host)
        os.close(port)


@pytest.fixture
def make_board(link_model):
    return lambda **options: link_model(SIZE, answer, **{"identity": b"GATEWRT!", **options})


@pytest.fixture
def frames():
    return np.random.default_rng(2).integers(0, 256, (60, SIZE))


def test_frames_are_answered_in_order_and_counted(make_board, frames):
    seen = []
    with served(make_board()) as port, Board.open(port, DESCRIPTION) as board:
        assert board.run(frames, progress=lambda *at: seen.append(at)).tolist() == expected(frames)
        assert board.run(frames[:0]).shape == (0, 3)
        assert board.run(frames[5:9]).tolist() == expected(frames[5:9])
        assert board.status()["answered"] == 64
        assert board.identify().bytes_in == SIZE
        assert board.run(frames[:3]).tolist() == expected(frames[:3])
    assert seen[-1] == (60, 60)
    statistics = board.statistics
    assert statistics.frames == 67
    assert statistics.frames_per_second > 0
    assert (statistics.damaged, sum(statistics.refused.values()), statistics.resets) == (0, 0, 0)


def test_damaged_bytes_are_reported_and_every_answer_is_right(make_board, frames):
    with served(make_board(), damage=0.01, seed=4) as port, Board.open(port, DESCRIPTION) as board:
        assert board.run(frames).tolist() == expected(frames)
    assert board.statistics.damaged > 0
    assert board.statistics.refused["crc"] > 0
    assert board.statistics.went_back > 0


def test_a_bitstream_of_another_model_is_refused(make_board):
    with served(make_board(identity=b"another.")) as port, pytest.raises(UserError) as error:
        Board.open(port, DESCRIPTION)
    assert str(error.value) == (
        f"{port}: the board holds another design: its identity is {b'another.'.hex()}, and that of net is "
        f"{b'GATEWRT!'.hex()}; load the bitstream made from this build, or name the build that is on the board")


def test_one_of_other_sizes_too(link_model):
    with served(link_model(SIZE + 1, answer, b"GATEWRT!")) as port, pytest.raises(UserError) as error:
        Board.open(port, DESCRIPTION)
    assert "the board takes 41 bytes a frame and gives 6, the build 40 and 6" in str(error.value)


class Deaf:
    def feed(self, received):
        list(received)
        return []


def test_a_silent_board_is_told_with_what_to_check():
    with served(Deaf()) as port, pytest.raises(UserError) as error:
        Board.open(port, DESCRIPTION, patience=0.3)
    assert str(error.value) == (
        f"{port}: the board is silent: nothing came in 0.3 s at 1000000 baud; check that the bitstream is loaded, that "
        "this is the board's port, that --baud is what the design was implemented with, and that RX and TX are not "
        "exchanged")


def test_a_board_that_falls_silent_ends_the_run_and_the_next_begins_anew(make_board, frames):
    model = make_board()
    with served(model) as port, Board.open(port, DESCRIPTION, patience=0.4) as board:
        feed, model.feed = model.feed, Deaf().feed
        with pytest.raises(UserError, match="the board is silent"):
            board.run(frames)
        model.feed = feed
        assert board.run(frames).tolist() == expected(frames)


def test_a_board_that_is_reset_amid_a_run_loses_nothing(make_board, frames):
    model = make_board()
    with served(model) as port, Board.open(port, DESCRIPTION) as board:
        def reset(done, total):
            if done == 20:
                fresh = make_board()
                model.feed = fresh.feed

        assert board.run(frames, progress=reset).tolist() == expected(frames)
    assert board.statistics.resets >= 1


def test_no_such_port_names_those_that_exist(monkeypatch):
    class Port:
        device = "/dev/ttyUSB3"

    monkeypatch.setattr(ports.list_ports, "comports", lambda: [Port])
    with pytest.raises(UserError, match=r"^/dev/ttyGW9: no such serial port; there are /dev/ttyUSB3$"):
        Board.open("/dev/ttyGW9", DESCRIPTION)
    monkeypatch.setattr(ports.list_ports, "comports", list)
    with pytest.raises(UserError, match=r"^/dev/ttyGW9: no such serial port; this machine has none; is the board"):
        Board.open("/dev/ttyGW9", DESCRIPTION)


def test_a_busy_port_is_told(make_board):
    with served(make_board()) as port, Board.open(port, DESCRIPTION), pytest.raises(UserError) as error:
        Board.open(port, DESCRIPTION)
    assert str(error.value) == (f"{port}: the port is busy: another program has it open; end that program (a terminal, "
                                "another gatewright run) and try again")


def test_a_file_is_no_port(tmp_path):
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(UserError, match=r"file: is no serial port, or does not make 1000000 baud; name a serial port"):
        Board.open(str(path), DESCRIPTION)
    with pytest.raises(UserError, match=r"baud and patience must be positive, not 0 and 5.0$"):
        Board.open(str(path), DESCRIPTION, baud=0)


def test_a_port_that_goes_away_is_told(make_board, frames):
    with served(make_board()) as port:
        board = Board.open(port, DESCRIPTION)
    with pytest.raises(UserError, match=r"the port went away: .*; check the cable and the board's power"):
        board.run(frames)
    board.close()
