"""The network of a build drawn as a graph: a row for each layer, units as boxes, streams as labelled arrows."""

from __future__ import annotations

from markupsafe import Markup

__all__ = ["network"]

_WIDTH = 736
# Left edge and width of the boxes of a row: regrouping, waiting, working.
_COLUMNS = {"width": (8, 150), "threshold": (8, 150), "fifo": (272, 130), "matrix_vector": (516, 212),
            "arg_max": (516, 212)}
_BOX, _ROW, _TOP = 66, 116, 66
_TITLES = {"width": "regroup lanes", "threshold": "thresholds", "fifo": "FIFO", "arg_max": "arg-max"}


def network(report: dict) -> Markup:
    """An ``<svg>`` element, drawn in the page's own colours. Every text is escaped."""
    layers = {layer["name"]: layer for layer in report["layers"]}
    streams = {stream["name"]: stream for stream in report["streams"]}
    slow = set(report["bottleneck"]["units"]) if report["bottleneck"]["phases"] > 1 else set()
    parts: list[Markup] = []
    row, before = 0, None
    for unit in report["units"]:
        left, width = _COLUMNS[unit["kind"]]
        if before is not None and left <= before[0]:
            row += 1
        y = _TOP + row * _ROW
        label = _label(streams[unit["input"]])
        if before is None:
            parts += [_text(left + width / 2 + 8, 14, "input", "end-name", "start"),
                      _arrow(f"M {left + width / 2} 4 V {y - 2}"),
                      _text(left + width / 2 + 8, 32, label, "stream", "start")]
        elif left == before[0]:
            middle = left + width / 2
            parts += [_arrow(f"M {middle} {y - _ROW + _BOX} V {y - 2}"),
                      _text(middle + 10, y - 21, label, "stream", "start")]
        elif left > before[0]:
            parts += [_arrow(f"M {before[1]} {y + _BOX / 2} H {left - 2}"),
                      _text((before[1] + left) / 2 - 3, y + _BOX / 2 - 8, label, "stream", "middle")]
        else:
            # Round the corner to the next row.
            turn, start, end = y - 25, before[0] + (before[1] - before[0]) / 2, left + width / 2
            parts += [_arrow(f"M {start} {y - _ROW + _BOX} V {turn - 8} q 0 8 -8 8 H {end + 8} q -8 0 -8 8 V {y - 2}"),
                      _text((start + end) / 2, turn - 7, label, "stream", "middle")]
        parts += _box(unit, layers.get(unit["name"]), left, y, width, unit["name"] in slow)
        before = (left, left + width)
    assert before is not None
    y = _TOP + row * _ROW + _BOX
    middle = (before[0] + before[1]) / 2
    parts += [_arrow(f"M {middle} {y} V {y + 44}"),
              _text(middle - 10, y + 22, _label(report["streams"][-1]), "stream", "end"),
              _text(middle - 10, y + 40, "output", "end-name", "end")]
    svg = Markup('<svg class="network" viewBox="0 0 {} {}" role="img" aria-label="units and streams of the network">'
                 '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
                 'orient="auto"><path d="M 0 0 L 8 4 L 0 8 z"/></marker></defs>')
    return svg.format(_WIDTH, y + 50) + Markup("\n").join(parts) + Markup("</svg>")


def _label(stream: dict) -> str:
    return f"{stream['lanes']:,} × {stream['type']}"


def _box(unit: dict, layer: dict | None, left: int, y: int, width: int, slow: bool) -> list[Markup]:
    kind = "unit " + ("hot" if slow else unit["kind"])
    if layer is not None:
        lines = [f"{layer['rows']:,} × {layer['columns']:,}, {_cycles(unit)}",
                 f"PE {layer['pe']:,} × SIMD {layer['simd']:,}"]
    elif unit["fifo"] is not None:
        storage = {"registers": "registers", "lut_ram": "LUT RAM", "block_ram": "block RAM"}[unit["fifo"]["kind"]]
        lines = [f"{unit['fifo']['depth']:,} words", storage]
    else:
        lines = [_TITLES[unit["kind"]], _cycles(unit)]
    return [
        Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}" rx="7"/>').format(kind, left, y, width, _BOX),
        _text(left + 12, y + 21, unit["name"], "unit-name", "start"),
        _text(left + 12, y + 39, lines[0], "fact", "start"),
        _text(left + 12, y + 55, lines[1], "fact", "start"),
    ]


def _cycles(unit: dict) -> str:
    return f"{unit['phases']:,} cycle{'' if unit['phases'] == 1 else 's'}"


def _text(x: float, y: float, content: str, kind: str, anchor: str) -> Markup:
    return Markup('<text class="{}" x="{:g}" y="{:g}" text-anchor="{}">{}</text>').format(kind, x, y, anchor, content)


def _arrow(path: str) -> Markup:
    return Markup('<path class="arrow" d="{}" marker-end="url(#head)"/>').format(path)
