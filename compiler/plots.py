"""The timeline of a report: which unit works on a frame when, as an SVG for the page's own colours."""

from __future__ import annotations

import io
import re
from typing import Any

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
    """An ``<svg>`` element: one frame through the units alone, and one among its neighbours. Deterministic."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # the page must not depend on its user's matplotlibrc
        matplotlib.rcParams.update(_SETTINGS)
        rows = len(report["units"])
        top, bottom, gap, step = 0.78, 0.7, 1.1, 0.31
        height = top + bottom + gap + 2 * rows * step
        figure = Figure(figsize=(13.5, height))
        FigureCanvasSVG(figure)
        figure.patch.set_alpha(0)
        share = rows * step / height
        alone = figure.add_axes((0.1, 1 - top / height - share, 0.88, share))
        steady = figure.add_axes((0.1, bottom / height, 0.88, share))
        times = report["timeline"]
        output = report["units"][-1]["output"]
        end, empty = times["steady"][0][output][1] + 1, times["alone"][output][1] + 1
        if end <= 3 * empty:  # on one scale, if the wait in FIFOs leaves enough of it to the frame alone
            end = empty = max(end, empty)
        _panel(alone, report, [(0, times["alone"])], empty, "One frame alone, through an empty pipeline")
        _panel(steady, report, _neighbours(report, end), end, "The same in steady state, frame after frame")
        steady.set_xlabel("cycles since the frame's first input transfer", color=_COLOURS["muted"], labelpad=6)
        _microseconds(alone, report["clock_mhz"])
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return _page_svg(text.getvalue())


def _neighbours(report: dict, end: int) -> list[tuple[int, dict]]:
    """The frames seen in the steady panel with the cycle they begin at, the frame itself last, so on top."""
    times, output = report["timeline"], report["units"][-1]["output"]
    stay = max(frame[output][1] for frame in times["steady"]) + 1
    first, last = -int(stay / times["period"]) - 1, int(end / times["period"]) + 1
    found = [(repeat * times["period"], frame) for repeat in range(first, last + 1) for frame in times["steady"]]
    return [*(entry for entry in found if not (entry[0] == 0 and entry[1] is times["steady"][0])),
            (0, times["steady"][0])]


def _panel(axes, report: dict, frames: list[tuple[int, dict]], end: int, title: str) -> None:
    slow = set(report["bottleneck"]["units"]) if report["bottleneck"]["phases"] > 1 else set()
    for row, unit in enumerate(report["units"]):
        thick = 0.34 if unit["kind"] == "fifo" else 0.72
        spans = []
        for begin, frame in frames:
            enters, leaves = frame[unit["input"]][0] + begin, frame[unit["output"]][1] + begin + 1
            if leaves > 0 and enters < end:
                spans.append((max(enters, 0), min(leaves, end) - max(enters, 0)))
        *others, own = spans
        if len(others) > _NEIGHBOURS:
            others = [(0, end)]
        place = (row - thick / 2, thick)
        if others:
            axes.broken_barh(others, place, facecolor=_COLOURS["other"], edgecolor=_COLOURS["paper"], linewidth=0.6)
        colour = _COLOURS["hot" if unit["name"] in slow else "accent"]
        axes.broken_barh([own], place, facecolor=colour, edgecolor=colour, linewidth=0.8)  # a single cycle stays seen
    axes.set_xlim(0, end)
    axes.set_ylim(len(report["units"]) - 0.4, -0.6)
    axes.set_yticks(range(len(report["units"])), [unit["name"] for unit in report["units"]])
    axes.xaxis.set_major_locator(_ticks())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.grid(axis="x", color=_COLOURS["line"], linewidth=0.7)
    axes.set_axisbelow(True)
    axes.set_title(title, loc="left", color=_COLOURS["ink"], fontsize=13, fontweight="bold", pad=8)
    axes.patch.set_alpha(0)
    axes.tick_params(length=0, colors=_COLOURS["muted"])
    for side in axes.spines.values():
        side.set_visible(False)


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
                  r'<svg class="timeline" viewBox="\1" role="img" aria-label="timeline of a frame through the units">',
                  text, count=1)
    for name, colour in _COLOURS.items():
        text = text.replace(colour, f"var(--{name})")
    return text.replace("'DejaVu Sans'", "var(--sans)")
