"""Features of what a beat looks like: against the shapes seen before, and in absolute terms."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge.features.window import LEADS

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

_COMPARED = (_QRS, _PR, _T)
_PARTS = np.repeat(np.stack([_rows_of(part) for part in _COMPARED]), LEADS, axis=1).T.copy()
"""Sums over the parts of a row of slopes that are compared, shape (2 * _SLOPES, 3)."""


class Shapes:
    """Shapes and sizes of the beats of the past."""

    def __init__(self) -> None:
        # The slopes of the shapes seen, of the last beat and of those that come late, each as one row; and the power
        # of its parts.
        self._known = np.zeros((_SHAPES + 2, 2 * _SLOPES), np.float32)
        self._power = np.zeros((_SHAPES + 2, len(_COMPARED)), np.float32)
        self._counts: list[float] = []
        self._late_count = 0.0
        self._p_steady = self._p_usual = self._p_late_usual = 0.5
        self._p_late_time = 0.0
        self._sizes: tuple[deque[float], deque[float]] = (deque(maxlen=_USUAL), deque(maxlen=_USUAL))
        self._widths: deque[float] = deque(maxlen=_USUAL)

    def describe(
        self, windows: NDArray[np.float32], late: Sequence[bool]
    ) -> tuple[NDArray[np.float32], list[list[float]]]:
        """Scale and describe the next beats, each against those before it; then remember them.

        Parameters
        ----------
        windows : float32 array, shape (n, WINDOW, LEADS)
            mV; all zero in a lead that cannot be read.
        late : sequence of bool, length n
            Whether each comes as late as the patient's beats ever do, so that it is the sinus node's if any is.

        Returns
        -------
        float32 array, shape (n, WINDOW, LEADS)
            The windows, each lead over the usual size of its QRS.
        list of list of float
            For each beat one per name in `SHAPE_NAMES`.
        """
        # What hangs on the beat alone is measured of all at once, the rest in their order.
        qrs = windows[:, _QRS]
        sizes: list[list[float]] = (qrs.max(axis=1) - qrs.min(axis=1)).tolist()
        usual = [self._usual_sizes(size) for size in sizes]
        scale = [[max(size, _LEAST_MV) for size in known] for known in usual]
        scaled = windows / np.array(scale, np.float32).reshape(-1, 1, LEADS)
        slopes = scaled[:, 2:] - scaled[:, :-2]
        rows = slopes.reshape(len(slopes), -1)
        sums = _SUMS @ (slopes * slopes)
        both = sums.sum(axis=2).tolist()
        powers = _power(rows[:, None])[:, 0]
        widths = _widths(sums)
        steepest = np.abs(slopes[:, _QRS]).max(axis=1).tolist()
        first = _first_lead(scaled, sums)
        features = []
        for i, size in enumerate(sizes):
            relative = [mv / unit for mv, unit in zip(size, scale[i], strict=True)]
            features.append(
                [
                    *self._match(rows[i], powers[i], both[i], late[i]),
                    *widths[i],
                    self._width_change(widths[i][0]),
                    *(_log_ratio(mv, known) for mv, known in zip(size, usual[i], strict=True)),
                    *(math.log((st + 0.02) / (mv + 0.1)) for st, mv in zip(steepest[i], relative, strict=True)),
                    *_over(first[i], max(size[0], _LEAST_MV) / scale[i][0]),
                ]
            )
        return scaled, features

    def _usual_sizes(self, sizes: Sequence[float]) -> list[float]:
        """Return the usual size of each lead's QRS, before this one is remembered."""
        usual = [_median(past, size) for past, size in zip(self._sizes, sizes, strict=True)]
        for past, size in zip(self._sizes, sizes, strict=True):
            if size > 0:
                past.append(size)
        return usual

    def _match(
        self, slope: NDArray[np.float32], power: NDArray[np.float32], sums: Sequence[float], late: bool
    ) -> list[float]:
        """Compare with the shapes seen, then learn from this one."""
        qrs_sum, pr_sum, t_sum, tp_sum, _, _, pr_moment = sums
        p_time = pr_moment / (pr_sum + _TINY)
        known, counts = self._known, self._counts
        if not counts:
            known[:], self._power[:], self._p_late_time = slope, power, p_time
            counts.append(1.0)
        products = (known * slope) @ _PARTS
        qrs, pr, t = (products / np.sqrt(self._power * power + np.float32(_TINY))).T.tolist()
        usual, best = counts.index(max(counts)), max(range(len(counts)), key=qrs.__getitem__)
        qrs_power, p_power = _log_mean(qrs_sum, _QRS), _log_mean(pr_sum, _PR)
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
            p_power - _log_mean(float(self._power[usual, _COMPARED.index(_PR)]), _PR),
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
        self._remember(slope, power, best, qrs[best])
        if late:
            self._follow_late(slope, pr[_LATE], p_time)
        return features

    def _remember(self, slope: NDArray[np.float32], power: NDArray[np.float32], best: int, cosine: float) -> None:
        self._replace(_LAST, slope, power)
        counts = self._counts = [_FADE * count for count in self._counts]
        if cosine > _SAME:
            self._follow(best, slope, max(_RATE, 1 / (counts[best] + 1)))
            counts[best] += 1
            return
        if len(counts) < _SHAPES:
            place = len(counts)
            counts.append(1.0)
        else:
            place = counts.index(min(counts))
            counts[place] = 1.0
        self._replace(place, slope, power)

    def _follow_late(self, slope: NDArray[np.float32], cosine: float, p_time: float) -> None:
        self._late_count += 1
        self._follow(_LATE, slope, max(_LATE_RATE, 1 / (self._late_count + 1)))
        self._p_late_usual += _LATE_RATE * (cosine - self._p_late_usual)
        self._p_late_time += _LATE_RATE * (p_time - self._p_late_time)

    def _replace(self, place: int, slope: NDArray[np.float32], power: NDArray[np.float32]) -> None:
        self._known[place], self._power[place] = slope, power

    def _follow(self, place: int, slope: NDArray[np.float32], rate: float) -> None:
        known = self._known[place]
        known += np.float32(rate) * (slope - known)
        self._power[place] = _power(known)

    def _width_change(self, width: float) -> float:
        """Return the logarithm of the first lead's width against the usual, then remember it."""
        change = math.log((width + 0.002) / (_median(self._widths, width) + 0.002))
        self._widths.append(width)
        return change


def _power(slopes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the power of the parts that are compared; a stack of rows is multiplied row by row, always alike."""
    return np.asarray((slopes * slopes) @ _PARTS)


def _widths(sums: NDArray[np.float32]) -> list[list[float]]:
    """Return the standard deviation in time of each lead's slope power over the QRS, s."""
    m0, m1, m2 = (sums[:, row].astype(np.float64) for row in (0, 4, 5))
    mean = m1 / (m0 + _TINY)
    widths: list[list[float]] = np.sqrt(np.maximum(m2 / (m0 + _TINY) - mean * mean, 0.0)).tolist()
    return widths


def _first_lead(scaled: NDArray[np.float32], sums: NDArray[np.float32]) -> list[tuple[float, float, float]]:
    """Return T wave, lateness and area of each beat's first lead."""
    qrs = scaled[:, _QRS, 0]
    way = np.where(qrs.max(axis=1) + qrs.min(axis=1) > 0, 1.0, -1.0)
    t_mean = way * (np.add.reduce(scaled[:, _T, 0], axis=1) / np.float32(_T.stop - _T.start))
    lateness = sums[:, 4, 0].astype(np.float64) / (sums[:, 0, 0] + _TINY)
    area = np.add.reduce(np.abs(qrs), axis=1).astype(np.float64) / qrs.shape[1]
    return list(zip(t_mean.tolist(), lateness.tolist(), area.tolist(), strict=True))


def _over(first: tuple[float, float, float], size: float) -> list[float]:
    """Return T wave, lateness and area, the sizes over that of the QRS from peak to peak."""
    t_mean, lateness, area = first
    return [t_mean / size, lateness, area / size]


def _log_mean(power: float, part: slice) -> float:
    return math.log(power / (2 * (part.stop - part.start)) + 1e-5)


def _angle(cosine: float) -> float:
    """Return the angle: unlike the cosine it tells 0.99 from 0.95 as clearly as 0.4 from 0."""
    return math.acos(min(max(cosine, -1.0), 1.0))


def _log_ratio(value: float, usual: float) -> float:
    return math.log((value + 0.02) / (usual + 0.02))


def _median(values: deque[float], default: float) -> float:
    return sorted(values)[len(values) // 2] if values else default
