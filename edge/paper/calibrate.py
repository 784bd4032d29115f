"""The calibration pulse: where it stands, and what it says of gain and speed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.paper.trace import Track

Floats = NDArray[np.float64]

PULSE_S = 0.2
GAINS = (2.5, 5.0, 10.0, 20.0)
_SPEEDS = (12.5, 25.0, 50.0)
_REACH_MM = 32.0
_FLAT_MM = 0.5
_TOLERANCE = 0.1


@dataclass(frozen=True)
class Pulse:
    """A pulse in one row.

    Attributes
    ----------
    first, last : int
        Its columns, without its feet.
    height, width : float
        Millimetres, between the middles of its strokes.
    """

    first: int
    last: int
    height: float
    width: float


def find_pulse(track: Track, px_per_mm: int, pen_px: float, *, at_end: bool) -> Pulse | None:
    """Look for a pulse at one end of a trace: a flat top between two upright strokes as high as each other."""
    top, bottom = (track.top, track.bottom) if not at_end else (track.top[::-1], track.bottom[::-1])
    here = np.flatnonzero(np.isfinite(top))
    if len(here) < 10 * px_per_mm:
        return None
    first = int(here[0])
    stop = min(len(top), first + round(_REACH_MM * px_per_mm))
    tall = np.flatnonzero((bottom - top)[first:stop] > 2.2 * px_per_mm) + first
    strokes = np.split(tall, np.flatnonzero(np.diff(tall) > 1) + 1) if len(tall) else []
    strokes = [s for s in strokes if len(s) <= max(2.5 * pen_px, 1.2 * px_per_mm)]
    for i, left in enumerate(strokes):
        for right in strokes[i + 1 : i + 3]:
            pulse = _between((top, bottom), (left, right), px_per_mm, pen_px)
            if pulse is not None:
                n = len(top) - 1
                return Pulse(n - pulse.last, n - pulse.first, pulse.height, pulse.width) if at_end else pulse
    return None


def _between(
    edges: tuple[Floats, Floats], strokes: tuple[NDArray[np.int64], NDArray[np.int64]], px_per_mm: int, pen_px: float
) -> Pulse | None:
    """Return the pulse that two strokes are the sides of, None if they are not."""
    (top, bottom), (left, right) = edges, strokes
    a, b = float(left.mean()), float(right.mean())
    width = (b - a) / px_per_mm
    if not 1.8 <= width <= 12.5:
        return None
    heads = [float(np.nanmin(top[s])) for s in (left, right)]
    feet = [float(np.nanmax(bottom[s])) for s in (left, right)]
    inner = slice(int(left[-1]) + 1, int(right[0]))
    middle = (top[inner] + bottom[inner]) / 2
    if len(middle) < 3 or np.isnan(middle).mean() > 0.3:
        return None
    plateau = float(np.nanmedian(middle))
    flat = np.nanpercentile(np.abs(middle - plateau), 85) / px_per_mm
    even = max(abs(heads[0] - heads[1]), abs(feet[0] - feet[1])) / px_per_mm
    at_top = abs(min(heads) + pen_px / 2 - plateau) / px_per_mm
    height = (float(np.mean(feet)) - pen_px / 2 - plateau) / px_per_mm
    if flat > _FLAT_MM or even > 1.0 or at_top > 0.8 or height < 2:
        return None
    return Pulse(int(left[0]), int(right[-1]), height, width)


def scale_of(pulses: list[Pulse]) -> tuple[float | None, float | None]:
    """Return gain (mm/mV) and speed (mm/s) that the pulses say, each None where they say nothing usual."""
    if not pulses:
        return None, None
    height = float(np.median([pulse.height for pulse in pulses]))
    width = float(np.median([pulse.width for pulse in pulses]))
    return _usual(height, GAINS), _usual(width / PULSE_S, _SPEEDS)


def _usual(value: float, among: tuple[float, ...]) -> float | None:
    best = min(among, key=lambda usual: abs(np.log(value / usual)))
    return best if abs(value / best - 1) <= 1.6 * _TOLERANCE else None
