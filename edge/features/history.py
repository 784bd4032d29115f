"""What a patient's beats were so far, and what a model is told of the next one in numbers of timing and shape.

Everything is per beat and looks at the past and at most one R peak ahead.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.features.shape import SHAPE_NAMES, Shapes
from edge.features.timing import TIMING_NAMES, Timing

NAMES: tuple[str, ...] = TIMING_NAMES + SHAPE_NAMES
"""Names of the features, in order."""

_TO_PAUSE = TIMING_NAMES.index("prev_over_pause")
_LATE = -0.07
"""`prev_over_pause` from which a beat is late."""


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
