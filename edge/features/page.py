"""What is measured of a 12-lead page: the median beat of every lead, and numbers of its rhythm and waves.

Of a page there are two or three beats in most leads and no context: what they have in common is all that can be
compared between patients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
FS_HZ = 100
BEFORE = 26
"""Samples of a beat before R."""
WINDOW = 72
LIMIT_MV = 3.0
"""Amplitudes are cut off here: what is beyond says nothing more."""
LEAST_BEATS = 3
"""On the page, to tell its rhythm."""
LEAST_LEADS = 10
"""Of twelve, with a beat each."""

_EDGE_S = 0.06
"""Of a lead's ends, where lines between leads are drawn and names are printed."""
_LEVEL = slice(11, 19)
"""150 to 70 ms before R: nothing goes on there that is not told of the beat's baseline."""
_QRS = slice(19, 35)
_Q = slice(19, 26)
_S = slice(27, 36)
_ST = slice(34, 39)
_T = slice(38, 66)
_P = slice(2, 17)
_OF_LEAD = ("q", "r", "s", "st", "t_high", "t_low", "p", "area")

NAMES: tuple[str, ...] = (
    "rate", "rr_spread", "rr_step", "rr_least", "rr_most", "ventricular", "supraventricular", "unlike", "unlike_most",
    "qrs_ms", "q_leads", "st_high", "st_low", "t_down", "r_progression", "axis_sine", "axis_cosine", "spread",
    *(f"{what}_{lead}" for lead in LEADS for what in _OF_LEAD),
)  # fmt: skip
"""Of the numbers, in order; amplitudes in mV."""


class Measured(NamedTuple):
    """What is measured of a page.

    Attributes
    ----------
    beats : float32 array, shape (WINDOW, len(LEADS))
        Median beats in mV at `FS_HZ`, R at `BEFORE`, their level before QRS at 0; 0 where there is none.
    numbers : float32 array, shape (len(NAMES),)
        As named.
    """

    beats: NDArray[np.float32]
    numbers: NDArray[np.float32]


def measure(
    leads: Mapping[str, NDArray[np.float32]], fs_hz: float, r_peaks: Sequence[int], labels: Sequence[str]
) -> Measured | None:
    """Measure a page.

    Parameters
    ----------
    leads : mapping of float32 arrays, shape (n,)
        mV on one time base, NaN where a lead is not printed.
    fs_hz : float
        Their rate.
    r_peaks : sequence of int
        Samples of the beats.
    labels : sequence of str
        Their classes: N, S, V, F or Q.

    Returns
    -------
    Measured or None
        None if there are not beats or leads enough.

    Examples
    --------
    >>> t = np.arange(5000) / 500
    >>> mv = np.exp(-(((t % 0.8) - 0.4) / 0.012) ** 2).astype(np.float32)
    >>> page = measure(dict.fromkeys(LEADS, mv), 500, range(200, 5000, 400), "N" * 12)
    >>> page.beats.shape, round(float(page.beats[:, 0].max()), 1), round(float(page.numbers[0]))
    ((72, 12), 1.0, 75)
    """
    peaks = np.asarray(r_peaks, np.float64)
    if len(peaks) < LEAST_BEATS:
        return None
    usual = np.array([label in "NS" for label in labels])
    if usual.sum() < 2:
        usual = np.ones(len(peaks), np.bool_)
    every = [_beats_of(leads[name], fs_hz, peaks) if name in leads else _nothing(len(peaks)) for name in LEADS]
    medians = [_median(beats, usual) for beats in every]
    if sum(median is not None for median in medians) < LEAST_LEADS:
        return None
    shown = np.stack([np.zeros(WINDOW) if median is None else median for median in medians], axis=1)
    shown = np.clip(shown, -LIMIT_MV, LIMIT_MV)
    numbers = [*_rhythm(peaks / fs_hz, labels), *_unlike(every, shown), *_waves(shown)]
    return Measured(shown.astype(np.float32), np.array(numbers, np.float32))


def _nothing(n: int) -> Floats:
    return np.full((n, WINDOW), np.nan)


def _beats_of(mv: NDArray[np.float32], fs_hz: float, peaks: Floats) -> Floats:
    """Return the beats of a lead, shape (n, WINDOW), level before QRS at 0; NaN where nothing is printed."""
    there = np.flatnonzero(np.isfinite(mv))
    if len(there) < fs_hz / 2:
        return _nothing(len(peaks))
    first, last = there[0] + _EDGE_S * fs_hz, there[-1] - _EDGE_S * fs_hz
    at = peaks[:, None] + (np.arange(WINDOW) - BEFORE) * (fs_hz / FS_HZ)
    # Each sample is the mean over its hundredth of a second, so that narrow waves do not slip through.
    width = max(1, round(fs_hz / FS_HZ))
    filled = np.interp(np.arange(len(mv)), there, mv[there])
    smooth = np.convolve(
        np.pad(filled, (width // 2, width - 1 - width // 2), mode="edge"), np.ones(width) / width, "valid"
    )
    beats = np.interp(at, np.arange(len(mv)) - (0.0 if width % 2 else 0.5), smooth)
    beats[(at < first) | (at > last)] = np.nan
    out = _nothing(len(peaks))
    for i, beat in enumerate(beats):
        level = beat[_LEVEL]
        if np.isfinite(beat[BEFORE]) and np.isfinite(level).any():
            out[i] = beat - np.nanmedian(level)
    return out


def _median(beats: Floats, usual: NDArray[np.bool_]) -> Floats | None:
    """Return the median of the usual beats, of all if none of these is printed; None if there is no beat."""
    whole = np.isfinite(beats[:, BEFORE])
    chosen = beats[whole & usual] if (whole & usual).any() else beats[whole]
    if not len(chosen):
        return None
    known = np.isfinite(chosen).any(axis=0)
    middle = np.zeros(WINDOW)
    middle[known] = np.nanmedian(chosen[:, known], axis=0)
    return middle


def _rhythm(times: Floats, labels: Sequence[str]) -> list[float]:
    rr = np.diff(times)
    middle = float(np.median(rr))
    return [
        float(np.clip(60 / middle, 20, 250)),
        float(rr.std() / middle),
        float(np.abs(np.diff(rr)).mean() / middle) if len(rr) > 1 else 0.0,
        float(rr.min() / middle),
        min(float(rr.max() / middle), 4.0),
        float(np.mean([label in "VF" for label in labels])),
        float(np.mean([label == "S" for label in labels])),
    ]


def _unlike(every: Sequence[Floats], shown: Floats) -> list[float]:
    """Return how far beats are from their lead's median: in the middle, and the farthest; shares of its size."""
    far = []
    for beats, median in zip(every, shown.T, strict=True):
        whole = beats[np.isfinite(beats).all(axis=1)]
        far += (np.abs(whole - median).mean(axis=1) / max(float(np.abs(median).mean()), 0.03)).tolist()
    if not far:
        return [0.0, 0.0]
    return [float(np.median(far)), min(float(np.percentile(far, 95)), 10.0)]


def _waves(shown: Floats) -> list[float]:
    slope = np.abs(np.diff(shown, axis=0)).sum(axis=1)
    steep = np.flatnonzero(slope[_QRS] > 0.15 * max(float(slope[_QRS].max()), 1e-6))
    qrs_ms = float(steep[-1] - steep[0] + 1) * 1000 / FS_HZ
    r, q, s = shown[20:34].max(axis=0), shown[_Q].min(axis=0), shown[_S].min(axis=0)
    st, t = shown[_ST].mean(axis=0), shown[_T]
    axis = np.arctan2(float((r + np.minimum(q, s))[5]), float((r + np.minimum(q, s))[0]))
    chest = slice(6, 12)
    by_lead = np.stack(
        [q, r, s, st, t.max(axis=0), t.min(axis=0), np.abs(shown[_P]).max(axis=0), shown[_QRS].sum(axis=0) / FS_HZ * 10]
    )
    of_page = [
        qrs_ms,
        float((q < -0.25 * np.maximum(r, 0.05)).sum()),
        float(st.max()),
        float(st.min()),
        float((t.min(axis=0) < -0.1).sum()),
        float(r[chest][3] - r[chest][0]),
        float(np.sin(axis)),
        float(np.cos(axis)),
        float(np.abs(shown).mean()),
    ]
    return [*of_page, *by_lead.T.ravel().tolist()]
