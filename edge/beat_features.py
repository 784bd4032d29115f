"""What a model is told of a beat: a window of two leads and some numbers of timing and shape.

Beats are seen at a third of `FS_HZ`; the conditioned signal ends at 40 Hz, so nothing is lost. Everything is per beat
and looks at the past and at most one R peak ahead.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge.beat_shape import SHAPE_NAMES, Shapes
from edge.beat_timing import TIMING_NAMES, Timing
from edge.messages import FS_HZ

WINDOW_HZ = 120
"""Rate of a window."""

STEP = FS_HZ // WINDOW_HZ
"""Clean samples a window sample."""

BEFORE = 48
"""Window samples before R: 0.4 s, so that a P wave with a long PR interval is in."""

WINDOW = 128
"""Window samples in all: to 0.67 s after R, the end of the T wave."""

LEADS = 2
"""Columns of a window: a limb lead near II where there is one, then a chest lead."""

NAMES: tuple[str, ...] = TIMING_NAMES + SHAPE_NAMES
"""Names of the features, in order."""

_TO_PAUSE = TIMING_NAMES.index("prev_over_pause")
_LATE = -0.07
"""`prev_over_pause` from which a beat is late."""

_FIRST = ("II", "MLII", "ML2", "D2", "ECG1", "ECG", "I", "MLI")
_SECOND = ("V1", "MV1", "V2", "V5", "ECG2", "V3", "V4", "V6")


def choose_leads(names: Sequence[str]) -> tuple[int, ...]:
    """Return the columns of the one or two leads a model looks at.

    Known names come first, in the order models prefer them (record 114 of MIT-BIH has its leads swapped); the others
    are taken as they come.
    """
    upper = [name.upper().removeprefix("LEAD").strip(" _-") for name in names]
    first = next((upper.index(name) for name in _FIRST if name in upper), 0)
    rest = [column for column in range(len(upper)) if column != first]
    if not rest:
        return (first,)
    second = next((upper.index(name) for name in _SECOND if name in upper and upper.index(name) in rest), rest[0])
    return (first, second)


def cut(mv: NDArray[np.float32], r: int) -> NDArray[np.float32]:
    """Cut the window around row `r`, each lead's median taken away; rows outside `mv` are its nearest.

    Parameters
    ----------
    mv : float32 array, shape (n, LEADS)
        Clean signal at `FS_HZ`.
    r : int
        Row of the R peak.

    Returns
    -------
    float32 array, shape (WINDOW, LEADS)
        mV.
    """
    first, last = r - BEFORE * STEP, r + (WINDOW - BEFORE) * STEP
    if first >= 0 and last <= len(mv):
        window = mv[first:last:STEP]
    else:
        window = mv[np.clip(np.arange(first, last, STEP), 0, len(mv) - 1)]
    level: NDArray[np.float32] = np.sort(window, axis=0)[WINDOW // 2]
    return window - level


class History:
    """What a patient's beats were so far, against which the next one is described."""

    def __init__(self) -> None:
        self._timing = Timing()
        self._shapes = Shapes()

    def describe(
        self, window: NDArray[np.float32], prev_s: float | None, next_s: float | None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Scale and describe a beat, then remember it.

        Parameters
        ----------
        window : float32 array, shape (WINDOW, LEADS)
            mV, from `cut`; all zero in a lead that cannot be read.
        prev_s, next_s : float or None
            Intervals to the beats before and after; None where there is none to be known.

        Returns
        -------
        float32 array, shape (WINDOW, LEADS)
            The window, each lead over the usual size of its QRS.
        float32 array, shape (len(NAMES),)
            Its features.
        """
        timing = self._timing.features(prev_s, next_s)
        scaled, shape = self._shapes.describe(window, late=timing[_TO_PAUSE] > _LATE)
        return scaled, np.array(timing + shape, np.float32)
