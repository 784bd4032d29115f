"""Features of what a beat looks like: against the shapes seen before, and in absolute terms."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SHAPE_NAMES = (
    "qrs_angle",  # between the slopes and those of the most usual shape, over the QRS, rad; 0 is the same shape
    "qrs_angle_last",  # with the beat before
    "qrs_angle_best",  # with the best of the shapes seen
    "qrs_share",  # how usual that best one is, 0 to 1
    "p_angle",  # as qrs_angle, over the PR segment
    "t_angle",  # over ST and T
    "p_angle_last",  # with the beat before: runs of S beats are alike without being like the sinus's
    "p_steady",  # mean cosine instead of p_angle_last's, of the beats before: low where there are no P waves
    "p_usual",  # mean cosine instead of p_angle's, of the beats before
    "p_power",  # log of slope power over the PR segment, against that of the QRS
    "p_change",  # against the most usual shape's PR segment
    "t_power",
    "tp_power",  # before the PR segment: an isoelectric line, waves of fibrillation, or the T wave of the beat before
    "p_time",  # mean time of slope power over the PR segment, s before R
    "qrs_angle_late",  # as qrs_angle, with the shape of beats that come late: sinus beats, if there are any
    "p_angle_late",
    "p_late_usual",  # mean cosine instead of p_angle_late's, of the late beats before
    "p_time_late",  # against the late beats' mean, s
    "width_first",  # spread in time of the QRS's slope power, s, by lead
    "width_second",
    "width_change",  # log of the first lead's against the usual
    "size_first",  # log of the peak-to-peak QRS against the usual, by lead
    "size_second",
    "steepest_first",  # log of the steepest slope of the QRS over its peak to peak, by lead
    "steepest_second",
    "t_lean",  # mean of ST and T of the first lead over its peak-to-peak QRS; positive where the QRS points
    "lateness",  # mean time of the first lead's slope power over the QRS, s after R
    "area",  # mean of the rectified QRS of the first lead over its peak to peak
)

_QRS = slice(36, 63)
"""Window samples of the QRS: 0.1 s before to 0.12 s after R; in slopes, which are centred one sample later, as well."""
_PR = slice(16, 38)
_T = slice(62, 104)
_TP = slice(2, 16)
_SLOPES = 126
_TIME_S = ((np.arange(_SLOPES) - 48) / 120).astype(np.float32)

_SAME = 0.85
"""Cosine from which two QRS complexes are of one shape."""
_SHAPES = 4
_LAST, _LATE = _SHAPES, _SHAPES + 1
_FADE = 0.985
"""Weight of a shape's count from beat to beat: it forgets over about 65 beats."""
_RATE = 0.08
"""How fast a shape follows its beats once it is settled."""
_LATE_RATE = 0.1
_P_RATE = 0.05
_USUAL = 9
_TINY = 1e-6
_LEAST_MV = 0.1
"""Peak to peak below which a lead is not blown up any further."""


def _rows_of(part: slice, weights: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    row = np.zeros(_SLOPES, np.float32)
    row[part] = 1 if weights is None else weights[part]
    return row


_SUMS = np.stack(
    [
        *(_rows_of(part) for part in (_QRS, _PR, _T, _TP)),
        _rows_of(_QRS, _TIME_S),
        _rows_of(_QRS, _TIME_S**2),
        _rows_of(_PR, -_TIME_S),
    ]
)
"""Sums and moments over time of slope power, all that is asked of it in one product."""


class Shapes:
    """Shapes and sizes of the beats of the past."""

    def __init__(self) -> None:
        # The slopes of the shapes seen, of the last beat and of those that come late, each as one row.
        self._known = np.zeros((_SHAPES + 2, 2 * _SLOPES), np.float32)
        self._counts: list[float] = []
        self._late_count = 0.0
        self._p_steady = self._p_usual = self._p_late_usual = 0.5
        self._p_late_time = 0.0
        self._sizes: tuple[deque[float], deque[float]] = (deque(maxlen=_USUAL), deque(maxlen=_USUAL))
        self._widths: deque[float] = deque(maxlen=_USUAL)

    def describe(self, window: NDArray[np.float32], late: bool) -> tuple[NDArray[np.float32], list[float]]:
        """Scale and describe a beat, then remember it.

        Parameters
        ----------
        window : float32 array, shape (WINDOW, LEADS)
            mV; all zero in a lead that cannot be read.
        late : bool
            Whether it comes as late as the patient's beats ever do, so that it is the sinus node's if any is.

        Returns
        -------
        float32 array, shape (WINDOW, LEADS)
            The window, each lead over the usual size of its QRS.
        list of float
            One per name in `SHAPE_NAMES`.
        """
        # Of a few values Python's own extremes are quicker than numpy's along an axis.
        sizes = [float(np.float32(max(lead)) - np.float32(min(lead))) for lead in window[_QRS].T.tolist()]
        usual = [_median(past, size) for past, size in zip(self._sizes, sizes, strict=True)]
        scale = [max(size, _LEAST_MV) for size in usual]
        scaled = window / np.array(scale, np.float32)
        slope = scaled[2:] - scaled[:-2]
        sums = _SUMS @ (slope * slope)
        features = self._match(slope.ravel(), (sums[:, 0] + sums[:, 1]).tolist(), late)
        features += self._widths_of(sums)
        features += [_log_ratio(size, known) for size, known in zip(sizes, usual, strict=True)]
        steepest = [max(*lead, -min(lead)) for lead in slope[_QRS].T.tolist()]
        relative = [size / unit for size, unit in zip(sizes, scale, strict=True)]
        features += [math.log((steep + 0.02) / (size + 0.1)) for steep, size in zip(steepest, relative, strict=True)]
        features += _first_lead(scaled, sums, max(sizes[0], _LEAST_MV) / scale[0])
        for past, size in zip(self._sizes, sizes, strict=True):
            if size > 0:
                past.append(size)
        return scaled, features

    def _match(self, slope: NDArray[np.float32], sums: Sequence[float], late: bool) -> list[float]:
        """Compare with the shapes seen, then learn from this one."""
        qrs_sum, pr_sum, t_sum, tp_sum, _, _, pr_moment = sums
        p_time = pr_moment / (pr_sum + _TINY)
        known, counts = self._known, self._counts
        if not counts:
            known[:], self._p_late_time = slope, p_time
            counts.append(1.0)
        qrs, pr, t = (_cosines(known, slope, part) for part in (_QRS, _PR, _T))
        usual, best = counts.index(max(counts)), max(range(len(counts)), key=qrs.__getitem__)
        qrs_power, p_power = _log_mean(qrs_sum, _QRS), _log_mean(pr_sum, _PR)
        norm = known[usual, 2 * _PR.start : 2 * _PR.stop]
        features = [
            _angle(qrs[usual]),
            _angle(qrs[_LAST]),
            _angle(qrs[best]),
            counts[best] / sum(counts) if qrs[best] > _SAME else 0.0,
            _angle(pr[usual]),
            _angle(t[usual]),
            _angle(pr[_LAST]),
            self._p_steady,
            self._p_usual,
            p_power - qrs_power,
            p_power - _log_mean(float(np.dot(norm, norm)), _PR),
            _log_mean(t_sum, _T) - qrs_power,
            _log_mean(tp_sum, _TP) - qrs_power,
            p_time,
            _angle(qrs[_LATE]),
            _angle(pr[_LATE]),
            self._p_late_usual,
            p_time - self._p_late_time,
        ]
        self._p_steady += _P_RATE * (pr[_LAST] - self._p_steady)
        self._p_usual += _P_RATE * (pr[usual] - self._p_usual)
        self._remember(slope, best, qrs[best])
        if late:
            self._follow_late(slope, pr[_LATE], p_time)
        return features

    def _remember(self, slope: NDArray[np.float32], best: int, cosine: float) -> None:
        known = self._known
        known[_LAST] = slope
        counts = self._counts = [_FADE * count for count in self._counts]
        if cosine > _SAME:
            known[best] += np.float32(max(_RATE, 1 / (counts[best] + 1))) * (slope - known[best])
            counts[best] += 1
            return
        if len(counts) < _SHAPES:
            place = len(counts)
            counts.append(1.0)
        else:
            place = counts.index(min(counts))
            counts[place] = 1.0
        known[place] = slope

    def _follow_late(self, slope: NDArray[np.float32], cosine: float, p_time: float) -> None:
        self._late_count += 1
        norm = self._known[_LATE]
        norm += np.float32(max(_LATE_RATE, 1 / (self._late_count + 1))) * (slope - norm)
        self._p_late_usual += _LATE_RATE * (cosine - self._p_late_usual)
        self._p_late_time += _LATE_RATE * (p_time - self._p_late_time)

    def _widths_of(self, sums: NDArray[np.float32]) -> list[float]:
        """Return the standard deviation in time of each lead's slope power over the QRS, s, and the first's change."""
        widths = []
        for m0, m1, m2 in zip(sums[0].tolist(), sums[4].tolist(), sums[5].tolist(), strict=True):
            mean = m1 / (m0 + _TINY)
            widths.append(math.sqrt(max(m2 / (m0 + _TINY) - mean * mean, 0.0)))
        change = math.log((widths[0] + 0.002) / (_median(self._widths, widths[0]) + 0.002))
        self._widths.append(widths[0])
        return [*widths, change]


def _first_lead(scaled: NDArray[np.float32], sums: NDArray[np.float32], size: float) -> list[float]:
    """Return T wave, lateness and area of the first lead, whose QRS is `size` from peak to peak."""
    qrs = scaled[_QRS, 0]
    values = qrs.tolist()
    way = 1.0 if max(values) + min(values) > 0 else -1.0
    lateness = float(sums[4, 0]) / (float(sums[0, 0]) + _TINY)
    t_mean = float(np.float32(float(np.add.reduce(scaled[_T, 0])) / (_T.stop - _T.start)))
    return [way * t_mean / size, lateness, float(np.add.reduce(np.abs(qrs))) / len(qrs) / size]


def _cosines(known: NDArray[np.float32], slope: NDArray[np.float32], part: slice) -> list[float]:
    """Return the cosine of a part of the slopes with that of each row."""
    place = slice(2 * part.start, 2 * part.stop)
    rows, piece = known[:, place], slope[place]
    norms = np.einsum("ij,ij->i", rows, rows) * np.dot(piece, piece)
    cosines: list[float] = (rows @ piece / np.sqrt(norms + np.float32(_TINY))).tolist()
    return cosines


def _log_mean(power: float, part: slice) -> float:
    return math.log(power / (2 * (part.stop - part.start)) + 1e-5)


def _angle(cosine: float) -> float:
    """Return the angle: unlike the cosine it tells 0.99 from 0.95 as clearly as 0.4 from 0."""
    return math.acos(min(max(cosine, -1.0), 1.0))


def _log_ratio(value: float, usual: float) -> float:
    return math.log((value + 0.02) / (usual + 0.02))


def _median(values: deque[float], default: float) -> float:
    return sorted(values)[len(values) // 2] if values else default
