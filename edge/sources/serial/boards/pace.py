"""At what rate lines come, where nothing but the host's clock says it; no I/O, its time is given to it."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from edge.sources.serial.settings import MAX_HZ, MIN_HZ

_STANDARD_HZ = (100, 125, 128, 200, 250, 256, 300, 360, 400, 500, 512, 600, 720, 800, 1000)
# A clock is right to this share; what departs from a standard rate by more is no such rate.
_CLOCK = 0.002
_LEAST_CLOCK, _MOST_CLOCK = _CLOCK, 0.005
_BEYOND = 0.015
_MIN_SPAN_S = 1.5
_PATIENCE_S = 6.0
_PAUSE_S = 1.0
_OFF = 0.01
_TRIMMINGS, _LEAST, _MOST_TRIMMED = 3, 12, 0.8
_KEPT = 4096


class Pace:
    """Counts what comes and measures how fast; a pause begins the measurement anew."""

    def __init__(self) -> None:
        self._arrivals: deque[tuple[float, int]] = deque(maxlen=_KEPT)
        self._n = 0

    def add(self, n: int, now_s: float) -> None:
        """Take in that `n` more had come by `now_s`."""
        self._n += n
        if not n:
            return
        if self._arrivals and now_s - self._arrivals[-1][0] > _PAUSE_S:
            self._arrivals.clear()
        self._arrivals.append((now_s, self._n))

    @property
    def span_s(self) -> float:
        """How long they have come without a pause."""
        return self._arrivals[-1][0] - self._arrivals[0][0] if self._arrivals else 0.0

    def measured(self) -> tuple[float, float] | None:
        """Return how many come a second, and by what share that may be wrong; None before it can be told."""
        if self.span_s < _MIN_SPAN_S or len(self._arrivals) < 4:
            return None
        at, n = np.array(self._arrivals, np.float64).T
        at -= at[0]
        # What is late says less than what is not: of the arrivals those count that are ahead of the others.
        for _ in range(_TRIMMINGS):
            ahead = (left := _residuals(at, n)) >= np.median(left)
            if np.count_nonzero(ahead) < _LEAST or np.ptp(at[ahead]) < _MOST_TRIMMED * np.ptp(at):
                break
            at, n = at[ahead], n[ahead]
        hz = float(np.polyfit(at, n, 1)[0])
        scatter = float(np.std(_residuals(at, n)))
        return hz, 2 * scatter / max(hz * float(np.std(at)) * len(at) ** 0.5, 1e-9)

    def hz(self, now_s: float) -> float | None:
        """Return the rate once it is known to half a per cent, or as well as can be after some seconds."""
        found = self.measured()
        if found is None:
            return None
        hz, doubt = found
        if doubt > _MOST_CLOCK and now_s - self._arrivals[0][0] < _PATIENCE_S:
            return None
        # A board of just the lowest or highest rate, whose lines came a little late or early, is not to be refused.
        if MIN_HZ * (1 - _BEYOND) <= hz <= MAX_HZ * (1 + _BEYOND):
            hz = min(max(hz, MIN_HZ), MAX_HZ)
        nearest = min(_STANDARD_HZ, key=lambda standard: abs(standard - hz))
        within = min(max(_LEAST_CLOCK, doubt), _MOST_CLOCK)
        return float(nearest) if abs(nearest - hz) <= within * nearest else max(round(hz, 1), 1.0)

    def other_than(self, fs_hz: float, now_s: float, *, by: float = _OFF, span_s: float = _PATIENCE_S) -> float | None:
        """Return the rate if it is for certain another than `fs_hz`, by more than a share; None if it is not."""
        if self.span_s < span_s or (found := self.measured()) is None:
            return None
        hz, doubt = found
        found_hz = self.hz(now_s) if abs(hz - fs_hz) > (by + doubt) * fs_hz else None
        return None if found_hz == fs_hz else found_hz


def _residuals(at: NDArray[np.float64], n: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by how much each count departs from a line through them."""
    return np.asarray(n - np.polyval(np.polyfit(at, n, 1), at), np.float64)
