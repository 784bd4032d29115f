"""From what boards say to one stream: losses exact, doubles dropped, restarts joined, other signals a new stream."""

from __future__ import annotations

import itertools

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import SourceError
from edge.messages import Gap, Message, Samples, SourceState, Stream
from edge.sources.serial.assembly import Assembler
from edge.sources.serial.boards.items import Answer, Block, BoardState, Description

FS_HZ, N = 250.0, 10
LONG = 1 << 32


def description(stream: int = 1, fs_hz: float = FS_HZ, modulo: int | None = LONG) -> Description:
    return Description(
        stream=stream, name="b", fs_hz=fs_hz, leads=("I", "II"), range_mv=None, what="a board", modulo=modulo
    )


def block(first: int, *, n: int = N, stream: int = 1, modulo: int | None = LONG, board_us: int | None = -1) -> Block:
    numbers = np.arange(first, first + n, dtype=np.float32)
    us = round(first / FS_HZ * 1e6) % LONG if board_us == -1 and modulo == LONG else None
    return Block(
        stream=stream,
        counter=None if modulo is None else first % modulo,
        board_us=us,
        mv=np.stack([numbers, -numbers], axis=1),
    )


class Bench:
    """An assembler, and what came out of it."""

    def __init__(self, what: Description | None = None) -> None:
        self.assembler = Assembler("port", 1e9)
        self.out: list[Message] = []
        self.say(what or description(), 100.0)

    def say(self, item: object, now_s: float) -> list[Message]:
        out = self.assembler.push(item, now_s)  # type: ignore[arg-type]
        self.out += out
        return out

    def send(self, first: int, now_s: float | None = None, **more: object) -> list[Message]:
        return self.say(block(first, **more), 100 + (first + N) / FS_HZ if now_s is None else now_s)  # type: ignore[arg-type]

    @property
    def gaps(self) -> list[tuple[int, int]]:
        return [(m.start, m.n) for m in self.out if isinstance(m, Gap)]

    def check(self) -> None:
        """Samples and gaps must follow each other without a hole, and `decided` must be exact."""
        at = 0
        for message in self.out:
            if isinstance(message, Samples):
                assert message.start == at
                at = message.end
            elif isinstance(message, Gap):
                assert (message.start, message.decided) == (at, at + message.n)
                at += message.n


def test_the_first_block_begins_the_stream() -> None:
    bench = Bench()
    first, samples = bench.send(5000)
    assert isinstance(first, Stream)
    assert (first.name, first.fs_hz, first.leads, first.notes) == ("b", 250, ("I", "II"), ("a board",))
    assert first.start_time.timestamp() == pytest.approx(1e9 + 100 + 5000 / FS_HZ)
    assert isinstance(samples, Samples)
    assert samples.start == 0


@given(st.lists(st.booleans(), min_size=2, max_size=60), st.integers(0, LONG - 1))
def test_every_loss_is_a_gap_of_its_length(arrives: list[bool], start: int) -> None:
    bench = Bench()
    kept = [i for i, ok in enumerate(arrives) if ok]
    for i in kept:
        bench.send((start + i * N) % LONG, 100 + i * N / FS_HZ)
    bench.check()
    expected = [((a + 1 - kept[0]) * N, (b - a - 1) * N) for a, b in itertools.pairwise(kept) if b > a + 1]
    assert bench.gaps == expected
    assert bench.assembler.counts["lost"] == sum(n for _, n in expected)


@given(st.data())
def test_doubled_and_overlapping_blocks_change_nothing(data: st.DataObject) -> None:
    bench, sent = Bench(), 0
    for _ in range(20):
        first = data.draw(st.integers(max(sent - 40, 0), sent))
        n = data.draw(st.integers(1, 30))
        bench.send(first, n=n)
        sent = max(sent, first + n)
    bench.check()
    mv = np.concatenate([m.mv for m in bench.out if isinstance(m, Samples)])
    assert np.array_equal(mv[:, 0], np.arange(sent) - 0.0)
    assert bench.gaps == []


def test_reconnected_board_that_kept_counting_is_joined_exactly() -> None:
    bench = Bench()
    bench.send(0)
    bench.assembler.disconnected()
    # The clock would say something else: the counter is believed.
    bench.say(description(), 150.0)
    bench.send(5000, 150.0)
    assert bench.gaps == [(10, 4990)]


@pytest.mark.parametrize("stream", [1, 2])
def test_board_that_started_anew_is_joined_by_the_clock(stream: int) -> None:
    bench = Bench()
    for i in range(100):
        bench.send(i * N)
    gone_s = 100 + 1000 / FS_HZ
    bench.say(description(stream), gone_s + 3)
    out = bench.send(0, gone_s + 3 + N / FS_HZ, stream=stream)
    assert not any(isinstance(message, Stream) for message in out)
    assert bench.gaps == [(1000, pytest.approx(750, abs=2))]
    bench.send(N, gone_s + 3 + 2 * N / FS_HZ, stream=stream)
    bench.check()


def test_another_rate_begins_another_stream() -> None:
    bench = Bench()
    bench.send(0)
    bench.say(description(2, fs_hz=500), 101)
    out = bench.send(0, 101.02, stream=2)
    assert isinstance(out[0], Stream)
    assert (out[0].fs_hz, bench.assembler.stream) == (500, out[0])
    assert isinstance(out[1], Samples)
    assert out[1].start == 0


def test_another_board_begins_another_stream() -> None:
    bench = Bench()
    bench.send(0)
    bench.assembler.disconnected()
    bench.say(msgspec.structs.replace(description(), name="other"), 101)
    assert [type(message) for message in bench.send(10, 101.1)] == [Stream, Samples]


@pytest.mark.parametrize("fs_hz", [50.0, 99.9, 1001.0, 8000.0])
def test_rates_that_cannot_be_served_are_refused(fs_hz: float) -> None:
    with pytest.raises(SourceError, match=r"samples a second: 100 to 1000 can be used"):
        Bench(description(fs_hz=fs_hz))


def test_samples_of_an_earlier_stream_are_not_mixed_in() -> None:
    bench = Bench()
    bench.send(0)
    bench.say(description(2), 101)
    assert bench.send(10, 101.1) == []


def test_eight_bit_counter_short_loss() -> None:
    bench = Bench(description(modulo=256))
    bench.send(0, modulo=256)
    bench.send(110, modulo=256)
    assert bench.gaps == [(10, 100)]


@pytest.mark.parametrize("away", [50, 250, 256, 700])
def test_eight_bit_counter_goes_round_while_unplugged_or_does_not(away: int) -> None:
    bench = Bench(description(modulo=256))
    for i in range(30):
        bench.send(i * N, modulo=256)
    bench.assembler.disconnected()
    bench.send(300 + away, modulo=256)
    assert bench.gaps == [(300, away)]


@pytest.mark.parametrize(("modulo", "lost"), [(256, 512), (None, 500)])
def test_loss_that_no_counter_shows_is_told_by_the_clock(modulo: int | None, lost: int) -> None:
    bench = Bench(description(modulo=modulo))
    for i in range(500):
        bench.send(i * N, modulo=modulo)
    for i in range(500, 1000):
        first = i * N + (lost if i >= 600 else 0)
        bench.send(first, modulo=modulo)
    (gap,) = bench.gaps
    assert gap[1] == pytest.approx(lost, abs=0 if modulo else 3)
    assert 6000 < gap[0] < 6000 + 3 * FS_HZ
    bench.check()


@pytest.mark.parametrize("modulo", [256, None])
def test_what_comes_late_in_a_burst_was_not_lost(modulo: int | None) -> None:
    bench = Bench(description(modulo=modulo))
    for i in range(1500):
        # Every four seconds the line is silent for 1.6 s.
        now_s = 100 + (i + 1) * N / FS_HZ
        silent = now_s % 4 < 1.6
        bench.send(i * N, now_s - now_s % 4 + 1.6 if silent else now_s, modulo=modulo)
    assert bench.gaps == []


def test_unplugged_text_board_is_joined_by_the_clock() -> None:
    bench = Bench(description(modulo=None))
    for i in range(100):
        bench.send(i * N, modulo=None)
    bench.assembler.disconnected()
    bench.send(1000, 100 + 1010 / FS_HZ + 2, modulo=None)
    assert bench.gaps == [(1000, pytest.approx(500, abs=2))]


def test_lead_off_is_said_when_it_changes() -> None:
    bench = Bench()
    bench.send(0)
    state = BoardState(stream=1, leads_off=(False, True), battery=None, dropped=0)
    (said,) = bench.say(state, 100.1)
    assert isinstance(said, SourceState)
    assert (said.ok, said.reason) == (True, "electrode off: II")
    assert bench.say(state, 100.2) == []
    (samples,) = bench.send(10)
    assert isinstance(samples, Samples)
    # The board itself says which samples have no value; its state may be some samples early or late.
    assert np.isfinite(samples.mv).all()
    (said,) = bench.say(BoardState(stream=1, leads_off=(False, False), battery=None, dropped=0), 100.3)
    assert isinstance(said, SourceState)
    assert said.reason is None


def test_drift_is_measured_from_pings() -> None:
    bench = Bench()
    for i in range(200):
        true_s = i * 1.0
        board_us = round(true_s * (1 + 150e-6) * 1e6)
        bench.send(i * 250, 100 + true_s + 1)
        bench.assembler.sent_ping(i, 100 + true_s - 0.001)
        bench.say(Answer(token=i, board_us=board_us), 100 + true_s + 0.001)
    assert bench.assembler.state(300).drift_ppm == pytest.approx(150, abs=5)


def test_answers_nobody_asked_for_are_ignored() -> None:
    bench = Bench()
    bench.send(0)
    assert bench.say(Answer(token=7, board_us=1), 101) == []
    for token in range(1000):
        bench.assembler.sent_ping(token, 101)
    assert len(bench.assembler._pings) <= 8


@pytest.mark.parametrize(("modulo", "drift"), [(LONG, 200e-6), (LONG, -5000e-6), (256, 0.0), (None, 0.0)])
def test_while_a_board_is_away_its_samples_are_missed_as_time_goes_by(modulo: int | None, drift: float) -> None:
    bench = Bench(description(modulo=modulo))
    for i in range(100):
        bench.send(i * N, modulo=modulo)
    bench.assembler.disconnected()
    gone_s = 100 + 1000 / FS_HZ
    for second in range(60):
        bench.out += bench.assembler.absent(gone_s + second)
    missed = sum(n for _, n in bench.gaps)
    assert 55 * FS_HZ < missed < 60 * FS_HZ
    away = round(60 * FS_HZ * (1 + drift) / N) * N
    bench.send(1000 + away, gone_s + 60 + N / FS_HZ, modulo=modulo)
    bench.check()
    assert sum(n for _, n in bench.gaps) == pytest.approx(away, abs=0 if modulo else 3)


def test_a_board_that_is_only_late_is_not_given_up() -> None:
    bench = Bench()
    bench.send(0)
    assert bench.assembler.absent(101.9) == []
    assert bench.assembler.absent(103.5) != []


@pytest.mark.parametrize("every_s", [1.0, 2.5, 20.0])
def test_a_board_that_restarts_again_and_again_under_one_number_goes_on(every_s: float) -> None:
    bench = Bench()
    restarts = int(60 / every_s)
    for n in range(restarts):
        for i in range(int(every_s * 0.9 * FS_HZ / N)):
            bench.send(i * N, 100 + n * every_s + (i + 1) * N / FS_HZ)
    bench.check()
    # Besides what was never sent, it takes a moment each time to be sure.
    assert bench.assembler.counts["lost"] <= restarts * (every_s * 0.1 + 0.25) * FS_HZ
    assert bench.assembler._next == pytest.approx(60 * FS_HZ, abs=every_s * 0.1 * FS_HZ + 60)
    there = sum(len(m.mv) for m in bench.out if isinstance(m, Samples))
    assert there > 0.6 * 60 * FS_HZ


@pytest.mark.parametrize("modulo", [LONG, 256])
def test_a_counter_that_sticks_brings_no_new_samples(modulo: int) -> None:
    bench = Bench(description(modulo=modulo))
    for i in range(50):
        bench.send(i * N, modulo=modulo)
    for i in range(50, 400):
        bench.send(490, 100 + (i + 1) * N / FS_HZ, modulo=modulo)
        bench.out += bench.assembler.absent(100 + (i + 1) * N / FS_HZ)
    if modulo == LONG:
        assert bench.assembler.silent_s(116) == pytest.approx(14, abs=0.1)
        assert sum(n for _, n in bench.gaps) > 10 * FS_HZ
    bench.check()
    # It counts on: what comes stands where the clock says, and nothing lies ahead of its time.
    for i in range(400, 500):
        bench.send(500 + (i - 400) * N, 100 + (i + 1) * N / FS_HZ, modulo=modulo)
    bench.check()
    if modulo == LONG:
        assert bench.assembler._next == pytest.approx(5000, abs=60)


@pytest.mark.parametrize("jump", [2000, 100_000, 2**30])
@pytest.mark.parametrize("clock_jumps", [False, True])
def test_what_a_counter_says_was_lost_must_have_had_the_time_to_be(jump: int, clock_jumps: bool) -> None:
    bench = Bench()
    for i in range(100):
        bench.send(i * N)
    for i in range(100, 400):
        us = round((i * N + (jump if clock_jumps and jump > 1e6 else 0)) / FS_HZ * 1e6) % LONG
        bench.say(
            msgspec.structs.replace(block(i * N + jump), board_us=us),
            100 + (i + 1) * N / FS_HZ,
        )
    bench.check()
    state = bench.assembler.state(100 + 4000 / FS_HZ)
    assert bench.assembler.counts["lost"] <= 2.5 * FS_HZ
    assert state.time.timestamp() == pytest.approx(1e9 + 116, abs=0.2)


@pytest.mark.parametrize("jump_s", [-3000.0, -20.0, 20.0, 1500.0])
@pytest.mark.parametrize("often", [False, True])
def test_a_board_clock_that_jumps_moves_no_time(jump_s: float, often: bool) -> None:
    bench = Bench()
    for i in range(2000):
        us = i * N / FS_HZ * 1e6 + 4e9
        jumped = i % 7 == 3 if often else i >= 700
        us += jump_s * 1e6 if jumped else 0
        bench.say(msgspec.structs.replace(block(i * N), board_us=round(us) % LONG), 100 + (i + 1) * N / FS_HZ)
        if i % 50 == 49:
            state = bench.assembler.state(100 + (i + 1) * N / FS_HZ)
            assert state.time.timestamp() == pytest.approx(1e9 + 100 + (i + 1) * N / FS_HZ, abs=0.2)
            assert abs(state.drift_ppm or 0) <= 2000
    assert bench.gaps == []


@pytest.mark.parametrize("modulo", [LONG, 256, None])
@pytest.mark.parametrize("silent_s", [1.5, 3.0, 12.0, 45.0])
def test_a_silence_is_no_drift_and_nothing_is_dated_into_the_future(modulo: int | None, silent_s: float) -> None:
    bench = Bench(description(modulo=modulo))
    silent = round(silent_s * FS_HZ / N)
    for i in range(9000):
        now_s = 100 + (i + 1) * N / FS_HZ
        if not 1000 <= i < 1000 + silent and not 4000 <= i < 4000 + silent:
            bench.send(i * N, now_s, modulo=modulo)
        if bench.assembler.silent_s(now_s) > 2:
            bench.out += bench.assembler.absent(now_s)
        if i % 100 == 99:
            state = bench.assembler.state(now_s)
            assert state.time.timestamp() <= 1e9 + now_s + 1e-6
            assert state.drift_ppm is None or abs(state.drift_ppm) < 100
    bench.check()
    assert bench.assembler._next == pytest.approx(90_000, abs=260)


@pytest.mark.parametrize("true_hz", [244.0, 248.0, 252.0, 256.0])
def test_a_board_that_is_slower_or_faster_than_thought_loses_nothing(true_hz: float) -> None:
    bench = Bench(description(modulo=None))
    # What was measured at the start is wrong by half a per cent.
    bench.say(description(modulo=None, fs_hz=true_hz * 1.005), 100)
    for i in range(int(600 * true_hz / N)):
        now_s = 100 + (i + 1) * N / true_hz + (0.02 if i % 3 else 0.0)
        bench.send(i * N, now_s, modulo=None)
        state = bench.assembler.state(now_s)
        assert state.drift_ppm is None
        assert state.time.timestamp() <= 1e9 + now_s
    assert bench.gaps == []


@pytest.mark.parametrize("back", [1, 4, 7])
def test_eight_bit_blocks_a_little_late_are_doubles_and_a_long_way_ahead_are_losses(back: int) -> None:
    bench = Bench(description(modulo=256))
    for i in range(30):
        bench.send(i * N, modulo=256)
    bench.send(300 - back, n=back, modulo=256, now_s=100 + 300 / FS_HZ)
    assert bench.gaps == []
    assert bench.assembler.counts["doubled"] == back
    bench.send(300 + 256 - 8, modulo=256)
    assert bench.gaps == [(300, 248)]


@pytest.mark.parametrize("at", [LONG - 15, LONG - 10, LONG - 5, LONG - 1])
def test_a_long_counter_wraps_within_a_block_or_between_two(at: int) -> None:
    bench = Bench()
    for i in range(6):
        bench.send((at + i * N) % LONG, 100 + i * N / FS_HZ)
    bench.send((at + 8 * N) % LONG, 100 + 8 * N / FS_HZ)
    bench.check()
    assert bench.gaps == [(60, 20)]
    bench.send((at + 7 * N) % LONG, 100 + 9 * N / FS_HZ)
    assert bench.assembler.counts["doubled"] == N


def test_a_board_that_starts_anew_after_its_counter_has_wrapped_goes_on() -> None:
    bench = Bench()
    for i in range(300):
        bench.send((LONG - 2000 + i * N) % LONG, 100 + i * N / FS_HZ)
    for i in range(100):
        bench.send(i * N, 101 + (300 + i) * N / FS_HZ)
    bench.check()
    assert sum(len(m.mv) for m in bench.out if isinstance(m, Samples)) >= 4000 - FS_HZ / 2


@pytest.mark.parametrize(("behind", "anew"), [(500 + N, False), (500 + N + 1, True)])
def test_a_counter_more_than_two_seconds_behind_is_that_of_a_board_that_started_anew(behind: int, anew: bool) -> None:
    bench = Bench()
    for i in range(300):
        bench.send(i * N)
    bench.send(3000 - behind, 100 + 3010 / FS_HZ)
    assert bench.assembler.counts["doubled"] == (0 if anew else N)
    assert (bench.assembler._next > 3000) == anew


@pytest.mark.parametrize("late", [-120, -20, 20, 120])
@pytest.mark.parametrize("rounds", [0, 1, 2, 5])
def test_how_often_an_eight_bit_counter_went_round_is_the_nearest_to_what_the_clock_says(
    rounds: int, late: int
) -> None:
    bench = Bench(description(modulo=256))
    for i in range(30):
        bench.send(i * N, modulo=256)
    bench.assembler.disconnected()
    away = 188 + 256 * rounds
    bench.send(300 + away, modulo=256, now_s=100 + (300 + away + N + late) / FS_HZ)
    assert bench.gaps == [(300, away)]


@pytest.mark.parametrize("missed", [0, 1000, 20_000])
@pytest.mark.parametrize(("beyond", "believed"), [(-3, True), (3, False)])
def test_a_counter_is_believed_two_seconds_and_a_twentieth_beyond_the_clock(
    missed: int, beyond: int, believed: bool
) -> None:
    bench = Bench()
    for i in range(100):
        bench.send(i * N, board_us=None)
    ahead = round(missed * 1.05 + 2 * FS_HZ) + beyond
    bench.send(1000 + ahead, 100 + (1000 + missed + N) / FS_HZ, board_us=None)
    ((start, n),) = bench.gaps or [(1000, 0)]
    assert (start, n) == (1000, ahead if believed else pytest.approx(missed, abs=2))


@pytest.mark.parametrize("until_wrap_s", [1000, 60])
def test_what_a_board_s_counter_and_clock_both_say_is_believed_across_the_clock_s_wrap(until_wrap_s: int) -> None:
    bench = Bench()

    def us(first: int) -> int:
        return round(LONG - until_wrap_s * 1e6 + first / FS_HZ * 1e6) % LONG

    for i in range(100):
        bench.say(msgspec.structs.replace(block(i * N), board_us=us(i * N)), 100 + (i + 1) * N / FS_HZ)
    # This machine slept for two minutes, and its clock with it.
    later = 1000 + round(120 * FS_HZ)
    bench.say(msgspec.structs.replace(block(later), board_us=us(later)), 100 + (1000 + N) / FS_HZ)
    assert bench.gaps == [(1000, later - 1000)]


@pytest.mark.parametrize("away_s", [30, 300, 3000])
def test_no_more_is_called_lost_than_was_while_a_board_is_away(away_s: int) -> None:
    bench = Bench()
    for i in range(100):
        bench.send(i * N)
    bench.assembler.disconnected()
    for half_s in range(2 * away_s):
        bench.out += bench.assembler.absent(104 + half_s / 2)
    assert sum(n for _, n in bench.gaps) > 0.98 * (away_s - 3) * FS_HZ
    bench.send(1000 + round(away_s * FS_HZ))
    bench.check()
    assert bench.assembler.counts["doubled"] == 0
    assert bench.assembler._next == 1000 + round(away_s * FS_HZ) + N
