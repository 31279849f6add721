"""Benchmarks: every figure of docs/benchmarks.md comes from a module here, run as ``python -m bench.NAME``."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def zoo_model(name: str = "TFC_1W1A.onnx") -> Path:
    """A model of the zoo folder; ends the program with a line that says what to set if it is not there."""
    folder = os.environ.get("GATEWRIGHT_ZOO")
    if folder is None or not (Path(folder) / name).is_file():
        sys.exit(f"set GATEWRIGHT_ZOO to a folder that holds {name}, or name a model")
    return Path(folder) / name
