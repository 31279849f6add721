"""The sparse engine on EIE's nine layers: cycles predicted, and measured in gates; queue depths and elements swept.

    python -m bench.eie [--rtl] [--rows plain] [--sweep] [--plot FOLDER] [--layers NAME,NAME] [--uneven SIGMA]

Random matrices of the paper's shapes and densities, 64 elements, queues of 8 activations, 16-bit activations, 4-bit
runs and codes. Efficiency is (entries + padding) / elements / cycles between vectors that come back to back.
"""

from __future__ import annotations

import argparse
import time
from functools import lru_cache
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from gatewright.compiler.balance import balance

from .eie_layers import LAYERS, Counted, Cycles, Layer, present, values, vectors

ELEMENTS = 64
DEPTHS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SWEPT = (1, 2, 4, 8, 16, 32, 64, 128, 256)
GOAL = 97
MHZ = 800
ORDERS = ("plain", "balanced")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rtl", action="store_true", help="measure each layer in Verilator too: a minute or two each")
    parser.add_argument("--rows", choices=ORDERS, help="of the matrices in Verilator; by default in both orders")
    parser.add_argument("--sweep", action="store_true", help="queue depths and elements from 1 to 256")
    parser.add_argument("--plot", type=Path, metavar="FOLDER", help="sweep, and draw the curves there")
    parser.add_argument("--layers", default=",".join(layer.name for layer in LAYERS))
    parser.add_argument("--uneven", type=float, default=0.5, metavar="SIGMA",
                        help="of the log-normal densities of rows in the table of uneven matrices")
    options = parser.parse_args()
    layers = [layer for layer in LAYERS if layer.name in options.layers.split(",")]
    began = time.perf_counter()
    console = Console()
    if not console.is_terminal:
        console = Console(width=150)
    with Progress(console=console, transient=True) as progress:
        proven = (options.rows,) if options.rows else ORDERS
        tables = [_nine(layers, progress, proven if options.rtl else ()), _uneven(layers, progress, options.uneven)]
        if options.sweep or options.plot:
            tables += _sweeps(layers, progress, options.plot)
    for table in tables:
        console.print(table)
    console.print(f"{time.perf_counter() - began:.0f} s")


@lru_cache
def _order(layer: Layer, kind: str, uneven: float = 0.0) -> np.ndarray:
    return np.arange(layer.rows) if kind == "plain" else balance(present(layer, uneven), ELEMENTS)


def _nine(layers: list[Layer], progress: Progress, proven: tuple[str, ...]) -> Table:
    """``proven`` are the orders of rows that are measured too."""
    title = f"EIE's layers on {ELEMENTS} elements, queues of 8, cycles a vector"
    said = f"rows {' and '.join(proven)} measured in Verilator" if proven else "predicted"
    table = _table(f"{title}: {said}",
                   "layer", "rows", "work / 64", "interval", "alone", "efficiency, %", "alone, %", "EIE, %",
                   f"us, {MHZ} MHz", "EIE: least, us", "actual, us", f"{GOAL} % at depth")
    task = progress.add_task("layers", total=2 * len(layers))
    for layer in layers:
        there, active = present(layer), vectors(layer)[0] != 0
        for kind in ORDERS:
            progress.update(task, description=f"{layer.name}, {kind}")
            rows = there[_order(layer, kind)]
            counted = Counted(rows, active, ELEMENTS)
            cycles = counted.cycles()
            if kind in proven:
                progress.console.print(f"{layer.name}, rows {kind}: {_prove(layer, rows, cycles)}", highlight=False)
            table.add_row(
                layer.name, kind, f"{cycles.work / ELEMENTS:,.0f}", _number(cycles.interval), f"{cycles.alone:,}",
                f"{cycles.efficiency:.1f}", f"{cycles.efficiency_alone:.1f}", f"{layer.efficiency:.0f}",
                f"{float(cycles.interval) / MHZ:.1f}", f"{layer.theoretical:.1f}", f"{layer.actual:.1f}",
                _goal(counted), end_section=kind == "balanced")
            progress.advance(task)
    progress.remove_task(task)
    return table


def _prove(layer: Layer, there: np.ndarray, cycles: Cycles) -> str:
    from .eie_rtl import measure  # Amaranth and Verilator are not needed for predictions

    measured = measure(layer.name, values(layer, there), vectors(layer, 2), ELEMENTS)
    if (measured.interval, measured.alone) != (cycles.interval, cycles.alone):
        raise SystemExit(f"{layer.name}: predicted {cycles}, measured {measured}")
    return (f"interval {_number(measured.interval)} and {measured.alone:,} cycles alone measured as predicted, "
            f"{measured.transfers:,} transfers in their cycles, {measured.sums:,} sums NumPy's")


def _goal(counted: Counted) -> str:
    """The depth that the goal takes, or what stands in its way."""
    depth = counted.depth_for(GOAL)
    if depth is not None:
        return str(depth)
    most = counted.cycles(int(np.count_nonzero(counted.active)) + 1)
    cause = "busiest element" if counted.most >= counted.broadcasts else "a broadcast a cycle"
    return f"never, {most.efficiency:.3f}: {cause}"


def _uneven(layers: list[Layer], progress: Progress, spread: float) -> Table:
    table = _table(f"The same with rows of uneven density (log-normal, sigma {spread}): idle cycles of an element",
                   "layer", "plain: interval", "idle", "balanced: interval", "idle", "work saved, %",
                   "cycles saved, %")
    task = progress.add_task("uneven rows", total=len(layers))
    for layer in layers:
        progress.update(task, description=f"{layer.name}, uneven rows")
        there, active = present(layer, spread), vectors(layer)[0] != 0
        plain, balanced = (Counted(there[_order(layer, kind, spread)], active, ELEMENTS).cycles() for kind in ORDERS)
        cells = []
        for cycles in (plain, balanced):
            cells += [_number(cycles.interval), f"{float(cycles.interval) - cycles.work / ELEMENTS:,.0f}"]
        table.add_row(layer.name, *cells, f"{100 * (1 - balanced.work / plain.work):.1f}",
                      f"{100 * (1 - float(balanced.interval / plain.interval)):.1f}")
        progress.advance(task)
    progress.remove_task(task)
    return table


def _sweeps(layers: list[Layer], progress: Progress, folder: Path | None) -> list[Table]:
    plain: dict[str, list[float]] = {}
    balanced: dict[str, list[float]] = {}
    speed_up: dict[str, list[float]] = {}
    real: dict[str, list[float]] = {}
    efficiency: dict[str, list[float]] = {}
    task = progress.add_task("sweeps", total=3 * len(layers))
    for layer in layers:
        progress.update(task, description=f"{layer.name}, sweeps")
        there, active = present(layer), vectors(layer)[0] != 0
        for curves, kind in zip((plain, balanced), ORDERS, strict=True):
            counted = Counted(there[_order(layer, kind)], active, ELEMENTS)
            curves[layer.name] = [counted.cycles(depth).efficiency for depth in DEPTHS]
            progress.advance(task)
        swept = [Counted(there, active, elements) for elements in SWEPT]
        found = [counted.cycles() for counted in swept]
        speed_up[layer.name] = [float(found[0].interval / cycles.interval) for cycles in found]
        real[layer.name] = [100 * counted.real / counted.work for counted in swept]
        efficiency[layer.name] = [cycles.efficiency for cycles in found]
        progress.advance(task)
    progress.remove_task(task)
    if folder is not None:
        from .eie_plot import plot  # matplotlib is slow to import

        for file in plot(folder, DEPTHS, plain, balanced, SWEPT, speed_up, real, efficiency):
            progress.console.print(f"{file}")
    return [_curves("Efficiency against queue depth, %, rows as they come", DEPTHS, plain, ".1f"),
            _curves("Efficiency against queue depth, %, rows balanced", DEPTHS, balanced, ".1f"),
            _curves("Speed-up against elements, queues of 8", SWEPT, speed_up, ".1f"),
            _curves("Efficiency against elements, %, queues of 8", SWEPT, efficiency, ".1f"),
            _curves("Entries that are weights and not padding, against elements, %", SWEPT, real, ".1f")]


def _curves(title: str, xs: tuple[int, ...], curves: dict[str, list[float]], form: str) -> Table:
    table = _table(title, "layer", *map(str, xs))
    for name, ys in curves.items():
        table.add_row(name, *(format(y, form) for y in ys))
    return table


def _number(cycles) -> str:
    return f"{int(cycles):,}" if cycles.denominator == 1 else f"{float(cycles):,.1f}"


def _table(title: str, first: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(first)
    for column in columns:
        table.add_column(column, justify="right")
    return table


if __name__ == "__main__":
    main()
