"""R peaks after a silence: noise is none, and a patient who comes back smaller or faster is found."""

from __future__ import annotations

import numpy as np
import pytest
from front_end import ecg, r_peaks_of
from numpy.typing import NDArray

from edge.messages import FS_HZ

SEEDS = 2


def slow_noise(seconds: float, rms_mv: float, seed: int) -> NDArray[np.float64]:
    """Noise that falls with its frequency down to 0.5 Hz, as electrodes give it."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(size=(round(seconds * FS_HZ), 2)), axis=0)
    spectrum /= np.maximum(np.fft.rfftfreq(round(seconds * FS_HZ), 1 / FS_HZ)[:, None], 0.5)
    noise = np.fft.irfft(spectrum, axis=0)
    return np.asarray(noise * (rms_mv / noise.std()))


@pytest.mark.parametrize("rms_mv", [0.03, 0.06])
@pytest.mark.parametrize("seed", range(SEEDS))
def test_slow_noise_after_the_last_beat_is_none(rms_mv: float, seed: int) -> None:
    before = ecg(15)[0]
    found = r_peaks_of(np.vstack([before, slow_noise(30, rms_mv, seed)]).astype(np.float32))
    assert not [peak.sample for peak in found if peak.sample > len(before) + 20]


def test_a_fast_rhythm_that_comes_back_small_is_found() -> None:
    rng = np.random.default_rng(3)
    before, silence = ecg(12)[0], rng.normal(0, 0.004, (5 * FS_HZ, 2))
    small = 0.15 * ecg(12, rr_s=0.36)[0]
    mv = np.vstack([before, silence, small + rng.normal(0, 0.004, small.shape)])
    found = [peak.sample for peak in r_peaks_of(mv.astype(np.float32)) if peak.sample > len(before) + len(silence)]
    assert found[0] < len(before) + len(silence) + 4 * FS_HZ
    late = np.diff([sample for sample in found if sample > len(before) + len(silence) + 10 * FS_HZ])
    assert len(late) >= 4
    assert late / FS_HZ == pytest.approx(0.36, abs=0.05), "every beat after ten seconds"
