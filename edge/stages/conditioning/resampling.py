"""Causal change of the sampling rate by a polyphase windowed sinc."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edge.messages import FS_HZ
from edge.timebase import Rates

KEPT_HZ = 40.0
"""Conditioning keeps no more than this, so images and aliases may fall anywhere above it."""

_ATTENUATION_DB = 60.0
_LONGEST_HALF_S = 0.08
_MOST_PHASES = 1024


class Resampler:
    """Brings samples of one rate to `FS_HZ`; output sample k stands at the time of source sample ``k * ratio``.

    Half the length of the sinc is the shortest that leaves 0 to 40 Hz untouched, so a high source rate costs little
    delay (7 ms from 500 Hz) and a low one more (38 ms from 128 Hz). Kaiser's formula gives the length (Kaiser 1974).

    Parameters
    ----------
    fs_hz : float
        Rate of the source.

    Attributes
    ----------
    rates : Rates
        The numbers of source and output samples.
    half : int
        Source samples needed before and after the time of an output sample; 0 if there is nothing to do.
    """

    def __init__(self, fs_hz: float) -> None:
        self.rates = Rates(fs_hz)
        self._ratio = self.rates.ratio
        self.half = 0 if self._ratio == 1 else _half_length(fs_hz)
        self._n_phases = min(self._ratio.denominator, _MOST_PHASES)
        self._weights = _weights(fs_hz, self.half, self._n_phases)

    def span(self, start: int, stop: int) -> tuple[int, int]:
        """Return the source samples [first, last + 1) that output samples [start, stop) need."""
        return self._base(start) + 1 - self.half, self._base(stop - 1) + 1 + self.half + 1

    def take(self, samples: NDArray[np.float64], origin: int, start: int, stop: int) -> NDArray[np.float64]:
        """Interpolate output samples [start, stop).

        Parameters
        ----------
        samples : float64 array, shape (n, n_leads)
            Source samples from number `origin` on, covering ``span(start, stop)``.
        origin : int
            Number of the first of them.
        start, stop : int
            Output samples wanted.

        Returns
        -------
        float64 array, shape (stop - start, n_leads)
        """
        if not self.half:
            return samples[start - origin : stop - origin]
        base, phase = self._places(start, stop, origin)
        out = np.zeros((stop - start, samples.shape[1]))
        for tap, weights in enumerate(self._weights):
            out += weights[phase, None] * samples[base + tap]
        return out

    def touched(self, flags: NDArray[np.bool_], origin: int, start: int, stop: int) -> NDArray[np.bool_]:
        """Return for each output sample whether any source sample it is made of is flagged; arguments as `take`."""
        if not self.half:
            return flags[start - origin : stop - origin]
        base, _ = self._places(start, stop, origin)
        sums = np.zeros((len(flags) + 1, flags.shape[1]), np.int64)
        np.cumsum(flags, axis=0, out=sums[1:])
        return np.asarray(sums[base + 2 * self.half + 1] > sums[base])

    def _base(self, output: int) -> int:
        return math.floor(output * self._ratio)

    def _places(self, start: int, stop: int, origin: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return each output sample's first source sample, relative to `origin`, and its phase."""
        up, down = self._ratio.denominator, self._ratio.numerator
        times = np.arange(start, stop, dtype=np.int64) * down
        base, rest = np.divmod(times, up)
        phase = (rest * self._n_phases + up // 2) // up
        return base + 1 - self.half - origin, phase


def _half_length(fs_hz: float) -> int:
    transition_hz = max(min(fs_hz, FS_HZ) - 2 * KEPT_HZ, 1.0)
    half_s = (_ATTENUATION_DB - 7.95) / (2.285 * 2 * math.pi * transition_hz) / 2
    return max(2, math.ceil(min(half_s, _LONGEST_HALF_S) * fs_hz))


def _weights(fs_hz: float, half: int, n_phases: int) -> NDArray[np.float64]:
    """Return taps x phases, each phase (one more than there are, for rounding up) summing to 1."""
    if not half:
        return np.ones((1, 1))
    cutoff = min(1.0, FS_HZ / fs_hz)
    place = np.arange(1 - half, half + 2)[:, None] - np.arange(n_phases + 1)[None, :] / n_phases
    window = np.i0(0.1102 * (_ATTENUATION_DB - 8.7) * np.sqrt(np.clip(1 - (place / (half + 1e-9)) ** 2, 0, 1)))
    window[np.abs(place) > half] = 0
    weights = np.sinc(cutoff * place) * window
    return np.asarray(weights / weights.sum(axis=0), np.float64)
