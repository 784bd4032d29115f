"""From the paths of traces to leads in mV on one time base."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.paper.calibrate import Pulse, find_pulse
from edge.paper.layout import Arrangement
from edge.paper.result import Lead, Mv
from edge.paper.trace import Track, path_of

Floats = NDArray[np.float64]

FS_HZ = 500.0
_BRIDGED_MM = 1.5
"""What a trace may lack and is filled in."""
_FOOT_MM = 1.5
_GAP_MM = 0.3


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
    here = np.flatnonzero(np.isfinite(track.top))
    if len(here) < scale:
        return None
    path = path_of(track, pen)
    start, stop = here[0] + pen / 2 - 0.5, here[-1] - pen / 2 + 0.5
    left = find_pulse(track, scale, pen, at_end=False)
    right = None if left else find_pulse(track, scale, pen, at_end=True)
    if left:
        start = _after(track.top, left.last, scale, 1) + pen / 2 - 0.5
    if right:
        stop = _after(track.top, right.first, scale, -1) - pen / 2 + 0.5
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


def breaks_of(rows: list[Row], span: tuple[float, float], scale: int) -> Floats:
    """Return how far each trace jumps near a quarter, a half and three quarters of the span, mm."""
    out = np.zeros((len(rows), 3))
    for r, row in enumerate(rows):
        for k, share in enumerate((0.25, 0.5, 0.75)):
            x = round(span[0] + share * (span[1] - span[0]))
            part = row.path[max(0, x - scale) : x + scale + 1]
            if len(part) > 2 and np.isnan(part).sum() >= 0.3 * scale:
                out[r, k] = 1.0
    return out


def leads_of(rows: list[Row], plan: Arrangement, scale: tuple[float, float]) -> tuple[dict[str, Mv], tuple[Lead, ...]]:
    """Cut rows into leads and resample them on one time base."""
    px_per_s, _ = scale
    split = [row for row, names in zip(rows, plan.leads, strict=True) if len(names) > 1] or rows
    begin = float(np.median([row.start for row in split]))
    end = float(np.median([row.stop for row in split]))
    last = max(row.stop for row in rows)
    n = max(1, int((last - begin) / px_per_s * FS_HZ))
    at = begin + np.arange(n) / FS_HZ * px_per_s
    leads: dict[str, Mv] = {}
    quality: dict[str, Lead] = {}
    for row, names in zip(rows, plan.leads, strict=True):
        first, stop = (begin, end) if len(names) > 1 else (row.start, row.stop)
        edges = np.linspace(first, stop, len(names) + 1)
        for name, a, b in zip(names, edges[:-1], edges[1:], strict=True):
            if name in quality and (b - a) / px_per_s <= quality[name].stop_s - quality[name].start_s:
                continue
            mv, covered = _resampled(row, (a, b), at, scale)
            leads[name] = mv
            quality[name] = Lead(name, (a - begin) / px_per_s, (b - begin) / px_per_s, covered, covered)
    return leads, tuple(quality.values())


def _resampled(row: Row, piece: tuple[float, float], at: Floats, scale: tuple[float, float]) -> tuple[Mv, float]:
    px_per_s, px_per_mv = scale
    known = np.flatnonzero(np.isfinite(row.path))
    inside = (at >= max(piece[0], known[0])) & (at <= min(piece[1], known[-1]))
    values = np.interp(at, known, row.path[known])
    bridged = _BRIDGED_MM * px_per_s / 25
    lost = np.diff(known, append=known[-1] + 1)[np.clip(np.searchsorted(known, at, "right") - 1, 0, len(known) - 1)]
    mv = np.where(inside & (lost <= bridged), (row.baseline - values) / px_per_mv, np.nan).astype(np.float32)
    columns = row.path[max(0, int(np.ceil(piece[0]))) : int(piece[1]) + 1]
    return mv, float(np.isfinite(columns).mean()) if len(columns) else 0.0
