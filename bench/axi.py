"""What the registers of a network's AXI module count, beside what the dataflow engine predicts for the same pauses.

    python -m bench.axi [MODEL.onnx [FOLDING]]        (default: the zoo's TFC at 16x49,8x8,8x8,10x8; about a minute)
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from gatewright.compiler import compile, load
from gatewright.compiler.axi_check import check, read_record

from . import zoo_model

PATTERNS = ("no pauses", "output pauses", "input pauses", "both pause")


def main() -> int:
    model = load(sys.argv[1] if len(sys.argv) > 1 else zoo_model(), input="uint8", input_scale="1/255")
    design = compile(model, folding=sys.argv[2] if len(sys.argv) > 2 else "16x49,8x8,8x8,10x8")
    with tempfile.TemporaryDirectory() as temporary:
        folder, record = Path(temporary) / "build", Path(temporary) / "record"
        design.write(folder)
        done = subprocess.run(["make", "-C", str(folder / "tb"), "axi", f"PYTHON={sys.executable}"], text=True,
                              capture_output=True, check=False, env=os.environ | {"GATEWRIGHT_AXI_RECORD": str(record)})
        if done.returncode:
            sys.exit(f"the bench failed:\n{done.stdout[-3000:]}{done.stderr[-2000:]}")
        runs = list(read_record(record))
    console = Console()
    for test, verdict in re.findall(r"\*\* test_\w+_axi\.(\S+)\s+(PASS|FAIL)", done.stdout):
        console.print(f"{verdict.lower()}  {test}", highlight=False)
    rows = [check(design.dataflow, counted) for counted in runs]
    table = Table(title=f"{design.name}_axi: {runs[0].frames} frames, cycles counted (and predicted)",
                  title_justify="left")
    table.add_column("counter")
    for pattern in PATTERNS:
        table.add_column(pattern, justify="right")
    for each in zip(*rows, strict=True):
        table.add_row(each[0][0], *(f"{counted:,} ({predicted:,})" for _, predicted, counted in each))
    console.print(table)
    wrong = sum(predicted != counted for each in rows for _, predicted, counted in each)
    console.print(f"{sum(map(len, rows))} counters, {wrong} differ", highlight=False)
    return int(wrong != 0)


if __name__ == "__main__":
    sys.exit(main())
