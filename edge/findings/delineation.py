"""Where the waves of an averaged beat begin and end.

QRS: from where the slope of all leads together stands out, to where it no longer does. P and T: the tangent at the
steepest point of a wave's flank, where it meets the line without a wave (Lepeschkin & Surawicz 1952 for the end of T).
An averaged beat has little noise, so that what is small can be measured; what is not there is None.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_SMOOTH_S, _HOLD_S = 0.012, 0.014
_ONSET, _OFFSET, _WITHIN = 0.07, 0.09, 0.3
"""Slope, of the steepest, below which a QRS has not begun or has ended, and above which it goes on."""
_NEAR_S, _BEFORE_S, _AFTER_S = 0.09, 0.11, 0.13
_LEAST_P_MV, _LEAST_T_MV = 0.04, 0.06
_P_FROM_S, _P_TO_S = 0.30, 0.02
_T_FROM_S, _T_TO_S = 0.06, 0.46
_SHORTEST_PR_S = 0.07
_LEVEL_S = 0.02


class Waves(msgspec.Struct, frozen=True, kw_only=True):
    """Where waves are, in samples of the averaged beat.

    Attributes
    ----------
    qrs_on, qrs_off : int
        Limits of the QRS complex.
    p_on, t_off : float or None
        Onset of P, end of T.
    """

    qrs_on: int
    qrs_off: int
    p_on: float | None
    t_off: float | None


def delineate(beat: Floats, fs_hz: float, r: int) -> Waves | None:
    """Find the waves of an averaged beat.

    Parameters
    ----------
    beat : float array, shape (n, n_leads)
        mV.
    fs_hz : float
        Rate.
    r : int
        Its R peak.

    Returns
    -------
    Waves or None
        None if no QRS stands out.
    """
    limits = _qrs(beat, fs_hz, r)
    if limits is None:
        return None
    on, off = limits
    level = np.median(beat[max(on - round(_LEVEL_S * fs_hz), 0) : on + 1], axis=0)
    flat = beat - level
    return Waves(qrs_on=on, qrs_off=off, p_on=_p_on(flat, fs_hz, on), t_off=_t_off(flat, fs_hz, off))


def _qrs(beat: Floats, fs_hz: float, r: int) -> tuple[int, int] | None:
    slope = np.sqrt((np.gradient(beat, axis=0) ** 2).sum(axis=1))
    k = max(round(_SMOOTH_S * fs_hz) | 1, 3)
    slope = np.convolve(slope, np.ones(k) / k, "same")
    near = slope[max(r - round(_NEAR_S * fs_hz), 0) : r + round(_NEAR_S * fs_hz)]
    top = float(near.max()) if len(near) else 0.0
    if top <= 0:
        return None
    first = max(r - round(_BEFORE_S * fs_hz), 0)
    within = np.flatnonzero(slope[first : r + round(_AFTER_S * fs_hz)] > _WITHIN * top) + first
    hold = round(_HOLD_S * fs_hz)
    on, off = int(within[0]), int(within[-1])
    while on > hold and (slope[on - hold : on] >= _ONSET * top).any():
        on -= 1
    while off < len(slope) - hold and (slope[off : off + hold] >= _OFFSET * top).any():
        off += 1
    return (on, off) if on > hold and off < len(slope) - hold else None


def _p_on(flat: Floats, fs_hz: float, on: int) -> float | None:
    """Return the onset of P, of the lead in which it is largest."""
    first, last = max(on - round(_P_FROM_S * fs_hz), 0), on - round(_P_TO_S * fs_hz)
    if last - first < round(0.1 * fs_hz):
        return None
    part = flat[first:last]
    # P stands on the line between the ends of this stretch.
    line = np.linspace(0, 1, len(part))[:, None]
    bump = part - (part[:5].mean(axis=0) * (1 - line) + part[-3:].mean(axis=0) * line)
    lead = int(np.abs(bump).max(axis=0).argmax())
    x = bump[:, lead] * np.sign(bump[np.abs(bump[:, lead]).argmax(), lead])
    peak = int(x.argmax())
    if x[peak] < _LEAST_P_MV or peak < 3:
        return None
    rise = np.gradient(x[: peak + 1])
    steep = int(rise.argmax())
    if rise[steep] <= 0:
        return None
    at = first + steep - x[steep] / rise[steep]
    return float(at) if first < at < on - _SHORTEST_PR_S * fs_hz else None


def _t_off(flat: Floats, fs_hz: float, off: int) -> float | None:
    """Return the end of T, of the lead in which it is largest."""
    first, last = off + round(_T_FROM_S * fs_hz), min(off + round(_T_TO_S * fs_hz), len(flat))
    if last - first < round(0.12 * fs_hz):
        return None
    part = flat[first:last]
    lead = int(np.ptp(part, axis=0).argmax())
    x = part[:, lead] - np.median(part[-max(round(0.04 * fs_hz), 3) :, lead])
    x = x * np.sign(x[np.abs(x).argmax()])
    peak = int(x.argmax())
    if x[peak] < _LEAST_T_MV or len(x) - peak < 5:
        return None
    fall = np.gradient(x[peak:])
    steep = int(fall.argmin())
    if fall[steep] >= 0:
        return None
    at = first + peak + steep - x[peak + steep] / fall[steep]
    return float(at) if at < len(flat) else None
