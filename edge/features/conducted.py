"""What tells a supraventricular beat among those that the atria led to, once ventricular beats are known.

Timing and P wave as `edge.features.history` has them; timing once more with ventricular beats taken out of the past, so
that they are neither the norm nor what is irregular; and how likely the atria fibrillate. QRS complex and T wave say
nothing of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.features import history
from edge.features.timing import LONGEST_S, TIMING_NAMES, Timing

RHYTHM = np.flatnonzero([name in TIMING_NAMES or name.startswith(("p_", "tp_")) for name in history.NAMES])
"""Features of timing and P wave among those of `edge.features.history`."""

CONDUCTED_NAMES = (
    *(f"{name}_conducted" for name in TIMING_NAMES),
    "after_ventricular",  # 1 where the beat before is ventricular
    "ventricular_share",  # of the last 32 beats or so
)
NAMES = (*(history.NAMES[i] for i in RHYTHM), *CONDUCTED_NAMES, "af")
"""Names of all that is asked; ``af`` are the log odds of atrial fibrillation, `UNKNOWN_ODDS` before they are known."""

UNKNOWN_ODDS = -9.0
_SHARE_RATE = 1 / 32
_NEXT = TIMING_NAMES.index("rr_next")
_EXAMPLE = 300


class Conducted:
    """Timing of the beats that are not ventricular, against others that are not."""

    def __init__(self) -> None:
        self._timing = Timing()
        self._after = False
        self._share = 0.0

    def describe(self, prev_s: float | None, next_s: float | None, *, ventricular: bool) -> list[float] | None:
        """Describe a beat, then remember it.

        Parameters
        ----------
        prev_s, next_s : float or None
            Intervals to the beats before and after, of whatever kind; None where there is none to be known.
        ventricular : bool
            Whether it is a V or a fusion beat.

        Returns
        -------
        list of float or None
            One per name in `CONDUCTED_NAMES`; None for a ventricular beat.
        """
        after, self._after = self._after, ventricular
        self._share += _SHARE_RATE * (float(ventricular) - self._share)
        if ventricular:
            return None
        return [*self._timing.features(prev_s, next_s, remember=not after), float(after), self._share]


def next_s(features: NDArray[np.float32]) -> float | None:
    """Return the interval to the next beat that a beat's features tell, s; None where none was known in time."""
    interval = float(features[_NEXT])
    return None if interval > LONGEST_S - 1e-3 else interval


def example() -> list[float]:
    """Return sums of what is measured of artificial intervals, by which it is known to be measured as here."""
    conducted = Conducted()
    rows = []
    for k in range(_EXAMPLE):
        early, ventricular = k % 7 == 3, k % 11 == 5
        prev_s = (0.8 + 0.1 * float(np.sin(0.7 * k))) * (0.65 if early or ventricular else 1.0)
        row = conducted.describe(prev_s, None if k % 37 == 36 else 0.8, ventricular=ventricular)
        rows += [] if row is None else [row]
    return [float(value) for value in np.mean(rows, axis=0)]
