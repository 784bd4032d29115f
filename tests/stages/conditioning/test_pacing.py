"""Pacing spikes: found whatever their size, shape and rate, taken out, and never seen where there are none."""

from __future__ import annotations

import numpy as np
import pytest
from front_end import cut, ecg, events, first_stages, peaks, signal, through
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.messages import FS_HZ, PacingSpike
from edge.stages.conditioning.pacing import Reach
from edge.stages.conditioning.stage import Conditioning

RATES = [128.0, 250.0, 360.0, 500.0, 1000.0]
SECONDS = 12
TIMES = np.arange(0.5, SECONDS - 0.2, 0.857)
Floats = NDArray[np.float64]


def spikes(fs_hz: float, amplitude_mv: float, width_s: float, *, biphasic: bool = False, times=TIMES) -> Floats:
    """Return spikes and nothing else, at least one sample wide."""
    mv = np.zeros(round(SECONDS * fs_hz))
    width = max(1, round(width_s * fs_hz))
    for time in times:
        at = round(time * fs_hz)
        mv[at : at + width] += amplitude_mv
        if biphasic:
            mv[at + width : at + 2 * width] -= amplitude_mv
    return mv


def told(mv: NDArray, fs_hz: float) -> list[PacingSpike]:
    mv = np.asarray(mv, np.float32).reshape(len(mv), -1)
    out = through(Conditioning(fs_hz, mv.shape[1]), cut(mv, [500]))
    return [message for message in out if isinstance(message, PacingSpike)]


def assert_found(found: list[PacingSpike], times: Floats = TIMES) -> None:
    assert len(found) == len(times)
    assert np.abs([spike.sample / FS_HZ - time for spike, time in zip(found, times, strict=True)]).max() < 0.012
    assert all(spike.sample < spike.decided <= spike.sample + 0.035 * FS_HZ for spike in found)


@pytest.mark.parametrize("fs_hz", RATES)
@pytest.mark.parametrize("amplitude_mv", [0.3, -0.7, 3.0, -20.0])
@pytest.mark.parametrize("width_s", [0.0001, 0.002])
@pytest.mark.parametrize("biphasic", [False, True])
def test_every_spike_is_told_once_and_leaves_nothing(fs_hz, amplitude_mv, width_s, biphasic) -> None:
    noise = np.random.default_rng(1).normal(0, 0.002, (round(SECONDS * fs_hz), 2))
    mv = noise + np.outer(spikes(fs_hz, amplitude_mv, width_s, biphasic=biphasic), [1.0, -0.5])
    assert_found(told(mv, fs_hz))
    out = through(first_stages(fs_hz), cut(mv.astype(np.float32), [500]))
    assert not peaks(out)
    left, _, _ = signal(out)
    assert np.abs(left).max() < max(0.02, 0.004 * abs(amplitude_mv))


@pytest.mark.parametrize("lead", [0, 1])
def test_one_lead_is_enough_and_the_largest_is_told(lead: int) -> None:
    mv = np.zeros((SECONDS * FS_HZ, 2))
    mv[:, lead] = spikes(FS_HZ, 2.0, 0.001)
    assert {spike.lead for spike in told(mv, FS_HZ)} == {lead}
    mv[:, 1 - lead] = spikes(FS_HZ, -1.0, 0.001)
    found = told(mv, FS_HZ)
    assert_found(found)
    assert {spike.lead for spike in found} == {lead}
    assert all(spike.amplitude_mv == pytest.approx(2.0, rel=0.01) for spike in found)


@pytest.mark.parametrize("fs_hz", [250.0, 360.0, 500.0, 1000.0])
def test_a_filter_that_rings_hides_no_large_spike(fs_hz: float) -> None:
    scipy_signal = pytest.importorskip("scipy.signal")
    fine = 20
    mv = np.zeros(round(SECONDS * fs_hz) * fine)
    for time in TIMES:
        mv[round(time * fs_hz * fine) :][: round(0.0015 * fs_hz * fine)] = 12.0
    mv = scipy_signal.sosfilt(scipy_signal.butter(4, 0.4 * fs_hz, fs=fs_hz * fine, output="sos"), mv)[::fine]
    assert_found(told(mv, fs_hz))


def test_two_chambers_are_two_spikes() -> None:
    times = np.sort(np.concatenate([TIMES, TIMES + 0.15]))
    assert_found(told(spikes(FS_HZ, 1.0, 0.001, times=times), FS_HZ), times)


@pytest.mark.parametrize("fs_hz", RATES)
def test_spikes_amid_a_heart_that_beats_by_itself(fs_hz: float) -> None:
    mv, beats = ecg(SECONDS, fs_hz, rr_s=0.75)
    alone = np.array([time for time in TIMES if np.abs(beats - time).min() > 0.12])
    found = told(mv + np.outer(spikes(fs_hz, 3.0, 0.001, times=alone), [1.0, 0.6]), fs_hz)
    assert_found(found, alone)


@pytest.mark.parametrize("fs_hz", [100.0, *RATES])
@pytest.mark.parametrize("size", [0.3, 1.0, 4.0])
def test_a_heart_that_beats_by_itself_has_none(fs_hz: float, size: float) -> None:
    mv, _ = ecg(30, fs_hz)
    noise = np.random.default_rng(2).normal(0, 0.01, mv.shape)
    assert not told(mv * size + noise, fs_hz)


def test_five_minutes_of_a_hard_record_have_hardly_any(toy_ecg) -> None:
    assert len(told(toy_ecg, 360.0)) <= 1


@pytest.mark.parametrize("size", [0.02, 0.3, 5.0])
def test_noise_steps_and_kicks_are_none(size: float) -> None:
    rng = np.random.default_rng(3)
    assert not told(rng.normal(0, size, 7200), 360.0)
    assert not told(np.where(np.arange(7200) < 3600, 0, 10 * size), 360.0)
    assert not told(np.where((np.arange(7200) > 3600) & (np.arange(7200) < 3708), 100 * size, 0), 360.0)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([*RATES, 257.5]),
    st.lists(st.integers(1, 400), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(10, 900), st.integers(1, 120)), max_size=3),
    st.integers(0, 2**32 - 1),
)
def test_blocks_do_not_matter(fs_hz, sizes, gap_steps, seed) -> None:
    rng = np.random.default_rng(seed)
    mv = rng.normal(0, rng.choice([0.0, 0.01, 0.1]), (2000, 2))
    mv += (rng.random(mv.shape) < 0.02) * rng.choice([-5.0, 0.4, 20.0], mv.shape)
    mv = mv.astype(np.float32)
    mv[rng.random(mv.shape) < 0.002] = np.nan
    gaps, at = [], 0
    for step, n in gap_steps:
        if at + step + n < len(mv):
            gaps.append((at + step, n))
            at += step + n
    whole = through(Conditioning(fs_hz, 2), cut(mv, [10**6], gaps))
    parts = through(Conditioning(fs_hz, 2), cut(mv, sizes, gaps))
    assert events(whole) == events(parts)
    assert any("PacingSpike" in event for event in events(whole))
    for one, other in zip(signal(whole), signal(parts), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("fs_hz", [100.0, *RATES])
def test_it_takes_little_time(fs_hz: float) -> None:
    assert Reach.at(fs_hz).ahead / fs_hz <= 0.024
