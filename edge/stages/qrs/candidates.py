"""Moments that may be QRS complexes, with all that is needed to decide on them."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from edge.messages import FS_HZ
from edge.stages.qrs.detection_function import AHEAD, DetectionFunction

REFRACTORY = round(0.2 * FS_HZ)
"""No two QRS complexes lie closer together (Pan and Tompkins 1985)."""

MOST_DELAY = round(0.35 * FS_HZ)
"""From an R peak until it is told, filters included."""

_HALF = 20
_PLACE_HALF = 28
_REFINE_HALF = 5
_MARGIN = 54
_SIDE = 14
_ONWARD = 4
"""Samples that the joint evidence is taken to rise on, where it still rises at the last that can be waited for."""

_SLOPE = 3
_SLOPE_HALF = 25
_LEAST_SHARE = 0.25
"""The first lead places the R peak unless it has less of the evidence than this, against the best lead."""

Floats = NDArray[np.float64]


class Candidate(msgspec.Struct, eq=False):
    """A local maximum of the joint evidence.

    Attributes
    ----------
    fiducial : int
        Sample of the maximum, the fiducial point.
    peak : int
        The R peak, if it is a QRS complex.
    lead : int
        The lead that places it.
    mv : float
        That lead's value there.
    ready : int
        How far the joint evidence must be known before it can be decided on.
    joint : float
        Joint evidence.
    leads, scale : list of float
        The detection function in each lead, and what brings it to the joint scale.
    level, average, noise : list of float
        What it is at the usual QRS in each lead, on average over the last seconds, and of broadband noise alone.
    peak_to_peak, step, slope : list of float
        Peak to peak value in each lead, mV; how far it lies higher on one side than on the other, if it is hardly more
        than a step; and the most it changes within 8 ms.
    next_largest : float
        The largest joint evidence after it that can still be seen.
    """

    fiducial: int
    peak: int
    lead: int
    mv: float
    ready: int
    joint: float
    leads: list[float]
    scale: list[float]
    level: list[float]
    average: list[float]
    noise: list[float]
    peak_to_peak: list[float]
    step: list[float]
    slope: list[float]
    next_largest: float = 0.0


class Candidates:
    """Finds the candidates of one segment, in order.

    Parameters
    ----------
    start : int
        First sample of the segment.
    lag : int
        Delay of the clean samples; the later they come, the less may be waited.
    """

    def __init__(self, start: int, lag: int) -> None:
        # From a fiducial point to `ready`, so that an R peak up to _PLACE_HALF before it is still told in time.
        self._reach = MOST_DELAY - AHEAD - lag
        self._place_half = min(_PLACE_HALF, max(self._reach // 2, self._reach - _HALF - 1) - _REFINE_HALF)
        self._half = min(_HALF, self._reach - self._place_half - _REFINE_HALF - 1)
        self._margin = min(_MARGIN, AHEAD + self._half - 1)
        self._start = self._next = start
        self._last_peak = start
        self._waiting: list[Candidate] = []

    def take(self, function: DetectionFunction, end: int | None = None) -> Iterator[Candidate]:
        """Give the candidates that can now be decided on; with the segment's `end`, all that are left."""
        known = function.joint.end if end is None else min(end, function.joint.end)
        self._waiting += self._scan(function, known if end is not None else known - self._half)
        ready = 0
        for candidate in self._waiting:
            if candidate.ready > known and end is None:
                break
            first, last = candidate.fiducial + 1, min(candidate.ready, candidate.fiducial + REFRACTORY, known)
            joint = function.joint.get(first, last)
            candidate.next_largest = float(joint.max(initial=0.0))
            if 1 < len(joint) < REFRACTORY - 1:
                candidate.next_largest = max(
                    candidate.next_largest, float(joint[-1]) + _ONWARD * float(joint[-1] - joint[-2])
                )
            ready += 1
            yield candidate
        self._waiting = self._waiting[ready:]
        function.drop(min([self._next, *(waiting.fiducial for waiting in self._waiting)]) - 2 * _MARGIN)

    def _scan(self, function: DetectionFunction, stop: int) -> list[Candidate]:
        start, self._next = self._next, max(stop, self._next)
        if stop <= start:
            return []
        first = max(start - self._half, function.joint.origin)
        joint = function.joint.get(first, min(stop + self._half, function.joint.end))
        top = maximum_filter1d(joint, 2 * self._half + 1, mode="constant", cval=0.0)
        is_top = (joint == top) & (joint > 0)
        is_top[1:] &= joint[1:] > joint[:-1]
        fiducials = np.flatnonzero(is_top[start - first : stop - first]) + start
        # What does not even reach the average is never a QRS complex.
        scale, _, average, _ = function.units(fiducials)
        fiducials = fiducials[function.joint.at(fiducials) >= (scale * average).sum(axis=1)]
        return self._describe(function, fiducials) if len(fiducials) else []

    def _describe(self, function: DetectionFunction, fiducials: NDArray[np.int64]) -> list[Candidate]:
        leads = function.leads.at(fiducials)
        scale, level, average, noise = function.units(fiducials)
        share = leads * scale
        lead = np.argmax(share, axis=1)
        lead = np.where(share[:, 0] > _LEAST_SHARE * share.max(axis=1), 0, lead)
        peaks = np.maximum.accumulate(np.maximum(self._place(function, fiducials, lead), self._last_peak))
        self._last_peak = int(peaks[-1])
        peak_to_peak, step, slope = self._shape(function, fiducials)
        columns = (
            fiducials,
            peaks,
            lead,
            function.mv.at(peaks)[np.arange(len(peaks)), lead],
            np.maximum(fiducials + self._half + 1, peaks + self._reach),
            function.joint.at(fiducials),
            leads,
            scale,
            level,
            average,
            noise,
            peak_to_peak,
            step,
            slope,
        )
        return [Candidate(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]

    def _place(
        self, function: DetectionFunction, fiducials: NDArray[np.int64], lead: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return the largest deflection, where the curve bends most, moved to the curve's own extreme."""
        row = np.arange(len(fiducials))
        near = fiducials[:, None] + np.arange(-self._place_half, self._place_half + 1)
        near = np.clip(near, self._start, min(function.second_derivative.end, function.mv.end) - 1)
        bend = function.second_derivative.at(near)[row[:, None], np.arange(near.shape[1]), lead[:, None]]
        most = np.argmax(np.abs(bend), axis=1)
        near, up = near[row, most], np.sign(bend[row, most])
        fine = near[:, None] + np.arange(-_REFINE_HALF, _REFINE_HALF + 1)
        fine = np.clip(fine, self._start, function.mv.end - 1)
        mv = function.mv.at(fine)[row[:, None], np.arange(fine.shape[1]), lead[:, None]]
        return np.asarray(fine[row, np.argmax(mv * up[:, None], axis=1)])

    def _shape(self, function: DetectionFunction, fiducials: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
        """Return the peak-to-peak value around each fiducial point, the step if that is nearly all of it, and slope."""
        around = fiducials[:, None] + np.arange(-self._margin, self._margin + 1)
        mv = function.mv.at(np.clip(around, function.mv.origin, function.mv.end - 1))
        before, inside, after = mv[:, :_SIDE].sum(axis=1), mv[:, _SIDE:-_SIDE], mv[:, -_SIDE:].sum(axis=1)
        before, after = before / _SIDE, after / _SIDE
        high, low = inside.max(axis=1), inside.min(axis=1)
        beyond = np.maximum(high - np.maximum(before, after), np.minimum(before, after) - low)
        step = np.abs(after - before)
        near = mv[:, max(self._margin - _SLOPE_HALF, 0) : self._margin + _SLOPE_HALF + 1]
        slope = np.abs(near[:, _SLOPE:] - near[:, :-_SLOPE]).max(axis=1)
        return high - low, np.where(beyond < 0.15 * step, step, 0.0), slope
