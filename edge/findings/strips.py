"""Pieces of signal that show what was found: kept while they go by, in room that does not grow."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from edge.findings.arrays import NO_VALUE
from edge.findings.findings import StripFinding
from edge.messages import Samples

STRIP_S = 10.0
"""What a rhythm strip has."""
BEFORE_S = 3.0
"""Context before an onset."""
BAND_HZ = (0.5, 40.0)
"""The monitoring band (AAMI EC13)."""

_MEMORY_S = 100.0
"""Onsets are told up to a minute late, by ventricular burden."""
_MARGIN_S = 3.0
"""Signal on both sides of a strip, so that the filter's ends are outside of it."""
_MAX_LEADS = 12


class Memory:
    """The last samples of a source.

    Parameters
    ----------
    fs_hz : float
        Its rate.
    leads : tuple of str
        Its leads; the first twelve are kept.
    """

    def __init__(self, fs_hz: float, leads: tuple[str, ...]) -> None:
        self._fs_hz, self._leads = fs_hz, leads[:_MAX_LEADS]
        self._blocks: deque[Samples] = deque()
        self.end = 0

    def add(self, block: Samples) -> None:
        """Take the next samples."""
        self._blocks.append(block)
        self.end = block.end
        while self._blocks and self._blocks[0].end < self.end - _MEMORY_S * self._fs_hz:
            self._blocks.popleft()

    def complete(self, start: int) -> bool:
        """Whether a strip from `start` on has all its signal, margin included."""
        return self.end >= start + (STRIP_S + _MARGIN_S) * self._fs_hz

    def cut(self, start: int, why: str, episode: int | None = None) -> StripFinding | None:
        """Return the strip from `start` on, or what there is of it; None if there is nothing.

        Parameters
        ----------
        start : int
            First sample; an earlier one than 0 is 0.
        why : str
            What it shows.
        episode : int, optional
            Number of the episode.
        """
        start = max(start, 0)
        margin, n = round(_MARGIN_S * self._fs_hz), round(STRIP_S * self._fs_hz)
        mv = self.between(start - margin, start + n + margin)
        strip = mv[margin : margin + n]
        there = np.flatnonzero(np.isfinite(strip).any(axis=1))
        if not len(there):
            return None
        clean = band_passed(mv, self._fs_hz)[margin : margin + n][: there[-1] + 1]
        with np.errstate(invalid="ignore"):
            uv = np.where(np.isfinite(clean), np.rint(clean * 1000), NO_VALUE).astype(np.int32).T
        return StripFinding(
            why=why, episode=episode, start=start, fs_hz=self._fs_hz, leads=self._leads, uv=uv, band_hz=BAND_HZ
        )

    def between(self, first: int, stop: int) -> NDArray[np.float64]:
        """Return the samples, NaN where there are none."""
        out = np.full((stop - first, len(self._leads)), np.nan)
        for block in self._blocks:
            lo, hi = max(block.start, first), min(block.end, stop)
            if lo < hi:
                out[lo - first : hi - first] = block.mv[lo - block.start : hi - block.start, : len(self._leads)]
        return out


def band_passed(mv: NDArray[np.float64], fs_hz: float, band_hz: tuple[float, float] = BAND_HZ) -> NDArray[np.float64]:
    """Return a signal within a band, without delay; what is missing stays missing.

    The response is that of a Butterworth filter of order 2 (below) and 6 (above) run forward and back, applied to the
    spectrum: it has no start-up of its own, and needs no signal beyond the ends, which are mirrored.

    Parameters
    ----------
    mv : float array, shape (n, n_leads)
        NaN where there is no value.
    fs_hz : float
        Rate.
    band_hz : (float, float)
        Where half of the amplitude is left.
    """
    n = len(mv)
    if not n:
        return mv.copy()
    pad = min(round(_MARGIN_S * fs_hz), n - 1)
    out = np.empty_like(mv)
    frequency = np.fft.rfftfreq(n + 2 * pad, 1 / fs_hz)
    response = 1 / (1 + (frequency / band_hz[1]) ** 12)
    response[1:] /= 1 + (band_hz[0] / frequency[1:]) ** 4
    response[0] = 0
    for column in range(mv.shape[1]):
        x = mv[:, column]
        there = np.isfinite(x)
        if not there.any():
            out[:, column] = np.nan
            continue
        filled = np.interp(np.arange(n), np.flatnonzero(there), x[there])
        ends = np.pad(filled, pad, mode="reflect", reflect_type="odd") if pad else filled
        y = np.fft.irfft(np.fft.rfft(ends - ends.mean()) * response, len(ends))[pad : pad + n]
        out[:, column] = np.where(there, y, np.nan)
    return out
