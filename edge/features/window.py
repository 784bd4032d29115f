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

_AROUND = STEP * np.arange(-BEFORE, WINDOW - BEFORE)

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


def cut(mv: NDArray[np.float32], rows: NDArray[np.intp] | Sequence[int]) -> NDArray[np.float32]:
    """Cut the windows around `rows`, each lead's median taken away; rows outside `mv` are its nearest.

    Parameters
    ----------
    mv : float32 array, shape (n_samples, LEADS)
        Clean signal at `FS_HZ`.
    rows : array of int, shape (n,)
        Rows of the R peaks.

    Returns
    -------
    float32 array, shape (n, WINDOW, LEADS)
        mV.
    """
    windows: NDArray[np.float32] = mv[np.clip(np.asarray(rows, np.intp)[:, None] + _AROUND, 0, len(mv) - 1)]
    leads = windows.transpose(0, 2, 1).copy()
    leads.partition(WINDOW // 2, axis=2)
    windows -= leads[:, None, :, WINDOW // 2]
    return windows
