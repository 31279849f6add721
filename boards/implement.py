"""Implementing a design on a board: synthesis, place and route with several seeds at once, the best one's bitstream.

The results take the place of earlier ones in one step at the end. A run that is killed leaves the earlier ones whole,
and the next one sweeps up what it left.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ..atomic import replacing
from ..errors import UserError
from . import tools
from .board import Board, Pin
from .device import Device
from .flows import Flow, flow_for
from .synthesis import Resources, count, synthesise
from .timing import CriticalPath, Report, utilisation

__all__ = ["Implementation", "Run", "TooLarge", "implement"]

Step = Callable[[str, int, int], None]
ROUNDS = 1000
"""After so many rounds of a router, it is given up."""
_ENDLESS = "its router came to no end"


class TooLarge(UserError):
    """A design needs more than the device has.

    ``needs`` and ``budget`` say how much of what: "luts", "block_rams", "dsps", "registers". Both have the rows that
    are known; at least one is needed more than there is.
    """

    def __init__(self, board: Board, needs: dict[str, float], budget: dict[str, float], log: Path | None = None):
        self.board, self.needs, self.budget = board.name, needs, budget
        titles = {"luts": "LUTs", "block_rams": "block RAMs", "dsps": "DSPs", "registers": "flip-flops"}
        over = [name for name in needs if needs[name] > budget.get(name, math.inf)]
        said = ", ".join(f"{needs[name]:,g} {titles[name]} of {budget[name]:,g}" for name in over or needs)
        what = "the design is too large" if over else "no legal placement was found, though it might fit"
        super().__init__(f"{what}: it needs {said} on {board.device.name}", where=board.name,
                         remedy="fold its layers more, or take a larger board" + (f" (log: {log})" if log else ""))


@dataclass(frozen=True)
class Run:
    """Place and route with one seed: MHz of the slowest clock, seconds; why it ended, if without a result."""

    seed: int
    fmax_mhz: float | None
    seconds: float
    failed: str | None = None


@dataclass(frozen=True)
class Implementation:
    """What came of it.

    ``luts`` and others are as counted after place and route (or after synthesis, where it ends there), ``available`` is
    what the device has. ``fmax_mhz`` is that of the best seed's slowest clock, None without place and route.
    ``critical`` is its slowest path. ``bitstream`` is a file in ``folder``, None where there is none; so are ``files``.
    ``seconds`` are wall time of synthesis, place and route, and packing.
    """

    board: str
    device: str
    family: str
    top: str
    clock_mhz: float
    luts: int
    registers: int
    block_rams: float
    dsps: float
    available: dict[str, int]
    fmax_mhz: float | None
    clocks_mhz: dict[str, float]
    critical: CriticalPath | None
    seed: int | None
    runs: tuple[Run, ...]
    seconds: dict[str, float]
    bitstream: str | None
    files: tuple[str, ...]
    tools: dict[str, str]
    synthesis: Resources

    @property
    def meets(self) -> bool | None:
        """Whether the clock asked for is reached; None where nobody knows."""
        return None if self.fmax_mhz is None else self.fmax_mhz >= self.clock_mhz

    def to_json(self) -> dict:
        """The fields, as plain JSON, and whether the clock is reached."""
        return {**asdict(self), "meets": self.meets}


def implement(sources: Sequence[Path], top: str, board: Board, clock_mhz: float, folder: Path, *,
              seeds: Sequence[int] = (1, 2, 3, 4), jobs: int | None = None,
              progress: Step = lambda what, done, total: None) -> Implementation:
    """Implement module ``top`` on a board. A clock that is not reached is no error: the result says what is.

    Parameters
    ----------
    sources
        Verilog files. Memory files that their ``$readmemh`` name lie beside the first.
    top
        The module whose ports ``clk``, ``rx``, ``tx`` and perhaps ``led`` go to the board's pins.
    board
        The target.
    clock_mhz
        What to aim for, in MHz, behind the PLL if there is one.
    folder
        Where the results go: logs, netlist, constraints, bitstream, ``implementation.json``. What was there is
        replaced at the end.
    seeds
        Starts of place and route, of which the fastest result is kept.
    jobs
        How many run at once: by default, as many as there are processors.
    progress
        Called with what is being done, how much is done, and of how much.

    Raises
    ------
    TooLarge
        If the device lacks what the design needs.
    UserError
        If a tool is missing or fails, the top has a port for which the board has no pin, or no seed can be routed.
    """
    if not seeds:
        raise ValueError("seeds must not be empty")
    flow = flow_for(board)
    tools.check([tool for tool in (flow.router, flow.packer) if tool])
    pins = board.read_pins().by_port()
    steps = len(seeds) + 2 if flow.router else 1
    with replacing(folder) as work:
        seconds = {}
        progress(f"synthesis for {board.title}", 0, steps)
        began = time.monotonic()
        module, yosys = synthesise(sources, top, flow.synthesis(board, top), work / "netlist.json",
                                   log=work / "synthesis.log", target=board.name, passing=True)
        used = count(module, flow.family, yosys)
        seconds["synthesis"] = round(time.monotonic() - began, 1)
        (work / f"{top}{flow.constraints_end}").write_text(
            flow.constraints(board, _ports(module, pins, top, board)), encoding="utf-8")
        if not flow.router:
            _for_others(work, flow, board, top, sources)
            return _finished(work, _result(board, top, clock_mhz, flow, used, None, (), None, seconds))
        _check_size(board, used)

        began = time.monotonic()
        runs, best, report = _route(work, flow, board, top, clock_mhz, seeds, jobs, progress)
        seconds["place and route"] = round(time.monotonic() - began, 1)
        began = time.monotonic()
        progress("bitstream", steps - 1, steps)
        _pack(work, flow, board, top, best)
        seconds["bitstream"] = round(time.monotonic() - began, 1)
        return _finished(work, _result(board, top, clock_mhz, flow, used, report, runs, best, seconds))


def _ports(module: dict, pins: dict[str, Pin], top: str, board: Board) -> dict[str, Pin]:
    """The pins of the ports that there are."""
    unknown = [port for port in module["ports"] if port not in pins]
    if unknown:
        raise UserError(f"{top} has a port {unknown[0]!r}, for which the board has no pin", where=board.name,
                        remedy=f"give the top the ports {', '.join(pins)} alone")
    return {port: pin for port, pin in pins.items() if port in module["ports"]}


def _for_others(work: Path, flow: Flow, board: Board, top: str, sources: Sequence[Path]) -> None:
    """Scripts for a vendor's tool, with all that they read beside them."""
    (work / "verilog").mkdir()
    for source in dict.fromkeys([*sources, *(memory for each in sources for memory in each.parent.glob("*.hex"))]):
        shutil.copyfile(source, work / "verilog" / source.name)
    for name, text in flow.extras(board, top).items():
        (work / name).write_text(text, encoding="utf-8")


def _budget(device: Device) -> dict[str, int]:
    return {"luts": device.luts, "block_rams": device.block_rams, "dsps": device.dsps}


def _check_size(board: Board, used: Resources) -> None:
    """Refuse what cannot fit before an hour is spent on placing it."""
    budget = _budget(board.device)
    needs = {"luts": used.luts_total, "block_rams": used.block_rams, "dsps": used.dsps}
    # No device here has fewer flip-flops than three for four lookup tables (Gowin); all others have one each.
    if any(needs[name] > budget[name] for name in needs):
        raise TooLarge(board, {**needs}, {**budget})


def _route(work: Path, flow: Flow, board: Board, top: str, clock_mhz: float, seeds: Sequence[int], jobs: int | None,
           progress: Step) -> tuple[tuple[Run, ...], int, Report]:
    """Place and route with every seed, several at once: the runs, and the best seed with its report."""
    shared = [*flow.place(board, top), "--json", "netlist.json", "--freq", f"{clock_mhz:g}", "--timing-allow-fail"]
    reports: dict[int, Report] = {}

    def run(seed: int) -> Run:
        # Each in a folder of its own: the tools name their outputs alike.
        place = work / f"seed-{seed}"
        place.mkdir()
        for name in ("netlist.json", f"{top}{flow.constraints_end}"):
            os.link(work / name, place / name)
        began = time.monotonic()
        log = work / f"seed-{seed}.log"
        for algorithm in flow.algorithms:
            chosen = ["--router", algorithm] if algorithm else []
            status = tools.run(flow.router, [*shared, *chosen, "--seed", str(seed), "--report", "report.json"], place,
                               log, _endless)
            if not status or _ENDLESS not in _reason(log, status):
                break
        seconds = round(time.monotonic() - began, 1)
        if status or not (place / "report.json").is_file():
            return Run(seed, None, seconds, _reason(log, status))
        reports[seed] = Report.of(json.loads((place / "report.json").read_text(encoding="utf-8")))
        return Run(seed, reports[seed].slowest_mhz, seconds)

    # The first call on a machine compiles the tool, which should happen once.
    tools.run(flow.router, ["--version"], work, work / "seed-0.log")
    (work / "seed-0.log").unlink()
    runs: dict[int, Run] = {}
    with ThreadPoolExecutor(max(1, min(jobs or os.cpu_count() or 1, len(seeds)))) as pool:
        waiting = [pool.submit(run, seed) for seed in dict.fromkeys(seeds)]
        progress(f"place and route, {len(waiting)} seeds", 1, len(seeds) + 2)
        for done in as_completed(waiting):
            finished = done.result()
            runs[finished.seed] = finished
            progress(f"place and route, {len(waiting)} seeds", 1 + len(runs), len(seeds) + 2)
    ordered = tuple(runs[seed] for seed in dict.fromkeys(seeds))
    if not reports:
        raise _failure(work, flow, board, ordered)
    best = max(reports, key=lambda seed: (reports[seed].slowest_mhz or math.inf, -seed))
    return ordered, best, reports[best]


def _endless(line: str) -> str | None:
    """Why a router will not end: it went round too often about the same few wires (of those that end, few need 200)."""
    found = re.search(r"\biter=(\d+)|^Info: +(\d+)\d{3} \|", line)  # router2's rounds, router1's thousands of arcs
    return f"{_ENDLESS} in {ROUNDS:,} rounds" if found and int(found[1] or found[2]) > ROUNDS else None


def _reason(log: Path, status: int) -> str:
    errors = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if "ERROR" in line]
    return errors[-1].partition("ERROR: ")[2].strip() if errors else f"it ended with status {status}"


def _failure(work: Path, flow: Flow, board: Board, runs: Sequence[Run]) -> UserError:
    """Why no seed came to a result: more is needed than there is, or something else."""
    first = work / f"seed-{runs[0].seed}.log"
    text = first.read_text(encoding="utf-8", errors="replace")
    with tempfile.NamedTemporaryFile("w", prefix=f"gatewright-{board.name}-", suffix=".log", encoding="utf-8",
                                     delete=False) as kept:
        kept.write(text)
    log, rows = Path(kept.name), utilisation(text)
    over = any(used > available for used, available in rows.values())
    reason = runs[0].failed or ""
    if rows and (over or "placement" in reason or "place cell" in reason or "BELs" in reason):
        counted = Report(rows, {}, ())
        needs = {name: counted.count(weights) for name, weights in flow.cells.items()}
        return TooLarge(board, needs, {**_budget(board.device)}, log)
    return UserError(f"place and route failed with {'every seed' if len(runs) > 1 else 'its seed'}: {reason}",
                     where=board.name, remedy=f"try other seeds or a larger folding; its log is {log}")


def _pack(work: Path, flow: Flow, board: Board, top: str, seed: int) -> None:
    place, log = work / f"seed-{seed}", work / "bitstream.log"
    status = tools.run(flow.packer, flow.pack(board, top), place, log)
    if status or not (place / f"{top}{flow.bitstream_end}").is_file():
        raise UserError(f"{flow.packer} made no bitstream: {_reason(log, status)}", where=board.name)
    shutil.move(place / f"{top}{flow.bitstream_end}", work / f"{top}{flow.bitstream_end}")
    shutil.move(place / "report.json", work / "timing.json")


def _result(board: Board, top: str, clock_mhz: float, flow: Flow, used: Resources, report: Report | None,
            runs: tuple[Run, ...], seed: int | None, seconds: dict[str, float]) -> Implementation:
    if report is None:
        counts: dict[str, float] = {"luts": used.luts_total, "block_rams": used.block_rams, "dsps": used.dsps}
    else:
        counts = {name: report.count(flow.cells.get(name, {})) for name in ("luts", "block_rams", "dsps")}
    versions = {tool: tools.version(tool) for tool in (flow.router, flow.packer) if tool}
    return Implementation(
        board=board.name, device=board.device.name, family=flow.family.name, top=top, clock_mhz=clock_mhz,
        luts=round(counts["luts"]), registers=used.registers, block_rams=counts["block_rams"], dsps=counts["dsps"],
        available=_budget(board.device), fmax_mhz=None if report is None else report.slowest_mhz,
        clocks_mhz={} if report is None else report.fmax_mhz, critical=None if report is None else report.critical,
        seed=seed, runs=runs, seconds=seconds, bitstream=None if seed is None else f"{top}{flow.bitstream_end}",
        files=(), tools={"yosys": used.yosys, **versions}, synthesis=used)


def _finished(work: Path, result: Implementation) -> Implementation:
    """Write the record, and leave none of the seeds' own folders."""
    for place in work.glob("seed-*"):
        if place.is_dir():
            shutil.rmtree(place)
    files = tuple(sorted({path.name for path in work.iterdir()} | {"implementation.json"}))
    result = replace(result, files=files)
    (work / "implementation.json").write_text(json.dumps(result.to_json(), indent=1) + "\n", encoding="utf-8")
    return result
