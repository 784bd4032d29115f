"""How irregular the intervals between sinus-conducted beats are: what tells atrial fibrillation from RR alone.

Beats that are ventricular, fusion or not to be told are taken out first, with the intervals on both sides of them.
What is measured are pairs of intervals that follow each other, over a short and a long stretch of them. Intervals are
rounded to 1/128 s, so that it makes no difference at which rate the R peaks were found.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

HORIZONS = (32, 128)
"""Pairs of intervals looked back at. Zhou et al. 2015 (doi:10.1371/journal.pone.0136544) use 127 intervals."""
FEWEST = 16
"""Pairs that can be judged at all."""

_NAMES = (
    "cells",  # share of distinct cells in the map of interval against change, 25 ms: after Lian et al. 2011
    "coarse_cells",  # the same at 50 ms
    "step",  # median change of the logarithm from one interval to the next
    "mean_step",  # its mean, limited
    "small_steps",  # share of changes below 2 %
    "large_steps",  # of those above 10 %
    "spread",  # interquartile range of the logarithm of the interval
    "alike",  # mean square of the changes over twice the variance: 1 where intervals know nothing of each other
    "usual",  # share of intervals within 5 % of their median
    "turns",  # share of the largest tenth in the sum of changes: ectopic beats now and then
    "rr",  # median interval, s
)
NAMES = tuple(f"{name}_{n}" for n in HORIZONS for name in _NAMES)

STRIP_FEWEST = 4
"""Pairs without which nothing can be said of a short strip."""
STRIP_NAMES = (
    *(f"{name}_counted" for name in _NAMES),  # of the pairs between beats that count
    *(f"{name}_any" for name in _NAMES),  # of all pairs, since a strip has few
    "beats",
    "v_share",
    "q_share",
    "s_share",
)

_TICK = 1 / 128
_CELL = 0.025
_LIMIT = 0.5
_UNKNOWN = np.full(len(_NAMES), -9.0)
_SHORTEST_S, _LONGEST_S = 0.2, 3.0


def measure(pairs: Floats) -> Floats:
    """Return what is measured of pairs of intervals.

    Parameters
    ----------
    pairs : float64 array, shape (..., n, 2)
        Interval and the one after it, s, oldest first; n at least `FEWEST`. The last of them are the short stretch.

    Returns
    -------
    float64 array, shape (..., len(NAMES))
        By `NAMES`.
    """
    return np.concatenate([_stretch(pairs[..., -n:, :]) for n in HORIZONS], axis=-1)


def _stretch(pairs: Floats) -> Floats:
    """Measure one stretch, by `_NAMES`."""
    n = pairs.shape[-2]
    after = pairs[..., 1]
    logs = np.log(pairs)
    change = logs[..., 1] - logs[..., 0]
    size = np.sort(np.abs(change), axis=-1)
    ordered = np.sort(logs[..., 1], axis=-1)
    middle = ordered[..., n // 2]
    variance = np.maximum(logs[..., 1].var(axis=-1), 1e-5)
    limited = np.minimum(size, _LIMIT)
    tenth = limited[..., -max(n // 10, 1) :].sum(axis=-1)
    rows = (
        _cells(after, after - pairs[..., 0], _CELL) / n,
        _cells(after, after - pairs[..., 0], 2 * _CELL) / n,
        size[..., n // 2],
        limited.mean(axis=-1),
        (size < 0.02).mean(axis=-1),
        (size > 0.1).mean(axis=-1),
        ordered[..., 3 * n // 4] - ordered[..., n // 4],
        np.minimum((change * change).mean(axis=-1) / (2 * variance), 3.0),
        (np.abs(logs[..., 1] - middle[..., None]) < 0.05).mean(axis=-1),
        tenth / (limited.sum(axis=-1) + 1e-3),
        np.exp(middle),
    )
    return np.stack(rows, axis=-1)


def _cells(after: Floats, change: Floats, size: float) -> Floats:
    """Count the distinct cells of a map that the pairs fall into."""
    codes = np.sort(np.floor(after / size) * 1000 + np.floor(change / size), axis=-1)
    return np.asarray(1.0 + (np.diff(codes, axis=-1) != 0).sum(axis=-1), np.float64)


def tidy(rr_s: float) -> float:
    """Return an interval as it is measured: rounded to 1/128 s, within limits.

    >>> tidy(0.8)
    0.796875
    """
    return min(max(round(rr_s / _TICK) * _TICK, _SHORTEST_S), _LONGEST_S)


class Intervals:
    """The last pairs of intervals between beats that count."""

    def __init__(self) -> None:
        self._pairs: deque[tuple[float, float]] = deque(maxlen=max(HORIZONS))
        self._last: float | None = None
        self._counts = False

    def __len__(self) -> int:
        return len(self._pairs)

    def add(self, rr_s: float | None, *, counts: bool) -> bool:
        """Take the next beat; return whether it completed a pair.

        Parameters
        ----------
        rr_s : float or None
            Interval to the beat before; None where it is not known.
        counts : bool
            Whether the beat is one the atria have led to, as far as its shape tells.
        """
        interval = tidy(rr_s) if rr_s is not None and counts and self._counts else None
        complete = interval is not None and self._last is not None
        if interval is not None and self._last is not None:
            self._pairs.append((self._last, interval))
        self._last, self._counts = interval, counts
        return complete

    @property
    def pairs(self) -> Floats:
        """The pairs, shape (n, 2), s."""
        return np.array(self._pairs, np.float64).reshape(-1, 2)

    def measure(self) -> Floats | None:
        """Return what is measured of them, None if there are too few."""
        return measure(self.pairs) if len(self._pairs) >= FEWEST else None


class Strip:
    """All intervals of a short recording."""

    def __init__(self) -> None:
        self._intervals, self._any = Intervals(), Intervals()
        self._labels: list[str] = []

    def __len__(self) -> int:
        return len(self._labels)

    def add(self, rr_s: float | None, label: str) -> None:
        """Take the next beat, by its interval to the one before and its AAMI class."""
        self._labels.append(label)
        self._intervals.add(rr_s, counts=label in ("N", "S"))
        self._any.add(rr_s, counts=True)

    def measure(self) -> Floats | None:
        """Return what is measured of them, by `STRIP_NAMES`; None if there are too few."""
        counted, every = self._intervals.pairs, self._any.pairs
        if len(every) < STRIP_FEWEST:
            return None
        n = len(self._labels)
        shares = [self._labels.count(label) / n for label in "VQS"]
        stretches = [_stretch(pairs) if len(pairs) >= STRIP_FEWEST else _UNKNOWN for pairs in (counted, every)]
        return np.asarray(np.concatenate([*stretches, [n, *shares]]), np.float64)


def strip_example() -> Floats:
    """Return what is measured of an artificial strip."""
    strip = Strip()
    for k in range(40):
        strip.add(None if k == 0 else 0.8 + 0.2 * float(np.sin(1.3 * k * k)), "V" if k % 13 == 6 else "N")
    measured = strip.measure()
    return np.zeros(len(STRIP_NAMES)) if measured is None else measured


def example() -> Floats:
    """Return what is measured of artificial intervals, by which a model's program is known to measure as this one."""
    steps = np.arange(max(HORIZONS) + 1)
    rr_s = [tidy(0.8 + 0.11 * np.sin(0.9 * k) + 0.13 * np.sin(0.37 * k * k) + 0.2 * (k % 11 == 5)) for k in steps]
    return measure(np.stack([rr_s[:-1], rr_s[1:]], axis=1))
