"""The register map of the AXI edge: one table, from which gates, the C header, the JSON file and the docs are made."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MAGIC", "REGISTERS", "VERSION", "Field", "Layout", "Register", "register"]

MAGIC = int.from_bytes(b"GWAX", "little")
VERSION = 1


@dataclass(frozen=True)
class Field:
    """Bits of a register: ``bits`` of them from bit ``low`` on."""

    name: str
    low: int
    bits: int
    text: str

    @property
    def mask(self) -> int:
        return ((1 << self.bits) - 1) << self.low


@dataclass(frozen=True)
class Register:
    """A word of 32 bits at a byte offset. ``access`` is ``r``, ``w`` or ``rw``; ``loads``: only where weights load."""

    name: str
    offset: int
    access: str
    text: str
    fields: tuple[Field, ...] = ()
    loads: bool = False

    def field(self, name: str) -> Field:
        """The field of a name."""
        return next(field for field in self.fields if field.name == name)


REGISTERS = (
    Register("MAGIC", 0x00, "r", f"{MAGIC:#010x}, the letters GWAX"),
    Register("VERSION", 0x04, "r", f"of this map: {VERSION}"),
    Register("IDENTITY_0", 0x08, "r", "bytes 0 to 3 of the design's identity, little end first"),
    Register("IDENTITY_1", 0x0C, "r", "bytes 4 to 7"),
    Register("IN_WORDS", 0x10, "r", "words of a frame that goes in"),
    Register("IN_BITS", 0x14, "r", "bits of such a word; tdata is padded to whole bytes"),
    Register("OUT_WORDS", 0x18, "r", "words of a frame that comes out"),
    Register("OUT_BITS", 0x1C, "r", "bits of such a word"),
    Register("SHAPE", 0x20, "r", "how many counters there are", (
        Field("UNITS", 0, 16, "units, each with a counter of busy cycles"),
        Field("STREAMS", 16, 16, "streams, each with a counter of stalled cycles"))),
    Register("LOADS", 0x24, "r", "how weights are loaded", (
        Field("PORTS", 0, 16, "units that can be loaded; 0 where weights are fixed"),
        Field("CHECKED", 31, 1, "1: LOAD takes coded streams with checksums, 0: plain words"))),
    Register("STATUS", 0x28, "rw", "what is and what was; writing 1 to a bit of 0 to 7 clears it", (
        Field("EARLY", 0, 1, "sticky: tlast came too early; the frame was filled up with zeros"),
        Field("LATE", 1, 1, "sticky: tlast was missing where it was due; words up to the next one were dropped"),
        Field("OVERRUN", 2, 1, "sticky: a word to load was written while LOADING, and is lost"),
        Field("BUSY", 8, 1, "a frame is coming in, inside or going out"),
        Field("PAUSED", 9, 1, "no frame comes in until PAUSE is taken back"),
        Field("LOADING", 10, 1, "the last word to load has not been taken yet"),
        Field("DAMAGED", 11, 1, "a unit holds the rest of a damaged load, and nothing is computed (CHECKED)"))),
    Register("CONTROL", 0x2C, "rw", "bits 0 to 7 stay as written; writing 1 to one of the others does it once", (
        Field("FREEZE", 0, 1, "all counters stand still, so that they can be read as of one cycle"),
        Field("PAUSE", 1, 1, "take no further frame; one that has begun is taken to its end"),
        Field("CLEAR", 8, 1, "all counters to 0"),
        Field("RESET", 9, 1, "reset the core: frames inside are lost, of one coming in the rest is dropped"))),
    Register("FRAMES_IN", 0x30, "r", "frames taken: words with tlast"),
    Register("FRAMES_OUT", 0x34, "r", "frames given: words with tlast"),
    Register("MALFORMED", 0x38, "r", "frames in whose tlast was early or late"),
    Register("CYCLES_0", 0x3C, "r", "cycles, bits 0 to 31"),
    Register("CYCLES_1", 0x40, "r", "cycles, bits 32 to 63"),
    Register("LOAD_PORT", 0x44, "rw", "the unit that LOAD_DATA goes to: a number from 0 on", loads=True),
    Register("LOAD_BITS", 0x48, "r", "bits of a word of that unit's port", loads=True),
    Register("LOAD_WORDS", 0x4C, "r", "words of that port", loads=True),
    Register("LOAD_DATA", 0x50, "w", "32 bits of a plain word, the lowest first; or a word of a coded stream",
             loads=True),
    Register("LOAD_LAST", 0x54, "w", "the last word of a coded stream (CHECKED)", loads=True),
    Register("LOAD_STATE", 0x58, "r", "of that unit (CHECKED)", (
        Field("LOADED", 0, 1, "what it holds was loaded, and found good"),
        Field("ERROR", 1, 1, "what it holds is the rest of a damaged load")), loads=True),
)
"""All but the arrays of counters, which :class:`Layout` places."""


@dataclass(frozen=True)
class Layout:
    """Where a design's registers lie: those of the table, then the arrays ``BUSY`` and ``STALL``."""

    units: int
    streams: int
    loads: bool

    @property
    def registers(self) -> tuple[Register, ...]:
        """Those of the table that the design has."""
        return tuple(each for each in REGISTERS if self.loads or not each.loads)

    @property
    def busy(self) -> int:
        """The byte offset of the first counter of busy cycles."""
        return 1 << self.address_bits - 2

    @property
    def stall(self) -> int:
        """The byte offset of the first counter of stalled cycles."""
        return 2 << self.address_bits - 2

    @property
    def address_bits(self) -> int:
        """Bits of a byte address: of four blocks of at least 4 KiB, the first three are used."""
        return max(12, (4 * self.streams - 1).bit_length()) + 2


def register(name: str) -> Register:
    """The register of a name."""
    return next(each for each in REGISTERS if each.name == name)
