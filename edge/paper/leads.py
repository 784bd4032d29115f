"""From the paths of traces to leads in mV on one time base."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.paper.layout import CHEST, LIMB, Arrangement
from edge.paper.result import Lead, Mv
from edge.paper.rows import Row, span_of

Floats = NDArray[np.float64]

FS_HZ = 500.0
_MISSED = 0.6
"""Of the largest limb lead: how far I + III may be from II."""
_BRIDGED_MM = 1.5
"""What a trace may lack and is filled in."""


def adds_up(leads: dict[str, Mv]) -> bool:
    """Whether I + III is II, as Einthoven's law says of simultaneous leads; True where not all three are there."""
    if not {"I", "II", "III"} <= leads.keys():
        return True
    three = np.stack([leads[name] for name in ("I", "II", "III")]).astype(np.float64)
    three = three[:, np.isfinite(three).all(axis=0)]
    if three.shape[1] < FS_HZ:
        return True
    one, two, third = three - np.median(three, axis=1, keepdims=True)
    missed = one + third - two
    size = max(float(lead.std()) for lead in (one, two, third))
    return float(missed.std()) <= _MISSED * max(size, 0.02)


def leads_of(rows: list[Row], plan: Arrangement, scale: tuple[float, float]) -> tuple[dict[str, Mv], tuple[Lead, ...]]:
    """Cut rows into leads and resample them on one time base."""
    px_per_s, _ = scale
    begin, end = span_of(rows, plan)
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
            quality[name] = Lead(name, float(a - begin) / px_per_s, float(b - begin) / px_per_s, covered, covered)
    usual = [name for name in LIMB + CHEST if name in leads]
    order = usual if len(usual) == len(leads) else list(leads)
    return {name: leads[name] for name in order}, tuple(quality[name] for name in order)


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
