"""Whether the signal around a beat is too noisy for what a model makes of it.

Electrode motion has the frequencies of the heartbeat: no filter takes it out, a model sees ventricular beats in it, and
is as sure of them as of true ones. Three things tell it from ventricular beats, however large these are: the leads move
all the time, not only in QRS complex and T wave; no beat is like another; and it is not as smooth as ventricular
flutter, of which the first two are true as well.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from edge.features.history import NAMES
from edge.features.window import WINDOW, WINDOW_HZ

LEVEL_MV = 0.24
"""Noise of the worse lead, mean of the last `LEVEL_BEATS`, from which beats neither alike nor smooth are noisy."""
LEVEL_BEATS = 10

AT_ONCE_MV = 0.3
"""Noise of both leads from which a beat that is like no other is noisy by itself: at the onset of noise."""

UNLIKE = 0.5
"""Angle to the best of the shapes seen, rad, from which a beat, or the mean of the last `UNLIKE_BEATS`, is unlike them.
Beats of one focus are like each other from the second on."""
UNLIKE_BEATS = 4

SMOOTH = 0.215
"""Change within 8 ms over that within 42 ms up to which a signal is smooth; a slow straight line has 0.2."""

_LONG, _SHORT = round(0.042 * WINDOW_HZ), round(0.008 * WINDOW_HZ)
_ANGLE = NAMES.index("qrs_angle_best")


class Noise:
    """Noise in the beats of the past and the next one; thresholds were chosen on DS1, with and without added noise."""

    def __init__(self) -> None:
        self._long: deque[float] = deque(maxlen=LEVEL_BEATS)
        self._short: deque[float] = deque(maxlen=LEVEL_BEATS)
        self._angles: deque[float] = deque(maxlen=UNLIKE_BEATS)

    def judge(self, windows: NDArray[np.float32], features: NDArray[np.float32]) -> list[bool]:
        """Tell which of the next beats are noisy, then remember them.

        Parameters
        ----------
        windows : float32 array, shape (n, WINDOW, LEADS)
            mV, from `edge.features.window.cut`; all zero in a lead that cannot be read.
        features : float32 array, shape (n, len(NAMES))
            Of the same beats.

        Returns
        -------
        list of bool
            Whether each is noisy.
        """
        leads = windows.transpose(0, 2, 1)
        changes = zip(_median_change(leads, _LONG), _median_change(leads, _SHORT), strict=True)
        angles = features[:, _ANGLE].tolist()
        return [self._is_noisy(*change, angle) for change, angle in zip(changes, angles, strict=True)]

    def _is_noisy(self, levels: list[float], fast: list[float], angle: float) -> bool:
        self._long.append(max(levels))
        self._short.append(max(fast))
        self._angles.append(angle)
        if min(levels) > AT_ONCE_MV and angle > UNLIKE:
            return True
        level = sum(self._long) / len(self._long)
        if level <= LEVEL_MV or sum(self._short) <= SMOOTH * sum(self._long):
            return False
        return sum(self._angles) > UNLIKE * len(self._angles)


def _median_change(leads: NDArray[np.float32], step: int) -> list[list[float]]:
    """Return the median change of each lead of each beat, mV; QRS and T wave are less than half of a window."""
    change = np.abs(leads[..., step:] - leads[..., :-step])
    middle = (WINDOW - step) // 2
    change.partition(middle, axis=-1)
    medians: list[list[float]] = change[..., middle].tolist()
    return medians
