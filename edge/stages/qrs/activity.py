"""Whether a lead shows any signal: a lead that is flat shows no heart, or an electrode that is off."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEAST_MV = 0.03
"""Peak to peak below which there is no signal: the noise that IEC 60601-2-27 lets an amplifier have. No 0.83 s of the
MIT-BIH Arrhythmia Database are as flat, in any lead that is connected."""

CELL = 20
"""Samples of which the extremes are kept."""

CELLS = 15
"""Cells over which a lead must move, the next one included: 0.83 s."""

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Activity:
    """Peak-to-peak values of one segment, cell by cell.

    Parameters
    ----------
    start : int
        First sample of the segment, where cells begin.
    first : float64 array, shape (n_leads,)
        Its values, taken to have been the same before.
    """

    def __init__(self, start: int, first: Floats) -> None:
        self._start = start
        self._rest = np.zeros((0, len(first)))
        before = np.repeat(first[None], CELLS - 1, axis=0)
        self._high, self._low = before, before
        self._active = np.zeros((0, len(first)), bool)
        self._origin = -1  # the cell of the first row of `_active`

    def extend(self, mv: Floats) -> None:
        """Add clean samples."""
        rest = np.concatenate([self._rest, mv])
        n = len(rest) // CELL
        self._rest = rest[n * CELL :]
        if not n:
            return
        cells = rest[: n * CELL].reshape(n, CELL, -1)
        high = np.concatenate([self._high, cells.max(axis=1)])
        low = np.concatenate([self._low, cells.min(axis=1)])
        spread = _trailing(high, np.maximum) - _trailing(low, np.minimum)
        self._active = np.concatenate([self._active, spread >= LEAST_MV])
        self._high, self._low = high[-(CELLS - 1) :], low[-(CELLS - 1) :]

    def at(self, start: int, stop: int) -> Flags:
        """Return whether each lead is active at samples [start, stop), for which twice `CELL` more must have come."""
        cells = (np.arange(start, stop) - self._start) // CELL
        flags: Flags = self._active[cells - self._origin]
        drop = int(cells[-1]) - self._origin
        self._active, self._origin = self._active[drop:], self._origin + drop
        return flags


def _trailing(rows: Floats, extreme: np.ufunc) -> Floats:
    """Return the extreme of each row from the `CELLS`th on and of those before it; five by three."""
    n = len(rows)
    threes = extreme(extreme(rows[2:], rows[1:-1]), rows[:-2])
    found = threes[12 : n - 2]
    for before in (3, 6, 9, 12):
        found = extreme(found, threes[12 - before : n - 2 - before])
    return np.asarray(found)
