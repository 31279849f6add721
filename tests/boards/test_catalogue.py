"""Boards: each file is valid, pins are those that amaranth_boards has, constraints name each port once."""

import importlib.util
import pkgutil
import re

import pytest

from gatewright.boards import catalogue
from gatewright.boards.board import FromAmaranth, Pins
from gatewright.boards.catalogue import BOARDS, find, find_board
from gatewright.boards.device import DEVICES
from gatewright.boards.flows import flow_for
from gatewright.errors import UserError

boards = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)


def test_every_file_of_the_folder_holds_boards():
    files = [each.name for each in pkgutil.iter_modules(catalogue.__path__)]
    assert len(files) >= 13
    held = [board for name in files for board in
            importlib.import_module(f"gatewright.boards.catalogue.{name}").BOARDS]
    assert {board.name for board in held} == set(BOARDS)
    assert len(held) == len(BOARDS)


def test_a_board_is_found_by_its_name_alone():
    assert find_board("ulx3s-45f").device is DEVICES["ecp5-45f"]
    assert find("ulx3s-45f") is find("ecp5-45f") is DEVICES["ecp5-45f"]
    assert find_board("ecp5-45f") is None
    assert not set(BOARDS) & set(DEVICES)


@boards
def test_a_board_says_all_that_is_needed(board):
    assert re.fullmatch(r"[a-z0-9-]+", board.name)
    assert board.device is DEVICES[board.device.name]
    assert "{bitstream}" in board.program or "vivado" in board.program
    assert board.url.startswith("https://")
    assert 1 <= board.clock_mhz <= 200
    # Pins that are written down say where they were read.
    assert isinstance(board.pins, FromAmaranth) or board.source


@boards
def test_no_two_ports_share_a_pin(board):
    pins = board.read_pins()
    assert isinstance(pins, Pins)
    names = [pin.name for pin in pins.by_port().values()]
    assert len(set(names)) == len(names) >= 3


@pytest.mark.parametrize("board", [board for board in BOARDS.values() if isinstance(board.pins, FromAmaranth)],
                         ids=lambda board: board.name)
def test_the_oscillator_is_as_fast_as_amaranth_says(board):
    module = importlib.import_module(f"amaranth_boards.{board.pins.module}")
    platform = getattr(module, board.pins.platform)
    (clock,) = (each for each in platform.resources if (each.name, each.number) == board.pins.clk)
    assert clock.clock.frequency == board.clock_mhz * 1e6


@boards
def test_constraints_name_each_port_and_its_pin_once(board):
    pins = board.read_pins().by_port()
    text = flow_for(board).constraints(board, pins)
    for port, pin in pins.items():
        places = [line for line in text.splitlines() if re.search(rf"\b{port}\b", line)
                  and re.search(rf'[" {{]{pin.name}\b', line)]
        assert len(places) == 1, (port, text)


def test_constraints_look_as_each_tool_wants_them():
    def lines(name):
        board = BOARDS[name]
        return flow_for(board).constraints(board, board.read_pins().by_port()).splitlines()

    assert lines("icebreaker") == ["set_io clk 35", "set_io -pullup yes rx 6", "set_io tx 9", "set_io led 37",
                                   "set_frequency clk 12"]
    assert lines("ulx3s-25f")[:2] == ['LOCATE COMP "clk" SITE "G2";', 'IOBUF PORT "clk" IO_TYPE=LVCMOS33;']
    assert lines("ulx3s-25f")[-1] == 'FREQUENCY PORT "clk" 25 MHZ;'
    assert lines("tang-nano-20k")[2:4] == ['IO_LOC "rx" 70;', 'IO_PORT "rx" IO_TYPE=LVCMOS33 PULL_MODE=UP;']
    assert lines("gatemate-a1-evb")[1] == 'Net "rx" Loc = "IO_SA_A6" | PULLUP=true;'
    assert lines("arty-a7-35")[:2] == [
        "set_property -dict { PACKAGE_PIN E3 IOSTANDARD LVCMOS33 } [get_ports { clk }]",
        "create_clock -add -name clk -period 10.000 [get_ports { clk }]"]


def test_pins_need_a_package_that_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"^the Python package 'amaranth-boards', .*pip install 'gatewright\[pnr\]'$"):
        BOARDS["icebreaker"].read_pins()
    assert BOARDS["tang-nano-20k"].read_pins().clk.name == "4"
