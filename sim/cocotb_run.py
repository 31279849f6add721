"""Runs a bench that ``make`` has built, and fails unless every test that it holds was run and passed.

This file is complete in itself: each build's ``tb/`` holds a copy, which the ``Makefile`` there calls. cocotb ends with
success when no test matches a filter, and a simulator that crashes may leave no result at all; here both are failures.

    python run.py TOP MODULE BUILD_FOLDER TESTS [FILTER]

``TESTS`` is how many tests the bench holds.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Run the bench; return the exit status."""
    top, module, build, count, *pattern = arguments
    folder = Path(__file__).resolve().parent
    sys.path.insert(0, str(folder))  # the runner hands this path on to the simulation
    try:
        results = get_runner("verilator").test(
            test_module=module, hdl_toplevel=top, hdl_toplevel_lang="verilog", build_dir=folder / build,
            test_dir=folder / build, results_xml=str(folder / "results.xml"), test_filter=next(iter(pattern), None))
        tests, failures = get_results(results)
    except (RuntimeError, SystemExit) as error:
        print(f"FAILED: the simulation did not end as it should: {error}")
        return 1
    skipped = len(re.findall(r"<skipped\b", results.read_text()))
    ran = tests - skipped
    if failures or ran == 0 or (not pattern and ran != int(count)):
        print(f"FAILED: {failures} of {ran} tests failed, {count} were to run")
        return 1
    print(f"PASSED: {ran} tests")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
