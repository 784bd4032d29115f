"""The traces' ink on straightened paper: the grid's own pattern taken away, and runs of ink down each column."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.paper.page import Image

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_LEAST_TILES = 6
_PART_TILES = 8
_FAINT = 0.16
"""Of full ink: what hangs together with a trace is one down to here."""
_UPRIGHT_MM = 1.5
"""So is what stands so high: a flank."""
_MOST_GAIN = 3.0
_PEN_MM = 0.25
_RULE_MM = 45.0
"""No wave goes straight up or down so far."""
_BESIDE_MM = 0.15
_HALF = 0.45
"""Of full ink: where a stroke's edge is said to be."""


def without_grid(black: Image, px_per_mm: int) -> Image:
    """Return the ink that does not repeat every 5 mm, 0 to 1.

    Parameters
    ----------
    black : Image
        Darkness of straightened paper.
    px_per_mm : int
        Of it.
    """
    side = 5 * px_per_mm
    rows, columns = black.shape[0] // side, black.shape[1] // side
    if rows * columns < _LEAST_TILES:
        return black
    tiles = black[: rows * side, : columns * side].reshape(rows, side, columns, side)
    out = np.empty_like(black)
    # Printing, light and sharpness differ over a page: each part of it has its own pattern.
    for r0, r1 in _parts(rows):
        for c0, c1 in _parts(columns):
            pattern = np.median(tiles[r0:r1, :, c0:c1].swapaxes(1, 2).reshape(-1, side, side), axis=0)
            y, x = slice(r0 * side, r1 * side), slice(c0 * side, c1 * side)
            y = slice(y.start, black.shape[0]) if r1 == rows else y
            x = slice(x.start, black.shape[1]) if c1 == columns else x
            part = black[y, x]
            whole = np.tile(pattern, (part.shape[0] // side + 1, part.shape[1] // side + 1))
            whole = whole[: part.shape[0], : part.shape[1]]
            out[y, x] = np.clip((part - whole) / np.maximum(1 - whole, 0.1), 0, 1)
    return out


def _parts(n: int) -> list[tuple[int, int]]:
    """Cut `n` tiles into parts of about `_PART_TILES`."""
    edges = np.round(np.linspace(0, n, max(1, round(n / _PART_TILES)) + 1)).astype(int).tolist()
    return list(pairwise(edges))


def without_rules(ink: Image, level: float, px_per_mm: int) -> Image:
    """Return the ink without straight upright lines that run through several rows, as are drawn between leads.

    Parameters
    ----------
    ink : Image
        Of the traces and what else is drawn.
    level : float
        What is darker is ink.
    px_per_mm : int
        Of the picture.
    """
    dark = (ink > level).astype(np.uint8)
    tall = cv2.morphologyEx(dark, cv2.MORPH_OPEN, np.ones((round(_RULE_MM * px_per_mm), 1), np.uint8))
    tall[:, :px_per_mm] = tall[:, -px_per_mm:] = 0  # a frame at the picture's edge is between no leads
    if not tall.any():
        return ink
    aside = max(1, round(_BESIDE_MM * px_per_mm))
    tall = cv2.dilate(tall, np.ones((2 * aside + 1, 2 * aside + 1), np.uint8))
    return np.asarray(np.where(tall > 0, np.float32(0), ink), np.float32)


def strengthened(ink: Image, full: float, px_per_mm: int) -> Image:
    """Return the ink with faint strokes as black as others: a pen that hurries leaves less.

    Parameters
    ----------
    ink : Image
        Of the traces.
    full : float
        How dark full ink is.
    px_per_mm : int
        Of the picture.
    """
    faint = (ink > _FAINT * full).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(faint, connectivity=8)
    strong = stats[:, cv2.CC_STAT_HEIGHT] >= _UPRIGHT_MM * px_per_mm
    strong[np.unique(labels[ink > _HALF * full])] = True
    strong[0] = False
    reach = max(1, round(_PEN_MM * px_per_mm))
    nearby = cv2.dilate(ink, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    gain = np.clip(full / np.maximum(nearby, 1e-3), 1, _MOST_GAIN)
    return np.asarray(np.where(strong[labels], np.minimum(ink * gain, 1), ink), np.float32)


def full_level(ink: Image) -> float:
    """Return how dark full ink is."""
    some = ink[::2, ::2]
    dark = some[some > 0.4 * np.percentile(some, 99.7)]
    return float(np.percentile(dark, 75)) if dark.size else 1.0


@dataclass(frozen=True)
class Runs:
    """Stretches of ink down columns, left to right and down each column.

    Attributes
    ----------
    column : int array
        Of each run.
    top, bottom : float64 array
        Its edges in pixels, to a fraction of one.
    first : int array, shape (columns + 1,)
        Where the runs of each column begin.
    """

    column: Ints
    top: Floats
    bottom: Floats
    first: Ints

    def between(self, start: int, stop: int) -> Runs:
        """Return the runs of some columns, counted from the first of these."""
        a, b = self.first[start], self.first[stop]
        return Runs(self.column[a:b] - start, self.top[a:b], self.bottom[a:b], self.first[start : stop + 1] - a)


def runs_of(ink: Image, level: float) -> Runs:
    """Return the runs of ink darker than a level."""
    flipped = np.ascontiguousarray(ink.T)
    padded = np.pad(flipped, ((0, 0), (1, 1)))
    dark = padded > level
    step = np.diff(dark.astype(np.int8), axis=1)
    column, start = np.nonzero(step > 0)
    _, stop = np.nonzero(step < 0)
    # In padded rows: start is the last pale pixel before, stop the last dark one.
    above, first = padded[column, start], padded[column, start + 1]
    last, below = padded[column, stop], padded[column, stop + 1]
    top = start + (level - above) / np.maximum(first - above, 1e-6) - 1
    bottom = stop + (last - level) / np.maximum(last - below, 1e-6) - 1
    edges = np.searchsorted(column, np.arange(ink.shape[1] + 1))
    return Runs(column.astype(np.int64), top.astype(np.float64), bottom.astype(np.float64), edges.astype(np.int64))
