"""Whether the signal around a beat is too noisy for what a model makes of it.

Electrode motion has the frequencies of the heartbeat: no filter takes it out, a model sees ventricular beats in it, and
is as sure of them as of true ones. Two things tell it from ventricular beats, however large these are: both leads move
all the time, not only in QRS complex and T wave, and no beat is like another.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from edge.beat_features import NAMES, WINDOW, WINDOW_HZ

LEVEL_MV = 0.26
"""Noise of the worse lead, mean of the last `LEVEL_BEATS`, from which beats unlike all others are noisy."""
LEVEL_BEATS = 10

AT_ONCE_MV = 0.3
"""Noise of both leads from which such a beat is noisy by itself: at the onset of noise."""

UNLIKE = 0.5
"""Angle to the best of the shapes seen, rad, from which a beat, or the mean of the last `UNLIKE_BEATS`, is unlike them.
Beats of one focus are like each other from the second on."""
UNLIKE_BEATS = 4

_STEP = round(0.042 * WINDOW_HZ)
_MIDDLE = (WINDOW - _STEP) // 2
_ANGLE = NAMES.index("qrs_angle_best")


class Noise:
    """Noise in the beats of the past and the next one; thresholds were chosen on DS1, with and without added noise."""

    def __init__(self) -> None:
        self._levels: deque[float] = deque(maxlen=LEVEL_BEATS)
        self._angles: deque[float] = deque(maxlen=UNLIKE_BEATS)

    def judge(self, window: NDArray[np.float32], features: NDArray[np.float32]) -> bool:
        """Tell whether a beat is noisy, then remember it.

        Parameters
        ----------
        window : float32 array, shape (WINDOW, LEADS)
            mV, from `edge.beat_features.cut`; all zero in a lead that cannot be read.
        features : float32 array, shape (len(NAMES),)
            Of the same beat.

        Returns
        -------
        bool
            Whether it is noisy.
        """
        levels = level(window)
        angle = float(features[_ANGLE])
        self._levels.append(max(levels))
        self._angles.append(angle)
        if min(levels) > AT_ONCE_MV and angle > UNLIKE:
            return True
        return _mean(self._levels) > LEVEL_MV and _mean(self._angles) > UNLIKE


def level(window: NDArray[np.float32]) -> list[float]:
    """Return the median change within 42 ms of each lead, mV: QRS complex and T wave are less than half of a window."""
    change = np.abs(window[_STEP:] - window[:-_STEP])
    change.partition(_MIDDLE, axis=0)
    levels: list[float] = change[_MIDDLE].tolist()
    return levels


def _mean(values: deque[float]) -> float:
    return sum(values) / len(values)
