"""Features of when a beat comes: its RR intervals against the patient's own and in absolute terms."""

from __future__ import annotations

import bisect
import math
from collections import deque

TIMING_NAMES = (
    "rr_prev",  # s
    "rr_next",  # s
    "prev_over_next",  # this and all further ones: logarithm of the ratio
    "prev_over_recent",  # median of the last 8
    "next_over_recent",
    "prev_over_long",  # median of the last 48
    "prev_over_slow",  # their 80th percentile: near the sinus cycle even where premature beats are the majority
    "next_over_slow",
    "prev_over_last",
    "last_over_slow",
    "irregularity",  # mean change from one RR to the next over the last 8
    "irregularity_long",  # over the last 32
    "irregularity_usual",  # their median: ectopic beats now and then leave it, atrial fibrillation does not
    "irregularity_every_other",  # median change from one RR to the next but one: low in bigeminy
    "prev_surprise",  # prev_over_long in units of the usual irregularity
    "prev_rank",  # share of the last 48 that were shorter
)

_NEUTRAL_S = 0.8
"""RR taken where nothing is known yet: 75/min."""
_SHORTEST_S, _LONGEST_S = 0.15, 2.0
"""What an interval is clipped to; the longest is also what stands for no beat within the wait."""
_RECENT, _CHANGES, _LONG = 8, 32, 48


class Timing:
    """RR intervals of the past."""

    def __init__(self) -> None:
        self._rr: deque[float] = deque(maxlen=_LONG)
        self._changes: deque[float] = deque(maxlen=_CHANGES)

    def features(self, prev_s: float | None, next_s: float | None) -> list[float]:
        """Describe a beat, then remember it.

        Parameters
        ----------
        prev_s, next_s : float or None
            Intervals to the beats before and after; None where there is none to be known.

        Returns
        -------
        list of float
            One a name in `TIMING_NAMES`.
        """
        ordered = sorted(self._rr)
        recent = sorted(list(self._rr)[-_RECENT:])
        following = min(max(next_s, _SHORTEST_S), _LONGEST_S) if next_s is not None else None
        known = recent[len(recent) // 2] if recent else following or _NEUTRAL_S
        prev = min(max(prev_s, _SHORTEST_S), _LONGEST_S) if prev_s is not None else known
        if following is None:
            following = _LONGEST_S
        long = ordered[len(ordered) // 2] if ordered else known
        slow = ordered[len(ordered) * 4 // 5] if ordered else known
        last = self._rr[-1] if self._rr else known
        changes = list(self._changes)
        log_prev, log_next = math.log(prev), math.log(following)
        log_known, log_slow, log_last = math.log(known), math.log(slow), math.log(last)
        others = self._others()
        rank = bisect.bisect_left(ordered, prev) / len(ordered) if ordered else 0.5
        usual = _median(changes)
        if prev_s is not None:
            if self._rr:
                self._changes.append(abs(log_prev - log_last))
            self._rr.append(prev)
        return [
            prev,
            following,
            log_prev - log_next,
            log_prev - log_known,
            log_next - log_known,
            log_prev - math.log(long),
            log_prev - log_slow,
            log_next - log_slow,
            log_prev - log_last,
            log_last - log_slow,
            _mean(changes[-_RECENT:]),
            _mean(changes),
            usual,
            others,
            (log_prev - math.log(long)) / (usual + 0.03),
            rank,
        ]

    def _others(self) -> float:
        rr = list(self._rr)[-_CHANGES:]
        return _median([abs(math.log(a / b)) for a, b in zip(rr, rr[2:], strict=False)])


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2] if values else 0.0
