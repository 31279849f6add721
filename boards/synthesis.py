"""What a design costs on a device family, counted by Yosys: lookup tables, carries, registers, memories, multipliers.

Yosys is the native ``pyosys`` package, run in a process of its own: whatever it prints, and if it crashes, the program
goes on and the log is kept.
"""

from __future__ import annotations

import importlib.util
import json
import math
import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

from ..errors import UserError
from .family import Family

__all__ = ["DRIVER", "Resources", "count", "resources", "synthesise"]

DRIVER = """
import sys
from pyosys import libyosys
design = libyosys.Design()
for command in sys.argv[1:]:
    libyosys.run_pass(command, design)
"""
"""What a process with Yosys runs: every further argument is a command."""


@dataclass(frozen=True)
class Resources:
    """Cells of a synthesised netlist, before placement.

    ``luts`` are the lookup tables that logic and distributed memory take; ``luts_total`` adds those that carry cells
    occupy beside them:

    - iCE40: a carry and the lookup table of the same adder bit share a logic cell and are one. A carry without such a
      table takes a cell, and so does a signal's way into a chain, or out of it. nextpnr's packer counts the same.
    - ECP5: each CCU2C is two. (nextpnr adds up to four to every chain, for the ways in and out.)
    - Gowin: an ALU takes the place of a lookup table. GateMate: an adder takes half an element, as a table does; one
      of N x M bits takes as many halves as it has quarters of products. Nexus, MachXO2: two, as on ECP5.
    - generic gates: ``luts`` counts gates of two inputs, inverters and multiplexers.
    - 7 series: each used position of a CARRY4 has a lookup table in front of it. Where that is none of the netlist's,
      because a constant or a plain signal enters there, it is one more. Pairs of small tables with common inputs,
      which a placer can put into one, are counted as two.

    ``block_rams`` are whole blocks (two RAMB18 are one RAMB36). ``cells`` counts every cell by type; ``yosys`` is the
    version that did it.
    """

    luts: int
    carries: int
    luts_total: int
    registers: int
    block_rams: int
    dsps: int
    cells: dict[str, int]
    yosys: str

    def to_json(self) -> dict:
        """The fields, as plain JSON."""
        return asdict(self)


def resources(sources: list[Path], top: str, family: Family, *, log: Path | None = None) -> Resources:
    """Synthesise Verilog files with Yosys and count the cells of ``top``.

    Parameters
    ----------
    sources
        Verilog files. Memory files that their ``$readmemh`` name lie beside the first.
    top
        The module to synthesise.
    family
        The target.
    log
        Where to keep what Yosys prints. Without it, the log is kept only if synthesis fails.

    Raises
    ------
    UserError
        If pyosys is not installed, a file is missing, or Yosys fails; the message names the log.
    """
    with tempfile.TemporaryDirectory(prefix="gatewright-synthesis-") as folder:
        netlist = Path(folder) / "netlist.json"
        module, version = synthesise(sources, top, f"{family.synth} -top {top}", netlist, log=log, target=family.name)
    return count(module, family, version)


def synthesise(sources: Sequence[Path], top: str, command: str, netlist: Path, *, log: Path | None = None,
               target: str = "", passing: bool = False) -> tuple[dict, str]:
    """Run a Yosys command (with those after it, each on a line) on Verilog files; write the netlist as JSON.

    The log of a failure is kept elsewhere if the place of ``log`` is ``passing``, as it is without a ``log``.

    Returns
    -------
    (module, version)
        ``top`` as Yosys' ``write_json`` puts it, and the version of Yosys.

    Raises
    ------
    UserError
        As :func:`resources`.
    """
    if importlib.util.find_spec("pyosys") is None:
        raise UserError("the Python package 'pyosys', which holds Yosys, is not installed",
                        remedy="install it with 'pip install pyosys'")
    sources = [Path(source).resolve() for source in sources]
    for source in sources:
        if not source.is_file():
            raise UserError("no such Verilog file", where=str(source))
        if '"' in str(source):
            raise UserError("Yosys cannot read a file whose name holds a quotation mark", where=str(source))
    if not sources:
        raise UserError(f"no Verilog files to synthesise for {top}")

    with tempfile.TemporaryDirectory(prefix="gatewright-synthesis-") as folder:
        printed = Path(folder) / "yosys.log" if log is None else Path(log)
        # Amaranth names a field of a port like a bit of it, "o__payload[0]". Yosys trips over such names when ABC9's
        # netlist comes back ("Assert `count_id(wire->name) == 0' failed"), so they are made private.
        commands = [*(f'read_verilog "{source}"' for source in sources), "rename -hide w:*]",
                    *command.splitlines(), f'write_json "{netlist.resolve()}"']
        with printed.open("w", encoding="utf-8") as stream:
            run = subprocess.run([sys.executable, "-c", DRIVER, *commands], stdin=subprocess.DEVNULL, stdout=stream,
                                 stderr=subprocess.STDOUT, cwd=sources[0].parent, check=False)
        status = run.returncode
        if status or not netlist.is_file():
            raise _failure(printed, None if passing else log, top, target, status)
    content = json.loads(netlist.read_text(encoding="utf-8"))
    return content["modules"][top], content["creator"].split()[1]


def _failure(printed: Path, log: Path | None, top: str, target: str, status: int) -> UserError:
    text = printed.read_text(encoding="utf-8", errors="replace")
    if log is None:
        # The temporary folder is about to go; the log must outlive it.
        with tempfile.NamedTemporaryFile("w", prefix=f"gatewright-{top}-{target}-", suffix=".log",
                                         encoding="utf-8", delete=False) as kept:
            kept.write(text)
        log = Path(kept.name)
    errors = [line for line in text.splitlines() if "ERROR" in line]
    reason = errors[-1].strip() if errors else f"it ended with status {status}"
    return UserError(f"Yosys could not synthesise {top} for {target}: {reason}", remedy=f"its log is {log}")


def count(module: dict, family: Family, version: str) -> Resources:
    """Count a flat netlist, the module as Yosys' ``write_json`` puts it."""
    # What begins with a dollar sign and no underscore is Yosys' own, such as notes on where a flattened module was.
    cells = Counter(cell["type"] for cell in module["cells"].values() if not re.match(r"\$(?!_)", cell["type"]))

    def starting(names) -> int:
        return sum(number for cell, number in cells.items() if cell.startswith(tuple(names)))

    luts = sum(occupied * cells[cell] for cell, occupied in family.lut_cells.items())
    blocks = sum((size * starting([name]) for name, size in family.block_ram_cells.items()), Fraction(0))
    return Resources(
        luts=luts,
        carries=cells[family.carry_cell],
        luts_total=luts + _CARRY_LUTS[family.name](module),
        registers=starting(family.register_cells),
        block_rams=math.ceil(blocks),
        dsps=starting(family.dsp_cells),
        cells=dict(sorted(cells.items())),
        yosys=version,
    )


class _Nets:
    """Who drives and who reads each net: ``(cell, port)``, with a ``None`` cell for the module's own outputs."""

    def __init__(self, module: dict):
        self.driver: dict[int, tuple[dict, str]] = {}
        self.readers: dict[int, list[tuple[dict | None, str]]] = defaultdict(list)
        for cell in module["cells"].values():
            for port, bits in cell["connections"].items():
                for bit in bits:
                    # A net is a number; "0", "1" and "x" are constants.
                    if isinstance(bit, int) and cell["port_directions"][port] == "output":
                        self.driver[bit] = cell, port
                    elif isinstance(bit, int):
                        self.readers[bit].append((cell, port))
        for name, port in module["ports"].items():
            if port["direction"] == "output":
                for bit in port["bits"]:
                    self.readers[bit].append((None, name))

    def driven_by(self, bit: int | str, cell_type: str) -> bool:
        return bit in self.driver and self.driver[bit][0]["type"].startswith(cell_type)


def _of_type(module: dict, cell_type: str) -> list[dict]:
    return [cell for cell in module["cells"].values() if cell["type"] == cell_type]


def _ice40_carry_luts(module: dict) -> int:
    """Logic cells that carries take and that hold no table of the netlist (nextpnr: ice40/pack.cc and chains.cc)."""
    nets, extra = _Nets(module), 0

    def adds_the_same(reader: tuple[dict | None, str], carry: dict) -> bool:
        cell, port = reader
        if cell is None or cell["type"] != "SB_LUT4" or port != "I3":
            return False
        pins, wanted = cell["connections"], carry["connections"]
        return pins["I1"] == wanted["I0"] and pins["I2"] == wanted["I1"]

    for carry in _of_type(module, "SB_CARRY"):
        (enters,), (leaves,) = carry["connections"]["CI"], carry["connections"]["CO"]
        shared = isinstance(enters, int) and any(adds_the_same(reader, carry) for reader in nets.readers[enters])
        extra += not shared
        # From a wire into the chain.
        extra += isinstance(enters, int) and not nets.driven_by(enters, "SB_CARRY")
        # Out of the chain: free towards the next carry, and towards I3 of the one table in the next cell.
        above = [cell for cell, _ in nets.readers[leaves] if cell is not None and cell["type"] == "SB_CARRY"]
        others = [reader for reader in nets.readers[leaves] if reader[0] is None or reader[0]["type"] != "SB_CARRY"]
        if above:
            extra += len(above) > 1 or not all(adds_the_same(reader, above[0]) for reader in others)
        else:
            extra += not (len(others) == 1 and others[0][0] is not None and others[0][1] == "I3")
    return extra


def _two_each(cell: str) -> Callable[[dict], int]:
    return lambda module: 2 * len(_of_type(module, cell))


def _gatemate_carry_luts(module: dict) -> int:
    products = 0
    for multiplier in _of_type(module, "CC_MULT"):
        a, b = (len(multiplier["connections"][port]) for port in "AB")
        products += 2 * -(-a // 2) * -(-b // 2)
    return len(_of_type(module, "CC_ADDF")) + products


def _xc7_carry_luts(module: dict) -> int:
    """Lookup tables in front of used carry positions that are not in the netlist."""
    nets, extra = _Nets(module), 0
    for carry in _of_type(module, "CARRY4"):
        pins = carry["connections"]
        used = [k for k in range(4) if any(nets.readers.get(pins[port][k]) for port in ("O", "CO"))]
        extra += sum(not (nets.driven_by(bit, "LUT") or nets.driven_by(bit, "INV"))
                     for bit in pins["S"][: max(used, default=-1) + 1])
    return extra


_CARRY_LUTS: dict[str, Callable[[dict], int]] = {
    "ice40": _ice40_carry_luts,
    "ecp5": _two_each("CCU2C"),
    "gowin": lambda module: len(_of_type(module, "ALU")),
    "gatemate": _gatemate_carry_luts,
    "nexus": _two_each("CCU2"),
    "machxo2": _two_each("CCU2D"),
    "xc7": _xc7_carry_luts,
    "asic": lambda module: 0,
}
