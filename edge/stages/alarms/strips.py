"""The signal of the last seconds, to cut strips from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.messages import FS_HZ, Samples, Strip


class Strips:
    """Keeps as much of the clean signal as one strip takes.

    Parameters
    ----------
    leads : tuple of str
        Lead names.
    strip_s : float
        Length of a strip.
    """

    def __init__(self, leads: tuple[str, ...], strip_s: float) -> None:
        self._leads = leads
        self._n = round(strip_s * FS_HZ)
        self._lag = 0
        self._start = 0
        self._mv: NDArray[np.float32] = np.zeros((0, len(leads)), np.float32)

    def take_over(self, former: Strips) -> None:
        """Keep the signal that another one has kept."""
        self._lag, self._start, self._mv = former._lag, former._start, former._mv

    def extend(self, block: Samples) -> None:
        """Add a block; what does not join the signal so far replaces it."""
        self._lag = block.lag
        if not len(self._mv) or block.start != self._start + len(self._mv):
            self._start, self._mv = block.start, block.mv
        else:
            # What was kept for the strips of the last block is no longer needed in full.
            keep = self._mv[-self._n :]
            self._start += len(self._mv) - len(keep)
            self._mv = np.concatenate([keep, block.mv])

    def cut(self, decided: int) -> Strip | None:
        """Return the signal up to the last sample seen at `decided`; None if there is none."""
        stop = min(decided - self._lag - self._start, len(self._mv))
        if stop <= 0:
            return None
        first = max(stop - self._n, 0)
        return Strip(start=self._start + first, fs_hz=float(FS_HZ), leads=self._leads, mv=self._mv[first:stop].copy())
