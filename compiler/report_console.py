"""The report as tables for the terminal."""

from __future__ import annotations

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from ..errors import UserError
from .costing import estimated
from .report_text import figure, plural, shape, share, state

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
    table.add_column("computes")
    table.add_column("lane")
    for heading in ("PE x SIMD", "cycles", "used", "weights, bits"):
        table.add_column(heading, justify="right")
    table.add_column("numbers")
    slow = report["bottleneck"]["units"]
    for layer in report["layers"]:
        numbers = f"{layer['input']} x {layer['weight_type']}"
        table.add_row(
            Text(layer["name"]), shape(layer), layer["lane"], _size(layer),
            f"{layer['cycles']:,}", share(layer["utilisation"]), f"{layer['weights']['bits']:,}", Text(numbers),
            style="yellow" if layer["name"] in slow else None)
    total = report["totals"]
    table.add_section()
    table.add_row("all", "", "", f"{total['lanes']:,} lanes", f"{total['interval']:,}", share(total["lane_efficiency"]),
                  f"{total['weight_bits']:,}", "", style="bold")
    return table


def _size(layer: dict) -> str:
    """How many lanes, as an engine counts them."""
    match layer["engine"]["name"]:
        case "eie":
            return f"{layer['lanes']:,} elements"
        case "static":
            return f"static {layer['pe']:,} x {layer['simd']:,}"
    return f"{layer['pe']:,} x {layer['simd']:,}"


def _totals(report: dict) -> Table:
    total, slowest = report["totals"], report["bottleneck"]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column()
    clock = f"at {report['clock_mhz']:g} MHz"
    # Sparse engines skip activations that are zero; reports of earlier versions know none.
    least, most = ("at least ", "at most ") if total.get("data_dependent") else ("", "")
    grid.add_row("throughput", f"{least}{figure(total['fps'], 4)} frames/s {clock}: one every {total['interval']:,} "
                               f"cycles{', fewer where activations are 0' if most else ''}")
    grid.add_row("latency", f"{most}{total['latency']:,} cycles, {figure(total['latency_us'])} µs {clock}")
    grid.add_row("FIFOs", f"{total['fifo_words']:,} words, {total['fifo_bits']:,} bits")
    if total["buffer_words"]:
        grid.add_row("line buffers", f"{total['buffer_words']:,} words, {total['buffer_bits']:,} bits")
    shown = slowest["units"][:6] + [f"{len(slowest['units']) - 6} more"] * (len(slowest["units"]) > 6)
    grid.add_row("bottleneck", Text(f"{', '.join(shown)}: {plural(slowest['phases'], 'cycle')}"))
    if slowest["next"]:
        option = slowest["next"]
        steps = "; ".join(f"{step['layer']} {step['from']} to {step['to']}" for step in option["steps"][:4])
        steps += f" and {len(option['steps']) - 4} more" if len(option["steps"]) > 4 else ""
        steps += f": {plural(option['interval'], 'cycle')} with {option['lanes']:,} lanes"
        grid.add_row("next step", Text(steps))
    for layer in report["layers"]:
        if layer["engine"]["candidates"]:
            grid.add_row(Text(layer["name"]), Text(layer["engine"]["why"]))
    if report["estimate"]:
        said = report["estimate"]
        if said["status"]:
            grid.add_row("folding", Text(f"{said['status']}, by the cost model"))
        grid.add_row("cost", Text(estimated(said)))
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
