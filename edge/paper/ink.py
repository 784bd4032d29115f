"""The traces' ink on straightened paper: the grid's own pattern taken away, and runs of ink down each column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.paper.page import Image

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_TILES = 400
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
    if rows * columns < 6:
        return black
    tiles = black[: rows * side, : columns * side].reshape(rows, side, columns, side)
    chosen = np.unique(np.linspace(0, rows * columns - 1, min(_TILES, rows * columns)).astype(np.int64))
    pattern = np.median(tiles[chosen // columns, :, chosen % columns], axis=0).astype(np.float32)
    whole = np.tile(pattern, (rows + 1, columns + 1))[: black.shape[0], : black.shape[1]]
    return np.asarray(np.clip((black - whole) / np.maximum(1 - whole, 0.1), 0, 1), np.float32)


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
