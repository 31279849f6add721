"""All benchmarks, one after the other: `make bench`. More than an hour on two cores; each alone says what it takes."""

from __future__ import annotations

import subprocess
import sys

RUNS = ("lut_per_lane", "compile", "golden", "simulators", "cnv", "folding", "cost_model", "zoo", "scale", "coded",
        "eie", "axi", "link", "accuracy digits-w1a1 tfc-w1a1 sfc-w1a1")


def main() -> int:
    """Run each in a process of its own; 1 if one failed."""
    failed = 0
    for run in RUNS:
        print(f"\n$ python -m bench.{run}", flush=True)
        failed |= subprocess.run([sys.executable, "-m", *f"bench.{run}".split()], check=False).returncode
    return int(failed != 0)


if __name__ == "__main__":
    sys.exit(main())
