"""Quality: each state for its reason, once a second, whatever the blocks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from front_end import cut, ecg, events, first_stages, through
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.messages import FS_HZ, Quality
from edge.stages.quality import SignalQuality

RANGE = ((-5.0, 5.0), (-5.0, 5.0))


def judged(mv, fs_hz: float = 360.0, sizes=(100,), gaps=(), range_mv=RANGE) -> list[Quality]:
    out = through(SignalQuality(fs_hz, mv.shape[1], range_mv), cut(np.asarray(mv, np.float32), sizes, gaps))
    return [message for message in out if isinstance(message, Quality)]


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([360.0, 128.0, 257.5, 500.0]),
    st.lists(st.integers(1, 900), min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(10, 900), st.integers(1, 700)), max_size=3),
    st.integers(0, 2**32 - 1),
)
def test_blocks_do_not_matter(fs_hz, sizes, gap_steps, seed) -> None:
    rng = np.random.default_rng(seed)
    mv = (rng.normal(size=(3000, 2)) * np.repeat(rng.uniform(0, 0.2, (30, 2)), 100, axis=0)).astype(np.float32)
    mv[rng.random(mv.shape) < np.repeat(rng.choice([0, 0.3, 0.7], (30, 1)), 100, axis=0)] = np.nan
    gaps, at = [], 0
    for step, n in gap_steps:
        gaps.append((at + step, n))
        at += step + n
    assert events(judged(mv, fs_hz, [10**6], gaps)) == events(judged(mv, fs_hz, sizes, gaps))


@pytest.mark.parametrize("fs_hz", [100.0, 128.0, 257.5, 360.0, 1000.0])
def test_one_a_second_and_nothing_left_out(fs_hz: float) -> None:
    said = judged(np.zeros((5 * int(fs_hz) + 50, 2)), fs_hz)
    assert [quality.start for quality in said] == [int(np.ceil(second * fs_hz)) for second in range(len(said))]
    assert all(one.start + one.n == next_.start for one, next_ in pairwise(said))
    assert said[-1].start + said[-1].n == 5 * int(fs_hz) + 50
    assert all(quality.decided == quality.start + quality.n for quality in said)


@pytest.mark.parametrize("fs_hz", [128.0, 360.0, 500.0])
def test_a_clean_ecg_is_good(fs_hz: float) -> None:
    mv, _ = ecg(20, fs_hz)
    assert {quality.leads for quality in judged(mv, fs_hz)} == {("good", "good")}


def test_each_state_has_its_reason() -> None:
    mv, _ = ecg(6)
    rng = np.random.default_rng(0)
    mv[360:720, 0] = np.nan
    mv[720:1080, 0] = 5.0
    mv[1080:1440, 0] = 0.7
    mv[1440:1800, 0] += 0.15 * rng.normal(size=360)
    states = [quality.leads for quality in judged(mv)]
    assert [state[0] for state in states] == ["good", "off", "saturated", "flat", "noisy", "good"]
    assert {state[1] for state in states} == {"good"}


def test_absurd_values_mean_off() -> None:
    mv, _ = ecg(2)
    mv[:, 0] = 1e9
    mv[:, 1] = np.inf
    assert {quality.leads for quality in judged(mv)} == {("off", "off")}


def test_without_a_known_range_nothing_is_saturated() -> None:
    mv = np.full((720, 1), 5.0)
    assert {quality.leads for quality in judged(mv, range_mv=None)} == {("flat",)}


def test_a_gap_cuts_a_second_short() -> None:
    mv, _ = ecg(4)
    said = judged(mv, gaps=[(500, 300)])
    assert [(quality.start, quality.n) for quality in said] == [(0, 360), (360, 140), (800, 280), (1080, 360)]


@pytest.mark.parametrize("fs_hz", [128.0, 257.5, 500.0])
def test_after_conditioning_it_is_in_numbers_of_360_hz(fs_hz: float) -> None:
    mv, _ = ecg(5, fs_hz)
    said = [m for m in through(first_stages(fs_hz), cut(mv, [50])) if isinstance(m, Quality)]
    whole = [quality for quality in said if quality.n >= FS_HZ - 1]
    assert len(whole) >= 4
    for second, quality in enumerate(whole):
        assert abs(quality.start - second * FS_HZ) <= 2
        assert 0 <= quality.decided - (quality.start + quality.n) + 1 <= 2


@pytest.mark.parametrize("fs_hz", [128.0, 360.0, 1000.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_an_amplifier_that_recovers_shows_no_ecg(fs_hz: float, sign: int) -> None:
    seconds = np.arange(int(3 * fs_hz)) / fs_hz
    noise = np.random.default_rng(0).normal(0, 0.004, len(seconds))
    recovery = sign * 3 * np.exp(-seconds / 1.5) + noise
    with_qrs = recovery + np.interp(seconds % 1, [0.45, 0.5, 0.55], [0, 1, 0])
    assert [q.leads for q in judged(recovery[:, None], fs_hz, range_mv=None)] == [("saturated",)] * 2 + [("good",)]
    assert all(q.leads == ("good",) for q in judged(with_qrs[:, None], fs_hz, range_mv=None))
