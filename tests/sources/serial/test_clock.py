"""Board clock against host clock, in simulated time."""

from __future__ import annotations

import numpy as np
import pytest

from edge.sources.serial.clock import LeastDelayed, SampleClock

FS_HZ, BLOCK = 250.0, 10
BOOT_S = 5_000.0


def simulate(
    drift_ppm: float, *, board_time: bool, pings: bool, seconds: int = 3600, start_us: int = 0, seed: int = 0
) -> tuple[SampleClock, float]:
    """Run a board whose clock is fast by `drift_ppm`; return the clock and the largest error in seconds."""
    rng = np.random.default_rng(seed)
    clock, worst = SampleClock(FS_HZ), 0.0
    per_board_s = 1 / (1 + drift_ppm * 1e-6)
    for block in range(int(seconds * FS_HZ / BLOCK)):
        first = block * BLOCK
        # USB adds one to four milliseconds, and now and then the host was busy.
        late = 0.001 + rng.exponential(0.003) + (0.25 if rng.random() < 0.01 else 0.0)
        board_s = (first + BLOCK) / FS_HZ
        board_us = (start_us + round(first / FS_HZ * 1e6)) % 2**32
        clock.block(first, BLOCK, BOOT_S + board_s * per_board_s + late, board_us if board_time else None)
        if pings and block % 25 == 0:
            there, back = 0.001 + rng.exponential(0.002, 2)
            at_s = board_s + 0.0005
            sent = BOOT_S + at_s * per_board_s - there
            clock.pong((start_us + round(at_s * 1e6)) % 2**32, sent, sent + there + back)
        if block % 25 == 24:
            for sample in (first, max(first - int(10 * FS_HZ), 0)):
                worst = max(worst, abs(clock.host_s(sample) - (BOOT_S + sample / FS_HZ * per_board_s)))
    return clock, worst


@pytest.mark.parametrize("drift_ppm", [-200.0, 0.0, 200.0])
@pytest.mark.parametrize(("board_time", "pings"), [(True, True), (True, False), (False, False)])
def test_an_hour_stays_within_20_ms(drift_ppm: float, board_time: bool, pings: bool) -> None:
    clock, worst = simulate(drift_ppm, board_time=board_time, pings=pings)
    assert worst < 0.020
    assert clock.drift_ppm == pytest.approx(drift_ppm, abs=10)


def test_board_time_wraps_within_the_hour() -> None:
    _, worst = simulate(100.0, board_time=True, pings=True, seconds=600, start_us=2**32 - 120_000_000)
    assert worst < 0.020


@pytest.mark.parametrize("ppm", [-5_000.0, -2_200.0, -1_900.0, 1_900.0, 2_200.0, 5_000.0])
def test_a_ceramic_resonator_is_followed_and_what_no_clock_has_is_not_told_as_drift(ppm: float) -> None:
    clock, worst = simulate(ppm, board_time=True, pings=True, seconds=300)
    # Until the rate is known, ten seconds ahead are looked at with the one that was said.
    assert worst < 0.15
    assert clock.drift_ppm == (None if abs(ppm) > 2000 else pytest.approx(ppm, abs=60))


def test_drift_is_not_told_before_it_is_known() -> None:
    clock, _ = simulate(200.0, board_time=True, pings=True, seconds=30)
    assert clock.drift_ppm is None


def test_only_the_least_delayed_counts() -> None:
    line = LeastDelayed()
    for i, late in enumerate((0.5, 0.002, 0.3, 0.9)):
        line.add(float(i), 100 + i + late, late)
    assert line.host(2.0) == pytest.approx(102.002)


@pytest.mark.parametrize("step_s", [-0.4, -1.0, -3.0, 0.4, 1.0, 3.0])
def test_a_step_of_the_board_s_clock_is_taken_up_within_half_a_minute(step_s: float) -> None:
    line = LeastDelayed()
    for board_s in range(120):
        host_s = 100.0 + board_s + (step_s if board_s >= 80 else 0.0)
        line.add(board_s, host_s, host_s - line.host(board_s) if line.known else 0.0)
        if step_s < 0 and board_s == 80:
            # Nothing arrives before it was sent.
            assert line.host(80.0) == pytest.approx(180.0 + step_s, abs=0.01)
    assert line.host(119.0) == pytest.approx(219.0 + step_s, abs=0.02)


def test_what_is_a_little_early_is_no_step() -> None:
    line = LeastDelayed()
    for board_s in range(80):
        line.add(board_s, 100.0 + board_s + 0.1 * (board_s % 7 > 0), 0.1 * (board_s % 7 > 0))
    before = line.host(80.0)
    line.add(80.0, before - 0.15, -0.15)
    assert line.host(80.0) == pytest.approx(before, abs=0.06)
