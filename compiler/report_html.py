"""``report.html``: one page without network, scripts or external fonts, made from the content of ``report.json``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import jinja2
from markupsafe import Markup

from ..errors import UserError
from . import diagram, plots
from .costing import estimated
from .report_rows import rows
from .report_text import LANES, STORAGE, UNITS, after, count, figure, plural, shape, share, state

__all__ = ["render"]

_FOLDER = Path(__file__).parent / "templates"


def render(report: dict) -> str:
    """The whole page. The same content gives the same bytes.

    Raises
    ------
    UserError
        If the content is not that of a report.
    """
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(_FOLDER), autoescape=True, trim_blocks=True,
                                     lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters |= {"count": count, "figure": figure, "share": share, "plural": plural,
                            "shape": shape}
    try:
        return environment.get_template("report.html.j2").render(
            r=report, state=state(report["verification"]), compared=_compared(report),
            rows=rows(report), units=UNITS, storage=STORAGE, lanes=LANES, kinds=_kinds(report),
            host=[after(name) for name in report["model"]["output"]["host"]],
            estimate=estimated(report["estimate"]) if report["estimate"] else None, goal=_goal(report),
            network=diagram.network(report), timeline=Markup(plots.timeline(report)))
    except (KeyError, TypeError, IndexError, ValueError, AttributeError, jinja2.UndefinedError) as error:
        raise UserError(f"lacks or garbles {error}", where="report.json",
                        remedy="build it again with gatewright build") from error


def _compared(report: dict) -> dict | None:
    """How much was compared between golden model and RTL: every integer of every stream of every frame."""
    verification = report["verification"]
    if verification is None:
        return None
    integers = {stream["name"]: stream["integers"] for stream in report["streams"]}
    names = verification["boundaries"]
    return {"streams": len(names), "integers": verification["frames"] * sum(integers[name] for name in names)}


def _goal(report: dict) -> str | None:
    """What a folding was found as: "the cheapest with at most 500 cycles a frame"."""
    said = report["estimate"]
    if said is None:
        return None
    cycles = said["cycles"]
    return "the fastest that fits" if cycles is None else f"the cheapest with at most {plural(cycles, 'cycle')} a frame"


def _kinds(report: dict) -> list[str]:
    """What layers a network has, for people: ["6 convolutions", "3 fully connected layers"]."""
    words = Counter("fully connected layer" if layer["window"] is None else
                    "depthwise convolution" if layer["kind"] == "depthwise" else "convolution"
                    for layer in report["layers"])
    words += Counter({"pool": "pool", "add": "sum", "concat": "concatenation"}[unit["kind"]]
                     for unit in report["units"] if unit["kind"] in ("pool", "add", "concat"))
    return [plural(number, word) for word, number in words.items()]
