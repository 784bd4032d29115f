"""How much each moment looks like a QRS complex, in each lead and in all of them together.

A lead's evidence is the root of the energy of its second derivative, smoothed over a QRS: the Mexican hat passes 6 to
25 Hz, where QRS complexes stand out from P and T waves (Thakor 1984). Leads are brought to one scale by the level
their QRS complexes reach, and weighted by how far that level stands above the lead's average.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from edge.stages.fir import filtered

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Scalar = TypeVar("Scalar", bound=np.generic)

DERIVATIVE_HALF = 20
SMOOTH_HALF = 20
AHEAD = DERIVATIVE_HALF + SMOOTH_HALF
"""Samples after a moment that its evidence needs."""

HOP = 180
"""Leads are weighed anew every half second."""

LEARNED = 3
"""Hops that are weighed by what was learned from themselves: the first second and a half of a segment."""

_WINDOWS, _WINDOW = 6, 2
"""The level of QRS complexes in a lead is the second lowest of its peaks in the last six seconds, each by itself: a
lead that shows every beat is worth more than one that shows only some, however large."""

HELD, HELD_SHARE = 0.95, 0.15
"""A level does not fall below this share of its highest, which itself loses a twentieth every half second: a flat
stretch does not make a lead forget its QRS complexes."""

_MEAN_HOPS = 8
_KEPT_HOPS = 30
_TOLERATED = 200
"""Invalid runs up to this long leave evidence that can be trusted: frames of 50 ms lost here and there, even several in
a row, spread by the low-pass."""

_QUANTUM = 2.0**24


def _mexican_hat(half: int, sigma: float) -> Floats:
    place = np.arange(-half, half + 1) / sigma
    second_derivative = (1 - place**2) * np.exp(-(place**2) / 2)
    second_derivative -= second_derivative.mean()
    return np.asarray(second_derivative / np.abs(second_derivative).sum(), np.float64)


def _hann(half: int) -> Floats:
    window = 1 + np.cos(np.pi * np.arange(-half, half + 1) / (half + 1))
    return np.asarray(window / window.sum(), np.float64)


_SECOND_DERIVATIVE = _mexican_hat(DERIVATIVE_HALF, 6.2)
_HANN = _hann(SMOOTH_HALF)


class Track(Generic[Scalar]):
    """Rows numbered from `origin` on; the oldest can be dropped.

    Parameters
    ----------
    rows : array, shape (n, ...)
        The first rows.
    origin : int
        Number of the first of them.
    """

    def __init__(self, rows: NDArray[Scalar], origin: int) -> None:
        self._rows = rows
        self.origin = origin

    @property
    def end(self) -> int:
        """One past the last row's number."""
        return self.origin + len(self._rows)

    def append(self, rows: NDArray[Scalar]) -> None:
        """Add rows."""
        self._rows = np.concatenate([self._rows, rows])

    def get(self, start: int, stop: int) -> NDArray[Scalar]:
        """Return rows [start, stop)."""
        return self._rows[start - self.origin : stop - self.origin]

    def at(self, numbers: NDArray[np.int64]) -> NDArray[Scalar]:
        """Return the rows of these numbers."""
        rows: NDArray[Scalar] = self._rows[numbers - self.origin]
        return rows

    def drop(self, before: int) -> None:
        """Forget rows before this number."""
        if before > self.origin:
            self._rows = self._rows[before - self.origin :]
            self.origin = before


class DetectionFunction:
    """DetectionFunction of one segment, made from clean samples as they come.

    Parameters
    ----------
    start : int
        First sample of the segment.
    first : float64 array, shape (n_leads,)
        Its values, taken to have been the same before.

    Attributes
    ----------
    mv : Track of float64, shape (n, n_leads)
        Clean samples.
    second_derivative : Track of float64, shape (n, n_leads)
        Their second derivative, sign turned; ends `DERIVATIVE_HALF` earlier.
    leads : Track of float64, shape (n, n_leads)
        DetectionFunction in each lead; ends `AHEAD` earlier. 0 where it cannot be trusted.
    joint : Track of float64, shape (n,)
        DetectionFunction of all leads; near 1 at the usual QRS.
    """

    def __init__(self, start: int, first: Floats) -> None:
        n_leads = len(first)
        self._start = start
        self.mv = Track(np.repeat(first[None], AHEAD, axis=0), start - AHEAD)
        self._bad = Track(np.zeros((_TOLERATED + 2 * AHEAD, n_leads), bool), start - _TOLERATED - 2 * AHEAD)
        self.second_derivative = Track(np.zeros((0, n_leads)), start - SMOOTH_HALF)
        self.leads = Track(np.zeros((0, n_leads)), start)
        self._trusted = Track(np.zeros((0, n_leads), bool), start)
        self.joint = Track(np.zeros(0), start)
        self._table = Track(np.zeros((0, 3, n_leads)), 0)
        self._highest = [0.0] * n_leads
        self._peaks = Track(np.zeros((0, n_leads)), 0)
        self._means = Track(np.zeros((0, n_leads)), 0)

    def extend(self, mv: Floats, bad: Flags) -> None:
        """Add samples; extends the other tracks as far as they can be known."""
        self.mv.append(mv)
        self._bad.append(bad)
        start, stop = self.second_derivative.end, self.mv.end - DERIVATIVE_HALF
        if stop > start:
            self.second_derivative.append(
                filtered(self.mv.get(start - DERIVATIVE_HALF, stop + DERIVATIVE_HALF), _SECOND_DERIVATIVE)
            )
        start, stop = self.leads.end, self.second_derivative.end - SMOOTH_HALF
        if stop > start:
            energy = filtered(self.second_derivative.get(start - SMOOTH_HALF, stop + SMOOTH_HALF) ** 2, _HANN)
            trusted = self._is_trusted(start, stop)
            self.leads.append(np.rint(np.sqrt(energy) * _QUANTUM) / _QUANTUM * trusted)
            self._trusted.append(trusted)
            self._learn()
            if self._peaks.end >= LEARNED:
                self._join()

    def units(self, fiducials: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
        """Return, at each fiducial point, how evidence in each lead is measured.

        Parameters
        ----------
        fiducials : int64 array, shape (n,)
            Moments up to which `joint` is known.

        Returns
        -------
        scale : float64 array, shape (n, n_leads)
            What evidence in each lead is multiplied by to be summed to `joint`.
        level : float64 array, shape (n, n_leads)
            DetectionFunction in each lead at the usual QRS.
        average : float64 array, shape (n,)
            What `joint` is on average over the last seconds.
        """
        table = self._table.at((fiducials - self._start) // HOP)
        scale = _scale(table[:, 0] * self._trusted.at(fiducials), table[:, 1])
        return scale, table[:, 1], np.asarray((scale * table[:, 2]).sum(axis=1))

    def needs(self, stop: int) -> int:
        """Return how far samples must have come for `joint` to be known up to `stop`."""
        return max(stop, self._start + LEARNED * HOP) + AHEAD

    def finish(self) -> None:
        """Extend the last value, so that all tracks reach the last sample."""
        end = self.mv.end
        last = self.mv.get(end - 1, end)
        self.extend(np.repeat(last, AHEAD, axis=0), np.zeros((AHEAD, last.shape[1]), bool))
        if self._peaks.end < LEARNED:
            rest = self.leads.end - self._start - self._peaks.end * HOP
            if rest:
                self._add_hops(self._peaks.end, 1, rest)
            self._join()

    def drop(self, before: int) -> None:
        """Forget what lies before this sample."""
        before = min(before, self._start + self._peaks.end * HOP)
        for track in (self.mv, self.second_derivative, self.leads, self.joint):
            track.drop(min(before, track.end - 2 * AHEAD))
        self._trusted.drop(min(before, self._trusted.end - 2 * AHEAD))
        self._table.drop((max(before, self._start) - self._start) // HOP - 1)
        self._bad.drop(self._bad.end - _TOLERATED - 3 * AHEAD)
        self._peaks.drop(self._peaks.end - _KEPT_HOPS)
        self._means.drop(self._means.end - _KEPT_HOPS)

    def _is_trusted(self, start: int, stop: int) -> Flags:
        """Return where no long invalid run ends within the reach of the filters."""
        first = start - _TOLERATED - 2 * AHEAD
        bad = self._bad.get(first, stop + AHEAD)
        if not bad.any():
            return np.ones((stop - start, bad.shape[1]), bool)
        sums = np.zeros((len(bad) + 1, bad.shape[1]), np.int64)
        np.cumsum(bad, axis=0, out=sums[1:])
        long = sums[_TOLERATED + 1 :] - sums[: -_TOLERATED - 1] > _TOLERATED  # ends at first + _TOLERATED + its index
        sums = np.zeros((len(long) + 1, bad.shape[1]), np.int64)
        np.cumsum(long, axis=0, out=sums[1:])
        width = len(long) - (stop - start) + 1
        return np.asarray(sums[width:] == sums[:-width])

    def _learn(self) -> None:
        """Take in the hops that are complete."""
        known = self._peaks.end
        n = (self.leads.end - self._start) // HOP - known
        if n > 0:
            self._add_hops(known, n, HOP)

    def _add_hops(self, hop: int, n: int, length: int) -> None:
        """Note each hop's peak and mean; a hop that mostly cannot be trusted repeats the one before."""
        first = self._start + hop * HOP
        spans = self.leads.get(first, first + n * length).reshape(n, length, -1)
        count = self._trusted.get(first, first + n * length).reshape(n, length, -1).sum(axis=1)
        peaks, means = spans.max(axis=1), spans.sum(axis=1) / np.maximum(count, 1)
        usable = 2 * count >= length
        if not usable.all():
            known = np.maximum.accumulate(np.where(usable, np.arange(1, n + 1)[:, None], 0), axis=0)
            peaks = np.take_along_axis(np.vstack([self._last(self._peaks), peaks]), known, axis=0)
            means = np.take_along_axis(np.vstack([self._last(self._means), means]), known, axis=0)
        self._peaks.append(peaks)
        self._means.append(means)

    def _last(self, hops: Track[np.float64]) -> Floats:
        """Return the last hop's row, zeros if there is none."""
        return hops.get(hops.end - 1, hops.end) if hops.end else np.zeros((1, self.leads.get(0, 0).shape[1]))

    def _join(self) -> None:
        """Extend the joint evidence as far as the leads' reaches."""
        start, stop = self.joint.end, self.leads.end
        first, after = (start - self._start) // HOP, -((self._start - stop) // HOP)
        if after > self._table.end:
            self._table.append(self._weigh(np.maximum(np.arange(self._table.end, after), LEARNED)))
        trusted = self._trusted.get(start, stop)
        if trusted.all():
            edges = np.clip(self._start + np.arange(first, after + 1) * HOP, start, stop)
            table = self._table.get(first, after)
            scale = np.repeat(_scale(table[:, 0], table[:, 1]), np.diff(edges), axis=0)
        else:
            scale, _, _ = self.units(np.arange(start, stop))
        joint = np.zeros(stop - start)
        for lead, evidence in enumerate(self.leads.get(start, stop).T):
            joint += scale[:, lead] * evidence
        self.joint.append(joint)

    def _weigh(self, hops: NDArray[np.int64]) -> Floats:
        """Return each lead's weight, QRS level and average for these hops, learned from the hops before them."""
        oldest, newest = self._peaks.origin, np.minimum(hops, self._peaks.end)[:, None] - 1
        rows = np.maximum(newest - np.arange(_WINDOWS * _WINDOW), oldest) - oldest
        peaks = self._peaks.get(oldest, self._peaks.end)[rows]
        means = self._means.get(oldest, self._means.end)[rows[:, :_MEAN_HOPS]].sum(axis=1) / _MEAN_HOPS
        levels = np.sort(peaks.reshape(len(hops), _WINDOWS, _WINDOW, -1).max(axis=2), axis=1)[:, 1]
        levels = self._held(levels)
        contrast = levels / np.maximum(means, 1e-9)
        weights = np.where(levels > 0, np.maximum(contrast - 1.5, 0.05) ** 2, 0.0)
        return np.stack([weights, np.maximum(levels, 1e-9), means], axis=1)

    def _held(self, levels: Floats) -> Floats:
        """Keep levels from falling to nothing."""
        floors = []
        for row in levels.tolist():
            self._highest = [max(now, HELD * before) for now, before in zip(row, self._highest, strict=True)]
            floors.append([HELD_SHARE * highest for highest in self._highest])
        return np.maximum(levels, np.array(floors))


def _scale(weights: Floats, levels: Floats) -> Floats:
    """Return what evidence is multiplied by, so that leads at their QRS level sum to 1."""
    total = np.zeros(len(weights))
    for weight in weights.T:
        total += weight
    return np.asarray(weights / (np.where(total > 0, total, 1.0)[:, None] * levels))
