"""The piece of signal around a beat, as a model sees it: two leads at a third of `FS_HZ`.

The conditioned signal ends at 40 Hz, so nothing is lost by that.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

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
    leads = window.T.copy()
    leads.partition(WINDOW // 2, axis=1)
    level: NDArray[np.float32] = leads[:, WINDOW // 2]
    return window - level
