"""The host's end of the protocol without ports: over lines that damage bytes both ways every frame is answered right.

The board is ``link_model``; a line carries a byte in a unit of time, and nothing depends on the machine's clock.
"""

import random
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.coding.link import Decoder, Packet, encode
from gatewright.driver.transfer import Statistics, Transfer

BYTE = 1e-5


class Line:
    """A byte a unit of time, in order; some are lost, doubled or changed."""

    def __init__(self, rng, damage, delay=0.0):
        self.rng, self.damage, self.delay, self.going, self.free, self.damaged = rng, damage, delay, deque(), 0.0, 0

    def send(self, data, now):
        for byte in data:
            self.free = max(now, self.free) + BYTE
            copies = [byte]
            if self.rng.random() < self.damage:
                self.damaged += 1
                copies = [[], [byte, byte], [byte ^ 1 << self.rng.randrange(8)]][self.rng.randrange(3)]
            for copy in copies:
                self.going.append((self.free + self.delay, copy))

    def receive(self, now):
        got = bytearray()
        while self.going and self.going[0][0] <= now:
            got.append(self.going.popleft()[1])
        return bytes(got)


def bring(frames, make_board, *, damage=0.0, seed=0, window=2, delay=0.0, reset_at=None):
    """Bring frames to a board; returns answers, statistics and seconds. ``reset_at``: the board begins anew then."""
    rng, board, decoder = random.Random(seed), make_board(), Decoder()
    down, up = Line(rng, damage, delay), Line(rng, damage, delay)
    transfer = Transfer(board.size, board.answer_size, window, Statistics(), byte_time=BYTE, trip=2e-3 + 2 * delay)
    answers, now, event, asked = {}, 0.0, 0.0, 0
    transfer.begin(frames)
    while not transfer.done:
        assert now < 1000, "the transfer hangs"
        if reset_at is not None and now > reset_at:
            board, reset_at = make_board(), None
        for packet in transfer.to_send(now):
            down.send(packet, now)
            event = now
        now += BYTE
        for packet in board.feed(down.receive(now)):
            up.send(wire(packet), now)
        for packet in decoder.feed(up.receive(now)):
            event = now
            result = transfer.take(packet, now)
            if result is not None:
                assert result[0] not in answers
                answers[result[0]] = result[1]
        if transfer.lost:
            # What ``Board`` does by HELLO, whose answer comes after all that was on its way.
            down.going.clear()
            up.going.clear()
            board = make_board()
            transfer.restart()
        elif now - event > transfer.wait:
            asked += 1
            down.send(transfer.ask(), now)
            event = now
    statistics = transfer._statistics
    statistics.timeouts, statistics.damaged = asked, decoder.damaged
    return answers, statistics, now


def wire(content):
    return encode(Packet(content[0] & 15, content[0] >> 4, content[1:]))


def answer(frame):
    return bytes([sum(frame) & 255, frame[0], len(frame) & 255])


def frames_of(count, size, seed=5):
    rng = random.Random(seed)
    return [rng.randbytes(size) for _ in range(count)]


@settings(max_examples=40)
@given(size=st.integers(1, 90), count=st.integers(1, 12), damage=st.sampled_from([0, 0.001, 0.01, 0.03]),
       window=st.integers(1, 9), delay=st.sampled_from([0, 1e-4, 5e-3]), seed=st.integers(0, 999))
def test_every_frame_is_answered_right_over_any_line(link_model, size, count, damage, window, delay, seed):
    frames = frames_of(count, size, seed)
    answers, statistics, _ = bring(frames, lambda: link_model(size, answer), damage=damage, seed=seed, window=window,
                                   delay=delay)
    assert answers == {k: answer(frame) for k, frame in enumerate(frames)}
    assert statistics.frames == count


def test_a_clean_line_is_used_to_the_full_and_nothing_is_sent_twice(link_model):
    frames = frames_of(50, 784)
    answers, statistics, seconds = bring(frames, lambda: link_model(784, answer))
    assert len(answers) == 50
    assert (statistics.went_back, statistics.timeouts, statistics.resent_bytes, statistics.lost_answers) == (0, 0, 0, 0)
    assert seconds < 50 * 784 * BYTE * 1.06


def test_one_percent_of_damaged_bytes_costs_a_few_times_the_bytes_and_all_is_reported(link_model):
    frames = frames_of(30, 784)
    answers, statistics, seconds = bring(frames, lambda: link_model(784, answer), damage=0.01, seed=3)
    assert answers == {k: answer(frame) for k, frame in enumerate(frames)}
    assert statistics.went_back > 100
    assert statistics.damaged > 10
    assert seconds < 30 * 784 * BYTE * 8


def test_frame_numbers_go_round(link_model):
    frames = frames_of(700, 3)
    answers, _, _ = bring(frames, lambda: link_model(3, answer), damage=0.003, window=100, seed=1)
    assert answers == {k: answer(frame) for k, frame in enumerate(frames)}


@pytest.mark.parametrize("reset_at", [0.004, 0.0301, 0.05])
def test_a_board_that_is_reset_is_begun_anew(link_model, reset_at):
    frames = frames_of(9, 784)
    answers, _, _ = bring(frames, lambda: link_model(784, answer), reset_at=reset_at)
    assert answers == {k: answer(frame) for k, frame in enumerate(frames)}


def test_chunks_are_shorter_where_more_is_damaged(link_model):
    lengths = []
    for damage in (0, 0.001, 0.01):
        statistics = bring(frames_of(20, 784), lambda: link_model(784, answer), damage=damage)[1]
        lengths.append((20 * 784 + statistics.resent_bytes) / statistics.chunks)
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] > 300
    assert lengths[2] < 60
