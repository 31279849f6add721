"""PLLs: what is asked for comes out, within the data sheets' limits, and no worse than the vendors' open tools do."""

import re
import subprocess
import sys
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.boards.catalogue import BOARDS
from gatewright.boards.pll import Pll, pll_for
from gatewright.boards.pll.gatemate import gatemate
from gatewright.boards.pll.gowin import gowin
from gatewright.boards.pll.ice40 import ice40
from gatewright.boards.pll.lattice import ecp5, machxo2
from gatewright.boards.pll.xc7 import xc7
from gatewright.errors import UserError

megahertz = st.integers(16_000, 200_000).map(lambda kilohertz: Fraction(kilohertz, 1000))


def references(*values):
    return st.sampled_from([Fraction(value) for value in values])


def tool(name, *arguments):
    """What a tool of the [pnr] extra prints."""
    code = ("import importlib.metadata, sys; name = sys.argv.pop(1); sys.argv[0] = name; "
            "sys.exit(next(iter(importlib.metadata.entry_points(group='console_scripts', name=name))).load()())")
    return subprocess.run([sys.executable, "-c", code, name, *arguments], capture_output=True, text=True,
                          check=False).stdout


@given(references(12, 25, 48, 100), megahertz)
def test_ice40_settings_give_what_they_say(reference, wanted):
    pll = ice40(reference, wanted, True)
    p = pll.parameters
    detector = reference / (p["DIVR"] + 1)
    vco = detector * (p["DIVF"] + 1)
    assert pll.output_mhz == vco / 2 ** p["DIVQ"]
    assert 10 <= detector <= 133
    assert 533 <= vco <= 1066
    assert p["DIVR"] < 16
    assert p["DIVF"] < 128


# Below, the dividers leave gaps of more than a twentieth, which is refused.
@given(references(25, 48), megahertz.filter(lambda wanted: wanted >= 40))
def test_ecp5_settings_give_what_they_say(reference, wanted):
    pll = ecp5(reference, wanted)
    p = pll.parameters
    assert pll.output_mhz == reference / p["CLKI_DIV"] * p["CLKFB_DIV"]
    assert Fraction("3.125") <= reference / p["CLKI_DIV"] <= 400
    assert 400 <= pll.output_mhz * p["CLKOP_DIV"] <= 800


@given(references(25, 48), megahertz.filter(lambda wanted: wanted >= 100))
def test_machxo2_settings_give_what_they_say(reference, wanted):
    pll = machxo2(reference, wanted)
    p = pll.parameters
    assert pll.output_mhz == reference / p["CLKI_DIV"] * p["CLKFB_DIV"]
    assert 200 <= pll.output_mhz * p["CLKOP_DIV"] <= 800


@given(references(27), megahertz, st.sampled_from([("gw1nr-9", 400, 1200), ("gw2ar-18", 500, 1250)]))
def test_gowin_settings_give_what_they_say(reference, wanted, device):
    name, lowest, highest = device
    pll = gowin(name, reference, wanted)
    p = pll.parameters
    assert pll.output_mhz == reference * (p["FBDIV_SEL"] + 1) / (p["IDIV_SEL"] + 1)
    assert lowest < pll.output_mhz * p["ODIV_SEL"] < highest


@given(references(100, 125), megahertz)
def test_xc7_settings_give_what_they_say(reference, wanted):
    pll = xc7(reference, wanted)
    p = pll.parameters
    vco = reference / p["DIVCLK_DIVIDE"] * p["CLKFBOUT_MULT"]
    assert pll.output_mhz == vco / p["CLKOUT0_DIVIDE"]
    assert 800 <= vco <= 1600


@given(st.sampled_from([Fraction(10), Fraction(25)]), st.integers(10, 3125))
def test_gatemate_hits_every_tenth_of_a_megahertz(reference, tenths):
    pll = gatemate(reference, Fraction(tenths, 10))
    assert pll.output_mhz == Fraction(tenths, 10)
    assert Fraction(pll.parameters["OUT_CLK"]) == pll.output_mhz


@pytest.mark.parametrize(("reference", "wanted"), [(12, "24"), (12, "50"), (12, "33.3"), (25, "100"), (48, "17")])
def test_ice40_agrees_with_icepll(reference, wanted):
    printed = tool("yowasp-icepll", "-i", str(reference), "-o", wanted)
    p = ice40(Fraction(reference), Fraction(wanted), False).parameters
    assert {name: p[name] for name in ("DIVR", "DIVF", "DIVQ", "FILTER_RANGE")} == {
        name: int(value) for name, value in re.findall(r"^(\w+):\s+(\d+) \(", printed, re.MULTILINE)}


@pytest.mark.parametrize(("reference", "wanted"), [(25, "100"), (25, "90"), (48, "50"), (25, "133.3"), (27, "62.5")])
def test_ecp5_is_as_near_as_ecppll(reference, wanted):
    printed = tool("yowasp-ecppll", "-i", str(reference), "-o", wanted)
    theirs = Fraction(re.search(r"clkout0 frequency: ([\d.]+)", printed)[1])
    ours = ecp5(Fraction(reference), Fraction(wanted)).output_mhz
    assert abs(ours - Fraction(wanted)) <= abs(theirs - Fraction(wanted)) + Fraction(1, 1000)


@pytest.mark.parametrize(("device", "name"), [("gw1nr-9", "GW1NR-LV9QN88PC6/I5"), ("gw2ar-18", "GW2AR-LV18QN88C8/I7")])
@pytest.mark.parametrize("wanted", ["54", "60", "100", "33.3"])
def test_gowin_agrees_with_gowin_pll(device, name, wanted, tmp_path):
    tool("gowin_pll", "-i", "27", "-o", wanted, "-d", name, "-f", str(tmp_path / "pll.v"))
    printed = (tmp_path / "pll.v").read_text()
    p = gowin(device, Fraction(27), Fraction(wanted)).parameters
    theirs = {setting: int(value) for setting, value in re.findall(r"\.(\w+_SEL)\((\d+)\)", printed)}
    assert (p["IDIV_SEL"], p["FBDIV_SEL"]) == (theirs["IDIV_SEL"], theirs["FBDIV_SEL"])


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_every_board_gets_the_clock_that_is_asked_for(board):
    if board.device.family.name == "nexus":
        with pytest.raises(UserError, match="no PLL of Lattice Nexus is known here; ask for the oscillator's 12 MHz"):
            pll_for(board, 100)
        return
    pll = pll_for(board, 100)
    if board.clock_mhz == 100:
        assert pll is None
    else:
        assert isinstance(pll, Pll)
        assert abs(pll.output_mhz - 100) <= 1
    assert pll_for(board, board.clock_mhz) is None


@pytest.mark.parametrize(("board", "clock", "message"), [
    ("icebreaker", 8, r"--clock: iCE40's PLL makes no 8 MHz \(16 to 275 MHz from 12\); ask for another clock; 16.* MHz "
                      r"comes nearest"),
    ("ulx3s-25f", 1000, r"--clock: ECP5's PLL makes no 1000 MHz \(10 to 400 MHz from 25\); ask for another clock"),
    ("tang-nano-9k", 1, r"Gowin's PLL makes no 1 MHz"),
    ("gatemate-a1-evb", 500, r"GateMate's PLL makes no 500 MHz"),
    ("arty-a7-35", 2, r"7 series' PLL makes no 2 MHz"),
    ("arty-a7-35", -2, r"a clock of -2 MHz is out of range"),
])
def test_what_no_pll_makes_is_refused_in_a_line(board, clock, message):
    with pytest.raises(UserError, match=message) as caught:
        pll_for(BOARDS[board], clock)
    assert "\n" not in str(caught.value)
