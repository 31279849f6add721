"""A build's `NAME_axi` on a Zynq, from PYNQ's Python: identity checked, frames by DMA, counters read as of one cycle.

On the board, with the overlay's `.bit` and `.hwh` and the build's `soc/NAME_axi.json` beside this file:

    python3 pynq_axi.py overlay.bit NAME_axi.json frames.npy

`frames.npy` holds uint8 `[frames, bytes]`: frames as they cross the bus, each word padded to whole bytes
(`gatewright.compiler.words.pack`). The overlay has an AXI DMA called `dma` and the accelerator, called `accelerator`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


class Registers:
    """The registers of `NAME_axi`, by name. `read(offset)` and `write(offset, value)` reach the bus, as `MMIO`'s do."""

    def __init__(self, path, read, write):
        self.map = json.loads(Path(path).read_text())
        self._read, self._write = read, write
        magic, version = self["MAGIC"], self["VERSION"]
        if (magic, version) != (self.map["magic"], self.map["version"]):
            raise ValueError(f"no accelerator of this kind is there: magic {magic:#x}, version {version}")
        identity = b"".join(self[f"IDENTITY_{k}"].to_bytes(4, "little") for k in range(2)).hex()
        if identity != self.map["identity"]:
            raise ValueError(f"the overlay holds another design: {identity}, not {self.map['identity']}")

    def __getitem__(self, name):
        return self._read(self.map["registers"][name])

    def __setitem__(self, name, value):
        self._write(self.map["registers"][name], value)

    def mask(self, register, field):
        """The bits of a field."""
        place = self.map["fields"][register][field]
        return ((1 << place["bits"]) - 1) << place["low"]

    def status(self):
        """The names of the status bits that are set; the sticky ones are cleared."""
        found = self["STATUS"]
        self["STATUS"] = found
        return [field for field in self.map["fields"]["STATUS"] if found & self.mask("STATUS", field)]

    def counters(self):
        """All counters, as of one cycle."""
        self["CONTROL"] = self.mask("CONTROL", "FREEZE")
        found = {name: self[name] for name in ("FRAMES_IN", "FRAMES_OUT", "MALFORMED")}
        found["CYCLES"] = self["CYCLES_0"] | self["CYCLES_1"] << 32
        found["busy"] = {unit["name"]: self._read(self.map["busy"] + 4 * k)
                         for k, unit in enumerate(self.map["units"])}
        found["stalled"] = {name: self._read(self.map["stall"] + 4 * k) for k, name in enumerate(self.map["streams"])}
        self["CONTROL"] = 0
        return found


def main():
    import numpy as np
    from pynq import Overlay, allocate

    bitstream, registers, frames = sys.argv[1:]
    overlay = Overlay(bitstream)
    bus = overlay.accelerator.mmio
    accelerator = Registers(registers, bus.read, bus.write)
    words, bits = accelerator["OUT_WORDS"], accelerator["OUT_BITS"]
    given = np.load(frames)
    source = allocate(given.shape[1:], np.uint8)
    sink = allocate((words * -(-bits // 8),), np.uint8)
    answers = []
    for frame in given:
        source[:] = frame
        overlay.dma.recvchannel.transfer(sink)
        overlay.dma.sendchannel.transfer(source)
        overlay.dma.recvchannel.wait()
        answers.append(bytes(sink))
    print(f"{len(answers)} answers; status {accelerator.status() or 'fine'}")
    found = accelerator.counters()
    for name, count in found["busy"].items():
        print(f"{name}: busy {count} of {found['CYCLES']} cycles")
    Path("answers.bin").write_bytes(b"".join(answers))


if __name__ == "__main__":
    main()
