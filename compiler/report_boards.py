"""How what is on a board is shown in the terminal."""

from __future__ import annotations

from rich.table import Table

from .report_text import figure

__all__ = ["console"]


def console(said: dict) -> Table:
    """A table of what ``implementation.json`` says."""
    table = Table(title=f"{said['top']} on {said['board']} ({said['device']})", title_justify="left", box=None,
                  show_header=False, pad_edge=False)
    table.add_column()
    table.add_column()
    for name, title in (("luts", "LUTs"), ("block_rams", "block RAMs"), ("dsps", "DSPs")):
        available = said["available"].get(name)
        if said[name] or available:
            share = f" of {available:,} ({said[name] / available:.0%})" if available else ""
            table.add_row(title, f"{said[name]:,g}{share}")
    table.add_row("flip-flops", f"{said['registers']:,}")
    if said["fmax_mhz"] is not None:
        best = ", ".join(f"{run['fmax_mhz']:.1f}" for run in said["runs"] if run["fmax_mhz"] is not None)
        table.add_row("clock", f"{said['clock_mhz']:g} MHz; reached {said['fmax_mhz']:.1f} MHz (of seeds: {best})")
    table.add_row("core", f"{figure(said['fps'], 4)} frames/s, one every {said['interval']:,g} cycles; latency "
                          f"{said['latency']:,} cycles, {figure(said['latency_us'])} µs")
    table.add_row("link", f"at most {figure(said['link_fps'], 4)} frames/s at {said['baud']:,} baud "
                          f"({said['bytes_in']:,} bytes in, {said['bytes_out']:,} out)")
    table.add_row("took", ", ".join(f"{what} {seconds:g} s" for what, seconds in said["seconds"].items()))
    return table
