"""The drawing of a network: every unit and every stream once, boxes that do not overlap, streams past other rows."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.compiler import diagram
from gatewright.compiler.diagram_layout import arrange
from gatewright.compiler.report_rows import rows


class Sketch:
    """The part of a report that is drawn, unit by unit."""

    def __init__(self):
        self.streams = [self._stream("i", 4)]
        self.units: list[dict] = []
        self.layers: list[dict] = []

    @staticmethod
    def _stream(name: str, lanes: int) -> dict:
        return {"name": name, "type": "uint4", "lanes": lanes, "words": 9}

    def unit(self, kind: str, inputs: list[str], layer: str = "", name: str = "", outputs: int = 1) -> list[str]:
        name = name or f"{kind}{len(self.units)}"
        given = [f"{name}_out{k}" for k in range(outputs)]
        self.streams += [self._stream(each, 4) for each in given]
        storage = {"depth": 3, "bits": 16, "kind": "registers"} if kind in ("fifo", "window") else None
        self.units.append({"name": name, "layer": layer, "kind": kind, "inputs": inputs, "outputs": given,
                           "phases": None if kind == "fifo" else 1234, "storage": storage})
        return given

    def layer(self, stream: str, *before: str) -> str:
        """Helpers, then a matrix-vector unit, of one node."""
        node = f"Conv_{len(self.layers)}"
        for kind in before:
            stream, = self.unit(kind, [stream], node)
        name = f"conv{len(self.layers)}"
        self.layers.append({"name": name, "kind": "matrix_vector", "channels": 3, "outputs": 4, "image": [5, 6],
                            "window": {"kernel": [3, 3], "stride": [1, 1], "dilation": [1, 1], "insert": [1, 1]},
                            "groups": 1, "pe": 2, "simd": 3, "lane": "xnor"})
        return self.unit("matrix_vector", [stream], node, name)[0]

    def join(self, kind: str, streams: list[str]) -> str:
        node = f"{kind}_{len(self.units)}"
        streams = [self.unit("fifo", [stream], node)[0] for stream in streams]
        return self.unit(kind, streams, node)[0]

    def report(self) -> dict:
        """What is drawn, with the last unit's stream as output."""
        return {"units": self.units, "streams": self.streams, "layers": self.layers,
                "bottleneck": {"units": ["conv0"], "phases": 1234}}


@st.composite
def sketches(draw) -> dict:
    """Layers, points, forks and joins in any order, all branches joined at the end."""
    sketch, free = Sketch(), ["i"]
    for _ in range(draw(st.integers(1, 14))):
        stream = free.pop(draw(st.integers(0, len(free) - 1)))
        match draw(st.sampled_from(("layer", "layer", "point", "fork", "join"))):
            case "fork":
                free += sketch.unit("fork", [stream], stream, outputs=draw(st.integers(2, 3)))
            case "join" if free:
                others = [free.pop() for _ in range(draw(st.integers(1, min(2, len(free)))))]
                free.append(sketch.join(draw(st.sampled_from(("add", "concat"))), [stream, *others]))
            case "point":
                if draw(st.booleans()):
                    stream, = sketch.unit("width", [stream], draw(st.sampled_from(("", "Quant"))))
                free += sketch.unit(draw(st.sampled_from(("threshold", "requantise", "table"))), [stream], "Quant")
            case _:
                helpers = draw(st.lists(st.sampled_from(("width", "window", "fifo")), max_size=4, unique=True))
                free.append(sketch.layer(stream, *helpers))
    sketch.layer(sketch.join("concat", free) if len(free) > 1 else free[0])
    return sketch.report()


def boxes(svg: str) -> dict[str, list[tuple[float, float, float, float]]]:
    """Left, top, right and bottom of every unit's box, by the unit's name."""
    found: dict[str, list] = {}
    for name, x, y, width, height in re.findall(
            r'data-unit="([^"]*)"><title>[^<]*</title>\s*<rect [^>]*x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" '
            r'height="([\d.]+)"', svg):
        found.setdefault(name, []).append((float(x), float(y), float(x) + float(width), float(y) + float(height)))
    return found


@given(sketches())
def test_every_unit_is_in_one_row_after_those_it_reads(report):
    found = rows(report)
    assert sorted(unit["name"] for row in found for unit in row.units) == sorted(u["name"] for u in report["units"])
    seen = {"i"}
    for row in found:
        assert set(row.entries) <= seen
        seen |= set(row.exits)
        assert len(row.exits) == 1 or row.units[-1]["kind"] == "fork"
        assert sum(unit["kind"] == "matrix_vector" for unit in row.units) <= 1


@given(sketches())
def test_every_unit_and_stream_is_drawn_once_and_boxes_stand_apart(report):
    svg = str(diagram.network(report))
    drawn = boxes(svg)
    assert {name: len(each) for name, each in drawn.items()} == {unit["name"]: 1 for unit in report["units"]}
    assert sorted(re.findall(r'data-stream="([^"]*)"', svg)) == sorted(s["name"] for s in report["streams"])
    placed = [each[0] for each in drawn.values()]
    for place, (left, top, right, bottom) in enumerate(placed):
        for other in placed[place + 1:]:
            assert other[2] <= left or right <= other[0] or other[3] <= top or bottom <= other[1]


@given(sketches())
def test_a_stream_past_other_rows_crosses_no_box(report):
    layout = arrange(report)
    edges = [(place.y, place.y + place.height, place.right) for place in layout.placed]
    assert all(below[0] > above[1] for above, below in itertools.pairwise(edges))
    svg = str(diagram.network(report))
    for path in re.findall(r'class="arrow" data-stream="[^"]*" d="M ([^"]*)"', svg):
        x, y = map(float, path.split()[:2])
        assert 0 <= x <= layout.width
        for step, value in re.findall(r"([HV]) ([\d.]+)", path):
            to = float(value)
            if step == "V":  # down between or beside the boxes of rows; inside one only between its own units
                inside = [right for top, bottom, right in edges if x < right and min(y, to) < top < bottom < max(y, to)]
                assert not inside
                y = to
            else:
                x = to
    for skip in layout.skips:
        passed = layout.placed[skip.start + 1:skip.end]
        assert all(place.right < layout.inner + 22 * (skip.track + 1) for place in passed)


def test_tracks_are_shared_by_skips_that_follow_each_other():
    sketch, stream = Sketch(), "i"
    for _ in range(3):
        a, b = sketch.unit("fork", [stream], stream, outputs=2)
        stream = sketch.join("add", [sketch.layer(a), b])
    report = sketch.report()
    layout = arrange(report)
    assert [skip.track for skip in layout.skips] == [0, 0, 0]
    assert len(layout.placed) == 6 + 1  # three layers, three sums, and the fork of the input
    assert all(skip.turn_in is None and skip.turn_out is None for skip in layout.skips)


def test_threshold_fork_and_helpers_stand_in_the_row_of_their_layer():
    sketch = Sketch()
    stream = sketch.layer("i", "window", "width", "fifo")
    stream, = sketch.unit("width", [stream], "Quant_1")
    stream, = sketch.unit("threshold", [stream], "Quant_1")
    a, b = sketch.unit("fork", [stream], stream, outputs=2)
    sketch.join("add", [a, b])
    first, last = rows(sketch.report())
    assert [unit["kind"] for unit in first.units] == ["window", "width", "fifo", "matrix_vector", "width", "threshold",
                                                      "fork"]
    assert (first.name, first.node, first.entries, first.exits) == ("conv0", "Conv_0", ["i"], [a, b])
    assert [unit["kind"] for unit in last.units] == ["fifo", "fifo", "add"]
    assert last.layer is None


@pytest.mark.parametrize("name", ["<script>x</script>", '"&quot;', "日本"])
def test_names_are_only_text(name):
    sketch = Sketch()
    sketch.layer("i")
    for unit in [*sketch.units, *sketch.layers]:
        unit |= {"name": name, "layer": name}
    svg = str(diagram.network(sketch.report()))
    assert "<script" not in svg
    assert name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&#34;") in svg
