"""How well a digitized lead is what was printed: dB, R peaks, heart rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from edge.messages import FS_HZ, RPeak, Samples, Stream
from edge.pipeline import Chain, front_end

MAX_SHIFT_S = 0.2
"""How far a lead may be shifted before it is compared, in the aligned figures."""

LEAST_COVER = 0.5
"""A lead of which less was read than this share is a failure, not a number of dB."""

TOLERANCE_S = 0.15
"""How far an R peak of the strip may be from that of the record."""

RATE_TOLERANCE = 2.0
"""Beats per minute."""

Signal = NDArray[np.float32]


@dataclass(frozen=True)
class Truth:
    """A printed piece of a lead.

    Attributes
    ----------
    lead : str
        Its name.
    mv : float32 array, shape (n,)
        What is printed.
    fs_hz : float
        Its rate.
    starts_s : tuple of float
        Where it may be said to begin, in seconds since the first column's beginning: by the recording's time, or by
        its place on the paper.
    """

    lead: str
    mv: Signal
    fs_hz: float
    starts_s: tuple[float, ...]


@dataclass(frozen=True)
class LeadScore:
    """dB of one lead as it is, and after the best shift of at most `MAX_SHIFT_S`."""

    as_read: float
    aligned: float


def score_lead(truth: Truth, read: Signal, fs_hz: float) -> LeadScore | None:
    """Compare a digitized lead with what was printed.

    The offset of the baseline is removed from both by their medians. What was not read counts as baseline.

    Parameters
    ----------
    truth : Truth
        What was printed.
    read : float32 array, shape (m,)
        The digitized lead, NaN where nothing was read; its first sample is at the first column's beginning.
    fs_hz : float
        Its rate.

    Returns
    -------
    LeadScore or None
        None if less than `LEAST_COVER` of it was read, wherever it is said to begin.
    """
    scores = [score for start in truth.starts_s if (score := _score_at(truth, read, fs_hz, start))]
    if not scores:
        return None
    return LeadScore(max(score.as_read for score in scores), max(score.aligned for score in scores))


def _score_at(truth: Truth, read: Signal, fs_hz: float, start_s: float) -> LeadScore | None:
    n = len(truth.mv)
    margin = round(MAX_SHIFT_S * truth.fs_hz)
    at = start_s + (np.arange(-margin, n + margin)) / truth.fs_hz
    wide = _resampled(read, fs_hz, at)
    if np.isfinite(wide[margin : margin + n]).mean() < LEAST_COVER:
        return None
    shifts = [decibels(truth.mv, wide[k : k + n]) for k in range(2 * margin + 1)]
    return LeadScore(shifts[margin], max(shifts))


def decibels(true: Signal, read: Signal) -> float:
    """Return ``10 log10(Σ s² / Σ (s − ŝ)²)``, offsets removed; NaN in `read` is baseline."""
    s = true.astype(np.float64) - np.median(true)
    known = np.isfinite(read)
    if not known.any():
        return 0.0
    offset = np.median(read[known].astype(np.float64) - s[known])
    error = s - np.where(known, read - offset, 0.0)
    return float(10 * np.log10((s**2).sum() / max(float((error**2).sum()), 1e-12)))


def mean_of_ratios(values: Sequence[float]) -> float:
    """Return the dB of the mean of linear ratios, where the best dominate."""
    return float(10 * np.log10(np.mean([10 ** (value / 10) for value in values])))


@dataclass(frozen=True)
class Beats:
    """R peaks of the record that were found on paper, that were not, and those of the paper alone."""

    hits: int
    missed: int
    extra: int
    rates: tuple[float | None, float | None]

    @property
    def same_rate(self) -> bool:
        """Whether both heart rates are known and within `RATE_TOLERANCE`, or both unknown."""
        record, paper = self.rates
        if record is None or paper is None:
            return record is paper
        return abs(record - paper) <= RATE_TOLERANCE


def compare_beats(truth: Truth, read: Signal, fs_hz: float) -> Beats:
    """Find R peaks by the pipeline's own stages in what was printed and in what was read."""
    span = len(truth.mv) / truth.fs_hz
    at = truth.starts_s[0] + np.arange(0, span, 1 / FS_HZ)
    printed = _resampled(truth.mv, truth.fs_hz, at - truth.starts_s[0])
    both = [r_peaks(signal, truth.lead) / FS_HZ for signal in (printed, _resampled(read, fs_hz, at))]
    record, paper = both
    hits, free = 0, list(paper)
    for peak in record:
        near = [other for other in free if abs(other - peak) <= TOLERANCE_S]
        if near:
            hits += 1
            free.remove(min(near, key=lambda other: abs(other - peak)))
    return Beats(hits, len(record) - hits, len(free), (rate_bpm(record), rate_bpm(paper)))


def r_peaks(mv: Signal, lead: str) -> NDArray[np.float64]:
    """Return the R peaks, samples at `FS_HZ`, of one lead at that rate; NaN are taken as baseline."""
    filled = np.where(np.isfinite(mv), mv, np.nanmedian(mv) if np.isfinite(mv).any() else 0).astype(np.float32)
    stream = Stream(name="strip", fs_hz=FS_HZ, leads=(lead,), start_time=datetime(2000, 1, 1, tzinfo=UTC))
    chain = Chain(front_end(stream)[:3])
    out = [*chain.push(Samples(start=0, mv=filled[:, None])), *chain.flush()]
    return np.array([message.sample for message in out if isinstance(message, RPeak)], np.float64)


def rate_bpm(peaks_s: NDArray[np.float64]) -> float | None:
    """Return the mean rate over the beats, None with fewer than three."""
    if len(peaks_s) < 3:
        return None
    return float(60 * (len(peaks_s) - 1) / (peaks_s[-1] - peaks_s[0]))


def _resampled(signal: Signal, fs_hz: float, at_s: NDArray[np.float64]) -> Signal:
    """Return the signal at other times, linearly between samples; NaN where it is NaN or has ended."""
    times = np.arange(len(signal)) / fs_hz
    known = np.interp(at_s, times, np.where(np.isfinite(signal), signal, 0), left=np.nan, right=np.nan)
    lost = np.interp(at_s, times, (~np.isfinite(signal)).astype(np.float64), left=1, right=1)
    return np.where(lost > 0, np.nan, known).astype(np.float32)
