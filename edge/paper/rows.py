"""Rows of a page: a trace from its beginning to its end, without its pulse, and cut where another lead begins."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edge.paper.calibrate import Pulse, find_pulse
from edge.paper.ink import Runs
from edge.paper.layout import Arrangement
from edge.paper.trace import Track, follow, path_of

Floats = NDArray[np.float64]

_CAP = 0.3
"""Of the pen's width: how far within the ink a line begins, whose end is round."""
_FOOT_MM = 1.5
_GAP_MM = 0.3
_SPECK_MM = 6.0
_APART_MM = 2.0
"""Ink shorter than a speck and so far from the rest is none of the trace, at its ends."""


@dataclass(frozen=True)
class Row:
    """One trace across the page: its path in pixels, and where it begins and ends without its pulse."""

    baseline: float
    path: Floats
    start: float
    stop: float
    pulse: Pulse | None


def row_of(track: Track, baseline: float, pen: float, scale: int) -> Row | None:
    """Return the trace that a track is, without its pulse; None if there is next to nothing."""
    track = _without_specks(track, scale)
    here = np.flatnonzero(np.isfinite(track.top))
    if len(here) < scale:
        return None
    path = path_of(track, pen)
    start, stop = here[0] + _CAP * pen, here[-1] - _CAP * pen
    left = find_pulse(track, scale, pen, at_end=False)
    right = None if left else find_pulse(track, scale, pen, at_end=True)
    if left:
        start = _after(track.top, left.last, scale, 1) + _CAP * pen
    if right:
        stop = _after(track.top, right.first, scale, -1) - _CAP * pen
    level = np.nanmedian(path[max(0, int(start)) : int(stop) + 1]) if stop - start > scale else baseline
    return Row(float(level), path, float(start), float(stop), left or right)


def _after(top: Floats, edge: int, scale: int, way: int) -> int:
    """Return where the trace begins beyond a pulse: behind a gap, or else behind the pulse's foot."""
    reach = np.arange(1, round(4.0 * scale)) * way + edge
    reach = reach[(reach >= 0) & (reach < len(top))]
    empty = np.isnan(top[reach])
    if empty.sum() >= _GAP_MM * scale:
        gap = int(np.flatnonzero(empty)[0])
        length = int(np.argmin(np.append(empty[gap:], False)))
        return int(reach[0] + way * (gap + length))
    return int(edge + way * round(_FOOT_MM * scale))


def _without_specks(track: Track, scale: int) -> Track:
    """Drop what is short and stands apart at either end."""
    here = np.flatnonzero(np.isfinite(track.top))
    pieces = np.split(here, np.flatnonzero(np.diff(here) > _APART_MM * scale) + 1)
    while len(pieces) > 1 and len(pieces[0]) < _SPECK_MM * scale:
        pieces.pop(0)
    while len(pieces) > 1 and len(pieces[-1]) < _SPECK_MM * scale:
        pieces.pop()
    keep = np.zeros(len(track.top), bool)
    if len(here):
        keep[pieces[0][0] : pieces[-1][-1] + 1] = True
    return Track(np.where(keep, track.top, np.nan), np.where(keep, track.bottom, np.nan))


def span_of(rows: list[Row], plan: Arrangement) -> tuple[float, float]:
    """Return where the rows that are cut into columns begin and end; of all rows if none is."""
    cut = [row for row, names in zip(rows, plan.leads, strict=True) if len(names) > 1] or rows
    return float(np.median([row.start for row in cut])), float(np.median([row.stop for row in cut]))


@dataclass(frozen=True)
class Again:
    """What it takes to follow traces once more."""

    runs: Runs
    baselines: Floats
    reach: Floats
    pen: float


def in_columns(rows: list[Row], plan: Arrangement, again: Again, scale: int) -> list[Row]:
    """Follow the traces once more, each column by itself: another lead begins at another height."""
    start, stop = span_of(rows, plan)
    n = len(plan.leads[0])
    cut = [k for k, names in enumerate(plan.leads) if len(names) == n]
    edges = np.round(np.linspace(start, stop, n + 1)).astype(int)
    edges[0], edges[-1] = max(0, edges[0] - scale // 2), min(len(rows[0].path), edges[-1] + scale // 2 + 1)
    paths = {k: rows[k].path.copy() for k in cut}
    for a, b in pairwise(edges.tolist()):
        tracks = follow(again.runs.between(a, b), again.baselines[cut], again.reach[cut], scale)
        for k, track in zip(cut, tracks, strict=True):
            paths[k][a:b] = path_of(track, again.pen)
    return [replace(row, path=paths[k]) if k in paths else row for k, row in enumerate(rows)]
