"""Heart rate over time, in room that does not grow: steps become longer as a stream goes on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.findings.findings import Rate, Spread

MAX_STEPS = 2880
"""Of half a minute in a day; a picture a page wide has no more columns."""

_BINS = 400
"""Rates are also counted to the whole 1/min, for their median."""


class RateOverTime:
    """Keeps sum, count and extremes of each step."""

    def __init__(self) -> None:
        self._step_s = 1
        self._sums = np.zeros(MAX_STEPS)
        self._counts = np.zeros(MAX_STEPS, np.int64)
        self._min = np.full(MAX_STEPS, np.inf)
        self._max = np.full(MAX_STEPS, -np.inf)
        self._squares = 0.0
        self._histogram = np.zeros(_BINS * 10, np.int64)
        self._last = 0

    def add(self, second: int, bpm: float | None) -> None:
        """Take the rate of a second; None if it could not be told."""
        while second // self._step_s >= MAX_STEPS:
            self._double()
        at = second // self._step_s
        self._last = max(self._last, at)
        if bpm is None:
            return
        self._sums[at] += bpm
        self._counts[at] += 1
        self._min[at], self._max[at] = min(self._min[at], bpm), max(self._max[at], bpm)
        self._squares += bpm * bpm
        self._histogram[min(round(bpm * 10), len(self._histogram) - 1)] += 1

    def rate(self) -> Rate:
        """Return what came so far."""
        n = self._last + 1
        told = self._counts[:n] > 0
        mean = self._sums[:n] / np.maximum(self._counts[:n], 1)
        return Rate(
            step_s=float(self._step_s),
            mean=_told(mean, told),
            min=_told(self._min[:n], told),
            max=_told(self._max[:n], told),
            overall=self._overall(),
        )

    def _overall(self) -> Spread | None:
        n = int(self._counts.sum())
        if not n:
            return None
        mean = float(self._sums.sum()) / n
        median = int(np.searchsorted(np.cumsum(self._histogram), (n + 1) // 2)) / 10
        return Spread(
            n=n,
            mean=round(mean, 1),
            median=median,
            sd=round(max(self._squares / n - mean * mean, 0.0) ** 0.5, 1),
            min=round(float(self._min.min()), 1),
            max=round(float(self._max.max()), 1),
        )

    def _double(self) -> None:
        """Make two steps one."""
        half = MAX_STEPS // 2
        for values, join, empty in (
            (self._sums, np.add, 0.0),
            (self._counts, np.add, 0),
            (self._min, np.minimum, np.inf),
            (self._max, np.maximum, -np.inf),
        ):
            values[:half] = join(values[::2], values[1::2])
            values[half:] = empty
        self._step_s *= 2
        self._last //= 2


def _told(values: NDArray[np.float64], told: NDArray[np.bool_]) -> tuple[float | None, ...]:
    return tuple(round(v, 1) if ok else None for v, ok in zip(values.tolist(), told.tolist(), strict=True))
