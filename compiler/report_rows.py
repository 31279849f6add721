"""The rows of a report: all units that serve one layer, pool or join together, which drawing and tables show as one.

A network of sixty units has some fifteen rows. Everything is read off ``report.json``'s content alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Row", "rows"]

# Units that look at one integer at a time, or only pass words on: drawn with the row that they follow.
_FOLLOW = frozenset(("threshold", "requantise", "table", "fork", "split", "arg_max"))
# Units that move words on their way to the one that a row is there for.
_HELP = frozenset(("width", "fifo", "window", "weights", *_FOLLOW))


@dataclass(eq=False)
class Row:
    """Units in the order of the report. ``entries`` are the streams that come from elsewhere, ``exits`` those that
    leave, both by name; ``layer`` is the entry of ``layers`` whose unit is among them, or None.
    """

    units: list[dict]
    layer: dict | None = None
    entries: list[str] = field(default_factory=list)
    exits: list[str] = field(default_factory=list)

    @property
    def main(self) -> dict:
        """The unit that the row is there for."""
        if self.layer is not None:
            return next(unit for unit in self.units if unit["name"] == self.layer["name"])
        return next((unit for unit in self.units if unit["kind"] not in _HELP), self.units[-1])

    @property
    def name(self) -> str:
        """The main unit's."""
        return self.main["name"]

    @property
    def node(self) -> str:
        """The QONNX node's name."""
        return self.main["layer"]

    @property
    def fifos(self) -> list[dict]:
        """The FIFOs' storage."""
        return [unit["storage"] for unit in self.units if unit["kind"] == "fifo"]

    @property
    def buffers(self) -> list[dict]:
        """The storage of line buffers and reorderings."""
        return [unit["storage"] for unit in self.units if unit["storage"] and unit["kind"] != "fifo"]


def rows(report: dict) -> list[Row]:
    """All rows, each after those whose streams it takes; every unit is in exactly one.

    Units of one node of the model share a row where one hands its words to the other. Thresholds, tables, forks and
    splits belong to the row that they follow.
    """
    layers = {layer["name"]: layer for layer in report["layers"]}
    owner: dict[str, Row] = {}  # by stream: the row that gives it
    found: list[Row] = []
    for unit in report["units"]:
        before = list({id(owner[name]): owner[name] for name in unit["inputs"] if name in owner}.values())
        if len(before) == 1 and (unit["kind"] in _FOLLOW or not unit["layer"]):
            mine = before if _open(before[0]) else []
            if mine and all(part["kind"] == "width" for part in mine[0].units):
                # Lanes regrouped for what follows a row.
                followed = owner.get(mine[0].units[0]["inputs"][0])
                mine = [followed, *mine] if followed is not None and _open(followed) else mine
        else:
            mine = [row for row in before if row.units[-1]["layer"] in (unit["layer"], "") and _open(row)]
        row = Row([part for each in mine for part in each.units] + [unit])
        found = [each for each in found if each not in mine] + [row]
        for part in row.units:
            owner.update(dict.fromkeys(part["outputs"], row))
    for row in found:
        given = [name for unit in row.units for name in unit["outputs"]]
        taken = [name for unit in row.units for name in unit["inputs"]]
        row.entries = [name for name in taken if name not in given]
        row.exits = [name for name in given if name not in taken]
        row.layer = next((layers[unit["name"]] for unit in row.units if unit["name"] in layers), None)
    return found


def _open(row: Row) -> bool:
    """Whether a row may grow: after a fork or a split, whoever reads is a row of its own."""
    return row.units[-1]["kind"] not in ("fork", "split")
