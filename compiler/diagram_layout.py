"""Where the boxes and streams of a drawn network stand (:mod:`.diagram` draws them).

Rows stand below each other in topological order, and every stream between two rows runs straight down: to the next row
on the left, past other rows on tracks at the right side, where the boxes passed end earlier. Short skips take inner
tracks, so that lines cross only where skips overlap without one lying inside the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .report_rows import Row, rows
from .report_text import UNITS, plural

__all__ = ["Gap", "Layout", "Placed", "Skip", "arrange", "facts"]

LEFT, HEAD, CHIP, LINE = 8, 236, 40, 50
TRACK, GAP, STEP, TURN = 22, 34, 15, 9
MAIN = 118


@dataclass(eq=False)
class Placed:
    """A row with its place: ``cells`` are (unit, column, line), ``y`` and ``height`` those of the box."""

    row: Row
    cells: list[tuple[dict, int, int]]
    lefts: list[float]
    widths: list[float]
    lines: int
    y: float = 0
    right: float = 0

    @property
    def height(self) -> float:
        return max(66, self.lines * LINE + 14)

    @property
    def need(self) -> float:
        return self.lefts[-1] + self.widths[-1] + 14

    def box(self, unit: dict) -> tuple[float, float, float]:
        """Left, top and width of a unit's box."""
        column, line = next((column, line) for other, column, line in self.cells if other is unit)
        top = self.y + (self.height - self.lines * LINE) / 2 + line * LINE + (LINE - CHIP) / 2
        return self.lefts[column], top, self.widths[column]


@dataclass(eq=False)
class Skip:
    """A stream past other rows, from the row of number ``start`` to that of ``end``, on a track at the right.

    Where another track passes between it and a box, it turns in the gap there, at the height of that number.
    """

    stream: str
    start: int
    end: int
    track: int = 0
    turn_out: int | None = None
    turn_in: int | None = None


@dataclass
class Gap:
    """The room between two rows: streams to the next row, labels of skips that begin, and turns towards tracks."""

    direct: list[str] = field(default_factory=list)
    begins: list[Skip] = field(default_factory=list)
    turns: int = 0

    @property
    def height(self) -> float:
        return GAP + STEP * max(0, len(self.begins) - 1) + TURN * self.turns

    def turn(self) -> int:
        """The number of one more turn."""
        self.turns += 1
        return self.turns - 1



@dataclass(eq=False)
class Layout:
    """Everything placed. ``gives`` and ``takes`` are the numbers of the rows that give and take each stream between
    rows; ``gaps[k]`` is the room below row ``k``; tracks begin right of ``inner``; ``width`` is that of the drawing.
    """

    placed: list[Placed]
    gaps: list[Gap]
    skips: list[Skip]
    gives: dict[str, int]
    takes: dict[str, int]
    inner: float
    width: float


def arrange(report: dict) -> Layout:
    """Place every row of a report."""
    streams = {stream["name"]: stream for stream in report["streams"]}
    placed = [_place(row, streams) for row in rows(report)]
    gives = {name: number for number, place in enumerate(placed) for name in place.row.exits}
    takes = {name: number for number, place in enumerate(placed) for name in place.row.entries}
    gaps = [Gap() for _ in placed]
    skips = []
    for name, start in gives.items():
        end = takes.get(name, start + 1)
        if name in takes and end == start + 1:
            gaps[start].direct.append(name)
        elif name in takes:
            skips.append(Skip(name, start, end))
    tracks = _assign(skips)
    for skip in skips:
        gaps[skip.start].begins.append(skip)
    inner = max(place.need for place in placed)
    _stack(placed, gaps, skips, inner)
    return Layout(placed, gaps, skips, gives, takes, inner, inner + tracks * TRACK + 24)


def _place(row: Row, streams: dict[str, dict]) -> Placed:
    """Units of a row left to right in the order of their streams; what joins later begins on a line of its own."""
    producer = {name: unit["name"] for unit in row.units for name in unit["outputs"]}
    at: dict[str, tuple[int, int]] = {}
    taken: set[tuple[int, int]] = set()
    lines = 0
    for unit in row.units:
        before = [at[producer[name]] for name in unit["inputs"] if name in producer]
        if before:
            column, line = max(place[0] for place in before) + 1, min(place[1] for place in before)
        else:
            column, line = 0, lines
        while (column, line) in taken:
            line += 1
        lines = max(lines, line + 1)
        at[unit["name"]] = column, line
        taken.add((column, line))
    cells = [(unit, *at[unit["name"]]) for unit in row.units]
    widths = [max(_chip_width(unit, streams) for unit, column, _ in cells if column == k)
              for k in range(1 + max(column for _, column, _ in cells))]
    lefts = [LEFT + HEAD + (96 if lines > 1 else 8.0)]
    for width in widths[:-1]:
        lefts.append(lefts[-1] + width + 20)
    return Placed(row, cells, lefts, widths, lines)


def _assign(skips: list[Skip]) -> int:
    """Give each skip the innermost track that is free along it, short ones first; the number of tracks."""
    used: list[list[Skip]] = []
    for skip in sorted(skips, key=lambda skip: (skip.end - skip.start, skip.start)):
        skip.track = next((k for k, others in enumerate(used)
                           if all(skip.end <= other.start or skip.start >= other.end for other in others)), len(used))
        if skip.track == len(used):
            used.append([])
        used[skip.track].append(skip)
    return len(used)


def _stack(placed: list[Placed], gaps: list[Gap], skips: list[Skip], inner: float) -> None:
    """How far right each box reaches, and how far down it stands."""
    for number, place in enumerate(placed):
        ends = [skip.track for skip in skips if number in (skip.start, skip.end)]
        reach = [track for track in ends if track < _limit(number, skips)]
        place.right = inner + (max(reach) + 1) * TRACK + 8 if reach else inner
    for skip in skips:
        if skip.track >= _limit(skip.start, skips):
            skip.turn_out = gaps[skip.start].turn()
        if skip.track >= _limit(skip.end, skips):
            skip.turn_in = gaps[skip.end - 1].turn()
    y = 44.0
    for place, gap in zip(placed, gaps, strict=True):
        place.y = y
        y += place.height + gap.height


def _limit(number: int, skips: list[Skip]) -> int:
    """The innermost track that passes a row: its box ends before."""
    return min((skip.track for skip in skips if skip.start < number < skip.end), default=len(skips) + 1)


def facts(unit: dict, streams: dict[str, dict]) -> tuple[str, str]:
    """The two lines of a unit's box."""
    match unit["kind"]:
        case "width":
            fact = " → ".join(f"{streams[unit[side][0]]['lanes']:,}" for side in ("inputs", "outputs"))
        case "fork" | "split":
            fact = f"{len(unit['outputs'])} ways"
        case _ if unit["storage"]:
            fact = plural(unit["storage"]["depth"], "word")
        case _:
            fact = plural(unit["phases"], "cycle")
    return UNITS[unit["kind"]], fact


def _chip_width(unit: dict, streams: dict[str, dict]) -> float:
    return 6.7 * max(map(len, facts(unit, streams))) + 16
