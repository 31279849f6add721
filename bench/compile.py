"""Seconds and memory from QONNX to Verilog for TFC, SFC and LFC, untrained, each in a fresh process.

    python -m bench.compile [RECIPE=FOLDING …]
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from gatewright import quant

FOLDINGS = {
    "tfc-w1a1": "16x49,8x8,8x8,10x8",
    "sfc-w1a1": "32x49,32x32,32x32,10x32",
    "lfc-w1a1": "32x49,32x64,32x64,10x64",
}
_CHILD = """
import sys, gatewright
model = gatewright.load(sys.argv[1], input="uint8", input_scale="1/255")
gatewright.compile(model, folding=sys.argv[2]).write(sys.argv[3])
"""


def main() -> None:
    chosen = dict(pair.split("=", 1) for pair in sys.argv[1:]) or FOLDINGS
    table = Table(title="QONNX to Verilog, one process each", title_justify="left")
    for column in ("recipe", "weights", "folding", "seconds", "peak memory, MB"):
        table.add_column(column, justify="left" if column in ("recipe", "folding") else "right")
    with tempfile.TemporaryDirectory() as folder:
        for name, folding in chosen.items():
            recipe = quant.recipes.get(name)
            module = recipe.build()
            model = quant.export(module, Path(folder) / f"{name}.onnx", (1, recipe.inputs))
            weights = sum(parameter.numel() for parameter in module.parameters() if parameter.ndim == 2)
            began = time.perf_counter()
            child = subprocess.Popen([sys.executable, "-c", _CHILD, str(model), folding, str(Path(folder) / name)])
            _, status, usage = _wait(child)
            if status:
                sys.exit(f"building {name} failed")
            table.add_row(name, f"{weights:,}", folding, f"{time.perf_counter() - began:.1f}",
                          f"{usage.ru_maxrss / 1024:,.0f}")
    Console().print(table)


def _wait(child: subprocess.Popen) -> tuple[int, int, resource.struct_rusage]:
    """Wait for one child and learn what it, and it alone, used."""
    pid, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return pid, child.returncode, usage


if __name__ == "__main__":
    main()
