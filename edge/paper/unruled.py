"""Paper without a grid: its scale from the calibration pulses that stand at the rows' beginnings.

A pulse is 1 mV high, so that amplitudes are right whatever its size; that it is 10 mm high, or 5 mm wide where its
shape says so, is a convention, and is stated as assumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.paper.calibrate import GAINS
from edge.paper.flatten import PaperMap
from edge.paper.page import Image

Floats = NDArray[np.float64]

_BLACK = 0.5
_LEAST_PX = 12
_LEAST_PULSES = 3
_ALIKE = 0.06
"""How far the heights of pulses on one page differ, as a share."""
_USUAL = (1.0, 2.0, 4.0)
"""Height over width of a pulse of 0.2 s at 25 mm/s, and 5, 10 or 20 mm/mV."""
_HEIGHT_MM, _WIDTH_MM = 10.0, 5.0
_OFF = 0.12
_BESIDE_MM = 4.0
_AROUND = 0.7
"""Of the distance between rows: how far paper is looked at above the first pulse and below the last."""


@dataclass(frozen=True)
class Mark:
    """A pulse in the picture, pixels: where the middles of its strokes are, and how far its sides are apart."""

    left: float
    top: float
    bottom: float
    width: float

    @property
    def height(self) -> float:
        """How far its top is above its feet."""
        return self.bottom - self.top


def column_of_pulses(black: Image) -> list[Mark]:
    """Return pulses that are alike and stand one above the other, top to bottom; none if there are not three.

    Parameters
    ----------
    black : Image
        Darkness of the picture.
    """
    marks = _column(_marks(black))
    return marks if len(marks) >= _LEAST_PULSES else []


def fits(pulses: Sequence[Mark], px_per_mm: float) -> bool:
    """Return whether pulses are of a usual height on the grid that was seen; if not, it is no grid.

    Parameters
    ----------
    pulses : sequence of Mark
        Of one page; none says nothing.
    px_per_mm : float
        Of the grid, along the voltage axis.
    """
    if not pulses:
        return True
    height = float(np.median([mark.height for mark in pulses])) / px_per_mm
    return min(abs(height / gain - 1) for gain in GAINS) <= _OFF


def unruled(pulses: Sequence[Mark], size: tuple[int, int]) -> tuple[PaperMap, Floats, Floats]:
    """Lay paper flat that has no grid, by its pulses.

    Parameters
    ----------
    pulses : sequence of Mark
        One for each row, top to bottom.
    size : (int, int)
        Width and height of the picture.

    Returns
    -------
    PaperMap
        From pixels to millimetres.
    float64 array, float64 array, shape (2,)
        Least and greatest x and y, mm, of the rows.
    """
    height = float(np.median([mark.height for mark in pulses]))
    width = float(np.median([mark.width for mark in pulses]))
    shape = min(_USUAL, key=lambda usual: abs(np.log(height / width / usual)))
    usual = abs(np.log(height / width / shape)) < 2 * _ALIKE
    px_per_mm = width / _WIDTH_MM if usual else height / _HEIGHT_MM
    y = np.array([mark.bottom for mark in pulses])
    angle = -np.arctan(np.polyfit(y, [mark.left for mark in pulses], 1)[0])
    last = np.array(size, np.float64) - 1
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    terms = np.zeros((6, 2))
    terms[1:3] = turn * (last.max() / 2 / px_per_mm)
    paper = PaperMap(last / 2, float(last.max() / 2), terms)
    gap = float(np.median(np.diff(y)))
    rows = np.array([[pulses[0].left, pulses[0].top - _AROUND * gap], [last[0], y[-1] + _AROUND * gap]])
    (low, high), (first, end) = paper.to_mm(rows), paper.to_mm(np.stack([np.zeros(2), last]))
    return paper, np.maximum(low - (_BESIDE_MM, 0), first), np.minimum(high, end)


def _column(marks: list[Mark]) -> list[Mark]:
    """Return the most pulses that are alike and stand one above the other, top to bottom."""
    best: list[Mark] = []
    for one in marks:
        own = [
            mark
            for mark in marks
            if abs(mark.height / one.height - 1) < _ALIKE and abs(mark.left - one.left) < 0.3 * one.height
        ]
        best = max(best, own, key=len)
    return sorted(best, key=lambda mark: mark.top)


def _marks(black: Image) -> list[Mark]:
    mask = (black > _BLACK * np.percentile(black[::3, ::3], 99.7)).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    tall = (stats[:, cv2.CC_STAT_HEIGHT] >= _LEAST_PX) & (stats[:, cv2.CC_STAT_HEIGHT] < black.shape[0] / 3)
    tall &= stats[:, cv2.CC_STAT_WIDTH] <= 3 * stats[:, cv2.CC_STAT_HEIGHT]
    tall[0] = False
    found = []
    for label in np.flatnonzero(tall):
        x, y, w, h = (int(v) for v in stats[label, :4])
        mark = _mark(labels[y : y + h, x : x + w] == label)
        if mark is not None:
            found.append(Mark(x + mark.left, y + mark.top, y + mark.bottom, mark.width))
    return found


def _mark(ink: NDArray[np.bool_]) -> Mark | None:
    """Return the pulse that a stroke is: two upright sides, a level top between them, feet outward; else None."""
    height = len(ink)
    middle = ink[round(0.25 * height) : round(0.75 * height)]
    steps = np.diff(np.pad(middle, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    if not ((steps > 0).sum(axis=1) == 2).all():
        return None
    starts, stops = np.nonzero(steps > 0)[1].reshape(-1, 2), np.nonzero(steps < 0)[1].reshape(-1, 2)
    sides = (starts + stops - 1) / 2
    pen = float(np.median(stops - starts))
    if np.ptp(sides, axis=0).max() > max(2.0, 0.06 * height) or pen > 0.2 * height:
        return None
    left, right = sides.mean(axis=0)
    between = slice(int(np.ceil(left)), int(right) + 1)
    edge = max(2, round(1.5 * pen))
    roof = ink[:edge, between].any(axis=0).all()
    floor = ink[-edge:, round(left + pen) : max(round(left + pen), round(right - pen)) + 1].any()
    feet = ink[-edge:, : max(1, round(left - pen))].any() or ink[-edge:, round(right + pen) :].any()
    if not roof or floor or not feet or right - left < 2 * pen:
        return None
    return Mark(float(left), (pen - 1) / 2, height - 1 - (pen - 1) / 2, float(right - left))
