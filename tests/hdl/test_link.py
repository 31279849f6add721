"""A board's end of a serial line: whatever comes, answers are right and in order, and all that was refused is counted.

The link runs with a small core in Amaranth's simulator; what it says is held against ``link_model``, which is written
from the protocol's page and shares no code with it, and packets are coded with ``coding.link``.
"""

import random
from collections import deque

import pytest
from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.coding.link import Decoder, Kind, Packet, Reason, encode
from gatewright.hdl.lanes import connect, word_stream
from gatewright.hdl.link import Link, LinkParameters

DIVIDER = 4
IDENTITY = b"GATEWRT!"
BITS, WORDS = 12, 5
SIZE = 2 * WORDS


class Core(wiring.Component):
    """Gives for each frame the exclusive or of its words, then their sum; ``pause`` cycles after its last word."""

    def __init__(self, bits, words, pause=0):
        self.bits, self.words, self.pause = bits, words, pause
        super().__init__({"i": In(word_stream(bits)), "o": Out(word_stream(bits))})

    def elaborate(self, platform):
        m = Module()
        count, wait = Signal(range(self.words + 2)), Signal(range(self.pause + 1))
        both, total = Signal(self.bits), Signal(self.bits)
        m.d.comb += [self.i.ready.eq(count < self.words), self.o.valid.eq((count >= self.words) & (wait == self.pause)),
                     self.o.payload.eq(Mux(count == self.words, both, total))]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [both.eq(both ^ self.i.payload), total.eq(total + self.i.payload), count.eq(count + 1)]
        with m.Elif((count >= self.words) & (wait != self.pause)):
            m.d.sync += wait.eq(wait + 1)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += count.eq(count + 1)
            with m.If(count == self.words + 1):
                m.d.sync += [count.eq(0), both.eq(0), total.eq(0), wait.eq(0)]
        return m


def answer(frame, bits=BITS):
    size = -(-bits // 8)
    words = [int.from_bytes(frame[k:k + size], "little") & (1 << bits) - 1 for k in range(0, len(frame), size)]
    both = 0
    for word in words:
        both ^= word
    return both.to_bytes(size, "little") + (sum(words) & (1 << bits) - 1).to_bytes(size, "little")


class Board(wiring.Component):
    """A link and a core, as they stand on a board."""

    def __init__(self, bits=BITS, words=WORDS, pause=0):
        self.link, self.core = Link(bits, words, bits, 2, IDENTITY, DIVIDER), Core(bits, words, pause)
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.link, m.submodules.core = link, core = self.link, self.core
        connect(m, link.i, core.i)
        connect(m, core.o, link.o)
        m.d.comb += [link.rx.eq(self.rx), self.tx.eq(link.tx)]
        return m


def talk(board, say, after=1500):
    """Send bytes (None: one of zeros without a stop bit; a number below 0: so many cycles of silence); returns the
    bytes that came back."""
    said = bytearray()

    async def host(ctx):
        for byte in say:
            if byte is not None and byte < 0:
                await ctx.tick().repeat(-byte)
                continue
            for bit in [0] * 10 + [1] if byte is None else [0, *(byte >> k & 1 for k in range(8)), 1]:
                ctx.set(board.rx, bit)
                await ctx.tick().repeat(DIVIDER)
        await ctx.tick().repeat(after)

    async def ear(ctx):
        while True:
            while ctx.get(board.tx):
                await ctx.tick()
            await ctx.tick().repeat(DIVIDER + DIVIDER // 2)
            byte = 0
            for k in range(8):
                byte |= ctx.get(board.tx) << k
                await ctx.tick().repeat(DIVIDER)
            assert ctx.get(board.tx)
            said.append(byte)

    simulator = Simulator(board)
    simulator.add_clock(1e-6)
    simulator.add_testbench(host)
    simulator.add_testbench(ear, background=True)
    simulator.run()
    return bytes(said)


def packets(said):
    """The packets in what a board said, as head and body; there must be nothing else."""
    decoder = Decoder()
    found = list(decoder.feed(said))
    assert decoder.damaged == 0
    assert b"".join(map(encode, found)) == said
    return [bytes([packet.kind | packet.turn << 4]) + packet.body for packet in found]


def hello(nonce=b"abcd", turn=0):
    return encode(Packet(Kind.HELLO, turn, nonce))


def chunk(number, offset, part, turn=0):
    return encode(Packet(Kind.DATA, turn, bytes([number % 256]) + offset.to_bytes(2, "little") + part))


def frame_chunks(number, frame, length, turn=0):
    return [chunk(number, at, frame[at:at + length], turn) for at in range(0, len(frame), length)]


ASK = encode(Packet(Kind.ASK, 0, b""))
FRAMES = [bytes(random.Random(k).randbytes(SIZE)) for k in range(12)]
SPECIAL = bytes([0x7E, 0x7D] * (SIZE // 2))


@pytest.fixture
def model(link_model):
    return link_model(SIZE, answer, IDENTITY, window=51)


@pytest.mark.parametrize("length", [1, 3, SIZE])
def test_frames_are_answered_and_every_step_is_said(model, length):
    frames = [FRAMES[0], SPECIAL, FRAMES[1]]
    say = [hello(b"\x7e\x7d\0\xff", turn=5)]
    for number, frame in enumerate(frames):
        for part in frame_chunks(number, frame, length, turn=number):
            say += [part, b"\x7e" * 12]  # time for the report
    say.append(ASK)
    expected = model.feed(b"".join(say))
    assert packets(talk(Board(), b"".join(say))) == expected
    assert [packet[0] for packet in expected if packet[0] & 15 == Kind.IDENTITY] == [Kind.IDENTITY | 5 << 4]
    assert model.counters["answered"] == len(frames)


def test_whatever_is_refused_is_reported_with_its_reason_and_counted(link_model):
    whole = chunk(0, 0, FRAMES[0][:4])
    spoilt = bytearray(whole)
    spoilt[5] ^= 1
    cases = {
        Reason.CRC: [bytes(spoilt), whole[:-3] + whole[-1:], whole[:6] + whole[5:], b"\x7eA\x7e", b"\x7e\x7d\x7e"],
        Reason.LENGTH: [b"\x7e\0\0\0\0\x7e", encode(Packet(Kind.DATA, 0, b"\0\0\0")), encode(Packet(Kind.ASK, 0, b"a")),
                        encode(Packet(Kind.HELLO, 0, b"abc")), encode(Packet(Kind.HELLO, 0, b"abcde")),
                        encode(Packet(7, 1, b"")), encode(Packet(Kind.RESULT, 0, bytes(12))),
                        chunk(0, 0, bytes(SIZE + 1)), chunk(0, 0, bytes(3 * SIZE))],
        Reason.ORDER: [chunk(1, 0, b"a"), chunk(0, 1, b"a"), chunk(0, 256, b"a"), chunk(127, 0, FRAMES[0])],
        Reason.REPEATED: [chunk(255, 0, FRAMES[0]), chunk(255, 2, b"ab")],
    }
    for reason, refused in cases.items():
        model = link_model(SIZE, answer, IDENTITY, window=51)
        say = hello() + b"".join(each + b"\x7e" * 12 for each in refused) + ASK
        expected = model.feed(say)
        got = packets(talk(Board(), say))
        assert got[:-1] == expected[:-1]
        assert [packet[1] for packet in got[1:-1]] == [reason] * len(refused)
        name = "order" if reason == Reason.REPEATED else reason.name.lower()
        assert got[-1] == expected[-1]
        assert model.counters == dict.fromkeys(model.counters, 0) | {name: len(refused)}


def test_a_byte_without_a_stop_bit_spoils_its_packet(model):
    part = chunk(0, 0, FRAMES[0])
    say = [*hello(), *part[:5], None, *part[5:], *b"\x7e" * 12, *part, *b"\x7e" * 12, *ASK]
    got = packets(talk(Board(), say))
    assert [packet[:2] for packet in got[1:-1]] == [bytes([Kind.REPORT, Reason.FRAMING]), bytes([Kind.RESULT, 0])]
    assert got[-1][5 + 2 * 3] == 1


def test_a_frame_that_finds_no_room_is_refused_and_nothing_is_lost():
    board = Board(bits=8, words=200, pause=26000)
    frames = [bytes(random.Random(k).randbytes(200)) for k in range(4)]
    # Two frames find room; the first leaves for the core, which then is busy.
    say = hello() + b"".join(chunk(k, 0, frame) for k, frame in enumerate(frames)) + b"\x7e" * 12 + ASK
    got = packets(talk(board, say, after=85000))
    kinds = [packet[0] for packet in got]
    assert kinds.count(Kind.RESULT) == 3
    assert [packet[1:] for packet in got if packet[0] == Kind.RESULT] == [
        bytes([k]) + answer(frame, 8) for k, frame in enumerate(frames[:3])]
    assert [packet[1:] for packet in got if packet[0] == Kind.REPORT] == [bytes([Reason.OVERFLOW, 3, 0, 0])]


def test_a_new_hello_drops_all_that_is_on_its_way():
    """A host dies with frames in the buffer and in the core, and half a packet sent; the next gets none of that."""
    board = Board(bits=8, words=100, pause=3000)
    old = [bytes(random.Random(k).randbytes(100)) for k in range(3)]
    new = bytes(random.Random(9).randbytes(100))
    dead = hello(b"dead") + b"".join(chunk(k, 0, frame) for k, frame in enumerate(old)) + chunk(3, 0, new[:50])
    say = dead + chunk(3, 50, old[0])[:30] + hello(b"new!", turn=1) + chunk(0, 0, new, turn=1)
    got = packets(talk(board, say, after=30000))
    at = next(k for k, packet in enumerate(got) if packet[1:5] == b"new!")
    after = [packet for packet in got[at + 1:] if packet[0] & 15 == Kind.RESULT]
    assert after == [bytes([Kind.RESULT | 1 << 4, 0]) + answer(new, 8)]


def test_an_identity_that_waits_for_the_line_says_the_nonce_of_its_hello():
    """The bytes that came meanwhile were taken for the nonce's, while a line still busy kept IDENTITY back."""
    say = ASK * 3 + hello(b"mine") + chunk(0, 0, FRAMES[0][:4]) + chunk(0, 4, FRAMES[0][4:])
    got = packets(talk(Board(), say, after=20000))
    assert [packet[1:5] for packet in got if packet[0] & 15 == Kind.IDENTITY] == [b"mine"]


@pytest.mark.full
def test_numbers_go_round(model):
    frames = [bytes([k & 255, k >> 8] * (SIZE // 2)) for k in range(260)]
    say = hello() + b"".join(chunk(k, 0, frame) for k, frame in enumerate(frames)) + b"\x7e" * 12 + ASK
    got = packets(talk(Board(), say))
    assert [packet[1:] for packet in got if packet[0] & 15 == Kind.RESULT] == [
        bytes([k & 255]) + answer(frame) for k, frame in enumerate(frames)]
    assert got[-1][5:9] == (260).to_bytes(2, "little") * 2


@st.composite
def noises(draw):
    """Chunks of the right frames in any order, with bytes lost, doubled and changed, and garbage between."""
    rng = random.Random(draw(st.integers(0, 1 << 30)))
    damage = draw(st.sampled_from([0, 0.01, 0.1]))
    said = bytearray()
    number, offset = 0, 0
    for _ in range(draw(st.integers(1, 20))):
        match rng.randrange(8):
            case 0:
                said += rng.randbytes(rng.randrange(20))
            case 1:
                said += hello(rng.randbytes(4))
                number = offset = 0
            case 2:
                said += ASK
            case 3:
                said += chunk(rng.randrange(4), rng.randrange(SIZE), b"stray")[rng.randrange(3):]
            case _:
                length = rng.randrange(1, SIZE - offset + 1)
                part = chunk(number, offset, FRAMES[number % len(FRAMES)][offset:offset + length], rng.randrange(16))
                if rng.random() > damage:
                    offset += length
                    number, offset = (number, offset) if offset < SIZE else (number + 1, 0)
                else:
                    part = part[:rng.randrange(len(part))] + part[rng.randrange(len(part)):]
                said += part
    noisy = []
    for byte in said:
        luck = rng.random()
        if luck < damage:
            noisy += [[], [byte, byte], [byte ^ 1 << rng.randrange(8)], [None]][rng.randrange(4)]
        else:
            noisy.append(byte)
    return noisy


def sessions(packets):
    """What was answered after each HELLO, by its nonce, and before the first by None."""
    found = [(None, [])]
    for packet in packets:
        if packet[0] & 15 == Kind.IDENTITY:
            found.append((packet[1:5], []))
        elif packet[0] & 15 == Kind.RESULT:
            found[-1][1].append(packet[1:])
    return found


def check_noise(model, noise):
    clean = b"\x7e" + hello(b"well") + b"".join(frame_chunks(0, FRAMES[3], 4) + frame_chunks(1, FRAMES[4], 7))
    say = [*noise, *clean, *b"\x7e" * 12, *ASK]
    got, expected = packets(talk(Board(), say)), model.feed(say)
    # A HELLO drops the answers that have not begun, and one whose IDENTITY has not begun itself.
    right = iter(sessions(expected))
    for nonce, results in sessions(got):
        theirs = next(theirs for each, theirs in right if each == nonce)
        assert results == theirs[: len(results)]
    assert (nonce, results) == (b"well", [b"\0" + answer(FRAMES[3]), b"\1" + answer(FRAMES[4])])
    assert got[-1] == expected[-1]
    # Reports may be merged while the line is busy, but each says where things stood.
    stood = deque(model.stood)
    for packet in got:
        if packet[0] & 15 == Kind.REPORT:
            while stood.popleft() != (packet[0] >> 4, packet[2:]):
                pass


@settings(max_examples=8)
@given(noises())
def test_whatever_comes_no_answer_is_wrong_and_all_is_well_after_a_hello(link_model, noise):
    check_noise(link_model(SIZE, answer, IDENTITY, window=51), noise)


@pytest.mark.full
@settings(max_examples=150)
@given(noises())
def test_the_same_many_times(link_model, noise):
    check_noise(link_model(SIZE, answer, IDENTITY, window=51), noise)


@pytest.mark.parametrize(("bits_in", "words_in", "bytes_in", "ring", "window"), [
    (8, 64, 64, 512, 8), (1, 1, 1, 512, 127), (392, 16, 784, 2048, 2), (8, 8192, 8192, 16384, 2),
    (9, 8192, 16384, 16384, 1)])
def test_the_buffer_holds_two_frames_where_they_have_up_to_8_kb(bits_in, words_in, bytes_in, ring, window):
    link = LinkParameters(bits_in, words_in, 17, 10, IDENTITY, 4)
    assert (link.bytes_in, link.bytes_out, link.ring, link.window) == (bytes_in, 30, ring, window)


@pytest.mark.parametrize(("change", "message"), [
    ({"words_in": 2050}, "a frame must have at most 16384 bytes, not 16400"),
    ({"words_out": 1 << 16}, "an answer must have at most 65535 bytes, not 65536"),
    ({"identity": b"short"}, "identity must be 8 bytes, not b'short'"),
    ({"bits_out": 0}, "bits_out must be a positive integer, not 0"),
    ({"divider": 3}, "divider must be at least 4, not 3")])
def test_what_no_link_can_be_is_refused(change, message):
    numbers = {"bits_in": 64, "words_in": 2, "bits_out": 8, "words_out": 1, "identity": IDENTITY, "divider": 4}
    with pytest.raises(ValueError, match=f"^{message}$"):
        Link(**numbers | change)
