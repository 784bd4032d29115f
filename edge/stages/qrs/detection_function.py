"""How much each moment looks like a QRS complex, in each lead and in all of them together.

A lead's evidence is the root of the energy of its second derivative, smoothed over a QRS: the Mexican hat passes 6 to
25 Hz, where QRS complexes stand out from P and T waves (Thakor 1984). Leads are brought to one scale by the level
their QRS complexes reach, and weighted by how far that level stands above the lead's average.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.stages.fir import filtered
from edge.stages.qrs.activity import Activity
from edge.stages.qrs.levels import Levels
from edge.stages.qrs.track import Track

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

DERIVATIVE_HALF = 20
SMOOTH_HALF = 20
AHEAD = DERIVATIVE_HALF + SMOOTH_HALF
"""Samples after a moment that its evidence needs."""

HOP = 180
"""Leads are weighed anew every half second."""

LEARNED = 3
"""Hops with signal that a lead is weighed by at least: a second and a half."""

KEPT = 3600
"""Samples for which it is kept which leads showed signal: longer than any search for a beat goes back."""

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


class DetectionFunction:
    """Detection function of one segment, made from clean samples as they come.

    A lead counts only while it shows signal (`edge.stages.qrs.activity`), and what it is weighed by is learned from
    such signal only (`edge.stages.qrs.levels`). Until any lead has been learned from, `joint` waits, so that the first
    beats are weighed by what was learned from themselves.

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
        Detection function in each lead; ends `AHEAD` earlier. 0 where it cannot be trusted.
    trusted : Track of bool, shape (n, n_leads)
        Whether a lead is valid and shows signal; as long as `leads`.
    joint : Track of float64, shape (n,)
        Detection function of all leads; near 1 at the usual QRS.
    """

    def __init__(self, start: int, first: Floats) -> None:
        n_leads = len(first)
        self._start = start
        self.mv = Track(np.repeat(first[None], AHEAD, axis=0), start - AHEAD)
        self._bad = Track(np.zeros((_TOLERATED + 2 * AHEAD, n_leads), bool), start - _TOLERATED - 2 * AHEAD)
        self._activity = Activity(start, first)
        self.second_derivative = Track(np.zeros((0, n_leads)), start - SMOOTH_HALF)
        self.leads = Track(np.zeros((0, n_leads)), start)
        self._valid = Track(np.zeros((0, n_leads), bool), start)
        self.trusted = Track(np.zeros((0, n_leads), bool), start)
        self.joint = Track(np.zeros(0), start)
        self._levels = Levels(n_leads, LEARNED)
        self._table = Track(np.zeros((0, 4, n_leads)), 0)
        self._known = Track(np.zeros(0, np.int64), 0)

    def extend(self, mv: Floats, bad: Flags) -> None:
        """Add samples; extends the other tracks as far as they can be known."""
        self.mv.append(mv)
        self._bad.append(bad)
        self._activity.extend(mv)
        start, stop = self.second_derivative.end, self.mv.end - DERIVATIVE_HALF
        if stop > start:
            self.second_derivative.append(
                filtered(self.mv.get(start - DERIVATIVE_HALF, stop + DERIVATIVE_HALF), _SECOND_DERIVATIVE)
            )
        start, stop = self.leads.end, self.second_derivative.end - SMOOTH_HALF
        if stop > start:
            energy = filtered(self.second_derivative.get(start - SMOOTH_HALF, stop + SMOOTH_HALF) ** 2, _HANN)
            valid = self._is_valid(start, stop)
            self.leads.append(np.rint(np.sqrt(energy) * _QUANTUM) / _QUANTUM * valid)
            self._valid.append(valid)
            self.trusted.append(valid & self._activity.at(start, stop))
            self._learn()
            self._join()

    def units(self, fiducials: NDArray[np.int64]) -> tuple[Floats, Floats, Floats, Floats]:
        """Return, at each fiducial point, how the detection function in each lead is measured.

        Parameters
        ----------
        fiducials : int64 array, shape (n,)
            Moments up to which `joint` is known.

        Returns
        -------
        scale : float64 array, shape (n, n_leads)
            What the detection function in each lead is multiplied by to be summed to `joint`.
        level, average, noise : float64 array, shape (n, n_leads)
            Detection function in each lead at the usual QRS, on average over the last seconds, and what broadband
            noise makes of it on average, where that is most of the lead.
        """
        table = self._table.at((fiducials - self._start) // HOP)
        scale = _scale(table[:, 0] * self.trusted.at(fiducials), table[:, 1])
        return scale, table[:, 1], table[:, 2], table[:, 3]

    def needs(self, stop: int) -> int:
        """Return how far samples must have come for `joint` to be known up to `stop`."""
        row = min(max((stop - 1 - self._start) // HOP, self._known.origin), self._known.end - 1)
        known = int(self._known.at(np.array([row]))[0])
        return max(stop, self._start + known * HOP) + AHEAD

    def finish(self) -> None:
        """Extend the last value, so that all tracks reach the last sample."""
        end = self.mv.end
        last = self.mv.get(end - 1, end)
        self.extend(np.repeat(last, AHEAD, axis=0), np.zeros((AHEAD, last.shape[1]), bool))
        if self.joint.end < self.leads.end:
            if rest := self.leads.end - self._start - self._levels.hops * HOP:
                self._take_hops(1, rest)
            self._weigh_all()
            self._join()

    def drop(self, before: int) -> None:
        """Forget what lies before this sample."""
        before = min(before, self._start + self._levels.hops * HOP, self.joint.end)
        for track in (self.mv, self.second_derivative, self.leads, self.joint):
            track.drop(min(before, track.end - 2 * AHEAD))
        for flags in (self.trusted, self._valid):
            flags.drop(min(before, flags.end - KEPT))
        row = (max(before, self._start) - self._start) // HOP - 1
        self._table.drop(row)
        self._known.drop(row)
        self._bad.drop(self._bad.end - _TOLERATED - 3 * AHEAD)

    def _is_valid(self, start: int, stop: int) -> Flags:
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
        """Take in the hops that are complete, and weigh those that can be."""
        n = (self.leads.end - self._start) // HOP - self._levels.hops
        if n > 0:
            self._take_hops(n, HOP)
        self._weigh()

    def _take_hops(self, n: int, length: int) -> None:
        first = self._start + self._levels.hops * HOP
        last = first + n * length
        mv = self.mv.get(first, last).reshape(n, length, -1)
        spans = self.leads.get(first, last).reshape(n, length, -1)
        valid = self._valid.get(first, last).reshape(n, length, -1)
        active = self.trusted.get(first, last).reshape(n, length, -1)
        self._levels.add(mv, spans, valid, active)

    def _weigh(self) -> None:
        """Add the rows of the table that are known; all hops that wait for the first one learned from get its row."""
        hops = self._levels.hops
        while (first := self._table.end) <= hops:
            learned = self._levels.learned
            if learned is not None and learned <= first:
                # The usual way: every hop is weighed by those before it.
                rows = np.arange(first, hops + 1)
                self._append(self._levels.weigh(rows), rows)
            elif first < hops and not self._levels.active[first]:
                self._append(np.zeros((1, *self._table.get(0, 0).shape[1:])), np.array([first + 1]))
            elif learned is not None:
                row = self._levels.weigh(np.array([learned]))
                self._append(np.repeat(row, learned - first, axis=0), np.full(learned - first, learned))
            else:
                return

    def _weigh_all(self) -> None:
        """Add the rows left when nothing more comes."""
        left = -((self._start - self.leads.end) // HOP) - self._table.end
        if left > 0:
            row = self._levels.weigh(np.array([self._levels.hops]), least=1)
            self._append(np.repeat(row, left, axis=0), np.full(left, self._levels.hops))

    def _append(self, rows: Floats, known: NDArray[np.int64]) -> None:
        self._table.append(rows)
        self._known.append(known)

    def _join(self) -> None:
        """Extend the joint function as far as the leads' reaches and hops have been weighed."""
        start, stop = self.joint.end, min(self.leads.end, self._start + self._table.end * HOP)
        if stop <= start:
            return
        if self.trusted.get(start, stop).all():
            first, after = (start - self._start) // HOP, -((self._start - stop) // HOP)
            edges = np.clip(self._start + np.arange(first, after + 1) * HOP, start, stop)
            table = self._table.get(first, after)
            scale = np.repeat(_scale(table[:, 0], table[:, 1]), np.diff(edges), axis=0)
        else:
            scale, *_ = self.units(np.arange(start, stop))
        joint = np.zeros(stop - start)
        for lead, found in enumerate(self.leads.get(start, stop).T):
            joint += scale[:, lead] * found
        self.joint.append(joint)


def _scale(weights: Floats, levels: Floats) -> Floats:
    """Return what the detection function is multiplied by, so that leads at their QRS level sum to 1."""
    total = np.zeros(len(weights))
    for weight in weights.T:
        total += weight
    return np.asarray(weights / (np.where(total > 0, total, 1.0)[:, None] * np.maximum(levels, 1e-9)))
