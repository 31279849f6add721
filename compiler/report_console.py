"""The report as tables for the terminal."""

from __future__ import annotations

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from ..errors import UserError
from .report_text import figure, share, state

__all__ = ["console"]


def console(report: dict) -> Group:
    """A table of layers, then totals, and whether the design was verified; for ``rich`` to print.

    Raises
    ------
    UserError
        If the content is not that of a report.
    """
    try:
        return Group(_layers(report), _totals(report))
    except (KeyError, TypeError, IndexError, ValueError, AttributeError) as error:
        raise UserError(f"lacks or garbles {error}", where="report.json",
                        remedy="build it again with gatewright build") from error


def _layers(report: dict) -> Table:
    table = Table(title=Text(report["name"], style="bold"), title_justify="left", header_style="dim", box=box.SIMPLE)
    table.add_column("layer")
    for heading in ("shape", "PE x SIMD", "lanes", "cycles", "utilisation", "weights, bits"):
        table.add_column(heading, justify="right")
    slow = report["bottleneck"]["units"]
    for layer in report["layers"]:
        table.add_row(
            Text(layer["name"]), f"{layer['rows']:,} x {layer['columns']:,}", f"{layer['pe']:,} x {layer['simd']:,}",
            f"{layer['lanes']:,}", f"{layer['cycles']:,}", share(layer["utilisation"]), f"{layer['weights']['bits']:,}",
            style="yellow" if layer["name"] in slow else None)
    total = report["totals"]
    table.add_section()
    table.add_row("all", "", "", f"{total['lanes']:,}", f"{total['interval']:,}", share(total["lane_efficiency"]),
                  f"{total['weight_bits']:,}", style="bold")
    return table


def _totals(report: dict) -> Table:
    total, slowest = report["totals"], report["bottleneck"]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column()
    clock = f"at {report['clock_mhz']:g} MHz"
    grid.add_row("throughput", f"{figure(total['fps'], 4)} frames/s {clock}: one every {total['interval']:,} cycles")
    grid.add_row("latency", f"{total['latency']:,} cycles, {figure(total['latency_us'])} µs {clock}")
    grid.add_row("FIFOs", f"{total['fifo_words']:,} words, {total['fifo_bits']:,} bits")
    grid.add_row("bottleneck", Text(f"{', '.join(slowest['units'])}: {slowest['phases']:,} cycles"))
    if slowest["next"]:
        option = slowest["next"]
        grid.add_row("next step", Text(f"--folding {option['folding']}: {option['interval']:,} cycles with "
                                       f"{option['lanes']:,} lanes"))
    for family, counted in (report["resources"] or {}).items():
        grid.add_row(Text(family), Text(f"{counted['luts_total']:,} LUTs, {counted['registers']:,} registers, "
                                        f"{counted['block_rams']:,} block RAMs (Yosys {counted['yosys']})"))
    verification = report["verification"]
    match state(verification):
        case "unverified":
            grid.add_row("verified", "not yet: run gatewright verify DIR --data FILE")
        case "verified":
            grid.add_row("verified", Text(f"{verification['frames']:,} frames, 0 integers differ", style="green"))
        case _:
            why = verification["failure"] or f"{verification['mismatches']:,} integers differ"
            grid.add_row("verified", Text(f"FAILED: {why}", style="bold red"))
    return grid
