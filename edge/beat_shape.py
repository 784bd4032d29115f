"""Features of what a beat looks like: against the shapes seen before, and in absolute terms."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

SHAPE_NAMES = (
    "qrs_angle",  # between the slopes and those of the most usual shape, over the QRS, rad; 0 is the same shape
    "qrs_angle_last",  # with the beat before
    "qrs_angle_best",  # with the best of the shapes seen
    "qrs_share",  # how usual that best one is, 0 to 1
    "p_angle",  # as qrs_angle, over the PR segment
    "t_angle",  # over ST and T
    "p_usual",  # mean cosine instead of p_angle's, of the beats before: low where there are no P waves
    "p_power",  # log of slope power over the PR segment, against that of the QRS
    "p_change",  # against the most usual shape's PR segment
    "t_power",
    "width_first",  # spread in time of the QRS's slope power, s, by lead
    "width_second",
    "width_change",  # log of the first lead's against the usual
    "size_first",  # log of the peak-to-peak QRS against the usual, by lead
    "size_second",
    "area",  # mean of the rectified QRS of the first lead over its peak to peak
)

_QRS = slice(36, 63)
"""Window samples of the QRS: 0.1 s before to 0.12 s after R; in slopes, which are centred one sample later, as well."""
_PR = slice(16, 38)
_T = slice(62, 104)
_QRS_TIME_S = ((np.arange(_QRS.start, _QRS.stop) - 48) / 120).astype(np.float32)
_MOMENTS = np.stack([np.ones_like(_QRS_TIME_S), _QRS_TIME_S, _QRS_TIME_S**2])

_SAME = 0.85
"""Cosine from which two QRS complexes are of one shape."""
_SHAPES = 4
_FADE = 0.985
"""Weight of a shape's count from beat to beat: it forgets over about 65 beats."""
_RATE = 0.08
"""How fast a shape follows its beats once it is settled."""
_USUAL = 9
_TINY = 1e-6
_LEAST_MV = 0.1
"""Peak to peak below which a lead is not blown up any further."""


class _Shape:
    """A kind of beat, as slopes."""

    def __init__(self, slope: NDArray[np.float32]) -> None:
        self.count = 1.0
        self.slope = slope

    def follow(self, slope: NDArray[np.float32]) -> None:
        self.slope = self.slope + np.float32(max(_RATE, 1 / (self.count + 1))) * (slope - self.slope)
        self.count += 1


class Shapes:
    """Shapes and sizes of the beats of the past."""

    def __init__(self) -> None:
        self._shapes: list[_Shape] = []
        self._p_usual = 0.5
        self._last: NDArray[np.float32] | None = None
        self._sizes: tuple[deque[float], deque[float]] = (deque(maxlen=_USUAL), deque(maxlen=_USUAL))
        self._widths: deque[float] = deque(maxlen=_USUAL)

    def describe(self, window: NDArray[np.float32]) -> tuple[NDArray[np.float32], list[float]]:
        """Scale and describe a beat, then remember it.

        Parameters
        ----------
        window : float32 array, shape (WINDOW, LEADS)
            mV; all zero in a lead that cannot be read.

        Returns
        -------
        float32 array, shape (WINDOW, LEADS)
            The window, each lead over the usual size of its QRS.
        list of float
            One a name in `SHAPE_NAMES`.
        """
        qrs = window[_QRS]
        sizes = (qrs.max(axis=0) - qrs.min(axis=0)).tolist()
        usual = [_median(past, size) for past, size in zip(self._sizes, sizes, strict=True)]
        scaled = window / np.array([max(size, _LEAST_MV) for size in usual], np.float32)
        slope = scaled[2:] - scaled[:-2]
        matches = self._match(slope)
        widths = _widths(slope)
        width_change = math.log((widths[0] + 0.002) / (_median(self._widths, widths[0]) + 0.002))
        changes = [_log_ratio(size, known) for size, known in zip(sizes, usual, strict=True)]
        area = float(np.abs(qrs[:, 0]).sum()) / len(qrs) / max(sizes[0], _LEAST_MV)
        self._widths.append(widths[0])
        for past, size in zip(self._sizes, sizes, strict=True):
            if size > 0:
                past.append(size)
        return scaled, [*matches, *widths, width_change, *changes, area]

    def _match(self, slope: NDArray[np.float32]) -> list[float]:
        """Compare with the shapes seen, then add to the one it belongs to."""
        here = {part: _power(slope, part) for part in ("qrs", "pr", "t")}
        cosines = [_cosine(slope, shape.slope, _QRS) for shape in self._shapes]
        last = _cosine(slope, self._last, _QRS) if self._last is not None else 1.0
        self._last = slope
        if not cosines:
            self._shapes.append(_Shape(slope))
            return [0.0, _angle(last), 0.0, 1.0, 1.0, 1.0, 0.5, here["pr"] - here["qrs"], 0.0, here["t"] - here["qrs"]]
        counts = [shape.count for shape in self._shapes]
        usual, best = counts.index(max(counts)), cosines.index(max(cosines))
        norm = self._shapes[usual].slope
        p_usual, p_match = self._p_usual, _cosine(slope, norm, _PR)
        self._p_usual += 0.05 * (p_match - p_usual)
        features = [
            _angle(cosines[usual]),
            _angle(last),
            _angle(cosines[best]),
            counts[best] / sum(counts) if cosines[best] > _SAME else 0.0,
            _angle(p_match),
            _angle(_cosine(slope, norm, _T)),
            p_usual,
            here["pr"] - here["qrs"],
            here["pr"] - _power(norm, "pr"),
            here["t"] - here["qrs"],
        ]
        self._remember(slope, best, cosines[best])
        return features

    def _remember(self, slope: NDArray[np.float32], best: int, cosine: float) -> None:
        for shape in self._shapes:
            shape.count *= _FADE
        if cosine > _SAME:
            self._shapes[best].follow(slope)
            return
        if len(self._shapes) == _SHAPES:
            self._shapes.remove(min(self._shapes, key=lambda shape: shape.count))
        self._shapes.append(_Shape(slope))


_PARTS = {"qrs": _QRS, "pr": _PR, "t": _T}


def _power(slope: NDArray[np.float32], part: str) -> float:
    piece = slope[_PARTS[part]].ravel()
    return math.log(float(np.dot(piece, piece)) / len(piece) + 1e-5)


def _cosine(a: NDArray[np.float32], b: NDArray[np.float32], part: slice) -> float:
    first, second = a[part].ravel(), b[part].ravel()
    norms = float(np.dot(first, first)) * float(np.dot(second, second))
    return float(np.dot(first, second)) / math.sqrt(norms + _TINY)


def _angle(cosine: float) -> float:
    """Return the angle: unlike the cosine it tells 0.99 from 0.95 as clearly as 0.4 from 0."""
    return math.acos(min(max(cosine, -1.0), 1.0))


def _widths(slope: NDArray[np.float32]) -> list[float]:
    """Return the standard deviation in time of each lead's slope power over the QRS, s."""
    power = slope[_QRS] ** 2
    total, first, second = (_MOMENTS @ power).tolist()
    widths = []
    for m0, m1, m2 in zip(total, first, second, strict=True):
        mean = m1 / (m0 + _TINY)
        widths.append(math.sqrt(max(m2 / (m0 + _TINY) - mean * mean, 0.0)))
    return widths


def _log_ratio(value: float, usual: float) -> float:
    return math.log((value + 0.02) / (usual + 0.02))


def _median(values: deque[float], default: float) -> float:
    return sorted(values)[len(values) // 2] if values else default
