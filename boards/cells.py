"""The area of a design in standard cells: mapped to a Liberty file by Yosys, or counted in generic gates without one.

The Liberty format is Synopsys'; of a cell its name, function, area and flip-flop are looked at. The area is that of the
cells alone: a layout fills perhaps 60 to 80 % of its rows.
"""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import UserError
from .synthesis import synthesise

__all__ = ["Area", "area", "library_name"]


@dataclass(frozen=True)
class Area:
    """What a design takes.

    ``library`` is the Liberty library's name, or ``generic gates``. ``area`` is in the library's unit, which for nearly
    all is um^2; without a library there is none. ``transistors`` are CMOS transistors as Yosys estimates them for
    generic gates. ``yosys`` is the version of Yosys.
    """

    library: str
    cells: int
    flip_flops: int
    area: float | None
    transistors: int | None
    yosys: str

    def to_json(self) -> dict:
        """As plain data."""
        return asdict(self)


def area(sources: list[Path], top: str, liberty: Path | None = None, *, log: Path | None = None) -> Area:
    """Map a design to cells.

    Raises
    ------
    UserError
        If the library cannot be read or used, or Yosys fails.
    """
    name = "generic gates" if liberty is None else library_name(liberty)
    with tempfile.TemporaryDirectory(prefix="gatewright-area-") as folder:
        found = Path(folder) / "stat.json"
        mapped = ["abc -g AND,NAND,OR,NOR,XOR,XNOR,MUX"]
        if liberty is not None:
            mapped = [f'dfflibmap -liberty "{liberty.resolve()}"', f'abc -liberty "{liberty.resolve()}"']
        told = "-tech cmos" if liberty is None else f'-liberty "{liberty.resolve()}"'
        commands = [f"synth -flatten -noabc -top {top}", *mapped, "opt_clean", "delete t:$scopeinfo",
                    f"tee -q -o {found} stat -json {told}"]
        _, version = synthesise(sources, top, "\n".join(commands), Path(folder) / "netlist.json", log=log,
                                     target=name)
        said = json.loads(found.read_text())["design"]
    kinds = said["num_cells_by_type"]
    if liberty is not None:
        unmapped = sorted(kind for kind in kinds if kind.startswith("$"))
        if unmapped:
            raise UserError(f"the library has no cell for {unmapped[0].strip('$_')}", where=str(liberty),
                            remedy="name a library with flip-flops that have an enable or none, and basic gates")
    flip_flops = sum(number for kind, number in kinds.items() if re.search(r"DFF|_FF|dff|dfx|^\$_S?DFF", kind))
    transistors = said.get("estimated_num_transistors")
    return Area(name, said["num_cells"], flip_flops, None if liberty is None else float(said["area"]),
                None if transistors is None else int(re.sub(r"\D", "", str(transistors))), version)


def library_name(liberty: Path) -> str:
    """The name of a Liberty library. Raises ``UserError`` if the file cannot be read, or is none."""
    try:
        text = liberty.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=str(liberty),
                        remedy="name a Liberty file (.lib) with --liberty") from None
    found = re.search(r"\blibrary\s*\(\s*\"?([\w.\-]+)\"?\s*\)", text)
    if found is None or not re.search(r"\bcell\s*\(", text) or '"' in str(liberty.resolve()):
        raise UserError("is no Liberty library with cells", where=str(liberty),
                        remedy="name a Liberty file (.lib) with --liberty")
    return found[1]
