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


def _noise_of(median_change_mv: float) -> np.ndarray:
    """Steps to and fro every 8 ms: within 8 ms of any sample it has changed by so much."""
    return np.where(np.arange(360) // 3 % 2, median_change_mv, 0.0) + np.linspace(0, 1e-6, 360)


def _drift(mv: float, back_mv: float) -> np.ndarray:
    """A drift in one direction, but for a little back in the middle."""
    return np.interp(np.arange(360), [0, 154, 210, 350], [0, mv / 2, mv / 2 - back_mv, mv])


@pytest.mark.parametrize(
    ("made", "states"),
    [
        # 30 µV peak to peak are the noise that IEC 60601-2-27 lets an amplifier have.
        (lambda: np.tile([0.0, 0.029], 180), "flat"),
        (lambda: np.tile([0.0, 0.031], 180), "good"),
        # A tenth of a second at the converter's end.
        (lambda: np.r_[np.full(36, 5.0), ecg(1)[0][36:360, 0]], "saturated"),
        (lambda: np.r_[np.full(35, 5.0), ecg(1)[0][35:360, 0]], "good"),
        (lambda: np.r_[np.full(36, -5.0), ecg(1)[0][36:360, 0]], "saturated"),
        # Of what there is, where half has no value.
        (lambda: np.r_[np.full(18, 5.0), np.full(180, np.nan), ecg(1)[0][198:360, 0]], "saturated"),
        (lambda: np.r_[np.full(17, 5.0), np.full(180, np.nan), ecg(1)[0][197:360, 0]], "good"),
        # At it: within a thousandth of the whole range.
        (lambda: np.r_[np.full(36, 4.991), ecg(1)[0][36:360, 0]], "saturated"),
        (lambda: np.r_[np.full(36, 4.989), ecg(1)[0][36:360, 0]], "good"),
        # Half of the values are missing, or one more.
        (lambda: np.r_[np.full(180, np.nan), ecg(1)[0][180:360, 0]], "good"),
        (lambda: np.r_[np.full(181, np.nan), ecg(1)[0][181:360, 0]], "off"),
        (lambda: np.r_[np.full(181, 1.01e4), ecg(1)[0][181:360, 0]], "off"),
        (lambda: _noise_of(0.061), "noisy"),
        (lambda: _noise_of(0.059), "good"),
        (lambda: _drift(0.51, 0), "saturated"),
        (lambda: _drift(0.49, 0), "good"),
        (lambda: _drift(1.0, 0.07), "saturated"),
        (lambda: _drift(1.0, 0.08), "good"),
    ],
)
def test_limits_are_where_they_are_said_to_be(made, states: str) -> None:
    assert [quality.leads for quality in judged(made()[:, None], range_mv=RANGE[:1])] == [(states,)]
