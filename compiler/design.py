"""The design as users meet it: what was compiled, and what can be done with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np

from ..boards.family import FAMILIES
from ..errors import UserError
from . import build
from .compiled import Compiled, Model, compile_model, load
from .folding import Choice
from .goal import read_goal
from .verify import Verification, verify

__all__ = ["Design", "Model", "compile", "load"]


class Design(Compiled):
    """A model mapped to hardware. Made by :func:`compile`, or read from a build folder by :meth:`open`."""

    def verify(self, x: np.ndarray, y: np.ndarray | None = None, *, seed: int = 0, **options) -> Verification:
        """Check QONNX = golden = RTL on every frame and boundary, and every predicted cycle.

        Parameters
        ----------
        x
            Frames ``[frames, …]``: integers are the accelerator's codes, floats are in the model's own units.
        y
            Labels ``[frames]``, for the accuracy.
        seed
            Of the random gaps and stalls.
        options
            As of :func:`.verify.verify`: ``files``, ``x_initial``, ``waves``, ``netlists``,
            ``progress``.

        Raises
        ------
        MismatchError
            If one integer or one cycle differs.
        UserError
            If the frames are not what the model takes.
        """
        x = np.asarray(x)
        codes = self.codes(x)
        if y is not None:
            self.check_labels(np.asarray(y))
        # Codes of the model's own first quantiser say less than the floats they came from.
        inputs = x if self.graph.spec.encoder is not None and x.dtype.kind == "f" else None
        return verify(self, codes, y, inputs=inputs, seed=seed, **options)

    def write(self, folder: str | Path, **options) -> Path:
        """Write the build folder, whole or not at all (:func:`.build.write`)."""
        return build.write(self, Path(folder), **options)

    @classmethod
    def open(cls, folder: str | Path) -> Design:
        """Read a build folder back: the same model with the same choices.

        Raises
        ------
        UserError
            If the folder is not a whole build of this version.
        """
        return cls._of(build.read(Path(folder)))

    @classmethod
    def _of(cls, compiled: Compiled) -> Design:
        return cls(**{field.name: getattr(compiled, field.name) for field in fields(Compiled)})


def compile(model: Model, *, folding: Sequence[Choice] | str | None = None, fps: float | None = None,
            clock: float = 50.0, luts: int | None = None, bram: int | None = None, dsp: int | None = None,
            board: str | None = None, family: str | None = None, top1: bool = False, lut: int | None = None,
            memory: str = "rom", engine: str = "auto", balance: bool | None = None,
            pipeline: str | Sequence[int] | None = None) -> Design:
    """Fold a model and size its FIFOs.

    Parameters
    ----------
    folding
        PE x SIMD for each layer in order (as ``"16x49,8x8"``). Without it and without a wish below, a frame takes at
        most ``folding.default_cycles``, on the fewest lanes.
    fps
        frames/s to reach at the clock, at the least cost (``boards.cost``).
    clock
        MHz.
    luts, bram, dsp
        At most so many lookup tables, memory blocks and multipliers, as estimated. Without ``fps``, the fastest
        folding that fits; with it, the cheapest that reaches it and fits.
    board
        A device or board (``boards.device``): its family and, where no number is given, its budget.
    family
        A device family, if there is no board. Costs are for the family of the goal (ECP5, or 7 series with ``lut`` 6,
        where only numbers are given), and two products share its multipliers where both fit (``hdl.mvu``).
    top1
        Append arg-max: the accelerator gives the class instead of the accumulators.
    lut
        Inputs of the target's lookup table, 4 or 6; by default those of the family, or 4.
    memory
        Where weights live: "rom" (in the unit), "streamed" (in a unit of their own) or "loadable" (a port takes new
        ones while the accelerator runs).
    engine
        What carries layers out, if there is no ``folding``: "auto", "dense", "static" or "eie" for all that can be,
        ``"fc0=eie,conv1=dense"`` for some (``engine.allowed``).
    balance
        Whether rows are dealt out to the elements of sparse engines so that all have about as much to do. By default
        where that helps, and costs nothing (``engine.balanced``).
    pipeline
        How short the paths between registers are in the units with weights, from 0 (as a rule) to 3, which costs
        registers and cycles of latency: ``"2"`` for all, ``"fc0=2,conv1=1"`` for some, or one number for each layer.

    Raises
    ------
    UserError
        If an option is out of range or does not fit the model, or no folding reaches what is asked for.
    """
    wished = [name for name, value in (("--fps", fps), ("--luts", luts), ("--bram", bram), ("--dsp", dsp))
              if value is not None]
    if folding is not None and wished:
        what = "a frame rate" if wished == ["--fps"] else "a budget"
        raise UserError(f"both a folding and {what} are given", where=f"--folding and {wished[-1]}",
                        remedy="give one of them")
    if folding is not None and engine != "auto":
        raise UserError("both a folding and an engine are given", where="--folding and --engine",
                        remedy="give one of them; a folding says the engine as in static:8x8 or eie:16x8x2")
    goal = read_goal(fps=fps, clock=clock, luts=luts, bram=bram, dsp=dsp, board=board, family=family, lut=lut)
    target = None if goal is None else FAMILIES[goal.family]
    if lut is None:
        lut = 4 if target is None else target.lut_inputs
    return Design._of(compile_model(model, folding=folding, goal=goal, clock=clock, top1=top1, lut=lut, memory=memory,
                                    multiplier=target and target.multiplier, engine=engine, balance=balance,
                                    pipeline=pipeline))
