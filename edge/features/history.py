"""What a patient's beats were so far, and what a model is told of the next one in numbers of timing and shape.

Everything is per beat and looks at the past and at most one R peak ahead.
"""

from __future__ import annotations

from collections.abc import Sequence

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
        self, windows: NDArray[np.float32], prev_s: Sequence[float | None], next_s: Sequence[float | None]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Scale and describe the next beats, each against those before it; then remember them.

        It makes no difference in how many pieces beats are given.

        Parameters
        ----------
        windows : float32 array, shape (n, WINDOW, LEADS)
            mV, from `cut`; all zero in a lead that cannot be read.
        prev_s, next_s : sequence of float or None, length n
            Intervals to the beats before and after; None where there is none to be known.

        Returns
        -------
        float32 array, shape (n, WINDOW, LEADS)
            The windows, each lead over the usual size of its QRS.
        float32 array, shape (n, len(NAMES))
            Their features.
        """
        timing = [self._timing.features(*intervals) for intervals in zip(prev_s, next_s, strict=True)]
        scaled, shape = self._shapes.describe(windows, [features[_TO_PAUSE] > _LATE for features in timing])
        rows = [when + looks for when, looks in zip(timing, shape, strict=True)]
        return scaled, np.array(rows, np.float32).reshape(-1, len(NAMES))
