"""The grid's ink apart from the traces', and the width of the pen."""

from __future__ import annotations

import cv2
import numpy as np

from edge.paper.page import Image, Sheet
from edge.paper.result import no_grid

_TRACE = 0.55
"""Of the blackest there is: what is darker is taken for a trace, while the grid is looked for."""
_LOCAL_PX = 31
_STROKE = 0.6
_LONG_PX = 40
_STROKES = 45
"""Percentile: traces are thinner than the dark along the edges of the paper, and longer than letters."""
_LEAST_INK = 0.03


def grid_ink(sheet: Sheet) -> Image:
    """Return the ink of the grid, about zero in the mean, with traces and texts cut out.

    Raises
    ------
    RefusedError
        If there is no ink at all.
    """
    if float(np.diff(np.percentile(sheet.any_ink[::3, ::3], (2, 99.7)))[0]) < _LEAST_INK:
        raise no_grid()
    trace = (sheet.black > _TRACE * np.percentile(sheet.black[::3, ::3], 99.7)).astype(np.uint8)
    trace = cv2.dilate(trace, np.ones((5, 5), np.uint8))
    paler = sheet.any_ink[::3, ::3][trace[::3, ::3] == 0]
    most = np.percentile(paler, 98) if paler.size else 1.0
    ink = np.minimum(sheet.any_ink, np.float32(max(most, 0.02)))
    mean = cv2.blur(ink, (_LOCAL_PX, _LOCAL_PX))
    return np.asarray(np.where(trace > 0, 0, ink - mean), np.float32)


def pen_width(black: Image) -> float:
    """Return the width of the strokes in pixels: a thin one of those along what is long and black."""
    mask = (black > _STROKE * np.percentile(black[::3, ::3], 99.7)).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    long = stats[:, cv2.CC_STAT_WIDTH : cv2.CC_STAT_HEIGHT + 1].max(axis=1) >= _LONG_PX
    long[0] = False
    depth = cv2.distanceTransform(long[labels].astype(np.uint8), cv2.DIST_L2, 3)
    ridge = (depth > 0) & (depth >= cv2.dilate(depth, np.ones((3, 3), np.uint8)))
    return float(max(1.0, 2 * np.percentile(depth[ridge], _STROKES))) if ridge.any() else 2.0
