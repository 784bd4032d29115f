"""What can be said of each lead, second by second, from the samples as they come.

In this order, the first that holds:

off
    More than half of the values are missing: the front end says the lead is off, or gives what no electrode can.
saturated
    A tenth or more of the values stand at an end of the converter's range; or the lead drifts by 0.5 mV or more without
    turning back, as an overdriven amplifier does while it recovers: no QRS complex could be seen on the way.
flat
    All values lie within 30 uV, the noise that IEC 60601-2-27 lets an amplifier have: no signal is seen.
noisy
    The median change within 8 ms exceeds 60 uV. Over whole records it is below 23 uV in half of the leads of 22 MIT-BIH
    records and below 35 uV in 95 % of them; white noise of 63 uV rms reaches the limit.
good
    None of these.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from edge.messages import Gap, LeadState, Message, Quality, Samples

OFF_SHARE = 0.5
SATURATED_SHARE = 0.1
FLAT_MV = 0.03
NOISY_MV = 0.06
RECOVERY_MV = 0.5
TURN_SHARE = 0.15
"""How much of a recovery's drift the way may be longer than straight; noise takes some, a QRS complex doubles it."""
NEAR_END = 1e-3
"""What lies this near to an end, against the whole range, is at it; what lies beyond shows that the range is wrong."""

_CHANGE_S = 0.008
_TURN_S = 0.04
_ABSURD_MV = 1e4
_STATES: tuple[LeadState, ...] = ("good", "noisy", "flat", "saturated", "off")

Floats = NDArray[np.float32]


class SignalQuality:
    """Judges each lead once a second; works on source samples and in the source's own numbers, before conditioning.

    A second that a gap or the end of the stream cuts short is judged by what there is of it.

    Parameters
    ----------
    fs_hz : float
        Rate of the source.
    n_leads : int
        Columns of its samples.
    range_mv : tuple of (float, float) or None
        Lowest and highest value each lead's converter can give.
    """

    def __init__(self, fs_hz: float, n_leads: int, range_mv: tuple[tuple[float, float], ...] | None = None) -> None:
        self._fs_hz = fs_hz
        self._n_leads = n_leads
        ends = np.asarray(range_mv if range_mv is not None else [(np.nan, np.nan)] * n_leads, np.float32)
        self._low, self._high = ends[:, :1], ends[:, 1:]
        self._near = (self._high - self._low) * np.float32(NEAR_END)
        self._step = max(1, round(_CHANGE_S * fs_hz))
        self._turn = max(1, round(_TURN_S * fs_hz))
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._start = 0
        self._held = np.zeros((0, self._n_leads), np.float32)

    def push(self, message: Message) -> Iterable[Message]:
        """Judge the seconds that a block completes; everything passes."""
        if isinstance(message, Gap):
            return [*self.flush(), message]
        if isinstance(message, Samples):
            return [*self._take(message), message]
        return [message]

    def flush(self) -> Iterable[Message]:
        """Judge the second that was begun."""
        begun = self._judge([self._start, self._start + len(self._held)]) if len(self._held) else []
        self._held = self._held[:0]
        return begun

    def _take(self, samples: Samples) -> list[Quality]:
        out: list[Quality] = []
        if samples.start != self._start + len(self._held):
            out += [quality for quality in self.flush() if isinstance(quality, Quality)]
        if not len(self._held):
            self._start = samples.start
        mv = samples.mv if samples.valid is None else np.where(samples.valid, samples.mv, np.nan)
        self._held = np.concatenate([self._held, mv])
        edges = [self._start]
        while (edge := self._second_after(edges[-1])) <= samples.end:
            edges.append(edge)
        if len(edges) == 1:
            return out
        out += self._judge(edges)
        self._held = self._held[edges[-1] - self._start :]
        self._start = edges[-1]
        return out

    def _second_after(self, sample: int) -> int:
        """Return the next sample at which a second begins."""
        return math.ceil((math.floor(sample / self._fs_hz + 1e-9) + 1) * self._fs_hz - 1e-9)

    def _judge(self, edges: list[int]) -> list[Quality]:
        """Judge the spans between edges, spans of one length together."""
        out: list[Quality] = []
        lengths = np.diff(edges)
        for group in np.split(np.arange(len(lengths)), np.flatnonzero(np.diff(lengths)) + 1):
            if not len(group):
                continue
            n = int(lengths[group[0]])
            first = edges[group[0]] - self._start
            spans = self._held[first : first + n * len(group)].reshape(len(group), n, self._n_leads)
            for i, states in zip(group, self._states(spans), strict=True):
                leads = tuple(_STATES[state] for state in states)
                out.append(Quality(decided=edges[i] + n, start=edges[i], n=n, leads=leads))
        return out

    def _states(self, spans: Floats) -> NDArray[np.int64]:
        """Return the index in `_STATES` for each span and lead; only order statistics, so blocks do not matter."""
        mv = np.ascontiguousarray(spans.transpose(0, 2, 1))
        with np.errstate(invalid="ignore"):
            missing = ~(np.abs(mv) <= _ABSURD_MV)
            at_end = (np.abs(mv - self._low) <= self._near) | (np.abs(mv - self._high) <= self._near)
        n_missing = missing.sum(axis=2)
        if n_missing.any():
            highest = np.max(np.where(missing, -np.inf, mv), axis=2)
            lowest = np.min(np.where(missing, np.inf, mv), axis=2)
        else:
            highest, lowest = mv.max(axis=2), mv.min(axis=2)
        least_stuck = np.maximum(SATURATED_SHARE * (mv.shape[2] - n_missing), 1)
        states = np.where(_median_change(mv, missing, self._step) > NOISY_MV, 1, 0)
        states = np.where(highest - lowest < FLAT_MV, 2, states)
        # Two looks, so that a pacing spike amid one of them is no drift.
        drifts = _recovers(mv[:, :, :: self._turn])
        if drifts.any():
            # The other one begins later and misses a little of the drift.
            drifts &= _recovers(mv[:, :, self._turn // 2 :: self._turn], 0.9 * RECOVERY_MV)
        states = np.where(drifts, 3, states)
        states = np.where((at_end & ~missing).sum(axis=2) >= least_stuck, 3, states)
        return np.where(n_missing > OFF_SHARE * mv.shape[2], 4, states)


def _median_change(mv: Floats, missing: NDArray[np.bool_], step: int) -> Floats:
    """Return the median absolute change over `step` samples, missing ones counted as no change."""
    if mv.shape[2] <= step:
        return np.zeros(mv.shape[:2], np.float32)
    known = np.where(missing, np.float32(0), mv)
    change = np.abs(known[:, :, step:] - known[:, :, :-step])
    change[missing[:, :, step:] | missing[:, :, :-step]] = 0
    middle = change.shape[2] // 2
    return np.asarray(np.partition(change, middle, axis=2)[:, :, middle])


def _recovers(mv: Floats, least_mv: float = RECOVERY_MV) -> NDArray[np.bool_]:
    """Return where a coarse look at a span sees a long way in one direction and hardly any back."""
    with np.errstate(invalid="ignore", over="ignore"):
        drift = np.abs(mv[:, :, -1] - mv[:, :, 0])
        way = np.abs(np.diff(mv, axis=2)).sum(axis=2)
    return np.asarray((drift >= least_mv) & (way <= (1 + TURN_SHARE) * drift))
