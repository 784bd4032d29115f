"""Follows traces through runs of ink, left to right, by dynamic programming, and finds the pen's path in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.paper.ink import Runs
from edge.paper.page import Image

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_JUMP = 1.0
"""Cost of a millimetre's vertical gap between one column's ink and the next's."""
_BEYOND = 0.15
"""Of the same behind a gap."""
_GAP_MM = 0.4
_MOVE = 0.02
"""Of a millimetre's move of the middle."""
_AWAY = 0.03
"""Of a millimetre of trace a millimetre away from the row."""
_FAR_MM = 10.0
"""Farther away costs no more: pulses and tall waves go there."""
_SKIP = 0.6
"""Of a millimetre without ink."""
_ROUNDS = 12
_DAMPED = 0.7
_SIDE = 0.03
_LEAST_FLANKS = 12
_BEGIN = 0.1
"""Of a millimetre between a row's baseline and where its trace begins."""


@dataclass(frozen=True)
class Track:
    """The runs that a trace goes through.

    Attributes
    ----------
    top, bottom : float64 array, shape (columns,)
        Edges of its ink in pixels; NaN where there is none.
    """

    top: Floats
    bottom: Floats


def follow(runs: Runs, rows: Floats, reach: Floats, px_per_mm: int) -> list[Track]:
    """Follow one trace per row.

    Parameters
    ----------
    runs : Runs
        Of the whole picture.
    rows : float64 array
        Where their baselines are, in pixels.
    reach : float64 array, shape (rows, 2)
        How far up and down each may go, in pixels.
    px_per_mm : int
        Of the picture.
    """
    n_rows, n_columns = len(rows), len(runs.first) - 1
    mm = 1.0 / px_per_mm
    begin, stay = _of_runs(runs, rows, reach, mm)
    middles = (runs.top + runs.bottom) / 2
    first = runs.first.tolist()
    cost = np.zeros((n_rows, 1))
    # Shape (3, rows, states): top, bottom, middle.
    states = np.repeat(rows[None, :, None], 3, axis=0)
    back: list[NDArray[np.int32]] = []
    every = np.arange(n_rows)
    gone = np.zeros(n_rows)
    for c in range(n_columns):
        a, b = first[c], first[c + 1]
        best = cost.argmin(axis=1)
        ghost = cost[every, best] + _SKIP * mm
        # Behind a gap a trace may go on elsewhere: the last state of each row is where it was left.
        gone = np.where(best == cost.shape[1] - 1, gone + (c > 0), 0)
        if a == b:
            back.append(best[:, None].astype(np.int32))
            states, cost = states[:, every, best][..., None], ghost[:, None]
            continue
        # Shape (rows, runs here, states before).
        total = np.maximum(runs.top[a:b, None] - states[1][:, None, :], states[0][:, None, :] - runs.bottom[a:b, None])
        np.maximum(total, 0, out=total)
        total *= _JUMP
        far = gone > _GAP_MM * px_per_mm
        if far.any():
            total[far, :, -1] *= _BEYOND / _JUMP
        total += np.abs(middles[a:b, None] - states[2][:, None, :]) * _MOVE
        total *= mm
        total += cost[:, None, :]
        choice, here = total.argmin(axis=2), total.min(axis=2)
        fresh = c * _SKIP * mm + begin[:, a:b]
        n = b - a
        chosen = np.empty((n_rows, n + 1), np.int32)
        chosen[:, :n], chosen[:, n] = np.where(fresh < here, -1, choice), best
        back.append(chosen)
        cost = np.empty((n_rows, n + 1))
        cost[:, :n], cost[:, n] = np.minimum(here, fresh) + stay[:, a:b], ghost
        left = states[:, every, best]
        states = np.empty((3, n_rows, n + 1))
        states[0, :, :n], states[1, :, :n], states[2, :, :n] = runs.top[a:b], runs.bottom[a:b], middles[a:b]
        states[:, :, n] = left
    return _walk_back(runs, back, cost.argmin(axis=1))


def _of_runs(runs: Runs, rows: Floats, reach: Floats, mm: float) -> tuple[Floats, Floats]:
    """Return what it costs each row to begin in each run, and to go through it; shape (rows, runs)."""
    away = np.abs(np.clip(rows[:, None], runs.top, runs.bottom) - rows[:, None]) * mm
    stay = _AWAY * mm * np.minimum(away, _FAR_MM)
    low, high = (rows - reach[:, 0])[:, None], (rows + reach[:, 1])[:, None]
    stay[(runs.bottom < low) | (runs.top > high)] = np.inf
    return _BEGIN * away, stay


def _walk_back(runs: Runs, back: list[NDArray[np.int32]], last: NDArray[np.int64]) -> list[Track]:
    n_columns = len(back)
    states = np.empty((len(last), n_columns), np.int64)
    state = last
    every = np.arange(len(last))
    for c in range(n_columns - 1, -1, -1):
        states[:, c] = state
        # Before a trace's beginning, and where it is skipped, there is no run of this number.
        state = np.where(state < 0, -1, back[c][every, np.maximum(state, 0)])
    count = np.diff(runs.first)
    tracks = []
    for row in states:
        ink = (row >= 0) & (row < count)
        at = np.where(ink, runs.first[:-1] + row, 0)
        some = len(runs.top) > 0
        top = np.where(ink, runs.top[at], np.nan) if some else np.full(n_columns, np.nan)
        bottom = np.where(ink, runs.bottom[at], np.nan) if some else np.full(n_columns, np.nan)
        tracks.append(Track(top, bottom))
    return tracks


def pen_of(tracks: list[Track], ink: Image, level: float) -> float:
    """Return the pen's width in pixels.

    How high the ink of a trace stands where it runs level is too much where noise shakes it; how wide it is where it
    runs steeply is not. The lesser of both.
    """
    heights = np.concatenate([track.bottom - track.top for track in tracks])
    heights = heights[np.isfinite(heights)]
    if not len(heights):
        return 2.0
    standing = float(np.percentile(heights, 12))
    widths = [_width_of_flanks(track, ink, level, standing) for track in tracks]
    across = np.concatenate(widths)
    return min(standing, float(np.percentile(across, 15))) if len(across) >= _LEAST_FLANKS else standing


def _width_of_flanks(track: Track, ink: Image, level: float, pen_px: float) -> Floats:
    """Return how wide the ink is, in pixels, half-way up where it stands tall."""
    tall = np.flatnonzero(track.bottom - track.top > 3 * pen_px)
    reach = int(np.ceil(2 * pen_px)) + 1
    tall = tall[(tall > reach) & (tall < ink.shape[1] - reach - 1)]
    y = np.round((track.top + track.bottom)[tall] / 2).astype(np.int64)
    sides = []
    for way in (-1, 1):
        beside = ink[y[:, None], tall[:, None] + way * np.arange(reach + 1)]
        pale = beside < level
        k = np.where(pale.any(axis=1), pale.argmax(axis=1), 0)
        every = np.arange(len(k))
        before, after = beside[every, np.maximum(k - 1, 0)], beside[every, k]
        sides.append(np.where(k > 0, k - 1 + (before - level) / np.maximum(before - after, 1e-6), np.nan))
    width = sides[0] + sides[1]
    return np.asarray(width[np.isfinite(width)], np.float64)


def path_of(track: Track, pen_px: float) -> Floats:
    """Return where the pen's middle went, in pixels down, NaN where there is no ink.

    A round pen blackens all within its radius: on a steep flank far more than its own width, at the tip of a wave to
    one side only. So the path is sought whose ink would have the edges that are seen: it begins in the middle of the
    ink, and where an edge is missed, the point of the path that makes this edge is moved by as much.
    """
    seen = np.isfinite(track.top)
    if seen.sum() < 2:
        return np.where(seen, (track.top + track.bottom) / 2, np.nan)
    known = np.flatnonzero(seen)
    every = np.arange(len(seen))
    top, bottom = (np.interp(every, known, edge[known]) for edge in (track.top, track.bottom))
    points = np.interp(np.arange(2 * len(seen) - 1) / 2, every, (top + bottom) / 2)
    reach = max(1, int(np.ceil(pen_px)))
    offsets = np.arange(-reach, reach + 1)
    rise = np.sqrt(np.maximum(pen_px**2 / 4 - (offsets / 2) ** 2, 0))
    rise[np.abs(offsets) / 2 > pen_px / 2 + 0.25] = -np.inf
    for _ in range(_ROUNDS):
        up = _missed(points, top, rise, known)
        down = _missed(-points, -bottom, rise, known)
        total, count = up[0] - down[0], up[1] + down[1]
        moved = np.flatnonzero(count)
        points += _DAMPED * np.interp(np.arange(len(points)), moved, total[moved] / count[moved])
    return np.where(seen, points[::2], np.nan)


def _missed(points: Floats, edge: Floats, rise: Floats, known: Ints) -> tuple[Floats, Floats]:
    """Return by how much the points that make an upper edge should move, weighted and summed, and the weights."""
    reach = len(rise) // 2
    padded = np.pad(points, reach, constant_values=np.inf)
    around = np.lib.stride_tricks.sliding_window_view(padded, len(rise))[::2] - rise
    which = around.argmin(axis=1)
    error = edge - around[np.arange(len(around)), which]
    at = (2 * np.arange(len(around)) + which - reach)[known]
    # What is straight above a point tells of it; the pen's sides are nearly upright, where a little aside is a lot up.
    weight = (_SIDE + (rise[which] / rise.max()) ** 2)[known]
    n = len(points)
    sums = [np.bincount(at, values, minlength=n) for values in (error[known] * weight, weight)]
    return np.asarray(sums[0], np.float64), np.asarray(sums[1], np.float64)
