"""T waves as tall as the QRS complex are no beats; beats at twice the rate are."""

from __future__ import annotations

import numpy as np
import pytest
from front_end import r_peaks_of
from numpy.typing import NDArray

SECONDS = 16
Waves = tuple[tuple[float, float, float], ...]


def qrs(height: float, width_s: float = 0.011) -> Waves:
    """Return time after R in s, width in s and height in mV of the waves of a QRS complex."""
    wide = width_s / 0.011
    return (
        (-0.03 * wide, 0.008 * wide, -0.1 * height),
        (0.0, width_s, height),
        (0.03 * wide, 0.01 * wide, -0.2 * height),
    )


def drawn(beats: NDArray[np.float64], waves: list[Waves], shares: tuple[float, ...]) -> NDArray[np.float32]:
    """Return leads that show beats, each with its waves, in these shares; a little noise."""
    time = np.arange(SECONDS * 360) / 360
    wave = np.zeros(len(time))
    for beat, its in zip(beats, waves, strict=True):
        for after, width, height in its:
            wave += height * np.exp(-0.5 * ((time - beat - after) / width) ** 2)
    mv = np.outer(wave, shares) + np.random.default_rng(5).normal(0, 0.005, (len(time), len(shares)))
    return mv.astype(np.float32)


def assert_found(mv: NDArray[np.float32], beats: NDArray[np.float64], within_s: float = 0.06) -> None:
    found = np.array([peak.sample / 360 for peak in r_peaks_of(mv)])
    assert abs(len(found) - len(beats)) <= 1
    assert all(np.abs(found - beat).min() < within_s for beat in beats[2:-2])


@pytest.mark.parametrize("rate", [40, 60, 72, 100, 130, 160])
@pytest.mark.parametrize("share", [0.5, 1.0, 1.5])
@pytest.mark.parametrize("width_s", [0.03, 0.04, 0.055])
@pytest.mark.parametrize("leads", [(1.0,), (1.0, 0.6), (1.0, -0.5)])
def test_a_tall_t_wave_is_no_beat(rate: int, share: float, width_s: float, leads: tuple[float, ...]) -> None:
    rr_s = 60 / rate
    after = 0.3 * min(rr_s, 1.2) ** 0.5
    for sign in (1, -1):
        beats = np.arange(0.5, SECONDS, rr_s)
        t_wave = ((after, min(width_s, 0.2 * after), sign * share),)
        if share > 1 and t_wave[0][1] < 0.035:
            continue  # as steep as the QRS complex: that could be a beat
        assert_found(drawn(beats, [qrs(1.0) + t_wave] * len(beats), leads), beats)


@pytest.mark.parametrize("rate", [120, 144, 170, 200])
def test_a_rhythm_of_twice_the_rate_is_found(rate: int) -> None:
    beats = np.arange(0.5, SECONDS, 60 / rate)
    assert_found(drawn(beats, [qrs(1.0)] * len(beats), (1.0, 0.6)), beats)


@pytest.mark.parametrize("rate", [144, 170, 190])
@pytest.mark.parametrize("small", [0.6, 0.8])
def test_alternans_is_found(rate: int, small: float) -> None:
    beats = np.arange(0.5, SECONDS, 60 / rate)
    waves = [qrs(small if i % 2 else 1.0) for i in range(len(beats))]
    assert_found(drawn(beats, waves, (1.0, 0.6)), beats)


@pytest.mark.parametrize("coupling_s", [0.38, 0.42, 0.5])
def test_bigeminy_with_a_short_coupling_is_found(coupling_s: float) -> None:
    normal = np.arange(0.5, SECONDS - 1, 1.1)
    beats = np.sort(np.concatenate([normal, normal + coupling_s]))
    ventricular = qrs(-1.6, 0.032)
    waves = [ventricular if i % 2 else (*qrs(1.0), (0.24, 0.04, 0.25)) for i in range(len(beats))]
    assert_found(drawn(beats, waves, (1.0, 0.6)), beats, 0.1)


@pytest.mark.parametrize("rate", [150, 180, 210])
def test_ventricular_tachycardia_is_found(rate: int) -> None:
    beats = np.concatenate([np.arange(0.5, 6, 0.8), np.arange(6.4, SECONDS, 60 / rate)])
    waves = [(*qrs(1.0), (0.27, 0.045, 0.25)) if beat < 6 else qrs(1.5, 0.035) for beat in beats]
    assert_found(drawn(beats, waves, (1.0, 0.6)), beats, 0.1)
