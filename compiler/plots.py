"""The timeline of a report: which layer works on a frame when, as an SVG for the page's own colours."""

from __future__ import annotations

import io
import re
from typing import Any

from .report_rows import Row, rows

__all__ = ["timeline"]

# Matplotlib wants colours; these stand for the page's own, light or dark, and are replaced by CSS variables.
_COLOURS = {"ink": "#010101", "muted": "#020202", "line": "#030303", "accent": "#040404", "hot": "#050505",
            "other": "#060606", "paper": "#070707"}
# With more neighbours than this inside a unit, separate bars are thinner than a pixel: one band says the same.
_NEIGHBOURS = 40
_SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "gatewright", "svg.fonttype": "none", "text.parse_math": False, "font.size": 12.5,
    "font.family": ["DejaVu Sans"], "axes.unicode_minus": False}


def timeline(report: dict) -> str:
    """An ``<svg>`` element: one frame through the rows alone and, where it is known, one among its neighbours.

    Deterministic.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # the page must not depend on its user's matplotlibrc
        matplotlib.rcParams.update(_SETTINGS)
        shown = rows(report)
        times = report["timeline"]
        panels = 2 if times["steady"] else 1
        top, bottom, gap, step = 0.78, 0.7, 1.1, 0.31
        height = top + bottom + gap * (panels - 1) + panels * len(shown) * step
        figure = Figure(figsize=(13.5, height))
        FigureCanvasSVG(figure)
        figure.patch.set_alpha(0)
        share = len(shown) * step / height
        left = 0.03 + 0.0072 * max(len(row.name) for row in shown)
        output = report["streams"][-1]["name"]
        empty = times["alone"][output][1] + 1
        lower = axes = figure.add_axes((left, 1 - top / height - share, 0.98 - left, share))
        if times["steady"]:
            lower = figure.add_axes((left, bottom / height, 0.98 - left, share))
            end = times["steady"][0][output][1] + 1
            if end <= 3 * empty:  # on one scale, if the wait in FIFOs leaves enough of it to the frame alone
                end = empty = max(end, empty)
            _panel(lower, report, shown, _neighbours(report, end, output), end,
                   "The same in steady state, frame after frame")
        _panel(axes, report, shown, [(0, times["alone"])], empty, "One frame alone, through an empty pipeline")
        lower.set_xlabel("cycles since the frame's first input transfer", color=_COLOURS["muted"], labelpad=6)
        _microseconds(axes, report["clock_mhz"])
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return _page_svg(text.getvalue())


def _neighbours(report: dict, end: int, output: str) -> list[tuple[int, dict]]:
    """The frames seen in the steady panel with the cycle they begin at, the frame itself last, so on top."""
    times = report["timeline"]
    stay = max(frame[output][1] for frame in times["steady"]) + 1
    first, last = -int(stay / times["period"]) - 1, int(end / times["period"]) + 1
    found = [(repeat * times["period"], frame) for repeat in range(first, last + 1) for frame in times["steady"]]
    return [*(entry for entry in found if not (entry[0] == 0 and entry[1] is times["steady"][0])),
            (0, times["steady"][0])]


def _panel(axes, report: dict, shown: list[Row], frames: list[tuple[int, dict]], end: int, title: str) -> None:
    """A thin bar from a row's first transfer in to its last out, a thick one for its main unit alone."""
    slow = set(report["bottleneck"]["units"]) if report["bottleneck"]["phases"] > 1 else set()
    for place, row in enumerate(shown):
        colour = _COLOURS["hot" if {unit["name"] for unit in row.units} & slow else "accent"]
        entries = row.entries or row.exits
        outer = _spans(frames, [entries], row.exits, end)
        # A window's reader is at the next frame's padding long before that frame comes: no work on it.
        inner = _spans(frames, [entries, row.main["inputs"] or entries], row.main["outputs"], end)
        for spans, thick, others in ((outer, 0.16, "line"), (inner, 0.66, "other")):
            *before, own = spans
            if len(before) > _NEIGHBOURS:
                before = [(0, end)]
            if before and thick > 0.5:
                axes.broken_barh(before, (place - thick / 2, thick), facecolor=_COLOURS[others],
                                 edgecolor=_COLOURS["paper"], linewidth=0.6)
            # A single cycle stays seen.
            axes.broken_barh([own], (place - thick / 2, thick), facecolor=colour, edgecolor=colour, linewidth=0.8)
    axes.set_xlim(0, end)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_yticks(range(len(shown)), [row.name for row in shown])
    axes.xaxis.set_major_locator(_ticks())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.grid(axis="x", color=_COLOURS["line"], linewidth=0.7)
    axes.set_axisbelow(True)
    axes.set_title(title, loc="left", color=_COLOURS["ink"], fontsize=13, fontweight="bold", pad=8)
    axes.patch.set_alpha(0)
    axes.tick_params(length=0, colors=_COLOURS["muted"])
    for side in axes.spines.values():
        side.set_visible(False)


def _spans(frames: list[tuple[int, dict]], entries: list[list[str]], exits: list[str], end: int
           ) -> list[tuple[float, float]]:
    """(begin, length) of each frame, inside the plot: until the last word of ``exits``, from where all lists of streams
    in ``entries`` have carried a word.
    """
    spans = []
    for begin, frame in frames:
        enters = max(min(frame[name][0] for name in names) for names in entries) + begin
        leaves = max(frame[name][1] for name in exits) + begin + 1
        if leaves > 0 and enters < end:
            spans.append((max(enters, 0), min(leaves, end) - max(enters, 0)))
    return spans


def _ticks():
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=10, integer=True, min_n_ticks=2)


def _microseconds(axes, clock: float) -> None:
    second = axes.secondary_xaxis("top", functions=(lambda cycles: cycles / clock, lambda us: us * clock))
    second.xaxis.set_major_formatter(lambda value, _: f"{value:,g} µs")
    second.tick_params(length=0, colors=_COLOURS["muted"])
    second.spines["top"].set_visible(False)


def _page_svg(text: str) -> str:
    """Matplotlib's file as an element of the page: without prolog and metadata, in the page's colours and font."""
    text = text[text.index("<svg "):]
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'<svg ([^>]*?)width="[^"]*" height="[^"]*"', r"<svg \1", text, count=1)
    text = text.replace("<style type=\"text/css\">*{", '<style>.timeline *{')
    text = re.sub(r"<svg [^>]*?viewBox=\"([^\"]*)\"[^>]*>",
                  r'<svg class="timeline" viewBox="\1" role="img" aria-label="timeline of a frame through the layers">',
                  text, count=1)
    for name, colour in _COLOURS.items():
        text = text.replace(colour, f"var(--{name})")
    return text.replace("'DejaVu Sans'", "var(--sans)")
