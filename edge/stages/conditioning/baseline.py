"""The baseline of an ECG: where it stands between its waves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

HOP = 12
"""The median is taken over means of this many samples, which makes it cheap."""

HOPS = 19
"""Means in the running median: 0.63 s, longer than twice a QRS and T wave."""

_FEW = 8
"""Medians up to which sorting for each is cheaper than the filter's start, as in small blocks live."""

Floats = NDArray[np.float64]


class Baseline:
    """Running median of means over `HOP` samples, a line drawn from each median to the next.

    Parameters
    ----------
    start : int
        First sample that will be given, a multiple of `HOP`.
    first : int
        First mean that counts; those before it hold only the first value extended backwards.
    ahead : int
        How many samples ahead of what is asked for the samples have come.
    n_leads : int
        Columns of the samples.
    """

    def __init__(self, start: int, first: int, ahead: int, n_leads: int) -> None:
        self._first = first
        # A median is known `ahead` samples before the samples that end the line to it are wanted.
        self._shift = HOP * 2 - 1 - ahead
        self._rest_origin = start
        self._rest = np.zeros((0, n_leads))
        self._means = np.zeros((0, n_leads))
        self._medians = np.zeros((0, n_leads))
        self._medians_origin = first

    def extend(self, mv: Floats) -> None:
        """Add samples at 360 Hz."""
        rest = np.concatenate([self._rest, mv])
        n = len(rest) // HOP
        means = rest[: n * HOP].reshape(n, HOP, rest.shape[1]).sum(axis=1) / HOP
        skip = min(max(self._first - self._rest_origin // HOP, 0), n)
        self._rest, self._rest_origin = rest[n * HOP :], self._rest_origin + n * HOP
        if n > skip:
            self._add(means[skip:])

    def _add(self, means: Floats) -> None:
        rows = np.concatenate([self._means, means])
        self._medians = np.concatenate([self._medians, _trailing_median(rows, len(self._means))])
        self._means = rows[-(HOPS - 1) :]

    def at(self, start: int, stop: int) -> Floats:
        """Return the baseline at samples [start, stop)."""
        place, step = np.divmod(np.arange(start, stop) - self._shift, HOP)
        place -= self._medians_origin
        weight = (step / HOP)[:, None]
        # Before the first median there is nothing to draw a line from.
        before, after = self._medians[np.maximum(place, 0)], self._medians[np.maximum(place + 1, 0)]
        drop = max(int(place[-1]), 0)
        self._medians, self._medians_origin = self._medians[drop:], self._medians_origin + drop
        return np.asarray(before + weight * (after - before))


def _trailing_median(rows: Floats, n_known: int) -> Floats:
    """Return for each row after the first `n_known` the median of it and up to ``HOPS - 1`` rows before it."""
    growing = min(max(HOPS - 1 - n_known, 0), len(rows) - n_known)
    out = [np.median(rows[: n_known + i + 1], axis=0)[None] for i in range(growing)]
    left = len(rows) - n_known - growing
    first = n_known + growing - (HOPS - 1)
    if left > _FEW:
        out.append(median_filter(rows[first:], size=(HOPS, 1), origin=(HOPS // 2, 0))[HOPS - 1 :])
    else:
        out += [np.sort(rows[first + i : first + i + HOPS], axis=0)[HOPS // 2][None] for i in range(left)]
    return np.concatenate(out)
