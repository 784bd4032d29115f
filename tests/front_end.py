"""An ECG made of Gaussian waves, and ways to send it through the first stages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge.messages import Event, Gap, Message, RPeak, Samples
from edge.pipeline import Chain
from edge.stages.conditioning.stage import Conditioning
from edge.stages.qrs.stage import QrsDetector
from edge.stages.quality import SignalQuality

_WAVES = ((-0.18, 0.025, 0.12), (-0.03, 0.008, -0.1), (0.0, 0.011, 1.0), (0.03, 0.01, -0.2), (0.27, 0.045, 0.25))
"""Time after R in s, width in s, height in mV: P, Q, R, S, T."""


def ecg(seconds: float, fs_hz: float = 360.0, *, first_s: float = 0.5, rr_s: float = 0.8, leads: int = 2):
    """Return samples, shape (n, leads), and the times of the R peaks in s; a second lead is half as high, inverted."""
    beats = np.arange(first_s, seconds, rr_s)
    beats = beats + 0.03 * np.sin(np.arange(len(beats)))
    time = np.arange(round(seconds * fs_hz)) / fs_hz
    wave = sum(
        height * np.exp(-0.5 * ((time - beat - after) / width) ** 2)
        for beat in beats
        for after, width, height in _WAVES
    )
    return np.outer(wave, [1.0, -0.5, 0.7][:leads]).astype(np.float32), beats


def cut(mv: NDArray[np.float32], sizes: Sequence[int], gaps: Sequence[tuple[int, int]] = ()) -> list[Message]:
    """Cut a signal into blocks of the given sizes, in turn, with gaps at (start, n)."""
    out: list[Message] = []
    at = turn = 0
    for start, n in [*gaps, (len(mv), 0)]:
        while at < start:
            end = min(at + sizes[turn % len(sizes)], start)
            out.append(Samples(start=at, mv=mv[at:end]))
            at, turn = end, turn + 1
        if n:
            out.append(Gap(start=start, n=n, decided=start + n))
            at = start + n
    return out


def first_stages(fs_hz: float = 360.0, leads: int = 2, range_mv=None) -> Chain:
    """Return conditioning, quality and QRS detection in a chain."""
    return Chain([SignalQuality(fs_hz, leads, range_mv), Conditioning(fs_hz, leads, range_mv), QrsDetector(leads)])


def through(stage, messages: Sequence[Message]) -> list[Message]:
    """Send messages through a stage or a chain and flush it."""
    return [out for message in messages for out in stage.push(message)] + list(stage.flush())


def events(messages: Sequence[Message]) -> list[str]:
    """Everything the events among the messages say."""
    return [repr(message) for message in messages if isinstance(message, Event)]


def signal(messages: Sequence[Message]) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.int64]]:
    """Return values, validity and numbers of all samples among the messages."""
    blocks = [message for message in messages if isinstance(message, Samples)]
    valid = [np.ones(b.mv.shape, bool) if b.valid is None else b.valid for b in blocks]
    numbers = [np.arange(b.start, b.end) for b in blocks]
    return np.concatenate([b.mv for b in blocks]), np.concatenate(valid), np.concatenate(numbers)


def peaks(messages: Sequence[Message]) -> list[RPeak]:
    """Return the R peaks among the messages, in the order of their samples."""
    return sorted((m for m in messages if isinstance(m, RPeak)), key=lambda peak: peak.sample)


def r_peaks_of(mv: NDArray[np.float32], *, fs_hz: float = 360.0, gaps: Sequence[tuple[int, int]] = ()) -> list[RPeak]:
    """Return the R peaks found in a signal."""
    return peaks(through(first_stages(fs_hz, mv.shape[1]), cut(mv, [3600], gaps)))
