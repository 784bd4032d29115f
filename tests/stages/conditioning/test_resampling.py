"""Change of rate: accurate against a sine that is known everywhere, aligned in time, exact for a constant."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.messages import FS_HZ
from edge.stages.conditioning.resampling import Resampler


def resampled(fs_hz: float, source, start: int = 100, stop: int = 500):
    resampler = Resampler(fs_hz)
    first, last = resampler.span(start, stop)
    times = np.arange(first, last) / fs_hz
    return resampler.take(source(times)[:, None], first, start, stop)[:, 0], np.arange(start, stop) / FS_HZ


@pytest.mark.parametrize("fs_hz", [100, 125, 128, 200, 250, 257, 257.5, 333.3, 500, 512, 1000])
@pytest.mark.parametrize("hz", [1.0, 10.0, 25.0, 35.0])
def test_a_sine_is_the_same_sine_at_the_new_rate(fs_hz: float, hz: float) -> None:
    # At 100 Hz the sinc is cut short for the sake of delay: 35 Hz there is 15 Hz from its image.
    allowed = 0.01 if fs_hz == 100 and hz == 35.0 else 0.005
    got, times = resampled(fs_hz, lambda t: np.sin(2 * np.pi * hz * t + 0.3))
    assert np.abs(got - np.sin(2 * np.pi * hz * times + 0.3)).max() < allowed


@given(st.floats(100, 1000))
def test_a_constant_stays_what_it_is(fs_hz: float) -> None:
    got, _ = resampled(fs_hz, lambda t: np.full(len(t), 3.0))
    assert np.allclose(got, 3.0, atol=1e-12)


@pytest.mark.parametrize("fs_hz", [500, 1000])
def test_what_would_fold_into_the_ecg_is_removed(fs_hz: float) -> None:
    got, _ = resampled(fs_hz, lambda t: np.sin(2 * np.pi * 345.0 * t) if fs_hz == 1000 else np.sin(2 * np.pi * 240 * t))
    folded = np.abs(got).max()
    assert folded < 0.01 if fs_hz == 1000 else folded < 1.01


def test_360_hz_passes_untouched() -> None:
    resampler = Resampler(360.0)
    samples = np.random.default_rng(1).normal(size=(50, 2))
    assert resampler.half == 0
    assert np.array_equal(resampler.take(samples, 10, 20, 60), samples[10:50])


@pytest.mark.parametrize(("fs_hz", "start", "stop"), [(128, 40, 200), (500, 0, 100), (257, 333, 777)])
def test_touched_are_exactly_those_whose_values_would_change(fs_hz: float, start: int, stop: int) -> None:
    resampler = Resampler(fs_hz)
    first, last = resampler.span(start, stop)
    clean = np.zeros((last - first, 1))
    flags = np.zeros(clean.shape, bool)
    spot = (last - first) // 2
    flags[spot] = True
    spoiled = clean.copy()
    spoiled[spot] = 1e6
    changed = resampler.take(spoiled, first, start, stop) != resampler.take(clean, first, start, stop)
    touched = resampler.touched(flags, first, start, stop)
    assert changed.any()
    assert not (changed & ~touched).any()
    assert touched.sum() <= changed.sum() + 4
