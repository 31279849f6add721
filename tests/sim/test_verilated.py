"""The runner against small hand-written designs: every integer, every cycle, and every way to fail."""

import multiprocessing
import os
import re
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.errors import UserError
from gatewright.sim import patterns, toolchain, verilate, verilated
from gatewright.sim.verilated import Sources, Tap

PORTS = """input clk, input rst,
    input [{i}-1:0] i__payload, input i__valid, output i__ready,
    output [{o}-1:0] o__payload, output o__valid, input o__ready"""

STAGE = """
module stage #(parameter N = 8) (
    input clk, input rst, input [N-1:0] in, input in_valid, output in_ready,
    output reg [N-1:0] out, output reg out_valid = 0, input out_ready);
    assign in_ready = !out_valid | out_ready;
    always @(posedge clk) begin
        if (in_ready) begin out <= in; out_valid <= in_valid; end
        if (rst) out_valid <= 0;
    end
endmodule
"""


def pipeline(bits):
    """Two elastic stages; the stream between them is the tap ``mid``."""
    ports = PORTS.format(i=bits, o=bits)
    return Sources({"top.v": f"""module top({ports});
    wire [{bits}-1:0] mid_payload; wire mid_valid, mid_ready;
    stage #({bits}) a(clk, rst, i__payload, i__valid, i__ready, mid_payload, mid_valid, mid_ready);
    stage #({bits}) b(clk, rst, mid_payload, mid_valid, mid_ready, o__payload, o__valid, o__ready);
endmodule""".encode(), "stage.v": STAGE.encode()})


def fifo(depth):
    """A first-word-fall-through FIFO of eight bits between the taps ``a`` and ``b``."""
    return Sources({"top.v": f"""module top({PORTS.format(i=8, o=8)});
    reg [7:0] memory [0:{depth - 1}];
    integer head = 0, level = 0;
    wire [7:0] a_payload = i__payload; wire a_valid = i__valid; wire a_ready = level < {depth};
    wire [7:0] b_payload = memory[head]; wire b_valid = level > 0; wire b_ready = o__ready;
    assign i__ready = a_ready, o__payload = b_payload, o__valid = b_valid;
    wire put = a_valid & a_ready, get = b_valid & b_ready;
    always @(posedge clk) begin
        if (put) memory[(head + level) % {depth}] <= a_payload;
        if (get) head <= (head + 1) % {depth};
        level <= level + {{31'b0, put}} - {{31'b0, get}};
        if (rst) begin head <= 0; level <= 0; end
    end
endmodule""".encode()})


def combinational(body, bits=8):
    return Sources({"top.v": f"""module top({PORTS.format(i=bits, o=bits)});
    assign i__ready = o__ready, o__valid = i__valid;
    {body}
endmodule""".encode()})


def words_of(bits, count, seed=0):
    words = np.random.default_rng(seed).integers(0, 256, (count, -(-bits // 8)), dtype=np.uint8)
    words[:, -1] &= (1 << ((bits - 1) % 8 + 1)) - 1
    return words


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def build(cache):
    def build(sources, taps=(), **options):
        return verilated.build(sources, "top", taps, cache=cache, **options)
    return build


def model(offers, accepts, words, stages):
    """The elastic pipeline in five lines: transfer cycles of the input and the output."""
    full, into, out, held, cycle = [False] * stages, [], [], False, 0
    while len(out) < words:
        valid = held or (len(into) < words and bool(offers[cycle % len(offers)]))
        ready = [bool(accepts[cycle % len(accepts)])]
        for stage in reversed(full):
            ready.insert(0, not stage or ready[0])
        out += [cycle] * (full[-1] and ready[-1])
        into += [cycle] * (valid and ready[0])
        held = valid and not ready[0]
        full = [before if go else now for before, now, go in zip([valid, *full], full, ready, strict=False)]
        cycle += 1
    return into, out


@pytest.mark.parametrize("bits", [1, 8, 9, 33, 64, 200, 10_001])
def test_payloads_of_every_width_arrive_whole_at_every_boundary(build, bits):
    library = build(pipeline(bits), [Tap("mid", bits)])
    assert (library.input_bits, library.output_bits) == (bits, bits)
    words = words_of(bits, 100)
    with library.open() as simulation:
        run = simulation.run(words, 100, offers=patterns.offers(bits), accepts=patterns.accepts(bits),
                             max_cycles=100_000, capture=["i", "mid"], settle=20)
    assert run.finished
    assert run.unstable == {}
    assert run.counts == {"i": 100, "mid": 100, "o": 100}
    for name in ("i", "mid", "o"):
        assert (run.words[name] == words).all()


@settings(deadline=None, max_examples=50)
@given(offers=st.lists(st.integers(0, 1), min_size=1, max_size=40).filter(any),
       accepts=st.lists(st.integers(0, 1), min_size=1, max_size=40).filter(any), count=st.integers(0, 60))
def test_every_transfer_is_in_the_cycle_that_the_contract_says(pipeline_library, offers, accepts, count):
    offers, accepts = np.array(offers, dtype=np.uint8), np.array(accepts, dtype=np.uint8)
    with pipeline_library.open() as simulation:
        run = simulation.run(words_of(8, count), count, offers=offers, accepts=accepts, max_cycles=10_000,
                             times=["i", "o"], queues=[("i", "o")])
    into, out = model(offers, accepts, count, 2)
    assert run.times["i"].tolist() == into
    assert run.times["o"].tolist() == out
    assert run.cycles == (out[-1] + 1 if out else 0)
    level = np.array([sum(t <= now for t in into) - sum(t <= now for t in out) for now in range(run.cycles)], dtype=int)
    assert run.peaks == (level.max(initial=0),)


@pytest.fixture(scope="module")
def pipeline_library(cache):
    return verilated.build(pipeline(8), "top", [Tap("mid", 8)], cache=cache)


def test_patterns_continue_over_runs_and_restart_with_a_reset(pipeline_library):
    words, offers, accepts = words_of(8, 64), patterns.offers(3), patterns.accepts(3)
    options = {"offers": offers, "accepts": accepts, "max_cycles": 10_000, "times": ["i", "o"]}
    with pipeline_library.open() as simulation:
        whole = simulation.run(words, 64, **options)
        simulation.reset()
        parts = [simulation.run(words[k : k + 16], 16, **options) for k in range(0, 64, 16)]
        assert [part.first_cycle for part in parts] == [0, *np.cumsum([part.cycles for part in parts])[:-1]]
        assert (np.concatenate([part.outputs for part in parts]) == words).all()
        simulation.reset()
        again = simulation.run(words, 64, **options)
    assert again.first_cycle == whole.first_cycle == 0
    for port in ("i", "o"):
        assert (again.times[port] == whole.times[port]).all()


@pytest.mark.parametrize("x_initial", ["fast", "unique"])
def test_reset_in_mid_frame_changes_nothing_afterwards(build, x_initial):
    library = build(pipeline(8), [Tap("mid", 8)], x_initial=x_initial)
    words = words_of(8, 20)
    for seed in range(5):
        with library.open(seed=seed) as simulation:
            cut = simulation.run(words, 20, max_cycles=7)
            assert not cut.finished
            assert cut.cycles == 7
            assert cut.counts == {"i": 7, "mid": 6, "o": 5}
            with pytest.raises(ValueError, match="reset the simulation before the next run"):
                simulation.run(words, 20, max_cycles=100)
            simulation.reset(cycles=1)
            run = simulation.run(words, 20, max_cycles=100)
            assert (run.outputs == words).all()


def test_unique_starts_undefined_registers_with_bits_of_the_seed(build):
    source = combinational("reg [7:0] never; always @(posedge clk) if (0) never <= 1; assign o__payload = never;")
    seen = {}
    library = build(source, x_initial="unique")
    for seed in (0, 1, 2, 3, 0, 1, 2, 3):
        with library.open(seed=seed) as simulation:
            value = int(simulation.run(words_of(8, 1), 1, max_cycles=10).outputs[0, 0])
            assert seen.setdefault(seed, value) == value
    assert len(set(seen.values())) > 1
    zeros = build(source)
    assert zeros.path == library.path
    with zeros.open(seed=1) as simulation:
        assert simulation.run(words_of(8, 1), 1, max_cycles=10).outputs[0, 0] == 0


@pytest.mark.parametrize("depth", [1, 4, 10])
def test_the_peak_of_a_fifo_is_its_largest_level(build, depth):
    library = build(fifo(depth), [Tap("a", 8), Tap("b", 8)])
    words, never = words_of(8, 200), np.array([0] * 30 + [1] * 30, dtype=np.uint8)
    with library.open() as simulation:
        free = simulation.run(words, 200, max_cycles=1000, queues=[("a", "b")])
        assert free.peaks == (1,)
        full = simulation.run(words, 200, accepts=never, max_cycles=10_000, queues=[("a", "b"), ("i", "o")])
        assert full.peaks == (depth, depth)
        assert (full.outputs == words).all()


def test_a_memory_file_is_read_wherever_the_process_runs(build, tmp_path, monkeypatch):
    contents = np.random.default_rng(5).integers(0, 256, 256)
    memory = "".join(f"{value:02x}\n" for value in contents).encode()
    body = """reg [7:0] rom [0:255]; initial $readmemh("rom.hex", rom); assign o__payload = rom[i__payload];"""
    sources = combinational(body)
    library = build(Sources({**sources.files, "rom.hex": memory}))
    monkeypatch.chdir(tmp_path)
    words = np.arange(256, dtype=np.uint8)[:, None]
    with library.open() as simulation:
        assert (simulation.run(words, 256, max_cycles=1000).outputs[:, 0] == contents).all()
    other = build(Sources({**sources.files, "rom.hex": memory.replace(b"7", b"8")}))
    assert other.path != library.path
    missing = build(sources)
    with pytest.raises(UserError, match=r"the simulation stopped: .*rom\.hex"):
        missing.open()


def changed(sources, *changes, tail=""):
    """The sources with texts of the top module replaced, and declarations added to its end."""
    top = sources.files["top.v"].decode()
    for before, after in changes:
        assert before in top
        top = top.replace(before, after)
    return Sources({**sources.files, "top.v": top.replace("endmodule", f"{tail}\nendmodule").encode()})


def test_a_hang_ends_with_the_counts_of_every_boundary(build):
    stuck = changed(pipeline(8), ("mid_valid, mid_ready, o__", "mid_valid & (seen < 5), mid_ready, o__"),
                    tail="integer seen = 0; always @(posedge clk) if (mid_valid & mid_ready) seen <= seen + 1;")
    with build(stuck, [Tap("mid", 8)]).open() as simulation:
        run = simulation.run(words_of(8, 20), 20, max_cycles=500)
    assert not run.finished
    assert run.cycles == 500
    assert run.counts == {"i": 20, "mid": 20, "o": 5}


def test_surplus_words_are_seen_while_settling(build):
    """A design that gives a fourth word once it has seen three."""
    counter = """integer n = 0; wire surplus = n == 3 & !i__valid;
    always @(posedge clk) if (rst) n <= 0; else if (o__valid & o__ready) n <= n + 1;"""
    surplus = changed(combinational("assign o__payload = 8'h55;"), ("= i__valid", "= i__valid | surplus"), tail=counter)
    with build(surplus).open() as simulation:
        run = simulation.run(words_of(8, 3), 3, max_cycles=100, settle=10)
    assert run.finished
    assert len(run.outputs) == 4


@pytest.mark.parametrize("fault", ["o__payload = i__payload ^ {7'b0, tick}", "o__payload = i__payload"])
def test_a_word_that_changes_or_goes_while_stalled_is_reported(build, fault):
    body = f"reg tick = 0; always @(posedge clk) tick <= ~tick & ~rst; assign {fault};"
    sources = combinational(body)
    if "tick}" not in fault:
        sources = changed(sources, ("= i__valid", "= i__valid & tick"), ("= o__ready", "= o__ready & tick"))
    accepts = np.array([1, 1, 1, 0, 0, 1, 1, 1], dtype=np.uint8)
    with build(sources).open() as simulation:
        fine = simulation.run(words_of(8, 10), 10, max_cycles=100)
        assert fine.unstable == {}
        simulation.reset()
        run = simulation.run(words_of(8, 10), 10, accepts=accepts, max_cycles=100)
    assert run.unstable == {"o": 4}


def test_a_unit_that_looks_at_a_payload_without_valid_is_caught(build):
    body = "reg [7:0] last; always @(posedge clk) last <= i__payload; assign o__payload = last;"
    words = np.full((20, 1), 7, dtype=np.uint8)
    with build(combinational(body)).open() as simulation:
        run = simulation.run(words, 20, offers=np.array([1, 0], dtype=np.uint8), max_cycles=1000)
    assert (run.outputs != 7).any()


def test_waves_are_written(build, tmp_path):
    library = build(pipeline(8), [Tap("mid", 8)], waves=True)
    assert library.waves in ("fst", "vcd")
    with library.open() as simulation:
        plain = simulation.run(words_of(8, 20), 20, max_cycles=100)
        assert plain.waves is None
        for name in ("first", "second"):
            run = simulation.run(words_of(8, 20), 20, max_cycles=100, waves=tmp_path / f"{name}.any")
            assert run.waves == tmp_path / f"{name}.{library.waves}"
            assert run.waves.stat().st_size > 500
            if library.waves == "vcd":
                assert "mid_payload" in run.waves.read_text()
                assert len(re.findall(r"^#\d+", run.waves.read_text(), re.MULTILINE)) >= 2 * run.cycles
        with pytest.raises(UserError, match="cannot write"):
            simulation.run(words_of(8, 20), 20, max_cycles=100, waves=tmp_path / "absent" / "x")
        simulation.reset()
        assert simulation.run(words_of(8, 20), 20, max_cycles=100).finished


def test_waves_need_their_build(pipeline_library, tmp_path):
    with pipeline_library.open() as simulation, pytest.raises(ValueError, match="built with waves=True"):
        simulation.run(words_of(8, 1), 1, max_cycles=10, waves=tmp_path / "x")


def test_the_second_build_calls_neither_verilator_nor_the_compiler(build, monkeypatch):
    first = build(pipeline(8), [Tap("mid", 8)])
    commands = []

    def run(command, **options):
        commands.append(command[1:])
        return original(command, **options)

    original = toolchain.run
    monkeypatch.setattr(toolchain, "run", run)
    begin = time.perf_counter()
    assert build(pipeline(8), [Tap("mid", 8)]) == first
    assert time.perf_counter() - begin < 1
    assert commands == [["--version"], ["--version"]]
    assert build(pipeline(8), []).path != first.path
    assert len(commands) > 4


def _build_and_run(cache, barrier, results):
    barrier.wait()
    with verilated.build(pipeline(13), "top", [Tap("mid", 13)], cache=cache).open() as simulation:
        results.put(bool((simulation.run(words_of(13, 50), 50, max_cycles=1000).outputs == words_of(13, 50)).all()))


def test_processes_that_build_the_same_design_at_once_agree(cache, pipeline_library):
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(2), context.Queue()
    processes = [context.Process(target=_build_and_run, args=(cache, barrier, results)) for _ in range(2)]
    for process in processes:
        process.start()
    assert [results.get(timeout=60) for _ in processes] == [True, True]
    for process in processes:
        process.join()
    assert not list((cache / "designs").glob("making-*"))


def test_entries_that_nobody_uses_are_forgotten(build, pipeline_library):
    kept = pipeline_library.path.parent
    abandoned = kept.parent / "making-killed"
    abandoned.mkdir()
    long_ago = time.time() - 40 * 86400
    for entry in (abandoned, kept):
        os.utime(entry, (long_ago, long_ago))
    build(pipeline(8), [Tap("mid", 8)])  # used
    build(pipeline(5), [Tap("mid", 5)])  # a new entry: now the old go
    assert kept.is_dir()
    assert not abandoned.exists()


@pytest.mark.parametrize(("change", "message"), [
    (("stage #(8) b", "stoge #(8) b"), r"Verilator refuses the design: .*top\.v:6:5: .*'stoge'"),
    (("mid_valid, mid_ready;", "mid_valid, mid_ready"), r"Verilator refuses the design: .*top\.v:4:.*syntax error"),
    (("wire [8-1:0] mid_payload", "wire [6:0] mid_payload"), r"signal mid_payload must be 8 bits wide, but has 7"),
    (("mid_valid", "mad_valid"), r".*mid_valid"),
    (("input i__valid", "input [1:0] i__valid"), r"port i__valid must be 1 bits wide, but has 2"),
    (("i__", "x__"), r"port i__valid must be 1 bits wide, but is not there"),
], ids=["module", "syntax", "width", "tap", "port width", "no port"])
def test_bad_verilog_is_one_line_that_names_the_place(build, change, message):
    broken = changed(pipeline(8), change)
    with pytest.raises(UserError, match=f"^top: {message}") as error:
        build(broken, [Tap("mid", 8)])
    assert "\n" not in str(error.value)


def test_a_missing_compiler_is_named(build, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"^g\+\+ is not on PATH.*apt-get install g\+\+"):
        build(pipeline(8))


def test_a_failing_compiler_gives_its_first_error(build, monkeypatch, tmp_path):
    fake = tmp_path / "g++"
    fake.write_text('#!/bin/sh\n[ "$1" = --version ] && exec echo g++ 99\n'
                    'echo "x.cc:1: fatal error: no memory" >&2\nexit 1\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(UserError, match=r"^g\+\+: the compiler failed on the simulation's C\+\+: x\.cc:1: fatal error"):
        build(pipeline(8))


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("GATEWRIGHT_CACHE", str(tmp_path / "chosen"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert verilate.cache_folder() == tmp_path / "chosen"
    monkeypatch.delenv("GATEWRIGHT_CACHE")
    assert verilate.cache_folder() == tmp_path / "xdg" / "gatewright"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert verilate.cache_folder() == Path.home() / ".cache" / "gatewright"


def test_a_cache_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="the cache cannot be written: Not a directory; set GATEWRIGHT_CACHE"):
        verilated.build(pipeline(8), "top", cache=tmp_path / "file")


def test_arguments_are_checked(pipeline_library, build):
    with pytest.raises(ValueError, match="x_initial must be 'fast' or 'unique', not 'zero'"):
        build(pipeline(8), x_initial="zero")
    with pytest.raises(ValueError, match="taps must have distinct names"):
        build(pipeline(8), [Tap("mid", 8), Tap("mid", 8)])
    for name in ("a__b", "i", "o", "a.b", "_x", ""):
        with pytest.raises(ValueError, match="tap name must be"):
            Tap(name, 8)
    with pytest.raises(ValueError, match="bits of tap 'x' must be a positive integer, not 0"):
        Tap("x", 0)
    with pytest.raises(ValueError, match="source file must have a plain name"):
        Sources({"../x.v": b""})
    with pipeline_library.open() as simulation:
        good = words_of(8, 4)
        for bad in (good.astype(np.int64), good[:, 0], np.zeros((4, 2), dtype=np.uint8)):
            with pytest.raises(ValueError, match=r"words must be uint8\[n, 1\], not "):
                simulation.run(bad, 4, max_cycles=10)
        for bad in (np.array([2], dtype=np.uint8), np.array([1]), np.empty(0, dtype=np.uint8)):
            with pytest.raises(ValueError, match="offers must be a uint8 array of 0 and 1"):
                simulation.run(good, 4, max_cycles=10, offers=bad)
        with pytest.raises(ValueError, match="boundary must be one of i, o, mid, not 'mad'"):
            simulation.run(good, 4, max_cycles=10, capture=["mad"])
        with pytest.raises(ValueError, match="must not be negative"):
            simulation.run(good, -1, max_cycles=10)
        with pytest.raises(ValueError, match="cycles of reset must be a positive integer, not 0"):
            simulation.reset(0)
    with pytest.raises(ValueError, match="the simulation is closed"):
        simulation.run(good, 4, max_cycles=10)
    with build(pipeline(7)).open() as simulation, pytest.raises(ValueError, match="bits above the 7"):
        simulation.run(np.array([[128]], dtype=np.uint8), 1, max_cycles=10)


def test_a_design_that_ends_the_simulation_does_not_end_python(build):
    for statement, message in (("$finish", r"\$finish"), ("$stop", r"\$stop")):
        body = f"assign o__payload = i__payload; always @(posedge clk) if (i__valid) {statement};"
        with build(combinational(body)).open() as simulation, pytest.raises(UserError, match=f"stopped: .*{message}"):
            simulation.run(words_of(8, 1), 1, max_cycles=10)


def test_two_simulations_of_one_library_are_independent(pipeline_library):
    with pipeline_library.open() as one, pipeline_library.open() as two:
        one.run(words_of(8, 9), 9, max_cycles=3)
        assert (two.run(words_of(8, 5), 5, max_cycles=100).outputs == words_of(8, 5)).all()


def test_no_compiler_warning_and_the_precompiled_header_is_used(cache, monkeypatch):
    seen = []

    def run(command, **options):
        done = original([*command, *(["-Wall", "-Winvalid-pch"] if "-c" in command else [])], **options)
        seen.append(done.stderr)
        return done

    original = toolchain.run
    monkeypatch.setattr(toolchain, "run", run)
    for waves in (False, True):
        verilated.build(pipeline(21), "top", [Tap("mid", 21)], waves=waves, cache=cache)
    assert not [text for text in seen if "harness.cpp" in text or "invalid-pch" in text]
