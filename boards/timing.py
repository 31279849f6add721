"""What nextpnr reports: what is used of a device, how fast each clock can be, and where the slowest path lies."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass

__all__ = ["CriticalPath", "Report", "utilisation"]


@dataclass(frozen=True)
class CriticalPath:
    """The slowest path from one clock to another.

    ``steps`` are the cells that a signal goes through and, between them, the nets, by their names within the flattened
    design: those of instances, joined by dots, with what Yosys made of the rest. ``ns`` is how long it takes, of which
    ``routing_ns`` on wires.
    """

    start: str
    end: str
    ns: float
    routing_ns: float
    steps: tuple[str, ...]

    def instances(self, within: str = "") -> list[str]:
        """The instances right below the instance ``within`` (``"uart.core"``; "" is the top) that it goes through.

        In the order of the path, each once. Cells of ``within`` itself count as none.
        """
        depth = len(within.split(".")) if within else 0
        found: dict[str, None] = {}
        for step in self.steps:
            parts = _instances(step)
            if len(parts) > depth and ".".join(parts[:depth]) == within:
                found.setdefault(parts[depth])
        return list(found)

    def among(self, names: Collection[str]) -> list[str]:
        """Those of the instances called ``names`` that it goes through, wherever they are, in the path's order."""
        found = (part for step in self.steps for part in _instances(step) if part in names)
        return list(dict.fromkeys(found))

    def to_json(self) -> dict:
        """The fields, as plain JSON."""
        return asdict(self)


def _instances(name: str) -> list[str]:
    """The instances that the name of a cell or net within a flattened design leads through."""
    # Cells that no net gives a name keep their way down in another form: $flatten\uart.\core.$add$file.v:3$7.
    name = name.removeprefix("$flatten").replace("\\", "")
    # A name from the source may have dots in brackets or after a dollar sign; none of ours leads through those.
    name = re.split(r"[$\[ ]", name, maxsplit=1)[0]
    return name.split(".")[:-1]


@dataclass(frozen=True)
class Report:
    """nextpnr's ``--report``: rows of the device as (used, available), MHz by clock, slowest paths first within one
    clock, then between clocks and from and to pads.
    """

    used: dict[str, tuple[int, int]]
    fmax_mhz: dict[str, float]
    paths: tuple[CriticalPath, ...]

    @classmethod
    def of(cls, content: Mapping) -> Report:
        """Read what the report's JSON holds."""
        used = {row: (int(each["used"]), int(each["available"])) for row, each in content["utilization"].items()}
        fmax = {clock: float(each["achieved"]) for clock, each in content["fmax"].items()}
        return cls(used, fmax, tuple(_path(each) for each in content["critical_paths"]))

    def count(self, weights: Mapping[str, float]) -> float:
        """What is used in some rows, each with its weight."""
        return sum(weight * self.used.get(row, (0, 0))[0] for row, weight in weights.items())

    @property
    def slowest_mhz(self) -> float | None:
        """Of all clocks; None where nothing is clocked."""
        return min(self.fmax_mhz.values(), default=None)

    @property
    def critical(self) -> CriticalPath | None:
        """The slowest path within one clock; None where nothing is clocked."""
        within = (path for path in self.paths if path.start == path.end and path.start != "<async>")
        return max(within, key=lambda path: path.ns, default=None)


def _path(content: Mapping) -> CriticalPath:
    steps: list[str] = []
    for segment in content["path"]:
        for step in (segment["from"]["cell"], segment.get("net"), segment["to"]["cell"]):
            if step is not None and (not steps or steps[-1] != step):
                steps.append(step)
    total = sum(segment["delay"] for segment in content["path"])
    routing = sum(segment["delay"] for segment in content["path"] if segment["type"] == "routing")
    return CriticalPath(content["from"], content["to"], round(total, 3), round(routing, 3), tuple(steps))


_ROW = re.compile(r"^Info:\s+(\w+):\s+(\d+)/\s*(\d+)\s+\d+%\s*$", re.MULTILINE)


def utilisation(log: str) -> dict[str, tuple[int, int]]:
    """What nextpnr's log says is needed and available, by row; empty where it did not get so far."""
    return {row: (int(used), int(available)) for row, used, available in _ROW.findall(log)}
