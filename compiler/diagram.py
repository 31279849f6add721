"""The network of a build drawn as a graph: a row for each layer, pool or join, in it its units; streams as arrows."""

from __future__ import annotations

from markupsafe import Markup

from .diagram_layout import CHIP, LEFT, MAIN, STEP, TRACK, TURN, Layout, Placed, Skip, arrange, facts
from .report_text import STORAGE, UNITS, plural, shape

__all__ = ["network"]


def network(report: dict) -> Markup:
    """An ``<svg>`` element, drawn in the page's own colours. Every text is escaped."""
    streams = {stream["name"]: stream for stream in report["streams"]}
    slow = set(report["bottleneck"]["units"]) if report["bottleneck"]["phases"] > 1 else set()
    layout = arrange(report)
    placed = layout.placed
    source = next(name for name in layout.takes if name not in layout.gives)
    parts = [_text(MAIN + 8, 14, "input", "end-name", "start"),
             _arrow(f"M {MAIN} 4 V {placed[layout.takes[source]].y - 2:g}", streams[source]),
             _text(MAIN + 8, 30, _label(streams[source]), "stream", "start")]
    skips = [_skip(skip, layout, streams) for skip in layout.skips]
    parts += [path for path, _ in skips] + [label for _, label in skips]
    for number, gap in enumerate(layout.gaps):
        for place, name in enumerate(gap.direct):
            x, top = MAIN + 150 * place, placed[number].y + placed[number].height
            parts += [_arrow(f"M {x} {top:g} V {placed[number + 1].y - 2:g}", streams[name]),
                      _text(x + 8, top + 20, _label(streams[name]), "stream", "start")]
    origin = {name: placed[start].row.name for name, start in layout.gives.items()}
    for place in placed:
        parts += _row(place, slow, streams, origin)
    last = next(name for name in layout.gives if name not in layout.takes)
    bottom = placed[layout.gives[last]].y + placed[layout.gives[last]].height
    parts += [_arrow(f"M {MAIN} {bottom:g} V {bottom + 40:g}", streams[last]),
              _text(MAIN + 8, bottom + 18, _label(streams[last]), "stream", "start"),
              _text(MAIN + 8, bottom + 34, "output", "end-name", "start")]
    svg = Markup('<svg class="network" viewBox="0 0 {0:g} {1:g}" style="max-width: {0:g}px; min-width: {2:g}px" '
                 'role="img" aria-label="units and streams of the network"><defs><marker id="head" viewBox="0 0 8 8" '
                 'refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M 0 0 L 8 4 L 0 8 z"/>'
                 '</marker></defs>')
    return svg.format(layout.width, bottom + 46, 0.8 * layout.width) + Markup("\n").join(parts) + Markup("</svg>")


def _skip(skip: Skip, layout: Layout, streams: dict[str, dict]) -> tuple[Markup, Markup]:
    """A stream down its track, and its label; turns stand above the arrow heads, at x of their own left of all tracks.
    """
    placed, inner = layout.placed, layout.inner
    x = inner + (skip.track + 1) * TRACK
    top, bottom = placed[skip.start].y + placed[skip.start].height, placed[skip.end].y
    path = f"M {x:g} {top:g}"
    if skip.turn_out is not None:
        low = placed[skip.start + 1].y - 13 - TURN * skip.turn_out
        path = f"M {inner - 12 - 14 * skip.turn_out:g} {top:g} V {low:g} H {x:g}"
    if skip.turn_in is not None:
        path += f" V {bottom - 13 - TURN * skip.turn_in:g} H {inner - 12 - 14 * skip.turn_in:g}"
    label = top + 20 + STEP * layout.gaps[skip.start].begins.index(skip)
    end = x if skip.turn_out is None else inner - 12 - 14 * layout.gaps[skip.start].turns
    return (_arrow(f"{path} V {bottom - 2:g}", streams[skip.stream]),
            _text(end - 7, label, _label(streams[skip.stream]), "stream over", "end"))


def _row(place: Placed, slow: set[str], streams: dict[str, dict], origin: dict[str, str]) -> list[Markup]:
    """The box of a row: what it is on the left, its units on the right."""
    row, names = place.row, {unit["name"] for unit in place.row.units}
    kind = "row hot" if names & slow else "row layer" if row.layer else "row"
    parts = [Markup('<rect class="{}" x="{}" y="{:g}" width="{:g}" height="{:g}" rx="8"/>').format(
        kind, LEFT, place.y, place.right - LEFT, place.height)]
    y = place.y + place.height / 2 - (12 if row.layer else 5)
    parts += [_text(LEFT + 12, y, row.name, "unit-name", "start"),
              _text(LEFT + 12 + 8.5 * len(row.name) + 8, y, _short(row.node, 24 - len(row.name)), "fact", "start",
                    row.node)]
    if row.layer:
        lanes = f"{row.layer['pe']:,} × {row.layer['simd']:,} {row.layer['lane']} lanes"
        parts += [_text(LEFT + 12, y + 17, shape(row.layer), "fact", "start"),
                  _text(LEFT + 12, y + 33, lanes, "fact", "start")]
    else:
        parts.append(_text(LEFT + 12, y + 17, UNITS[row.main["kind"]], "fact", "start"))
    for unit, column, _ in place.cells:
        left, top, width = place.box(unit)
        kind = "hot" if unit["name"] in slow else "main" if unit is row.main else unit["kind"]
        title, fact = facts(unit, streams)
        parts += [Markup('<g class="unit" data-unit="{0}"><title>{0}: {1}</title>').format(unit["name"], _says(unit)),
                  Markup('<rect class="{}" x="{:g}" y="{:g}" width="{:g}" height="{}" rx="5"/>').format(
                      kind, left, top, width, CHIP),
                  _text(left + width / 2, top + 17, title, "chip", "middle"),
                  _text(left + width / 2, top + 32, fact, "chip fact", "middle"), Markup("</g>")]
        if place.lines > 1 and column == 0:
            parts += [_text(left - 8, top + 24, f"from {_short(origin.get(name, 'input'), 10)}", "chip fact", "end",
                            name) for name in unit["inputs"][:1] if name in row.entries]
        for name in unit["outputs"]:
            reader = next((other for other in row.units if name in other["inputs"]), None)
            if reader is not None:
                parts.append(_arrow(_between(place.box(unit), place.box(reader)), streams[name]))
    return parts


def _between(a: tuple[float, float, float], b: tuple[float, float, float]) -> str:
    """From one unit of a row to the next; from another line up or down into the side of the unit that joins."""
    start, y = a[0] + a[2], a[1] + CHIP / 2
    if a[1] == b[1]:
        return f"M {start:g} {y:g} H {b[0] - 2:g}"
    return f"M {start:g} {y:g} H {b[0] + b[2] / 2:g} V {b[1] + CHIP + 2 if b[1] < a[1] else b[1] - 2:g}"


def _says(unit: dict) -> str:
    """What a unit's tooltip says."""
    said = UNITS[unit["kind"]]
    if unit["phases"] is not None:
        said += f", {plural(unit['phases'], 'cycle')} a frame"
    if unit["storage"]:
        kept = unit["storage"]
        said += f", {plural(kept['depth'], 'word')} of {plural(kept['bits'], 'bit')} in {STORAGE[kept['kind']]}"
    return said


def _short(text: str, length: int) -> str:
    """The end of a name that is too long; nothing where no room is left."""
    if length < 4:
        return ""
    return text if len(text) <= length else f"…{text[1 - length:]}"


def _label(stream: dict) -> str:
    return f"{stream['lanes']:,} × {stream['type']}"


def _text(x: float, y: float, content: str, kind: str, anchor: str, title: str = "") -> Markup:
    inside = Markup("<title>{}</title>{}").format(title, content) if title else Markup.escape(content)
    return Markup('<text class="{}" x="{:g}" y="{:g}" text-anchor="{}">{}</text>').format(kind, x, y, anchor, inside)


def _arrow(path: str, stream: dict) -> Markup:
    return Markup('<path class="arrow" data-stream="{0}" d="{1}" marker-end="url(#head)"><title>{0}: {2}, {3}</title>'
                  '</path>').format(stream["name"], path, _label(stream), plural(stream["words"], "word"))
