"""All benchmarks, one after the other: `make bench`."""

from __future__ import annotations

import subprocess
import sys

MODULES = ("lut_per_lane", "compile", "golden", "simulators", "accuracy")


def main() -> int:
    """Run each in a process of its own; 1 if one failed."""
    failed = 0
    for module in MODULES:
        print(f"\n$ python -m bench.{module}", flush=True)
        failed |= subprocess.run([sys.executable, "-m", f"bench.{module}"], check=False).returncode
    return int(failed != 0)


if __name__ == "__main__":
    sys.exit(main())
