"""The heart rate of the last hour, in fixed memory."""

from __future__ import annotations

import numpy as np

_SECONDS = 3600


class Trend:
    """A ring of an hour of seconds; a second that nobody told is unknown."""

    def __init__(self) -> None:
        self._second = np.zeros(_SECONDS, np.int64)
        self._bpm = np.full(_SECONDS, np.nan, np.float32)

    def add(self, wall_s: float, bpm: float | None) -> None:
        """Note the rate of a second; None if it could not be told."""
        at = int(wall_s) % _SECONDS
        self._second[at] = int(wall_s)
        self._bpm[at] = np.nan if bpm is None else bpm

    def points(self, wall_s: float) -> tuple[list[int], list[float | None]]:
        """Return seconds since 1970 and the rate at each, None where unknown, from the first to the newest."""
        newest = int(wall_s)
        known = self._second > newest - _SECONDS
        if not known.any():
            return [], []
        seconds = np.arange(int(self._second[known].min()), newest + 1)
        at = seconds % _SECONDS
        bpm = np.where(self._second[at] == seconds, self._bpm[at], np.nan)
        return seconds.tolist(), [None if np.isnan(value) else round(float(value), 1) for value in bpm]
