"""Averaged beats: the median of the beats called N in half a minute, aligned; in room that does not grow."""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from edge.features.window import choose_leads
from edge.findings.strips import Memory, band_passed

SEGMENT_S = 30.0
BEFORE_S, AFTER_S = 0.40, 0.60
MOST = 2880
"""A day of half minutes; of longer streams every second one is kept, and so on."""

_LEAST_BEATS, _MOST_BEATS = 5, 24
_LOW_PASS_HZ = (1e-6, 40.0)
_SHIFT_S, _CORE_BEFORE_S, _CORE_AFTER_S = 0.04, 0.1, 0.15

Floats = NDArray[np.float64]


class Average(Struct, frozen=True, eq=False):
    """An averaged beat.

    Attributes
    ----------
    start_s : float
        Begin of its half minute.
    beats : int
        Beats called N in it.
    rr_s : float
        Their median interval.
    mv : float array, shape (n, n_leads)
        From `BEFORE_S` before R to `AFTER_S` after it, or to where the next beat begins.
    """

    start_s: float
    beats: int
    rr_s: float
    mv: Floats


class Averages:
    """Averages beats as they go by.

    Parameters
    ----------
    fs_hz : float
        Rate of the source.
    leads : tuple of str
        Its leads; those two that models look at are used.

    Attributes
    ----------
    leads : tuple of str
        The ones that are used.
    """

    def __init__(self, fs_hz: float, leads: tuple[str, ...]) -> None:
        self._fs_hz = fs_hz
        self._columns = list(choose_leads(leads))
        self.leads = tuple(leads[i] for i in self._columns)
        self._beats: list[tuple[int, float]] = []
        self._segment = 0
        self._every = 1
        self.all: list[Average] = []

    def beat(self, sample: int, label: str, rr_ms: float | None) -> None:
        """Take a beat."""
        if label == "N" and rr_ms is not None and len(self._beats) < 1000:
            self._beats.append((sample, rr_ms / 1000))

    def samples(self, memory: Memory, *, final: bool = False) -> None:
        """Average the half minutes whose samples have all gone by."""
        length = SEGMENT_S * self._fs_hz
        while self._beats:
            segment = int(self._beats[0][0] // length)
            if not final and memory.end < (segment + 1) * length + 3 * self._fs_hz:
                return
            mine = [beat for beat in self._beats if beat[0] < (segment + 1) * length]
            self._beats = self._beats[len(mine) :]
            if segment % self._every == 0 and len(mine) >= _LEAST_BEATS:
                self._average(memory, segment, mine)

    def _average(self, memory: Memory, segment: int, beats: list[tuple[int, float]]) -> None:
        rr_s = float(np.median([rr for _, rr in beats]))
        before, after = round(BEFORE_S * self._fs_hz), round(min(AFTER_S, 0.85 * rr_s) * self._fs_hz)
        shift = round(_SHIFT_S * self._fs_hz)
        some = beats[:: -(-len(beats) // _MOST_BEATS)]
        cut = np.stack([memory.between(s - before - shift, s + after + shift)[:, self._columns] for s, _ in some])
        # What is not readable in a lead is taken as flat there.
        whole = np.nan_to_num(cut[np.isfinite(cut).mean(axis=(1, 2)) > 0.45])
        if len(whole) < _LEAST_BEATS:
            return
        mv = _aligned(whole, before, shift, self._fs_hz)
        clean = band_passed(mv, self._fs_hz, _LOW_PASS_HZ)
        self.all.append(Average(segment * SEGMENT_S, len(beats), rr_s, clean.astype(np.float32)))
        if len(self.all) > MOST:
            del self.all[1::2]
            self._every *= 2


def _aligned(beats: Floats, before: int, shift: int, fs_hz: float) -> Floats:
    """Return the median of beats, each moved to where it is most alike; shape (n, n_leads)."""
    n = beats.shape[1] - 2 * shift
    first = _median(beats[:, shift : shift + n])
    core = slice(max(before - round(_CORE_BEFORE_S * fs_hz), 0), before + round(_CORE_AFTER_S * fs_hz))
    template = first[core] - first[core].mean(axis=0)
    best, at = np.full(len(beats), -np.inf), np.zeros(len(beats), np.int64)
    for k in range(0, 2 * shift + 1, 2 if shift > 12 else 1):
        alike = np.einsum("bnl,nl->b", beats[:, k + core.start : k + core.start + len(template)], template)
        better = alike > best
        best[better], at[better] = alike[better], k
    return _median(np.stack([beat[k : k + n] for beat, k in zip(beats, at.tolist(), strict=True)]))


def _median(beats: Floats) -> Floats:
    """Return the median of beats, all finite; put beside each other in memory and sorted, which is thrice as fast."""
    ordered = np.ascontiguousarray(np.moveaxis(beats, 0, -1))
    ordered.sort(axis=-1)
    n = ordered.shape[-1]
    return np.asarray((ordered[..., (n - 1) // 2] + ordered[..., n // 2]) / 2)
