"""The samples of a recording for an export: all of them in order, holes filled with no value, their range known."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.errors import SourceError
from edge.messages import Gap
from edge.sources import Recording

_BLOCK = 50_000
_STEPS = 65_534
"""Values a 16-bit number has, one left out that stands for none."""


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """How a lead becomes 16-bit numbers.

    Attributes
    ----------
    step_uv : int
        µV each; 1 unless a lead spans more than 65 mV.
    offset_uv : int
        µV at 0.
    """

    step_uv: int = 1
    offset_uv: int = 0

    def of(self, mv: NDArray[np.float32]) -> NDArray[np.int16]:
        """Return samples as numbers; -32768 where there is no value."""
        with np.errstate(invalid="ignore"):
            steps = np.rint((mv.astype(np.float64) * 1000 - self.offset_uv) / self.step_uv)
        return np.where(np.isfinite(steps), np.clip(steps, -32767, 32767), -32768).astype(np.int16)


def rows(recording: Recording, n: int = _BLOCK) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield the first sample's number and samples, shape (n, n_leads), without what is lost between.

    A recording that breaks off ends there.
    """
    try:
        for message in recording.blocks(n):
            if not isinstance(message, Gap):
                yield message.start, message.mv
    except SourceError:
        return


def filled(recording: Recording, n: int = _BLOCK) -> Iterator[NDArray[np.float32]]:
    """Yield all samples in order, shape (n, n_leads), NaN where they were lost."""
    n_leads, at = len(recording.stream.leads), 0
    for start, mv in rows(recording, n):
        while at < start:
            lost = min(start - at, n)
            yield np.full((lost, n_leads), np.nan, np.float32)
            at += lost
        yield mv
        at = start + len(mv)


def scales(recording: Recording) -> tuple[tuple[Scale, ...], int]:
    """Return the finest scale for each lead, and how many samples there are."""
    n_leads = len(recording.stream.leads)
    low, high, end = np.full(n_leads, np.inf), np.full(n_leads, -np.inf), 0
    for start, mv in rows(recording):
        low, high = np.fmin(low, np.fmin.reduce(mv, axis=0)), np.fmax(high, np.fmax.reduce(mv, axis=0))
        end = start + len(mv)
    out = []
    for least, most in zip(low.tolist(), high.tolist(), strict=True):
        if not least <= most:
            out.append(Scale())
            continue
        low_uv, high_uv = round(least * 1000), round(most * 1000)
        step = max(-(-(high_uv - low_uv) // _STEPS), 1)
        offset = 0 if max(-low_uv, high_uv) <= 32767 * step else (low_uv + high_uv) // 2
        out.append(Scale(step_uv=step, offset_uv=offset))
    return tuple(out), end
