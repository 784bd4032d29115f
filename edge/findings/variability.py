"""Heart rate variability, where it is valid.

Measures and conditions as the Task Force of ESC and NASPE defines them (Circulation 93:1043, 1996): intervals between
normal beats that follow each other; five minutes for the short-term measures; 18 hours for SDANN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.findings.findings import Variability

MIN_S = 300.0
"""Shortest recording of which short-term variability is told."""
LONG_S = 18 * 3600.0
"""A 24-h recording needs at least 18 hours that can be analysed."""
MIN_SHARE = 0.8
"""Least share of intervals that are between normal beats; with more ectopy it is the ectopy that varies."""
MAX_CHANGE = 0.2
"""An interval that differs by more from the one before is taken for a beat missed or mislabelled (Malik 1989)."""
_PLAUSIBLE_MS = (300.0, 2000.0)
_SEGMENT_S = 300.0
_MAX_IRREGULAR = 0.05
"""Share of the time in atrial fibrillation or flutter from which there is no sinus rhythm to vary."""


def variability(beats: NDArray[np.void], duration_s: float, fibrillation_s: float) -> Variability:
    """Return the variability of the intervals between normal beats.

    Parameters
    ----------
    beats : structured array of `BEAT`
        In order.
    duration_s : float
        Length of the recording.
    fibrillation_s : float
        How long of it an atrial fibrillation or flutter was told.
    """
    rr = beats["rr_ms"].astype(np.float64)
    joined = np.isfinite(rr)
    normal = beats["label"] == "N"
    is_nn = joined & normal & np.concatenate([[False], normal[:-1]])
    is_nn &= (rr >= _PLAUSIBLE_MS[0]) & (rr <= _PLAUSIBLE_MS[1])
    with np.errstate(invalid="ignore"):
        steady = np.abs(np.diff(rr, prepend=np.nan)) <= MAX_CHANGE * np.concatenate([[np.nan], rr[:-1]])
    # The first one of a row has none to be compared with: it counts.
    is_nn &= steady | ~np.concatenate([[False], is_nn[:-1]])
    nn, intervals = rr[is_nn], int(joined.sum())
    share = len(nn) / intervals if intervals else 0.0
    reason = _why_not(nn.sum() / 1000, duration_s, share, fibrillation_s)
    percent = round(100 * share, 1) if intervals else None
    if reason is not None:
        return Variability(valid=False, reason=reason, nn=len(nn), nn_percent=percent)
    pairs = is_nn[1:] & is_nn[:-1]
    steps = np.diff(rr)[pairs]
    return Variability(
        valid=True,
        reason=None,
        nn=len(nn),
        nn_percent=percent,
        mean_nn_ms=round(float(nn.mean()), 1),
        sdnn_ms=round(float(nn.std(ddof=1)), 1),
        rmssd_ms=round(float(np.sqrt(np.mean(steps**2))), 1),
        pnn50_percent=round(float(100 * np.mean(np.abs(steps) > 50)), 1),
        sdann_ms=_sdann(beats["time_s"][is_nn], nn) if duration_s >= LONG_S else None,
    )


def _why_not(nn_s: float, duration_s: float, share: float, fibrillation_s: float) -> str | None:
    if duration_s < MIN_S:
        return f"the recording is {duration_s:.0f} s long, 5 min are needed"
    if fibrillation_s > _MAX_IRREGULAR * duration_s:
        return f"atrial fibrillation or flutter for {100 * fibrillation_s / duration_s:.0f} % of the time"
    if share < MIN_SHARE:
        return f"{100 * share:.0f} % of the intervals are steady ones between normal beats, 80 % are needed"
    if nn_s < MIN_S:
        return f"{nn_s:.0f} s of intervals between normal beats, 5 min are needed"
    return None


def _sdann(time_s: NDArray[np.float64], nn: NDArray[np.float64]) -> float | None:
    """Return the standard deviation of the means of 5-min segments."""
    segment = (time_s // _SEGMENT_S).astype(np.int64)
    counts = np.bincount(segment)
    means = np.bincount(segment, weights=nn)[counts > 0] / counts[counts > 0]
    return round(float(means.std(ddof=1)), 1) if len(means) > 1 else None
