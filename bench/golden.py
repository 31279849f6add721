"""Golden frames/s against `qonnx` executing the same model at batch 1, in one run.

    python -m bench.golden [MODEL.onnx]        (default: the zoo's TFC, from GATEWRIGHT_ZOO)
"""

from __future__ import annotations

import sys
import time
import warnings

import numpy as np
from rich.console import Console
from rich.table import Table

from gatewright.compiler import load
from gatewright.compiler.execute import run_golden

from . import zoo_model


def main() -> None:
    model = load(sys.argv[1] if len(sys.argv) > 1 else zoo_model(), input="uint8", input_scale="1/255")
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 256, size=(10_000, model.graph.input.elements))
    run_golden(model.graph, codes[:100])
    golden, plain = [], []
    from qonnx.core.onnx_exec import execute_onnx

    qonnx_model = model.imported.model
    name = qonnx_model.graph.input[0].name
    shape = qonnx_model.get_tensor_shape(name)
    floats = model.graph.spec.decode(codes[:20]).reshape(20, *shape)
    # In turn, so that a machine whose speed drifts slows both.
    for _ in range(5):
        began = time.perf_counter()
        run_golden(model.graph, codes)
        golden.append(len(codes) / (time.perf_counter() - began))
        began = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for frame in floats:
                execute_onnx(qonnx_model, {name: frame})
        plain.append(len(floats) / (time.perf_counter() - began))
    table = Table(title=f"{model.name}: golden model against qonnx, median of 5", title_justify="left")
    for column in ("what", "frames/s", "ratio"):
        table.add_column(column, justify="left" if column == "what" else "right")
    base = float(np.median(plain))
    table.add_row("qonnx, batch 1", f"{base:,.1f}", "1")
    table.add_row("golden, batch 10,000", f"{np.median(golden):,.0f}", f"{np.median(golden) / base:,.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
