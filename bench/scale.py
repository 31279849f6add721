"""Compile time and memory against model size, 10 thousand to 10 million weights, each in a process of its own.

    python -m bench.scale [--plot FILE.svg] [--largest N]

Dense 2-bit networks of three equal layers, and convolutional ones of six; random weights.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from rich.console import Console
from rich.table import Table

QUANT = "qonnx.custom_op.general"
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
_CHILD = """
import sys, gatewright
model = gatewright.load(sys.argv[1], input="uint8", input_scale="1/256")
gatewright.compile(model).write(sys.argv[2])
"""


def network(kind: str, weights: int) -> onnx.ModelProto:
    """About so many 2-bit weights in three dense layers, or in six 3x3 convolutions on 16 x 16 pixels."""
    rng = np.random.default_rng(0)
    nodes, constants = [], []
    shape = [1, int((weights / 3) ** 0.5)] if kind == "dense" else [1, max(1, round((weights / 54) ** 0.5)), 16, 16]

    def constant(array) -> str:
        constants.append(numpy_helper.from_array(np.asarray(array, np.float32), f"c{len(constants)}"))
        return constants[-1].name

    def quant(x: str, bits: int, signed: int) -> str:
        inputs = [x, constant(0.25), constant(0), constant(bits)]
        nodes.append(helper.make_node("Quant", inputs, [f"t{len(nodes)}"], name=f"n{len(nodes)}", domain=QUANT,
                                      signed=signed, narrow=signed, rounding_mode="ROUND"))
        return nodes[-1].output[0]

    x, channels = "x", shape[1]
    for _ in range(3 if kind == "dense" else 6):
        size = [channels, channels] if kind == "dense" else [channels, channels, 3, 3]
        w = quant(constant(rng.integers(-1, 2, size) * 0.25), 2, 1)
        attributes = {} if kind == "dense" else {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
        nodes.append(helper.make_node("MatMul" if kind == "dense" else "Conv", [x, w], [f"t{len(nodes)}"],
                                      name=f"n{len(nodes)}", **attributes))
        x = quant(nodes[-1].output[0], 2, 0)
    take, give = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", x))
    graph = helper.make_graph(nodes, "scale", [take], [give], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13), helper.make_opsetid(QUANT, 1)],
                             ir_version=10)


def measure(kind: str, weights: int) -> tuple[int, float, float]:
    """The weights it has, seconds, and MB at the peak."""
    with tempfile.TemporaryDirectory() as folder:
        model = network(kind, weights)
        path = Path(folder) / "model.onnx"
        path.write_bytes(model.SerializeToString())
        exact = sum(int(np.prod(t.dims)) for t in model.graph.initializer if len(t.dims) > 1)
        began = time.perf_counter()
        child = subprocess.Popen([sys.executable, "-c", _CHILD, str(path), str(Path(folder) / "build")])
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if status:
            sys.exit(f"compiling {exact} weights failed")
        return exact, time.perf_counter() - began, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plot", type=Path, help="write the curves there")
    parser.add_argument("--largest", type=int, default=SIZES[-1])
    options = parser.parse_args()
    table = Table(title="QONNX to Verilog against model size", title_justify="left")
    for column in ("network", "weights", "seconds", "peak memory, MB", "seconds a million"):
        table.add_column(column, justify="left" if column == "network" else "right")
    found: dict[str, list[tuple[int, float, float]]] = {"dense": [], "conv": []}
    for kind, points in found.items():
        for weights in (size for size in SIZES if size <= options.largest):
            points.append(measure(kind, weights))
            exact, seconds, memory = points[-1]
            table.add_row(kind, f"{exact:,}", f"{seconds:.1f}", f"{memory:,.0f}", f"{1e6 * seconds / exact:.1f}")
    Console().print(table)
    if options.plot:
        _plot(found, options.plot)


def _plot(found: dict[str, list[tuple[int, float, float]]], path: Path) -> None:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), constrained_layout=True)
    for kind, points in found.items():
        weights = [p[0] for p in points]
        for axis, column in zip(axes, (1, 2), strict=True):
            axis.loglog(weights, [p[column] for p in points], marker="o", label=kind)
    for axis, label in zip(axes, ("seconds to Verilog", "peak memory, MB"), strict=True):
        axis.set_xlabel("weights")
        axis.set_ylabel(label)
        axis.grid(True, which="major", alpha=0.3)
        axis.legend(frameon=False)
    figure.savefig(path)


if __name__ == "__main__":
    main()
