"""From Verilog to a loadable library: Verilator and g++, with everything compiled once kept in a cache by content.

Three things make a build take about a second where ``verilator --build`` takes twelve: Verilator's runtime and the
precompiled header are compiled once for all designs, a small design is one translation unit, and a design already built
(same sources, memories, harness, options and tools) is not built at all. The cache is ``GATEWRIGHT_CACHE``, else
``$XDG_CACHE_HOME/gatewright``, else ``~/.cache/gatewright``. Entries appear by rename, so concurrent builds are safe.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..errors import UserError
from . import toolchain
from .sources import Sources, Tap

__all__ = ["cache_folder", "verilate"]

# What Yosys' Verilog, as Amaranth emits it, trips over by design; anything else that Verilator warns of is an error.
_WAIVED = ("CASEINCOMPLETE", "CASEOVERLAP", "CMPCONST", "UNOPTFLAT", "UNSIGNED", "WIDTHEXPAND", "WIDTHTRUNC")
# And what cells and their models do: unused pins, timing, contents of memories set by non-blocking assignments.
_WAIVED_WITH_LIBRARIES = ("INITIALDLY", "PINMISSING", "SPECIFYIGN")
# Functions are split where g++ would take minutes: its time rises faster than their length.
# Whether what is undefined is zero or random is chosen when a simulation is opened, so one build serves both.
_VERILATOR_FLAGS = ("--cc", "--prefix", "V", "--no-timing", "-O3", "--x-initial", "unique", "--x-assign", "unique",
                    "--output-split", "20000", "--output-split-cfuncs", "5000", *(f"-Wno-{lint}" for lint in _WAIVED))
# -fno-gnu-unique: else inline statics would be shared among all libraries of the process.
_CXX_FLAGS = ("-std=c++20", "-fPIC", "-fvisibility=hidden", "-fno-gnu-unique", "-DVL_TIME_CONTEXT", "-DVERILATOR=1",
              "-DVL_USER_FATAL", "-DVL_USER_WARN", "-DVL_USER_FINISH", "-DVM_COVERAGE=0", "-DVM_SC=0", "-DVM_TIMING=0",
              "-DVM_TRACE=0")  # unused by the runtime and by Verilator's output; waves are told to the harness alone
_SMALL = 300_000  # bytes of generated C++ that one translation unit takes in about two seconds
_LARGE = 8_000_000  # beyond this, the optimiser's time outweighs what it saves
# Bytes of Verilog beyond which Verilator's data-flow optimiser makes the C++ larger; below, it makes it faster.
_DFG_LIMIT = 2_000_000
_KEEP_DAYS = 30


def cache_folder() -> Path:
    """Return the folder of everything that is kept between runs (made on first use)."""
    if chosen := os.environ.get("GATEWRIGHT_CACHE"):
        return Path(chosen).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache") / "gatewright"


def verilate(sources: Sources, top: str, taps: Sequence[Tap], *, waves: str, cache: Path, quick: bool = False,
             harness: str = "harness.cpp") -> Path:
    """Return the folder that holds the design's ``lib.so`` and ``ports.txt`` (bits of the input and output payloads).

    ``waves`` is ``""``, ``"fst"`` or ``"vcd"``; ``quick`` as of :func:`.verilated.build`. The ``harness`` is the C++
    around it: "harness.cpp" for streams, "board.cpp" for a serial port.

    Raises
    ------
    UserError
        If a tool is missing, Verilator or g++ refuses the design, or a port or tap is not there as declared.
    """
    compiler = toolchain.tool("g++")
    tools = (toolchain.verilator_version(), toolchain.tool_version(compiler), platform.machine())
    around = Path(__file__).with_name(harness).read_bytes()
    design_key = _digest(*tools, around, top, waves, *_VERILATOR_FLAGS, *_CXX_FLAGS, str(cache),
                         *(f"{tap.name}:{tap.bits}{'' if tap.ready else ':always'}" for tap in taps),
                         *(["quick"] if quick else []),
                         *(part for name, data in sorted(sources.files.items()) for part in (name, data)),
                         *(part for name, data in sorted(sources.libraries.items()) for part in ("-v", name, data)))
    final = cache / "designs" / design_key

    def make_design(folder: Path) -> None:
        base = _entry(cache / "runtime" / _digest(*tools, *_CXX_FLAGS), lambda it: _compile_runtime(it, compiler))
        runtime = [base]
        if waves:
            runtime.append(_entry(cache / "runtime" / _digest(*tools, *_CXX_FLAGS, waves),
                                  lambda it: _compile_waves(it, compiler, base, waves)))
        _verilate(folder, final, sources, top, taps, waves)
        ports = _bind(folder / "cpp", top, taps) if harness == "harness.cpp" else _bind_serial(folder / "cpp", top)
        (folder / "cpp" / harness).write_bytes(around)
        _compile_design(folder / "cpp", compiler, runtime, waves, quick)
        (folder / "cpp" / "lib.so").rename(folder / "lib.so")
        (folder / "ports.txt").write_text("".join(f"{bits}\n" for bits in ports))
        shutil.rmtree(folder / "cpp")

    return _entry(final, make_design)


def trace_format(compiler: Path, cache: Path) -> str:
    """Return ``"fst"`` if the headers that Verilator's FST writer needs (lz4, zlib) are there, else ``"vcd"``."""

    def probe(folder: Path) -> None:
        (folder / "probe.cpp").write_text("#include <lz4.h>\n#include <zlib.h>\n"
                                          "int main() { return LZ4_versionNumber() == 0 || !zlibVersion(); }\n")
        done = toolchain.run([str(compiler), "probe.cpp", "-o", "probe", "-llz4", "-lz"], cwd=folder)
        (folder / "format").write_text("vcd" if done.returncode else "fst")

    # Not kept for long: somebody may install the headers.
    key = _digest(toolchain.tool_version(compiler), "waves", str(int(time.time()) // 3600))
    return (_entry(cache / "runtime" / key, probe) / "format").read_text()


def _digest(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()[:32]


def _entry(final: Path, make: Callable[[Path], None]) -> Path:
    """Return the cache entry, made in a temporary folder beside it and renamed if it is not there yet."""
    if final.is_dir():
        os.utime(final)
        return final
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"the cache cannot be written: {error.strerror}", where=str(final.parent),
                        remedy="set GATEWRIGHT_CACHE to a folder that can be") from error
    with tempfile.TemporaryDirectory(prefix="making-", dir=final.parent, ignore_cleanup_errors=True) as temporary:
        made = Path(temporary) / "entry"
        made.mkdir()
        make(made)
        try:
            made.rename(final)
        except OSError:  # somebody else was faster: what they made is the same
            if not final.is_dir():
                raise
    _forget_old(final.parent)
    return final


def _forget_old(folder: Path) -> None:
    """Remove entries, and the left-overs of killed builds, that nobody used for ``_KEEP_DAYS`` days."""
    oldest = time.time() - _KEEP_DAYS * 86400
    for entry in folder.iterdir():
        try:
            if entry.stat().st_mtime < oldest:
                shutil.rmtree(entry, ignore_errors=True)
        except FileNotFoundError:  # another process forgot it first
            continue


def _cxx(compiler: Path) -> list[str]:
    include = toolchain.verilator_root() / "include"
    return [str(compiler), *_CXX_FLAGS, "-isystem", str(include), "-isystem", str(include / "vltstd")]


def _in_parallel(commands: Sequence[list[str]], folder: Path) -> None:
    """Run the compiler's commands on all processors; the first that fails becomes the error."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for command, done in zip(commands, pool.map(lambda it: toolchain.run(it, cwd=folder), commands), strict=True):
            if done.returncode:
                lines = [line for line in done.stderr.splitlines() if "error" in line.lower()]
                raise UserError(f"the compiler failed on the simulation's C++: {(lines or [done.stderr])[0]}",
                                where=Path(command[0]).name, remedy="free memory or report this with the design")


def _compile_runtime(folder: Path, compiler: Path) -> None:
    include = toolchain.verilator_root() / "include"
    shutil.copy(include / "verilated.h", folder / "prefix.h")
    cxx = _cxx(compiler)
    _in_parallel([[*cxx, "-O1", "-c", str(include / f"{name}.cpp"), "-o", f"{name}.o"]
                  for name in ("verilated", "verilated_threads")]
                 + [[*cxx, "-O2", "-x", "c++-header", "prefix.h", "-o", "prefix.h.gch"]], folder)


def _compile_waves(folder: Path, compiler: Path, base: Path, waves: str) -> None:
    source = toolchain.verilator_root() / "include" / f"verilated_{waves}_c.cpp"
    _in_parallel([[*_cxx(compiler), "-O2", "-include", str(base / "prefix.h"), "-c", str(source), "-o", "waves.o"]],
                 folder)


def _verilate(folder: Path, final: Path, sources: Sources, top: str, taps: Sequence[Tap],
              waves: str) -> None:
    private = folder / "sources"
    private.mkdir()
    for name, data in sources.files.items():
        if name in sources.verilog:
            # Delivered Verilog names its memories without a folder; this copy reads them from the cache.
            data = data.replace(b'$readmemh("', f'$readmemh("{final}/sources/'.encode())
        (private / name).write_bytes(data)
    options = []
    if sources.libraries:
        (private / "libraries").mkdir()
        options += ["+incdir+sources/libraries", *(f"-Wno-{lint}" for lint in _WAIVED_WITH_LIBRARIES)]
    for name, data in sources.libraries.items():
        (private / "libraries" / name).write_bytes(data)
        if name.endswith(".v"):
            options += ["-v", f"sources/libraries/{name}"]
    exposed = [f'public_flat_rd -module "{top}" -var "{tap.name}_{part}"\n' for tap in taps for part in _parts(tap)]
    if sources.libraries:
        exposed.append('lint_off -file "*/libraries/*"\n')
    (private / "taps.vlt").write_text("`verilator_config\n" + "".join(exposed))
    if waves:
        options.append(f"--trace-{waves}")
    if sum(len(sources.files[name]) for name in sources.verilog) > _DFG_LIMIT:
        options.append("-fno-dfg")
    done = toolchain.run([str(toolchain.verilator_binary()), *_VERILATOR_FLAGS, *options, "--top-module", top, "-Mdir",
                          "cpp", "sources/taps.vlt", *(f"sources/{name}" for name in sources.verilog)], cwd=folder)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith(("%Error", "%Warning"))]
        raise UserError(f"Verilator refuses the design: {(lines or [done.stderr or 'no message'])[0]}", where=top,
                        remedy="correct the Verilog at the line named")


def _parts(tap: Tap) -> tuple[str, ...]:
    return ("payload", "valid", "ready") if tap.ready else ("payload", "valid")


def _bind(cpp: Path, top: str, taps: Sequence[Tap]) -> tuple[int, int]:
    """Write ``binding.h`` and return the bits of the input and output payloads, as Verilator sees them."""
    text = (cpp / "V___024root.h").read_text()
    width = {name: int(msb) - int(lsb) + 1
             for name, msb, lsb in re.findall(r"VL_(?:IN|OUT)(?:8|16|64|W)?\(&?(\w+),(\d+),(\d+)", text)}
    width |= {name: int(msb) - int(lsb) + 1
              for msb, lsb, name in re.findall(r"/\*(\d+):(\d+)\*/ (\w+);", text)}
    width = {name.replace("___05F", "__"): bits for name, bits in width.items()}

    def check(signal: str, shown: str, bits: int) -> None:
        if (found := width.get(signal, 0)) != bits:
            raise UserError(f"{shown} must be {bits} bits wide, but " + (f"has {found}" if found else "is not there"),
                            where=top, remedy="build the Verilog again from its design")

    for port in ("clk", "rst", "i__valid", "i__ready", "o__valid", "o__ready"):
        check(port, f"port {port}", 1)
    rows = []
    for port in ("i", "o"):
        check(f"{port}__payload", f"port {port}__payload", max(width.get(f"{port}__payload", 0), 1))
        prefix = f"top.{port}___05F"
        rows.append((prefix, width[f"{port}__payload"], f"{prefix}ready"))
    for tap in taps:
        for part in _parts(tap):
            check(f"{top}__DOT__{tap.name}_{part}", f"signal {tap.name}_{part}", tap.bits if part == "payload" else 1)
        prefix = f"root.{top}__DOT__{tap.name}_"
        rows.append((prefix, tap.bits, f"{prefix}ready" if tap.ready else "gw_always"))
    inputs = rows[0][1]
    lines = "".join(f"        {{&{prefix}payload, &{prefix}valid, &{ready}, {-(-bits // 8)}}},\n"
                    for prefix, bits, ready in rows)
    (cpp / "binding.h").write_text(
        f'#include "V.h"\n#include "V___024root.h"\nusing Model = V;\n#define GW_INPUT_BYTES {-(-inputs // 8)}\n'
        f"#define GW_INPUT_LAST_MASK {(1 << ((inputs - 1) % 8 + 1)) - 1}\n"
        f"[[maybe_unused]] static const CData gw_always = 1;\n"
        f"static std::vector<Channel> gw_channels(Model& top) {{\n    [[maybe_unused]] auto& root = *top.rootp;\n"
        f"    return {{\n{lines}    }};\n}}\n")
    return rows[0][1], rows[1][1]


def _bind_serial(cpp: Path, top: str) -> tuple[int, int]:
    """``_bind`` for a design with a serial port: rx and tx instead of streams."""
    text = (cpp / "V.h").read_text()
    for port in ("clk", "rst", "rx", "tx"):
        if not re.search(rf"VL_(?:IN|OUT)8\(&{port},0,0\)", text):
            raise UserError(f"port {port} must be 1 bit wide, but is not there", where=top,
                            remedy="build the Verilog again from its design")
    (cpp / "binding.h").write_text('#include "V.h"\nusing Model = V;\n')
    return 1, 1


def _compile_design(cpp: Path, compiler: Path, runtime: Sequence[Path], waves: str, quick: bool) -> None:
    """Compile Verilator's output and the harness into ``lib.so``: one unit if small, else in parallel pieces."""
    files = sorted(cpp.glob("*.cpp"))
    total = sum(path.stat().st_size for path in files)
    fast = [path for path in files if not path.stem.endswith("__Slow")]
    slow = [path for path in files if path.stem.endswith("__Slow")]
    level = "-O0" if quick else "-O2" if total < _LARGE else "-O1"
    units = [("all", files, level)] if total < _SMALL else [
        *((f"fast{k}", group, level) for k, group in enumerate(_groups(fast))),
        *((f"slow{k}", group, "-O0") for k, group in enumerate(_groups(slow)))]
    for name, group, _ in units:
        (cpp / f"unit_{name}.cc").write_text("".join(f'#include "{path.name}"\n' for path in group))
    cxx = [*_cxx(compiler), "-I.", "-include", str(runtime[0] / "prefix.h"), f"-DGW_{waves.upper() or 'PLAIN'}"]
    _in_parallel([[*cxx, level, "-c", f"unit_{name}.cc", "-o", f"unit_{name}.o"] for name, _, level in units], cpp)
    objects = [*(f"unit_{name}.o" for name, _, _ in units),
               *(str(path) for folder in runtime for path in sorted(folder.glob("*.o")))]
    _in_parallel([[str(compiler), "-shared", "-Wl,-Bsymbolic", "-pthread", *objects, "-o", "lib.so",
                   *(["-llz4", "-lz"] if waves == "fst" else [])]], cpp)


def _groups(files: Sequence[Path]) -> list[list[Path]]:
    """Pack files, in order, into translation units of about ``_SMALL`` bytes."""
    groups: list[list[Path]] = []
    size = _SMALL
    for path in files:
        if size >= _SMALL:
            groups.append([])
            size = 0
        groups[-1].append(path)
        size += path.stat().st_size
    return groups
