"""How the leads stand on the page: its rows, its columns, and the names that go with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.paper.ink import Runs, runs_of
from edge.paper.page import Image

Floats = NDArray[np.float64]

_LONG_MM = 8.0
"""Ink that goes on for so long is a trace, not a letter."""
_APART_MM = 7.0
_LEAST_SHARE = 0.2
_EDGE_MM = 2.0
"""What lies so near to the grid's edge is its frame, or the paper's."""
_LETTER_MM = (1.2, 5.0)
_COLUMN_MM = 180.0
"""A page of columns is at least so wide."""

LIMB = ("I", "II", "III", "aVR", "aVL", "aVF")
CHEST = ("V1", "V2", "V3", "V4", "V5", "V6")
_GRID_3X4 = (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"))
_RHYTHM = {0: (), 1: ("II",), 2: ("II", "V1"), 3: ("V1", "II", "V5")}


@dataclass(frozen=True)
class Arrangement:
    """Which lead stands where.

    Attributes
    ----------
    name : str
        As in `edge.paper.result.Digitized.layout`.
    leads : tuple of tuples of str
        The names of each row, left to right.
    """

    name: str
    leads: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Strokes:
    """Ink sorted by what it may be.

    Attributes
    ----------
    long : Image
        Ink of traces alone.
    letters : float64 array, shape (n, 4)
        x, y, width and height of what is as large as a letter, pixels.
    """

    long: Image
    letters: Floats


def sort_strokes(ink: Image, level: float, px_per_mm: int) -> Strokes:
    """Tell traces from letters by the size of what hangs together."""
    mask = (ink > level).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    size = stats[:, :4] / px_per_mm
    long = size[:, 2] >= _LONG_MM
    long[0] = False
    low, high = _LETTER_MM
    letter = (size[:, 3] >= low) & (size[:, 3] <= high) & (size[:, 2] <= high) & (size[:, 2] >= 0.2)
    letter[0] = False
    return Strokes(np.where(long[labels], ink, 0).astype(np.float32), stats[letter, :4].astype(np.float64))


def find_rows(strokes: Strokes, edge: float, pen_px: float, px_per_mm: int) -> Floats:
    """Return the baselines of the traces from top to bottom, pixels: where most of their level stretches are."""
    runs = runs_of(strokes.long, edge)
    height, width = strokes.long.shape
    at = np.clip((runs.top + runs.bottom) / 2, 0, height - 1).astype(np.int64)
    level = np.minimum(1, (2.2 * pen_px / (runs.bottom - runs.top)) ** 2)  # steep stretches say little
    profile = np.bincount(at, level, minlength=height).astype(np.float32)[:, None] / width
    smooth = cv2.GaussianBlur(profile, (1, 0), 0.1, sigmaY=1.6 * px_per_mm)[:, 0]
    rows: list[int] = []
    for y in np.argsort(-smooth):
        if smooth[y] < _LEAST_SHARE * smooth.max() or smooth[y] <= 0:
            break
        if all(abs(int(y) - other) >= _APART_MM * px_per_mm for other in rows):
            rows.append(int(y))
    rows = [row for row in rows if _EDGE_MM * px_per_mm < row < height - _EDGE_MM * px_per_mm]
    covered = [_covered(runs, row, 3.0 * px_per_mm, width) for row in rows]
    kept = [row for row, share in zip(rows, covered, strict=True) if share > 0.4 * max(covered)]
    return np.array(sorted(kept), np.float64)


def _covered(runs: Runs, row: int, reach: float, width: int) -> float:
    near = (runs.bottom > row - reach) & (runs.top < row + reach)
    return len(np.unique(runs.column[near])) / width


def reach_of(rows: Floats, height: int) -> Floats:
    """Return how far up and down each row's trace may go: over its neighbours' baselines, but not much."""
    if len(rows) == 1:
        return np.array([[rows[0], height - rows[0]]])
    gap = np.diff(rows)
    up = np.concatenate([[max(rows[0], gap[0])], gap])
    down = np.concatenate([gap, [max(height - rows[-1], gap[-1])]])
    return np.column_stack([up, down]) * 1.6


class Traced(Protocol):
    """A row that was followed."""

    @property
    def baseline(self) -> float:
        """Its middle height, pixels."""

    @property
    def path(self) -> Floats:
        """Height of each column, NaN where there is no ink."""

    @property
    def start(self) -> float:
        """First column."""

    @property
    def stop(self) -> float:
        """Last column."""


def arrange(rows: Sequence[Traced], letters: Floats, px_per_mm: int) -> Arrangement:
    """Say which lead stands where.

    Parameters
    ----------
    rows : sequence of Traced
        Top to bottom.
    letters : float64 array, shape (n, 4)
        What looks like a letter.
    px_per_mm : int
        Of the picture.
    """
    n = len(rows)
    span = float(np.median([row.start for row in rows])), float(np.median([row.stop for row in rows]))
    wide = (span[1] - span[0]) / px_per_mm >= _COLUMN_MM
    if n == 1 or (not wide and n < 12):
        return _plain(n)
    if n == 12:
        return Arrangement("12x1", tuple((lead,) for lead in LIMB + CHEST))
    quarters, half = _evidence(rows, letters, span, px_per_mm)
    if n in (6, 7) and quarters < 0.5 and half >= 0.34:
        pairs: tuple[tuple[str, ...], ...] = tuple(zip(LIMB, CHEST, strict=True))
        return Arrangement("6x2", pairs) if n == 6 else Arrangement("6x2+1", (*pairs, ("II",)))
    if 3 <= n <= 6 and (quarters >= 0.34 or n in (3, 4)):
        rhythm = _RHYTHM[n - 3]
        return Arrangement("3x4" + (f"+{n - 3}" if n > 3 else ""), _GRID_3X4 + tuple((lead,) for lead in rhythm))
    if n == 6:
        return Arrangement("6x2", tuple(zip(LIMB, CHEST, strict=True)))
    return _plain(n)


def _plain(n: int) -> Arrangement:
    if n == 1:
        return Arrangement("strip", (("ECG1",),))
    return Arrangement("rows", tuple((f"ECG{i + 1}",) for i in range(n)))


def _evidence(
    rows: Sequence[Traced], letters: Floats, span: tuple[float, float], px_per_mm: int
) -> tuple[float, float]:
    """Return in which share of the first three rows something begins at the quarters, and at the half."""
    spacing = float(np.median(np.diff([row.baseline for row in rows])))
    found = np.zeros((3, 3))
    for r, row in enumerate(rows[:3]):
        for k, share in enumerate((0.25, 0.5, 0.75)):
            x = span[0] + share * (span[1] - span[0])
            near = (letters[:, 0] > x - 4 * px_per_mm) & (letters[:, 0] < x + 8 * px_per_mm)
            high = (letters[:, 1] > row.baseline - 0.75 * spacing) & (letters[:, 1] < row.baseline + 0.45 * spacing)
            seam = row.path[max(0, round(x) - px_per_mm) : round(x) + px_per_mm + 1]
            found[r, k] = (near & high).any() or np.isnan(seam).sum() >= 0.3 * px_per_mm
    return float(found[:, (0, 2)].mean()), float(found[:, 1].mean())
