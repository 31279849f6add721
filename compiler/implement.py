"""A design on a board: wrapped, synthesised, placed and routed, and made to fit and to reach its clock.

Where the clock is missed, the units with weights on the critical path are pipelined one degree deeper and all is done
again; schedules follow, so the design stays exact. What cannot be pipelined any more gets the clock that it reaches.

    DIR/boards/BOARD/
      core/                    the design as it is on the board, a build folder of its own: verify it like any
      top/                     the Verilog around it: the link, and what joins it to the board's pins
      NAME.bit, …              the bitstream, netlist, constraints and logs
      implementation.json      what it took, how fast it is, and what was changed on the way
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..atomic import replacing
from ..boards import catalogue
from ..boards.board import Board
from ..boards.implement import Implementation, TooLarge
from ..boards.implement import implement as place_and_route
from ..boards.pll import pll_for
from ..boards.top import BoardTop
from ..errors import UserError
from . import build
from .compiled import Compiled, compile_model
from .emit import convert_all
from .goal import check_clock
from .identity import IDENTITY_BYTES
from .pipelining import cut, deeper
from .refold import differences, refolded
from .uart_edge import emit_uart, link_of

__all__ = ["ATTEMPTS", "Implemented", "find_board", "implement", "record"]

ATTEMPTS = 8
"""How often a design is placed and routed at most; a clock is lowered three times at most."""
_LOWERED = 3
_FAR = 0.7
"""Below this share of the clock, a unit is pipelined two degrees deeper at once."""
_MARGIN = 0.97
"""Of what was reached, since another clock places the design anew."""
Step = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Implemented:
    """What is on a board: the design with its clock (MHz) and the link's rate (baud), what place and route made of it,
    and the changes that led there, each a sentence.
    """

    design: Compiled
    clock: float
    baud: int
    result: Implementation
    changes: tuple[str, ...]
    folder: Path

    def to_json(self) -> dict:
        """As ``implementation.json`` and ``report.json`` have it. Rates are frames/s, latency is in microseconds."""
        design, prediction = self.design, self.design.prediction
        link = link_of(design.dataflow, bytes(IDENTITY_BYTES), self.clock * 1e6, self.baud)
        return {**self.result.to_json(), "clock_mhz": self.clock, "baud": self.baud, "changes": list(self.changes),
                "folding": ",".join(map(str, design.folds)), "pipeline": list(design.pipelines),
                "interval": float(prediction.interval), "latency": prediction.latency,
                "fps": self.clock * 1e6 / float(prediction.interval), "latency_us": prediction.latency / self.clock,
                "bytes_in": link.bytes_in, "bytes_out": link.bytes_out,
                # 10 bits a byte; both directions at once, so the longer one counts. Framing takes a little more.
                "link_fps": self.baud / 10 / max(link.bytes_in, link.bytes_out)}


def implement(design: Compiled, board: Board, folder: Path, *, clock: float | None = None, baud: int = 1_000_000,
              seeds: Sequence[int] = (1, 2, 3, 4), jobs: int | None = None, fit: bool = False,
              progress: Step = lambda what, done, total: None) -> Implemented:
    """Implement a design on a board.

    Parameters
    ----------
    folder
        Where the results go; an earlier one is replaced at the end.
    clock
        MHz to reach, by default the design's own. Lowered if nothing else helps, which ``changes`` then says.
    baud
        Of the link.
    seeds, jobs
        As of :func:`..boards.implement.implement`.
    fit
        Whether a design that is too large is folded anew.

    Raises
    ------
    UserError
        If the design does not fit (the message says which layer to fold, and to what), a tool is missing or fails, or
        the board's PLL cannot make the clock.
    """
    check_clock(design.clock if clock is None else clock)
    run = _Run(design, board, _clock(board, design.clock if clock is None else clock), baud, seeds,
               jobs, fit, progress)
    with replacing(folder) as work:
        run.go(work)
        assert run.best is not None
        done = replace(run.best, changes=tuple(run.changes), folder=folder)
        shutil.copytree(work / ".best", work, dirs_exist_ok=True)
        shutil.rmtree(work / ".best")
        (work / "implementation.json").write_bytes(build.as_json(done.to_json()))
    return done


class _Run:
    """Attempts until the clock is reached. ``best`` is the last one that is to stay."""

    def __init__(self, design: Compiled, board: Board, clock: float, baud: int, seeds: Sequence[int],
                 jobs: int | None, fit: bool, progress: Step):
        self._design, self._board, self._clock, self._baud = design, board, clock, baud
        self._seeds, self._jobs, self._fit, self._progress = seeds, jobs, fit, progress
        self.best: Implemented | None = None
        self.changes: list[str] = []

    def go(self, work: Path) -> None:
        lowered = 0
        fastest: tuple[float, Compiled, list[str]] | None = None
        for attempt in range(ATTEMPTS):
            try:
                done = self._attempt(work, attempt)
            except TooLarge as error:
                self._smaller(error)
                continue
            result = done.result
            if result.meets is not False:
                return
            assert result.fmax_mhz is not None
            if fastest is None or result.fmax_mhz > fastest[0]:
                fastest = result.fmax_mhz, self._design, list(self.changes)
            if not lowered and attempt < ATTEMPTS - 1 - _LOWERED and self._shortened(result):
                continue
            if lowered == _LOWERED:
                break
            lowered += 1
            reached = result.fmax_mhz
            if lowered == 1:
                # Back to the best of all that was tried; what came after it did not help.
                reached, self._design, self.changes = fastest
            self._lower(_MARGIN * reached)
        raise UserError("no clock was found that the design reaches", where=self._board.name,
                        remedy="ask for a lower one with --clock, or try more --seeds")

    def _attempt(self, work: Path, number: int) -> Implemented:
        design, board, name = self._design, self._board, self._design.name
        place = work / ".best"
        _keep_logs(place, work / f"attempt-{number}")
        shutil.rmtree(place, ignore_errors=True)
        build.write(design, work / ".core")
        (work / ".top").mkdir(exist_ok=True)
        identity = bytes.fromhex(build.description_of(work / ".core")["identity"])
        texts = emit_uart(design.dataflow, name, identity, self._clock * 1e6, self._baud)
        top = f"{name}_{board.name.replace('-', '_')}"
        texts[f"{top}.v"] = convert_all([(top, BoardTop(f"{name}_uart", board, self._clock), None)])[top]
        # The core's own files: a build's rtl/ holds its edges for buses, too.
        sources = [work / ".core" / "rtl" / file for file in sorted(design.rtl()) if file.endswith(".v")]
        for file, text in texts.items():
            (work / ".top" / file).write_text(text, encoding="utf-8")
            sources.append(work / ".top" / file)

        def step(what: str, done: int, total: int) -> None:
            self._progress(f"attempt {number + 1}: {what} at {self._clock:g} MHz", done, total)

        result = place_and_route(sources, top, board, self._clock, place, seeds=self._seeds, jobs=self._jobs,
                                 progress=step)
        (work / ".core").rename(place / "core")
        (work / ".top").rename(place / "top")
        self.best = Implemented(design, self._clock, self._baud, result, (), place)
        return self.best

    def _shortened(self, result: Implementation) -> bool:
        """Cut the critical path: within a layer's unit by pipelining it, between units by registers; False if it can
        be neither.
        """
        if result.critical is None:
            return False
        design = self._design
        units = result.critical.among({stage.name for stage in design.dataflow.stages})
        said = f"{result.fmax_mhz:.1f} MHz, and the critical path "
        behind = cut(design.dataflow, units)
        if behind is not None:
            self.changes.append(f"registers behind {behind}: {said}runs through {' and '.join(units)}")
            self._design = recompiled(design, design.pipelines, (*design.slices, behind))
            return True
        assert result.fmax_mhz is not None
        found = deeper(design.dataflow, design.pipelines, units, 2 if result.fmax_mhz < _FAR * self._clock else 1)
        if found is None:
            return False
        self.changes.append(f"{' and '.join(units)} pipelined deeper: {said}lies there")
        self._design = recompiled(design, found, design.slices)
        return True

    def _lower(self, reached: float) -> None:
        """Take the clock that is reached."""
        clock = _below(self._board, reached)
        self.changes.append(f"clock lowered from {self._clock:g} to {clock:g} MHz: more is not reached")
        self._clock = clock

    def _smaller(self, error: TooLarge) -> None:
        """Fold anew what is too large, or say how."""
        try:
            smaller = refolded(self._design, self._board.device.family.name, error.needs, error.budget)
        except UserError as reason:
            raise UserError(f"{error.what}, and {reason.what}", where=self._board.name,
                            remedy="take a larger board") from None
        moves = [f"{name} from {old} to {new}" for name, old, new in differences(self._design, smaller)]
        if not self._fit:
            folding = ",".join(map(str, smaller.folds))
            raise UserError(error.what, where=self._board.name,
                            remedy=f"fold {' and '.join(moves)}: build it with --folding {folding}, or say --fit")
        self.changes.append(f"folded {', '.join(moves)}: {error.what}")
        self._design = smaller


def _keep_logs(attempt: Path, folder: Path) -> None:
    """The logs of an attempt that another one follows, in a folder of its own."""
    for log in attempt.glob("*.log"):
        folder.mkdir(exist_ok=True)
        log.rename(folder / log.name)


def _clock(board: Board, wanted: float) -> float:
    """What the board's PLL makes of the clock that is asked for, in MHz."""
    pll = pll_for(board, wanted)
    return float(board.clock_mhz if pll is None else pll.output_mhz)


def _below(board: Board, mhz: float) -> float:
    """The fastest clock, in steps of a quarter of a megahertz, that is no faster than what was reached."""
    for quarters in range(math.floor(4 * mhz), 0, -1):
        try:
            clock = _clock(board, quarters / 4)
        except UserError:
            continue
        if clock <= mhz:
            return clock
    raise UserError(f"its PLL makes no clock as low as the {mhz:.1f} MHz that are reached", where=board.name,
                    remedy="take another board, or fold the layers more")


def recompiled(design: Compiled, pipelines: Sequence[int], slices: Sequence[str]) -> Compiled:
    """The same design with other degrees of pipelining and register slices; FIFOs are sized anew."""
    return replace(compile_model(design.model, folding=design.folds, clock=design.clock, top1=design.top1,
                                 lut=design.lut, memory=design.memory, multiplier=design.multiplier,
                                 lanes=design.lanes, pipeline=pipelines, slices=slices),
                   goal=design.goal, status=design.status)


def find_board(name: str) -> Board:
    """The board of that name. Raises ``UserError``, with those that there are, if there is none."""
    board = catalogue.find_board(name)
    if board is None:
        raise UserError(f"no board is called {name!r}", where="--board",
                        remedy=f"say one of {', '.join(catalogue.BOARDS)}")
    return board


def record(folder: Path, done: Implemented) -> dict:
    """What ``report.json`` says of all boards, with this one's entry new."""
    return {**build.report_of(folder).get("boards", {}), done.result.board: done.to_json()}
